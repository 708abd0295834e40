//! Code, line by line as it is.

use super::{Html, plain, show};

impl Html {
    pub(super) fn code_block(&mut self, code: &str) {
        let code = code.trim_matches('\n');
        for (i, line) in code.lines().enumerate() {
            if i > 0 {
                // Outlook forgets the line breaks of `<pre>`.
                self.push_html("<br>");
            }
            let words = line.trim_start();
            // A tab is four spaces, as in most editors.
            let indent: usize = line[..line.len() - words.len()].chars().map(|c| if c == '\t' { 4 } else { 1 }).sum();
            (0..indent).for_each(|_| self.push_html("&nbsp;"));
            show::escape(words, &mut self.html);
        }
        self.text.push(plain::CODE);
        self.shown_text(code);
        self.text.push(plain::CODE_END);
    }
}
