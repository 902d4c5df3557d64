//! `{s.md5}`, `{s.shaN}`, `{s.shaN_hmac,key}`, `{s.date2unix}` (spec/script.md §9.1).

use digest::{Digest, KeyInit, Mac};
use duologue_script::{Reading, Text, TransformCall};
use hmac::Hmac;

use super::argument;

/// The digest of the input in lower-case hexadecimal.
pub(super) fn digest<D: Digest>(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    hex(&D::digest(call.input), out)
}

/// The keyed digest (RFC 2104) of the input in lower-case hexadecimal.
pub(super) fn hmac<M: Mac + KeyInit>(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let key = argument(call).unwrap_or_default();
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else { return Reading::Null };
    hex(&mac.chain_update(call.input).finalize().into_bytes(), out)
}

/// Seconds since 1970 of a SIP date (RFC 3261 §20.17), in decimal.
pub(super) fn date_to_unix(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let text = call.input.trim_ascii();
    // SIP knows one zone only.
    if !text.ends_with(b" GMT") {
        return Reading::Null;
    }
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let Ok(instant) = parser.parse_timestamp(text) else { return Reading::Null };
    out.push_int(instant.as_second());
    Reading::Str
}

fn hex(bytes: &[u8], out: &mut Text) -> Reading {
    for byte in bytes {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        out.push(&[digit(byte >> 4), digit(byte & 15)]);
    }
    Reading::Str
}

pub(super) type HmacSha1 = Hmac<sha1::Sha1>;
pub(super) type HmacSha224 = Hmac<sha2::Sha224>;
pub(super) type HmacSha256 = Hmac<sha2::Sha256>;
pub(super) type HmacSha384 = Hmac<sha2::Sha384>;
pub(super) type HmacSha512 = Hmac<sha2::Sha512>;
