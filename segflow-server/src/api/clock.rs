//! The virtual clock of `dev --virtual-clock` and tests.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::auth::By;
use super::body::Fields;
use super::params::Params;
use super::problem::{Code, Problem};
use super::{App, check};
use crate::clock::rfc3339;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/dev/clock", get(show).post(advance))
}

async fn show(State(app): State<App>, _by: By, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    is_virtual(&app)?;
    Ok(answer(app.now()))
}

/// Answers when everything that was due on the way has run.
async fn advance(State(app): State<App>, _by: By, params: Params, fields: Fields) -> Result<Json<Value>, Problem> {
    params.none()?;
    is_virtual(&app)?;
    let mut fields = fields.only(&["advance", "to"])?;
    let now = app.now();
    let to = match (fields.text("advance")?, fields.text("to")?) {
        (Some(span), None) => after(now, &span)?,
        (None, Some(to)) => check::time("to", &to)?,
        _ => return Err(Problem::new(Code::MissingField, "give one of `advance` (\"3d 2h\") and `to` (an instant)")),
    };
    if to < now {
        return Err(Problem::new(
            Code::InvalidTime,
            format!("it is {} already, and time does not go back", rfc3339(now)),
        ));
    }
    Ok(answer(app.drive.advance(to).await?))
}

fn answer(now: i64) -> Json<Value> {
    Json(json!({ "now": rfc3339(now), "virtual": true }))
}

fn is_virtual(app: &App) -> Result<(), Problem> {
    if app.drive.clock().is_virtual() {
        return Ok(());
    }
    let detail = "this server follows the real clock; only `segflow dev --virtual-clock` has one that can be moved";
    Err(Problem::new(Code::ClockNotVirtual, detail))
}

/// The instant a span after `now`, both ms UTC. A day has 24 hours, a month has its days.
fn after(now: i64, text: &str) -> Result<i64, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidTime, format!("`advance`: {detail}"));
    let span: Span = text.parse().map_err(|e| wrong(format!("`{text}` is not a span such as 3d 2h: {e}")))?;
    if span.is_negative() {
        return Err(wrong(format!("`{text}` goes back, and time does not")));
    }
    let from = Timestamp::from_millisecond(now).map_err(super::problem::internal)?.to_zoned(TimeZone::UTC);
    let to = from.checked_add(span).map_err(|e| wrong(format!("`{text}` goes too far: {e}")))?;
    Ok(to.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_people_write_them() {
        let (hour, day) = (3_600_000, 86_400_000);
        for (text, ms) in
            [("3d 2h", 3 * day + 2 * hour), ("1w", 7 * day), ("1mo", 31 * day), ("90 seconds", 90_000), ("0s", 0)]
        {
            assert_eq!(after(0, text).expect(text), ms, "{text}");
        }
        for wrong in ["", "soon", "3", "-1d", "1d ago", "9999y"] {
            let problem = after(0, wrong).expect_err(wrong);
            assert_eq!((problem.status(), problem.code()), (422, "invalid_time"), "{wrong}");
        }
    }
}
