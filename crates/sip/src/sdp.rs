//! Session descriptions (RFC 8866), read line by line and only as far as asked.

use std::net::IpAddr;

use crate::Span;
use crate::grammar::decimal;

/// A session description, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdp<'b>(&'b [u8]);

/// One line: a letter, an equals sign, a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdpLine<'b> {
    /// The line with its line break.
    pub whole: &'b [u8],
}

/// A media description: its `m=` line and all up to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media<'b> {
    block: &'b [u8],
}

/// What an RTP payload type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtpmap<'b> {
    /// The encoding's name.
    pub name: &'b [u8],
    /// Its clock rate.
    pub clock: &'b [u8],
}

/// How many RTP payload types there are (RFC 3550 §5.1).
pub const PAYLOAD_TYPES: usize = 128;

/// The codecs of a media description, by payload type: [`Media::codecs`].
#[derive(Clone, Debug)]
pub struct Codecs<'b>([Option<Rtpmap<'b>>; PAYLOAD_TYPES]);

impl<'b> Codecs<'b> {
    /// What a format of the `m=` line stands for; none if nobody says so.
    pub fn get(&self, format: &[u8]) -> Option<Rtpmap<'b>> {
        self.0[payload_type(format)?].or_else(|| static_codec(format))
    }
}

/// The number of a payload type.
fn payload_type(format: &[u8]) -> Option<usize> {
    decimal(format).map(|number| number as usize).filter(|number| *number < PAYLOAD_TYPES)
}

impl<'b> Sdp<'b> {
    /// Looks at `bytes` as a session description.
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Its text.
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// All lines in order.
    pub fn lines(self) -> impl Iterator<Item = SdpLine<'b>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (whole, after) = rest.split_at(end);
            rest = after;
            (!whole.is_empty()).then_some(SdpLine { whole })
        })
    }

    /// What is said of the session: all before the first media description.
    pub fn session(self) -> Self {
        Self(&self.0[..media_start(self.0, 0).unwrap_or(self.0.len())])
    }

    /// The media descriptions in order.
    pub fn media(self) -> impl Iterator<Item = Media<'b>> {
        let mut at = media_start(self.0, 0);
        std::iter::from_fn(move || {
            let start = at?;
            at = media_start(self.0, start + 1);
            Some(Media { block: &self.0[start..at.unwrap_or(self.0.len())] })
        })
    }

    /// The first line of that letter.
    pub fn line(self, kind: u8) -> Option<SdpLine<'b>> {
        self.lines().find(|line| line.kind() == Some(kind))
    }

    /// Whether an attribute of that name is there.
    pub fn has_attribute(self, name: &[u8]) -> bool {
        self.lines().any(|line| line.attribute().is_some_and(|(found, _)| found == name))
    }

    /// The address of the first connection line.
    pub fn connection(self) -> Option<IpAddr> {
        let value = self.line(b'c')?.value();
        let address = words(value).nth(2)?;
        // RFC 8866 §5.7: multicast adds its scope behind a slash.
        let end = memchr::memchr(b'/', address).unwrap_or(address.len());
        std::str::from_utf8(&address[..end]).ok()?.parse().ok()
    }

    /// Whether it follows the grammar of RFC 8866 §5 in outline: lines of letters and values, the
    /// mandatory ones there, media lines with port, transport and format.
    pub fn is_well_formed(self) -> bool {
        let session = self.session();
        self.lines().next().is_some_and(|line| line.kind() == Some(b'v'))
            && self.lines().all(|line| line.kind().is_some_and(|kind| kind.is_ascii_lowercase()))
            && [b'o', b's', b't'].into_iter().all(|kind| session.line(kind).is_some())
            && self.media().all(|media| media.is_well_formed())
    }
}

impl<'b> SdpLine<'b> {
    /// The line without its line break.
    pub fn text(self) -> &'b [u8] {
        let line = self.whole.strip_suffix(b"\n").unwrap_or(self.whole);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The letter; none if the line does not follow the grammar.
    pub fn kind(self) -> Option<u8> {
        match self.whole {
            [kind, b'=', ..] => Some(*kind),
            _ => None,
        }
    }

    /// What follows the equals sign.
    pub fn value(self) -> &'b [u8] {
        self.text().get(2..).unwrap_or_default()
    }

    /// The format that an `rtpmap`, `fmtp` or `rtcp-fb` attribute speaks of.
    pub fn described_format(self) -> Option<&'b [u8]> {
        match self.attribute()? {
            (b"rtpmap" | b"fmtp" | b"rtcp-fb", Some(value)) => words(value).next(),
            _ => None,
        }
    }

    /// Name and value of an attribute.
    pub fn attribute(self) -> Option<(&'b [u8], Option<&'b [u8]>)> {
        if self.kind() != Some(b'a') {
            return None;
        }
        let value = self.value();
        Some(match memchr::memchr(b':', value) {
            Some(colon) => (&value[..colon], Some(&value[colon + 1..])),
            None => (value, None),
        })
    }
}

impl<'b> Media<'b> {
    /// All of it, the `m=` line first.
    pub const fn as_sdp(self) -> Sdp<'b> {
        Sdp(self.block)
    }

    /// What it is: `audio`, `video`, …
    pub fn kind(self) -> &'b [u8] {
        self.word(0).unwrap_or_default()
    }

    /// The port as written, perhaps with a count behind a slash.
    pub fn port(self) -> &'b [u8] {
        self.word(1).unwrap_or_default()
    }

    /// The transport: `RTP/AVP`, …
    pub fn transport(self) -> &'b [u8] {
        self.word(2).unwrap_or_default()
    }

    /// Whether the formats are RTP payload types.
    pub fn is_rtp(self) -> bool {
        self.transport().split(|&byte| byte == b'/').any(|part| part.eq_ignore_ascii_case(b"RTP"))
    }

    /// The formats in order.
    pub fn formats(self) -> impl Iterator<Item = &'b [u8]> {
        words(self.format_list())
    }

    /// The formats as written, from the first to the end of the line.
    pub fn format_list(self) -> &'b [u8] {
        let line = self.first_line();
        let after = self.word(2).and_then(|transport| Span::of(transport, line));
        let rest = &line[after.map_or(line.len(), |span| span.end as usize)..];
        let gap = rest.iter().take_while(|byte| **byte == b' ').count();
        &rest[gap..]
    }

    /// What the payload types stand for: as its `rtpmap` lines say, or as RFC 3551 does.
    pub fn codecs(self) -> Codecs<'b> {
        let mut codecs = Codecs([None; PAYLOAD_TYPES]);
        for line in self.as_sdp().lines() {
            let Some((b"rtpmap", Some(value))) = line.attribute() else { continue };
            let mut words = words(value);
            let (Some(payload), Some(codec)) = (words.next().and_then(payload_type), words.next())
            else {
                continue;
            };
            let mut parts = codec.split(|&byte| byte == b'/');
            let name = parts.next().unwrap_or_default();
            codecs.0[payload] = Some(Rtpmap { name, clock: parts.next().unwrap_or_default() });
        }
        codecs
    }

    fn is_well_formed(self) -> bool {
        let port = self.port().split(|&byte| byte == b'/');
        self.formats().next().is_some()
            && port.map(decimal).all(|number| number.is_some_and(|number| number <= 65_535))
    }

    fn word(self, index: usize) -> Option<&'b [u8]> {
        words(self.first_line().get(2..)?).nth(index)
    }

    fn first_line(self) -> &'b [u8] {
        self.as_sdp().lines().next().map_or(&[], SdpLine::text)
    }
}

/// Where a line `m=` begins, from `from` on.
fn media_start(bytes: &[u8], from: usize) -> Option<usize> {
    if from == 0 && bytes.starts_with(b"m=") {
        return Some(0);
    }
    let found = memchr::memmem::find(bytes.get(from..)?, b"\nm=")?;
    Some(from + found + 1)
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
}

/// The payload types that RFC 3551 §6 fixes.
fn static_codec(payload: &[u8]) -> Option<Rtpmap<'static>> {
    let (name, clock): (&[u8], &[u8]) = match payload {
        b"0" => (b"PCMU", b"8000"),
        b"3" => (b"GSM", b"8000"),
        b"4" => (b"G723", b"8000"),
        b"5" => (b"DVI4", b"8000"),
        b"6" => (b"DVI4", b"16000"),
        b"7" => (b"LPC", b"8000"),
        b"8" => (b"PCMA", b"8000"),
        b"9" => (b"G722", b"8000"),
        b"10" | b"11" => (b"L16", b"44100"),
        b"12" => (b"QCELP", b"8000"),
        b"13" => (b"CN", b"8000"),
        b"14" => (b"MPA", b"90000"),
        b"15" => (b"G728", b"8000"),
        b"16" => (b"DVI4", b"11025"),
        b"17" => (b"DVI4", b"22050"),
        b"18" => (b"G729", b"8000"),
        b"25" => (b"CelB", b"90000"),
        b"26" => (b"JPEG", b"90000"),
        b"28" => (b"nv", b"90000"),
        b"31" => (b"H261", b"90000"),
        b"32" => (b"MPV", b"90000"),
        b"33" => (b"MP2T", b"90000"),
        b"34" => (b"H263", b"90000"),
        _ => return None,
    };
    Some(Rtpmap { name, clock })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &[u8] = b"v=0\r\no=a 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1/127\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0  96 99\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 x=1\r\na=sendonly\r\n\
        m=image 0 udptl t38\nc=IN IP6 ::1\n";

    #[test]
    fn session_and_media() {
        let sdp = Sdp::new(SDP);
        assert_eq!(sdp.lines().count(), 11);
        assert_eq!(sdp.session().lines().count(), 5);
        assert_eq!(sdp.connection(), "192.0.2.1".parse().ok());
        let media: Vec<Media<'_>> = sdp.media().collect();
        let [audio, image] = media[..] else { panic!("two") };
        assert_eq!((audio.kind(), audio.port()), (&b"audio"[..], &b"4000"[..]));
        assert_eq!((audio.transport(), audio.is_rtp()), (&b"RTP/AVP"[..], true));
        assert_eq!(audio.formats().collect::<Vec<_>>(), [&b"0"[..], b"96", b"99"]);
        assert_eq!(audio.format_list(), b"0  96 99");
        assert!(audio.as_sdp().has_attribute(b"sendonly"));
        assert_eq!(image.as_sdp().connection(), "::1".parse().ok());
        assert!(!image.is_rtp());
        assert!(sdp.is_well_formed());
        let all = [sdp.session().as_bytes(), audio.block, image.block].concat();
        assert_eq!(all, SDP);
    }

    #[test]
    fn codecs_by_map_or_by_number() {
        let audio = Sdp::new(SDP).media().next().unwrap();
        let codecs = audio.codecs();
        let codec = |format: &[u8]| codecs.get(format).map(|it| (it.name, it.clock));
        assert_eq!(codec(b"0"), Some((&b"PCMU"[..], &b"8000"[..])));
        assert_eq!(codec(b"96"), Some((&b"opus"[..], &b"48000"[..])));
        assert_eq!(codec(b"99"), None);
        assert_eq!(codec(b"*"), None);
        let formats: Vec<_> =
            audio.as_sdp().lines().filter_map(SdpLine::described_format).collect();
        assert_eq!(formats, [b"96", b"96"]);
    }

    #[test]
    fn broken_ones_are_told() {
        let good = String::from_utf8(SDP.to_vec()).unwrap();
        for (from, to) in [
            ("v=0\r\n", ""),
            ("s=-\r\n", ""),
            ("a=sendonly", "sendonly"),
            (" t38", ""),
            ("4000", "port"),
            ("4000", "70000"),
            ("4000", "4000/"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert!(!Sdp::new(bad.as_bytes()).is_well_formed(), "{from} -> {to}");
        }
        for odd in ["", "m=", "m=audio", "\n\nm=\r", "x"] {
            let sdp = Sdp::new(odd.as_bytes());
            assert!(!sdp.is_well_formed());
            for media in sdp.media() {
                assert_eq!((media.format_list(), media.transport()), (&b""[..], &b""[..]));
            }
        }
    }
}
