//! `derive(Event)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, LitStr, Result};

use crate::case;
use crate::fields::Record;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::read(input, "Event")?;
    let (owner, name) = (&input.ident, input.ident.to_string());
    let event = event_name(input)?.unwrap_or_else(|| case::snake(&name));
    let (columns, companion) = record.columns(owner);
    let schema = record.schema();
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

        ::segflow::__private::inventory::submit! { ::segflow::__private::EventDeclaration::of::<#owner>() }
    })
}

fn event_name(input: &DeriveInput) -> Result<Option<String>> {
    let mut name = None;
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("unknown option; there is `name`"));
            }
            let said: LitStr = meta.value()?.parse()?;
            if said.value().is_empty() {
                return Err(Error::new(said.span(), "an event needs a name"));
            }
            name = Some(said.value());
            Ok(())
        })?;
    }
    Ok(name)
}
