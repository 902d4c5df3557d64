//! Where a request is to go: Request-URI, next hop and socket, one per branch.
//!
//! Until a script changes something, nothing is copied: `None` means "as received".

use std::net::{IpAddr, SocketAddr};

use duologue_script::AvpList;
use duologue_sip::{Uri, host_ip};

use crate::sockets::Proto;

/// How many bytes a URI that a script builds may have (spec/script.md §11).
pub const URI_MAX: usize = 1024;

/// One destination of a request: the Request-URI branch or an additional one.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The Request-URI; `None` as received.
    pub uri: Option<Vec<u8>>,
    /// The next hop (`$du`), a URI; `None` for the Request-URI itself.
    pub next_hop: Option<Vec<u8>>,
    /// The proxies to pass on the way, as Route values joined by commas: what a Path brought
    /// (RFC 3327). They stand above the Routes of the message.
    pub path: Option<Vec<u8>>,
    /// The socket to send from; `None` to choose.
    pub socket: Option<u16>,
    /// The branch's flags.
    pub flags: u32,
    /// The branch's q value × 1000; −1 unset.
    pub q: i32,
    /// What the script hung on the branch, by name (`$msg.branch.attr`).
    pub attrs: AvpList,
}

impl Target {
    /// The Request-URI branch as received.
    pub fn received() -> Self {
        Self { q: -1, ..Self::default() }
    }

    /// Back to "as received", keeping nothing.
    pub fn reset(&mut self) {
        *self = Self::received();
    }
}

/// Why a URI does not lead anywhere. The numbers are the script's (spec/script.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDestination {
    /// Not a URI that we can route by.
    BadUri,
    /// A transport that no loaded module speaks.
    BadProtocol,
    /// A host name that does not resolve.
    Unresolvable,
    /// An address on a selected blacklist.
    Blacklisted,
}

impl NoDestination {
    /// The core's error code.
    pub const fn code(self) -> i32 {
        match self {
            Self::BadUri => -475,
            Self::BadProtocol => -474,
            Self::Unresolvable => -476,
            Self::Blacklisted => -473,
        }
    }
}

/// The transport and address that a URI leads to (RFC 3263, for literal addresses).
///
/// # Errors
/// See [`NoDestination`].
pub fn destination(uri: &[u8]) -> Result<(Proto, SocketAddr), NoDestination> {
    let uri = Uri::parse(uri).map_err(|_| NoDestination::BadUri)?;
    if !uri.scheme().is_sip() {
        return Err(NoDestination::BadUri);
    }
    let proto = match uri.transport() {
        None => Proto::Udp,
        Some(name) => Proto::from_name(name).ok_or(NoDestination::BadProtocol)?,
    };
    if proto != Proto::Udp {
        return Err(NoDestination::BadProtocol);
    }
    // RFC 3261 §19.1.1: maddr overrides the host as the address to contact.
    let host = uri.maddr().unwrap_or_else(|| uri.host());
    let address = literal(host).ok_or(NoDestination::Unresolvable)?;
    Ok((proto, SocketAddr::new(address, uri.port_or_default())))
}

/// The address that a host text stands for without asking anybody.
fn literal(host: &[u8]) -> Option<IpAddr> {
    host_ip(host).or_else(|| {
        // RFC 6761 §6.3: localhost never leaves the machine, so no resolver is needed.
        host.eq_ignore_ascii_case(b"localhost").then_some(IpAddr::from([127, 0, 0, 1]))
    })
}

/// The same URI with another user; an empty one removes it (spec/script.md §8, `$rU`).
pub fn with_user(uri: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    let parsed = Uri::parse(uri).ok()?;
    let mut built = prefix(&parsed);
    built.extend_from_slice(user);
    if let Some(password) = parsed.password() {
        built.push(b':');
        built.extend_from_slice(password);
    }
    if !user.is_empty() || parsed.password().is_some() {
        built.push(b'@');
    }
    let from_host = offset(uri, parsed.host())?;
    built.extend_from_slice(&uri[from_host..]);
    checked(built)
}

/// The same URI with another host and port. `port`: `None` keeps it, `Some(None)` removes it. An
/// `maddr` parameter goes, since it would override the host.
pub fn with_host_port(uri: &[u8], host: &[u8], port: Option<Option<u16>>) -> Option<Vec<u8>> {
    let parsed = Uri::parse(uri).ok()?;
    let from_host = offset(uri, parsed.host())?;
    let mut built = uri[..from_host].to_vec();
    built.extend_from_slice(host);
    let number = match port {
        None => parsed.port(),
        Some(number) => number,
    };
    if let Some(number) = number {
        built.push(b':');
        built.extend_from_slice(number.to_string().as_bytes());
    }
    let rest = &uri[after_port(uri, &parsed)?..];
    match remove_param(rest, b"maddr") {
        Some(rest) => built.extend_from_slice(&rest),
        None => built.extend_from_slice(rest),
    }
    checked(built)
}

/// The same URI with another port, or none.
pub fn with_port(uri: &[u8], port: Option<u16>) -> Option<Vec<u8>> {
    let parsed = Uri::parse(uri).ok()?;
    let after_host = offset(uri, parsed.host())? + parsed.host().len();
    let mut built = uri[..after_host].to_vec();
    if let Some(number) = port {
        built.push(b':');
        built.extend_from_slice(number.to_string().as_bytes());
    }
    built.extend_from_slice(&uri[after_port(uri, &parsed)?..]);
    checked(built)
}

fn prefix(uri: &Uri<'_>) -> Vec<u8> {
    let mut built = Vec::with_capacity(uri.as_bytes().len() + 16);
    built.extend_from_slice(uri.scheme_bytes());
    built.push(b':');
    built
}

fn after_port(uri: &[u8], parsed: &Uri<'_>) -> Option<usize> {
    let after_host = offset(uri, parsed.host())? + parsed.host().len();
    Some(parsed.port_bytes().map_or(after_host, |port| after_host + 1 + port.len()))
}

fn offset(whole: &[u8], part: &[u8]) -> Option<usize> {
    duologue_sip::Span::of(part, whole).map(|span| span.range().start)
}

fn remove_param(rest: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let headers = rest.iter().position(|&byte| byte == b'?').unwrap_or(rest.len());
    let (params, headers) = rest.split_at(headers);
    let named = |param: &&[u8]| {
        let end = param.iter().position(|&byte| byte == b'=').unwrap_or(param.len());
        param[..end].eq_ignore_ascii_case(name)
    };
    let mut parts = params.split(|&byte| byte == b';');
    parts.clone().find(named)?;
    let mut kept = parts.next().unwrap_or_default().to_vec();
    for part in parts.filter(|part| !named(part)) {
        kept.push(b';');
        kept.extend_from_slice(part);
    }
    kept.extend_from_slice(headers);
    Some(kept)
}

fn checked(uri: Vec<u8>) -> Option<Vec<u8>> {
    (uri.len() <= URI_MAX && Uri::parse(&uri).is_ok()).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(uri: Option<Vec<u8>>) -> String {
        String::from_utf8(uri.unwrap_or_default()).unwrap()
    }

    /// spec/script.md §8: `$rU`, `$rd`, `$rp`.
    #[test]
    fn parts_are_replaced_and_the_rest_stays() {
        let uri = b"sip:alice@example.com:5070;transport=udp?x=y";
        assert_eq!(text(with_user(uri, b"bob")), "sip:bob@example.com:5070;transport=udp?x=y");
        assert_eq!(text(with_user(uri, b"")), "sip:example.com:5070;transport=udp?x=y");
        assert_eq!(text(with_port(uri, None)), "sip:alice@example.com;transport=udp?x=y");
        assert_eq!(text(with_port(b"sip:a@[::1]", Some(9))), "sip:a@[::1]:9");
        assert_eq!(
            text(with_host_port(b"sip:a@h:1;maddr=10.0.0.1;lr", b"10.0.0.2", None)),
            "sip:a@10.0.0.2:1;lr"
        );
        assert_eq!(text(with_host_port(b"sip:h:1", b"k", Some(None))), "sip:k");
        assert_eq!(text(with_user(b"sip:example.com", b"bob")), "sip:bob@example.com");
    }

    #[test]
    fn a_destination_needs_an_address_and_a_known_transport() {
        let udp = |uri: &[u8]| destination(uri).map(|(_, address)| address.to_string());
        assert_eq!(udp(b"sip:a@127.0.0.1").unwrap(), "127.0.0.1:5060");
        assert_eq!(udp(b"sip:[::1]:5070").unwrap(), "[::1]:5070");
        assert_eq!(udp(b"sip:h;maddr=10.1.2.3").unwrap(), "10.1.2.3:5060");
        assert_eq!(udp(b"sip:localhost:7").unwrap(), "127.0.0.1:7");
        assert_eq!(udp(b"sip:a@nowhere.invalid"), Err(NoDestination::Unresolvable));
        assert_eq!(udp(b"sip:127.0.0.1;transport=tcp"), Err(NoDestination::BadProtocol));
        assert_eq!(udp(b"http://x"), Err(NoDestination::BadUri));
    }
}
