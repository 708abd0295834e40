//! From a parsed SELECT to ours: FROM, WHERE, GROUP BY, HAVING and what it gives.

use sqlparser::ast as sql;
use sqlparser::ast::{
    GroupByExpr, JoinConstraint, JoinOperator, OrderBySort, SelectItem, SelectItemQualifiedWildcardKind, Spanned,
    TableFactor,
};
use sqlparser::tokenizer::Span;

use super::anchors;
use super::ir::{Col, Column, E, From, Join, Select, Source, Table, Ty, X};
use super::names::{Lower, Scope, given};
use super::place::{Got, Refused};
use super::queries::{At, rename};

impl Lower {
    pub fn select(&mut self, select: &sql::Select, at: At) -> Got<(Select, Vec<Column>)> {
        self.only_plain(select)?;
        self.count += 1;
        let id = self.count;
        self.scopes.push(Scope { id, closed: matches!(at, At::Top | At::Table), ..Scope::default() });
        let outer = std::mem::take(&mut self.in_aggregate);
        let got = self.select_inside(select, id);
        self.in_aggregate = outer;
        self.scopes.pop();
        got
    }

    /// Everything that a SELECT can have in some dialect and that is not used here.
    fn only_plain(&self, select: &sql::Select) -> Got<()> {
        let span = select.select_token.0.span;
        let refuse = |message: &str| Err(Refused::at(span, message));
        if !select.optimizer_hints.is_empty() {
            return refuse("hints to the optimizer cannot be used: remove the /*+ … */ comment");
        }
        if let Some(into) = &select.into {
            return Err(Refused::at(into.span(), "a segment only reads: remove INTO"));
        }
        if select.select_modifiers.is_some() {
            return refuse("HIGH_PRIORITY, STRAIGHT_JOIN and SQL_… cannot be used: remove them after SELECT");
        }
        if !select.named_window.is_empty() || select.qualify.is_some() {
            return refuse("window functions cannot be used: group with GROUP BY, or use a subquery");
        }
        let odd = select.top.is_some()
            || select.exclude.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.value_table_mode.is_some()
            || select.flavor != sql::SelectFlavor::Standard
            || matches!(select.distinct, Some(sql::Distinct::On(_)));
        if odd { refuse("this SELECT has a part that is not MySQL's: remove it") } else { Ok(()) }
    }

    fn select_inside(&mut self, select: &sql::Select, id: usize) -> Got<(Select, Vec<Column>)> {
        for table in &select.from {
            self.factor(&table.relation, Join::Inner, None)?;
            for join in &table.joins {
                self.join(join)?;
            }
        }
        let filter = select.selection.as_ref().map(|x| self.condition(x, "WHERE")).transpose()?;
        let mut items: Vec<(X, String, Span)> = vec![];
        for item in &select.projection {
            self.item(item, &mut items)?;
        }
        let mut names: Vec<&str> = vec![];
        for (_, name, span) in &items {
            if names.contains(&name.as_str()) {
                return Err(Refused::at(
                    *span,
                    format!("two columns are called `{name}`: give one another name with AS"),
                ));
            }
            names.push(name);
        }
        let scope = self.scopes.last_mut().expect("pushed by select");
        scope.given = items.iter().map(|(x, name, _)| (name.clone(), x.clone())).collect();
        let group = self.group(&select.group_by)?;
        self.scopes.last_mut().expect("pushed by select").given_first = true;
        let mut having = select.having.as_ref().map(|x| self.having(x)).transpose()?;
        let grouped = !group.is_empty() || having.is_some() || items.iter().any(|(x, ..)| x.aggregates());
        let from = std::mem::take(&mut self.scopes.last_mut().expect("pushed by select").from);
        if grouped {
            for (x, _, span) in &mut items {
                decided(x, id, &group, (filter.as_ref(), &from), *span)?;
            }
            if let (Some(x), Some(parsed)) = (&mut having, &select.having) {
                decided(x, id, &group, (filter.as_ref(), &from), parsed.span())?;
            }
        }
        // ORDER BY comes after, and sees the tables too.
        let columns = items
            .iter()
            .map(|(x, name, _)| Column { name: name.clone(), ty: x.ty, key: false, most: x.most() })
            .collect();
        let distinct = matches!(select.distinct, Some(sql::Distinct::Distinct));
        if distinct && let Some((_, _, span)) = items.iter().find(|(x, ..)| x.ty == Ty::Json) {
            return Err(Refused::at(*span, "DISTINCT cannot compare JSON: take text with ->>"));
        }
        let items = items.into_iter().map(|(x, name, _)| (x, name)).collect();
        let select = Select { scope: id, distinct, items, from, filter, group, having };
        self.reads.events_named(&select);
        Ok((select, columns))
    }

    fn having(&mut self, x: &sql::Expr) -> Got<X> {
        self.condition(x, "HAVING")
    }

    fn join(&mut self, join: &sql::Join) -> Got<()> {
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => (Join::Inner, on),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (Join::Left, on),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Join::Right, on),
            _ => {
                return Err(Refused::at(
                    join.relation.span(),
                    "only JOIN, LEFT JOIN, RIGHT JOIN and CROSS JOIN can be used",
                ));
            }
        };
        let on = match constraint {
            JoinConstraint::On(on) if !join.global => Some(on),
            JoinConstraint::None if kind == Join::Inner && !join.global => None,
            _ => {
                return Err(Refused::at(
                    join.relation.span(),
                    "write JOIN … ON …, with a condition, in place of USING or NATURAL",
                ));
            }
        };
        self.factor(&join.relation, kind, on)
    }

    fn factor(&mut self, factor: &TableFactor, join: Join, on: Option<&sql::Expr>) -> Got<()> {
        let (source, columns, per_user, rows, alias, span) = match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let odd =
                    args.is_some() || *with_ordinality || version.is_some() || json_path.is_some() || sample.is_some();
                if odd || !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
                    let message = "only a table's name and an alias can stand here: no arguments, partitions, samples or index hints";
                    return Err(Refused::at(name.span(), message));
                }
                let (source, columns, per_user, rows) = self.relation(name)?;
                if let Some(alias) = alias.as_ref().filter(|alias| !alias.columns.is_empty() || alias.at.is_some()) {
                    return Err(Refused::at(alias.span(), "columns can be named after WITH name or (SELECT …) only"));
                }
                let alias = match (alias, &source) {
                    (Some(alias), _) => given(&alias.name, "an alias")?,
                    (None, Source::Table(table)) => table.name().into(),
                    (None, Source::Cte(name)) => name.clone(),
                    (None, Source::Derived(_)) => unreachable!("a name is no derived table"),
                };
                (source, columns, per_user, rows, alias, name.span())
            }
            TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None } => {
                let name = given(&alias.name, "an alias")?;
                let mut query = self.query(subquery, At::Table)?;
                rename(&mut query, alias)?;
                let (columns, per_user, rows) = (query.columns.clone(), query.per_user, query.rows);
                (Source::Derived(Box::new(query)), columns, per_user, rows, name, alias.name.span)
            }
            TableFactor::Derived { lateral: false, subquery, .. } => {
                return Err(Refused::at(
                    subquery.span(),
                    "a query in FROM needs a name after it, as in (SELECT …) AS q",
                ));
            }
            _ => {
                let message = "only `users`, `events`, names given with WITH and (SELECT …) AS name can be read";
                return Err(Refused::at(factor.span(), message));
            }
        };
        let scope = self.scopes.last_mut().expect("pushed by select");
        if scope.from.iter().any(|from| from.alias == alias) {
            return Err(Refused::at(
                span,
                format!("`{alias}` is here twice: give one another name, as in `{alias} AS other`"),
            ));
        }
        if scope.from.len() == 16 {
            return Err(Refused::at(span, "more than 16 tables cannot be joined"));
        }
        scope.from.push(From { join, source, alias, columns, on: None, per_user, rows });
        if let Some(on) = on {
            let on = self.condition(on, "ON")?;
            self.scopes.last_mut().expect("pushed by select").from.last_mut().expect("just pushed").on = Some(on);
        }
        Ok(())
    }

    fn item(&mut self, item: &SelectItem, items: &mut Vec<(X, String, Span)>) -> Got<()> {
        match item {
            SelectItem::UnnamedExpr(x) => {
                let lowered = self.expr(x)?;
                let name = match x {
                    sql::Expr::Identifier(ident) => ident.value.to_lowercase(),
                    sql::Expr::CompoundIdentifier(idents) => idents[idents.len() - 1].value.to_lowercase(),
                    _ => format!("segflow_{}", items.len() + 1),
                };
                items.push((lowered, name, x.span()));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let x = self.expr(expr)?;
                items.push((x, given(alias, "a column")?, alias.span));
            }
            SelectItem::Wildcard(options) if *options == Default::default() => {
                self.every(None, options.wildcard_token.0.span, items)?
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                if *options == Default::default() =>
            {
                self.every(Some(name.to_string().replace('`', "").to_lowercase()), name.span(), items)?;
            }
            _ => return Err(Refused::at(item.span(), "write the columns that are meant, or *")),
        }
        Ok(())
    }

    /// `*` and `alias.*`, column by column.
    fn every(&mut self, alias: Option<String>, span: Span, items: &mut Vec<(X, String, Span)>) -> Got<()> {
        let scope = self.scopes.last().expect("pushed by select");
        let wanted = scope.from.iter().filter(|from| alias.as_ref().is_none_or(|alias| from.alias == *alias));
        let names: Vec<(String, String)> = wanted
            .flat_map(|from| from.columns.iter().map(|column| (from.alias.clone(), column.name.clone())))
            .collect();
        if names.is_empty() {
            return Err(Refused::at(span, "there is nothing here for * to stand for"));
        }
        for (alias, column) in names {
            let idents = [sql::Ident::with_span(span, alias), sql::Ident::with_span(span, &column)];
            items.push((self.column(&idents, true)?, column, span));
        }
        Ok(())
    }

    fn group(&mut self, group: &GroupByExpr) -> Got<Vec<X>> {
        let GroupByExpr::Expressions(list, modifiers) = group else {
            return Err(Refused::at(group.span(), "write GROUP BY with expressions"));
        };
        if !modifiers.is_empty() {
            return Err(Refused::at(group.span(), "WITH ROLLUP and the like cannot be used after GROUP BY"));
        }
        let mut got = vec![];
        for x in list {
            let lowered = self.expr(x)?;
            let constant = matches!(lowered.e, E::Num(_) | E::Text(_) | E::Null | E::Bool(_) | E::Neg(_));
            if constant || lowered.aggregates() || lowered.ty == Ty::Json {
                return Err(Refused::at(x.span(), "group by columns, or by text that is taken with ->>"));
            }
            got.push(lowered);
        }
        Ok(got)
    }

    pub fn ordered(&mut self, select: &Select, list: &[sql::OrderByExpr]) -> Got<Vec<(X, bool)>> {
        let given = select.items.iter().map(|(x, name)| (name.clone(), x.clone())).collect();
        let scope = Scope { id: select.scope, from: select.from.clone(), given, given_first: true, closed: false };
        self.scopes.push(scope);
        let got = list.iter().map(|one| {
            let descends = match one.options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(_) => return Err(Refused::at(one.span(), "order with ASC or DESC")),
            };
            let mut x = self.expr(&one.expr)?;
            let odd = one.options.nulls_first.is_some() || one.with_fill.is_some();
            if odd || x.ty == Ty::Json || matches!(x.e, E::Num(_)) {
                return Err(Refused::at(one.span(), "order by columns, or by text that is taken with ->>"));
            }
            if !select.group.is_empty() || select.items.iter().any(|(x, _)| x.aggregates()) {
                decided(&mut x, select.scope, &select.group, (select.filter.as_ref(), &select.from), one.span())?;
            }
            Ok((x, descends))
        });
        let got = got.collect();
        self.scopes.pop();
        got
    }
}

/// Whether each group has one value of this: else the databases differ (MySQL refuses, SQLite takes any row's).
fn decided(x: &mut X, scope: usize, group: &[X], tables: (Option<&X>, &[From]), span: Span) -> Got<()> {
    if matches!(x.e, E::Agg(..) | E::Decided(_)) || group.contains(x) {
        return Ok(());
    }
    if let E::Col(col) = &x.e {
        let its = |other: &X| matches!(&other.e, E::Col(Col { alias, column, table: Some(Table::Users), .. }) if *alias == col.alias && column == "id");
        let (filter, from) = tables;
        let known = from.iter().any(|from| from.alias == col.alias);
        if col.scope != scope || !known {
            return Ok(());
        }
        let decides = |by: &X| its(by) || anchors::decides(by, scope, &col.alias, filter, from);
        if col.table == Some(Table::Users) && group.iter().any(decides) {
            *x = X::new(x.ty, E::Decided(x.clone().boxed()));
            return Ok(());
        }
        let message =
            format!("`{}.{}` has many values in a group: put it into GROUP BY, or use MAX(…)", col.alias, col.column);
        return Err(Refused::at(span, message));
    }
    for inner in x.inner_mut() {
        decided(inner, scope, group, tables, span)?;
    }
    Ok(())
}
