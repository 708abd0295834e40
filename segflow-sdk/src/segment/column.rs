//! Columns and the conditions on them: `|u| u.winback.eq(true)`, `|p| p.value.gt(10.0).and(p.order_id.exists())`.
//!
//! A column knows whose it is and the type of its value, so that a comparison with something else does not compile. An optional field
//! compares like its inner type; a missing value equals nothing and is in no order.

use std::marker::PhantomData;
use std::ops::Not;

use segflow_protocol::{Cond, Test};
use serde::Serialize;
use serde_json::Value;

use crate::Attributes;

/// How many fields one in the other a path can have.
const DEEPEST: usize = 8;

/// A field of a user or an event, in a condition. `O` is whose it is, `T` the type of the value.
pub struct Column<O, T> {
    /// Names, one in the other, and how many there are.
    path: [&'static str; DEEPEST],
    depth: usize,
    types: PhantomData<fn() -> (O, T)>,
}

impl<O, T> Clone for Column<O, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O, T> Copy for Column<O, T> {}

/// What a value of type `T` can be compared with: `T` itself, and `&str` for `String`.
#[diagnostic::on_unimplemented(message = "a column of type `{T}` cannot be compared with `{Self}`")]
pub trait Operand<T> {
    #[doc(hidden)]
    fn into_json(self) -> Value;
}

impl<T: Serialize> Operand<T> for T {
    fn into_json(self) -> Value {
        crate::schema::to_value(&self)
    }
}

impl Operand<String> for &str {
    fn into_json(self) -> Value {
        Value::from(self)
    }
}

impl Operand<String> for &String {
    fn into_json(self) -> Value {
        Value::from(self.as_str())
    }
}

/// Types whose JSON values have an order: numbers by value, strings byte by byte.
///
/// A type of your own that serialises to such a string, a date for example, can be made one: `impl segflow::Ordered for Date {}`.
#[diagnostic::on_unimplemented(
    message = "columns of type `{Self}` have no order, only `eq`, `ne`, `one_of` and `exists`"
)]
pub trait Ordered {}

/// Types that can be added up.
#[diagnostic::on_unimplemented(message = "a column of type `{Self}` is not a number")]
pub trait Numeric: Ordered {}

/// Types that contain others: a list its elements, a string its parts.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` contains nothing",
    note = "`contains` is for lists and strings"
)]
pub trait Container {
    /// What it contains.
    type Element;
}

macro_rules! numeric {
    ($($number:ty),*) => { $(impl Ordered for $number {} impl Numeric for $number {})* };
}

numeric!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64);

impl Ordered for String {}

impl Container for String {
    type Element = String;
}

impl<T> Container for Vec<T> {
    type Element = T;
}

impl<O, T> Column<O, T> {
    #[doc(hidden)]
    pub const fn named(name: &'static str) -> Column<O, T> {
        let mut path = [""; DEEPEST];
        path[0] = name;
        Column { path, depth: 1, types: PhantomData }
    }

    /// A field of a struct that is in this one: `u.address.field(|a| a.zip).eq("01234")`. That struct has `#[derive(Attributes)]`, too.
    pub fn field<V>(self, field: impl FnOnce(T::Columns) -> Column<T, V>) -> Column<O, V>
    where
        T: Attributes,
    {
        let Column { mut path, depth, .. } = self;
        let inner = field(T::COLUMNS);
        assert!(depth + inner.depth <= DEEPEST, "a path has at most {DEEPEST} fields");
        path[depth..depth + inner.depth].copy_from_slice(&inner.path[..inner.depth]);
        Column { path, depth: depth + inner.depth, types: PhantomData }
    }

    pub(crate) fn path(self) -> Vec<String> {
        self.path[..self.depth].iter().map(|name| name.to_string()).collect()
    }

    fn is(self, test: Test) -> Condition<O> {
        Condition::of(Cond::At { path: self.path(), is: test })
    }

    /// There is a value.
    pub fn exists(self) -> Condition<O> {
        self.is(Test::Exists)
    }

    /// There is a value and it is this one.
    pub fn eq(self, value: impl Operand<T>) -> Condition<O> {
        self.is(Test::Eq(value.into_json()))
    }

    /// There is no value, or another one.
    pub fn ne(self, value: impl Operand<T>) -> Condition<O> {
        self.is(Test::Ne(value.into_json()))
    }

    /// The value is one of these.
    pub fn one_of<V: Operand<T>>(self, values: impl IntoIterator<Item = V>) -> Condition<O> {
        self.is(Test::OneOf(values.into_iter().map(Operand::into_json).collect()))
    }

    /// Less than.
    pub fn lt(self, value: impl Operand<T>) -> Condition<O>
    where
        T: Ordered,
    {
        self.is(Test::Lt(value.into_json()))
    }

    /// Less than or equal to.
    pub fn le(self, value: impl Operand<T>) -> Condition<O>
    where
        T: Ordered,
    {
        self.is(Test::Le(value.into_json()))
    }

    /// Greater than.
    pub fn gt(self, value: impl Operand<T>) -> Condition<O>
    where
        T: Ordered,
    {
        self.is(Test::Gt(value.into_json()))
    }

    /// Greater than or equal to.
    pub fn ge(self, value: impl Operand<T>) -> Condition<O>
    where
        T: Ordered,
    {
        self.is(Test::Ge(value.into_json()))
    }

    /// A list has this element, or a string this part.
    pub fn contains(self, value: impl Operand<T::Element>) -> Condition<O>
    where
        T: Container,
    {
        self.is(Test::Contains(value.into_json()))
    }
}

/// A condition on one user or one event; `O` is its type.
#[must_use = "a condition is for `user`, or for `filter`"]
pub struct Condition<O> {
    pub(crate) cond: Cond,
    owner: PhantomData<fn() -> O>,
}

impl<O> Clone for Condition<O> {
    fn clone(&self) -> Self {
        Condition::of(self.cond.clone())
    }
}

impl<O> Condition<O> {
    pub(crate) fn of(cond: Cond) -> Condition<O> {
        Condition { cond, owner: PhantomData }
    }

    /// Both.
    pub fn and(self, other: Condition<O>) -> Condition<O> {
        Condition::of(match self.cond {
            Cond::All(parts) => Cond::All(parts.into_iter().chain([other.cond]).collect()),
            cond => Cond::All(vec![cond, other.cond]),
        })
    }

    /// One of the two, or both.
    pub fn or(self, other: Condition<O>) -> Condition<O> {
        Condition::of(match self.cond {
            Cond::Any(parts) => Cond::Any(parts.into_iter().chain([other.cond]).collect()),
            cond => Cond::Any(vec![cond, other.cond]),
        })
    }
}

/// `!condition` or `condition.not()`.
impl<O> Not for Condition<O> {
    type Output = Condition<O>;

    fn not(self) -> Condition<O> {
        Condition::of(Cond::Not(Box::new(self.cond)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::prelude::*;

    #[derive(Attributes, Serialize, Deserialize)]
    struct Person {
        address: Option<Address>,
    }

    #[derive(Attributes, Serialize, Deserialize)]
    struct Address {
        #[serde(rename = "postCode")]
        zip: String,
        place: Place,
    }

    #[derive(Attributes, Serialize, Deserialize)]
    struct Place {
        floor: i64,
    }

    #[test]
    fn fields_one_in_the_other() {
        let cond = |condition: crate::Condition<Person>| serde_json::to_value(condition.cond).expect("plain data");
        let columns = <Person as crate::Attributes>::COLUMNS;
        assert_eq!(
            cond(columns.address.field(|a| a.zip).eq("01234")),
            json!({"at": {"path": ["address", "postCode"], "is": {"eq": "01234"}}})
        );
        assert_eq!(
            cond(columns.address.field(|a| a.place.field(|p| p.floor)).ge(3)),
            cond(columns.address.field(|a| a.place).field(|p| p.floor).ge(3))
        );
    }
}
