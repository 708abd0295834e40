//! The functions that a segment may use. Any other is refused, with the nearest of these named.

use sqlparser::ast as sql;
use sqlparser::ast::{
    CeilFloorKind, DuplicateTreatment, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};
use sqlparser::tokenizer::Span;

use super::exprs::whole_number;
use super::ir::{Agg, E, F, Part, Ty, X};
use super::names::Lower;
use super::place::{Got, Refused};
use super::{compare, paths};

/// Every function's name, as it is listed in the docs.
#[rustfmt::skip]
pub const LISTED: &[&str] = &[
    "COUNT", "SUM", "AVG", "MIN", "MAX",
    "COALESCE", "NULLIF", "IF", "IFNULL", "GREATEST", "LEAST",
    "LOWER", "LCASE", "UPPER", "UCASE", "TRIM", "LTRIM", "RTRIM", "LENGTH", "CHAR_LENGTH", "CHARACTER_LENGTH", "CONCAT",
    "CONCAT_WS",
    "SUBSTRING", "SUBSTR", "MID", "LEFT", "RIGHT", "REPLACE", "INSTR", "LOCATE", "POSITION",
    "ROUND", "ABS", "FLOOR", "CEIL", "CEILING", "MOD",
    "NOW", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "UTC_TIMESTAMP", "CURDATE", "CURRENT_DATE", "UTC_DATE",
    "UNIX_TIMESTAMP", "FROM_UNIXTIME", "DATE", "TIMESTAMP", "DATE_ADD", "ADDDATE", "DATE_SUB", "SUBDATE", "DATEDIFF", "TIMESTAMPDIFF", "TIMESTAMPADD",
    "YEAR", "MONTH", "DAY", "DAYOFMONTH", "HOUR", "MINUTE", "SECOND", "WEEKDAY", "EXTRACT",
    "JSON_EXTRACT", "JSON_UNQUOTE", "JSON_VALUE", "JSON_CONTAINS", "JSON_LENGTH", "CAST",
];

impl Lower {
    pub fn function(&mut self, function: &sql::Function) -> Got<X> {
        let sql::Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        let span = name.span();
        let [part] = name.0.as_slice() else {
            return Err(Refused::at(
                span,
                format!("`{name}` is in a schema: only listed functions can be called, without one"),
            ));
        };
        let upper = part.as_ident().map(|ident| ident.value.to_uppercase()).unwrap_or_default();
        if !LISTED.contains(&upper.as_str()) {
            let nearest = LISTED.iter().min_by_key(|listed| distance(listed, &upper)).expect("there are some");
            let message = format!(
                "{}() cannot be used in a segment; the nearest that can is {nearest}()",
                name.to_string().replace('`', "")
            );
            return Err(Refused::at(span, message));
        }
        if over.is_some() {
            return Err(Refused::at(
                span,
                "window functions (OVER) cannot be used: group with GROUP BY, or use a subquery",
            ));
        }
        let odd =
            *uses_odbc_syntax || *parameters != FunctionArguments::None || filter.is_some() || null_treatment.is_some();
        if odd || !within_group.is_empty() {
            return Err(Refused::at(
                span,
                format!("{upper}() can be called in the plain way only, without FILTER or the like"),
            ));
        }
        let (args, distinct): (&[FunctionArg], bool) = match args {
            FunctionArguments::None => (&[], false),
            FunctionArguments::List(list) if list.clauses.is_empty() => {
                (&list.args, list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
            }
            _ => return Err(Refused::at(span, format!("{upper}() takes plain arguments, separated by commas"))),
        };
        if let Some(agg) = aggregate(&upper) {
            return self.aggregate(agg, distinct, args, span);
        }
        let plain = args.iter().map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(x)) if !distinct => Ok(x),
            _ => Err(Refused::at(span, format!("{upper}() takes plain arguments, separated by commas"))),
        });
        let args = plain.collect::<Got<Vec<&Expr>>>()?;
        let got = match self.dates(&upper, &args, span)? {
            Some(x) => Some(x),
            None => self.values(&upper, &args, span)?,
        };
        got.ok_or_else(|| Refused::at(span, format!("{upper}() does not take {} arguments", args.len())))
    }

    fn aggregate(&mut self, agg: Agg, distinct: bool, args: &[FunctionArg], span: Span) -> Got<X> {
        if self.in_aggregate {
            return Err(Refused::at(
                span,
                "an aggregate cannot stand here: put the condition into HAVING, or into a subquery",
            ));
        }
        let x = match args {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if agg == Agg::Count && !distinct => {
                return Ok(X::new(Ty::Num, E::Agg(agg, false, None)));
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(x))] => x,
            _ => return Err(Refused::at(span, "an aggregate takes one argument")),
        };
        self.in_aggregate = true;
        let got = self.expr(x);
        self.in_aggregate = false;
        let mut got = got?;
        if got.aggregates() {
            return Err(Refused::at(
                x.span(),
                "an aggregate cannot stand in another: put the inner one into a subquery",
            ));
        }
        if matches!(agg, Agg::Sum | Agg::Avg) {
            got = compare::number(got, x.span())?;
        }
        if got.ty == Ty::Json && (agg != Agg::Count || distinct) {
            let message = "JSON cannot be compared: write ->> for text, or add 0 for numbers, as in MAX(attributes->'$.value' + 0)";
            return Err(Refused::at(x.span(), message));
        }
        let ty = match agg {
            Agg::Min | Agg::Max if got.ty != Ty::Bool => got.ty,
            _ => Ty::Num,
        };
        Ok(X::new(ty, E::Agg(agg, distinct, Some(got.boxed()))))
    }

    /// Functions of values; None when there are too many or too few.
    fn values(&mut self, name: &str, args: &[&Expr], span: Span) -> Got<Option<X>> {
        let text = |this: &mut Lower, x: &Expr| this.expr(x).and_then(|got| compare::text(got, x.span()));
        let number = |this: &mut Lower, x: &Expr| this.expr(x).and_then(|got| compare::number(got, x.span()));
        let written = |x: &Expr| Ok(X::new(Ty::Num, E::Num(whole_number(x)?.to_string())));
        let call = |ty, f, args| Ok(Some(X::new(ty, E::Call(f, args))));
        match (name, args) {
            ("COALESCE" | "GREATEST" | "LEAST", [_, ..]) | ("IFNULL", [_, _]) => {
                let mut all = args.iter().map(|x| Ok((self.expr(x)?, x.span()))).collect::<Got<Vec<_>>>()?;
                if all.iter().any(|(x, _)| x.ty == Ty::Text) && matches!(name, "COALESCE" | "IFNULL") {
                    // As on MySQL it is text then, which is a number beside one.
                    for (x, _) in &mut all {
                        if let E::Num(digits) = &x.e {
                            *x = X::new(Ty::Text, E::Text(digits.clone()));
                        }
                    }
                }
                let (ty, all) = compare::alike(all)?;
                let f = match name {
                    "GREATEST" => F::Greatest,
                    "LEAST" => F::Least,
                    _ => F::Coalesce,
                };
                if all.len() < 2 || (f != F::Coalesce && matches!(ty, Ty::Json | Ty::Bool)) {
                    return Err(Refused::at(span, format!("{name}() takes two or more numbers, texts or dates")));
                }
                call(ty, f, all)
            }
            ("NULLIF", [a, b]) => {
                let (ty, all) = compare::alike(vec![(self.expr(a)?, a.span()), (self.expr(b)?, b.span())])?;
                if ty == Ty::Json {
                    return Err(Refused::at(span, "JSON cannot be compared with JSON: take text with ->>"));
                }
                call(ty, F::NullIf, all)
            }
            ("IF", [a, b, c]) => {
                let condition = self.condition(a, "IF")?;
                let (b, c) = ((self.expr(b)?, b.span()), (self.expr(c)?, c.span()));
                compare::case(vec![(condition, b.0, b.1)], Some(c)).map(Some)
            }
            ("LOWER" | "LCASE", [x]) => call(Ty::Text, F::Lower, vec![text(self, x)?]),
            ("UPPER" | "UCASE", [x]) => call(Ty::Text, F::Upper, vec![text(self, x)?]),
            ("TRIM", [x]) => call(Ty::Text, F::Trim, vec![text(self, x)?]),
            ("LTRIM", [x]) => call(Ty::Text, F::LTrim, vec![text(self, x)?]),
            ("RTRIM", [x]) => call(Ty::Text, F::RTrim, vec![text(self, x)?]),
            ("LENGTH", [x]) => call(Ty::Num, F::Bytes, vec![text(self, x)?]),
            ("CHAR_LENGTH" | "CHARACTER_LENGTH", [x]) => call(Ty::Num, F::Chars, vec![text(self, x)?]),
            ("CONCAT", [_, ..]) => bounded(X::new(Ty::Text, E::Call(F::Concat, self.parts(args)?)), span).map(Some),
            ("CONCAT_WS", [_, _, ..]) => {
                bounded(X::new(Ty::Text, E::Call(F::ConcatWs, self.parts(args)?)), span).map(Some)
            }
            ("SUBSTRING" | "SUBSTR" | "MID", [x, from]) => self.substring(x, from, None).map(Some),
            ("SUBSTRING" | "SUBSTR" | "MID", [x, from, length]) => self.substring(x, from, Some(length)).map(Some),
            ("LEFT", [x, length]) => {
                let one = X::new(Ty::Num, E::Num("1".into()));
                call(Ty::Text, F::Substring, vec![text(self, x)?, one, at_least(length, 0)?])
            }
            ("RIGHT", [x, length]) => call(Ty::Text, F::Right, vec![text(self, x)?, at_least(length, 1)?]),
            ("REPLACE", [x, from, to]) => {
                let all = vec![text(self, x)?, text(self, from)?, text(self, to)?];
                bounded(X::new(Ty::Text, E::Call(F::Replace, all)), span).map(Some)
            }
            ("INSTR", [x, part]) | ("LOCATE", [part, x]) => {
                call(Ty::Num, F::Instr, vec![text(self, x)?, text(self, part)?])
            }
            ("ROUND", [x]) => call(Ty::Num, F::Round, vec![number(self, x)?, X::new(Ty::Num, E::Num("0".into()))]),
            ("ROUND", [x, places]) => {
                if !(0..=9).contains(&whole_number(places)?) {
                    return Err(Refused::at(places.span(), "ROUND takes 0 to 9 places"));
                }
                call(Ty::Num, F::Round, vec![number(self, x)?, written(places)?])
            }
            ("FROM_UNIXTIME", [x]) => call(Ty::Time, F::FromUnix, vec![number(self, x)?]),
            ("CEILING", [x]) => call(Ty::Num, F::Ceil, vec![number(self, x)?]),
            ("ABS", [x]) => call(Ty::Num, F::Abs, vec![number(self, x)?]),
            ("MOD", [a, b]) => {
                let (a, b) = (number(self, a)?, number(self, b)?);
                Ok(Some(X::new(Ty::Num, E::Arith(super::ir::Arith::Mod, a.boxed(), b.boxed()))))
            }
            ("JSON_EXTRACT", [doc, path]) => paths::of(self, doc, path).map(Some),
            ("JSON_UNQUOTE", [x]) => match self.expr(x)? {
                got if got.ty == Ty::Json => Ok(Some(X::new(Ty::Text, E::Unquote(got.boxed())))),
                _ => Err(Refused::at(x.span(), "JSON_UNQUOTE takes JSON, as in JSON_UNQUOTE(attributes->'$.plan')")),
            },
            ("JSON_VALUE", [doc, path]) => call(Ty::Text, F::JsonValue, vec![paths::of(self, doc, path)?]),
            ("JSON_LENGTH", [doc]) => match self.expr(doc)? {
                got if got.ty == Ty::Json => call(Ty::Num, F::JsonLength, vec![got]),
                _ => Err(Refused::at(doc.span(), "JSON_LENGTH takes JSON, as in JSON_LENGTH(attributes->'$.tags')")),
            },
            ("JSON_LENGTH", [doc, path]) => {
                let doc = paths::of(self, doc, path)?;
                call(Ty::Num, F::JsonLength, vec![doc])
            }
            ("JSON_CONTAINS", [doc, value]) => {
                let doc = self.expr(doc)?;
                compare::member(candidate(value)?, doc, value.span()).map(Some)
            }
            ("JSON_CONTAINS", [doc, value, path]) => {
                let doc = paths::of(self, doc, path)?;
                compare::member(candidate(value)?, doc, value.span()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What text is made of.
    fn parts(&mut self, args: &[&Expr]) -> Got<Vec<X>> {
        let one = |x: &&Expr| match self.expr(x)? {
            // A whole number that is written out reads the same everywhere.
            X { e: E::Num(digits), .. } if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(X::new(Ty::Text, E::Text(digits)))
            }
            got => compare::text(got, x.span()),
        };
        args.iter().map(one).collect()
    }

    fn substring(&mut self, x: &Expr, from: &Expr, length: Option<&Expr>) -> Got<X> {
        let start = whole_number(from)?;
        if start == 0 {
            return Err(Refused::at(from.span(), "positions count from 1"));
        }
        let got = self.expr(x)?;
        let mut all = vec![compare::text(got, x.span())?, X::new(Ty::Num, E::Num(start.to_string()))];
        all.extend(length.map(|length| at_least(length, 0)).transpose()?);
        Ok(X::new(Ty::Text, E::Call(F::Substring, all)))
    }

    /// Functions that the parser has forms of their own for.
    pub fn written_function(&mut self, x: &Expr) -> Got<X> {
        let number = |this: &mut Lower, x: &Expr| this.expr(x).and_then(|got| compare::number(got, x.span()));
        match x {
            Expr::Extract { field, expr, .. } => match part(&field.to_string()) {
                Some(part) => self.part(part, expr),
                None => Err(Refused::at(
                    expr.span(),
                    format!("EXTRACT({field} …) cannot be used: YEAR, MONTH, DAY, HOUR, MINUTE, SECOND can"),
                )),
            },
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(sql::DateTimeField::NoDateTime) } => {
                Ok(X::new(Ty::Num, E::Call(F::Ceil, vec![number(self, expr)?])))
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(sql::DateTimeField::NoDateTime) } => {
                Ok(X::new(Ty::Num, E::Call(F::Floor, vec![number(self, expr)?])))
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
                self.substring(expr, from, substring_for.as_deref())
            }
            Expr::Trim { trim_where: None, trim_what: None, expr, trim_characters: None } => {
                let got = self.expr(expr)?;
                Ok(X::new(Ty::Text, E::Call(F::Trim, vec![compare::text(got, expr.span())?])))
            }
            Expr::Position { expr, r#in } => {
                let (part, whole) = (self.expr(expr)?, self.expr(r#in)?);
                let (part, whole) = (compare::text(part, expr.span())?, compare::text(whole, r#in.span())?);
                Ok(X::new(Ty::Num, E::Call(F::Instr, vec![whole, part])))
            }
            _ => Err(Refused::at(x.span(), "this form of the function cannot be used: call it with plain arguments")),
        }
    }

    pub fn part(&mut self, part: Part, x: &Expr) -> Got<X> {
        let got = self.expr(x)?;
        Ok(X::new(Ty::Num, E::Part(part, compare::time(got, x.span())?.boxed())))
    }
}

pub fn part(name: &str) -> Option<Part> {
    Some(match name {
        "YEAR" => Part::Year,
        "MONTH" => Part::Month,
        "DAY" | "DAYOFMONTH" => Part::Day,
        "HOUR" => Part::Hour,
        "MINUTE" => Part::Minute,
        "SECOND" => Part::Second,
        "WEEKDAY" => Part::Weekday,
        _ => return None,
    })
}

fn aggregate(name: &str) -> Option<Agg> {
    Some(match name {
        "COUNT" => Agg::Count,
        "SUM" => Agg::Sum,
        "AVG" => Agg::Avg,
        "MIN" => Agg::Min,
        "MAX" => Agg::Max,
        _ => return None,
    })
}

/// Text that grows by doubling would take all memory there is, within the time that a query has.
fn bounded(x: X, span: Span) -> Got<X> {
    const MOST: u64 = 1 << 20;
    if x.most() <= MOST {
        return Ok(x);
    }
    Err(Refused::at(
        span,
        "this may become too long: text can be made of some documents at most, and REPLACE with text that is written out",
    ))
}

fn at_least(x: &Expr, least: i64) -> Got<X> {
    let number = whole_number(x)?;
    if number < least {
        return Err(Refused::at(x.span(), format!("this must be at least {least}")));
    }
    Ok(X::new(Ty::Num, E::Num(number.to_string())))
}

/// The JSON text of a value: `'"vip"'`, `'5'`, `'true'`.
fn candidate(x: &Expr) -> Got<X> {
    let wrong = || Refused::at(x.span(), "the value is written out as JSON text: '\"vip\"', '5' or 'true'");
    let Expr::Value(value) = x else { return Err(wrong()) };
    let Some(text) = value.value.clone().into_string() else { return Err(wrong()) };
    if let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let plain = !inside.contains(['"', '\\']) && !inside.chars().any(char::is_control);
        return if plain { Ok(X::new(Ty::Text, E::Text(inside.into()))) } else { Err(wrong()) };
    }
    match text.as_str() {
        "true" => Ok(X::bool(E::Bool(true))),
        "false" => Ok(X::bool(E::Bool(false))),
        digits if digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.parse::<f64>().is_ok() => {
            Ok(X::new(Ty::Num, E::Num(text.clone())))
        }
        _ => Err(wrong()),
    }
}

/// How many letters differ between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let cost = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}
