//! A template file taken apart: a head with the subject, a line `---`, HTML or MJML, and after a line `--- text` perhaps the plain text.

use std::ops::Range;

use super::place::Mistake;

/// Where each part is in the file.
#[derive(Debug, PartialEq)]
pub struct Parts {
    pub subject: Range<usize>,
    /// The subject is HTML.
    pub titled: bool,
    pub html: Range<usize>,
    pub text: Option<Range<usize>>,
}

const HEAD: &str =
    "a template begins with `subject: …` and a line `---`, or is HTML or MJML with a title, which is then the subject";

impl Parts {
    pub fn of(source: &str) -> Result<Parts, Mistake> {
        let text = source.match_indices("--- text").find(|(at, _)| is_line(source, *at));
        let end = text.map_or(source.len(), |(at, _)| at);
        let text = text.map(|(at, _)| after_line(source, at)..source.len());
        if source.trim_start().starts_with('<') {
            let subject = title(&source[..end]).ok_or_else(|| Mistake::new(first_line(source), HEAD))?;
            return Ok(Parts { subject, titled: true, html: 0..end, text });
        }
        let mut subject = None;
        let mut start = 0;
        for whole in source[..end].split_inclusive('\n') {
            let (begin, line) = (start, whole.trim_end());
            start += whole.len();
            if line == "---" {
                let subject: Range<usize> =
                    subject.filter(|subject: &Range<usize>| !subject.is_empty()).ok_or_else(|| {
                        Mistake::new(first_line(source), "the subject is missing: the first line is `subject: …`")
                    })?;
                return Ok(Parts { subject, titled: false, html: start..end, text });
            } else if let Some(rest) = line.strip_prefix("subject:") {
                let words = rest.trim_start();
                let at = begin + line.len() - words.len();
                subject = Some(at..at + words.len());
            } else if !line.is_empty() {
                let what = "before the line `---` there is only `subject: …`";
                return Err(Mistake::new(begin..begin + line.len(), what));
            }
        }
        Err(Mistake::new(first_line(source), HEAD))
    }
}

/// Whether `--- text` is a line of its own.
fn is_line(source: &str, at: usize) -> bool {
    let rest = &source[at + "--- text".len()..];
    (at == 0 || source[..at].ends_with('\n')) && rest.lines().next().is_none_or(|rest| rest.trim().is_empty())
}

fn after_line(source: &str, at: usize) -> usize {
    source[at..].find('\n').map_or(source.len(), |end| at + end + 1)
}

fn first_line(source: &str) -> Range<usize> {
    0..source.find('\n').unwrap_or(source.len())
}

/// The words of `<mj-title>` or `<title>`.
fn title(html: &str) -> Option<Range<usize>> {
    ["mj-title", "title"].iter().find_map(|tag| {
        let start = html.find(&format!("<{tag}>"))? + tag.len() + 2;
        let end = start + html[start..].find(&format!("</{tag}>"))?;
        let words = &html[start..end];
        let start = start + words.len() - words.trim_start().len();
        (!words.trim().is_empty()).then(|| start..start + words.trim().len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(source: &str) -> (&str, &str, Option<&str>) {
        let parts = Parts::of(source).expect("it is complete");
        (&source[parts.subject], &source[parts.html], parts.text.map(|text| &source[text]))
    }

    #[test]
    fn a_file_has_a_subject_html_and_perhaps_text() {
        let whole = "subject: Hi {{ a }}\n---\n<p>1</p>\n--- text\none\n";
        assert_eq!(parts(whole), ("Hi {{ a }}", "<p>1</p>\n", Some("one\n")));
        assert_eq!(parts("subject: Hi\r\n---\r\n<p>"), ("Hi", "<p>", None));
        assert_eq!(parts("subject: Hi\n---\n<p>--- text</p>\n"), ("Hi", "<p>--- text</p>\n", None));
    }

    #[test]
    fn a_title_is_a_subject() {
        let html = "<html><head><title> Hi {{ a }} </title></head>\n";
        assert_eq!(parts(&format!("{html}--- text\nHi\n")), ("Hi {{ a }}", html, Some("Hi\n")));
        let mjml = "<mjml><mj-head><mj-title>Hi</mj-title></mj-head></mjml>";
        assert_eq!(parts(mjml), ("Hi", mjml, None));
    }

    #[test]
    fn an_incomplete_file_is_a_mistake_with_its_place() {
        for (source, at) in [
            ("", 0..0),
            ("<p>Hi</p>\n", 0..9),
            ("---\n<p>", 0..3),
            ("subject:\n---\n", 0..8),
            ("subject: x\nfrom: y\n---\n", 11..18),
        ] {
            assert_eq!(Parts::of(source).expect_err(source).at, at, "{source}");
        }
    }
}
