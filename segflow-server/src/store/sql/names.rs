//! Which names stand for what: the tables, CTEs and aliases that can be seen at a place.

use sqlparser::ast::{Ident, ObjectName, Spanned};
use sqlparser::tokenizer::Span;

use super::Reads;
use super::ir::{Col, Column, E, From, Source, Table, X};
use super::place::{Got, Refused};

#[derive(Default)]
pub struct Lower {
    pub reads: Reads,
    /// Where the clock is read first, and the innermost part whose rows are not one user's.
    pub clock_at: Option<Span>,
    pub others_at: Option<Span>,
    pub(super) scopes: Vec<Scope>,
    pub(super) ctes: Vec<Cte>,
    /// How many SELECTs there have been.
    pub(super) count: usize,
    pub(super) depth: usize,
    /// Within an aggregate, where no other may stand.
    pub(super) in_aggregate: bool,
}

#[derive(Clone)]
pub struct Cte {
    pub name: String,
    pub columns: Vec<Column>,
    pub per_user: bool,
    pub rows: bool,
    pub used: bool,
}

#[derive(Default)]
pub struct Scope {
    pub id: usize,
    pub from: Vec<From>,
    /// A derived table or a CTE: what is around it cannot be seen.
    pub closed: bool,
    /// Names that the SELECT gives, once they are known: GROUP BY and HAVING may use them.
    pub given: Vec<(String, X)>,
    /// In HAVING, a name that the SELECT gives comes before a column.
    pub given_first: bool,
}

/// Deeper than anybody writes, and shallow enough for any stack.
const DEPTH: usize = 60;

impl Lower {
    pub fn deeper<T>(&mut self, span: impl FnOnce() -> Span, inside: impl FnOnce(&mut Lower) -> Got<T>) -> Got<T> {
        if self.depth == DEPTH {
            return Err(Refused::at(span(), "this is nested too deeply: take it apart with WITH"));
        }
        self.depth += 1;
        let got = inside(self);
        self.depth -= 1;
        got
    }

    /// What stands after FROM or JOIN.
    pub fn relation(&mut self, name: &ObjectName) -> Got<(Source, Vec<Column>, bool, bool)> {
        let [part] = name.0.as_slice() else {
            return Err(Refused::at(
                name.span(),
                format!(
                    "`{name}` is another schema: only `users` and `events` can be read, without a schema before them"
                ),
            ));
        };
        let Some(ident) = part.as_ident() else {
            return Err(Refused::at(name.span(), "only `users`, `events` and names given with WITH can be read"));
        };
        let wanted = ident.value.to_lowercase();
        if let Some(cte) = self.ctes.iter_mut().rev().find(|cte| cte.name == wanted) {
            cte.used = true;
            return Ok((Source::Cte(wanted), cte.columns.clone(), cte.per_user, cte.rows));
        }
        let Some(table) = [Table::Users, Table::Events].into_iter().find(|table| table.name() == wanted) else {
            let message = format!(
                "there is no `{}` to read: only `users`, `events` and names given with WITH before",
                ident.value
            );
            return Err(Refused::at(ident.span, message));
        };
        match table {
            Table::Users => self.reads.users = true,
            Table::Events => self.reads.events = true,
        }
        let columns = table
            .columns()
            .iter()
            .map(|&(name, ty, key)| Column { name: name.into(), ty, key, most: table.most() })
            .collect();
        Ok((Source::Table(table), columns, true, true))
    }

    /// A column by its name, and perhaps the alias before it. `whole` says that a document is used as a whole.
    pub fn column(&mut self, idents: &[Ident], whole: bool) -> Got<X> {
        let (alias, ident) = match idents {
            [ident] => (None, ident),
            [alias, ident] => (Some(alias.value.to_lowercase()), ident),
            _ => {
                let message = "a column is written `column` or `alias.column`, without a schema";
                return Err(Refused::at(idents[0].span.union(&idents[idents.len() - 1].span), message));
            }
        };
        let span = idents[0].span.union(&ident.span);
        if idents.iter().any(|ident| ident.value.starts_with('@')) {
            return Err(Refused::at(span, "variables cannot be used: write the value itself"));
        }
        let name = ident.value.to_lowercase();
        for scope in self.scopes.iter().rev() {
            let given =
                || scope.given.iter().find(|(given, _)| alias.is_none() && *given == name).map(|(_, x)| x.clone());
            if let Some(x) = given().filter(|_| scope.given_first) {
                return Ok(x);
            }
            let mut found: Vec<(&From, &Column)> = vec![];
            for from in scope.from.iter().filter(|from| alias.as_ref().is_none_or(|alias| from.alias == *alias)) {
                found.extend(from.columns.iter().filter(|column| column.name == name).map(|column| (from, column)));
            }
            match found.as_slice() {
                [(from, column)] => {
                    let table = if let Source::Table(table) = from.source { Some(table) } else { None };
                    let (ty, key, most) = (column.ty, column.key, column.most);
                    let (alias, column) = (from.alias.clone(), column.name.clone());
                    let scope = scope.id;
                    if let Some(table) = table {
                        self.reads.column(table, &column, whole);
                    }
                    return Ok(X::new(ty, E::Col(Col { scope, alias, column, key, table, most })));
                }
                [] => {}
                _ => {
                    let message =
                        format!("`{}` is in more than one of the tables: write which, as in `u.{0}`", ident.value);
                    return Err(Refused::at(span, message));
                }
            }
            if let Some(x) = given() {
                return Ok(x);
            }
            let known = alias.as_ref().and_then(|alias| scope.from.iter().find(|from| from.alias == *alias));
            if let Some(from) = known {
                let names: Vec<_> = from.columns.iter().map(|column| column.name.as_str()).collect();
                let message = format!("`{}` has no column `{}`: it has {}", from.alias, ident.value, names.join(", "));
                return Err(Refused::at(span, message));
            }
            if scope.closed {
                break;
            }
        }
        let near = self.scopes.last().into_iter().flat_map(|scope| &scope.from);
        let names: Vec<_> = near.flat_map(|from| &from.columns).map(|column| column.name.as_str()).collect();
        let there = if names.is_empty() { "nothing".into() } else { names.join(", ") };
        let quoted = idents.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
        Err(Refused::at(span, format!("there is no column `{quoted}` here: there is {there}")))
    }
}

/// A name that the user gives: letters, digits and `_`, the same on every database whatever its case.
pub fn given(ident: &Ident, what: &str) -> Got<String> {
    let name = ident.value.to_lowercase();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty() && name.len() <= 60;
    if !plain || name.starts_with(|first: char| first.is_ascii_digit()) {
        let message = format!("{what} is a name of letters, digits and _: `{}` is not", ident.value);
        return Err(Refused::at(ident.span, message));
    }
    // Tables and functions that SQLite has by itself.
    let theirs = ["json_", "sqlite_", "pragma_", "segflow_"].iter().any(|prefix| name.starts_with(prefix));
    if theirs || ["users", "events"].contains(&name.as_str()) && what != "a column" {
        return Err(Refused::at(ident.span, format!("`{}` means something already: choose another name", ident.value)));
    }
    Ok(name)
}
