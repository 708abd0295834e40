//! Segflow in Rust: segments, campaigns and emails as code, and a client that reports users and events.
//!
//! A project is a crate with `crate-type = ["cdylib", "rlib"]`. It says who its users are, what happens to them, and what they are sent:
//!
//! ```
//! use segflow::prelude::*;
//!
//! #[derive(Attributes, Serialize, Deserialize)]
//! pub struct Shopper {
//!     pub username: String,
//!     pub email: String,
//!     #[serde(default)]
//!     pub winback: bool,
//! }
//!
//! fn winback_eligible() -> Segment<Shopper> {
//!     Segment::new("winback-eligible", user::<Shopper>(|u| u.winback.eq(true)))
//! }
//!
//! #[email("winback-email")]
//! fn winback_email(user: &Shopper, week: u64) -> Email {
//!     html! {
//!         <Subject>"We miss you, " {&user.username} "!"</Subject>
//!         <Text>"Hello " {&user.username} ", it has been " {week} " weeks."</Text>
//!         <Button href="https://shop.example" class="bg-black text-white px-5 py-3">"Come back"</Button>
//!     }
//! }
//!
//! async fn winback(flow: Flow<Shopper>) {
//!     for week in 0..4 {
//!         flow.send(winback_email(week)).await;
//!         flow.wait(weeks(1)).await;
//!     }
//! }
//!
//! #[segflow::project]
//! pub fn shop() -> Project<Shopper> {
//!     Project::new("shop")
//!         .from("The shop <hello@shop.example>")
//!         .campaign(Campaign::new("winback", winback).enters(winback_eligible()).dynamic())
//! }
//! ```
//!
//! `segflow push` builds it for wasm32 and brings it to a server; `segflow::testing` plays it under `cargo test`.
//!
//! The types in the fields of users and events: what serde writes as a bool, number or string compares as such, so an enum of plain
//! variants is a string and a date whatever its type writes. Columns of types of your own have `eq`, `ne`, `one_of` and `exists`, and
//! an order once they are [`Ordered`]. Sums are of JSON numbers, so money is best kept in whole cents.

// The derives write it so.
extern crate self as segflow;

mod campaign;
#[cfg(not(target_arch = "wasm32"))]
pub mod client;
mod conversion;
pub mod dispatch;
mod duration;
mod email;
mod flow;
mod mailbox;
#[cfg(target_arch = "wasm32")]
mod memory;
mod native;
mod own;
mod patch;
pub mod prelude;
mod project;
mod provider;
mod schema;
mod segment;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod topic;
mod transaction;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use jiff::Timestamp;
pub use segflow_core as core;
pub use segflow_core::flow::Never;
pub use segflow_macros::{Attributes, Event, email, project};

/// ```
/// # use segflow::prelude::*;
/// #[component]
/// fn price_line(name: &str, #[default(1)] count: u32, note: Option<&str>, children: Children) -> Html {
///     html! {
///         <Text>
///             {count} " × " {name}
///             if let Some(note) = note { " (" {note} ")" }
///             {children}
///         </Text>
///     }
/// }
///
/// # let _ =
/// html! {
///     <PriceLine name="Mug" count=2>", the blue one"</PriceLine>
///     <PriceLine name="Plate" note="sold out"/>
/// }
/// # ;
/// ```
#[doc(inline)]
pub use segflow_macros::component;

/// With a `<Subject>` it is an [`Email`], without one a piece of an email, [`Html`]. Text is in quotes; `{…}` shows what is [`Show`],
/// escaped; `if`, `match` and `for` hold markup. HTML and plain text are written at once.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { username: String, email: String }
/// #[email("welcome-email")]
/// fn welcome(user: &Shopper, percent: u8, news: &[String]) -> Email {
///     html! {
///         <Subject>"Welcome, " {&user.username} "!"</Subject>
///         <Preview>"Something to begin with"</Preview>
///         <Container class="max-w-[465px] p-5 bg-white rounded">
///             <Heading class="text-2xl">"Welcome, " {&user.username} "!"</Heading>
///             if percent > 0 {
///                 <Text>"Your first order is " {percent} " % off."</Text>
///             }
///             <ul>
///                 for line in news { <li>{line}</li> }
///             </ul>
///             <Button href="https://shop.example" class="bg-black text-white rounded px-5 py-3">"Have a look"</Button>
///             <Unsubscribe class="text-xs">"Unsubscribe"</Unsubscribe>
///         </Container>
///     }
/// }
/// ```
#[doc(inline)]
pub use segflow_macros::html;

/// An [`Email`] from a file of the crate, HTML or MJML, in the language of Jinja (feature `files`):
///
#[cfg_attr(feature = "files", doc = "```")]
#[cfg_attr(not(feature = "files"), doc = "```ignore")]
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { username: String, email: String }
/// #[email("winback-email")]
/// fn winback(user: &Shopper, week: u32) -> Email {
///     template!("tests/emails/winback.html", user, week)
/// }
/// ```
///
/// The path is relative to the crate's `Cargo.toml`. The names after it are variables of the function that the file sees; a computed
/// one is `total = purchase.value * 1.2`. The file has a subject, HTML or MJML, and if that alone does not give a good plain text, a text:
///
/// ```text
/// subject: Welcome, {{ user.username }}!
/// ---
/// <p>Hello {{ user.username }}, have {{ percent }} % off.</p>
/// --- text
/// Hello {{ user.username }}, have {{ percent }} % off.
/// ```
///
/// A file without a head begins with its first tag, and its title is the subject. MJML is made into HTML, sheets of styles are inlined and
/// the text is written when the crate is compiled: what is broken does not compile. Values are HTML-escaped in the HTML and nowhere else; an
/// attribute without a value prints nothing. A name that the type of a variable does not have is found when the project is pushed.
#[doc(inline)]
pub use segflow_macros::template;

/// ```
/// # use segflow::prelude::*;
/// let class: Class = tw!("bg-black text-white");
/// ```
#[doc(inline)]
pub use segflow_macros::tw;

pub use segflow_protocol::{Beyond, InFlight, Texts};

pub use campaign::Campaign;
#[cfg(not(target_arch = "wasm32"))]
pub use client::Client;
pub use conversion::Conversion;
pub use duration::{Duration, days, hours, milliseconds, minutes, seconds, weeks};
pub use email::html::{Children, Class, Html, Show};
pub use email::{Email, Message, links};
pub use flow::{
    Answer, Asked, Completed, Either, Experiment, Flow, Outcome, Task, WORKDAYS, Wait, WaitFor, WaitForWithin, Webhook,
    WebhookError, Weekday, When, WithHoldout, at, between, business_hours, join, next, on, race,
};
pub use mailbox::{Imap, Mailbox};
#[cfg(not(target_arch = "wasm32"))]
pub use native::Native;
pub use own::{Bounced, Clicked, Complained, Confirmed, Opened, Replied, Subscribed, Unsubscribed};
pub use patch::{IntoPatch, Patch};
pub use project::Project;
pub use provider::{Capture, Endpoint, MixMax, Postmark, Provider, Resend, Route, SendGrid, Ses, Smtp};
pub use schema::{Attributes, Event, Schema};
pub use segment::{
    Column, Condition, Container, Events, Expression, IntoExpression, Measured, Moment, Numeric, Operand, Ordered,
    Segment, events, user,
};
pub use topic::Topic;
pub use transaction::Transaction;

/// What the macros use.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use segflow_core::flow::Template;
    pub use segflow_macros::html_into;
    pub use segflow_protocol::{ABI_VERSION, Field, Json, Type};
    pub use serde::de::{IgnoredAny, MapAccess};

    #[cfg(feature = "files")]
    pub use crate::email::TemplateFile;
    pub use crate::email::html::{Body, ClassPart, Part, Within, later};
    pub use crate::email::{
        AnyShape, AnyValue, Arguments, EmailDeclaration, Given, KnownShape, KnownValue, Places, Probe,
        SampleDeclaration, Shape, TemplateName, TemplateUse, argument, made_up, type_id_of,
    };
    pub use crate::schema::{EventDeclaration, default_in, default_of, read_user, to_value};
    #[cfg(target_arch = "wasm32")]
    pub use crate::wasm;

    /// Whether a prop of a component was said: `Said` has what rendering asks for, `Missing` has not.
    pub struct Said;
    pub struct Missing;

    /// The names of the components that `html!` knows by itself, for the compiler to suggest.
    #[rustfmt::skip]
    pub mod elements {
        macro_rules! names { ($($name:ident)*) => { $(pub struct $name;)* }; }
        names! { Body Font Container Section Row Column Text Heading Button Link Img Hr Markdown CodeBlock Unsubscribe Preferences OpenInBrowser Raw }
    }
}
