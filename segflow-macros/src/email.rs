//! `#[email("id")]`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Error, Expr, FnArg, Ident, ItemFn, LitBool, LitStr, Pat, Result, Stmt, Token, Type};

use crate::fields::scalar;
use crate::file::{self, key};
use crate::nearest::nearest;

pub fn expand(options: Options, function: ItemFn) -> Result<TokenStream> {
    let email = Email::read(function)?;
    let constructor = email.constructor(&options.id);
    if let Some(html) = email.without_subject() {
        // The constructor is there, so that what sends it has no error as well.
        let mistake =
            Error::new(html, "an email has a subject: `<Subject>\"…\"</Subject>` in its `html!`").into_compile_error();
        return Ok(quote! { #constructor #mistake });
    }
    if let Some(mistake) = email.mistaken_sample(&options.samples) {
        let mistake = mistake.into_compile_error();
        return Ok(quote! { #constructor #mistake });
    }
    let registration = email.registration(&options);
    Ok(quote! { #constructor #registration })
}

/// What is in the parentheses: the id, then perhaps `track = false` and some `sample(…)`.
pub struct Options {
    id: LitStr,
    track: bool,
    samples: Vec<Sample>,
}

/// `sample("a large one", user = ada(), purchase = Purchase { … })`.
struct Sample {
    name: Option<LitStr>,
    values: Vec<(Ident, Expr)>,
}

impl Parse for Options {
    fn parse(input: ParseStream) -> Result<Options> {
        if input.is_empty() {
            return Err(Error::new(Span::call_site(), "an email needs an id: `#[email(\"welcome-email\")]`"));
        }
        let id: LitStr = input.parse()?;
        if id.value().is_empty() {
            return Err(Error::new(id.span(), "the id of an email cannot be empty"));
        }
        let (mut samples, mut track) = (vec![], true);
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let word: Ident = input.parse()?;
            if word == "track" {
                input.parse::<Token![=]>()?;
                track = input.parse::<LitBool>()?.value;
            } else if word == "sample" {
                samples.push(input.parse()?);
            } else {
                let known = "after the id there is only `sample(argument = value, …)` and `track = false`";
                return Err(Error::new(word.span(), known));
            }
        }
        Ok(Options { id, track, samples })
    }
}

impl Parse for Sample {
    fn parse(input: ParseStream) -> Result<Sample> {
        let inside;
        syn::parenthesized!(inside in input);
        // A name is a text alone: one that is a value has an argument before it.
        let name: Option<LitStr> = if inside.peek(LitStr) { Some(inside.parse()?) } else { None };
        if name.is_some() && !inside.is_empty() {
            inside.parse::<Token![,]>()?;
        }
        let values = inside.parse_terminated(
            |value| {
                let argument = value.parse()?;
                value.parse::<Token![=]>()?;
                Ok((argument, value.parse()?))
            },
            Token![,],
        )?;
        Ok(Sample { name, values: values.into_iter().collect() })
    }
}

struct Email {
    function: ItemFn,
    /// `U` of the `user: &U`.
    user: Type,
    arguments: Vec<Argument>,
}

struct Argument {
    name: Ident,
    ty: Type,
    is_user: bool,
}

impl Argument {
    /// The type that the argument is read into when the message is rendered.
    fn owned(&self) -> TokenStream {
        match &self.ty {
            Type::Reference(reference) => match &*reference.elem {
                Type::Slice(slice) => {
                    let element = &slice.elem;
                    quote! { ::std::vec::Vec<#element> }
                }
                elem if is_str(elem) => quote! { ::std::string::String },
                elem => quote! { #elem },
            },
            ty => quote! { #ty },
        }
    }

    /// The name under which it is stored, and in samples.
    fn key(&self) -> String {
        if self.is_user { "user".into() } else { key(&self.name) }
    }

    fn by_reference(&self) -> bool {
        matches!(self.ty, Type::Reference(_))
    }
}

fn is_str(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("str"))
}

impl Email {
    fn read(function: ItemFn) -> Result<Email> {
        let signature = &function.sig;
        if let Some(asyncness) = signature.asyncness {
            return Err(Error::new_spanned(asyncness, "an email is rendered at once, not by an async function"));
        }
        if let Some(parameter) = signature.generics.params.first() {
            return Err(Error::new_spanned(parameter, "an email cannot be generic: its arguments are stored as JSON"));
        }
        let arguments = signature.inputs.iter().map(argument).collect::<Result<Vec<_>>>()?;
        let user = match arguments.iter().find(|argument| argument.is_user).map(|argument| &argument.ty) {
            Some(Type::Reference(reference)) if reference.mutability.is_none() => (*reference.elem).clone(),
            Some(other) => return Err(Error::new_spanned(other, "the user is given as a reference, `user: &Shopper`")),
            None => {
                let message =
                    "an email is for a user: it needs an argument `user: &…` of the type that derives Attributes";
                return Err(Error::new(signature.paren_token.span.join(), message));
            }
        };
        Ok(Email { function, user, arguments })
    }

    /// The place of the `html!` that ends the function, if it has no `<Subject>` and so is a part of an email only.
    fn without_subject(&self) -> Option<Span> {
        fn has(tokens: TokenStream) -> bool {
            tokens.into_iter().any(|token| match token {
                TokenTree::Ident(ident) => ident == "Subject",
                TokenTree::Group(group) => has(group.stream()),
                _ => false,
            })
        }
        let found = match self.function.block.stmts.last()? {
            Stmt::Expr(Expr::Macro(found), None) => &found.mac,
            Stmt::Macro(found) if found.semi_token.is_none() => &found.mac,
            _ => return None,
        };
        let name = found.path.segments.last().filter(|last| last.ident == "html")?;
        (!has(found.tokens.clone())).then(|| name.ident.span())
    }

    fn travelling(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|argument| !argument.is_user)
    }

    /// The function that flows call.
    fn constructor(&self, id: &LitStr) -> TokenStream {
        let (attrs, vis, name, user) = (&self.function.attrs, &self.function.vis, &self.function.sig.ident, &self.user);
        let (names, types): (Vec<_>, Vec<_>) = self.travelling().map(|a| (&a.name, &a.ty)).unzip();
        let keys = names.iter().map(|name| key(name));
        quote! {
            #(#attrs)*
            #[must_use = "a message is sent by `flow.send(…).await`"]
            #vis fn #name(#(#names: #types),*) -> ::segflow::Message<#user> {
                const TEMPLATE: ::segflow::__private::Template = ::segflow::__private::Template::new(#id);
                ::segflow::Message::of(TEMPLATE, [#((#keys, ::segflow::__private::argument(&#names))),*])
            }
        }
    }

    /// The function as it was written, and the entry by which it is found when a message is rendered.
    fn registration(&self, options: &Options) -> TokenStream {
        let (id, track) = (&options.id, options.track);
        let (user, block, output) = (&self.user, &self.function.block, &self.function.sig.output);
        let (constructor, inputs) = (&self.function.sig.ident, &self.function.sig.inputs);
        let attrs = self.function.attrs.iter().filter(|attr| !attr.path().is_ident("doc"));
        let locals: Vec<Ident> = (0..self.arguments.len()).map(|i| format_ident!("__argument_{i}")).collect();
        // The user first: without a user the arguments do not matter.
        let named = || self.arguments.iter().zip(&locals);
        let user_reads = named().filter(|(argument, _)| argument.is_user).map(|(argument, local)| {
            let ty = argument.owned();
            quote! { let #local: #ty = ::segflow::__private::read_user(__user)?; }
        });
        let (places, reads) = self.reads(&locals);
        let passed = named().map(|(argument, local)| match argument.by_reference() {
            true => quote! { &#local },
            false => quote! { #local },
        });
        let arguments = self.travelling().map(|argument| {
            let (name, ty) = (key(&argument.name), written(&argument.ty));
            quote! { (#name, #ty) }
        });
        let mut code = fnv(&block.stmts.iter().map(|s| quote!(#s).to_string()).collect::<Vec<_>>().join(" "));
        let mut uses = vec![];
        for template in self.templates() {
            let Some((names, hash)) = file::needs(&template) else { continue };
            let path = &template.path;
            let variables = template.variables.iter().map(|(name, _)| {
                let shape = self.shape(name);
                let name = key(name);
                quote! { (#name, #shape) }
            });
            uses.push(quote! {
                ::segflow::__private::TemplateUse {
                    path: #path,
                    names: #names,
                    variables: || ::std::vec![#(#variables),*],
                }
            });
            code = code.rotate_left(1) ^ hash;
        }
        let samples = options.samples.iter().map(|sample| self.sample(sample));
        let made_up = self.arguments.iter().map(|argument| {
            let (name, ty) = (argument.key(), argument.owned());
            quote! { (#name, ::segflow::__private::made_up::<#ty>(#name)) }
        });
        quote! {
            const _: () = {
                #places

                #(#attrs)*
                fn __segflow_email(#inputs) #output #block

                fn __segflow_render(
                    __user: &::segflow::__private::Json,
                    __arguments: &::segflow::__private::Json,
                ) -> ::core::result::Result<::segflow::Email, ::std::string::String> {
                    #(#user_reads)*
                    #reads
                    ::core::result::Result::Ok(__segflow_email(#(#passed),*))
                }

                ::segflow::__private::inventory::submit! {
                    ::segflow::__private::EmailDeclaration {
                        id: #id,
                        user: || ::core::any::TypeId::of::<#user>(),
                        constructor: || ::segflow::__private::type_id_of(&#constructor),
                        arguments: &[#(#arguments),*],
                        templates: &[#(#uses),*],
                        track: #track,
                        code: #code,
                        render: __segflow_render,
                        samples: || ::std::vec![#(#samples),*],
                        made_up: || ::std::vec![#(#made_up),*],
                    }
                }
            };
        }
    }

    /// A type with a place for each argument, and the code that reads them: all at once, as the types are known.
    fn reads(&self, locals: &[Ident]) -> (TokenStream, TokenStream) {
        let arguments = self.arguments.iter().zip(locals).filter(|(argument, _)| !argument.is_user);
        let (mut places, mut arms, mut reads) = (TokenStream::new(), TokenStream::new(), TokenStream::new());
        for (argument, local) in arguments {
            let (ty, key) = (argument.owned(), key(&argument.name));
            places.extend(quote! { #local: ::core::option::Option<#ty>, });
            arms.extend(quote! {
                #key if self.#local.is_none() => self.#local = ::core::option::Option::Some(__map.next_value()?),
            });
            reads.extend(quote! {
                let #local: #ty = match __places.#local {
                    ::core::option::Option::Some(value) => value,
                    ::core::option::Option::None => __arguments.take(#key)?,
                };
            });
        }
        let definition = quote! {
            #[derive(Default)]
            struct __Places { #places }

            impl ::segflow::__private::Places for __Places {
                fn place<'de, M: ::segflow::__private::MapAccess<'de>>(
                    &mut self,
                    __name: &str,
                    __map: &mut M,
                ) -> ::core::result::Result<(), M::Error> {
                    match __name {
                        #arms
                        _ => drop(__map.next_value::<::segflow::__private::IgnoredAny>()?),
                    }
                    ::core::result::Result::Ok(())
                }
            }
        };
        let reads = quote! {
            let (__places, __arguments) = ::segflow::__private::Arguments::all::<__Places>(__arguments)?;
            #reads
        };
        (definition, reads)
    }

    /// A sample names an argument that there is not, or one twice.
    fn mistaken_sample(&self, samples: &[Sample]) -> Option<Error> {
        for sample in samples {
            for (place, (name, _)) in sample.values.iter().enumerate() {
                if sample.values[..place].iter().any(|(earlier, _)| earlier == name) {
                    return Some(Error::new(name.span(), format!("`{name}` is said twice")));
                }
                if self.argument(name).is_some() {
                    continue;
                }
                let known: Vec<String> = self.arguments.iter().map(Argument::key).collect();
                let meant = nearest(&name.to_string(), known.iter().map(String::as_str));
                let meant = meant.map_or_else(
                    || format!("there are `{}`", known.join("`, `")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                return Some(Error::new(name.span(), format!("the email has no argument `{name}`; {meant}")));
            }
        }
        None
    }

    /// The argument of a name; the user is called that, whatever the function calls it.
    fn argument(&self, name: &Ident) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.key() == key(name))
    }

    /// A sample's values, each held to the type of its argument.
    fn sample(&self, sample: &Sample) -> TokenStream {
        let name = match &sample.name {
            Some(name) => quote! { ::core::option::Option::Some(#name) },
            None => quote! { ::core::option::Option::None },
        };
        let values = sample.values.iter().filter_map(|(name, value)| {
            let argument = self.argument(name)?;
            let (name, ty) = (argument.key(), &argument.ty);
            let value = if argument.by_reference() {
                quote_spanned! { value.span()=> &(#value) }
            } else {
                quote!(#value)
            };
            Some(quote! {{
                let __value: #ty = #value;
                (#name, ::segflow::__private::argument(&__value))
            }})
        });
        quote! { ::segflow::__private::SampleDeclaration { name: #name, given: ::std::vec![#(#values),*] } }
    }

    /// What can be known of a template's variable: its type, when it is one of the function's arguments.
    fn shape(&self, name: &Ident) -> TokenStream {
        let Some(argument) = self.arguments.iter().find(|argument| argument.name == *name) else {
            return quote! { ::segflow::__private::Shape::Any };
        };
        let inner = match &argument.ty {
            Type::Reference(reference) => &*reference.elem,
            ty => ty,
        };
        match scalar(inner) {
            Some(_) => quote! { ::segflow::__private::Shape::Scalar },
            None if matches!(inner, Type::Path(_)) => quote! {{
                #[allow(unused_imports)]
                use ::segflow::__private::{AnyShape as _, KnownShape as _};
                (&::segflow::__private::Probe::<#inner>::new()).shape()
            }},
            None => quote! { ::segflow::__private::Shape::Any },
        }
    }

    /// The files in its body.
    fn templates(&self) -> Vec<file::Input> {
        struct Find(Vec<file::Input>);
        impl VisitMut for Find {
            fn visit_macro_mut(&mut self, found: &mut syn::Macro) {
                if found.path.segments.last().is_some_and(|last| last.ident == "template") {
                    // One that cannot be read is an error where it is expanded, and one is enough.
                    self.0.extend(file::Input::parse.parse2(found.tokens.clone()));
                }
            }
        }
        let mut find = Find(vec![]);
        // `VisitMut` on a copy, though nothing is changed: the tree of dependencies has syn's "visit-mut" anyway, and "visit" would
        // have everything built twice.
        find.visit_block_mut(&mut self.function.block.clone());
        find.0
    }
}

fn argument(input: &FnArg) -> Result<Argument> {
    let FnArg::Typed(typed) = input else {
        return Err(Error::new_spanned(input, "an email is a free function, not a method"));
    };
    let Pat::Ident(pat) = &*typed.pat else {
        return Err(Error::new_spanned(&typed.pat, "an argument needs a plain name: it is stored under it"));
    };
    if let Type::ImplTrait(_) = &*typed.ty {
        return Err(Error::new_spanned(&typed.ty, "an email cannot be generic: its arguments are stored as JSON"));
    }
    if let Type::Reference(reference) = &*typed.ty
        && let Some(mutability) = reference.mutability
    {
        return Err(Error::new(mutability.span(), "the arguments of an email are stored, so they cannot be changed"));
    }
    let inside = match &*typed.ty {
        Type::Reference(reference) => &*reference.elem,
        ty => ty,
    };
    if quote!(#inside).into_iter().any(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == '&')) {
        let message =
            "the arguments of an email are stored: inside of another type stands a value, as in `Option<String>`";
        return Err(Error::new_spanned(&typed.ty, message));
    }
    let is_user = pat.ident == "user" || pat.ident == "_user";
    Ok(Argument { name: pat.ident.clone(), ty: (*typed.ty).clone(), is_user })
}

/// A type as one would write it.
fn written(ty: &Type) -> String {
    let mut text = quote!(#ty).to_string();
    for (spaced, tight) in [("& ", "&"), (" < ", "<"), (" >", ">"), (" :: ", "::"), (" ,", ",")] {
        text = text.replace(spaced, tight);
    }
    text
}

/// FNV-1a, 64 bits.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
