//! What is documented to be there.

use super::ir::Ty;

/// The two documented tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Users,
    Events,
}

impl Table {
    pub fn name(self) -> &'static str {
        match self {
            Table::Users => "users",
            Table::Events => "events",
        }
    }

    /// The most bytes in a value of it: those of a document.
    pub fn most(self) -> u64 {
        65_536
    }

    /// What it is called where only the rows of some users are in it. Nothing in the database has that name: what is not found there is
    /// an error, and never the whole table.
    pub fn scoped_name(self) -> &'static str {
        match self {
            Table::Users => "segflow_users",
            Table::Events => "segflow_events",
        }
    }

    /// Column, type, and whether it says whose row it is.
    pub fn columns(self) -> &'static [(&'static str, Ty, bool)] {
        match self {
            Table::Users => &[
                ("id", Ty::Text, true),
                ("attributes", Ty::Json, false),
                ("created_at", Ty::Time, false),
                ("updated_at", Ty::Time, false),
            ],
            Table::Events => &[
                ("id", Ty::Text, false),
                ("user_id", Ty::Text, true),
                ("name", Ty::Text, false),
                ("attributes", Ty::Json, false),
                ("occurred_at", Ty::Time, false),
            ],
        }
    }
}
