//! Events among many users and segments: how many, what each costs, how soon membership follows, and what a new segment takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use segflow_benches::database::Database;
use segflow_benches::http::Connection;
use segflow_benches::report::{Times, figure, per_second, rate, thousands, time};
use segflow_benches::stand::Stand;
use segflow_benches::{now, random};
use segflow_server::store::db::Db;
use serde_json::json;

use crate::project::{self, user};
use crate::traffic::{CONNECTIONS, Events, settled};
use crate::{Args, Place, end, held};

/// How many ask all the time whether a membership has followed.
const PROBES: usize = 4;

pub async fn measure(args: &Args, place: Place) -> Result<()> {
    const FEW: usize = 10_000;
    let few = if args.users > FEW { Some(among(args, place, FEW, false).await?) } else { None };
    let many = among(args, place, args.users, true).await?;
    if let Some(few) = few {
        let times = format!("{:.2}", many.as_secs_f64() / few.as_secs_f64());
        held("an event among all, as a multiple of one among 10,000", times, "at most 1.5", time(few));
    }
    Ok(())
}

/// What an event costs: the time until so many have been answered and decided about.
async fn among(args: &Args, place: Place, users: usize, all: bool) -> Result<Duration> {
    place.title(&format!("{} users, {} segments", thousands(users as u64), args.segments));
    let database = Database::fresh(place.kind).await?;
    // First the project, then the users, who are then all behind it: without a plan, which would evaluate them too.
    let stand = Stand::start(&database, place.delay).await?;
    stand.push(&project::module(args.segments, None)?).await?;
    settled(&stand).await?;
    let key = stand.key.clone();
    stand.stop().await;
    let started = now();
    let db = Db::open(&database.url, Duration::ZERO).await.map_err(anyhow::Error::new)?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    project::fill(&db, users, args.events, at).await?;
    db.write(|tx| Box::pin(async move { tx.run("DELETE FROM settled", vec![]).await }))
        .await
        .map_err(anyhow::Error::new)?;
    db.close().await;
    figure("users and events put there by SQL", time(started.elapsed()), "");
    let started = now();
    let stand = Stand::again(&database, place.delay, key).await?;
    settled(&stand).await?;
    figure(
        "all of them held against all segments",
        time(started.elapsed()),
        per_second(users as f64 / started.elapsed().as_secs_f64()),
    );

    let burst = Events { many: args.facts, users, unread: false, rate: None };
    let started = now();
    let mut times = burst.report(&stand, CONNECTIONS).await?;
    let answered = started.elapsed();
    settled(&stand).await?;
    let took = started.elapsed();
    let beside = format!("answered {}, {}", rate(args.facts, answered), times.text());
    held(
        "as many events as there can be, to membership",
        rate(args.facts, took),
        place.of("2,000/s", "1,000/s"),
        beside,
    );
    if all {
        let usual = sustained(args, place, &stand, users).await?;
        new_segment(args, place, &stand, users, usual).await?;
    }
    end(args, stand, database).await?;
    Ok(took / args.facts as u32)
}

/// Events at a steady rate, and how soon membership follows meanwhile. The time within which nearly all events were answered.
async fn sustained(args: &Args, place: Place, stand: &Stand, users: usize) -> Result<Duration> {
    let offered = args.rate.unwrap_or(place.of(2_000, 1_000));
    let events = Events { many: (offered * args.seconds) as usize, users, unread: false, rate: Some(offered) };
    let over = Arc::new(AtomicBool::new(false));
    let mut probes = vec![];
    for probe in 0..PROBES {
        probes.push(tokio::spawn(follow(stand.connect().await?, probe, users, over.clone())));
    }
    let started = now();
    let mut times = events.report(stand, CONNECTIONS).await?;
    over.store(true, Ordering::SeqCst);
    let mut followed = Times::default();
    for probe in probes {
        followed.extend(probe.await??);
    }
    settled(stand).await?;
    let beside = format!("{} offered; {}", per_second(offered as f64), times.text());
    held(
        "events at a steady rate, to membership",
        rate(events.many, started.elapsed()),
        per_second(offered as f64),
        beside,
    );
    held("…from an event to its membership, p99", time(followed.within(0.99)), "300 ms", followed.text());
    Ok(times.within(0.99))
}

/// Time after time, from an event to the membership that it makes.
async fn follow(mut connection: Connection, probe: usize, users: usize, over: Arc<AtomicBool>) -> Result<Times> {
    const LONGEST: Duration = Duration::from_secs(60);
    let mut times = Times::default();
    while !over.load(Ordering::SeqCst) {
        // One who has had no such event yet, most likely.
        let id = user((random::seed() as usize % users) / PROBES * PROBES + probe);
        let segments = format!("/v1/users/{id}/segments?limit=1000");
        let belongs = async |connection: &mut Connection| {
            let items = connection.get(&segments).await?["items"].as_array().cloned().context("items")?;
            anyhow::Ok(items.iter().any(|segment| segment["id"] == "rare"))
        };
        if belongs(&mut connection).await? {
            continue;
        }
        let started = now();
        connection
            .json("POST", &format!("/v1/users/{id}/events"), json!({ "name": "rare" }).to_string().as_bytes())
            .await?;
        while !belongs(&mut connection).await? {
            ensure!(started.elapsed() < LONGEST, "{id} never belongs");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.add(started.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(times)
}

/// A segment that a tenth of all match, while events come at half the rate.
async fn new_segment(args: &Args, place: Place, stand: &Stand, users: usize, usual: Duration) -> Result<()> {
    let rule = json!({ "user": { "at": { "path": ["plan"], "is": { "eq": "pro" } } } });
    let module = project::module(args.segments, Some(rule))?;
    let offered = args.rate.unwrap_or(place.of(2_000, 1_000)) / 2;
    let events = Events { many: (offered * args.seconds) as usize, users, unread: false, rate: Some(offered) };
    let started = now();
    let pushing = async {
        stand.push(&module).await?;
        let answered = started.elapsed();
        while stand.is_behind().await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok((answered, started.elapsed()))
    };
    let (pushed, times) = tokio::join!(pushing, events.report(stand, CONNECTIONS));
    let ((answered, done), mut times) = (pushed?, times?);
    settled(stand).await?;
    let scale = users as f64 / 1e6;
    let target = format!(
        "{} (for 1,000,000: {})",
        time(Duration::from_secs_f64(place.of(15.0, 30.0) * scale)),
        place.of("15 s", "30 s")
    );
    held("a new segment that a tenth match", time(done), target, format!("its plan took {} of it", time(answered)));
    let beside = format!("{} offered; {}", per_second(offered as f64), times.text());
    held("…events meanwhile, p99", time(times.within(0.99)), format!("twice the usual {}", time(usual)), beside);
    Ok(())
}
