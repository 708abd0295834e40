//! Lists of addresses as files: CSV, from wherever they come.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// What the column of addresses is called.
const ADDRESS: [&str; 6] = ["address", "email", "e-mail", "email address", "emailaddress", "email_address"];

/// Other columns that are read.
const KNOWN: [&str; 4] = ["blocked", "blocked_at", "unsubscribed_at", "topics"];

/// The items of a file, each with its line.
pub fn read(path: &Path) -> Result<Vec<(Value, u64)>> {
    let mut text = String::new();
    let reading = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    reading.with_context(|| format!("{} cannot be read", path.display()))?;
    items(text.trim_start_matches('\u{feff}')).with_context(|| format!("{} is not a list of addresses", path.display()))
}

fn items(text: &str) -> Result<Vec<(Value, u64)>> {
    // Each line ends, and in one way: so they are counted as people do.
    let text = format!("{}\n", text.replace("\r\n", "\n"));
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut columns: Option<Vec<String>> = None;
    let (mut items, mut record) = (vec![], csv::StringRecord::new());
    while reader.read_record(&mut record)? {
        let line = reader.position().line() - 1;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let Some(names) = &columns else {
            let names: Vec<String> = record.iter().map(str::to_lowercase).collect();
            let named = names.iter().any(|name| ADDRESS.contains(&name.as_str()));
            if !named && !names[0].contains('@') {
                bail!(
                    "line {line} is neither an address nor the names of columns, of which one is `address` or `email`"
                );
            }
            if !named {
                items.push((item(&["address".into()], &record)?, line));
            }
            columns = Some(if named { names } else { vec!["address".into()] });
            continue;
        };
        items.push((item(names, &record).with_context(|| format!("line {line}"))?, line));
    }
    Ok(items)
}

fn item(columns: &[String], record: &csv::StringRecord) -> Result<Value> {
    let mut item = json!({});
    for (name, value) in columns.iter().zip(record).filter(|(_, value)| !value.is_empty()) {
        match name.as_str() {
            name if ADDRESS.contains(&name) => item["address"] = value.into(),
            "topics" => item["topics"] = topics(value)?,
            "unsubscribed_at" => {
                item["unsubscribed"] = true.into();
                item["unsubscribed_at"] = value.into();
            }
            name if KNOWN.contains(&name) => item[name] = value.into(),
            _ => {}
        }
    }
    Ok(item)
}

/// `news=no tips=yes`
fn topics(text: &str) -> Result<Value> {
    let mut topics = json!({});
    for part in text.split_whitespace() {
        topics[part.rsplit_once('=').map_or(part, |(id, _)| id)] = match part.rsplit_once('=') {
            Some((_, "yes")) => true.into(),
            Some((_, "no")) => false.into(),
            _ => bail!("topics are written `news=no tips=yes`, and not `{part}`"),
        };
    }
    Ok(topics)
}

/// What [`read`] reads.
pub fn written(listed: &[Value]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(["address", "blocked", "blocked_at", "unsubscribed_at", "topics"])?;
    for listed in listed {
        // Of the erased there is nothing that another server could use.
        let Some(address) = listed["address"].as_str() else { continue };
        let text = |field: &str| listed[field].as_str().unwrap_or_default().to_owned();
        let topic =
            |(id, wants): (&String, &Value)| format!("{id}={}", if *wants == json!(true) { "yes" } else { "no" });
        let topics: Vec<String> = listed["topics"].as_object().into_iter().flatten().map(topic).collect();
        writer.write_record([
            address,
            &text("blocked"),
            &text("blocked_at"),
            &text("unsubscribed_at"),
            &topics.join(" "),
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_address_on_each_line_or_has_named_columns() {
        let read = |text: &str| {
            items(text).unwrap().into_iter().map(|(item, line)| (item["address"].clone(), line)).collect::<Vec<_>>()
        };
        assert_eq!(read("a@x.example\n\nb@x.example\n"), [(json!("a@x.example"), 1), (json!("b@x.example"), 3)]);
        assert_eq!(read("Name,Email Address\r\n\"Doe, A\",a@x.example\r\n"), [(json!("a@x.example"), 2)]);
        assert_eq!(read("b@x.example,of no meaning\n"), [(json!("b@x.example"), 1)]);
        assert_eq!(read(""), []);
        assert!(items("name,age\nAda,36\n").unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn what_is_exported_can_be_imported() {
        let listed = [
            json!({"address": "a@x.example", "blocked": "bounce", "blocked_at": "2026-01-01T00:00:00Z", "unsubscribed": false,
                "unsubscribed_at": null, "topics": {}}),
            json!({"address": null, "hash": "00", "blocked": "manual", "topics": {}}),
            json!({"address": "b@x.example", "blocked": null, "unsubscribed": true, "unsubscribed_at": "2026-01-02T00:00:00Z",
                "topics": {"news": false, "tips": true}}),
        ];
        let items: Vec<Value> = items(&written(&listed).unwrap()).unwrap().into_iter().map(|(item, _)| item).collect();
        assert_eq!(
            items,
            [
                json!({"address": "a@x.example", "blocked": "bounce", "blocked_at": "2026-01-01T00:00:00Z"}),
                json!({"address": "b@x.example", "unsubscribed": true, "unsubscribed_at": "2026-01-02T00:00:00Z",
                    "topics": {"news": false, "tips": true}}),
            ]
        );
        assert!(topics("news").is_err() && topics("news=maybe").is_err());
    }
}
