//! `#[component]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Error, Expr, FnArg, Ident, ItemFn, Lifetime, Meta, Pat, Result, Type};

/// The function stays as it is; beside it comes a type of its name in camel case, which `html!` fills prop by prop.
pub fn expand(mut function: ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if let Some(asyncness) = signature.asyncness {
        return Err(Error::new_spanned(asyncness, "a component is written at once, not by an async function"));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new_spanned(
            parameter,
            "a component cannot be generic; take `&dyn segflow::Show`, or the `children`",
        ));
    }
    let name = Ident::new(&camel(&signature.ident.to_string()), signature.ident.span());
    if crate::html::is_taken(&name.to_string()) {
        return Err(Error::new_spanned(
            &signature.ident,
            format!("Segflow has a `<{name}>` already; choose another name"),
        ));
    }
    let mut props = Vec::new();
    for input in &mut function.sig.inputs {
        props.push(Prop::read(input)?);
    }
    let component = Component { function: &function, name, props };
    let (definition, setters) = (component.definition(), component.setters());
    Ok(quote! { #function #definition #setters })
}

struct Prop {
    name: Ident,
    /// With the lifetimes that were left out.
    ty: Type,
    /// What it is when it is not said; `None` if it has to be.
    default: Option<TokenStream>,
}

impl Prop {
    fn read(input: &mut FnArg) -> Result<Prop> {
        let FnArg::Typed(typed) = input else {
            return Err(Error::new_spanned(input, "a component is a free function, not a method"));
        };
        let Pat::Ident(pat) = &*typed.pat else {
            return Err(Error::new_spanned(&typed.pat, "a prop needs a plain name: it is said by it"));
        };
        if pat.ident == "render" || pat.ident == "props" {
            return Err(Error::new_spanned(pat, "a prop cannot have this name: the component has a method of it"));
        }
        if let Type::ImplTrait(_) = &*typed.ty {
            return Err(Error::new_spanned(
                &typed.ty,
                "a component cannot be generic; take `&dyn segflow::Show`, or the `children`",
            ));
        }
        let mut default = None;
        for attribute in typed.attrs.extract_if(.., |attribute| attribute.path().is_ident("default")) {
            default = Some(match &attribute.meta {
                Meta::Path(_) => quote! { ::core::default::Default::default() },
                Meta::NameValue(value) => value.value.to_token_stream(),
                Meta::List(list) => list.parse_args::<Expr>()?.to_token_stream(),
            });
        }
        if let Some(attribute) = typed.attrs.first() {
            return Err(Error::new_spanned(attribute, "a prop has no attribute but `#[default(…)]`"));
        }
        let absent =
            pat.ident == "children" || is(&typed.ty, "bool") || is(&typed.ty, "Option") || is(&typed.ty, "Class");
        let default = default.or_else(|| absent.then(|| quote! { ::core::default::Default::default() }));
        let mut ty = (*typed.ty).clone();
        NameLifetimes.visit_type_mut(&mut ty);
        Ok(Prop { name: pat.ident.clone(), ty, default })
    }

    fn required(&self) -> bool {
        self.default.is_none()
    }

    fn state(&self) -> Ident {
        format_ident!("{}", camel(&self.name.to_string()))
    }

    /// What the prop is set to: text is taken as it comes, and what is optional without `Some`.
    fn taken(&self) -> (TokenStream, TokenStream) {
        let (name, ty) = (&self.name, &self.ty);
        match is(ty, "String") || is(ty, "Option") {
            true => (quote! { impl ::core::convert::Into<#ty> }, quote! { ::core::convert::Into::into(#name) }),
            false => (quote! { #ty }, quote! { #name }),
        }
    }
}

struct Component<'a> {
    function: &'a ItemFn,
    name: Ident,
    props: Vec<Prop>,
}

impl Component<'_> {
    fn required(&self) -> impl Iterator<Item = &Prop> {
        self.props.iter().filter(|prop| prop.required())
    }

    /// The type, and what it takes to be rendered.
    fn definition(&self) -> TokenStream {
        let (name, vis, function) = (&self.name, &self.function.vis, &self.function.sig.ident);
        let docs = self.function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
        let states: Vec<Ident> = self.required().map(Prop::state).collect();
        let missing = states.iter().map(|_| quote! { ::segflow::__private::Missing });
        let (names, types): (Vec<_>, Vec<_>) = self.props.iter().map(|prop| (&prop.name, &prop.ty)).unzip();
        let traits: Vec<Ident> = states.iter().map(|state| format_ident!("Needs{state}")).collect();
        let needs = self.required().zip(&traits).map(|(prop, state)| {
            let message = format!("`<{name}>` needs `{}`", prop.name);
            let label = format!("`{}` is missing", prop.name);
            quote! {
                #[diagnostic::on_unimplemented(message = #message, label = #label)]
                pub trait #state {}
                impl #state for ::segflow::__private::Said {}
            }
        });
        let render = self.props.iter().map(|prop| {
            let name = &prop.name;
            match &prop.default {
                Some(default) => quote! { self.#name.unwrap_or_else(|| #default) },
                None => quote! { self.#name.unwrap_or_else(|| ::core::unreachable!()) },
            }
        });
        quote! {
            #(#docs)*
            #[allow(dead_code, missing_docs)]
            #vis struct #name<'a, #(#states = ::segflow::__private::Missing),*> {
                #(#names: ::core::option::Option<#types>,)*
                __state: ::core::marker::PhantomData<(&'a (), #(#states,)*)>,
            }

            #[allow(dead_code, private_interfaces)]
            impl<'a> #name<'a, #(#missing),*> {
                #[doc(hidden)]
                #vis fn props() -> Self {
                    #name { #(#names: ::core::option::Option::None,)* __state: ::core::marker::PhantomData }
                }
            }

            const _: () = {
                #(#needs)*

                #[allow(dead_code)]
                impl<'a, #(#states),*> #name<'a, #(#states),*> {
                    #[doc(hidden)]
                    #vis fn render(self) -> ::segflow::Html
                    where
                        #(#states: #traits,)*
                    {
                        #function(#(#render),*)
                    }
                }
            };
        }
    }

    /// One for each prop; what is required changes the type.
    fn setters(&self) -> TokenStream {
        let (component, vis) = (&self.name, &self.function.vis);
        let states: Vec<Ident> = self.required().map(Prop::state).collect();
        let names: Vec<&Ident> = self.props.iter().map(|prop| &prop.name).collect();
        let setters = self.props.iter().map(|prop| {
            let (name, (ty, value)) = (&prop.name, prop.taken());
            let after = states.iter().map(|state| match prop.required() && *state == prop.state() {
                true => quote! { ::segflow::__private::Said },
                false => quote! { #state },
            });
            let others = names.iter().filter(|other| **other != name);
            quote_spanned! { name.span()=>
                #[doc(hidden)]
                #vis fn #name(self, #name: #ty) -> #component<'a, #(#after),*> {
                    #component {
                        #name: ::core::option::Option::Some(#value),
                        #(#others: self.#others,)*
                        __state: ::core::marker::PhantomData,
                    }
                }
            }
        });
        quote! {
            #[allow(dead_code, private_interfaces)]
            impl<'a, #(#states),*> #component<'a, #(#states),*> {
                #(#setters)*
            }
        }
    }
}

/// References without a lifetime get the one of the props.
struct NameLifetimes;

impl VisitMut for NameLifetimes {
    fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
        reference.lifetime.get_or_insert_with(|| Lifetime::new("'a", Span::call_site()));
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = Lifetime::new("'a", lifetime.span());
        }
    }
}

fn is(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// `price_line` is `PriceLine`.
fn camel(name: &str) -> String {
    name.trim_start_matches("r#")
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        })
        .collect()
}
