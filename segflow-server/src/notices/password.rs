//! A password in the address, for vendors that sign nothing.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{Refusal, header, unsigned};

/// The password of the address that the vendor was given; the user's name is free.
pub fn prove(secret: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = header(headers, "authorization");
    let Some((_, coded)) = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else {
        return unsigned("no password: give the vendor the address as https://segflow:PASSWORD@…");
    };
    let decoded = STANDARD.decode(coded.trim()).unwrap_or_default();
    let colon = decoded.iter().position(|byte| *byte == b':').unwrap_or(decoded.len());
    let password = decoded.get(colon + 1..).unwrap_or_default();
    match bool::from(password.ct_eq(secret.as_bytes())) {
        true => Ok(()),
        false => unsigned("the password is not the one of this provider"),
    }
}
