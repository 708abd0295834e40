//! Addresses that are not to be written to, and what their readers have said of topics.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use segflow_core::consent::Block;
use segflow_core::ids::hex;
use segflow_core::words::distance;
use serde_json::{Value, json};

use super::auth::By;
use super::body::{self, Fields, needed};
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem, item};
use super::{App, check};
use crate::address;
use crate::clock::rfc3339;
use crate::store::consent::{self, Listed, Note, Said};

/// The most items of one request, and its most bytes.
const MOST: usize = 5_000;
const LARGEST: usize = 10 << 20;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/suppressions", get(list).post(add))
        .route("/v1/suppressions/{address}", get(one).delete(lift))
}

async fn list(State(app): State<App>, by: By, params: Params) -> Result<Json<Value>, Problem> {
    let page = Page::of(&params.only(&["limit", "after"])?)?;
    let after: Option<Vec<u8>> = page.after()?;
    let found = consent::list(&app.store.db, &by.workspace, after.as_deref(), page.rows()).await?;
    Ok(page.answer(found, |listed| listed.hash.clone(), |listed| listed_json(&listed)))
}

async fn one(State(app): State<App>, by: By, Id(address): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let found = consent::one(&app.store.db, &by.workspace, &address).await?;
    found.map(|listed| Json(listed_json(&listed))).ok_or_else(|| nothing(&address))
}

/// Many at once, each with its own result.
async fn add(State(app): State<App>, by: By, params: Params, request: Request) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = body::fields(request, LARGEST).await?.only(&["items"])?;
    let items = needed("items", fields.list("items")?)?;
    if items.len() > MOST {
        let detail = format!("{} items, and at most {MOST} are allowed: send several requests", items.len());
        return Err(Problem::new(Code::BatchTooLarge, detail));
    }
    let project = app.deploy.project(&by.workspace).await?;
    let topics: Vec<&str> = project.manifest.topics.iter().map(|topic| topic.id.as_str()).collect();
    let now = app.now();
    let (mut notes, mut results) = (vec![], vec![]);
    for value in items {
        results.push(match notes_of(value, &topics, now) {
            Ok(more) => {
                notes.extend(more);
                json!({ "status": 200 })
            }
            Err(problem) => item(&problem),
        });
    }
    consent::note(&app.store.db, &by.workspace, notes).await?;
    Ok(Json(json!({ "results": results })))
}

async fn lift(State(app): State<App>, by: By, Id(address): Id, params: Params) -> Result<StatusCode, Problem> {
    params.none()?;
    if consent::one(&app.store.db, &by.workspace, &address).await?.is_none() {
        return Err(nothing(&address));
    }
    let note = Note { address, known: true, said: vec![Said::Lift], at: app.now() };
    consent::note(&app.store.db, &by.workspace, vec![note]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn nothing(address: &str) -> Problem {
    Problem::new(Code::NotFound, format!("nothing is known of the address `{address}`"))
}

/// What one item says; it looks as it is listed. If it says nothing but the address, that is blocked by hand.
fn notes_of(value: Value, topics: &[&str], now: i64) -> Result<Vec<Note>, Problem> {
    let known = &["address", "hash", "blocked", "blocked_at", "unsubscribed", "unsubscribed_at", "topics"];
    let mut fields = Fields::of(value, "the item")?.only(known)?;
    let address = needed("address", fields.text("address")?)?;
    if !address::is_one(address.trim()) {
        return Err(Problem::new(Code::InvalidAddress, "`address` is not an email address"));
    }
    let mut at =
        |name: &str| -> Result<i64, Problem> { fields.text(name)?.map_or(Ok(now), |text| check::time(name, &text)) };
    let (blocked_at, unsubscribed_at) = (at("blocked_at")?, at("unsubscribed_at")?);
    let note = |said: Said, at| Note { address: address.trim().into(), known: true, said: vec![said], at };
    let mut notes = vec![];
    if let Some(word) = fields.text("blocked")? {
        let words = Block::ALL.map(Block::name).join(", ");
        let wrong = || Problem::new(Code::WrongType, format!("`blocked` is `{word}`, and must be one of {words}"));
        notes.push(note(Said::Block(Block::parse(&word).ok_or_else(wrong)?), blocked_at));
    }
    if let Some(unsubscribed) = fields.flag("unsubscribed")? {
        notes.push(note(Said::Wants(!unsubscribed), unsubscribed_at));
    }
    for (id, wants) in fields.object("topics")?.into_iter().flatten() {
        topic(&id, topics)?;
        let wrong = || Problem::new(Code::WrongType, format!("`topics.{id}` must be true or false"));
        let wants = wants.as_bool().ok_or_else(wrong)?;
        notes.push(note(Said::Topic { id, wants }, now));
    }
    if notes.is_empty() {
        notes.push(note(Said::Block(Block::Manual), blocked_at));
    }
    Ok(notes)
}

/// A topic that no campaign is about would be wanted, or not, in vain.
pub fn topic(id: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&id) {
        return Ok(());
    }
    let near = known.iter().map(|known| (distance(id, known), known)).min().filter(|(d, _)| *d <= 1 + id.len() / 3);
    let id: String = id.chars().take(100).collect();
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the project that is deployed has none".into(),
        None => format!("there are {}", known.join(", ")),
    };
    Err(Problem::new(Code::InvalidName, format!("there is no topic `{id}`; {hint}")).named("unknown_topic"))
}

fn listed_json(listed: &Listed) -> Value {
    json!({
        "address": listed.address,
        "hash": hex(&listed.hash),
        "blocked": listed.consent.blocked.map(Block::name),
        "blocked_at": listed.blocked_at.map(rfc3339),
        "unsubscribed": listed.consent.unsubscribed,
        "unsubscribed_at": listed.unsubscribed_at.map(rfc3339),
        "topics": listed.consent.topics,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_read_as_it_is_listed_and_mistakes_are_named() {
        let read = |value| notes_of(value, &["news"], 7);
        let said = |value| read(value).expect("read").into_iter().flat_map(|note| note.said).collect::<Vec<_>>();
        assert_eq!(said(json!({"address": " a@x.example "})), [Said::Block(Block::Manual)]);
        let whole = json!({"address": "a@x.example", "hash": "00", "blocked": "bounce", "blocked_at": "2026-01-01T00:00:00Z",
            "unsubscribed": true, "unsubscribed_at": null, "topics": {"news": false}});
        let notes = read(whole).expect("read");
        assert_eq!(notes.iter().map(|note| note.at).collect::<Vec<_>>(), [1_767_225_600_000, 7, 7]);
        assert_eq!(notes[0].said, [Said::Block(Block::Bounce)]);
        assert_eq!(notes[1].said, [Said::Wants(false)]);
        assert_eq!(notes[2].said, [Said::Topic { id: "news".into(), wants: false }]);
        for (value, code, word) in [
            (json!({"address": "nobody"}), "invalid_address", "address"),
            (json!({"blocked": "bounce"}), "missing_field", "address"),
            (json!({"address": "a@x.example", "blocked": "spam"}), "wrong_type", "complaint"),
            (json!({"address": "a@x.example", "topics": {"nwes": true}}), "unknown_topic", "`news`?"),
            (json!({"address": "a@x.example", "topics": {"news": 1}}), "wrong_type", "true or false"),
            (json!({"address": "a@x.example", "blocked_at": "yesterday"}), "invalid_time", "yesterday"),
            (json!({"adress": "a@x.example"}), "unknown_field", "`address`?"),
        ] {
            let problem = read(value).expect_err("refused");
            assert_eq!(problem.code(), code);
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
    }
}
