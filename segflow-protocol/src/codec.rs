use serde::{Serialize, de::DeserializeOwned};

use crate::{Completion, Cut, Journal, Json, Rendered, Request, Response, Turn};

/// Bytes that are not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(pub(crate) String);

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

/// The same bytes as [`encode`] makes of a response. An email is copied once, as the room that it takes is known.
pub fn encode_response(response: &Response) -> Vec<u8> {
    let Response::Rendered(Rendered { subject, html, text }) = response else { return encode(response) };
    // The number of the variant, and how long each is.
    let room = subject.len() + html.len() + text.len() + 32;
    postcard::to_extend(response, Vec::with_capacity(room)).expect("protocol values are always encodable")
}

/// Reads what [`encode`] wrote. Trailing bytes are an error: they are the mark of another version.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = take(bytes)?;
    nothing_more(rest).map(|()| value)
}

/// The same bytes as [`encode`] makes of a request, with a turn's journal copied as it is.
pub fn encode_request(request: &Request) -> Vec<u8> {
    let (variant, turn) = match request {
        Request::Turn(turn) => (TURN, turn),
        Request::Anew(turn, _) => (ANEW, turn),
        other => return encode(other),
    };
    let Turn { campaign, user_id, seed, first_op, started_at, now, attributes, journal, completions } = turn;
    let mut bytes = vec![variant];
    bytes.extend(encode(&(campaign, user_id, seed, first_op, started_at, now, attributes)));
    journal.write(&mut bytes, Cut::default());
    bytes.extend(encode(completions));
    if let Request::Anew(_, state) = request {
        bytes.extend(encode(state));
    }
    bytes
}

/// Reads what [`encode_request`] wrote.
pub fn decode_request(bytes: &[u8]) -> Result<Request, DecodeError> {
    let (&variant, rest) = bytes.split_first().ok_or_else(|| DecodeError("nothing".into()))?;
    if variant != TURN && variant != ANEW {
        return decode(bytes);
    }
    type Head = (String, String, u64, u64, i64, i64, Json);
    let (head, rest) = take::<Head>(rest)?;
    let (campaign, user_id, seed, first_op, started_at, now, attributes) = head;
    let (journal, rest) = Journal::take(rest).ok_or_else(|| DecodeError("a journal".into()))?;
    let (completions, rest) = take::<Vec<Completion>>(rest)?;
    let turn = Turn { campaign, user_id, seed, first_op, started_at, now, attributes, journal, completions };
    let (request, rest) = match variant {
        TURN => (Request::Turn(turn), rest),
        _ => take::<Json>(rest).map(|(state, rest)| (Request::Anew(turn, state), rest))?,
    };
    nothing_more(rest).map(|()| request)
}

/// The numbers of the variants.
const TURN: u8 = 1;
const ANEW: u8 = 3;

fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    postcard::take_from_bytes(bytes).map_err(|e| DecodeError(e.to_string()))
}

fn nothing_more(rest: &[u8]) -> Result<(), DecodeError> {
    if rest.is_empty() { Ok(()) } else { Err(DecodeError(format!("{} bytes too many", rest.len()))) }
}
