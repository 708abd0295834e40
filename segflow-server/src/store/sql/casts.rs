//! CAST: to numbers, text and dates.

use sqlparser::ast as sql;
use sqlparser::ast::{DataType, Expr, Spanned};

use super::compare;
use super::ir::{E, F, Ty, X};
use super::names::Lower;
use super::place::{Got, Refused};

impl Lower {
    pub fn cast(&mut self, x: &Expr, to: &DataType) -> Got<X> {
        let got = self.expr(x)?;
        let number = |got: X| compare::number(got, x.span());
        match to {
            DataType::Double(_) | DataType::DoublePrecision | DataType::Float(_) | DataType::Real => number(got),
            DataType::Signed
            | DataType::SignedInteger
            | DataType::BigInt(None)
            | DataType::Integer(None)
            | DataType::Int(None)
                if matches!(got.ty, Ty::Text | Ty::Json) =>
            {
                // Of text, MySQL takes the digits at the beginning; it rounds numbers.
                Ok(X::new(Ty::Num, E::Call(F::Whole, vec![got])))
            }
            DataType::Signed
            | DataType::SignedInteger
            | DataType::BigInt(None)
            | DataType::Integer(None)
            | DataType::Int(None) => {
                let zero = X::new(Ty::Num, E::Num("0".into()));
                Ok(X::new(Ty::Num, E::Call(F::Round, vec![number(got)?, zero])))
            }
            // DECIMAL(10, 2) rounds to two places; DECIMAL alone to none.
            DataType::Decimal(info) | DataType::Dec(info) | DataType::Numeric(info) => {
                let places = match info {
                    sql::ExactNumberInfo::PrecisionAndScale(_, places) => *places,
                    _ => 0,
                };
                if !(0..=9).contains(&places) {
                    return Err(Refused::at(x.span(), "DECIMAL can have 0 to 9 places here"));
                }
                Ok(X::new(Ty::Num, E::Call(F::Round, vec![number(got)?, X::new(Ty::Num, E::Num(places.to_string()))])))
            }
            DataType::Char(None) | DataType::Varchar(None) | DataType::Text => match got.ty {
                Ty::Text | Ty::Null => Ok(got),
                Ty::Json => Err(Refused::at(x.span(), "use ->> for the text of JSON")),
                Ty::Num => Ok(X::new(Ty::Text, E::ToText(got.boxed()))),
                ty => Err(Refused::at(x.span(), format!("{} cannot be made text on every database", ty.name()))),
            },
            DataType::Datetime(_) | DataType::Timestamp(..) => compare::time(got, x.span()),
            DataType::Date => Ok(X::new(Ty::Time, E::Day(compare::time(got, x.span())?.boxed()))),
            to => Err(Refused::at(
                x.span(),
                format!("CAST(… AS {to}) cannot be used: DOUBLE, SIGNED, DECIMAL, CHAR, DATE and DATETIME can"),
            )),
        }
    }
}
