//! What is wrong in a file, said with its place underlined.

use std::ops::Range;

/// The bytes of the file that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    pub at: Range<usize>,
    pub what: String,
}

impl Mistake {
    pub fn new(at: Range<usize>, what: impl Into<String>) -> Mistake {
        Mistake { at, what: what.into() }
    }

    /// `path:line:column: what`, and below it the line with a mark.
    pub fn show(&self, path: &str, source: &str) -> String {
        let (line, column) = line_and_column(source, self.at.start);
        let text = source.lines().nth(line - 1).unwrap_or_default();
        // A line of a minified file would fill the screen.
        let skipped = column.saturating_sub(60);
        let shown: String = text.chars().skip(skipped).take(120).collect::<String>().replace('\t', " ");
        let marked = source.get(self.at.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let marks = "^".repeat(marked.chars().count().clamp(1, 120));
        let number = line.to_string();
        let (gap, before) = (" ".repeat(number.len()), " ".repeat(column - 1 - skipped));
        format!("{path}:{line}:{column}: {}\n{gap} |\n{number} | {shown}\n{gap} | {before}{marks}", self.what)
    }
}

/// Both counted from 1; the column in characters.
pub fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let at = (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
    let before = &source[..at];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}
