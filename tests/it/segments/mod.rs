//! Segments in real time: only what a fact can touch is evaluated, a push asks only whom it can concern, and all can be explained.

mod failing;
mod heavy;
mod made_up;
mod sieve;
mod whole;

use crate::harness::*;

both![
    an_event_costs_the_same_among_many,
    a_segment_says_what_it_reads,
    only_what_a_change_can_touch_is_evaluated,
    a_user_is_explained,
    no_login_for_thirty_days_comes_and_goes_on_time,
    a_push_to_many_goes_on_after_a_restart,
    a_push_asks_only_whom_it_can_concern,
    raw_sql_that_reads_the_clock_is_asked_on_its_period,
    one_users_data_keeps_nobody_behind_it_from_being_asked_about,
    raw_sql_about_all_is_asked_on_its_period,
    raw_sql_about_all_is_told_to_many,
    who_is_there_already_does_not_enter_by_a_first_asking,
    a_segment_is_recalculated,
    sizes_are_kept_by_the_hour,
    an_estimate_counts_and_shows_some,
    history_changes_membership_and_enrols_nobody,
    the_past_counts_where_it_belongs,
    what_is_to_come_counts_when_it_has_come,
    concurrent_merges_lose_nothing,
];

fn project(segments: Value, campaigns: Value) -> Vec<u8> {
    let mut manifest = made::manifest();
    manifest["user"] = json!([{ "name": "plan", "type": "string", "required": false, "default": "free" }]);
    manifest["events"] = json!([{ "name": "login", "fields": [] }, { "name": "purchase", "fields": [] }]);
    manifest["segments"] = segments;
    manifest["campaigns"] = campaigns;
    made::Made::new(manifest).wasm()
}

fn expr(id: &str, expr: Value) -> Value {
    json!({ "id": id, "rule": { "expr": expr } })
}

fn sql(id: &str, sql: &str, every: Option<i64>) -> Value {
    json!({ "id": id, "rule": { "sql": sql }, "every": every })
}

fn eq(path: &[&str], value: Value) -> Value {
    json!({ "user": { "at": { "path": path, "is": { "eq": value } } } })
}

fn bought() -> Value {
    json!({ "measure": { "events": { "name": "purchase" }, "measure": "count", "is": { "gt": 0 } } })
}

/// No login for thirty days, or never.
fn quiet() -> Value {
    let is = json!({ "older_than": 30 * DAY });
    json!({ "when": { "events": { "name": "login" }, "which": "last", "is": is, "or_never": true } })
}

/// Adds so many users at once, `u0` and so on.
async fn populate(app: &App, users: std::ops::Range<usize>, attributes: impl Fn(usize) -> Value) {
    for part in users.collect::<Vec<_>>().chunks(1_000) {
        let item = |n: &usize| json!({ "type": "identify", "user_id": format!("u{n}"), "attributes": attributes(*n) });
        let batch: Vec<Value> = part.iter().map(item).collect();
        app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    }
    app.settle().await;
}

async fn members(app: &App, id: &str) -> Vec<String> {
    let items = app.items(&format!("/v1/segments/{id}/members")).await;
    items.iter().map(|m| m["user_id"].as_str().expect("an id").to_string()).collect()
}

/// What the database has worked so far: thousands of steps, or rows.
async fn worked(db: &Database, app: &App) -> u64 {
    match db.kind() {
        Kind::Sqlite => app.server().store().db.thousands_of_steps(),
        Kind::MySql => db.rows_examined().await,
        Kind::MariaDb => unreachable!("it does not count rows by table"),
    }
}

async fn an_event_costs_the_same_among_many(db: Database) {
    let app = App::start(&db).await;
    let segments = json!([
        expr("bought", bought()),
        expr("quiet", quiet()),
        expr("plan", eq(&["plan"], json!("pro"))),
        sql("beta", "SELECT id FROM users WHERE attributes->>'$.beta' = 'yes'", None),
        expr("both", json!({ "all": [{ "segment": "bought" }, { "not": { "segment": "quiet" } }] })),
    ]);
    app.push(project(segments, json!([made::campaign("hello", "both")]))).await;
    let cost = async || {
        let before = worked(&db, &app).await;
        for n in 0..60 {
            let user = format!("u{}", n % 10);
            app.emit(&user, if n % 2 == 0 { "login" } else { "purchase" }, json!({ "value": 1 })).await;
            app.settle().await;
        }
        worked(&db, &app).await - before
    };
    populate(&app, 0..10, |n| json!({ "n": n })).await;
    // Once for what is done but once.
    cost().await;
    let among_few = cost().await;
    populate(&app, 10..10_000, |n| json!({ "n": n })).await;
    let among_many = cost().await;
    // The same users have twice as many events by then; ten thousand others must not show.
    assert!(among_few > 0 && among_many <= among_few * 2 + 60, "among 10 users {among_few}, among 10,000 {among_many}");
}

async fn a_segment_says_what_it_reads(db: Database) {
    let app = App::start(&db).await;
    let city = json!({ "user": { "at": { "path": ["address", "city"], "is": "exists" } } });
    let spent =
        "SELECT user_id FROM events WHERE name = 'purchase' GROUP BY user_id HAVING SUM(attributes->'$.value') > 5";
    let segments = json!([
        expr("mixed", json!({ "any": [city, quiet(), { "segment": "bought" }] })),
        expr("bought", bought()),
        sql("spent", spent, None),
        sql("rank", "SELECT id FROM users WHERE created_at <= (SELECT MIN(created_at) FROM users)", Some(3_600_000)),
    ]);
    app.push(project(segments, json!([]))).await;
    let reads = async |id: &str| app.get(&format!("/v1/segments/{id}")).await.ok()["reads"].clone();
    let of = |attributes: Value, events: Value, segments: Value, clock: bool, others: bool| json!({ "attributes": attributes, "events": events, "segments": segments, "clock": clock, "other_users": others });
    assert_eq!(reads("mixed").await, of(json!(["address.city"]), json!(["login"]), json!(["bought"]), true, false));
    assert_eq!(reads("bought").await, of(json!([]), json!(["purchase"]), json!([]), false, false));
    assert_eq!(reads("spent").await, of(json!([]), json!(["purchase"]), json!([]), false, false));
    assert_eq!(reads("rank").await, of(json!([]), json!([]), json!([]), false, true));
    let rank = app.get("/v1/segments/rank").await.ok();
    assert_eq!((&rank["every_seconds"], &rank["behind"]), (&json!(3_600), &json!(0)));
    let says = app.get("/v1/segments/mixed").await.ok()["says"].clone();
    assert_eq!(
        says,
        "address.city is there or the last login was 30 days ago or longer, or never or in segment bought"
    );
}

/// Memberships are put wrong by hand: whatever is evaluated is put right, and shows by that.
async fn only_what_a_change_can_touch_is_evaluated(db: Database) {
    let app = App::start(&db).await;
    let sql_of = |key: &str| format!("SELECT id FROM users WHERE attributes->>'$.{key}' = 'x'");
    let segments = json!([
        expr("a", eq(&["a"], json!("x"))),
        expr("deep", eq(&["o", "x"], json!("x"))),
        expr("bought", bought()),
        expr("on a", json!({ "segment": "a" })),
        sql("sql a", &sql_of("a"), None),
        sql("sql b", &sql_of("b"), None),
    ]);
    app.push(project(segments, json!([]))).await;
    let evaluated = async |fact: Value| {
        app.add("ada", json!({})).await;
        app.settle().await;
        let store = app.server().store();
        let mut tx = store.db.begin().await.expect("begun");
        for id in ["a", "deep", "bought", "on a", "sql a", "sql b"] {
            let sql = "INSERT INTO memberships (workspace, user_id, segment, since) VALUES ('main', 'ada', ?, 0)";
            tx.run(sql, vec![id.into()]).await.expect("written");
        }
        tx.commit().await.expect("committed");
        match fact.get("name").and_then(Value::as_str) {
            Some(name) => app.emit("ada", name, json!({})).await,
            None => app.add("ada", fact).await,
        };
        app.settle().await;
        let left = app.segments("ada").await;
        db_clear(&app).await;
        let all = ["a", "deep", "bought", "on a", "sql a", "sql b"];
        all.into_iter().filter(|id| !left.contains(&id.to_string())).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(evaluated(json!({ "c": 1 })).await, "");
    assert_eq!(evaluated(json!({ "c": 1 })).await, "", "a merge that changes nothing");
    assert_eq!(evaluated(json!({ "a": "y" })).await, "a, on a, sql a");
    assert_eq!(evaluated(json!({ "b": "y", "o": { "y": 1 } })).await, "sql b");
    assert_eq!(evaluated(json!({ "o": { "x": "y" } })).await, "deep");
    assert_eq!(evaluated(json!({ "name": "login" })).await, "");
}

async fn db_clear(app: &App) {
    let mut tx = app.server().store().db.begin().await.expect("begun");
    tx.run("DELETE FROM memberships", vec![]).await.expect("written");
    tx.commit().await.expect("committed");
}

async fn a_user_is_explained(db: Database) {
    let app = App::start(&db).await;
    let free = eq(&["plan"], json!("free"));
    let segments = json!([
        expr("lost", json!({ "all": [free, quiet(), { "not": bought() }] })),
        expr("found", json!({ "not": { "segment": "lost" } })),
        sql("beta", "SELECT id FROM users WHERE attributes->>'$.beta' = 'yes'", None),
    ]);
    app.push(project(segments, json!([]))).await;
    app.add("ada", json!({ "beta": "no" })).await;
    app.emit("ada", "login", json!({ "from": "phone" })).await;
    app.settle().await;
    let why = app.get("/v1/segments/lost/explain?user=ada").await.ok();
    assert_eq!((&why["member"], &why["holds"], &why["since"]), (&json!(false), &json!(false), &Value::Null));
    assert_eq!(why["next_change"], "2026-01-31T09:00:00Z");
    let parts = why["rule"]["parts"].as_array().expect("parts");
    let said: Vec<_> = parts.iter().map(|p| (p["holds"] == true, p["because"].as_str().unwrap_or("-"))).collect();
    assert_eq!(
        said,
        [(true, "plan is missing, and counts as \"free\""), (false, "it was at 2026-01-01T09:00:00Z"), (true, "-")]
    );
    assert_eq!(parts[1]["events"], json!([{ "occurred_at": START, "attributes": { "from": "phone" } }]));
    assert_eq!(parts[2]["parts"][0]["because"], "there are 0 events");
    let why = app.get("/v1/segments/found/explain?user=ada").await.ok();
    let lost = &why["rule"]["parts"][0];
    assert_eq!((&lost["holds"], &lost["because"]), (&json!(false), &json!("not a member of lost")));
    assert_eq!(lost["parts"][0]["parts"], Value::from(parts.clone()), "and why");
    app.advance("30d").await;
    let why = app.get("/v1/segments/lost/explain?user=ada").await.ok();
    assert_eq!(
        (&why["member"], &why["since"], &why["next_change"]),
        (&json!(true), &json!("2026-01-31T09:00:00Z"), &Value::Null)
    );
    let why = app.get("/v1/segments/beta/explain?user=ada").await.ok();
    assert_eq!(why["rule"]["because"], "the query does not select this user");
    app.get("/v1/segments/lost/explain").await.problem(400, "bad_parameter");
    app.get("/v1/segments/lost/explain?user=eve").await.problem(404, "not_found");
    app.get("/v1/segments/none/explain?user=ada").await.problem(404, "not_found");
}

async fn no_login_for_thirty_days_comes_and_goes_on_time(db: Database) {
    let app = App::start(&db).await;
    app.push(project(json!([expr("quiet", quiet())]), json!([]))).await;
    populate(&app, 0..500, |n| json!({ "n": n })).await;
    let now = ms(START);
    let login = |n: usize| json!({ "type": "track", "user_id": format!("u{n}"), "name": "login" });
    app.post("/v1/batch", json!({ "batch": (0..500).map(login).collect::<Vec<_>>() })).await.ok();
    app.settle().await;
    assert_eq!(members(&app, "quiet").await, [""; 0]);
    app.advance("10d").await;
    app.emit("u7", "login", json!({})).await;
    // One to come makes a flip of its own.
    let later = json!({ "name": "login", "occurred_at": "2026-02-15T09:00:00Z" });
    app.post("/v1/users/u8/events", later).await.ok();
    app.settle().await;
    let before = worked(&db, &app).await;
    app.advance("19d 23h 59m 59s").await;
    let idle = worked(&db, &app).await - before;
    assert!(idle < 500, "time goes by, and nobody is looked at: {idle}");
    assert_eq!(members(&app, "quiet").await, [""; 0], "a second before");
    app.advance("1s").await;
    assert_eq!(members(&app, "quiet").await.len(), 499, "all but who came back");
    let since = app.items("/v1/users/u8/segments").await[0]["since"].clone();
    assert_eq!(ms(since.as_str().expect("an instant")), now + 30 * DAY);
    app.emit("u0", "login", json!({})).await;
    app.settle().await;
    assert!(!members(&app, "quiet").await.contains(&"u0".to_string()), "and goes at once");
    app.advance("10d").await;
    assert!(members(&app, "quiet").await.contains(&"u7".to_string()), "changed facts had moved it");
    app.advance("5d").await;
    assert!(!members(&app, "quiet").await.contains(&"u8".to_string()), "what was to come has come");
}

async fn a_push_to_many_goes_on_after_a_restart(db: Database) {
    let mut app = App::start(&db).await;
    populate(&app, 0..6_000, |n| json!({ "plan": if n % 6 == 0 { "pro" } else { "free" }, "n": n })).await;
    app.push(project(json!([expr("pro", eq(&["plan"], json!("pro")))]), json!([made::campaign("hello", "pro")]))).await;
    // In the middle of it; whatever was done stays done.
    until("somebody is in it", async || (!app.items("/v1/segments/pro/members").await.is_empty()).then_some(())).await;
    app.leave_work();
    app.stop().await;
    let behind = "SELECT COUNT(*) FROM users WHERE evaluated < (SELECT MAX(generation) FROM workspaces)";
    let left = db.count(behind).await;
    assert!(0 < left && left < 6_000, "{left} are behind: it was in the middle");
    app = App::start(&db).await;
    app.emit("u1", "login", json!({})).await;
    app.settle().await;
    assert_eq!(app.get("/v1/segments/pro").await.ok()["behind"], 0);
    assert_eq!(members(&app, "pro").await.len(), 1_000);
    let entered = app.items("/v1/campaigns/hello/enrollments").await;
    assert_eq!(entered.len(), 1_000, "each once");
    let current = app.items("/v1/deployments").await[0]["id"].clone();
    let current = app.get(&format!("/v1/deployments/{}", current.as_str().expect("an id"))).await.ok();
    assert_eq!((&current["current"], &current["behind"]), (&json!(true), &json!(0)));
}

async fn a_push_asks_only_whom_it_can_concern(db: Database) {
    let app = App::start(&db).await;
    let all = json!([made::campaign("hello", "everyone")]);
    app.push(project(json!([made::everyone("everyone")]), all.clone())).await;
    populate(&app, 0..2_000, |n| json!({ "plan": if n < 20 { "pro" } else { "basic" } })).await;
    let before = worked(&db, &app).await;
    let pro = expr("pro", eq(&["plan"], json!("pro")));
    let plan = app.push(project(json!([made::everyone("everyone"), pro]), all.clone())).await;
    assert_eq!(plan["segments"]["pro"]["users"], 20);
    app.settle().await;
    let few = worked(&db, &app).await - before;
    assert_eq!(members(&app, "pro").await.len(), 20);
    let before = worked(&db, &app).await;
    let not_pro = expr("pro", json!({ "not": eq(&["plan"], json!("pro")) }));
    app.push(project(json!([made::everyone("everyone"), not_pro]), all.clone())).await;
    app.settle().await;
    let many = worked(&db, &app).await - before;
    assert_eq!(members(&app, "pro").await.len(), 1_980);
    assert!(few * 2 < many, "20 of 2,000 cost {few}, all {many}");
    // A segment that goes takes its members with it, and a new campaign finds those who are there.
    let two = json!([made::campaign("hello", "everyone"), made::campaign("again", "everyone")]);
    let plan = app.push(project(json!([made::everyone("everyone")]), two)).await;
    assert_eq!((&plan["entering"], &plan["leaving"]), (&json!(2_000), &json!(0)));
    app.settle().await;
    assert_eq!(db.count("SELECT COUNT(*) FROM memberships WHERE segment = 'pro'").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM enrollments WHERE campaign = 'again'").await, 2_000);
    // And one that goes is left.
    app.push(project(json!([made::everyone("everyone")]), json!([]))).await;
    app.settle().await;
    assert_eq!(db.count("SELECT COUNT(*) FROM memberships").await, 2_000);
}

const IDLE: &str = "SELECT id FROM users WHERE attributes->>'$.seen' < NOW() - INTERVAL 1 DAY";
const ABOVE: &str = "SELECT id FROM users WHERE attributes->'$.score' > (SELECT AVG(attributes->'$.score') FROM users)";

async fn raw_sql_that_reads_the_clock_is_asked_on_its_period(db: Database) {
    let app = App::start(&db).await;
    let refused = app.deploy("", project(json!([sql("idle", IDLE, None)]), json!([]))).await;
    let refused = refused.problem(422, "invalid_project");
    let why = refused["problems"][0]["message"].as_str().expect("a message").to_string();
    assert!(why.contains("reads the clock") && why.contains(".every(hours(1))"), "{why}");
    app.deploy("", project(json!([sql("idle", IDLE, Some(1_000))]), json!([]))).await.problem(422, "invalid_project");
    let needless = json!([{ "id": "all", "rule": { "expr": "everyone" }, "every": 3_600_000 }]);
    app.deploy("", project(needless, json!([]))).await.problem(422, "invalid_project");
    app.push(project(json!([sql("idle", IDLE, Some(6 * 3_600_000))]), json!([made::campaign("hello", "idle")]))).await;
    app.add("ada", json!({ "seen": "2026-01-01T08:00:00Z" })).await;
    app.add("bob", json!({ "seen": "2025-12-01T08:00:00Z" })).await;
    app.settle().await;
    assert_eq!(members(&app, "idle").await, ["bob"], "what a fact touches is asked about at once");
    app.advance("1d").await;
    assert_eq!(members(&app, "idle").await, ["ada", "bob"]);
    let since = app.items("/v1/users/ada/segments").await[0]["since"].clone();
    assert_eq!(since, "2026-01-02T09:00:00Z", "a day and an hour later: on the first period after it");
    assert_eq!(app.items("/v1/campaigns/hello/enrollments").await.len(), 2);
    app.add("ada", json!({ "seen": "2026-01-02T09:00:00Z" })).await;
    app.settle().await;
    assert_eq!(members(&app, "idle").await, ["bob"]);
    assert_eq!(app.get("/v1/segments/idle").await.ok()["next_run"], "2026-01-02T15:00:00Z");
}

async fn one_users_data_keeps_nobody_behind_it_from_being_asked_about(db: Database) {
    let app = App::start(&db).await;
    // Of -1e300 the one database cannot take the absolute value, nor the other multiply it: a query that comes upon it has no answer.
    let overflowing = format!("{IDLE} AND ABS(CEIL(attributes->'$.n')) * 1e300 > 0");
    app.push(project(json!([sql("idle", &overflowing, Some(3_600_000))]), json!([]))).await;
    let n = |user| if user == 0 { -1e300 } else { -1.0 };
    populate(&app, 0..700, |user| json!({ "seen": "2026-01-01T08:00:00Z", "n": n(user) })).await;
    assert_eq!(members(&app, "idle").await.len(), 0);
    app.advance("1d").await;
    let idle = members(&app, "idle").await;
    assert!(idle.contains(&"u99".to_string()) && !idle.contains(&"u0".to_string()), "{} are idle", idle.len());
    assert_eq!(idle.len(), 699, "all but u0");
    assert_eq!(app.get("/v1/segments/idle").await.ok()["next_run"], "2026-01-02T10:00:00Z");
}

async fn raw_sql_about_all_is_asked_on_its_period(db: Database) {
    let app = App::start(&db).await;
    app.deploy("", project(json!([sql("above", ABOVE, None)]), json!([]))).await.problem(422, "invalid_project");
    for (user, score) in [("ada", 10), ("bob", 20), ("eve", 60)] {
        app.add(user, json!({ "score": score })).await;
    }
    app.settle().await;
    let segments = json!([sql("above", ABOVE, Some(3_600_000)), expr("on", json!({ "segment": "above" }))]);
    let plan = app.push(project(segments, json!([made::campaign("hello", "on")]))).await;
    assert_eq!(plan["segments"]["above"], json!({ "users": 1, "sample": ["eve"] }));
    assert_eq!(plan["entering"], 1);
    app.settle().await;
    assert_eq!(members(&app, "above").await, ["eve"]);
    assert_eq!(members(&app, "on").await, ["eve"], "and what depends on it");
    // One user's fact moves the average, and with it another's membership; on the hour, not before.
    app.add("eve", json!({ "score": 12 })).await;
    app.settle().await;
    assert_eq!(members(&app, "above").await, ["eve"]);
    app.advance("59m").await;
    assert_eq!(members(&app, "above").await, ["eve"]);
    app.advance("1m").await;
    assert_eq!(members(&app, "above").await, ["bob"]);
    assert_eq!(app.enrollments("bob").await.len(), 1);
    let why = app.get("/v1/segments/above/explain?user=bob").await.ok();
    assert_eq!((&why["holds"], &why["next_change"]), (&json!(true), &json!("2026-01-01T11:00:00Z")));
    app.delete("/v1/users/bob").await.ok();
    app.advance("1h").await;
    assert_eq!(members(&app, "above").await, ["eve"]);
}

async fn raw_sql_about_all_is_told_to_many(db: Database) {
    let app = App::start(&db).await;
    populate(&app, 0..2_600, |n| json!({ "score": n })).await;
    let segments = json!([sql("above", ABOVE, Some(3_600_000)), expr("on", json!({ "segment": "above" }))]);
    app.push(project(segments, json!([made::campaign("hello", "on")]))).await;
    app.settle().await;
    let count = "SELECT COUNT(*) FROM memberships WHERE segment = 'on'";
    assert_eq!((db.count(count).await, db.count("SELECT COUNT(*) FROM enrollments").await), (1_300, 1_300));
    app.add("u0", json!({ "score": 10_000_000 })).await;
    app.advance("1h").await;
    assert_eq!(members(&app, "above").await, ["u0"]);
    assert_eq!(app.get("/v1/segments/above").await.ok()["next_run"], "2026-01-01T11:00:00Z");
}

async fn who_is_there_already_does_not_enter_by_a_first_asking(db: Database) {
    let app = App::start(&db).await;
    for (user, score) in [("ada", 10), ("eve", 60)] {
        app.add(user, json!({ "score": score })).await;
    }
    app.settle().await;
    let mut hello = made::campaign("hello", "above");
    hello["newcomers_only"] = json!(true);
    app.push(project(json!([sql("above", ABOVE, Some(3_600_000))]), json!([hello]))).await;
    app.settle().await;
    assert_eq!(members(&app, "above").await, ["eve"]);
    assert_eq!(app.enrollments("eve").await.len(), 0, "she was there");
    app.add("ada", json!({ "score": 100 })).await;
    app.advance("1h").await;
    assert_eq!(members(&app, "above").await, ["ada"]);
    assert_eq!(app.enrollments("ada").await.len(), 1);
}

async fn a_segment_is_recalculated(db: Database) {
    let app = App::start(&db).await;
    let beta = sql("beta", "SELECT id FROM users WHERE attributes->>'$.beta' = 'yes'", None);
    app.push(project(json!([expr("bought", bought()), beta]), json!([]))).await;
    populate(&app, 0..700, |n| json!({ "beta": if n < 5 { "yes" } else { "no" } })).await;
    app.emit("u3", "purchase", json!({})).await;
    app.settle().await;
    db_clear(&app).await;
    for id in ["bought", "beta"] {
        let answer = app.post(&format!("/v1/segments/{id}/recalculate"), json!({})).await;
        assert_eq!(answer.status, 202);
    }
    app.settle().await;
    assert_eq!(members(&app, "bought").await, ["u3"]);
    assert_eq!(members(&app, "beta").await, ["u0", "u1", "u2", "u3", "u4"]);
    assert_eq!(app.get("/v1/segments/beta").await.ok()["next_run"], Value::Null);
    assert_eq!(db.count("SELECT COUNT(*) FROM flips").await, 0);
    app.post("/v1/segments/none/recalculate", json!({})).await.problem(404, "not_found");
}

async fn sizes_are_kept_by_the_hour(db: Database) {
    let app = App::start(&db).await;
    app.push(project(json!([expr("bought", bought())]), json!([]))).await;
    app.settle().await;
    for (user, wait) in [("ada", "90m"), ("bob", "30m"), ("eve", "2h")] {
        app.emit(user, "purchase", json!({})).await;
        app.settle().await;
        app.advance(wait).await;
    }
    let segment = app.get("/v1/segments/bought").await.ok();
    let sizes: Vec<_> = segment["sizes"].as_array().expect("sizes").iter().map(|s| (&s["at"], &s["users"])).collect();
    let expected = [
        ("2026-01-01T09:00:00Z", 0),
        ("2026-01-01T10:00:00Z", 1),
        ("2026-01-01T11:00:00Z", 2),
        ("2026-01-01T13:00:00Z", 3),
    ];
    let expected: Vec<(Value, Value)> = expected.iter().map(|(at, users)| (json!(at), json!(users))).collect();
    assert_eq!(sizes, expected.iter().map(|(a, u)| (a, u)).collect::<Vec<_>>());
    assert_eq!(segment["users"], 3);
}

async fn an_estimate_counts_and_shows_some(db: Database) {
    let app = App::start(&db).await;
    populate(&app, 0..30, |n| json!({ "plan": if n % 2 == 0 { "pro" } else { "free" } })).await;
    let pro = project(json!([expr("pro", eq(&["plan"], json!("pro")))]), json!([]));
    let plan = app.deploy("?dry_run=true", pro).await.ok();
    assert_eq!(plan["segments"]["pro"]["users"], 15);
    let sample: Vec<&str> =
        plan["segments"]["pro"]["sample"].as_array().expect("some").iter().filter_map(Value::as_str).collect();
    assert_eq!(sample, ["u0", "u10", "u12", "u14", "u16", "u18", "u2", "u20", "u22", "u24"]);
    assert_eq!(app.get("/v1/segments").await.ok()["items"], json!([]), "nothing was pushed");
}

async fn history_changes_membership_and_enrols_nobody(db: Database) {
    let app = App::start(&db).await;
    app.push(project(json!([expr("bought", bought())]), json!([made::campaign("hello", "bought")]))).await;
    let old = json!({ "type": "track", "user_id": "ada", "name": "purchase", "occurred_at": "2025-06-01T00:00:00Z", "historical": true });
    let new = json!({ "type": "track", "user_id": "bob", "name": "purchase" });
    app.post("/v1/batch", json!({ "batch": [old, new] })).await.ok();
    app.settle().await;
    assert_eq!(members(&app, "bought").await, ["ada", "bob"]);
    assert_eq!((app.enrollments("ada").await.len(), app.enrollments("bob").await.len()), (0, 1));
}

async fn the_past_counts_where_it_belongs(db: Database) {
    let app = App::start(&db).await;
    let recent = json!({ "measure": { "events": { "name": "purchase", "within": 10 * DAY }, "measure": "count", "is": { "ge": 2 } } });
    app.push(project(json!([expr("recent", recent)]), json!([]))).await;
    let buy = async |id: &str, at: &str| {
        let event = json!({ "name": "purchase", "id": id, "occurred_at": at });
        app.post("/v1/users/ada/events", event).await.ok();
        app.settle().await;
        members(&app, "recent").await.len()
    };
    assert_eq!(buy("a", "2025-12-31T09:00:00Z").await, 0);
    assert_eq!(buy("a", "2026-01-01T08:00:00Z").await, 0, "the same id counts once");
    assert_eq!(buy("b", "2025-12-22T09:00:00Z").await, 0, "outside the window, to the moment");
    assert_eq!(buy("c", "2025-12-22T09:00:01Z").await, 1);
    app.advance("1s").await;
    assert_eq!(members(&app, "recent").await.len(), 0, "and leaves it where it belongs");
    let event = json!({ "name": "purchase", "id": "a" });
    app.post("/v1/users/bob/events", event).await.ok();
    app.settle().await;
    assert_eq!(app.items("/v1/users/bob/events").await.len(), 1, "another user's id is another event");
}

async fn what_is_to_come_counts_when_it_has_come(db: Database) {
    let app = App::start(&db).await;
    let logged_in = "SELECT user_id FROM events WHERE name = 'login'";
    app.push(project(json!([sql("in", logged_in, None)]), json!([made::campaign("hello", "in")]))).await;
    for (id, at) in [("a", "2026-01-01T11:00:00Z"), ("b", "2026-01-01T13:00:00Z")] {
        let login = json!({ "name": "login", "id": id, "occurred_at": at });
        app.post("/v1/users/ada/events", login).await.ok();
    }
    app.settle().await;
    app.advance("1h").await;
    assert_eq!(members(&app, "in").await, [""; 0]);
    // A push finds those whose time has not come, whether it is held against all events or those of a name.
    let segments = |any: &str| json!([sql("in", logged_in, None), sql("any", any, None)]);
    app.push(project(segments("SELECT user_id FROM events"), json!([made::campaign("hello", "in")]))).await;
    app.push(project(segments(&format!("{logged_in} OR name = 'x'")), json!([made::campaign("hello", "in")]))).await;
    app.settle().await;
    app.advance("1h").await;
    let since = app.items("/v1/users/ada/segments").await;
    let since: Vec<&Value> = since.iter().map(|segment| &segment["since"]).collect();
    assert_eq!(since, ["2026-01-01T11:00:00Z", "2026-01-01T11:00:00Z"]);
    assert_eq!(app.items("/v1/campaigns/hello/enrollments").await.len(), 1);
    assert_eq!(db.count("SELECT COUNT(*) FROM flips").await, 2, "for the second");
    app.advance("2h").await;
    assert_eq!(db.count("SELECT COUNT(*) FROM flips").await, 0);
}

async fn concurrent_merges_lose_nothing(db: Database) {
    let app = App::start(&db).await;
    let every = json!({ "all": (0..40).map(|n| eq(&[&format!("k{n}")], json!(n))).collect::<Vec<_>>() });
    app.push(project(json!([expr("every", every)]), json!([]))).await;
    app.add("ada", json!({})).await;
    let merging: Vec<_> = (0..40)
        .map(|n| {
            let client = app.with_key(&app.key);
            tokio::spawn(async move {
                client.add("ada", json!({ (format!("k{n}")): n, "o": { (format!("k{n}")): n } })).await
            })
        })
        .collect();
    for merge in merging {
        merge.await.expect("merged");
    }
    app.settle().await;
    let user = app.get("/v1/users/ada").await.ok();
    assert_eq!(user["attributes"]["o"].as_object().map(|o| o.len()), Some(40));
    assert_eq!(members(&app, "every").await, ["ada"]);
}
