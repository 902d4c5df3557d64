//! The small pieces of RFC 3261 §25.1 that every view is made of.

/// A character of a token.
pub(crate) const fn is_token(b: u8) -> bool {
    TOKEN[b as usize]
}

/// Linear white space, with the line breaks of a folded header.
pub(crate) const fn is_lws(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// `bytes` without white space around it.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// `bytes` without white space before it.
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    bytes
}

/// `bytes` without white space after it.
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Whether `bytes` is a token: not empty, and made of token characters.
pub(crate) fn is_token_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token(b))
}

/// The number that `bytes` spells: digits only, leading zeros welcome, none if it does not fit.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u32, |number, &b| {
        let digit = b.is_ascii_digit().then(|| u32::from(b - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The offset after the quoted string that opens at `at`, or none if it never closes.
pub(crate) fn after_quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The offset of the first `wanted` that stands outside quotes and angle brackets. A quote or
/// bracket that never closes hides all that follows it.
pub(crate) fn find_bare(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(wanted, b'"', b'<', bytes.get(at..)?)?;
        match bytes[at] {
            b if b == wanted => return Some(at),
            b'"' => at = after_quoted(bytes, at)?,
            _ => at += memchr::memchr(b'>', &bytes[at..])? + 1,
        }
    }
}

/// The value of a hexadecimal digit.
pub(crate) const fn hex_digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric()
            || matches!(
                b as u8,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            );
        b += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_leading_zeros_and_refuse_overflow() {
        assert_eq!(decimal(b"0068"), Some(68));
        assert_eq!(decimal(b"4294967295"), Some(u32::MAX));
        assert_eq!(decimal(b"4294967296"), None);
        assert_eq!(decimal(b"-1"), None);
        assert_eq!(decimal(b""), None);
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_count() {
        assert_eq!(find_bare(br#""a,\"b," <sip:x,y>, z"#, b','), Some(18));
        assert_eq!(find_bare(br#""never closed, "#, b','), None);
        assert_eq!(find_bare(b"<never, closed", b','), None);
        assert_eq!(find_bare(br#""ends in \"#, b','), None);
    }
}
