//! Printing figures.

use std::time::Duration;

/// What is measured, and how busy this machine is with other things.
#[allow(clippy::print_stdout, reason = "figures are what these programs are for")]
pub fn title(text: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(2).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let debug = if cfg!(debug_assertions) { "; a debug build, so these figures mean nothing" } else { "" };
    println!("\n{text}   [{cores} cores, load {}{debug}]", load.join(" "));
}

/// One figure, with its limit or target beside it.
#[allow(clippy::print_stdout, reason = "figures are what these programs are for")]
pub fn figure(what: &str, value: impl std::fmt::Display, beside: impl std::fmt::Display) {
    println!("  {what:<58} {value:>14}   {beside}");
}

/// The statements that took longest.
#[allow(clippy::print_stdout, reason = "figures are what these programs are for")]
pub fn statements(list: Vec<(u64, Duration, u64, String)>) {
    for (count, took, rows, text) in list {
        let text: String = text.chars().take(150).collect();
        println!("    {count:>7} × {:>9} {rows:>9} rows  {text}", time(took));
    }
}

/// So many per second.
pub fn rate(count: usize, took: Duration) -> String {
    per_second(count as f64 / took.as_secs_f64())
}

pub fn per_second(rate: f64) -> String {
    format!("{}/s", thousands(rate.round() as u64))
}

pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In the unit that fits.
pub fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}

/// Times of many calls.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub fn extend(&mut self, other: Times) {
        self.0.extend(other.0);
    }

    /// The time within which `part` of them were done.
    pub fn within(&mut self, part: f64) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
    }

    /// Half of them, nearly all of them, and the longest.
    pub fn text(&mut self) -> String {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| time(self.within(part)));
        format!("p50 {p50}, p99 {p99}, max {max}")
    }
}
