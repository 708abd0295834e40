//! The emails of a program, as `#[email]` registers them.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use segflow_protocol::{self as protocol, Json, Rendered};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Email, SampleDeclaration, Shape, check};
use crate::Attributes;

/// One `#[email]`.
pub struct EmailDeclaration {
    pub id: &'static str,
    /// The type of users it is for.
    pub user: fn() -> TypeId,
    /// The type of the constructor function, by which a transaction names it.
    pub constructor: fn() -> TypeId,
    /// Names and types, as written.
    pub arguments: &'static [(&'static str, &'static str)],
    pub templates: &'static [TemplateUse],
    /// Whether what its readers do may be counted.
    pub track: bool,
    /// A hash of the function's body and the files in it.
    pub code: u64,
    pub render: fn(&Json, &Json) -> Result<Email, String>,
    /// What it is looked at with.
    pub samples: fn() -> Vec<SampleDeclaration>,
    /// A value for each argument and the user, by types and names alone.
    pub made_up: fn() -> Vec<NamedValue>,
}

/// The name of an argument, and its value as JSON or why there is none.
pub type NamedValue = (&'static str, Result<Value, String>);

/// One `template!` in the body of an email.
pub struct TemplateUse {
    /// Relative to the crate.
    pub path: &'static str,
    /// The names that the file needs, each where it is first used.
    pub names: &'static [TemplateName],
    /// What the template sees, and what can be known of it before it is rendered.
    pub variables: fn() -> Vec<(&'static str, Shape)>,
}

/// `user.username` in a file.
pub struct TemplateName {
    pub path: &'static str,
    pub line: u32,
    pub column: u32,
}

inventory::collect!(EmailDeclaration);

impl EmailDeclaration {
    /// What the manifest says of it.
    fn template(&self) -> protocol::Template {
        let arguments = self.arguments.iter();
        protocol::Template {
            id: self.id.to_string(),
            arguments: arguments.map(|(n, t)| protocol::Argument { name: n.to_string(), ty: t.to_string() }).collect(),
            content: format!("{:016x}", self.code),
        }
    }

    pub fn render(&self, user: &Json, arguments: &Json) -> Result<Rendered, String> {
        (self.render)(user, arguments)?.finish()
    }
}

/// The emails for one type of users, by id.
pub fn of_user<U: Attributes>() -> Vec<&'static EmailDeclaration> {
    let mut emails: Vec<&EmailDeclaration> = vec![];
    for email in inventory::iter::<EmailDeclaration> {
        if (email.user)() == TypeId::of::<U>() {
            emails.insert(emails.partition_point(|earlier| earlier.id <= email.id), email);
        }
    }
    emails
}

pub fn find<U: Attributes>(id: &str) -> Option<&'static EmailDeclaration> {
    let mut all = inventory::iter::<EmailDeclaration>.into_iter();
    all.find(|email| email.id == id && (email.user)() == TypeId::of::<U>())
}

/// The email that a constructor function makes messages of.
pub fn of_constructor(constructor: TypeId) -> Option<&'static EmailDeclaration> {
    inventory::iter::<EmailDeclaration>.into_iter().find(|email| (email.constructor)() == constructor)
}

/// What the manifest says of the emails for `U`, and what is wrong with them.
pub fn templates<U: Attributes>() -> (Vec<protocol::Template>, Vec<protocol::Problem>) {
    let emails = of_user::<U>();
    let mut problems = vec![];
    for email in &emails {
        email.templates.iter().for_each(|template| check::problems(email.id, template, &mut problems));
    }
    (emails.iter().map(|email| email.template()).collect(), problems)
}

/// The emails of which nothing is counted, by their ids.
pub fn untracked<U: Attributes>() -> Vec<String> {
    of_user::<U>().into_iter().filter(|email| !email.track).map(|email| email.id.to_string()).collect()
}

pub fn type_id_of<F: 'static>(_: &F) -> TypeId {
    TypeId::of::<F>()
}

pub fn argument<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|e| e.to_string())
}

/// Where the arguments of an email go when they are read in one pass. `#[email]` has a type with a field for each.
pub trait Places: Default {
    /// Reads the value of this name, or passes over it.
    fn place<'de, M: MapAccess<'de>>(&mut self, name: &str, map: &mut M) -> Result<(), M::Error>;
}

/// The arguments that came with a message, each still as it was written.
pub struct Arguments<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Arguments<'a> {
    pub fn read(arguments: &'a Json) -> Result<Arguments<'a>, String> {
        arguments.read().map_err(|e| format!("the arguments are not a JSON object: {e}"))
    }

    /// All of them, each in its place. If one does not fit, they are looked at one by one: that takes longer, and says which.
    pub fn all<P: Places>(arguments: &'a Json) -> Result<(P, Arguments<'a>), String> {
        match arguments.read() {
            Ok(Placed(places)) => Ok((places, Arguments(vec![]))),
            Err(_) => Ok((P::default(), Arguments::read(arguments)?)),
        }
    }

    pub fn take<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let value = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.get());
        serde_json::from_str(value.unwrap_or("null")).map_err(|e| match value {
            None => format!("the argument `{name}` is missing"),
            Some(_) => format!("the argument `{name}` does not fit: {e}"),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Arguments<'a>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Arguments<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Arguments<'de>, M::Error> {
                let mut arguments = vec![];
                while let Some(Name(name)) = map.next_key()? {
                    arguments.push((name, map.next_value()?));
                }
                Ok(Arguments(arguments))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

struct Placed<P>(P);

impl<'de, P: Places> Deserialize<'de> for Placed<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Placed<P>, D::Error> {
        struct Object<P>(PhantomData<P>);
        impl<'de, P: Places> Visitor<'de> for Object<P> {
            type Value = Placed<P>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Placed<P>, M::Error> {
                let mut places = P::default();
                while let Some(Name(name)) = map.next_key()? {
                    places.place(&name, &mut map)?;
                }
                Ok(Placed(places))
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// A name, borrowed where it has nothing escaped in it.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_do_not_fit_are_named() {
        let json = Json(r#"{"percent": "ten", "gone": null}"#.into());
        let arguments = Arguments::read(&json).expect("an object");
        assert_eq!(
            arguments.take::<u32>("percent").expect_err("a string"),
            "the argument `percent` does not fit: invalid type: string \"ten\", expected u32 at line 1 column 5"
        );
        assert_eq!(arguments.take::<Option<u32>>("gone"), Ok(None));
        assert_eq!(arguments.take::<Option<u32>>("never"), Ok(None), "an argument that is new");
        assert_eq!(arguments.take::<u32>("never").expect_err("none"), "the argument `never` is missing");
        assert!(Arguments::read(&Json("[]".into())).is_err());
    }

    #[derive(Default)]
    struct Percent(Option<u32>);

    impl Places for Percent {
        fn place<'de, M: MapAccess<'de>>(&mut self, name: &str, map: &mut M) -> Result<(), M::Error> {
            match name {
                "percent" if self.0.is_none() => self.0 = Some(map.next_value()?),
                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
            }
            Ok(())
        }
    }

    #[test]
    fn all_are_read_in_one_pass_or_one_by_one() {
        let read = |json: &str| {
            let json = Json(json.into());
            let (places, arguments) = Arguments::all::<Percent>(&json)?;
            places.0.map_or_else(|| arguments.take("percent"), Ok)
        };
        assert_eq!(read(r#"{"new": [{}], "percent": 7, "percent": 8}"#), Ok(7));
        assert_eq!(read(r#"{"perc\u0065nt": 7}"#), Ok(7));
        assert_eq!(read("{}").expect_err("none"), "the argument `percent` is missing");
        assert_eq!(
            read(r#"{"other": 1, "percent": "ten"}"#).expect_err("a string"),
            "the argument `percent` does not fit: invalid type: string \"ten\", expected u32 at line 1 column 5"
        );
        assert!(read("[7]").expect_err("no object").starts_with("the arguments are not a JSON object: "));
        assert!(read(r#"{"percent": 7} x"#).is_err());
    }
}
