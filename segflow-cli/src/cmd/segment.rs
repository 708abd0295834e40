use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Context;
use crate::{
    api::Estimate,
    failure::usage,
    plan::{self, pad, thousands},
    printer::{Printer, Tone, visible, wrapped},
    wasm,
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow segment big-spenders              how many are in it, what it reads, how it has grown
  segflow segment big-spenders --user ada   why ada is in it or not, part by part
  segflow segment big-spenders members      who is in it
  segflow segment big-spenders recalculate  hold everybody against it once more
  segflow segment big-spenders estimate     who would be in it, as the project in this folder has it; nothing is pushed")]
pub struct Segment {
    /// Its id
    id: String,
    /// What to do; nothing: show it
    #[arg(value_enum, conflicts_with = "user")]
    action: Option<Action>,
    /// Explain it for this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The project's folder, for estimate
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    Members,
    Recalculate,
    Estimate,
}

impl Segment {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        match (self.action, &self.user) {
            (None, None) => {
                let segment = context.api(None).await?.segment(&self.id).await?;
                show(printer, &shown(&segment));
                printer.document(&segment);
            }
            (None, Some(user)) => {
                let why = context.api(None).await?.explain(&self.id, user).await?;
                show(printer, &explained(printer, &why));
                printer.document(&why);
            }
            (Some(Action::Members), _) => {
                let members = context.api(None).await?.members(&self.id).await?;
                for member in &members {
                    let text = |field: &str| visible(member[field].as_str().unwrap_or_default()).into_owned();
                    printer.result(format!("{}  {}", text("since"), text("user_id")));
                }
                printer.document(&members);
            }
            (Some(Action::Recalculate), _) => {
                let answer = context.api_to_change().await?.recalculate(&self.id).await?;
                printer.result(format!("everybody is held against {} once more", visible(&self.id)));
                printer.document(&answer);
            }
            (Some(Action::Estimate), _) => self.estimate(context).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn estimate(&self, context: &Context) -> Result<()> {
        let printer = &context.printer;
        let api = context.api(Some(&self.project)).await?;
        api.me().await?;
        let plugin = wasm::build(&self.project, printer).await?;
        let refused = |error| plan::explain(printer, &plugin.dir, error);
        let planned = api.plan(plugin.wasm, None).await.map_err(refused)?;
        let known = planned.changes.iter().find(|change| change.kind == "segment" && change.id == self.id);
        let Some(change) = known.filter(|change| change.change != "-") else {
            return Err(usage(format!("the project has no segment `{}`", visible(&self.id))));
        };
        if change.change == "=" {
            let segment = api.segment(&self.id).await?;
            let users = segment["users"].as_u64().ok_or_else(|| anyhow!("the server does not say how many"))?;
            printer.result(format!("{}: {}, unchanged", visible(&self.id), people(users)));
            printer.document(&serde_json::json!({"id": self.id, "users": users, "sample": []}));
            return Ok(());
        }
        let Estimate { users, sample } = planned.segments.get(&self.id).cloned().unwrap_or_default();
        let mut lines = vec![format!("{} would have {}", visible(&self.id), people(users))];
        if !sample.is_empty() {
            let more = if (sample.len() as u64) < users { " …" } else { "" };
            let sample: Vec<String> = sample.iter().map(|id| visible(id).into_owned()).collect();
            wrapped("  ", &format!("{}{more}", sample.join(", ")), &mut lines);
        }
        show(printer, &lines);
        let about = format!("segment {} cannot be asked about ", self.id);
        for warning in planned.warnings.iter().filter(|warning| warning.starts_with(&about)) {
            printer.warning(visible(warning));
        }
        printer.document(&serde_json::json!({"id": self.id, "users": users, "sample": sample}));
        Ok(())
    }
}

fn show(printer: &Printer, lines: &[String]) {
    lines.iter().for_each(|line| printer.result(line));
}

fn people(users: u64) -> String {
    format!("{} user{}", thousands(users), if users == 1 { "" } else { "s" })
}

fn text(value: &Value) -> String {
    visible(value.as_str().unwrap_or_default()).into_owned()
}

fn shown(segment: &Value) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", text(&segment["id"]), people(segment["users"].as_u64().unwrap_or(0)))];
    let mut say = |name: &str, value: String| {
        if !value.is_empty() {
            wrapped(&format!("  {}  ", pad(name, 9)), &value, &mut lines);
        }
    };
    say("rule", text(&segment["says"]));
    say("reads", reads(&segment["reads"]));
    if let Some(seconds) = segment["every_seconds"].as_u64() {
        say("asked", format!("every {}", period(seconds)));
    }
    say("next run", text(&segment["next_run"]));
    say("size", size(&segment["sizes"], segment["users"].as_u64().unwrap_or(0)));
    let failing = &segment["failing"];
    if let Some(error) = failing["error"].as_str() {
        let whom = failing["users"].as_u64().map_or("everybody".into(), people);
        say("failing", format!("for {whom}, who stay as they are: {} (at {})", visible(error), text(&failing["at"])));
    }
    if let Some(behind @ 1..) = segment["behind"].as_u64() {
        say("behind", format!("{} not held against the newest push yet", people(behind)));
    }
    lines
}

fn reads(reads: &Value) -> String {
    let mut parts = vec![];
    for (kind, plural) in [("event", "events"), ("attribute", "attributes"), ("segment", "segments")] {
        match &reads[plural] {
            Value::Array(all) if all.is_empty() => {}
            Value::Array(all) => {
                let names: Vec<String> = all.iter().map(text).collect();
                parts.push(format!("{} {}", if names.len() == 1 { kind } else { plural }, names.join(", ")));
            }
            Value::String(_) => parts.push(format!("all {plural}")),
            _ => {}
        }
    }
    if reads["clock"] == true {
        parts.push("the clock".into());
    }
    if reads["other_users"] == true {
        parts.push("other users".into());
    }
    parts.join(" · ")
}

fn period(seconds: u64) -> String {
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let (unit, length) = units.into_iter().find(|(_, length)| seconds.is_multiple_of(*length)).unwrap_or(units[3]);
    match seconds / length {
        1 => unit.to_owned(),
        many => format!("{many} {unit}s"),
    }
}

/// A line of bars: the newest sizes, and what it is now.
fn size(sizes: &Value, now: u64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const MOST: usize = 24;
    let sizes = sizes.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(first) = sizes.get(sizes.len().saturating_sub(MOST)) else { return String::new() };
    let newest = sizes.iter().skip(sizes.len().saturating_sub(MOST));
    let all: Vec<u64> = newest.map(|size| size["users"].as_u64().unwrap_or(0)).chain([now]).collect();
    let (least, most) = (all.iter().min().copied().unwrap_or(0), all.iter().max().copied().unwrap_or(0));
    let bar = |users: &u64| match (users - least) * 7 {
        0 => BARS[0],
        above => BARS[usize::try_from(above / (most - least)).unwrap_or(7)],
    };
    let bars: String = all.iter().map(bar).collect();
    format!("{bars} · {} → {} since {}", thousands(all[0]), thousands(now), text(&first["at"]))
}

fn explained(printer: &Printer, why: &Value) -> Vec<String> {
    let (user, segment) = (text(&why["user_id"]), text(&why["segment"]));
    let member = why["member"] == true;
    let mut head = format!("{user} is {}in {segment}", if member { "" } else { "not " });
    if let Some(since) = why["since"].as_str() {
        head.push_str(&format!(", since {}", visible(since)));
    }
    let mut lines = vec![head];
    if why["holds"].as_bool() != Some(member) {
        lines.push("its rule says otherwise now; the membership follows in a moment".into());
    }
    part(printer, &why["rule"], 0, &mut lines);
    if let Some(next) = why["next_change"].as_str() {
        lines.push(format!("by time alone this may change at {}", visible(next)));
    }
    lines
}

fn part(printer: &Printer, rule: &Value, depth: usize, lines: &mut Vec<String>) {
    let holds = rule["holds"] == true;
    let indent = "  ".repeat(depth);
    let mut said = vec![];
    wrapped(&format!("{indent}{} ", if holds { '✓' } else { '✗' }), &text(&rule["says"]), &mut said);
    if let Some(first) = said.first_mut() {
        let mark = if holds { printer.out("✓", Tone::Good) } else { printer.out("✗", Tone::Bad) };
        *first = first.replacen(['✓', '✗'], &mark, 1);
    }
    lines.extend(said);
    if let Some(because) = rule["because"].as_str() {
        wrapped(&format!("{indent}    "), &visible(because), lines);
    }
    for event in rule["events"].as_array().into_iter().flatten() {
        let attributes = visible(&event["attributes"].to_string()).into_owned();
        wrapped(&format!("{indent}    {}  ", text(&event["occurred_at"])), &attributes, lines);
    }
    for inner in rule["parts"].as_array().into_iter().flatten() {
        part(printer, inner, depth + 1, lines);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_segment_in_lines_of_eighty_columns() {
        let sizes: Vec<Value> =
            [1102, 1102, 1150, 1200].iter().map(|n| json!({"at": "2026-01-01T09:00:00Z", "users": n})).collect();
        let segment = json!({
            "id": "quiet", "users": 1284, "behind": 12000, "every_seconds": null, "next_run": null, "sizes": sizes,
            "says": "the last login was 30 days ago or longer, or never and sum of value over purchase with value > 5 > 1000",
            "reads": {"attributes": [], "events": ["login", "purchase"], "segments": ["big"], "clock": true, "other_users": false},
        });
        assert_eq!(
            shown(&segment),
            [
                "quiet: 1,284 users",
                "  rule       the last login was 30 days ago or longer, or never and sum of value",
                "             over purchase with value > 5 > 1000",
                "  reads      events login, purchase · segment big · the clock",
                "  size       ▁▁▂▄█ · 1,102 → 1,284 since 2026-01-01T09:00:00Z",
                "  behind     12,000 users not held against the newest push yet",
            ]
        );
        let failing = json!({"users": 2, "at": "2026-01-01T09:00:00Z", "error": "it ran longer than 5 s"});
        let segment = json!({"id": "slow", "users": 0, "says": "", "reads": {}, "failing": failing});
        assert_eq!(
            shown(&segment),
            [
                "slow: 0 users",
                "  failing    for 2 users, who stay as they are: it ran longer than 5 s (at",
                "             2026-01-01T09:00:00Z)",
            ]
        );
        assert_eq!([period(3_600), period(7_200), period(90)], ["hour", "2 hours", "90 seconds"]);
        assert_eq!(size(&json!([]), 5), "");
        assert_eq!(size(&json!([{"at": "x", "users": 5}]), 5), "▁▁ · 5 → 5 since x");
    }

    #[test]
    fn why_a_user_is_not_in_a_segment() {
        let leaf = |says: &str, holds: bool, because: &str| json!({"says": says, "holds": holds, "because": because, "events": [], "parts": []});
        let mut spent = leaf("sum of value over purchase > 1000", false, "it is 412.5, over 2 events");
        spent["events"] = json!([{"occurred_at": "2026-01-01T09:00:00Z", "attributes": {"value": 400}}]);
        let plan = leaf("plan = \"free\"", true, "plan is missing, and counts as \"free\"");
        let why = json!({
            "segment": "big", "user_id": "ada", "member": false, "since": null, "holds": false,
            "next_change": "2026-02-01T09:00:00Z",
            "rule": {"says": "all of", "holds": false, "because": null, "events": [], "parts": [spent, plan]},
        });
        assert_eq!(
            explained(&Printer::new(false), &why),
            [
                "ada is not in big",
                "✗ all of",
                "  ✗ sum of value over purchase > 1000",
                "      it is 412.5, over 2 events",
                "      2026-01-01T09:00:00Z  {\"value\":400}",
                "  ✓ plan = \"free\"",
                "      plan is missing, and counts as \"free\"",
                "by time alone this may change at 2026-02-01T09:00:00Z",
            ]
        );
    }
}
