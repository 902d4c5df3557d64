//! Shell patterns, as `fnmatch` reads them: `*`, `?`, `[a-z]`, `[!a-z]`, and a backslash for the
//! character itself.

/// Whether the whole text fits the pattern. It takes time proportional to the length of one times
/// that of the other, at most.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // Where to go on when what follows the last star does not fit: one octet further.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match one(&pattern[at..], text[position]) {
            Fit::Star => {
                star = Some((at + 1, position));
                at += 1;
            }
            Fit::Yes(len) => {
                at += len;
                position += 1;
            }
            Fit::No => match &mut star {
                None => return false,
                Some((after, from)) => {
                    *from += 1;
                    (at, position) = (*after, *from);
                }
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// How the first element of a pattern and an octet go together.
enum Fit {
    /// A star, which fits anything.
    Star,
    /// It fits; the element has this length.
    Yes(usize),
    No,
}

fn one(pattern: &[u8], byte: u8) -> Fit {
    let fits = |yes, len| if yes { Fit::Yes(len) } else { Fit::No };
    match pattern {
        [] => Fit::No,
        [b'*', ..] => Fit::Star,
        [b'?', ..] => Fit::Yes(1),
        [b'\\', literal, ..] => fits(*literal == byte, 2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((yes, len)) => fits(yes, len + 1),
            None => fits(byte == b'[', 1),
        },
        [literal, ..] => fits(*literal == byte, 1),
    }
}

/// Whether an octet is one of the set up to `]`, and the set's length with it. None if it never
/// closes: then the bracket is a bracket.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let low = *set.get(at)?;
        if low == b']' && at > first {
            return Some((found != negated, at + 1));
        }
        match (set.get(at + 1), set.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                found |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_of_the_shell() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a\r\nb", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("*b*", "ac", false),
            ("*aab", "aaaaab", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[a-]x", "-x", true),
            ("[ab", "[ab", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let text = "a".repeat(65_535);
        assert!(!matches("*a".repeat(100).as_bytes(), format!("{text}b").as_bytes()));
    }
}
