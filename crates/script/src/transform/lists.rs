//! `{param.*}`: `a=1;b;c="x"`, and `{csv.*}` with the quoting of RFC 4180.

use crate::value::Text;

/// Name and value of each parameter; quotes around a value go.
pub(super) fn params(input: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    split(input, b';').map(|param| {
        let at = param.iter().position(|b| *b == b'=');
        let (name, value) = match at {
            Some(at) => (&param[..at], &param[at + 1..]),
            None => (param, &b""[..]),
        };
        let value = value.trim_ascii();
        let inside = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
        (name.trim_ascii(), inside.unwrap_or(value))
    })
}

pub(super) fn param_value<'a>(input: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    params(input).find(|p| p.0.eq_ignore_ascii_case(name)).map(|p| p.1)
}

pub(super) fn param_at(input: &[u8], index: i32) -> Option<(&[u8], &[u8])> {
    params(input).nth(position(index, || params(input).count())?)
}

pub(super) fn csv(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(input, b',')
}

pub(super) fn csv_value(input: &[u8], index: i32, out: &mut Text) -> Option<()> {
    let field = csv(input).nth(position(index, || csv(input).count())?)?;
    match field.strip_prefix(b"\"").and_then(|f| f.strip_suffix(b"\"")) {
        Some(inside) => {
            let mut quoted = false;
            for &byte in inside {
                quoted = byte == b'"' && !quoted;
                if !quoted {
                    out.push_byte(byte);
                }
            }
        }
        None => out.push(field),
    }
    Some(())
}

/// An index that may count from the end.
fn position(index: i32, count: impl Fn() -> usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(n) => Some(n),
        Err(_) => count().checked_sub(index.unsigned_abs() as usize),
    }
}

/// Splits outside of quotes.
fn split(input: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    input.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == separator && !quoted
    })
}
