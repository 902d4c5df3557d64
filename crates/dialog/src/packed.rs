//! Several short texts in one allocation.

use crate::settings::TEXT_BYTES_MAX;

/// `N` texts in one exact-size buffer: 16 bytes and two per text, and no allocation when all are
/// empty. Changing one rebuilds the buffer, which a dialog does a handful of times in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed<const N: usize> {
    bytes: Box<[u8]>,
    ends: [u16; N],
}

/// The texts together are longer than [`TEXT_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl<const N: usize> Packed<N> {
    pub(crate) fn new(texts: [&[u8]; N]) -> Result<Self, TooLong> {
        let total: usize = texts.iter().map(|text| text.len()).sum();
        if total > TEXT_BYTES_MAX {
            return Err(TooLong);
        }
        let mut bytes = Vec::with_capacity(total);
        let ends = texts.map(|text| {
            bytes.extend_from_slice(text);
            bytes.len() as u16
        });
        Ok(Self { bytes: bytes.into_boxed_slice(), ends })
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..self.ends[index] as usize]
    }

    /// Replaces some texts; `None` keeps one. Nothing is rebuilt when nothing differs.
    pub(crate) fn set(&mut self, texts: [Option<&[u8]>; N]) -> Result<bool, TooLong> {
        let same = |i: usize| texts[i].is_none_or(|text| text == self.get(i));
        if (0..N).all(same) {
            return Ok(false);
        }
        let all: [&[u8]; N] = std::array::from_fn(|i| texts[i].unwrap_or_else(|| self.get(i)));
        *self = Self::new(all)?;
        Ok(true)
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.len()
    }
}

const _: () = assert!(TEXT_BYTES_MAX <= u16::MAX as usize, "ends are 16 bits wide");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_replaced_and_bounded() {
        let mut texts = Packed::new([b"one".as_slice(), b"", b"three"]).unwrap();
        assert_eq!(texts.get(0), b"one");
        assert_eq!(texts.get(1), b"");
        assert_eq!(texts.get(2), b"three");
        assert_eq!(texts.set([None, Some(b"two"), None]), Ok(true));
        assert_eq!(
            (texts.get(0), texts.get(1), texts.get(2)),
            (&b"one"[..], &b"two"[..], &b"three"[..])
        );
        assert_eq!(texts.set([None, Some(b"two"), None]), Ok(false));
        let long = vec![b'x'; TEXT_BYTES_MAX];
        assert_eq!(texts.set([None, Some(&long), None]), Err(TooLong));
        assert_eq!(texts.get(1), b"two", "a refused change leaves all as it was");
    }
}
