//! Business time: what users see. Nothing else in the server reads a clock for it.

use std::ffi::OsString;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

/// The business clock: the system's, or a virtual one that only moves when it is told to.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System,
    Virtual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Clock {
        Clock(Kind::System)
    }

    /// A clock that stands at `now`, ms UTC.
    pub fn virtual_at(now: i64) -> Clock {
        Clock(Kind::Virtual(Arc::new(AtomicI64::new(now))))
    }

    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Kind::Virtual(_))
    }

    /// ms UTC.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Virtual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a virtual clock; it never goes back.
    pub fn set(&self, to: i64) {
        if let Kind::Virtual(now) = &self.0 {
            now.fetch_max(to, Ordering::SeqCst);
        }
    }
}

/// The time that all servers go by where they share something: the database's, or the virtual one where there is one.
pub struct Shared {
    clock: Clock,
    /// What time it was when, µs.
    known: Mutex<(Instant, i64)>,
}

impl Shared {
    pub fn new(clock: Clock) -> Shared {
        Shared { clock, known: Mutex::new((monotonic(), system_now() * 1_000)) }
    }

    /// The database, when asked, said that it was `now`, in ms.
    pub fn learn(&self, asked: Instant, now: i64) {
        *self.known.lock().expect("no panic while held") = (asked, now * 1_000);
    }

    /// µs UTC.
    pub fn micros(&self) -> i64 {
        if self.clock.is_virtual() {
            return self.clock.now() * 1_000;
        }
        let (at, then) = *self.known.lock().expect("no panic while held");
        then.saturating_add(at.elapsed().as_micros() as i64)
    }

    /// ms UTC.
    pub fn now(&self) -> i64 {
        self.micros().div_euclid(1_000)
    }
}

/// The system's wall clock, ms UTC.
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
pub(crate) fn system_now() -> i64 {
    jiff::Timestamp::now().as_millisecond() + jump()
}

/// How far the clock is off, for tests: a debug build whose environment names a file in `SEGFLOW_CLOCK` reads the milliseconds there.
fn jump() -> i64 {
    static FILE: LazyLock<Option<OsString>> = LazyLock::new(|| std::env::var_os("SEGFLOW_CLOCK"));
    if !cfg!(debug_assertions) {
        return 0;
    }
    let text = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The operational clock, for leases, call time-outs and measurements.
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// RFC 3339 UTC with milliseconds where there are any.
pub fn rfc3339(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// ms UTC of an RFC 3339 instant.
pub fn parse(text: &str) -> Result<i64, String> {
    text.parse::<jiff::Timestamp>()
        .map(|t| t.as_millisecond())
        .map_err(|e| format!("`{text}` is not an RFC 3339 instant such as 2026-01-31T09:00:00Z: {e}"))
}
