//! Values between tags: escaped in HTML, readable in the text.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use super::Html;

/// What `{…}` in [`html!`](crate::html!) can show: text, numbers, other markup, and `Option`s of them (`None` shows nothing).
///
/// What only implements `Display` is shown by `{format_args!("{value}")}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shown in an email",
    label = "not text, a number or markup",
    note = "if it implements `Display`: `{{format_args!(\"{{value}}\")}}`; a type of your own can implement `segflow::Show`"
)]
pub trait Show {
    /// Writes it as HTML, escaped.
    fn html(&self, out: &mut String);

    /// Writes it as plain text, as for a subject.
    fn text(&self, out: &mut String);

    #[doc(hidden)]
    fn show(&self, into: &mut Html) {
        self.html(&mut into.html);
        self.text(&mut into.text);
    }
}

/// The bytes that are not written as they are: those that could end a text or an attribute, and control characters, which no reader sees and
/// which are marks in the text.
const SPECIAL: [u8; 256] = {
    let mut special = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        if byte != b'\n' as usize && byte != b'\t' as usize {
            special[byte] = CONTROL;
        }
        byte += 1;
    }
    special[0x7f] = CONTROL;
    special[b'&' as usize] = SIGN;
    special[b'<' as usize] = SIGN;
    special[b'>' as usize] = SIGN;
    special[b'"' as usize] = SIGN;
    special[b'\'' as usize] = SIGN;
    special
};
const CONTROL: u8 = 1;
const SIGN: u8 = 2;

/// Where the first byte of these kinds is.
fn find(bytes: &[u8], kinds: u8) -> Option<usize> {
    let plain = plain(bytes, may_be_special);
    let special = bytes[plain..].iter().position(|byte| SPECIAL[usize::from(*byte)] & kinds != 0);
    special.map(|at| plain + at)
}

/// How many bytes there are before those that may be otherwise, or a few less: most values have none, so eight are looked at at once.
fn plain(bytes: &[u8], may_be_other: impl Fn(u64) -> bool) -> usize {
    let may_be_other = |eight: &[u8; 8]| may_be_other(u64::from_le_bytes(*eight));
    let (eights, _) = bytes.as_chunks();
    if let Some(i) = eights.iter().position(may_be_other) {
        return 8 * i;
    }
    match bytes.last_chunk() {
        Some(eight) if !may_be_other(eight) => bytes.len(),
        _ => 8 * eights.len(),
    }
}

/// Also true of line breaks and tabs.
fn may_be_special(eight: u64) -> bool {
    // `&` and `'` differ in the lowest bit, `<` and `>` in the next.
    let signs = is(eight | EACH, b'\'') | is(eight | (2 * EACH), b'>') | is(eight, b'"');
    (below(eight, b' ') | is(eight, 0x7f) | signs) & HIGH != 0
}

/// Whether it is a word of ASCII without anything special.
pub fn is_word(value: &str) -> bool {
    let may_not = |eight| may_be_special(eight) || (is(eight, b' ') | eight) & HIGH != 0;
    plain(value.as_bytes(), may_not) == value.len()
}

/// A one in each byte, and the highest bit of each.
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

/// Has the highest bit of a byte if it is smaller, and perhaps those of bytes above it.
fn below(eight: u64, byte: u8) -> u64 {
    eight.wrapping_sub(u64::from(byte) * EACH) & !eight
}

fn is(eight: u64, byte: u8) -> u64 {
    below(eight ^ (u64::from(byte) * EACH), 1)
}

/// As HTML, between tags or in the quotes of an attribute.
pub fn escape(value: &str, out: &mut String) {
    let mut rest = value;
    while let Some(at) = find(rest.as_bytes(), CONTROL | SIGN) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => "",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Without control characters.
pub fn readable(value: &str, out: &mut String) {
    let mut rest = value;
    while let Some(at) = find(rest.as_bytes(), CONTROL) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Both at once: most values have nothing special and are looked at once.
fn both(value: &str, into: &mut Html) {
    if find(value.as_bytes(), CONTROL | SIGN).is_some() {
        escape(value, &mut into.html);
        readable(value, &mut into.text);
    } else {
        into.push(value, value);
    }
}

impl Show for str {
    fn html(&self, out: &mut String) {
        escape(self, out);
    }

    fn text(&self, out: &mut String) {
        readable(self, out);
    }

    fn show(&self, into: &mut Html) {
        both(self, into);
    }
}

impl Show for String {
    fn html(&self, out: &mut String) {
        escape(self, out);
    }

    fn text(&self, out: &mut String) {
        readable(self, out);
    }

    fn show(&self, into: &mut Html) {
        both(self, into);
    }
}

impl Show for Html {
    fn html(&self, out: &mut String) {
        out.push_str(&self.html);
    }

    fn text(&self, out: &mut String) {
        out.push_str(&self.text);
    }

    fn show(&self, into: &mut Html) {
        into.append(self);
    }
}

/// Passes what it is told on, escaped.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        escape(part, self.0);
        Ok(())
    }
}

struct Readable<'a>(&'a mut String);

impl Write for Readable<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        readable(part, self.0);
        Ok(())
    }
}

macro_rules! displayed {
    ($($ty:ty)*) => {$(
        impl Show for $ty {
            fn html(&self, out: &mut String) {
                // Writing to a string cannot fail, and a `Display` that fails has nothing to say.
                let _ = write!(Escaped(out), "{self}");
            }

            fn text(&self, out: &mut String) {
                let _ = write!(Readable(out), "{self}");
            }

            fn show(&self, into: &mut Html) {
                let start = into.html.len();
                self.html(&mut into.html);
                match &into.html[start..] {
                    // What was escaped has such a sign; everything else is the same in the text, and is made once.
                    escaped if escaped.contains('&') => self.text(&mut into.text),
                    plain => into.text.push_str(plain),
                }
            }
        }
    )*};
}

displayed! { fmt::Arguments<'_> char bool u128 i128 f32 f64
jiff::Timestamp jiff::Zoned jiff::civil::Date jiff::civil::DateTime jiff::civil::Time }

/// Whole numbers are in every order and every digest: they are written without `fmt`.
macro_rules! whole {
    ($($ty:ty)*) => {$(
        impl Show for $ty {
            fn html(&self, out: &mut String) {
                if <$ty>::MIN == 0 {
                    return digits(*self as u64, out);
                }
                let number = *self as i64;
                if number < 0 {
                    out.push('-');
                }
                digits(number.unsigned_abs(), out);
            }

            fn text(&self, out: &mut String) {
                self.html(out);
            }

            fn show(&self, into: &mut Html) {
                self.html(&mut into.html);
                self.html(&mut into.text);
            }
        }
    )*};
}

whole! { u8 u16 u32 u64 usize i8 i16 i32 i64 isize }

fn digits(number: u64, out: &mut String) {
    let digit = |digit: u64| char::from(b'0' + digit as u8);
    match number {
        0..10 => return out.push(digit(number)),
        10..100 => {
            out.push(digit(number / 10));
            return out.push(digit(number % 10));
        }
        _ => {}
    }
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut put = |digit: u32| {
        start -= 1;
        digits[start] = b'0' + digit as u8;
    };
    let mut left = number;
    // WebAssembly divides 64 bits slowly, and few numbers need as many.
    while left > u64::from(u32::MAX) {
        put((left % 10) as u32);
        left /= 10;
    }
    let mut left = left as u32;
    while left >= 10 {
        put(left % 10);
        left /= 10;
    }
    put(left);
    // There are few: copying them as a whole costs more.
    digits[start..].iter().for_each(|digit| out.push(char::from(*digit)));
}

macro_rules! passed_on {
    ($([$($generic:tt)*] $ty:ty)*) => {$(
        impl<$($generic)*> Show for $ty {
            fn html(&self, out: &mut String) {
                (**self).html(out);
            }

            fn text(&self, out: &mut String) {
                (**self).text(out);
            }

            fn show(&self, into: &mut Html) {
                (**self).show(into);
            }
        }
    )*};
}

passed_on! { [T: Show + ?Sized] &T [T: Show + ?Sized] &mut T [T: Show + ?Sized] Box<T> [T: Show + ?Sized] Rc<T> [T: Show + ?Sized] Arc<T> }

impl<T: Show + ToOwned + ?Sized> Show for Cow<'_, T> {
    fn html(&self, out: &mut String) {
        (**self).html(out);
    }

    fn text(&self, out: &mut String) {
        (**self).text(out);
    }

    fn show(&self, into: &mut Html) {
        (**self).show(into);
    }
}

macro_rules! each {
    ($ty:ident) => {
        impl<T: Show> Show for $ty<T> {
            fn html(&self, out: &mut String) {
                self.iter().for_each(|value| value.html(out));
            }

            fn text(&self, out: &mut String) {
                self.iter().for_each(|value| value.text(out));
            }

            fn show(&self, into: &mut Html) {
                self.iter().for_each(|value| value.show(into));
            }
        }
    };
}

each!(Option);
each!(Vec);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_special_is_found_wherever_it_stands() {
        let kinds_of = |byte: u8| match byte {
            b'\n' | b'\t' => 0,
            b'&' | b'<' | b'>' | b'"' | b'\'' => SIGN,
            0..0x20 | 0x7f => CONTROL,
            _ => 0,
        };
        for byte in 0..=255 {
            for len in 1..20 {
                for at in 0..len {
                    for around in [b'a', b'\n', b'!', 0xff] {
                        let mut bytes = vec![around; len];
                        bytes[at] = byte;
                        for kinds in [CONTROL, SIGN, CONTROL | SIGN] {
                            let there = (kinds_of(byte) & kinds != 0).then_some(at);
                            assert_eq!(find(&bytes, kinds), there, "{byte} at {at} of {bytes:?}");
                        }
                    }
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    if let Ok(text) = std::str::from_utf8(&bytes) {
                        let plain = byte > b' ' && kinds_of(byte) == 0;
                        assert!(plain || !is_word(text), "{text:?}");
                        assert!(!plain || len < 8 || is_word(text), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_are_as_display_writes_them() {
        fn check<T: Show + std::fmt::Display>(number: T) {
            let mut into = Html::default();
            number.show(&mut into);
            let text = number.to_string();
            assert_eq!((&into.html, &into.text), (&text, &text));
        }
        for number in [0, 7, 10, 99, 100, 101, 12_345, 4_294_967_295, 4_294_967_296, 4_294_967_300, u64::MAX] {
            check(number);
            check(number as i64);
            check(-(number as i32));
            check(number as u8);
        }
        check(i64::MIN);
        check(i8::MIN);
        check(usize::MAX);
    }
}
