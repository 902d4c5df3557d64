//! `/regex/replacement/flags`, in `{re.subst,…}` and as an argument of functions.

use crate::lexer::variable_len;
use crate::pattern::{Pattern, PatternFlags};
use crate::program::TRANSFORM_ARGS_MAX;
use crate::value::{Reading, Text, Value};
use std::ops::Range;

/// A substitution, compiled at load time.
#[derive(Clone, Debug)]
pub(crate) struct Substitution {
    pattern: Pattern,
    replacement: Vec<Part>,
    all: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
    /// A variable: one of the arguments.
    Argument(usize),
}

impl Substitution {
    /// As the argument of `{re.subst}`, where braces that count are escaped because of those
    /// around the transformation.
    pub(crate) fn in_braces(text: &[u8]) -> Result<(Self, Vec<Vec<u8>>), String> {
        Self::read(text, TRANSFORM_ARGS_MAX, braces)
    }

    /// From `/regex/replacement/flags`; any first character separates. The second value holds
    /// the variables of the replacement, at most `variables_max`, to be passed as values.
    pub(crate) fn parse(text: &[u8], variables_max: usize) -> Result<(Self, Vec<Vec<u8>>), String> {
        Self::read(text, variables_max, <[u8]>::to_vec)
    }

    fn read(
        text: &[u8],
        variables_max: usize,
        regex_of: fn(&[u8]) -> Vec<u8>,
    ) -> Result<(Self, Vec<Vec<u8>>), String> {
        let text = text.trim_ascii_start();
        let Some((&separator, rest)) = text.split_first() else {
            return Err("an expression is missing: `/regex/replacement/flags`".to_owned());
        };
        let (regex, rest) = part(rest, separator)?;
        let (replacement, flags) = part(rest, separator)?;
        let mut all = false;
        let mut pattern_flags = PatternFlags { ignore_case: false, newline_sensitive: true };
        for flag in flags.trim_ascii() {
            match flag {
                b'i' => pattern_flags.ignore_case = true,
                b'g' => all = true,
                b's' => pattern_flags.newline_sensitive = false,
                other => return Err(format!("unknown flag `{}`", char::from(*other))),
            }
        }
        let pattern = Pattern::compile(&regex_of(&regex), pattern_flags)?;
        let groups = pattern.regex().captures_len();
        let mut variables = Vec::new();
        let replacement = parts(&replacement, groups, variables_max, &mut variables)?;
        Ok((Self { pattern, replacement, all }, variables))
    }

    /// Appends the input with its matches replaced; without a match, the input.
    pub(crate) fn apply(&self, input: &[u8], args: &[Value<'_>], out: &mut Text) -> Reading {
        let mut from = 0;
        self.each(input, args, |place, replacement| {
            out.push(&input[from..place.start]);
            out.push(replacement);
            from = place.end;
            true
        });
        out.push(&input[from..]);
        Reading::Str
    }

    /// Tells `each` the place of every match to be replaced and what comes there, until it answers
    /// that this is enough; tells how many there were.
    pub(crate) fn each(
        &self,
        input: &[u8],
        args: &[Value<'_>],
        mut each: impl FnMut(Range<usize>, &[u8]) -> bool,
    ) -> usize {
        let most = if self.all { usize::MAX } else { 1 };
        let (mut count, mut text) = (0, Vec::new());
        for found in self.pattern.regex().captures_iter(input).take(most) {
            let Some(whole) = found.get(0) else { break };
            text.clear();
            for part in &self.replacement {
                match part {
                    Part::Text(piece) => text.extend_from_slice(piece),
                    Part::Argument(n) => {
                        text.extend(args.get(*n).and_then(Value::to_bytes).unwrap_or_default());
                    }
                    Part::Group(n) => {
                        text.extend_from_slice(found.get(*n).map_or(b"", |m| m.as_bytes()));
                    }
                }
            }
            count += 1;
            if !each(whole.range(), &text) {
                break;
            }
        }
        count
    }
}

/// Up to the separator; a backslash before a separator hides it.
fn part(text: &[u8], separator: u8) -> Result<(Vec<u8>, &[u8]), String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' if text.get(at + 1) == Some(&separator) => {
                found.push(separator);
                at += 2;
            }
            b'\\' if at + 1 < text.len() => {
                found.extend_from_slice(&text[at..at + 2]);
                at += 2;
            }
            byte if byte == separator => return Ok((found, &text[at + 1..])),
            byte => {
                found.push(byte);
                at += 1;
            }
        }
    }
    Err(format!("a `{}` is missing", char::from(separator)))
}

/// Braces are escaped because of the braces around the transformation: `\{2\}` counts.
fn braces(regex: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = regex;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'\\', [brace @ (b'{' | b'}'), after @ ..]) => {
                found.push(*brace);
                after
            }
            (b'\\', [next, after @ ..]) => {
                found.extend_from_slice(&[b'\\', *next]);
                after
            }
            _ => {
                found.push(*byte);
                after
            }
        };
    }
    found
}

fn parts(
    replacement: &[u8],
    groups: usize,
    variables_max: usize,
    variables: &mut Vec<Vec<u8>>,
) -> Result<Vec<Part>, String> {
    let mut found = Vec::new();
    let mut text = Vec::new();
    let mut rest = replacement;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'\\', [digit @ b'0'..=b'9', after @ ..]) => {
                let group = usize::from(digit - b'0');
                if group >= groups {
                    return Err(format!("there is no group {group}"));
                }
                found.push(Part::Text(std::mem::take(&mut text)));
                found.push(Part::Group(group));
                after
            }
            (b'\\', [next, after @ ..]) => {
                text.push(*next);
                after
            }
            (b'$', after) => {
                let len = variable_len(after).map_err(|error| error.message().to_owned())?;
                if variables.len() == variables_max {
                    return Err(format!("more than {variables_max} variables"));
                }
                found.push(Part::Text(std::mem::take(&mut text)));
                found.push(Part::Argument(variables.len()));
                variables.push(rest[..=len].to_vec());
                &after[len..]
            }
            _ => {
                text.push(*byte);
                after
            }
        };
    }
    found.push(Part::Text(text));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subst(text: &str, input: &str) -> String {
        let mut out = Text::new(1000);
        Substitution::in_braces(text.as_bytes()).unwrap().0.apply(input.as_bytes(), &[], &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn section_9_2_subst() {
        assert_eq!(subst("/^\\+(.*)/00\\1/", "+49123"), "0049123");
        assert_eq!(subst("/x/y/g", "axbx"), "ayby");
        assert_eq!(subst("/X/y/", "axbx"), "axbx", "no match leaves the input");
        assert_eq!(subst("/X/y/i", "axbx"), "aybx");
        assert_eq!(subst("|[0-9]\\{3\\}|-|", "12345"), "-45");
        assert!(Substitution::in_braces(b"/a/b").is_err());
        assert!(Substitution::in_braces(b"/a/\\1/").is_err());
    }

    #[test]
    fn arguments_of_functions_know_no_escaped_braces() {
        let parse = |text: &str| Substitution::parse(text.as_bytes(), 1);
        let places = |text: &str, input: &str| {
            let mut found = Vec::new();
            let each = |place: Range<usize>, text: &[u8]| {
                found.push((place, text.to_vec()));
                true
            };
            let count = parse(text).unwrap().0.each(input.as_bytes(), &[Value::Int(7)], each);
            assert_eq!(count, found.len());
            found
        };
        assert_eq!(places("/a{2}/-$si-/", "xaaaa"), [(1..3, b"-7-".to_vec())]);
        assert_eq!(places("/a{2}/b/g", "xaaaa"), [(1..3, b"b".to_vec()), (3..5, b"b".to_vec())]);
        assert_eq!(places("/a\\{2/b/", "a{2"), [(0..3, b"b".to_vec())]);
        assert_eq!(places("/A/b/", "a"), []);
        assert!(parse("/a/$si$ru/").is_err(), "one variable is allowed here");
        assert_eq!(parse("/a/$si/").unwrap().1, [b"$si".to_vec()]);
    }
}
