//! Ctrl-C and SIGTERM: once asks to finish, twice insists.

use anyhow::{Context, Result};
use tokio::sync::watch;

pub struct Interrupt {
    count: watch::Receiver<u32>,
}

impl Interrupt {
    /// From here on the signals end nothing by themselves.
    pub fn listen() -> Result<Self> {
        let (sender, count) = watch::channel(0);
        let mut signals = Signals::new().context("signals cannot be received")?;
        tokio::spawn(async move {
            loop {
                signals.next().await;
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { count })
    }

    pub async fn requested(&self) {
        self.at_least(1).await;
    }

    pub async fn again(&self) {
        self.at_least(2).await;
    }

    async fn at_least(&self, times: u32) {
        if self.count.clone().wait_for(|count| *count >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
