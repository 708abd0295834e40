//! Raw SQL segments: the same answers from every database.

mod functions;
mod queries;

use std::time::Duration;

use segflow_core::ids;
use segflow_server::args;
use segflow_server::store::db::Ids;
use segflow_server::store::sql::check;
use segflow_server::store::{Store, segments};

use crate::harness::*;

all![
    the_same_answers_everywhere,
    dates_are_read_alike,
    what_takes_too_long_is_stopped,
    what_gives_too_much_is_let_go,
    nothing_is_written,
];

/// 2026-03-31T12:00:00Z.
const NOW: i64 = 1_774_958_400_000;
const DAY: i64 = 86_400_000;

/// Id, attributes, days since it was created.
const USERS: &[(&str, &str, i64)] = &[
    (
        "u01",
        r#"{"winback":true,"plan":"pro","age":30,"lastLoginAt":"2026-01-31T09:00:00Z","tags":["vip","eu"],"name":"Ada"}"#,
        424,
    ),
    ("u02", r#"{"winback":false,"plan":"Pro","age":"30","lastLoginAt":"2026-03-30T12:00:00+02:00","tags":[]}"#, 59),
    ("u03", r#"{"winback":1,"plan":"pro ","age":17.5,"lastLoginAt":"2026-02-30T00:00:00Z","tags":"vip"}"#, 31),
    ("u04", r#"{"winback":"true","plan":null,"age":null,"lastLoginAt":"yesterday"}"#, 30),
    ("u05", r#"{}"#, 29),
    (
        "o'brien",
        r#"{"plan":"o'brien \\ 100%","age":-3,"lastLoginAt":"2026-03-01","address":{"city":"Zürich","zip":"01234"}}"#,
        10,
    ),
    (
        "u07",
        r#"{"age":"25abc","lastLoginAt":"2026-03-01T12:00:00.000Z","plan":"basic","two words":1,"tags":["VIP",5,true]}"#,
        9,
    ),
    ("u08", r#"{"age":1e3,"lastLoginAt":"2026-03-01T12:00:00.001Z","plan":"a_b"}"#, 8),
    ("u09", r#"{"age":true,"lastLoginAt":1700000000000,"plan":"a%b"}"#, 7),
    ("u10", r#"{"age":[1],"lastLoginAt":"2026-03-01T14:00:00.5+01:30","plan":"axb","address":{"city":"Bern"}}"#, 6),
    ("u11", r#"{"age":{"x":1},"plan":"PRO","score":2.5,"lastLoginAt":"2026-03-01T12:00:00Z\n"}"#, 1),
    ("u12", r#"{"age":0,"plan":"","score":-2.5,"lastLoginAt":"2025-03-31 12:00"}"#, 0),
];

/// User, name, attributes, days ago.
const EVENTS: &[(&str, &str, &str, i64)] = &[
    ("u01", "purchase", r#"{"value":600,"sku":"a"}"#, 40),
    ("u01", "purchase", r#"{"value":500,"sku":"b"}"#, 3),
    ("u01", "login", r#"{}"#, 59),
    ("u01", "login", r#"{}"#, 2),
    ("u02", "purchase", r#"{"value":1000,"sku":"a"}"#, 1),
    ("u02", "login", r#"{}"#, 1),
    ("u02", "login", r#"{}"#, 1),
    ("u02", "login", r#"{}"#, 1),
    ("u03", "purchase", r#"{"value":"1200"}"#, 35),
    ("u03", "Purchase", r#"{"value":9999}"#, 35),
    ("u04", "purchase", r#"{"value":999.99}"#, 29),
    ("u04", "refund", r#"{"value":999.99}"#, 28),
    ("o'brien", "purchase", r#"{"value":400.5}"#, 100),
    ("o'brien", "purchase", r#"{"value":599.6}"#, 5),
    ("u07", "refund", r#"{"value":5000}"#, 5),
    ("u08", "purchase", r#"{"value":true}"#, 5),
    ("u08", "purchase", r#"{"value":1000}"#, 30),
    ("u09", "purchase", r#"{}"#, 4),
    ("u09", "purchase", r#"{"value":0.1}"#, 4),
    ("u09", "login", r#"{}"#, -2),
    ("u10", "purchase ", r#"{"value":7000}"#, 4),
    ("u12", "signup", r#"{"source":"ads"}"#, 0),
];

async fn filled(db: &Database) -> Store {
    let store = Store::open(&db.url(), Duration::ZERO).await.expect("opened");
    let (others, other_events) =
        ([("u05", r#"{"winback":true,"plan":"pro","age":99}"#, 400)], [("u05", "purchase", r#"{"value":5000}"#, 1)]);
    let mut tx = store.db.begin().await.expect("begun");
    for (workspace, users, events) in [("w1", USERS, EVENTS), ("w2", &others, &other_events)] {
        for (id, attributes, days) in users {
            let (at, bucket) = (NOW - days * DAY, ids::bucket(workspace, id));
            let sql = "INSERT INTO users (workspace, id, bucket, incarnation, attributes, seq, evaluated, created_at, updated_at) \
                       VALUES (?, ?, ?, 'inc', ?, 0, 0, ?, ?)";
            tx.run(sql, args![workspace, *id, bucket, *attributes, at, at]).await.expect("written");
        }
        for (n, (user, name, attributes, days)) in events.iter().enumerate() {
            let at = NOW - days * DAY;
            let sql = "INSERT INTO events (workspace, user_id, id, name, attributes, occurred_at, received_at) \
                       VALUES (?, ?, ?, ?, ?, ?, ?)";
            tx.run(sql, args![workspace, *user, format!("e{n}"), *name, *attributes, at, at]).await.expect("written");
        }
    }
    tx.commit().await.expect("committed");
    store
}

async fn members(store: &Store, sql: &str, ids: &[String]) -> Result<String, String> {
    let found = segments::members(&store.db, "w1", sql, ids, NOW).await.map_err(|e| e.to_string())?;
    Ok(found.into_iter().collect::<Vec<_>>().join(" "))
}

async fn the_same_answers_everywhere(db: Database) {
    let store = filled(&db).await;
    let ids: Vec<String> = USERS.iter().map(|(id, ..)| id.to_string()).collect();
    let mut wrong = vec![];
    for (sql, expected) in queries::QUERIES {
        let reads = match check(sql) {
            Ok(checked) => checked.reads().clone(),
            Err(refused) => {
                wrong.push(refused.underlined(sql));
                continue;
            }
        };
        let found = members(&store, sql, &ids).await;
        if found.as_deref() != Ok(*expected) {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found:?}"));
        }
        // A segment that reads one user's rows only has the same answer when each is asked for alone.
        if !reads.other_users {
            let mut alone = vec![];
            for id in &ids {
                alone.push(members(&store, sql, std::slice::from_ref(id)).await.unwrap_or_default());
            }
            alone.retain(|found| !found.is_empty());
            alone.sort();
            if found.as_deref() != Ok(&alone.join(" ")) {
                wrong.push(format!("{sql}\n  together {found:?}\n  alone    {}", alone.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is a date when it is written out is one in an attribute, and the same instant.
async fn dates_are_read_alike(db: Database) {
    let store = filled(&db).await;
    let mut texts: Vec<String> = vec![];
    for day in [
        "2026-01-31",
        "2024-02-29",
        "2026-02-29",
        "2026-02-30",
        "2026-04-31",
        "1969-12-31",
        "1000-01-01",
        "9998-12-31",
        "0999-01-01",
        "0000-00-00",
        "2026-13-01",
        "2026-00-10",
        "2026-01-00",
        "2026-1-31",
        "20260131",
        "now",
        "12:00",
        "2460000.5",
        "",
    ] {
        for rest in
            ["", "T09:00", " 09:00:01", "T09:00:01Z", "T23:59:59.9994Z", "T09:00:00.123456789+05:30", "T09:00:00-14:00"]
        {
            texts.push(format!("{day}{rest}"));
        }
    }
    for rest in [
        "T",
        " ",
        "Z",
        "+02:00",
        "T9:00",
        "T24:00",
        "T09:60",
        "T09:00:60",
        "T09:00:00.",
        "T09:00:00.1Z",
        "T09:00:00.0005",
        "T09:00:00z",
        "t09:00:00",
        "TT09:00",
        "  09:00",
        "T09:00 Z",
        "T09:00:00 +02:00",
        "T09:00+2:00",
        "T09:00+0200",
        "T09:00+02",
        "T09:00+15:00",
        "T09:00+02:60",
        "T09:00Z ",
        "T09:00:00Z\n",
        "T09:00:00ZZ",
        "T09:00Z+02:00",
        "T09",
        "T0900",
        "T09:00:00,5",
        "T-9:00",
        "T09:00:00 UTC",
        " 09:00 PM",
        "T19:00-00:00",
        "x",
        "é",
    ] {
        texts.push(format!("2026-01-31{rest}"));
    }
    let mut wrong = vec![];
    for text in &texts {
        let attributes = json!({ "at": text }).to_string();
        let mut tx = store.db.begin().await.expect("begun");
        let sql = "UPDATE users SET attributes = ? WHERE workspace = 'w1' AND id = 'u01'";
        tx.run(sql, args![attributes]).await.expect("written");
        tx.commit().await.expect("committed");
        let written = format!("SELECT id FROM users WHERE CAST(attributes->>'$.at' AS DATETIME) = '{text}'");
        let sql = match check(&written) {
            Ok(_) => written,
            Err(_) => "SELECT id FROM users WHERE TIMESTAMP(attributes->>'$.at') IS NULL".into(),
        };
        let found = members(&store, &sql, &["u01".to_string()]).await;
        if found.as_deref() != Ok("u01") {
            wrong.push(format!("{text:?} {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// By the database, not only by whoever waits for it: afterwards every connection is as it was.
async fn what_takes_too_long_is_stopped(db: Database) {
    let store = Store::open(&db.url(), Duration::ZERO).await.expect("opened");
    let numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900)";
    let short = format!("{numbers} SELECT CAST(COUNT(*) AS CHAR) AS id FROM n");
    let long = format!("{numbers} SELECT COUNT(*) FROM n a, n b, n c, n d WHERE a.i * b.i + c.i * d.i < 0");
    let limit = Duration::from_millis(200);
    for _ in 0..5 {
        let refused = store.db.ids_within(long.clone(), vec![], limit, Ids::default()).await;
        let refused = refused.expect_err("too long").to_string();
        assert_eq!(refused, "it ran longer than 0.2 s");
    }
    // Nor is it left to run by those who do not wait for the end of it.
    for _ in 0..5 {
        let waiting = store.db.ids_within(long.clone(), vec![], limit, Ids::default());
        assert!(tokio::time::timeout(limit / 4, waiting).await.is_err());
    }
    let running = match db.kind() {
        Kind::MariaDb => {
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND command IN ('Query', 'Execute')"
        }
        _ => {
            "SELECT COUNT(*) FROM performance_schema.threads \
             WHERE processlist_db = DATABASE() AND processlist_command IN ('Query', 'Execute')"
        }
    };
    if db.kind() != Kind::Sqlite {
        until("only this runs", async || {
            let row = store.db.read_one(running, vec![]).await.expect("read").expect("a row");
            (row.int(0).expect("a number") == 1).then_some(())
        })
        .await;
    }
    for _ in 0..8 {
        let row = store.db.read_one(short.clone(), vec![]).await.expect("read").expect("a row");
        assert_eq!(row.text(0).expect("text"), "900");
        let found = store.db.ids_within(short.clone(), vec![], limit * 50, Ids::default()).await.expect("in time");
        assert_eq!(found, ["900".to_string()].into());
    }
}

/// A product of tables gives more rows than there is room for: only ids that are asked about are kept, and each once.
async fn what_gives_too_much_is_let_go(db: Database) {
    let store = filled(&db).await;
    let ids: Vec<String> = USERS.iter().map(|(id, ..)| id.to_string()).collect();
    let all = ids.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    let product = "SELECT a.id FROM users a, users b, users c, users d, users e";
    let found = segments::members(&store.db, "w1", product, &ids, NOW).await.expect("asked");
    assert_eq!(found, all);
    // Of everybody too, and of this workspace alone.
    assert_eq!(segments::everyone(&store.db, "w1", product, NOW).await.expect("asked"), all);
    assert_eq!(segments::everyone(&store.db, "w2", product, NOW).await.expect("asked"), ["u05".to_string()].into());
    let bought = "SELECT user_id FROM events WHERE attributes->'$.value' > (SELECT 0 * COUNT(*) FROM users)";
    assert_eq!(segments::everyone(&store.db, "w2", bought, NOW).await.expect("asked"), ["u05".to_string()].into());
    assert!(!segments::everyone(&store.db, "w1", bought, NOW).await.expect("asked").contains("u05"));
    // As does what is no user at all.
    let made_up = "SELECT CONCAT(a.id, '-', b.id) AS id FROM users a, users b";
    assert!(segments::members(&store.db, "w1", made_up, &ids, NOW).await.expect("asked").is_empty());
    let long = "a".repeat(60_000);
    let mut tx = store.db.begin().await.expect("begun");
    let sql = "UPDATE users SET attributes = ? WHERE workspace = 'w1'";
    tx.run(sql, args![json!({ "long": long }).to_string()]).await.expect("written");
    tx.commit().await.expect("committed");
    // What LIKE has to go back for again and again, over long text.
    let like = format!("SELECT id FROM users WHERE attributes->>'$.long' LIKE '{}b'", "%a".repeat(40));
    assert!(segments::members(&store.db, "w1", &like, &ids, NOW).await.expect("in time").is_empty());
}

/// Whatever the check lets through: a session that it runs in does not write.
async fn nothing_is_written(db: Database) {
    let store = filled(&db).await;
    let writes = match db.kind() {
        Kind::Sqlite => "DELETE FROM users RETURNING id",
        _ => {
            let note = "CREATE FUNCTION note() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM users; RETURN 1; END";
            db.define(&[note]).await;
            "SELECT CAST(note() AS CHAR) AS id"
        }
    };
    let limit = Duration::from_secs(5);
    let refused = store.db.ids_within(writes.into(), vec![], limit, Ids::default()).await.expect_err("refused");
    let why = refused.to_string().to_lowercase().replace('-', " ");
    assert!(why.contains("read only") || why.contains("readonly"), "{why}");
    assert_eq!(db.count("SELECT COUNT(*) FROM users").await, USERS.len() as i64 + 1);
    if db.kind() != Kind::Sqlite {
        store.db.read(writes, vec![]).await.expect("elsewhere it could");
        assert_eq!(db.count("SELECT COUNT(*) FROM users").await, 0);
    }
}
