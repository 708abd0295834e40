//! Writes a query for one database: its shape, and what all databases write alike.

use std::cell::{Cell, RefCell};

use super::ir::{Agg, Arith, Body, E, Join, Op, Query, Select, Source, Ty, X};
use super::write::Dialect;

/// Stands for the clock's placeholder until all are counted. It cannot be in a user's text.
pub const CLOCK: char = '\u{1}';

/// Some translations repeat an expression, and what is nested grows with each: beyond this the query is refused.
const LONGEST: usize = 200_000;

/// How many expressions are written at most, those written again among them.
const MOST: usize = 50_000;

pub struct Printer {
    pub dialect: Dialect,
    written: Cell<usize>,
    over: Cell<bool>,
    /// What stands before the whole query.
    ctes: RefCell<Vec<String>>,
    /// CTEs that can be read here, by their names and by those they have there.
    seen: RefCell<Vec<(String, String)>>,
}

impl Printer {
    pub fn new(dialect: Dialect) -> Printer {
        let (ctes, seen) = (RefCell::default(), RefCell::default());
        Printer { dialect, written: Cell::new(0), over: Cell::new(false), ctes, seen }
    }

    pub fn sqlite(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// CTEs are taken out of it: inside a derived table or a subquery, MariaDB's do not see those around them. They see nothing else of
    /// what is around them on any database, so they can stand anywhere.
    pub fn query(&self, query: &Query) -> String {
        let outside = self.seen.borrow().len();
        for (name, query) in &query.ctes {
            let text = self.query(query);
            let mut ctes = self.ctes.borrow_mut();
            let new = format!("segflow_w{}", ctes.len());
            ctes.push(format!("{new} AS ({text})"));
            self.seen.borrow_mut().push((name.clone(), new));
        }
        let text = self.without_ctes(query);
        self.seen.borrow_mut().truncate(outside);
        text
    }

    /// The CTEs of all that has been written, each after those it reads.
    pub fn take_ctes(&self) -> Vec<String> {
        self.ctes.take()
    }

    fn cte(&self, name: &str) -> String {
        let seen = self.seen.borrow();
        let found = seen.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, new)| new.clone()).expect("only what is there is read")
    }

    fn without_ctes(&self, query: &Query) -> String {
        let mut text = match &query.body {
            Body::Select(select) => self.select(select),
            Body::Set { op, left, right } => format!("{} {op} {}", self.operand(left), self.operand(right)),
        };
        if !query.order.is_empty() {
            let order = query
                .order
                .iter()
                .map(|(x, descends)| format!("{}{}", self.x(x), if *descends { " DESC" } else { "" }));
            text += &format!(" ORDER BY {}", order.collect::<Vec<_>>().join(", "));
        }
        if let Some((count, skip)) = query.limit {
            text += &format!(" LIMIT {count} OFFSET {skip}");
        }
        text
    }

    /// One side of a UNION: SQLite knows no parentheses there, and gives every operator the same precedence.
    fn operand(&self, query: &Query) -> String {
        match &query.body {
            Body::Select(select) => self.select(select),
            Body::Set { .. } => format!("SELECT * FROM ({}) AS segflow_s", self.query(query)),
        }
    }

    fn select(&self, select: &Select) -> String {
        let items = select.items.iter().map(|(x, name)| format!("{} AS `{name}`", self.x(x)));
        let items = items.collect::<Vec<_>>().join(", ");
        let mut text = format!("SELECT {}{items}", if select.distinct { "DISTINCT " } else { "" });
        for (index, from) in select.from.iter().enumerate() {
            text += match (index, from.join, &from.on) {
                (0, ..) => " FROM ",
                (_, Join::Inner, None) => " CROSS JOIN ",
                (_, Join::Inner, Some(_)) => " JOIN ",
                (_, Join::Left, _) => " LEFT JOIN ",
                (_, Join::Right, _) => " RIGHT JOIN ",
            };
            text += &match &from.source {
                Source::Table(table) => format!("{} AS `{}`", table.scoped_name(), from.alias),
                Source::Cte(name) => format!("{} AS `{}`", self.cte(name), from.alias),
                Source::Derived(query) => format!("({}) AS `{}`", self.query(query), from.alias),
            };
            if let Some(on) = &from.on {
                text += &format!(" ON {}", self.x(on));
            }
        }
        if let Some(filter) = &select.filter {
            text += &format!(" WHERE {}", self.x(filter));
        }
        if !select.group.is_empty() {
            text += &format!(" GROUP BY {}", self.list(&select.group));
        }
        if let Some(having) = &select.having {
            text += &format!(" HAVING {}", self.x(having));
        }
        text
    }

    pub fn list(&self, all: &[X]) -> String {
        all.iter().map(|x| self.x(x)).collect::<Vec<_>>().join(", ")
    }

    pub fn x(&self, x: &X) -> String {
        self.written.set(self.written.get() + 1);
        if self.written.get() <= MOST {
            let text = self.expression(x);
            if text.len() <= LONGEST {
                return text;
            }
        }
        self.over.set(true);
        "NULL".into()
    }

    /// Whether it became too long, and what was written is of no use.
    pub fn over(&self) -> bool {
        self.over.get()
    }

    fn expression(&self, x: &X) -> String {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match &x.e {
            E::Null => "NULL".into(),
            E::Bool(value) => if *value { "TRUE" } else { "FALSE" }.into(),
            E::Num(digits) => self.number(digits),
            E::Text(text) => self.text(text),
            E::Time(ms) => ms.to_string(),
            E::Now => CLOCK.into(),
            E::Col(col) => format!("`{}`.`{}`", col.alias, col.column),
            E::Not(x) => format!("(NOT {})", self.x(x)),
            E::And(all) => format!("({})", all.iter().map(|x| self.x(x)).collect::<Vec<_>>().join(" AND ")),
            E::Or(all) => format!("({})", all.iter().map(|x| self.x(x)).collect::<Vec<_>>().join(" OR ")),
            E::Cmp(op, a, b) => format!("({} {} {})", self.x(a), self.op(*op), self.x(b)),
            E::IsNull(x, negated) if x.ty == Ty::Json && self.sqlite() => {
                format!("({} IS {}NULL)", self.json_type(x), not(negated))
            }
            E::IsNull(x, negated) => format!("({} IS {}NULL)", self.x(x), not(negated)),
            E::Is(x, value, negated) => {
                format!("({} IS {}{})", self.x(x), not(negated), if *value { "TRUE" } else { "FALSE" })
            }
            E::In(x, list, negated) => format!("({} {}IN ({}))", self.x(x), not(negated), self.list(list)),
            E::InQuery(x, query, negated) => format!("({} {}IN ({}))", self.x(x), not(negated), self.query(query)),
            E::Exists(query, negated) => format!("({}EXISTS ({}))", not(negated), self.query(query)),
            E::Scalar(query) => format!("({})", self.query(query)),
            E::Case(arms, last) => {
                let arms = arms.iter().map(|(when, then)| format!(" WHEN {} THEN {}", self.x(when), self.x(then)));
                let last = last.as_ref().map(|x| format!(" ELSE {}", self.x(x))).unwrap_or_default();
                format!("(CASE{}{last} END)", arms.collect::<String>())
            }
            E::Neg(x) => format!("(-{})", self.x(x)),
            E::Agg(agg, distinct, x) => self.aggregate(*agg, *distinct, x.as_deref()),
            E::AddMs(x, ms) if *ms < 0 => format!("({} - {})", self.x(x), -ms),
            E::AddMs(x, ms) => format!("({} + {ms})", self.x(x)),
            // Also before 1970, where the remainder is negative.
            E::Day(x) => {
                let x = self.x(x);
                format!("({x} - ({x} % 86400000 + 86400000) % 86400000)")
            }
            // All values in a group are the same one. MySQL's HAVING knows only aggregates of it.
            E::Decided(x) if !self.sqlite() => format!("MAX({})", self.x(x)),
            E::Decided(x) => self.x(x),
            E::Arith(op, a, b) => self.arith(*op, a, b),
            E::Path(doc, steps) => self.path(doc, steps),
            E::Unquote(x) => self.unquote(x),
            E::ToNum(x) => self.to_number(x),
            E::ToText(x) => self.to_text(x),
            E::ToTime(x) => self.to_time(x),
            E::JsonCmp(op, doc, other) => self.json_compare(*op, doc, other),
            E::Member(doc, value) => self.member(doc, value),
            E::Like(x, pieces, negated) => self.like(x, pieces, *negated),
            E::Call(f, args) => self.call(*f, args),
            E::AddMonths(x, months) => self.add_months(x, *months),
            E::Part(part, x) => self.part(*part, x),
            E::DiffMs(ms, a, b) => {
                format!("(({} - {}) {} {ms})", self.x(b), self.x(a), if self.sqlite() { "/" } else { "DIV" })
            }
            E::DiffMonths(months, a, b) => self.diff_months(*months, a, b),
        }
    }

    pub fn op(&self, op: Op) -> &'static str {
        match op {
            Op::Eq => "=",
            Op::Ne => "<>",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::Same if self.sqlite() => "IS",
            Op::Same => "<=>",
        }
    }

    fn aggregate(&self, agg: Agg, distinct: bool, x: Option<&X>) -> String {
        let name = match agg {
            Agg::Count => "COUNT",
            Agg::Sum => "SUM",
            Agg::Avg => "AVG",
            Agg::Min => "MIN",
            Agg::Max => "MAX",
        };
        let Some(x) = x else { return format!("{name}(*)") };
        // MySQL's average of whole numbers has four decimals.
        let x = if agg == Agg::Avg { self.real(x) } else { self.x(x) };
        format!("{name}({}{x})", if distinct { "DISTINCT " } else { "" })
    }

    fn arith(&self, op: Arith, a: &X, b: &X) -> String {
        let (a, b) = (self.real(a), self.x(b));
        match op {
            Arith::Add => format!("({a} + {b})"),
            Arith::Sub => format!("({a} - {b})"),
            Arith::Mul => format!("({a} * {b})"),
            Arith::Div => format!("({a} / {b})"),
            Arith::IntDiv if self.sqlite() => format!("CAST({a} / {b} AS INTEGER)"),
            Arith::IntDiv => format!("TRUNCATE({a} / {b}, 0)"),
            Arith::Mod if self.sqlite() => format!("({a} - {b} * CAST({a} / {b} AS INTEGER))"),
            Arith::Mod => format!("MOD({a}, {b})"),
        }
    }
}
