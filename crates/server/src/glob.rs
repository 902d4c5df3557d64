//! Patterns as shells know them (`fnmatch`): `*`, `?`, `[a-z]`, `[!0-9]`, and a backslash for the
//! character itself. For names of keys and headers, and for whole messages.

/// Whether `text` as a whole fits `pattern`.
///
/// The time is at most the product of both lengths, whatever the pattern: only the last star is
/// ever tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_by(pattern, text, |byte| byte)
}

/// As [`matches`], whatever the case of letters.
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    matches_by(pattern, text, |byte| byte.to_ascii_lowercase())
}

/// `fold` maps to one those bytes between which no difference is made.
fn matches_by(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when it does not fit: behind the last star, with one more byte given to it.
    let mut again = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            again = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return true;
        }
        let step = text.get(t).and_then(|&byte| one(&pattern[p..], byte, fold));
        match (step, again) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, Some((star, from))) if from < text.len() => {
                again = Some((star, from + 1));
                (p, t) = (star, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How long the part of the pattern is that stands for one byte, if it fits.
fn one(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<usize> {
    match pattern {
        // A backslash with nothing behind it stands for nothing.
        [] | [b'\\'] => None,
        [b'?', ..] => Some(1),
        [b'\\', quoted, ..] => (fold(*quoted) == fold(byte)).then_some(2),
        [b'[', inside @ ..] => match class(inside, byte, fold) {
            Some((len, fits)) => fits.then_some(len + 1),
            // Without its end it is a bracket as any other byte.
            None => (byte == b'[').then_some(1),
        },
        [plain, ..] => (fold(*plain) == fold(byte)).then_some(1),
    }
}

/// How long a class is behind its bracket, and whether the byte is in it; `None` without an end.
fn class(inside: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<(usize, bool)> {
    let negated = matches!(inside.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        match inside[at..] {
            [] => return None,
            [b']', ..] if at > first => return Some((at + 1, found != negated)),
            [low, b'-', high, ..] if high != b']' => {
                found |= (fold(low)..=fold(high)).contains(&fold(byte));
                at += 3;
            }
            [single, ..] => {
                found |= fold(single) == fold(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("", &[""], &["a"]),
            ("*", &["", "a", "abc", "a\r\nb"], &[]),
            ("a**", &["a", "ab"], &["b"]),
            ("*aab", &["aaaaab"], &["aaba"]),
            ("a*b*c", &["aXbYc"], &["aXbY"]),
            ("a?c", &["abc", "a?c"], &["ac", "abbc"]),
            ("call_*", &["call_", "call_1"], &["all_1", "Call_1"]),
            ("*_x_*", &["_x_", "a_x_b_x_c"], &["a_x", "x"]),
            ("*ab*ab", &["abab", "xabyab", "ababab"], &["ab", "abba"]),
            ("[a-c]1", &["a1", "c1"], &["d1", "1"]),
            ("[!0-9]", &["a"], &["5", ""]),
            ("[]x]", &["]", "x"], &["y"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[ab", &["[ab"], &["a"]),
            (r"a\*", &["a*"], &["ab", r"a\"]),
            (r"a\", &[], &["a", r"a\"]),
        ];
        for (pattern, fitting, others) in table {
            let fits = |text: &str| matches(pattern.as_bytes(), text.as_bytes());
            for text in *fitting {
                assert!(fits(text), "{pattern} fits {text}");
            }
            for text in *others {
                assert!(!fits(text), "{pattern} does not fit {text}");
            }
        }
    }

    #[test]
    fn case_may_be_ignored() {
        let fits =
            |pattern: &str, name: &str| matches_ignoring_case(pattern.as_bytes(), name.as_bytes());
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
    }

    #[test]
    fn many_stars_take_no_time() {
        let (pattern, text) = (b"*a".repeat(200), b"a".repeat(20_000));
        assert!(matches(&pattern, &text));
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
        let text = "a".repeat(65_535) + "b";
        assert!(!matches(&b"*a".repeat(100), text.as_bytes()));
    }
}
