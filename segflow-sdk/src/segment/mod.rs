//! Segments: who belongs to a group of users, kept up to date by the server as attributes, events and time change.

mod column;
mod events;

use std::marker::PhantomData;
use std::ops::Not;

use segflow_protocol::{self as protocol, Expr, Rule};

pub use column::{Column, Condition, Container, Numeric, Operand, Ordered};
pub use events::{Events, Measured, Moment, events};

use crate::{Attributes, Duration};

/// A group of users with an id and a rule. `U` is the type of their attributes.
///
/// It can stand in the rule of another segment; a project contains all that its campaigns and segments name.
#[must_use = "a segment is part of a project when a campaign or `Project::segments` names it"]
pub struct Segment<U> {
    pub(crate) id: String,
    pub(crate) rule: Rule,
    every: Option<Duration>,
    pub(crate) uses: Vec<Segment<U>>,
    user: PhantomData<fn() -> U>,
}

impl<U> Clone for Segment<U> {
    fn clone(&self) -> Self {
        Segment {
            id: self.id.clone(),
            rule: self.rule.clone(),
            every: self.every,
            uses: self.uses.clone(),
            user: PhantomData,
        }
    }
}

impl<U> Segment<U> {
    fn of(id: String, rule: Rule, uses: Vec<Segment<U>>) -> Segment<U> {
        Segment { id, rule, every: None, uses, user: PhantomData }
    }

    /// All users.
    pub fn everyone(id: impl Into<String>) -> Segment<U> {
        Segment::of(id.into(), Rule::Expr(Expr::Everyone), vec![])
    }

    /// The users for whom an expression holds.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { winback: bool }
    /// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
    /// let spent = events::<Purchase>().within(days(90)).sum(|p| p.value);
    /// let lost: Segment<Shopper> = Segment::new("lost", user::<Shopper>(|u| u.winback.eq(true)).and(spent.lt(100.0)));
    /// ```
    pub fn new(id: impl Into<String>, rule: impl IntoExpression<U>) -> Segment<U> {
        let Expression { expr, uses } = rule.into_expression();
        Segment::of(id.into(), Rule::Expr(expr), uses)
    }

    /// The users whose ids a query selects: one `SELECT` of `id` from the tables `users` and `events`, in MySQL's dialect.
    pub fn sql(id: impl Into<String>, query: impl Into<String>) -> Segment<U> {
        Segment::of(id.into(), Rule::Sql(query.into()), vec![])
    }

    /// How often raw SQL is asked about everybody. Needed where time alone changes the answer (`NOW()`), or other users do (a rank, an
    /// average over all): the server cannot know when such an answer changes.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { winback: bool }
    /// let idle = "SELECT id FROM users WHERE attributes->>'$.lastLoginAt' < NOW() - INTERVAL 30 DAY";
    /// let idle: Segment<Shopper> = Segment::sql("idle", idle).every(hours(1));
    /// ```
    pub fn every(mut self, period: Duration) -> Segment<U> {
        self.every = Some(period);
        self
    }

    /// In both, as an expression for another segment.
    pub fn and(self, other: impl IntoExpression<U>) -> Expression<U> {
        self.into_expression().and(other)
    }

    /// In one of the two, as an expression for another segment.
    pub fn or(self, other: impl IntoExpression<U>) -> Expression<U> {
        self.into_expression().or(other)
    }

    pub(crate) fn declaration(&self) -> protocol::Segment {
        let every = self.every.map(Duration::as_millis);
        protocol::Segment { id: self.id.clone(), rule: self.rule.clone(), every }
    }
}

/// The users outside it, `!segment` or `segment.not()`, as an expression for another segment.
impl<U> Not for Segment<U> {
    type Output = Expression<U>;

    fn not(self) -> Expression<U> {
        !self.into_expression()
    }
}

/// A condition on a user's attributes: `user::<Shopper>(|u| u.winback.eq(true))`.
pub fn user<U: Attributes>(condition: impl FnOnce(U::Columns) -> Condition<U>) -> Expression<U> {
    Expression::of(Expr::User(condition(U::COLUMNS).cond))
}

/// Something that holds for a user or does not.
#[must_use = "an expression is the rule of a segment: `Segment::new(id, expression)`"]
pub struct Expression<U> {
    expr: Expr,
    uses: Vec<Segment<U>>,
}

impl<U> Expression<U> {
    pub(crate) fn of(expr: Expr) -> Expression<U> {
        Expression { expr, uses: vec![] }
    }

    /// Both.
    pub fn and(self, other: impl IntoExpression<U>) -> Expression<U> {
        self.joined(other.into_expression(), |a, b| match a {
            Expr::All(parts) => Expr::All(parts.into_iter().chain([b]).collect()),
            a => Expr::All(vec![a, b]),
        })
    }

    /// One of the two, or both.
    pub fn or(self, other: impl IntoExpression<U>) -> Expression<U> {
        self.joined(other.into_expression(), |a, b| match a {
            Expr::Any(parts) => Expr::Any(parts.into_iter().chain([b]).collect()),
            a => Expr::Any(vec![a, b]),
        })
    }

    fn joined(self, other: Expression<U>, join: fn(Expr, Expr) -> Expr) -> Expression<U> {
        let uses = self.uses.into_iter().chain(other.uses).collect();
        Expression { expr: join(self.expr, other.expr), uses }
    }
}

/// `!expression` or `expression.not()`.
impl<U> Not for Expression<U> {
    type Output = Expression<U>;

    fn not(self) -> Expression<U> {
        Expression { expr: Expr::Not(Box::new(self.expr)), uses: self.uses }
    }
}

/// What a segment's rule can be made of: expressions and other segments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who belongs to a segment",
    note = "compare it with something: `.exists()`, `.gt(10)`, `.older_than(days(30))` …"
)]
pub trait IntoExpression<U> {
    /// The expression.
    fn into_expression(self) -> Expression<U>;
}

impl<U> IntoExpression<U> for Expression<U> {
    fn into_expression(self) -> Expression<U> {
        self
    }
}

impl<U> IntoExpression<U> for Segment<U> {
    fn into_expression(self) -> Expression<U> {
        Expression { expr: Expr::Segment(self.id.clone()), uses: vec![self] }
    }
}
