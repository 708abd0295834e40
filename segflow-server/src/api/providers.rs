//! The providers of the project in force: how each is, and why.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use segflow_core::route::{Access, Breaker};
use segflow_protocol::{Provider, Stream};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::Problem;
use crate::clock::rfc3339;
use crate::store::providers::{self, Key, Known};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/providers", get(list)).route("/v1/providers/{id}/retry", post(retry))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    // As they are declared.
    let begin = page.after()?.map_or(0, |last: usize| last.saturating_add(1));
    let project = app.deploy.project(&by.workspace).await?;
    let (known, now) = (providers::of(&app.store.db, &by.workspace).await?, app.now());
    let used = providers::used(&app.store.db, &by.workspace, now).await?;
    let secrets = app.secrets.of(&by.workspace).await?;
    let one = |declared: &Provider| {
        let known = known.iter().find(|known| known.key.id == declared.id);
        let missing = declared.kind.secrets().into_iter().find(|name| secrets.get(name).is_none());
        let used = used.iter().find(|(id, _)| *id == declared.id).map_or(0, |(_, used)| *used);
        let state = state(declared, known, missing, used, app.captures, now);
        provider_json(declared, known, used, state)
    };
    let all = project.manifest.providers.iter().enumerate().skip(begin);
    Ok(page.answer(all.collect(), |(place, _)| *place, |(_, declared)| one(declared)))
}

/// Whatever keeps it from being asked is forgotten: somebody has mended it.
async fn retry(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    let project = app.deploy.project(&by.workspace).await?;
    if !project.manifest.providers.iter().any(|declared| declared.id == id) {
        return Err(Problem::not_found("provider", &id));
    }
    providers::retry(&app.store.db, &Key { workspace: by.workspace.clone(), id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a provider is, in a word, why, and until when.
#[derive(Default)]
struct Being {
    word: &'static str,
    why: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
}

fn state(
    declared: &Provider,
    known: Option<&Known>,
    missing: Option<&str>,
    used: i64,
    captures: bool,
    now: i64,
) -> Being {
    let is = |word, why: String| Being { word, why: Some(why), ..Being::default() };
    if captures {
        return is("captured", "a development server sends nothing".into());
    }
    if let Some(name) = missing {
        return is("unusable", format!("secret {name} is not set on the server"));
    }
    let Some(known) = known else { return Being { word: "ready", ..Being::default() } };
    if let Some(why) = &known.unusable {
        return is("unusable", why.clone());
    }
    let down = |word, until| Being { word, why: known.why.clone(), since: known.since, until };
    match (known.breaker, known.breaker.access(now)) {
        (Breaker::HalfOpen { .. }, Access::Shut(_)) => return down("trying", None),
        (_, Access::Shut(until)) => return down("down", Some(until)),
        // The next message shows whether it is well.
        (_, Access::Probe) => return down("trying", None),
        _ => {}
    }
    match least(declared.route.per_day, known.told.per_day) {
        Some(limit) if used >= i64::from(limit) => {
            is("spent", format!("{used} of {limit} messages in 24 hours are used up"))
        }
        _ => Being { word: "ready", ..Being::default() },
    }
}

fn provider_json(declared: &Provider, known: Option<&Known>, used: i64, being: Being) -> Value {
    let told = known.map(|known| known.told).unwrap_or_default();
    let (second, day) = (declared.route.per_second, declared.route.per_day);
    json!({
        "id": declared.id,
        "kind": declared.kind.name(),
        "state": being.word,
        "why": being.why,
        "since": being.since.map(rfc3339),
        "until": being.until.map(rfc3339),
        "priority": declared.route.priority,
        "weight": declared.route.weight,
        "only": declared.route.only.map(Stream::name),
        "per_second": { "declared": second, "told": told.per_second },
        "per_day": {
            "declared": day,
            "told": told.per_day,
            "used": least(day, told.per_day).map(|_| used),
        },
    })
}

fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.into_iter().chain(b).min()
}
