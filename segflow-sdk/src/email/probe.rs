//! What can be known of a type without asking it for a trait: whether it has a [`Schema`].
//!
//! A method of `&Probe<T>` is only looked at when `Probe<T>` has none of the name, and `Probe<T>` has it only if `T` has a schema. The
//! macros call it where `T` is a concrete type.

use std::marker::PhantomData;

use segflow_protocol::Field;
use serde::Serialize;
use serde_json::Value;

use crate::Schema;
use crate::schema::to_value;

/// What is known of a template's variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A struct with a derive, so that its fields are known.
    Fields(&'static str, Vec<Field>),
    /// A number, a string or a bool: it has no fields.
    Scalar,
    /// Anything may be in it.
    Any,
}

/// Asks for the shape of a type.
pub struct Probe<T>(PhantomData<T>);

impl<T> Probe<T> {
    #[expect(clippy::new_without_default, reason = "only the macros make it")]
    pub fn new() -> Probe<T> {
        Probe(PhantomData)
    }
}

pub trait KnownShape {
    fn shape(&self) -> Shape;
}

impl<T: Schema> KnownShape for Probe<T> {
    fn shape(&self) -> Shape {
        Shape::Fields(T::TYPE, T::fields())
    }
}

pub trait AnyShape {
    fn shape(&self) -> Shape;
}

impl<T> AnyShape for &Probe<T> {
    fn shape(&self) -> Shape {
        Shape::Any
    }
}

/// Asks for the JSON of a template's variable.
pub struct Given<'a, T: ?Sized>(pub &'a T);

pub trait KnownValue {
    fn value(&self) -> Value;
}

/// A declared field that serde leaves out is there and null.
impl<T: Schema + Serialize> KnownValue for Given<'_, T> {
    fn value(&self) -> Value {
        let mut value = to_value(self.0);
        if let Value::Object(object) = &mut value {
            for field in T::fields() {
                object.entry(field.name).or_insert(Value::Null);
            }
        }
        value
    }
}

pub trait AnyValue {
    fn value(&self) -> Value;
}

impl<T: Serialize + ?Sized> AnyValue for &Given<'_, T> {
    fn value(&self) -> Value {
        to_value(self.0)
    }
}
