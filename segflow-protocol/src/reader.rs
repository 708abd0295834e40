//! Reads postcard by hand: what is read a thousand times per turn is not worth a deserializer's detours.

use crate::{Entry, Happened, Json, OpKind, ReadDelta};

/// The rest of some bytes. Every method reads from its front; `None`: they are not what was expected.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        match *self.0 {
            [first, ref rest @ ..] if first < 0x80 => {
                self.0 = rest;
                Some(u64::from(first))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        for (at, &byte) in self.0.iter().enumerate() {
            // Ten times seven bits are more than there is room for.
            if shift == 63 && byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
            shift += 7;
        }
        None
    }

    /// Zigzag: the sign is the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub fn entry(&mut self) -> Option<Entry> {
        let (op, kind, identity) = self.head()?;
        let happened = match self.number()? {
            0 => Happened::Sent,
            1 => Happened::Elapsed { at: self.signed()? },
            2 => Happened::Read(match self.byte()? {
                0 => None,
                1 => {
                    let set = Json(self.text()?.into());
                    // Not all at once: the number may be a lie.
                    let removed = (0..self.number()?).map(|_| self.text().map(String::from)).collect::<Option<_>>()?;
                    Some(ReadDelta { set, removed })
                }
                _ => return None,
            }),
            3 => Happened::Updated,
            4 => Happened::Cancelled,
            5 => Happened::Came { at: self.signed()?, value: Json(self.text()?.into()) },
            6 => Happened::Done,
            _ => return None,
        };
        Some(Entry { op, kind, identity, happened })
    }

    /// Passes over an entry, as far as its end is where it seems to be.
    pub fn skip_entry(&mut self) -> Option<()> {
        self.skip_number()?;
        // The kind of operation is a byte.
        self.byte()?;
        self.skip_number()?;
        match self.byte()? {
            0 | 3 | 4 | 6 => {}
            1 => self.skip_number()?,
            2 => match self.byte()? {
                0 => {}
                1 => {
                    self.text()?;
                    for _ in 0..self.number()? {
                        self.text()?;
                    }
                }
                _ => return None,
            },
            5 => {
                self.skip_number()?;
                self.text()?;
            }
            _ => return None,
        }
        Some(())
    }

    fn skip_number(&mut self) -> Option<()> {
        let last = self.0.iter().take(10).position(|byte| *byte < 0x80)?;
        self.0 = &self.0[last + 1..];
        Some(())
    }

    fn head(&mut self) -> Option<(u64, OpKind, u32)> {
        let op = self.number()?;
        let kind = *OpKind::ALL.get(usize::try_from(self.number()?).ok()?)?;
        Some((op, kind, u32::try_from(self.number()?).ok()?))
    }
}

/// Appends a number as postcard writes it.
pub(crate) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
