//! Emails: functions that are rendered just before a message is sent.
//!
//! `#[email("welcome-email")] pub fn welcome(user: &Shopper, percent: u32) -> Email { … }` leaves a function `welcome(percent)` that makes
//! a [`Message`]. The message carries the email's id and its arguments; the user is read when it is rendered, so that a correction of
//! the user or of the email reaches messages that are already decided.

mod check;
mod declaration;
#[cfg(feature = "files")]
mod file;
pub mod html;
pub mod links;
mod probe;
mod sample;

use std::marker::PhantomData;

use segflow_core::flow::Template;
use segflow_protocol::{Json, Rendered};
use serde_json::{Map, Value};

pub use declaration::{Arguments, EmailDeclaration, Places, TemplateName, TemplateUse, argument, type_id_of};
pub(crate) use declaration::{find, of_constructor, templates, untracked};
#[cfg(feature = "files")]
pub use file::TemplateFile;
pub use probe::{AnyShape, AnyValue, Given, KnownShape, KnownValue, Probe, Shape};
pub(crate) use sample::samples;
pub use sample::{SampleDeclaration, made_up};

/// A message to a user of type `U` that is not sent yet. A function with `#[email("…")]` makes it.
#[must_use = "a message is sent by `flow.send(…).await`"]
pub struct Message<U> {
    pub(crate) template: Template,
    /// The arguments by name; or why they cannot be written as JSON.
    pub(crate) arguments: Result<Map<String, Value>, String>,
    user: PhantomData<fn() -> U>,
}

impl<U> Clone for Message<U> {
    fn clone(&self) -> Self {
        Message { template: self.template, arguments: self.arguments.clone(), user: PhantomData }
    }
}

impl<U> Message<U> {
    #[doc(hidden)]
    pub fn of<const N: usize>(template: Template, arguments: [(&str, Result<Value, String>); N]) -> Message<U> {
        let mut named = Map::new();
        for (name, value) in arguments {
            match value {
                Ok(value) => drop(named.insert(name.to_string(), value)),
                Err(why) => {
                    let id = template.id;
                    let why = format!("the argument `{name}` of `{id}` cannot be written as JSON: {why}");
                    return Message { template, arguments: Err(why), user: PhantomData };
                }
            }
        }
        Message { template, arguments: Ok(named), user: PhantomData }
    }

    pub(crate) fn json(self) -> Result<Json, String> {
        self.arguments.map(|arguments| Json(Value::Object(arguments).to_string()))
    }
}

/// What an `#[email]` function returns: subject, HTML and text, or why there are none. Made by [`html!`](crate::html!) with a
/// `<Subject>` in it, or by [`template!`](crate::template!).
pub struct Email(pub(crate) Result<Rendered, String>);

impl Email {
    pub(crate) fn finish(self) -> Result<Rendered, String> {
        self.0
    }

    #[doc(hidden)]
    #[cfg(feature = "files")]
    pub fn from_file(file: &TemplateFile, variables: &[(&str, Value)]) -> Email {
        Email(file.render(variables))
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __template_value {
    ($value:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::{AnyValue as _, KnownValue as _};
        (&$crate::__private::Given(&$value)).value()
    }};
}
