//! The values in classes: steps of 4 px, fractions, and what stands in brackets.

/// A length that mail clients read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Px(f64),
    Percent(f64),
    Em(f64),
}

impl Value {
    pub fn css(self) -> String {
        match self {
            Value::Px(number) => px(number),
            Value::Percent(number) => format!("{}%", round(number)),
            Value::Em(number) => format!("{}em", round(number)),
        }
    }
}

/// What is in the brackets of `[12px]`.
pub fn arbitrary(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// `12px`, `50%`, `0.1em`; `1.5rem` becomes px, which every client reads. Nothing is less than nothing.
pub fn length(text: &str) -> Option<Value> {
    signed(text).filter(|_| !text.starts_with('-'))
}

/// The same where it may be negative.
pub fn signed(text: &str) -> Option<Value> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    match unit {
        "px" => Some(Value::Px(number)),
        "rem" => Some(Value::Px(number * 16.0)),
        "" if number == 0.0 => Some(Value::Px(0.0)),
        "%" => Some(Value::Percent(number)),
        "em" => Some(Value::Em(number)),
        _ => None,
    }
}

/// A number of steps of 4 px: whole, or a multiple of a quarter as Tailwind has it.
pub fn steps(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = text.parse().ok().filter(|_| plain)?;
    ((number * 4.0).fract() == 0.0).then_some(number * 4.0)
}

/// `1/3` as a percentage.
pub fn fraction(part: &str, whole: &str) -> Option<String> {
    let (part, whole): (u32, u32) = (part.parse().ok()?, whole.parse().ok()?);
    (whole > 0).then(|| format!("{}%", round(f64::from(part) * 100.0 / f64::from(whole))))
}

pub fn px(number: f64) -> String {
    if number == 0.0 { "0".into() } else { format!("{}px", round(number)) }
}

/// Four digits behind the point are more than any screen shows.
fn round(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// `#abc` as `#aabbcc`: Outlook reads no other form in attributes.
pub fn six_digits(color: &str) -> String {
    let digits = color.trim_start_matches('#').to_ascii_lowercase();
    match digits.len() {
        3 => digits.chars().fold("#".to_string(), |out, c| out + &c.to_string().repeat(2)),
        _ => format!("#{digits}"),
    }
}

/// The property of one side: `side("top", "width")` is `border-top-width`.
pub fn side(side: &str, what: &str) -> &'static str {
    match (side, what) {
        ("top", "width") => "border-top-width",
        ("right", "width") => "border-right-width",
        ("bottom", "width") => "border-bottom-width",
        ("left", "width") => "border-left-width",
        ("top", "style") => "border-top-style",
        ("right", "style") => "border-right-style",
        ("bottom", "style") => "border-bottom-style",
        ("left", "style") => "border-left-style",
        ("top", _) => "border-top-color",
        ("right", _) => "border-right-color",
        ("bottom", _) => "border-bottom-color",
        _ => "border-left-color",
    }
}
