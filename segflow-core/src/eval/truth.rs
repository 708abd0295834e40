//! The truth table: the one that `docs/segments.md` shows is made here, and each of its rows is tried.

use segflow_protocol::{Cond, Events, Expr, Field, Measure, Test, TimeTest, Type, Which};
use serde_json::{Value, json};

use super::tests::World;
use super::*;

/// One row: what there is, what is asked, whether it holds.
type Row = (Value, Test, bool);

/// Missing where it is null: JSON's null counts as missing, and a row says so.
fn values() -> Vec<(&'static str, Vec<Row>)> {
    let missing = Value::Null;
    let huge = json!(9_007_199_254_740_993_i64);
    vec![
        (
            "Missing, or null",
            vec![
                (missing.clone(), Test::Exists, false),
                (missing.clone(), Test::Eq(json!(null)), false),
                (missing.clone(), Test::Eq(json!(0)), false),
                (missing.clone(), Test::Eq(json!("")), false),
                (missing.clone(), Test::Ne(json!(0)), true),
                (missing.clone(), Test::Lt(json!(1)), false),
                (missing.clone(), Test::Ge(json!(0)), false),
                (missing.clone(), Test::OneOf(vec![json!("a")]), false),
                (missing, Test::Contains(json!("a")), false),
                (json!(false), Test::Exists, true),
                (json!(0), Test::Exists, true),
                (json!(""), Test::Exists, true),
                (json!([]), Test::Exists, true),
            ],
        ),
        (
            "Another type, and numbers in strings",
            vec![
                (json!("1"), Test::Eq(json!(1)), false),
                (json!("1"), Test::Ne(json!(1)), true),
                (json!("10"), Test::Gt(json!(9)), false),
                (json!(10), Test::Gt(json!("9")), false),
                (json!("10"), Test::Gt(json!("9")), false),
                (json!(true), Test::Eq(json!("true")), false),
                (json!(true), Test::Eq(json!(1)), false),
                (json!(true), Test::Eq(json!(true)), true),
                (json!(true), Test::Gt(json!(false)), false),
                (json!({"a": 1}), Test::Gt(json!(0)), false),
            ],
        ),
        (
            "Numbers: decimals, negative, huge",
            vec![
                (json!(1), Test::Eq(json!(1.0)), true),
                (json!(0.1), Test::Eq(json!(0.10)), true),
                (json!(-0.0), Test::Eq(json!(0)), true),
                (json!(-3), Test::Lt(json!(-2.5)), true),
                (json!(2), Test::Le(json!(2)), true),
                (json!(2), Test::Ge(json!(2.0)), true),
                (json!(19.99), Test::Lt(json!(20)), true),
                (huge.clone(), Test::Gt(json!(9_007_199_254_740_992_i64)), true),
                (huge, Test::Eq(json!(9_007_199_254_740_992_i64)), false),
                (json!(u64::MAX), Test::Gt(json!(i64::MIN)), true),
                (json!(1e300), Test::Gt(json!(u64::MAX)), true),
                (json!(1e3), Test::Eq(json!(1000)), true),
                (json!(1e-3), Test::Eq(json!(0.001)), true),
                (json!(1.5e300), Test::Lt(json!(1.6e300)), true),
                (json!(5), Test::OneOf(vec![json!(4), json!(5.0)]), true),
                (json!(5), Test::OneOf(vec![json!("5")]), false),
                (json!(12), Test::Contains(json!(2)), false),
            ],
        ),
        (
            "Strings: case, unicode, dates",
            vec![
                (json!("gold"), Test::OneOf(vec![json!("gold"), json!("silver")]), true),
                (json!("Gold"), Test::OneOf(vec![json!("gold")]), false),
                (json!("gold "), Test::Eq(json!("gold")), false),
                (json!("b"), Test::Gt(json!("a")), true),
                (json!("B"), Test::Lt(json!("a")), true),
                (json!("é"), Test::Gt(json!("z")), true),
                // One letter, and a letter with an accent after it.
                (json!("\u{e9}"), Test::Eq(json!("e\u{301}")), false),
                (json!("🦊"), Test::Eq(json!("🦊")), true),
                (json!("straße"), Test::Contains(json!("aß")), true),
                (json!("a,b"), Test::Contains(json!(",")), true),
                (json!("Gold"), Test::Contains(json!("gold")), false),
                (json!("a1"), Test::Contains(json!(1)), false),
                (json!("a"), Test::Contains(json!("")), true),
                (json!("2026-01-31"), Test::Lt(json!("2026-02-01")), true),
                (json!("2026-01-31T09:00:00Z"), Test::Ge(json!("2026-01-31")), true),
                (json!("2026-1-31"), Test::Lt(json!("2026-02-01")), false),
                (json!("2026-01-31T09:00:00+02:00"), Test::Lt(json!("2026-01-31T08:00:00Z")), false),
            ],
        ),
        (
            "Arrays and objects",
            vec![
                (json!(["a", "b"]), Test::Contains(json!("b")), true),
                (json!(["ab"]), Test::Contains(json!("b")), false),
                (json!([1, 2]), Test::Contains(json!(2.0)), true),
                (json!([[1]]), Test::Contains(json!(1)), false),
                (json!([null]), Test::Contains(json!(null)), true),
                (json!(["Gold"]), Test::Contains(json!("gold")), false),
                (json!(["1"]), Test::Contains(json!(1)), false),
                (json!({"a": 1}), Test::Contains(json!("a")), false),
                (json!([{"a": 1}]), Test::Contains(json!({"a": 1.0})), true),
                (json!([1, 2]), Test::Eq(json!([1.0, 2])), true),
                (json!([1, 2]), Test::Eq(json!([2, 1])), false),
                (json!({"a": 1, "b": 2}), Test::Eq(json!({"b": 2, "a": 1})), true),
                (json!({"a": 1}), Test::Eq(json!({"a": 1, "b": 2})), false),
            ],
        ),
    ]
}

/// Attributes, a path, what is asked, whether it holds. `plan` is declared with the default `"free"`.
fn paths() -> Vec<(Value, &'static str, Test, bool)> {
    let city = json!({"address": {"city": "Ulm"}});
    vec![
        (city.clone(), "address.city", Test::Eq(json!("Ulm")), true),
        (city.clone(), "address.zip", Test::Exists, false),
        (city.clone(), "address.city.zip", Test::Exists, false),
        (city, "address", Test::Exists, true),
        (json!({"tags": ["a"]}), "tags.0", Test::Exists, false),
        (json!({"address": null}), "address.city", Test::Ne(json!("Ulm")), true),
        (json!({}), "plan", Test::Eq(json!("free")), true),
        (json!({"plan": null}), "plan", Test::Eq(json!("free")), true),
        (json!({}), "plan", Test::Exists, true),
        (json!({"plan": ""}), "plan", Test::Eq(json!("free")), false),
        (json!({"plan": 1}), "plan", Test::Eq(json!("free")), false),
    ]
}

const DAY: i64 = 86_400_000;

/// Their `value`, and how long ago in ms.
type Purchases = Vec<(Value, i64)>;

/// Purchases, what is asked, whether it holds, and in how long time alone may change that.
fn events() -> Vec<(Purchases, Expr, bool, Option<i64>)> {
    let purchases = |within| Events { name: "purchase".into(), filter: None, within };
    let measured = |events: Events, measure: Measure, is: Test| Expr::Measure { events, measure, is };
    let value = || vec!["value".to_string()];
    let count = |within, is| measured(purchases(within), Measure::Count, is);
    let sum = |is| measured(purchases(None), Measure::Sum(value()), is);
    let when = |which, is, or_never| Expr::When { events: purchases(None), which, is, or_never };
    let old = |or_never| when(Which::Last, TimeTest::OlderThan(30 * DAY), or_never);
    let fresh = |or_never| when(Which::Last, TimeTest::Within(30 * DAY), or_never);
    let over_five = Cond::At { path: value(), is: Test::Gt(json!(5)) };
    let big = Events { filter: Some(over_five), ..purchases(None) };
    let aging = || vec![(json!(10), 6 * DAY), (json!(5), 3 * DAY), (json!(100), 8 * DAY)];
    let mixed = || vec![(json!(10), DAY), (json!("20"), DAY), (json!(0.5), DAY), (Value::Null, DAY)];
    vec![
        (vec![], count(None, Test::Eq(json!(0))), true, None),
        (vec![], sum(Test::Eq(json!(0))), true, None),
        (vec![], measured(purchases(None), Measure::Min(value()), Test::Ge(json!(0))), false, None),
        (vec![], measured(purchases(None), Measure::Max(value()), Test::Exists), false, None),
        (mixed(), count(None, Test::Eq(json!(4))), true, None),
        (mixed(), sum(Test::Eq(json!(10.5))), true, None),
        (mixed(), measured(purchases(None), Measure::Max(value()), Test::Eq(json!(10))), true, None),
        (mixed(), measured(big, Measure::Count, Test::Eq(json!(1))), true, None),
        // Sums of fractions are doubles, as everywhere: 0.30000000000000004.
        (vec![(json!(0.1), DAY), (json!(0.2), DAY)], sum(Test::Eq(json!(0.3))), false, None),
        (vec![(json!(0.25), DAY), (json!(0.5), DAY)], sum(Test::Eq(json!(0.75))), true, None),
        (vec![(json!(-5), DAY), (json!(3), DAY)], sum(Test::Lt(json!(0))), true, None),
        (vec![(json!(i64::MAX), DAY), (json!(1), DAY)], sum(Test::Gt(json!(i64::MAX - 1024))), true, None),
        (vec![(json!(1), 7 * DAY - 1)], count(Some(7 * DAY), Test::Eq(json!(1))), true, Some(1)),
        (vec![(json!(1), 7 * DAY)], count(Some(7 * DAY), Test::Eq(json!(1))), false, None),
        (vec![(json!(1), -DAY)], count(None, Test::Eq(json!(0))), true, Some(DAY)),
        (vec![], old(false), false, None),
        (vec![], old(true), true, None),
        (vec![(json!(1), 30 * DAY)], old(false), true, None),
        (vec![(json!(1), 29 * DAY)], old(true), false, Some(DAY)),
        (vec![(json!(1), 40 * DAY), (json!(1), 29 * DAY)], old(false), false, Some(DAY)),
        (vec![], fresh(false), false, None),
        (vec![], fresh(true), true, None),
        (vec![(json!(1), 29 * DAY)], fresh(false), true, Some(DAY)),
        (vec![(json!(1), 30 * DAY)], fresh(false), false, None),
        (vec![(json!(1), -DAY)], old(true), true, Some(DAY)),
        (
            vec![(json!(1), 40 * DAY), (json!(1), DAY)],
            when(Which::First, TimeTest::OlderThan(30 * DAY), false),
            true,
            None,
        ),
        (
            vec![(json!(1), 40 * DAY), (json!(1), DAY)],
            when(Which::First, TimeTest::Within(30 * DAY), false),
            false,
            None,
        ),
        (
            vec![(json!(1), 29 * DAY), (json!(1), DAY)],
            when(Which::First, TimeTest::Within(30 * DAY), false),
            true,
            Some(DAY),
        ),
        (vec![], when(Which::First, TimeTest::Within(30 * DAY), true), true, None),
        // What leaves the window takes its value along.
        (aging(), measured(purchases(Some(7 * DAY)), Measure::Sum(value()), Test::Ge(json!(15))), true, Some(DAY)),
        (aging(), measured(purchases(Some(7 * DAY)), Measure::Max(value()), Test::Ge(json!(10))), true, Some(DAY)),
        (aging(), measured(purchases(Some(7 * DAY)), Measure::Min(value()), Test::Le(json!(5))), true, Some(DAY)),
        (aging(), measured(purchases(Some(7 * DAY)), Measure::Min(value()), Test::Exists), true, Some(DAY)),
        (aging(), Expr::All(vec![]), true, None),
        (aging(), Expr::Any(vec![]), false, None),
    ]
}

/// A value with what there is to see of it: combining marks are spelt out.
fn shown(value: &Value) -> String {
    if value.is_null() { "missing, or `null`".into() } else { format!("`{value}`").replace('\u{301}', "\\u0301") }
}

fn asked(expr: &Expr) -> String {
    format!("`{}`", rule(expr)).replace('\u{301}', "\\u0301")
}

fn mark(holds: bool) -> &'static str {
    if holds { "✓" } else { "" }
}

fn at(path: &str, is: &Test) -> Expr {
    Expr::User(Cond::At { path: path.split('.').map(String::from).collect(), is: is.clone() })
}

fn lines() -> Vec<String> {
    let mut lines = vec![];
    for (title, rows) in values() {
        lines.extend([format!("| {title}: `x` is | asked | holds |"), "|---|---|---|".into()]);
        lines
            .extend(rows.iter().map(|(value, is, holds)| {
                format!("| {} | {} | {} |", shown(value), asked(&at("x", is)), mark(*holds))
            }));
        lines.push(String::new());
    }
    lines.extend(["| Paths and defaults: the attributes are | asked | holds |".into(), "|---|---|---|".into()]);
    lines.extend(paths().iter().map(|(attributes, path, is, holds)| {
        format!("| {} | {} | {} |", shown(attributes), asked(&at(path, is)), mark(*holds))
    }));
    lines.push(String::new());
    lines.extend([
        "| Events: purchases, as `value` and age | asked | holds | until |".into(),
        "|---|---|---|---|".into(),
    ]);
    lines.extend(events().iter().map(|(all, expr, holds, flip)| {
        let event = |(value, ago): &(Value, i64)| {
            let time =
                if *ago < 0 { format!("in {}", explain::span(-ago)) } else { format!("{} ago", explain::span(*ago)) };
            format!("`{value}` {time}")
        };
        let all = if all.is_empty() { "none".into() } else { all.iter().map(event).collect::<Vec<_>>().join(", ") };
        let flip = flip.map_or(String::new(), |ms| format!("in {}", explain::span(ms)));
        format!("| {all} | {} | {} | {flip} |", asked(expr), mark(*holds))
    }));
    lines
}

#[test]
fn every_row_holds() {
    for (value, is, holds) in values().into_iter().flat_map(|(_, rows)| rows) {
        let worlds = match value {
            Value::Null => vec![json!({}), json!({ "x": null })],
            ref value => vec![json!({ "x": value })],
        };
        for attributes in worlds {
            let attributes = attributes.as_object().expect("an object").clone();
            let verdict = evaluate(&at("x", &is), &World { attributes, ..World::default() });
            assert_eq!(verdict, Verdict { holds, flip: None }, "{value} {is:?}");
        }
    }
    let plan = || Field { name: "plan".into(), ty: Type::String, required: false, default: Some(json!("free")) };
    for (attributes, path, is, holds) in paths() {
        let attributes = attributes.as_object().expect("an object").clone();
        let world = World { attributes: attributes.clone(), fields: vec![plan()], ..World::default() };
        assert_eq!(evaluate(&at(path, &is), &world).holds, holds, "{attributes:?} {path} {is:?}");
    }
    let now = 1_000 * DAY;
    for (all, expr, holds, flip) in events() {
        let event = |(value, ago): &(Value, i64)| EventFact {
            occurred_at: now - ago,
            attributes: Object::from_iter([("value".to_string(), value.clone())]),
        };
        let facts = [("purchase".to_string(), all.iter().map(event).collect())].into();
        let verdict = evaluate(&expr, &World { events: facts, now, ..World::default() });
        assert_eq!(verdict, Verdict { holds, flip: flip.map(|ms| now + ms) }, "{all:?} {expr:?}");
    }
}

#[test]
fn the_documentation_shows_these_rows() {
    let page = include_str!("../../../docs/segments.md");
    let (_, rest) =
        page.split_once("<!-- the truth table: made by segflow-core/src/eval/truth.rs -->\n").expect("it begins");
    let (table, _) = rest.split_once("\n<!-- its end -->").expect("it ends");
    let lines = lines().join("\n");
    assert!(table.trim() == lines.trim(), "docs/segments.md has to show:\n\n{lines}\n");
}
