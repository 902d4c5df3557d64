//! A message body that a dialog keeps: one blob, shared by all who keep it.

use std::fmt;
use std::sync::Arc;

/// The type that needs no words: what nearly every body of a call is.
const SDP: &[u8] = b"application/sdp";

/// A body and its Content-Type, shared: cloning costs a counter.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    /// Empty for `application/sdp`.
    content_type: Box<[u8]>,
    bytes: Box<[u8]>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("content_type", &self.content_type().escape_ascii().to_string())
            .field("bytes", &self.bytes().len())
            .finish()
    }
}

impl Body {
    /// Copies a body, once.
    pub fn new(content_type: &[u8], bytes: &[u8]) -> Self {
        let plain = content_type.trim_ascii().eq_ignore_ascii_case(SDP);
        let content_type = if plain { Box::default() } else { content_type.into() };
        Self(Arc::new(Parts { content_type, bytes: bytes.into() }))
    }

    /// A session description (RFC 4566).
    pub fn sdp(bytes: &[u8]) -> Self {
        Self::new(SDP, bytes)
    }

    /// Its Content-Type.
    pub fn content_type(&self) -> &[u8] {
        if self.0.content_type.is_empty() { SDP } else { &self.0.content_type }
    }

    /// The body itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Bytes that it takes; shared by all clones.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Parts>() + 16 + self.0.content_type.len() + self.0.bytes.len()
    }

    /// How many share it.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// The body of a message at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyFacts<'a> {
    /// Content-Type; empty if the message names none.
    pub content_type: &'a [u8],
    /// The body, not empty.
    pub bytes: &'a [u8],
}

impl BodyFacts<'_> {
    /// Whether it carries a session description: alone, or as a part (SIP-I).
    pub fn describes_session(&self) -> bool {
        let of = |wanted: &[u8]| {
            let start = self.content_type.get(..wanted.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        };
        of(SDP) || of(b"multipart/")
    }

    /// Whether it is the one that is kept.
    pub(crate) fn is(&self, kept: &Body) -> bool {
        self.bytes == kept.bytes()
    }

    /// Copies it, once.
    pub fn keep(&self) -> Body {
        Body::new(self.content_type, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_blob_however_many_keep_it() {
        let sdp = Body::new(b"Application/SDP", b"v=0");
        let again = sdp.clone();
        assert_eq!((sdp.content_type(), again.bytes(), sdp.holders()), (SDP, &b"v=0"[..], 2));
        let isup = Body::new(b"multipart/mixed;boundary=b", b"\0\xff");
        assert_eq!(isup.content_type(), b"multipart/mixed;boundary=b");
        assert!(BodyFacts { content_type: isup.content_type(), bytes: b"x" }.describes_session());
        assert!(!BodyFacts { content_type: b"text/plain", bytes: b"x" }.describes_session());
    }
}
