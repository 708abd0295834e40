//! The token of a link that is counted: forty-eight bytes in base64url, as [`token`](super::token) has forty, with what the link is known
//! by in place of its index. Where it leads is looked up: whoever had a key could not make it lead elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::token::{Kind, VERSION, mac, message_bytes};
use crate::store::tracked::LinkId;

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Click {
    /// The sixteen bytes of a message's id.
    pub message: [u8; 16],
    pub link: LinkId,
}

/// One whose key is still to be found; nothing of it may be believed before.
#[derive(Debug, Clone, Copy)]
pub struct SealedClick {
    bytes: [u8; LENGTH],
    pub key: u32,
}

const SAID: usize = 32;
const LENGTH: usize = SAID + 16;

impl Click {
    /// `None` for what is in no ledger.
    pub fn new(message: &str, link: &LinkId) -> Option<Click> {
        Some(Click { message: message_bytes(message)?, link: *link })
    }

    pub fn signed(&self, key: u32, secret: &[u8]) -> String {
        let mut bytes = [0u8; LENGTH];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&key.to_be_bytes());
        bytes[5] = Kind::Click as u8;
        bytes[6..22].copy_from_slice(&self.message);
        bytes[22..SAID].copy_from_slice(&self.link);
        let mac = mac(secret, &bytes[..SAID]);
        bytes[SAID..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl SealedClick {
    /// `None` for what cannot be a token.
    pub fn read(text: &str) -> Option<SealedClick> {
        if text.len() != LENGTH / 3 * 4 {
            return None;
        }
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let key = u32::from_be_bytes(bytes[1..5].try_into().ok()?);
        (bytes[0] == VERSION && bytes[5] == Kind::Click as u8).then_some(SealedClick { bytes, key })
    }

    /// What it says, if this key has signed it.
    pub fn open(&self, secret: &[u8]) -> Option<Click> {
        let (said, signature) = self.bytes.split_at(SAID);
        if !bool::from(mac(secret, said).ct_eq(signature)) {
            return None;
        }
        Some(Click { message: said[6..22].try_into().ok()?, link: said[22..].try_into().ok()? })
    }
}
