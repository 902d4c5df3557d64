//! The patterns of `ua-filtering`, compiled once.

use std::sync::Arc;

use duologue_script::{Pattern, PatternFlags};
use parking_lot::Mutex;

use super::lookup_flags::LookupFlags;

/// How many patterns are kept: those of a script, and a few that it makes from variables.
const PATTERNS_MAX: usize = 32;

/// Patterns that were used, the latest last.
#[derive(Debug, Default)]
pub(super) struct Patterns(Mutex<Vec<(Key, Arc<Pattern>)>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    text: String,
    ignore_case: bool,
    extended: bool,
}

impl Patterns {
    /// The pattern of these flags.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn get(&self, text: &str, flags: &LookupFlags) -> Result<Arc<Pattern>, String> {
        let key = Key {
            text: text.to_owned(),
            ignore_case: flags.case_insensitive,
            extended: flags.extended_regexp,
        };
        let mut known = self.0.lock();
        if let Some((_, pattern)) = known.iter().find(|(other, _)| *other == key) {
            return Ok(Arc::clone(pattern));
        }
        let pattern = Arc::new(compile(&key)?);
        if known.len() >= PATTERNS_MAX {
            known.remove(0);
        }
        known.push((key, Arc::clone(&pattern)));
        Ok(pattern)
    }
}

fn compile(key: &Key) -> Result<Pattern, String> {
    let flags = PatternFlags { ignore_case: key.ignore_case, newline_sensitive: true };
    if key.extended {
        Pattern::compile(key.text.as_bytes(), flags)
    } else {
        Pattern::compile(&extended(key.text.as_bytes()), flags)
    }
}

/// A POSIX basic expression as an extended one: what is special with a backslash in the one is
/// special without it in the other.
fn extended(basic: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(basic.len() + 8);
    let mut at = 0;
    while let Some(&byte) = basic.get(at) {
        at += 1;
        match byte {
            b'[' => {
                // A bracket expression is the same in both; a bracket right after its start is
                // no end.
                let inside = at + usize::from(basic.get(at) == Some(&b'^'));
                let from = inside + usize::from(basic.get(inside) == Some(&b']'));
                let rest = basic.get(from..).unwrap_or_default();
                let end = memchr::memchr(b']', rest).map_or(basic.len(), |end| from + end + 1);
                out.extend_from_slice(&basic[at - 1..end]);
                at = end;
            }
            b'\\' => match basic.get(at) {
                Some(&next @ (b'(' | b')' | b'{' | b'}' | b'|' | b'+' | b'?')) => {
                    out.push(next);
                    at += 1;
                }
                Some(&next) => {
                    out.extend_from_slice(&[b'\\', next]);
                    at += 1;
                }
                None => out.push(b'\\'),
            },
            b'(' | b')' | b'{' | b'}' | b'|' | b'+' | b'?' => out.extend_from_slice(&[b'\\', byte]),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §12: `ua-filtering` with and without `extended-regexp`.
    #[test]
    fn basic_expressions_are_rewritten() {
        for (basic, written) in [
            ("a+b", "a\\+b"),
            ("a\\+b", "a+b"),
            ("\\(x\\|y\\)", "(x|y)"),
            ("[]+(]z?", "[]+(]z\\?"),
            ("v1\\.2", "v1\\.2"),
            ("[^a", "[^a"),
            ("\\", "\\"),
        ] {
            let made = extended(basic.as_bytes());
            assert_eq!(String::from_utf8(made).unwrap(), written, "{basic}");
        }
    }

    #[test]
    fn patterns_are_kept_and_bounded() {
        let patterns = Patterns::default();
        let flags = LookupFlags::default();
        let first = patterns.get("snom", &flags).unwrap();
        assert!(Arc::ptr_eq(&first, &patterns.get("snom", &flags).unwrap()));
        assert!(!first.is_match(b"SNOM"));
        let folded = LookupFlags { case_insensitive: true, ..flags.clone() };
        assert!(patterns.get("snom", &folded).unwrap().is_match(b"SNOM"));
        for n in 0..100 {
            patterns.get(&format!("p{n}"), &flags).unwrap();
        }
        assert_eq!(patterns.0.lock().len(), PATTERNS_MAX);
        assert!(patterns.get("\\(", &flags).is_err());
    }
}
