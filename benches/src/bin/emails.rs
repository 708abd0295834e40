//! What six emails cost: natively, through a plugin with an instance of its own each time, and beside React Email in Node, in the same run;
//! and how long a project with fifty of them takes to build and to push again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use segflow::dispatch::respond;
use segflow_benches::report::{Times, figure, thousands, time, title};
use segflow_benches::{database, fifty, now, project};
use segflow_core::Plugin;
use segflow_protocol::{Json, Render, Rendered, Request, Response};
use segflow_server::plugin::{Host, sha256};
use segflow_tests::peers;
use serde_json::Value;

const TIMES: usize = 20_000;

#[tokio::main]
async fn main() -> Result<()> {
    let requests = requests()?;
    let natively = tokio::task::block_in_place(|| natively(&requests))?;
    let wasm = project::module("tests/plugins/six").await?;
    tokio::task::block_in_place(|| through_a_plugin(&wasm, &requests))?;
    tokio::task::block_in_place(|| beside_react_email(&natively))?;
    of_fifty().await
}

/// The six emails with what they are rendered with.
fn requests() -> Result<Vec<Render>> {
    let data: Value = serde_json::from_str(six::DATA)?;
    let emails = data["emails"].as_object().context("emails")?;
    let user = Json(data["user"].to_string());
    let one = |(name, args): (&String, &Value)| Render {
        template: name.clone(),
        user: user.clone(),
        args: Json(args.to_string()),
    };
    Ok(emails.iter().map(one).collect())
}

/// The digest has twenty items.
fn target(name: &str, natively: bool) -> &'static str {
    match (natively, name) {
        (true, "digest") => "at most 20 µs",
        (true, _) => "at most 5 µs",
        (false, _) => "at most 40 µs",
    }
}

/// With reading user and arguments, as a plugin does it.
fn natively(requests: &[Render]) -> Result<BTreeMap<String, Duration>> {
    title("rendering, natively: JSON in, subject, HTML and text out");
    let project = six::six();
    let mut natively = BTreeMap::new();
    for request in requests {
        let (mut times, size) = measure(request, |request| Ok(respond(&project, Request::Render(request.clone()))))?;
        let beside = format!("{}; {}, {size} bytes", target(&request.template, true), times.text());
        figure(&request.template, time(times.within(0.5)), beside);
        natively.insert(request.template.clone(), times.within(0.5));
    }
    Ok(natively)
}

fn through_a_plugin(wasm: &[u8], requests: &[Render]) -> Result<()> {
    title(&format!("through a plugin of {} bytes, with an instance each time", thousands(wasm.len() as u64)));
    let host = Host::new(Some(database::scratch()?.join("modules")))?;
    let module = host.load(&sha256(wasm), wasm)?;
    let nothing = Request::Render(Render { template: "none".into(), user: Json("{}".into()), args: Json("{}".into()) });
    let mut calls = Times::default();
    for _ in 0..TIMES {
        let began = now();
        drop(module.call(&nothing));
        calls.add(began.elapsed());
    }
    figure("one that there is not", time(calls.within(0.5)), format!("the call alone; {}", calls.text()));
    for request in requests {
        let (mut times, size) = measure(request, |request| {
            module.call(&Request::Render(request.clone())).map_err(|why| anyhow::anyhow!("{why}"))
        })?;
        let beside = format!("{}; {}, {size} bytes", target(&request.template, false), times.text());
        figure(&request.template, time(times.within(0.5)), beside);
    }
    Ok(())
}

fn measure(request: &Render, mut render: impl FnMut(&Render) -> Result<Response>) -> Result<(Times, usize)> {
    let (mut times, mut size) = (Times::default(), 0);
    for _ in 0..TIMES {
        let began = now();
        let answer = render(request)?;
        times.add(began.elapsed());
        match answer {
            Response::Rendered(Rendered { html, text, .. }) => size = html.len() + text.len(),
            other => bail!("{}: {other:?}", request.template),
        }
    }
    Ok((times, size))
}

/// The same six emails in Node, one after the other in one process that is warm.
fn beside_react_email(natively: &BTreeMap<String, Duration>) -> Result<()> {
    let source = database::workspace().join("tests/vendors/six");
    let home = peers::installed("six", &source.join("package.json"), |folder| {
        peers::output(Command::new("npm").args(peers::NPM).current_dir(folder), "");
    });
    for file in ["bench.mjs", "letters.mjs", "data.json"] {
        std::fs::copy(source.join(file), home.join(file))?;
    }
    let said = peers::output(Command::new("node").arg("bench.mjs").env("NODE_ENV", "production").current_dir(home), "");
    title("React Email's render in Node, without `<Tailwind>` and with it as written");
    let theirs: BTreeMap<String, Value> = serde_json::from_str(&said)?;
    for (name, times) in theirs {
        let of = |which: &str| times[which].as_f64().context("a time").map(|ms| Duration::from_secs_f64(ms / 1e3));
        let (plain, tailwind) = (of("plain")?, of("tailwind")?);
        let ours = natively.get(&name).with_context(|| name.clone())?.as_secs_f64();
        let factor = |theirs: Duration| thousands((theirs.as_secs_f64() / ours) as u64);
        let beside = format!(
            "at least 100 times ours: {}; with Tailwind {}, {}",
            factor(plain),
            time(tailwind),
            factor(tailwind)
        );
        figure(&name, time(plain), beside);
    }
    Ok(())
}

async fn of_fifty() -> Result<()> {
    let shelf = project::Shelf::open().await?;
    // The dependencies are built with an empty project.
    let folder = fifty::write(0)?;
    shelf.push(&folder).await?;
    title("a project with fifty emails, its dependencies built");
    fifty::write(50)?;
    figure("first push", time(shelf.push(&folder).await?), "at most 15 s");
    change(&folder, 7)?;
    figure("pushed again with one email changed", time(shelf.push(&folder).await?), "at most 10 s");
    change(&folder, 23)?;
    figure("and with another one", time(shelf.push(&folder).await?), "");
    let wasm = shelf.close().await?;
    figure("the plugin", format!("{} bytes", thousands(wasm.len() as u64)), "under 1 MiB");
    Ok(())
}

fn change(folder: &Path, number: usize) -> Result<()> {
    fifty::email(folder, number, "Very good to have you here.")
}
