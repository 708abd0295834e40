//! Looks a set-up over: the database, the clock, the public address, the providers, what the sender's domain says. Nothing is sent.

mod dns;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use segflow_core::project::Project;
use segflow_core::protocol::{Dkim, ProviderKind};

use crate::config::{Config, Mode};
use crate::delivery::Delivery;
use crate::deploy::Deploy;
use crate::links::Links;
use crate::replies::imap::Account;
use crate::secrets::Secrets;
use crate::store::settings::settings;
use crate::store::{Result, Store};
use dns::Dns;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Good,
    /// It works, and something should be done.
    Warning,
    /// It does not work.
    Bad,
    /// It could not be found out.
    Unknown,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Warning => "warning",
            State::Bad => "bad",
            State::Unknown => "unknown",
        }
    }
}

/// What was found about a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub about: String,
    pub state: State,
    pub says: String,
}

impl Finding {
    fn new(about: impl Into<String>, state: State, says: impl Into<String>) -> Finding {
        Finding { about: about.into(), state, says: says.into() }
    }
}

/// How long anything may take that is asked elsewhere.
const PATIENCE: Duration = Duration::from_secs(15);

/// Clocks may differ so much, in ms: leases and links are good to seconds.
const SKEW: i64 = 2_000;

pub struct Doctor {
    store: Store,
    deploy: Deploy,
    delivery: Arc<Delivery>,
    links: Links,
    secrets: Secrets,
    client: Client,
    resolver: Option<SocketAddr>,
    production: bool,
    captures: bool,
}

impl Doctor {
    /// # Errors
    ///
    /// If no HTTP client can be made.
    pub fn new(
        store: Store,
        deploy: Deploy,
        delivery: Arc<Delivery>,
        links: Links,
        secrets: Secrets,
        config: &Config,
    ) -> anyhow::Result<Doctor> {
        let client = crate::outgoing::client(|builder| builder.timeout(PATIENCE))?;
        let production = config.mode == Mode::Production;
        let captures = !production && !config.dev_sends;
        Ok(Doctor { store, deploy, delivery, links, secrets, client, resolver: config.resolver, production, captures })
    }

    /// All that can be found out for a workspace.
    pub async fn examine(&self, workspace: &str) -> Result<Vec<Finding>> {
        let project = self.deploy.project(workspace).await?;
        let mut findings = self.database().await?;
        if project.deployment.is_empty() {
            findings.push(Finding::new("project", State::Warning, "nothing is pushed yet: `segflow push`"));
            return Ok(findings);
        }
        let (address, webhooks, providers, mailboxes, domain) = tokio::join!(
            self.address(&project),
            self.webhooks(workspace, &project),
            self.providers(workspace, &project),
            self.mailboxes(workspace, &project),
            self.domain(&project)
        );
        findings.push(address);
        findings.extend(webhooks);
        findings.extend(providers?);
        findings.extend(mailboxes?);
        findings.extend(domain);
        Ok(findings)
    }

    async fn database(&self) -> Result<Vec<Finding>> {
        let settings = settings(&self.store.db).await?;
        let mut findings = vec![Finding::new("database", State::Good, settings.version)];
        findings.extend(settings.wrong.into_iter().map(|wrong| Finding::new("database", State::Warning, wrong)));
        let ahead = settings.ahead;
        findings.push(match ahead.abs() > SKEW {
            false => Finding::new("clock", State::Good, "this server's and the database's agree"),
            true => {
                let (seconds, which) = (ahead.abs() / 1_000, if ahead > 0 { "ahead of" } else { "behind" });
                let says =
                    format!("the database's is {seconds} s {which} this server's: let both follow a time server");
                Finding::new("clock", State::Warning, says)
            }
        });
        Ok(findings)
    }

    /// Whether people, and providers with their notices, reach this server.
    async fn address(&self, project: &Project) -> Finding {
        let about = "address";
        let (base, known) = self.links.base(&project.manifest);
        if !known {
            let says = "nobody has said where people reach this server: campaigns go without one-click unsubscribe; \
                        `segflow serve --public-url https://…`";
            return Finding::new(about, State::Warning, says);
        }
        if !self.production {
            return Finding::new(about, State::Good, base);
        }
        // What it answers to everybody who opens an email, so that a proxy has to let it through.
        let answer = match self.client.get(format!("{base}/o/doctor")).send().await {
            Ok(answer) => answer,
            Err(error) => return Finding::new(about, State::Warning, silent(&base, error)),
        };
        let (status, is_ours) = (answer.status().as_u16(), is_of(&answer, "image/gif"));
        match (status, is_ours) {
            (200, true) if base.starts_with("https://") => Finding::new(about, State::Good, base),
            (200, true) => Finding::new(
                about,
                State::Warning,
                format!("{base} is not encrypted: mail programs want https:// for one-click unsubscribe"),
            ),
            _ => Finding::new(
                about,
                State::Bad,
                format!(
                    "{base}/o/… answers {status}, and not as a Segflow server does: /u/, /p/, /v/, /confirm/, /c/ and /o/ have to lead here"
                ),
            ),
        }
    }

    /// Whether providers reach this server with what they tell, where any of them is to.
    async fn webhooks(&self, workspace: &str, project: &Project) -> Vec<Finding> {
        let (base, known) = self.links.base(&project.manifest);
        let telling: Vec<_> =
            project.manifest.providers.iter().filter(|p| p.webhook.is_some() || p.replies.is_some()).collect();
        if !self.production || self.captures || telling.is_empty() {
            return vec![];
        }
        let about = "webhooks";
        let mut findings = vec![];
        let secrets = self.secrets.of(workspace).await.ok();
        for provider in telling {
            for name in [&provider.webhook, &provider.replies].into_iter().flatten() {
                if secrets.as_ref().is_some_and(|secrets| secrets.get(name).is_none()) {
                    let says =
                        format!("secret {name} is not set on the server: what {} tells is not taken", provider.id);
                    findings.push(Finding::new(about, State::Bad, says));
                }
            }
        }
        if !known {
            return findings;
        }
        // There is no provider of this name: that is what a server of ours says, to whoever asks.
        let answer = self.client.post(format!("{base}/webhooks/{workspace}/-")).send().await;
        findings.push(match answer {
            Err(error) => Finding::new(about, State::Warning, silent(&base, error)),
            Ok(answer) if answer.status() == 404 && is_of(&answer, "application/problem+json") => {
                Finding::new(about, State::Good, format!("{base}/webhooks/{workspace}/… leads here"))
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let says = format!("{base}/webhooks/… answers {status}, and not as a Segflow server does: providers cannot tell what becomes of messages");
                Finding::new(about, State::Bad, says)
            }
        });
        findings
    }

    async fn providers(&self, workspace: &str, project: &Project) -> Result<Vec<Finding>> {
        if self.captures {
            return Ok(vec![Finding::new("providers", State::Good, "a development server sends nothing")]);
        }
        if project.manifest.providers.is_empty() {
            return Ok(vec![Finding::new(
                "providers",
                State::Bad,
                "the project declares none: add `.provider(…)` and push",
            )]);
        }
        let found = self.delivery.examine(workspace).await?;
        Ok(found
            .into_iter()
            .map(|(id, found)| match found {
                Some(Ok(says)) => Finding::new(id, State::Good, says),
                Some(Err(why)) => Finding::new(id, State::Bad, why),
                None => Finding::new(
                    id,
                    State::Unknown,
                    "it can be asked nothing; `segflow emails send` sends a test through it",
                ),
            })
            .collect())
    }

    /// Whether the mailboxes can be read in which answers are looked for.
    async fn mailboxes(&self, workspace: &str, project: &Project) -> Result<Vec<Finding>> {
        let secrets = self.secrets.of(workspace).await?;
        let mailboxes = project.manifest.mailboxes.iter().filter(|_| !self.captures);
        Ok(join_all(mailboxes.map(async |mailbox| {
            let opened = match secrets.get(&mailbox.url) {
                None => Err(format!("secret {} is not set on the server", mailbox.url)),
                Some(url) => match Account::new(&url, mailbox.folder.as_deref()) {
                    Err(why) => Err(format!("secret {}: {why}", mailbox.url)),
                    Ok(account) => account.open().await,
                },
            };
            match opened {
                Ok(folder) => {
                    let says = folder.says();
                    folder.close().await;
                    Finding::new(mailbox.id.clone(), State::Good, says)
                }
                Err(why) => Finding::new(mailbox.id.clone(), State::Bad, why),
            }
        }))
        .await)
    }

    /// What the sender's domain says to those who receive mail from it.
    async fn domain(&self, project: &Project) -> Vec<Finding> {
        let Some(from) = project.manifest.from.as_deref().filter(|_| !self.captures) else { return vec![] };
        let Some(domain) = dns::domain(from) else {
            return vec![Finding::new("sender", State::Bad, format!("`{from}` is no sender"))];
        };
        let dns = match Dns::at(self.resolver) {
            Ok(dns) => dns,
            Err(why) => {
                return vec![Finding::new(domain, State::Unknown, format!("there is no resolver to ask: {why}"))];
            }
        };
        let keys = project.manifest.providers.iter().filter_map(|provider| match &provider.kind {
            ProviderKind::Smtp { dkim: Some(Dkim { domain, selector, .. }), .. } => Some(dns.dkim(selector, domain)),
            _ => None,
        });
        let (spf, dmarc, dkim) = tokio::join!(dns.spf(&domain), dns.dmarc(&domain), join_all(keys));
        [spf, dmarc].into_iter().chain(dkim).collect()
    }
}

fn silent(base: &str, error: reqwest::Error) -> String {
    let why = error.without_url();
    format!("{base} does not answer this server itself, which may be its network's doing: {why}")
}

fn is_of(answer: &reqwest::Response, kind: &str) -> bool {
    let told = answer.headers().get(reqwest::header::CONTENT_TYPE).and_then(|told| told.to_str().ok());
    told.is_some_and(|told| told.starts_with(kind))
}
