//! Facts that no segment reads, durable when they are answered.

use std::time::Duration;

use anyhow::Result;
use segflow_benches::database::Database;
use segflow_benches::limits::{self, Of, Shape};
use segflow_benches::now;
use segflow_benches::report::{figure, per_second, rate};
use segflow_benches::stand::Stand;
use serde_json::json;

use crate::project::user;
use crate::traffic::{CONNECTIONS, Events, batch, settled};
use crate::{Args, Place, end, held};

/// As many as one request takes.
const BATCH: usize = 5_000;

pub async fn measure(args: &Args, place: Place) -> Result<()> {
    let database = Database::fresh(place.kind).await?;
    let stand = Stand::start(&database, place.delay).await?;
    let events = Events { many: args.facts, users: args.users, unread: true, rate: None };
    let started = now();
    let mut times = events.report(&stand, CONNECTIONS).await?;
    let singles = rate(args.facts, started.elapsed());
    settled(&stand).await?;
    held(
        &format!("events, one by one, {CONNECTIONS} connections"),
        singles,
        place.of("8,000/s", "4,000/s"),
        times.text(),
    );

    let mut connection = stand.connect().await?;
    let (batches, started) = (args.facts.div_ceil(BATCH).max(4), now());
    for part in 0..batches {
        let one = |n: usize| {
            let user = user((part * BATCH + n) * 7_919 % args.users);
            json!({ "type": "track", "user_id": user, "name": "unread", "attributes": { "value": n % 50 } })
        };
        batch(&mut connection, (0..BATCH).map(one)).await?;
    }
    let in_batches = (batches * BATCH) as f64 / started.elapsed().as_secs_f64();
    settled(&stand).await?;
    end(args, stand, database).await?;

    let database = Database::fresh(place.kind).await?;
    Stand::start(&database, Duration::ZERO).await?.stop().await;
    let limit = async |rows| {
        limits::inserts(&database, Shape { of: Of::Events, rows, inbox: true, delay: place.delay }, 1).await
    };
    let (of_a_group, of_a_batch) = (limit(CONNECTIONS).await?, limit(512).await?);
    held(
        "events, in batches of 5,000",
        per_second(in_batches),
        per_second(of_a_batch / 2.0),
        "half of the second limit",
    );
    let beside = "one connection: INSERT, INSERT, COMMIT";
    figure(&format!("limit: {CONNECTIONS} events with their inbox rows per commit"), per_second(of_a_group), beside);
    figure("limit: 512 events with their inbox rows per commit", per_second(of_a_batch), beside);
    database.close().await
}
