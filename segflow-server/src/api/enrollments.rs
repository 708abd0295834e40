//! Enrollments: where each is, what it has done and why it waits.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use segflow_core::enrollment::{MAX_BYTES, MAX_ENTRIES, Status, Waiting};
use segflow_protocol::{Entry, Happened, Journal, OpKind, Waits};
use serde_json::{Value, json};

use super::App;
use super::auth::By;
use super::body::Optional;
use super::page::Page;
use super::params::Params;
use super::path::Id;
use super::problem::{Code, Problem};
use crate::clock::rfc3339;
use crate::store::enrollments::{self as rows, Act, Acted};
use crate::store::read::{self, Enrollment, Send};

pub const STATUSES: [&str; 5] = ["active", "done", "exited", "parked", "paused"];

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/enrollments/{id}", get(one))
        .route("/v1/enrollments/{id}/pause", post(pause))
        .route("/v1/enrollments/{id}/resume", post(resume))
        .route("/v1/enrollments/{id}/restart", post(restart))
        .route("/v1/enrollments/{id}/remove", post(remove))
}

async fn pause(app: State<App>, by: By, id: Id, params: Params, fields: Optional) -> Result<Json<Value>, Problem> {
    act(app, by, id, params, fields, Act::Pause, "paused by hand").await
}

async fn resume(app: State<App>, by: By, id: Id, params: Params, fields: Optional) -> Result<Json<Value>, Problem> {
    act(app, by, id, params, fields, Act::Resume, "").await
}

async fn restart(app: State<App>, by: By, id: Id, params: Params, fields: Optional) -> Result<Json<Value>, Problem> {
    act(app, by, id, params, fields, Act::Restart, "restarted by hand").await
}

async fn remove(app: State<App>, by: By, id: Id, params: Params, fields: Optional) -> Result<Json<Value>, Problem> {
    act(app, by, id, params, fields, Act::Remove, "removed by hand").await
}

/// Committed when it is answered: what was pending is cancelled, and nothing more is decided by what was.
async fn act(
    State(app): State<App>,
    by: By,
    Id(id): Id,
    params: Params,
    Optional(fields): Optional,
    act: Act,
    reason: &str,
) -> Result<Json<Value>, Problem> {
    params.none()?;
    let mut fields = fields.only(&["reason"])?;
    let reason = fields.text("reason")?.unwrap_or_else(|| reason.to_string());
    let project = app.deploy.project(&by.workspace).await?;
    let db = &app.store.db;
    let done = rows::act(db, &by.workspace, &id, act, &project.deployment, &reason, app.now()).await?;
    match done.ok_or_else(|| Problem::not_found("enrollment", &id))? {
        Acted::Done => app.drive.wake(),
        Acted::Not(status) => {
            let verb = match act {
                Act::Pause => "be paused",
                Act::Resume => "be resumed",
                Act::Restart => "begin anew",
                Act::Remove => "be removed",
            };
            return Err(Problem::new(
                Code::Conflict,
                format!("the enrollment is {}, and cannot {verb}", status.name()),
            ));
        }
    }
    let found = read::enrollment(db, &by.workspace, &id).await?;
    Ok(Json(enrollment_json(&found.ok_or_else(|| Problem::not_found("enrollment", &id))?)))
}

pub fn list(page: &Page, found: Vec<Enrollment>) -> Json<Value> {
    page.answer(found, |e| (e.started_at, e.id.clone()), |e| enrollment_json(&e))
}

async fn one(State(app): State<App>, by: By, Id(id): Id, params: Params) -> Result<Json<Value>, Problem> {
    params.none()?;
    let db = &app.store.db;
    let found = read::enrollment(db, &by.workspace, &id).await?;
    let enrollment = found.ok_or_else(|| Problem::not_found("enrollment", &id))?;
    let journal = read::journal(db, &by.workspace, &id).await?;
    let sends = read::sends(db, &by.workspace, &id).await?;
    let mut answer = enrollment_json(&enrollment);
    answer["steps"] = steps(&journal, &sends, enrollment.since).into();
    answer["journal"] = json!({
        "entries": journal.len(),
        "bytes": enrollment.bytes,
        "most_entries": MAX_ENTRIES,
        "most_bytes": MAX_BYTES,
    });
    Ok(Json(answer))
}

fn enrollment_json(enrollment: &Enrollment) -> Value {
    let waits: Vec<Value> = enrollment
        .pending
        .iter()
        .map(|w| {
            json!({
                "op": w.what.op,
                "kind": w.what.kind.name(),
                "since": rfc3339(w.begun),
                "until": w.due.map(rfc3339),
                "source": w.what.source,
            })
        })
        .collect();
    json!({
        "id": enrollment.id,
        "user_id": enrollment.user_id,
        "campaign": enrollment.campaign,
        "run": enrollment.run,
        "status": enrollment.status,
        "reason": enrollment.reason,
        "deployment": enrollment.deployment,
        "started_at": rfc3339(enrollment.started_at),
        "updated_at": rfc3339(enrollment.updated_at),
        "by_hand": enrollment.by_hand,
        "wake_at": enrollment.wake_at.map(rfc3339),
        "waiting_for": waiting_for(enrollment),
        "waits": waits,
    })
}

/// Why nothing happens now, as a sentence; `None` when nothing will.
fn waiting_for(enrollment: &Enrollment) -> Option<String> {
    let because = || enrollment.reason.as_deref().unwrap_or("no reason is known");
    match Status::parse(&enrollment.status)? {
        Status::Done | Status::Exited => None,
        Status::Parked => Some(format!("someone to look at it: {}", because())),
        Status::Paused => Some(format!("someone to resume it: {}", because())),
        Status::Active if enrollment.pending.is_empty() => match enrollment.wake_at {
            Some(at) if at > enrollment.updated_at => Some(format!("its start, at {}", rfc3339(at))),
            _ => Some("its first step".into()),
        },
        Status::Active => {
            let waits: Vec<String> = enrollment.pending.iter().map(wait).collect();
            Some(waits.join(", or "))
        }
    }
}

fn wait(waiting: &Waiting) -> String {
    let source = if waiting.what.source.is_empty() { String::new() } else { format!(" ({})", waiting.what.source) };
    let until = waiting.due.map_or(String::new(), |due| format!(", until {}", rfc3339(due)));
    match &waiting.what.waits {
        Waits::Duration { ms } => {
            let end = waiting.due.map_or("never".into(), rfc3339);
            format!("the end of {}, at {end}{source}", duration(*ms))
        }
        Waits::Until { .. } | Waits::Local(_) => {
            format!("{}{source}", waiting.due.map_or("never".into(), rfc3339))
        }
        Waits::Event { name, filter: None, .. } => format!("event {name}{until}{source}"),
        Waits::Event { name, .. } => format!("event {name} that fits a condition{until}{source}"),
        Waits::Ask(_) => format!("an answer from the engine{source}"),
        Waits::Webhook(webhook) => format!("the answer of {} {}{source}", webhook.method, webhook.url),
        Waits::Task(task) => match &task.assignee {
            Some(assignee) => format!("{assignee} to do “{}”{source}", task.title),
            None => format!("someone to do “{}”{source}", task.title),
        },
    }
}

/// `2 days 3 hours`.
fn duration(ms: i64) -> String {
    let mut rest = ms.max(0);
    let mut words = vec![];
    for (unit, size) in [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("ms", 1)] {
        let count = rest / size;
        rest %= size;
        match count {
            0 => {}
            1 if unit != "ms" => words.push(format!("1 {unit}")),
            _ if unit == "ms" => words.push(format!("{count} ms")),
            _ => words.push(format!("{count} {unit}s")),
        }
    }
    if words.is_empty() { "no time".into() } else { words.join(" ") }
}

/// The journal in words. An entry does not say when it was made; the first turn is of the start, and each later one begins with a
/// wait that says when it ended.
fn steps(journal: &Journal, sends: &[Send], started_at: i64) -> Vec<Value> {
    let sends: BTreeMap<u64, &Send> = sends.iter().map(|send| (send.op as u64, send)).collect();
    let mut now = started_at;
    journal
        .iter()
        .map(|entry| {
            if let Happened::Elapsed { at } | Happened::Came { at, .. } = entry.happened {
                now = at;
            }
            let send = sends.get(&entry.op).filter(|_| entry.happened == Happened::Sent);
            let mut step = json!({
                "op": entry.op,
                "kind": entry.kind.name(),
                "what": what(&entry, send.copied()),
                "at": rfc3339(send.map_or(now, |send| send.created_at)),
            });
            if let Happened::Came { value, .. } = &entry.happened {
                step["value"] = value.read().unwrap_or(Value::Null);
            }
            if let Some(send) = send {
                step["template"] = send.template.as_str().into();
                step["message"] = send.message.as_str().into();
                step["status"] = send.status.as_str().into();
            }
            step
        })
        .collect()
}

fn what(entry: &Entry, send: Option<&Send>) -> String {
    match &entry.happened {
        Happened::Sent => match send {
            Some(send) => format!("decided to send {}", send.template),
            None => "decided to send a message".into(),
        },
        Happened::Elapsed { .. } if entry.kind == OpKind::Event => "the time to wait for an event was over".into(),
        Happened::Elapsed { .. } => "the wait was over".into(),
        Happened::Came { .. } => match entry.kind {
            OpKind::Event => "the event came".into(),
            OpKind::Webhook => "the webhook was answered".into(),
            OpKind::Task => "the task was done".into(),
            OpKind::Choose => "an arm was chosen".into(),
            _ => "the question was answered".into(),
        },
        Happened::Done => match entry.kind {
            OpKind::Emit => "reported an event".into(),
            OpKind::Start => "started another campaign".into(),
            OpKind::Stop => "stopped another campaign".into(),
            _ => "reached a goal".into(),
        },
        Happened::Read(_) => "read the user".into(),
        Happened::Updated => "updated the user".into(),
        Happened::Cancelled => format!("dropped a {} before it was over", entry.kind.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segflow_protocol::{OpKind, Pending};

    fn waiting(status: &str, pending: Vec<Waiting>) -> Enrollment {
        Enrollment {
            id: "enr_1".into(),
            user_id: Some("u".into()),
            campaign: "c".into(),
            run: 1,
            deployment: "dep_1".into(),
            status: status.into(),
            reason: Some("a panic".into()),
            started_at: 0,
            updated_at: 0,
            wake_at: None,
            pending,
            since: 0,
            by_hand: false,
            bytes: 0,
        }
    }

    #[test]
    fn it_says_why_it_waits() {
        let two_days = 2 * 86_400_000;
        let what = Pending {
            op: 1,
            kind: OpKind::Wait,
            identity: 0,
            waits: Waits::Duration { ms: two_days },
            source: "src/lib.rs:31".into(),
        };
        let sentence =
            waiting_for(&waiting("active", vec![Waiting { what, begun: 0, due: Some(two_days), came: None }]));
        assert_eq!(sentence.as_deref(), Some("the end of 2 days, at 1970-01-03T00:00:00Z (src/lib.rs:31)"));
        assert_eq!(waiting_for(&waiting("parked", vec![])).as_deref(), Some("someone to look at it: a panic"));
        assert_eq!(waiting_for(&waiting("done", vec![])), None);
    }

    #[test]
    fn durations_are_read_aloud() {
        assert_eq!(duration(0), "no time");
        assert_eq!(duration(90_061_001), "1 day 1 hour 1 minute 1 second 1 ms");
        assert_eq!(duration(7_200_000), "2 hours");
    }

    #[test]
    fn steps_take_their_time_from_the_wait_before_them() {
        let entry = |op, kind, happened| Entry { op, kind, identity: 0, happened };
        let journal = [
            entry(0, OpKind::Send, Happened::Sent),
            entry(1, OpKind::Wait, Happened::Elapsed { at: 5_000 }),
            entry(2, OpKind::Update, Happened::Updated),
        ];
        let journal = journal.into_iter().collect();
        let send =
            Send { op: 0, message: "msg_1".into(), template: "hi".into(), status: "sent".into(), created_at: 1_000 };
        let steps = steps(&journal, &[send], 1_000);
        assert_eq!((&steps[0]["template"], &steps[0]["at"]), (&json!("hi"), &json!("1970-01-01T00:00:01Z")));
        assert_eq!((&steps[1]["kind"], &steps[2]["at"]), (&json!("wait"), &json!("1970-01-01T00:00:05Z")));
    }
}
