//! What types do to each other: comparisons, and what is taken as a number, as text or as a date.

use sqlparser::tokenizer::Span;

use super::exprs::written_time;
use super::ir::{E, Op, Ty, X};
use super::place::{Got, Refused};

pub fn with(op: Op, a: X, b: X, span: Span) -> Got<X> {
    let turned = |op| match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        op => op,
    };
    let cmp = |a: X, b: X| Ok(X::bool(E::Cmp(op, a.boxed(), b.boxed())));
    match (a.ty, b.ty) {
        (Ty::Null, _) | (_, Ty::Null) if op != Op::Same => {
            Err(Refused::at(span, "nothing equals NULL: write IS NULL or IS NOT NULL"))
        }
        (Ty::Null, _) => Ok(X::bool(E::IsNull(b.boxed(), false))),
        (_, Ty::Null) => Ok(X::bool(E::IsNull(a.boxed(), false))),
        (Ty::Json, Ty::Json) => Err(Refused::at(span, "JSON cannot be compared with JSON: take text with ->>")),
        (Ty::Time, _) | (_, Ty::Time) => cmp(time(a, span)?, time(b, span)?),
        (Ty::Json, Ty::Num | Ty::Text) | (Ty::Json, Ty::Bool) => json(op, a, b, span),
        (Ty::Num | Ty::Text, Ty::Json) | (Ty::Bool, Ty::Json) => json(turned(op), b, a, span),
        (Ty::Text, Ty::Bool) | (Ty::Bool, Ty::Text) => {
            Err(Refused::at(span, "text is never TRUE or FALSE: use -> in place of ->>, or compare with 'true'"))
        }
        (x, y) if x == y => cmp(a, b),
        _ => cmp(number(a, span)?, number(b, span)?),
    }
}

fn json(op: Op, doc: X, other: X, span: Span) -> Got<X> {
    if other.ty == Ty::Bool && !matches!((&other.e, op), (E::Bool(_), Op::Eq | Op::Ne)) {
        return Err(Refused::at(span, "JSON is compared with TRUE or FALSE by = and <>"));
    }
    if op == Op::Same {
        return Err(Refused::at(span, "JSON cannot be compared by <=>: use =, or take text with ->>"));
    }
    Ok(X::bool(E::JsonCmp(op, doc.boxed(), other.boxed())))
}

pub fn number(x: X, span: Span) -> Got<X> {
    match x.ty {
        Ty::Num | Ty::Null => Ok(x),
        Ty::Text | Ty::Json | Ty::Bool => Ok(X::new(Ty::Num, E::ToNum(x.boxed()))),
        Ty::Time => Err(Refused::at(span, "a date is not a number: compare dates, or use TIMESTAMPDIFF(DAY, …, …)")),
    }
}

pub fn text(x: X, span: Span) -> Got<X> {
    match x.ty {
        Ty::Text | Ty::Null => Ok(x),
        Ty::Json => Err(Refused::at(span, "this is JSON, not text: use ->> in place of ->")),
        ty => Err(Refused::at(span, format!("this is {}, not text: use CAST(… AS CHAR) for whole numbers", ty.name()))),
    }
}

pub fn time(x: X, span: Span) -> Got<X> {
    match (x.ty, x.e) {
        (Ty::Time, e) => Ok(X::new(Ty::Time, e)),
        (Ty::Null, e) => Ok(X::new(Ty::Null, e)),
        (Ty::Text, E::Text(text)) => written_time(&text, span),
        (Ty::Text, e) => Ok(X::new(Ty::Time, E::ToTime(X::new(Ty::Text, e).boxed()))),
        (Ty::Json, e) => {
            let text = X::new(Ty::Text, E::Unquote(X::new(Ty::Json, e).boxed()));
            Ok(X::new(Ty::Time, E::ToTime(text.boxed())))
        }
        (ty, _) => {
            let message =
                format!("a date is compared with {}: write it as '2026-01-31' or '2026-01-31T09:00:00Z'", ty.name());
            Err(Refused::at(span, message))
        }
    }
}

/// Makes values that stand for each other (in COALESCE, CASE, GREATEST …) one type.
pub fn alike(all: Vec<(X, Span)>) -> Got<(Ty, Vec<X>)> {
    let mut ty = Ty::Null;
    for (x, span) in &all {
        ty = match (ty, x.ty) {
            (Ty::Null, other) => other,
            (ty, Ty::Null) => ty,
            (ty, other) if ty == other => ty,
            (Ty::Num, Ty::Bool) | (Ty::Bool, Ty::Num) => Ty::Num,
            (Ty::Time, Ty::Text) | (Ty::Text, Ty::Time) => Ty::Time,
            // JSON with a number beside it is meant as a number.
            (Ty::Json, Ty::Num) | (Ty::Num, Ty::Json) => Ty::Num,
            (ty, other) => {
                let hint = if [ty, other].contains(&Ty::Json) { "take text with ->>" } else { "make them alike" };
                let message = format!("this is {} where there is {} beside it: {hint}", other.name(), ty.name());
                return Err(Refused::at(*span, message));
            }
        };
    }
    let each = all.into_iter().map(|(x, span)| match ty {
        Ty::Num => number(x, span),
        Ty::Time => time(x, span),
        _ => Ok(x),
    });
    Ok((ty, each.collect::<Got<_>>()?))
}

pub fn case(arms: Vec<(X, X, Span)>, last: Option<(X, Span)>) -> Got<X> {
    let (conditions, mut results): (Vec<X>, Vec<(X, Span)>) =
        arms.into_iter().map(|(when, then, span)| (when, (then, span))).unzip();
    let has_last = last.is_some();
    results.extend(last);
    let (ty, mut results) = alike(results)?;
    let last = if has_last { results.pop().map(X::boxed) } else { None };
    Ok(X::new(ty, E::Case(conditions.into_iter().zip(results).collect(), last)))
}

pub fn member(value: X, array: X, span: Span) -> Got<X> {
    let written = matches!(value.e, E::Text(_) | E::Num(_) | E::Bool(_));
    if !written || array.ty != Ty::Json {
        return Err(Refused::at(
            span,
            "a value that is written out is looked for in JSON: 'vip' MEMBER OF (attributes->'$.tags')",
        ));
    }
    Ok(X::bool(E::Member(array.boxed(), value.boxed())))
}
