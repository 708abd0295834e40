//! `derive(Event)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, LitStr, Result};

use crate::case;
use crate::fields::Record;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::read(input, "Event")?;
    let (owner, name) = (&input.ident, input.ident.to_string());
    let Said { name: said, own } = said(input)?;
    let event = said.unwrap_or_else(|| case::snake(&name));
    let (columns, companion) = record.columns(owner);
    let schema = record.schema();
    let declared = (!own).then(|| {
        quote! { ::segflow::__private::inventory::submit! { ::segflow::__private::EventDeclaration::of::<#owner>() } }
    });
    Ok(quote! {
        #companion

        impl ::segflow::Schema for #owner {
            const TYPE: &'static str = #name;
            fn fields() -> ::std::vec::Vec<::segflow::__private::Field> { #schema }
        }

        impl ::segflow::Event for #owner {
            type Columns = #columns;
            const COLUMNS: #columns = #columns::ALL;
            const NAME: &'static str = #event;
        }

        #declared
    })
}

/// What `#[event(…)]` says.
#[derive(Default)]
struct Said {
    name: Option<String>,
    /// The server's own, which no project declares. Not for projects.
    own: bool,
}

fn said(input: &DeriveInput) -> Result<Said> {
    let mut said = Said::default();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("own") {
                said.own = true;
                return Ok(());
            }
            if !meta.path.is_ident("name") {
                return Err(meta.error("unknown option; there is `name`"));
            }
            let name: LitStr = meta.value()?.parse()?;
            if name.value().is_empty() {
                return Err(Error::new(name.span(), "an event needs a name"));
            }
            said.name = Some(name.value());
            Ok(())
        })?;
    }
    Ok(said)
}
