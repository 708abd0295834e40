//! What cannot be read or stored of one user holds up nobody else, and says so.

use crate::harness::*;

both![what_is_stored_of_a_user_cannot_be_read, a_first_step_cannot_be_stored];

async fn start(db: &Database) -> App {
    let app = App::start(db).await;
    app.push(plugins::flows("")).await;
    app
}

async fn add(app: &App, user: &str, does: &str) {
    app.add(user, json!({ "email": format!("{user}@flows.example"), "does": does })).await;
}

async fn run(db: &Database, sql: &'static str, args: Vec<segflow_server::store::db::Value>) {
    let beside = db.open().await;
    let mut tx = beside.begin().await.expect("begun");
    tx.run(sql, args).await.expect("done");
    tx.commit().await.expect("committed");
    beside.close().await;
}

async fn what_is_stored_of_a_user_cannot_be_read(db: Database) {
    let app = start(&db).await;
    let users: Vec<String> = (0..9).map(|n| format!("u{n}")).collect();
    for user in &users {
        add(&app, user, "drip").await;
    }
    app.settle().await;
    let kept = db.rows("SELECT pending FROM enrollments WHERE user_id = 'u4'").await[0].blob(0).expect("bytes");
    run(&db, "UPDATE enrollments SET pending = X'01FFFFFF' WHERE user_id = 'u4'", vec![]).await;
    app.advance("1d").await;
    for user in &users {
        let sent = app.messages(user).await.len();
        assert_eq!(sent, if user == "u4" { 1 } else { 2 }, "{user}");
    }
    // And goes on when it can be read again.
    run(&db, "UPDATE enrollments SET pending = ? WHERE user_id = 'u4'", segflow_server::args![kept]).await;
    until("it goes on", || async {
        app.settle().await;
        (app.messages("u4").await.len() == 2).then_some(())
    })
    .await;
    app.advance("5d").await;
}

async fn a_first_step_cannot_be_stored(db: Database) {
    let app = start(&db).await;
    // Where goals are counted: the flow `win` reaches one in its first turn.
    run(&db, "ALTER TABLE marks RENAME TO lost_marks", vec![]).await;
    add(&app, "ada", "win").await;
    add(&app, "bob", "drip").await;
    until("it is parked", || async {
        app.settle().await;
        let all = app.enrollments("ada").await;
        all.first().is_some_and(|one| one["status"] == "parked").then_some(())
    })
    .await;
    assert_eq!(app.messages("bob").await.len(), 1);
    let parked = &app.enrollments("ada").await[0];
    let reason = parked["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("what it decided could not be stored: "), "{reason}");
    assert_eq!(app.messages("ada").await.len(), 0);
    // Its facts are consumed without it.
    until("nothing is tried for ever", || async {
        app.settle().await;
        (db.count("SELECT COUNT(*) FROM inbox").await == 0).then_some(())
    })
    .await;
    assert_eq!(app.enrollments("ada").await.len(), 1);
    run(&db, "ALTER TABLE lost_marks RENAME TO marks", vec![]).await;
    let id = parked["id"].as_str().expect("an id");
    app.post(&format!("/v1/enrollments/{id}/resume"), json!({})).await.ok();
    app.settle().await;
    assert_eq!(app.messages("ada").await.len(), 1);
    app.advance("9d").await;
    assert_eq!(app.get(&format!("/v1/enrollments/{id}")).await.ok()["status"], "done");
}
