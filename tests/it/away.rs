//! A database that goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use segflow_server::Config;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::harness::app::dev;
use crate::harness::*;

/// Something between a server and its database that can be cut.
struct Wire {
    port: u16,
    is_cut: Arc<AtomicBool>,
    open: Arc<std::sync::Mutex<Vec<AbortHandle>>>,
}

impl Wire {
    async fn to(address: String) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let wire = Wire { port, is_cut: Arc::default(), open: Arc::default() };
        let (is_cut, open) = (wire.is_cut.clone(), wire.open.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(mut far) = TcpStream::connect(&address).await else { continue };
                let copying =
                    tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
                open.lock().unwrap().push(copying.abort_handle());
            }
        });
        wire
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.open.lock().unwrap().drain(..).for_each(|handle| handle.abort());
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

#[test]
fn the_api_says_that_the_store_is_away_and_all_goes_on_when_it_is_back() {
    run(Kind::MySql, |db| async move {
        let url = db.url();
        let (user, rest) = url.split_once('@').expect("a user");
        let (address, name) = rest.split_once('/').expect("a name");
        let wire = Wire::to(address.to_string()).await;
        let through = format!("{user}@127.0.0.1:{}/{name}", wire.port);
        let app = App::with(&db, Config { db: through, ..dev(&db) }).await;
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
