//! What a query's answer depends on: conservative, so that nothing that could change it is missed.

use std::collections::BTreeSet;

use super::anchors;
use super::ir::{Select, Source, Step, Table};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    pub users: bool,
    pub events: bool,
    /// Time alone may change the answer.
    pub clock: bool,
    /// The only names of events that matter, or None when all do. Empty when it reads no events.
    pub event_names: Option<BTreeSet<String>>,
    pub user_attributes: Attributes,
    pub event_attributes: Attributes,
    /// A user's answer may depend on other users' rows.
    pub other_users: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// These, by their first key.
    Only(BTreeSet<String>),
    All,
}

impl Default for Reads {
    fn default() -> Reads {
        Reads {
            users: false,
            events: false,
            clock: false,
            event_names: Some(BTreeSet::new()),
            user_attributes: Attributes::Only(BTreeSet::new()),
            event_attributes: Attributes::Only(BTreeSet::new()),
            other_users: false,
        }
    }
}

impl Reads {
    pub(super) fn column(&mut self, table: Table, column: &str, whole: bool) {
        // updated_at changes with every attribute.
        if (column == "attributes" && whole) || column == "updated_at" {
            *self.attributes(table) = Attributes::All;
        }
    }

    pub(super) fn path(&mut self, table: Table, steps: &[Step]) {
        let attributes = self.attributes(table);
        match (attributes, steps.first()) {
            (Attributes::Only(keys), Some(Step::Key(key))) => {
                keys.insert(key.clone());
            }
            (attributes, _) => *attributes = Attributes::All,
        }
    }

    fn attributes(&mut self, table: Table) -> &mut Attributes {
        match table {
            Table::Users => &mut self.user_attributes,
            Table::Events => &mut self.event_attributes,
        }
    }

    /// Which events this SELECT can read.
    pub(super) fn events_named(&mut self, select: &Select) {
        for from in select.from.iter().filter(|from| from.source == Source::Table(Table::Events)) {
            self.event_names = match (self.event_names.take(), anchors::names(select, from)) {
                (Some(mut all), Some(names)) => {
                    all.extend(names);
                    Some(all)
                }
                _ => None,
            };
        }
    }
}
