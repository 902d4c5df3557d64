//! The flags of `save()`, as words and as letters (spec/modules.md §12).

use std::fmt;

use duologue_usrloc::Matching;

use super::super::usrloc::matching_named;

/// What `save()` is told to do otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SaveFlags {
    pub(super) memory_only: bool,
    pub(super) no_reply: bool,
    pub(super) max_contacts: Option<u32>,
    pub(super) force_registration: bool,
    pub(super) matching: Option<Matching>,
    pub(super) path: PathMode,
    pub(super) path_received: bool,
    pub(super) only_request_contacts: bool,
    pub(super) socket_header: bool,
    pub(super) min_expires: Option<u32>,
    pub(super) max_expires: Option<u32>,
}

/// What becomes of the Path of a REGISTER (RFC 3327).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PathMode {
    /// It is ignored.
    #[default]
    Off,
    /// It is stored, whether the phone knows of it or not.
    Lazy,
    /// A phone that does not know of it is refused.
    Strict,
}

/// The words, for people.
pub(super) const WORDS: &str = "memory-only, no-reply, max-contacts=N, force-registration, \
    matching-mode=MODE, path-off, path-lazy, path-strict, path-received, only-request-contacts, \
    socket-header, min-expires=N, max-expires=N";

impl SaveFlags {
    /// Reads a list of words, or the letters of older scripts. None if it is neither.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        Self::words(text).or_else(|| Self::letters(text))
    }

    /// The letters of an older script as words; `None` for what are words already.
    pub(super) fn modern(text: &str) -> Option<String> {
        let text = text.trim();
        let letters = if Self::words(text).is_some() { None } else { Self::letters(text) };
        letters.map(|flags| flags.to_string()).filter(|words| !words.is_empty())
    }

    fn words(text: &str) -> Option<Self> {
        let mut flags = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("max-contacts", value)) => flags.max_contacts = Some(value.parse().ok()?),
                Some(("min-expires", value)) => flags.min_expires = Some(value.parse().ok()?),
                Some(("max-expires", value)) => flags.max_expires = Some(value.parse().ok()?),
                Some(("matching-mode", value)) => {
                    flags.matching = Some(matching_named(value.as_bytes())?);
                }
                Some(_) => return None,
                None => match word {
                    "memory-only" => flags.memory_only = true,
                    "no-reply" => flags.no_reply = true,
                    "force-registration" => flags.force_registration = true,
                    "path-off" => flags.path = PathMode::Off,
                    "path-lazy" => flags.path = PathMode::Lazy,
                    "path-strict" => flags.path = PathMode::Strict,
                    "path-received" => flags.path_received = true,
                    "only-request-contacts" => flags.only_request_contacts = true,
                    "socket-header" => flags.socket_header = true,
                    _ => return None,
                },
            }
        }
        Some(flags)
    }

    fn letters(text: &str) -> Option<Self> {
        let mut flags = Self::default();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                'm' => flags.memory_only = true,
                'r' => flags.no_reply = true,
                'c' => flags.max_contacts = Some(number(&mut rest)?),
                'f' => flags.force_registration = true,
                'M' => flags.matching = Some(mode(&mut rest)?),
                'p' => {
                    flags.path = match number(&mut rest)? {
                        0 => PathMode::Off,
                        1 => PathMode::Lazy,
                        2 => PathMode::Strict,
                        _ => return None,
                    }
                }
                'v' => flags.path_received = true,
                'o' => flags.only_request_contacts = true,
                's' => flags.socket_header = true,
                'e' => flags.min_expires = Some(number(&mut rest)?),
                'E' => flags.max_expires = Some(number(&mut rest)?),
                _ => return None,
            }
        }
        Some(flags)
    }
}

impl fmt::Display for SaveFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.path {
            PathMode::Off => None,
            PathMode::Lazy => Some("path-lazy".to_owned()),
            PathMode::Strict => Some("path-strict".to_owned()),
        };
        let matching = self.matching.as_ref().map(|matching| match matching {
            Matching::Uri => "matching-mode=0".to_owned(),
            Matching::UriAndCallId => "matching-mode=1".to_owned(),
            Matching::Param(name) => format!("matching-mode=<{}>", String::from_utf8_lossy(name)),
            // Not a flag's: those of phones that can be woken.
            Matching::Params(_) => String::new(),
        });
        let flag = |set: bool, word: &str| set.then(|| word.to_owned());
        let valued = |value: Option<u32>, word: &str| value.map(|value| format!("{word}={value}"));
        let words = [
            flag(self.memory_only, "memory-only"),
            flag(self.no_reply, "no-reply"),
            valued(self.max_contacts, "max-contacts"),
            flag(self.force_registration, "force-registration"),
            matching,
            path,
            flag(self.path_received, "path-received"),
            flag(self.only_request_contacts, "only-request-contacts"),
            flag(self.socket_header, "socket-header"),
            valued(self.min_expires, "min-expires"),
            valued(self.max_expires, "max-expires"),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

/// The digits in front of `rest`, which goes on behind them.
pub(super) fn number(rest: &mut &str) -> Option<u32> {
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at(end);
    *rest = tail;
    digits.parse().ok()
}

/// `0`, `1`, or the name of a URI parameter in angle brackets.
fn mode(rest: &mut &str) -> Option<Matching> {
    let end = match rest.strip_prefix('<') {
        Some(_) => rest.find('>')? + 1,
        None => 1,
    };
    let (mode, tail) = rest.split_at_checked(end)?;
    *rest = tail;
    matching_named(mode.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §12: every flag has a word and a letter, which mean the same.
    #[test]
    fn words_and_letters_mean_the_same() {
        for (words, letters) in [
            ("memory-only", "m"),
            ("no-reply", "r"),
            ("max-contacts=5", "c5"),
            ("force-registration", "f"),
            ("matching-mode=0", "M0"),
            ("matching-mode=1", "M1"),
            ("matching-mode=rinstance", "M<rinstance>"),
            ("path-off", "p0"),
            ("path-lazy", "p1"),
            ("path-strict", "p2"),
            ("path-received", "v"),
            ("only-request-contacts", "o"),
            ("socket-header", "s"),
            ("min-expires=90", "e90"),
            ("max-expires=3600", "E3600"),
            ("max-contacts=2, force-registration, path-lazy", "c2fp1"),
            ("path-strict,path-received,max-expires=60,min-expires=30", "p2vE60e30"),
            ("", ""),
        ] {
            let by_words = SaveFlags::parse(words.as_bytes());
            assert!(by_words.is_some(), "{words}");
            assert_eq!(by_words, SaveFlags::parse(letters.as_bytes()), "{words} {letters}");
            if let Some(modern) = SaveFlags::modern(letters) {
                assert_eq!(by_words, SaveFlags::parse(modern.as_bytes()), "{letters} {modern}");
                assert_eq!(SaveFlags::modern(&modern), None, "{modern}");
            }
        }
        // All of them do something, but those that name what is usual.
        let all = "memory-only,no-reply,max-contacts=1,force-registration,matching-mode=1,\
                   path-strict,path-received,only-request-contacts,socket-header,min-expires=1,\
                   max-expires=2";
        assert_eq!(
            SaveFlags::parse(all.as_bytes()),
            Some(SaveFlags {
                memory_only: true,
                no_reply: true,
                max_contacts: Some(1),
                force_registration: true,
                matching: Some(Matching::UriAndCallId),
                path: PathMode::Strict,
                path_received: true,
                only_request_contacts: true,
                socket_header: true,
                min_expires: Some(1),
                max_expires: Some(2),
            })
        );
    }

    #[test]
    fn what_is_no_flag() {
        for bad in ["c", "p3", "p", "x", "max-contacts", "max-contacts=x", "no-replay", "M", "M<a"]
        {
            assert_eq!(SaveFlags::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
