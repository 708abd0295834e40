use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::{
    plan::pad,
    printer::{Printer, Tone, columns, visible, wrapped},
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow doctor          what is well, what is not, and what to do
  segflow doctor --json   the same for a script

The server looks at its database and clock, the address where people reach it, whether its providers take its credentials, and what the
sender's domain says in the DNS (SPF, DMARC, DKIM). Nothing is sent. Exit code 1 if something does not work.")]
pub struct Doctor {}

impl Doctor {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let found = context.api(None).await?.doctor().await?;
        for line in lines(&context.printer, &found) {
            context.printer.result(line);
        }
        context.printer.document(&json!({"items": found}));
        let is_bad = found.iter().any(|finding| finding["state"] == "bad");
        Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn lines(printer: &Printer, found: &[Value]) -> Vec<String> {
    let text = |finding: &Value, field: &str| visible(finding[field].as_str().unwrap_or_default()).into_owned();
    let width = found.iter().map(|finding| columns(&text(finding, "about"))).max().unwrap_or(0);
    let mut lines = vec![];
    for finding in found {
        let (mark, tone) = match finding["state"].as_str() {
            Some("good") => ("✓", Tone::Good),
            Some("bad") => ("✗", Tone::Bad),
            Some("warning") => ("!", Tone::Changed),
            _ => ("?", Tone::Faint),
        };
        let mut said = vec![];
        wrapped(&format!("{mark} {}  ", pad(&text(finding, "about"), width)), &text(finding, "says"), &mut said);
        if let Some(first) = said.first_mut() {
            *first = first.replacen(mark, &printer.out(mark, tone), 1);
        }
        lines.extend(said);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_in_eighty_columns() {
        let one = |about: &str, state: &str, says: &str| json!({"about": about, "state": state, "says": says});
        let found = [
            one("database", "good", "MySQL 9.7.0"),
            one("postmark", "bad", "secret POSTMARK_TOKEN is not set on the server"),
            one(
                "DMARC of shop.example",
                "warning",
                "none: large receivers want one, such as \"v=DMARC1; p=none\" as TXT of _dmarc.shop.example",
            ),
        ];
        assert_eq!(
            lines(&Printer::new(false), &found),
            [
                "✓ database               MySQL 9.7.0",
                "✗ postmark               secret POSTMARK_TOKEN is not set on the server",
                "! DMARC of shop.example  none: large receivers want one, such as \"v=DMARC1;",
                "                         p=none\" as TXT of _dmarc.shop.example",
            ]
        );
    }
}
