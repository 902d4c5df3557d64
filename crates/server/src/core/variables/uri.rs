//! The Request-URI, the URI as received and the next hop.

use duologue_script::{Assign, Reading, Text, Value, VarAccess, WriteError};
use duologue_sip::{Scheme, Uri};

use super::view::{is_current, on_message, some};
use crate::context::Context;
use crate::core::functions::uri::{edit, port, whole};
use crate::sockets::Proto;
use crate::target::{with_host_port, with_port, with_user};

type Written = Result<(), WriteError>;

// --- Which URI --------------------------------------------------------------------------------

/// The Request-URI as it stands now; of another message, as it was.
fn request<R>(ctx: &Context<'_>, var: &VarAccess<'_>, read: R) -> Reading
where
    R: FnOnce(&[u8]) -> Reading,
{
    if !is_current(ctx, var) {
        return original(ctx, var, read);
    }
    match ctx.request_uri() {
        Some(uri) if ctx.message.is_request() => read(uri),
        _ => Reading::Null,
    }
}

/// The Request-URI as received.
fn original<R>(ctx: &Context<'_>, var: &VarAccess<'_>, read: R) -> Reading
where
    R: FnOnce(&[u8]) -> Reading,
{
    on_message(ctx, var, |message| match message.uri_bytes() {
        [] => Reading::Null,
        uri => read(uri),
    })
}

fn next_hop<R>(ctx: &Context<'_>, var: &VarAccess<'_>, read: R) -> Reading
where
    R: FnOnce(&[u8]) -> Reading,
{
    match &ctx.draft.target.next_hop {
        Some(uri) if is_current(ctx, var) => read(uri),
        _ => Reading::Null,
    }
}

// --- Reading ----------------------------------------------------------------------------------

/// Getters for the parts of one of the URIs above.
macro_rules! parts {
    ($which:ident: $($name:ident = $part:ident;)*) => {$(
        pub(super) fn $name(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            $which(ctx, var, |uri| $part(out, uri))
        }
    )*};
}

parts! { request: read = all; read_user = user; read_host = host; read_port = port_of; read_proto = proto; }
parts! { original: read_original = all; read_original_user = user; read_original_host = host; }
parts! { original: read_original_port = port_of; read_original_proto = proto; }
parts! { next_hop: read_next_hop = all; read_next_hop_host = host; read_next_hop_port = port_of; }
parts! { next_hop: read_next_hop_proto = proto; }

pub(super) fn read_q(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    match ctx.message.is_request() && is_current(ctx, var) {
        true => Reading::Int(ctx.draft.target.q),
        false => Reading::Null,
    }
}

/// `$path`: the path vector of the Request-URI branch.
pub(super) fn read_path(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    match is_current(ctx, var) {
        true => some(out, ctx.draft.target.path.as_deref()),
        false => Reading::Null,
    }
}

fn all(out: &mut Text, uri: &[u8]) -> Reading {
    some(out, Some(uri))
}

fn user(out: &mut Text, uri: &[u8]) -> Reading {
    some(out, Uri::parse(uri).ok().and_then(|uri| uri.user()))
}

fn host(out: &mut Text, uri: &[u8]) -> Reading {
    some(out, Uri::parse(uri).ok().filter(|uri| uri.scheme().is_sip()).map(|uri| uri.host()))
}

/// A port that is written has a text form, too; a default is only a number.
fn port_of(out: &mut Text, uri: &[u8]) -> Reading {
    let Ok(uri) = Uri::parse(uri) else { return Reading::Null };
    match (uri.port(), uri.port_bytes()) {
        (Some(number), Some(digits)) => {
            out.push(digits);
            Reading::StrInt(number.into())
        }
        _ => {
            let proto = uri.transport().and_then(Proto::from_name).map(Proto::default_port);
            Reading::Int(proto.unwrap_or_else(|| uri.port_or_default()).into())
        }
    }
}

/// The transport parameter, else what the scheme means.
fn proto(out: &mut Text, uri: &[u8]) -> Reading {
    let Ok(uri) = Uri::parse(uri) else { return Reading::Null };
    out.push(match (uri.transport(), uri.scheme()) {
        (Some(transport), _) if !transport.is_empty() => transport,
        (_, Scheme::Sips) => b"TLS",
        _ => b"UDP",
    });
    Reading::Str
}

// --- Writing ----------------------------------------------------------------------------------

pub(super) fn write(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    here(ctx, var)?;
    let uri = text(value).ok_or(WriteError::NotNull)?;
    let made = ctx.sound_uri(&uri);
    change(ctx, var, |_| made)
}

pub(super) fn write_user(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    let user = text(value).unwrap_or_default();
    change(ctx, var, |uri| with_user(uri, &user))
}

pub(super) fn write_host(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    let host = text(value).ok_or(WriteError::NotNull)?;
    change(ctx, var, |uri| with_host_port(uri, &host, None))
}

pub(super) fn write_port(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    let number = number(value)?;
    change(ctx, var, |uri| with_port(uri, number))
}

/// q × 1000; NULL unsets it (spec/script.md §8: values above 1000 are clamped).
pub(super) fn write_q(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    here(ctx, var)?;
    ctx.draft.target.q = match value {
        Value::Null => -1,
        value => value.int().ok_or(WriteError::BadValue)?.clamp(-1, 1000),
    };
    Ok(())
}

pub(super) fn write_next_hop(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    here(ctx, var)?;
    ctx.draft.target.next_hop = match text(value) {
        None => None,
        Some(uri) => Some(ctx.sound_uri(&uri).ok_or(WriteError::BadValue)?),
    };
    Ok(())
}

/// Changes the next hop's host, or makes a next hop of it.
pub(super) fn write_next_hop_host(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    here(ctx, var)?;
    let host = text(value).ok_or(WriteError::NotNull)?;
    let made = match &ctx.draft.target.next_hop {
        Some(uri) => with_host_port(uri, &host, None),
        None => whole(&[b"sip:", &host[..]].concat()),
    };
    ctx.draft.target.next_hop = Some(made.ok_or(WriteError::BadValue)?);
    Ok(())
}

pub(super) fn write_next_hop_port(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Written {
    here(ctx, var)?;
    let number = number(value)?;
    let uri = ctx.draft.target.next_hop.as_deref().ok_or(WriteError::Missing)?;
    ctx.draft.target.next_hop = Some(with_port(uri, number).ok_or(WriteError::BadValue)?);
    Ok(())
}

/// Only the request that the block runs on can be changed.
pub(super) fn here(ctx: &Context<'_>, var: &VarAccess<'_>) -> Written {
    match ctx.message.is_request() && var.context == duologue_script::Context::Current {
        true => Ok(()),
        false => Err(WriteError::ReadOnly),
    }
}

/// The text of a value, numbers in decimal.
pub(super) fn text(value: Value<'_>) -> Option<Vec<u8>> {
    value.to_bytes()
}

fn change(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    make: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Written {
    here(ctx, var)?;
    if edit(ctx, make) { Ok(()) } else { Err(WriteError::BadValue) }
}

/// A port; NULL and nothing remove it.
fn number(value: Value<'_>) -> Result<Option<u16>, WriteError> {
    match value {
        Value::Null => Ok(None),
        Value::Str(digits) => port(digits).ok_or(WriteError::BadValue),
        Value::Int(number) | Value::StrInt(_, number) => {
            u16::try_from(number).map(Some).map_err(|_| WriteError::BadValue)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(part: fn(&mut Text, &[u8]) -> Reading, uri: &str) -> String {
        let mut out = Text::new(1000);
        let reading = part(&mut out, uri.as_bytes());
        let text = String::from_utf8(out.as_bytes().to_vec()).unwrap();
        match reading {
            Reading::Null => "NULL".to_owned(),
            Reading::Int(number) => format!("#{number}"),
            Reading::Str => text,
            Reading::StrInt(number) => format!("{text}#{number}"),
        }
    }

    /// spec/script.md §8, `$rU $rd $rp $rP`.
    #[test]
    fn parts() {
        let full = "sip:alice@example.com:5070;transport=tcp";
        assert_eq!(show(user, full), "alice");
        assert_eq!(show(host, full), "example.com");
        assert_eq!(show(port_of, full), "5070#5070");
        assert_eq!(show(proto, full), "tcp");
        let bare = "sip:example.com";
        assert_eq!(show(user, bare), "NULL");
        assert_eq!(show(port_of, bare), "#5060");
        assert_eq!(show(proto, bare), "UDP");
        assert_eq!(show(port_of, "sips:example.com"), "#5061");
        assert_eq!(show(proto, "sips:example.com"), "TLS");
        assert_eq!(show(port_of, "sip:h;transport=ws"), "#80");
        assert_eq!(show(user, "tel:+431"), "+431");
        assert_eq!(show(host, "tel:+431"), "NULL");
        assert_eq!(show(host, "mailto:a@b"), "NULL");
        assert_eq!(show(port_of, "nonsense"), "NULL");
    }

    #[test]
    fn ports_are_numbers_digits_or_nothing() {
        assert_eq!(number(Value::Null), Ok(None));
        assert_eq!(number(Value::Str(b"")), Ok(None));
        assert_eq!(number(Value::Str(b"5070")), Ok(Some(5070)));
        assert_eq!(number(Value::Int(5070)), Ok(Some(5070)));
        for bad in [Value::Int(-1), Value::Int(70_000), Value::Str(b"x")] {
            assert_eq!(number(bad), Err(WriteError::BadValue));
        }
    }
}
