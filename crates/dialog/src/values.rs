//! Named values of a dialog and their stored form (spec dialog.md §10.1, §10.3).

use crate::settings::VALUES_BYTES_MAX;
use std::fmt;

/// A value: any bytes, or a 32-bit integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Bytes, NUL included.
    Bytes(Box<[u8]>),
    /// An integer.
    Int(i32),
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl Value {
    /// The bytes of a bytes value.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Int(_) => None,
        }
    }

    /// The number of an integer value.
    pub const fn as_int(&self) -> Option<i32> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bytes(_) => None,
        }
    }

    /// Whether it reads as this text, a number in decimal.
    pub(crate) fn reads_as(&self, text: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes) => **bytes == *text,
            Self::Int(number) => number.to_string().as_bytes() == text,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(_) => 4,
        }
    }
}

/// The values of a dialog would exceed [`VALUES_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValuesFull;

impl fmt::Display for ValuesFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the values of one dialog may have {VALUES_BYTES_MAX} bytes together")
    }
}

impl std::error::Error for ValuesFull {}

/// Names with values. Iteration runs newest name first; replacing a value keeps its place (§10.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Oldest first.
    list: Vec<(Box<[u8]>, Value)>,
}

impl Values {
    /// The value of this name, byte for byte.
    pub fn get(&self, name: &[u8]) -> Option<&Value> {
        self.list.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// Stores a value under a name, over an old one.
    ///
    /// # Errors
    /// [`ValuesFull`] when all together would exceed [`VALUES_BYTES_MAX`]; nothing changed then.
    pub fn set(&mut self, name: &[u8], value: Value) -> Result<(), ValuesFull> {
        let place = self.list.iter().position(|(known, _)| **known == *name);
        let old = place.map_or(0, |at| name.len() + self.list[at].1.len());
        if self.bytes() - old + name.len() + value.len() > VALUES_BYTES_MAX {
            return Err(ValuesFull);
        }
        match place {
            Some(at) => self.list[at].1 = value,
            None => self.list.push((name.into(), value)),
        }
        Ok(())
    }

    /// Removes a name; whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let before = self.list.len();
        self.list.retain(|(known, _)| **known != *name);
        self.list.len() != before
    }

    /// Names and values, newest name first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.list.iter().rev().map(|(name, value)| (&**name, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The stored form: `name#T#value|` per value, newest first (§10.3).
    ///
    /// ```
    /// use duologue_dialog::Values;
    ///
    /// let mut values = Values::default();
    /// values.set(b"x#y", "a|b".into())?;
    /// values.set(b"n", (-7).into())?;
    /// assert_eq!(values.to_record(), br"n#2#-7|x\#y#1#a\|b|");
    /// assert_eq!(Values::from_record(br"n#2#-7|x\#y#1#a\|b|"), values);
    /// # Ok::<(), duologue_dialog::ValuesFull>(())
    /// ```
    pub fn to_record(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in self.iter() {
            escape(name, &mut out);
            match value {
                Value::Bytes(bytes) => {
                    out.extend_from_slice(b"#1#");
                    escape(bytes, &mut out);
                }
                Value::Int(number) => {
                    out.extend_from_slice(b"#2#");
                    out.extend_from_slice(number.to_string().as_bytes());
                }
            }
            out.push(b'|');
        }
        out
    }

    /// Reads the stored form. An unknown type, or anything that is no record, ends the reading of
    /// the rest (§10.3); values beyond [`VALUES_BYTES_MAX`] are left out.
    pub fn from_record(mut record: &[u8]) -> Self {
        let mut values = Self::default();
        while let Some((name, value, rest)) = one_record(record) {
            record = rest;
            let _ = values.set(&name, value);
        }
        values.list.reverse();
        values
    }

    pub(crate) fn memory(&self) -> usize {
        self.list.capacity() * size_of::<(Box<[u8]>, Value)>() + self.bytes()
    }

    fn bytes(&self) -> usize {
        self.list.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        if matches!(byte, b'|' | b'#' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn one_record(record: &[u8]) -> Option<(Vec<u8>, Value, &[u8])> {
    let (name, rest) = until(record, b'#')?;
    let (kind, rest) = (*rest.first()?, rest.get(1..)?.strip_prefix(b"#")?);
    let (value, rest) = until(rest, b'|')?;
    let value = match kind {
        b'1' => Value::Bytes(value.into()),
        b'2' => Value::Int(std::str::from_utf8(&value).ok()?.parse().ok()?),
        _ => return None,
    };
    Some((name, value, rest))
}

/// The unescaped bytes up to a delimiter, and what follows it.
fn until(bytes: &[u8], delimiter: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'\\' => {
                out.push(*bytes.get(at + 1)?);
                at += 2;
            }
            byte if byte == delimiter => return Some((out, &bytes[at + 1..])),
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // dialog.md §19: serialisation vectors
    #[test]
    fn record_vectors() {
        let mut one = Values::default();
        one.set(b"x#y", "a|b".into()).unwrap();
        assert_eq!(one.to_record(), br"x\#y#1#a\|b|");
        let mut two = Values::default();
        two.set(b"n", Value::Int(-7)).unwrap();
        assert_eq!(two.to_record(), b"n#2#-7|");
    }

    // dialog.md §10.1: newest first, replacing keeps the place, binary safe
    #[test]
    fn order_and_bytes() {
        let mut values = Values::default();
        values.set(b"a", "1".into()).unwrap();
        values.set(b"b", 2.into()).unwrap();
        values.set(b"a", b"\0\xff".as_slice().into()).unwrap();
        let names: Vec<_> = values.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [b"b", b"a"]);
        assert_eq!(values.get(b"a").unwrap().as_bytes(), Some(b"\0\xff".as_slice()));
        assert!(values.remove(b"b") && !values.remove(b"b"));
        assert_eq!(values.set(b"c", vec![0; VALUES_BYTES_MAX].into()), Err(ValuesFull));
    }

    // dialog.md §10.3: an unknown type byte ends the reading of the rest
    #[test]
    fn unknown_types_end_reading() {
        assert_eq!(Values::from_record(b"a#1#x|b#9#y|c#1#z|").len(), 1);
        assert_eq!(Values::from_record(b"a#x|").len(), 0);
        assert_eq!(Values::from_record(b"a#1#x").len(), 0);
    }

    proptest! {
        #[test]
        fn stored_and_read_is_the_same(
            texts in proptest::collection::vec((".{0,9}", proptest::collection::vec(any::<u8>(), 0..9)), 0..6),
            number in any::<i32>(),
        ) {
            let mut values = Values::default();
            for (name, bytes) in texts {
                values.set(name.as_bytes(), bytes.into()).unwrap();
            }
            values.set(b"number", number.into()).unwrap();
            prop_assert_eq!(Values::from_record(&values.to_record()), values);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Values::from_record(&bytes);
        }
    }
}
