//! Endpoints that are told what happens. Their secrets are shown when they are made, and never again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use segflow_core::words::distance;
use serde_json::{Value, json};

use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem};
use super::{App, check};
use crate::clock::rfc3339;
use crate::endpoints::secret;
use crate::public;
use crate::store::news::TYPES;
use crate::store::news::endpoints::{self, Endpoint};
use crate::store::news::queue::{self, Replay, Shown};

const STATUSES: [&str; 3] = ["pending", "delivered", "failed"];

/// The longest URL, in bytes.
const LONGEST: usize = 2_000;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/webhooks", get(list).post(create))
        .route("/v1/webhooks/{id}", get(one).delete(remove))
        .route("/v1/webhooks/{id}/enable", post(enable))
        .route("/v1/webhooks/{id}/rotate", post(rotate))
        .route("/v1/webhooks/{id}/replay", post(replay))
        .route("/v1/webhooks/{id}/deliveries", get(deliveries))
}

async fn create(
    State(app): State<App>,
    by: By,
    params: Params,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    params.none()?;
    let mut fields = fields.only(&["url", "events"])?;
    let url = checked(&needed("url", fields.text("url")?)?, app.private_webhooks)?;
    let events = fields.list("events")?.map(types).transpose()?;
    if !app.secrets.can_seal() {
        let detail = "this server has no key to seal the secret of a webhook with: start it with SEGFLOW_SECRET_KEY \
                      (`openssl rand -hex 32` makes one)";
        return Err(Problem::new(Code::Conflict, detail).named("no_secret_key"));
    }
    let (id, secret) = (endpoints::new_id(), secret::new()?);
    app.secrets.set(&by.workspace, &secret::name(&id), &secret::follows(&secret, None)).await?;
    let created = endpoints::create(&app.store.db, &by.workspace, &id, &url, events, app.now()).await;
    if created.is_err() {
        app.secrets.remove(&by.workspace, &secret::name(&id)).await?;
    }
    created?;
    let mut shown = endpoint_json(&app, &found(&app, &by, &id).await?);
    shown["secret"] = secret.into();
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    let found = endpoints::list(&app.store.db, &by.workspace, after.as_deref(), page.rows()).await?;
    Ok(page.answer(found, |endpoint| endpoint.id.clone(), |endpoint| endpoint_json(&app, &endpoint)))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut shown = endpoint_json(&app, &found(&app, &by, &id).await?);
    shown["waiting"] = endpoints::waiting(&app.store.db, &id).await?.into();
    Ok(Json(shown))
}

async fn remove(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    if !endpoints::remove(&app.store.db, &by.workspace, &id).await? {
        return Err(Problem::not_found("webhook", &id));
    }
    app.secrets.remove(&by.workspace, &secret::name(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enable(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    if !endpoints::enable(&app.store.db, &by.workspace, &id, app.now()).await? {
        return Err(Problem::not_found("webhook", &id));
    }
    Ok(Json(endpoint_json(&app, &found(&app, &by, &id).await?)))
}

/// A new secret. For a while deliveries are signed with the one before as well, so that receivers can follow.
async fn rotate(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    found(&app, &by, &id).await?;
    let (secret, name) = (secret::new()?, secret::name(&id));
    let stored = app.secrets.of(&by.workspace).await?.own(&name);
    let until = endpoints::rotate(&app.store.db, &by.workspace, &id, app.now()).await?;
    app.secrets.set(&by.workspace, &name, &secret::follows(&secret, stored.as_deref())).await?;
    Ok(Json(json!({ "id": id, "secret": secret, "rotates_until": rfc3339(until) })))
}

/// One delivery, or all that were given up, of what happened since an instant.
async fn replay(
    State(app): State<App>,
    by: By,
    Id(id): Id,
    params: Params,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = fields.only(&["delivery", "since"])?;
    let (delivery, since) = (fields.text("delivery")?, fields.text("since")?);
    let what = match (delivery.clone(), since) {
        (Some(id), None) => Replay::One(id),
        (None, Some(since)) => Replay::Failed { since: check::time("since", &since)? },
        _ => return Err(Problem::new(Code::MissingField, "give `delivery`, an id, or `since`, an instant")),
    };
    if found(&app, &by, &id).await?.disabled_at.is_some() {
        let detail = "the webhook is disabled: enable it first, and what waits for it goes on";
        return Err(Problem::new(Code::Conflict, detail).named("webhook_disabled"));
    }
    match (queue::replay(&app.store.db, &id, what, app.now()).await?, delivery) {
        (0, Some(delivery)) => Err(Problem::not_found("delivery", &delivery)),
        (replayed, _) => Ok(Json(json!({ "replayed": replayed }))),
    }
}

async fn deliveries(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&["status", "limit", "after"])?;
    let page = Page::of(&params)?;
    let (status, after) = (params.one_of("status", &STATUSES)?, page.after()?);
    found(&app, &by, &id).await?;
    let listed = queue::list(&app.store.db, &id, status, after, page.rows()).await?;
    Ok(page.answer(listed, |delivery| delivery.seq, delivery_json))
}

async fn found(app: &App, by: &By, id: &str) -> Result<Endpoint, Problem> {
    let found = endpoints::get(&app.store.db, &by.workspace, id).await?;
    found.ok_or_else(|| Problem::not_found("webhook", id))
}

/// A URL that may be called. `private`: any address may be, and without encryption.
fn checked(url: &str, private: bool) -> Result<String, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidUrl, detail);
    if url.len() > LONGEST {
        return Err(wrong(format!("`url` has {} bytes; at most {LONGEST} are allowed", url.len())));
    }
    let parsed = public::allowed(url, private).map_err(|why| wrong(format!("`url`: {why}")))?;
    if parsed.scheme() != "https" && !private {
        let detail = "`url` must begin with https://: what is told is nobody else's business (a server that runs with \
                      SEGFLOW_ALLOW_PRIVATE_WEBHOOKS=1 calls http:// too)";
        return Err(wrong(detail.into()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        let detail = "`url` has a name or a password in it, which everybody would see: deliveries are signed instead";
        return Err(wrong(detail.into()));
    }
    Ok(parsed.into())
}

fn types(events: Vec<Value>) -> Result<Vec<String>, Problem> {
    let mut types = vec![];
    for event in events {
        let Value::String(event) = &event else {
            return Err(Problem::new(Code::WrongType, format!("`events` has {event} in it, and must be strings")));
        };
        if !TYPES.contains(&event.as_str()) {
            let near = TYPES.iter().map(|known| (distance(event, known), known)).min();
            let hint = match near.filter(|(d, _)| *d <= 1 + event.len() / 3) {
                Some((_, near)) => format!("did you mean `{near}`?"),
                None => format!("there are {}", TYPES.join(", ")),
            };
            let event: String = event.chars().take(100).collect();
            let detail = format!("nothing is told as `{event}`; {hint}");
            return Err(Problem::new(Code::InvalidName, detail).named("unknown_event_type"));
        }
        if !types.contains(event) {
            types.push(event.clone());
        }
    }
    match types.is_empty() {
        true => Err(Problem::new(Code::MissingField, "`events` is empty: leave it out to be told everything")),
        false => Ok(types),
    }
}

fn endpoint_json(app: &App, endpoint: &Endpoint) -> Value {
    let status = match (endpoint.disabled_at, endpoint.failures) {
        (Some(_), _) => "disabled",
        (None, 0) => "enabled",
        (None, _) => "failing",
    };
    json!({
        "id": endpoint.id,
        "url": endpoint.url,
        "events": endpoint.events,
        "status": status,
        "reason": endpoint.reason,
        "failures": endpoint.failures,
        "rests_until": endpoint.rests_until.filter(|until| *until > app.now()).map(rfc3339),
        "sound_at": rfc3339(endpoint.sound_at),
        "rotates_until": endpoint.rotates_until.filter(|until| *until > app.now()).map(rfc3339),
        "disabled_at": endpoint.disabled_at.map(rfc3339),
        "created_at": rfc3339(endpoint.created_at),
    })
}

fn delivery_json(delivery: Shown) -> Value {
    let body: Option<Value> = serde_json::from_str(&delivery.body).ok();
    json!({
        "id": delivery.id,
        "type": delivery.ty,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "created_at": rfc3339(delivery.created_at),
        "updated_at": rfc3339(delivery.updated_at),
        "due_at": delivery.due_at.map(rfc3339),
        "body": body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_the_public_internet_encrypted_and_without_passwords() {
        for good in ["https://shop.example/hooks?a=1", "https://8.8.8.8:8443/"] {
            assert_eq!(checked(good, false).expect("good"), good);
        }
        for (bad, word) in [
            ("shop.example", "not an address"),
            ("http://shop.example", "https://"),
            ("ftp://shop.example", "neither http nor https"),
            ("https://127.0.0.1/", "public internet"),
            ("https://[::1]/", "public internet"),
            ("https://169.254.169.254/latest", "public internet"),
            ("https://name:password@shop.example/", "password"),
            (format!("https://shop.example/{}", "x".repeat(LONGEST)).as_str(), "at most"),
        ] {
            let problem = checked(bad, false).expect_err(bad);
            assert_eq!((problem.status(), problem.code()), (422, "invalid_url"));
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
        assert!(checked("http://127.0.0.1:3000/", true).is_ok());
    }

    #[test]
    fn types_are_those_that_there_are() {
        let read = |value: Value| types(value.as_array().expect("an array").clone());
        let twice = json!(["message.sent", "message.sent", "goal.reached"]);
        assert_eq!(read(twice).expect("known"), ["message.sent", "goal.reached"]);
        for (bad, code, word) in [
            (json!(["message.snet"]), "unknown_event_type", "`message.sent`?"),
            (json!(["everything"]), "unknown_event_type", "user.unsubscribed"),
            (json!([7]), "wrong_type", "strings"),
            (json!([]), "missing_field", "leave it out"),
        ] {
            let problem = read(bad).expect_err("refused");
            assert_eq!(problem.code(), code);
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
    }
}
