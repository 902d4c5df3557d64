//! The socket table: where we listen, under which names, and "is this me?".
//!
//! The script names sockets, aliases and advertised addresses; [`Sockets::build`] expands them once
//! (`*`, interface names, host names) and writes down every text that a message may need, so that at
//! run time nothing is formatted or allocated. A socket's place in the table is the `socket` of
//! [`duologue_sip::Flow`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::net::{interfaces, route};

mod bonds;
mod spec;

pub use bonds::BondSpec;
pub use spec::{Advertised, AliasSpec, Proto, SocketError, SocketSpec};

/// How many sockets a table can hold.
pub const SOCKETS_MAX: usize = 1_024;

/// All listening sockets of the program.
#[derive(Clone, Debug)]
pub struct Sockets {
    sockets: Vec<ListeningSocket>,
    identities: Vec<Identity>,
    advertised: Advertised,
    aliases: Vec<AliasSpec>,
    bonds: Vec<bonds::Bond>,
    by_route: bool,
}

/// One socket with its texts.
#[derive(Clone, Debug)]
pub struct ListeningSocket {
    spec: SocketSpec,
    address: SocketAddr,
    text: Box<str>,
    host: Box<str>,
    ip: Box<str>,
    advertised_host: Box<str>,
    advertised_port: u16,
    via_sent_by: Box<str>,
    record_route_host: Box<str>,
}

// === impl Sockets ===

impl Sockets {
    /// Expands what the script says into a table.
    ///
    /// `*` becomes one socket per interface address (link-local IPv6 left out), an interface name
    /// one per address of it, a host name its first address. Names are resolved here and never
    /// again.
    ///
    /// # Errors
    /// A name that does not resolve, a socket named twice, too many sockets or none.
    pub fn build(
        specs: Vec<SocketSpec>,
        aliases: Vec<AliasSpec>,
        advertised: Advertised,
    ) -> Result<Self, SocketError> {
        let local = interfaces().map_err(|error| SocketError::Interfaces(error.to_string()))?;
        let mut sockets: Vec<ListeningSocket> = Vec::new();
        for spec in specs {
            let port = spec.port.unwrap_or_else(|| spec.proto.default_port());
            for ip in expand(&spec.host, &local)? {
                let address = SocketAddr::new(ip, port);
                let twin = |other: &ListeningSocket| {
                    port != 0 && other.proto() == spec.proto && other.address == address
                };
                if sockets.iter().any(twin) {
                    return Err(SocketError::Duplicate(socket_text(spec.proto, address)));
                }
                if sockets.len() >= SOCKETS_MAX {
                    return Err(SocketError::TooMany);
                }
                sockets.push(ListeningSocket::new(spec.clone(), address, &advertised, &local));
            }
        }
        if sockets.is_empty() {
            return Err(SocketError::None);
        }
        let mut table = Self {
            sockets,
            identities: Vec::new(),
            advertised,
            aliases,
            bonds: Vec::new(),
            by_route: false,
        };
        table.collect_identities(&local);
        Ok(table)
    }

    /// The same table; the kernel's routes choose between sockets (`mhomed`).
    #[must_use]
    pub fn choosing_by_route(self, by_route: bool) -> Self {
        Self { by_route, ..self }
    }

    /// Tells the table where a socket ended up, when the kernel chose its port.
    ///
    /// # Errors
    /// The interfaces cannot be listed.
    pub fn bound(&mut self, socket: u16, address: SocketAddr) -> Result<(), SocketError> {
        let Some(entry) = self.sockets.get_mut(usize::from(socket)) else { return Ok(()) };
        if entry.address != address {
            let local = interfaces().map_err(|error| SocketError::Interfaces(error.to_string()))?;
            *entry = ListeningSocket::new(entry.spec.clone(), address, &self.advertised, &local);
            self.collect_identities(&local);
        }
        Ok(())
    }

    /// How many sockets there are; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a table without sockets cannot be built")]
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// The socket at a place of the table.
    pub fn get(&self, socket: u16) -> Option<&ListeningSocket> {
        self.sockets.get(usize::from(socket))
    }

    /// All sockets with their place.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &ListeningSocket)> {
        (0u16..).zip(&self.sockets)
    }

    /// Whether a host (and port, and protocol) names this program: one of its sockets, what they
    /// advertise, or an alias. A port missing or 0 on either side fits any, so does a missing
    /// protocol. Host names are compared in any case, addresses by value, IPv6 with or without
    /// brackets (spec/script.md §2.2).
    pub fn is_me(&self, host: &[u8], port: Option<u16>, proto: Option<Proto>) -> bool {
        let host = without_brackets(host);
        let port = port.unwrap_or(0);
        let fits = |identity: &&Identity| {
            (port == 0 || identity.port == 0 || identity.port == port)
                && (proto.is_none() || identity.proto.is_none() || identity.proto == proto)
        };
        let mut fitting = self.identities.iter().filter(fits);
        match parse_ip(host) {
            Some(ip) => fitting.any(|identity| identity.name == Name::Ip(ip)),
            None => fitting.any(|identity| identity.is_named(host)),
        }
    }

    /// The socket of this protocol at exactly this address; a missing port fits any. What it
    /// advertises is looked at after the real addresses.
    pub fn find(&self, proto: Proto, host: &[u8], port: Option<u16>) -> Option<u16> {
        let host = without_brackets(host);
        let ip = parse_ip(host);
        let port = port.filter(|&port| port != 0);
        let of_proto = || self.iter().filter(|(_, socket)| socket.proto() == proto);
        let real = of_proto().find(|(_, socket)| {
            let same = match ip {
                Some(ip) => socket.address.ip() == ip,
                None => socket.spec.host.as_bytes().eq_ignore_ascii_case(host),
            };
            same && port.is_none_or(|port| socket.port() == port)
        });
        let shown = || {
            of_proto().find(|(_, socket)| {
                let shown = without_brackets(socket.advertised_host.as_bytes());
                let same = match ip {
                    Some(ip) => parse_ip(shown) == Some(ip),
                    None => shown.eq_ignore_ascii_case(host),
                };
                same && port.is_none_or(|port| socket.advertised_port == port)
            })
        };
        real.or_else(shown).map(|(socket, _)| socket)
    }

    /// The socket that a text like `udp:127.0.0.1:5060` names.
    pub fn find_text(&self, text: &[u8]) -> Option<u16> {
        let spec: SocketSpec = std::str::from_utf8(text).ok()?.parse().ok()?;
        self.find(spec.proto, spec.host.as_bytes(), spec.port)
    }

    /// The socket to leave by towards `peer`: the preferred one (forced, or where the request came
    /// in; of a bond the member that fits) if it speaks the protocol and the address family, else the
    /// first that does. Loopback sockets are a choice only for loopback peers, unless there is no
    /// other.
    pub fn for_destination(
        &self,
        proto: Proto,
        peer: IpAddr,
        preferred: Option<u16>,
    ) -> Option<u16> {
        let fits = |socket: &ListeningSocket| {
            socket.proto() == proto && socket.address.is_ipv4() == peer.is_ipv4()
        };
        let can = |socket: &u16| self.get(*socket).is_some_and(fits);
        let members = preferred.and_then(|number| self.members(number));
        let chosen = members.map_or(preferred, |members| members.iter().copied().find(can));
        if chosen.as_ref().is_some_and(can) {
            return chosen;
        }
        let of_family = || self.iter().filter(|(_, socket)| fits(socket));
        let same_reach =
            |(_, s): &(u16, &ListeningSocket)| s.address.ip().is_loopback() == peer.is_loopback();
        of_family().find(same_reach).or_else(|| of_family().next()).map(|(socket, _)| socket)
    }

    /// With `mhomed`, the socket on the address from which the kernel would send to `peer`.
    pub fn by_route(&self, proto: Proto, peer: SocketAddr) -> Option<u16> {
        if !self.by_route {
            return None;
        }
        let source = route::source_towards(peer)?;
        let fits = |socket: &ListeningSocket| socket.proto() == proto && socket.receives_on(source);
        self.iter().find(|(_, socket)| fits(socket)).map(|(number, _)| number)
    }

    fn collect_identities(&mut self, local: &[(String, IpAddr)]) {
        self.identities.clear();
        let mut add = |host: &str, port: u16, proto: Option<Proto>, accept_subdomain: bool| {
            let host = without_brackets(host.as_bytes());
            let name = match parse_ip(host) {
                Some(ip) => Name::Ip(ip),
                None => Name::Host(host.to_ascii_lowercase().into()),
            };
            let identity = Identity { name, port, proto, accept_subdomain };
            if !self.identities.contains(&identity) {
                self.identities.push(identity);
            }
        };
        for socket in &self.sockets {
            let (proto, port) = (Some(socket.proto()), socket.port());
            let subdomain = socket.spec.accept_subdomain;
            if socket.address.ip().is_unspecified() {
                for (_, ip) in local.iter().filter(|(_, ip)| socket.receives_on(*ip)) {
                    add(&ip.to_string(), port, proto, false);
                }
            }
            add(&socket.ip, port, proto, false);
            if is_host_name(&socket.spec.host, local) {
                add(&socket.spec.host, port, proto, subdomain);
            }
            add(&socket.advertised_host, socket.advertised_port, proto, subdomain);
        }
        for alias in &self.aliases {
            add(&alias.host, alias.port.unwrap_or(0), alias.proto, alias.accept_subdomain);
        }
    }
}

// === impl ListeningSocket ===

impl ListeningSocket {
    fn new(
        spec: SocketSpec,
        address: SocketAddr,
        global: &Advertised,
        local: &[(String, IpAddr)],
    ) -> Self {
        let ip = address.ip();
        // Nobody can answer to 0.0.0.0: show an address that this socket receives on.
        let shown = if ip.is_unspecified() { reachable(ip, local).unwrap_or(ip) } else { ip };
        let (advertised_host, advertised_port) = match &spec.advertised {
            Some((host, port)) => (bracketed(host), port.unwrap_or(address.port())),
            None => (
                global.host.as_deref().map_or_else(|| host_text(shown), bracketed),
                global.port.unwrap_or(address.port()),
            ),
        };
        let with_port = format!("{advertised_host}:{advertised_port}");
        let default = is_default_port(spec.proto, advertised_port);
        let record_route_host = if default { advertised_host.clone() } else { with_port.clone() };
        Self {
            text: socket_text(spec.proto, address).into(),
            host: host_text(ip).into(),
            ip: ip.to_string().into(),
            advertised_host: advertised_host.into(),
            advertised_port,
            via_sent_by: with_port.into(),
            record_route_host: record_route_host.into(),
            spec,
            address,
        }
    }

    /// The protocol it speaks.
    pub fn proto(&self) -> Proto {
        self.spec.proto
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it is bound to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the script says about it.
    pub fn spec(&self) -> &SocketSpec {
        &self.spec
    }

    /// `udp:127.0.0.1:5060`, as in `$socket_in`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The address as a URI or Via writes it: IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address without brackets.
    pub fn ip(&self) -> &str {
        &self.ip
    }

    /// The host that messages show: `as`, else `advertised_address`, else [`host`](Self::host).
    pub fn advertised_host(&self) -> &str {
        &self.advertised_host
    }

    /// The port that messages show.
    pub fn advertised_port(&self) -> u16 {
        self.advertised_port
    }

    /// The sent-by of our Via, `host:port`, with the port even if it is the default.
    pub fn via_sent_by(&self) -> &str {
        &self.via_sent_by
    }

    /// Host and port of our Record-Route and Contact URIs; the port is left out where a SIP URI
    /// means it anyway (5060 over UDP and TCP).
    pub fn record_route_host(&self) -> &str {
        &self.record_route_host
    }

    /// Whether our Record-Route and Contact URIs leave this port out.
    pub fn is_default_port(&self, port: u16) -> bool {
        is_default_port(self.proto(), port)
    }

    /// The name among cluster nodes, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.spec.tag.as_deref()
    }

    /// Whether datagrams to `ip`, an address of this machine, arrive here.
    fn receives_on(&self, ip: IpAddr) -> bool {
        let own = self.address.ip();
        own == ip || own.is_unspecified() && own.is_ipv4() == ip.is_ipv4()
    }
}

// === identities ===

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    name: Name,
    /// Zero fits any.
    port: u16,
    proto: Option<Proto>,
    accept_subdomain: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Ip(IpAddr),
    Host(Box<[u8]>),
}

impl Identity {
    fn is_named(&self, host: &[u8]) -> bool {
        let Name::Host(own) = &self.name else { return false };
        match host.len().checked_sub(own.len()) {
            Some(0) => own.eq_ignore_ascii_case(host),
            Some(longer) if self.accept_subdomain => {
                host[longer - 1] == b'.' && own.eq_ignore_ascii_case(&host[longer..])
            }
            _ => false,
        }
    }
}

// === texts and addresses ===

/// Whether a SIP URI without a port means this one.
fn is_default_port(proto: Proto, port: u16) -> bool {
    matches!(proto, Proto::Udp | Proto::Tcp) && port == 5060
}

/// A host as a URI writes it; none if it is neither an address nor a name.
pub fn uri_host(text: &str) -> Option<String> {
    let host = bracketed(text.trim());
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_name = !host.is_empty() && host.bytes().all(letters);
    (is_name || host.starts_with('[') && host.ends_with(']')).then_some(host)
}

fn expand(host: &str, local: &[(String, IpAddr)]) -> Result<Vec<IpAddr>, SocketError> {
    if let Some(ip) = parse_ip(without_brackets(host.as_bytes())) {
        return Ok(vec![ip]);
    }
    let usable = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let here: Vec<_> = local
        .iter()
        .filter(|(name, ip)| (host == "*" || name == host) && usable(ip))
        .map(|&(_, ip)| ip)
        .collect();
    if !here.is_empty() {
        return Ok(here);
    }
    let resolved = (host, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
    resolved
        .map(|address| vec![address.ip()])
        .ok_or_else(|| SocketError::Unresolved(host.to_owned()))
}

fn is_host_name(host: &str, local: &[(String, IpAddr)]) -> bool {
    host != "*"
        && parse_ip(without_brackets(host.as_bytes())).is_none()
        && local.iter().all(|(name, _)| name != host)
}

/// An address that others can answer to when we are bound to all of a family.
fn reachable(any: IpAddr, local: &[(String, IpAddr)]) -> Option<IpAddr> {
    let of_family = || {
        local.iter().map(|&(_, ip)| ip).filter(|ip| match ip {
            IpAddr::V4(_) => any.is_ipv4(),
            IpAddr::V6(ip) => any.is_ipv6() && !ip.is_unicast_link_local(),
        })
    };
    of_family().find(|ip| !ip.is_loopback()).or_else(|| of_family().next())
}

fn without_brackets(host: &[u8]) -> &[u8] {
    host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(host)
}

fn parse_ip(host: &[u8]) -> Option<IpAddr> {
    // Names are the common case that is no address; one look tells most of them apart.
    let first = host.first()?;
    if !first.is_ascii_hexdigit() && *first != b':' {
        return None;
    }
    let text = std::str::from_utf8(host).ok()?;
    if host.contains(&b':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

fn host_text(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn bracketed(host: &str) -> String {
    match parse_ip(without_brackets(host.as_bytes())) {
        Some(ip) => host_text(ip),
        None => host.to_owned(),
    }
}

fn socket_text(proto: Proto, address: SocketAddr) -> String {
    format!("{}:{address}", proto.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(texts: &[&str]) -> Vec<SocketSpec> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn table(texts: &[&str], aliases: &[&str]) -> Sockets {
        let aliases = aliases.iter().map(|text| text.parse().unwrap()).collect();
        Sockets::build(specs(texts), aliases, Advertised::default()).unwrap()
    }

    #[test]
    fn texts_are_ready() {
        let sockets = table(&["udp:127.0.0.1:5060", "tcp:[::1]:5070", "tls:127.0.0.1"], &[]);
        let texts: Vec<_> = sockets
            .iter()
            .map(|(_, s)| (s.text(), s.via_sent_by(), s.record_route_host(), s.ip()))
            .collect();
        assert_eq!(
            texts,
            [
                ("udp:127.0.0.1:5060", "127.0.0.1:5060", "127.0.0.1", "127.0.0.1"),
                ("tcp:[::1]:5070", "[::1]:5070", "[::1]:5070", "::1"),
                ("tls:127.0.0.1:5061", "127.0.0.1:5061", "127.0.0.1:5061", "127.0.0.1"),
            ]
        );
    }

    #[test]
    fn own_advertised_wins_over_the_global_one() {
        let mut socks = specs(&["udp:127.0.0.1:5070", "udp:127.0.0.1:5080"]);
        socks[0].advertised = Some(("sip.example.org".into(), None));
        let global = Advertised { host: Some("2001:db8::1".into()), port: Some(5062) };
        let sockets = Sockets::build(socks, Vec::new(), global).unwrap();
        assert_eq!(sockets.get(0).unwrap().via_sent_by(), "sip.example.org:5070");
        assert_eq!(sockets.get(1).unwrap().via_sent_by(), "[2001:db8::1]:5062");
        assert!(sockets.is_me(b"SIP.Example.ORG", Some(5070), Some(Proto::Udp)));
        assert!(sockets.is_me(b"[2001:DB8:0::1]", Some(5062), None));
        assert!(!sockets.is_me(b"[2001:db8::1]", Some(5080), None));
        assert!(sockets.is_me(b"127.0.0.1", Some(5080), None));
    }

    // spec/script.md §2.2: port 0 or missing on either side fits any, proto none fits any.
    #[test]
    fn myself() {
        let sockets = table(
            &["udp:127.0.0.1:5060", "udp:[::1]:5060"],
            &["example.com", "any:example.net:5090", "tcp:example.org"],
        );
        let me = |host: &str, port, proto| sockets.is_me(host.as_bytes(), port, proto);
        assert!(me("127.0.0.1", Some(5060), Some(Proto::Udp)));
        assert!(me("127.0.0.1", None, None));
        assert!(me("127.0.0.1", Some(0), None));
        assert!(!me("127.0.0.1", Some(5061), None));
        assert!(!me("127.0.0.1", Some(5060), Some(Proto::Tcp)));
        assert!(me("::1", Some(5060), None));
        assert!(me("[0:0::1]", Some(5060), None));
        assert!(me("EXAMPLE.com", Some(7), Some(Proto::Ws)));
        assert!(!me("a.example.com", None, None));
        assert!(me("example.net", None, None));
        assert!(!me("example.net", Some(5060), None));
        assert!(me("example.org", None, None));
        assert!(!me("example.org", None, Some(Proto::Udp)));
        assert!(!me("", None, None));
        assert!(!me("[", None, None));
    }

    #[test]
    fn subdomains_end_at_a_dot() {
        let mut alias: AliasSpec = "example.com".parse().unwrap();
        alias.accept_subdomain = true;
        let sockets =
            Sockets::build(specs(&["udp:127.0.0.1:5060"]), vec![alias], Advertised::default())
                .unwrap();
        assert!(sockets.is_me(b"a.b.Example.com", None, None));
        assert!(sockets.is_me(b"example.com", None, None));
        assert!(!sockets.is_me(b"badexample.com", None, None));
    }

    #[test]
    fn finding() {
        let sockets = table(&["udp:127.0.0.1:5060", "udp:127.0.0.1:5070", "udp:[::1]:5060"], &[]);
        assert_eq!(sockets.find(Proto::Udp, b"127.0.0.1", Some(5070)), Some(1));
        assert_eq!(sockets.find(Proto::Udp, b"127.0.0.1", None), Some(0));
        assert_eq!(sockets.find(Proto::Tcp, b"127.0.0.1", None), None);
        assert_eq!(sockets.find_text(b"udp:[::1]:5060"), Some(2));
        assert_eq!(sockets.find_text(b"udp:127.0.0.1:5090"), None);

        let (v4, v6): (IpAddr, IpAddr) =
            ("192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap());
        assert_eq!(sockets.for_destination(Proto::Udp, v4, Some(1)), Some(1));
        assert_eq!(sockets.for_destination(Proto::Udp, v6, Some(1)), Some(2));
        assert_eq!(sockets.for_destination(Proto::Udp, v4, None), Some(0));
        assert_eq!(sockets.for_destination(Proto::Tcp, v4, Some(0)), None);
    }

    #[test]
    fn stars_interfaces_and_names_expand() {
        let all = table(&["udp:*:5060"], &[]);
        assert!(all.iter().any(|(_, s)| s.text() == "udp:127.0.0.1:5060"));
        assert!(all.iter().all(|(_, s)| !s.address().ip().is_unspecified()));
        let lo = table(&["udp:lo:5060"], &[]);
        assert!(lo.iter().all(|(_, s)| s.address().ip().is_loopback()));
        let name = table(&["udp:localhost:5060"], &[]);
        assert!(name.is_me(b"localhost", Some(5060), None));
        let any = table(&["udp:0.0.0.0:5060"], &[]);
        assert!(any.is_me(b"127.0.0.1", Some(5060), None));
        assert!(!any.get(0).unwrap().via_sent_by().starts_with("0.0.0.0"));
    }

    #[test]
    fn a_port_chosen_by_the_kernel_is_told_later() {
        let mut sockets = table(&["udp:127.0.0.1:0"], &[]);
        sockets.bound(0, "127.0.0.1:40123".parse().unwrap()).unwrap();
        assert_eq!(sockets.get(0).unwrap().text(), "udp:127.0.0.1:40123");
        assert!(sockets.is_me(b"127.0.0.1", Some(40123), None));
        assert!(!sockets.is_me(b"127.0.0.1", Some(5060), None));
    }

    /// spec/script.md §2.3, `mhomed`: the kernel's route decides, if it is asked.
    #[test]
    fn the_kernel_chooses_among_several_homes() {
        let sockets = table(&["udp:127.0.0.2:5060", "udp:127.0.0.1:5060"], &[]);
        let peer = "127.0.0.1:5070".parse().unwrap();
        assert_eq!(sockets.by_route(Proto::Udp, peer), None);
        let sockets = sockets.choosing_by_route(true);
        assert_eq!(sockets.by_route(Proto::Udp, peer), Some(1));
        assert_eq!(sockets.by_route(Proto::Tcp, peer), None);
    }

    #[test]
    fn hosts_are_written_as_in_uris() {
        assert_eq!(uri_host("sip.example.com").as_deref(), Some("sip.example.com"));
        assert_eq!(uri_host("2001:db8::1").as_deref(), Some("[2001:db8::1]"));
        for bad in ["", "a b", "a:5060", "<a>"] {
            assert_eq!(uri_host(bad), None, "{bad}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let build =
            |texts: &[&str]| Sockets::build(specs(texts), Vec::new(), Advertised::default()).err();
        assert_eq!(build(&[]), Some(SocketError::None));
        assert_eq!(
            build(&["udp:127.0.0.1", "udp:127.0.0.1:5060"]),
            Some(SocketError::Duplicate("udp:127.0.0.1:5060".into()))
        );
        assert!(matches!(build(&["udp:no.such.invalid"]), Some(SocketError::Unresolved(_))));
    }
}
