//! One event of a user with a long history, beside one with ten events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use segflow_benches::database::Database;
use segflow_benches::now;
use segflow_benches::report::{Times, figure, thousands, time};
use segflow_benches::stand::Stand;
use serde_json::json;

use crate::project::{self, DAY};
use crate::traffic::{batch, settled};
use crate::{Args, Place, end, held};

pub async fn measure(args: &Args, place: Place) -> Result<()> {
    const EVENTS: usize = 200;
    let database = Database::fresh(place.kind).await?;
    let stand = Stand::start(&database, place.delay).await?;
    stand.push(&project::module(args.segments, None)?).await?;
    let mut connection = stand.connect().await?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let mut took = vec![];
    for (user, events) in [("light", 10), ("heavy", args.heavy)] {
        // Over a hundred days, so that every window has its bound among them.
        let one = |n: usize| {
            let occurred_at = project::instant(at - 100 * DAY + n as i64 * 100 * DAY / events as i64);
            json!({ "type": "track", "user_id": user, "name": "purchase", "attributes": { "value": n % 7 }, "occurred_at": occurred_at })
        };
        let started = now();
        for from in (0..events).step_by(5_000) {
            batch(&mut connection, (from..events.min(from + 5_000)).map(one)).await?;
        }
        settled(&stand).await?;
        figure(
            &format!("{} events reported in batches and decided about", thousands(events as u64)),
            time(started.elapsed()),
            "",
        );
        let mut times = Times::default();
        for n in 0..EVENTS {
            let event =
                json!({ "name": "purchase", "id": format!("last-{n}"), "attributes": { "value": 1 } }).to_string();
            let started = now();
            connection.json("POST", &format!("/v1/users/{user}/events"), event.as_bytes()).await?;
            while stand.has_news().await? {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            times.add(started.elapsed());
        }
        took.push((times.within(0.5), times.text()));
    }
    let [(light, of_light), (heavy, of_heavy)] = took.try_into().expect("two");
    let times = format!("{:.2}", heavy.as_secs_f64() / light.as_secs_f64());
    held(
        &format!("one more event of {}, as a multiple of one of 10", thousands(args.heavy as u64)),
        times,
        "at most 3",
        of_heavy,
    );
    figure("…one more event of 10, to its decision", time(light), of_light);
    end(args, stand, database).await
}
