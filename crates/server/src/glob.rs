//! Patterns as shells know them, for names of keys: `*`, `?`, `[a-z]`, `[!0-9]`.

/// Whether `text` as a whole fits `pattern`; a backslash takes the next character as it is.
///
/// The time is at most the product of both lengths, whatever the pattern: only the last star is
/// ever tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
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
        let step = text.get(t).and_then(|&byte| one(&pattern[p..], byte));
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
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', quoted, ..] => (*quoted == byte).then_some(2),
        [b'[', inside @ ..] => match class(inside, byte) {
            Some((len, fits)) => fits.then_some(len + 1),
            // Without its end it is a bracket as any other byte.
            None => (byte == b'[').then_some(1),
        },
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

/// How long a class is behind its bracket, and whether the byte is in it; `None` without an end.
fn class(inside: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(inside.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        match inside[at..] {
            [] => return None,
            [b']', ..] if at > first => return Some((at + 1, found != negated)),
            [low, b'-', high, ..] if high != b']' => {
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            [single, ..] => {
                found |= single == byte;
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
            ("*", &["", "a", "abc"], &[]),
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
    fn many_stars_take_no_time() {
        let (pattern, text) = (b"*a".repeat(200), b"a".repeat(20_000));
        assert!(matches(&pattern, &text));
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
    }
}
