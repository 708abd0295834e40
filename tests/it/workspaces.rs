//! The key decides the workspace: the same ids in two of them have nothing to do with one another.

use crate::harness::*;

both![the_same_ids_in_two_workspaces, keys_take_effect_at_once];

async fn the_same_ids_in_two_workspaces(db: Database) {
    let app = App::storefront(&db).await;
    let other = app.workspace("other").await;
    assert_eq!(other.get("/v1/me").await.ok()["workspace"], "other");
    // Seen in a predecessor: one tenant's retry dropped another tenant's event.
    let purchase =
        |value: u32| json!({"name": "purchase", "id": "order-1", "attributes": {"value": value, "order_id": "A-1"}});
    app.add("ada", json!({ "username": "Ada", "email": "ada@one.example" })).await;
    other.add("ada", json!({ "username": "Adele", "email": "ada@two.example" })).await;
    app.post("/v1/users/ada/events", purchase(2_000)).await.ok();
    other.post("/v1/users/ada/events", purchase(5)).await.ok();
    app.settle().await;
    assert_eq!((app.messages("ada").await.len(), other.messages("ada").await.len()), (3, 0));
    assert_eq!((app.items("/v1/segments").await.len(), other.items("/v1/segments").await.len()), (4, 0));
    assert_eq!(other.items("/v1/deployments").await.len(), 0);

    other.push(plugins::storefront()).await;
    app.settle().await;
    let message = other.message(&other.items("/v1/messages?campaign=welcome-campaign").await[0]).await;
    assert_eq!(
        (&message["to"], &message["subject"]),
        (&json!("ada@two.example"), &json!("Welcome to Segflow, Adele!"))
    );
    assert_eq!(other.segments("ada").await, ["all-users", "purchased-users"]);
    assert_eq!(app.segments("ada").await, ["all-users", "big-spenders", "purchased-users"]);
    assert_eq!(app.items("/v1/segments/all-users/members").await.len(), 1);

    // Nothing of one is found with the key of the other.
    let foreign = &app.messages("ada").await[0];
    other.get(&format!("/v1/messages/{}", foreign["id"].as_str().unwrap())).await.problem(404, "not_found");
    let foreign = &app.enrollments("ada").await[0];
    other.get(&format!("/v1/enrollments/{}", foreign["id"].as_str().unwrap())).await.problem(404, "not_found");
    let ids = |items: Vec<Value>| items.iter().map(|i| i["id"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    let (mine, theirs) = (ids(app.items("/v1/messages").await), ids(other.items("/v1/messages").await));
    assert!(mine.iter().all(|id| !theirs.contains(id)));

    assert_eq!(app.delete("/v1/users/ada").await.status, 204);
    assert_eq!(other.get("/v1/users/ada").await.ok()["attributes"]["username"], "Adele");
    assert_eq!(other.items("/v1/users/ada/events").await.len(), 1);
    assert_eq!(other.segments("ada").await.len(), 2);
    app.settle().await;
}

async fn keys_take_effect_at_once(db: Database) {
    let app = App::start(&db).await;
    let other = app.workspace("other").await;
    let made = app.post("/v1/keys", json!({ "name": "shop" })).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with("sk_") && made["name"] == "shop");
    let shop = app.with_key(key);
    assert_eq!(shop.get("/v1/me").await.ok()["key"], json!({ "id": id, "name": "shop" }));
    let listed = app.items("/v1/keys").await;
    let listed = listed.iter().find(|k| k["id"] == id).expect("listed");
    assert_eq!((&listed["name"], &listed["revoked_at"]), (&json!("shop"), &Value::Null));
    assert!(!listed.to_string().contains(key), "a key is shown once");
    assert!(key.starts_with(listed["prefix"].as_str().unwrap()));
    let stored = db.rows("SELECT hash, prefix FROM api_keys").await;
    assert!(stored.iter().all(|row| !row.text(0).unwrap().contains(&key[3..]) && row.text(1).unwrap().len() < 12));

    assert!(other.items("/v1/keys").await.iter().all(|k| k["id"] != id));
    other.delete(&format!("/v1/keys/{id}")).await.problem(404, "not_found");
    shop.add("ada", json!({})).await;
    assert_eq!(app.delete(&format!("/v1/keys/{id}")).await.status, 204);
    shop.get("/v1/users").await.problem(401, "wrong_key");
    app.with_key(key).patch("/v1/users/ada", json!({"attributes": {}})).await.problem(401, "wrong_key");
    assert_eq!(app.delete(&format!("/v1/keys/{id}")).await.status, 204, "once more is no harm");
    let listed = app.items("/v1/keys").await;
    assert_eq!(listed.iter().find(|k| k["id"] == id).unwrap()["revoked_at"].as_str().map(|_| ()), Some(()));
    app.settle().await;
}
