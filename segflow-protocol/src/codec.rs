use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(String);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a message of this version: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

/// The postcard form of a value of this crate.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // The types of this crate hold nothing that postcard cannot write.
    postcard::to_allocvec(value).expect("protocol values are always encodable")
}

/// Reads what [`encode`] wrote. Trailing bytes are an error: they are the mark of another version.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|e| DecodeError(e.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(DecodeError(format!("{} bytes too many", rest.len()))) }
}
