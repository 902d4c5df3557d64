//! What stands in a row.

/// What one column of one row holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A number.
    Int(i64),
    /// A number of 64 bits without sign, such as a dialog's. MySQL has a type for it; SQLite and
    /// PostgreSQL store the same 64 bits as a signed number, and so does OpenSIPS there.
    Id(u64),
    /// A number with a fraction.
    Real(f64),
    /// Text. Its bytes are nearly always UTF-8, but no peer has promised that.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The values of a row, in the order of its table's columns.
pub type Row = Vec<Value>;

impl Value {
    /// A text, or nothing for none.
    pub fn text_or_null(text: Option<&[u8]>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    /// The bytes of a text or a blob.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether there is nothing.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As a number of 64 bits without sign: a signed one has the same bits.
    pub const fn as_id(&self) -> Option<u64> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Int(number) => Some(*number as u64),
            _ => None,
        }
    }

    /// As a number of 32 bits without sign. PostgreSQL stores those above 2³¹ as negative ones.
    pub fn as_u32(&self) -> Option<u32> {
        let number = match self {
            Self::Int(number) => *number,
            Self::Id(id) => i64::try_from(*id).ok()?,
            _ => return None,
        };
        u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(|low| low as u32))
    }

    /// As a number with a fraction; a text is read, since NUMERIC comes as one.
    pub fn as_real(&self) -> Option<f64> {
        match self {
            Self::Real(number) => Some(*number),
            Self::Int(number) => Some(*number as f64),
            Self::Id(number) => Some(*number as f64),
            Self::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// How much memory it takes, about.
    pub fn octets(&self) -> usize {
        size_of::<Self>() + self.bytes().map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_bits_whatever_the_sign_they_were_stored_with() {
        assert_eq!(Value::Int(-1).as_id(), Some(u64::MAX));
        assert_eq!(Value::Id(u64::MAX).as_id(), Some(u64::MAX));
        assert_eq!(Value::Int(-1).as_u32(), Some(u32::MAX));
        assert_eq!(Value::Int(i64::from(u32::MAX)).as_u32(), Some(u32::MAX));
        assert_eq!(Value::Id(7).as_u32(), Some(7));
        assert_eq!(Value::Int(1 << 32).as_u32(), None);
        assert_eq!(Value::Int(i64::from(i32::MIN) - 1).as_u32(), None);
        assert_eq!(Value::Text(b"7".to_vec()).as_u32(), None);
        assert_eq!(Value::Text(b" 0.50".to_vec()).as_real(), Some(0.5));
    }
}
