//! The markup of `html!`, as it was written.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Lit, LitStr, Pat, Path, Result, Token, braced, token};

pub enum Node {
    Text(LitStr),
    Expr(Expr),
    Element(Element),
    If(If),
    Match(Match),
    For(For),
}

pub struct Element {
    pub name: Path,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Node>,
}

pub struct Attribute {
    pub name: Ident,
    /// Without one it is `true`.
    pub value: Option<Value>,
}

pub enum Value {
    Literal(LitStr),
    Expr(Expr),
}

pub struct If {
    pub condition: Expr,
    pub then: Vec<Node>,
    pub otherwise: Option<Vec<Node>>,
}

pub struct Match {
    pub on: Expr,
    pub arms: Vec<(Pat, Option<Expr>, Vec<Node>)>,
}

pub struct For {
    pub pattern: Pat,
    pub over: Expr,
    pub each: Vec<Node>,
}

/// The nodes, and what is wrong with them as far as it could be read past.
pub fn parse(tokens: TokenStream) -> (Vec<Node>, Vec<Error>) {
    let mut mistakes = Vec::new();
    let parsed = |input: ParseStream| {
        let mut nodes = Vec::new();
        while !input.is_empty() {
            nodes.extend(node(input, &mut mistakes)?);
        }
        Ok(nodes)
    };
    match parsed.parse2(tokens) {
        Ok(nodes) => (nodes, mistakes),
        Err(fatal) => {
            mistakes.push(fatal);
            (Vec::new(), mistakes)
        }
    }
}

impl Element {
    pub fn span(&self) -> Span {
        self.name.span()
    }

    /// The name, if it is a single word: those of ours are.
    pub fn word(&self) -> Option<String> {
        self.name.get_ident().map(ToString::to_string)
    }
}

fn nodes_until_end(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let ends = || input.peek(Token![<]) && input.peek2(Token![/]);
    while !input.is_empty() && !ends() {
        nodes.extend(node(input, mistakes)?);
    }
    Ok(nodes)
}

fn node(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<Option<Node>> {
    if input.peek(LitStr) {
        return Ok(Some(Node::Text(input.parse()?)));
    }
    if input.peek(token::Brace) {
        return expression(input, mistakes).map(Some);
    }
    if input.peek(Token![if]) {
        return Ok(Some(Node::If(condition(input, mistakes)?)));
    }
    if input.peek(Token![match]) {
        return Ok(Some(Node::Match(choice(input, mistakes)?)));
    }
    if input.peek(Token![for]) {
        return Ok(Some(Node::For(repetition(input, mistakes)?)));
    }
    if input.peek(Token![<]) {
        if input.peek2(Token![/]) {
            let start = input.span();
            input.parse::<Token![<]>()?;
            input.parse::<Token![/]>()?;
            let name: Path = Path::parse_mod_style(input)?;
            return Err(Error::new(start, format!("`</{}>` closes nothing: it was not opened", written(&name))));
        }
        return element(input, mistakes).map(|element| Some(Node::Element(element)));
    }
    unquoted(input, mistakes);
    Ok(None)
}

/// Steps over what is neither quoted nor markup, with one message for all of it.
fn unquoted(input: ParseStream, mistakes: &mut Vec<Error>) {
    let mut run = TokenStream::new();
    let first = input.span();
    let mut last = first;
    let mut previous: Option<Span> = None;
    let mut text = String::new();
    while !input.is_empty() && !input.peek(Token![<]) && !input.peek(LitStr) && !input.peek(token::Brace) {
        let Ok(token) = input.parse::<TokenTree>() else { break };
        last = token.span();
        if previous.is_some_and(|before| !touch(before, last)) {
            text.push(' ');
        }
        previous = Some(last);
        text.push_str(&match &token {
            TokenTree::Group(group) if group.delimiter() != Delimiter::None => group.to_string(),
            token => token.to_string(),
        });
        run.extend([token]);
    }
    let span = first.join(last).unwrap_or(first);
    let message = format!("text is written in quotes: \"{}\"", text.replace('"', "\\\""));
    mistakes.push(Error::new(span, message));
}

/// Whether nothing is between two tokens.
fn touch(before: Span, after: Span) -> bool {
    let (end, start) = (before.unwrap().end(), after.unwrap().start());
    (end.line(), end.column()) == (start.line(), start.column())
}

fn element(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<Element> {
    input.parse::<Token![<]>()?;
    let name = Path::parse_mod_style(input)
        .map_err(|e| Error::new(e.span(), "after `<` comes the name of a component, as in `<Text>`"))?;
    let mut attributes: Vec<Attribute> = Vec::new();
    while !input.peek(Token![>]) && !input.peek(Token![/]) {
        if input.is_empty() {
            return Err(Error::new(name.span(), format!("`<{}` has no `>`", written(&name))));
        }
        let attribute = attribute(input, &name)?;
        match attributes.iter().any(|known| known.name == attribute.name) {
            true => mistakes.push(Error::new(attribute.name.span(), format!("`{}` is said twice", attribute.name))),
            false => attributes.push(attribute),
        }
    }
    if input.parse::<Option<Token![/]>>()?.is_some() {
        input.parse::<Token![>]>()?;
        return Ok(Element { name, attributes, children: Vec::new() });
    }
    input.parse::<Token![>]>()?;
    let children = nodes_until_end(input, mistakes)?;
    if input.is_empty() {
        return Err(Error::new(
            name.span(),
            format!("`<{0}>` is not closed: write `</{0}>`, or `<{0}/>`", written(&name)),
        ));
    }
    input.parse::<Token![<]>()?;
    input.parse::<Token![/]>()?;
    let end = Path::parse_mod_style(input)?;
    if written(&end) != written(&name) {
        let message = format!("`<{}>` is open here, so `</{0}>` comes before `</{}>`", written(&name), written(&end));
        return Err(Error::new(end.span(), message));
    }
    input.parse::<Token![>]>()?;
    Ok(Element { name, attributes, children })
}

fn attribute(input: ParseStream, element: &Path) -> Result<Attribute> {
    let name: Ident = input.call(syn::ext::IdentExt::parse_any).map_err(|e| {
        Error::new(
            e.span(),
            format!("in `<{}` come attributes, `name=\"…\"` or `name={{…}}`, and then `>`", written(element)),
        )
    })?;
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Ok(Attribute { name, value: None });
    }
    let value = if input.peek(token::Brace) {
        let inside;
        braced!(inside in input);
        if inside.is_empty() {
            return Err(Error::new(name.span(), format!("`{name}={{}}` has no value")));
        }
        Value::Expr(statements(&inside)?)
    } else {
        let literal: Lit = input.parse().map_err(|e| {
            Error::new(e.span(), format!("a value is in quotes or braces: `{name}=\"…\"` or `{name}={{…}}`"))
        })?;
        match literal {
            Lit::Str(text) => Value::Literal(text),
            other => Value::Expr(Expr::Lit(syn::ExprLit { attrs: Vec::new(), lit: other })),
        }
    };
    Ok(Attribute { name, value: Some(value) })
}

/// What is in braces: one expression, or statements and then one.
fn statements(inside: ParseStream) -> Result<Expr> {
    let ahead = inside.fork();
    if let Ok(expr) = ahead.parse::<Expr>()
        && ahead.is_empty()
    {
        syn::parse::discouraged::Speculative::advance_to(inside, &ahead);
        return Ok(expr);
    }
    let stmts = inside.call(syn::Block::parse_within)?;
    let block = syn::Block { brace_token: token::Brace::default(), stmts };
    Ok(Expr::Block(syn::ExprBlock { attrs: Vec::new(), label: None, block }))
}

/// `{expr}`, or `{if … { <Markup/> }}` with braces around, as it is written elsewhere.
fn expression(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<Node> {
    let inside;
    let brace = braced!(inside in input);
    if inside.is_empty() {
        return Err(Error::new(brace.span.join(), "there is nothing in these braces"));
    }
    let ahead = inside.fork();
    let control = inside.peek(Token![if]) || inside.peek(Token![for]) || inside.peek(Token![match]);
    if control && statements(&ahead).is_err() {
        let found = node(&inside, mistakes)?;
        if !inside.is_empty() {
            return Err(inside.error("one `if`, `match` or `for` stands in a pair of braces"));
        }
        if let Some(node) = found {
            return Ok(node);
        }
    }
    statements(&inside).map(Node::Expr)
}

fn block(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<Vec<Node>> {
    let inside;
    braced!(inside in input);
    let nodes = nodes_until_end(&inside, mistakes)?;
    if inside.is_empty() { Ok(nodes) } else { node(&inside, mistakes).map(|_| nodes) }
}

fn condition(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<If> {
    input.parse::<Token![if]>()?;
    let condition = input.call(Expr::parse_without_eager_brace)?;
    let then = block(input, mistakes)?;
    let mut otherwise = None;
    if input.parse::<Option<Token![else]>>()?.is_some() {
        otherwise = Some(match input.peek(Token![if]) {
            true => vec![Node::If(self::condition(input, mistakes)?)],
            false => block(input, mistakes)?,
        });
    }
    Ok(If { condition, then, otherwise })
}

fn choice(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<Match> {
    input.parse::<Token![match]>()?;
    let on = input.call(Expr::parse_without_eager_brace)?;
    let inside;
    braced!(inside in input);
    let mut arms = Vec::new();
    while !inside.is_empty() {
        let pattern = inside.call(Pat::parse_multi_with_leading_vert)?;
        let guard = match inside.parse::<Option<Token![if]>>()? {
            Some(_) => Some(inside.parse::<Expr>()?),
            None => None,
        };
        inside.parse::<Token![=>]>()?;
        let nodes = match inside.peek(token::Brace) {
            true => block(&inside, mistakes)?,
            false => node(&inside, mistakes)?.into_iter().collect(),
        };
        inside.parse::<Option<Token![,]>>()?;
        arms.push((pattern, guard, nodes));
    }
    Ok(Match { on, arms })
}

fn repetition(input: ParseStream, mistakes: &mut Vec<Error>) -> Result<For> {
    input.parse::<Token![for]>()?;
    let pattern = input.call(Pat::parse_multi_with_leading_vert)?;
    input.parse::<Token![in]>()?;
    let over = input.call(Expr::parse_without_eager_brace)?;
    Ok(For { pattern, over, each: block(input, mistakes)? })
}

/// A name as it was written.
pub fn written(name: &Path) -> String {
    name.to_token_stream().to_string().replace(' ', "")
}
