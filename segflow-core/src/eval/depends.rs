//! What a segment reads, so that a fact that touches none of it costs nothing.

use std::collections::BTreeSet;

use segflow_protocol::{Cond, Expr};

use crate::merge::Path;

/// Some of a kind, or any that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads<T> {
    Any,
    Only(BTreeSet<T>),
}

impl<T: Ord> Default for Reads<T> {
    fn default() -> Reads<T> {
        Reads::Only(BTreeSet::new())
    }
}

impl<T: Ord> Reads<T> {
    fn add(&mut self, one: T) {
        if let Reads::Only(all) = self {
            all.insert(one);
        }
    }
}

/// What a segment depends on; a fact that touches none of it cannot change the verdict. Exact for expressions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Attributes of the user.
    pub attributes: Reads<Path>,
    /// Events, by name.
    pub events: Reads<String>,
    pub segments: BTreeSet<String>,
    /// Time alone may change the verdict.
    pub clock: bool,
    /// Other users' facts may change the verdict: it cannot be asked for when a fact arrives, only from time to time.
    pub other_users: bool,
}

impl Dependencies {
    /// What is said of something about which nothing is known.
    pub fn anything() -> Dependencies {
        Dependencies { attributes: Reads::Any, events: Reads::Any, ..Dependencies::default() }
    }

    /// Whether a change of the attributes can change the verdict. `places` are those that have changed; `None`: any may have.
    pub fn reads_attributes(&self, places: Option<&[Path]>) -> bool {
        match (&self.attributes, places) {
            (Reads::Any, _) => true,
            (Reads::Only(read), None) => !read.is_empty(),
            (Reads::Only(read), Some(places)) => {
                let meets = |a: &Path, b: &Path| a.iter().zip(b).all(|(a, b)| a == b);
                places.iter().any(|place| read.iter().any(|path| meets(path, place)))
            }
        }
    }

    /// Whether an event of this name can change the verdict.
    pub fn reads_event(&self, name: &str) -> bool {
        match &self.events {
            Reads::Any => true,
            Reads::Only(names) => names.contains(name),
        }
    }

    /// The names of events, where they are known.
    pub fn event_names(&self) -> impl Iterator<Item = &String> {
        match &self.events {
            Reads::Any => None,
            Reads::Only(names) => Some(names.iter()),
        }
        .into_iter()
        .flatten()
    }
}

pub fn dependencies(expr: &Expr) -> Dependencies {
    let mut all = Dependencies::default();
    collect(expr, &mut all);
    all
}

fn collect(expr: &Expr, into: &mut Dependencies) {
    match expr {
        Expr::Everyone => {}
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| collect(part, into)),
        Expr::Not(part) => collect(part, into),
        Expr::User(cond) => paths(cond, &mut into.attributes),
        Expr::Measure { events, .. } => {
            into.events.add(events.name.clone());
            into.clock |= events.within.is_some();
        }
        Expr::When { events, .. } => {
            into.events.add(events.name.clone());
            into.clock = true;
        }
        Expr::Segment(id) => {
            into.segments.insert(id.clone());
        }
    }
}

fn paths(cond: &Cond, into: &mut Reads<Path>) {
    match cond {
        Cond::All(parts) | Cond::Any(parts) => parts.iter().for_each(|part| paths(part, into)),
        Cond::Not(part) => paths(part, into),
        Cond::At { path, .. } => into.add(path.clone()),
    }
}
