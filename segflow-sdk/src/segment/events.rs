//! What a user did: `events::<Purchase>().filter(|p| p.value.gt(10.0)).within(days(90)).sum(|p| p.value).gt(1000.0)`.

use std::marker::PhantomData;

use segflow_protocol::{self as protocol, Expr, Json, Measure, Test, TimeTest, Which};

use super::{Column, Condition, Expression, Numeric, Operand};
use crate::{Duration, Event};

/// The events of one type that a user has.
pub fn events<E: Event>() -> Events<E> {
    Events { filter: None, within: None, event: PhantomData }
}

/// Events of a user, to be narrowed, measured and compared.
#[must_use = "events become a condition with `exists`, `count`, `sum`, `first` …"]
pub struct Events<E> {
    filter: Option<Condition<E>>,
    pub(crate) within: Option<Duration>,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Events<E> {
    /// Only those that fulfil a condition; a second filter narrows further.
    pub fn filter(mut self, condition: impl FnOnce(E::Columns) -> Condition<E>) -> Events<E> {
        let condition = condition(E::COLUMNS);
        self.filter = Some(match self.filter {
            Some(filter) => filter.and(condition),
            None => condition,
        });
        self
    }

    /// Only those that happened less than this long ago (as a [conversion](crate::Campaign::converts_on): after a message). Of two windows the shorter one counts.
    pub fn within(mut self, window: Duration) -> Events<E> {
        self.within = Some(self.within.map_or(window, |within| within.min(window)));
        self
    }

    /// There is at least one.
    pub fn exists<U>(self) -> Expression<U> {
        self.count().gt(0)
    }

    /// How many there are.
    pub fn count(self) -> Measured<u64> {
        self.measured(Measure::Count)
    }

    /// The sum of a column; 0 when there are none.
    pub fn sum<T: Numeric>(self, column: impl FnOnce(E::Columns) -> Column<E, T>) -> Measured<T> {
        self.measured(Measure::Sum(column(E::COLUMNS).path()))
    }

    /// The smallest value of a column; missing when there are none.
    pub fn min<T: Numeric>(self, column: impl FnOnce(E::Columns) -> Column<E, T>) -> Measured<T> {
        self.measured(Measure::Min(column(E::COLUMNS).path()))
    }

    /// The largest value of a column; missing when there are none.
    pub fn max<T: Numeric>(self, column: impl FnOnce(E::Columns) -> Column<E, T>) -> Measured<T> {
        self.measured(Measure::Max(column(E::COLUMNS).path()))
    }

    /// The time of the first one.
    pub fn first(self) -> Moment {
        Moment { events: self.protocol(), which: Which::First, or_never: false }
    }

    /// The time of the last one.
    pub fn last(self) -> Moment {
        Moment { events: self.protocol(), which: Which::Last, or_never: false }
    }

    fn measured<T>(self, measure: Measure) -> Measured<T> {
        Measured { events: self.protocol(), measure, value: PhantomData }
    }

    pub(crate) fn protocol(self) -> protocol::Events {
        protocol::Events {
            name: E::NAME.to_string(),
            filter: self.filter.map(|filter| filter.cond),
            within: self.within.map(Duration::as_millis),
        }
    }
}

/// A number taken over events, to be compared.
#[must_use = "a number becomes a condition with `gt`, `eq` …"]
pub struct Measured<T> {
    events: protocol::Events,
    measure: Measure,
    value: PhantomData<fn() -> T>,
}

impl<T> Measured<T> {
    /// As a flow asks for it.
    pub(crate) fn question(self) -> (Json, Json) {
        let json = |value: serde_json::Value| Json(value.to_string());
        (json(crate::schema::to_value(&self.events)), json(crate::schema::to_value(&self.measure)))
    }

    fn is<U>(self, is: Test) -> Expression<U> {
        Expression::of(Expr::Measure { events: self.events, measure: self.measure, is })
    }

    /// There is a number: always for `count` and `sum`, with at least one event for `min` and `max`.
    pub fn exists<U>(self) -> Expression<U> {
        self.is(Test::Exists)
    }

    /// Equal to.
    pub fn eq<U>(self, value: impl Operand<T>) -> Expression<U> {
        self.is(Test::Eq(value.into_json()))
    }

    /// Not equal to, or missing.
    pub fn ne<U>(self, value: impl Operand<T>) -> Expression<U> {
        self.is(Test::Ne(value.into_json()))
    }

    /// Less than.
    pub fn lt<U>(self, value: impl Operand<T>) -> Expression<U> {
        self.is(Test::Lt(value.into_json()))
    }

    /// Less than or equal to.
    pub fn le<U>(self, value: impl Operand<T>) -> Expression<U> {
        self.is(Test::Le(value.into_json()))
    }

    /// Greater than.
    pub fn gt<U>(self, value: impl Operand<T>) -> Expression<U> {
        self.is(Test::Gt(value.into_json()))
    }

    /// Greater than or equal to.
    pub fn ge<U>(self, value: impl Operand<T>) -> Expression<U> {
        self.is(Test::Ge(value.into_json()))
    }

    /// One of these numbers.
    pub fn one_of<U, V: Operand<T>>(self, values: impl IntoIterator<Item = V>) -> Expression<U> {
        self.is(Test::OneOf(values.into_iter().map(Operand::into_json).collect()))
    }
}

/// When the first or the last event happened, to be compared with now.
#[must_use = "a moment becomes a condition with `older_than` or `within`"]
pub struct Moment {
    events: protocol::Events,
    which: Which,
    or_never: bool,
}

impl Moment {
    /// Makes the comparison true also for users without any such event.
    pub fn or_never(mut self) -> Moment {
        self.or_never = true;
        self
    }

    /// It happened this long ago or longer.
    pub fn older_than<U>(self, age: Duration) -> Expression<U> {
        self.is(TimeTest::OlderThan(age.as_millis()))
    }

    /// It happened less than this long ago.
    pub fn within<U>(self, age: Duration) -> Expression<U> {
        self.is(TimeTest::Within(age.as_millis()))
    }

    fn is<U>(self, is: TimeTest) -> Expression<U> {
        Expression::of(Expr::When { events: self.events, which: self.which, is, or_never: self.or_never })
    }
}
