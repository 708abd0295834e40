//! Asking raw SQL about the users of a step: by halves where it cannot be asked about all of them, and not at all for a while when it
//! takes too long, because everybody's news wait for it meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use segflow_core::step::Answered;

use super::db::{Db, Value};
use super::many::{On, select_in};
use super::{Error, Result, events_by_name, segments};
use crate::args;

/// A query that ran too long so often in a row is left alone.
const PATIENCE: u32 = 3;

/// For how long at first, and at the most, in ms of business time.
const REST: i64 = 60_000;
const LONGEST_REST: i64 = 3_600_000;

/// After that long without running too long all is forgotten.
const FORGOTTEN: i64 = 600_000;

/// When it is asked once more about a user whose data it cannot be asked about.
const AGAIN: i64 = 900_000;

/// The most queries that are remembered.
const KEPT: usize = 256;

/// The queries that have run too long lately.
#[derive(Default)]
pub struct Breakers(Mutex<BTreeMap<(String, String), Breaker>>);

#[derive(Debug, Clone, Default)]
struct Breaker {
    /// How often in a row it ran too long.
    in_a_row: u32,
    /// How long it was left alone the last time, and until when.
    rest: i64,
    until: i64,
    /// About how many users at once it may be asked: whose data it is that takes so long is found further by halves the next time.
    most: usize,
    /// When it last ran too long about more than one.
    at: i64,
}

impl Breakers {
    /// Until when a query is left alone, and the reason.
    pub fn rests(&self, workspace: &str, text: &str, now: i64) -> Option<(i64, String)> {
        let breaker = self.known().get(&key(workspace, text)).filter(|breaker| now < breaker.until)?.clone();
        let minutes = (breaker.rest / 60_000).max(1);
        let why = format!(
            "it ran longer than {} s, {} times in a row, and is left alone for {minutes} min",
            segments::LIMIT.as_secs(),
            breaker.in_a_row
        );
        Some((breaker.until, why))
    }

    fn most(&self, workspace: &str, text: &str) -> usize {
        self.known().get(&key(workspace, text)).map_or(usize::MAX, |breaker| breaker.most)
    }

    pub fn ran_too_long(&self, workspace: &str, text: &str, users: usize, now: i64) {
        let mut known = self.known();
        if known.len() >= KEPT {
            known.retain(|_, breaker| now < breaker.until);
        }
        let most = Breaker { most: usize::MAX, at: now, ..Breaker::default() };
        let breaker = known.entry(key(workspace, text)).or_insert(most);
        breaker.in_a_row += 1;
        if users > 1 {
            (breaker.most, breaker.at) = (users / 2, now);
        }
        if breaker.in_a_row >= PATIENCE {
            breaker.rest = (breaker.rest * 2).clamp(REST, LONGEST_REST);
            breaker.until = now + breaker.rest;
        }
    }

    fn went_well(&self, workspace: &str, text: &str, now: i64) {
        let (mut known, key) = (self.known(), key(workspace, text));
        let Some(breaker) = known.get_mut(&key) else { return };
        (breaker.in_a_row, breaker.rest) = (0, 0);
        if now - breaker.at >= FORGOTTEN {
            known.remove(&key);
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Breaker>> {
        self.0.lock().expect("no panic while held")
    }
}

fn key(workspace: &str, text: &str) -> (String, String) {
    (workspace.into(), text.into())
}

/// What a query says of each of these users, which is to be asked again when an event comes that it reads. Only a database that is away is
/// an error.
pub async fn answers(
    db: &Db,
    workspace: &str,
    text: &str,
    ids: Vec<String>,
    to_come: &BTreeMap<String, i64>,
    now: i64,
) -> Result<BTreeMap<String, Answered>> {
    let mut asking =
        Asking { breakers: &db.breakers, workspace, text, now, parts: vec![ids], answers: BTreeMap::new() };
    while let Some(ids) = asking.next() {
        let found = segments::members(db, workspace, text, &ids, now).await;
        asking.told(ids, found)?;
    }
    let mut answers = asking.answers;
    for (user, answered) in answers.iter_mut().filter(|(_, answered)| answered.failed.is_none()) {
        answered.again = to_come.get(user).copied();
    }
    Ok(answers)
}

/// How far the asking is.
struct Asking<'a> {
    breakers: &'a Breakers,
    workspace: &'a str,
    text: &'a str,
    now: i64,
    /// Users who are to be asked about, those together at the end next.
    parts: Vec<Vec<String>>,
    answers: BTreeMap<String, Answered>,
}

impl Asking<'_> {
    /// Whom to ask about next.
    fn next(&mut self) -> Option<Vec<String>> {
        loop {
            let ids = self.parts.pop()?;
            if let Some((until, why)) = self.breakers.rests(self.workspace, self.text, self.now) {
                self.failed(ids, until, &why);
            } else if ids.len() > self.breakers.most(self.workspace, self.text).max(1) {
                self.halve(&ids);
            } else {
                return Some(ids);
            }
        }
    }

    /// What came of it.
    fn told(&mut self, ids: Vec<String>, found: Result<BTreeSet<String>>) -> Result<()> {
        let error = match found {
            Ok(members) => {
                self.breakers.went_well(self.workspace, self.text, self.now);
                self.answers.extend(ids.into_iter().map(|id| {
                    let holds = members.contains(&id);
                    (id, holds.into())
                }));
                return Ok(());
            }
            Err(error) if error.is_away() => return Err(error),
            Err(error) => error,
        };
        if matches!(error, Error::TooLong(_)) {
            self.breakers.ran_too_long(self.workspace, self.text, ids.len(), self.now);
        }
        if ids.len() > 1 {
            self.halve(&ids);
        } else {
            tracing::warn!(self.workspace, %error, "raw SQL could not be asked about a user");
            self.failed(ids, self.now + AGAIN, &error.to_string());
        }
        Ok(())
    }

    fn halve(&mut self, ids: &[String]) {
        let (left, right) = ids.split_at(ids.len() / 2);
        self.parts.extend([right.to_vec(), left.to_vec()]);
    }

    fn failed(&mut self, ids: Vec<String>, again: i64, why: &str) {
        let failed = Answered { holds: None, again: Some(again), failed: Some(why.into()) };
        self.answers.extend(ids.into_iter().map(|id| (id, failed.clone())));
    }
}

/// When the next event of each user comes, of these names or any (`None`): until then it does not count.
pub async fn to_come(
    db: &Db,
    workspace: &str,
    names: Option<&BTreeSet<String>>,
    ids: &[String],
    now: i64,
) -> Result<BTreeMap<String, i64>> {
    let mut sql = format!(
        "SELECT user_id, MIN(occurred_at) FROM {} WHERE workspace = ? AND occurred_at > ?",
        events_by_name(db.kind())
    );
    let mut before = args![workspace, now];
    if let Some(names) = names {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        sql.push_str(&format!(" AND name IN ({})", vec!["?"; names.len()].join(", ")));
        before.extend(names.iter().map(Value::from));
    }
    sql.push_str(" AND user_id IN ({}) GROUP BY user_id");
    let ids: Vec<Value> = ids.iter().map(Value::from).collect();
    let rows = select_in(&mut On::Db(db), &sql, &before, &ids).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(of: std::ops::Range<usize>) -> Vec<String> {
        of.map(|n| format!("u{n:03}")).collect()
    }

    /// Asks about users of whom those in `slow` take too long, and belong otherwise. With it about how many it was asked.
    fn asked(
        breakers: &Breakers,
        ids: Vec<String>,
        slow: &[&str],
        now: i64,
    ) -> (BTreeMap<String, Answered>, Vec<usize>) {
        let (parts, mut about) = (vec![ids], vec![]);
        let mut asking = Asking { breakers, workspace: "w", text: "q", now, parts, answers: BTreeMap::new() };
        while let Some(ids) = asking.next() {
            about.push(ids.len());
            let found = match ids.iter().any(|id| slow.contains(&id.as_str())) {
                true => Err(Error::TooLong(5.0)),
                false => Ok(ids.iter().cloned().collect()),
            };
            asking.told(ids, found).expect("the database is there");
        }
        (asking.answers, about)
    }

    #[test]
    fn whose_data_takes_too_long_is_found_and_tried_again() {
        let (breakers, mut now) = (Breakers::default(), 0);
        let (mut ids, mut rounds) = (users(0..128), 0);
        let all = ids.clone();
        let mut answered: BTreeMap<String, Answered> = BTreeMap::new();
        // Those that it was not asked about are tried again when it is asked once more.
        while !ids.is_empty() && rounds < 20 {
            let (answers, about) = asked(&breakers, ids, &["u077"], now);
            assert!(about.len() < 140, "{about:?}");
            let due = |a: &Answered| a.again.is_some_and(|again| again < now + AGAIN);
            ids = answers.iter().filter(|(_, a)| due(a)).map(|(id, _)| id.clone()).collect();
            now = answers.values().filter(|a| due(a)).filter_map(|a| a.again).min().unwrap_or(now);
            answered.extend(answers);
            rounds += 1;
        }
        assert!(rounds <= 6, "{rounds} rounds");
        for id in all {
            let a = &answered[&id];
            match id.as_str() {
                "u077" => {
                    assert_eq!((a.holds, a.again), (None, Some(now + AGAIN)));
                    assert_eq!(a.failed.as_deref(), Some("it ran longer than 5 s"));
                }
                _ => assert_eq!(*a, Answered::from(true), "{id}"),
            }
        }
    }

    #[test]
    fn what_keeps_running_too_long_is_left_alone_for_longer_and_longer() {
        let (breakers, slow) = (Breakers::default(), ["u000", "u001", "u002", "u003"]);
        let (answers, about) = asked(&breakers, users(0..4), &slow, 0);
        assert_eq!(about, [4, 2, 1], "three times in a row");
        let left =
            |a: &Answered| a.again == Some(60_000) && a.failed.as_deref().is_some_and(|f| f.contains("left alone"));
        assert_eq!(answers.values().filter(|a| left(a)).count(), 3);
        assert_eq!(asked(&breakers, users(0..200), &slow, 59_999).1, [0; 0], "nobody is asked about meanwhile");
        assert!(breakers.rests("w", "another", 1).is_none() && breakers.rests("another", "q", 1).is_none());
        assert_eq!(asked(&breakers, users(0..4), &slow, 60_000).1, [1], "one try");
        assert_eq!(breakers.rests("w", "q", 60_000).map(|(until, _)| until), Some(180_000), "twice as long");
        // As soon as it is fast all is as it was, after a while also about many at once.
        assert_eq!(asked(&breakers, users(0..4), &[], 180_000).1, [1, 1, 1, 1]);
        assert_eq!(asked(&breakers, users(0..4), &[], 600_000).1, [1, 1, 2]);
        assert_eq!(asked(&breakers, users(0..4), &[], 600_001).1, [4]);
    }

    #[test]
    fn of_a_database_that_is_away_nothing_is_known() {
        let (breakers, parts) = (Breakers::default(), vec![users(0..2)]);
        let answers = BTreeMap::new();
        let mut asking = Asking { breakers: &breakers, workspace: "w", text: "q", now: 0, parts, answers };
        let ids = asking.next().expect("somebody");
        assert!(asking.told(ids, Err(Error::Away("for a moment".into()))).is_err());
        assert!(asking.answers.is_empty(), "neither an answer nor a failure: the step is taken again");
    }
}
