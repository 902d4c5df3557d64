//! Sockets and aliases as the script writes them.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::SOCKETS_MAX;

/// A transport protocol that a socket can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
    /// Streams under TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS.
    Wss,
}

impl Proto {
    /// The name in scripts and in the `transport` parameter of a URI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The name in a Via header (RFC 3261 §20.42).
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The port that is meant when none is given.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The protocol of this name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|proto| proto.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A socket as the script names it. `"udp:127.0.0.1:5060".parse()` makes one without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// The protocol.
    pub proto: Proto,
    /// An address, a host name, an interface name or `*`. IPv6 with or without brackets.
    pub host: String,
    /// The port; `None` is the protocol's default. Zero lets the kernel choose (for tests).
    pub port: Option<u16>,
    /// `as host[:port]`: what messages show instead of the address.
    pub advertised: Option<(String, Option<u16>)>,
    /// `tag`: the name of this socket among cluster nodes.
    pub tag: Option<String>,
    /// `use_workers`: how many receivers; `None` takes the global setting.
    pub workers: Option<u16>,
    /// `tos`: the type of service of what leaves here; `None` takes the global setting.
    pub tos: Option<u8>,
    /// `anycast`: several nodes share this address.
    pub anycast: bool,
    /// `frag`: what is too long for the path may leave in fragments.
    pub fragments: bool,
    /// `accept_subdomain`: names below a host name are this socket, too.
    pub accept_subdomain: bool,
}

/// Another name of ours (`alias`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasSpec {
    /// Only for this protocol; `None` is any.
    pub proto: Option<Proto>,
    /// The name or address.
    pub host: String,
    /// Only for this port; `None` is any.
    pub port: Option<u16>,
    /// Names below it are ours, too.
    pub accept_subdomain: bool,
}

/// What holds for all sockets without an `as` of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    /// `advertised_address`.
    pub host: Option<String>,
    /// `advertised_port`.
    pub port: Option<u16>,
}

/// Why a socket of the script cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// Not `proto:host[:port]`.
    Syntax(String),
    /// The protocol is not known.
    UnknownProto(String),
    /// Neither an address nor an interface nor a name that resolves.
    Unresolved(String),
    /// The same protocol, address and port were named twice.
    Duplicate(String),
    /// No socket at all.
    None,
    /// More than [`SOCKETS_MAX`].
    TooMany,
    /// The interfaces of the machine cannot be listed.
    Interfaces(String),
    /// A bond has a member that is no socket: the member, and the bond.
    NotInTable(String, String),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => write!(f, "`{text}` is not a socket; write proto:address[:port]"),
            Self::UnknownProto(name) => write!(f, "unknown transport protocol `{name}`"),
            Self::Unresolved(host) => {
                write!(f, "`{host}` is no address, no interface and no name that resolves")
            }
            Self::Duplicate(socket) => write!(f, "socket {socket} is named twice"),
            Self::None => f.write_str("there is no socket to listen on"),
            Self::NotInTable(socket, bond) => {
                write!(f, "bond:{bond}: there is no socket {socket}")
            }
            Self::TooMany => write!(f, "more than {SOCKETS_MAX} sockets"),
            Self::Interfaces(error) => write!(f, "cannot list the network interfaces: {error}"),
        }
    }
}

impl std::error::Error for SocketError {}

// === impl SocketSpec ===

impl SocketSpec {
    /// A socket without parameters.
    pub fn new(proto: Proto, host: impl Into<String>, port: Option<u16>) -> Self {
        Self {
            proto,
            host: host.into(),
            port,
            advertised: None,
            tag: None,
            workers: None,
            tos: None,
            anycast: false,
            fragments: false,
            accept_subdomain: false,
        }
    }
}

impl FromStr for SocketSpec {
    type Err = SocketError;

    fn from_str(text: &str) -> Result<Self, SocketError> {
        let syntax = || SocketError::Syntax(text.to_owned());
        let (proto, address) = text.split_once(':').ok_or_else(syntax)?;
        let proto = Proto::from_name(proto.trim().as_bytes())
            .ok_or_else(|| SocketError::UnknownProto(proto.to_owned()))?;
        let (host, port) = split_host_port(address).ok_or_else(syntax)?;
        Ok(Self::new(proto, host, port))
    }
}

impl FromStr for AliasSpec {
    type Err = SocketError;

    /// `[proto:|any:]host[:port]`. A bare `name:5060` has no protocol.
    fn from_str(text: &str) -> Result<Self, SocketError> {
        let syntax = || SocketError::Syntax(text.to_owned());
        let (proto, address) = match text.split_once(':') {
            Some((any, rest)) if any.eq_ignore_ascii_case("any") => (None, rest),
            Some((name, rest)) => match Proto::from_name(name.as_bytes()) {
                Some(proto) => (Some(proto), rest),
                None => (None, text),
            },
            None => (None, text),
        };
        let (host, port) = split_host_port(address).ok_or_else(syntax)?;
        Ok(Self { proto, host, port, accept_subdomain: false })
    }
}

/// Host and port of `host[:port]`, IPv6 only in brackets if a port follows.
fn split_host_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.trim();
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = port.map(str::parse).transpose().ok()?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read() {
        let read = |text: &str| {
            let spec: SocketSpec = text.parse().unwrap();
            (spec.proto, spec.host, spec.port)
        };
        assert_eq!(read("udp:127.0.0.1:5070"), (Proto::Udp, "127.0.0.1".into(), Some(5070)));
        assert_eq!(read("TLS:[::1]:5061"), (Proto::Tls, "::1".into(), Some(5061)));
        assert_eq!(read("tcp:2001:db8::1"), (Proto::Tcp, "2001:db8::1".into(), None));
        assert_eq!(read("wss:*"), (Proto::Wss, "*".into(), None));
    }

    #[test]
    fn aliases_are_read() {
        let read = |text: &str| {
            let alias: AliasSpec = text.parse().unwrap();
            (alias.proto, alias.host, alias.port)
        };
        assert_eq!(read("example.com"), (None, "example.com".into(), None));
        assert_eq!(read("example.com:5080"), (None, "example.com".into(), Some(5080)));
        assert_eq!(read("any:example.com"), (None, "example.com".into(), None));
        assert_eq!(read("udp:[::1]:5080"), (Some(Proto::Udp), "::1".into(), Some(5080)));
    }

    #[test]
    fn mistakes_are_told() {
        for bad in ["udp", "udp:", "udp:a:b", "udp:[::1", "udp:[::1]x", "udp:a:70000"] {
            assert!(matches!(bad.parse::<SocketSpec>(), Err(SocketError::Syntax(_))), "{bad}");
        }
        assert!(matches!("xyz:a".parse::<SocketSpec>(), Err(SocketError::UnknownProto(_))));
    }
}
