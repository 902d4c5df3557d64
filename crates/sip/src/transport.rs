//! Transports by name.

use std::fmt;

/// How a message travels: the transport of a Via (RFC 3261 §20.42, RFC 7118, RFC 4168).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP.
    Sctp,
    /// TLS over SCTP.
    TlsSctp,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// One that this crate does not know.
    Other,
}

impl Transport {
    /// The transport of that name, whatever its case.
    pub fn parse(name: &[u8]) -> Self {
        let known =
            [Self::Udp, Self::Tcp, Self::Tls, Self::Wss, Self::Ws, Self::Sctp, Self::TlsSctp];
        known
            .into_iter()
            .find(|transport| transport.as_str().as_bytes().eq_ignore_ascii_case(name))
            .unwrap_or(Self::Other)
    }

    /// The name in a Via.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::TlsSctp => "TLS-SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other => "",
        }
    }

    /// Whether messages cannot get lost on it, so that nobody need repeat them (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp | Self::Other)
    }

    /// The port where none is written (RFC 3261 §19.1.2, RFC 7118 §5.3).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tls | Self::TlsSctp => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
            _ => 5060,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
