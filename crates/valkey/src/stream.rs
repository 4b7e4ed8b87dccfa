//! Streams, as a server returns them.

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use registry_fleet::log::StreamPlace;

/// Items of one stream.
pub(crate) struct StreamItems {
    /// Key of the stream.
    pub(crate) key: String,
    /// Its items, in order.
    pub(crate) items: Vec<StreamItem>,
}

/// An item of a stream.
pub(crate) struct StreamItem {
    /// Its place.
    pub(crate) place: StreamPlace,
    /// Names and values of its fields, in turn.
    pub(crate) fields: Vec<Vec<u8>>,
}

impl FromRedisValue for StreamItems {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (key, items) = from_redis_value(value)?;
        Ok(Self { key, items })
    }
}

impl FromRedisValue for StreamItem {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (id, fields): (String, Vec<Vec<u8>>) = from_redis_value(value)?;
        let place = place_of(&id).ok_or("a stream has an id of another form")?;
        Ok(Self { place, fields })
    }
}

/// Returns the id of the item at a place.
pub(crate) fn id_of(place: StreamPlace) -> String {
    let StreamPlace { millis, number } = place;
    format!("{millis}-{number}")
}

/// Parses the id of an item.
pub(crate) fn place_of(id: &str) -> Option<StreamPlace> {
    let (millis, number) = id.split_once('-')?;
    Some(StreamPlace { millis: millis.parse().ok()?, number: number.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn ids_are_places() {
        let place = StreamPlace { millis: 1_764_576_000_000, number: 7 };
        assert_eq!(id_of(place), "1764576000000-7");
        assert_eq!(place_of(&id_of(place)), Some(place));
        for wrong in ["", "1", "-", "1-", "-1", "1-x", "1-2-3", "99999999999999999999-0"] {
            assert_eq!(place_of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_of_another_form_is_an_error() {
        let item = Value::Array(vec![text("5-1"), Value::Array(vec![text("name"), text("value")])]);
        let good = Value::Array(vec![text("log"), Value::Array(vec![item.clone()])]);
        let parsed: StreamItems = from_redis_value(good).unwrap();
        assert_eq!((parsed.key.as_str(), parsed.items.len()), ("log", 1));
        assert_eq!(parsed.items[0].place, StreamPlace { millis: 5, number: 1 });
        assert_eq!(parsed.items[0].fields, [b"name".to_vec(), b"value".to_vec()]);
        for wrong in [
            Value::Nil,
            text("log"),
            Value::Array(vec![text("log")]),
            Value::Array(vec![text("log"), Value::Array(vec![text("5-1")])]),
            Value::Array(vec![
                text("log"),
                Value::Array(vec![Value::Array(vec![text("x"), item])]),
            ]),
        ] {
            assert!(from_redis_value::<StreamItems>(wrong).is_err());
        }
    }
}
