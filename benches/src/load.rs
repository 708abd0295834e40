//! Many clients at once, on one thread of their own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::http::Connection;
use crate::now;
use crate::report::Times;

/// What a crowd saw.
pub struct Seen {
    pub took: Duration,
    pub times: Times,
}

/// Adds users one by one over so many connections, each sending its next request when the last one is answered.
pub async fn add_users(address: SocketAddr, key: &str, connections: usize, users: usize) -> Result<Seen> {
    let key = key.to_string();
    let crowd = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut open = vec![];
            for _ in 0..connections {
                open.push(Connection::open(address, &key).await?);
            }
            let started = now();
            let clients: Vec<_> = (0..connections)
                .zip(open)
                .map(|(first, connection)| tokio::spawn(client(connection, first, connections, users)))
                .collect();
            let mut times = Times::default();
            for client in clients {
                times.extend(client.await??);
            }
            Ok(Seen { took: started.elapsed(), times })
        })
    };
    tokio::task::spawn_blocking(crowd).await?
}

async fn client(mut connection: Connection, first: usize, step: usize, end: usize) -> Result<Times> {
    let mut times = Times::default();
    for number in (first..end).step_by(step) {
        let path = format!("/v1/users/user-{number}");
        let body = format!(
            r#"{{"attributes":{{"username":"User {number}","email":"user-{number}@bench.example","winback":false}}}}"#
        );
        let started = now();
        let answer = connection.call("PATCH", &path, body.as_bytes()).await?;
        ensure!(answer.status < 300, "answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
        times.add(started.elapsed());
    }
    Ok(times)
}
