//! Events summed up by stretches of time, for users who have many: a question about all of them takes the sums of the stretches, and only
//! where a bound lies within a stretch its events one by one.
//!
//! A stretch knows nothing of now. It has what the questions of a [`Layout`] need: of each series (a filter and the place of a number) the
//! tally, and of each event its time, the filters it passes and the numbers in it.

use std::collections::BTreeMap;

use segflow_protocol::{Cond, Field, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::condition;
use super::history::{Asked, EventFact, Of, Seen, at, begins};
use super::number::Num;
use super::tally::Tally;
use crate::ids;
use crate::merge::Path;

/// Changes with what is kept of an event, and with what counts as true.
const VERSION: u32 = 1;

type Places = (Option<usize>, Option<usize>);

/// What is kept of the events of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Tells it from any other.
    pub key: i64,
    filters: Vec<Cond>,
    paths: Vec<Path>,
    /// By their places in `filters` and `paths`.
    series: Vec<Places>,
    /// How long the windows are that are asked about, in ms.
    windows: Vec<i64>,
}

impl Layout {
    /// For these questions about events of one name, whose declared fields these are. In whatever order they are asked, and how often, it
    /// is the same.
    pub fn new<'a>(asked: impl IntoIterator<Item = &'a Asked> + Clone, fields: &[Field]) -> Layout {
        let all = || asked.clone().into_iter();
        let filters = distinct(all().filter_map(|asked| asked.events.filter.as_ref()));
        let paths = distinct(all().filter_map(|asked| asked.path.as_ref()));
        let place = |asked: &Asked| (position(&filters, asked.of().filter()), position(&paths, asked.path.as_ref()));
        let series = distinct(all().map(place).collect::<Vec<_>>().iter());
        // Whoever asks for no number takes a series that has one.
        let spare = |(filter, path): &Places| path.is_none() && series.iter().any(|(f, p)| f == filter && p.is_some());
        let series: Vec<Places> = series.iter().filter(|places| !spare(places)).copied().collect();
        let windows = distinct(all().filter_map(|asked| asked.events.within.as_ref()));
        let defaults = fields.iter().filter_map(|field| Some((&field.name, field.default.as_ref()?)));
        let text = json!([VERSION, filters, paths, series, defaults.collect::<Vec<_>>()]).to_string();
        Layout { key: ids::seed(&text).cast_signed(), filters, paths, series, windows }
    }

    /// Whether a question can be answered from what is kept, and loaded, by it.
    pub fn answers(&self, of: Of<'_>) -> bool {
        self.series(of).is_some() && of.events.within.is_none_or(|within| self.windows.contains(&within))
    }

    /// The same with the windows of more questions.
    pub fn with_windows<'a>(&self, more: impl Iterator<Item = &'a Asked>) -> Layout {
        let windows = self.windows.iter().chain(more.filter_map(|asked| asked.events.within.as_ref()));
        Layout { windows: distinct(windows), ..self.clone() }
    }

    /// The instants before which something begins or ends to count. A stretch that has one within it is needed event by event.
    pub fn bounds(&self, now: i64) -> Vec<i64> {
        let windows = self.windows.iter().map(|within| begins(*within, now));
        let mut bounds: Vec<i64> = windows.chain([now.saturating_add(1)]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        bounds
    }

    pub(super) fn series(&self, of: Of<'_>) -> Option<Series> {
        let (filter, path) = (position(&self.filters, of.filter()), position(&self.paths, of.path));
        let is_known = filter.is_some() == of.filter().is_some() && path.is_some() == of.path.is_some();
        let is_it = |(f, p): &Places| *f == filter && (path.is_none() || *p == path);
        let index = self.series.iter().position(is_it).filter(|_| is_known)?;
        Some(Series { index, filter, path })
    }

    /// Sums up all events of a name from an instant until before another. They are in the order of their times; stretches of about equal
    /// size are made of them, none with more than `most`, unless more occurred at one instant.
    pub fn sum_up(&self, starts: i64, ends: i64, events: &[EventFact], most: usize, fields: &[Field]) -> Vec<Stretch> {
        let parts = events.len().div_ceil(most);
        let (mut all, mut rest, mut starts) = (vec![], events, starts);
        for part in 1..=parts {
            let at = (events.len() * part / parts).saturating_sub(events.len() - rest.len());
            let (these, others) = rest.split_at(boundary(rest, at));
            let ends = others.first().map_or(ends, |event| event.occurred_at);
            if !these.is_empty() {
                all.push(self.stretch(starts, ends, these, fields));
                (starts, rest) = (ends, others);
            }
        }
        all
    }

    fn stretch(&self, starts: i64, ends: i64, events: &[EventFact], fields: &[Field]) -> Stretch {
        let passes = |filter: &Cond| events.iter().map(|e| condition(filter, &e.attributes, fields)).collect();
        let numbers = |path: &Path| events.iter().map(|e| at(Some(path), e, fields)).collect();
        let one_by_one = OneByOne {
            times: events.iter().map(|e| e.occurred_at).collect(),
            passed: self.filters.iter().map(passes).collect(),
            numbers: self.paths.iter().map(numbers).collect(),
        };
        let tally = |(index, (filter, path)): (usize, &Places)| {
            let mut tally = Tally::default();
            one_by_one.of(Series { index, filter: *filter, path: *path }).for_each(|(at, n)| tally.add(at, n));
            tally
        };
        let tallies = self.series.iter().enumerate().map(tally).collect();
        Stretch { starts, ends, events: events.len(), tallies, one_by_one: Some(one_by_one) }
    }
}

/// Where those begin that are not summed up: about so many of the newest. The events are in the order of their times.
pub fn apart(events: &[EventFact], newest: usize) -> usize {
    boundary(events, events.len().saturating_sub(newest))
}

/// The first place from here on that is not between events of one instant.
fn boundary(events: &[EventFact], at: usize) -> usize {
    let is_one_instant = |at: usize| at > 0 && events[at - 1].occurred_at == events[at].occurred_at;
    (at..events.len()).find(|at| !is_one_instant(*at)).unwrap_or(events.len())
}

/// Each once, in an order of their own.
fn distinct<'a, T: Clone + Serialize + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let text = |one: &T| serde_json::to_string(one).expect("conditions, paths and numbers can be written");
    all.map(|one| (text(one), one.clone())).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn position<T, U: PartialEq<T> + ?Sized>(all: &[T], one: Option<&U>) -> Option<usize> {
    all.iter().position(|known| one.is_some_and(|one| one == known))
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Series {
    index: usize,
    filter: Option<usize>,
    path: Option<usize>,
}

/// All events of one name within a time, summed up.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// ms UTC.
    pub starts: i64,
    /// Not included.
    pub ends: i64,
    pub events: usize,
    /// By series.
    tallies: Vec<Tally>,
    /// Where it was loaded.
    one_by_one: Option<OneByOne>,
}

/// The events of a stretch in the order of their times: of each the time, whether it passes each filter, and the number at each path.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OneByOne {
    times: Vec<i64>,
    passed: Vec<Vec<bool>>,
    numbers: Vec<Vec<Option<Num>>>,
}

impl Stretch {
    /// As it is stored: the tallies, and the events one by one.
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        (encode(&self.tallies), encode(&self.one_by_one))
    }

    /// What was stored, without its events where they are not needed; `None`: it cannot be read.
    pub fn read(starts: i64, ends: i64, events: usize, tallies: &[u8], one_by_one: Option<&[u8]>) -> Option<Stretch> {
        let one_by_one = one_by_one.map(decode).transpose().ok()?.flatten();
        Some(Stretch { starts, ends, events, tallies: decode(tallies).ok()?, one_by_one })
    }

    /// Whether one of these instants lies within it.
    pub fn holds_one_of(&self, bounds: &[i64]) -> bool {
        bounds.iter().any(|bound| self.starts < *bound && *bound < self.ends)
    }

    pub fn tallies_only(self) -> Stretch {
        Stretch { one_by_one: None, ..self }
    }

    pub(super) fn see(&self, series: Series, seen: &mut Seen) {
        let tally = &self.tallies[series.index];
        let (Some(first), Some(last)) = (tally.first, tally.last) else { return };
        if first > seen.now {
            seen.comes(first);
        } else if first >= seen.from && last <= seen.now {
            seen.tally.merge(tally);
        } else if last >= seen.from {
            let all = self.one_by_one.as_ref().expect("it is loaded where a bound lies within it");
            all.of(series).for_each(|(at, number)| seen.event(at, number));
        }
    }
}

impl OneByOne {
    /// The times of a series, with its numbers.
    fn of(&self, series: Series) -> impl Iterator<Item = (i64, Option<Num>)> {
        let passed = series.filter.map(|filter| &self.passed[filter]);
        let numbers = series.path.map(|path| &self.numbers[path]);
        let all = self.times.iter().enumerate().filter(move |(n, _)| passed.is_none_or(|passed| passed[*n]));
        all.map(move |(n, at)| (*at, numbers.and_then(|numbers| numbers[n])))
    }
}
