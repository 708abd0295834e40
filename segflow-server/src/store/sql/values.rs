//! How each database writes literals, numbers, text and dates.

use super::ir::{E, F, Part, Piece, Ty, X};
use super::print::Printer;
use super::write::Dialect;

/// What text is taken for a date. `\z` because `$` lets a line feed pass.
const DATE: &str = "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?\\z";
const EPOCH: &str = "TIMESTAMP'1970-01-01 00:00:00'";

impl Printer {
    /// Text in quotes. MySQL's backslashes depend on a mode of the connection: text with one is written in hex.
    pub fn quoted(&self, text: &str) -> String {
        if self.sqlite() {
            return format!("'{}'", text.replace('\'', "''"));
        }
        if text.contains(['\\', '\'']) {
            let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
            return format!("_utf8mb4 X'{hex}'");
        }
        format!("_utf8mb4'{text}'")
    }

    /// Text that is compared byte for byte, whatever it is compared with.
    pub fn text(&self, text: &str) -> String {
        self.bytewise(self.quoted(text))
    }

    pub fn bytewise(&self, text: String) -> String {
        match self.dialect {
            Dialect::Sqlite => text,
            Dialect::MySql => format!("({text} COLLATE utf8mb4_0900_bin)"),
            Dialect::MariaDb => format!("(CONVERT({text} USING utf8mb4) COLLATE utf8mb4_nopad_bin)"),
        }
    }

    /// A number. What has a point is DECIMAL on MySQL, unless an exponent makes it a double.
    pub fn number(&self, digits: &str) -> String {
        let whole = digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') && digits.parse::<i64>().is_ok();
        if whole || digits.contains(['e', 'E']) { digits.into() } else { format!("{digits}e0") }
    }

    /// A number as a double, so that it divides and multiplies as one.
    pub fn real(&self, x: &X) -> String {
        let text = self.x(x);
        match x.e {
            E::ToNum(_) => text,
            _ if self.sqlite() => format!("CAST({text} AS REAL)"),
            _ => format!("({text} + 0e0)"),
        }
    }

    pub fn to_number(&self, x: &X) -> String {
        match (self.dialect, x.ty) {
            (_, Ty::Json) => self.json_number(x),
            (Dialect::Sqlite, Ty::Text) => format!("CAST({} AS REAL)", self.x(x)),
            (Dialect::Sqlite, _) => format!("({} + 0.0)", self.x(x)),
            _ => format!("({} + 0e0)", self.x(x)),
        }
    }

    pub fn to_text(&self, x: &X) -> String {
        let x = self.x(x);
        if self.sqlite() {
            // A whole number has no `.0` at its end on MySQL.
            return format!(
                "(CASE WHEN {x} = CAST({x} AS INTEGER) THEN CAST(CAST({x} AS INTEGER) AS TEXT) ELSE CAST({x} AS TEXT) END)"
            );
        }
        self.bytewise(format!("CAST(({x} + 0e0) AS CHAR)"))
    }

    pub fn like(&self, x: &X, pieces: &[Piece], negated: bool) -> String {
        let (x, not) = (self.x(x), if negated { "NOT " } else { "" });
        let glob = self.sqlite();
        let pattern: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Any => if glob { "*" } else { "%" }.into(),
                Piece::One => if glob { "?" } else { "_" }.into(),
                Piece::Char(c @ ('*' | '?' | '[')) if glob => format!("[{c}]"),
                Piece::Char(c @ ('%' | '_' | '!')) if !glob => format!("!{c}"),
                Piece::Char(c) => c.to_string(),
            })
            .collect();
        // SQLite's LIKE takes capitals for small letters; its GLOB does not.
        if glob {
            format!("({x} {not}GLOB {})", self.quoted(&pattern))
        } else {
            format!("({x} {not}LIKE {} ESCAPE '!')", self.text(&pattern))
        }
    }

    pub fn call(&self, f: F, args: &[X]) -> String {
        let plain = |name: &str| format!("{name}({})", self.list(args));
        let first = || self.x(&args[0]);
        let sqlite = self.sqlite();
        match f {
            F::Coalesce => plain("COALESCE"),
            F::NullIf => plain("NULLIF"),
            F::Lower => plain("LOWER"),
            F::Upper => plain("UPPER"),
            F::Trim => plain("TRIM"),
            F::LTrim => plain("LTRIM"),
            F::RTrim => plain("RTRIM"),
            F::Replace => plain("REPLACE"),
            F::Instr => plain("INSTR"),
            F::Abs => plain("ABS"),
            F::Bytes if sqlite => format!("length(CAST({} AS BLOB))", first()),
            F::Bytes => plain("LENGTH"),
            F::Chars => plain(if sqlite { "length" } else { "CHAR_LENGTH" }),
            F::Concat if sqlite => format!("({})", args.iter().map(|x| self.x(x)).collect::<Vec<_>>().join(" || ")),
            F::Concat => plain("CONCAT"),
            F::Substring if sqlite => match &args[1].e {
                // Before the beginning there is nothing on MySQL; SQLite begins at the beginning.
                E::Num(from) if from.starts_with('-') => {
                    format!("(CASE WHEN length({}) < {} THEN '' ELSE {} END)", first(), &from[1..], plain("substr"))
                }
                _ => plain("substr"),
            },
            F::Substring => plain("SUBSTRING"),
            F::Right if sqlite => format!("substr({}, -{})", first(), self.x(&args[1])),
            F::Right => plain("RIGHT"),
            F::Greatest => plain(if sqlite { "max" } else { "GREATEST" }),
            F::Least => plain(if sqlite { "min" } else { "LEAST" }),
            F::Floor if sqlite => {
                let x = first();
                format!("(CAST({x} AS INTEGER) - ({x} < CAST({x} AS INTEGER)))")
            }
            F::Ceil if sqlite => {
                let x = first();
                format!("(CAST({x} AS INTEGER) + ({x} > CAST({x} AS INTEGER)))")
            }
            F::Floor => plain("FLOOR"),
            F::Ceil => plain("CEILING"),
            F::Round => {
                let places = if let E::Num(places) = &args[1].e { places.parse().unwrap_or(0) } else { 0 };
                let power = 10_i64.pow(places);
                let x = first();
                if sqlite {
                    let size = format!("CAST(abs({x}) * {power} + 0.5 AS INTEGER)");
                    return format!("(CASE WHEN {x} < 0 THEN -1 ELSE 1 END * {size} / {power}.0)");
                }
                // MySQL rounds doubles to the even neighbour.
                format!("(SIGN({x}) * FLOOR(ABS({x} + 0e0) * {power} + 0.5e0) / {power})")
            }
            F::JsonLength => self.json_length(&args[0]),
            F::JsonValue => self.json_value(&args[0]),
            F::Whole => self.whole(&args[0]),
            F::ConcatWs => plain("CONCAT_WS"),
            F::FromUnix => {
                // Elsewhere MySQL has NULL.
                let (x, whole) = (first(), if sqlite { "INTEGER" } else { "SIGNED" });
                format!("(CASE WHEN {x} BETWEEN 0 AND 32536771199 THEN CAST(ROUND({x} * 1000) AS {whole}) END)")
            }
        }
    }

    /// MySQL's own datetime of ms.
    fn datetime(&self, x: &X) -> String {
        format!("TIMESTAMPADD(MICROSECOND, {} * 1000, {EPOCH})", self.x(x))
    }

    pub fn add_months(&self, x: &X, months: i64) -> String {
        if self.sqlite() {
            // `floor`: a month after 31 January is the last of February, as on MySQL.
            let x = self.x(x);
            return format!(
                "CAST(round(unixepoch({x} / 1000.0, 'unixepoch', '{months:+} months', 'floor', 'subsec') * 1000) AS INTEGER)"
            );
        }
        format!(
            "(TIMESTAMPDIFF(MICROSECOND, {EPOCH}, DATE_ADD({}, INTERVAL {months} MONTH)) DIV 1000)",
            self.datetime(x)
        )
    }

    pub fn part(&self, part: Part, x: &X) -> String {
        let (mysql, sqlite) = match part {
            Part::Year => ("YEAR", "%Y"),
            Part::Month => ("MONTH", "%m"),
            Part::Day => ("DAYOFMONTH", "%d"),
            Part::Hour => ("HOUR", "%H"),
            Part::Minute => ("MINUTE", "%M"),
            Part::Second => ("SECOND", "%S"),
            Part::Weekday => ("WEEKDAY", "%w"),
        };
        if !self.sqlite() {
            return format!("{mysql}({})", self.datetime(x));
        }
        let got = self.strftime(sqlite, &self.x(x));
        // SQLite's weeks begin on Sunday.
        if part == Part::Weekday { format!("(({got} + 6) % 7)") } else { got }
    }

    fn strftime(&self, format: &str, x: &str) -> String {
        format!("CAST(strftime('{format}', {x} / 1000.0, 'unixepoch') AS INTEGER)")
    }

    pub fn diff_months(&self, months: i64, a: &X, b: &X) -> String {
        if !self.sqlite() {
            return format!("(TIMESTAMPDIFF(MONTH, {}, {}) DIV {months})", self.datetime(a), self.datetime(b));
        }
        let (a, b) = (self.x(a), self.x(b));
        let month = |x: &str| format!("({} * 12 + {})", self.strftime("%Y", x), self.strftime("%m", x));
        let rest = |x: &str| format!("strftime('%d %H:%M:%f', {x} / 1000.0, 'unixepoch')");
        let (ma, mb, ra, rb) = (month(&a), month(&b), rest(&a), rest(&b));
        format!(
            "((CASE WHEN {b} >= {a} THEN {mb} - {ma} - ({rb} < {ra}) ELSE {mb} - {ma} + ({rb} > {ra}) END) / {months})"
        )
    }

    /// ms of text that is a date, as `times::instant` reads it.
    pub fn to_time(&self, x: &X) -> String {
        let t = self.x(x);
        if self.sqlite() {
            let (d, h) = ("[0-9]", "[0-2][0-9]:[0-5][0-9]");
            let day = format!("[1-9]{d}{d}{d}-{d}{d}-{d}{d}");
            let shape = format!("({t} GLOB '{day}' OR {t} GLOB '{day}[T ]{h}*')");
            // SQLite takes 24:00, offsets after blanks, and 30 February for 2 March.
            let sound =
                format!("substr({t}, 12, 2) < '24' AND substr({t}, 12) NOT GLOB '*[^0-9Z:.+-]*' AND length({t}) <= 35");
            let exists = format!("date(substr({t}, 1, 10)) = substr({t}, 1, 10)");
            return format!(
                "(CASE WHEN {shape} AND {sound} AND {exists} THEN CAST(round(unixepoch({t}, 'subsec') * 1000) AS INTEGER) END)"
            );
        }
        let local = format!("REGEXP_REPLACE({t}, '(Z|[+-][0-9]{{2}}:[0-9]{{2}})$', '')");
        let since = match self.dialect {
            // It cuts off where MySQL rounds.
            Dialect::MariaDb => {
                format!("FLOOR((TIMESTAMPDIFF(MICROSECOND, {EPOCH}, CAST({local} AS DATETIME(6))) + 500) / 1000)")
            }
            _ => format!("TIMESTAMPDIFF(MICROSECOND, {EPOCH}, CAST({local} AS DATETIME(3))) DIV 1000"),
        };
        let sign = format!("CASE SUBSTRING({t}, -6, 1) WHEN '+' THEN 1 WHEN '-' THEN -1 ELSE 0 END");
        let offset = format!(
            "CASE WHEN {t} LIKE '%T%:%' OR {t} LIKE '% %:%' THEN ({sign}) * (SUBSTRING({t}, -5, 2) * 60 + SUBSTRING({t}, -2)) * 60000 ELSE 0 END"
        );
        format!("(CASE WHEN {t} REGEXP {} THEN {since} - ({offset}) END)", self.text(DATE))
    }
}
