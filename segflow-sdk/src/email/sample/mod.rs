//! What emails are looked at with before anybody gets them: what `sample(…)` declares, and for the rest what types and names suggest.

mod make;
mod words;

use segflow_protocol::{Sample, Samples};
use serde_json::Value;

use super::EmailDeclaration;
use super::declaration::of_user;
use crate::Attributes;

pub use make::made_up;

/// One `sample(…)` of an email, as far as it goes.
pub struct SampleDeclaration {
    pub name: Option<&'static str>,
    /// Arguments by name, `user` among them.
    pub given: Vec<(&'static str, Result<Value, String>)>,
}

/// The argument that a user fills.
const USER: &str = "user";

/// One sample at least for each email of `U`.
pub(crate) fn samples<U: Attributes>(of_project: Option<&Value>) -> Samples {
    let of = |email: &EmailDeclaration| {
        let mut declared = (email.samples)();
        if declared.is_empty() {
            declared.push(SampleDeclaration { name: None, given: vec![] });
        }
        declared.into_iter().map(|declared| whole(email, declared, of_project)).collect()
    };
    Samples { emails: of_user::<U>().into_iter().map(|email| (email.id.to_string(), of(email))).collect() }
}

/// Adds what is not declared.
fn whole(email: &EmailDeclaration, declared: SampleDeclaration, of_project: Option<&Value>) -> Sample {
    let mut sample = Sample { name: declared.name.map(String::from), ..Sample::default() };
    let mut given = declared.given;
    for (name, made_up) in (email.made_up)() {
        let value = match given.iter().position(|(known, _)| *known == name) {
            Some(place) => given.swap_remove(place).1,
            None if name == USER && of_project.is_some() => Ok(of_project.cloned().unwrap_or_default()),
            None => {
                sample.made_up.push(name.to_string());
                let advice = "declare one: `#[email(\"…\", sample(";
                made_up.map_err(|why| format!("no sample of `{name}` can be made up ({why}); {advice}{name} = …))]`"))
            }
        };
        match value {
            Ok(value) if name == USER => sample.user = value,
            Ok(value) => drop(sample.args.insert(name.to_string(), value)),
            Err(why) => drop(sample.problem.get_or_insert(why)),
        }
    }
    sample
}
