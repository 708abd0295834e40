//! What stands in `template!(…)`.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitStr, Result, Token};

/// `template!("file", a, b = …)`.
pub struct Input {
    pub path: LitStr,
    pub variables: Vec<(Ident, Expr)>,
}

impl Parse for Input {
    fn parse(input: ParseStream) -> Result<Input> {
        let path = input.parse()?;
        let mut variables = vec![];
        if input.parse::<Option<Token![,]>>()?.is_some() {
            for expr in Punctuated::<Expr, Token![,]>::parse_terminated(input)? {
                let (name, value) = match &expr {
                    Expr::Assign(assign) => (&*assign.left, &*assign.right),
                    expr => (expr, expr),
                };
                let ident = match name {
                    Expr::Path(path) => path.path.get_ident().cloned(),
                    _ => None,
                };
                let ident = ident.ok_or_else(|| Error::new_spanned(name, "a variable needs a name: `name = value`"))?;
                variables.push((ident, value.clone()));
            }
        }
        Ok(Input { path, variables })
    }
}

#[cfg(feature = "files")]
impl Input {
    pub fn names(&self) -> Vec<String> {
        self.variables.iter().map(|(name, _)| key(name)).collect()
    }
}

/// The name under which the file sees it.
pub fn key(name: &Ident) -> String {
    name.to_string().trim_start_matches("r#").to_string()
}
