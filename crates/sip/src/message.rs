//! A message over borrowed bytes.

use std::borrow::Cow;

use crate::grammar::{decimal, trim};
use crate::scan::{self, Line, NO_LINE, Scan};
use crate::{
    CSeq, Contact, HeaderError, HeaderName, HeaderRef, Limits, Method, NameAddr, ParseError, RAck,
    Span, StartLine, StatusCode, Uri, UriError, Values, Via,
};

/// A SIP message: borrowed bytes, and where its lines are.
///
/// Parsing is one scan that reads no header's inside and, up to 32 header lines, allocates
/// nothing. Views are made when asked for, and borrow from the bytes, not from the message.
#[derive(Clone, Debug)]
pub struct Message<'b> {
    bytes: &'b [u8],
    scan: Scan<'b>,
}

/// One header line of a message.
#[derive(Clone, Copy, Debug)]
pub struct Header<'b> {
    bytes: &'b [u8],
    line: Line,
}

impl<'b> Message<'b> {
    /// Scans `bytes`, one datagram or one framed message of a stream, under the default
    /// [`Limits`].
    ///
    /// # Errors
    /// See [`ParseError`]; its status tells whether to answer or to drop.
    #[inline]
    pub fn parse(bytes: &'b [u8]) -> Result<Self, ParseError> {
        Self::parse_within(bytes, &Limits::default())
    }

    /// Scans `bytes` under the given limits.
    ///
    /// # Errors
    /// As [`Message::parse`].
    #[inline]
    pub fn parse_within(bytes: &'b [u8], limits: &Limits) -> Result<Self, ParseError> {
        Ok(Self { bytes, scan: scan::scan(bytes, limits, false)? })
    }

    /// What can be read of a request that [`Message::parse`] refused, for the sole purpose of
    /// telling its sender: some if Via, From, To, Call-ID and CSeq are there, so that a reply can
    /// be built (RFC 3261 §8.2.6.2), none if the bytes are to be dropped. Never route by it.
    pub fn salvage(bytes: &'b [u8]) -> Option<Self> {
        let message = Self { bytes, scan: scan::scan(bytes, &Limits::default(), true).ok()? };
        let needed = [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ];
        let answerable = message.is_request()
            && message.method() != Some(Method::Ack)
            && needed.into_iter().all(|name| message.has(name));
        answerable.then_some(message)
    }

    /// The bytes that were given to be parsed, all of them.
    pub const fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The first line.
    pub const fn start_line(&self) -> StartLine<'b> {
        self.scan.start_line
    }

    /// Whether it is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.scan.start_line, StartLine::Request { .. })
    }

    /// The method of a request.
    pub const fn method(&self) -> Option<Method<'b>> {
        match self.scan.start_line {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The status of a response.
    pub const fn status(&self) -> Option<StatusCode> {
        match self.scan.start_line {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// The phrase of a response; empty for a request.
    pub const fn reason(&self) -> &'b [u8] {
        match self.scan.start_line {
            StartLine::Response { reason, .. } => reason,
            StartLine::Request { .. } => &[],
        }
    }

    /// The request URI as written; empty for a response.
    pub const fn uri_bytes(&self) -> &'b [u8] {
        match self.scan.start_line {
            StartLine::Request { uri, .. } => uri,
            StartLine::Response { .. } => &[],
        }
    }

    /// The request URI.
    ///
    /// # Errors
    /// What is wrong with it; a response has none, which counts as a missing scheme.
    pub fn uri(&self) -> Result<Uri<'b>, UriError> {
        Uri::parse(self.uri_bytes())
    }

    /// Where `part`, a slice that some view of this message gave, stands in the message.
    pub fn span_of(&self, part: &[u8]) -> Option<Span> {
        Span::of(part, self.bytes)
    }

    /// From the first header line to the blank line, that not included.
    pub fn headers_span(&self) -> Span {
        let end = usize::from(self.scan.head_end);
        Span::new(self.scan.lines.first().map_or(end, |line| line.start.into()), end)
    }

    /// All that follows the blank line, whatever Content-Length says.
    pub fn rest(&self) -> &'b [u8] {
        &self.bytes[self.body_start()..]
    }

    /// The body: what follows the blank line, cut to Content-Length where that is smaller
    /// (RFC 3261 §18.3). For one that is larger see [`Message::check_framing`].
    pub fn body(&self) -> &'b [u8] {
        let rest = self.rest();
        match self.content_length() {
            Ok(Some(length)) => &rest[..rest.len().min(length as usize)],
            _ => rest,
        }
    }

    /// The message without what follows its body: the bytes to forward or to keep.
    pub fn framed(&self) -> &'b [u8] {
        &self.bytes[..self.body_start() + self.body().len()]
    }

    // --- Headers by name ------------------------------------------------------------------

    /// All header lines in order.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = Header<'b>> + ExactSizeIterator + '_ {
        self.scan.lines.iter().map(|&line| Header { bytes: self.bytes, line })
    }

    /// The first header line of that name.
    pub fn header<'n>(&self, name: impl Into<HeaderRef<'n>>) -> Option<Header<'b>> {
        let line = match name.into() {
            HeaderRef::Known(name) => *self.scan.lines.get(self.first_line(name)?)?,
            HeaderRef::Other(spelling) => *self
                .scan
                .lines
                .iter()
                .find(|line| self.is_named(line, HeaderRef::Other(spelling)))?,
        };
        Some(Header { bytes: self.bytes, line })
    }

    /// All header lines of that name, in order; from the back for the last.
    pub fn all<'s, 'n: 's>(
        &'s self,
        name: impl Into<HeaderRef<'n>>,
    ) -> impl DoubleEndedIterator<Item = Header<'b>> + 's {
        let name = name.into();
        self.scan
            .lines
            .iter()
            .filter(move |line| self.is_named(line, name))
            .map(|&line| Header { bytes: self.bytes, line })
    }

    /// The header line of that name at `index`, counted from zero.
    pub fn nth<'n>(&self, name: impl Into<HeaderRef<'n>>, index: usize) -> Option<Header<'b>> {
        self.all(name.into()).nth(index)
    }

    /// The last header line of that name.
    pub fn last<'n>(&self, name: impl Into<HeaderRef<'n>>) -> Option<Header<'b>> {
        self.all(name.into()).next_back()
    }

    /// How many header lines have that name.
    pub fn count<'n>(&self, name: impl Into<HeaderRef<'n>>) -> usize {
        self.all(name.into()).count()
    }

    /// Whether a header of that name is there.
    pub fn has<'n>(&self, name: impl Into<HeaderRef<'n>>) -> bool {
        self.header(name).is_some()
    }

    /// The value of the first header of that name, folds included.
    pub fn value<'n>(&self, name: impl Into<HeaderRef<'n>>) -> Option<&'b [u8]> {
        self.header(name).map(|header| header.value())
    }

    /// The comma-separated values of all headers of that name, in order (RFC 3261 §7.3.1). Not
    /// for headers whose commas mean something else: dates, challenges and credentials.
    pub fn values<'s, 'n: 's>(&'s self, name: impl Into<HeaderRef<'n>>) -> Values<'s, 'b> {
        Values::new(self, name.into())
    }

    // --- Typed views ----------------------------------------------------------------------

    /// The topmost Via.
    ///
    /// # Errors
    /// Missing or malformed, as for all typed views.
    pub fn top_via(&self) -> Result<Via<'b>, HeaderError> {
        self.vias().next().unwrap_or(Err(HeaderError::Missing(HeaderName::Via)))
    }

    /// All Via values, across lines and commas, the topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'b>, HeaderError>> + '_ {
        self.values(HeaderName::Via)
            .map(|value| Via::parse(value.bytes).ok_or(HeaderError::Malformed(HeaderName::Via)))
    }

    /// The From header.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'b>, HeaderError> {
        self.name_addr(HeaderName::From)
    }

    /// The To header.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'b>, HeaderError> {
        self.name_addr(HeaderName::To)
    }

    /// The Call-ID, byte for byte (RFC 3261 §8.1.1.4).
    ///
    /// # Errors
    /// Missing, or empty.
    pub fn call_id(&self) -> Result<&'b [u8], HeaderError> {
        match self.required(HeaderName::CallId)? {
            b"" => Err(HeaderError::Malformed(HeaderName::CallId)),
            value => Ok(value),
        }
    }

    /// The CSeq header.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn cseq(&self) -> Result<CSeq<'b>, HeaderError> {
        CSeq::parse(self.required(HeaderName::CSeq)?)
            .ok_or(HeaderError::Malformed(HeaderName::CSeq))
    }

    /// All Contact values.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'b>, HeaderError>> + '_ {
        self.values(HeaderName::Contact).map(|value| {
            Contact::parse(value.bytes).ok_or(HeaderError::Malformed(HeaderName::Contact))
        })
    }

    /// All Route values, the next hop first.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'b>, HeaderError>> + '_ {
        self.name_addrs(HeaderName::Route)
    }

    /// All Record-Route values, in the order of the message.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'b>, HeaderError>> + '_ {
        self.name_addrs(HeaderName::RecordRoute)
    }

    /// Max-Forwards; none if there is no such header (RFC 3261 §16.3 allows that).
    ///
    /// # Errors
    /// Not a number from 0 to 255 (RFC 3261 §20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let hops = self.number(HeaderName::MaxForwards)?;
        hops.map(u8::try_from)
            .transpose()
            .map_err(|_| HeaderError::Malformed(HeaderName::MaxForwards))
    }

    /// Content-Length; none if there is no such header.
    ///
    /// # Errors
    /// Not a number of 32 bits.
    pub fn content_length(&self) -> Result<Option<u32>, HeaderError> {
        self.number(HeaderName::ContentLength)
    }

    /// Content-Type with its parameters, as written.
    pub fn content_type(&self) -> Option<&'b [u8]> {
        self.value(HeaderName::ContentType)
    }

    /// Expires in seconds; none if there is no such header.
    ///
    /// # Errors
    /// Not a number of 32 bits.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number(HeaderName::Expires)
    }

    /// RSeq (RFC 3262 §7.1); none if there is no such header.
    ///
    /// # Errors
    /// Not a number of 32 bits.
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.number(HeaderName::RSeq)
    }

    /// RAck (RFC 3262 §7.2).
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn rack(&self) -> Result<RAck<'b>, HeaderError> {
        RAck::parse(self.required(HeaderName::RAck)?)
            .ok_or(HeaderError::Malformed(HeaderName::RAck))
    }

    /// The option tags of Require, Proxy-Require, Supported, Unsupported or Allow.
    pub fn tokens(&self, name: HeaderName) -> impl Iterator<Item = &'b [u8]> + '_ {
        self.values(name).map(|value| value.bytes)
    }

    /// Whether Require, Supported or the like lists `token`, whatever its case.
    pub fn lists(&self, name: HeaderName, token: &[u8]) -> bool {
        self.tokens(name).any(|listed| listed.eq_ignore_ascii_case(token))
    }

    fn name_addr(&self, name: HeaderName) -> Result<NameAddr<'b>, HeaderError> {
        NameAddr::parse(self.required(name)?).ok_or(HeaderError::Malformed(name))
    }

    fn name_addrs(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<NameAddr<'b>, HeaderError>> + '_ {
        self.values(name)
            .map(move |value| NameAddr::parse(value.bytes).ok_or(HeaderError::Malformed(name)))
    }

    fn number(&self, name: HeaderName) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        decimal(value).map(Some).ok_or(HeaderError::Malformed(name))
    }

    fn required(&self, name: HeaderName) -> Result<&'b [u8], HeaderError> {
        self.value(name).ok_or(HeaderError::Missing(name))
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.scan.lines
    }

    pub(crate) fn head_end(&self) -> usize {
        self.scan.head_end.into()
    }

    pub(crate) fn body_start(&self) -> usize {
        usize::from(self.scan.body_start).min(self.bytes.len())
    }

    pub(crate) fn first_line(&self, name: HeaderName) -> Option<usize> {
        let index = self.scan.first[name as usize];
        (index != NO_LINE).then_some(index.into())
    }

    pub(crate) fn is_named(&self, line: &Line, name: HeaderRef<'_>) -> bool {
        match name {
            HeaderRef::Known(name) => line.name == Some(name),
            HeaderRef::Other(spelling) => {
                line.name.is_none()
                    && self.bytes[line.start.into()..line.name_end.into()]
                        .eq_ignore_ascii_case(spelling)
            }
        }
    }
}

impl<'b> Header<'b> {
    pub(crate) const fn new(bytes: &'b [u8], line: Line) -> Self {
        Self { bytes, line }
    }

    /// The name, if it is a known one.
    pub const fn known(&self) -> Option<HeaderName> {
        self.line.name
    }

    /// The name as written, which may be its compact form.
    pub fn name(&self) -> &'b [u8] {
        &self.bytes[self.line.start.into()..self.line.name_end.into()]
    }

    /// The value without white space around it; folds inside it are kept.
    pub fn value(&self) -> &'b [u8] {
        &self.bytes[self.value_span().range()]
    }

    /// The value with each fold replaced by one space (RFC 3261 §7.3.1); copied only if there is
    /// a fold.
    pub fn unfolded(&self) -> Cow<'b, [u8]> {
        unfold(self.value())
    }

    /// The whole line with its folds and its line break.
    pub fn line(&self) -> &'b [u8] {
        &self.bytes[self.span().range()]
    }

    /// Where the whole line stands, its line break included.
    pub fn span(&self) -> Span {
        Span::new(self.line.start.into(), self.line.end.into())
    }

    /// Where the value stands.
    pub fn value_span(&self) -> Span {
        Span::new(self.line.value_start.into(), self.line.value_end.into())
    }
}

/// `value` with each fold, and the white space around it, replaced by one space.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut flat = Vec::with_capacity(value.len());
    for (i, piece) in value.split(|&b| b == b'\n').enumerate() {
        if i > 0 {
            flat.push(b' ');
        }
        flat.extend_from_slice(trim(piece));
    }
    Cow::Owned(flat)
}

impl PartialEq<HeaderName> for Header<'_> {
    fn eq(&self, name: &HeaderName) -> bool {
        self.line.name == Some(*name)
    }
}
