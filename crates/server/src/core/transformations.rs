//! Transformations that know SIP: `{uri.*}`, `{nameaddr.*}`, `{via.*}`, `{ip.*}`, `{sdp.*}`
//! (spec/script.md §9.2), and the digests of `{s.*}` (§9.1). Those of plain text belong to the
//! language itself.

mod digests;
mod sdp;

use std::net::IpAddr;

use self::digests::{HmacSha1, HmacSha224, HmacSha256, HmacSha384, HmacSha512, digest, hmac};
use duologue_script::{Reading, Text, TransformCall, TransformId, Transformation, Value};
use duologue_sip::{NameAddr, Param, Uri, Via, host_ip};

use crate::resolve::{self, Family};

/// Applies one operation to a value that is not NULL, and not empty unless the class is `s`.
type Apply = fn(&TransformCall<'_>, &mut Text) -> Reading;

/// One line per operation: class, operation, number of arguments, code.
const TABLE: &[(&str, &str, u8, Apply)] = &[
    ("s", "md5", 0, digest::<md5::Md5>),
    ("s", "sha1", 0, digest::<sha1::Sha1>),
    ("s", "sha224", 0, digest::<sha2::Sha224>),
    ("s", "sha256", 0, digest::<sha2::Sha256>),
    ("s", "sha384", 0, digest::<sha2::Sha384>),
    ("s", "sha512", 0, digest::<sha2::Sha512>),
    ("s", "sha1_hmac", 1, hmac::<HmacSha1>),
    ("s", "sha224_hmac", 1, hmac::<HmacSha224>),
    ("s", "sha256_hmac", 1, hmac::<HmacSha256>),
    ("s", "sha384_hmac", 1, hmac::<HmacSha384>),
    ("s", "sha512_hmac", 1, hmac::<HmacSha512>),
    ("s", "date2unix", 0, digests::date_to_unix),
    ("uri", "user", 0, |call, out| uri(call, out, |uri| uri.user())),
    ("uri", "host", 0, |call, out| uri(call, out, |uri| Some(uri.host()))),
    ("uri", "domain", 0, |call, out| uri(call, out, |uri| Some(uri.host()))),
    ("uri", "passwd", 0, |call, out| uri(call, out, |uri| uri.password())),
    ("uri", "port", 0, uri_port),
    ("uri", "params", 0, |call, out| uri(call, out, |uri| Some(bare(uri.params().as_bytes())))),
    ("uri", "headers", 0, |call, out| uri(call, out, |uri| Some(uri.headers().as_bytes()))),
    ("uri", "transport", 0, |call, out| uri(call, out, |uri| uri.params().get(b"transport"))),
    ("uri", "ttl", 0, |call, out| uri(call, out, |uri| uri.params().get(b"ttl"))),
    ("uri", "uparam", 0, |call, out| uri(call, out, |uri| uri.params().get(b"user"))),
    ("uri", "maddr", 0, |call, out| uri(call, out, |uri| uri.params().get(b"maddr"))),
    ("uri", "method", 0, |call, out| uri(call, out, |uri| uri.params().get(b"method"))),
    ("uri", "lr", 0, |call, out| uri(call, out, |uri| uri.params().get(b"lr"))),
    ("uri", "r2", 0, |call, out| uri(call, out, |uri| uri.params().get(b"r2"))),
    ("uri", "schema", 0, |call, out| uri(call, out, |uri| Some(uri.scheme_bytes()))),
    ("uri", "param", 1, uri_param),
    ("nameaddr", "name", 0, |call, out| name_addr(call, out, |addr| Some(addr.display()))),
    ("nameaddr", "uri", 0, |call, out| name_addr(call, out, |addr| Some(addr.uri_bytes()))),
    ("nameaddr", "len", 0, name_addr_len),
    ("nameaddr", "params", 0, |call, out| {
        name_addr(call, out, |addr| Some(bare(addr.params().as_bytes())))
    }),
    ("nameaddr", "param", 1, name_addr_param),
    ("via", "name", 0, |call, out| via_version(call, out, 0)),
    ("via", "version", 0, |call, out| via_version(call, out, 1)),
    ("via", "transport", 0, |call, out| via(call, out, |via| Some(via.transport_bytes()))),
    ("via", "host", 0, |call, out| via(call, out, |via| Some(via.host()))),
    ("via", "domain", 0, |call, out| via(call, out, |via| Some(via.host()))),
    ("via", "port", 0, via_port),
    ("via", "params", 0, |call, out| via(call, out, |via| Some(bare(via.params().as_bytes())))),
    ("via", "branch", 0, |call, out| via(call, out, |via| via.params().get(b"branch"))),
    ("via", "received", 0, |call, out| via(call, out, |via| via.params().get(b"received"))),
    ("via", "rport", 0, |call, out| via(call, out, |via| via.params().get(b"rport"))),
    ("via", "param", 1, via_param),
    ("via", "comment", 0, via_comment),
    ("ip", "pton", 0, ip_pton),
    ("ip", "ntop", 0, ip_ntop),
    ("ip", "family", 0, ip_family),
    ("ip", "isip", 0, |call, _| truth(host_ip(call.input).is_some())),
    ("ip", "isip4", 0, |call, _| truth(host_ip(call.input).is_some_and(|ip| ip.is_ipv4()))),
    ("ip", "isip6", 0, |call, _| truth(host_ip(call.input).is_some_and(|ip| ip.is_ipv6()))),
    ("ip", "isprivate", 0, |call, _| truth(host_ip(call.input).is_some_and(is_private))),
    ("ip", "matches", 1, ip_matches),
    ("ip", "resolve", 0, |call, out| ip_resolve(call, out, Family::Any)),
    ("ip", "resolve4", 0, |call, out| ip_resolve(call, out, Family::V4)),
    ("ip", "resolve6", 0, |call, out| ip_resolve(call, out, Family::V6)),
    ("sdp", "line", 1, sdp::line),
    ("sdp", "stream", 1, sdp::stream),
    ("sdp", "stream-delete", 1, sdp::without_stream),
];

/// All operations as the loader wants them; an operation's number is its place in the table.
pub const TRANSFORMATIONS: &[Transformation] = &declarations();

const fn declarations() -> [Transformation; TABLE.len()] {
    let mut list = [Transformation::new(TransformId(0), "", "", 0); TABLE.len()];
    let mut i = 0;
    while i < TABLE.len() {
        let (class, op, args, _) = TABLE[i];
        let declared = Transformation::new(TransformId(i as u16), class, op, args);
        // The number of the line.
        let one_more = matches!(class.as_bytes(), b"sdp") && matches!(op.as_bytes(), b"line");
        list[i] = Transformation {
            indexed: matches!(class.as_bytes(), b"nameaddr"),
            args_max: args + one_more as u8,
            ..declared
        };
        i += 1;
    }
    list
}

/// Applies a transformation. An empty value is an error for all classes but `s`: NULL.
pub fn transform(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    match TABLE.get(usize::from(call.id.0)) {
        Some((class, _, _, apply)) if !call.input.is_empty() || *class == "s" => apply(call, out),
        _ => Reading::Null,
    }
}

// --- uri --------------------------------------------------------------------------------------

fn uri(
    call: &TransformCall<'_>,
    out: &mut Text,
    part: impl for<'b> FnOnce(&Uri<'b>) -> Option<&'b [u8]>,
) -> Reading {
    filled(out, Uri::parse(call.input).ok().and_then(|uri| part(&uri)))
}

fn uri_port(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let Ok(uri) = Uri::parse(call.input) else { return Reading::Null };
    port(out, uri.port())
}

fn uri_param(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let param = Uri::parse(call.input).ok().and_then(|uri| uri.params().param(argument(call)?));
    present(out, param)
}

// --- nameaddr ---------------------------------------------------------------------------------

fn name_addr(
    call: &TransformCall<'_>,
    out: &mut Text,
    part: impl for<'b> FnOnce(&NameAddr<'b>) -> Option<&'b [u8]>,
) -> Reading {
    filled(out, address(call).and_then(|address| part(&address)))
}

fn name_addr_len(call: &TransformCall<'_>, _: &mut Text) -> Reading {
    let len = address(call).and_then(|address| i32::try_from(address.as_bytes().len()).ok());
    len.map_or(Reading::Null, Reading::Int)
}

/// Names are compared as they are written; a flag without a value is NULL.
fn name_addr_param(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let (Some(address), Some(name)) = (address(call), argument(call)) else {
        return Reading::Null;
    };
    filled(out, address.params().find(|param| param.name == name).and_then(|param| param.value))
}

/// The address that the index picks of a list with commas; the first without an index.
fn address<'b>(call: &TransformCall<'b>) -> Option<NameAddr<'b>> {
    let index = match call.index {
        None => 0,
        Some(n) => match usize::try_from(n) {
            Ok(n) => n,
            Err(_) => {
                let back = usize::try_from(n.unsigned_abs()).ok()?;
                Pieces(Some(call.input)).count().checked_sub(back)?
            }
        },
    };
    NameAddr::parse(Pieces(Some(call.input)).nth(index)?)
}

/// The values between commas that stand neither in quotes nor in angle brackets.
struct Pieces<'b>(Option<&'b [u8]>);

impl<'b> Iterator for Pieces<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let rest = self.0.take()?;
        let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
        let comma = rest.iter().position(|&byte| {
            if std::mem::take(&mut escaped) {
                return false;
            }
            match byte {
                b'\\' => escaped = quoted,
                b'"' if !bracketed => quoted = !quoted,
                b'<' if !quoted => bracketed = true,
                b'>' if !quoted => bracketed = false,
                b',' => return !quoted && !bracketed,
                _ => {}
            }
            false
        });
        match comma {
            None => Some(rest.trim_ascii()),
            Some(at) => {
                self.0 = Some(&rest[at + 1..]);
                Some(rest[..at].trim_ascii())
            }
        }
    }
}

// --- via --------------------------------------------------------------------------------------

fn via(
    call: &TransformCall<'_>,
    out: &mut Text,
    part: impl for<'b> FnOnce(&Via<'b>) -> Option<&'b [u8]>,
) -> Reading {
    filled(out, parse_via(call).and_then(|via| part(&via)))
}

/// A Via without the comment that RFC 2543 allowed behind it.
fn parse_via<'b>(call: &TransformCall<'b>) -> Option<Via<'b>> {
    Via::parse(split_comment(call.input).0.trim_ascii())
}

/// A Via value and the comment behind it, if there is one.
fn split_comment(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut quoted = false;
    let open = value.iter().position(|&byte| {
        quoted ^= byte == b'"';
        byte == b'(' && !quoted
    });
    let Some(open) = open else { return (value, None) };
    let inside = value[open + 1..].trim_ascii_end();
    (&value[..open], Some(inside.strip_suffix(b")").unwrap_or(inside)))
}

fn via_comment(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let comment = split_comment(call.input).1.filter(|_| parse_via(call).is_some());
    filled(out, comment)
}

/// Part 0 or 1 of `SIP/2.0/UDP`.
fn via_version(call: &TransformCall<'_>, out: &mut Text, part: usize) -> Reading {
    via(call, out, |via| {
        via.as_bytes().split(|&byte| byte == b'/').nth(part).map(<[u8]>::trim_ascii)
    })
}

fn via_port(call: &TransformCall<'_>, _: &mut Text) -> Reading {
    let port = parse_via(call).and_then(|via| via.port());
    port.map_or(Reading::Null, |port| Reading::Int(port.into()))
}

fn via_param(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let via = parse_via(call);
    present(out, via.and_then(|via| via.params().param(argument(call)?)))
}

// --- ip ---------------------------------------------------------------------------------------

fn ip_pton(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    match host_ip(call.input) {
        Some(IpAddr::V4(ip)) => out.push(&ip.octets()),
        Some(IpAddr::V6(ip)) => out.push(&ip.octets()),
        None => return Reading::Null,
    }
    Reading::Str
}

fn ip_ntop(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let Some(ip) = binary(call.input) else { return Reading::Null };
    out.push(ip.to_string().as_bytes());
    Reading::Str
}

fn ip_family(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    match binary(call.input) {
        Some(IpAddr::V4(_)) => out.push(b"INET"),
        Some(IpAddr::V6(_)) => out.push(b"INET6"),
        None => return Reading::Null,
    }
    Reading::Str
}

fn ip_matches(call: &TransformCall<'_>, _: &mut Text) -> Reading {
    let net = argument(call).and_then(network);
    match (host_ip(call.input), net) {
        (Some(IpAddr::V4(ip)), Some((IpAddr::V4(net), len))) if len <= 32 => {
            truth((ip.to_bits() ^ net.to_bits()).checked_shr(32 - len).unwrap_or(0) == 0)
        }
        (Some(IpAddr::V6(ip)), Some((IpAddr::V6(net), len))) if len <= 128 => {
            truth((ip.to_bits() ^ net.to_bits()).checked_shr(128 - len).unwrap_or(0) == 0)
        }
        _ => Reading::Null,
    }
}

fn ip_resolve(call: &TransformCall<'_>, out: &mut Text, family: Family) -> Reading {
    let Some(ip) = resolve::host(call.input, family) else { return Reading::Null };
    out.push(ip.to_string().as_bytes());
    Reading::Str
}

fn network(text: &[u8]) -> Option<(IpAddr, u32)> {
    let slash = memchr::memchr(b'/', text)?;
    let digits = Some(&text[slash + 1..]).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    Some((host_ip(&text[..slash])?, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

fn binary(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// RFC 1918, RFC 6598 (100.64/10) and loopback.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.to_bits() >> 22 == 0x6440_0000 >> 22;
            ip.is_private() || ip.is_loopback() || shared
        }
        IpAddr::V6(_) => false,
    }
}

// --- Results ----------------------------------------------------------------------------------

/// The first argument as text, however it was written.
fn argument<'a>(call: &TransformCall<'a>) -> Option<&'a [u8]> {
    match call.args.first()? {
        Value::Str(text) | Value::StrInt(text, _) => Some(text),
        Value::Int(_) | Value::Null => None,
    }
}

/// A parameter list without the separator in front.
fn bare(params: &[u8]) -> &[u8] {
    params.trim_ascii().strip_prefix(b";").unwrap_or(params)
}

/// A part, NULL if it is missing or empty.
fn filled(out: &mut Text, part: Option<&[u8]>) -> Reading {
    match part {
        None | Some([]) => Reading::Null,
        Some(part) => {
            out.push(part);
            Reading::Str
        }
    }
}

/// A parameter's value: empty for a flag, NULL if the parameter is missing.
fn present(out: &mut Text, param: Option<Param<'_>>) -> Reading {
    let Some(param) = param else { return Reading::Null };
    out.push(param.value.unwrap_or_default());
    Reading::Str
}

fn port(out: &mut Text, port: Option<u16>) -> Reading {
    let Some(port) = port else { return Reading::Null };
    out.push_int(port.into());
    Reading::StrInt(port.into())
}

fn truth(yes: bool) -> Reading {
    Reading::Int(yes.into())
}

#[cfg(test)]
mod tests;
