//! The fields of a struct as JSON sees them: what serde calls them, their types, and what a missing one becomes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, GenericArgument, Ident, LitStr, PathArguments, Result, Token, Type};

use crate::case;

/// A struct with named fields and without generics.
pub struct Record<'a> {
    pub input: &'a DeriveInput,
    pub fields: Vec<Field<'a>>,
    /// Every field that is missing comes from the struct's own `Default`.
    default_of_struct: bool,
}

pub struct Field<'a> {
    pub ident: &'a Ident,
    /// The key in the JSON object.
    pub name: String,
    pub ty: &'a Type,
    /// What is in an `Option`, if it is one.
    pub optional: Option<&'a Type>,
    default: Missing,
    opaque: bool,
}

/// What serde makes of a missing value.
enum Missing {
    Error,
    Default,
    Call(syn::ExprPath),
}

impl<'a> Record<'a> {
    pub fn read(input: &'a DeriveInput, derive: &str) -> Result<Record<'a>> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new_spanned(&input.ident, format!("{derive} is for a struct with named fields")));
        };
        if let Some(parameter) = input.generics.params.first() {
            return Err(Error::new_spanned(parameter, format!("{derive} is for a struct without generics")));
        }
        match &data.fields {
            syn::Fields::Named(_) => {}
            syn::Fields::Unnamed(fields) => {
                return Err(Error::new_spanned(fields, format!("{derive} needs named fields: they become JSON keys")));
            }
            syn::Fields::Unit => {
                let name = &input.ident;
                return Err(Error::new_spanned(
                    name,
                    format!("{derive} needs a JSON object: write `struct {name} {{}}`"),
                ));
            }
        }
        let container = Container::read(&input.attrs)?;
        let mut fields = vec![];
        for field in &data.fields {
            let ident = field.ident.as_ref().expect("named, or there are none");
            fields.extend(Field::read(ident, field, &container)?);
        }
        Ok(Record { input, fields, default_of_struct: container.default })
    }

    /// The struct's vector of `Field`s of the protocol.
    pub fn schema(&self) -> TokenStream {
        let from_struct = self.default_of_struct.then(|| {
            quote! { let __defaults = ::segflow::__private::to_value(&<Self as ::core::default::Default>::default()); }
        });
        let fields = self.fields.iter().map(|field| field.schema(self.default_of_struct));
        quote! { #from_struct ::std::vec![#(#fields),*] }
    }

    /// The companion struct whose fields are the columns that closures see.
    pub fn columns(&self, owner: &Ident) -> (Ident, TokenStream) {
        let name = Ident::new(&format!("{owner}Columns"), owner.span());
        let vis = &self.input.vis;
        let docs = format!("The columns of [`{owner}`], as conditions see them.");
        let (idents, names): (Vec<_>, Vec<_>) = self.fields.iter().map(|f| (f.ident, &f.name)).unzip();
        let types = self.fields.iter().map(Field::inner);
        let tokens = quote! {
            #[doc = #docs]
            #[derive(Clone, Copy)]
            #[allow(dead_code, private_interfaces, missing_docs)]
            #vis struct #name { #(pub #idents: ::segflow::Column<#owner, #types>,)* }

            impl #name {
                const ALL: #name = #name { #(#idents: ::segflow::Column::named(#names),)* };
            }
        };
        (name, tokens)
    }

    /// The field that an option names, by its Rust or JSON name.
    pub fn named(&self, wanted: &LitStr) -> Result<&Field<'a>> {
        let name = wanted.value();
        self.fields.iter().find(|f| f.is(&name)).ok_or_else(|| {
            let fields: Vec<String> = self.fields.iter().map(|f| format!("`{}`", f.ident)).collect();
            let has = if fields.is_empty() { "none".to_string() } else { fields.join(", ") };
            Error::new(wanted.span(), format!("{} has no field `{name}`; it has {has}", self.input.ident))
        })
    }
}

/// What the struct as a whole says to serde.
struct Container {
    rename_all: String,
    default: bool,
}

impl Container {
    fn read(attrs: &[Attribute]) -> Result<Container> {
        let mut container = Container { rename_all: "snake_case".into(), default: false };
        serde(attrs, |meta| {
            if meta.path.is_ident("rename_all") {
                let rule = both_ways(&meta)?;
                if !case::RULES.contains(&rule.value().as_str()) {
                    return Err(Error::new(rule.span(), format!("serde knows {}", case::RULES.join(", "))));
                }
                container.rename_all = rule.value();
            } else if meta.path.is_ident("default") {
                if meta.input.peek(Token![=]) {
                    return Err(
                        meta.error("a path here is not understood; write `#[serde(default)]` and implement Default")
                    );
                }
                container.default = true;
            } else {
                skip_value(&meta)?;
            }
            Ok(())
        })?;
        Ok(container)
    }
}

impl<'a> Field<'a> {
    fn read(ident: &'a Ident, field: &'a syn::Field, container: &Container) -> Result<Option<Field<'a>>> {
        let plain = ident.to_string().trim_start_matches("r#").to_string();
        let (mut name, mut default, mut skip, mut opaque) = (None, Missing::Error, false, false);
        serde(&field.attrs, |meta| {
            if meta.path.is_ident("rename") {
                name = Some(both_ways(&meta)?.value());
            } else if meta.path.is_ident("default") {
                default = match meta.input.peek(Token![=]) {
                    true => Missing::Call(meta.value()?.parse::<LitStr>()?.parse()?),
                    false => Missing::Default,
                };
            } else if meta.path.is_ident("skip") {
                skip = true;
            } else if meta.path.is_ident("flatten") {
                return Err(meta.error("flattened fields have no names here; write the fields out"));
            } else {
                opaque |= ["with", "serialize_with", "deserialize_with"].iter().any(|with| meta.path.is_ident(with));
                skip_value(&meta)?;
            }
            Ok(())
        })?;
        if skip {
            return Ok(None);
        }
        let name = name.unwrap_or_else(|| case::rename(&container.rename_all, &plain));
        let optional = argument_of(&field.ty, "Option");
        Ok(Some(Field { ident, name, ty: &field.ty, optional, default, opaque }))
    }

    pub fn is(&self, name: &str) -> bool {
        self.ident == name || self.name == name
    }

    /// The type of the value when there is one.
    pub fn inner(&self) -> &'a Type {
        self.optional.unwrap_or(self.ty)
    }

    fn schema(&self, default_of_struct: bool) -> TokenStream {
        let (name, ty) = (&self.name, if self.opaque { any() } else { protocol_type(self.inner()) });
        let has_default = default_of_struct || !matches!(self.default, Missing::Error);
        let required = self.optional.is_none() && !has_default;
        let field_type = self.ty;
        let default = match &self.default {
            Missing::Default => quote_spanned! { field_type.span()=>
                ::segflow::__private::default_of(&<#field_type as ::core::default::Default>::default())
            },
            Missing::Call(path) => quote! { ::segflow::__private::default_of::<#field_type>(&#path()) },
            Missing::Error if default_of_struct => quote! { ::segflow::__private::default_in(&__defaults, #name) },
            Missing::Error => quote! { ::core::option::Option::None },
        };
        quote! {
            ::segflow::__private::Field {
                name: ::std::string::String::from(#name),
                ty: #ty,
                required: #required,
                default: #default,
            }
        }
    }
}

/// The type in the manifest, as far as it can be read from how the type is written.
fn protocol_type(ty: &Type) -> TokenStream {
    if let Some(element) = argument_of(ty, "Vec") {
        let element = protocol_type(element);
        return quote! { ::segflow::__private::Type::List(::std::boxed::Box::new(#element)) };
    }
    match scalar(ty) {
        Some(variant) => {
            let variant = Ident::new(variant, ty.span());
            quote! { ::segflow::__private::Type::#variant }
        }
        None => any(),
    }
}

fn any() -> TokenStream {
    quote! { ::segflow::__private::Type::Any }
}

/// The variant of the protocol's `Type` for a type that is one value.
pub fn scalar(ty: &Type) -> Option<&'static str> {
    let Type::Path(path) = ty else { return None };
    Some(match path.path.segments.last()?.ident.to_string().as_str() {
        "bool" => "Bool",
        "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize" => "Integer",
        "f32" | "f64" => "Number",
        "String" | "str" | "char" => "String",
        _ => return None,
    })
}

/// `T` of a `Wrapper<T>`.
fn argument_of<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == wrapper)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

fn serde(attrs: &[Attribute], mut each: impl FnMut(ParseNestedMeta) -> Result<()>) -> Result<()> {
    attrs.iter().filter(|attr| attr.path().is_ident("serde")).try_for_each(|attr| attr.parse_nested_meta(&mut each))
}

/// `rename = "x"`, or `rename(serialize = "x", deserialize = "x")` with one and the same name.
fn both_ways(meta: &ParseNestedMeta) -> Result<LitStr> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse();
    }
    let mut names: Vec<LitStr> = vec![];
    meta.parse_nested_meta(|inner| {
        names.push(inner.value()?.parse()?);
        Ok(())
    })?;
    match &names[..] {
        [a, b] if a == b => Ok(a.clone()),
        _ => Err(meta.error("needs one name for both directions: what is written must be read again")),
    }
}

/// Steps over an option that means nothing here.
fn skip_value(meta: &ParseNestedMeta) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let inside;
        syn::parenthesized!(inside in meta.input);
        inside.parse::<TokenStream>()?;
    }
    Ok(())
}
