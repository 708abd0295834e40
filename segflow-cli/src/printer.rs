//! The only place that prints. Results go to stdout, everything else to stderr, and colour only where somebody looks.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    borrow::Cow,
    io::{IsTerminal, Write},
};

use owo_colors::OwoColorize;
use serde::Serialize;

#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// The caller wants one JSON document on stdout instead of text.
    pub json: bool,
    colour_out: bool,
    colour_err: bool,
}

/// What a colour means; which one it is, is decided here alone.
#[derive(Debug, Clone, Copy)]
pub enum Tone {
    Good,
    Changed,
    Bad,
    Faint,
    Strong,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            colour_out: wanted && std::io::stdout().is_terminal(),
            colour_err: wanted && std::io::stderr().is_terminal(),
        }
    }

    /// A line of the result, on stdout. Nothing with `--json`: there the document is the result.
    pub fn result(&self, line: impl AsRef<str>) {
        if !self.json {
            self.stdout(line.as_ref());
        }
    }

    /// The one JSON document of `--json`; nothing without it.
    pub fn document(&self, value: &impl Serialize) {
        if self.json {
            let text = serde_json::to_string_pretty(value).expect("what is printed is plain data");
            self.stdout(&text);
        }
    }

    /// A line that goes to stdout whether or not `--json` was given: the protocol of `dev` and `serve`.
    #[cfg(feature = "server")]
    pub fn stdout_line(&self, line: &str) {
        self.stdout(line);
    }

    /// What is going on, on stderr.
    pub fn note(&self, line: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
    }

    pub fn warning(&self, text: impl AsRef<str>) {
        self.note(format!("{} {}", self.err("warning:", Tone::Changed), text.as_ref()));
    }

    pub fn error(&self, text: impl AsRef<str>) {
        self.note(format!("{} {}", self.err("error:", Tone::Bad), text.as_ref()));
    }

    /// Coloured for stdout.
    pub fn out(&self, text: &str, tone: Tone) -> String {
        painted(text, tone, self.colour_out)
    }

    /// Coloured for stderr.
    pub fn err(&self, text: &str, tone: Tone) -> String {
        painted(text, tone, self.colour_err)
    }

    /// Whether a person can be asked: the question is read from stdin and shown on stderr.
    pub fn can_ask(&self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// How wide a table may become: as wide as the terminal, and without one as wide as it likes.
    pub fn width(&self) -> Option<usize> {
        let terminal = dialoguer::console::Term::stdout();
        terminal.is_term().then(|| usize::from(terminal.size().1).max(40))
    }

    /// How wide the live log may become.
    #[cfg(feature = "server")]
    pub fn err_width(&self) -> usize {
        let terminal = dialoguer::console::Term::stderr();
        if terminal.is_term() { usize::from(terminal.size().1).max(60) } else { 80 }
    }

    fn stdout(&self, line: &str) {
        // A reader that has seen enough (`segflow … | head`) is no error of ours.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}");
        let _ = out.flush();
    }
}

fn painted(text: &str, tone: Tone, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    match tone {
        Tone::Good => text.green().to_string(),
        Tone::Changed => text.yellow().to_string(),
        Tone::Bad => text.red().bold().to_string(),
        Tone::Faint => text.dimmed().to_string(),
        Tone::Strong => text.bold().to_string(),
    }
}

/// Foreign text as it may be shown: a user's id is any string, so it must not move the cursor or clear the screen.
pub fn visible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(steers) {
        text.chars()
            .map(|c| if steers(c) { c.escape_unicode().to_string() } else { c.to_string() })
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

/// How many columns a text takes.
pub fn columns(text: &str) -> usize {
    dialoguer::console::measure_text_width(text)
}

/// What a text is folded at.
const WIDTH: usize = 80;

/// A text after its head, in lines of 80 columns; the head's width is kept free in the lines that follow.
pub fn wrapped(head: &str, text: &str, lines: &mut Vec<String>) {
    let free = columns(head);
    let mut line = head.to_owned();
    let mut fresh = true;
    for word in text.split_whitespace() {
        if !fresh && columns(&line) + 1 + columns(word) > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(free)));
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    lines.push(line.trim_end().to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(visible("ada"), "ada");
        assert_eq!(visible("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(visible("o'brien 🦊"), "o'brien 🦊");
    }

    #[test]
    fn wide_characters_count_double() {
        assert_eq!(columns("ada"), 3);
        assert_eq!(columns("🦊"), 2);
    }
}
