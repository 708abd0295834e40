//! Whom a push can concern, as a condition that the database finds quickly: who is outside it is in none of the segments and campaigns
//! that differ, and no time to come puts them there without a new fact. They need no evaluation.
//!
//! The condition is a superset: it lets through whom the evaluator turns away, never the other way round. What it cannot say it leaves
//! out, and where it can say nothing, everybody passes.

use std::collections::{BTreeMap, BTreeSet};

use segflow_core::eval::{self, Reads};
use segflow_core::merge::Object;
use segflow_core::project::Project;
use segflow_core::protocol::{Cond, Events, Expr, Manifest, Measure, Rule, Segment, Test, TimeTest};
use serde_json::Value as Json;

use super::db::{Kind, Value};
use crate::args;

/// The most values in a sieve, and the most parts of one expression in it. Beyond that a database refuses it sooner or later, or takes
/// longer for it than the engine for the users.
const MOST: usize = 1_000;

/// Some of the users, as a condition on a row of `users`; `Everybody` where nothing can be said.
#[derive(Debug, Clone, PartialEq)]
pub enum Who {
    Everybody,
    Where(String, Vec<Value>),
}

impl Who {
    fn nobody() -> Who {
        Who::Where("1 = 0".into(), vec![])
    }

    fn of(sql: &str, args: Vec<Value>) -> Who {
        Who::Where(sql.into(), args)
    }

    /// In all of them: those about which nothing can be said are left out.
    fn all(parts: impl Iterator<Item = Who>) -> Who {
        let parts: Vec<Who> = parts.filter(|part| *part != Who::Everybody).collect();
        if parts.is_empty() { Who::Everybody } else { joined(parts, " AND ") }
    }

    fn any(parts: impl Iterator<Item = Who>) -> Who {
        let parts: Vec<Who> = parts.collect();
        match parts.is_empty() {
            true => Who::nobody(),
            false if parts.contains(&Who::Everybody) => Who::Everybody,
            false => joined(parts, " OR "),
        }
    }
}

/// By halves, and halves of halves: SQLite reads a chain as a tree that is as deep as the chain is long, and refuses a deep one.
fn joined(mut parts: Vec<Who>, by: &str) -> Who {
    if parts.len() > MOST {
        return Who::Everybody;
    }
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let right = parts.split_off(parts.len() / 2);
    match (joined(parts, by), joined(right, by)) {
        (Who::Where(left, mut args), Who::Where(right, more)) if args.len() + more.len() <= MOST => {
            args.extend(more);
            Who::Where(format!("({left}{by}{right})"), args)
        }
        _ => Who::Everybody,
    }
}

/// Whom a step from one project to another can concern.
#[derive(Debug, Clone, PartialEq)]
pub struct Sieve {
    pub sql: String,
    pub args: Vec<Value>,
    /// Raw SQL that differs: whom it selects passes too.
    pub queries: Vec<String>,
    /// When it was made, ms UTC.
    pub now: i64,
}

/// The sieve for users who were held against `old`, of the generation `seen`; `None` when everybody must be looked at. `now` is business
/// time; the sieve stays right when time goes on.
pub fn sieve(kind: Kind, workspace: &str, old: &Manifest, seen: i64, new: &Project, now: i64) -> Option<Sieve> {
    let changed = new.differs(old);
    let before: BTreeSet<&str> = old.segments.iter().map(|s| s.id.as_str()).collect();
    let after: BTreeSet<&str> = new.manifest.segments.iter().map(|s| s.id.as_str()).collect();
    let scope = Scope { kind, workspace, project: new, changed: &changed, now };
    let (mut parts, mut queries) = (vec![], vec![]);
    for segment in new.manifest.segments.iter().filter(|s| changed.contains(s.id.as_str())) {
        match &segment.rule {
            Rule::Expr(expr) => parts.push(scope.expr(expr, true)),
            Rule::Sql(sql) if !on(new, segment).other_users => {
                queries.push(sql.clone());
                parts.extend(scope.to_come(&on(new, segment).events));
            }
            // Its verdicts come as facts.
            Rule::Sql(_) => {}
        }
    }
    let gone = before.iter().filter(|id| !after.contains(**id));
    let other: Vec<&str> = gone.chain(before.iter().filter(|id| changed.contains(**id))).copied().collect();
    if !other.is_empty() {
        parts.extend(["memberships", "flips"].map(|table| scope.has(table, "segment", &other, "")));
    }
    let campaigns: BTreeMap<&str, _> = old.campaigns.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut live: BTreeSet<&str> = campaigns.keys().copied().filter(|id| new.campaign(id).is_none()).collect();
    for campaign in &new.manifest.campaigns {
        let since = new.since.get(&campaign.id).copied().unwrap_or(0);
        if campaigns.get(campaign.id.as_str()) != Some(&campaign) || since > seen {
            live.insert(&campaign.id);
            parts.push(Who::all(campaign.segments.iter().map(|id| scope.member(id))));
        }
    }
    live.extend(new.moving(seen));
    if !live.is_empty() {
        let live: Vec<&str> = live.into_iter().collect();
        parts.push(scope.has("enrollments", "campaign", &live, " AND t.status IN ('active', 'parked', 'paused')"));
    }
    match Who::any(parts.into_iter()) {
        Who::Everybody => None,
        Who::Where(sql, args) => Some(Sieve { sql, args, queries, now }),
    }
}

/// Whom a segment's expression can come to hold for without a new fact.
pub fn superset(kind: Kind, workspace: &str, project: &Project, expr: &Expr, now: i64) -> Who {
    Scope { kind, workspace, project, changed: &BTreeSet::new(), now }.expr(expr, true)
}

fn on<'a>(project: &'a Project, segment: &Segment) -> &'a eval::Dependencies {
    let index = project.manifest.segments.iter().position(|s| s.id == segment.id);
    project.depends_on(index.expect("it is one of them"))
}

struct Scope<'a> {
    kind: Kind,
    workspace: &'a str,
    project: &'a Project,
    changed: &'a BTreeSet<&'a str>,
    now: i64,
}

impl Scope<'_> {
    /// Users with a row in a table that is one of these.
    fn has(&self, table: &str, column: &str, ids: &[&str], and: &str) -> Who {
        let list = vec!["?"; ids.len()].join(", ");
        let sql = format!(
            "EXISTS (SELECT 1 FROM {table} t WHERE t.workspace = ? AND t.user_id = users.id AND t.{column} IN ({list}){and})"
        );
        let mut args = args![self.workspace];
        args.extend(ids.iter().map(|id| Value::from(*id)));
        Who::Where(sql, args)
    }

    /// Whoever is in a segment, or can come to be without a new fact.
    fn member(&self, id: &str) -> Who {
        let segment = self.project.manifest.segments.iter().find(|s| s.id == id);
        match segment.map(|s| &s.rule) {
            Some(Rule::Expr(expr)) if self.changed.contains(id) => self.expr(expr, true),
            Some(Rule::Sql(_)) if self.changed.contains(id) => Who::Everybody,
            // What flips then has dependents, and they are evaluated with it.
            Some(_) => self.has("memberships", "segment", &[id], ""),
            None => Who::nobody(),
        }
    }

    /// Users for whom an expression holds, or does not (`holds`), now or at some time to come.
    fn expr(&self, expr: &Expr, holds: bool) -> Who {
        match expr {
            Expr::Everyone if holds => Who::Everybody,
            Expr::Everyone => Who::nobody(),
            Expr::All(parts) if holds => Who::all(parts.iter().map(|part| self.expr(part, true))),
            Expr::All(parts) => Who::any(parts.iter().map(|part| self.expr(part, false))),
            Expr::Any(parts) if holds => Who::any(parts.iter().map(|part| self.expr(part, true))),
            Expr::Any(parts) => Who::all(parts.iter().map(|part| self.expr(part, false))),
            Expr::Not(part) => self.expr(part, !holds),
            Expr::User(cond) => self.cond(cond, holds),
            Expr::Measure { events, measure, is } => {
                let of_none = match measure {
                    Measure::Count | Measure::Sum(_) => Some(Json::from(0)),
                    Measure::Min(_) | Measure::Max(_) => None,
                };
                if eval::test(is, of_none.as_ref()) == holds { Who::Everybody } else { self.happened(events, None) }
            }
            Expr::When { or_never, .. } if *or_never == holds => Who::Everybody,
            Expr::When { events, is, .. } => match is {
                TimeTest::Within(age) if holds => self.happened(events, Some(*age)),
                _ => self.happened(events, None),
            },
            Expr::Segment(id) if holds => self.member(id),
            Expr::Segment(_) => Who::Everybody,
        }
    }

    /// Users with such an event, also one to come; its attributes are not looked at.
    fn happened(&self, events: &Events, age: Option<i64>) -> Who {
        let mut sql =
            "EXISTS (SELECT 1 FROM events t WHERE t.workspace = ? AND t.user_id = users.id AND t.name = ?".to_string();
        let mut args = args![self.workspace, &events.name];
        if let Some(age) = [events.within, age].into_iter().flatten().min() {
            sql.push_str(" AND t.occurred_at > ?");
            args.push(self.now.saturating_sub(age).into());
        }
        Who::Where(sql + ")", args)
    }

    /// Users with an event to come that raw SQL reads.
    fn to_come(&self, events: &Reads<String>) -> Option<Who> {
        let mut sql =
            "EXISTS (SELECT 1 FROM events t WHERE t.workspace = ? AND t.user_id = users.id AND t.occurred_at > ?"
                .to_string();
        let mut args = args![self.workspace, self.now];
        if let Reads::Only(names) = events {
            if names.is_empty() {
                return None;
            }
            sql.push_str(&format!(" AND t.name IN ({})", vec!["?"; names.len()].join(", ")));
            args.extend(names.iter().map(Value::from));
        }
        Some(Who::Where(sql + ")", args))
    }

    fn cond(&self, cond: &Cond, holds: bool) -> Who {
        match cond {
            Cond::All(parts) if holds => Who::all(parts.iter().map(|part| self.cond(part, true))),
            Cond::All(parts) => Who::any(parts.iter().map(|part| self.cond(part, false))),
            Cond::Any(parts) if holds => Who::any(parts.iter().map(|part| self.cond(part, true))),
            Cond::Any(parts) => Who::all(parts.iter().map(|part| self.cond(part, false))),
            Cond::Not(part) => self.cond(part, !holds),
            Cond::At { path, is } => {
                let nothing = Object::new();
                let by_default = eval::condition(cond, &nothing, &self.project.manifest.user);
                // Whoever has no value is let through where that suffices. A default of an object stands in for the whole of it only:
                // whoever has one in which the rest of the path leads nowhere has no value all the same.
                if by_default == holds
                    || (path.len() > 1 && eval::test(is, None) == holds)
                    || path.iter().any(|key| key.contains(['"', '\\']) || key.contains(char::is_control))
                {
                    return Who::Everybody;
                }
                match (is, holds) {
                    (Test::Ne(x), false) => self.value(path, &Test::Eq(x.clone())),
                    (_, false) => self.is_there(path),
                    (is, true) => self.value(path, is),
                }
            }
        }
    }

    fn is_there(&self, path: &[String]) -> Who {
        Who::of("JSON_EXTRACT(users.attributes, ?) IS NOT NULL", args![json_path(path)])
    }

    fn value(&self, path: &[String], is: &Test) -> Who {
        const EXTRACT: &str = "JSON_EXTRACT(users.attributes, ?)";
        let number = |x: &Json, low: bool, high: bool| match x.as_f64() {
            Some(n) => {
                // Databases read and compare numbers in their own ways: some room is left on both sides.
                let room = n.abs() * 1e-9 + 1e-9;
                let (from, to) = (n - room, n + room);
                let from = (low && from.is_finite()).then(|| format!("{EXTRACT} >= {from:e}"));
                let to = (high && to.is_finite()).then(|| format!("{EXTRACT} <= {to:e}"));
                let bounds: Vec<String> = [from, to].into_iter().flatten().collect();
                let args = bounds.iter().map(|_| Value::from(json_path(path))).collect();
                if bounds.is_empty() {
                    self.is_there(path)
                } else {
                    Who::of(&format!("({})", bounds.join(" AND ")), args)
                }
            }
            None => self.is_there(path),
        };
        match is {
            Test::Eq(x @ Json::Number(_)) => number(x, true, true),
            Test::Eq(x @ (Json::String(_) | Json::Bool(_))) => self.equal(path, x),
            Test::OneOf(all) if all.len() <= MOST => {
                let texts: Vec<&str> = all.iter().filter_map(Json::as_str).collect();
                let others = all.iter().filter(|x| !x.is_string()).map(|x| self.value(path, &Test::Eq(x.clone())));
                Who::any(others.chain((!texts.is_empty()).then(|| self.one_of(path, &texts))))
            }
            Test::Lt(x @ Json::Number(_)) | Test::Le(x @ Json::Number(_)) => number(x, false, true),
            Test::Gt(x @ Json::Number(_)) | Test::Ge(x @ Json::Number(_)) => number(x, true, false),
            _ => self.is_there(path),
        }
    }

    fn equal(&self, path: &[String], x: &Json) -> Who {
        match (self.kind, x) {
            (_, Json::String(text)) => self.one_of(path, &[text]),
            // SQLite gives truth as a number.
            (Kind::Sqlite, Json::Bool(truth)) => {
                Who::of("JSON_EXTRACT(users.attributes, ?) = ?", args![json_path(path), *truth])
            }
            (Kind::MariaDb, Json::Bool(truth)) => {
                let sql = "JSON_UNQUOTE(JSON_EXTRACT(users.attributes, ?)) = ?";
                Who::of(sql, args![json_path(path), truth.to_string()])
            }
            (Kind::MySql, x) => {
                let sql = "JSON_EXTRACT(users.attributes, ?) = CAST(? AS JSON)";
                Who::of(sql, args![json_path(path), x.to_string()])
            }
            _ => self.is_there(path),
        }
    }

    fn one_of(&self, path: &[String], texts: &[&str]) -> Who {
        match self.kind {
            // SQLite gives text as it is, but cut off where it holds U+0000.
            Kind::Sqlite | Kind::MariaDb if texts.iter().any(|text| text.contains('\0')) => self.is_there(path),
            Kind::Sqlite | Kind::MariaDb => {
                let value = match self.kind {
                    Kind::MariaDb => "JSON_UNQUOTE(JSON_EXTRACT(users.attributes, ?))",
                    _ => "JSON_EXTRACT(users.attributes, ?)",
                };
                let list = vec!["?"; texts.len()].join(", ");
                let mut args = args![json_path(path)];
                args.extend(texts.iter().map(|text| Value::from(*text)));
                Who::Where(format!("{value} IN ({list})"), args)
            }
            // `IN` compares no JSON there. A list of such texts passes, too.
            Kind::MySql => {
                let sql = "JSON_CONTAINS(CAST(? AS JSON), JSON_EXTRACT(users.attributes, ?))";
                Who::of(sql, args![Json::from(texts).to_string(), json_path(path)])
            }
        }
    }
}

/// Keys without quotation marks, as a path of SQL.
fn json_path(path: &[String]) -> String {
    path.iter().fold("$".to_string(), |text, key| text + ".\"" + key + "\"")
}
