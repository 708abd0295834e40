//! Whether each row of a SELECT comes from one user's rows. Conservative: what is not plainly tied to one user is said to read others'.

use super::ir::{Body, Col, E, From, Join, Op, Query, Select, Source, X};

/// An alias of one SELECT.
type Node = (usize, String);

pub struct Found {
    pub per_user: bool,
    pub correlated: bool,
    pub rows: bool,
    /// Of each thing that it gives, whether it says whose row it is.
    pub keys: Vec<bool>,
}

pub fn of(select: &Select) -> Found {
    let conditions: Vec<&X> = select
        .filter
        .iter()
        .chain(select.from.iter().filter_map(|from| from.on.as_ref()))
        .chain(&select.having)
        .collect();
    let parts = conditions.into_iter().chain(select.items.iter().map(|(x, _)| x)).chain(&select.group);
    let inside: Vec<(Option<&X>, &Query)> = parts.flat_map(X::queries).collect();
    let rows = select.from.iter().any(|from| from.rows) || inside.iter().any(|(_, query)| query.rows);

    let pairs = pairs(select.filter.as_ref(), &select.from);
    let mine = |alias: &str| (select.scope, alias.to_string());
    // Tables without rows of anybody (a SELECT of constants) need no tie.
    let needed: Vec<Node> = select.from.iter().filter(|from| from.rows).map(|from| mine(&from.alias)).collect();
    let tied = needed.first().map(|first| class(first, &pairs)).unwrap_or_default();
    let one =
        needed.iter().all(|node| tied.contains(node)) && select.from.iter().all(|from| from.per_user || !from.rows);
    let correlated = one && !needed.is_empty() && tied.iter().any(|(scope, _)| *scope != select.scope);

    let firm = |col: &Col| col.key && col.scope == select.scope && !nullable(&select.from, &col.alias);
    let key = |x: &X| {
        matches!(&x.e, E::Col(col) if firm(col))
            || matches!(&x.e, E::Decided(x) if matches!(&x.e, E::Col(col) if firm(col)))
    };
    let grouped =
        !select.group.is_empty() || select.having.is_some() || select.items.iter().any(|(x, _)| x.aggregates());
    let keeps = !grouped || correlated || select.group.iter().any(key);
    let subqueries = inside.iter().all(|(left, query)| {
        let listed = left.is_some_and(|x| matches!(&x.e, E::Col(Col { key: true, .. }))) && query.columns[0].key;
        !query.rows || (query.per_user && (query.correlated || listed))
    });
    let keys: Vec<bool> = select.items.iter().map(|(x, _)| one && key(x)).collect();
    let apart = !select.distinct || correlated || keys.contains(&true);
    Found { per_user: one && keeps && subqueries && apart, correlated, rows, keys }
}

/// Which aliases are said to be of the same user.
fn pairs(filter: Option<&X>, tables: &[From]) -> Vec<(Node, Node)> {
    let mut pairs = vec![];
    for x in filter.into_iter().flat_map(X::conjuncts) {
        pairs.extend(equal(x));
    }
    for from in tables {
        let ons = from.on.iter().flat_map(X::conjuncts).filter_map(equal);
        // The ON of an outer join ties what it joins and nothing else. Of a LEFT JOIN only to one other: where the ON does not hold,
        // rows of two others still stand side by side.
        let joined = |(a, b): &(Node, Node)| from.join == Join::Inner || a.1 == from.alias || b.1 == from.alias;
        pairs.extend(ons.filter(joined).take(if from.join == Join::Left { 1 } else { usize::MAX }));
    }
    pairs
}

/// Whether a group by this expression is one user's, whose row of `users` this alias has.
pub fn decides(by: &X, scope: usize, alias: &str, filter: Option<&X>, tables: &[From]) -> bool {
    let E::Col(Col { scope: of, alias: key, key: true, .. }) = &by.e else { return false };
    *of == scope
        && !nullable(tables, key)
        && class(&(scope, key.clone()), &pairs(filter, tables)).contains(&(scope, alias.to_string()))
}

fn equal(x: &X) -> Option<(Node, Node)> {
    let node = |x: &X| match &x.e {
        E::Col(col) if col.key => Some((col.scope, col.alias.clone())),
        _ => None,
    };
    match &x.e {
        E::Cmp(Op::Eq, a, b) => Some((node(a)?, node(b)?)),
        _ => None,
    }
}

fn class(first: &Node, pairs: &[(Node, Node)]) -> Vec<Node> {
    let mut class = vec![first.clone()];
    loop {
        let more: Vec<Node> = pairs
            .iter()
            .flat_map(|(a, b)| [(a, b), (b, a)])
            .filter(|(a, b)| class.contains(a) && !class.contains(b))
            .map(|(_, b)| b.clone())
            .collect();
        if more.is_empty() {
            return class;
        }
        class.extend(more);
    }
}

/// Whether an outer join can put NULL in place of this alias's rows: such rows of different users would be one group.
fn nullable(tables: &[From], alias: &str) -> bool {
    let at = tables.iter().position(|from| from.alias == alias);
    let later = |from: &From| from.join == Join::Right;
    at.is_none_or(|at| tables[at].join == Join::Left || tables[at + 1..].iter().any(later))
}

/// The names that rows of one alias of `events` can have, when a condition that must hold says so.
pub fn names(select: &Select, from: &From) -> Option<Vec<String>> {
    let filters = select.filter.iter().flat_map(X::conjuncts);
    let ons = select
        .from
        .iter()
        .filter(|other| other.join == Join::Inner || (other.join == Join::Left && other.alias == from.alias));
    let all = filters.chain(ons.flat_map(|other| other.on.iter().flat_map(X::conjuncts)));
    let its = |x: &X| matches!(&x.e, E::Col(col) if col.scope == select.scope && col.alias == from.alias && col.column == "name");
    let text = |x: &X| if let E::Text(text) = &x.e { Some(text.clone()) } else { None };
    all.into_iter().find_map(|x| match &x.e {
        E::Cmp(Op::Eq, a, b) if its(a) => text(b).map(|name| vec![name]),
        E::Cmp(Op::Eq, a, b) if its(b) => text(a).map(|name| vec![name]),
        E::In(x, list, false) if its(x) => list.iter().map(text).collect(),
        _ => None,
    })
}

/// Whether the whole query's answer for a user comes from that user's rows alone.
pub fn own_rows(query: &Query, id: usize) -> bool {
    let constants = |query: &Query| matches!(&query.body, Body::Select(select) if select.from.iter().all(|from| !matches!(from.source, Source::Table(_))));
    query.per_user && (query.columns[id].key || (!query.rows && constants(query)))
}
