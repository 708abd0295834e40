//! A server in this process.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use segflow_server::delivery::Capture;
use segflow_server::{Config, Server};

use super::smtp::Smtp;
use super::{Client, Database, START, Value, ms, plugins, until};

/// A running server, and a client of its main workspace. When it is dropped, it is stopped and nothing may be left to do.
pub struct App {
    client: Client,
    pub capture: Arc<Capture>,
    server: Option<Server>,
    config: Config,
    database: Database,
    leaves_work: bool,
}

impl Deref for App {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl App {
    /// A development server with a virtual clock.
    pub async fn start(database: &Database) -> App {
        App::with(database, dev(database)).await
    }

    /// A development server with the storefront on it.
    pub async fn storefront(database: &Database) -> App {
        let app = App::start(database).await;
        app.push(plugins::storefront()).await;
        app
    }

    /// A production server.
    pub async fn production(database: &Database) -> App {
        App::with(database, production(database)).await
    }

    /// A production server with a project that sends over SMTP.
    pub async fn smtp(database: &Database, smtp: &Smtp) -> App {
        let secrets = BTreeMap::from([("SMTP_URL".to_string(), smtp.url())]);
        let app = App::with(database, Config { secrets, ..production(database) }).await;
        app.push(plugins::mailer()).await;
        app
    }

    pub async fn with(database: &Database, config: Config) -> App {
        App::at(database, config, std::net::TcpListener::bind("127.0.0.1:0").expect("a port")).await
    }

    /// Where it is known before it starts by which address it is reached.
    pub async fn at(database: &Database, config: Config, listener: std::net::TcpListener) -> App {
        let server = Server::start(config.clone(), listener).await.expect("the server starts");
        let (_, key) = server.make_key("main", "test").await.expect("a key");
        let client = Client::new(format!("http://{}", server.address()), key);
        let capture = config.capture.clone();
        App { client, capture, server: Some(server), config, database: database.clone(), leaves_work: false }
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// A client of another workspace, which is made if it is not there.
    pub async fn workspace(&self, name: &str) -> Client {
        let (_, key) = self.server().make_key(name, "test").await.expect("a key");
        Client::new(self.base.clone(), key)
    }

    /// Waits until all that is due has been done.
    pub async fn settle(&self) {
        if self.config.virtual_clock {
            self.advance("0s").await;
            return;
        }
        until("nothing is left to do", || async {
            let now = jiff_now();
            let left = self.left(now).await;
            left.is_empty().then_some(())
        })
        .await;
    }

    /// What is due at an instant and not done.
    async fn left(&self, now: i64) -> Vec<String> {
        let mut left = vec![];
        for (what, sql) in [
            // In the order in which work moves on, so that none of it slips through between two looks.
            ("facts in the inbox", "SELECT COUNT(*) FROM inbox".to_string()),
            ("users behind", BEHIND.to_string()),
            ("segments to be gone through", format!("SELECT COUNT(*) FROM segment_runs WHERE due_at <= {now}")),
            ("segments due", format!("SELECT COUNT(*) FROM flips WHERE flip_at <= {now}")),
            ("enrollments due", format!("SELECT COUNT(*) FROM enrollments WHERE wake_at <= {now}")),
            ("webhooks due", format!("SELECT COUNT(*) FROM webhooks WHERE due_at <= {now} AND {NOT_HELD}")),
            ("messages due", format!("SELECT COUNT(*) FROM messages WHERE due_at <= {now} AND {NOT_HELD}")),
            ("things to be told", format!("{TO_TELL} AND COALESCE(e.rests_until, 0) <= {now} AND d.due_at <= {now}")),
            ("messages being sent", "SELECT COUNT(*) FROM messages WHERE status = 'sending'".to_string()),
        ] {
            let count = self.database.count(&sql).await;
            if count > 0 {
                left.push(format!("{count} {what}"));
            }
        }
        left
    }

    /// This test ends with work to do, and means it.
    pub fn leave_work(&mut self) {
        self.leaves_work = true;
    }

    /// Stops the server as SIGTERM does.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Another server on the same database, after this one.
    pub async fn restart(mut self) -> App {
        let (database, config) = (self.database.clone(), self.config.clone());
        self.server.take().expect("it runs").stop().await;
        App::with(&database, config).await
    }

    async fn nothing_left(&self) -> Vec<String> {
        self.settle().await;
        let now = match self.config.virtual_clock {
            true => ms(self.get("/v1/dev/clock").await.ok()["now"].as_str().expect("an instant")),
            false => jiff_now(),
        };
        self.left(now).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if self.server.is_none() || std::thread::panicking() {
            return;
        }
        let check = !self.leaves_work;
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let left = if check { self.nothing_left().await } else { vec![] };
                if let Some(server) = self.server.take() {
                    server.stop().await;
                }
                assert!(left.is_empty(), "the test leaves {}", left.join(", "));
            });
        });
    }
}

/// What endpoints are to be told that can be told.
const TO_TELL: &str = "SELECT COUNT(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint \
                       WHERE e.disabled_at IS NULL";

/// Those who have not been held against the newest push.
const BEHIND: &str = "SELECT COUNT(*) FROM users JOIN workspaces ON workspaces.id = users.workspace WHERE users.evaluated < workspaces.generation";

/// What is held is meant to wait.
const NOT_HELD: &str = "workspace NOT IN (SELECT id FROM workspaces WHERE held_at IS NOT NULL)";

/// How a development server is started here.
pub fn dev(database: &Database) -> Config {
    let start_at = Some(ms(START));
    Config { db: database.url(), virtual_clock: true, start_at, cache: Some(plugins::compiled()), ..Config::dev("") }
}

pub fn production(database: &Database) -> Config {
    let public_url = Some("https://mail.segflow.example".into());
    Config { cache: Some(plugins::compiled()), public_url, ..Config::production(database.url()) }
}

#[allow(clippy::disallowed_methods, reason = "a production server follows this clock, so its tests do")]
fn jiff_now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The message of a list that has a template.
pub fn of_template<'a>(messages: &'a [Value], template: &str) -> Vec<&'a Value> {
    messages.iter().filter(|m| m["template"] == template).collect()
}
