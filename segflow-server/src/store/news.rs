//! What happens, told to the endpoints that want to hear it: written down for each of them in the transaction in which it happens, so that
//! nothing is lost and nothing is told that did not happen. Where nobody listens nothing is written, and those who would have to ask read
//! that with the rows that they read anyway ([`heard`]).

pub mod endpoints;
mod messages;
pub mod queue;

use std::collections::BTreeSet;

use segflow_core::conversion::{Cause, whole};
use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::merge::Object;
use segflow_core::step::{Mark, MarkKind};
use segflow_protocol::own;
use serde_json::{Value as Json, json};

pub use messages::{Change, cancelled, of_messages};

use super::conversions::Converted;
use super::db::{Tx, Value};
use super::happened::Happened;
use super::many::{Existing, Table, insert};
use super::{Error, Result, random_id};
use crate::clock::rfc3339;
use crate::{address, args};

/// All that is told. Append, never rename: receivers know them.
pub const TYPES: [&str; 20] = [
    "message.sent",
    "message.delivered",
    "message.bounced",
    "message.complained",
    "message.refused",
    "message.suppressed",
    "message.cancelled",
    "message.unknown",
    "message.opened",
    "message.clicked",
    "user.unsubscribed",
    "user.subscribed",
    "enrollment.started",
    "enrollment.finished",
    "enrollment.exited",
    "enrollment.parked",
    "goal.reached",
    "user.confirmed",
    "message.converted",
    "message.replied",
];

/// For how long a delivery is tried, and for how long it is remembered after that, in ms.
const TRIED: i64 = 3 * 86_400_000;
const KEPT: i64 = 7 * 86_400_000;

/// The longest reason that is told, in characters.
const LONGEST: usize = 500;

/// Something to be told.
#[derive(Debug)]
pub struct News {
    /// One of [`TYPES`].
    pub ty: &'static str,
    pub user: String,
    /// When it happened, ms UTC.
    pub at: i64,
    /// Ids and reasons; nobody's address.
    pub data: Object,
}

impl News {
    /// `data` is an object; what is null in it is left out.
    fn new(ty: &'static str, user: &str, at: i64, data: Json) -> News {
        let mut data = match data {
            Json::Object(data) => data,
            _ => Object::new(),
        };
        data.insert("user_id".into(), user.into());
        data.retain(|_, value| !value.is_null());
        News { ty, user: user.into(), at, data }
    }

    fn body(&self) -> String {
        let (at, data) = (rfc3339(self.at), Json::Object(self.data.clone()));
        format!(r#"{{"type":"{}","timestamp":"{at}","data":{data}}}"#, self.ty)
    }
}

/// A reason as outsiders hear it.
fn told(reason: &str) -> String {
    address::without(reason).chars().take(LONGEST).collect()
}

/// An enrollment that was not going on before it was decided about.
pub fn started(user: &str, enrollment: &Enrollment, before: Option<Status>, now: i64) -> Option<News> {
    let is_new = before.is_none_or(|before| !before.is_live());
    is_new.then(|| of_enrollment("enrollment.started", user, enrollment, now))
}

/// An enrollment that has ended, or cannot go on.
pub fn ended(user: &str, enrollment: &Enrollment, before: Option<Status>, now: i64) -> Option<News> {
    let ty = match enrollment.status {
        Status::Done => "enrollment.finished",
        Status::Exited => "enrollment.exited",
        Status::Parked => "enrollment.parked",
        Status::Active | Status::Paused => return None,
    };
    (before != Some(enrollment.status)).then(|| of_enrollment(ty, user, enrollment, now))
}

fn of_enrollment(ty: &'static str, user: &str, enrollment: &Enrollment, now: i64) -> News {
    let Enrollment { id, campaign, reason, .. } = enrollment;
    let reason = reason.as_deref().filter(|_| ty != "enrollment.started").map(told);
    News::new(ty, user, now, json!({ "enrollment": id, "campaign": campaign, "reason": reason }))
}

/// One that was parked, of which little is at hand.
pub fn parked(user: &str, enrollment: &str, campaign: &str, reason: &str, now: i64) -> News {
    let data = json!({ "enrollment": enrollment, "campaign": campaign, "reason": told(reason) });
    News::new("enrollment.parked", user, now, data)
}

pub fn goal(user: &str, mark: &Mark, now: i64) -> Option<News> {
    let MarkKind::Goal(goal) = &mark.what else { return None };
    let data = json!({ "enrollment": mark.enrollment, "campaign": mark.campaign, "goal": goal });
    Some(News::new("goal.reached", user, now, data))
}

/// Something that counted for a message.
pub fn converted(converted: &Converted<'_>) -> News {
    let Converted { user, success, message, template, enrollment } = converted;
    let (event, event_id, goal) = match &success.what {
        Cause::Event { name, id } => (Some(name), Some(id), None),
        Cause::Goal(name) => (None, None, Some(name)),
    };
    let data = json!({
        "message": message,
        "template": template,
        "campaign": success.campaign,
        "enrollment": enrollment,
        "event": event,
        "event_id": event_id,
        "goal": goal,
        "value": success.value.map(|value| whole(value as f64)),
    });
    News::new("message.converted", user, success.at, data)
}

/// What readers do, as their flows are told it. What becomes of messages is told by their status.
pub fn of_reader(happened: &Happened) -> Option<News> {
    let ty = match happened.name {
        own::UNSUBSCRIBED => "user.unsubscribed",
        own::SUBSCRIBED => "user.subscribed",
        own::CONFIRMED => "user.confirmed",
        own::OPENED => "message.opened",
        own::CLICKED => "message.clicked",
        own::REPLIED => "message.replied",
        _ => return None,
    };
    let mut data = happened.attributes.clone();
    if happened.name == own::REPLIED {
        // What somebody has written stays here, and goes with them.
        data.retain(|name, _| !matches!(name.as_str(), "subject" | "text"));
    }
    Some(News::new(ty, &happened.user, happened.at, Json::Object(data)))
}

/// A column that says how many listen to what happens in the workspace of a row.
pub fn heard(table: &str) -> String {
    format!("COALESCE((SELECT listeners FROM workspaces WHERE workspaces.id = {table}.workspace), 0)")
}

/// Those who are told what happens in a workspace.
pub struct Listeners(Vec<Listener>);

struct Listener {
    endpoint: String,
    /// Of these types only.
    only: Option<BTreeSet<String>>,
}

pub async fn listeners(tx: &mut Tx, workspace: &str) -> Result<Listeners> {
    let sql = "SELECT id, events FROM webhook_endpoints WHERE workspace = ? AND disabled_at IS NULL ORDER BY id";
    let mut all = vec![];
    for row in tx.rows(sql, args![workspace]).await? {
        all.push(Listener { endpoint: row.text(0)?, only: only(row.opt_text(1)?)? });
    }
    Ok(Listeners(all))
}

/// Which types an endpoint wants, as stored.
fn only<T: FromIterator<String>>(stored: Option<String>) -> Result<Option<T>> {
    let parse = |json: String| serde_json::from_str::<Vec<String>>(&json);
    let read =
        stored.map(parse).transpose().map_err(|e| Error::Internal(format!("stored types cannot be read: {e}")))?;
    Ok(read.map(|types| types.into_iter().collect()))
}

impl Listeners {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes news down, in their order, for all who want to hear them.
    pub async fn tell(&self, tx: &mut Tx, workspace: &str, all: &[News], now: i64) -> Result<()> {
        let mut rows: Vec<Vec<Value>> = vec![];
        for news in all {
            let wanted = |l: &&Listener| l.only.as_ref().is_none_or(|only| only.contains(news.ty));
            for listener in self.0.iter().filter(wanted) {
                let (id, until) = (random_id("evt"), now.saturating_add(TRIED));
                rows.push(args![
                    id,
                    &listener.endpoint,
                    workspace,
                    &news.user,
                    news.ty,
                    news.body(),
                    "pending",
                    0,
                    now,
                    now,
                    now,
                    until,
                    until.saturating_add(KEPT)
                ]);
            }
        }
        insert(tx, &DELIVERIES, rows).await
    }
}

const DELIVERIES: Table = Table {
    name: "webhook_deliveries",
    columns: &[
        "id",
        "endpoint",
        "workspace",
        "user_id",
        "type",
        "body",
        "status",
        "attempt",
        "created_at",
        "updated_at",
        "due_at",
        "tried_until",
        "kept_until",
    ],
    key: &["seq"],
    existing: Existing::Fails,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_say_who_and_what_and_no_address() {
        let mut enrollment = Enrollment::new("enr_1".into(), "welcome", 1, "dep", 0, 0);
        let first = started("ada", &enrollment, None, 0).expect("it is new");
        let body: Json = serde_json::from_str(&first.body()).expect("JSON");
        let data = json!({ "user_id": "ada", "enrollment": "enr_1", "campaign": "welcome" });
        assert_eq!(body, json!({ "type": "enrollment.started", "timestamp": "1970-01-01T00:00:00Z", "data": data }));
        enrollment.park("cannot write to <ada@shop.example> now");
        assert!(started("ada", &enrollment, Some(Status::Active), 0).is_none());
        let parked = ended("ada", &enrollment, Some(Status::Active), 0).expect("it has just been parked");
        assert_eq!((parked.ty, &parked.data["reason"]), ("enrollment.parked", &json!("cannot write to … now")));
        assert!(ended("ada", &enrollment, Some(Status::Parked), 0).is_none(), "once");
        enrollment.restart("dep", 0);
        assert!(started("ada", &enrollment, Some(Status::Done), 0).is_some(), "anew");
        for news in [first, parked] {
            assert!(TYPES.contains(&news.ty));
        }
    }
}
