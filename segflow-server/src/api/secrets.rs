//! Secrets of the caller's workspace. They go in and never come out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::{Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem};
use crate::clock::rfc3339;
use crate::secrets::{LARGEST, Source, is_reserved};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/secrets", get(list)).route("/v1/secrets/{name}", put(set).delete(remove))
}

async fn set(
    State(app): State<App>,
    by: By,
    Id(name): Id,
    params: Params,
    fields: Fields,
) -> Result<StatusCode, Problem> {
    params.none()?;
    check(&name)?;
    let mut fields = fields.only(&["value"])?;
    let value = needed("value", fields.text("value")?)?;
    let wrong = |detail: String| Problem::new(Code::InvalidName, detail).named("invalid_secret");
    match value.len() {
        0 => return Err(wrong("a secret is not empty".into())),
        size if size > LARGEST => {
            return Err(wrong(format!("the secret has {size} bytes; at most {LARGEST} are allowed")));
        }
        _ => {}
    }
    if !app.secrets.can_seal() {
        let detail = "this server has no key to seal secrets with: start it with SEGFLOW_SECRET_KEY \
                      (`openssl rand -hex 32` makes one), or put the secret into its environment";
        return Err(Problem::new(Code::Conflict, detail).named("no_secret_key"));
    }
    app.secrets.set(&by.workspace, &name, &value).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<String> = page.after()?;
    let mut found = app.secrets.list(&by.workspace).await?;
    found.retain(|(name, ..)| after.as_ref().is_none_or(|after| name > after));
    found.truncate(usize::try_from(page.rows()).unwrap_or(usize::MAX));
    Ok(page.answer(found, |(name, ..)| name.clone(), secret_json))
}

async fn remove(State(app): State<App>, by: By, Id(name): Id, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    if !app.secrets.remove(&by.workspace, &name).await? {
        return Err(Problem::not_found("secret", &name));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn secret_json((name, updated_at, source): (String, i64, Source)) -> Value {
    let source = match source {
        Source::Environment => "environment",
        Source::Stored => "stored",
        Source::Sealed => "sealed",
    };
    json!({ "name": name, "source": source, "updated_at": rfc3339(updated_at) })
}

/// As an environment variable is called, since one of that name wins.
fn check(name: &str) -> Result<(), Problem> {
    let wrong = |detail: String| Err(Problem::new(Code::InvalidName, detail));
    let letters = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    if name.len() > 128 || !name.bytes().all(letters) || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return wrong("a secret is called like POSTMARK_TOKEN: capital letters, digits and _, at most 128".into());
    }
    if is_reserved(name) {
        return wrong(format!("{name} is a name of the server's own settings: call the secret something else"));
    }
    Ok(())
}
