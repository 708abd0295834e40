//! A database that goes away and comes back.

use segflow_server::Config;

use crate::harness::app::dev;
use crate::harness::wire::Wire;
use crate::harness::*;

#[test]
fn the_api_says_that_the_store_is_away_and_all_goes_on_when_it_is_back() {
    run(Kind::MySql, |db| async move {
        let wire = Wire::to(&db).await;
        let app = App::with(&db, Config { db: wire.url.clone(), ..dev(&db) }).await;
        app.push(plugins::variant("base")).await;
        app.add("ada", json!({ "name": "Ada", "email": "ada@x.example" })).await;
        app.settle().await;

        wire.cut();
        let (client, other) = (app.with_key(&app.key), app.with_key(&app.key));
        let (written, read, ready) = tokio::join!(
            client.patch("/v1/users/ada", json!({"attributes": {"name": "lost?"}})),
            other.get("/v1/users"),
            app.get("/readyz"),
        );
        for answer in [written, read] {
            assert_eq!(answer.headers["retry-after"], "1");
            let detail = answer.problem(503, "store_away")["detail"].as_str().unwrap().to_string();
            assert!(!detail.contains("127.0.0.1") && !detail.contains("SELECT"), "{detail}");
        }
        ready.problem(503, "store_away");
        assert_eq!(app.get("/healthz").await.status, 200, "the process is well");

        wire.mend();
        until("it is ready again", || async { (app.get("/readyz").await.status == 200).then_some(()) }).await;
        app.add("ada", json!({ "name": "Ada Lovelace" })).await;
        app.advance("2d").await;
        let messages = app.messages("ada").await;
        assert_eq!(messages.len(), 2);
        assert_eq!(app.message(&messages[1]).await["subject"], "Goodbye, Ada Lovelace");
    });
}
