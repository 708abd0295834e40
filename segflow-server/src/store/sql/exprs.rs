//! From parsed expressions to ours. What is not named here is refused.

use sqlparser::ast as sql;
use sqlparser::ast::{BinaryOperator, Expr, Spanned, UnaryOperator, Value};
use sqlparser::tokenizer::Span;

use super::ir::{Arith, E, Op, Piece, Ty, X};
use super::names::Lower;
use super::place::{Got, Refused};
use super::queries::At;
use super::{compare, paths, times};

impl Lower {
    /// Something that holds or does not, as after WHERE.
    pub fn condition(&mut self, x: &Expr, whose: &str) -> Got<X> {
        if ["WHERE", "ON"].contains(&whose) {
            let outer = std::mem::replace(&mut self.in_aggregate, true);
            let got = self.truth(x);
            self.in_aggregate = outer;
            return got;
        }
        self.truth(x)
    }

    fn truth(&mut self, x: &Expr) -> Got<X> {
        let got = self.expr(x)?;
        match got.ty {
            Ty::Bool | Ty::Null => Ok(got),
            Ty::Num => Ok(X::bool(E::Cmp(Op::Ne, got.boxed(), X::new(Ty::Num, E::Num("0".into())).boxed()))),
            ty => Err(Refused::at(
                x.span(),
                format!("this is {}, not a condition: compare it, as in `… = true`", ty.name()),
            )),
        }
    }

    pub fn expr(&mut self, x: &Expr) -> Got<X> {
        self.deeper(|| x.span(), |this| this.expr_inside(x))
    }

    fn expr_inside(&mut self, x: &Expr) -> Got<X> {
        let refuse = |message: &str| Err(Refused::at(x.span(), message));
        match x {
            Expr::Identifier(ident) => self.column(std::slice::from_ref(ident), true),
            Expr::CompoundIdentifier(idents) => self.column(idents, true),
            Expr::Nested(x) => self.expr(x),
            Expr::Value(value) => literal(&value.value, value.span),
            Expr::TypedString(typed) => {
                let text = typed.value.clone().into_string().unwrap_or_default();
                let date = matches!(
                    typed.data_type,
                    sql::DataType::Date | sql::DataType::Timestamp(..) | sql::DataType::Datetime(_)
                );
                if !date {
                    return Err(Refused::at(typed.value.span, "only DATE '…' and TIMESTAMP '…' can be written so"));
                }
                written_time(&text, typed.value.span)
            }
            Expr::IsNull(x) => Ok(X::bool(E::IsNull(self.expr(x)?.boxed(), false))),
            Expr::IsNotNull(x) => Ok(X::bool(E::IsNull(self.expr(x)?.boxed(), true))),
            Expr::IsTrue(x) => self.is(x, true, false),
            Expr::IsNotTrue(x) => self.is(x, true, true),
            Expr::IsFalse(x) => self.is(x, false, false),
            Expr::IsNotFalse(x) => self.is(x, false, true),
            Expr::IsUnknown(x) => Ok(X::bool(E::IsNull(self.truth(x)?.boxed(), false))),
            Expr::IsNotUnknown(x) => Ok(X::bool(E::IsNull(self.truth(x)?.boxed(), true))),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InSubquery { expr, subquery, negated } => {
                let (left, query) = (self.expr(expr)?, self.query(subquery, At::List)?);
                one_column(&query, subquery)?;
                let same = left.ty == query.columns[0].ty && left.ty != Ty::Json;
                if !same {
                    let message = format!(
                        "{} is looked for among {}: make them alike",
                        left.ty.name(),
                        query.columns[0].ty.name()
                    );
                    return Err(Refused::at(expr.span(), message));
                }
                Ok(X::bool(E::InQuery(left.boxed(), Box::new(query), *negated)))
            }
            Expr::Between { expr, negated, low, high } => {
                let (x, low_x, high_x) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
                let low = compare::with(Op::Ge, x.clone(), low_x, low.span())?;
                let both = X::bool(E::And(vec![low, compare::with(Op::Le, x, high_x, high.span())?]));
                Ok(if *negated { X::bool(E::Not(both.boxed())) } else { both })
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, x),
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Not | UnaryOperator::BangNot => Ok(X::bool(E::Not(self.truth(expr)?.boxed()))),
                UnaryOperator::Plus => self.expr(expr).and_then(|x| compare::number(x, expr.span())),
                UnaryOperator::Minus => {
                    let inner = self.expr(expr)?;
                    Ok(X::new(Ty::Num, E::Neg(compare::number(inner, expr.span())?.boxed())))
                }
                _ => refuse("this operator cannot be used"),
            },
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let left = self.expr(expr)?;
                let left = compare::text(left, expr.span())?;
                let pattern = pattern_of(pattern, escape_char.as_deref())?;
                Ok(X::bool(E::Like(left.boxed(), pattern, *negated)))
            }
            Expr::Exists { subquery, negated } => {
                Ok(X::bool(E::Exists(Box::new(self.query(subquery, At::Value)?), *negated)))
            }
            Expr::Subquery(query) => {
                let lowered = self.query(query, At::Value)?;
                one_column(&lowered, query)?;
                Ok(X::new(lowered.columns[0].ty, E::Scalar(Box::new(lowered))))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut arms = vec![];
                for arm in conditions {
                    let when = match operand {
                        Some(operand) => {
                            let (left, right) = (self.expr(operand)?, self.expr(&arm.condition)?);
                            compare::with(Op::Eq, left, right, arm.condition.span())?
                        }
                        None => self.truth(&arm.condition)?,
                    };
                    arms.push((when, self.expr(&arm.result)?, arm.result.span()));
                }
                let last = else_result.as_ref().map(|x| Ok((self.expr(x)?, x.span()))).transpose()?;
                compare::case(arms, last)
            }
            Expr::Interval(_) => {
                refuse("INTERVAL stands after + or -, or in DATE_ADD and DATE_SUB: NOW() - INTERVAL 30 DAY")
            }
            Expr::Function(function) => self.function(function),
            Expr::Cast { kind: sql::CastKind::Cast, expr, data_type, format: None } => self.cast(expr, data_type),
            Expr::MemberOf(of) => {
                let (value, array) = (self.expr(&of.value)?, self.expr(&of.array)?);
                compare::member(value, array, of.value.span())
            }
            Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Position { .. } => self.written_function(x),
            Expr::RLike { .. } | Expr::SimilarTo { .. } => {
                Err(Refused::at(place_of_pattern(x), "regular expressions are not on every database: use LIKE"))
            }
            Expr::MatchAgainst { match_value, .. } => {
                Err(Refused::at(match_value.span, "full-text search cannot be used: use LIKE"))
            }
            Expr::Collate { .. } => {
                refuse("COLLATE cannot be used: text is compared byte for byte; LOWER(…) makes it all small")
            }
            Expr::Tuple(_) => refuse("lists in parentheses cannot be compared: compare each value"),
            Expr::Convert { .. } => refuse("CONVERT cannot be used: use CAST(… AS …)"),
            Expr::Prefixed { value, .. } => {
                Err(Refused::at(value.span(), "a character set before text cannot be used: write the text alone"))
            }
            _ => refuse("this cannot be used in a segment"),
        }
    }

    fn is(&mut self, x: &Expr, value: bool, not: bool) -> Got<X> {
        Ok(X::bool(E::Is(self.truth(x)?.boxed(), value, not)))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Got<X> {
        let left = self.expr(expr)?;
        let right = list.iter().map(|x| Ok((self.expr(x)?, x.span()))).collect::<Got<Vec<_>>>()?;
        let texts = left.ty == Ty::Text && right.iter().all(|(x, _)| x.ty == Ty::Text);
        if texts {
            return Ok(X::bool(E::In(left.boxed(), right.into_iter().map(|(x, _)| x).collect(), negated)));
        }
        let each =
            right.into_iter().map(|(x, span)| compare::with(Op::Eq, left.clone(), x, span)).collect::<Got<Vec<_>>>()?;
        let any = X::bool(E::Or(each));
        Ok(if negated { X::bool(E::Not(any.boxed())) } else { any })
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, whole: &Expr) -> Got<X> {
        use BinaryOperator as B;
        let comparison = match op {
            B::Eq => Some(Op::Eq),
            B::NotEq => Some(Op::Ne),
            B::Lt => Some(Op::Lt),
            B::LtEq => Some(Op::Le),
            B::Gt => Some(Op::Gt),
            B::GtEq => Some(Op::Ge),
            B::Spaceship => Some(Op::Same),
            _ => None,
        };
        if let Some(op) = comparison {
            let (a, b) = (self.expr(left)?, self.expr(right)?);
            return compare::with(op, a, b, whole.span());
        }
        let arith = match op {
            B::And | B::Or => return self.chain(op, whole),
            B::Arrow | B::LongArrow => {
                let found = paths::of(self, left, right)?;
                return Ok(if *op == B::Arrow { found } else { X::new(Ty::Text, E::Unquote(found.boxed())) });
            }
            B::Plus => Arith::Add,
            B::Minus => Arith::Sub,
            B::Multiply => Arith::Mul,
            B::Divide => Arith::Div,
            B::Modulo => Arith::Mod,
            B::MyIntegerDivide => Arith::IntDiv,
            B::StringConcat => {
                return Err(Refused::at(whole.span(), "|| means OR here and CONCAT there: write which one is meant"));
            }
            B::Assignment => return Err(Refused::at(whole.span(), "variables cannot be used: write the value itself")),
            _ => return Err(Refused::at(whole.span(), format!("the operator {op} cannot be used"))),
        };
        if let (Expr::Interval(interval), Arith::Add | Arith::Sub) = (right, arith) {
            return self.shifted(left, interval, arith == Arith::Sub, whole.span());
        }
        if let (Expr::Interval(interval), Arith::Add) = (left, arith) {
            return self.shifted(right, interval, false, whole.span());
        }
        let (a, b) = (self.expr(left)?, self.expr(right)?);
        if a.ty == Ty::Time || b.ty == Ty::Time {
            let message =
                "dates are not numbers: use INTERVAL, as in NOW() - INTERVAL 30 DAY, or TIMESTAMPDIFF(DAY, …, …)";
            return Err(Refused::at(whole.span(), message));
        }
        let (a, b) = (compare::number(a, left.span())?, compare::number(b, right.span())?);
        Ok(X::new(Ty::Num, E::Arith(arith, a.boxed(), b.boxed())))
    }

    /// `a AND b AND c …` as one list, so that long ones are not deep.
    fn chain(&mut self, op: &BinaryOperator, whole: &Expr) -> Got<X> {
        let mut parts: Vec<&Expr> = vec![];
        let mut rest = whole;
        while let Expr::BinaryOp { left, op: other, right } = rest
            && other == op
        {
            parts.push(right);
            rest = left;
        }
        parts.push(rest);
        let all = parts.into_iter().rev().map(|x| self.truth(x)).collect::<Got<Vec<_>>>()?;
        Ok(X::bool(if *op == BinaryOperator::And { E::And(all) } else { E::Or(all) }))
    }
}

fn one_column(query: &super::ir::Query, parsed: &sql::Query) -> Got<()> {
    if query.columns.len() == 1 {
        return Ok(());
    }
    Err(Refused::at(parsed.span(), "a subquery here gives one column"))
}

fn place_of_pattern(x: &Expr) -> Span {
    match x {
        Expr::RLike { expr, pattern, .. } | Expr::SimilarTo { expr, pattern, .. } => expr.span().union(&pattern.span()),
        _ => x.span(),
    }
}

fn literal(value: &Value, span: Span) -> Got<X> {
    match value {
        Value::Number(digits, false) => {
            let plain = digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b)) && digits.len() <= 40;
            match digits.parse::<f64>() {
                Ok(number) if plain && number.is_finite() => Ok(X::new(Ty::Num, E::Num(digits.clone()))),
                _ => Err(Refused::at(span, format!("`{digits}` is not a number that can be used"))),
            }
        }
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
            if text.chars().any(char::is_control) {
                return Err(Refused::at(span, "text cannot have control characters in it"));
            }
            Ok(X::new(Ty::Text, E::Text(text.clone())))
        }
        Value::Boolean(value) => Ok(X::bool(E::Bool(*value))),
        Value::Null => Ok(X::new(Ty::Null, E::Null)),
        Value::Placeholder(_) => {
            Err(Refused::at(span, "there is nothing to put for a placeholder: write the value itself"))
        }
        _ => Err(Refused::at(span, "this kind of literal cannot be used: write a number or 'text'")),
    }
}

pub fn written_time(text: &str, span: Span) -> Got<X> {
    let ms = times::instant(text).ok_or_else(|| {
        Refused::at(span, format!("'{text}' is not a date: write it as '2026-01-31' or '2026-01-31T09:00:00Z'"))
    })?;
    Ok(X::new(Ty::Time, E::Time(ms)))
}

/// A whole number written out, perhaps with a minus.
pub fn whole_number(x: &Expr) -> Got<i64> {
    let found = match x {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse().ok(),
            Value::SingleQuotedString(digits) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole_number(expr).ok().map(|number: i64| -number),
        Expr::Nested(x) => whole_number(x).ok(),
        _ => None,
    };
    let small = found.filter(|number| number.abs() <= 1_000_000_000);
    small.ok_or_else(|| Refused::at(x.span(), "a whole number must stand here, written out"))
}

fn pattern_of(pattern: &Expr, escape: Option<&Expr>) -> Got<Vec<Piece>> {
    let text = |x: &Expr| match x {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let Some(written) = text(pattern) else {
        return Err(Refused::at(pattern.span(), "LIKE needs a pattern that is written out, as in LIKE 'a%'"));
    };
    let escape = match escape.map(|x| (text(x), x)) {
        None => '\\',
        Some((Some(one), _)) if one.chars().count() == 1 => one.chars().next().unwrap_or('\\'),
        Some((_, x)) => return Err(Refused::at(x.span(), "ESCAPE takes one character")),
    };
    if written.chars().any(char::is_control) || written.len() > 1000 {
        return Err(Refused::at(pattern.span(), "a pattern is at most 1000 bytes, without control characters"));
    }
    let mut pieces = vec![];
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            c if c == escape => Piece::Char(chars.next().unwrap_or(c)),
            '%' => Piece::Any,
            '_' => Piece::One,
            c => Piece::Char(c),
        });
    }
    Ok(pieces)
}
