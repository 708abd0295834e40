//! What the types of a project say about themselves. The derives implement these traits.

use std::borrow::Cow;

use segflow_protocol::{Field, Json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A struct whose fields are known by name.
pub trait Schema {
    /// The name of the Rust type, for messages.
    const TYPE: &'static str;

    /// Its fields as JSON has them.
    fn fields() -> Vec<Field>;
}

impl<T: Schema> Schema for &T {
    const TYPE: &'static str = T::TYPE;

    fn fields() -> Vec<Field> {
        T::fields()
    }
}

/// The attributes of a user: `#[derive(Attributes, Serialize, Deserialize)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type of users",
    note = "put `#[derive(Attributes, Serialize, Deserialize)]` on the struct of a user's attributes"
)]
pub trait Attributes: Schema + Serialize + DeserializeOwned + 'static {
    /// A struct with one [`Column`](crate::Column) for each field.
    type Columns;
    /// What a condition's closure is given.
    const COLUMNS: Self::Columns;
    /// The attribute that holds the address.
    const ADDRESS: Option<&'static str>;
    /// The attribute that holds the IANA time zone.
    const TIME_ZONE: Option<&'static str>;
}

/// Something that happens to a user: `#[derive(Event, Serialize, Deserialize)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    note = "put `#[derive(Event, Serialize, Deserialize)]` on the struct of an event"
)]
pub trait Event: Schema + Serialize + DeserializeOwned + 'static {
    /// A struct with one [`Column`](crate::Column) for each field.
    type Columns;
    /// What a condition's closure is given.
    const COLUMNS: Self::Columns;
    /// What the event is called: `purchase`.
    const NAME: &'static str;
}

/// An event type, found at run time.
#[doc(hidden)]
pub struct EventDeclaration {
    name: &'static str,
    fields: fn() -> Vec<Field>,
}

impl EventDeclaration {
    pub const fn of<E: Event>() -> EventDeclaration {
        EventDeclaration { name: E::NAME, fields: E::fields }
    }
}

inventory::collect!(EventDeclaration);

/// All event types of the program by name. One that is declared twice in the same way is one; in two ways, it is two.
pub(crate) fn declared_events() -> Vec<segflow_protocol::Event> {
    let mut events: Vec<segflow_protocol::Event> = vec![];
    for declaration in inventory::iter::<EventDeclaration> {
        let event = segflow_protocol::Event { name: declaration.name.to_string(), fields: (declaration.fields)() };
        let place = events.partition_point(|earlier| earlier.name <= event.name);
        if !events.contains(&event) {
            events.insert(place, event);
        }
    }
    events
}

/// The attributes of a user as their type. The error is a sentence for the author of the project.
///
/// An attribute that is `null` counts as missing, as it does in segments.
pub(crate) fn typed_user<U: Attributes>(attributes: &Map<String, Value>) -> Result<U, String> {
    let mut attributes = Cow::Borrowed(attributes);
    if attributes.values().any(Value::is_null) {
        attributes.to_mut().retain(|_, value| !value.is_null());
    }
    U::deserialize(&*attributes).map_err(|e| {
        let missing = |field: &&Field| field.required && !attributes.contains_key(&field.name);
        match U::fields().iter().find(missing) {
            Some(field) => format!(
                "the user has no attribute `{}`, which {} declares: give it a value, or make it an `Option` or \
                 `#[serde(default)]` in {}",
                field.name,
                U::TYPE,
                U::TYPE
            ),
            None => format!("the user's attributes do not fit {}: {e}", U::TYPE),
        }
    })
}

#[doc(hidden)]
pub fn read_user<U: Attributes>(user: &Json) -> Result<U, String> {
    // Read at once where there is nothing that would have to be left out.
    if !user.0.contains("null")
        && let Ok(user) = user.read()
    {
        return Ok(user);
    }
    let attributes: Map<String, Value> = user.read().map_err(|e| format!("the user's attributes are not JSON: {e}"))?;
    typed_user(&attributes)
}

#[doc(hidden)]
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// A value of the flow's as JSON; an error names what it was for.
pub(crate) fn written<T: Serialize + ?Sized>(what: &str, value: &T) -> Result<Json, String> {
    // Over a value, as it is read again: what is no JSON is found, and keys are in order.
    let value = serde_json::to_value(value).map_err(|e| format!("{what} cannot be written as JSON: {e}"))?;
    Ok(Json(value.to_string()))
}

/// The default of a field; one that is `null` in JSON says nothing.
#[doc(hidden)]
pub fn default_of<T: Serialize>(value: &T) -> Option<Value> {
    Some(to_value(value)).filter(|value| !value.is_null())
}

#[doc(hidden)]
pub fn default_in(defaults: &Value, field: &str) -> Option<Value> {
    defaults.get(field).filter(|value| !value.is_null()).cloned()
}
