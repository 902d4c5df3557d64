//! The changes a proxy makes, by their names.

use std::io::Write;
use std::net::SocketAddr;

use smallvec::SmallVec;

use crate::grammar::is_lws;
use crate::values::Values;
use crate::{
    Edits, Header, HeaderError, HeaderName, HeaderRef, Message, Span, StatusCode, Value, Via,
};

/// Max-Forwards for a request that has none (RFC 3261 §16.6, step 3).
pub const MAX_FORWARDS_DEFAULT: u8 = 70;

/// Values of one line looked at without allocating.
const INLINE_VALUES: usize = 16;

/// Records changes to one message: made by [`Edits::draft`].
///
/// All places are those of the message as received: pushing two Vias puts the second below the
/// first, and what was inserted cannot be found by a later call.
#[derive(Debug)]
pub struct Draft<'e, 'm, 'b> {
    edits: &'e mut Edits,
    message: &'m Message<'b>,
}

impl<'e, 'm, 'b> Draft<'e, 'm, 'b> {
    pub(crate) const fn new(edits: &'e mut Edits, message: &'m Message<'b>) -> Self {
        Self { edits, message }
    }

    /// The message that is changed.
    pub(crate) const fn message(&self) -> &'m Message<'b> {
        self.message
    }

    /// The changes themselves, for those that have no name here.
    pub const fn edits(&mut self) -> &mut Edits {
        self.edits
    }

    /// Writes another request URI. No effect on a response.
    pub fn set_uri(&mut self, uri: &[u8]) {
        if let Some(span) = self.message.span_of(self.message.uri_bytes())
            && self.message.is_request()
        {
            self.edits.replace(span, &[uri]);
        }
    }

    /// Writes another status and phrase into the first line; line breaks in the phrase become
    /// spaces. No effect on a request.
    pub fn set_status(&mut self, code: u16, phrase: &[u8]) {
        if let Some(span) = status_span(self.message) {
            let space = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
            let phrase: Vec<u8> = phrase.iter().map(space).collect();
            self.edits.rewrite(span, &[code.to_string().as_bytes(), b" ", &phrase]);
        }
    }

    /// Puts a Via above all others (RFC 3261 §16.6, step 8); `parts` make up its value.
    pub fn push_via(&mut self, parts: &[&[u8]]) {
        let at = match self.message.header(HeaderName::Via) {
            Some(via) => via.span().start as usize,
            None => self.first_place(),
        };
        self.insert_line(at, HeaderName::Via.into(), parts);
    }

    /// Removes the topmost Via value (RFC 3261 §16.7, step 3), the whole line if it stands alone.
    pub fn pop_via(&mut self) {
        self.remove_value(HeaderName::Via, 0);
    }

    /// Notes in the topmost Via where the request really came from: `received` if the address is
    /// not that of sent-by or the sender asked for `rport` (RFC 3261 §18.2.1, RFC 3581 §4), and
    /// the port if it asked for that. Earlier values, which only a liar can have put there, are
    /// replaced.
    ///
    /// # Errors
    /// Via is missing or malformed.
    pub fn note_source(&mut self, source: SocketAddr) -> Result<(), HeaderError> {
        let via = self.message.top_via()?;
        note_source(&via, source, |part, text| {
            if let Some(span) = self.message.span_of(part) {
                self.edits.replace(span, &[text]);
            }
        });
        Ok(())
    }

    /// Appends `parts` to the topmost Via value, as in `;received=192.0.2.1`.
    ///
    /// # Errors
    /// Via is missing or malformed.
    pub fn append_to_via(&mut self, parts: &[&[u8]]) -> Result<(), HeaderError> {
        let via = self.message.top_via()?;
        if let Some(span) = self.message.span_of(via.as_bytes()) {
            self.edits.insert(span.end as usize, parts);
        }
        Ok(())
    }

    /// Writes another sequence number into CSeq; the method stays. No effect on a message whose
    /// CSeq is missing or has no number.
    pub fn set_cseq(&mut self, number: u32) {
        self.set_number(HeaderName::CSeq, 0, number);
    }

    /// Writes another CSeq number into RAck, which names the request that a provisional response
    /// answered (RFC 3262 §7.2).
    pub fn set_rack_cseq(&mut self, number: u32) {
        self.set_number(HeaderName::RAck, 1, number);
    }

    /// Writes another Max-Forwards, adding the header if it is missing.
    pub fn set_max_forwards(&mut self, hops: u8) {
        let mut digits = [0; 3];
        self.set_header(HeaderName::MaxForwards, &[decimal(hops, &mut digits)]);
    }

    /// Counts Max-Forwards down by one (RFC 3261 §16.6, step 3), adding it with 70 if it is
    /// missing; gives the value written, or none and no change if it is 0 already: answer 483.
    ///
    /// # Errors
    /// The header is malformed.
    pub fn decrement_max_forwards(&mut self) -> Result<Option<u8>, HeaderError> {
        let hops = match self.message.max_forwards()? {
            Some(0) => return Ok(None),
            Some(hops) => hops - 1,
            None => MAX_FORWARDS_DEFAULT,
        };
        self.set_max_forwards(hops);
        Ok(Some(hops))
    }

    /// Puts a Record-Route above all others (RFC 3261 §16.6, step 4); below the topmost Vias if
    /// there is none yet. Of two pushed one after the other the first stands on top.
    pub fn push_record_route(&mut self, parts: &[&[u8]]) {
        self.push_top(HeaderName::RecordRoute, parts);
    }

    /// Puts a Route above all others, or where [`Draft::push_record_route`] puts its own.
    pub fn push_route(&mut self, parts: &[&[u8]]) {
        self.push_top(HeaderName::Route, parts);
    }

    /// Writes `parts` as the value of the first header of that name, or adds such a header at the
    /// end. Others of the name stay.
    pub fn set_header<'n>(&mut self, name: impl Into<HeaderRef<'n>>, parts: &[&[u8]]) {
        let name = name.into();
        match self.message.header(name) {
            Some(header) => self.set_value(&header, parts),
            None => self.append_header(name, parts),
        }
    }

    /// Writes `parts` as the value of that header line.
    pub fn set_value(&mut self, header: &Header<'b>, parts: &[&[u8]]) {
        let span = header.value_span();
        if span.is_empty() {
            self.edits.insert(span.start as usize, parts);
        } else {
            self.edits.replace(span, parts);
        }
    }

    /// Adds a header line after the last one.
    pub fn append_header<'n>(&mut self, name: impl Into<HeaderRef<'n>>, parts: &[&[u8]]) {
        self.insert_line(self.message.head_end(), name.into(), parts);
    }

    /// Adds a header line before the first one.
    pub fn prepend_header<'n>(&mut self, name: impl Into<HeaderRef<'n>>, parts: &[&[u8]]) {
        self.insert_line(self.first_place(), name.into(), parts);
    }

    /// Adds `lines`, whole header lines each with its line break, after the last header.
    pub fn append_lines(&mut self, lines: &[&[u8]]) {
        self.edits.insert(self.message.head_end(), lines);
    }

    /// Adds whole header lines before the first header.
    pub fn prepend_lines(&mut self, lines: &[&[u8]]) {
        self.edits.insert(self.first_place(), lines);
    }

    /// Adds whole header lines before that header.
    pub fn insert_lines_before(&mut self, header: &Header<'b>, lines: &[&[u8]]) {
        self.edits.insert(header.span().start as usize, lines);
    }

    /// Adds whole header lines after that header.
    pub fn insert_lines_after(&mut self, header: &Header<'b>, lines: &[&[u8]]) {
        self.edits.insert(header.span().end as usize, lines);
    }

    /// Removes that header line.
    pub fn remove(&mut self, header: &Header<'b>) {
        self.edits.delete(header.span());
    }

    /// Removes all header lines of that name; tells how many there were.
    pub fn remove_all<'n>(&mut self, name: impl Into<HeaderRef<'n>>) -> usize {
        let mut removed = 0;
        for header in self.message.all(name.into()) {
            self.edits.delete(header.span());
            removed += 1;
        }
        removed
    }

    /// Removes the value at `index` of a header that may hold several, counted over lines and
    /// commas from zero; the whole line once none of its values is left. Tells if it was there.
    pub fn remove_value<'n>(&mut self, name: impl Into<HeaderRef<'n>>, index: usize) -> bool {
        let value = self.message.values(name.into()).nth(index);
        if let Some(value) = value {
            self.remove_this(&value);
        }
        value.is_some()
    }

    /// Removes the first `count` values of that name.
    pub fn remove_first_values<'n>(&mut self, name: impl Into<HeaderRef<'n>>, count: usize) {
        for value in self.message.values(name.into()).take(count) {
            self.remove_this(&value);
        }
    }

    /// Removes a value that [`Message::values`] gave.
    pub fn remove_this(&mut self, value: &Value<'b>) {
        let Some(&line) = self.message.lines().get(value.line) else { return };
        let header = Header::new(self.message.as_bytes(), line);
        let spans: SmallVec<[Span; INLINE_VALUES]> = Values::of_line(self.message, value.line)
            .filter_map(|value| self.message.span_of(value.bytes))
            .collect();
        let Some(at) =
            spans.iter().position(|span| Some(*span) == self.message.span_of(value.bytes))
        else {
            return;
        };
        let end = spans.get(at + 1).map_or(spans[at].end, |next| next.start);
        self.edits.delete(Span { start: spans[at].start, end });
        // What earlier calls removed counts too: no comma may stay without a value after it.
        match spans.iter().rposition(|span| !self.edits.removes(*span)) {
            None => self.edits.delete(header.span()),
            Some(last) if last + 1 < spans.len() => {
                self.edits.delete(Span { start: spans[last].end, end: header.value_span().end });
            }
            Some(_) => {}
        }
    }

    /// Writes another number in place of a word of a header's value.
    fn set_number(&mut self, name: HeaderName, word: usize, number: u32) {
        let Some(value) = self.message.value(name) else { return };
        let mut words = value.split(|&byte| is_lws(byte)).filter(|word| !word.is_empty());
        let digits = words.nth(word).filter(|word| word.iter().all(u8::is_ascii_digit));
        if let Some(span) = digits.and_then(|digits| self.message.span_of(digits)) {
            let mut text = [0; PARAM_OCTETS];
            self.edits.replace(span, &[formatted(&mut text, format_args!("{number}"))]);
        }
    }

    fn push_top(&mut self, name: HeaderName, parts: &[&[u8]]) {
        let at = match self.message.header(name) {
            Some(header) => header.span().start as usize,
            None => self
                .message
                .headers()
                .find(|header| header.known() != Some(HeaderName::Via))
                .map_or(self.message.head_end(), |header| header.span().start as usize),
        };
        self.insert_line(at, name.into(), parts);
    }

    fn insert_line(&mut self, at: usize, name: HeaderRef<'_>, parts: &[&[u8]]) {
        let mut line: SmallVec<[&[u8]; INLINE_VALUES]> = SmallVec::new();
        line.extend([name.as_bytes(), b": "]);
        line.extend_from_slice(parts);
        line.push(b"\r\n");
        self.edits.insert(at, &line);
    }

    fn first_place(&self) -> usize {
        self.message.headers_span().start as usize
    }
}

impl Edits {
    /// The status of a response with these changes; none for a request.
    pub fn status(&self, response: &Message<'_>) -> Option<StatusCode> {
        let received = response.status()?;
        let changed = status_span(response).and_then(|span| self.replacement(span));
        let digits = changed.and_then(|line| std::str::from_utf8(line.get(..3)?).ok());
        Some(digits.and_then(|code| StatusCode::new(code.parse().ok()?)).unwrap_or(received))
    }
}

/// Where code and phrase of a response stand.
fn status_span(message: &Message<'_>) -> Option<Span> {
    message.status()?;
    let phrase = message.span_of(message.reason())?;
    // An empty phrase may have lost the space before it.
    let space = message.as_bytes()[..phrase.start as usize].ends_with(b" ");
    let start = phrase.start.checked_sub(if space { 4 } else { 3 })?;
    Some(Span { start, end: phrase.end })
}

/// Tells `write` which parts of a Via to write anew so that the source of the request stands in
/// it: a part of the Via and the text in its place, an empty part meaning an insertion.
pub(crate) fn note_source<'b>(
    via: &Via<'b>,
    source: SocketAddr,
    mut write: impl FnMut(&'b [u8], &[u8]),
) {
    let end = &via.as_bytes()[via.as_bytes().len()..];
    // An IPv4 address that came in on an IPv6 socket is written as the IPv4 address it is.
    let address = source.ip().to_canonical();
    let mut text = [0; PARAM_OCTETS];
    let asked = via.params().has(b"rport");
    let received = via.params().param(b"received");
    // RFC 3581 §4: with rport, `received` is written even if it equals sent-by.
    if asked || received.is_some() || via.host_ip() != Some(address) {
        let separator = if received.is_none() { ";" } else { "" };
        let text = formatted(&mut text, format_args!("{separator}received={address}"));
        write(received.map_or(end, |param| param.bytes), text);
    }
    if let Some(rport) = via.params().param(b"rport") {
        let text = formatted(&mut text, format_args!("rport={}", source.port()));
        write(rport.bytes, text);
    }
}

/// Enough for `;received=` and the longest address.
const PARAM_OCTETS: usize = 64;

/// Formats a short text on the stack.
fn formatted<'t>(text: &'t mut [u8; PARAM_OCTETS], arguments: std::fmt::Arguments<'_>) -> &'t [u8] {
    let mut room = &mut text[..];
    let written = room.write_fmt(arguments);
    debug_assert!(written.is_ok(), "an address or port fits");
    let left = room.len();
    &text[..PARAM_OCTETS - left]
}

fn decimal(number: u8, digits: &mut [u8; 3]) -> &[u8] {
    *digits = [b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10];
    let start = if number >= 100 {
        0
    } else if number >= 10 {
        1
    } else {
        2
    };
    &digits[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render;

    const MESSAGE: &str = "INVITE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1;rport, SIP/2.0/UDP b\r\n\
        Max-Forwards: 70\r\nRoute: <sip:r1>, <sip:r2> ,<sip:r3>\r\nX-A: 1\r\nRecord-Route: <sip:x>\r\n\
        x-a: 2\r\nSubject:\r\n\r\nbody";

    fn edited(record: impl for<'m, 'b> FnOnce(&mut Draft<'_, 'm, 'b>, &'m Message<'b>)) -> String {
        let message = Message::parse(MESSAGE.as_bytes()).unwrap();
        let mut edits = Edits::new();
        record(&mut edits.draft(&message), &message);
        let mut out = Vec::new();
        render(message.as_bytes(), &[&edits], &mut out);
        Message::parse(&out).expect("what was a message stays one");
        String::from_utf8(out).unwrap()
    }

    fn changed(from: &str, to: &str) -> String {
        assert!(MESSAGE.contains(from));
        MESSAGE.replacen(from, to, 1)
    }

    // RFC 3261 §20.16, RFC 3262 §7.2: numbers change, everything about them stays
    #[test]
    fn sequence_numbers() {
        let prack = "PRACK sip:b@h SIP/2.0\r\nCSeq: 007  PRACK\r\nRAck: 9 7 INVITE\r\n\r\n";
        let message = Message::parse(prack.as_bytes()).unwrap();
        let mut edits = Edits::new();
        edits.draft(&message).set_cseq(4_294_967_295);
        edits.draft(&message).set_rack_cseq(12);
        let mut out = Vec::new();
        render(message.as_bytes(), &[&edits], &mut out);
        let wanted = prack.replace("007", "4294967295").replace("9 7 I", "9 12 I");
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
        let unchanged = edited(|d, _| {
            d.set_cseq(1);
            d.set_rack_cseq(1);
        });
        assert_eq!(unchanged, MESSAGE, "there is no number to change");
    }

    // RFC 3261 §7.2
    #[test]
    fn a_status_is_exchanged_with_its_phrase() {
        for (line, wanted) in [
            ("SIP/2.0 404 Not Found", "SIP/2.0 486 Busy  Here"),
            ("SIP/2.0 404 ", "SIP/2.0 486 Busy  Here"),
            ("SIP/2.0 404", "SIP/2.0 486 Busy  Here"),
            ("REGISTER sip:h SIP/2.0", "REGISTER sip:h SIP/2.0"),
        ] {
            let text = format!("{line}\r\nCSeq: 1 REGISTER\r\n\r\n");
            let message = Message::parse(text.as_bytes()).unwrap();
            let mut edits = Edits::new();
            assert_eq!(edits.status(&message), message.status());
            edits.draft(&message).set_status(480, b"x");
            edits.draft(&message).set_status(486, b"Busy\r\nHere");
            let response = message.status().is_some();
            assert_eq!(edits.status(&message), response.then_some(StatusCode::BUSY_HERE));
            let mut out = Vec::new();
            render(message.as_bytes(), &[&edits], &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text.replacen(line, wanted, 1));
        }
    }

    #[test]
    fn vias() {
        assert_eq!(
            edited(|d, _| d.push_via(&[b"SIP/2.0/UDP p;branch=", b"2"])),
            changed("Via: ", "Via: SIP/2.0/UDP p;branch=2\r\nVia: ")
        );
        assert_eq!(edited(|d, _| d.pop_via()), changed("SIP/2.0/UDP a;branch=1;rport, ", ""));
        assert_eq!(
            edited(|d, _| {
                d.pop_via();
                d.remove_value(HeaderName::Via, 1);
            }),
            changed("Via: SIP/2.0/UDP a;branch=1;rport, SIP/2.0/UDP b\r\n", "")
        );
        assert_eq!(
            edited(|d, _| d.append_to_via(&[b";x=y"]).unwrap()),
            changed(";rport, ", ";rport;x=y, ")
        );
    }

    #[test]
    fn the_source_is_noted() {
        // RFC 3581 §4: received and rport together.
        assert_eq!(
            edited(|d, _| d.note_source("192.0.2.9:4711".parse().unwrap()).unwrap()),
            changed(";rport, ", ";rport=4711;received=192.0.2.9, ")
        );
    }

    #[test]
    fn uri_and_hops() {
        assert_eq!(edited(|d, _| d.set_uri(b"sip:c@d")), changed("sip:bob@h", "sip:c@d"));
        assert_eq!(
            edited(|d, _| assert_eq!(d.decrement_max_forwards(), Ok(Some(69)))),
            changed("Forwards: 70", "Forwards: 69")
        );
        assert_eq!(edited(|d, _| d.set_max_forwards(255)), changed(" 70\r", " 255\r"));
    }

    #[test]
    fn hops_are_added_and_run_out() {
        let mut edits = Edits::new();
        let none = Message::parse(b"ACK sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n").unwrap();
        assert_eq!(edits.draft(&none).decrement_max_forwards(), Ok(Some(MAX_FORWARDS_DEFAULT)));
        let mut out = Vec::new();
        render(none.as_bytes(), &[&edits], &mut out);
        assert!(out.ends_with(b"a\r\nMax-Forwards: 70\r\n\r\n"));
        edits.clear();
        let zero = Message::parse(b"ACK sip:h SIP/2.0\r\nMax-Forwards: 0\r\n\r\n").unwrap();
        assert_eq!(edits.draft(&zero).decrement_max_forwards(), Ok(None));
        assert!(edits.is_empty());
    }

    #[test]
    fn values_are_removed_one_by_one() {
        let route = "Route: <sip:r1>, <sip:r2> ,<sip:r3>\r\n";
        for (indexes, left) in [
            (&[0][..], "Route: <sip:r2> ,<sip:r3>\r\n"),
            (&[1], "Route: <sip:r1>, <sip:r3>\r\n"),
            (&[2], "Route: <sip:r1>, <sip:r2>\r\n"),
            (&[0, 2], "Route: <sip:r2>\r\n"),
            (&[2, 1], "Route: <sip:r1>\r\n"),
            (&[1, 2], "Route: <sip:r1>\r\n"),
            (&[2, 0, 1], ""),
        ] {
            let text = edited(|d, _| {
                for &index in indexes {
                    assert!(d.remove_value(HeaderName::Route, index));
                }
            });
            assert_eq!(text, changed(route, left), "{indexes:?}");
        }
        assert_eq!(edited(|d, _| d.remove_first_values(HeaderName::Route, 3)), changed(route, ""));
        assert_eq!(edited(|d, _| assert!(!d.remove_value(HeaderName::Route, 3))), MESSAGE);
    }

    #[test]
    fn headers() {
        assert_eq!(
            edited(|d, _| assert_eq!(d.remove_all("X-a"), 2)),
            changed("X-A: 1\r\n", "").replace("x-a: 2\r\n", "")
        );
        assert_eq!(
            edited(|d, _| d.append_header("X-New", &[b"a", b"b"])),
            changed("Subject:\r\n\r\n", "Subject:\r\nX-New: ab\r\n\r\n")
        );
        assert_eq!(
            edited(|d, _| d.prepend_header("X-New", &[b"a"])),
            changed("Via", "X-New: a\r\nVia")
        );
        assert_eq!(
            edited(|d, m| d.insert_lines_after(&m.last("x-a").unwrap(), &[b"N: 1\r\n"])),
            changed("x-a: 2\r\n", "x-a: 2\r\nN: 1\r\n")
        );
        assert_eq!(
            edited(|d, _| d.set_header(HeaderName::Subject, &[b"hello"])),
            changed("Subject:", "Subject:hello")
        );
        assert_eq!(
            edited(|d, _| d.push_record_route(&[b"<sip:p;lr>"])),
            changed("Record-Route", "Record-Route: <sip:p;lr>\r\nRecord-Route")
        );
    }

    #[test]
    fn an_edited_header_that_is_removed_leaves_nothing() {
        assert_eq!(
            edited(|d, _| {
                d.set_max_forwards(3);
                d.remove_all(HeaderName::MaxForwards);
            }),
            changed("Max-Forwards: 70\r\n", "")
        );
    }
}
