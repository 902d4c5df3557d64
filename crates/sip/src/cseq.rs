//! Sequence numbers: CSeq and RAck.

use crate::Method;
use crate::grammar::{decimal, is_lws, trim, trim_start};

/// The CSeq header (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CSeq<'b> {
    /// The number. RFC 3261 §8.1.1.5 lets senders use 31 bits; all 32 are read.
    pub number: u32,
    /// The method.
    pub method: Method<'b>,
}

impl<'b> CSeq<'b> {
    /// Reads a header value.
    pub fn parse(value: &'b [u8]) -> Option<Self> {
        let (number, rest) = number_and_rest(trim(value))?;
        Some(Self { number, method: Method::parse(rest)? })
    }
}

/// The RAck header of a PRACK (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RAck<'b> {
    /// The RSeq of the provisional response that is acknowledged.
    pub rseq: u32,
    /// The CSeq of that response.
    pub cseq: CSeq<'b>,
}

impl<'b> RAck<'b> {
    /// Reads a header value.
    pub fn parse(value: &'b [u8]) -> Option<Self> {
        let (rseq, rest) = number_and_rest(trim(value))?;
        Some(Self { rseq, cseq: CSeq::parse(rest)? })
    }
}

fn number_and_rest(value: &[u8]) -> Option<(u32, &[u8])> {
    let end = value.iter().position(|&b| is_lws(b))?;
    Some((decimal(&value[..end])?, trim_start(&value[end..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        let rack = RAck::parse(b"776656 1 INVITE").unwrap();
        assert_eq!((rack.rseq, rack.cseq.number, rack.cseq.method), (776_656, 1, Method::Invite));
    }

    #[test]
    fn refused() {
        for bad in ["", "1", "INVITE", "1INVITE", "-1 INVITE", "4294967296 INVITE", "1 IN VITE"] {
            assert_eq!(CSeq::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(RAck::parse(b"1 INVITE"), None);
    }
}
