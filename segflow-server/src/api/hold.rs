//! A stop for everything that would be sent.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::Optional;
use super::params::Params;
use super::problem::{Code, Problem};
use crate::clock::rfc3339;
use crate::store::hold::{self, Released};

/// The longest reason, in characters: every message that waits is shown with it.
const LONGEST: usize = 500;

/// Why a message is cancelled that was dropped.
const DROPPED: &str = "dropped when sending was released";

pub fn routes() -> Router<App> {
    Router::new().route("/v1/hold", get(show).put(begin).delete(release))
}

async fn show(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    state(&app, &by).await.map(Json)
}

/// Once this is answered, no message begins to be sent any more, on any server.
async fn begin(
    State(app): State<App>,
    by: By,
    params: Params,
    Optional(fields): Optional,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let reason = fields.only(&["reason"])?.text("reason")?.filter(|reason| !reason.trim().is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST) {
        let detail = format!("`reason` is longer than {LONGEST} characters");
        return Err(Problem::new(Code::InvalidName, detail).named("invalid_reason"));
    }
    hold::begin(&app.store.db, &by.workspace, Some(&by.key_id), reason.as_deref(), app.now()).await?;
    tracing::info!(workspace = by.workspace, key = by.key_id, "sending is held");
    state(&app, &by).await.map(Json)
}

async fn release(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let drop = params.only(&["drop"])?.flag("drop")?.unwrap_or(false);
    let released = hold::release(&app.store.db, &by.workspace, drop.then(|| DROPPED.into()), app.now()).await?;
    // Otherwise whoever comes second would drop what is on its way again.
    if drop && released.is_none() {
        let detail = "sending is not held, so nothing is dropped: hold it first, and look at what waits";
        return Err(Problem::new(Code::Conflict, detail).named("not_held"));
    }
    let Released { released, dropped } = match released {
        Some(done) => {
            let Released { released, dropped } = done;
            tracing::info!(workspace = by.workspace, key = by.key_id, released, dropped, "sending is released");
            done
        }
        None => Released { released: 0, dropped: 0 },
    };
    Ok(Json(json!({ "held": false, "released": released, "dropped": dropped })))
}

async fn state(app: &App, by: &By) -> Result<Value, Problem> {
    let hold = hold::of(&app.store.db, &by.workspace).await?;
    let waiting = hold::waiting(&app.store.db, &by.workspace).await?;
    let hold = hold.as_ref();
    let key = hold.and_then(|hold| hold.by.as_ref());
    Ok(json!({
        "held": hold.is_some(),
        "since": hold.map(|hold| rfc3339(hold.since)),
        "by": key.map(|(id, name)| json!({ "id": id, "name": name })),
        "reason": hold.and_then(|hold| hold.why.as_ref()),
        "waiting": waiting,
    }))
}
