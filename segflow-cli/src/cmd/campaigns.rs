use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::{
    plan::{pad, thousands},
    printer::{columns, visible},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow campaigns                    how many are in each, and what has come of its messages
  segflow campaigns winback-campaign   one: when its messages are sent, what counts for it, its goals

Opened, clicked and converted are messages, each counted once. What counts is what the campaign says with `.converts_on(…)`, or its goals.")]
pub struct Campaigns {
    /// Show this one
    id: Option<String>,
}

impl Campaigns {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let api = context.api(None).await?;
        match &self.id {
            Some(id) => {
                let campaign = api.campaign(id).await?;
                lines(&campaign).iter().for_each(|line| context.printer.result(line));
                context.printer.document(&campaign);
            }
            None => {
                let all = api.campaigns().await?;
                table(&all).iter().for_each(|line| context.printer.result(line));
                if all.is_empty() {
                    context.printer.note("the project has no campaigns: add `.campaign(…)` and push");
                }
                context.printer.document(&json!({"items": all}));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn count(value: &Value) -> String {
    thousands(value.as_u64().unwrap_or(0))
}

/// What successes are worth: with cents, where there are any.
fn amount(value: &Value) -> String {
    let value = value.as_f64().unwrap_or(0.0);
    let cents = (value.abs() * 100.0).round() as u64;
    let sign = if value < 0.0 && cents > 0 { "-" } else { "" };
    match cents % 100 {
        0 => format!("{sign}{}", thousands(cents / 100)),
        rest => format!("{sign}{}.{rest:02}", thousands(cents / 100)),
    }
}

fn table(all: &[Value]) -> Vec<String> {
    if all.is_empty() {
        return vec![];
    }
    let head = ["CAMPAIGN", "IN IT", "SENT", "OPENED", "CLICKED", "CONVERTED", "VALUE"].map(str::to_owned);
    let row = |campaign: &Value| {
        let (counts, results) = (&campaign["counts"], &campaign["results"]);
        let live = ["active", "paused", "parked"].map(|status| counts[status].as_u64().unwrap_or(0));
        [
            visible(campaign["id"].as_str().unwrap_or_default()).into_owned(),
            thousands(live.into_iter().sum()),
            count(&results["sent"]),
            count(&results["opened"]),
            count(&results["clicked"]),
            count(&results["converted"]),
            amount(&results["value"]),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let width = |at: usize| rows.iter().map(|row| columns(&row[at])).max().unwrap_or(0);
    let line = |row: &[String; 7]| {
        let numbers = row.iter().enumerate().skip(1).map(|(at, number)| format!("  {number:>0$}", width(at)));
        pad(&row[0], width(0)) + &numbers.collect::<String>()
    };
    rows.iter().map(line).collect()
}

fn lines(campaign: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(|text| visible(text).into_owned());
    let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect::<Vec<_>>();
    let mut lines =
        vec![format!("{}: {}", text(&campaign["id"]).unwrap_or_default(), text(&campaign["mode"]).unwrap_or_default())];
    let mut say = |name: &str, value: String| lines.push(format!("  {}  {value}", pad(name, 10)));
    say("segments", texts(&campaign["segments"]).join(", "));
    let excluded = texts(&campaign["exclude_segments"]);
    if !excluded.is_empty() {
        say("excludes", excluded.join(", "));
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let policies = &campaign["policies"];
    for window in list(&policies["windows"]) {
        let days = texts(&window["days"]);
        let days = if days.len() == 7 { String::new() } else { format!(" on {}", days.join(", ")) };
        let zone = match (text(&window["zone"]), text(&window["or_zone"])) {
            (Some(zone), _) => format!(" in {zone}"),
            (_, Some(zone)) => format!(" where the user is, or in {zone}"),
            _ => " where the user is, or UTC".into(),
        };
        let of = if window["of"] == "project" { " (of the project)" } else { "" };
        let (from, to) = (text(&window["from"]).unwrap_or_default(), text(&window["to"]).unwrap_or_default());
        say("sent", format!("from {from} to {to}{days}{zone}{of}"));
    }
    for cap in list(&policies["frequency_caps"]) {
        let beyond = if cap["beyond"] == "drop" { "others are dropped" } else { "others wait" };
        let within = span(cap["per_seconds"].as_u64().unwrap_or(0));
        say("cap", format!("{} in {within} to one user, {beyond} (of the project)", count(&cap["messages"])));
    }
    if let Some(zone) = text(&policies["per_day"]["zone"]) {
        say("per day", format!("{}, by the days of {zone}", count(&policies["per_day"]["messages"])));
    }
    if let Some(age) = policies["max_age_seconds"].as_u64() {
        say("max age", span(age));
    }
    for conversion in list(&campaign["converts_on"]) {
        let what = match (text(&conversion["event"]), text(&conversion["goal"])) {
            (Some(event), _) if conversion["filter"].is_null() => event,
            (Some(event), _) => format!("some {event}"),
            (_, goal) => format!("the goal {}", goal.unwrap_or_default()),
        };
        let worth = text(&conversion["value"]).map_or(String::new(), |path| format!(", worth its {path}"));
        let within = span(conversion["within_seconds"].as_u64().unwrap_or(0));
        say("counts", format!("{what} within {within}{worth}"));
    }
    for (goal, times) in campaign["goals"].as_object().into_iter().flatten() {
        say("goal", format!("{}: {}", visible(goal), count(times)));
    }
    let results = &campaign["results"];
    let reached = ["sent", "opened", "clicked", "converted"].map(|what| format!("{} {what}", count(&results[what])));
    say("messages", reached.join(", "));
    let worth = if results["value"].as_f64() == Some(0.0) {
        String::new()
    } else {
        format!(", worth {}", amount(&results["value"]))
    };
    say("successes", format!("{}{worth}", count(&results["conversions"])));
    lines
}

/// A span of seconds in its largest whole unit.
fn span(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit)).unwrap_or((1, "second"));
    let plural = if seconds / unit == 1 { "" } else { "s" };
    format!("{} {name}{plural}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaign() -> Value {
        json!({
            "id": "winback", "mode": "static", "segments": ["quiet"], "exclude_segments": [],
            "policies": {
                "windows": [
                    {"of": "campaign", "from": "09:00", "to": "18:00", "days": ["monday", "tuesday"], "zone": null, "or_zone": "Europe/Berlin"},
                    {"of": "project", "from": "08:00", "to": "22:00", "days": ["", "", "", "", "", "", ""], "zone": null, "or_zone": null},
                ],
                "frequency_caps": [{"messages": 1, "per_seconds": 86400, "beyond": "wait"}],
                "per_day": {"messages": 5000, "zone": "UTC"},
                "max_age_seconds": 5400,
            },
            "converts_on": [
                {"event": "purchase", "filter": null, "goal": null, "within_seconds": 604_800, "value": "value"},
                {"event": null, "filter": null, "goal": "won", "within_seconds": 3600, "value": null},
            ],
            "counts": {"active": 1200, "paused": 30, "parked": 4, "done": 9000},
            "goals": {"won": 3},
            "results": {"sent": 12345, "opened": 600, "clicked": 55, "converted": 4, "conversions": 5, "value": 1234.5},
        })
    }

    #[test]
    fn campaigns_in_a_table() {
        let empty = json!({"id": "a", "counts": {}, "results": {}});
        assert_eq!(
            table(&[campaign(), empty]),
            [
                "CAMPAIGN  IN IT    SENT  OPENED  CLICKED  CONVERTED     VALUE",
                "winback   1,234  12,345     600       55          4  1,234.50",
                "a             0       0       0        0          0         0",
            ]
        );
        assert!(table(&[]).is_empty());
    }

    #[test]
    fn a_campaign_in_lines() {
        assert_eq!(
            lines(&campaign()),
            [
                "winback: static",
                "  segments    quiet",
                "  sent        from 09:00 to 18:00 on monday, tuesday where the user is, or in Europe/Berlin",
                "  sent        from 08:00 to 22:00 where the user is, or UTC (of the project)",
                "  cap         1 in 1 day to one user, others wait (of the project)",
                "  per day     5,000, by the days of UTC",
                "  max age     90 minutes",
                "  counts      purchase within 7 days, worth its value",
                "  counts      the goal won within 1 hour",
                "  goal        won: 3",
                "  messages    12,345 sent, 600 opened, 55 clicked, 4 converted",
                "  successes   5, worth 1,234.50",
            ]
        );
    }

    #[test]
    fn amounts_have_cents_where_there_are_any() {
        for (value, shown) in [(0.0, "0"), (1_000.0, "1,000"), (19.9, "19.90"), (-0.5, "-0.50"), (-0.001, "0")] {
            assert_eq!(amount(&json!(value)), shown);
        }
    }
}
