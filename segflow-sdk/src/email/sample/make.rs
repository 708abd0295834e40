//! Makes a value of any type that serde can read: a deserializer that hands out whatever the type asks for. The names of fields come
//! with the question, so what is made is what such a field usually holds.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::Value;

use super::words;

/// How deep a type may contain itself.
const DEEPEST: usize = 6;
/// The elements of a list.
const ELEMENTS: usize = 3;
/// How often a text may turn out to be none that the type takes.
const TRIES: usize = 40;

/// A value for an argument called `name`, as JSON.
pub fn made_up<T: Serialize + DeserializeOwned>(name: &str) -> Result<Value, String> {
    let mut maker = Maker::default();
    for _ in 0..TRIES {
        maker.last = None;
        let made = T::deserialize(Slot { maker: &mut maker, path: name.to_string(), name, nth: 0, depth: 0 });
        match (made, maker.last.take()) {
            (Ok(value), _) => return serde_json::to_value(&value).map_err(|e| e.to_string()),
            // A text was not what its type reads, a date perhaps: the same again with another.
            (Err(_), Some(path)) if maker.tried(&path) < words::OTHERS.len() => maker.tried.push(path),
            (Err(why), _) => return Err(why.to_string()),
        }
    }
    Err("too many texts have a form of their own".into())
}

#[derive(Default)]
struct Maker {
    /// Where texts stood that were refused, each as often as it was.
    tried: Vec<String>,
    /// Where the last text was handed out.
    last: Option<String>,
}

impl Maker {
    fn tried(&self, path: &str) -> usize {
        self.tried.iter().filter(|tried| *tried == path).count()
    }
}

/// A place that a value is wanted for.
struct Slot<'a> {
    maker: &'a mut Maker,
    path: String,
    name: &'a str,
    nth: usize,
    depth: usize,
}

impl Slot<'_> {
    fn text(&mut self) -> String {
        self.maker.last = Some(self.path.clone());
        match self.maker.tried(&self.path) {
            0 => words::text(self.name, self.nth),
            tried => words::OTHERS[tried - 1].to_string(),
        }
    }

    /// A place inside this one.
    fn inner<'b>(&'b mut self, name: &'b str, nth: usize) -> Slot<'b> {
        let path = format!("{}.{name}{nth}", self.path);
        Slot { maker: self.maker, path, name, nth, depth: self.depth + 1 }
    }

    fn number(&self) -> f64 {
        words::number(self.name, self.nth)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $ty:ty,)*) => {
        // A number that is too large for its type becomes the largest: `as` does that.
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.number() as $ty)
        })*
    };
}

impl<'de> Deserializer<'de> for Slot<'_> {
    type Error = Error;

    numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64, deserialize_i128 visit_i128 i128,
        deserialize_u128 visit_u128 u128,
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(false)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_char('A')
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.depth < DEEPEST { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let elements = if self.depth < DEEPEST { ELEMENTS } else { 0 };
        visitor.visit_seq(Elements { slot: self, next: 0, elements })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, elements: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { slot: self, next: 0, elements })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        elements: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { slot: self, next: 0, elements })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let fields: &'static [&'static str] = if self.depth < DEEPEST { &["one", "two"] } else { &[] };
        visitor.visit_map(Fields { slot: self, fields, next: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { slot: self, fields, next: 0 })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some(first) = variants.first() else { return visitor.visit_string(String::new()) };
        visitor.visit_enum(Variant { slot: self, name: first })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { str string bytes byte_buf identifier }
}

struct Elements<'a> {
    slot: Slot<'a>,
    next: usize,
    elements: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.next == self.elements {
            return Ok(None);
        }
        let nth = self.next;
        self.next += 1;
        let name = self.slot.name;
        seed.deserialize(self.slot.inner(name, nth)).map(Some)
    }
}

struct Fields<'a> {
    slot: Slot<'a>,
    fields: &'static [&'static str],
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(field) = self.fields.get(self.next) else { return Ok(None) };
        let key: StrDeserializer<'_, Error> = field.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let field = self.fields[self.next];
        self.next += 1;
        // Elements of a list differ in all their fields.
        let nth = self.slot.nth;
        seed.deserialize(self.slot.inner(field, nth))
    }
}

struct Variant<'a> {
    slot: Slot<'a>,
    name: &'static str,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Slot<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Slot<'a>), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.slot))
    }
}

impl<'de> VariantAccess<'de> for Slot<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, elements: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(elements, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{Timestamp, civil::Date};
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::made_up;

    #[derive(Serialize, Deserialize)]
    struct Line {
        name: String,
        cents: u32,
        #[serde(default)]
        sold_out: bool,
        percent: u8,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        PaidBy { card: Option<char> },
        Open,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order {
        order_id: String,
        placed: Timestamp,
        due: Date,
        lines: Vec<Line>,
        state: State,
        gift: Option<Box<Order>>,
        pair: (i8, f64),
        extra: BTreeMap<String, i64>,
    }

    #[test]
    fn whatever_serde_reads_can_be_made() {
        let order = made_up::<Order>("order").expect("every type of it can be read");
        assert_eq!(order["orderId"], "A-1042");
        assert_eq!(order["placed"], "2026-03-14T09:30:00Z");
        assert_eq!(order["due"], "2026-03-14");
        assert_eq!(order["lines"][0], json!({"name": "Ada", "cents": 2450, "sold_out": false, "percent": 20}));
        assert_eq!(order["lines"][2]["name"], "Alan");
        assert_eq!(order["lines"].as_array().map(Vec::len), Some(3));
        assert_eq!(order["state"], json!({"paid_by": {"card": "A"}}));
        assert_eq!(order["gift"]["pair"], json!([3, 4.0]));
        assert_eq!(made_up::<u8>("cents"), Ok(json!(255)), "as much as fits");
        assert_eq!(made_up::<Vec<String>>("news").expect("made")[1], "News 2");
        assert_eq!(made_up::<Option<String>>("first_name"), Ok(json!("Ada")));
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        A { a: u8 },
    }

    #[test]
    fn what_cannot_be_made_says_so() {
        assert!(made_up::<Tagged>("x").is_err());
    }
}
