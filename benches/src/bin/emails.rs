//! What it costs to render an email in a plugin, with an instance of its own each time.

use anyhow::{Result, bail};
use segflow_benches::report::{Times, figure, time, title};
use segflow_benches::{database, now, project};
use segflow_core::Plugin;
use segflow_protocol::{Json, Render, Request, Response};
use segflow_server::plugin::{Host, sha256};

/// The storefront's emails with their arguments.
const EMAILS: [(&str, &str); 4] = [
    ("welcome-email", "{}"),
    ("winback-email", "{}"),
    ("vip-email", "{}"),
    ("order-confirmed", r#"{"purchase":{"value":99.0,"order_id":"A-1"}}"#),
];

const USER: &str = r#"{"username":"Ada","email":"ada@bench.example","winback":true}"#;

const TIMES: usize = 20_000;

#[tokio::main]
async fn main() -> Result<()> {
    let wasm = project::module("examples/storefront").await?;
    title(&format!("the storefront's emails, a plugin of {} bytes", wasm.len()));
    tokio::task::block_in_place(|| {
        let host = Host::new(Some(database::scratch()?.join("modules")))?;
        let module = host.load(&sha256(&wasm), &wasm)?;
        measure(module.as_ref(), "one that there is not", "{}", false)?;
        EMAILS.iter().try_for_each(|(template, args)| measure(module.as_ref(), template, args, true))
    })
}

fn measure(module: &dyn Plugin, template: &str, args: &str, known: bool) -> Result<()> {
    let request =
        Request::Render(Render { template: template.into(), user: Json(USER.into()), args: Json(args.into()) });
    let (mut times, mut size) = (Times::default(), 0);
    for _ in 0..TIMES {
        let began = now();
        let answer = module.call(&request).map_err(|why| anyhow::anyhow!("{why}"))?;
        times.add(began.elapsed());
        match answer {
            Response::Rendered(email) if known => size = email.html.len() + email.text.len(),
            Response::Refused(_) if !known => {}
            other => bail!("{template}: {other:?}"),
        }
    }
    let beside = if known { "at most 40 µs; " } else { "the call alone; " };
    figure(template, time(times.within(0.5)), format!("{beside}{}, {size} bytes", times.text()));
    Ok(())
}
