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

/// Escapes what could end a text or an attribute. Control characters are left out: no reader sees them, and in the text they are marks.
pub fn escape(value: &str, out: &mut String) {
    let mut plain = 0;
    for (i, byte) in value.bytes().enumerate() {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            b'\n' | b'\t' => continue,
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push_str(&value[plain..i]);
        out.push_str(entity);
        plain = i + 1;
    }
    out.push_str(&value[plain..]);
}

/// Without control characters.
pub fn readable(value: &str, out: &mut String) {
    let mut plain = 0;
    for (i, byte) in value.bytes().enumerate() {
        if (byte < 0x20 && byte != b'\n' && byte != b'\t') || byte == 0x7f {
            out.push_str(&value[plain..i]);
            plain = i + 1;
        }
    }
    out.push_str(&value[plain..]);
}

impl Show for str {
    fn html(&self, out: &mut String) {
        escape(self, out);
    }

    fn text(&self, out: &mut String) {
        readable(self, out);
    }
}

impl Show for String {
    fn html(&self, out: &mut String) {
        escape(self, out);
    }

    fn text(&self, out: &mut String) {
        readable(self, out);
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
        }
    )*};
}

displayed! { fmt::Arguments<'_> char bool u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64
jiff::Timestamp jiff::Zoned jiff::civil::Date jiff::civil::DateTime jiff::civil::Time }

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
