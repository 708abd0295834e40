//! `#[component]`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Error, Expr, FnArg, Ident, ItemFn, Lifetime, Macro, Meta, Pat, Result, Stmt, Type};

/// Beside the function comes a type of its name in camel case, which `html!` fills prop by prop. If the function ends with `html!`, what is in
/// it is written straight into the email that the component stands in.
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
    let written = Written::of(&function);
    let within = written.as_ref().is_some_and(|written| written.children_once);
    props.iter_mut().for_each(|prop| prop.within = within && prop.is_children());
    let component = Component { function: &function, name, props, written };
    let (definition, setters, functions) = (component.definition(), component.setters(), component.functions());
    Ok(quote! { #functions #definition #setters })
}

/// A component that ends with `html!` and with nothing else, so that it can write into an email that is there.
struct Written {
    /// Its `children` are shown once for sure, and nothing else is done with them.
    children_once: bool,
}

impl Written {
    fn of(function: &ItemFn) -> Option<Written> {
        let (last, before) = function.block.stmts.split_last()?;
        let html = html(last)?;
        let tokens: TokenStream = before.iter().map(ToTokens::to_token_stream).collect();
        // A `return` would give back a value.
        let may_return = |token: &TokenTree| match token {
            TokenTree::Ident(word) => word == "return",
            TokenTree::Punct(sign) => sign.as_char() == '?',
            _ => false,
        };
        let is_subject = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "Subject");
        if count(&tokens, &may_return) > 0 || count(&html.tokens, &|token| may_return(token) || is_subject(token)) > 0 {
            return None;
        }
        let is_children = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "children");
        let children = count(&tokens, &is_children) + count(&html.tokens, &is_children);
        Some(Written { children_once: children == 1 && shows_children(&html.tokens) })
    }
}

fn html(statement: &Stmt) -> Option<&Macro> {
    let found = match statement {
        Stmt::Expr(Expr::Macro(found), None) => &found.mac,
        Stmt::Macro(found) if found.semi_token.is_none() => &found.mac,
        _ => return None,
    };
    found.path.segments.last().is_some_and(|last| last.ident == "html").then_some(found)
}

fn count(tokens: &TokenStream, what: &dyn Fn(&TokenTree) -> bool) -> usize {
    let each = tokens.clone().into_iter().map(|token| match &token {
        TokenTree::Group(group) => count(&group.stream(), what),
        token => usize::from(what(token)),
    });
    each.sum()
}

/// Whether there is a `{children}` between tags, and not in an `if`, `match` or `for`.
fn shows_children(markup: &TokenStream) -> bool {
    let mut is_value = false;
    for token in markup.clone() {
        if let TokenTree::Group(group) = &token
            && group.delimiter() == Delimiter::Brace
            && group.stream().to_string() == "children"
        {
            return !is_value;
        }
        is_value = matches!(&token, TokenTree::Punct(sign) if sign.as_char() == '=');
    }
    false
}

struct Prop {
    name: Ident,
    /// With the lifetimes that were left out.
    ty: Type,
    /// What it is when it is not said; `None` if it has to be.
    default: Option<TokenStream>,
    /// The children, written where they are shown.
    within: bool,
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
        Ok(Prop { name: pat.ident.clone(), ty, default, within: false })
    }

    fn is_children(&self) -> bool {
        self.name == "children" && (is(&self.ty, "Children") || is(&self.ty, "Html"))
    }

    /// The type in which it is kept.
    fn kept(&self) -> TokenStream {
        match self.within {
            true => quote! { ::segflow::__private::Within<'a> },
            false => self.ty.to_token_stream(),
        }
    }

    fn required(&self) -> bool {
        self.default.is_none()
    }

    fn state(&self) -> Ident {
        format_ident!("{}", camel(&self.name.to_string()))
    }

    /// What the prop is set to: text is taken as it comes, and what is optional without `Some`.
    fn taken(&self) -> (TokenStream, TokenStream) {
        let (name, ty) = (&self.name, self.kept());
        match is(&self.ty, "String") || is(&self.ty, "Option") || self.is_children() {
            true => (quote! { impl ::core::convert::Into<#ty> }, quote! { ::core::convert::Into::into(#name) }),
            false => (quote! { #ty }, quote! { #name }),
        }
    }
}

struct Component<'a> {
    function: &'a ItemFn,
    name: Ident,
    props: Vec<Prop>,
    written: Option<Written>,
}

impl Component<'_> {
    fn required(&self) -> impl Iterator<Item = &Prop> {
        self.props.iter().filter(|prop| prop.required())
    }

    /// The type, and what it takes to be rendered.
    fn definition(&self) -> TokenStream {
        let (name, vis) = (&self.name, &self.function.vis);
        let docs = self.function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
        let states: Vec<Ident> = self.required().map(Prop::state).collect();
        let missing = states.iter().map(|_| quote! { ::segflow::__private::Missing });
        let (names, types): (Vec<_>, Vec<_>) = self.props.iter().map(|prop| (&prop.name, prop.kept())).unzip();
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
                Some(_) if prop.within => quote! { self.#name.unwrap_or_default() },
                Some(default) => quote! { self.#name.unwrap_or_else(|| #default) },
                None => quote! { self.#name.unwrap_or_else(|| ::core::unreachable!()) },
            }
        });
        let (function, into) = (&self.function.sig.ident, into());
        let write = match self.written {
            Some(_) => {
                let write = self.write();
                quote! { #write(#into, #(#render),*); }
            }
            None => quote! { #into.add(#function(#(#render),*)); },
        };
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
                    #vis fn render(self) -> Self
                    where
                        #(#states: #traits,)*
                    {
                        self
                    }
                }

                impl<'a, #(#states),*> ::segflow::__private::Part for #name<'a, #(#states),*> {
                    fn write(self, #into: &mut ::segflow::Html) {
                        #write
                    }
                }
            };
        }
    }

    /// The function as it was written; or the one that writes what it says, and in its place one that calls it.
    fn functions(&self) -> TokenStream {
        let function = self.function;
        let Some((last, before)) = function.block.stmts.split_last().filter(|_| self.written.is_some()) else {
            return function.to_token_stream();
        };
        let (attrs, vis, name, write, into) =
            (&function.attrs, &function.vis, &function.sig.ident, self.write(), into());
        let (inputs, output) = (&function.sig.inputs, &function.sig.output);
        let names: Vec<&Ident> = self.props.iter().map(|prop| &prop.name).collect();
        let given = inputs.iter().zip(&self.props).map(|(input, prop)| match input {
            FnArg::Typed(typed) if prop.within => {
                let pat = &typed.pat;
                quote! { #pat: ::segflow::__private::Within<'_> }
            }
            input => input.to_token_stream(),
        });
        let types = inputs.iter().map(|input| match input {
            FnArg::Typed(typed) => typed.ty.to_token_stream(),
            FnArg::Receiver(_) => TokenStream::new(),
        });
        let passed = self.props.iter().map(|Prop { name, within, .. }| match within {
            true => quote! { ::core::convert::Into::into(#name) },
            false => quote! { #name },
        });
        let markup = html(last).map(|html| &html.tokens);
        let undocumented = attrs.iter().filter(|attribute| !attribute.path().is_ident("doc"));
        quote! {
            #(#undocumented)*
            #[allow(clippy::too_many_arguments)]
            fn #write(#into: &mut ::segflow::Html, #(#given),*) {
                #(#before)*
                ::segflow::__private::html_into! { #into #markup }
            }

            #(#attrs)*
            #[allow(dead_code)]
            #vis fn #name(#(#names: #types),*) #output {
                let mut #into = ::segflow::Html::with_room(0, 0);
                #write(&mut #into, #(#passed),*);
                #into
            }
        }
    }

    /// The name of the function that writes.
    fn write(&self) -> Ident {
        format_ident!("__write_{}", self.function.sig.ident, span = Span::mixed_site())
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

/// What a component writes into, which its own code cannot see.
fn into() -> Ident {
    Ident::new("__into", Span::mixed_site())
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
