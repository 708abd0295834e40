//! Many facts in one request, each with its own result.

use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Json, Router};
use segflow_core::merge::Object;
use serde_json::{Value, json};

use super::auth::By;
use super::body::{self, Fields, needed};
use super::params::Params;
use super::problem::{Code, Problem, item};
use super::{App, check, events};
use crate::store::ingest::{Fact, What};

const MOST: usize = 5_000;
/// 10 MiB.
const LARGEST: usize = 10 << 20;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/batch", post(batch))
}

async fn batch(State(app): State<App>, by: By, params: Params, request: Request) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = body::fields(request, LARGEST).await?.only(&["batch"])?;
    let items = needed("batch", fields.list("batch")?)?;
    if items.len() > MOST {
        let detail = format!("{} items, and at most {MOST} are allowed: send several batches", items.len());
        return Err(Problem::new(Code::BatchTooLarge, detail));
    }
    let now = app.now();
    let mut facts = Vec::with_capacity(items.len());
    let mut results: Vec<Result<Option<String>, Problem>> = Vec::with_capacity(items.len());
    for value in items {
        results.push(fact(value, &by.workspace, now).map(|(event, fact)| {
            facts.push(fact);
            event
        }));
    }
    // A caller that goes away leaves no half of a batch behind.
    let storing = tokio::spawn(async move { app.store.ingest.store_all(facts).await });
    let mut stored = storing.await.map_err(super::problem::internal)??.into_iter();
    let results: Vec<Value> = results
        .into_iter()
        .map(|result| match result {
            Err(problem) => item(&problem),
            Ok(event) => match stored.next() {
                Some(Ok(_)) => done(event),
                Some(Err(error)) => item(&error.into()),
                None => item(&super::problem::internal("a fact of a batch has no result")),
            },
        })
        .collect();
    Ok(Json(json!({ "results": results })))
}

fn done(event: Option<String>) -> Value {
    match event {
        None => json!({ "status": 200 }),
        Some(id) => json!({ "status": 202, "id": id }),
    }
}

/// One item as a fact, with the id of the event if it is one.
fn fact(item: Value, workspace: &str, now: i64) -> Result<(Option<String>, Fact), Problem> {
    let mut fields = Fields::of(item, "the item")?;
    let ty = needed("type", fields.text("type")?)?;
    let known: &[&str] = match ty.as_str() {
        "identify" => &["user_id", "attributes", "historical"],
        "track" => &["user_id", "name", "attributes", "id", "occurred_at", "historical"],
        other => {
            let other: String = other.chars().take(100).collect();
            return Err(Problem::new(
                Code::WrongType,
                format!("`type` is `{other}`, and must be `identify` or `track`"),
            ));
        }
    };
    let mut fields = fields.only(known)?;
    let user = needed("user_id", fields.text("user_id")?)?;
    check::user_id(&user)?;
    let historical = fields.flag("historical")?.unwrap_or(false);
    let (event, what) = if ty == "track" {
        let (id, what) = events::event(fields, now)?;
        (Some(id), what)
    } else {
        let patch: Object = fields.object("attributes")?.unwrap_or_default();
        check::attributes(&patch)?;
        (None, What::Merge { patch, create: true })
    };
    Ok((event, Fact { workspace: workspace.to_string(), user, what, historical, now }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_says_what_it_is() {
        let (event, made) =
            fact(json!({"type": "identify", "user_id": "u", "historical": true}), "w", 0).expect("valid");
        assert_eq!((event, made.historical, made.user.as_str()), (None, true, "u"));
        let (event, made) =
            fact(json!({"type": "track", "user_id": "u", "name": "n", "id": "e"}), "w", 0).expect("valid");
        assert_eq!((event.as_deref(), made.historical), (Some("e"), false));
    }

    #[test]
    fn every_wrong_item_is_422() {
        for wrong in [
            json!(5),
            json!({}),
            json!({"type": "alias", "user_id": "u"}),
            json!({"type": "identify"}),
            json!({"type": "identify", "user_id": ""}),
            json!({"type": "identify", "user_id": 5}),
            json!({"type": "identify", "user_id": "u", "name": "n"}),
            json!({"type": "identify", "user_id": "u", "historical": "yes"}),
            json!({"type": "identify", "user_id": "u", "attributes": []}),
            json!({"type": "track", "user_id": "u"}),
        ] {
            assert_eq!(fact(wrong.clone(), "w", 0).expect_err("refused").status(), 422, "{wrong}");
        }
    }
}
