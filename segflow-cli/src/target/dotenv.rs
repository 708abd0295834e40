//! `.env`, as much of it as people use: `NAME=value` lines, comments, quotes, `export`. It is read, never put into our environment.

use std::{collections::HashMap, io::ErrorKind, path::Path};

use anyhow::{Context, Result};

pub fn read(path: &Path) -> Result<Option<HashMap<String, String>>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(parse(&text))),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Lines that are something else are somebody else's. Empty values count as not set.
fn parse(text: &str) -> HashMap<String, String> {
    let mut values = HashMap::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = unquoted(value.trim());
        if !value.is_empty() {
            values.insert(name.trim().to_owned(), value.to_owned());
        }
    }
    values
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inner, _)) = rest.split_once(quote)
        {
            return inner;
        }
    }
    match value.find(" #") {
        Some(comment) => value[..comment].trim_end(),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms() {
        let file = parse(
            "# ours\nSEGFLOW_URL=http://a\r\n export SEGFLOW_API_KEY = 'sk_1' # prod\nA=\"x # y\"\nB=x#y\nC=x # y\nEMPTY=\nnonsense\n",
        );
        assert_eq!(file["SEGFLOW_URL"], "http://a");
        assert_eq!(file["SEGFLOW_API_KEY"], "sk_1");
        assert_eq!((file["A"].as_str(), file["B"].as_str(), file["C"].as_str()), ("x # y", "x#y", "x"));
        assert!(!file.contains_key("EMPTY"));
        assert_eq!(file.len(), 5);
    }
}
