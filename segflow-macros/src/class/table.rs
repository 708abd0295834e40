//! The classes that mail clients understand, and what each of them sets.

use super::palette;
use super::theme::{Theme, is_color};
use super::value::{self, Value};

/// What one class means.
#[derive(Debug, Clone, PartialEq)]
pub struct Utility {
    /// The property it is sorted by among others.
    pub sorts_as: &'static str,
    /// How many properties Tailwind's own class sets.
    pub count: usize,
    pub declarations: Vec<(&'static str, String)>,
}

fn one(property: &'static str, value: impl Into<String>) -> Option<Utility> {
    Some(Utility { sorts_as: property, count: 1, declarations: vec![(property, value.into())] })
}

fn many(sorts_as: &'static str, count: usize, properties: &[&'static str], value: &str) -> Option<Utility> {
    let declarations = properties.iter().map(|property| (*property, value.to_string())).collect();
    Some(Utility { sorts_as, count, declarations })
}

/// Classes that are one word.
#[rustfmt::skip]
pub const WORDS: &[(&str, &str, &str)] = &[
    ("block", "display", "block"), ("inline-block", "display", "inline-block"), ("inline", "display", "inline"),
    ("hidden", "display", "none"), ("table", "display", "table"), ("table-cell", "display", "table-cell"),
    ("table-row", "display", "table-row"), ("table-auto", "table-layout", "auto"), ("table-fixed", "table-layout", "fixed"),
    ("border-collapse", "border-collapse", "collapse"), ("border-separate", "border-collapse", "separate"),
    ("overflow-hidden", "overflow", "hidden"), ("overflow-visible", "overflow", "visible"),
    ("text-left", "text-align", "left"), ("text-center", "text-align", "center"), ("text-right", "text-align", "right"),
    ("text-justify", "text-align", "justify"),
    ("align-baseline", "vertical-align", "baseline"), ("align-top", "vertical-align", "top"),
    ("align-middle", "vertical-align", "middle"), ("align-bottom", "vertical-align", "bottom"),
    ("italic", "font-style", "italic"), ("not-italic", "font-style", "normal"),
    ("underline", "text-decoration-line", "underline"), ("overline", "text-decoration-line", "overline"),
    ("line-through", "text-decoration-line", "line-through"), ("no-underline", "text-decoration-line", "none"),
    ("uppercase", "text-transform", "uppercase"), ("lowercase", "text-transform", "lowercase"),
    ("capitalize", "text-transform", "capitalize"), ("normal-case", "text-transform", "none"),
    ("font-thin", "font-weight", "100"), ("font-extralight", "font-weight", "200"), ("font-light", "font-weight", "300"),
    ("font-normal", "font-weight", "400"), ("font-medium", "font-weight", "500"), ("font-semibold", "font-weight", "600"),
    ("font-bold", "font-weight", "700"), ("font-extrabold", "font-weight", "800"), ("font-black", "font-weight", "900"),
    ("leading-none", "line-height", "1"), ("leading-tight", "line-height", "1.25"), ("leading-snug", "line-height", "1.375"),
    ("leading-normal", "line-height", "1.5"), ("leading-relaxed", "line-height", "1.625"), ("leading-loose", "line-height", "2"),
    ("tracking-tighter", "letter-spacing", "-0.05em"), ("tracking-tight", "letter-spacing", "-0.025em"),
    ("tracking-normal", "letter-spacing", "0"), ("tracking-wide", "letter-spacing", "0.025em"),
    ("tracking-wider", "letter-spacing", "0.05em"), ("tracking-widest", "letter-spacing", "0.1em"),
    ("whitespace-normal", "white-space", "normal"), ("whitespace-nowrap", "white-space", "nowrap"),
    ("whitespace-pre", "white-space", "pre"), ("whitespace-pre-line", "white-space", "pre-line"),
    ("whitespace-pre-wrap", "white-space", "pre-wrap"),
    ("break-all", "word-break", "break-all"), ("break-keep", "word-break", "keep-all"),
    ("wrap-break-word", "overflow-wrap", "break-word"), ("break-words", "overflow-wrap", "break-word"),
    ("list-none", "list-style-type", "none"), ("list-disc", "list-style-type", "disc"),
    ("list-decimal", "list-style-type", "decimal"),
];

/// Sizes in px and the height of their lines.
const TEXT: [(&str, u32, u32); 13] = [
    ("xs", 12, 16),
    ("sm", 14, 20),
    ("base", 16, 24),
    ("lg", 18, 28),
    ("xl", 20, 28),
    ("2xl", 24, 32),
    ("3xl", 30, 36),
    ("4xl", 36, 40),
    ("5xl", 48, 48),
    ("6xl", 60, 60),
    ("7xl", 72, 72),
    ("8xl", 96, 96),
    ("9xl", 128, 128),
];

pub const RADII: [(&str, &str); 11] = [
    ("", "4px"),
    ("-none", "0"),
    ("-xs", "2px"),
    ("-sm", "4px"),
    ("-md", "6px"),
    ("-lg", "8px"),
    ("-xl", "12px"),
    ("-2xl", "16px"),
    ("-3xl", "24px"),
    ("-4xl", "32px"),
    ("-full", "9999px"),
];

const TL: &str = "border-top-left-radius";
const TR: &str = "border-top-right-radius";
const BR: &str = "border-bottom-right-radius";
const BL: &str = "border-bottom-left-radius";

/// Beginnings of classes that take a size, with what they are sorted by and what they set. The longest that fits counts.
#[rustfmt::skip]
const SIZED: &[(&str, &str, &[&str])] = &[
    ("p", "padding", &["padding-top", "padding-right", "padding-bottom", "padding-left"]),
    ("px", "padding-inline", &["padding-left", "padding-right"]), ("py", "padding-block", &["padding-top", "padding-bottom"]),
    ("pt", "padding-top", &["padding-top"]), ("pr", "padding-right", &["padding-right"]),
    ("pb", "padding-bottom", &["padding-bottom"]), ("pl", "padding-left", &["padding-left"]),
    ("m", "margin", &["margin-top", "margin-right", "margin-bottom", "margin-left"]),
    ("mx", "margin-inline", &["margin-left", "margin-right"]), ("my", "margin-block", &["margin-top", "margin-bottom"]),
    ("mt", "margin-top", &["margin-top"]), ("mr", "margin-right", &["margin-right"]),
    ("mb", "margin-bottom", &["margin-bottom"]), ("ml", "margin-left", &["margin-left"]),
    ("w", "width", &["width"]), ("min-w", "min-width", &["min-width"]), ("max-w", "max-width", &["max-width"]),
    ("h", "height", &["height"]), ("min-h", "min-height", &["min-height"]), ("max-h", "max-height", &["max-height"]),
    ("size", "size", &["width", "height"]),
];

#[rustfmt::skip]
const SIDES: &[(&str, &str, &str, &[&str])] = &[
    ("border", "border-width", "border-color", &["top", "right", "bottom", "left"]),
    ("border-x", "border-inline-width", "border-inline-color", &["left", "right"]),
    ("border-y", "border-block-width", "border-block-color", &["top", "bottom"]),
    ("border-t", "border-top-width", "border-top-color", &["top"]),
    ("border-r", "border-right-width", "border-right-color", &["right"]),
    ("border-b", "border-bottom-width", "border-bottom-color", &["bottom"]),
    ("border-l", "border-left-width", "border-left-color", &["left"]),
];

#[rustfmt::skip]
const CORNERS: &[(&str, &str, &[&str])] = &[
    ("rounded", "border-radius", &[TL, TR, BR, BL]),
    ("rounded-t", "border-top-radius", &[TL, TR]), ("rounded-r", "border-right-radius", &[TR, BR]),
    ("rounded-b", "border-bottom-radius", &[BR, BL]), ("rounded-l", "border-left-radius", &[TL, BL]),
    ("rounded-tl", TL, &[TL]), ("rounded-tr", TR, &[TR]), ("rounded-br", BR, &[BR]), ("rounded-bl", BL, &[BL]),
];

/// What a class means; `None` if it is not here.
pub fn utility(name: &str, theme: &Theme) -> Option<Utility> {
    if let Some((_, property, value)) = WORDS.iter().find(|(word, ..)| *word == name) {
        return one(property, *value);
    }
    text(name, theme)
        .or_else(|| name.strip_prefix("bg-").and_then(|rest| one("background-color", color(rest, theme)?)))
        .or_else(|| border(name, theme))
        .or_else(|| corners(name, theme))
        .or_else(|| name.strip_prefix("leading-").and_then(leading))
        .or_else(|| name.strip_prefix("tracking-").and_then(tracking))
        .or_else(|| name.strip_prefix("font-").and_then(|rest| font(rest, theme)))
        .or_else(|| sized(name, theme))
}

fn color(name: &str, theme: &Theme) -> Option<String> {
    if let Some(color) = theme.colors.get(name) {
        return Some(value::six_digits(color));
    }
    match name {
        "black" => Some("#000000".into()),
        "white" => Some("#ffffff".into()),
        "transparent" => Some("transparent".into()),
        "inherit" => Some("inherit".into()),
        _ => match value::arbitrary(name) {
            Some(color) => is_color(color).then(|| value::six_digits(color)),
            None => palette::color(name).map(|rgb| format!("#{rgb:06x}")),
        },
    }
}

fn text(name: &str, theme: &Theme) -> Option<Utility> {
    let rest = name.strip_prefix("text-")?;
    let (size, height) = rest.split_once('/').map_or((rest, None), |(size, height)| (size, Some(height)));
    let sized = |size: String, height: String| {
        let declarations = vec![("font-size", size), ("line-height", height)];
        Some(Utility { sorts_as: "font-size", count: 2, declarations })
    };
    let height = match height {
        Some(height) => Some(leading(height)?.declarations.remove(0).1),
        None => None,
    };
    if let Some((_, px, own)) = TEXT.iter().find(|(known, ..)| *known == size) {
        return sized(format!("{px}px"), height.unwrap_or_else(|| format!("{own}px")));
    }
    if let Some(Value::Px(px)) = value::arbitrary(size).and_then(value::length) {
        return match height {
            Some(height) => sized(value::px(px), height),
            None => one("font-size", value::px(px)),
        };
    }
    one("color", color(rest, theme)?)
}

fn leading(rest: &str) -> Option<Utility> {
    if let Some((_, property, value)) = WORDS.iter().find(|(word, ..)| word.strip_prefix("leading-") == Some(rest)) {
        return one(property, *value);
    }
    match value::arbitrary(rest) {
        Some(text) if text.parse::<f64>().is_ok_and(|factor| factor > 0.0) => one("line-height", text),
        Some(text) => one("line-height", value::length(text)?.css()),
        None => one("line-height", value::px(value::steps(rest)?)),
    }
}

fn tracking(rest: &str) -> Option<Utility> {
    match value::signed(value::arbitrary(rest)?)? {
        Value::Percent(_) => None,
        length => one("letter-spacing", length.css()),
    }
}

fn font(rest: &str, theme: &Theme) -> Option<Utility> {
    if let Some(family) = theme.fonts.get(rest) {
        return one("font-family", family);
    }
    // Quotes inside are single: the style stands in double ones.
    match rest {
        "sans" => one("font-family", SANS),
        "serif" => one("font-family", "Georgia,Cambria,'Times New Roman',Times,serif"),
        "mono" => one("font-family", MONO),
        _ => {
            let weight: u16 = value::arbitrary(rest)?.parse().ok()?;
            (1..=1000).contains(&weight).then(|| one("font-weight", weight.to_string()))?
        }
    }
}

pub const SANS: &str = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";
pub const MONO: &str = "ui-monospace,SFMono-Regular,Menlo,Monaco,Consolas,'Liberation Mono','Courier New',monospace";

fn border(name: &str, theme: &Theme) -> Option<Utility> {
    let found = SIDES.iter().rev().find_map(|side| Some((takes(name, side.0)?, side)))?;
    let (rest, (_, width, hue, sides)) = found;
    let all = |what: &str| sides.iter().map(|side| value::side(side, what)).collect::<Vec<_>>();
    let px = match rest {
        "" => Some(1.0),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => match value::arbitrary(rest).and_then(value::length) {
            Some(Value::Px(px)) => Some(px),
            _ => None,
        },
    };
    if let Some(px) = px {
        return many(width, 2, &all("width"), &value::px(px));
    }
    if let "solid" | "dashed" | "dotted" | "double" | "none" = rest
        && sides.len() == 4
    {
        return many("border-style", 1, &all("style"), rest);
    }
    many(hue, 1, &all("color"), &color(rest, theme)?)
}

fn corners(name: &str, theme: &Theme) -> Option<Utility> {
    CORNERS.iter().rev().find_map(|(start, sorts_as, corners)| {
        let rest = takes(name, start)?;
        let dashed = if rest.is_empty() { String::new() } else { format!("-{rest}") };
        let radius = match theme.radius.get(rest) {
            Some(radius) => radius.clone(),
            None => match RADII.iter().find(|(known, _)| *known == dashed) {
                Some((_, radius)) => (*radius).to_string(),
                None => value::length(value::arbitrary(rest)?)?.css(),
            },
        };
        many(sorts_as, corners.len(), corners, &radius)
    })
}

/// What follows a beginning: `takes("pt-4", "pt")` is `4`.
fn takes<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(start)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('-') }
}

fn sized(name: &str, theme: &Theme) -> Option<Utility> {
    SIZED.iter().find_map(|(start, sorts_as, properties)| {
        let rest = takes(name, start).filter(|rest| !rest.is_empty())?;
        let size = size(rest, start, theme)?;
        many(sorts_as, if *start == "size" { 2 } else { 1 }, properties, &size)
    })
}

fn size(rest: &str, start: &str, theme: &Theme) -> Option<String> {
    let (margin, padding) = (start.starts_with('m') && !start.contains('-'), start.starts_with('p'));
    let width = start.ends_with('w');
    if let Some(size) = theme.spacing.get(rest) {
        return Some(size.clone());
    }
    if let Some(text) = value::arbitrary(rest) {
        return Some(value::length(text)?.css());
    }
    match rest {
        "px" => return Some("1px".into()),
        "auto" if !padding && !start.starts_with("max") => return Some("auto".into()),
        "full" if !padding && !margin => return Some("100%".into()),
        "none" if start.starts_with("max") => return Some("none".into()),
        _ => {}
    }
    if width && let Some((_, px)) = CONTAINERS.iter().find(|(known, _)| *known == rest) {
        return Some(format!("{px}px"));
    }
    if let Some((part, whole)) = rest.split_once('/')
        && !padding
        && !margin
    {
        return value::fraction(part, whole);
    }
    Some(value::px(value::steps(rest)?))
}

const CONTAINERS: [(&str, u32); 13] = [
    ("3xs", 256),
    ("2xs", 288),
    ("xs", 320),
    ("sm", 384),
    ("md", 448),
    ("lg", 512),
    ("xl", 576),
    ("2xl", 672),
    ("3xl", 768),
    ("4xl", 896),
    ("5xl", 1024),
    ("6xl", 1152),
    ("7xl", 1280),
];

/// Names to suggest: all words, and every beginning with the values that are common.
pub fn names(theme: &Theme) -> Vec<String> {
    const STEPS: [&str; 22] = [
        "0", "px", "0.5", "1", "1.5", "2", "2.5", "3", "4", "5", "6", "7", "8", "9", "10", "12", "14", "16", "20",
        "24", "32", "40",
    ];
    let mut names: Vec<String> = WORDS.iter().map(|(word, ..)| (*word).to_string()).collect();
    names.extend(["font-sans", "font-serif", "font-mono"].map(String::from));
    names.extend(theme.fonts.keys().map(|font| format!("font-{font}")));
    names.extend(TEXT.iter().map(|(size, ..)| format!("text-{size}")));
    names.extend(STEPS.iter().filter(|step| **step != "px").map(|step| format!("leading-{step}")));
    let mut colors: Vec<String> = ["black", "white", "transparent", "inherit"].map(String::from).into();
    colors.extend(theme.colors.keys().cloned());
    for (color, _) in palette::PALETTE {
        colors.extend(palette::STEPS.iter().map(|step| format!("{color}-{step}")));
    }
    names.extend(
        ["bg", "text", "border"].iter().flat_map(|start| colors.iter().map(move |color| format!("{start}-{color}"))),
    );
    for (start, ..) in SIDES {
        names.extend(["", "-0", "-2", "-4", "-8"].map(|width| format!("{start}{width}")));
    }
    names.extend(["solid", "dashed", "dotted", "double", "none"].map(|style| format!("border-{style}")));
    for (start, ..) in CORNERS {
        names.extend(RADII.iter().map(|(radius, _)| format!("{start}{radius}")));
        names.extend(theme.radius.keys().map(|radius| format!("{start}-{radius}")));
    }
    for (start, ..) in SIZED {
        let values = STEPS.iter().copied().chain(["auto", "full", "1/2", "1/3", "2/3", "1/4", "3/4"]);
        let values = values
            .chain(CONTAINERS.iter().map(|(container, _)| *container))
            .chain(theme.spacing.keys().map(String::as_str));
        names.extend(values.map(|value| format!("{start}-{value}")).filter(|name| utility(name, theme).is_some()));
    }
    names
}
