//! All that is checked before a push changes anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use segflow_core::enrollment::Enrollment;
use segflow_core::project;
use segflow_core::protocol::{
    Campaign, Effect, End, Json, Mailbox, Manifest, Problem, Request, Response, Rule, Turn, TurnOutcome, Type, Waits,
};
use segflow_core::step::answerable;
use segflow_core::{Plugin, PluginError};
use serde_json::{Map, Value, json};

use crate::store::db::Db;
use crate::store::segments;
use crate::webhooks;

/// Asks a module what it declares.
pub fn describe(plugin: &dyn Plugin) -> Result<Manifest, Problem> {
    let problem = |message: String| Problem { code: "describe".into(), message, place: None };
    match plugin.call(&Request::Describe) {
        Ok(Response::Manifest(json)) => {
            json.read().map_err(|e| problem(format!("what the project declares cannot be read: {e}")))
        }
        Ok(Response::Refused(why)) => Err(problem(why)),
        Ok(_) => Err(problem("the plugin did not say what it declares".into())),
        Err(error) => Err(problem(format!("the project could not describe itself: {error}"))),
    }
}

/// Everything that is wrong with a project, at once.
pub async fn problems(db: &Db, plugin: Arc<dyn Plugin>, manifest: &Manifest, now: i64) -> Vec<Problem> {
    let mut problems = project::check(manifest);
    sender(manifest, &mut problems);
    replies(manifest, &mut problems);
    links(manifest, &mut problems);
    for segment in &manifest.segments {
        if let Rule::Sql(sql) = &segment.rule
            && let Err(why) = segments::check(db, sql, segment.every).await
        {
            problems.push(Problem {
                code: "bad_sql".into(),
                message: why,
                place: Some(format!("segment {}", segment.id)),
            });
        }
    }
    let tried = manifest.clone();
    let flows = tokio::task::spawn_blocking(move || {
        tried.campaigns.iter().filter_map(|c| try_flow(plugin.as_ref(), &tried, c, now)).collect::<Vec<_>>()
    });
    problems.extend(flows.await.unwrap_or_default());
    problems
}

fn sender(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut say = |message: String| {
        problems.push(Problem { code: "sender".into(), message, place: Some("project".into()) });
    };
    match &manifest.from {
        None if manifest.templates.is_empty() => {}
        None => say("nobody to send from: add `.from(\"Name <address>\")` to the project".into()),
        Some(from) => {
            if let Err(e) = from.parse::<lettre::message::Mailbox>() {
                say(format!("`{from}` is not a sender such as `Shop <hello@shop.example>`: {e}"));
            }
        }
    }
}

/// Where answers go, and where they are looked for.
fn replies(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut say = |code: &str, place: String, message: String| {
        problems.push(Problem { code: code.into(), message, place: Some(place) });
    };
    if let Some(mailbox) = &manifest.reply_to
        && let Err(e) = mailbox.parse::<lettre::message::Mailbox>()
    {
        let message = format!("`{mailbox}` is not a mailbox such as `Shop <replies@shop.example>`: {e}");
        say("reply_to", "project".into(), message);
    }
    for mailbox in &manifest.mailboxes {
        let mut bad = |message: &str| say("bad_mailbox", format!("mailbox {}", mailbox.id), message.into());
        if mailbox.every.is_some_and(|every| every < 1_000) {
            bad("a mailbox is looked at once in a second at most");
        }
        if mailbox.folder.as_ref().is_some_and(|folder| folder.trim().is_empty() || !folder.is_ascii()) {
            bad("a folder has a name, and one beyond ASCII is given as IMAP writes it: `Gel&APY-scht`");
        }
    }
}

/// What emails lead to, and who has sent them.
fn links(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut say = |code: &str, message: String| {
        problems.push(Problem { code: code.into(), message, place: Some("project".into()) });
    };
    if let Some(address) = &manifest.links_at {
        let is_one = url::Url::parse(address).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if !is_one {
            say("links_at", format!("`{address}` is not an address such as https://mail.shop.example"));
        }
    }
    if let Some(address) = manifest.unsubscribe_by_mail.as_ref().filter(|address| !crate::address::is_one(address)) {
        say("unsubscribe_by_mail", format!("`{address}` is not an email address"));
    }
    if manifest.postal.as_ref().is_some_and(|postal| postal.trim().is_empty()) {
        say("postal", "the postal address is empty: leave `.postal(…)` out, or fill it in".into());
    }
}

/// Runs a flow to its first wait, for a made-up user.
fn try_flow(plugin: &dyn Plugin, manifest: &Manifest, campaign: &Campaign, now: i64) -> Option<Problem> {
    let turn = Turn {
        campaign: campaign.id.clone(),
        user_id: "sample".into(),
        seed: 0,
        first_op: 0,
        started_at: now,
        now,
        attributes: Json(sample(manifest).to_string()),
        journal: Default::default(),
        completions: vec![],
    };
    let (code, message) = match plugin.call(&Request::Turn(turn)) {
        Ok(Response::Turn(outcome)) => match outcome.end {
            // A made-up user may lack what a type of the project's own needs: that says nothing about the flow.
            End::Failed(_) if manifest.user.iter().any(|f| f.required && f.ty == Type::Any) => return None,
            End::Failed(why) => ("flow_fails", format!("its flow fails before its first wait: {why}")),
            End::Diverged(d) => ("flow_fails", format!("its flow does not do the same twice: {d}")),
            End::Waiting | End::Done | End::Exited(_) | End::Again(_) => first_turn(outcome, manifest, campaign, now)?,
        },
        Ok(Response::Refused(why)) => ("flow_fails", why),
        Ok(_) => ("flow_fails", "the plugin answered something else than a turn".into()),
        Err(PluginError::Trap(why)) => ("flow_traps", format!("its flow stops before its first wait: {why}")),
        Err(PluginError::Unavailable(why)) => ("flow_traps", format!("its flow could not be tried: {why}")),
    };
    Some(Problem { code: code.into(), message, place: Some(format!("campaign {}", campaign.id)) })
}

/// What is wrong with what a flow does and waits for in its first turn: a code, and why.
fn first_turn(outcome: TurnOutcome, manifest: &Manifest, of: &Campaign, now: i64) -> Option<(&'static str, String)> {
    let template = |id: &str| manifest.templates.iter().any(|t| t.id == id);
    let campaign = |id: &str| manifest.campaigns.iter().any(|c| c.id == id);
    for effect in &outcome.effects {
        match effect {
            Effect::Send { template: id, .. } if !template(id) => {
                return Some(("unknown_template", format!("its flow sends template `{id}`, which is not there")));
            }
            Effect::Start { campaign: id, .. } | Effect::Stop { campaign: id, .. } if !campaign(id) => {
                return Some(("unknown_campaign", format!("its flow names campaign `{id}`, which is not there")));
            }
            _ => {}
        }
    }
    for pending in &outcome.pending {
        let wrong = match &pending.waits {
            Waits::Ask(ask) => answerable(ask, manifest).err().map(|why| ("unknown_segment", why)),
            Waits::Webhook(request) => {
                webhooks::wrong(request).filter(|why| !is_made_up(why)).map(|why| ("bad_webhook", why))
            }
            _ => None,
        };
        if let Some((code, why)) = wrong {
            return Some((code, format!("{why} ({})", pending.source)));
        }
    }
    let attributes = sample(manifest);
    let attributes = attributes.as_object().expect("it is one");
    let new = Enrollment::new("sample".into(), &of.id, 1, "", now, 0);
    let why = new.try_first(outcome, manifest, attributes, now).err().filter(|why| !is_made_up(why))?;
    Some(("flow_fails", format!("its flow fails at its first wait: {why}")))
}

/// Whether it may be for want of a real user that something is wrong: of an attribute that is made up, or is not there.
fn is_made_up(why: &str) -> bool {
    why.contains(TEXT) || why.contains("``") || why.contains("bytes, not 0")
}

/// What every text of the user who is made up says.
const TEXT: &str = "sample@example.com";

/// A user with something in every required attribute.
fn sample(manifest: &Manifest) -> Value {
    fn value(ty: &Type) -> Option<Value> {
        Some(match ty {
            Type::Bool => json!(false),
            Type::Integer => json!(1),
            Type::Number => json!(1.5),
            Type::String => json!(TEXT),
            Type::List(_) => json!([]),
            Type::Any => return None,
        })
    }
    let required = manifest.user.iter().filter(|f| f.required);
    Value::Object(required.filter_map(|f| Some((f.name.clone(), value(&f.ty)?))).collect::<Map<_, _>>())
}

/// Things that keep nothing from being applied but should be known.
pub fn warnings(manifest: &Manifest, secret: impl Fn(&str) -> bool) -> Vec<String> {
    let mut warnings = vec![];
    if manifest.providers.is_empty() && !manifest.templates.is_empty() {
        warnings.push("no provider: messages stay pending until one is declared with `.provider(…)`".into());
    }
    for provider in &manifest.providers {
        for name in provider.kind.secrets() {
            if !secret(name) {
                let id = &provider.id;
                warnings.push(format!("secret {name} of provider {id} is not set on the server: messages wait for it"));
            }
        }
        if let Some(name) = provider.webhook.as_ref().filter(|name| !secret(name)) {
            let id = &provider.id;
            warnings
                .push(format!("secret {name} of provider {id} is not set on the server: what it tells is not taken"));
        }
        if let Some(name) = provider.replies.as_ref().filter(|name| !secret(name)) {
            let id = &provider.id;
            warnings.push(format!(
                "secret {name} of provider {id} is not set on the server: answers are not taken from it"
            ));
        }
    }
    for Mailbox { id, url, .. } in manifest.mailboxes.iter().filter(|mailbox| !secret(&mailbox.url)) {
        warnings
            .push(format!("secret {url} of mailbox {id} is not set on the server: no answers are looked for there"));
    }
    warnings
}

/// Emails that go to many and have no link to unsubscribe, which many laws ask for.
pub fn ways_out(manifest: &Manifest, no_way_out: &BTreeSet<String>) -> Option<String> {
    if manifest.campaigns.is_empty() || manifest.postal.is_some() {
        return None;
    }
    let answers = |id: &String| manifest.transactions.iter().any(|t| t.template == *id);
    let without: Vec<String> = no_way_out.iter().filter(|id| !answers(id)).map(|id| format!("`{id}`")).collect();
    let (emails, them) = if without.len() == 1 { ("email", "it") } else { ("emails", "them") };
    (!without.is_empty()).then(|| {
        format!(
            "{emails} {} without a link to unsubscribe: put `<Unsubscribe>` into {them}, or `.postal(…)` on the project, which adds it",
            without.join(", ")
        )
    })
}

/// Whether people can get to where emails lead.
pub fn reachable(manifest: &Manifest, (base, is_known): (String, bool)) -> Option<String> {
    if manifest.campaigns.is_empty() {
        return None;
    }
    if !is_known {
        return Some(format!(
            "the links to unsubscribe lead to {base}, where only this machine gets: start the server with SEGFLOW_PUBLIC_URL, or say \
             `.links_at(…)`; until then emails have no List-Unsubscribe"
        ));
    }
    (!base.starts_with("https://")).then(|| {
        format!("the links to unsubscribe lead to {base}: mail programs unsubscribe with one click over https only")
    })
}
