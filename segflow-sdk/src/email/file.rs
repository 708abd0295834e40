//! Emails from files. The macro made HTML and text of them (`segflow-macros/src/file/`); what is only known now is filled in by minijinja.

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, filters, tests};
use segflow_protocol::{Rendered, UNDEFINED};
use serde_json::Value as Json;

use super::html::{plain, show, url};

/// A file of the project, as the macro left it.
pub struct TemplateFile {
    /// Relative to the crate.
    pub path: &'static str,
    pub subject: &'static str,
    pub html: &'static str,
    pub text: &'static str,
    /// The text stands in the file; otherwise it has marks.
    pub written: bool,
    /// Lines of the HTML, and those of the file.
    pub lines: &'static [(u32, u32)],
}

const SUBJECT: &str = "subject";
/// The part whose values are escaped, as those of `html!` are.
const HTML: &str = "html";
const TEXT: &str = "text";
/// A text with marks, which no value can make.
const MARKED: &str = "marked";

impl TemplateFile {
    pub fn render(&self, variables: &[(&str, Json)]) -> Result<Rendered, String> {
        let context = Value::from_pairs(variables.iter().map(|(name, value)| (*name, from_json(value))));
        let environment = environment();
        let part = |name: &str, source: &str| {
            let rendered = environment.render_named_str(name, source, context.clone());
            rendered.map_err(|error| self.reason(name, source, &error))
        };
        let (subject, html) = (part(SUBJECT, self.subject)?, part(HTML, self.html)?);
        let text = match self.written {
            true => part(TEXT, self.text)?,
            false => plain::finish(&part(MARKED, self.text)?),
        };
        Ok(Rendered { subject: super::html::one_line(&subject), html, text })
    }

    /// With the line of the file, where it is known.
    fn reason(&self, part: &str, source: &str, error: &Error) -> String {
        let here = error.line().unwrap_or_default() as u32;
        let what = match (error.kind(), error.detail()) {
            // A tag begins a line of its own, so the line is the tag.
            (ErrorKind::UndefinedError, _) => match source.lines().nth(here.saturating_sub(1) as usize) {
                Some(tag) if part == HTML => {
                    format!("{UNDEFINED}: `{}`", tag.split(['}', '%']).next().unwrap_or_default().trim())
                }
                _ => UNDEFINED.to_string(),
            },
            (_, Some(detail)) => detail.to_string(),
            (kind, None) => kind.to_string(),
        };
        let line = self.lines.iter().rfind(|(line, _)| *line <= here).filter(|_| part == HTML);
        match line {
            Some((_, line)) => format!("{}:{line}: {what}", self.path),
            None => format!("{}: {what}", self.path),
        }
    }
}

/// Strict: a name that is not there is an error. A null prints nothing. The filters and tests are those that emails need: all of
/// minijinja's would make every such plugin a third larger. The macro knows their names.
fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.add_filter("abs", filters::abs);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("format", filters::format);
    environment.add_filter("join", filters::join);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("round", filters::round);
    environment.add_filter("safe", filters::safe);
    environment.add_filter("title", filters::title);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("__link", |value: String| address(&value, url::LINKS));
    environment.add_filter("__image", |value: String| address(&value, url::IMAGES));
    environment.add_test("defined", tests::is_defined);
    environment.add_test("even", tests::is_even);
    environment.add_test("none", tests::is_none);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("undefined", tests::is_undefined);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| if name == HTML { AutoEscape::Html } else { AutoEscape::None });
    environment.set_formatter(|out, state, value| match (value.is_none(), state.name()) {
        (true, _) => Ok(()),
        (false, HTML) if value.is_safe() => Ok(out.write_str(&value.to_string())?),
        (false, HTML) => {
            let mut escaped = String::new();
            show::escape(&value.to_string(), &mut escaped);
            Ok(out.write_str(&escaped)?)
        }
        (false, MARKED) => Ok(out.write_str(&unmarked(value))?),
        (false, _) => Ok(out.write_str(&value.to_string())?),
    });
    environment
}

/// What begins an address is looked at as in `html!`.
fn address(value: &str, schemes: &[&str]) -> Result<String, Error> {
    url::check(value, schemes).map(str::to_string).map_err(|why| Error::new(ErrorKind::InvalidOperation, why))
}

/// A value as plain text. HTML that is taken as it is (`|safe`) loses its tags.
fn unmarked(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' if value.is_safe() => inside = true,
            '>' if inside => {
                inside = false;
                out.push(' ');
            }
            c if inside || c.is_control() && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(bool) => Value::from(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(string) => Value::from(string.as_str()),
        Json::Array(elements) => elements.iter().map(from_json).collect(),
        Json::Object(object) => Value::from_pairs(object.iter().map(|(key, value)| (key.as_str(), from_json(value)))),
    }
}
