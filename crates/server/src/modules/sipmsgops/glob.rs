//! Shell patterns for names of headers: `*`, `?` and `[a-z]`, whatever the case.

/// A pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glob<'p>(&'p [u8]);

impl<'p> Glob<'p> {
    pub(super) const fn new(pattern: &'p [u8]) -> Self {
        Self(pattern)
    }

    /// Whether the whole name fits. Takes steps in proportion to both lengths at worst: only the
    /// last star that was passed is ever tried again.
    pub(super) fn fits(&self, name: &[u8]) -> bool {
        let (mut pattern, mut rest) = (self.0, name);
        let mut star: Option<(&[u8], &[u8])> = None;
        loop {
            if let [b'*', after @ ..] = pattern {
                star = Some((after, rest));
                pattern = after;
                continue;
            }
            match (one(pattern, rest.first().copied()), rest) {
                (Some(after), [_, others @ ..]) => (pattern, rest) = (after, others),
                (None, []) if pattern.is_empty() => return true,
                _ => match star {
                    Some((after, [_, others @ ..])) => {
                        star = Some((after, others));
                        (pattern, rest) = (after, others);
                    }
                    _ => return false,
                },
            }
        }
    }
}

/// What is left of the pattern if its first element fits the octet.
fn one(pattern: &[u8], byte: Option<u8>) -> Option<&[u8]> {
    let (byte, (first, after)) = (byte?, pattern.split_first()?);
    match first {
        b'?' => Some(after),
        b'\\' => {
            let (literal, after) = after.split_first()?;
            literal.eq_ignore_ascii_case(&byte).then_some(after)
        }
        b'[' => match set(after, byte) {
            Some((fits, after)) => fits.then_some(after),
            None => (byte == b'[').then_some(after),
        },
        literal => literal.eq_ignore_ascii_case(&byte).then_some(after),
    }
}

/// Whether a set, from behind its bracket, holds the octet, and what follows; none if it never
/// closes.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let byte = byte.to_ascii_lowercase();
    let (mut found, mut first) = (false, true);
    loop {
        let (from, to, after) = match rest {
            [b']', after @ ..] if !first => return Some((found != negated, after)),
            [from, b'-', to, after @ ..] if *to != b']' => (*from, *to, after),
            [only, after @ ..] => (*only, *only, after),
            [] => return None,
        };
        found |= (from.to_ascii_lowercase()..=to.to_ascii_lowercase()).contains(&byte);
        first = false;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_patterns() {
        let fits = |pattern: &str, name: &str| Glob::new(pattern.as_bytes()).fits(name.as_bytes());
        for (pattern, name) in [
            ("X-*", "x-Color"),
            ("*", ""),
            ("*-ID", "Call-ID"),
            ("P-*-Identity", "P-Asserted-Identity"),
            ("?-[a-c0]?", "X-B1"),
            ("[!a-w]-*", "X-1"),
            ("[]x]", "]"),
            ("a[", "a["),
            ("a\\*", "a*"),
            ("*a*b*", "xaxxbx"),
            ("", ""),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("X-", "X-Color"),
            ("X", ""),
            ("?", ""),
            ("*b", "abc"),
            ("[a-c]", "d"),
            ("[^x]", "X"),
            ("a\\*", "ab"),
            ("a\\", "a\\"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        let long = "a".repeat(10_000);
        assert!(!fits(&"*a".repeat(100), &long.replace('a', "b")));
    }
}
