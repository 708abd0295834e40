//! Ids in paths, percent-decoded.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts;

use super::App;
use super::check;
use super::problem::{Code, Problem};

/// The user whom a path names; the id has been checked.
pub struct UserId(pub String);

/// Any other id. One that cannot exist is simply not found.
pub struct Id(pub String);

impl FromRequestParts<App> for UserId {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<UserId, Problem> {
        let Id(id) = Id::from_request_parts(parts, app).await?;
        check::user_id(&id)?;
        Ok(UserId(id))
    }
}

impl FromRequestParts<App> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Id, Problem> {
        let Path(id) = parts.extract::<Path<String>>().await.map_err(|_| {
            Problem::new(Code::MalformedUrl, "the id in the path is not UTF-8 when it is percent-decoded")
        })?;
        Ok(Id(id))
    }
}

/// Whether every `%` begins an escape. The router would let a broken one through as it stands.
pub fn well_formed(uri: &Uri) -> Result<(), String> {
    let text = uri.path_and_query().map_or("", |p| p.as_str());
    let bytes = text.as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, b)| **b == b'%') {
        let is_hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        if !is_hex(1) || !is_hex(2) {
            return Err(format!(
                "a `%` (character {}) is not followed by two hexadecimal digits; write it as %25",
                at + 1
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_must_begin_an_escape() {
        for good in ["/v1/users/a%2Fb", "/v1/users?email=a%40b", "/", "/v1/users/%25"] {
            assert_eq!(well_formed(&good.parse().expect("a URI")), Ok(()));
        }
        for bad in ["/v1/users/%", "/v1/users/%4", "/v1/users/%zz", "/v1/users?email=100%"] {
            assert!(well_formed(&bad.parse().expect("a URI")).is_err(), "{bad}");
        }
    }
}
