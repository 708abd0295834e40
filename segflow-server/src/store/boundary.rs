//! Dying at a commit, on purpose: a debug build whose environment names a file in `SEGFLOW_DIE` aborts just `before` or `after` the
//! commit that the file says, counted from when the file is there: `before 3`. A release build has none of this.

use std::sync::Mutex;

/// Where a commit can be interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// Which one it will be, once that is known.
static ARMED: Mutex<Option<(Side, u32)>> = Mutex::new(None);

pub fn pass(side: Side) {
    if !cfg!(debug_assertions) {
        return;
    }
    let Some(file) = std::env::var_os("SEGFLOW_DIE") else { return };
    let mut armed = ARMED.lock().expect("no panic while held");
    if armed.is_none() {
        *armed = std::fs::read_to_string(file).ok().as_deref().and_then(read);
    }
    if let Some((_, left)) = armed.as_mut().filter(|(at, _)| *at == side) {
        *left = left.saturating_sub(1);
        if *left == 0 {
            std::process::abort();
        }
    }
}

fn read(text: &str) -> Option<(Side, u32)> {
    let (side, count) = text.trim().split_once(' ')?;
    let side = match side {
        "before" => Side::Before,
        "after" => Side::After,
        _ => return None,
    };
    Some((side, count.parse().ok()?))
}
