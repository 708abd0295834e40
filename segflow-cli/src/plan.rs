//! What a push does, as a person reads it; and why one is refused.

use std::path::Path;

use crate::{
    api::{Change, Moving, Plan, Problem},
    failure::Shown,
    printer::{Printer, Tone, columns, visible},
};

/// Another module that declares the same: a flow was changed, or only a comment.
const CODE_ONLY: &str = "code, for users who enter from now on";

/// The plan on stdout: everything that changes, then what it means for users.
pub fn show(printer: &Printer, plan: &Plan) {
    let is_same = |change: &&Change| change.change == "=" && !moves(plan, change);
    let (same, changes): (Vec<&Change>, Vec<&Change>) = plan.changes.iter().partition(is_same);
    let kinds = widest(&changes, |change| &change.kind);
    let ids = widest(&changes, |change| &change.id);
    printer.result("");
    for change in &changes {
        let mark = printer.out(&change.change, tone(change));
        let line = format!("{} {}  {}", pad(&change.kind, kinds), pad(&change.id, ids), visible(&change.note));
        printer.result(format!("  {mark} {}", line.trim_end()));
    }
    if changes.iter().all(|change| change.change == "=") && plan.changed {
        printer.result(format!("  {} {CODE_ONLY}", printer.out("~", Tone::Changed)));
    }
    if !same.is_empty() {
        let more = if changes.is_empty() { "" } else { "more " };
        printer.result(printer.out(&format!("  = {} {more}unchanged", thousands(same.len() as u64)), Tone::Faint));
    }
    for warning in &plan.warnings {
        printer.warning(visible(warning));
    }
    printer.result("");
    printer.result(format!("  {}", consequences(plan)));
}

/// Whether people are in a campaign who do not stay where they are: to be seen, also where nothing else about it changes.
fn moves(plan: &Plan, change: &Change) -> bool {
    let is_it = |moving: &Moving| moving.campaign == change.id && moving.live > 0 && moving.policy != "pin";
    change.kind == "campaign" && plan.in_flight.iter().any(is_it)
}

fn consequences(plan: &Plan) -> String {
    let mut text = format!("Now: {} enter, {} leave.", thousands(plan.entering), thousands(plan.leaving));
    if let Some(emails) = plan.emails_24h {
        text.push_str(&format!("  Next 24 h: about {} emails.", thousands(emails)));
    }
    text
}

/// The changes in one line, for the log of `segflow dev`.
#[cfg(feature = "server")]
pub fn one_line(plan: &Plan) -> String {
    let same = plan.changes.iter().filter(|change| change.change == "=").count();
    let changes: Vec<&Change> = plan.changes.iter().filter(|change| change.change != "=").collect();
    if changes.is_empty() {
        return if plan.changed { format!("~ {CODE_ONLY}") } else { "nothing changed".to_owned() };
    }
    if plan.from.is_none() {
        return counts(&changes);
    }
    let mut changes = changes;
    changes.sort_by_key(|change| weight(&change.kind));
    let mut parts: Vec<String> = changes
        .iter()
        .take(3)
        .map(|change| format!("{} {} {}", change.change, change.kind, visible(&change.id)))
        .collect();
    if changes.len() > 3 {
        parts.push(format!("{} more", changes.len() - 3));
    }
    if same > 0 {
        parts.push(format!("= {same} unchanged"));
    }
    parts.join(", ")
}

/// Of a first push everything is new: `3 campaigns, 4 segments, …`.
#[cfg(feature = "server")]
fn counts(changes: &[&Change]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    // What users see comes first; the rest can be asked for, and would not fit a line.
    for change in changes.iter().filter(|c| !matches!(c.kind.as_str(), "attribute" | "event" | "provider")) {
        match kinds.iter_mut().find(|(kind, _)| *kind == change.kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&change.kind, 1)),
        }
    }
    kinds.sort_by_key(|(kind, _)| weight(kind));
    let parts: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {}{}", visible(kind), if *count == 1 { "" } else { "s" }))
        .collect();
    parts.join(", ")
}

/// What people look for first.
#[cfg(feature = "server")]
fn weight(kind: &str) -> usize {
    let order = ["campaign", "transaction", "segment", "template"];
    order.iter().position(|known| *known == kind).unwrap_or(order.len())
}

/// `dep_7c1f92…` is known by its first characters.
pub fn short(deployment: &str) -> String {
    let id = deployment.strip_prefix("dep_").unwrap_or(deployment);
    let head: String = id.chars().take(8).collect();
    if head.len() < id.len() { format!("{head}…") } else { head }
}

/// A refused push: every problem at once, with the line of the project's file that it is about. Other errors pass.
pub fn explain(printer: &Printer, project: &Path, error: anyhow::Error) -> anyhow::Error {
    let Some(problem) = error.downcast_ref::<Problem>().filter(|problem| !problem.problems.is_empty()) else {
        return error;
    };
    for finding in &problem.problems {
        let code = if finding.code.is_empty() { String::new() } else { format!("[{}]", finding.code) };
        let mut lines = finding.message.lines();
        let head = printer.err(&format!("error{}:", visible(&code)), Tone::Bad);
        printer.note(format!("{head} {}", printer.err(&visible(lines.next().unwrap_or_default()), Tone::Strong)));
        if let Some(place) = &finding.place {
            printer.note(format!("  {} {}", printer.err("-->", Tone::Faint), visible(place)));
            for line in underlined(project, place).into_iter().flatten() {
                printer.note(format!("  {}", printer.err(&visible(&line), Tone::Faint)));
            }
        }
        for line in lines {
            printer.note(format!("  {}", visible(line)));
        }
        printer.note("");
    }
    let count = problem.problems.len();
    printer.error(format!("nothing was pushed: {count} problem{}", if count == 1 { "" } else { "s" }));
    Shown.into()
}

/// The line of `path:line:column` with the word there marked, if the project has such a file.
fn underlined(project: &Path, place: &str) -> Option<[String; 2]> {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, path) =
        (parts.next()?.parse::<usize>().ok()?, parts.next()?.parse::<usize>().ok()?, parts.next()?);
    let file = std::fs::read_to_string(project.join(path)).ok()?;
    let text = file.lines().nth(line.checked_sub(1)?)?.replace('\t', " ");
    // A line of a minified file would fill the screen.
    let skipped = column.checked_sub(1)?.saturating_sub(60);
    let before = column - 1 - skipped;
    let shown: String = text.chars().skip(skipped).take(120).collect();
    let word = shown.chars().skip(before).take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).count().max(1);
    let number = line.to_string();
    let gap = " ".repeat(number.len());
    Some([format!("{number} | {shown}"), format!("{gap} | {}{}", " ".repeat(before), "^".repeat(word))])
}

fn tone(change: &Change) -> Tone {
    match change.change.as_str() {
        "+" => Tone::Good,
        "-" => Tone::Bad,
        _ => Tone::Changed,
    }
}

fn widest(changes: &[&Change], text: impl Fn(&Change) -> &String) -> usize {
    changes.iter().map(|change| columns(&visible(text(change)))).max().unwrap_or(0)
}

/// Left-aligned, by columns of the terminal rather than bytes or characters.
pub fn pad(text: &str, width: usize) -> String {
    let text = visible(text);
    let missing = width.saturating_sub(columns(&text));
    format!("{text}{}", " ".repeat(missing))
}

/// 1284 → 1,284
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_284), "1,284");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }

    #[test]
    fn deployments_are_shortened() {
        assert_eq!(short("dep_7c1f92ab00"), "7c1f92ab…");
        assert_eq!(short("dep_7c1f"), "7c1f");
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_push_in_one_line() {
        let change = |change: &str, kind: &str, id: &str| Change {
            change: change.into(),
            kind: kind.into(),
            id: id.into(),
            note: String::new(),
        };
        let changes = vec![change("+", "attribute", "email"), change("+", "segment", "a"), change("+", "segment", "b")];
        let first = Plan { changes: changes.clone(), ..Plan::default() };
        assert_eq!(one_line(&first), "2 segments");
        assert_eq!(one_line(&Plan { changed: true, ..Plan::default() }), "~ code, for users who enter from now on");
        assert_eq!(one_line(&Plan::default()), "nothing changed");
        let mut later = Plan { changes, from: Some("dep_1".into()), ..Plan::default() };
        later.changes.extend([change("~", "campaign", "c"), change("=", "template", "d")]);
        assert_eq!(one_line(&later), "~ campaign c, + segment a, + segment b, 1 more, = 1 unchanged");
    }

    #[test]
    fn consequences_in_a_sentence() {
        let plan = Plan { entering: 1_284, leaving: 40, emails_24h: Some(1_590), ..Plan::default() };
        assert_eq!(consequences(&plan), "Now: 1,284 enter, 40 leave.  Next 24 h: about 1,590 emails.");
    }
}
