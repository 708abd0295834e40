//! Which of two classes wins: the one that Tailwind writes later, whatever the order in the string.
//!
//! Tailwind sorts utilities by the first property they set, in the order below, then those with more properties first, then by name.

use std::cmp::Ordering;

/// Those of Tailwind's `property-order` that occur here. Names like `padding-inline` stand for what we write as two sides.
const PROPERTIES: &[&str] = &[
    "margin",
    "margin-inline",
    "margin-block",
    "margin-top",
    "margin-right",
    "margin-bottom",
    "margin-left",
    "display",
    "size",
    "height",
    "max-height",
    "min-height",
    "width",
    "max-width",
    "min-width",
    "table-layout",
    "border-collapse",
    "list-style-type",
    "overflow",
    "border-radius",
    "border-top-radius",
    "border-right-radius",
    "border-bottom-radius",
    "border-left-radius",
    "border-top-left-radius",
    "border-top-right-radius",
    "border-bottom-right-radius",
    "border-bottom-left-radius",
    "border-width",
    "border-inline-width",
    "border-block-width",
    "border-top-width",
    "border-right-width",
    "border-bottom-width",
    "border-left-width",
    "border-style",
    "border-color",
    "border-inline-color",
    "border-block-color",
    "border-top-color",
    "border-right-color",
    "border-bottom-color",
    "border-left-color",
    "background-color",
    "padding",
    "padding-inline",
    "padding-block",
    "padding-top",
    "padding-right",
    "padding-bottom",
    "padding-left",
    "text-align",
    "vertical-align",
    "font-family",
    "font-size",
    "line-height",
    "font-weight",
    "letter-spacing",
    "overflow-wrap",
    "word-break",
    "white-space",
    "color",
    "text-transform",
    "font-style",
    "text-decoration-line",
];

/// What a class is sorted by.
pub fn compare(a: (&str, &str, usize), b: (&str, &str, usize)) -> Ordering {
    let rank = |property: &str| PROPERTIES.iter().position(|known| *known == property).unwrap_or(PROPERTIES.len());
    rank(a.0).cmp(&rank(b.0)).then(b.2.cmp(&a.2)).then_with(|| natural(a.1, b.1))
}

/// By characters, runs of digits by their value: `p-4` before `p-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let run = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
            let number = |s: &[u8]| s.iter().fold(0u64, |n, c| n.saturating_mul(10) + u64::from(c - b'0'));
            let (i, j) = (run(a), run(b));
            match number(&a[..i]).cmp(&number(&b[..j])) {
                Ordering::Equal => (a, b) = (&a[i..], &b[j..]),
                unequal => return unequal,
            }
        } else if x == y {
            (a, b) = (&a[1..], &b[1..]);
        } else {
            return x.cmp(y);
        }
    }
    a.len().cmp(&b.len())
}
