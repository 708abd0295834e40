//! Asking raw SQL about users: by halves where it cannot be asked about all of them, and not at all for a while when it takes too long,
//! because everybody's news wait for it meanwhile. Who was not asked about then is found by going through everybody afterwards
//! ([`runs`](super::runs)), not one by one.

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
pub const AGAIN: i64 = 900_000;

/// With so many users for each of whom alone a query runs too long, it is left alone: each of them costs its limit again and again.
const MOST_SLOW: usize = 16;

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
    /// Users for whom alone it ran too long: until when they are not asked about again, whatever is reported of them, and why.
    slow: Slow,
}

type Slow = BTreeMap<String, (i64, String)>;

impl Breakers {
    /// Until when a query is left alone, and the reason.
    pub fn rests(&self, workspace: &str, text: &str, now: i64) -> Option<(i64, String)> {
        let breaker = self.known().get(&key(workspace, text)).filter(|breaker| now < breaker.until)?.clone();
        let minutes = (breaker.rest / 60_000).max(1);
        let why = format!(
            "it ran longer than {} s again and again, and is left alone for {minutes} min",
            segments::LIMIT.as_secs()
        );
        Some((breaker.until, why))
    }

    fn most(&self, workspace: &str, text: &str) -> usize {
        self.known().get(&key(workspace, text)).map_or(usize::MAX, |breaker| breaker.most)
    }

    /// Users whom a query is not to be asked about: until when, and why.
    pub fn slow(&self, workspace: &str, text: &str, now: i64) -> Slow {
        let mut known = self.known();
        let Some(breaker) = known.get_mut(&key(workspace, text)) else { return Slow::new() };
        breaker.slow.retain(|_, (until, _)| now < *until);
        breaker.slow.clone()
    }

    pub fn ran_too_long(&self, workspace: &str, text: &str, users: &[String], now: i64) {
        let mut known = self.known();
        if known.len() >= KEPT {
            known.retain(|_, breaker| now < breaker.until || breaker.slow.values().any(|(until, _)| now < *until));
        }
        let most = Breaker { most: usize::MAX, at: now, ..Breaker::default() };
        let breaker = known.entry(key(workspace, text)).or_insert(most);
        breaker.in_a_row += 1;
        match users {
            [user] => {
                let why = Error::TooLong(segments::LIMIT.as_secs_f64()).to_string();
                breaker.slow.retain(|_, (until, _)| now < *until);
                breaker.slow.insert(user.clone(), (now + AGAIN, why));
            }
            _ => (breaker.most, breaker.at) = (users.len().min(segments::BATCH) / 2, now),
        }
        // Between two users who are slow, others go well.
        if breaker.in_a_row >= PATIENCE || breaker.slow.len() >= MOST_SLOW {
            breaker.rest = (breaker.rest * 2).clamp(REST, LONGEST_REST);
            breaker.until = now + breaker.rest;
        }
    }

    fn went_well(&self, workspace: &str, text: &str, now: i64) {
        let (mut known, key) = (self.known(), key(workspace, text));
        let Some(breaker) = known.get_mut(&key) else { return };
        (breaker.in_a_row, breaker.rest) = (0, 0);
        if now - breaker.at >= FORGOTTEN {
            breaker.most = usize::MAX;
            breaker.slow.retain(|_, (until, _)| now < *until);
            if breaker.slow.is_empty() {
                known.remove(&key);
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Breaker>> {
        self.0.lock().expect("no panic while held")
    }
}

fn key(workspace: &str, text: &str) -> (String, String) {
    (workspace.into(), text.into())
}

/// What came of asking.
#[derive(Debug, Default)]
pub struct Asked {
    /// Of each user.
    pub answers: BTreeMap<String, Answered>,
    /// Until when the query is left alone, and why, if it is. Users whom it was not asked about for that have neither an answer nor a
    /// failure: everybody has to be gone through then.
    pub rests: Option<(i64, String)>,
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
) -> Result<Asked> {
    let mut asking = Asking::new(&db.breakers, workspace, text, ids, now);
    while let Some(ids) = asking.next() {
        let found = segments::members(db, workspace, text, &ids, now).await;
        asking.told(ids, found)?;
    }
    let mut asked = asking.asked;
    for (user, answered) in asked.answers.iter_mut().filter(|(_, answered)| answered.failed.is_none()) {
        answered.again = to_come.get(user).copied();
    }
    Ok(asked)
}

/// How far the asking is.
struct Asking<'a> {
    breakers: &'a Breakers,
    workspace: &'a str,
    text: &'a str,
    now: i64,
    /// Users who are to be asked about, those together at the end next.
    parts: Vec<Vec<String>>,
    asked: Asked,
}

impl<'a> Asking<'a> {
    fn new(breakers: &'a Breakers, workspace: &'a str, text: &'a str, ids: Vec<String>, now: i64) -> Asking<'a> {
        let mut slow = breakers.slow(workspace, text, now);
        let mut asking = Asking { breakers, workspace, text, now, parts: vec![], asked: Asked::default() };
        let (known, others): (Vec<String>, Vec<String>) = ids.into_iter().partition(|id| slow.contains_key(id));
        for id in known {
            let (until, why) = slow.remove(&id).expect("it is there");
            asking.failed(id, until, why);
        }
        if !others.is_empty() {
            asking.parts.push(others);
        }
        asking
    }

    /// Whom to ask about next.
    fn next(&mut self) -> Option<Vec<String>> {
        loop {
            let ids = self.parts.pop()?;
            if self.asked.rests.is_none() {
                self.asked.rests = self.breakers.rests(self.workspace, self.text, self.now);
            }
            if self.asked.rests.is_some() {
                self.asked.answers.extend(ids.into_iter().map(|id| (id, Answered::default())));
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
                self.asked.answers.extend(ids.into_iter().map(|id| {
                    let holds = members.contains(&id);
                    (id, holds.into())
                }));
                return Ok(());
            }
            Err(error) if error.is_away() => return Err(error),
            // It is the query that cannot be asked, about anybody. An upgrade may take it again, or a push change it.
            Err(Error::Refused(why)) => {
                tracing::warn!(self.workspace, why, "raw SQL is not taken any more");
                self.asked.rests = Some((self.now + LONGEST_REST, why));
                self.parts.push(ids);
                return Ok(());
            }
            Err(error) => error,
        };
        if matches!(error, Error::TooLong(_)) {
            self.breakers.ran_too_long(self.workspace, self.text, &ids, self.now);
        }
        if ids.len() > 1 {
            self.halve(&ids);
        } else if let Some(id) = ids.into_iter().next() {
            tracing::warn!(self.workspace, %error, "raw SQL could not be asked about a user");
            self.failed(id, self.now + AGAIN, error.to_string());
        }
        Ok(())
    }

    fn halve(&mut self, ids: &[String]) {
        let (left, right) = ids.split_at(ids.len() / 2);
        self.parts.extend([right.to_vec(), left.to_vec()]);
    }

    fn failed(&mut self, id: String, again: i64, why: String) {
        self.asked.answers.insert(id, Answered { holds: None, again: Some(again), failed: Some(why) });
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
    fn asked(breakers: &Breakers, ids: Vec<String>, slow: &[&str], now: i64) -> (Asked, Vec<usize>) {
        let mut about = vec![];
        let mut asking = Asking::new(breakers, "w", "q", ids, now);
        while let Some(ids) = asking.next() {
            about.push(ids.len());
            let found = match ids.iter().any(|id| slow.contains(&id.as_str())) {
                true => Err(Error::TooLong(5.0)),
                false => Ok(ids.iter().cloned().collect()),
            };
            asking.told(ids, found).expect("the database is there");
        }
        (asking.asked, about)
    }

    #[test]
    fn whose_data_takes_too_long_is_found_and_tried_again() {
        let (breakers, mut now) = (Breakers::default(), 0);
        let (mut ids, mut rounds) = (users(0..128), 0);
        let all = ids.clone();
        let mut answered: BTreeMap<String, Answered> = BTreeMap::new();
        // Those that it was not asked about are tried again when it is asked once more.
        while !ids.is_empty() && rounds < 20 {
            let (found, about) = asked(&breakers, ids, &["u077"], now);
            assert!(about.len() < 140, "{about:?}");
            ids = found.answers.iter().filter(|(_, a)| **a == Answered::default()).map(|(id, _)| id.clone()).collect();
            assert_eq!(ids.is_empty(), found.rests.is_none());
            now = found.rests.map_or(now, |(until, _)| until);
            answered.extend(found.answers);
            rounds += 1;
        }
        assert!(rounds <= 6, "{rounds} rounds");
        for id in all {
            let a = &answered[&id];
            match id.as_str() {
                "u077" => {
                    assert!(a.holds.is_none() && a.again.is_some_and(|again| again <= now + AGAIN), "{a:?}");
                    assert_eq!(a.failed.as_deref(), Some("it ran longer than 5 s"));
                }
                _ => assert_eq!(*a, Answered::from(true), "{id}"),
            }
        }
    }

    #[test]
    fn what_keeps_running_too_long_is_left_alone_for_longer_and_longer() {
        let (breakers, slow) = (Breakers::default(), ["u000", "u001", "u002", "u003"]);
        let (found, about) = asked(&breakers, users(0..4), &slow, 0);
        assert_eq!(about, [4, 2, 1], "three times in a row");
        assert_eq!(found.answers.values().filter(|a| **a == Answered::default()).count(), 3);
        let (until, why) = found.rests.expect("it rests");
        assert!(until == 60_000 && why.contains("left alone"), "{why}");
        assert_eq!(asked(&breakers, users(0..200), &slow, 59_999).1, [0; 0], "nobody is asked about meanwhile");
        assert!(breakers.rests("w", "another", 1).is_none() && breakers.rests("another", "q", 1).is_none());
        assert_eq!(asked(&breakers, users(0..4), &slow, 60_000).1, [1], "one try");
        assert_eq!(breakers.rests("w", "q", 60_000).map(|(until, _)| until), Some(180_000), "twice as long");
        // As soon as it is fast all is as it was, after a while also about many at once.
        // Those who were slow alone come last.
        assert_eq!(asked(&breakers, users(0..4), &[], 180_000).1, [1, 1]);
        assert_eq!(asked(&breakers, users(0..6), &[], 600_000).1, [1, 1, 2]);
        assert_eq!(asked(&breakers, users(0..4), &[], 600_001).1, [2]);
        assert_eq!(asked(&breakers, users(0..4), &[], 60_000 + AGAIN).1, [4]);
    }

    #[test]
    fn one_user_costs_the_limit_once_in_a_while() {
        let breakers = Breakers::default();
        asked(&breakers, users(0..2), &["u001"], 0);
        for second in 1..900 {
            let (found, about) = asked(&breakers, users(0..2), &["u001"], second * 1_000);
            assert_eq!(about, [1], "u000");
            assert_eq!(found.answers["u001"].again, Some(AGAIN));
        }
        assert!(asked(&breakers, users(1..2), &[], AGAIN).0.answers["u001"].holds.is_some());
        // Many of them, with others between, are too many.
        let slow = users(0..40);
        let slow: Vec<&str> = slow.iter().step_by(2).map(String::as_str).collect();
        for n in 0..40 {
            asked(&breakers, users(n..n + 1), &slow, AGAIN);
        }
        assert!(breakers.rests("w", "q", AGAIN).is_some() && breakers.slow("w", "q", AGAIN).len() == MOST_SLOW);
    }

    #[test]
    fn a_query_that_is_refused_is_not_asked_about_halves() {
        let breakers = Breakers::default();
        let mut asking = Asking::new(&breakers, "w", "q", users(0..128), 0);
        let mut about = vec![];
        while let Some(ids) = asking.next() {
            about.push(ids.len());
            asking.told(ids, Err(Error::Refused("too long".into()))).expect("the database is there");
        }
        assert_eq!((about, asking.asked.rests), (vec![128], Some((LONGEST_REST, "too long".into()))));
        assert!(asking.asked.answers.len() == 128 && asking.asked.answers.values().all(|a| *a == Answered::default()));
    }

    #[test]
    fn of_a_database_that_is_away_nothing_is_known() {
        let breakers = Breakers::default();
        let mut asking = Asking::new(&breakers, "w", "q", users(0..2), 0);
        let ids = asking.next().expect("somebody");
        assert!(asking.told(ids, Err(Error::Away("for a moment".into()))).is_err());
        assert!(asking.asked.answers.is_empty(), "neither an answer nor a failure: the step is taken again");
    }
}
