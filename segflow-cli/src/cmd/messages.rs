use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::{
    api::{Api, Message, encoded},
    messages,
    plan::pad,
    printer::visible,
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow messages                              the newest, the last one at the bottom
  segflow messages --user ada                   those to one user
  segflow messages --status unknown --limit 500 those nobody knows the fate of
  segflow messages msg_01H…                     one: why it is where it is, and every try
  segflow messages msg_01H… --text              what it says

Statuses: pending, held, sending, sent, delivered, bounced, complained, refused, suppressed, cancelled, unknown.")]
pub struct Messages {
    /// Show this one
    #[arg(conflicts_with_all = ["user", "status", "campaign", "transaction", "limit"])]
    id: Option<String>,
    /// Those to this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Those that stand there
    #[arg(long)]
    status: Option<String>,
    /// Those of this campaign
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Those of this transaction
    #[arg(long, value_name = "ID")]
    transaction: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Print its plain text
    #[arg(long, requires = "id")]
    text: bool,
    /// Print its HTML
    #[arg(long, requires = "id", conflicts_with = "text")]
    html: bool,
}

impl Messages {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let api = context.api(None).await?;
        match &self.id {
            Some(id) => self.one(context, &api, id).await?,
            None => self.list(context, &api).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn list(&self, context: &Context, api: &Api) -> Result<()> {
        let filters = [
            ("user_id", &self.user),
            ("status", &self.status),
            ("campaign", &self.campaign),
            ("transaction", &self.transaction),
        ];
        let given = filters.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
        let query: String = given.map(|(name, value)| format!("{name}={}&", encoded(value))).collect();
        let mut found = api.newest_messages(&query, self.limit).await?;
        found.reverse();
        let shown =
            found.iter().map(|message| serde_json::from_value(message.clone())).collect::<Result<Vec<Message>, _>>()?;
        messages::show(&shown, &context.printer);
        if found.len() == self.limit as usize {
            context.printer.note("there may be earlier ones: --limit N shows more");
        }
        context.printer.document(&json!({"items": found}));
        Ok(())
    }

    async fn one(&self, context: &Context, api: &Api, id: &str) -> Result<()> {
        let message: Value = api.message(id).await?;
        match self.body() {
            None => lines(&message).iter().for_each(|line| context.printer.result(line)),
            Some(part) => match message[part].as_str() {
                // Into a file or a browser, as it is.
                Some(body) => context.printer.result(body),
                None => {
                    let why = message["render_error"].as_str().unwrap_or("there is none");
                    anyhow::bail!("what {id} says cannot be shown: {}", visible(why));
                }
            },
        }
        context.printer.document(&message);
        Ok(())
    }

    fn body(&self) -> Option<&'static str> {
        match (self.text, self.html) {
            (true, _) => Some("text"),
            (_, true) => Some("html"),
            _ => None,
        }
    }
}

fn lines(message: &Value) -> Vec<String> {
    let text = |field: &str| message[field].as_str().map(|text| visible(text).into_owned());
    let of = match (text("campaign"), text("transaction")) {
        (Some(campaign), _) => format!(", campaign {campaign}"),
        (_, Some(transaction)) => format!(", transaction {transaction}"),
        _ => String::new(),
    };
    let mut lines = vec![format!(
        "{}: {} to {}{of}",
        text("status").unwrap_or_default(),
        text("template").unwrap_or_default(),
        text("user_id").unwrap_or_else(|| "an erased user".into()),
    )];
    let mut say = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {}  {value}", pad(name, 10))));
    };
    say("reason", text("reason"));
    say("subject", text("subject"));
    say("decided", text("created_at"));
    say("due", text("due_at"));
    say("sent", text("sent_at"));
    say("opened", text("opened_at"));
    say("clicked", text("clicked_at"));
    say("answered", text("replied_at"));
    say("from", text("from"));
    say("to", text("to"));
    let known = text("provider_message_id").map_or(String::new(), |id| format!(", as {id}"));
    say("provider", text("provider").map(|provider| provider + &known));
    say("looked up", looked_up(&message["lookup"]));
    say("enrollment", text("enrollment"));
    say("event", text("event_id"));
    say("deployment", text("deployment"));
    say("guarantee", text("guarantee").map(|guarantee| guarantee.replace('_', " ")));
    for attempt in message["attempts"].as_array().into_iter().flatten() {
        let text = |field: &str| attempt[field].as_str().map(|text| visible(text).into_owned());
        let by = text("provider").map_or(String::new(), |provider| format!(" by {provider}"));
        let detail = text("detail").map_or(String::new(), |detail| format!(": {detail}"));
        let (number, outcome) = (attempt["attempt"].as_u64().unwrap_or(0), text("outcome").unwrap_or_default());
        lines.push(format!("  {}  try {number}{by}: {outcome}{detail}", text("at").unwrap_or_default()));
    }
    for success in message["converted_by"].as_array().into_iter().flatten() {
        let text = |field: &str| success[field].as_str().map(|text| visible(text).into_owned());
        let goal = text("goal").map(|goal| format!("the goal {goal}"));
        let what = text("event").or(goal).unwrap_or_default();
        let worth = success["value"].as_f64().map_or(String::new(), |value| format!(", worth {value}"));
        lines.push(format!("  {}  counts: {what}{worth}", text("at").unwrap_or_default()));
    }
    lines
}

/// How often its provider was asked whether it has the message, while that goes on.
fn looked_up(lookup: &Value) -> Option<String> {
    let next = lookup["next_at"].as_str()?;
    Some(match lookup["asked"].as_u64()? {
        0 => format!("not yet; first at {}", visible(next)),
        1 => format!("once, not found; again at {}", visible(next)),
        times => format!("{times} times, not found; again at {}", visible(next)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_of_a_message() {
        let message = json!({
            "status": "delivered", "template": "winback", "user_id": "ada", "campaign": "winback-campaign",
            "sent_at": "2026-01-01T09:00:00Z", "opened_at": "2026-01-01T10:00:00Z", "clicked_at": null,
            "converted_by": [
                {"at": "2026-01-02T09:00:00Z", "event": "purchase", "goal": null, "event_id": "e", "value": 19.5},
                {"at": "2026-01-03T09:00:00Z", "event": null, "goal": "won", "event_id": null, "value": null},
            ],
        });
        assert_eq!(
            lines(&message)[1..],
            [
                "  sent        2026-01-01T09:00:00Z",
                "  opened      2026-01-01T10:00:00Z",
                "  2026-01-02T09:00:00Z  counts: purchase, worth 19.5",
                "  2026-01-03T09:00:00Z  counts: the goal won",
            ]
        );
    }

    #[test]
    fn how_often_a_provider_was_asked() {
        let said = |asked: u64| looked_up(&json!({ "asked": asked, "next_at": "2026-01-01T09:06:00Z" }));
        assert_eq!(said(0).as_deref(), Some("not yet; first at 2026-01-01T09:06:00Z"));
        assert_eq!(said(1).as_deref(), Some("once, not found; again at 2026-01-01T09:06:00Z"));
        assert_eq!(said(2).as_deref(), Some("2 times, not found; again at 2026-01-01T09:06:00Z"));
        assert_eq!(looked_up(&Value::Null), None);
    }

    #[test]
    fn a_message_in_lines() {
        let message = json!({
            "status": "pending", "template": "winback", "user_id": "ada", "campaign": "winback-campaign", "transaction": null,
            "reason": "503 busy", "subject": null, "created_at": "2026-01-01T09:00:00Z", "due_at": "2026-01-01T09:01:00Z",
            "sent_at": null, "opened_at": null, "provider": "postmark", "provider_message_id": null, "deployment": "dep_1", "guarantee": "at_most_once",
            "attempts": [{"attempt": 1, "at": "2026-01-01T09:00:01Z", "provider": "postmark", "outcome": "retry", "detail": "503 busy"}],
        });
        assert_eq!(
            lines(&message),
            [
                "pending: winback to ada, campaign winback-campaign",
                "  reason      503 busy",
                "  decided     2026-01-01T09:00:00Z",
                "  due         2026-01-01T09:01:00Z",
                "  provider    postmark",
                "  deployment  dep_1",
                "  guarantee   at most once",
                "  2026-01-01T09:00:01Z  try 1 by postmark: retry: 503 busy",
            ]
        );
    }
}
