//! Reads where this machine gets Debian from, and rewrites that for another suite.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A mirror of Debian that apt on this machine uses, as a source of another suite.
#[derive(Debug, PartialEq)]
pub struct Mirror {
    pub text: String,
    /// Which of apt's two formats `text` is in.
    pub extension: &'static str,
    pub found_in: PathBuf,
}

const SUITES: [&str; 11] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "sid",
];

/// The likeliest first: others than Debian also name their suites after Debian's.
pub fn mirrors(etc_apt: &Path, suite: &str) -> Result<Vec<Mirror>> {
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(folder) = fs::read_dir(etc_apt.join("sources.list.d")) {
        let mut more: Vec<PathBuf> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.sort();
        files.extend(more);
    }
    let mut mirrors = Vec::new();
    for file in files.into_iter().filter(|file| file.is_file()) {
        let (extension, parse): (_, fn(&str, &str) -> Vec<String>) = match file.extension().and_then(|e| e.to_str()) {
            Some("list") => ("list", one_line),
            Some("sources") => ("sources", stanzas),
            _ => continue,
        };
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        mirrors.extend(parse(&text, suite).into_iter().map(|text| Mirror { text, extension, found_in: file.clone() }));
    }
    mirrors.sort_by_key(|mirror| !(mirror.text.contains("debian-archive-keyring") || mirror.text.contains("/debian")));
    Ok(mirrors)
}

/// The format of sources.list: `deb [options] URI suite components`.
fn one_line(text: &str, suite: &str) -> Vec<String> {
    text.lines().filter_map(|line| one_line_source(line, suite)).collect()
}

fn one_line_source(line: &str, wanted: &str) -> Option<String> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(options, rest)| (format!("[{options}] "), rest))?,
        None => (String::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    (SUITES.contains(&suite) && words.any(|word| word == "main")).then(|| format!("deb {options}{uri} {wanted} main\n"))
}

/// The format of *.sources: paragraphs of fields, a field going on in lines that start with a space.
fn stanzas(text: &str, suite: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).filter_map(|lines| stanza(lines, suite)).collect()
}

fn stanza(lines: &[&str], suite: &str) -> Option<String> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut()?;
            *value += &format!("\n{line}");
        } else {
            let (name, value) = line.split_once(':')?;
            fields.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    let has = |name: &str, wanted: &[&str]| {
        let value = fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value);
        value.split_whitespace().any(|word| wanted.contains(&word))
    };
    if !has("types", &["deb"])
        || !has("suites", &SUITES)
        || !has("components", &["main"])
        || has("enabled", &["no", "false"])
    {
        return None;
    }
    let rewritten = fields.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "types" => "deb",
            "suites" => suite,
            "components" => "main",
            _ => value,
        };
        format!("{name}: {value}\n")
    });
    Some(rewritten.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_is_rewritten_for_a_suite_and_keeps_its_keys() {
        let text = "# a mirror\nTypes: deb deb-src\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n\
                    Components: main contrib\nSigned-By:\n -----BEGIN\n .\n key\n\n\
                    Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\nComponents: main\n";
        let expected = "types: deb\nuris: http://mirror.example/debian\nsuites: unstable\ncomponents: main\n\
                        signed-by: \n -----BEGIN\n .\n key\n";
        assert_eq!(stanzas(text, "unstable"), [expected]);
    }

    #[test]
    fn a_stanza_that_is_off_or_of_others_does_not_count() {
        assert!(
            stanzas("Types: deb\nURIs: http://e\nSuites: trixie\nComponents: main\nEnabled: no\n", "sid").is_empty()
        );
        assert!(stanzas("Types: deb\nURIs: http://e\nSuites: nodistro\nComponents: main\n", "sid").is_empty());
        assert!(stanzas("Types: deb-src\nURIs: http://e\nSuites: trixie\nComponents: main\n", "sid").is_empty());
    }

    #[test]
    fn a_line_keeps_its_options() {
        let text = "# deb http://off.example/debian trixie main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # here\n\
                    deb http://mirror.example/debian bookworm-updates main\n\
                    deb-src http://mirror.example/debian bookworm main\n";
        assert_eq!(
            one_line(text, "bookworm"),
            ["deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main\n"]
        );
    }
}
