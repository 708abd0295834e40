//! The project that is measured, and the users it is measured with.

use anyhow::Result;
use segflow_benches::made;
use segflow_server::args;
use segflow_server::store::db::{Db, Kind};
use serde_json::{Value, json};

pub const DAY: i64 = 86_400_000;

/// Half of the segments with sums and windows, a tenth raw SQL, the rest by attributes and counts; in each of them is one user in ten or
/// fewer. `rare` and `visit` have what nobody else reads. Twenty campaigns.
pub fn manifest(segments: usize, new: Option<Value>) -> Value {
    let of = |name: &str, within: Option<i64>, measure: Value, is: Value| json!({ "expr": { "measure": { "events": { "name": name, "within": within }, "measure": measure, "is": is } } });
    let user = |path: &str, is: Value| json!({ "expr": { "user": { "at": { "path": [path], "is": is } } } });
    let rule = |n: usize| {
        let many = n as i64;
        match n % 10 {
            0 => json!({ "sql": format!("SELECT id FROM users WHERE attributes->'$.score' > {}", 900 + n) }),
            1 | 3 | 5 | 7 | 9 => {
                let name = if n % 4 == 1 { "purchase" } else { "login" };
                of(name, Some((many % 9 + 1) * 10 * DAY), json!({ "sum": ["value"] }), json!({ "gt": 80 + many }))
            }
            2 => user("plan", json!({ "eq": "pro" })),
            4 => user("score", json!({ "ge": 900 + many })),
            6 => of("purchase", None, json!("count"), json!({ "ge": many % 7 + 3 })),
            _ => user("score", json!({ "lt": many % 50 })),
        }
    };
    let segments = (0..segments).map(|n| json!({ "id": format!("s{n}"), "rule": rule(n) }));
    let alone =
        ["rare", "visit"].map(|name| json!({ "id": name, "rule": of(name, None, json!("count"), json!({ "gt": 0 })) }));
    let all: Vec<Value> =
        segments.chain(alone).chain(new.map(|expr| json!({ "id": "new", "rule": { "expr": expr } }))).collect();
    let campaign = |n: usize| {
        json!({
            "id": format!("c{n}"), "segments": [format!("s{n}")], "mode": "dynamic", "guarantee": "at_most_once", "newcomers_only": true,
        })
    };
    let campaigns: Vec<Value> = (0..(all.len() - 2).min(20)).map(campaign).collect();
    let events = ["login", "purchase", "rare", "visit"].map(|name| json!({ "name": name, "fields": [] }));
    json!({
        "name": "bench", "sdk": "0", "user": [], "events": events,
        "segments": all, "campaigns": campaigns,
    })
}

pub fn module(segments: usize, new: Option<Value>) -> Result<Vec<u8>> {
    made::module(&manifest(segments, new))
}

/// So that their order is that of their numbers, in which they are stored.
pub fn user(n: usize) -> String {
    format!("user-{n:07}")
}

/// How many rows are written in one transaction.
const SLICE: usize = 50_000;

/// Stores users with their events, as if they had all been decided about before there was a project. Not through the server: that is
/// another figure, and would take longer than the rest.
pub async fn fill(db: &Db, users: usize, events: usize, now: i64) -> Result<()> {
    let (zero_padded, text) = match db.kind() {
        Kind::Sqlite => ("printf('user-%07d', n)", "CAST(n AS TEXT)"),
        Kind::MySql | Kind::MariaDb => ("CONCAT('user-', LPAD(n, 7, '0'))", "CAST(n AS CHAR)"),
    };
    let object = |parts: &[(&str, &str)]| match db.kind() {
        Kind::Sqlite => {
            let parts: Vec<String> = parts.iter().map(|(key, value)| format!("'\"{key}\":' || ({value})")).collect();
            format!("'{{' || {} || '}}'", parts.join(" || ',' || "))
        }
        Kind::MySql | Kind::MariaDb => {
            let parts: Vec<String> = parts.iter().map(|(key, value)| format!("'\"{key}\":', {value}")).collect();
            format!("CONCAT('{{', {}, '}}')", parts.join(", ',', "))
        }
    };
    let plan = "CASE WHEN n % 10 = 0 THEN '\"pro\"' ELSE '\"free\"' END";
    let attributes = object(&[("plan", plan), ("score", "n * 7919 % 1000"), ("n", text)]);
    let mut inserts = vec![format!(
        "INSERT INTO users (workspace, id, bucket, incarnation, attributes, seq, evaluated, created_at, updated_at) \
         SELECT 'main', {zero_padded}, n % 64, 'usr_0123456789abcdef0123456789abcdef', {attributes}, {events}, 0, 1, 1 FROM numbers"
    )];
    for k in 0..events {
        let name = if k % 2 == 0 { "login" } else { "purchase" };
        let value = object(&[("value", &format!("(n * 31 + {k} * 17) % 50"))]);
        // Over the last four months.
        let at = format!("{now} - ((n * 13 + {k} * 29) % 120 + 1) * {DAY} + n % 86400000");
        inserts.push(format!(
            "INSERT INTO events (workspace, user_id, id, name, attributes, occurred_at, received_at) \
             SELECT 'main', {zero_padded}, 'e{k}', '{name}', {value}, {at}, 1 FROM numbers"
        ));
    }
    let digits: Vec<String> = (0..10).map(|digit| format!("SELECT {digit} AS d")).collect();
    let digits = digits.join(" UNION ALL ");
    for first in (0..users).step_by(SLICE) {
        let many = SLICE.min(users - first);
        for insert in &inserts {
            let (columns, select) = insert.split_once(" SELECT ").expect("it is one");
            let sql = format!(
                "{columns} WITH d AS ({digits}), numbers AS (SELECT {first} + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n \
                 FROM d f, d e, d c, d b, d a WHERE f.d * 10000 + e.d * 1000 + c.d * 100 + b.d * 10 + a.d < {many}) SELECT {select} ORDER BY n"
            );
            let work = db.write(move |tx| {
                let sql = sql.clone();
                Box::pin(async move { tx.run(sql, args![]).await })
            });
            work.await.map_err(anyhow::Error::new)?;
        }
    }
    Ok(())
}

/// RFC 3339 of an instant in ms UTC, by the civil calendar (Hinnant 2013).
pub fn instant(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY), ms.rem_euclid(DAY));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
