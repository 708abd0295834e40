//! What emails are looked at with before anybody gets them: what `sample(…)` declares, and for the rest what types and names suggest.

mod make;
mod words;

use serde_json::{Map, Value};

use super::EmailDeclaration;
use super::declaration::{NamedValue, of_user};
use crate::Attributes;

pub use make::made_up;

/// One `sample(…)` of an email, as far as it goes.
pub struct SampleDeclaration {
    pub name: Option<&'static str>,
    /// Arguments by name, `user` among them.
    pub given: Vec<NamedValue>,
}

/// The argument that a user fills.
const USER: &str = "user";

/// The protocol's `Samples`: one at least for each email of `U`. Written as a value, whose code is in every plugin anyway: this one alone
/// should not make it larger.
pub(crate) fn samples<U: Attributes>(of_project: Option<&Value>) -> Value {
    let mut emails = Map::new();
    for email in of_user::<U>() {
        let mut declared = (email.samples)();
        if declared.is_empty() {
            declared.push(SampleDeclaration { name: None, given: vec![] });
        }
        let whole: Vec<Value> = declared.into_iter().map(|declared| whole(email, declared, of_project)).collect();
        emails.insert(email.id.to_string(), Value::Array(whole));
    }
    object([("emails", Value::Object(emails))])
}

/// The protocol's `Sample`, with what is not declared.
fn whole(email: &EmailDeclaration, declared: SampleDeclaration, of_project: Option<&Value>) -> Value {
    let (mut user, mut args, mut made_up, mut problem) = (Value::Null, Map::new(), vec![], Value::Null);
    let mut given = declared.given;
    for (name, made) in (email.made_up)() {
        let value = match given.iter().position(|(known, _)| *known == name) {
            Some(place) => given.swap_remove(place).1,
            None if name == USER && of_project.is_some() => Ok(of_project.cloned().unwrap_or_default()),
            None => {
                made_up.push(Value::from(name));
                let advice = "declare one: `#[email(\"…\", sample(";
                made.map_err(|why| format!("no sample of `{name}` can be made up ({why}); {advice}{name} = …))]`"))
            }
        };
        match value {
            Ok(value) if name == USER => user = value,
            Ok(value) => drop(args.insert(name.to_string(), value)),
            Err(why) if problem.is_null() => problem = why.into(),
            Err(_) => {}
        }
    }
    let name = declared.name.map_or(Value::Null, Value::from);
    let (args, made_up) = (Value::Object(args), Value::Array(made_up));
    object([("name", name), ("user", user), ("args", args), ("made_up", made_up), ("problem", problem)])
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Map::new();
    members.into_iter().for_each(|(name, value)| drop(object.insert(name.to_string(), value)));
    Value::Object(object)
}
