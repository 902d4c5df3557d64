//! Values as a script sees them: a text form, an integer form, both, or nothing (spec §5.2).

use std::fmt;

/// A borrowed value, as it is passed to the host and read by comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Integer-typed. Its text form is the decimal notation.
    Int(i32),
    /// Text-typed, without integer form even if the text is made of digits.
    Str(&'a [u8]),
    /// Text-typed, with an integer form (`$rp` with an explicit port).
    StrInt(&'a [u8], i32),
}

impl<'a> Value<'a> {
    /// The integer form, if there is one.
    #[inline]
    pub fn int(&self) -> Option<i32> {
        match *self {
            Value::Int(n) | Value::StrInt(_, n) => Some(n),
            Value::Null | Value::Str(_) => None,
        }
    }

    /// The text form without formatting anything: `None` for NULL and for integers.
    #[inline]
    pub fn text(&self) -> Option<&'a [u8]> {
        match *self {
            Value::Str(s) | Value::StrInt(s, _) => Some(s),
            Value::Null | Value::Int(_) => None,
        }
    }

    /// Whether this is NULL.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text form as an owned string; integers in decimal; `None` for NULL.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match *self {
            Value::Null => None,
            Value::Int(n) => Some(n.to_string().into_bytes()),
            Value::Str(s) | Value::StrInt(s, _) => Some(s.to_vec()),
        }
    }
}

/// What a getter found. Text was appended to the [`Text`] that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing there, or reading failed: NULL. What was appended meanwhile is dropped.
    Null,
    /// An integer; nothing needs to be appended.
    Int(i32),
    /// The appended text.
    Str,
    /// The appended text, which also has this integer form.
    StrInt(i32),
}

/// The growing buffer that values are written into: the scratch memory of one run.
///
/// Appending beyond the limit (`pv_print_buf_size`) keeps nothing and marks the buffer as
/// overflown; the machine then fails the call that asked (spec §1.3).
#[derive(Clone, Debug)]
pub struct Text {
    bytes: Vec<u8>,
    limit: usize,
    overflown: bool,
}

impl Text {
    /// An empty buffer which takes at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, overflown: false }
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            self.overflown = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Appends one byte.
    #[inline]
    pub fn push_byte(&mut self, byte: u8) {
        self.push(&[byte]);
    }

    /// Appends an integer in decimal notation.
    pub fn push_int(&mut self, n: i64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = n.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if n < 0 {
            self.push_byte(b'-');
        }
        self.push(&digits[at..]);
    }

    /// Everything written so far, including what other values left before.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The length in bytes of everything written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets what lies behind `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.overflown = false;
    }

    /// Whether something did not fit since this was asked last.
    #[inline]
    pub fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflown)
    }

    /// The part of the buffer between two offsets, to change it in place.
    pub(crate) fn part_mut(&mut self, from: usize) -> &mut [u8] {
        &mut self.bytes[from..]
    }

    /// Appends a copy of a part of itself.
    pub(crate) fn push_within(&mut self, from: usize, to: usize) {
        if to - from > self.limit.saturating_sub(self.bytes.len()) {
            self.overflown = true;
        } else {
            self.bytes.extend_from_within(from..to);
        }
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}

/// A number or a string as written in a global assignment or a `modparam`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A number or a boolean (`yes` is 1).
    Int(i32),
    /// A string or a bare word.
    Str(String),
}

impl Setting {
    /// The number, if it is one.
    pub fn int(&self) -> Option<i32> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Str(_) => None,
        }
    }

    /// The string, if it is one.
    pub fn str(&self) -> Option<&str> {
        match self {
            Self::Int(_) => None,
            Self::Str(s) => Some(s),
        }
    }
}

/// Importance of a log line (spec §2.3, `log_level`). Smaller is more important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// −3.
    Alert,
    /// −2.
    Critical,
    /// −1.
    Error,
    /// 1.
    Warning,
    /// 2.
    Notice,
    /// 3.
    Info,
    /// 4.
    Debug,
}

impl Level {
    /// The level of a number in a script; numbers between and beyond go to the nearest.
    pub fn from_number(n: i32) -> Self {
        match n {
            i32::MIN..=-3 => Self::Alert,
            -2 => Self::Critical,
            -1 | 0 => Self::Error,
            1 => Self::Warning,
            2 => Self::Notice,
            3 => Self::Info,
            4..=i32::MAX => Self::Debug,
        }
    }

    /// The number used in scripts.
    pub fn number(self) -> i32 {
        match self {
            Self::Alert => -3,
            Self::Critical => -2,
            Self::Error => -1,
            Self::Warning => 1,
            Self::Notice => 2,
            Self::Info => 3,
            Self::Debug => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded() {
        let mut text = Text::new(4);
        text.push(b"abc");
        text.push(b"de");
        assert_eq!(text.as_bytes(), b"abc");
        assert!(text.take_overflow());
        assert!(!text.take_overflow());
    }

    #[test]
    fn integers_are_written_in_decimal() {
        let mut text = Text::new(100);
        for n in [0, -1, 42, i64::from(i32::MIN)] {
            text.push_int(n);
            text.push_byte(b' ');
        }
        assert_eq!(text.as_bytes(), b"0 -1 42 -2147483648 ");
    }
}
