//! What people choose to get: noted of their address, and told to their flows, in one commit.

use std::sync::Arc;

use segflow_core::consent::Consent;
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_protocol::own;
use serde_json::json;

use super::consent::{self, Changed, Note, Said};
use super::db::{Db, Tx};
use super::happened::{Happened, report};
use super::{Result, for_update, random_id};
use crate::args;

/// Somebody's choice.
#[derive(Debug, Clone)]
pub struct Choice {
    pub workspace: String,
    pub user: String,
    pub address: String,
    pub said: Vec<Said>,
    /// What is told besides: the message that it came by, and how.
    pub told: Object,
    /// ms UTC.
    pub at: i64,
}

/// Notes a choice. Whoever decides is to be woken after it.
pub async fn choose(db: &Db, project: &Arc<Project>, choice: Choice) -> Result<Changed> {
    let asked = Arc::new((project.clone(), choice));
    db.write(move |tx| {
        let asked = asked.clone();
        Box::pin(async move {
            let (project, choice) = asked.as_ref();
            choose_in(tx, project, choice).await
        })
    })
    .await
}

async fn choose_in(tx: &mut Tx, project: &Project, choice: &Choice) -> Result<Changed> {
    let Choice { workspace, user, address, said, told, at } = choice;
    // The user before the address, as everybody locks them.
    let sql = format!("SELECT id FROM users WHERE workspace = ? AND id = ?{}", for_update(tx.kind()));
    let known = tx.row(sql, args![workspace, user]).await?.is_some();
    let note = Note { address: address.clone(), known, said: said.clone(), at: *at };
    let changed = consent::say(tx, workspace, &[note]).await?.remove(0);
    let happened = |(name, topic): (&'static str, Option<&str>)| {
        let mut attributes = told.clone();
        attributes.insert("topic".into(), json!(topic));
        Happened { user: user.clone(), incarnation: None, name, id: random_id("evt"), attributes, at: *at }
    };
    let happened: Vec<Happened> = differences(project, &changed).into_iter().map(happened).collect();
    report(tx, workspace, &happened, *at).await?;
    Ok(changed)
}

/// The events that tell of a change, each with its topic. What is said without changing anything is not told.
pub(super) fn differences<'a>(project: &'a Project, changed: &Changed) -> Vec<(&'static str, Option<&'a str>)> {
    let word = |wants: bool| if wants { own::SUBSCRIBED } else { own::UNSUBSCRIBED };
    let mut told = vec![];
    let Changed { before, after } = changed;
    if before.unsubscribed != after.unsubscribed {
        told.push((word(!after.unsubscribed), None));
    }
    for topic in &project.manifest.topics {
        let wants = |consent: &Consent| consent.wants(topic);
        if wants(before) != wants(after) {
            told.push((word(wants(after)), Some(topic.id.as_str())));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use segflow_core::protocol::{Manifest, Topic};

    use super::*;

    #[test]
    fn only_what_changes_something_is_told() {
        let topic = |id: &str, opt_in| Topic { id: id.into(), opt_in, ..Topic::default() };
        let topics = vec![topic("news", false), topic("tips", true)];
        let manifest = Manifest { topics, ..Manifest::default() };
        let project = Project::new("dep", 1, manifest, std::collections::BTreeMap::new(), 0);
        let said = |unsubscribed: bool, said: &[(&str, bool)]| Consent {
            unsubscribed,
            topics: said.iter().map(|(id, wants)| (id.to_string(), *wants)).collect(),
            ..Consent::default()
        };
        let told = |before, after| differences(&project, &Changed { before, after });
        let nothing = || said(false, &[]);
        assert_eq!(told(nothing(), said(true, &[])), [(own::UNSUBSCRIBED, None)]);
        assert_eq!(told(said(true, &[]), said(true, &[])), []);
        assert_eq!(told(nothing(), said(false, &[("news", false)])), [(own::UNSUBSCRIBED, Some("news"))]);
        assert_eq!(told(nothing(), said(false, &[("tips", true)])), [(own::SUBSCRIBED, Some("tips"))]);
        assert_eq!(told(nothing(), said(false, &[("tips", false), ("news", true)])), [], "as it was anyway");
        let all = told(said(true, &[("news", false)]), said(false, &[("tips", true)]));
        assert_eq!(all, [(own::SUBSCRIBED, None), (own::SUBSCRIBED, Some("news")), (own::SUBSCRIBED, Some("tips"))]);
    }
}
