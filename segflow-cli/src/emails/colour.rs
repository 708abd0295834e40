//! Colours as they are written in emails, and how well one can be read on another.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Colour([u8; 3]);

pub const BLACK: Colour = Colour([0, 0, 0]);
pub const WHITE: Colour = Colour([255, 255, 255]);
/// Of a link that says nothing.
pub const LINK: Colour = Colour([0, 0, 238]);

/// What is written where a colour may stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Written {
    Colour(Colour),
    /// What is behind shows.
    Transparent,
    /// Something that is not read here: what becomes of it is not known.
    Other,
}

impl Written {
    pub fn read(text: &str) -> Written {
        let text = text.trim().to_ascii_lowercase();
        if let Some(digits) = text.strip_prefix('#') {
            return hex(digits).map_or(Written::Other, Written::Colour);
        }
        if let Some(inside) = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')')) {
            let parts: Vec<u8> = inside.split([',', ' ']).filter_map(|part| part.trim().parse().ok()).collect();
            return <[u8; 3]>::try_from(parts).map_or(Written::Other, |rgb| Written::Colour(Colour(rgb)));
        }
        match text.as_str() {
            "transparent" | "none" | "inherit" | "initial" => Written::Transparent,
            "black" => Written::Colour(BLACK),
            "white" => Written::Colour(WHITE),
            _ => Written::Other,
        }
    }
}

fn hex(digits: &str) -> Option<Colour> {
    let digit = |at: usize| u8::from_str_radix(digits.get(at..=at)?, 16).ok();
    match digits.len() {
        3 => Some(Colour([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17])),
        6 => Some(Colour([digit(0)? * 16 + digit(1)?, digit(2)? * 16 + digit(3)?, digit(4)? * 16 + digit(5)?])),
        _ => None,
    }
}

impl Colour {
    /// WCAG 2.2: from 1 to 21.
    pub fn contrast(self, other: Colour) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        match Written::read(text) {
            Written::Colour(colour) => colour,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn contrasts_are_those_of_wcag() {
        assert_eq!(BLACK.contrast(WHITE), 21.0);
        // The grey that WebAIM and others give as the lightest on white.
        assert!((colour("#767676").contrast(WHITE) - 4.54).abs() < 0.01);
        assert!((colour("#777").contrast(WHITE) - 4.48).abs() < 0.01);
        assert_eq!(colour("rgb(118, 118, 118)"), colour("#767676"));
        assert_eq!(Written::read("transparent"), Written::Transparent);
        for unknown in ["", "#12", "#zzzzzz", "#ééé", "rgb(1,2)", "rebeccapurple", "rgba(0,0,0,.5)"] {
            assert_eq!(Written::read(unknown), Written::Other, "{unknown}");
        }
    }
}
