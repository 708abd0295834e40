//! `template!`: an email from a file, made ready while the project is compiled.
//!
//! [`parts`] takes the file apart, [`jinja`] finds what is only known when it is sent and checks it, [`reader`] knows where that stands and
//! what it could do there, [`guard`] hides it from what makes HTML of MJML ([`mjml`]) and moves sheets of styles into the elements ([`sheet`]),
//! [`plain`] writes the text. So a plugin carries finished HTML and the engine for Jinja, and neither of the others.

mod input;

#[cfg(feature = "files")]
mod css;
#[cfg(feature = "files")]
mod guard;
#[cfg(feature = "files")]
mod jinja;
#[cfg(feature = "files")]
mod markup;
#[cfg(feature = "files")]
mod mjml;
#[cfg(feature = "files")]
mod parts;
#[cfg(feature = "files")]
mod place;
#[cfg(feature = "files")]
mod plain;
#[cfg(feature = "files")]
mod reader;
#[cfg(feature = "files")]
mod ready;
#[cfg(feature = "files")]
mod sheet;
#[cfg(all(test, feature = "files"))]
mod tests;

use proc_macro2::TokenStream;
#[cfg(feature = "files")]
use quote::quote;
use syn::{Error, Result};

pub use input::{Input, key};
#[cfg(feature = "files")]
use ready::Ready;

/// `template!(…)`.
#[cfg(feature = "files")]
pub fn expand(input: Input) -> Result<TokenStream> {
    let path = input.path.value();
    let ready = Ready::of_project(&path, &input.names()).map_err(|what| Error::new(input.path.span(), what))?;
    let Ready { subject, html, text, written, lines, .. } = &ready;
    let lines = lines.iter().map(|(here, there)| quote! { (#here, #there) });
    let variables = input.variables.iter().map(|(name, value)| {
        let name = key(name);
        quote! { (#name, ::segflow::__template_value!(#value)) }
    });
    Ok(quote! {{
        // Has the crate built again when the file changes.
        const _: &[u8] = ::core::include_bytes!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path));
        ::segflow::Email::from_file(
            &::segflow::__private::TemplateFile {
                path: #path,
                subject: #subject,
                html: #html,
                text: #text,
                written: #written,
                lines: &[#(#lines),*],
            },
            &[#(#variables),*],
        )
    }})
}

#[cfg(not(feature = "files"))]
pub fn expand(input: Input) -> Result<TokenStream> {
    let what = "template files are a feature of `segflow` that is not on in Cargo.toml: `features = [\"files\"]`";
    Err(Error::new(input.path.span(), what))
}

/// What `#[email]` says of a file in its body: the names that it needs, with their places, and a hash of what is in it. `None` if it is not ready,
/// which is an error where it is expanded.
#[cfg(feature = "files")]
pub fn needs(input: &Input) -> Option<(TokenStream, u64)> {
    let ready = Ready::of_project(&input.path.value(), &input.names()).ok()?;
    let uses = ready.uses.iter().map(|(path, line, column)| {
        quote! { ::segflow::__private::TemplateName { path: #path, line: #line, column: #column } }
    });
    Some((quote! { &[#(#uses),*] }, ready.hash))
}

#[cfg(not(feature = "files"))]
pub fn needs(_: &Input) -> Option<(TokenStream, u64)> {
    None
}
