//! Template files: a head with the subject, a line `---`, HTML, and after a line `--- text` the plain text, each a minijinja template.

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, escape_formatter, filters, tests};
use segflow_protocol::Rendered;
use serde_json::Value as Json;

use super::text;

/// A file of the project, embedded at build time.
pub struct TemplateFile {
    /// Relative to the crate.
    pub path: &'static str,
    pub source: &'static str,
}

/// A file taken apart. Each part comes with the number of its first line in the file, counted from 1.
#[derive(Debug, PartialEq)]
pub struct Parts<'a> {
    pub subject: (&'a str, usize),
    pub html: (&'a str, usize),
    pub text: Option<(&'a str, usize)>,
}

/// What is wrong with a file, and in which line.
#[derive(Debug, PartialEq)]
pub struct Mistake {
    pub line: usize,
    pub what: String,
}

impl TemplateFile {
    pub fn parts(&self) -> Result<Parts<'static>, Mistake> {
        let mistake = |line, what: &str| Mistake { line, what: what.to_string() };
        let (mut subject, mut html, mut text) = (None, None, None);
        let mut start = 0;
        for (number, line) in self.source.split_inclusive('\n').enumerate().map(|(i, line)| (i + 1, line)) {
            let (begin, end) = (start, start + line.len());
            start = end;
            let line = line.trim_end();
            if html.is_none() {
                if line == "---" {
                    html = Some((end, number + 1));
                } else if let Some(rest) = line.strip_prefix("subject:") {
                    subject = Some((rest.trim(), number));
                } else if !line.is_empty() {
                    return Err(mistake(number, "before the line `---` there is only `subject: …`"));
                }
            } else if text.is_none() && line == "--- text" {
                text = Some((begin, end, number + 1));
            }
        }
        let Some((html, html_line)) = html else {
            return Err(mistake(1, "a template begins with `subject: …` and a line `---`, then comes the HTML"));
        };
        let Some(subject) = subject.filter(|(subject, _)| !subject.is_empty()) else {
            return Err(mistake(1, "the subject is missing: the first line is `subject: …`"));
        };
        let html_end = text.map_or(self.source.len(), |(begin, ..)| begin);
        Ok(Parts {
            subject,
            html: (&self.source[html..html_end], html_line),
            text: text.map(|(_, begin, line)| (&self.source[begin..], line)),
        })
    }

    pub fn render(&self, variables: &[(&str, Json)]) -> Result<Rendered, String> {
        let parts = self.parts().map_err(|mistake| format!("{}:{}: {}", self.path, mistake.line, mistake.what))?;
        let context = Value::from_pairs(variables.iter().map(|(name, value)| (*name, from_json(value))));
        let part = |name: &str, (source, first): (&str, usize)| {
            let rendered = environment().render_named_str(name, source, context.clone());
            rendered.map_err(|e| format!("{}:{}: {}", self.path, line_of(&e, first), reason(&e)))
        };
        let subject = part("subject", parts.subject)?;
        let html = part(HTML, parts.html)?;
        let text = match parts.text {
            Some(source) => part("text", source)?,
            None => text::from_html(&html),
        };
        Ok(Rendered { subject: one_line(&subject), html, text })
    }
}

/// The name of the part whose values are escaped.
pub const HTML: &str = "html";

/// Strict: a name that is not there is an error. A null prints nothing. The filters and tests are those that emails need: all of
/// minijinja's would make every plugin a third larger.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("join", filters::join);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("safe", filters::safe);
    environment.add_filter("trim", filters::trim);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("none", tests::is_none);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| if name == HTML { AutoEscape::Html } else { AutoEscape::None });
    environment.set_formatter(|out, state, value| match value.is_none() {
        true => Ok(()),
        false => escape_formatter(out, state, value),
    });
    environment
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

pub fn line_of(error: &minijinja::Error, first: usize) -> usize {
    first + error.line().unwrap_or(1) - 1
}

pub fn reason(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, None) => "a value that is not there is used".to_string(),
        (_, Some(detail)) => detail.to_string(),
        (kind, None) => kind.to_string(),
    }
}

/// A header cannot have line breaks, whatever a value says.
fn one_line(subject: &str) -> String {
    let visible = subject.split(|c: char| c.is_control()).map(str::trim).filter(|part| !part.is_empty());
    visible.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod test {
    use super::*;

    fn file(source: &'static str) -> TemplateFile {
        TemplateFile { path: "emails/x.html", source }
    }

    #[test]
    fn a_file_has_a_subject_html_and_perhaps_text() {
        let parts = file("subject: Hi {{ a }}\n---\n<p>1</p>\n--- text\none\n").parts().expect("it is complete");
        let expected = Parts { subject: ("Hi {{ a }}", 1), html: ("<p>1</p>\n", 3), text: Some(("one\n", 5)) };
        assert_eq!(parts, expected);
        assert_eq!(file("subject: Hi\r\n---\r\n<p>").parts().expect("it is complete").html, ("<p>", 3));
    }

    #[test]
    fn an_incomplete_file_is_a_mistake_with_a_line() {
        for (source, line) in
            [("", 1), ("<p>Hi</p>", 1), ("---\n<p>", 1), ("subject:\n---\n", 1), ("subject: x\nfrom: y\n---\n", 2)]
        {
            assert_eq!(file(source).parts().expect_err(source).line, line, "{source}");
        }
    }

    #[test]
    fn values_are_escaped_in_html_alone_and_subjects_have_one_line() {
        let name = Json::from("<b>\r\nBcc: x@y");
        let rendered =
            file("subject: Hi {{ name }}\n---\n<p>{{ name }}</p>").render(&[("name", name)]).expect("it renders");
        assert_eq!(rendered.subject, "Hi <b> Bcc: x@y");
        assert_eq!(rendered.html, "<p>&lt;b&gt;\r\nBcc: x@y</p>");
        assert_eq!(rendered.text, "<b> Bcc: x@y\n");
    }

    #[test]
    fn null_prints_nothing_and_an_unknown_name_is_an_error() {
        let rendered = file("subject: Hi{{ name }}\n---\n").render(&[("name", Json::Null)]).expect("it renders");
        assert_eq!(rendered.subject, "Hi");
        let error = file("subject: Hi\n---\n\n{{ nmae }}").render(&[]).expect_err("there is no `nmae`");
        assert!(error.starts_with("emails/x.html:4: "), "{error}");
    }
}
