//! A server in this process, on a real socket.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use segflow_server::delivery::Capture;
use segflow_server::store::{behind, deployments};
use segflow_server::{Config, Server};
use serde_json::Value;

use crate::database::{self, Database};
use crate::http::Connection;

pub struct Stand {
    server: Server,
    pub address: SocketAddr,
    pub key: String,
    /// Where all mail goes.
    pub capture: Arc<Capture>,
}

impl Stand {
    pub async fn start(database: &Database, commit_delay: Duration) -> Result<Stand> {
        let capture = Arc::new(Capture::default());
        let config = Config {
            commit_delay,
            capture: capture.clone(),
            cache: Some(database::scratch()?.join("modules")),
            ..Config::production(&database.url)
        };
        let server = Server::start(config, TcpListener::bind("127.0.0.1:0")?).await?;
        let key = server.init_key().await?.context("a fresh database has no keys")?;
        Ok(Stand { address: server.address(), server, key, capture })
    }

    pub async fn connect(&self) -> Result<Connection> {
        Ok(Connection::open(self.address, &self.key).await?)
    }

    /// Pushes a module; the plan that was applied.
    pub async fn push(&self, wasm: &[u8]) -> Result<Value> {
        self.connect().await?.json("POST", "/v1/deployments?allow_enter=1000000", wasm).await
    }

    /// Whether there is something to be decided.
    pub async fn has_work(&self) -> Result<bool> {
        let db = &self.server.store().db;
        let waiting = db.read_one("SELECT id FROM inbox LIMIT 1", vec![]).await.map_err(anyhow::Error::new)?;
        if waiting.is_some() {
            return Ok(true);
        }
        let generation = deployments::generation(db, "main").await.map_err(anyhow::Error::new)?;
        Ok(behind::left(db, "main", generation).await.map_err(anyhow::Error::new)? > 0)
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}
