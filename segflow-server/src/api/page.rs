//! Lists: `?limit=` and `?after=`, answered as `{"items": […], "next": cursor|null}`.

use axum::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::params::{Params, bad};
use super::problem::Problem;

/// Which part of a list is asked for.
pub struct Page {
    limit: usize,
    after: Option<String>,
}

const DEFAULT: usize = 100;
const MOST: usize = 1_000;

impl Page {
    pub fn of(params: &Params) -> Result<Page, Problem> {
        let limit = params.parsed("limit")?.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&limit) {
            return Err(bad(format!("`limit={limit}` is not between 1 and {MOST}")));
        }
        Ok(Page { limit, after: params.text("after").map(str::to_string) })
    }

    /// The key after which the list goes on.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.after else { return Ok(None) };
        decode(cursor)
            .map(Some)
            .ok_or_else(|| bad("`after` is not a cursor that a list like this one gave as `next`".into()))
    }

    pub fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// How many rows to read: one more, to know whether there are any.
    pub fn rows(&self) -> i64 {
        self.limit as i64 + 1
    }

    /// The answer.
    pub fn answer<T, K: Serialize>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> K,
        item: impl Fn(T) -> Value,
    ) -> Json<Value> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().filter(|_| more).map(|row| encode(&key(row)));
        let items: Vec<Value> = rows.into_iter().map(item).collect();
        Json(json!({ "items": items, "next": next }))
    }
}

/// A key as a cursor: its JSON in hex, safe in any address.
fn encode<K: Serialize>(key: &K) -> String {
    segflow_core::ids::hex(&serde_json::to_vec(key).expect("keys are numbers and strings"))
}

fn decode<K: DeserializeOwned>(cursor: &str) -> Option<K> {
    let digits: Vec<u8> = cursor.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_carry_any_key_and_nothing_else() {
        for key in ["ada", "", "o'brien/\u{0}…"] {
            assert_eq!(decode::<String>(&encode(&key)).as_deref(), Some(key));
        }
        assert_eq!(decode::<(i64, String)>(&encode(&(5, "msg_1"))), Some((5, "msg_1".to_string())));
        for garbage in ["", "zz", "abc", "é", "00", &encode(&5)] {
            assert_eq!(decode::<String>(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn next_is_there_only_if_there_is_more() {
        let page = Page { limit: 2, after: None };
        let Json(answer) = page.answer(vec![1, 2, 3], |n| *n, |n| n.into());
        assert_eq!(answer, json!({ "items": [1, 2], "next": encode(&2) }));
        let Json(answer) = page.answer(vec![1, 2], |n| *n, |n| n.into());
        assert_eq!(answer, json!({ "items": [1, 2], "next": null }));
    }
}
