//! How each database takes JSON apart. MySQL knows types inside JSON; for SQLite and MariaDB they are asked for.

use super::ir::{E, F, Op, Step, Ty, X};
use super::print::Printer;
use super::write::Dialect;

impl Printer {
    pub fn path(&self, doc: &X, steps: &[Step]) -> String {
        let doc = self.x(doc);
        match (self.dialect, steps) {
            (_, []) => doc,
            (Dialect::Sqlite, _) => format!("({doc} -> {})", self.steps(steps)),
            _ => format!("JSON_EXTRACT({doc}, {})", self.steps(steps)),
        }
    }

    fn steps(&self, steps: &[Step]) -> String {
        let each = steps.iter().map(|step| match step {
            Step::Key(key) => format!(".\"{key}\""),
            Step::Index(index) => format!("[{index}]"),
        });
        self.quoted(&format!("${}", each.collect::<String>()))
    }

    /// The document and path that a function of SQLite takes.
    fn place(&self, x: &X) -> String {
        match &x.e {
            E::Path(doc, steps) => format!("{}, {}", self.x(doc), self.steps(steps)),
            _ => format!("{}, '$'", self.x(x)),
        }
    }

    pub fn json_type(&self, x: &X) -> String {
        if self.sqlite() { format!("json_type({})", self.place(x)) } else { format!("JSON_TYPE({})", self.x(x)) }
    }

    pub fn unquote(&self, x: &X) -> String {
        if self.sqlite() {
            let place = self.place(x);
            // SQLite's own `->>` makes 1 of true and NULL of null.
            let (ty, value) = (format!("json_type({place})"), format!("json_extract({place})"));
            return format!("(CASE WHEN {ty} IN ('true', 'false', 'null') THEN {ty} ELSE CAST({value} AS TEXT) END)");
        }
        self.bytewise(format!("JSON_UNQUOTE({})", self.x(x)))
    }

    /// The same, but JSON's null is NULL.
    pub fn json_value(&self, x: &X) -> String {
        let (ty, null) = (self.json_type(x), if self.sqlite() { "null" } else { "NULL" });
        format!("(CASE WHEN {ty} <> '{null}' THEN {} END)", self.unquote(x))
    }

    pub fn whole(&self, x: &X) -> String {
        let text = |text: String| format!("CAST({text} AS {})", if self.sqlite() { "INTEGER" } else { "SIGNED" });
        if x.ty != Ty::Json {
            return text(self.x(x));
        }
        let string = if self.sqlite() { "text" } else { "STRING" };
        let number = X::new(Ty::Num, E::ToNum(x.clone().boxed()));
        let rounded = self.call(F::Round, &[number, X::new(Ty::Num, E::Num("0".into()))]);
        format!("(CASE WHEN {} = '{string}' THEN {} ELSE {rounded} END)", self.json_type(x), text(self.unquote(x)))
    }

    pub fn json_number(&self, x: &X) -> String {
        match self.dialect {
            // JSON's null is 0, as on MySQL; what is not there is NULL.
            Dialect::Sqlite => {
                let place = self.place(x);
                format!("(CASE json_type({place}) WHEN 'null' THEN 0.0 ELSE CAST(json_extract({place}) AS REAL) END)")
            }
            Dialect::MySql => format!("({} + 0e0)", self.x(x)),
            Dialect::MariaDb => {
                let doc = self.x(x);
                format!("(CASE JSON_TYPE({doc}) WHEN 'BOOLEAN' THEN {doc} = 'true' ELSE JSON_UNQUOTE({doc}) + 0e0 END)")
            }
        }
    }

    /// JSON beside a number, text, TRUE or FALSE. Values of other types are never equal to it, and are ordered by type, as on MySQL:
    /// null, numbers, text, then the others.
    pub fn json_compare(&self, op: Op, doc: &X, other: &X) -> String {
        let (sign, x) = (self.op(op), self.x(other));
        if self.dialect == Dialect::MySql {
            return format!("({} {sign} {x})", self.x(doc));
        }
        let ty = self.json_type(doc);
        let value = match (self.sqlite(), other.ty) {
            (true, _) => format!("json_extract({})", self.place(doc)),
            (false, Ty::Num) => format!("(JSON_UNQUOTE({}) + 0e0)", self.x(doc)),
            (false, _) => self.unquote(doc),
        };
        let numbers = if self.sqlite() { "('integer', 'real')" } else { "('INTEGER', 'DOUBLE')" };
        let same = match other.ty {
            Ty::Num => format!("{ty} IN {numbers}"),
            Ty::Text => format!("{ty} = '{}'", if self.sqlite() { "text" } else { "STRING" }),
            _ if self.sqlite() => format!("{ty} IN ('true', 'false')"),
            _ => format!("{ty} = 'BOOLEAN'"),
        };
        let holds = match (&other.e, self.sqlite()) {
            (E::Bool(value), true) => format!("{ty} = '{value}'"),
            (E::Bool(value), false) => format!("({} = '{value}')", self.x(doc)),
            _ => format!("{value} {sign} {x}"),
        };
        match op {
            Op::Eq => format!("({same} AND {holds})"),
            Op::Ne if other.ty == Ty::Bool => format!("(NOT ({same} AND {holds}))"),
            Op::Ne => format!("(CASE WHEN {same} THEN {holds} WHEN {ty} IS NOT NULL THEN TRUE END)"),
            _ => {
                let (less, more) = if matches!(op, Op::Lt | Op::Le) { ("TRUE", "FALSE") } else { ("FALSE", "TRUE") };
                let below = match (other.ty, self.sqlite()) {
                    (Ty::Num, true) => "('null')",
                    (Ty::Num, false) => "('NULL')",
                    (_, true) => "('null', 'integer', 'real')",
                    (_, false) => "('NULL', 'INTEGER', 'DOUBLE')",
                };
                format!(
                    "(CASE WHEN {same} THEN {holds} WHEN {ty} IN {below} THEN {less} WHEN {ty} IS NOT NULL THEN {more} END)"
                )
            }
        }
    }

    pub fn json_length(&self, x: &X) -> String {
        if !self.sqlite() {
            return format!("JSON_LENGTH({})", self.x(x));
        }
        let place = self.place(x);
        let ty = format!("json_type({place})");
        let keys = format!("(SELECT COUNT(*) FROM json_each({place}))");
        format!(
            "(CASE {ty} WHEN 'array' THEN json_array_length({place}) WHEN 'object' THEN {keys} ELSE CASE WHEN {ty} IS NOT NULL THEN 1 END END)"
        )
    }

    /// Whether a written value is in a JSON array, or is the JSON value itself.
    pub fn member(&self, doc: &X, value: &X) -> String {
        if !self.sqlite() {
            let json = match &value.e {
                E::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
                E::Num(digits) => digits.clone(),
                E::Bool(value) => value.to_string(),
                _ => "null".into(),
            };
            return format!("JSON_CONTAINS({}, {})", self.x(doc), self.quoted(&json));
        }
        let place = self.place(doc);
        let found = match &value.e {
            E::Text(text) => format!("segflow_j.type = 'text' AND segflow_j.value = {}", self.quoted(text)),
            E::Num(digits) => {
                format!("segflow_j.type IN ('integer', 'real') AND segflow_j.value = {}", self.number(digits))
            }
            E::Bool(value) => format!("segflow_j.type = '{value}'"),
            _ => "FALSE".into(),
        };
        let each = format!("EXISTS (SELECT 1 FROM json_each({place}) AS segflow_j WHERE {found})");
        format!(
            "(CASE json_type({place}) WHEN 'object' THEN FALSE ELSE CASE WHEN json_type({place}) IS NOT NULL THEN {each} END END)"
        )
    }
}
