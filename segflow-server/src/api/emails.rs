//! Emails that somebody wants to see arrive.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use segflow_core::ledger::Outcome;
use segflow_core::protocol::Rendered;
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::Fields;
use super::params::Params;
use super::problem::{Code, Problem};
use crate::allow;
use crate::store::{allow_list, hold};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/emails/test", post(test))
}

/// Sends what the caller has rendered, from the sender of the project and through its provider, as an email of a `campaign` if it is one. No
/// user, no message, no second try.
async fn test(State(app): State<App>, by: By, params: Params, fields: Fields) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = fields.only(&["to", "subject", "html", "text", "campaign"])?;
    let campaign = fields.flag("campaign")?.unwrap_or_default();
    let mut text = |name: &str| {
        let missing = || Problem::new(Code::MissingField, format!("`{name}` is missing"));
        fields.text(name)?.ok_or_else(missing)
    };
    let (to, subject, html, text) = (text("to")?, text("subject")?, text("html")?, text("text")?);
    if to.parse::<lettre::Address>().is_err() {
        return Err(Problem::new(Code::InvalidAddress, "`to` is not an email address"));
    }
    if let Some(hold) = hold::of(&app.store.db, &by.workspace).await? {
        return Err(Problem::new(Code::Conflict, format!("{}: release it first", hold.reason())).named("held"));
    }
    if allow_list::of(&app.store.db, &by.workspace).await?.is_some_and(|allowed| !allowed.allows(&to)) {
        return Err(Problem::new(Code::InvalidAddress, format!("`to`: {}", allow::REASON)).named("not_allowed"));
    }
    let tried = app.drive.try_email(&by.workspace, to, Rendered { subject, html, text }, campaign).await?;
    let (word, why) = match tried.outcome {
        Outcome::Accepted { provider_id } => {
            return Ok(Json(json!({ "id": tried.id, "provider": tried.provider, "answer": provider_id })));
        }
        Outcome::Refused(why) | Outcome::Bounced { why, .. } => ("refused", why),
        Outcome::Retry(why) | Outcome::Unable { why, .. } => ("retry", why),
        Outcome::Ambiguous(why) | Outcome::Repeatable(why) => ("unknown", why),
    };
    Err(Problem::new(Code::ProviderFailed, why).with("provider", tried.provider).with("outcome", word))
}
