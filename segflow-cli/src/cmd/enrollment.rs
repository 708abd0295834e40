use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Context;
use crate::{plan::pad, printer::visible};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow enrollment enr_01H…            where it stands, what it waits for, what it has done
  segflow enrollment enr_01H… pause      it sends nothing more until it is resumed
  segflow enrollment enr_01H… resume     also one that stopped because of an error
  segflow enrollment enr_01H… restart    from the beginning, with the newest code
  segflow enrollment enr_01H… remove

What was decided and not sent is cancelled by all but resume. `GET /v1/users/{id}/enrollments` lists a user's.")]
pub struct Enrollment {
    /// Its id
    id: String,
    /// What to do with it; nothing: show it
    #[arg(value_enum)]
    action: Option<Action>,
    /// Why, to be shown with it
    #[arg(long, requires = "action", value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    Pause,
    Resume,
    Restart,
    Remove,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Restart => "restart",
            Action::Remove => "remove",
        }
    }
}

impl Enrollment {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let enrollment = match self.action {
            None => context.api(None).await?.enrollment(&self.id).await?,
            Some(action) => {
                let api = context.api_to_change().await?;
                api.act(&self.id, action.name(), self.reason.as_deref()).await?;
                api.enrollment(&self.id).await?
            }
        };
        for line in lines(&enrollment) {
            context.printer.result(line);
        }
        context.printer.document(&enrollment);
        Ok(ExitCode::SUCCESS)
    }
}

fn lines(enrollment: &Value) -> Vec<String> {
    let text = |field: &str| enrollment[field].as_str().map(|text| visible(text).into_owned());
    let mut lines = vec![format!(
        "{}: {} in {}",
        text("status").unwrap_or_default(),
        text("user_id").unwrap_or_else(|| "an erased user".into()),
        text("campaign").unwrap_or_default()
    )];
    let mut say = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {}  {value}", pad(name, 10))));
    };
    say("started", text("started_at"));
    say("deployment", text("deployment"));
    say("reason", text("reason"));
    say("waits for", text("waiting_for"));
    let journal = &enrollment["journal"];
    if let (Some(entries), Some(bytes)) = (journal["entries"].as_u64(), journal["bytes"].as_u64()) {
        let over = |field: &str, used: u64| journal[field].as_u64().is_some_and(|most| used > most / 2);
        let half = over("most_entries", entries) || over("most_bytes", bytes);
        let half = if half { ": more than half of what it may have, see `flow.continue_as_new`" } else { "" };
        say("journal", Some(format!("{entries} entries, {bytes} bytes{half}")));
    }
    for step in enrollment["steps"].as_array().into_iter().flatten() {
        let text = |field: &str| step[field].as_str().map(|text| visible(text).into_owned()).unwrap_or_default();
        let status = step["status"].as_str().map_or(String::new(), |status| format!(" ({})", visible(status)));
        let value = if step["value"].is_null() { String::new() } else { format!(": {}", short(&step["value"])) };
        lines.push(format!("  {}  {}{status}{value}", text("at"), text("what")));
    }
    lines
}

/// A value in one line.
fn short(value: &Value) -> String {
    let text = visible(&value.to_string()).into_owned();
    if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_journal_that_is_half_full() {
        let lines = |entries: u64, bytes: u64| {
            let journal = json!({"entries": entries, "bytes": bytes, "most_entries": 10_000, "most_bytes": 4_194_304});
            lines(&json!({ "status": "active", "campaign": "c", "journal": journal })).pop().expect("a line")
        };
        assert!(lines(5_000, 2_097_152).ends_with("bytes"));
        assert!(lines(5_001, 12).contains("more than half"));
        assert!(lines(7, 2_097_153).contains("more than half"));
    }

    #[test]
    fn an_enrollment_in_lines() {
        let enrollment = json!({
            "status": "active", "user_id": "ada", "campaign": "onboarding", "started_at": "2026-01-01T00:00:00Z",
            "deployment": "dep_1", "reason": null, "waiting_for": "event purchase, until 2026-01-04T00:00:00Z (src/lib.rs:31)",
            "journal": {"entries": 2, "bytes": 12},
            "steps": [
                {"at": "2026-01-01T00:00:00Z", "what": "decided to send welcome", "status": "sent"},
                {"at": "2026-01-01T00:00:00Z", "what": "the question was answered", "value": true},
            ],
        });
        assert_eq!(
            lines(&enrollment),
            [
                "active: ada in onboarding",
                "  started     2026-01-01T00:00:00Z",
                "  deployment  dep_1",
                "  waits for   event purchase, until 2026-01-04T00:00:00Z (src/lib.rs:31)",
                "  journal     2 entries, 12 bytes",
                "  2026-01-01T00:00:00Z  decided to send welcome (sent)",
                "  2026-01-01T00:00:00Z  the question was answered: true",
            ]
        );
    }
}
