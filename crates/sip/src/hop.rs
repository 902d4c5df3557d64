//! The two requests that a proxy makes out of an INVITE it sent: ACK and CANCEL, for one hop.

use crate::draft::MAX_FORWARDS_DEFAULT;
use crate::{Builder, HeaderError, HeaderName, Message, Method};

/// Appends the ACK for a final response of 300 to 699 to `invite`, the INVITE as it was sent
/// (RFC 3261 §17.1.1.3).
///
/// # Errors
/// The INVITE lacks Via or CSeq, so it cannot have been sent by us.
pub fn write_ack(
    invite: &Message<'_>,
    response: &Message<'_>,
    out: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    // RFC 3261 §17.1.1.3: To comes from the response, with its tag.
    let to = if response.has(HeaderName::To) { response } else { invite };
    write_hop(invite, Method::Ack, to, b"", out)
}

/// Appends the CANCEL for `invite`, the INVITE as it was sent (RFC 3261 §9.1); `lines` are further
/// header lines, such as Reason (RFC 3326).
///
/// # Errors
/// As [`write_ack`].
pub fn write_cancel(
    invite: &Message<'_>,
    lines: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    write_hop(invite, Method::Cancel, invite, lines, out)
}

fn write_hop(
    invite: &Message<'_>,
    method: Method<'_>,
    to: &Message<'_>,
    lines: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    // A single Via, the topmost of the INVITE; the Routes as they were.
    let via = invite.top_via()?;
    let cseq = invite.cseq()?;
    Builder::request(out, method, invite.uri_bytes())
        .header(HeaderName::Via, &[via.as_bytes()])
        .copy(invite, HeaderName::Route)
        .copy(invite, HeaderName::From)
        .copy(to, HeaderName::To)
        .copy(invite, HeaderName::CallId)
        .cseq(cseq.number, method)
        .number(HeaderName::MaxForwards, MAX_FORWARDS_DEFAULT.into())
        .lines(lines)
        .finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1, \
        SIP/2.0/UDP them\r\nVia: SIP/2.0/UDP more\r\nRoute: <sip:r;lr>\r\nFrom: <sip:a@h>;tag=1\r\n\
        To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\nSupported: 100rel\r\n\r\n";

    #[test]
    fn ack() {
        let invite = Message::parse(INVITE).unwrap();
        let response = Message::parse(b"SIP/2.0 486 Busy\r\nTo: <sip:b@h>;tag=2\r\n\r\n").unwrap();
        let mut out = Vec::new();
        write_ack(&invite, &response, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "ACK sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1\r\nRoute: <sip:r;lr>\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: x\r\nCSeq: 7 ACK\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn cancel() {
        let invite = Message::parse(INVITE).unwrap();
        let mut out = Vec::new();
        write_cancel(&invite, b"Reason: SIP;cause=200\r\n", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("CANCEL sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1\r\n")
        );
        assert!(text.contains("To: <sip:b@h>\r\n") && text.contains("CSeq: 7 CANCEL\r\n"));
        assert!(text.contains("Reason: SIP;cause=200\r\n") && !text.contains("Supported"));
    }
}
