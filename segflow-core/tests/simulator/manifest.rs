//! Random manifests.

use std::collections::BTreeMap;

use segflow_core::project::{Project, check};
use segflow_core::protocol::{
    Argument, Campaign, Cond, Conversion, Event, Events, Expr, Field, Guarantee, InFlight, Manifest, Measure, Mode,
    Reentry, Rule, Segment, Template, Test, TimeTest, Transaction, Trigger, Type, Which,
};
use serde_json::json;

use crate::invariants::holds;
use crate::program::{self, Block, DAY, HOUR, Taste};
use crate::rng::Rng;

pub const ATTRIBUTES: [&str; 3] = ["a", "b", "c"];
pub const EVENTS: [&str; 3] = ["x", "y", "z"];
pub const GOALS: [&str; 2] = ["g0", "g1"];
pub const MAILS: [&str; 3] = ["m0", "m1", "m2"];

/// What a push brings: a manifest and the flows of its campaigns.
#[derive(Clone, Default)]
pub struct Source {
    pub manifest: Manifest,
    pub programs: BTreeMap<String, Block>,
}

/// A project, made anew or changed from the one before.
pub fn source(rng: &mut Rng, plain: bool, start: i64, before: Option<&Source>) -> Source {
    let kept = |rng: &mut Rng| before.filter(|_| rng.chance(60));
    let mut rules = vec![];
    for index in 0..2 + rng.below(4) {
        let id = format!("s{index}");
        let old = kept(rng).and_then(|b| b.manifest.segments.iter().find(|s| s.id == id).cloned());
        let expr = if plain { Expr::Everyone } else { expr(rng, index, 2) };
        rules.push(old.unwrap_or(Segment { rule: Rule::Expr(expr), id, every: None }));
    }
    let known: Vec<String> = rules.iter().map(|s| s.id.clone()).collect();
    let count = 1 + rng.below(3);
    let taste = Taste { plain, campaigns: count, start };
    let (mut campaigns, mut programs) = (vec![], BTreeMap::new());
    for index in 0..count {
        let id = format!("c{index}");
        let old = kept(rng).and_then(|b| b.manifest.campaigns.iter().find(|c| c.id == id).cloned());
        let old = old.filter(|c| c.segments.iter().chain(&c.exclude_segments).all(|s| known.contains(s)));
        let program = match before.and_then(|b| b.programs.get(&id)) {
            Some(old) if rng.chance(35) => old.clone(),
            Some(old) if rng.chance(70) => program::edited(rng, taste, old),
            _ => program::block(rng, taste, 0),
        };
        programs.insert(id.clone(), program);
        campaigns.push(old.unwrap_or_else(|| match plain {
            true => plain_campaign(rng, id, &known[0]),
            false => campaign(rng, id, &known),
        }));
    }
    let transaction = |rng: &mut Rng, index: usize| Transaction {
        id: format!("r{index}"),
        event: rng.pick(&EVENTS).into(),
        template: "receipt".into(),
        argument: "event".into(),
        guarantee: if rng.chance(70) { Guarantee::AtLeastOnce } else { Guarantee::AtMostOnce },
        max_age: None,
    };
    let template = |id: &str, arguments: Vec<Argument>| Template { id: id.into(), arguments, content: String::new() };
    let mut templates: Vec<Template> = MAILS.iter().map(|id| template(id, vec![])).collect();
    templates.push(template("receipt", vec![Argument { name: "event".into(), ty: "Event".into() }]));
    if rng.chance(50) {
        rules.reverse();
    }
    let field = |name: &str, default| Field { name: name.into(), ty: Type::Integer, required: false, default };
    let mut user: Vec<Field> = ATTRIBUTES.iter().map(|a| field(a, (*a == "c").then(|| json!(1)))).collect();
    user.push(Field { ty: Type::String, ..field("tz", None) });
    let manifest = Manifest {
        name: "simulated".into(),
        user,
        time_zone: Some("tz".into()),
        events: EVENTS.iter().map(|e| Event { name: e.to_string(), fields: vec![field("v", None)] }).collect(),
        segments: rules,
        campaigns,
        transactions: (0..rng.below(3) as usize).map(|index| transaction(rng, index)).collect(),
        templates,
        ..Manifest::default()
    };
    let problems = check(&manifest);
    holds(problems.is_empty(), "the simulator's manifests are valid", || format!("{problems:?}"));
    Source { manifest, programs }
}

/// A push of `source` over `before`.
pub fn project(rng: &mut Rng, source: &Source, before: &Project, now: i64) -> Project {
    let generation = before.generation + 1;
    let since = source.manifest.campaigns.iter().map(|campaign| {
        let rule = |c: &Campaign| (c.segments.clone(), c.exclude_segments.clone(), c.mode);
        let same = before.campaign(&campaign.id).is_some_and(|old| rule(old) == rule(campaign));
        let since = before.since.get(&campaign.id).copied().filter(|_| same);
        (campaign.id.clone(), since.unwrap_or(generation))
    });
    let since = since.collect();
    let mut project = Project::new(format!("dep{generation}"), generation, source.manifest.clone(), since, now);
    for campaign in &source.manifest.campaigns {
        let policy =
            rng.pick(&[InFlight::Migrate, InFlight::Migrate, InFlight::Pin, InFlight::Restart, InFlight::Cancel]);
        if rng.chance(80) {
            project.in_flight.insert(campaign.id.clone(), policy);
        }
    }
    project
}

fn plain_campaign(rng: &mut Rng, id: String, everyone: &str) -> Campaign {
    let mut campaign = Campaign { id, segments: vec![everyone.into()], ..Campaign::default() };
    if rng.chance(20) {
        campaign.exits_on.push(Trigger::Goal(rng.pick(&GOALS).into()));
    }
    for triggers in [&mut campaign.exits_on, &mut campaign.pauses_on] {
        if rng.chance(15) {
            triggers.push(Trigger::Event { name: rng.pick(&EVENTS).into(), filter: None });
        }
    }
    campaign
}

fn campaign(rng: &mut Rng, id: String, known: &[String]) -> Campaign {
    let mut all: Vec<&String> = known.iter().collect();
    let mut take = |rng: &mut Rng| all.remove(rng.below(all.len() as u64) as usize).clone();
    let mut segments = vec![take(rng)];
    let exclude_segments = if rng.chance(30) { vec![take(rng)] } else { vec![] };
    if rng.chance(20) && known.len() > 2 {
        segments.push(take(rng));
    }
    let reentry = match rng.below(8) {
        0 => Some(Reentry::Never),
        1 => Some(Reentry::AfterLeaving),
        2 => Some(Reentry::After(rng.pick(&[0, HOUR, 2 * DAY]))),
        3 => Some(Reentry::PerKey(vec![rng.pick(&ATTRIBUTES).into()])),
        _ => None,
    };
    let triggers = |rng: &mut Rng| match rng.below(8) {
        0 => vec![Trigger::Goal(rng.pick(&GOALS).into())],
        1 => {
            let filter = rng.chance(70).then(|| Cond::At { path: vec!["v".into()], is: Test::Ge(json!(2)) });
            vec![Trigger::Event { name: rng.pick(&EVENTS).into(), filter }]
        }
        _ => vec![],
    };
    let conversion = |rng: &mut Rng| Conversion {
        on: match rng.below(3) {
            0 => Trigger::Goal(rng.pick(&GOALS).into()),
            _ => {
                let Events { name, filter, .. } = events(rng);
                Trigger::Event { name, filter }
            }
        },
        within: rng.pick(&[1, HOUR, DAY, 30 * DAY]),
        value: rng.chance(50).then(|| vec!["v".into()]),
    };
    let conversions = rng.below(4).saturating_sub(1);
    Campaign {
        id,
        segments,
        exclude_segments,
        mode: if rng.chance(50) { Mode::Dynamic } else { Mode::Static },
        guarantee: if rng.chance(70) { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce },
        reentry,
        newcomers_only: rng.chance(10),
        exits_on: triggers(rng),
        pauses_on: triggers(rng),
        conversions: (0..conversions).map(|_| conversion(rng)).collect(),
        ..Campaign::default()
    }
}

pub fn events(rng: &mut Rng) -> Events {
    let least = Cond::At { path: vec!["v".into()], is: Test::Ge(json!(1)) };
    Events {
        name: rng.pick(&EVENTS).into(),
        filter: rng.chance(20).then_some(least),
        within: rng.chance(60).then(|| rng.pick(&[HOUR, DAY, 3 * DAY, 30 * DAY])),
    }
}

/// The rule of segment number `index`: it may build on those before it.
pub fn expr(rng: &mut Rng, index: u64, depth: u32) -> Expr {
    let at = |path: &str, is: Test| Cond::At { path: vec![path.into()], is };
    let age = |rng: &mut Rng| rng.pick(&[HOUR, DAY, 3 * DAY, 30 * DAY]);
    let small = |rng: &mut Rng| json!(rng.below(3));
    match rng.below(if depth == 0 { 8 } else { 12 }) {
        0 if rng.chance(30) => Expr::Everyone,
        0..=2 => {
            let key = rng.pick(&ATTRIBUTES);
            let is = match rng.below(3) {
                0 => Test::Exists,
                1 => Test::Eq(small(rng)),
                _ => Test::Ge(small(rng)),
            };
            Expr::User(at(key, is))
        }
        3 | 4 => {
            let measure = if rng.chance(70) { Measure::Count } else { Measure::Sum(vec!["v".into()]) };
            Expr::Measure { events: events(rng), measure, is: Test::Ge(small(rng)) }
        }
        5 | 6 => Expr::When {
            events: events(rng),
            which: if rng.chance(50) { Which::First } else { Which::Last },
            is: if rng.chance(50) { TimeTest::OlderThan(age(rng)) } else { TimeTest::Within(age(rng)) },
            or_never: rng.chance(50),
        },
        7 if index > 0 => Expr::Segment(format!("s{}", rng.below(index))),
        7 => Expr::Everyone,
        8 | 9 => Expr::Not(Box::new(expr(rng, index, depth - 1))),
        10 => Expr::All(vec![expr(rng, index, depth - 1), expr(rng, index, depth - 1)]),
        _ => Expr::Any(vec![expr(rng, index, depth - 1), expr(rng, index, depth - 1)]),
    }
}
