//! What must hold before a message is worth routing.

use std::fmt;

use crate::{HeaderError, HeaderName, Message, StatusCode, UriError};

/// Why a message that could be read is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckError {
    /// A header that every message must have is missing, repeated or malformed.
    Header(HeaderError),
    /// The request URI is malformed.
    Uri(UriError),
    /// The method in CSeq is not that of the request.
    CSeqMethod,
    /// Content-Length announces more than arrived.
    BodyCut,
}

impl CheckError {
    /// The answer, if the message is a request; a response with a fault is dropped
    /// (RFC 3261 §18.3 for the cut body).
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Uri(error) => error.status(),
            Self::Header(error) => error.status(),
            Self::CSeqMethod | Self::BodyCut => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => error.fmt(f),
            Self::Uri(error) => error.fmt(f),
            Self::CSeqMethod => f.write_str("CSeq names another method"),
            Self::BodyCut => f.write_str("body shorter than Content-Length"),
        }
    }
}

impl std::error::Error for CheckError {}

impl From<HeaderError> for CheckError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

/// The headers that a message may have only once (RFC 3261 §7.3.1 and §20).
const SINGLE: [HeaderName; 6] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentLength,
];

impl Message<'_> {
    /// Whether a proxy can work with the message: RFC 3261 §8.1.1 for what must be there, §16.3
    /// for its syntax, §18.3 for the body's length.
    ///
    /// # Errors
    /// The first fault found. A request is answered with its status, a response is dropped.
    pub fn check(&self) -> Result<(), CheckError> {
        self.check_once()?;
        if self.is_request() && !self.uri().map_err(CheckError::Uri)?.headers().is_empty() {
            return Err(CheckError::Uri(UriError::Headers));
        }
        let malformed = |name| Err(CheckError::Header(HeaderError::Malformed(name)));
        if !self.top_via()?.params().is_well_formed() {
            return malformed(HeaderName::Via);
        }
        if !self.from()?.params().is_well_formed() {
            return malformed(HeaderName::From);
        }
        if !self.to()?.params().is_well_formed() {
            return malformed(HeaderName::To);
        }
        self.call_id()?;
        let cseq = self.cseq()?;
        // RFC 3261 §8.1.1.5: the method of CSeq matches that of the request.
        if self.method().is_some_and(|method| method != cseq.method) {
            return Err(CheckError::CSeqMethod);
        }
        self.max_forwards()?;
        self.check_framing()
    }

    /// Whether all of the body arrived: for datagrams, where nothing more can come.
    ///
    /// # Errors
    /// Content-Length is malformed, there twice, or larger than what arrived.
    pub fn check_framing(&self) -> Result<(), CheckError> {
        // RFC 3261 §18.3: what exceeds the length is cut (see `body`), what is missing is fatal.
        match self.content_length()? {
            Some(length) if length as usize > self.rest().len() => Err(CheckError::BodyCut),
            _ => Ok(()),
        }
    }

    fn check_once(&self) -> Result<(), CheckError> {
        let mut seen = [0_u8; SINGLE.len()];
        for line in self.lines() {
            if let Some(name) = line.name
                && let Some(index) = SINGLE.iter().position(|&single| single == name)
            {
                seen[index] += 1;
                if seen[index] > 1 {
                    return Err(HeaderError::Repeated(name).into());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\
        Max-Forwards: 70\r\nContent-Length: 2\r\n\r\nhi";

    fn check(text: &str) -> Result<(), CheckError> {
        Message::parse(text.as_bytes()).unwrap().check()
    }

    #[test]
    fn a_good_one_passes() {
        assert_eq!(check(GOOD), Ok(()));
    }

    #[test]
    fn every_mandatory_header_is_missed() {
        // RFC 3261 §8.1.1. Max-Forwards may be absent: §16.3.
        for (line, name) in [
            ("Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n", HeaderName::Via),
            ("From: <sip:a@h>;tag=1\r\n", HeaderName::From),
            ("To: <sip:b@h>\r\n", HeaderName::To),
            ("Call-ID: x\r\n", HeaderName::CallId),
            ("CSeq: 1 MESSAGE\r\n", HeaderName::CSeq),
        ] {
            let missing = CheckError::Header(HeaderError::Missing(name));
            assert_eq!(check(&GOOD.replace(line, "")), Err(missing), "{name}");
        }
        assert_eq!(check(&GOOD.replace("Max-Forwards: 70\r\n", "")), Ok(()));
    }

    #[test]
    fn twice_is_too_often() {
        let twice = GOOD.replace("Call-ID: x\r\n", "Call-ID: x\r\ni: y\r\n");
        assert_eq!(check(&twice), Err(HeaderError::Repeated(HeaderName::CallId).into()));
    }

    #[test]
    fn other_faults() {
        assert_eq!(check(&GOOD.replace("1 MESSAGE", "1 INVITE")), Err(CheckError::CSeqMethod));
        assert_eq!(check(&GOOD.replace("Length: 2", "Length: 3")), Err(CheckError::BodyCut));
        assert_eq!(check(&GOOD.replace("Length: 2", "Length: 1")), Ok(()));
        assert_eq!(
            check(&GOOD.replace("Length: 2", "Length: -1")),
            Err(HeaderError::Malformed(HeaderName::ContentLength).into())
        );
        assert_eq!(
            check(&GOOD.replace("Forwards: 70", "Forwards: 256")),
            Err(HeaderError::Malformed(HeaderName::MaxForwards).into())
        );
        assert_eq!(
            check(&GOOD.replace(" sip:b@h ", " <sip:b@h> ")),
            Err(CheckError::Uri(UriError::Scheme))
        );
    }
}
