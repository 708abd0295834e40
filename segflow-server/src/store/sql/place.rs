//! A refusal and the place in the text that it is about.

use std::fmt;

use sqlparser::tokenizer::Span;

/// Why a segment's SQL cannot be used. Lines and columns count from 1, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub line: usize,
    pub column: usize,
    pub length: usize,
    pub message: String,
}

pub type Got<T> = Result<T, Refused>;

impl Refused {
    pub fn at(span: Span, message: impl Into<String>) -> Refused {
        let (start, end) = (span.start, span.end);
        // The parser knows no place for some things.
        let length = if start.line == 0 {
            usize::MAX as u64
        } else if start.line == end.line {
            end.column.saturating_sub(start.column).max(1)
        } else {
            usize::MAX as u64
        };
        Refused {
            line: (start.line as usize).max(1),
            column: (start.column as usize).max(1),
            length: length as usize,
            message: message.into(),
        }
    }

    /// Keeps the place within the text: what goes on over lines is underlined to the end of its first one, and what has no place
    /// of its own is the whole first line.
    pub(super) fn within(mut self, sql: &str) -> Refused {
        let line = |n: usize| sql.lines().nth(n - 1).map(|line| line.trim_end().chars().count());
        let width = match line(self.line) {
            Some(width) => width,
            None => {
                (self.line, self.column, self.length) = (1, 1, usize::MAX);
                line(1).unwrap_or(0)
            }
        };
        self.column = self.column.min(width + 1);
        self.length = self.length.min((width + 1).saturating_sub(self.column)).max(1);
        self
    }

    /// The message, then the line of the text with the place marked below it.
    pub fn underlined(&self, sql: &str) -> String {
        let line = sql.lines().nth(self.line - 1).unwrap_or("").replace('\t', " ");
        let mark = format!("{}{}", " ".repeat(self.column - 1), "^".repeat(self.length));
        let number = self.line.to_string();
        let blank = " ".repeat(number.len());
        format!("{}\n{number} | {line}\n{blank} | {mark}", self.message)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Refused {}
