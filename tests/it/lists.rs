//! Lists: items, next, limit and after, everywhere.

use std::collections::BTreeSet;

use crate::harness::*;

both![every_list_goes_on_where_it_stopped, limits_are_from_1_to_1000, lists_can_be_narrowed];

/// Some of everything.
async fn busy(db: &Database) -> App {
    let app = App::storefront(db).await;
    let more = app.deploy("", plugins::variant("quiet")).await.ok();
    assert_eq!(more["applied"], true);
    app.push(plugins::storefront()).await;
    for n in 0..7 {
        let attributes =
            json!({ "username": format!("U{n}"), "email": format!("u{n}@shop.example"), "winback": n % 2 == 0 });
        app.add(&format!("u{n}"), attributes).await;
        app.emit("u0", "purchase", json!({ "value": 500, "order_id": n.to_string() })).await;
        app.post("/v1/keys", json!({ "name": format!("key {n}") })).await.ok();
    }
    app.advance("3d").await;
    app
}

async fn every_list_goes_on_where_it_stopped(db: Database) {
    let app = busy(&db).await;
    for (path, least) in [
        ("/v1/users", 7),
        ("/v1/users/u0/events", 7),
        ("/v1/users/u0/segments", 4),
        ("/v1/users/u0/enrollments", 3),
        ("/v1/users/u0/messages", 9),
        ("/v1/deployments", 3),
        ("/v1/segments", 4),
        ("/v1/segments/all-users/members", 7),
        ("/v1/campaigns", 3),
        ("/v1/campaigns/welcome-campaign/enrollments", 7),
        ("/v1/messages", 20),
        ("/v1/messages?status=sent", 20),
        ("/v1/keys", 8),
    ] {
        let all = app.get(path).await.ok();
        let members: BTreeSet<&String> = all.as_object().unwrap().keys().collect();
        assert_eq!(members, BTreeSet::from([&"items".to_string(), &"next".to_string()]), "{path}");
        assert_eq!(all["next"], Value::Null, "{path}");
        let all = all["items"].as_array().unwrap().clone();
        assert!(all.len() >= least, "{path}: {}", all.len());
        for limit in [1, 3] {
            let glue = if path.contains('?') { '&' } else { '?' };
            let (mut found, mut after, mut pages) = (vec![], String::new(), 0);
            loop {
                let page = app.get(&format!("{path}{glue}limit={limit}{after}")).await.ok();
                let items = page["items"].as_array().unwrap();
                assert!(!items.is_empty() && items.len() <= limit, "{path}");
                found.extend(items.iter().cloned());
                pages += 1;
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!(found, all, "{path} by {limit}");
            assert_eq!(pages, all.len().div_ceil(limit), "{path} by {limit}");
        }
    }
}

async fn limits_are_from_1_to_1000(db: Database) {
    let app = App::start(&db).await;
    let batch: Vec<Value> = (0..150).map(|n| json!({"type": "identify", "user_id": format!("u{n}")})).collect();
    app.post("/v1/batch", json!({ "batch": batch })).await.ok();
    assert_eq!(app.get("/v1/users").await.ok()["items"].as_array().unwrap().len(), 100);
    assert_eq!(app.get("/v1/users?limit=1000").await.ok()["items"].as_array().unwrap().len(), 150);
    for limit in ["0", "1001", "-1", "x", ""] {
        app.get(&format!("/v1/users?limit={limit}")).await.problem(400, "bad_parameter");
    }
    for after in ["x", "ff", "22"] {
        app.get(&format!("/v1/users?after={after}")).await.problem(400, "bad_parameter");
    }
    app.settle().await;
}

async fn lists_can_be_narrowed(db: Database) {
    let app = busy(&db).await;
    app.add("u6", json!({ "winback": false })).await;
    app.settle().await;
    let count = async |path: &str| app.items(path).await.len();
    assert_eq!(count("/v1/messages?campaign=welcome-campaign").await, 7);
    assert_eq!(count("/v1/messages?user_id=u1").await, 1);
    assert_eq!(count("/v1/messages?user_id=u0&campaign=winback-campaign").await, 3);
    assert_eq!(count("/v1/messages?status=refused").await, 0);
    assert_eq!(count("/v1/messages?user_id=nobody").await, 0);
    assert_eq!(count("/v1/campaigns/winback-campaign/enrollments?status=active").await, 3);
    assert_eq!(count("/v1/campaigns/winback-campaign/enrollments?status=exited").await, 1);
    assert_eq!(count("/v1/campaigns/winback-campaign/enrollments?status=parked").await, 0);
    let winback = app.get("/v1/campaigns/winback-campaign").await.ok();
    assert_eq!((&winback["counts"]["active"], &winback["counts"]["exited"]), (&json!(3), &json!(1)));
    assert_eq!(winback["messages"]["sent"], 12);
    assert_eq!(app.get("/v1/segments/all-users").await.ok()["users"], 7);
    let listed = app.items("/v1/segments").await;
    assert_eq!(listed.iter().find(|s| s["id"] == "winback-eligible").unwrap()["users"], 3);
    let members = app.items("/v1/segments/winback-eligible/members").await;
    let members: Vec<&str> = members.iter().map(|m| m["user_id"].as_str().unwrap()).collect();
    assert_eq!(members, ["u0", "u2", "u4"]);
}
