//! The only addresses that a workspace writes to, where it must not write to everybody.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::{Fields, needed};
use super::params::Params;
use super::problem::{Code, Problem};
use crate::allow::AllowList;
use crate::store::allow_list;

/// The most patterns.
const MOST: usize = 1_000;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/allow-list", get(show).put(set).delete(clear))
}

async fn show(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    Ok(Json(list_json(allow_list::of(&app.store.db, &by.workspace).await?.as_ref())))
}

async fn set(State(app): State<App>, by: By, params: Params, fields: Fields) -> Result<Json<Value>, Problem> {
    params.none()?;
    let patterns = needed("allow", fields.only(&["allow"])?.list("allow")?)?;
    let list = read(&patterns)?;
    allow_list::set(&app.store.db, &by.workspace, Some(&list)).await?;
    tracing::info!(workspace = by.workspace, key = by.key_id, patterns = list.patterns().len(), "an allow-list is set");
    Ok(Json(list_json(Some(&list))))
}

async fn clear(State(app): State<App>, by: By, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    allow_list::set(&app.store.db, &by.workspace, None).await?;
    tracing::info!(workspace = by.workspace, key = by.key_id, "the allow-list is cleared");
    Ok(StatusCode::NO_CONTENT)
}

fn read(patterns: &[Value]) -> Result<AllowList, Problem> {
    if patterns.len() > MOST {
        let detail = format!("{} patterns, and at most {MOST} are allowed: name domains", patterns.len());
        return Err(Problem::new(Code::BatchTooLarge, detail));
    }
    if patterns.is_empty() {
        let detail = "an empty list would let nobody be written to: hold sending (PUT /v1/hold), or DELETE the list";
        return Err(Problem::new(Code::MissingField, detail).named("empty_allow_list"));
    }
    let wrong = || Problem::new(Code::WrongType, "`allow` must be an array of strings");
    let patterns = patterns.iter().map(|pattern| pattern.as_str().ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?;
    AllowList::of(patterns).map_err(|why| Problem::new(Code::InvalidAddress, format!("`allow`: {why}")))
}

fn list_json(list: Option<&AllowList>) -> Value {
    json!({ "allow": list.map(AllowList::patterns) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let list = read(&[json!("@Team.example"), json!("ada@x.example")]).expect("patterns");
        assert_eq!(list_json(Some(&list)), json!({ "allow": ["@team.example", "ada@x.example"] }));
        assert_eq!(list_json(None), json!({ "allow": null }));
        for (patterns, code, word) in [
            (vec![], "empty_allow_list", "/v1/hold"),
            (vec![json!(1)], "wrong_type", "strings"),
            (vec![json!("team.example")], "invalid_address", "`team.example`"),
            (vec![json!("@x.example"); 1_001], "batch_too_large", "1001"),
        ] {
            let problem = read(&patterns).expect_err("refused");
            assert_eq!(problem.code(), code);
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
    }
}
