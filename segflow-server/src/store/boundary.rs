//! Dying at a commit, on purpose: a debug build whose environment names a file in `SEGFLOW_DIE` aborts just `before` or `after` the
//! commit that the file says, counted from when the file is there: `before 3`, or `claim before 3`, counting only those of that name
//! ([`Tx::is`](super::db::Tx::is)). A release build has none of this.

use std::sync::Mutex;

/// Where a commit can be interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// Which commit it will be.
struct Armed {
    /// Empty: any.
    what: String,
    side: Side,
    left: u32,
}

/// Once that is known.
static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

pub fn pass(what: &str, side: Side) {
    if !cfg!(debug_assertions) {
        return;
    }
    let Some(file) = std::env::var_os("SEGFLOW_DIE") else { return };
    let mut armed = ARMED.lock().expect("no panic while held");
    if armed.is_none() {
        *armed = std::fs::read_to_string(file).ok().as_deref().and_then(read);
    }
    let here = |armed: &&mut Armed| armed.side == side && (armed.what.is_empty() || armed.what == what);
    if let Some(armed) = armed.as_mut().filter(here) {
        armed.left = armed.left.saturating_sub(1);
        if armed.left == 0 {
            std::process::abort();
        }
    }
}

fn read(text: &str) -> Option<Armed> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (what, side, count) = match words.as_slice() {
        [side, count] => ("", side, count),
        [what, side, count] => (*what, side, count),
        _ => return None,
    };
    let side = match *side {
        "before" => Side::Before,
        "after" => Side::After,
        _ => return None,
    };
    Some(Armed { what: what.to_string(), side, left: count.parse().ok()? })
}
