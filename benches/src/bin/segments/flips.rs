//! Timers that fall due within one minute: how late each membership is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use segflow_benches::database::Database;
use segflow_benches::report::{figure, thousands, time};
use segflow_benches::stand::Stand;
use segflow_benches::{made, now};
use segflow_server::store::db::Db;
use serde_json::json;

use crate::project::{self, DAY};
use crate::traffic::{batch, settled};
use crate::{Args, Place, end, held};

const PATIENCE: Duration = Duration::from_secs(600);

pub async fn measure(args: &Args, place: Place) -> Result<()> {
    let database = Database::fresh(place.kind).await?;
    let stand = Stand::start(&database, place.delay).await?;
    let old = json!({ "when": { "events": { "name": "login" }, "which": "last", "is": { "older_than": DAY }, "or_never": false } });
    let mut manifest = project::manifest(0, None);
    manifest["segments"] = json!([{ "id": "old", "rule": { "expr": old } }]);
    manifest["campaigns"] = json!([]);
    stand.push(&made::module(&manifest)?).await?;
    let mut connection = stand.connect().await?;
    // Far enough ahead for all of them to be stored before the first.
    let reported = now();
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let first = at + 15_000 + args.flips as i64 / place.of(4, 2);
    for from in (0..args.flips).step_by(5_000) {
        let one = |n: usize| {
            let at = first - DAY + (n as i64 * 60_000) / args.flips as i64;
            json!({ "type": "track", "user_id": project::user(n), "name": "login", "occurred_at": project::instant(at) })
        };
        batch(&mut connection, (from..args.flips.min(from + 5_000)).map(one)).await?;
    }
    settled(&stand).await?;
    let spare = first - SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let beside = if spare < 0 {
        "too late for the first of them: the figure below is wrong"
    } else {
        "before the first of them"
    };
    figure(&format!("{} timers set", thousands(args.flips as u64)), time(reported.elapsed()), beside);
    let db = Db::open(&database.url, Duration::ZERO).await.map_err(anyhow::Error::new)?;
    let one = async |sql: &str| {
        let row = db.read_one(sql, vec![]).await.map_err(anyhow::Error::new)?.context("a row")?;
        row.opt_int(0).map_err(anyhow::Error::new)
    };
    let started = now();
    while one("SELECT flip_at FROM flips LIMIT 1").await.is_ok() {
        ensure!(started.elapsed() < PATIENCE, "they do not all fall due");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let members = one("SELECT COUNT(*) FROM memberships").await?.unwrap_or(0);
    ensure!(members == args.flips as i64, "{members} of {} belong", args.flips);
    let late = "SELECT MAX(m.since - e.occurred_at) FROM memberships m \
                JOIN events e ON e.workspace = m.workspace AND e.user_id = m.user_id";
    let worst = one(late).await?.unwrap_or(0) - DAY;
    held("the latest of them, after its instant", format!("{worst} ms"), "2,000 ms", "by when it was decided");
    db.close().await;
    end(args, stand, database).await
}
