//! Regular expressions as scripts write them: POSIX extended, ignoring case (spec §5.2, §6).

use crate::limits::PATTERN_BYTES_MAX;
use regex::bytes::{Regex, RegexBuilder};

/// A compiled pattern over bytes. Matching takes time linear in the text.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

/// How `.`, `^` and `$` treat line breaks, and how letters compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternFlags {
    /// `a` matches `A`.
    pub ignore_case: bool,
    /// `.` and `[^x]` do not match LF; `^` and `$` match at line breaks.
    pub newline_sensitive: bool,
}

impl PatternFlags {
    /// The `=~` operator: ignores case, a line break is a character like any other.
    pub const OPERATOR: Self = Self { ignore_case: true, newline_sensitive: false };
    /// A `Regex` parameter of a function: ignores case, newline-sensitive.
    pub const PARAMETER: Self = Self { ignore_case: true, newline_sensitive: true };
}

impl Pattern {
    /// Compiles a POSIX extended regular expression.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn compile(posix: &[u8], flags: PatternFlags) -> Result<Self, String> {
        let translated = translate(posix, flags)?;
        let regex = RegexBuilder::new(&translated)
            .unicode(false)
            .case_insensitive(flags.ignore_case)
            .multi_line(flags.newline_sensitive)
            .dot_matches_new_line(!flags.newline_sensitive)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "the pattern is too big".to_owned(),
                error => last_line(&error.to_string()),
            })?;
        Ok(Self { regex })
    }

    /// Whether the pattern is found anywhere in the text.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The compiled expression, for functions that replace or capture.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Rewrites POSIX syntax into that of the `regex` crate: bracket expressions know no escapes and
/// take `]` and `[` literally, `*` at the start is a literal, braces that count nothing are
/// literals, bytes above 127 are bytes, and `\w`-like shorthands stay.
fn translate(posix: &[u8], flags: PatternFlags) -> Result<String, String> {
    let mut out = String::with_capacity(posix.len() + 8);
    let mut at = 0;
    let mut start = true;
    while at < posix.len() {
        let byte = posix[at];
        at += 1;
        let begins = std::mem::replace(&mut start, false);
        match byte {
            b'[' => at = bracket(posix, at, flags, &mut out)?,
            b'\\' => {
                let Some(&next) = posix.get(at) else {
                    return Err("it ends with a backslash".to_owned());
                };
                at += 1;
                match next {
                    // GNU extensions that scripts rely on, with the same meaning here.
                    b'w' | b'W' | b's' | b'S' | b'b' | b'B' | b'd' | b'D' | b'n' | b'r' | b't' => {
                        out.push('\\');
                        out.push(char::from(next));
                    }
                    b'<' => out.push_str("\\b"),
                    b'>' => out.push_str("\\b"),
                    b'1'..=b'9' => return Err("back-references are not supported".to_owned()),
                    next => literal(next, &mut out),
                }
            }
            b'*' | b'+' | b'?' if begins => literal(byte, &mut out),
            b'*' | b'+' | b'?' => {
                // `a**` means `a*`; in the translation `*?` would mean something else.
                let lazy = matches!(out.as_bytes().last(), Some(b'*' | b'+' | b'?'))
                    && !ends_escaped(&out);
                if lazy {
                    if byte != out.as_bytes()[out.len() - 1] {
                        out.pop();
                        out.push('*');
                    }
                } else {
                    out.push(char::from(byte));
                }
            }
            b'{' => {
                let len = posix[at..].iter().position(|&b| b == b'}');
                let inside = len.map(|len| &posix[at..at + len]);
                match inside {
                    Some(text)
                        if !text.is_empty()
                            && text.iter().all(|b| b.is_ascii_digit() || *b == b',')
                            && text[0].is_ascii_digit() =>
                    {
                        out.push('{');
                        out.extend(text.iter().map(|&b| char::from(b)));
                        out.push('}');
                        at += text.len() + 1;
                    }
                    _ => literal(b'{', &mut out),
                }
            }
            b'(' | b'|' => {
                out.push(char::from(byte));
                start = true;
            }
            // `(?` is no extension in POSIX; the next byte counts as the first of the group.
            b')' | b'.' => out.push(char::from(byte)),
            b'^' => {
                out.push('^');
                start = true;
            }
            b'$' => out.push('$'),
            byte => literal(byte, &mut out),
        }
    }
    Ok(out)
}

fn ends_escaped(out: &str) -> bool {
    let before = &out[..out.len() - 1];
    before.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

/// One byte that stands for itself.
fn literal(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'/' | b':' | b'@' | b'"') {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

/// A bracket expression, from behind its `[`; returns the place behind its `]`.
fn bracket(
    posix: &[u8],
    mut at: usize,
    flags: PatternFlags,
    out: &mut String,
) -> Result<usize, String> {
    out.push('[');
    if posix.get(at) == Some(&b'^') {
        out.push('^');
        at += 1;
        if flags.newline_sensitive {
            out.push_str("\\n");
        }
    }
    let first = at;
    loop {
        let Some(&byte) = posix.get(at) else {
            return Err("a bracket expression is not closed".to_owned());
        };
        match byte {
            b']' if at > first => {
                out.push(']');
                return Ok(at + 1);
            }
            b'[' if matches!(posix.get(at + 1), Some(b':')) => {
                let rest = &posix[at + 2..];
                let Some(len) = rest.windows(2).position(|w| w == b":]") else {
                    return Err("a character class is not closed".to_owned());
                };
                let name = &rest[..len];
                const CLASSES: [&[u8]; 12] = [
                    b"alpha", b"digit", b"alnum", b"upper", b"lower", b"space", b"blank", b"punct",
                    b"print", b"graph", b"cntrl", b"xdigit",
                ];
                if !CLASSES.contains(&name) {
                    return Err(format!(
                        "there is no character class `{}`",
                        String::from_utf8_lossy(name)
                    ));
                }
                out.push_str("[:");
                out.extend(name.iter().map(|&b| char::from(b)));
                out.push_str(":]");
                at += 2 + len + 2;
            }
            b'[' if matches!(posix.get(at + 1), Some(b'.' | b'=')) => {
                return Err("collating elements are not supported".to_owned());
            }
            b'-' => {
                // A range only between two characters.
                let last = posix.get(at + 1) == Some(&b']');
                if at == first || last {
                    literal(b'-', out);
                } else {
                    out.push('-');
                }
                at += 1;
            }
            byte => {
                literal(byte, out);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern.as_bytes(), PatternFlags::OPERATOR)
            .unwrap()
            .is_match(text.as_bytes())
    }

    #[test]
    fn section_5_2_patterns_ignore_case_and_are_unanchored() {
        assert!(operator("^sip:.*@EXAMPLE\\.com", "sip:a@example.com;x"));
        assert!(operator("b+c", "aBBcd"));
        assert!(!operator("^b", "a\nb"), "line breaks are ordinary for the operator");
        assert!(operator("a.b", "a\nb"));
    }

    #[test]
    fn section_6_parameters_see_lines() {
        let pattern = Pattern::compile(b"^b[^x]*$", PatternFlags::PARAMETER).unwrap();
        assert!(pattern.is_match(b"a\nbcc\nxx"));
        let dot = Pattern::compile(b"a.b", PatternFlags::PARAMETER).unwrap();
        assert!(!dot.is_match(b"a\nb"));
    }

    #[test]
    fn posix_brackets_take_everything_literally() {
        assert!(operator("^[]a]$", "]"));
        assert!(operator("^[\\d]$", "\\"), "no escapes inside brackets");
        assert!(operator("^[[:digit:]]{2,3}$", "123"));
        assert!(operator("^[a-]$", "-"));
        assert!(operator("^[^&&x]$", "a"));
        assert!(!operator("^[a&&b]$", "z"));
        assert!(operator("^[a&&b]$", "&"));
        assert!(operator("a{b", "a{b"));
        assert!(operator("^*a", "*a"));
        assert!(operator("é", "café"));
    }

    #[test]
    fn wrong_patterns_are_named() {
        for wrong in ["(", "[a", "a\\", "[[:no:]]", "(a)\\1", ")"] {
            assert!(Pattern::compile(wrong.as_bytes(), PatternFlags::OPERATOR).is_err(), "{wrong}");
        }
    }
}
