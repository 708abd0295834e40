//! Strings that pieces of an email have given back: every component writes into two of its own, and most are gone at once.

use std::cell::RefCell;

/// More than are ever open at once: components seldom stand deeper in one another.
const KEPT: usize = 16;
/// A larger one would be kept for nothing.
const LARGE: usize = 64 << 10;

thread_local! {
    static SPARE: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
}

/// Two empty strings with room for so much.
pub fn take(html: usize, text: usize) -> (String, String) {
    let (mut spare_html, mut spare_text) =
        SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default();
    spare_html.reserve(html);
    spare_text.reserve(text);
    (spare_html, spare_text)
}

pub fn give_back(mut html: String, mut text: String) {
    if html.capacity() == 0 || html.capacity() + text.capacity() > LARGE {
        return;
    }
    html.clear();
    text.clear();
    // Not while the thread ends.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push((html, text));
        }
    });
}
