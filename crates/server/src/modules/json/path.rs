//! The text in the parentheses of `$json(…)`: a document and the way to a place in it.

use std::borrow::Cow;

use smallvec::SmallVec;

/// How many steps a path may have.
const STEPS_MAX: usize = 64;

/// `name ( /key | [index] | [] )*`; a backslash takes the next character as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// The document.
    pub(super) name: Cow<'a, str>,
    /// The way from its root.
    pub(super) steps: SmallVec<[Step<'a>; 8]>,
}

/// One step down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// `/key`: of an object.
    Key(Cow<'a, str>),
    /// `[n]`: of an array, from its end if negative.
    At(i32),
    /// `[]`: behind the last element of an array; only to write.
    Append,
}

impl<'a> Path<'a> {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, &'static str> {
        let (name, mut rest) = word(text)?;
        let mut steps = SmallVec::new();
        while let Some((&first, behind)) = rest.split_first() {
            if steps.last() == Some(&Step::Append) {
                return Err("nothing can follow [] in a path");
            }
            if steps.len() == STEPS_MAX {
                return Err("the path has too many steps");
            }
            if first == b'/' {
                let (key, after) = word(behind)?;
                steps.push(Step::Key(key));
                rest = after;
            } else if first == b'[' {
                let end = memchr::memchr(b']', behind).ok_or("a ] is missing in the path")?;
                steps.push(index(&behind[..end])?);
                rest = &behind[end + 1..];
            } else {
                return Err("behind a ] a path goes on with / or [");
            }
        }
        Ok(Self { name, steps })
    }
}

fn index(text: &[u8]) -> Result<Step<'static>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "an index is a number")?.trim();
    if text.is_empty() {
        return Ok(Step::Append);
    }
    text.parse().map(Step::At).map_err(|_| "an index is a number")
}

/// A name or key up to the next step, and what follows.
fn word(text: &[u8]) -> Result<(Cow<'_, str>, &[u8]), &'static str> {
    let mut end = 0;
    let mut escaped = false;
    while let Some(&byte) = text.get(end) {
        match byte {
            b'/' | b'[' => break,
            b']' => return Err("a ] without its [ in the path"),
            b'\\' => {
                escaped = true;
                end += 2;
            }
            _ => end += 1,
        }
    }
    if end == 0 {
        return Err("a name in the path is empty");
    }
    let (word, rest) = text.split_at_checked(end).ok_or("a path cannot end in a backslash")?;
    let word = std::str::from_utf8(word).map_err(|_| "a name in the path is no text")?;
    if !escaped {
        return Ok((Cow::Borrowed(word), rest));
    }
    let mut plain = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(char) = chars.next() {
        plain.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    Ok((Cow::Owned(plain), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let path = match Path::parse(text.as_bytes()) {
            Ok(path) => path,
            Err(reason) => return reason.to_owned(),
        };
        let mut shown = path.name.into_owned();
        for step in path.steps {
            shown += &match step {
                Step::Key(key) => format!(" <{key}>"),
                Step::At(n) => format!(" #{n}"),
                Step::Append => " +".to_owned(),
            };
        }
        shown
    }

    /// spec/script.md §7.3: `name ( /key | [idx] | [] )*`.
    #[test]
    fn paths_go_by_keys_and_indexes() {
        assert_eq!(shown("x"), "x");
        assert_eq!(shown("x/a b/c.d"), "x <a b> <c.d>");
        assert_eq!(shown("x[0][-1]/k[]"), "x #0 #-1 <k> +");
        assert_eq!(shown(r"x/a\/b\[0\]\\c"), r"x <a/b[0]\c>");
        assert_eq!(shown("x/ключ"), "x <ключ>");
    }

    #[test]
    fn broken_paths_are_told_apart() {
        for (text, reason) in [
            ("", "a name in the path is empty"),
            ("/a", "a name in the path is empty"),
            ("x/", "a name in the path is empty"),
            ("x//a", "a name in the path is empty"),
            ("x[0", "a ] is missing in the path"),
            ("x]", "a ] without its [ in the path"),
            ("x[a]", "an index is a number"),
            ("x[0]a", "behind a ] a path goes on with / or ["),
            ("x[]/a", "nothing can follow [] in a path"),
            ("x\\", "a path cannot end in a backslash"),
        ] {
            assert_eq!(shown(text), reason, "{text}");
        }
        assert!(Path::parse(b"x/\xff").is_err());
        assert!(Path::parse(&[b"x".to_vec(), b"[0]".repeat(65)].concat()).is_err());
    }
}
