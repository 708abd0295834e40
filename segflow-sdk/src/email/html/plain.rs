//! The plain text: what the macro wrote, with its marks made into lines, lists and addresses.
//!
//! Marks are control characters, which no value can bring in: [`Show`](super::Show) leaves them out.

/// Begins a paragraph.
pub const PARAGRAPH: char = '\u{1}';
/// Begins a line.
pub const LINE: char = '\u{2}';
/// Around the words of a link, then its address, then its end.
pub const LINK: char = '\u{3}';
pub const ADDRESS: char = '\u{4}';
pub const LINK_END: char = '\u{5}';
/// A list with dots, one with numbers, an item of it, its end.
pub const DOTS: char = '\u{6}';
pub const NUMBERS: char = '\u{7}';
pub const ITEM: char = '\u{8}';
pub const LIST_END: char = '\u{b}';
/// A row, a column in it, its end: the columns stand in one line.
pub const ROW: char = '\u{c}';
pub const COLUMN: char = '\u{e}';
pub const ROW_END: char = '\u{f}';
/// Between these, lines and spaces are kept.
pub const CODE: char = '\u{10}';
pub const CODE_END: char = '\u{11}';

/// The text as it is sent. Ends with a line break, unless it is empty.
pub fn finish(marked: &str) -> String {
    let mut text = Text { out: String::with_capacity(marked.len() + 16), ..Text::default() };
    let mut at = 0;
    while let Some(byte) = marked.as_bytes().get(at) {
        if is_mark(*byte) {
            text.mark(char::from(*byte));
            at += 1;
        } else {
            let (end, uneven) = words(marked.as_bytes(), at);
            text.words(&marked[at..end], uneven);
            at = end;
        }
    }
    if !text.out.is_empty() {
        text.out.push('\n');
    }
    text.out
}

/// Where the words from here on end: at the next mark. And whether their spaces have to be looked at. Eight bytes at a time.
fn words(bytes: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut uneven, mut after_space) = (start, false, 0);
    while let Some(eight) = bytes[at..].first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let spaces = zeros(eight ^ (u64::from(b' ') * EACH));
        let next_to = spaces & (spaces << 8 | after_space);
        // The lowest one is right; what is above it may be wrong.
        let control = eight.wrapping_sub(u64::from(b' ') * EACH) & !eight & (HIGH * EACH);
        if control == 0 {
            uneven |= next_to != 0;
            after_space = spaces >> 56;
            at += 8;
            continue;
        }
        uneven |= next_to & (control - 1) & !control != 0;
        at += (control.trailing_zeros() / 8) as usize;
        if is_mark(bytes[at]) {
            return (at, uneven);
        }
        (at, uneven, after_space) = (at + 1, true, 0);
    }
    let mut after_space = after_space != 0;
    for &byte in bytes[at..].iter().take_while(|byte| !is_mark(**byte)) {
        uneven |= byte < b' ' || byte == b' ' && after_space;
        after_space = byte == b' ';
        at += 1;
    }
    (at, uneven)
}

/// All control characters but line breaks and tabs.
fn is_mark(byte: u8) -> bool {
    byte < b' ' && byte != b'\n' && byte != b'\t'
}

/// A one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80;

/// The highest bit of each byte that is zero.
fn zeros(eight: u64) -> u64 {
    const REST: u64 = 0x7f * EACH;
    !(((eight & REST) + REST) | eight | REST)
}

#[derive(Default)]
struct Text {
    out: String,
    /// Line breaks due before the next word.
    breaks: usize,
    space: bool,
    /// Where the words of the open link begin and end.
    link: Option<(usize, usize)>,
    /// The lists that are open, with the number of the last item; `None` has dots.
    lists: Vec<Option<u32>>,
    rows: Vec<Row>,
    code: bool,
    /// An item has begun and has no word yet: what begins a paragraph in it stands behind its dot.
    bullet: bool,
}

/// A row that is open.
struct Row {
    /// The present column has had no word yet.
    fresh: bool,
    /// There has been a word in this row.
    begun: bool,
    /// A column has several lines: the row is more than one line of a table.
    tall: bool,
}

impl Text {
    /// Most of it has single spaces and is copied as it is.
    fn words(&mut self, words: &str, uneven: bool) {
        if self.code {
            return self.push(words.trim_end());
        }
        if uneven {
            for (i, word) in words.split([' ', '\n', '\t']).enumerate() {
                self.space |= i > 0;
                self.word(word);
            }
        } else {
            let (words, before) = words.strip_prefix(' ').map_or((words, false), |words| (words, true));
            let (words, after) = words.strip_suffix(' ').map_or((words, false), |words| (words, true));
            self.space |= before;
            self.word(words);
            self.space |= after;
        }
    }

    fn word(&mut self, word: &str) {
        if !word.is_empty() {
            self.push(word);
        }
    }

    fn push(&mut self, words: &str) {
        let mut gap = false;
        if let Some(row) = self.rows.last_mut() {
            gap = row.fresh && row.begun;
            if gap {
                self.breaks = 0;
            }
            row.tall |= row.begun && self.breaks > 0;
            (row.fresh, row.begun) = (false, true);
        }
        if !self.out.is_empty() {
            match self.breaks {
                0 if gap => self.out.push_str("  "),
                0 if self.space => self.out.push(' '),
                0 => {}
                1 => self.out.push('\n'),
                _ => self.out.push_str("\n\n"),
            }
        }
        (self.breaks, self.space, self.bullet) = (0, false, false);
        self.out.push_str(words);
    }

    fn breaks(&mut self, at_least: usize) {
        if self.bullet {
            return;
        }
        // In a row, what would be a paragraph is a line.
        let at_least = if self.rows.is_empty() { at_least } else { at_least.min(1) };
        self.breaks = self.breaks.max(at_least);
    }

    fn mark(&mut self, mark: char) {
        match mark {
            PARAGRAPH => self.breaks(2),
            LINE => self.breaks(1),
            LINK => self.link = Some((self.out.len(), 0)),
            // The address is collected behind the words and then looked at.
            ADDRESS => self.link = self.link.map(|(start, _)| (start, self.out.len())),
            LINK_END => self.end_link(),
            DOTS | NUMBERS => {
                self.breaks(if self.lists.is_empty() { 2 } else { 1 });
                self.lists.push((mark == NUMBERS).then_some(0));
            }
            ITEM => self.item(),
            LIST_END => {
                self.lists.pop();
                self.breaks(if self.lists.is_empty() { 2 } else { 1 });
            }
            ROW => {
                self.breaks(1);
                self.rows.push(Row { fresh: true, begun: false, tall: false });
            }
            COLUMN => {
                if let Some(row) = self.rows.last_mut() {
                    row.fresh = true;
                }
            }
            ROW_END => {
                let tall = self.rows.pop().is_some_and(|row| row.tall);
                self.breaks(if tall { 2 } else { 1 });
            }
            CODE => {
                self.breaks(2);
                self.code = true;
            }
            CODE_END => {
                self.code = false;
                self.breaks(2);
            }
            _ => {}
        }
    }

    /// The words stand there, and after them the address: it is put in brackets, or taken away if the words say it already.
    fn end_link(&mut self) {
        let Some((start, end)) = self.link.take() else { return };
        let (words, address) = (self.out[start..end].trim(), self.out[end..].trim_start());
        let says = address.strip_prefix("mailto:").or_else(|| address.strip_prefix("tel:")).unwrap_or(address);
        let before = self.out.len() - end - says.len();
        if words.is_empty() || says.is_empty() {
            return;
        }
        // Longer than the words, it cannot be in them.
        if words.len() >= says.len() && words.contains(says) {
            self.out.truncate(end);
        } else {
            self.out.drain(end..end + before);
            self.out.insert_str(end, " (");
            self.out.push(')');
        }
    }

    fn item(&mut self) {
        self.breaks(1);
        let depth = self.lists.len().saturating_sub(1);
        let bullet = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}{number}.", "  ".repeat(depth))
            }
            _ => format!("{}-", "  ".repeat(depth)),
        };
        self.push(&bullet);
        (self.space, self.bullet) = (true, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_and_space_is_not() {
        assert_eq!(finish(""), "");
        assert_eq!(finish("\u{1}\u{1} a \n b\t\u{1}c\u{2}d"), "a b\n\nc\nd\n");
    }

    #[test]
    fn words_end_at_marks_and_what_is_uneven_is_seen() {
        // Bytes that are something, and some that look like it.
        const BYTES: [u8; 9] = [b' ', b'\n', b'\t', 1, 0x0f, b'!', b'a', 0x7f, 0xff];
        let mut seed = 1_u32;
        for _ in 0..50_000 {
            let mut roll = |sides: usize| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) as usize % sides
            };
            let rare = roll(20) + 1;
            let len = roll(40);
            let bytes: Vec<u8> =
                (0..len).map(|_| if roll(rare) == 0 { BYTES[roll(BYTES.len())] } else { b'a' }).collect();
            let start = roll(len + 1);
            let end = bytes[start..].iter().position(|byte| is_mark(*byte)).map_or(len, |at| start + at);
            let run = &bytes[start..end];
            let uneven = run.windows(2).any(|two| two == b"  ") || run.iter().any(|byte| matches!(byte, b'\n' | b'\t'));
            assert_eq!(words(&bytes, start), (end, uneven), "{bytes:?} from {start}");
        }
    }

    /// What `html!` leaves out (`segflow-macros/src/html/out.rs`).
    #[test]
    fn marks_that_say_nothing_may_be_left_out() {
        const ROWS: [&str; 6] = [
            "a\u{1}\u{1}\u{c}\u{e}\u{1}b\u{1}\u{1}c\u{1}\u{e}\u{1}d\u{1}\u{f}\u{1}e",
            "\u{6}\u{8}\u{c}\u{e}\u{1}b\u{1}\u{f}\u{8}\u{1}\u{1}x\u{1}\u{b}y",
            "a\u{c}\u{e}\u{1}\u{1}\u{e}\u{1}d\u{1}\u{e}\u{1}\u{1}\u{f}b",
            "a\u{c}\u{e}b\u{1}\u{e}\u{c}\u{e}\u{1}c\u{1}\u{1}d\u{1}\u{f}\u{1}\u{f}e",
            "\u{c}\u{e}\u{1}Fast\u{1}\u{1}In two days.\u{1}\u{f}\u{c}\u{e}\u{1}Kind\u{1}\u{f}",
            "a \u{1}\u{1} \u{c}\u{e}\u{1} b\u{2}\u{1}\u{e}\u{1} \u{1}\u{f} c",
        ];
        for row in ROWS {
            let mut folded = row.to_string();
            for (marks, same) in
                [("\u{1}\u{1}", "\u{1}"), ("\u{1}\u{e}", "\u{e}"), ("\u{e}\u{1}", "\u{e}"), ("\u{1}\u{f}", "\u{f}")]
            {
                while folded.contains(marks) {
                    folded = folded.replacen(marks, same, 1);
                    assert_eq!(finish(&folded), finish(row), "{row:?} as {folded:?}");
                }
            }
        }
    }

    #[test]
    fn links_carry_their_address_once() {
        assert_eq!(finish("go \u{3}there\u{4}https://x.y\u{5}."), "go there (https://x.y).\n");
        assert_eq!(finish("\u{3}https://x.y\u{4}https://x.y\u{5}"), "https://x.y\n");
        assert_eq!(finish("\u{3}\u{4}https://x.y\u{5}"), "https://x.y\n");
        assert_eq!(finish("\u{3}a@b.c\u{4}mailto:a@b.c\u{5} \u{3}us\u{4}mailto:a@b.c\u{5}"), "a@b.c us (a@b.c)\n");
    }

    #[test]
    fn lists_and_rows_look_like_ones() {
        assert_eq!(finish("a\u{7}\u{8}x\u{6}\u{8}y\u{b}\u{8}\u{1}z\u{b}b"), "a\n\n1. x\n  - y\n2. z\n\nb\n");
        let rows = "\u{1}Order\u{1}\u{c}\u{e}\u{1}Mug\u{1}\u{e}\u{1}$9\u{1}\u{f}\u{c}\u{e}Total\u{e}$9\u{f}\u{1}end";
        let tall = "\u{c}\u{e}\u{1}Fast\u{1}\u{1}In two days.\u{f}\u{c}\u{e}Kind\u{f}";
        assert_eq!(finish(tall), "Fast\nIn two days.\n\nKind\n");
        assert_eq!(finish(rows), "Order\n\nMug  $9\nTotal  $9\n\nend\n");
    }

    #[test]
    fn code_keeps_its_lines() {
        assert_eq!(finish("a\u{10}  x\n    y\n\u{11}b"), "a\n\n  x\n    y\n\nb\n");
    }
}
