//! A file that is ready to be rendered.

use std::path::Path;

use super::guard::Guarded;
use super::markup::tags;
use super::parts::Parts;
use super::place::{Mistake, line_and_column};
use super::{jinja, mjml, plain, sheet};

/// The parts as minijinja renders them.
#[derive(Debug, Default)]
pub struct Ready {
    pub subject: String,
    pub html: String,
    pub text: String,
    /// The text stands in the file; otherwise it has marks.
    pub written: bool,
    /// Lines of the HTML at which a tag begins, and those of the file.
    pub lines: Vec<(u32, u32)>,
    /// The names that it needs, with line and column.
    pub uses: Vec<(String, u32, u32)>,
    pub hash: u64,
}

impl Ready {
    /// A file of the crate that is being compiled, and the names that it is given.
    pub fn of_project(path: &str, given: &[String]) -> Result<Ready, String> {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
        let file = Path::new(&folder).join(path);
        let source = std::fs::read_to_string(&file)
            .map_err(|error| format!("cannot read `{path}`: {error}; the path is relative to Cargo.toml"))?;
        Ready::of(&source, given).map_err(|mistakes| {
            let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.show(path, &source)).collect();
            shown.join("\n\n")
        })
    }

    pub fn of(source: &str, given: &[String]) -> Result<Ready, Vec<Mistake>> {
        let parts = Parts::of(source).map_err(|mistake| vec![mistake])?;
        let (mut uses, mut mistakes) = (vec![], vec![]);
        for part in [Some(&parts.subject), Some(&parts.html), parts.text.as_ref()].into_iter().flatten() {
            match jinja::check(source, part, given) {
                Ok(found) => uses.extend(found),
                Err(found) => mistakes.extend(found),
            }
        }
        if !mistakes.is_empty() {
            // A subject that is the title is read twice.
            mistakes.sort_by_key(|mistake| mistake.at.start);
            mistakes.dedup();
            return Err(mistakes);
        }
        uses.sort_by_key(|used| used.at.start);
        uses.dedup();
        let (guarded, html) = html(source, &parts)?;
        let restored = guarded.restore(&html)?;
        let text = match &parts.text {
            Some(text) => source[text.clone()].to_string(),
            None => guarded.restore_some(&plain::marked(&html)),
        };
        // Blocks that no longer nest have moved.
        for part in [&restored.text, &text] {
            if let Err(error) = minijinja::Environment::empty().template_from_str(part) {
                let line = restored.lines.iter().rfind(|(here, _)| Some(*here as usize) <= error.line());
                let at = line.map_or(parts.html.start, |(_, line)| start_of(source, *line as usize));
                let what = format!(
                    "made into HTML, the blocks of this file no longer fit together: begin and end each around whole elements ({})",
                    error.detail().unwrap_or_default()
                );
                return Err(vec![Mistake::new(at..at + 1, what)]);
            }
        }
        let uses = uses.into_iter().map(|used| {
            let (line, column) = line_and_column(source, used.at.start);
            (used.path, line as u32, column as u32)
        });
        let subject = &source[parts.subject.clone()];
        Ok(Ready {
            subject: if parts.titled { plain::unescape(subject) } else { subject.to_string() },
            html: restored.text,
            text,
            written: parts.text.is_some(),
            lines: restored.lines,
            uses: uses.collect(),
            hash: source
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        })
    }
}

fn html<'a>(source: &'a str, parts: &Parts) -> Result<(Guarded<'a>, String), Vec<Mistake>> {
    let mut guarded = Guarded::new(source, &parts.html);
    if !guarded.mistakes.is_empty() {
        return Err(std::mem::take(&mut guarded.mistakes));
    }
    let html = if mjml::is(&source[parts.html.clone()]) {
        let (html, sheets) = mjml::html(&guarded)?;
        // They have been looked at.
        sheet::inline(&html, |css| sheets.iter().any(|own| own == css)).unwrap_or(html)
    } else {
        if let Some(at) = guarded.text.find("<mj-") {
            let at = guarded.origin(at);
            return Err(vec![Mistake::new(at..at + 4, "a file with elements of MJML begins with `<mjml>`")]);
        }
        let place = |at: usize| guarded.origin(at);
        let sheet = tags(&guarded.text).into_iter().find(|tag| {
            let href = tag.value(&guarded.text, "href").unwrap_or_default();
            tag.value(&guarded.text, "rel") == Some("stylesheet") && !href.starts_with("http")
        });
        if let Some(tag) = sheet {
            let what = "a mail has one file: put the sheet into a `<style>`";
            return Err(vec![Mistake::new(place(tag.at.start)..place(tag.at.end), what)]);
        }
        let wrong = |(at, what): sheet::Wrong| vec![Mistake::new(place(at.start)..place(at.start) + at.len(), what)];
        sheet::inline(&guarded.text, |_| true).map_err(wrong)?
    };
    Ok((guarded, html))
}

fn start_of(source: &str, line: usize) -> usize {
    source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}
