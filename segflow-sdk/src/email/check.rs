//! What is found wrong with a template file when the project is pushed: names that the types of its variables do not have. Everything else is
//! found when it is compiled (`segflow-macros/src/file/`).

use segflow_core::words::distance;
use segflow_protocol::{Field, Problem, Type};

use super::declaration::TemplateUse;
use super::probe::Shape;

/// Adds what is wrong with a file of an email.
pub fn problems(email: &str, template: &TemplateUse, to: &mut Vec<Problem>) {
    if template.names.is_empty() {
        return;
    }
    let variables = (template.variables)();
    for name in template.names {
        if let Some(what) = wrong(name.path, &variables) {
            to.push(Problem {
                code: "unknown_variable".to_string(),
                message: format!("template `{email}` uses `{}`, but {what}", name.path),
                place: Some(format!("{}:{}:{}", template.path, name.line, name.column)),
            });
        }
    }
}

/// Why a path leads nowhere; `None` when it leads somewhere, or nobody knows.
fn wrong(path: &str, variables: &[(&str, Shape)]) -> Option<String> {
    let (root, rest) = path.split_once('.')?;
    let (_, shape) = variables.iter().find(|(name, _)| *name == root)?;
    let (key, deeper) = rest.split_once('.').map_or((rest, false), |(key, _)| (key, true));
    let no_object = |name: &str| Some(format!("`{name}` is a single value and has no attributes"));
    match shape {
        Shape::Any => None,
        Shape::Scalar => no_object(root),
        Shape::Fields(ty, fields) => match fields.iter().find(|field| field.name == key) {
            Some(Field { ty: Type::Any, .. }) => None,
            Some(_) if deeper => no_object(&format!("{root}.{key}")),
            Some(_) => None,
            None => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                Some(format!("{ty} has no such attribute{}", suggestion(key, &names)))
            }
        },
    }
}

/// The nearest name, if one is near enough to be meant; otherwise all of them, if they are few.
fn suggestion(wrong: &str, names: &[&str]) -> String {
    let near = names.iter().map(|name| (distance(wrong, name), name)).min();
    match near {
        Some((distance, name)) if distance * 2 <= wrong.len().max(name.len()) => format!("; did you mean `{name}`?"),
        Some(_) if names.len() <= 8 => format!("; there are `{}`", names.join("`, `")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::TemplateName;

    fn field(name: &str, ty: Type) -> Field {
        Field { name: name.into(), ty, required: true, default: None }
    }

    fn given() -> Vec<(&'static str, Shape)> {
        let fields = vec![
            field("username", Type::String),
            field("home", Type::Any),
            field("tags", Type::List(Type::Any.into())),
        ];
        vec![("user", Shape::Fields("Shopper", fields)), ("percent", Shape::Scalar), ("extra", Shape::Any)]
    }

    fn found(names: &'static [TemplateName]) -> Vec<(String, String)> {
        let mut problems = vec![];
        super::problems("x", &TemplateUse { path: "emails/x.html", names, variables: given }, &mut problems);
        problems.into_iter().map(|p| (p.message, p.place.expect("every one has a place"))).collect()
    }

    const fn name(path: &'static str) -> TemplateName {
        TemplateName { path, line: 4, column: 9 }
    }

    #[test]
    fn names_that_lead_somewhere_are_no_problem() {
        const GOOD: &[TemplateName] =
            &[name("user"), name("user.username"), name("user.home.street"), name("extra.a.b"), name("user.tags")];
        assert_eq!(found(GOOD), []);
    }

    #[test]
    fn an_unknown_attribute_is_found_with_its_place_and_the_likely_one() {
        const WRONG: &[TemplateName] =
            &[name("user.usrname"), name("user.nickname"), name("percent.x"), name("user.username.first")];
        let found = found(WRONG);
        let place = || "emails/x.html:4:9".to_string();
        let says = |what: &str| (format!("template `x` uses {what}"), place());
        assert_eq!(
            found,
            [
                says("`user.usrname`, but Shopper has no such attribute; did you mean `username`?"),
                says("`user.nickname`, but Shopper has no such attribute; did you mean `username`?"),
                says("`percent.x`, but `percent` is a single value and has no attributes"),
                says("`user.username.first`, but `user.username` is a single value and has no attributes"),
            ]
        );
    }
}
