//! Adds a member to a workspace's manifest as a person would: one entry more, everything else as it was.

/// `None` where the manifest is written in a way that this does not understand.
pub fn add(manifest: &str, member: &str) -> Option<String> {
    let entry = toml::Value::String(member.to_owned()).to_string();
    let changed = match list(manifest)? {
        Place::List(open) => insert(manifest, open, &entry)?,
        Place::NoList(at) => format!("{}members = [{entry}]\n{}", &manifest[..at], &manifest[at..]),
    };
    has(&changed, member).then_some(changed)
}

fn has(manifest: &str, member: &str) -> bool {
    let table = manifest.parse::<toml::Table>().ok();
    let members = table.as_ref().and_then(|table| table.get("workspace")?.get("members")?.as_array());
    members.is_some_and(|members| members.iter().any(|entry| entry.as_str() == Some(member)))
}

enum Place {
    /// Just behind the `[` of `members = [`.
    List(usize),
    /// Just behind the line `[workspace]`, where there is no such list.
    NoList(usize),
}

fn list(manifest: &str) -> Option<Place> {
    let mut behind_header = None;
    let mut at = 0;
    for line in manifest.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let text = line.trim();
        if behind_header.is_none() {
            if text == "[workspace]" && line.ends_with('\n') {
                behind_header = Some(at);
            }
        } else if let Some(value) = text.strip_prefix("members").and_then(|rest| rest.trim_start().strip_prefix('=')) {
            value.trim_start().strip_prefix('[')?;
            return Some(Place::List(start + line.find('[')? + 1));
        } else if text.starts_with('[') {
            break;
        }
    }
    behind_header.map(Place::NoList)
}

/// What a list looks like from its `[` to its `]`.
struct Shape {
    close: usize,
    /// Behind the last thing that is neither blank nor comment, if there is one.
    last: Option<usize>,
    comma: bool,
}

fn shape(manifest: &str, open: usize) -> Option<Shape> {
    let (mut quote, mut escaped, mut comment) = (None, false, false);
    let (mut last, mut comma) = (None, false);
    for (offset, c) in manifest[open..].char_indices() {
        let at = open + offset;
        match (quote, c) {
            _ if comment => comment = c != '\n',
            (Some('"'), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), c) if c == open => (quote, last) = (None, Some(at + 1)),
            (Some(_), _) => {}
            (None, '"' | '\'') => (quote, comma) = (Some(c), false),
            (None, '#') => comment = true,
            (None, ',') => (last, comma) = (Some(at + 1), true),
            (None, ']') => return Some(Shape { close: at, last, comma }),
            (None, _) => {}
        }
    }
    None
}

fn insert(manifest: &str, open: usize, entry: &str) -> Option<String> {
    let Shape { close, last, comma } = shape(manifest, open)?;
    let behind = last.unwrap_or(open);
    let separator = if last.is_some() && !comma { "," } else { "" };
    let (head, rest, tail) = (&manifest[..behind], &manifest[behind..close], &manifest[close..]);
    // Where the `]` has a line of its own, so has every entry.
    Some(match rest.rfind('\n') {
        Some(newline) => {
            let (comments, before_close) = rest.split_at(newline + 1);
            let indent = indent_of_first_entry(&manifest[open..close]);
            format!("{head}{separator}{comments}{indent}{entry},\n{before_close}{tail}")
        }
        None => {
            let blank = if last.is_some() { " " } else { "" };
            let comma = if comma { "," } else { "" };
            format!("{head}{separator}{blank}{entry}{comma}{rest}{tail}")
        }
    })
}

fn indent_of_first_entry(list: &str) -> &str {
    let line = list.lines().skip(1).find(|line| line.trim_start().starts_with(['"', '\'']));
    line.map_or("    ", |line| &line[..line.len() - line.trim_start().len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str) {
        assert_eq!(add(before, "shop").as_deref(), Some(after));
    }

    #[test]
    fn lists_in_one_line() {
        check("[workspace]\nmembers = [\"a\", \"b\"]\n", "[workspace]\nmembers = [\"a\", \"b\", \"shop\"]\n");
        check("[workspace]\nmembers = []\n", "[workspace]\nmembers = [\"shop\"]\n");
        check("[workspace]\nmembers=['a',]", "[workspace]\nmembers=['a', \"shop\",]");
    }

    #[test]
    fn lists_over_several_lines_keep_their_comments_and_indent() {
        check(
            "# ours\n[workspace]\nresolver = \"3\"\nmembers = [\n  \"a\", # first\n  \"b\" # no comma ]\n  # last\n]\n\n[profile.dev]\ndebug = 1\n",
            "# ours\n[workspace]\nresolver = \"3\"\nmembers = [\n  \"a\", # first\n  \"b\", # no comma ]\n  # last\n  \"shop\",\n]\n\n[profile.dev]\ndebug = 1\n",
        );
        check("[workspace]\nmembers = [\n]\n", "[workspace]\nmembers = [\n    \"shop\",\n]\n");
    }

    #[test]
    fn without_a_list_there_will_be_one() {
        check(
            "[package]\nname = \"root\"\n\n[workspace]\n\n[dependencies]\n",
            "[package]\nname = \"root\"\n\n[workspace]\nmembers = [\"shop\"]\n\n[dependencies]\n",
        );
    }

    #[test]
    fn what_is_written_otherwise_is_left_alone() {
        assert_eq!(add("workspace = { members = [\"a\"] }\n", "shop"), None);
        assert_eq!(add("workspace.members = [\"a\"]\n", "shop"), None);
        assert_eq!(add("[package]\nname = \"x\"\n", "shop"), None);
    }
}
