//! A server in this process, on a real socket.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use segflow_server::delivery::Capture;
use segflow_server::store::deployments;
use segflow_server::{Config, Server, args};
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
        Stand::with(database, commit_delay, BTreeMap::new(), None).await
    }

    /// One that knows these secrets.
    pub async fn knowing(
        database: &Database,
        commit_delay: Duration,
        secrets: BTreeMap<String, String>,
    ) -> Result<Stand> {
        Stand::with(database, commit_delay, secrets, None).await
    }

    /// On a database that has a key already.
    pub async fn again(database: &Database, commit_delay: Duration, key: String) -> Result<Stand> {
        Stand::with(database, commit_delay, BTreeMap::new(), Some(key)).await
    }

    async fn with(
        database: &Database,
        commit_delay: Duration,
        secrets: BTreeMap<String, String>,
        key: Option<String>,
    ) -> Result<Stand> {
        let capture = Arc::new(Capture::default());
        let config = Config {
            commit_delay,
            secrets,
            capture: capture.clone(),
            cache: Some(database::scratch()?.join("modules")),
            ..Config::production(&database.url)
        };
        let server = Server::start(config, TcpListener::bind("127.0.0.1:0")?).await?;
        let key = match key {
            Some(key) => key,
            None => server.init_key().await?.context("a fresh database has no keys")?,
        };
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
        Ok(self.has_news().await? || self.is_behind().await?)
    }

    /// Whether a fact has not been decided about.
    pub async fn has_news(&self) -> Result<bool> {
        self.finds("SELECT id FROM inbox LIMIT 1", vec![]).await
    }

    /// Whether a message waits to be sent.
    pub async fn has_mail(&self) -> Result<bool> {
        self.finds("SELECT id FROM messages WHERE lane > '' LIMIT 1", vec![]).await
    }

    /// Whether somebody has not been held against the newest push. Only what is written down when all have been is asked for: to look for
    /// somebody who is behind would be work.
    pub async fn is_behind(&self) -> Result<bool> {
        let db = &self.server.store().db;
        let generation = deployments::generation(db, "main").await.map_err(anyhow::Error::new)?;
        let sql = "SELECT workspace FROM settled WHERE workspace = 'main' AND generation >= ? GROUP BY workspace HAVING COUNT(*) = 64";
        Ok(generation > 0 && !self.finds(sql, args![generation]).await?)
    }

    /// The number that a query answers.
    pub async fn count(&self, sql: &str, args: Vec<segflow_server::store::db::Value>) -> Result<i64> {
        let row = self.server.store().db.read_one(sql, args).await.map_err(anyhow::Error::new)?;
        row.context("a count")?.int(0).map_err(anyhow::Error::new)
    }

    async fn finds(&self, sql: &str, args: Vec<segflow_server::store::db::Value>) -> Result<bool> {
        Ok(self.server.store().db.read_one(sql, args).await.map_err(anyhow::Error::new)?.is_some())
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}
