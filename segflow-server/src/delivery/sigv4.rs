//! AWS Signature Version 4, for calls without a query. The tests hold it against signatures that boto3 makes.

use hmac::{Hmac, KeyInit, Mac};
use segflow_core::ids::hex;
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::rfc3339;

/// An access key, for one region.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub region: String,
}

const SERVICE: &str = "ses";

/// The headers that sign a call. `now` is real time, in ms UTC: AWS takes five minutes of difference.
pub fn headers(
    key: &Key,
    method: &str,
    url: &Url,
    content_type: &str,
    body: &[u8],
    now: i64,
) -> Vec<(&'static str, String)> {
    let date = stamp(now);
    let host = match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_string(),
    };
    let signed = [("content-type", content_type), ("host", host.as_str()), ("x-amz-date", date.as_str())];
    let authorization = authorization(key, method, url.path(), &signed, body);
    vec![("x-amz-date", date.clone()), ("authorization", authorization)]
}

/// The `Authorization` of a call. `signed` are its headers that are signed, by name, in order, `x-amz-date` among them.
pub fn authorization(key: &Key, method: &str, path: &str, signed: &[(&str, &str)], body: &[u8]) -> String {
    let date = signed.iter().find(|(name, _)| *name == "x-amz-date").map_or("", |(_, value)| value);
    let day = date.get(..8).unwrap_or_default();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let request = format!("{method}\n{path}\n\n{lines}\n{names}\n{}", hash(body));
    let scope = format!("{day}/{}/{SERVICE}/aws4_request", key.region);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(request.as_bytes()));
    let mut signing = format!("AWS4{}", key.secret).into_bytes();
    for part in [day, &key.region, SERVICE, "aws4_request"] {
        signing = mac(&signing, part.as_bytes());
    }
    let signature = hex(&mac(&signing, to_sign.as_bytes()));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", key.id)
}

/// `20261122T110000Z`.
fn stamp(now: i64) -> String {
    rfc3339(now / 1_000 * 1_000).chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_aws_wants_them() {
        assert_eq!(stamp(1_700_000_000_999), "20231114T221320Z");
    }
}
