//! A manifest, checked and indexed for the engine.

mod differs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segflow_protocol::{
    Campaign, Conversion, Expr, Field, InFlight, Manifest, Problem, ProviderKind, Reentry, Rule, Template, Topic,
    Transaction, Trigger, is_own,
};

use crate::eval::{Asked, Dependencies, Layout, asked, dependencies};
use crate::ids;
use crate::merge::{Object, Path};
use crate::policy;
use crate::words::distance;

/// A project as a server runs it: one applied deployment.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The deployment's id; new enrollments start on it.
    pub deployment: String,
    /// The workspace's generation of this deployment.
    pub generation: i64,
    pub manifest: Manifest,
    /// By campaign: the generation in which its entry rule came to be what it is. Who was there already enters.
    pub since: BTreeMap<String, i64>,
    /// ms UTC; events consumed before it trigger no transaction of this project.
    pub deployed_at: i64,
    /// By campaign: what this deployment does with the enrollments of earlier ones; those not named stay where they are.
    pub in_flight: BTreeMap<String, InFlight>,
    /// The same of earlier deployments, by generation.
    words: BTreeMap<i64, BTreeMap<String, InFlight>>,
    /// The generations of earlier deployments, by id.
    generations: BTreeMap<String, i64>,
    /// Indexes into `manifest.segments`, those a segment depends on first.
    order: Vec<usize>,
    dependencies: Vec<Dependencies>,
    /// By name of an event: what the segments ask about it.
    layouts: BTreeMap<String, Arc<Layout>>,
    /// By earlier generation: the segments that differ from those of then. Of a generation that is not named nothing is known.
    earlier: BTreeMap<i64, BTreeSet<String>>,
}

/// Why a re-evaluation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch<'a> {
    /// Everything: a new user, or a new deployment.
    All,
    /// The user's attributes, in these places; `None`: anywhere.
    Attributes(Option<&'a [Path]>),
    /// An event of this name.
    Event(&'a str),
    /// Time, for this segment.
    Segment(&'a str),
}

impl Project {
    /// Indexes a manifest that [`check`] found nothing wrong with.
    pub fn new(
        deployment: impl Into<String>,
        generation: i64,
        manifest: Manifest,
        since: BTreeMap<String, i64>,
        deployed_at: i64,
    ) -> Project {
        let dependencies: Vec<Dependencies> = manifest
            .segments
            .iter()
            .map(|segment| match &segment.rule {
                Rule::Expr(expr) => dependencies(expr),
                Rule::Sql(_) => Dependencies::anything(),
            })
            .collect();
        let order = in_order(&manifest, &dependencies).unwrap_or_default();
        let layouts = layouts(&manifest);
        let in_flight = BTreeMap::new();
        Project {
            deployment: deployment.into(),
            generation,
            manifest,
            since,
            deployed_at,
            in_flight,
            words: BTreeMap::new(),
            generations: BTreeMap::new(),
            order,
            dependencies,
            layouts,
            earlier: BTreeMap::new(),
        }
    }

    /// The same with what is known about raw SQL. Without it any fact touches such a segment.
    pub fn with_sql(mut self, reads: impl Fn(&str) -> Dependencies) -> Project {
        for (segment, on) in self.manifest.segments.iter().zip(&mut self.dependencies) {
            if let Rule::Sql(sql) = &segment.rule {
                *on = reads(sql);
            }
        }
        self
    }

    /// The same with an earlier deployment and what its push has said, for those whom it has not reached before this one came.
    pub fn with_word(mut self, generation: i64, deployment: &str, in_flight: BTreeMap<String, InFlight>) -> Project {
        if !in_flight.is_empty() {
            self.words.insert(generation, in_flight);
        }
        self.generations.insert(deployment.into(), generation);
        self
    }

    /// What becomes of an enrollment in a campaign on a deployment whose user was last looked at under this generation: what has been said
    /// since then, and where that is several things, the one that leaves least as it was. What was said before its deployment is none of
    /// its business: one that was restarted by hand may be on a later one than its user has seen.
    pub fn in_flight(&self, campaign: &str, deployment: &str, seen: i64) -> InFlight {
        let seen = self.generations.get(deployment).map_or(seen, |generation| seen.max(*generation));
        let later = self.words.iter().filter(|(generation, _)| **generation > seen).map(|(_, words)| words);
        let said = later.chain([&self.in_flight]).filter_map(|words| words.get(campaign).copied());
        let strength = |word: &InFlight| match word {
            InFlight::Pin => 0,
            InFlight::Migrate => 1,
            InFlight::Restart => 2,
            InFlight::Cancel => 3,
        };
        said.max_by_key(strength).unwrap_or(InFlight::Pin)
    }

    /// The campaigns whose enrollments do not all stay where they are, if their users were last looked at under this generation.
    pub fn moving(&self, seen: i64) -> BTreeSet<&str> {
        let later = self.words.iter().filter(|(generation, _)| **generation > seen).flat_map(|(_, words)| words);
        let moves = later.chain(&self.in_flight).filter(|(_, word)| **word != InFlight::Pin);
        moves.map(|(campaign, _)| campaign.as_str()).collect()
    }

    /// The segments that a touch can change, those they depend on first.
    pub fn touched(&self, touches: &[Touch<'_>]) -> Vec<usize> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut result = vec![];
        for &index in &self.order {
            let segment = &self.manifest.segments[index];
            let on = &self.dependencies[index];
            let touched = touches.iter().any(|touch| match touch {
                Touch::All => true,
                Touch::Attributes(places) => !on.other_users && on.reads_attributes(*places),
                Touch::Event(name) => !on.other_users && on.reads_event(name),
                Touch::Segment(id) => segment.id == *id,
            });
            if touched || on.segments.iter().any(|id| found.contains(id.as_str())) {
                found.insert(&segment.id);
                result.push(index);
            }
        }
        result
    }

    /// Whether an event of this name can change anything for a user who is in no campaign, by whatever else is known of them.
    pub fn hears(&self, event: &str) -> bool {
        // Who enters once per key is looked at with every fact.
        let keyed = |c: &Campaign| matches!(c.reentry, Some(Reentry::PerKey(_)));
        let counts = |c: &Conversion| matches!(&c.on, Trigger::Event { name, .. } if name == event);
        self.transactions_on(event).next().is_some()
            || self.dependencies.iter().any(|on| !on.other_users && on.reads_event(event))
            || self.manifest.campaigns.iter().any(|c| keyed(c) || c.conversions.iter().any(counts))
    }

    pub fn depends_on(&self, segment: usize) -> &Dependencies {
        &self.dependencies[segment]
    }

    /// Tells a rule in SQL from any other.
    pub fn rule_of(&self, segment: &str) -> Option<u64> {
        self.manifest.segments.iter().find(|s| s.id == segment).and_then(|segment| match &segment.rule {
            Rule::Sql(sql) => Some(ids::seed(sql)),
            Rule::Expr(_) => None,
        })
    }

    /// Whether a campaign is entered by this segment, or by one that is made of it.
    pub fn goes_by(&self, campaign: &Campaign, segment: &str) -> bool {
        campaign.segments.iter().any(|id| self.is_made_of(id, segment))
    }

    /// Whether a segment is another, or depends on it.
    fn is_made_of(&self, id: &str, other: &str) -> bool {
        let index = self.manifest.segments.iter().position(|s| s.id == id);
        let parts = index.map(|index| &self.dependencies[index].segments);
        id == other || parts.is_some_and(|parts| parts.iter().any(|part| self.is_made_of(part, other)))
    }

    pub fn campaign(&self, id: &str) -> Option<&Campaign> {
        self.manifest.campaigns.iter().find(|c| c.id == id)
    }

    /// What a campaign is about.
    pub fn topic_of(&self, campaign: &str) -> Option<&Topic> {
        let id = self.campaign(campaign)?.topic.as_ref()?;
        self.manifest.topics.iter().find(|topic| topic.id == *id)
    }

    /// The time zone of a user, as it is written.
    pub fn zone_of<'a>(&'a self, attributes: &'a Object) -> Option<&'a str> {
        zone_in(&self.manifest, attributes)
    }

    pub fn template(&self, id: &str) -> Option<&Template> {
        self.manifest.templates.iter().find(|t| t.id == id)
    }

    pub fn transactions_on<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Transaction> {
        self.manifest.transactions.iter().filter(move |t| t.event == event)
    }

    /// What is to be kept of the events of a name for all that the segments ask about them, and for these questions besides.
    pub fn layouts(&self, name: &str, more: &[Asked]) -> Vec<Arc<Layout>> {
        let more = || more.iter().filter(|asked| asked.events.name == name);
        let known = self.layouts.get(name).map(|known| Arc::new(known.with_windows(more())));
        let mut layouts: Vec<Arc<Layout>> = known.into_iter().collect();
        for asked in more() {
            if !layouts.iter().any(|layout| layout.answers(asked.of())) {
                layouts.push(Arc::new(Layout::new([asked], self.event_fields(name))));
            }
        }
        layouts
    }

    pub fn event_fields(&self, name: &str) -> &[Field] {
        fields(&self.manifest, name)
    }
}

fn layouts(manifest: &Manifest) -> BTreeMap<String, Arc<Layout>> {
    let mut by_name: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
    for segment in &manifest.segments {
        if let Rule::Expr(expr) = &segment.rule {
            asked(expr).into_iter().for_each(|asked| by_name.entry(asked.events.name.clone()).or_default().push(asked));
        }
    }
    let fields = |name: &str| fields(manifest, name);
    by_name.into_iter().map(|(name, asked)| (name.clone(), Arc::new(Layout::new(&asked, fields(&name))))).collect()
}

fn fields<'a>(manifest: &'a Manifest, event: &str) -> &'a [Field] {
    manifest.events.iter().find(|e| e.name == event).map_or(&[], |e| e.fields.as_slice())
}

/// Those of a user's attributes that a project declares.
pub fn declared(fields: &[Field], attributes: &Object) -> Object {
    fields.iter().filter_map(|f| attributes.get(&f.name).map(|v| (f.name.clone(), v.clone()))).collect()
}

/// The time zone of a user as it is written, or as a user has it who says nothing.
pub fn zone_in<'a>(manifest: &'a Manifest, attributes: &'a Object) -> Option<&'a str> {
    let name = manifest.time_zone.as_ref()?;
    let said = attributes.get(name).filter(|value| !value.is_null());
    let default = || manifest.user.iter().find(|field| field.name == *name)?.default.as_ref();
    said.or_else(default)?.as_str()
}

/// Whether a user with these memberships belongs in a campaign.
pub fn belongs(campaign: &Campaign, member: impl Fn(&str) -> bool) -> bool {
    campaign.segments.iter().all(|s| member(s)) && !campaign.exclude_segments.iter().any(|s| member(s))
}

/// The segments, each after those it depends on; an error names the segments of a cycle.
fn in_order(manifest: &Manifest, dependencies: &[Dependencies]) -> Result<Vec<usize>, Vec<String>> {
    let mut order = vec![];
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let known: BTreeSet<&str> = manifest.segments.iter().map(|s| s.id.as_str()).collect();
    loop {
        let before = order.len();
        for (index, segment) in manifest.segments.iter().enumerate() {
            let ready = dependencies[index]
                .segments
                .iter()
                .all(|id| done.contains(id.as_str()) || !known.contains(id.as_str()));
            if !order.contains(&index) && ready {
                order.push(index);
                done.insert(&segment.id);
            }
        }
        if order.len() == manifest.segments.len() {
            return Ok(order);
        }
        if order.len() == before {
            let stuck = manifest.segments.iter().enumerate().filter(|(index, _)| !order.contains(index));
            return Err(stuck.map(|(_, s)| s.id.clone()).collect());
        }
    }
}

/// All that is wrong with a manifest, at once. What needs a database (SQL) or the plugin (flows, templates) is checked elsewhere.
pub fn check(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = manifest.problems.clone();
    let mut say = |code: &str, place: String, message: String| {
        problems.push(Problem { code: code.into(), message, place: Some(place) });
    };
    ids(&mut say, "segment", manifest.segments.iter().map(|s| s.id.as_str()));
    ids(&mut say, "campaign", manifest.campaigns.iter().map(|c| c.id.as_str()));
    ids(&mut say, "transaction", manifest.transactions.iter().map(|t| t.id.as_str()));
    ids(&mut say, "template", manifest.templates.iter().map(|t| t.id.as_str()));
    ids(&mut say, "event", manifest.events.iter().map(|e| e.name.as_str()));
    ids(&mut say, "provider", manifest.providers.iter().map(|p| p.id.as_str()));
    ids(&mut say, "mailbox", manifest.mailboxes.iter().map(|m| m.id.as_str()));
    ids(&mut say, "topic", manifest.topics.iter().map(|t| t.id.as_str()));
    for provider in &manifest.providers {
        let mut bad = |message: &str| say("bad_route", format!("provider {}", provider.id), message.into());
        let route = &provider.route;
        if route.weight == 0 {
            bad("a weight is 1 or more: without any message it need not be declared");
        }
        if route.per_second == Some(0) {
            bad("`.per_second(0)` would let nothing through");
        }
        if route.per_day == Some(0) {
            bad("`.per_day(0)` would let nothing through");
        }
        if matches!(provider.kind, ProviderKind::Smtp { connections: Some(0), .. }) {
            bad("`.connections(0)` would let nothing through");
        }
    }

    for why in manifest.caps.iter().filter_map(policy::wrong_cap) {
        say("bad_cap", "project".into(), why.into());
    }
    let of_all = policy::wrong_windows(&manifest.windows.iter().collect::<Vec<_>>());
    let all_may_be_sent = of_all.is_none();
    if let Some(why) = of_all {
        say("bad_window", "project".into(), why);
    }

    let segments: Vec<&str> = manifest.segments.iter().map(|s| s.id.as_str()).collect();
    let templates: Vec<&str> = manifest.templates.iter().map(|t| t.id.as_str()).collect();
    for campaign in &manifest.campaigns {
        let place = format!("campaign {}", campaign.id);
        if campaign.segments.is_empty() {
            say("no_segment", place.clone(), "nobody can enter: name a segment with `.enters(…)`".into());
        }
        for id in campaign.segments.iter().chain(&campaign.exclude_segments) {
            if !segments.contains(&id.as_str()) {
                say("unknown_segment", place.clone(), unknown("segment", id, &segments));
            }
        }
        let counts = campaign.conversions.iter().map(|conversion| &conversion.on);
        for trigger in campaign.exits_on.iter().chain(&campaign.pauses_on).chain(counts) {
            if let Trigger::Event { name, .. } = trigger
                && !is_own(name)
                && !manifest.events.iter().any(|e| e.name == *name)
            {
                let known: Vec<&str> = manifest.events.iter().map(|e| e.name.as_str()).collect();
                say("unknown_event", place.clone(), unknown("event", name, &known));
            }
        }
        if let Some(topic) = &campaign.topic
            && !manifest.topics.iter().any(|t| t.id == *topic)
        {
            let known: Vec<&str> = manifest.topics.iter().map(|t| t.id.as_str()).collect();
            say("unknown_topic", place.clone(), unknown("topic", topic, &known));
        }
        let windows: Vec<_> = campaign.windows.iter().chain(&manifest.windows).collect();
        if all_may_be_sent && let Some(why) = policy::wrong_windows(&windows) {
            say("bad_window", place.clone(), why);
        }
        if let Some(why) = campaign.per_day.as_ref().and_then(policy::wrong_daily) {
            say("bad_limit", place.clone(), why);
        }
        if campaign.max_age.is_some_and(|age| age <= 0) {
            say("bad_limit", place.clone(), "`.max_age(…)` of nothing would let nothing through".into());
        }
        if campaign.conversions.iter().any(|conversion| conversion.within <= 0) {
            say(
                "bad_limit",
                place.clone(),
                "nothing happens within no time: `.within(…)` of a conversion is longer".into(),
            );
        }
        if campaign.segments.iter().any(|s| campaign.exclude_segments.contains(s)) {
            say("nobody", place, "it enters and excludes the same segment, so nobody ever enters".into());
        }
    }
    for transaction in &manifest.transactions {
        let place = format!("transaction {}", transaction.id);
        if transaction.max_age.is_some_and(|age| age <= 0) {
            say("bad_limit", place.clone(), "`.max_age(…)` of nothing would let nothing through".into());
        }
        match manifest.templates.iter().find(|t| t.id == transaction.template) {
            None => say("unknown_template", place, unknown("template", &transaction.template, &templates)),
            Some(t) if t.arguments.len() != 1 || t.arguments[0].name != transaction.argument => say(
                "wrong_argument",
                place,
                format!(
                    "the event fills the one argument `{}`, which template `{}` does not have",
                    transaction.argument, t.id
                ),
            ),
            Some(_) => {}
        }
    }
    for segment in &manifest.segments {
        let Rule::Expr(expr) = &segment.rule else { continue };
        if segment.every.is_some() {
            let why = "an expression is always on time and needs no `.every(…)`: that is for raw SQL";
            say("needless_period", format!("segment {}", segment.id), why.into());
        }
        for id in &dependencies(expr).segments {
            if !segments.contains(&id.as_str()) {
                say("unknown_segment", format!("segment {}", segment.id), unknown("segment", id, &segments));
            }
        }
        if depth(expr) > MAX_DEPTH {
            say("too_deep", format!("segment {}", segment.id), format!("nested deeper than {MAX_DEPTH}"));
        }
    }
    let all: Vec<Dependencies> = manifest
        .segments
        .iter()
        .map(|s| if let Rule::Expr(expr) = &s.rule { dependencies(expr) } else { Dependencies::default() })
        .collect();
    if let Err(cycle) = in_order(manifest, &all) {
        say(
            "cycle",
            format!("segment {}", cycle[0]),
            format!("these segments depend on one another: {}", cycle.join(", ")),
        );
    }
    problems
}

/// How deep a segment's expression may nest.
const MAX_DEPTH: usize = 100;

fn depth(expr: &Expr) -> usize {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        Expr::Not(part) => 1 + depth(part),
        _ => 1,
    }
}

fn ids<'a>(say: &mut impl FnMut(&str, String, String), what: &str, all: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for id in all {
        if id.trim().is_empty() {
            say("empty_id", format!("{what} {id}"), format!("a {what} needs an id"));
        } else if id.len() > 255 {
            say("long_id", format!("{what} {id}"), "an id has at most 255 bytes".into());
        } else if !seen.insert(id) {
            say("duplicate_id", format!("{what} {id}"), format!("two {what}s have the id `{id}`: give each its own"));
        }
    }
}

fn unknown(what: &str, id: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (distance(id, k), k)).min().filter(|(d, _)| *d <= 1 + id.len() / 3);
    match near {
        Some((_, near)) => format!("there is no {what} `{id}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{id}`"),
    }
}

#[cfg(test)]
mod tests;
