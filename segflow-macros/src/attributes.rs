//! `derive(Attributes)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Ident, LitStr, Result};

use crate::fields::{Field, Record, scalar};

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::read(input, "Attributes")?;
    let options = Options::read(input)?;
    let address = special(&record, options.address, "email", "address")?;
    let time_zone = special(&record, options.time_zone, "time_zone", "time zone")?;
    let (owner, name) = (&input.ident, input.ident.to_string());
    let (columns, companion) = record.columns(owner);
    let (patch, patch_type) = patch(&record);
    let schema = record.schema();
    let vis = &input.vis;
    Ok(quote! {
        #companion
        #patch_type

        impl ::segflow::Schema for #owner {
            const TYPE: &'static str = #name;
            fn fields() -> ::std::vec::Vec<::segflow::__private::Field> { #schema }
        }

        impl ::segflow::Attributes for #owner {
            type Columns = #columns;
            const COLUMNS: #columns = #columns::ALL;
            const ADDRESS: ::core::option::Option<&'static str> = #address;
            const TIME_ZONE: ::core::option::Option<&'static str> = #time_zone;
        }

        impl #owner {
            /// A patch that changes nothing yet: each setter adds one attribute.
            #[allow(dead_code)]
            #vis fn patch() -> #patch { #patch(::segflow::Patch::new()) }
        }
    })
}

struct Options {
    address: Option<LitStr>,
    time_zone: Option<LitStr>,
}

impl Options {
    fn read(input: &DeriveInput) -> Result<Options> {
        let mut options = Options { address: None, time_zone: None };
        for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("attributes")) {
            attr.parse_nested_meta(|meta| {
                let option = match &meta.path {
                    path if path.is_ident("address") => &mut options.address,
                    path if path.is_ident("time_zone") => &mut options.time_zone,
                    _ => return Err(meta.error("unknown option; there are `address` and `time_zone`")),
                };
                *option = Some(meta.value()?.parse()?);
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// The field with a meaning of its own: the one that is said, or the one of the usual name.
fn special(record: &Record, said: Option<LitStr>, usual: &str, what: &str) -> Result<TokenStream> {
    let field = match &said {
        Some(name) => Some(record.named(name)?),
        None => record.fields.iter().find(|field| field.is(usual)),
    };
    let Some(field) = field else { return Ok(quote! { ::core::option::Option::None }) };
    if said.is_some() && scalar(field.inner()) != Some("String") {
        return Err(Error::new_spanned(field.ty, format!("the {what} must be a `String` or an `Option<String>`")));
    }
    let name = &field.name;
    Ok(quote! { ::core::option::Option::Some(#name) })
}

fn patch(record: &Record) -> (Ident, TokenStream) {
    let owner = &record.input.ident;
    let vis = &record.input.vis;
    let name = Ident::new(&format!("{owner}Patch"), owner.span());
    let docs = format!("What is to change on a [`{owner}`]; the other attributes stay as they are.");
    let setters = record.fields.iter().map(setter);
    let tokens = quote! {
        #[doc = #docs]
        #[derive(Clone, Debug)]
        #[must_use = "a patch changes nothing until it is given to `update`"]
        #vis struct #name(::segflow::Patch);

        #[allow(dead_code, private_interfaces)]
        impl #name { #(#setters)* }

        impl ::segflow::IntoPatch for #name {
            type User = #owner;
            fn into_patch(self) -> ::segflow::Patch { self.0 }
        }
    };
    (name, tokens)
}

fn setter(field: &Field) -> TokenStream {
    let (ident, key, ty) = (field.ident, &field.name, field.inner());
    let docs = format!("Sets `{key}`.");
    let set = match scalar(ty) {
        Some("String") => quote! {
            #[doc = #docs]
            pub fn #ident(self, value: impl ::core::convert::Into<#ty>) -> Self { Self(self.0.set(#key, &value.into())) }
        },
        _ => quote! {
            #[doc = #docs]
            pub fn #ident(self, value: #ty) -> Self { Self(self.0.set(#key, &value)) }
        },
    };
    let clear = field.optional.map(|_| {
        let clear = Ident::new(&format!("clear_{}", ident.to_string().trim_start_matches("r#")), ident.span());
        let docs = format!("Takes `{key}` away.");
        quote! {
            #[doc = #docs]
            pub fn #clear(self) -> Self { Self(self.0.clear(#key)) }
        }
    });
    quote! { #set #clear }
}
