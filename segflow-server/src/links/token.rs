//! What stands in the addresses that emails lead to: which message, which of its links, what for; signed, so that nobody can make one up.
//!
//! Forty bytes in base64url: version, number of the key, kind, message, index of the link, and HMAC-SHA256 over these, cut to sixteen. The
//! layout is frozen: emails that were sent years ago lead here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use segflow_core::ids::hex;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What a link is for. The numbers are in emails: append, never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unsubscribe = 1,
    Preferences = 2,
    Browser = 3,
    Open = 4,
    /// In a token of its own: see [`click`](super::click).
    Click = 5,
    Confirm = 6,
}

impl Kind {
    /// Those that stand in a token as it is here.
    const ALL: [Kind; 5] = [Kind::Unsubscribe, Kind::Preferences, Kind::Browser, Kind::Open, Kind::Confirm];

    /// The first part of its path.
    pub fn path(self) -> &'static str {
        match self {
            Kind::Unsubscribe => "u",
            Kind::Preferences => "p",
            Kind::Browser => "v",
            Kind::Open => "o",
            Kind::Click => "c",
            Kind::Confirm => "confirm",
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    /// The sixteen bytes of a message's id.
    pub message: [u8; 16],
    /// Which of the message's links.
    pub index: u16,
}

/// Where a token's key is to be found; nothing else of it may be believed before the key has been held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    bytes: [u8; LENGTH],
    pub key: u32,
}

pub const VERSION: u8 = 1;
const SAID: usize = 24;
const LENGTH: usize = SAID + 16;

/// The letters of a token.
pub const LETTERS: usize = LENGTH.div_ceil(3) * 4 - 2;

impl Token {
    /// For a message of the ledger; `None` for what is in no ledger.
    pub fn new(kind: Kind, message: &str, index: u16) -> Option<Token> {
        Some(Token { kind, message: message_bytes(message)?, index })
    }

    /// The id of the message.
    pub fn message_id(&self) -> String {
        message_id(&self.message)
    }

    pub fn signed(&self, key: u32, secret: &[u8]) -> String {
        let mut bytes = [0u8; LENGTH];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&key.to_be_bytes());
        bytes[5] = self.kind as u8;
        bytes[6..22].copy_from_slice(&self.message);
        bytes[22..SAID].copy_from_slice(&self.index.to_be_bytes());
        let mac = mac(secret, &bytes[..SAID]);
        bytes[SAID..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl Sealed {
    /// `None` for what cannot be a token.
    pub fn read(text: &str) -> Option<Sealed> {
        if text.len() != LETTERS {
            return None;
        }
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let key = u32::from_be_bytes(bytes[1..5].try_into().ok()?);
        (bytes[0] == VERSION).then_some(Sealed { bytes, key })
    }

    /// What it says, if this key has signed it.
    pub fn open(&self, secret: &[u8]) -> Option<Token> {
        let (said, signature) = self.bytes.split_at(SAID);
        if !bool::from(mac(secret, said).ct_eq(signature)) {
            return None;
        }
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == said[5])?;
        let (message, index) = (said[6..22].try_into().ok()?, u16::from_be_bytes(said[22..].try_into().ok()?));
        Some(Token { kind, message, index })
    }
}

/// The sixteen bytes of a message's id.
pub fn message_bytes(id: &str) -> Option<[u8; 16]> {
    let digits = id.strip_prefix("msg_")?.as_bytes();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0u8; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

pub fn message_id(bytes: &[u8; 16]) -> String {
    format!("msg_{}", hex(bytes))
}

pub fn mac(secret: &[u8], said: &[u8]) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
    mac.update(b"segflow link\0");
    mac.update(said);
    mac.finalize().into_bytes()[..16].try_into().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "msg_2afcef9580f3c1a931ca39717d33376a";

    fn token(kind: Kind) -> Token {
        Token::new(kind, MESSAGE, 513).expect("a token")
    }

    #[test]
    fn a_token_says_what_it_was_made_of_to_whoever_has_the_key() {
        for kind in Kind::ALL {
            let text = token(kind).signed(7, b"secret");
            assert_eq!(text.len(), LETTERS);
            let sealed = Sealed::read(&text).expect("a token");
            assert_eq!((sealed.key, sealed.open(b"secret")), (7, Some(token(kind))));
            assert_eq!(sealed.open(b"another"), None);
        }
        assert_eq!(token(Kind::Browser).message_id(), MESSAGE);
    }

    #[test]
    fn emails_that_were_sent_lead_here_for_years() {
        let text = "AQAAAAcBKvzvlYDzwakxyjlxfTM3agIB1JV4wn61zmrlqrpgFWuv6A";
        assert_eq!(token(Kind::Unsubscribe).signed(7, b"secret"), text);
    }

    #[test]
    fn nothing_else_is_one() {
        let text = token(Kind::Unsubscribe).signed(7, b"secret");
        let opened = |text: &str| Sealed::read(text).and_then(|sealed| sealed.open(b"secret"));
        assert!(opened(&text).is_some());
        for (at, _) in text.char_indices() {
            let mut other = text.clone();
            let with = if &text[at..=at] == "A" { "B" } else { "A" };
            other.replace_range(at..=at, with);
            // The last letter carries bits that say nothing: those must be zero.
            assert_eq!(opened(&other), None, "letter {at}");
        }
        for other in ["", "test", &text[1..], &format!("{text}A"), &format!("{}=", &text[1..]), &"é".repeat(27)] {
            assert_eq!(Sealed::read(other), None, "{other}");
        }
        for id in ["", "msg_", "test_2afcef9580f3c1a931ca39717d33376a", "msg_2afcef9580f3c1a931ca39717d33376", "msg_zz"]
        {
            assert_eq!(Token::new(Kind::Browser, id, 0), None, "{id}");
        }
        assert_eq!(Token::new(Kind::Browser, &format!("msg_+{}", "a".repeat(31)), 0), None);
    }

    /// What cannot have been signed is never believed, whatever it is; thousands of it, the same in every run.
    #[test]
    fn whatever_comes_is_read_without_harm() {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \xc3\xa9\0";
        let signed = token(Kind::Preferences).signed(7, b"secret");
        for seed in 0..50_000 {
            let mut number = 0;
            let mut random = |below: usize| {
                number += 1;
                segflow_core::ids::random(seed, number) as usize % below
            };
            let mut text = match seed % 3 {
                0 => signed.clone().into_bytes(),
                _ => (0..LETTERS - 1 + random(3)).map(|_| letters[random(letters.len())]).collect::<Vec<u8>>(),
            };
            for _ in 0..=random(4) {
                let at = random(text.len());
                text[at] = letters[random(letters.len())];
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            let opened = Sealed::read(&text).and_then(|sealed| sealed.open(b"secret"));
            assert_eq!(opened.is_some(), text == signed, "{text}");
        }
    }
}
