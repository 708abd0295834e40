//! Events that are reported, and whether they have been decided about.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use segflow_benches::http::Connection;
use segflow_benches::now;
use segflow_benches::report::Times;
use segflow_benches::stand::Stand;
use serde_json::{Value, json};

use crate::project::user;

pub const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Which events of which users.
#[derive(Debug, Clone, Copy)]
pub struct Events {
    pub many: usize,
    pub users: usize,
    /// None of any segment's; otherwise logins and purchases.
    pub unread: bool,
    /// How many in a second; `None`: as many as are taken.
    pub rate: Option<u64>,
}

impl Events {
    fn one(self, n: usize) -> (String, Value) {
        let name = match (self.unread, n % 3) {
            (true, _) => "unread",
            (_, 0) => "purchase",
            _ => "login",
        };
        // Spread over all of them, in no order.
        (user(n * 7_919 % self.users), json!({ "name": name, "attributes": { "value": n % 50 } }))
    }

    /// Reports them one by one over so many connections. The times begin when each was to be sent.
    pub async fn report(self, stand: &Stand, connections: usize) -> Result<Times> {
        let started = now();
        let mut clients = vec![];
        for first in 0..connections {
            let connection = stand.connect().await?;
            clients.push(tokio::spawn(self.client(connection, first, connections, started)));
        }
        let mut times = Times::default();
        for client in clients {
            times.extend(client.await??);
        }
        Ok(times)
    }

    async fn client(self, mut connection: Connection, first: usize, step: usize, started: Instant) -> Result<Times> {
        let mut times = Times::default();
        for n in (first..self.many).step_by(step) {
            let (user, body) = self.one(n);
            let (path, body) = (format!("/v1/users/{user}/events"), body.to_string());
            let at = match self.rate {
                Some(rate) => {
                    let at = started + Duration::from_secs_f64(n as f64 / rate as f64);
                    tokio::time::sleep_until(at.into()).await;
                    at
                }
                None => now(),
            };
            connection.json("POST", &path, body.as_bytes()).await?;
            times.add(at.elapsed());
        }
        Ok(times)
    }
}

pub async fn batch(connection: &mut Connection, items: impl Iterator<Item = Value>) -> Result<()> {
    let items: Vec<Value> = items.collect();
    if !items.is_empty() {
        connection.json("POST", "/v1/batch", json!({ "batch": items }).to_string().as_bytes()).await?;
    }
    Ok(())
}

/// Until nothing is left to be decided.
pub async fn settled(stand: &Stand) -> Result<()> {
    let started = now();
    while stand.has_work().await? {
        ensure!(started.elapsed() < PATIENCE, "it never settles");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
