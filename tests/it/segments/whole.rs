//! What a query about all users has answered is told a chunk at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use segflow_core::step::What;
use segflow_server::args;
use segflow_server::store::inbox::Body;
use segflow_server::store::runs::{self, How, Verdicts};
use segflow_server::store::{Store, deployments, fence};

use crate::harness::*;

both![verdicts_are_told_in_chunks_and_once];

async fn verdicts_are_told_in_chunks_and_once(db: Database) {
    let store = Store::open(&db.url(), Duration::ZERO).await.expect("opened");
    deployments::make_workspace(&store.db, "main", 0).await.expect("made");
    let server = fence::join(&store.db).await.expect("joined");
    let users: Vec<String> = (0..2_500).map(|n| format!("u{n}")).collect();
    let mut tx = store.db.begin().await.expect("begun");
    for (n, id) in users.iter().enumerate() {
        let sql = "INSERT INTO users (workspace, id, bucket, incarnation, attributes, seq, evaluated, created_at, updated_at) \
                   VALUES ('main', ?, 3, 'i', '{}', 0, 0, 0, 0)";
        tx.run(sql, args![id]).await.expect("written");
        if n % 3 == 0 {
            let sql = "INSERT INTO memberships (workspace, user_id, segment, since) VALUES ('main', ?, 'top', 0)";
            tx.run(sql, args![id]).await.expect("written");
        }
    }
    tx.commit().await.expect("committed");
    // The query knows somebody who was erased meanwhile.
    let mut members: Vec<String> = users.iter().step_by(2).cloned().chain(["nobody".to_string()]).collect();
    members.sort();
    let verdicts = Arc::new(Verdicts { members, rule: 7 });
    let buckets: BTreeSet<u16> = (0..64).collect();
    runs::ask(&store.db, "main", "top", Some(3_600_000), 1_000).await.expect("asked");
    let (mut told, mut chunks) = (BTreeMap::new(), 0);
    while let Some(run) = runs::due(&store.db, &buckets, 1_000).await.expect("read") {
        runs::go_on(&store.db, &server, &run, &How::Whole(verdicts.clone()), 1_000).await.expect("gone on");
        // The same once more changes nothing: somebody has gone on already.
        runs::go_on(&store.db, &server, &run, &How::Whole(verdicts.clone()), 1_000).await.expect("left alone");
        let rows = store.db.read("SELECT user_id, body FROM inbox", vec![]).await.expect("read");
        assert!(rows.len() <= 1_024, "{} at once", rows.len());
        assert_eq!(runs::is_enough(&store.db, &buckets).await.expect("read"), rows.len() >= 512);
        for row in rows {
            let (user, body) = (row.text(0).expect("an id"), row.text(1).expect("a fact"));
            match Body::read(&body).expect("read").0 {
                What::Verdict { segment, holds, rule: 7, first: false, .. } if segment == "top" => {
                    assert!(told.insert(user, holds).is_none(), "told twice");
                }
                other => panic!("{other:?}"),
            }
        }
        let mut tx = store.db.begin().await.expect("begun");
        tx.run("DELETE FROM inbox", vec![]).await.expect("deleted");
        tx.commit().await.expect("committed");
        chunks += 1;
    }
    let differs = users.iter().enumerate().filter(|(n, _)| (n % 2 == 0) != (n % 3 == 0));
    let expected: BTreeMap<String, bool> = differs.map(|(n, id)| (id.clone(), n % 2 == 0)).collect();
    assert_eq!(told, expected);
    assert!(chunks > 2, "{chunks} chunks");
    assert!(runs::due(&store.db, &buckets, 3_601_000).await.expect("read").is_some(), "and again an hour later");
    store.db.close().await;
}
