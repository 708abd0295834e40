//! What waits to be told: each endpoint has a queue of its own, and one server works for it.
//!
//! At least once: a delivery stays due while it is being made, so a server that dies leaves it to be made again.

use std::collections::BTreeSet;

use segflow_core::ledger::backoff;

use super::{KEPT, TRIED, endpoints};
use crate::args;
use crate::store::db::{Db, Row, Tx, Value};
use crate::store::many::run_in;
use crate::store::{self, Result, fence, for_update};

/// The longest that an endpoint is left alone between two tries, in ms: so soon it is found to be well again.
const REST: i64 = 300_000;

/// The endpoints for which something waits.
#[derive(Debug)]
pub struct Queue {
    pub endpoint: String,
    pub bucket: u16,
    /// When it goes on, ms UTC.
    pub due_at: i64,
}

/// All queues in which something waits.
pub async fn queues(db: &Db) -> Result<Vec<Queue>> {
    let queue = |row: &Row| {
        let first = row.int(3)?;
        let due_at = row.opt_int(2)?.map_or(first, |rests| first.max(rests));
        Ok(Queue { endpoint: row.text(0)?, bucket: row.int(1)? as u16, due_at })
    };
    db.read(store::queues(db.kind()), vec![]).await?.iter().map(queue).collect()
}

/// Deliveries of an endpoint that are to be made now, all at once.
#[derive(Debug)]
pub struct Batch {
    pub endpoint: String,
    pub workspace: String,
    pub url: String,
    /// It is signed with two secrets.
    pub rotates: bool,
    /// In the order of what happened; no two about one user.
    pub deliveries: Vec<Delivery>,
}

#[derive(Debug, Clone)]
pub struct Delivery {
    pub seq: i64,
    pub id: String,
    pub body: String,
    /// Counted from 1.
    attempt: u32,
    tried_until: i64,
}

/// Takes up to `most` deliveries in hand; one alone of an endpoint that failed the last time. They stay due, `patience` ms later. `None`:
/// there is nothing to do for it now.
pub async fn take(
    db: &Db,
    incarnation: &str,
    endpoint: &str,
    most: usize,
    patience: i64,
    now: i64,
) -> Result<Option<Batch>> {
    let (incarnation, endpoint) = (incarnation.to_string(), endpoint.to_string());
    db.write(move |tx| {
        let (incarnation, endpoint) = (incarnation.clone(), endpoint.clone());
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            let sql = "SELECT workspace, url, rotates_until, failures FROM webhook_endpoints \
                       WHERE id = ? AND disabled_at IS NULL AND (rests_until IS NULL OR rests_until <= ?)";
            let Some(row) = tx.row(sql, args![&endpoint, now]).await? else { return Ok(None) };
            let most = if row.int(3)? > 0 { 1 } else { most };
            let deliveries = take_in(tx, &endpoint, most, patience, now).await?;
            let (workspace, url) = (row.text(0)?, row.text(1)?);
            let rotates = row.opt_int(2)?.is_some_and(|until| now < until);
            Ok((!deliveries.is_empty()).then_some(Batch { endpoint, workspace, url, rotates, deliveries }))
        })
    })
    .await
}

async fn take_in(tx: &mut Tx, endpoint: &str, most: usize, patience: i64, now: i64) -> Result<Vec<Delivery>> {
    // Some more than are taken: of those about one user the first, so that nobody hears of a person in another order than it happened.
    let sql = format!(
        "SELECT seq, id, body, attempt, tried_until, user_id FROM webhook_deliveries WHERE endpoint = ? AND due_at <= ? \
         ORDER BY due_at, seq LIMIT {}{}",
        4 * most,
        for_update(tx.kind())
    );
    let (mut users, mut taken, mut seqs) = (BTreeSet::new(), vec![], vec![]);
    for row in tx.rows(sql, args![endpoint, now]).await? {
        if taken.len() == most || !users.insert(row.text(5)?) {
            continue;
        }
        let attempt = row.int(3)? as u32 + 1;
        let (seq, tried_until) = (row.int(0)?, row.int(4)?);
        taken.push(Delivery { seq, id: row.text(1)?, body: row.text(2)?, attempt, tried_until });
        seqs.push(Value::from(seq));
    }
    let sql = "UPDATE webhook_deliveries SET attempt = attempt + 1, due_at = ? WHERE seq IN ({})";
    run_in(tx, sql, &args![now.saturating_add(patience)], &seqs).await?;
    Ok(taken)
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Taken,
    /// Not now; `pause` is for how long it asks to be left alone, in ms.
    Failed {
        why: String,
        pause: Option<i64>,
    },
    /// It wants nothing any more.
    Gone {
        why: String,
    },
}

/// Records what was answered to a batch, in its order, and what that says of the endpoint. Why it is disabled, if it is.
pub async fn conclude(db: &Db, batch: &Batch, answers: Vec<Answer>, now: i64) -> Result<Option<String>> {
    let told: Vec<(Delivery, Answer)> = batch.deliveries.iter().cloned().zip(answers).collect();
    let (workspace, endpoint) = (batch.workspace.clone(), batch.endpoint.clone());
    db.write(move |tx| {
        let (workspace, endpoint, told) = (workspace.clone(), endpoint.clone(), told.clone());
        Box::pin(async move { conclude_in(tx, &workspace, &endpoint, &told, now).await })
    })
    .await
}

async fn conclude_in(
    tx: &mut Tx,
    workspace: &str,
    endpoint: &str,
    told: &[(Delivery, Answer)],
    now: i64,
) -> Result<Option<String>> {
    let row = tx.row("SELECT failures, sound_at FROM webhook_endpoints WHERE id = ?", args![endpoint]).await?;
    // Removed, and all of this with it.
    let Some(row) = row else { return Ok(None) };
    let (failures, sound_at) = (row.int(0)? as u32, row.int(1)?);
    let disabled = why_disabled(told, sound_at, now);
    if disabled.is_some() {
        endpoints::lock(tx, workspace).await?;
    }
    let state = State::after(endpoint, told, failures, now);
    let sql = "UPDATE webhook_endpoints SET failures = ?, reason = ?, rests_until = ?, sound_at = ? WHERE id = ?";
    let reason = disabled.as_ref().or(state.reason.as_ref());
    let sound_at = if state.is_sound { now } else { sound_at };
    tx.run(sql, args![state.failures, reason, state.rests_until, sound_at, endpoint]).await?;
    if disabled.is_some() {
        endpoints::disable(tx, workspace, endpoint, now).await?;
    }
    let taken = told.iter().filter(|(_, answer)| *answer == Answer::Taken);
    let taken: Vec<Value> = taken.map(|(delivery, _)| delivery.seq.into()).collect();
    let sql = "UPDATE webhook_deliveries SET status = 'delivered', reason = NULL, due_at = NULL, kept_until = ?, updated_at = ? \
               WHERE status = 'pending' AND seq IN ({})";
    run_in(tx, sql, &args![now.saturating_add(KEPT), now], &taken).await?;
    for (delivery, answer) in told {
        let (Answer::Failed { why, .. } | Answer::Gone { why }) = answer else { continue };
        let due_at = delivery.again(answer, now);
        let status = if due_at.is_some() { "pending" } else { "failed" };
        let sql = "UPDATE webhook_deliveries SET status = ?, reason = ?, due_at = ?, updated_at = ? \
                   WHERE status = 'pending' AND seq = ? AND attempt = ?";
        tx.run(sql, args![status, why, due_at, now, delivery.seq, delivery.attempt]).await?;
    }
    Ok(disabled)
}

impl Delivery {
    /// When it is tried again after this answer; `None`: its time is over. The last try is at the end of it.
    fn again(&self, answer: &Answer, now: i64) -> Option<i64> {
        let pause = match answer {
            Answer::Failed { pause, .. } => pause.unwrap_or(0),
            // Whoever enables the endpoint again wants it.
            Answer::Gone { .. } => return Some(now),
            Answer::Taken => return None,
        };
        let at = now.saturating_add(backoff(&self.id, self.attempt).max(pause));
        (now < self.tried_until).then(|| at.min(self.tried_until))
    }
}

/// Why an endpoint is disabled after some answers, if it is: it says so itself, or has taken nothing for as long as one is tried.
fn why_disabled(told: &[(Delivery, Answer)], sound_at: i64, now: i64) -> Option<String> {
    let is_sound = told.iter().any(|(_, answer)| *answer == Answer::Taken);
    told.iter().find_map(|(delivery, answer)| match answer {
        Answer::Gone { why } => Some(why.clone()),
        Answer::Failed { why, .. } => {
            let nothing = !is_sound && now >= delivery.tried_until && sound_at <= delivery.tried_until - TRIED;
            nothing.then(|| format!("nothing but failures for three days: {why}"))
        }
        Answer::Taken => None,
    })
}

/// How an endpoint is.
struct State {
    is_sound: bool,
    failures: u32,
    reason: Option<String>,
    rests_until: Option<i64>,
}

impl State {
    fn after(endpoint: &str, told: &[(Delivery, Answer)], failures: u32, now: i64) -> State {
        let is_sound = told.iter().any(|(_, answer)| *answer == Answer::Taken);
        let (mut reason, mut asked) = (None, None);
        for (_, answer) in told {
            if let Answer::Failed { why, pause } = answer {
                reason = Some(why.clone());
                asked = asked.max(*pause);
            }
        }
        let failures = if is_sound { 0 } else { failures.saturating_add(1) };
        let rest = (failures > 0).then(|| backoff(endpoint, failures).min(REST));
        let rests_until = rest.max(asked).map(|rest| now.saturating_add(rest));
        State { is_sound, failures, reason: reason.filter(|_| !is_sound), rests_until }
    }
}

/// What is to be told again.
#[derive(Debug, Clone)]
pub enum Replay {
    /// One delivery, whatever has become of it.
    One(String),
    /// All that were given up, of what happened since an instant, ms UTC.
    Failed { since: i64 },
}

/// How many deliveries are made due again in one transaction.
const PIECE: usize = 500;

/// Makes deliveries due again, under the ids that they had; how many.
pub async fn replay(db: &Db, endpoint: &str, what: Replay, now: i64) -> Result<usize> {
    let (sql, mut args) = match what {
        Replay::One(id) => ("AND id = ?", args![endpoint, id]),
        Replay::Failed { since } => ("AND status = 'failed' AND created_at >= ?", args![endpoint, since]),
    };
    let sql =
        format!("SELECT seq FROM webhook_deliveries WHERE endpoint = ? {sql} AND seq > ? ORDER BY seq LIMIT {PIECE}");
    args.push(Value::Int(0));
    let (mut count, last) = (0, args.len() - 1);
    loop {
        let found = db.read(sql.clone(), args.clone()).await?;
        let seqs = found.iter().map(|row| row.int(0)).collect::<Result<Vec<_>>>()?;
        let Some(end) = seqs.last() else { return Ok(count) };
        args[last] = (*end).into();
        count += seqs.len();
        db.write(move |tx| {
            let seqs: Vec<Value> = seqs.iter().map(|seq| (*seq).into()).collect();
            let until = now.saturating_add(TRIED);
            let before = args![now, until, until.saturating_add(KEPT), now];
            let sql = "UPDATE webhook_deliveries SET status = 'pending', reason = NULL, attempt = 0, due_at = ?, tried_until = ?, \
                       kept_until = ?, updated_at = ? WHERE seq IN ({})";
            Box::pin(async move { run_in(tx, sql, &before, &seqs).await })
        })
        .await?;
    }
}

/// A delivery as it is shown. Times are ms UTC.
#[derive(Debug, Clone)]
pub struct Shown {
    pub seq: i64,
    pub id: String,
    pub ty: String,
    pub body: String,
    /// pending, delivered, failed
    pub status: String,
    pub reason: Option<String>,
    pub attempts: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub due_at: Option<i64>,
}

/// The deliveries of an endpoint, the newest first.
pub async fn list(
    db: &Db,
    endpoint: &str,
    status: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Shown>> {
    let sql = "SELECT seq, id, type, body, status, reason, attempt, created_at, updated_at, due_at FROM webhook_deliveries \
               WHERE endpoint = ? AND seq < ? AND (? IS NULL OR status = ?) ORDER BY seq DESC LIMIT ?";
    let rows = db.read(sql, args![endpoint, before.unwrap_or(i64::MAX), status, status, limit]).await?;
    let shown = |row: &Row| {
        Ok(Shown {
            seq: row.int(0)?,
            id: row.text(1)?,
            ty: row.text(2)?,
            body: row.text(3)?,
            status: row.text(4)?,
            reason: row.opt_text(5)?,
            attempts: row.int(6)?,
            created_at: row.int(7)?,
            updated_at: row.int(8)?,
            due_at: row.opt_int(9)?,
        })
    };
    rows.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn delivery(attempt: u32) -> Delivery {
        Delivery { seq: 1, id: "evt_1".into(), body: String::new(), attempt, tried_until: TRIED }
    }

    fn failed(pause: Option<i64>) -> Answer {
        Answer::Failed { why: "it answered 500".into(), pause }
    }

    #[test]
    fn a_delivery_is_tried_for_three_days_and_at_their_end() {
        let again = |attempt, answer: Answer, now| delivery(attempt).again(&answer, now);
        assert!((10_000..12_500).contains(&again(1, failed(None), 0).expect("again")));
        assert!((3_600_000..4_500_000).contains(&again(30, failed(None), 0).expect("again")));
        assert_eq!(again(1, failed(Some(DAY)), 0), Some(DAY), "as it asked");
        assert_eq!(again(90, failed(None), TRIED - 1), Some(TRIED));
        assert_eq!(again(90, failed(None), TRIED), None);
        assert_eq!(again(90, Answer::Gone { why: "410".into() }, TRIED), Some(TRIED));
    }

    #[test]
    fn an_endpoint_is_disabled_when_it_is_gone_or_takes_nothing_for_three_days() {
        let why = |answers: &[Answer], sound_at, now| {
            let told: Vec<_> = answers.iter().map(|answer| (delivery(1), answer.clone())).collect();
            why_disabled(&told, sound_at, now)
        };
        assert_eq!(why(&[Answer::Taken, Answer::Gone { why: "410".into() }], 0, 0).as_deref(), Some("410"));
        assert_eq!(why(&[failed(None)], 0, TRIED - 1), None);
        assert_eq!(why(&[failed(None)], 1, TRIED), None, "it took something meanwhile");
        assert_eq!(why(&[failed(None), Answer::Taken], 0, TRIED), None, "and now");
        assert!(why(&[failed(None)], 0, TRIED).is_some_and(|why| why.ends_with("three days: it answered 500")));
    }

    #[test]
    fn an_endpoint_rests_after_failures_and_as_long_as_it_asks() {
        let after = |answers: &[Answer], failures| {
            let told: Vec<_> = answers.iter().map(|answer| (delivery(1), answer.clone())).collect();
            State::after("whe_1", &told, failures, 0)
        };
        let first = after(&[failed(None)], 0);
        assert!((10_000..12_500).contains(&first.rests_until.expect("it rests")) && first.failures == 1);
        assert_eq!(after(&[failed(None)], 50).rests_until, Some(REST));
        assert_eq!(after(&[failed(Some(DAY))], 50).rests_until, Some(DAY));
        let sound = after(&[failed(None), Answer::Taken], 50);
        assert!(sound.is_sound && sound.failures == 0 && sound.rests_until.is_none() && sound.reason.is_none());
        assert_eq!(after(&[failed(Some(60_000)), Answer::Taken], 0).rests_until, Some(60_000));
    }
}
