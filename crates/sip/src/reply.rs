//! Replies to a request (RFC 3261 §8.2.6).

use std::net::SocketAddr;

use crate::draft::note_source;
use crate::{Builder, Edits, HeaderName, Message, StatusCode, render};

/// A reply to be written: all Vias, From, To, Call-ID and CSeq of the request, and what is added.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is written before `write`"]
pub struct Reply<'r, 'b> {
    request: &'r Message<'b>,
    status: StatusCode,
    reason: &'r [u8],
    to_tag: &'r [u8],
    source: Option<SocketAddr>,
    record_route: bool,
    lines: &'r [u8],
    content_type: &'r [u8],
    body: &'r [u8],
}

impl<'r, 'b> Reply<'r, 'b> {
    /// A reply to `request`, which may be one that was [salvaged](Message::salvage).
    pub const fn to(request: &'r Message<'b>, status: StatusCode) -> Self {
        Self {
            request,
            status,
            reason: b"",
            to_tag: b"",
            source: None,
            record_route: false,
            lines: b"",
            content_type: b"",
            body: b"",
        }
    }

    /// Another phrase than the code's own. Line breaks in it become spaces.
    pub const fn reason(mut self, reason: &'r [u8]) -> Self {
        self.reason = reason;
        self
    }

    /// The tag for To, if the request has none there. RFC 3261 §8.2.6.2 wants one in every reply
    /// but 100.
    pub const fn to_tag(mut self, tag: &'r [u8]) -> Self {
        self.to_tag = tag;
        self
    }

    /// Where the request came from, to be noted in the topmost Via as
    /// [`Draft::note_source`](crate::Draft::note_source) does.
    pub const fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Copies Record-Route: for replies that make a dialog (RFC 3261 §12.1.1).
    pub const fn record_route(mut self, copied: bool) -> Self {
        self.record_route = copied;
        self
    }

    /// Further header lines, each with its line break.
    pub const fn lines(mut self, lines: &'r [u8]) -> Self {
        self.lines = lines;
        self
    }

    /// A body and its type.
    pub const fn body(mut self, content_type: &'r [u8], body: &'r [u8]) -> Self {
        self.content_type = content_type;
        self.body = body;
        self
    }

    /// Appends the reply to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        let request = self.request;
        let clean: Vec<u8>;
        let reason = if memchr::memchr2(b'\r', b'\n', self.reason).is_some() {
            let space = |&b: &u8| if matches!(b, b'\r' | b'\n') { b' ' } else { b };
            clean = self.reason.iter().map(space).collect();
            &clean[..]
        } else {
            self.reason
        };
        let mut reply = Builder::response(out, self.status, reason);
        // RFC 3261 §8.2.6.2: the Vias in their order, and the rest as in the request.
        self.write_vias(reply.out());
        if self.record_route {
            reply = reply.copy(request, HeaderName::RecordRoute);
        }
        reply = self.write_to(reply.copy(request, HeaderName::From));
        reply = reply.copy(request, HeaderName::CallId).copy(request, HeaderName::CSeq);
        if self.status == StatusCode::TRYING {
            // RFC 3261 §8.2.6.1: a 100 gives the Timestamp back.
            reply = reply.copy(request, HeaderName::Timestamp);
        }
        reply.lines(self.lines).body(self.content_type, self.body);
    }

    fn write_vias(&self, out: &mut Vec<u8>) {
        let mut vias = self.request.all(HeaderName::Via);
        if let (Some(source), Ok(via)) = (self.source, self.request.top_via())
            && let Some(top) = vias.next()
        {
            let mut edits = Edits::new();
            note_source(&via, source, |part, text| {
                if let Some(span) = crate::Span::of(part, top.line()) {
                    edits.replace(span, &[text]);
                }
            });
            render(top.line(), &[&edits], out);
        }
        for via in vias {
            out.extend_from_slice(via.line());
        }
    }

    fn write_to<'o>(&self, mut reply: Builder<'o>) -> Builder<'o> {
        let Some(header) = self.request.header(HeaderName::To) else { return reply };
        let tagged = self.request.to().is_ok_and(|to| to.params().has(b"tag"));
        if tagged || self.to_tag.is_empty() {
            reply.out().extend_from_slice(header.line());
            return reply;
        }
        reply.header(HeaderName::To, &[header.value(), b";tag=", self.to_tag])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP p1;branch=z1;rport,\r\n \
        SIP/2.0/UDP p2\r\nv: SIP/2.0/UDP p3\r\nFrom: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\n\
        Call-ID: x\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\nTimestamp: 54\r\n\r\n";

    fn written(reply: Reply<'_, '_>) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        Message::parse(&out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_failure() {
        let request = Message::parse(REQUEST).unwrap();
        let reply = Reply::to(&request, StatusCode::NOT_FOUND)
            .to_tag(b"2")
            .source("192.0.2.1:5061".parse().unwrap())
            .lines(b"X: y\r\n");
        assert_eq!(
            written(reply),
            "SIP/2.0 404 Not Found\r\n\
             Via: SIP/2.0/UDP p1;branch=z1;rport=5061;received=192.0.2.1,\r\n SIP/2.0/UDP p2\r\n\
             v: SIP/2.0/UDP p3\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: x\r\n\
             CSeq: 1 INVITE\r\nX: y\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_hundred_has_no_tag_and_the_timestamp() {
        let request = Message::parse(REQUEST).unwrap();
        let text = written(Reply::to(&request, StatusCode::TRYING));
        assert!(text.contains("t: <sip:b@h>\r\n") && text.contains("Timestamp: 54\r\n"));
    }

    #[test]
    fn an_answer_with_everything() {
        let request = Message::parse(REQUEST).unwrap();
        let text = written(
            Reply::to(&request, StatusCode::OK)
                .reason(b"Fine\r\nX-Evil: 1")
                .record_route(true)
                .body(b"application/sdp", b"v=0\r\n"),
        );
        assert!(text.starts_with("SIP/2.0 200 Fine  X-Evil: 1\r\n"));
        assert!(text.contains("\r\nRecord-Route: <sip:p;lr>\r\n"));
        assert!(
            text.ends_with("Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n")
        );
    }

    #[test]
    fn what_could_not_be_parsed_can_be_answered() {
        let bad = [&REQUEST[..REQUEST.len() - 2], b"no header line\r\n\r\n"].concat();
        let error = Message::parse(&bad).unwrap_err();
        assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
        let request = Message::salvage(&bad).unwrap();
        assert!(written(Reply::to(&request, StatusCode::BAD_REQUEST)).contains("CSeq: 1 INVITE"));
    }
}
