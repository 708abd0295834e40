//! Functions of dates, and INTERVAL.

use sqlparser::ast as sql;
use sqlparser::ast::{Expr, Spanned};
use sqlparser::tokenizer::Span;

use super::compare;
use super::exprs::whole_number;
use super::functions::part;
use super::ir::{Arith, E, Ty, X};
use super::names::Lower;
use super::place::{Got, Refused};

const DAY: i64 = 86_400_000;

/// A span of time: so many ms, or so many calendar months.
#[derive(Clone, Copy)]
enum Unit {
    Ms(i64),
    Months(i64),
}

impl Lower {
    /// Functions of dates; None when it is none of them.
    pub fn dates(&mut self, name: &str, args: &[&Expr], span: Span) -> Got<Option<X>> {
        let time = |this: &mut Lower, x: &Expr| this.expr(x).and_then(|got| compare::time(got, x.span()));
        let day = |x: X| X::new(Ty::Time, E::Day(x.boxed()));
        Ok(Some(match (name, args) {
            ("NOW" | "CURRENT_TIMESTAMP" | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_TIMESTAMP", [] | [_]) => {
                // The digits after the second: the instant has three, whatever is asked for.
                args.first().map(|digits| whole_number(digits)).transpose()?;
                self.now(span)
            }
            ("CURDATE" | "CURRENT_DATE" | "UTC_DATE", []) => day(self.now(span)),
            ("UNIX_TIMESTAMP", [] | [_]) => {
                let at = args.first().map(|x| time(self, x)).transpose()?.unwrap_or_else(|| self.now(span));
                // Instants are ms.
                let (ms, second) = (X::new(Ty::Num, at.e), X::new(Ty::Num, E::Num("1000".into())));
                X::new(Ty::Num, E::Arith(Arith::Div, ms.boxed(), second.boxed()))
            }
            ("DATE", [x]) => day(time(self, x)?),
            ("TIMESTAMP", [x]) => time(self, x)?,
            ("DATE_ADD" | "ADDDATE" | "DATE_SUB" | "SUBDATE", [x, Expr::Interval(interval)]) => {
                self.shifted(x, interval, name.contains("SUB"), span)?
            }
            ("DATE_ADD" | "ADDDATE" | "DATE_SUB" | "SUBDATE", _) => {
                return Err(Refused::at(
                    span,
                    format!("{name} takes a date and an interval: {name}(NOW(), INTERVAL 30 DAY)"),
                ));
            }
            ("DATEDIFF", [a, b]) => {
                let (a, b) = (day(time(self, a)?), day(time(self, b)?));
                X::new(Ty::Num, E::DiffMs(DAY, b.boxed(), a.boxed()))
            }
            ("TIMESTAMPDIFF", [unit_name, a, b]) => {
                let unit = unit(&unit_name.to_string(), unit_name.span())?;
                let (a, b) = (time(self, a)?.boxed(), time(self, b)?.boxed());
                X::new(
                    Ty::Num,
                    match unit {
                        Unit::Ms(ms) => E::DiffMs(ms, a, b),
                        Unit::Months(months) => E::DiffMonths(months, a, b),
                    },
                )
            }
            ("TIMESTAMPADD", [unit_name, count, x]) => {
                let (unit, count) = (unit(&unit_name.to_string(), unit_name.span())?, whole_number(count)?);
                add(time(self, x)?, unit, count, span)?
            }
            ("YEAR" | "MONTH" | "DAY" | "DAYOFMONTH" | "HOUR" | "MINUTE" | "SECOND" | "WEEKDAY", [x]) => {
                let part = part(name).expect("each is listed there");
                self.part(part, x)?
            }
            _ => return Ok(None),
        }))
    }

    fn now(&mut self, span: Span) -> X {
        self.reads.clock = true;
        self.clock_at.get_or_insert(span);
        X::new(Ty::Time, E::Now)
    }

    /// `x + INTERVAL n unit`, or minus.
    pub fn shifted(&mut self, x: &Expr, interval: &sql::Interval, minus: bool, span: Span) -> Got<X> {
        let sql::Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } =
            interval;
        let plain = leading_precision.is_none() && last_field.is_none() && fractional_seconds_precision.is_none();
        let (Some(field), true) = (leading_field, plain) else {
            return Err(Refused::at(value.span(), "an interval is a whole number and a unit: INTERVAL 30 DAY"));
        };
        let (unit, count) = (unit(&field.to_string(), value.span())?, whole_number(value)?);
        let got = self.expr(x)?;
        let got = compare::time(got, x.span())?;
        add(got, unit, if minus { -count } else { count }, span)
    }
}

fn unit(name: &str, span: Span) -> Got<Unit> {
    Ok(match name.to_uppercase().as_str() {
        "SECOND" => Unit::Ms(1000),
        "MINUTE" => Unit::Ms(60_000),
        "HOUR" => Unit::Ms(3_600_000),
        "DAY" => Unit::Ms(DAY),
        "WEEK" => Unit::Ms(7 * DAY),
        "MONTH" => Unit::Months(1),
        "QUARTER" => Unit::Months(3),
        "YEAR" => Unit::Months(12),
        _ => {
            let message =
                format!("the unit {name} cannot be used: SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER and YEAR can");
            return Err(Refused::at(span, message));
        }
    })
}

/// Dates far from now are not the same on every database, and nobody means them.
fn add(x: X, unit: Unit, count: i64, span: Span) -> Got<X> {
    let too_long = || Refused::at(span, "an interval is at most 100 years");
    let years = |span: i64, year: i64| if span.abs() <= 100 * year { Ok(span) } else { Err(too_long()) };
    Ok(X::new(
        Ty::Time,
        match unit {
            Unit::Ms(ms) => E::AddMs(x.boxed(), years(count.checked_mul(ms).ok_or_else(too_long)?, 366 * DAY)?),
            Unit::Months(months) => {
                E::AddMonths(x.boxed(), years(count.checked_mul(months).ok_or_else(too_long)?, 12)?)
            }
        },
    ))
}
