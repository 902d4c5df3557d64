//! Where the message came from, and by which socket it leaves.

use std::fmt::Write as _;
use std::net::IpAddr;

use duologue_script::{Assign, Reading, Text, Value, VarAccess, WriteError};

use super::uri::here;
use super::view::flow;
use crate::context::Context;
use crate::sockets::ListeningSocket;

// --- The peer ---------------------------------------------------------------------------------

/// `$si`: the source address.
pub(super) fn source_ip(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(flow) = flow(ctx, var) else { return Reading::Null };
    write_ip(out, flow.peer.ip())
}

/// `$sp`: the source port.
pub(super) fn source_port(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    flow(ctx, var).map_or(Reading::Null, |flow| Reading::Int(flow.peer.port().into()))
}

// --- The socket it came in on -----------------------------------------------------------------

pub(super) fn socket_in(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Ok(field) = field(var) else { return Reading::Null };
    received_on(ctx, var, |socket| read(out, socket, field))
}

/// `$Ri`: the address that the message arrived at.
pub(super) fn received_ip(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    received_on(ctx, var, |socket| read(out, socket, Some(Field::Ip)))
}

/// `$Rp`.
pub(super) fn received_port(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    received_on(ctx, var, |socket| read(out, socket, Some(Field::Port)))
}

/// `$pr`.
pub(super) fn proto(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    received_on(ctx, var, |socket| read(out, socket, Some(Field::Proto)))
}

/// `$af`.
pub(super) fn family(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    received_on(ctx, var, |socket| read(out, socket, Some(Field::Family)))
}

fn received_on(
    ctx: &Context<'_>,
    var: &VarAccess<'_>,
    read: impl FnOnce(&ListeningSocket) -> Reading,
) -> Reading {
    let socket = flow(ctx, var).and_then(|flow| ctx.turn.node.sockets.get(flow.socket));
    socket.map_or(Reading::Null, read)
}

// --- The socket it leaves by ------------------------------------------------------------------

/// The forced socket, else the one that the message came in on.
pub(super) fn socket_out(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let forced = ctx.draft.target.socket;
    let field = match field(var) {
        Ok(Some(Field::Forced)) if forced.is_none() => return Reading::Null,
        Ok(Some(Field::Forced)) => None,
        Ok(field) => field,
        Err(()) => return Reading::Null,
    };
    let bond = forced.and_then(|number| ctx.turn.node.sockets.bond_text(number));
    if let (Some(bond), None) = (bond, field) {
        out.push(bond.as_bytes());
        return Reading::Str;
    }
    match ctx.turn.node.sockets.get(forced.unwrap_or(ctx.flow.socket)) {
        Some(socket) => read(out, socket, field),
        None => Reading::Null,
    }
}

/// Forces a socket, or with NULL none. An unknown one changes nothing.
pub(super) fn write_socket_out(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    here(ctx, var)?;
    if var.name.is_some() {
        return Err(WriteError::ReadOnly);
    }
    ctx.draft.target.socket = match value {
        Value::Null => None,
        value => {
            let text = value.text().ok_or(WriteError::BadValue)?;
            Some(ctx.turn.node.sockets.find_forced(text).ok_or(WriteError::BadValue)?)
        }
    };
    Ok(())
}

// --- What a balancer in front told -------------------------------------------------------------

const PROXY_PROTOCOL: [&str; 5] = ["src_ip", "src_port", "dst_ip", "dst_port", "af"];

/// `$proxy_protocol(field)`: NULL, because connections can begin with such a header and datagrams
/// cannot.
pub(super) fn proxy_protocol(_: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Null
}

/// Checks the field when the script loads.
pub(super) fn check_proxy_protocol(name: &str) -> Result<Option<u32>, String> {
    match PROXY_PROTOCOL.contains(&name) {
        true => Ok(None),
        false => Err(format!("there is no \"{name}\": there are {}", PROXY_PROTOCOL.join(", "))),
    }
}

// --- Fields -----------------------------------------------------------------------------------

/// What may stand in the parentheses of `$socket_in` and `$socket_out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Ip,
    Port,
    Proto,
    AdvertisedIp,
    AdvertisedPort,
    Tag,
    Anycast,
    Family,
    Forced,
}

const FIELDS: [(&str, Field); 9] = [
    ("ip", Field::Ip),
    ("port", Field::Port),
    ("proto", Field::Proto),
    ("advertised_ip", Field::AdvertisedIp),
    ("advertised_port", Field::AdvertisedPort),
    ("tag", Field::Tag),
    ("anycast", Field::Anycast),
    ("af", Field::Family),
    ("forced", Field::Forced),
];

/// Numbers the field when the script loads.
pub(super) fn resolve_in(name: &str) -> Result<Option<u32>, String> {
    match name {
        "forced" => Err("$socket_in(forced) does not exist: only $socket_out can be forced".into()),
        name => resolve_out(name),
    }
}

/// Numbers the field when the script loads.
pub(super) fn resolve_out(name: &str) -> Result<Option<u32>, String> {
    match (0u32..).zip(FIELDS).find(|(_, (known, _))| *known == name) {
        Some((key, _)) => Ok(Some(key)),
        None => {
            let known = FIELDS.map(|(known, _)| known).join(", ");
            Err(format!("a socket has no \"{name}\": there are {known}"))
        }
    }
}

/// The field that is asked for, `None` for the whole socket.
fn field(var: &VarAccess<'_>) -> Result<Option<Field>, ()> {
    let found = match (var.key, var.name) {
        (None, None) => return Ok(None),
        (Some(key), _) => usize::try_from(key).ok().and_then(|key| FIELDS.get(key)),
        (None, Some(name)) => FIELDS.iter().find(|(known, _)| known.as_bytes() == name),
    };
    found.map(|&(_, field)| Some(field)).ok_or(())
}

fn read(out: &mut Text, socket: &ListeningSocket, field: Option<Field>) -> Reading {
    let text = match field {
        None | Some(Field::Forced) => socket.text(),
        Some(Field::Ip) => socket.ip(),
        Some(Field::Proto) => socket.proto().name(),
        Some(Field::AdvertisedIp) => socket.advertised_host(),
        Some(Field::Family) if socket.address().is_ipv4() => "INET",
        Some(Field::Family) => "INET6",
        Some(Field::Tag) => match socket.tag() {
            Some(tag) => tag,
            None => return Reading::Null,
        },
        Some(Field::Port) => return Reading::Int(socket.port().into()),
        Some(Field::AdvertisedPort) => return Reading::Int(socket.advertised_port().into()),
        Some(Field::Anycast) => return Reading::Int(socket.spec().anycast.into()),
    };
    out.push(text.as_bytes());
    Reading::Str
}

fn write_ip(out: &mut Text, ip: IpAddr) -> Reading {
    // An IPv4 peer of an IPv6 socket is shown as the IPv4 address that it is.
    match write!(out, "{}", ip.to_canonical()) {
        Ok(()) => Reading::Str,
        Err(_) => Reading::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbered_at_load() {
        for (key, (name, _)) in (0u32..).zip(FIELDS) {
            assert_eq!(resolve_out(name), Ok(Some(key)));
        }
        assert!(resolve_in("forced").is_err());
        assert!(resolve_in("prot").unwrap_err().contains("proto"));
    }

    #[test]
    fn addresses_are_written_plainly() {
        let show = |ip: &str| {
            let mut out = Text::new(100);
            write_ip(&mut out, ip.parse().unwrap());
            String::from_utf8(out.as_bytes().to_vec()).unwrap()
        };
        assert_eq!(show("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(show("2001:db8::1"), "2001:db8::1");
    }
}
