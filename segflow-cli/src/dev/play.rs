//! `--play FILE`: facts with their times, one JSON object a line, brought to the dev server as if they happened.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{self, Api, Clock};

#[derive(Debug)]
pub struct Traffic {
    file: String,
    facts: Vec<Fact>,
}

#[derive(Debug, PartialEq)]
pub struct Fact {
    /// Its line in the file, for messages.
    line: usize,
    pub at: Timestamp,
    pub user: String,
    pub what: What,
}

#[derive(Debug, PartialEq)]
pub enum What {
    Attributes(Map<String, Value>),
    Event { name: String, attributes: Map<String, Value>, id: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: String,
    user: String,
    event: Option<String>,
    attributes: Option<Map<String, Value>>,
    id: Option<String>,
}

impl Traffic {
    /// Reads and checks all of it, so that nothing of a broken file is played.
    pub fn read(path: &Path, virtual_clock: bool) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("--play: {} cannot be read", path.display()))?;
        let file = path.display().to_string();
        let mut facts: Vec<Fact> = Vec::new();
        let mut problems = String::new();
        for (index, text) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let line = index + 1;
            let fact = parse(text, line).and_then(|fact| match facts.last() {
                Some(before) if virtual_clock && fact.at < before.at => Err(format!(
                    "{} lies before line {} ({}), and a clock only goes forward",
                    fact.at, before.line, before.at
                )),
                _ => Ok(fact),
            });
            match fact {
                Ok(fact) => facts.push(fact),
                Err(problem) => write!(problems, "\n  {file}:{line}: {problem}").expect("a String takes everything"),
            }
        }
        if !problems.is_empty() {
            bail!("nothing was played, because not every line is a fact:{problems}");
        }
        Ok(Self { file, facts })
    }

    /// When the first thing happens: where a new virtual clock starts.
    pub fn starts(&self) -> Option<Timestamp> {
        self.facts.first().map(|fact| fact.at)
    }

    /// In the order of the file.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// With the virtual clock, time moves to each fact; without, all of them are reported now with the time at which they happened.
    pub async fn play(&self, api: &Api, virtual_clock: bool) -> Result<()> {
        for fact in &self.facts {
            let done = async {
                if virtual_clock {
                    self.move_clock(api, fact).await?;
                }
                fact.report(api).await
            };
            done.await.with_context(|| format!("{}:{} was not played", self.file, fact.line))?;
        }
        Ok(())
    }

    async fn move_clock(&self, api: &Api, fact: &Fact) -> Result<()> {
        let clock: Clock = serde_json::from_value(api.clock().await?).context("the clock's answer is unknown")?;
        if fact.at < clock.now {
            bail!(
                "{} lies before the virtual clock, which is at {} already: this database has a past.\n  Start over with --fresh, or with another --db",
                fact.at,
                clock.now
            );
        }
        if fact.at > clock.now {
            api.advance_to(&fact.at.to_string()).await?;
        }
        Ok(())
    }
}

impl Fact {
    async fn report(&self, api: &Api) -> Result<()> {
        match &self.what {
            What::Attributes(attributes) => api.merge(&self.user, attributes.clone(), true).await?,
            What::Event { name, attributes, id } => {
                let id = id.clone().map_or_else(api::new_event_id, Ok)?;
                let event =
                    json!({"name": name, "attributes": attributes, "id": id, "occurred_at": self.at.to_string()});
                api.emit(&self.user, &event).await?
            }
        };
        Ok(())
    }
}

fn parse(text: &str, line: usize) -> Result<Fact, String> {
    let form = "a line is {\"at\": TIME, \"user\": ID, \"attributes\": {…}}, for an event with \"event\": NAME";
    let read: Line = serde_json::from_str(text).map_err(|error| format!("{} ({form})", without_position(&error)))?;
    let at = read.at.parse().map_err(|_| format!("`{}` is no time: write it like 2026-01-01T09:00:00Z", read.at))?;
    if read.user.is_empty() || read.user.len() > 255 {
        return Err("`user` has 1 to 255 bytes".to_owned());
    }
    let what = match (read.event, read.attributes) {
        (Some(name), attributes) => What::Event { name, attributes: attributes.unwrap_or_default(), id: read.id },
        (None, _) if read.id.is_some() => return Err("`id` is for events: `event` is missing".to_owned()),
        (None, Some(attributes)) => What::Attributes(attributes),
        (None, None) => return Err(format!("neither `attributes` nor `event` ({form})")),
    };
    Ok(Fact { line, at, user: read.user, what })
}

/// serde_json counts lines in the one line it got.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) => format!("{what}, at column {column}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, virtual_clock: bool) -> Result<Traffic> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        std::fs::write(&path, text).unwrap();
        Traffic::read(&path, virtual_clock)
    }

    #[test]
    fn facts_with_their_lines() {
        let traffic = read(
            "{\"at\": \"2026-01-01T09:00:00Z\", \"user\": \"ada\", \"attributes\": {\"a\": 1}}\n\n\
             {\"at\": \"2026-01-01T10:00:00+01:00\", \"user\": \"ada\", \"event\": \"login\"}\n",
            true,
        )
        .unwrap();
        assert_eq!(traffic.starts().unwrap().to_string(), "2026-01-01T09:00:00Z");
        assert_eq!(traffic.facts[1].line, 3);
        assert_eq!(traffic.facts[1].at, traffic.facts[0].at);
        assert_eq!(traffic.facts[1].what, What::Event { name: "login".into(), attributes: Map::new(), id: None });
    }

    #[test]
    fn every_wrong_line_is_named_at_once() {
        let error = read(
            "{\"at\": \"yesterday\", \"user\": \"ada\", \"attributes\": {}}\n\
             {\"at\": \"2026-01-01T09:00:00Z\", \"user\": \"ada\", \"attributes\": {}}\n\
             {\"at\": \"2026-01-01T09:00:00Z\", \"user\": \"ada\"}\n\
             {\"at\": \"2026-01-01T09:00:00Z\", \"user\": \"ada\", \"evnet\": \"login\"}\n\
             nonsense\n",
            true,
        )
        .unwrap_err()
        .to_string();
        for (line, what) in [(1, "no time"), (3, "neither"), (4, "unknown field `evnet`"), (5, "expected")] {
            assert!(
                error.lines().any(|text| text.contains(&format!("t.jsonl:{line}: ")) && text.contains(what)),
                "{error}"
            );
        }
        assert!(!error.contains("t.jsonl:2:"), "{error}");
    }

    #[test]
    fn only_a_virtual_clock_wants_order() {
        let text = "{\"at\": \"2026-01-02T00:00:00Z\", \"user\": \"a\", \"event\": \"x\"}\n{\"at\": \"2026-01-01T00:00:00Z\", \"user\": \"a\", \"event\": \"x\"}\n";
        assert!(read(text, false).is_ok());
        let error = read(text, true).unwrap_err().to_string();
        assert!(error.contains("t.jsonl:2: ") && error.contains("before line 1"), "{error}");
    }
}
