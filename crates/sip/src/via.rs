//! Via: where a request came through, and where its response goes.

use std::net::IpAddr;

use crate::grammar::{is_token_text, trim_end, trim_start};
use crate::uri::{host_ip, host_length, port_number};
use crate::{Params, Transport};

/// The start of every branch made since RFC 3261 (§8.1.1.7).
pub const BRANCH_COOKIE: &[u8] = b"z9hG4bK";

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'b> {
    bytes: &'b [u8],
    transport: &'b [u8],
    host: &'b [u8],
    port: Option<u16>,
    params: &'b [u8],
}

/// The `rport` parameter of a Via (RFC 3581 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rport {
    /// Not there.
    Absent,
    /// There without a value: the sender asks for the response on the port it sent from.
    Asked,
    /// Filled in by a receiver.
    Filled(u16),
}

impl<'b> Via<'b> {
    /// Reads one value; none if it does not follow the grammar. White space is allowed around
    /// the slashes, the colon and the semicolons.
    pub fn parse(bytes: &'b [u8]) -> Option<Self> {
        let rest = after_word(bytes, b"SIP")?;
        let rest = after_word(after_slash(rest)?, b"2.0")?;
        let rest = trim_start(after_slash(rest)?);
        let end = rest.iter().position(|&b| !crate::grammar::is_token(b))?;
        let transport = &rest[..end];
        let spaced = &rest[end..];
        let rest = trim_start(spaced);
        if !is_token_text(transport) || rest.len() == spaced.len() {
            return None;
        }
        let end = host_length(rest)?;
        let host = &rest[..end];
        let mut rest = trim_start(&rest[end..]);
        let mut port = None;
        if let Some(tail) = rest.strip_prefix(b":") {
            let tail = trim_start(tail);
            let end = memchr::memchr(b';', tail).unwrap_or(tail.len());
            port = Some(port_number(trim_end(&tail[..end]))?);
            rest = &tail[end..];
        }
        if !matches!(rest.first(), None | Some(b';')) {
            return None;
        }
        Some(Self { bytes, transport, host, port, params: rest })
    }

    /// The whole value.
    pub const fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The transport.
    pub fn transport(&self) -> Transport {
        Transport::parse(self.transport)
    }

    /// The transport as written.
    pub const fn transport_bytes(&self) -> &'b [u8] {
        self.transport
    }

    /// The host of sent-by as written, an IPv6 address in its brackets.
    pub const fn host(&self) -> &'b [u8] {
        self.host
    }

    /// The host as an address, if it is one.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The port of sent-by, if one is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port of sent-by, or the transport's own (RFC 3261 §18.2.2).
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport().default_port())
    }

    /// The parameters.
    pub const fn params(&self) -> Params<'b> {
        Params::of_header(self.params)
    }

    /// The `branch` parameter as written; none if it is missing or empty.
    pub fn branch(&self) -> Option<&'b [u8]> {
        self.params().get(b"branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the branch is a transaction's name by RFC 3261 §8.1.1.7: it starts with the magic
    /// cookie, in any case as all tokens, and something follows.
    pub fn has_magic_branch(&self) -> bool {
        self.branch().is_some_and(|branch| {
            branch.len() > BRANCH_COOKIE.len()
                && branch[..BRANCH_COOKIE.len()].eq_ignore_ascii_case(BRANCH_COOKIE)
        })
    }

    /// The address in `received`, with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        host_ip(self.params().get(b"received")?)
    }

    /// The `rport` parameter. A value that is no port counts as absent.
    pub fn rport(&self) -> Rport {
        match self.params().param(b"rport").map(|param| param.value) {
            None => Rport::Absent,
            Some(None | Some([])) => Rport::Asked,
            Some(Some(port)) => port_number(port).map_or(Rport::Absent, Rport::Filled),
        }
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<&'b [u8]> {
        self.params().get(b"maddr")
    }

    /// The `ttl` parameter.
    pub fn ttl(&self) -> Option<u8> {
        port_number(self.params().get(b"ttl")?).and_then(|ttl| u8::try_from(ttl).ok())
    }
}

fn after_word<'b>(bytes: &'b [u8], word: &[u8]) -> Option<&'b [u8]> {
    let (start, rest) = trim_start(bytes).split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn after_slash(bytes: &[u8]) -> Option<&[u8]> {
    trim_start(bytes).strip_prefix(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via<'_> {
        Via::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_plain_one() {
        let via = via("SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776;rport");
        assert_eq!(via.transport(), Transport::Udp);
        assert_eq!(via.host(), b"pc33.atlanta.com");
        assert_eq!(via.port(), Some(5066));
        assert_eq!(via.branch(), Some(&b"z9hG4bK776"[..]));
        assert!(via.has_magic_branch());
        assert_eq!(via.rport(), Rport::Asked);
        assert_eq!(via.received(), None);
    }

    #[test]
    fn one_with_all_the_white_space_there_may_be() {
        let via = via(
            "SIP  / 2.0  /\r\n TCP     spindle.example.com :  5090  ;\r\n  branch  =   z9hG4bK9ikj8",
        );
        assert_eq!(via.transport(), Transport::Tcp);
        assert_eq!((via.host(), via.port()), (&b"spindle.example.com"[..], Some(5090)));
        assert_eq!(via.branch(), Some(&b"z9hG4bK9ikj8"[..]));
    }

    #[test]
    fn ipv6() {
        let via = via("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];rport=12;branch=x");
        assert_eq!(via.host_ip(), Some("2001:db8::9:1".parse().unwrap()));
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!(via.rport(), Rport::Filled(12));
        assert_eq!(via.port_or_default(), 5060);
        assert!(!via.has_magic_branch());
        let bare = self::via("SIP/2.0/TLS [2001:db8::9:1];received=2001:db8::9:255");
        assert_eq!(bare.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!(bare.port_or_default(), 5061);
    }

    #[test]
    fn what_is_no_via() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 h",
            "SIP/1.0/UDP h",
            "SIP/2.0/UDPh;branch=x",
            "SIP/2.0/UDP h:",
            "SIP/2.0/UDP h:65536",
            "SIP/2.0/UDP h x",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0/U\"P h",
        ] {
            assert_eq!(Via::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
