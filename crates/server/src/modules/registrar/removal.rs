//! `remove()` and `remove_ip_port()`: bindings end because a script says so (spec/modules.md §12).

use std::net::IpAddr;

use duologue_script::{Args, Called, FlagKind};
use duologue_sip::Uri;
use duologue_usrloc::{Contact, Cursor};

use super::Desk;
use super::next_hop::{first_hop, ip_port, own_address};
use crate::context::Context;

/// How many users are looked at at a time.
const SLICE: usize = 256;

/// Removes the contacts of a user that fit all that is given; false if none does.
pub(super) fn remove(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(desk) = Desk::open(ctx, args, 0) else { return Called::Value(-1) };
    let Some(aor) = desk.user(args.str(1), || None) else { return Called::Value(-1) };
    let given = |position| args.str(position).filter(|text| !text.is_empty());
    let uri = given(2).map(Uri::parse);
    let (next_hop, instance) = (given(3), given(4));
    let flag = match given(5).map(|name| branch_flag(ctx, name)) {
        // No contact has a flag that does not exist.
        Some(None) => return Called::Value(-1),
        Some(mask) => mask,
        None => None,
    };
    let removed = desk.table.remove(&aor, ctx.turn.now.tick, |contact| {
        let same_uri = match (&uri, Uri::parse(&contact.uri)) {
            (None, _) => true,
            (Some(Ok(wanted)), Ok(uri)) => *wanted == uri,
            (Some(_), _) => false,
        };
        same_uri
            && next_hop.is_none_or(|next_hop| is_reached_by(contact, next_hop))
            && instance.is_none_or(|instance| is_instance(&contact.instance, instance))
            && flag.is_none_or(|mask| contact.branch_flags & mask != 0)
    });
    yes_or_no(removed)
}

/// Removes the contacts at an address, of one user or of all; false if there are none.
pub(super) fn remove_ip_port(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(desk) = Desk::open(ctx, args, 2) else { return Called::Value(-1) };
    let ip = args.str(0).and_then(duologue_sip::host_ip);
    let port = args.int(1).and_then(|port| u16::try_from(port).ok());
    let Some(at) = ip.map(|ip| ip.to_canonical()).zip(port) else { return Called::Value(-1) };
    let now = ctx.turn.now.tick;
    let there = |contact: &Contact| ip_port(own_address(contact)) == Some(at);
    if let Some(given) = args.str(3).filter(|given| !given.is_empty()) {
        let aor = desk.user(Some(given), || None);
        return yes_or_no(aor.map_or(0, |aor| desk.table.remove(&aor, now, there)));
    }
    let (mut removed, mut next) = (0, Some(Cursor::default()));
    while let Some(cursor) = next {
        let mut users = Vec::with_capacity(SLICE);
        next = desk.table.list(cursor, SLICE, &mut users);
        for user in users.iter().filter(|user| user.contacts.iter().any(|it| there(it))) {
            removed += desk.table.remove(&user.aor, now, there);
        }
    }
    yes_or_no(removed)
}

/// Checks what a script gives when it loads.
pub(super) fn check_ip(position: usize, text: &str) -> Result<(), String> {
    match position {
        0 if duologue_sip::host_ip(text.as_bytes()).is_none() => {
            Err(format!("\"{text}\" is no IP address"))
        }
        1 if text.parse::<u16>().is_err() => Err(format!("\"{text}\" is no port")),
        _ => Ok(()),
    }
}

fn branch_flag(ctx: &Context<'_>, name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?;
    ctx.turn.node.script().program.flag(FlagKind::Branch, name).map(|bit| 1 << bit)
}

/// Whether requests to a contact go to this host first: `host` or `host:port`, or a URI.
fn is_reached_by(contact: &Contact, next_hop: &[u8]) -> bool {
    let written = match Uri::parse(next_hop).is_ok_and(|uri| uri.scheme().is_sip()) {
        true => next_hop.to_vec(),
        false => [b"sip:", next_hop].concat(),
    };
    let (Ok(wanted), Ok(hop)) = (Uri::parse(&written), Uri::parse(first_hop(contact))) else {
        return false;
    };
    let ip = |uri: &Uri<'_>| uri.host_ip().map(|ip: IpAddr| ip.to_canonical());
    let same_host = wanted.host().eq_ignore_ascii_case(hop.host())
        || ip(&wanted).is_some_and(|wanted| ip(&hop) == Some(wanted));
    same_host && wanted.port().is_none_or(|port| port == hop.port_or_default())
}

/// The same instance, with or without angle brackets and quotes.
fn is_instance(known: &[u8], given: &[u8]) -> bool {
    let bare = |text: &[u8]| {
        let trimmed = text.trim_ascii();
        let inner = trimmed.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
        let inner = inner.unwrap_or(trimmed);
        let inner =
            inner.strip_prefix(b"<").and_then(|text| text.strip_suffix(b">")).unwrap_or(inner);
        inner.to_ascii_lowercase()
    };
    !known.is_empty() && bare(known) == bare(given)
}

fn yes_or_no(removed: usize) -> Called {
    Called::Value(if removed > 0 { 1 } else { -1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §12, `remove()`.
    #[test]
    fn a_next_hop_is_a_host_with_or_without_port() {
        let contact = Contact::new(b"sip:a@192.0.2.9:5070", b"c", 1);
        for fits in ["192.0.2.9", "192.0.2.9:5070", "sip:192.0.2.9:5070"] {
            assert!(is_reached_by(&contact, fits.as_bytes()), "{fits}");
        }
        for other in ["192.0.2.8", "192.0.2.9:5060", "", "::"] {
            assert!(!is_reached_by(&contact, other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn instances_are_compared_without_their_wrapping() {
        assert!(is_instance(b"<urn:uuid:ABC>", b"urn:uuid:abc"));
        assert!(is_instance(b"<urn:uuid:abc>", b"\"<urn:uuid:abc>\""));
        assert!(!is_instance(b"", b""));
        assert!(!is_instance(b"<urn:uuid:abc>", b"<urn:uuid:abd>"));
    }
}
