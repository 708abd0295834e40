//! The macros of the SDK. They are used through `segflow` (`segflow::prelude` has all of them) and documented with examples there.
//!
//! - [`macro@Attributes`] on the struct of a user, [`macro@Event`] on that of an event: columns for segments, a typed patch, the schema.
//! - [`macro@email`] on a function: the email it renders becomes a message that a flow can send.
//! - [`macro@html`], [`macro@component`] and [`macro@tw`]: emails as markup, with classes that are resolved at compile time.
//! - [`macro@project`] on the function that returns the project: the exports of the plugin.

mod attributes;
mod case;
mod class;
mod component;
mod email;
mod event;
mod fields;
mod file;
mod html;
mod nearest;
mod project;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// The attributes of a user.
///
/// For `struct Shopper` it gives columns to closures (`user::<Shopper>(|u| u.winback.eq(true))`), `Shopper::patch()` with one setter
/// for each field, and the schema that a push checks names against. The names are those of serde: `rename`, `rename_all` and `default`
/// count.
///
/// The address is the field `email` and the IANA time zone the field `time_zone`, or which ones are said:
/// `#[attributes(address = "mail", time_zone = "tz")]`.
#[proc_macro_derive(Attributes, attributes(attributes))]
pub fn derive_attributes(input: TokenStream) -> TokenStream {
    answer(attributes::derive(&parse_macro_input!(input)))
}

/// An event that happens to a user.
///
/// Its name is the type's in snake case (`OrderPaid` is `order_paid`), or what is said: `#[event(name = "order paid")]`.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    answer(event::derive(&parse_macro_input!(input)))
}

/// An email: `#[email("welcome-email")] fn welcome(user: &Shopper, discount: u32) -> Email { … }`.
///
/// The function becomes a constructor of the same name and visibility without the `user`: `welcome(10)` is a `Message<Shopper>` that a
/// flow sends. Its arguments travel with the message as JSON; the user is read when the message is rendered, just before it is sent.
///
/// `#[email("welcome-email", sample(user = ada(), discount = 10), sample("no discount", discount = 0))]` says what `segflow emails` shows it
/// with; what a sample leaves out is made up.
#[proc_macro_attribute]
pub fn email(options: TokenStream, function: TokenStream) -> TokenStream {
    answer(email::expand(parse_macro_input!(options), parse_macro_input!(function)))
}

/// A part of emails: `#[component] fn price_line(name: &str, #[default(1)] count: u32, children: Children) -> Html { html! { … } }`.
///
/// In `html!` it is `<PriceLine name="Mug" count=2>"…"</PriceLine>`. A prop that is not said is its `#[default(…)]`; without one, `bool` is
/// false, `Option` and `Class` are empty, and every other has to be said. A parameter `children` takes what stands between the tags.
#[proc_macro_attribute]
pub fn component(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = proc_macro2::TokenStream::from(options);
    match options.is_empty() {
        true => answer(component::expand(parse_macro_input!(function))),
        false => answer(Err(syn::Error::new_spanned(options, "`#[component]` takes no options"))),
    }
}

/// An email, or a part of one, as markup.
#[proc_macro]
pub fn html(markup: TokenStream) -> TokenStream {
    html::expand(markup.into()).into()
}

/// What `#[component]` makes of the `html!` at the end of a component: it writes into the `&mut Html` that is named first.
#[doc(hidden)]
#[proc_macro]
pub fn html_into(input: TokenStream) -> TokenStream {
    html::expand_into(input.into()).into()
}

/// Classes as a value, for those that are chosen at run time; the names are checked when it is compiled.
#[proc_macro]
pub fn tw(names: TokenStream) -> TokenStream {
    html::class(&parse_macro_input!(names)).into()
}

/// An email from a file of the crate: `template!("emails/welcome.mjml", user, percent)`. Documented in `segflow`.
#[proc_macro]
pub fn template(input: TokenStream) -> TokenStream {
    answer(file::expand(parse_macro_input!(input)))
}

/// The project: on the one function without arguments that returns `Project<U>`.
///
/// Built for wasm32 it is what a server loads; natively it stays an ordinary function for tests.
#[proc_macro_attribute]
pub fn project(options: TokenStream, function: TokenStream) -> TokenStream {
    answer(project::expand(options.into(), parse_macro_input!(function)))
}

fn answer(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
