//! Users with many events: what is summed up gives what the events give one by one, and few rows are read for it.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::PluginError;
use segflow_core::eval::{Asked, Facts, History, Loaded, Of, asked, evaluate};
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_core::step::{Needs, Work, step};
use segflow_protocol::{Expr, Field, Rule, Segment};
use segflow_server::args;
use segflow_server::store::history::{Detail, Reading};
use segflow_server::store::ingest::{Fact, What};
use segflow_server::store::tallies::Sizes;
use segflow_server::store::{Store, engine};

use super::made_up::{self, Dice, User};
use super::{bought, eq, expr, populate, project, worked};
use crate::harness::*;

all![what_is_summed_up_gives_what_the_events_give];
both![
    an_event_of_one_with_many_reads_few_rows,
    a_push_reads_what_differs,
    windows_of_one_with_many_open_and_close_on_time,
    flows_ask_about_many_events,
];

async fn what_is_summed_up_gives_what_the_events_give(db: Database) {
    let store = Store::open(&db.url(), std::time::Duration::ZERO).await.expect("opened");
    let (mut kept, mut forgotten) = (0, 0);
    for seed in 0..8 {
        let (workspace, mut dice) = (format!("w{seed}"), Dice(seed));
        let segments =
            (0..6).map(|n| Segment { id: format!("s{n}"), rule: Rule::Expr(dice.expr(2, &[])), every: None });
        let project = Project::new("dep", 1, made_up::manifest(segments.collect()), BTreeMap::new(), 0);
        let users: BTreeSet<String> = (0..3).map(|n| format!("u{n}")).collect();
        let mut now = ms(START);
        for round in 0..24 {
            let mut facts = vec![];
            for user in &users {
                for (name, event) in dice
                    .user(now)
                    .events
                    .into_iter()
                    .flat_map(|(name, all)| all.into_iter().map(move |e| (name.clone(), e)))
                {
                    let what = What::Event {
                        id: database::random(),
                        name,
                        attributes: event.attributes,
                        occurred_at: event.occurred_at,
                        only_new: true,
                    };
                    facts.push(Fact { workspace: workspace.clone(), user: user.clone(), what, historical: false, now });
                }
            }
            let before = tallies(&store, &workspace).await;
            store
                .ingest
                .store_all(facts)
                .await
                .expect("stored")
                .into_iter()
                .for_each(|stored| drop(stored.expect("taken")));
            forgotten += before.difference(&tallies(&store, &workspace).await).count();
            // A flow asks about something else.
            let asks = dice.expr(1, &[]);
            let keeping = Detail::Keeping(Sizes { apart: 6, newest: 2, stretch: 5 });
            for (later, detail) in
                [(0, Detail::Summed), (0, keeping), (0, Detail::Summed), (DAY, keeping), (20 * DAY, Detail::Summed)]
            {
                let at = now + later;
                let reading =
                    |detail| Reading { db: &store.db, project: &project, workspace: &workspace, now: at, detail };
                let full = decided(&reading(Detail::OneByOne), &users, &asks).await;
                let summed = decided(&reading(detail), &users, &asks).await;
                assert_eq!(
                    summed, full,
                    "seed {seed}, round {round}, {later} ms later, {detail:?}: {asks:?} {:?}",
                    project.manifest.segments
                );
            }
            kept = kept.max(tallies(&store, &workspace).await.len());
            now += DAY / 2;
        }
    }
    assert!(kept > 20 && forgotten > 20, "{kept} stretches at most, {forgotten} were forgotten");
    store.db.close().await;
}

/// What is decided about users, and what a flow is answered.
async fn decided(reading: &Reading<'_>, users: &BTreeSet<String>, asks: &Expr) -> Vec<String> {
    let more: Vec<Asked> = asked(asks);
    let loaded = engine::look(reading, users, &more).await.expect("read");
    let none = |_: &str| Err(PluginError::Unavailable("no turn is due".into()));
    let one = |(work, needs): (Work, Needs)| {
        let view = View { loaded: &work.history, project: reading.project, now: reading.now };
        let answer = evaluate(asks, &view);
        format!("{:?} {answer:?}", step(reading.project, work, &needs, &none, reading.now).expect("decided"))
    };
    loaded.work.into_iter().map(one).collect()
}

/// What there is of stretches.
async fn tallies(store: &Store, workspace: &str) -> BTreeSet<(String, String, i64, i64)> {
    let sql = "SELECT user_id, name, layout, starts FROM tallies WHERE workspace = ?";
    let rows = store.db.read(sql, args![workspace]).await.expect("read");
    let key = |row: &segflow_server::store::db::Row| {
        Ok::<_, segflow_server::store::Error>((row.text(0)?, row.text(1)?, row.int(2)?, row.int(3)?))
    };
    rows.iter().map(|row| key(row).expect("a key")).collect()
}

/// What a flow's question is answered from.
struct View<'a> {
    loaded: &'a [Loaded],
    project: &'a Project,
    now: i64,
}

impl Facts for View<'_> {
    fn attributes(&self) -> &Object {
        static NOTHING: std::sync::OnceLock<Object> = std::sync::OnceLock::new();
        NOTHING.get_or_init(Object::new)
    }
    fn history(&self, of: Of<'_>) -> History<'_> {
        self.loaded.iter().find(|loaded| loaded.answers(of)).expect("it was asked for").history()
    }
    fn in_segment(&self, _: &str) -> bool {
        false
    }
    fn user_fields(&self) -> &[Field] {
        &[]
    }
    fn event_fields(&self, name: &str) -> &[Field] {
        self.project.event_fields(name)
    }
    fn now(&self) -> i64 {
        self.now
    }
}

/// Puts events into a user's past, one every so many ms, the last of them so long ago.
async fn did_often(app: &App, user: &str, name: &str, many: i64, every: i64, ago: i64) {
    let first = ms(START) - ago - (many - 1) * every;
    let digits: Vec<String> = (0..10).map(|digit| format!("SELECT {digit} AS d")).collect();
    let digits = digits.join(" UNION ALL ");
    let (id, value) = match app.server().store().db.kind() {
        Kind::Sqlite => ("'old-' || ? || n", "'{\"value\":' || (n % 7) || '}'"),
        _ => ("CONCAT('old-', ?, n)", "CONCAT('{\"value\":', n % 7, '}')"),
    };
    let sql = format!(
        "INSERT INTO events (workspace, user_id, id, name, attributes, occurred_at, received_at) \
         WITH d AS ({digits}), n AS (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n FROM d a, d b, d c, d e, d f) \
         SELECT 'main', ?, {id}, ?, {value}, ? + n * ?, 0 FROM n WHERE n < ?"
    );
    let mut tx = app.server().store().db.begin().await.expect("begun");
    tx.run(sql, args![user, name, name, first, every, many]).await.expect("written");
    tx.commit().await.expect("committed");
}

async fn an_event_of_one_with_many_reads_few_rows(db: Database) {
    const MANY: i64 = 100_000;
    let app = App::start(&db).await;
    let over = |measure: Value, within: Option<i64>, is: Value| {
        let events = json!({ "name": "purchase", "within": within });
        json!({ "measure": { "events": events, "measure": measure, "is": is } })
    };
    let value = |measure: &str| json!({ (measure): ["value"] });
    let segments = json!([
        expr("bought", bought()),
        expr("many", over(json!("count"), None, json!({ "gt": MANY + 10 }))),
        expr("spent", over(value("sum"), Some(30 * DAY), json!({ "gt": 100_000 }))),
        expr("most", over(value("max"), Some(7 * DAY), json!({ "ge": 6 }))),
        expr("least", over(value("min"), Some(50 * DAY), json!({ "ge": 1 }))),
    ]);
    app.push(project(segments, json!([]))).await;
    let of_each = async |user: &str| {
        let before = worked(&db, &app).await;
        for _ in 0..20 {
            app.emit(user, "purchase", json!({ "value": 1 })).await;
            app.settle().await;
        }
        worked(&db, &app).await - before
    };
    let mut cost = BTreeMap::new();
    // The purchases of the noisy one lie between many events of another name.
    for (user, many, other) in [("light", 10, 10), ("heavy", MANY, 10), ("noisy", 10, MANY)] {
        app.add(user, json!({})).await;
        did_often(&app, user, "purchase", many, 60_000, 60_000).await;
        did_often(&app, user, "view", other, 60_000, 60_000).await;
        // Once everything is read, and summed up.
        of_each(user).await;
        cost.insert(user, of_each(user).await);
    }
    assert_eq!(app.segments("light").await, ["bought", "most"]);
    assert_eq!(app.segments("heavy").await, ["bought", "many", "most", "spent"]);
    // A row is some 15 steps of SQLite's machine.
    let rows = |worked: u64| if db.kind() == Kind::Sqlite { worked * 1_000 / 15 / 20 } else { worked / 20 };
    let [light, heavy, noisy] = ["light", "heavy", "noisy"].map(|user| rows(cost[user]));
    assert!(heavy < light + 1_000 && noisy < light + 1_000, "rows per event: {light}, {heavy}, {noisy}");
}

async fn a_push_reads_what_differs(db: Database) {
    const USERS: usize = 40;
    let app = App::start(&db).await;
    let bought = |more_than: i64| {
        let events = json!({ "name": "purchase" });
        expr("bought", json!({ "measure": { "events": events, "measure": "count", "is": { "gt": more_than } } }))
    };
    let cost_of_push = async |segments: Value| {
        let before = worked(&db, &app).await;
        app.push(project(segments, json!([]))).await;
        app.settle().await;
        worked(&db, &app).await - before
    };
    cost_of_push(json!([bought(500)])).await;
    populate(&app, 0..USERS, |_| json!({ "plan": "pro" })).await;
    for n in 0..USERS {
        did_often(&app, &format!("u{n}"), "purchase", 300, 60_000, 60_000).await;
    }
    let pro = || expr("pro", eq(&["plan"], json!("pro")));
    let of_attributes = cost_of_push(json!([bought(500), pro()])).await;
    assert_eq!(app.segments("u7").await, ["pro"]);
    let of_events = cost_of_push(json!([bought(200), pro()])).await;
    assert_eq!(app.segments("u7").await, ["bought", "pro"]);
    assert!(of_attributes * 3 < of_events, "{of_attributes}, {of_events}");
}

async fn windows_of_one_with_many_open_and_close_on_time(db: Database) {
    let app = App::start(&db).await;
    let mut dice = Dice(11);
    let mut exprs: Vec<Expr> = vec![];
    while exprs.len() < 5 {
        let expr = dice.expr(1, &[]);
        // Those that time changes.
        if asked(&expr).iter().any(|asked| asked.events.within.is_some()) {
            exprs.push(expr);
        }
    }
    let segments = exprs.iter().enumerate().map(|(n, expr)| Segment {
        id: format!("s{n}"),
        rule: Rule::Expr(expr.clone()),
        every: None,
    });
    let manifest = serde_json::to_value(made_up::manifest(segments.collect())).expect("a manifest");
    app.push(made::Made::new(manifest).wasm()).await;
    let (mut user, mut now) = (User::default(), ms(START));
    let mut tell = async |user: &mut User, now: i64, rounds: u64| {
        let mut batch = vec![];
        for _ in 0..rounds {
            let about = now - dice.below(30 * DAY as u64) as i64;
            for (name, all) in dice.user(about).events {
                for event in all {
                    let at = jiff::Timestamp::from_millisecond(event.occurred_at).expect("an instant").to_string();
                    batch.push(json!({ "type": "track", "user_id": "ada", "name": name, "attributes": event.attributes, "occurred_at": at }));
                    user.events.entry(name.clone()).or_default().push(event);
                }
            }
        }
        app.post("/v1/batch", json!({ "batch": batch })).await.ok();
        app.settle().await;
    };
    tell(&mut user, now, 400).await;
    let (mut seen, mut before) = (0, vec![]);
    for round in 0..24 {
        tell(&mut user, now, 1).await;
        let holds = |n: &usize| made_up::holds(&exprs[*n], &user, &[], now);
        let expected: Vec<String> = (0..exprs.len()).filter(holds).map(|n| format!("s{n}")).collect();
        assert_eq!(app.segments("ada").await, expected, "round {round}: {exprs:?}");
        seen += usize::from(round > 0 && expected != before);
        before = expected;
        app.advance("9h").await;
        now += 9 * 3_600_000;
    }
    assert!(seen > 1, "{seen} changes");
    assert!(db.count("SELECT COUNT(*) FROM tallies").await > 2);
}

/// Some of them in the future, so that what a flow emits comes late.
async fn flows_ask_about_many_events(db: Database) {
    let app = App::start(&db).await;
    app.push(plugins::flows("")).await;
    app.add("ada", json!({ "email": "ada@flows.example" })).await;
    let order = |n: i64| {
        let at = jiff::Timestamp::from_millisecond(ms(START) + (n - 300) * 3_600_000).expect("an instant").to_string();
        json!({ "type": "track", "user_id": "ada", "name": "order", "attributes": { "number": 1 }, "occurred_at": at, "historical": true })
    };
    app.post("/v1/batch", json!({ "batch": (0..600).map(order).collect::<Vec<_>>() })).await.ok();
    let enroll = async |campaign: &str| {
        app.post(&format!("/v1/campaigns/{campaign}/enrollments"), json!({ "users": ["ada"] })).await.ok();
        app.settle().await;
    };
    enroll("ask").await;
    app.advance("1d").await;
    // Hours -300 to 24; of the last 36 hours those after hour -12.
    let asked = async || {
        let mut subjects = vec![];
        for message in app.messages("ada").await {
            subjects.push(app.message(&message).await["subject"].as_str().unwrap_or_default().to_string());
        }
        subjects
    };
    assert_eq!(asked().await, ["325 36 true true"]);
    assert!(db.count("SELECT COUNT(*) FROM tallies").await > 1, "the orders have been summed up");
    // Emits an order at once and another an hour later.
    enroll("chain").await;
    enroll("ask").await;
    app.advance("1d").await;
    let of_this_day = asked().await;
    assert!(of_this_day.contains(&"351 52 true true".to_string()), "{of_this_day:?}");
}
