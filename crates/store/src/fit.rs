//! What a column can take, and what becomes of a value that it cannot.

/// Which texts a column takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Any bytes.
    #[default]
    Any,
    /// UTF-8 without NUL.
    Utf8,
    /// ASCII without NUL: of other character sets we know only that they have it.
    Ascii,
}

/// What a column can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// At most so many bytes. A limit in characters counts as one in bytes: what is refused too
    /// early only for being no ASCII is kept whole elsewhere.
    pub bytes_max: Option<usize>,
    /// Texts of this encoding.
    pub encoding: Encoding,
    /// It drops blanks at the end, as MySQL's CHAR does.
    pub drops_blanks: bool,
    /// It holds bytes, not text.
    pub is_binary: bool,
}

impl Fit {
    /// What the column takes in place of `bytes`, or none if it takes them as they are.
    ///
    /// Bytes that are no text become `�` or `?`; what is too long is cut, never within a character.
    pub fn cut(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let fitting = match self.encoding {
            Encoding::Any => None,
            Encoding::Utf8 => utf8(bytes),
            Encoding::Ascii => ascii(bytes),
        };
        let text = fitting.as_deref().unwrap_or(bytes);
        let end = self.end(text);
        if end < text.len() { Some(text[..end].into()) } else { fitting }
    }

    fn end(&self, text: &[u8]) -> usize {
        let mut end = text.len().min(self.bytes_max.unwrap_or(usize::MAX));
        if self.encoding == Encoding::Utf8 {
            let continues = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
            while end > 0 && continues(end) {
                end -= 1;
            }
        }
        if self.drops_blanks {
            end -= text[..end].iter().rev().take_while(|byte| **byte == b' ').count();
        }
        end
    }
}

fn utf8(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let text = if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text };
    match text {
        std::borrow::Cow::Borrowed(_) => None,
        std::borrow::Cow::Owned(text) => Some(text.into_bytes()),
    }
}

fn ascii(bytes: &[u8]) -> Option<Vec<u8>> {
    let takes = |byte: u8| byte.is_ascii() && byte != 0;
    let replaced = || bytes.iter().map(|byte| if takes(*byte) { *byte } else { b'?' }).collect();
    (!bytes.iter().all(|byte| takes(*byte))).then(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(bytes_max: usize, encoding: Encoding) -> Fit {
        Fit { bytes_max: Some(bytes_max), encoding, ..Fit::default() }
    }

    #[test]
    fn what_fits_stays() {
        assert_eq!(fit(3, Encoding::Utf8).cut(b"abc"), None);
        assert_eq!(Fit::default().cut(b"\0\xff"), None);
        assert_eq!(fit(2, Encoding::Any).cut(b"\0\xff"), None);
    }

    #[test]
    fn what_does_not_is_cut_or_replaced() {
        assert_eq!(fit(3, Encoding::Utf8).cut(b"abcd"), Some(b"abc".to_vec()));
        assert_eq!(fit(2, Encoding::Utf8).cut("aä".as_bytes()), Some(b"a".to_vec()));
        assert_eq!(fit(9, Encoding::Utf8).cut(b"a\xffb"), Some("a\u{fffd}b".into()));
        assert_eq!(fit(9, Encoding::Utf8).cut(b"a\0b"), Some("a\u{fffd}b".into()));
        assert_eq!(fit(9, Encoding::Ascii).cut("aä\0".as_bytes()), Some(b"a???".to_vec()));
        let blanks = Fit { drops_blanks: true, ..fit(9, Encoding::Utf8) };
        assert_eq!(blanks.cut(b"a b  "), Some(b"a b".to_vec()));
    }

    proptest! {
        #[test]
        fn what_was_cut_fits(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            bytes_max in 0..40usize,
            encoding in prop_oneof![Just(Encoding::Any), Just(Encoding::Utf8), Just(Encoding::Ascii)],
            drops_blanks: bool,
        ) {
            let fit = Fit { drops_blanks, ..fit(bytes_max, encoding) };
            let taken = fit.cut(&bytes).unwrap_or(bytes);
            prop_assert_eq!(fit.cut(&taken), None);
            prop_assert!(taken.len() <= bytes_max);
            prop_assert!(encoding != Encoding::Utf8 || std::str::from_utf8(&taken).is_ok());
        }
    }
}
