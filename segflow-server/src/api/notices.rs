//! `/webhooks/WORKSPACE/PROVIDER`: what providers tell of messages, and below it `/replies`, what readers answer. They have no key of
//! ours; what they say is proven by the secret that the project names for it (`.webhook("…")`, `.replies("…")`), and without one nothing
//! is taken. Answered with 2xx once it is committed, whether it was news or not: a vendor tells anything else again, for hours.

use axum::extract::{Path, Request, State};
use axum::routing::post;
use axum::{Json, Router};
use segflow_core::notice::Notice;
use segflow_protocol::ProviderKind;
use serde_json::{Value, json};

use super::problem::{Code, Problem};
use super::{App, body};
use crate::clock::system_now;
use crate::notices::{self, Refusal};
use crate::replies;
use crate::store::notices::{Noted, Source, note};

/// 8 MiB: SendGrid tells a thousand things at once.
const LARGEST: usize = 8 << 20;

/// 40 MiB: mails come with what is attached to them, of which Postmark passes on 35 MB and SendGrid 30.
const LARGEST_MAIL: usize = 40 << 20;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/webhooks/{workspace}/{provider}", post(take))
        .route("/webhooks/{workspace}/{provider}/replies", post(take_reply))
}

async fn take(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let project = app.deploy.project(&workspace).await?;
    let declared = project.manifest.providers.iter().find(|provider| provider.id == id);
    // The same words whatever is missing: nobody is told what there is.
    let Some((kind, name)) = declared.and_then(|declared| Some((&declared.kind, declared.webhook.as_ref()?))) else {
        let detail = "no provider of that name takes anything here: declare it with `.webhook(\"SECRET\")`, and push";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let Some(secret) = app.secrets.of(&workspace).await?.get(name) else {
        return Err(later(&id, format!("secret {name} is not set on the server")));
    };
    let headers = request.headers().clone();
    let body = body::bytes(request, LARGEST, |_| true, "what the provider tells").await?;
    let told = match app.notices.read(kind, secret.trim(), &headers, &body, system_now()).await {
        Ok(told) => told,
        Err(refusal) => return Err(refused(&id, kind, refusal)),
    };
    let source = Source { workspace, provider: Some(id), now: app.now(), is_virtual: app.drive.clock().is_virtual() };
    let noted = match told.is_empty() {
        true => Noted::default(),
        false => note(&app.store.db, &project, source, told.clone()).await?,
    };
    if noted.new > 0 {
        app.drive.wake();
    }
    count(kind, &told, noted);
    Ok(Json(json!({ "new": noted.new, "known": noted.known, "unknown": noted.unknown })))
}

async fn take_reply(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let project = app.deploy.project(&workspace).await?;
    let declared = project.manifest.providers.iter().find(|provider| provider.id == id);
    let Some((kind, name)) = declared.and_then(|declared| Some((&declared.kind, declared.replies.as_ref()?))) else {
        let detail = "no provider of that name brings answers here: declare it with `.replies(\"SECRET\")`, and push";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let Some(secret) = app.secrets.of(&workspace).await?.get(name) else {
        return Err(later(&id, format!("secret {name} is not set on the server")));
    };
    // Before all that is attached is read.
    notices::prove_password(secret.trim(), request.headers()).map_err(|refusal| refused(&id, kind, refusal))?;
    let headers = request.headers().clone();
    let body = body::bytes(request, LARGEST_MAIL, |_| true, "a mail as the provider brings it").await?;
    let arrived = replies::read(kind, &headers, body).await.map_err(|why| {
        metrics::counter!("segflow_notices_refused_total", "provider" => kind.name()).increment(1);
        Problem::new(Code::UnreadableBody, why)
    })?;
    let source = Source { workspace, provider: Some(id), now: app.now(), is_virtual: app.drive.clock().is_virtual() };
    let noted = replies::note(&app.store.db, &project, source, kind.name(), vec![arrived]).await?;
    if noted.new > 0 {
        app.drive.wake();
    }
    Ok(Json(json!({ "new": noted.new, "known": noted.known, "unknown": noted.unknown })))
}

fn refused(id: &str, kind: &ProviderKind, refusal: Refusal) -> Problem {
    metrics::counter!("segflow_notices_refused_total", "provider" => kind.name()).increment(1);
    match refusal {
        Refusal::Unsigned(why) => {
            tracing::warn!(provider = id, "what came as told by a provider was not taken: {why}");
            Problem::new(Code::WrongSignature, why)
        }
        Refusal::Unreadable(why) => Problem::new(Code::MalformedJson, why),
        Refusal::Later(why) => later(id, why),
    }
}

/// The vendor tells it again.
fn later(id: &str, why: String) -> Problem {
    tracing::warn!(provider = id, "what a provider tells cannot be taken: {why}");
    Problem::new(Code::NotReady, why)
}

fn count(kind: &ProviderKind, told: &[Notice], noted: Noted) {
    for notice in told {
        metrics::counter!("segflow_notices_total", "provider" => kind.name(), "outcome" => notice.what.name())
            .increment(1);
    }
    metrics::counter!("segflow_notices_unknown_total", "provider" => kind.name()).increment(noted.unknown as u64);
}
