//! Where a contact is reached, and by what.

use std::net::IpAddr;

use duologue_sip::{ListValues, NameAddr, Uri};
use duologue_usrloc::Contact;

/// The URI that a request to a contact is sent to first: the first proxy of its Path, else the
/// address that it registered from, else its own.
pub(super) fn first_hop(contact: &Contact) -> &[u8] {
    match first_of_path(contact) {
        Some(proxy) => proxy,
        None => own_address(contact),
    }
}

/// The URI by which a contact itself is seen from here: the address that it registered from if it
/// is behind a NAT, else its own.
pub(super) fn own_address(contact: &Contact) -> &[u8] {
    if contact.received.is_empty() { &contact.uri } else { &contact.received }
}

/// The URI of the first proxy of a Path.
pub(super) fn first_of_path(contact: &Contact) -> Option<&[u8]> {
    let first = ListValues::new(&contact.path).next()?;
    Some(NameAddr::parse(first)?.uri_bytes())
}

/// The literal address and port of a URI; the port is 5060 or 5061 if none is written.
pub(super) fn ip_port(uri: &[u8]) -> Option<(IpAddr, u16)> {
    let uri = Uri::parse(uri).ok()?;
    let host = uri.maddr().unwrap_or_else(|| uri.host());
    Some((duologue_sip::host_ip(host)?.to_canonical(), uri.port_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_before_the_address_behind_the_nat() {
        let plain = Contact::new(b"sip:a@10.0.0.9:5070", b"c", 1);
        assert_eq!(first_hop(&plain), b"sip:a@10.0.0.9:5070");
        let nat = Contact { received: b"sip:192.0.2.9:40000"[..].into(), ..plain };
        assert_eq!(first_hop(&nat), b"sip:192.0.2.9:40000");
        let path = b"<sip:edge.example.com;lr>, <sip:192.0.2.1;lr>"[..].into();
        let behind = Contact { path, ..nat };
        assert_eq!(first_hop(&behind), b"sip:edge.example.com;lr");
        assert_eq!(own_address(&behind), b"sip:192.0.2.9:40000");
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(ip_port(b"sip:h;maddr=192.0.2.9"), Some((address("192.0.2.9"), 5060)));
        assert_eq!(ip_port(b"sip:[2001:db8::1]:7"), Some((address("2001:db8::1"), 7)));
        assert_eq!(ip_port(b"sip:example.com"), None);
    }
}
