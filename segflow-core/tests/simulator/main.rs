//! Random small projects, played through random facts and crashes between any two effects. What must always hold is asserted by name.
//!
//! A failing seed is run again alone with `SEGFLOW_SEED=… cargo test -p segflow-core --test simulator`. `SEGFLOW_SEEDS=1000000` plays
//! more of them.

mod audit;
mod calendar;
mod conversions;
mod cuts;
mod entries;
mod invariants;
mod known;
mod manifest;
mod model;
mod outside;
mod player;
mod plugin;
mod program;
mod rest;
mod rng;
mod runs;
mod servers;
mod standing;
mod task;
mod turns;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use invariants::equal;
use world::{Mode, play};

const SEEDS: u64 = 10_000;

/// What the seeds have to come to, or nothing would be said about it.
const SEEN: [&str; 13] = [
    "converted event, converted goal",
    "send, update, emit, start, stop, goal, continue_as_new, refused, events loaded later",
    "wait elapsed, wait dropped, wait_until elapsed, wait_until dropped",
    "wait_for came, wait_for elapsed, wait_for dropped",
    "webhook came, webhook dropped, task came, task dropped",
    "question came, question dropped, split came, split dropped",
    "pause, resume, restart, remove",
    "push migrate: moves, push migrate: stays, push pin: stays, push restart: moves, push cancel: stays",
    "paused: event, paused: reached the goal g0, paused: reached the goal g1",
    "exited: event, exited: reached the goal g0, exited: enough, exited: stopped by another campa, exited: left segment s0",
    "exited: entered an excluded segm, exited: the campaign was removed, exited: cancelled by a push",
    "parked: on purpose, parked: panicked on purpose, parked: more than 50 steps at on",
    "halves a, halves b, thirds a, thirds b, subject a, subject b",
];

type Seen = BTreeMap<String, u64>;

#[test]
fn random_projects_keep_their_promises() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse().expect("a number"));
    if let Some(seed) = number("SEGFLOW_SEED") {
        return one(seed, &mut Seen::new());
    }
    let seeds = number("SEGFLOW_SEEDS").unwrap_or(SEEDS);
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let all = Mutex::new(Seen::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut seen = Seen::new();
                while failed.load(Ordering::Relaxed) == u64::MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    if catch_unwind(AssertUnwindSafe(|| one(seed, &mut seen))).is_err() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
                let mut all = all.lock().expect("not poisoned");
                seen.into_iter().for_each(|(what, times)| *all.entry(what).or_default() += times);
            });
        }
    });
    let failed = failed.into_inner();
    assert!(
        failed == u64::MAX,
        "seed {failed} fails; alone: SEGFLOW_SEED={failed} cargo test -p segflow-core --test simulator"
    );
    let all = all.into_inner().expect("not poisoned");
    let rare: Vec<&str> =
        SEEN.iter().flat_map(|line| line.split(", ")).filter(|what| !all.contains_key(*what)).collect();
    assert!(rare.is_empty() || seeds < SEEDS, "the seeds no longer come to {rare:?}, only to {all:#?}");
}

fn one(seed: u64, seen: &mut Seen) {
    let mut go = |mode| {
        let (decided, saw) = play(seed, mode);
        saw.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
        decided
    };
    match seed % 3 {
        0 => equal(&go(Mode::Crashes), &go(Mode::Smooth), "crashes change nothing that is decided"),
        1 => drop(go(Mode::Torn)),
        _ => equal(&go(Mode::Together), &go(Mode::Alone), "facts are taken up as if each had come alone"),
    }
}
