//! The extra column: what OpenSIPS's columns cannot hold.
//!
//! OpenSIPS ignores a column that it does not know, so both can read the table. Ours has a version
//! and then sections, each with its kind and length, so that older programs skip what they do not
//! know:
//!
//! ```text
//! version: 1   { kind: u8   length: u32 little-endian   bytes }*
//!                1  seal      8 bytes: hash of the columns as they were written
//!                2  payload   whatever the owner of the row put there
//!                3  whole     1 byte: place of a column; then the value that it could not take
//! ```

use std::fmt;

/// The version that we write.
const VERSION: u8 = 1;

const SEAL: u8 = 1;
const PAYLOAD: u8 = 2;
const WHOLE: u8 = 3;

/// What the extra column holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// A hash of the other columns as they were written, to see if another program changed them.
    pub seal: u64,
    /// What the owner of the row put there.
    pub payload: Option<Vec<u8>>,
    /// The whole values of columns that could not take them, by place.
    pub whole: Vec<(u8, Vec<u8>)>,
}

/// Why an extra column cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraError {
    /// It is of a version that we do not know, or of none.
    Version(Option<u8>),
    /// It ends within a section.
    Truncated,
}

impl Extra {
    /// The bytes of the column.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        section(&mut out, SEAL, &[], &self.seal.to_le_bytes());
        if let Some(payload) = &self.payload {
            section(&mut out, PAYLOAD, &[], payload);
        }
        for (place, bytes) in &self.whole {
            section(&mut out, WHOLE, &[*place], bytes);
        }
        out
    }

    /// Reads the bytes of the column.
    ///
    /// # Errors
    /// [`ExtraError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ExtraError> {
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err(ExtraError::Version(bytes.first().copied()));
        };
        let mut extra = Self::default();
        while let Some((&kind, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk().ok_or(ExtraError::Truncated)?;
            let length = u32::from_le_bytes(*length) as usize;
            let (body, after) = after.split_at_checked(length).ok_or(ExtraError::Truncated)?;
            rest = after;
            match kind {
                SEAL => {
                    let seal = body.first_chunk().ok_or(ExtraError::Truncated)?;
                    extra.seal = u64::from_le_bytes(*seal);
                }
                PAYLOAD => extra.payload = Some(body.into()),
                WHOLE => {
                    let (place, value) = body.split_first().ok_or(ExtraError::Truncated)?;
                    extra.whole.push((*place, value.into()));
                }
                _ => {}
            }
        }
        Ok(extra)
    }
}

fn section(out: &mut Vec<u8>, kind: u8, head: &[u8], body: &[u8]) {
    // What does not fit is no value of ours: databases end far below four gigabytes.
    let Ok(length) = u32::try_from(head.len() + body.len()) else { return };
    out.push(kind);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(head);
    out.extend_from_slice(body);
}

impl fmt::Display for ExtraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(None) => f.write_str("the extra column is empty"),
            Self::Version(Some(version)) => {
                write!(f, "the extra column has version {version}, {VERSION} is known")
            }
            Self::Truncated => f.write_str("the extra column is cut off"),
        }
    }
}

impl std::error::Error for ExtraError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // What this version wrote is read by every later one.
    #[test]
    fn the_format_is_as_it_was() {
        let extra =
            Extra { seal: 1, payload: Some(b"p\0".to_vec()), whole: vec![(4, b"long".to_vec())] };
        let stored = b"\x01\x01\x08\0\0\0\x01\0\0\0\0\0\0\0\x02\x02\0\0\0p\0\x03\x05\0\0\0\x04long";
        assert_eq!(extra.encode(), stored);
        assert_eq!(Extra::decode(stored), Ok(extra));
    }

    #[test]
    fn unknown_sections_are_skipped_and_broken_ones_told() {
        assert_eq!(Extra::decode(b"\x01\x63\x01\0\0\0x"), Ok(Extra::default()));
        assert_eq!(Extra::decode(b""), Err(ExtraError::Version(None)));
        assert_eq!(Extra::decode(b"\x02"), Err(ExtraError::Version(Some(2))));
        assert_eq!(Extra::decode(b"\x01\x02\x05\0\0\0x"), Err(ExtraError::Truncated));
        assert_eq!(Extra::decode(b"\x01\x01\x01\0\0\0x"), Err(ExtraError::Truncated));
    }

    proptest! {
        #[test]
        fn written_and_read_is_the_same(
            seal: u64,
            payload in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            whole in proptest::collection::vec(
                (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..4),
        ) {
            let extra = Extra { seal, payload, whole };
            prop_assert_eq!(Extra::decode(&extra.encode()), Ok(extra));
        }

        #[test]
        fn any_bytes_can_be_read(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), ours: bool) {
            if ours && !bytes.is_empty() {
                bytes[0] = VERSION;
            }
            let _ = Extra::decode(&bytes);
        }
    }
}
