//! Emails as they will be, before anybody gets them: each one rendered with its samples, and what is wrong with it.

mod check;
mod colour;
mod dark;
mod preview;
mod selector;
mod style;
mod tree;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};
use segflow_core::{
    Plugin,
    protocol::{Json, Manifest, Render, Rendered, Request, Response, Sample, Samples},
};
use segflow_server::plugin::{Host, sha256};
use serde::Serialize;
use serde_json::Value;

pub use check::{Finding, Level};
pub use preview::Preview;

/// All emails of a project.
#[derive(Debug, Clone, Serialize)]
pub struct Gallery {
    pub project: String,
    pub emails: Vec<Shown>,
}

/// An email with one of its samples.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub id: String,
    /// What the sample is called, where there are several.
    pub sample: Option<String>,
    /// Whether events alone cause it: such an email needs no way to unsubscribe.
    pub transactional: bool,
    pub from: Option<String>,
    pub reply_to: Option<String>,
    pub to: Option<String>,
    /// What stands after the subject in a list of mails.
    pub preview: Option<String>,
    pub content: Option<Content>,
    /// Those that the server adds. An address that only it can sign ends with `…`.
    pub headers: Vec<(&'static str, String)>,
    pub user: Value,
    pub args: Value,
    /// What nobody declared a sample of.
    pub made_up: Vec<String>,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Content {
    pub subject: String,
    pub html: String,
    pub text: String,
}

impl Gallery {
    /// Renders everything that a plugin has. An email that cannot be rendered is a finding, not an error.
    pub fn load(host: &Host, wasm: &[u8]) -> Result<Gallery> {
        let plugin = host.load(&sha256(wasm), wasm).map_err(|rejected| anyhow!("{}", rejected.message))?;
        let manifest: Manifest = match plugin.call(&Request::Describe) {
            Ok(Response::Manifest(json)) => json.read().context("what the project declares cannot be read")?,
            Ok(other) => bail!("the project does not describe itself: {other:?}"),
            Err(error) => bail!("the project does not describe itself: {error}"),
        };
        let samples: Samples = match plugin.call(&Request::Samples) {
            Ok(Response::Samples(json)) => json.read().context("the samples of the emails cannot be read")?,
            Ok(_) => {
                bail!("the project was built with an SDK that knows no samples: update `segflow` in its Cargo.toml")
            }
            Err(error) => bail!("the samples of the emails cannot be made: {error}"),
        };
        let by_events: BTreeSet<&str> = manifest.transactions.iter().map(|t| t.template.as_str()).collect();
        let all =
            samples.emails.into_iter().flat_map(|(id, samples)| samples.into_iter().map(move |s| (id.clone(), s)));
        let emails = all.map(|(id, sample)| {
            let transactional = by_events.contains(id.as_str());
            Shown::of(plugin.as_ref(), &manifest, id, sample, transactional)
        });
        Ok(Gallery { project: manifest.name.clone(), emails: emails.collect() })
    }

    /// As sizes are said.
    pub fn size(content: &Content) -> String {
        check::kilobytes(content.html.len())
    }

    pub fn count(&self, level: Level) -> usize {
        self.emails.iter().flat_map(|email| &email.findings).filter(|finding| finding.level == level).count()
    }

    /// The email of an id, with the sample of a name, or its first one.
    pub fn find(&self, id: &str, sample: Option<&str>) -> Result<&Shown> {
        let of_id: Vec<&Shown> = self.emails.iter().filter(|email| email.id == id).collect();
        let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        if of_id.is_empty() {
            let ids = list(self.emails.iter().map(|email| email.id.as_str()).collect());
            bail!("the project has no email `{id}`; it has {ids}");
        }
        let found = of_id.iter().find(|email| sample.is_none() || email.sample.as_deref() == sample);
        found.copied().ok_or_else(|| {
            let names = list(of_id.iter().filter_map(|email| email.sample.as_deref()).collect());
            anyhow!(
                "`{id}` has no sample of that name; it has {}",
                if names.is_empty() { "one without a name" } else { &names }
            )
        })
    }
}

impl Shown {
    fn of(plugin: &dyn Plugin, manifest: &Manifest, id: String, sample: Sample, transactional: bool) -> Shown {
        let address = manifest.address.as_deref().and_then(|address| sample.user.get(address)?.as_str());
        let mut shown = Shown {
            id,
            sample: sample.name,
            transactional,
            from: manifest.from.clone(),
            reply_to: manifest.reply_to.clone(),
            to: address.map(str::to_owned),
            preview: None,
            content: None,
            headers: vec![],
            user: sample.user,
            args: Value::Object(sample.args),
            made_up: sample.made_up,
            findings: vec![],
        };
        match sample.problem.map_or_else(|| render(plugin, &shown), |why| Err(("no_sample", why))) {
            Ok(mut rendered) => {
                shown.headers = segflow_server::unsigned(&mut rendered, manifest, !transactional);
                let Rendered { subject, html, text } = rendered;
                let looked = check::look(&subject, &html, &text, transactional);
                (shown.preview, shown.findings) = (looked.preview, looked.findings);
                shown.content = Some(Content { subject, html, text });
            }
            Err((code, why)) => shown.findings.push(Finding { level: Level::Error, code, message: why }),
        }
        shown
    }

    /// As people call it.
    pub fn name(&self) -> String {
        match &self.sample {
            Some(sample) => format!("{} “{sample}”", self.id),
            None => self.id.clone(),
        }
    }
}

fn render(plugin: &dyn Plugin, shown: &Shown) -> Result<Rendered, (&'static str, String)> {
    let (user, args) = (Json(shown.user.to_string()), Json(shown.args.to_string()));
    let why = match plugin.call(&Request::Render(Render { template: shown.id.clone(), user, args })) {
        Ok(Response::Rendered(rendered)) => return Ok(rendered),
        Ok(Response::Refused(why)) => why,
        Ok(_) => "the plugin answered something else than an email".into(),
        Err(error) => error.to_string(),
    };
    Err(("not_rendered", why))
}
