//! What somebody has written, told from what they answer. Nobody has ever agreed on how that is marked, so this takes away what is surely
//! quoted and leaves the rest.

/// What is written in a text, of so many characters at most.
pub fn written(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let end = (0..lines.len()).find(|at| ends_at(&lines, *at)).unwrap_or(lines.len());
    let mut kept: Vec<&str> = vec![];
    for line in &lines[..end] {
        if line.trim_start().starts_with('>') {
            introduced(&mut kept);
        } else {
            kept.push(line);
        }
    }
    let mut text = String::new();
    let mut was_empty = true;
    for line in kept {
        // What stood between two paragraphs leaves two empty lines behind.
        if !line.is_empty() || !was_empty {
            text.push_str(line);
            text.push('\n');
        }
        was_empty = line.is_empty();
    }
    text.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(most).collect()
}

/// Whether nothing that follows was written by whoever answers: a whole message below its header, or a signature.
fn ends_at(lines: &[&str], at: usize) -> bool {
    let line = lines[at].trim_start();
    // A signature begins with two dashes and a blank, which has been trimmed here.
    let is_signature = lines[at] == "--" && at > 0;
    let is_ruled = line.starts_with("-----") && line.ends_with("-----") && line.len() > 12;
    let is_line = line.len() >= 20 && line.chars().all(|c| c == '_');
    // `On Monday … Shop <hello@shop.example> wrote:`, perhaps on two lines, of a program that does not mark what it quotes.
    let wrote = |line: &str| line.ends_with("wrote:");
    let next = lines.get(at + 1).map_or("", |line| line.trim());
    let is_introduced =
        line.starts_with("On ") && (wrote(line) && line.contains('@') || line.contains('@') && wrote(next));
    let follows = lines[at..].iter().skip(1).find(|line| !line.is_empty());
    let is_marked = is_introduced
        && lines[at..].iter().skip(1).filter(|line| !line.is_empty() && !wrote(line)).any(|l| l.starts_with('>'));
    let is_header = line.starts_with("From: ")
        && follows.is_some_and(|next| ["Sent: ", "Date: ", "To: "].iter().any(|name| next.starts_with(name)));
    is_signature || is_ruled || is_line || is_header || is_introduced && !is_marked
}

/// Takes away the words that introduce what is quoted: the lines right before it, which end with a colon.
fn introduced(kept: &mut Vec<&str>) {
    while kept.last().is_some_and(|line| line.is_empty()) {
        kept.pop();
    }
    if !kept.last().is_some_and(|line| line.ends_with(':')) {
        // So that what comes after it stays a paragraph of its own.
        kept.push("");
        return;
    }
    let start = kept.iter().rposition(|line| line.is_empty()).map_or(0, |at| at + 1);
    // An introduction has two lines, or three; more is somebody's paragraph, of which only the last is.
    let start = if kept.len() - start > 3 { kept.len() - 1 } else { start };
    kept.truncate(start);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_goes() {
        for (text, left) in [
            ("Yes, please.\n", "Yes, please."),
            (
                "Yes.\r\n\r\nOn Mon, Jan 5, 2026 at 9:00 Shop <hello@shop.example> wrote:\r\n\r\n> Do you?\r\n> Really?\r\n",
                "Yes.",
            ),
            ("Yes.\n\nOn Mon, Jan 5, 2026 at 9:00 Shop\n<hello@shop.example> wrote:\n> Do you?\n", "Yes."),
            ("Ja.\n\nAm Mo., 5. Jan. 2026 um 09:00 Uhr schrieb Shop <hello@shop.example>:\n\n> Do you?\n", "Ja."),
            ("> Do you?\n\nYes.\n\n> And then?\nNever.\n", "Yes.\n\nNever."),
            ("Yes.\n\nOn Monday, Shop <hello@shop.example> wrote:\n\nDo you?\n", "Yes."),
            ("Yes.\n________________________________\nFrom: Shop\nSent: Monday\n\nDo you?", "Yes."),
            ("Yes.\n\nFrom: Shop <hello@shop.example>\nSent: Monday\nTo: Ada\n\nDo you?", "Yes."),
            ("Yes.\n\n-----Original Message-----\nFrom: Shop\n", "Yes."),
            ("Yes.\n-- \nAda\nDirector", "Yes."),
            ("From: here on I am away.\nBye", "From: here on I am away.\nBye"),
            ("On it.\nI wrote: yes", "On it.\nI wrote: yes"),
            ("a\u{1}b\u{7f}", "ab"),
            ("", ""),
            ("\n\n>\n", ""),
        ] {
            assert_eq!(written(text, 1_000), left, "{text}");
        }
        assert_eq!(written(&"ä".repeat(50), 10), "ä".repeat(10));
    }

    #[test]
    fn a_list_before_a_quote_is_not_its_introduction() {
        let text = "One\nTwo\nThree\nFour, and as you said:\n> words";
        assert_eq!(written(text, 1_000), "One\nTwo\nThree");
    }
}
