//! What can be found wrong with a template before anybody is mailed: syntax, names that do not exist, filters that do not exist.

use minijinja::{Environment, ErrorKind, Value};
use segflow_core::words::distance;
use segflow_protocol::{Field, Problem, Type};

use super::declaration::TemplateUse;
use super::file::{HTML, environment, line_of, reason};
use super::probe::Shape;

/// Adds what is wrong with a template of an email.
pub fn problems(email: &'static str, template: &TemplateUse, to: &mut Vec<Problem>) {
    Check { email, template, problems: to }.all();
}

struct Check<'a> {
    email: &'a str,
    template: &'a TemplateUse,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn all(&mut self) {
        match self.template.file.parts() {
            Ok(parts) => {
                self.part("subject", parts.subject);
                self.part(HTML, parts.html);
                if let Some(text) = parts.text {
                    self.part("text", text);
                }
            }
            Err(mistake) => self.problem("template_syntax", &mistake.what, &mistake.line.to_string()),
        }
    }

    fn part(&mut self, name: &str, (source, first): (&str, usize)) {
        let environment = environment();
        let template = match environment.template_from_named_str(name, source) {
            Ok(template) => template,
            Err(e) => return self.problem("template_syntax", &reason(&e), &line_of(&e, first).to_string()),
        };
        let variables = (self.template.variables)();
        let mut undeclared = template.undeclared_variables(true);
        for word in words(source) {
            // Each name is said once, where it is first used.
            if word.kind == Kind::Name
                && undeclared.remove(word.text)
                && let Some(what) = wrong(word.text, &variables)
            {
                let what = format!("uses `{}`, but {what}", word.text);
                self.problem("unknown_variable", &what, &place(name, source, first, word.start));
            }
            if !word.exists(&environment) {
                let kind = if word.kind == Kind::Filter { "filter" } else { "test" };
                let what = format!("uses `{}`, but there is no such {kind}", word.text);
                self.problem("template_syntax", &what, &place(name, source, first, word.start));
            }
        }
        for path in undeclared {
            // Written in a way that has no place of its own, `user . name`.
            if let Some(what) = wrong(&path, &variables) {
                self.problem("unknown_variable", &format!("uses `{path}`, but {what}"), &first.to_string());
            }
        }
    }

    fn problem(&mut self, code: &str, what: &str, place: &str) {
        self.problems.push(Problem {
            code: code.to_string(),
            message: format!("template `{}` {what}", self.email),
            place: Some(format!("{}:{place}", self.template.file.path)),
        });
    }
}

/// Line and column in the file, for an index of one of its parts.
fn place(part: &str, source: &str, first: usize, index: usize) -> String {
    let before = &source[..index];
    // The subject stands behind its key.
    let indent = if part == "subject" { "subject: ".len() } else { 0 };
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + indent + 1;
    format!("{}:{column}", first + before.matches('\n').count())
}

/// Why a path leads nowhere; `None` when it leads somewhere, or nobody knows.
fn wrong(path: &str, variables: &[(&str, Shape)]) -> Option<String> {
    let (root, rest) = path.split_once('.').map_or((path, None), |(root, rest)| (root, Some(rest)));
    let Some((_, shape)) = variables.iter().find(|(name, _)| *name == root) else {
        let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        return Some(format!("it is given no such variable{}", suggestion(root, &names)));
    };
    let (key, deeper) = rest?.split_once('.').map_or((rest?, false), |(key, _)| (key, true));
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

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Name,
    Filter,
    Test,
}

/// A word inside `{{ … }}` or `{% … %}`: a dotted name, a filter after `|`, a test after `is`.
#[derive(Debug, PartialEq)]
struct Word<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
}

impl Word<'_> {
    fn exists(&self, environment: &Environment) -> bool {
        let mut state = environment.empty_state();
        let unknown = |error: minijinja::Error, kind| error.kind() == kind;
        match self.kind {
            Kind::Name => true,
            Kind::Filter => {
                !state.apply_filter(self.text, &[Value::from("")]).is_err_and(|e| unknown(e, ErrorKind::UnknownFilter))
            }
            Kind::Test => {
                !state.perform_test(self.text, &[Value::from("")]).is_err_and(|e| unknown(e, ErrorKind::UnknownTest))
            }
        }
    }
}

/// The words of a template that compiles, in order. Only for places and for what the compiler does not look at.
fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = vec![];
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|open| at + open) {
        let end = match source.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => {
                at = source[open..].find("#}").map_or(source.len(), |end| open + end + 2);
                continue;
            }
            _ => {
                at = open + 1;
                continue;
            }
        };
        at = tag(source, open + 2, end, &mut words);
    }
    words
}

/// Reads one tag up to its end and returns the index behind it.
fn tag<'a>(source: &'a str, start: usize, end: &str, words: &mut Vec<Word<'a>>) -> usize {
    let mut at = start;
    let mut kind = Kind::Name;
    while let Some(c) = source[at..].chars().next() {
        if source[at..].starts_with(end) {
            return at + end.len();
        }
        if c == '"' || c == '\'' {
            let close = source[at + 1..].find(c).map_or(source.len(), |close| at + 1 + close + 1);
            (at, kind) = (close, Kind::Name);
        } else if c.is_alphabetic() || c == '_' {
            let length = source[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            let text = source[at..length.map_or(source.len(), |length| at + length)].trim_end_matches('.');
            match text {
                "is" => kind = Kind::Test,
                "not" if kind == Kind::Test => {}
                _ => {
                    words.push(Word { kind, text, start: at });
                    kind = Kind::Name;
                }
            }
            at += text.len();
        } else {
            if !c.is_whitespace() {
                kind = if c == '|' { Kind::Filter } else { Kind::Name };
            }
            at += c.len_utf8();
        }
    }
    source.len()
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
