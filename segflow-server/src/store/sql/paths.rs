//! JSON paths: keys and indexes. Wildcards and ranges are not on every database.

use sqlparser::ast::{Expr, Spanned, Value};
use sqlparser::tokenizer::Span;

use super::ir::{E, Step, Ty, X};
use super::names::Lower;
use super::place::{Got, Refused};

/// `doc->path`, or `JSON_EXTRACT(doc, path)`.
pub fn of(lower: &mut Lower, doc: &Expr, path: &Expr) -> Got<X> {
    let written = match path {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(path) | Value::DoubleQuotedString(path) => Some((path, value.span)),
            _ => None,
        },
        _ => None,
    };
    let Some((path, span)) = written else {
        return Err(Refused::at(path.span(), "a path is written out, as in attributes->'$.plan'"));
    };
    let steps = steps(path, span)?;
    let column = match doc {
        Expr::Identifier(ident) => Some(lower.column(std::slice::from_ref(ident), false)?),
        Expr::CompoundIdentifier(idents) => Some(lower.column(idents, false)?),
        _ => None,
    };
    let doc_span = doc.span();
    let doc = match column {
        Some(column) => {
            if let E::Col(col) = &column.e
                && let Some(table) = col.table
            {
                lower.reads.path(table, &steps);
            }
            column
        }
        None => lower.expr(doc)?,
    };
    if doc.ty != Ty::Json {
        return Err(Refused::at(
            doc_span,
            format!("this is {}, and a path goes into JSON: attributes->'$.plan'", doc.ty.name()),
        ));
    }
    Ok(match doc.e {
        E::Path(doc, mut before) => {
            before.extend(steps);
            X::new(Ty::Json, E::Path(doc, before))
        }
        _ => X::new(Ty::Json, E::Path(doc.boxed(), steps)),
    })
}

fn steps(path: &str, span: Span) -> Got<Vec<Step>> {
    let wrong = || {
        let message = format!(
            "'{path}' is not a path that can be used: write '$.plan', '$.address.city', '$.\"two words\"' or '$.tags[0]'"
        );
        Refused::at(span, message)
    };
    let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
    let mut steps = vec![];
    while !rest.is_empty() && steps.len() < 32 {
        if let Some(quoted) = rest.strip_prefix(".\"") {
            let (key, after) = quoted.split_once('"').ok_or_else(wrong)?;
            if key.is_empty() || key.contains('\\') || key.chars().any(char::is_control) {
                return Err(wrong());
            }
            steps.push(Step::Key(key.into()));
            rest = after;
        } else if let Some(plain) = rest.strip_prefix('.') {
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            let key = &plain[..end];
            let word = key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
            if !word || key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(wrong());
            }
            steps.push(Step::Key(key.into()));
            rest = &plain[end..];
        } else {
            let (index, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(wrong)?;
            let digits = index.bytes().all(|b| b.is_ascii_digit()) && (1..=6).contains(&index.len());
            steps.push(Step::Index(digits.then(|| index.parse().ok()).flatten().ok_or_else(wrong)?));
            rest = after;
        }
    }
    if rest.is_empty() { Ok(steps) } else { Err(wrong()) }
}
