//! The envelope of an answer, opened while it arrives.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::Refusal;

/// Reads an answer; its result goes to the seed.
pub(super) struct Envelope<S>(pub(super) S);

/// What was in it.
pub(super) enum Outcome<T> {
    Result(T),
    Error(Refusal),
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Envelope<S> {
    type Value = Outcome<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, answer: D) -> Result<Self::Value, D::Error> {
        answer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Envelope<S> {
    type Value = Outcome<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a result or an error")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut seed = Some(self.0);
        let mut outcome = None;
        while let Some(name) = members.next_key::<String>()? {
            match (name.as_str(), seed.take()) {
                ("result", Some(seed)) => {
                    outcome = Some(Outcome::Result(members.next_value_seed(seed)?));
                }
                ("error", _) => outcome = Some(Outcome::Error(members.next_value()?)),
                (_, untouched) => {
                    seed = untouched;
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        outcome.ok_or_else(|| A::Error::custom("neither a result nor an error"))
    }
}
