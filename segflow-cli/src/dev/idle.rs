//! `--once` ends when nothing is left to do.

use std::time::Duration;

use anyhow::Result;

use crate::{api::Api, printer::Printer};

const PAUSE: Duration = Duration::from_millis(100);
/// This many looks in a row without anything on its way: a fact that was just answered may not have become a message yet.
const QUIET: u32 = 5;
/// Something may stay on its way, for example to a mail server that is away.
const MOST: u32 = 600;

pub async fn settle(api: &Api, virtual_clock: bool, printer: &Printer) -> Result<()> {
    // Moving time by nothing answers when everything that is due now has run; then one look is enough.
    let quiet = if virtual_clock {
        api.advance("0s").await?;
        1
    } else {
        QUIET
    };
    let mut calm = 0;
    for _ in 0..MOST {
        let mut moving = 0;
        for status in ["pending", "sending"] {
            moving += api.messages(&format!("?status={status}")).await?.len();
        }
        calm = if moving == 0 { calm + 1 } else { 0 };
        if calm >= quiet {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    printer.warning("some messages are still on their way after a minute");
    Ok(())
}
