//! What a checked query is: only what every database can do, each part with a type. Nothing of the user's text is carried along; the
//! printers write from this alone, so what cannot be said here cannot reach a database.

pub use super::tables::Table;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    Null,
    Bool,
    /// Numbers are doubles, on every database.
    Num,
    Text,
    Json,
    /// An instant or a day: ms UTC.
    Time,
}

impl Ty {
    pub fn name(self) -> &'static str {
        match self {
            Ty::Null => "NULL",
            Ty::Bool => "true or false",
            Ty::Num => "a number",
            Ty::Text => "text",
            Ty::Json => "JSON",
            Ty::Time => "a date",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct X {
    pub ty: Ty,
    pub e: E,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// `<=>`: NULL equals NULL.
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    IntDiv,
    Mod,
}

/// A piece of a LIKE pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Any,
    One,
    Char(char),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Col {
    /// The SELECT whose FROM has it: numbered over the whole query.
    pub scope: usize,
    pub alias: String,
    pub column: String,
    /// It says whose row it is.
    pub key: bool,
    pub table: Option<Table>,
    /// As of its [`Column`].
    pub most: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// 0 is Monday.
    Weekday,
}

/// Functions that take expressions of given types and that every printer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum F {
    Coalesce,
    NullIf,
    Lower,
    Upper,
    Trim,
    LTrim,
    RTrim,
    Bytes,
    Chars,
    Concat,
    /// The separator, then what stands between; NULL is left out.
    ConcatWs,
    /// Text, a position, and perhaps a length: whole numbers written out.
    Substring,
    Right,
    Replace,
    Instr,
    Round,
    Abs,
    Floor,
    Ceil,
    Greatest,
    Least,
    JsonLength,
    /// JSON as text, and JSON's null as NULL.
    JsonValue,
    /// The whole number at the beginning of text, or the nearest one to a number in JSON.
    Whole,
    /// The instant so many seconds after 1970, also parts of them.
    FromUnix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agg {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

#[derive(Clone, Debug, PartialEq)]
pub enum E {
    Null,
    Bool(bool),
    /// As it is written: digits, a point, an exponent.
    Num(String),
    Text(String),
    Time(i64),
    /// The bound instant.
    Now,
    Col(Col),
    /// JSON at a path, from a JSON document.
    Path(Box<X>, Vec<Step>),
    /// Text of JSON: a string without its quotes.
    Unquote(Box<X>),
    /// A number of text, JSON, true and false: its beginning, or 0, as MySQL takes it.
    ToNum(Box<X>),
    /// An instant of text that is an RFC 3339 instant or a day; NULL otherwise.
    ToTime(Box<X>),
    ToText(Box<X>),
    Not(Box<X>),
    And(Vec<X>),
    Or(Vec<X>),
    Cmp(Op, Box<X>, Box<X>),
    /// JSON on the left, a number, text, or a written TRUE or FALSE on the right.
    JsonCmp(Op, Box<X>, Box<X>),
    IsNull(Box<X>, bool),
    /// IS TRUE, IS FALSE; the last says NOT.
    Is(Box<X>, bool, bool),
    In(Box<X>, Vec<X>, bool),
    InQuery(Box<X>, Box<Query>, bool),
    Exists(Box<Query>, bool),
    Scalar(Box<Query>),
    Like(Box<X>, Vec<Piece>, bool),
    Case(Vec<(X, X)>, Option<Box<X>>),
    Arith(Arith, Box<X>, Box<X>),
    Neg(Box<X>),
    Call(F, Vec<X>),
    Agg(Agg, bool, Option<Box<X>>),
    AddMs(Box<X>, i64),
    AddMonths(Box<X>, i64),
    /// The beginning of its day.
    Day(Box<X>),
    Part(Part, Box<X>),
    /// Whole spans of so many ms from the first to the second.
    DiffMs(i64, Box<X>, Box<X>),
    /// Whole spans of so many calendar months from the first to the second.
    DiffMonths(i64, Box<X>, Box<X>),
    /// Whether a JSON array has this written text, number, TRUE or FALSE.
    Member(Box<X>, Box<X>),
    /// A column that the grouped key decides.
    Decided(Box<X>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Key(String),
    Index(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    pub key: bool,
    /// No value of it has more bytes.
    pub most: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub ctes: Vec<(String, Query)>,
    pub body: Body,
    pub order: Vec<(X, bool)>,
    pub limit: Option<(u64, u64)>,
    pub columns: Vec<Column>,
    /// Each row comes from one user's rows.
    pub per_user: bool,
    /// It is tied to a user of the query around it.
    pub correlated: bool,
    /// It reads users or events at all.
    pub rows: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Select(Box<Select>),
    Set { op: &'static str, left: Box<Query>, right: Box<Query> },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub scope: usize,
    pub distinct: bool,
    pub items: Vec<(X, String)>,
    pub from: Vec<From>,
    pub filter: Option<X>,
    pub group: Vec<X>,
    pub having: Option<X>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    Inner,
    Left,
    Right,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Table(Table),
    Cte(String),
    Derived(Box<Query>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct From {
    pub join: Join,
    pub source: Source,
    pub alias: String,
    pub columns: Vec<Column>,
    pub on: Option<X>,
    pub per_user: bool,
    pub rows: bool,
}

impl X {
    pub fn new(ty: Ty, e: E) -> X {
        X { ty, e }
    }

    pub fn bool(e: E) -> X {
        X::new(Ty::Bool, e)
    }

    pub fn boxed(self) -> Box<X> {
        Box::new(self)
    }

    /// The expressions directly inside, without those of subqueries.
    pub fn inner(&self) -> Vec<&X> {
        match &self.e {
            E::Null | E::Bool(_) | E::Num(_) | E::Text(_) | E::Time(_) | E::Now | E::Col(_) => vec![],
            E::Exists(..) | E::Scalar(_) | E::Agg(_, _, None) => vec![],
            E::Path(x, _) | E::Unquote(x) | E::ToNum(x) | E::ToTime(x) | E::ToText(x) | E::Not(x) => vec![x],
            E::IsNull(x, _) | E::Is(x, ..) | E::InQuery(x, ..) | E::Like(x, ..) | E::Neg(x) => vec![x],
            E::Agg(_, _, Some(x)) | E::AddMs(x, _) | E::AddMonths(x, _) | E::Day(x) | E::Part(_, x) => vec![x],
            E::Decided(x) => vec![x],
            E::And(all) | E::Or(all) | E::Call(_, all) => all.iter().collect(),
            E::Cmp(_, a, b) | E::JsonCmp(_, a, b) | E::Arith(_, a, b) => vec![a, b],
            E::DiffMs(_, a, b) | E::DiffMonths(_, a, b) | E::Member(a, b) => vec![a, b],
            E::In(x, list, _) => std::iter::once(&**x).chain(list).collect(),
            E::Case(arms, last) => arms.iter().flat_map(|(a, b)| [a, b]).chain(last.as_deref()).collect(),
        }
    }

    pub fn inner_mut(&mut self) -> Vec<&mut X> {
        match &mut self.e {
            E::Null | E::Bool(_) | E::Num(_) | E::Text(_) | E::Time(_) | E::Now | E::Col(_) => vec![],
            E::Exists(..) | E::Scalar(_) | E::Agg(_, _, None) => vec![],
            E::Path(x, _) | E::Unquote(x) | E::ToNum(x) | E::ToTime(x) | E::ToText(x) | E::Not(x) => vec![x],
            E::IsNull(x, _) | E::Is(x, ..) | E::InQuery(x, ..) | E::Like(x, ..) | E::Neg(x) => vec![x],
            E::Agg(_, _, Some(x)) | E::AddMs(x, _) | E::AddMonths(x, _) | E::Day(x) | E::Part(_, x) => vec![x],
            E::Decided(x) => vec![x],
            E::And(all) | E::Or(all) | E::Call(_, all) => all.iter_mut().collect(),
            E::Cmp(_, a, b) | E::JsonCmp(_, a, b) | E::Arith(_, a, b) => vec![a, b],
            E::DiffMs(_, a, b) | E::DiffMonths(_, a, b) | E::Member(a, b) => vec![a, b],
            E::In(x, list, _) => std::iter::once(&mut **x).chain(list).collect(),
            E::Case(arms, last) => arms.iter_mut().flat_map(|(a, b)| [a, b]).chain(last.as_deref_mut()).collect(),
        }
    }

    /// No value of it has more bytes, as a rough bound: only text that is made of other text grows.
    pub fn most(&self) -> u64 {
        const NUMBER: u64 = 32;
        let largest = || self.inner().into_iter().map(X::most).max().unwrap_or(NUMBER);
        match &self.e {
            E::Text(text) => text.len() as u64,
            E::Col(col) => col.most,
            E::ToText(_) => NUMBER,
            E::Scalar(query) => query.columns.first().map_or(NUMBER, |column| column.most),
            E::Call(F::Concat, all) => all.iter().map(X::most).fold(0, u64::saturating_add),
            E::Call(F::ConcatWs, all) => {
                let between = all[0].most().saturating_mul(all.len() as u64);
                all[1..].iter().map(X::most).fold(between, u64::saturating_add)
            }
            E::Call(F::Whole, _) => NUMBER,
            E::Call(F::Replace, all) => {
                let least = if let E::Text(from) = &all[1].e { from.len().max(1) as u64 } else { 1 };
                all[0].most().saturating_mul(all[2].most().div_ceil(least).max(1))
            }
            _ => largest(),
        }
    }

    /// Whether an aggregate of this very SELECT is in it.
    pub fn aggregates(&self) -> bool {
        matches!(self.e, E::Agg(..)) || self.inner().into_iter().any(X::aggregates)
    }

    /// The parts of it that must all hold.
    pub fn conjuncts(&self) -> Vec<&X> {
        match &self.e {
            E::And(all) => all.iter().flat_map(X::conjuncts).collect(),
            _ => vec![self],
        }
    }

    /// The queries directly inside, with what stands before an IN.
    pub fn queries(&self) -> Vec<(Option<&X>, &Query)> {
        let mut all: Vec<_> = self.inner().into_iter().flat_map(X::queries).collect();
        match &self.e {
            E::InQuery(x, query, _) => all.push((Some(x), query)),
            E::Exists(query, _) | E::Scalar(query) => all.push((None, query)),
            _ => {}
        }
        all
    }
}
