//! RFC 7396 JSON merge patch, and the difference of two readings of a user.

use segflow_protocol::{Json, ReadDelta};
use serde_json::{Map, Value};

pub type Object = Map<String, Value>;

/// Puts `patch` on `target`: null removes a key, an object goes deeper, everything else replaces.
pub fn merge(target: &mut Object, patch: &Object) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(inner) => {
                let slot = target.entry(key).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                merge(slot.as_object_mut().expect("made an object above"), inner);
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// What has to be set and removed to make `old` into `new`, by top-level key; `None` when nothing.
pub fn delta(old: &Object, new: &Object) -> Option<ReadDelta> {
    let set: Object = new.iter().filter(|(k, v)| old.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let removed: Vec<String> = old.keys().filter(|k| !new.contains_key(*k)).cloned().collect();
    if set.is_empty() && removed.is_empty() {
        return None;
    }
    Some(ReadDelta { set: Json(Value::Object(set).to_string()), removed })
}

/// Keys, from the outside in.
pub type Path = Vec<String>;

/// The most places in which two readings are told to differ.
const PLACES: usize = 32;

/// The places in which two readings differ, as deep as both have objects there. `None`: too many to be named.
pub fn changed(old: &Object, new: &Object) -> Option<Vec<Path>> {
    fn compare(old: &Object, new: &Object, at: &mut Path, found: &mut Vec<Path>) {
        for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
            if found.len() > PLACES {
                return;
            }
            at.push(key.clone());
            match (old.get(key), new.get(key)) {
                (Some(Value::Object(old)), Some(Value::Object(new))) => compare(old, new, at, found),
                (None, Some(Value::Object(new))) if !new.is_empty() => compare(&Object::new(), new, at, found),
                (Some(Value::Object(old)), None) if !old.is_empty() => compare(old, &Object::new(), at, found),
                (old, new) if old == new => {}
                _ => found.push(at.clone()),
            }
            at.pop();
        }
    }
    let mut found = vec![];
    compare(old, new, &mut vec![], &mut found);
    (found.len() <= PLACES).then_some(found)
}

/// The inverse of [`delta`].
pub fn apply_delta(to: &mut Object, delta: &ReadDelta) -> Result<(), serde_json::Error> {
    let set: Object = delta.set.read()?;
    to.extend(set);
    for key in &delta.removed {
        to.remove(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn the_examples_of_rfc_7396() {
        // Appendix A, those whose target and patch are objects.
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut target = object(target);
            merge(&mut target, &object(patch));
            assert_eq!(Value::Object(target), result);
        }
    }

    #[test]
    fn what_has_changed_is_named_by_its_path() {
        let places = |old: Value, new: Value| {
            let found = changed(&object(old), &object(new));
            found.map(|all| all.iter().map(|path| path.join(".")).collect::<Vec<_>>())
        };
        let of = |all: &[&str]| Some(all.iter().map(ToString::to_string).collect());
        assert_eq!(places(json!({"a":1,"b":{"c":[1]}}), json!({"b":{"c":[1]},"a":1})), of(&[]));
        assert_eq!(places(json!({"a":1,"gone":1}), json!({"a":2,"new":null})), of(&["a", "gone", "new"]));
        assert_eq!(places(json!({"a":{"b":1,"c":{"d":1}}}), json!({"a":{"b":1,"c":{"d":2}}})), of(&["a.c.d"]));
        assert_eq!(places(json!({"a":{"b":1}}), json!({"a":"text"})), of(&["a"]));
        assert_eq!(places(json!({"a":{"b":1}}), json!({"c":{"d":1,"e":{}}, "f": {}})), of(&["a.b", "c.d", "c.e", "f"]));
        assert_eq!(places(json!({"a":[1,2]}), json!({"a":[1,3]})), of(&["a"]));
        let many = Value::Object((0..40).map(|n| (n.to_string(), json!(n))).collect());
        assert_eq!(places(json!({}), many), None);
    }

    #[test]
    fn a_delta_makes_the_new_from_the_old() {
        let old = object(json!({"a":1,"b":null,"c":{"d":1}}));
        let new = object(json!({"b":2,"c":{"d":1},"e":null}));
        let mut made = old.clone();
        apply_delta(&mut made, &delta(&old, &new).expect("they differ")).expect("valid");
        assert_eq!(made, new);
        assert_eq!(delta(&new, &new), None);
    }
}
