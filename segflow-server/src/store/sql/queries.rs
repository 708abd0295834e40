//! From the parsed query to ours: WITH, UNION, ORDER BY and LIMIT. Every part of the tree that is not named here is refused.

use sqlparser::ast as sql;
use sqlparser::ast::{LimitClause, OrderByKind, SetExpr, SetOperator, SetQuantifier, Spanned};
use sqlparser::tokenizer::Span;

use super::anchors;
use super::exprs::whole_number;
use super::ir::{Body, Column, Query, Ty, X};
use super::names::{Cte, Lower, given};
use super::place::{Got, Refused};

/// ORDER BY, with what descends, and LIMIT: how many, after how many.
type Tail = (Vec<(X, bool)>, Option<(u64, u64)>);

/// Where a query stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum At {
    Top,
    /// A derived table or CTE: it does not see what is around it.
    Table,
    /// One value, or EXISTS.
    Value,
    /// After IN, where MySQL takes no LIMIT.
    List,
}

impl Lower {
    pub fn query(&mut self, query: &sql::Query, at: At) -> Got<Query> {
        self.deeper(
            || query.span(),
            |this| {
                let seen = this.ctes.len();
                let got = this.query_inside(query, at);
                this.ctes.truncate(seen);
                got
            },
        )
    }

    fn query_inside(&mut self, query: &sql::Query, at: At) -> Got<Query> {
        let sql::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if let Some(lock) = locks.first() {
            let span = lock.of.as_ref().map_or(query.span(), |name| name.span());
            return Err(Refused::at(span, "a segment only reads: remove FOR UPDATE or FOR SHARE"));
        }
        let odd = fetch.is_some() || for_clause.is_some() || settings.is_some() || format_clause.is_some();
        if odd || !pipe_operators.is_empty() {
            return Err(Refused::at(
                query.span(),
                "FETCH, FOR, SETTINGS, FORMAT and pipes are not MySQL's: remove them",
            ));
        }
        let mut ctes = vec![];
        if let Some(with) = with {
            if with.recursive {
                return Err(Refused::at(
                    with.with_token.0.span,
                    "WITH RECURSIVE has no bound: write it without RECURSIVE",
                ));
            }
            for cte in &with.cte_tables {
                ctes.push(self.cte(cte)?);
            }
        }
        let (body, columns, mut per_user, correlated, rows) = self.body(body, at)?;
        for cte in with.iter().flat_map(|with| &with.cte_tables) {
            // MySQL gives placeholders in what is never read no type, and the query fails.
            let name = cte.alias.name.value.to_lowercase();
            if self.ctes.iter().rev().any(|cte| cte.name == name && !cte.used) {
                return Err(Refused::at(cte.alias.name.span, format!("`{name}` is never read: remove it")));
            }
        }
        let (order, limit) = self.tail(order_by.as_ref(), limit_clause.as_ref(), &body, &columns, at, query.span())?;
        // Which rows come first depends on all of them, if they are not one user's.
        per_user &= (limit.is_none() || correlated) && order.iter().all(|(x, _)| x.queries().is_empty());
        if rows && !per_user {
            self.others_at.get_or_insert(query.body.span());
        }
        Ok(Query { ctes, body, order, limit, columns, per_user, correlated, rows })
    }

    fn cte(&mut self, cte: &sql::Cte) -> Got<(String, Query)> {
        let sql::Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
        if from.is_some() || materialized.is_some() || alias.at.is_some() {
            return Err(Refused::at(alias.name.span, "MATERIALIZED and the like are not MySQL's: remove them"));
        }
        let name = given(&alias.name, "a name after WITH")?;
        if self.ctes.iter().any(|cte| cte.name == name) {
            return Err(Refused::at(alias.name.span, format!("there is a `{name}` already: choose another name")));
        }
        let mut query = self.query(query, At::Table)?;
        rename(&mut query, alias)?;
        self.ctes.push(Cte {
            name: name.clone(),
            columns: query.columns.clone(),
            per_user: query.per_user,
            rows: query.rows,
            used: false,
        });
        Ok((name, query))
    }

    fn body(&mut self, body: &SetExpr, at: At) -> Got<(Body, Vec<Column>, bool, bool, bool)> {
        match body {
            SetExpr::Select(select) => {
                let (select, columns) = self.select(select, at)?;
                let found = anchors::of(&select);
                let columns =
                    columns.into_iter().zip(&found.keys).map(|(column, key)| Column { key: *key, ..column }).collect();
                Ok((Body::Select(Box::new(select)), columns, found.per_user, found.correlated, found.rows))
            }
            SetExpr::Query(query) => {
                let span = query.body.span();
                let query = self.query(query, at)?;
                let Query { ctes, body, order, limit, columns, per_user, correlated, rows } = query;
                if !ctes.is_empty() || !order.is_empty() || limit.is_some() {
                    let message =
                        "WITH, ORDER BY and LIMIT cannot stand in parentheses by themselves: use SELECT … FROM (…)";
                    return Err(Refused::at(span, message));
                }
                Ok((body, columns, per_user, correlated, rows))
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let op = match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
                    (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => "UNION",
                    (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => "INTERSECT",
                    (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => "EXCEPT",
                    _ => {
                        let message = format!(
                            "{op} {set_quantifier} is not on every database: use UNION, UNION ALL, INTERSECT or EXCEPT"
                        );
                        return Err(Refused::at(right.span(), message));
                    }
                };
                let span = right.span();
                let side = |this: &mut Lower, body: &SetExpr| -> Got<Query> {
                    this.deeper(
                        || body.span(),
                        |this| {
                            let (body, columns, per_user, correlated, rows) = this.body(body, at)?;
                            Ok(Query {
                                ctes: vec![],
                                body,
                                order: vec![],
                                limit: None,
                                columns,
                                per_user,
                                correlated,
                                rows,
                            })
                        },
                    )
                };
                let (left, right) = (side(self, left)?, side(self, right)?);
                if left.columns.len() != right.columns.len() {
                    let message = format!(
                        "{op} needs as many columns on both sides: {} and {}",
                        left.columns.len(),
                        right.columns.len()
                    );
                    return Err(Refused::at(span, message));
                }
                let mut columns = left.columns.clone();
                for (column, other) in columns.iter_mut().zip(&right.columns) {
                    column.key &= other.key;
                    column.most = column.most.max(other.most);
                    column.ty = match (column.ty, other.ty) {
                        (Ty::Null, ty) | (ty, Ty::Null) => ty,
                        (a, b) if a == b => a,
                        (a, b) => {
                            let message =
                                format!("`{}` is {} on one side and {} on the other", column.name, a.name(), b.name());
                            return Err(Refused::at(span, message));
                        }
                    };
                }
                if op != "UNION ALL" && columns.iter().any(|column| column.ty == Ty::Json) {
                    return Err(Refused::at(span, format!("{op} cannot compare JSON: take text with ->>")));
                }
                let per_user =
                    left.per_user && right.per_user && (op == "UNION ALL" || columns.iter().any(|column| column.key));
                let (correlated, rows) = (left.correlated && right.correlated, left.rows || right.rows);
                Ok((
                    Body::Set { op, left: Box::new(left), right: Box::new(right) },
                    columns,
                    per_user,
                    correlated,
                    rows,
                ))
            }
            _ => Err(Refused::at(body.span(), "a segment is one SELECT that gives the ids of users")),
        }
    }

    fn tail(
        &mut self,
        order: Option<&sql::OrderBy>,
        limit: Option<&LimitClause>,
        body: &Body,
        columns: &[Column],
        at: At,
        span: Span,
    ) -> Got<Tail> {
        let place = order.map(Spanned::span).unwrap_or(span);
        if at == At::Top && (order.is_some() || limit.is_some()) {
            let message = "a segment has no ORDER BY or LIMIT: whether a user belongs must not depend on who else does";
            let limit_span = if let Some(LimitClause::LimitOffset { limit: Some(limit), .. }) = limit {
                Some(limit.span())
            } else {
                None
            };
            return Err(Refused::at(if order.is_some() { place } else { limit_span.unwrap_or(span) }, message));
        }
        let limit = match limit {
            None => None,
            Some(LimitClause::LimitOffset { limit: Some(limit), offset, limit_by }) if limit_by.is_empty() => {
                let skip = offset.as_ref().map(|offset| whole_number(&offset.value)).transpose()?.unwrap_or(0);
                Some((whole_number(limit)?, skip))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                Some((whole_number(limit)?, whole_number(offset)?))
            }
            Some(_) => return Err(Refused::at(place, "write LIMIT with a whole number")),
        };
        let limit = limit.map(|(count, skip)| (count as u64, skip as u64));
        if at == At::List && limit.is_some() {
            return Err(Refused::at(
                place,
                "LIMIT cannot stand in a subquery of IN: use EXISTS, or a name given with WITH",
            ));
        }
        let Some(order) = order else { return Ok((vec![], limit)) };
        let (OrderByKind::Expressions(list), None) = (&order.kind, &order.interpolate) else {
            return Err(Refused::at(place, "write ORDER BY with expressions"));
        };
        let Body::Select(select) = body else {
            return Err(Refused::at(
                place,
                "ORDER BY after UNION cannot be used: put the UNION into a name given with WITH",
            ));
        };
        if select.distinct || limit.is_none() || columns.is_empty() {
            return Err(Refused::at(place, "ORDER BY is only of use before LIMIT, without DISTINCT: remove it"));
        }
        self.ordered(select, list).map(|order| (order, limit))
    }
}

/// `AS name (column, …)`.
pub fn rename(query: &mut Query, alias: &sql::TableAlias) -> Got<()> {
    if alias.columns.is_empty() {
        return Ok(());
    }
    if alias.columns.len() != query.columns.len() {
        let message =
            format!("{} columns are named here, and the query has {}", alias.columns.len(), query.columns.len());
        return Err(Refused::at(alias.span(), message));
    }
    for (index, def) in alias.columns.iter().enumerate() {
        if def.data_type.is_some() {
            return Err(Refused::at(def.name.span, "columns are named here without a type"));
        }
        rename_one(query, index, &given(&def.name, "a column")?);
    }
    Ok(())
}

pub fn rename_one(query: &mut Query, index: usize, name: &str) {
    query.columns[index].name = name.into();
    match &mut query.body {
        Body::Select(select) => select.items[index].1 = name.into(),
        Body::Set { left, right, .. } => {
            rename_one(left, index, name);
            rename_one(right, index, name);
        }
    }
}
