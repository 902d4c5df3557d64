//! Headers: From and To, Contact, credentials, and any by its name.

use duologue_script::{Index, Reading, Text, VarAccess};
use duologue_sip::{Auth, HeaderError, HeaderName, HeaderRef, NameAddr, Uri, UriError};

use super::view::{
    checked, indexed, indexed_or_missing, is_current, number, on_message, part, some,
};
use crate::context::Context;

// --- From and To ------------------------------------------------------------------------------

/// A part of an address; the error is that of its URI.
type Part = Result<Reading, UriError>;

/// Getters for the parts of one of the two addresses that every message has.
macro_rules! parts {
    ($which:ident, $header:ident: $($name:ident = $part:expr;)*) => {$(
        pub(super) fn $name(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            checked(ctx, var, |message| {
                let address = message.$which()?;
                $part(out, &address).map_err(|_| HeaderError::Malformed(HeaderName::$header))
            })
        }
    )*};
}

parts! { from, From: from = all; from_user = user; from_host = host; from_name = name; from_tag = tag; }
parts! { to, To: to = all; to_user = user; to_host = host; to_name = name; to_tag = tag; }

fn all(out: &mut Text, address: &NameAddr<'_>) -> Part {
    Ok(some(out, Some(address.uri_bytes())))
}

fn user(out: &mut Text, address: &NameAddr<'_>) -> Part {
    Ok(some(out, Uri::parse(address.uri_bytes())?.user()))
}

fn host(out: &mut Text, address: &NameAddr<'_>) -> Part {
    let uri = Uri::parse(address.uri_bytes())?;
    Ok(some(out, uri.scheme().is_sip().then(|| uri.host())))
}

/// The display name with its quotes.
fn name(out: &mut Text, address: &NameAddr<'_>) -> Part {
    Ok(some(out, Some(address.display())))
}

fn tag(out: &mut Text, address: &NameAddr<'_>) -> Part {
    Ok(some(out, address.tag()))
}

// --- Other addresses --------------------------------------------------------------------------

/// Getters for the parts of the first address in a header.
macro_rules! address_parts {
    ($($name:ident = $header:ident, $part:expr;)*) => {$(
        pub(super) fn $name(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            checked(ctx, var, |message| {
                let malformed = HeaderError::Malformed(HeaderName::$header);
                match message.values(HeaderName::$header).next() {
                    Some(value) => {
                        let address = NameAddr::parse(value.bytes).ok_or(malformed)?;
                        $part(out, &address).map_err(|_| malformed)
                    }
                    None => Ok(Reading::Null),
                }
            })
        }
    )*};
}

address_parts! {
    remote_party = RemotePartyId, all;
    diversion = Diversion, all;
    diversion_privacy = Diversion, privacy;
    diversion_reason = Diversion, reason;
    refer_to = ReferTo, all;
    asserted = PAssertedIdentity, all;
    preferred = PPreferredIdentity, all;
    preferred_user = PPreferredIdentity, user;
    preferred_host = PPreferredIdentity, host;
    preferred_name = PPreferredIdentity, name;
}

fn privacy(out: &mut Text, address: &NameAddr<'_>) -> Part {
    Ok(some(out, address.params().get(b"privacy")))
}

fn reason(out: &mut Text, address: &NameAddr<'_>) -> Part {
    Ok(some(out, address.params().get(b"reason")))
}

// --- Single headers ---------------------------------------------------------------------------

pub(super) fn call_id(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    part(ctx, var, out, |message| message.call_id().ok())
}

/// The CSeq number, as text: it has no integer form (spec/script.md §8).
pub(super) fn cseq(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    on_message(ctx, var, |message| match message.cseq() {
        Ok(cseq) => {
            out.push_int(cseq.number.into());
            Reading::Str
        }
        Err(_) => Reading::Null,
    })
}

pub(super) fn content_length(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, var, |message| i32::try_from(message.content_length().ok()??).ok())
}

/// `$cT`: the Content-Type; with an index, that of a part of the body.
pub(super) fn content_type(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    if var.index == Index::None {
        return part(ctx, var, out, |message| message.content_type());
    }
    on_message(ctx, var, |message| {
        let parts = message.parts();
        indexed_or_missing(var.index, out, || parts.iter().map(|part| part.content_type))
    })
}

pub(super) fn user_agent(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    part(ctx, var, out, |message| message.value(HeaderName::UserAgent))
}

// --- Headers by name --------------------------------------------------------------------------

/// `$hdr(name)`: the value of one line, commas and all.
pub(super) fn header(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(name) = var.name else { return Reading::Null };
    let name = HeaderRef::from(name);
    on_message(ctx, var, |message| match var.index {
        Index::None => match message.header(name) {
            Some(header) => {
                out.push(header.value());
                Reading::Str
            }
            None => Reading::Null,
        },
        index => indexed(index, out, || message.all(name).map(|header| header.value())),
    })
}

/// `$(hdr_name[n])`: the name of a line as it is written.
pub(super) fn header_name(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    on_message(ctx, var, |message| {
        indexed(var.index, out, || message.headers().map(|header| header.name()))
    })
}

/// `$hdrcnt(name)`: how many lines have this name.
pub(super) fn header_count(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    let Some(name) = var.name else { return Reading::Null };
    number(ctx, var, |message| i32::try_from(message.count(HeaderRef::from(name))).ok())
}

// --- Credentials ------------------------------------------------------------------------------

/// Getters for parameters of the credentials, whole or in part.
macro_rules! credentials {
    ($($name:ident = $param:literal, $part:expr;)*) => {$(
        pub(super) fn $name(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            credential(ctx, var, out, $param, $part)
        }
    )*};
}

credentials! {
    auth_user = b"username", |username| Some(split_username(username).0);
    auth_domain = b"username", |username| split_username(username).1;
    auth_username = b"username", all_of_it;
    auth_realm = b"realm", all_of_it;
    auth_uri = b"uri", all_of_it;
    auth_nonce = b"nonce", all_of_it;
    auth_response = b"response", all_of_it;
    auth_cnonce = b"cnonce", all_of_it;
    auth_opaque = b"opaque", all_of_it;
    auth_algorithm = b"algorithm", all_of_it;
    auth_qop = b"qop", all_of_it;
    auth_count = b"nc", all_of_it;
}

/// `$Au`: who pays. The user whose credentials were verified; without one, user and domain of From.
/// Credentials that nobody verified say nothing.
pub(super) fn accounting_user(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    out: &mut Text,
) -> Reading {
    if let Some(user) = &ctx.draft.verified_user
        && is_current(ctx, var)
    {
        return some(out, Some(user));
    }
    on_message(ctx, var, |message| {
        let Ok(from) = message.from() else { return Reading::Null };
        let Ok(uri) = Uri::parse(from.uri_bytes()) else { return Reading::Null };
        if let Some(user) = uri.user() {
            out.push(user);
            out.push_byte(b'@');
        }
        out.push(uri.host());
        Reading::Str
    })
}

/// A part of a parameter of the credentials: Proxy-Authorization's if there are any, else
/// Authorization's.
fn credential(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    out: &mut Text,
    name: &[u8],
    part: impl FnOnce(&[u8]) -> Option<&[u8]>,
) -> Reading {
    checked(ctx, var, |message| {
        let header = |name| message.value(name).map(|value| (name, value));
        let value =
            header(HeaderName::ProxyAuthorization).or_else(|| header(HeaderName::Authorization));
        let Some((header, value)) = value else { return Ok(Reading::Null) };
        let auth = Auth::parse(value).ok_or(HeaderError::Malformed(header))?;
        Ok(match auth.params().param(name) {
            Some(param) => some(out, part(&param.unquoted())),
            None => Reading::Null,
        })
    })
}

fn all_of_it(value: &[u8]) -> Option<&[u8]> {
    Some(value)
}

fn split_username(username: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'@', username) {
        Some(at) => (&username[..at], Some(&username[at + 1..])),
        None => (username, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_may_have_a_domain() {
        assert_eq!(split_username(b"alice@home"), (&b"alice"[..], Some(&b"home"[..])));
        assert_eq!(split_username(b"alice"), (&b"alice"[..], None));
    }

    #[test]
    fn parts_of_an_address() {
        let address = NameAddr::parse(b"\"Bob B\" <sip:bob@h:1>;tag=x").unwrap();
        let show = |part: fn(&mut Text, &NameAddr<'_>) -> Part| {
            let mut out = Text::new(100);
            assert_eq!(part(&mut out, &address), Ok(Reading::Str));
            String::from_utf8(out.as_bytes().to_vec()).unwrap()
        };
        assert_eq!(show(all), "sip:bob@h:1");
        assert_eq!(show(user), "bob");
        assert_eq!(show(host), "h");
        assert_eq!(show(name), "\"Bob B\"");
        assert_eq!(show(tag), "x");
    }
}
