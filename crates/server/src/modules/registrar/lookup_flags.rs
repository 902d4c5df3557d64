//! The flags of `lookup()`, as words and as letters (spec/modules.md §12).

use std::fmt;

use super::save_flags::number;

/// What `lookup()` is told to do otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LookupFlags {
    pub(super) no_branches: bool,
    pub(super) to_branches_only: bool,
    pub(super) branch: bool,
    pub(super) method_filtering: bool,
    pub(super) ua_filtering: Option<String>,
    pub(super) case_insensitive: bool,
    pub(super) extended_regexp: bool,
    /// Other nodes of a cluster, of which there are none yet.
    pub(super) global: bool,
    pub(super) max_ping_latency_us: Option<u32>,
    pub(super) sort_by_latency: bool,
}

/// The words, for people.
pub(super) const WORDS: &str = "no-branches, to-branches-only, branch, method-filtering, \
    ua-filtering=/pattern/, case-insensitive, extended-regexp, global, max-ping-latency=N, \
    sort-by-latency";

impl LookupFlags {
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
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if rest.is_empty() {
                return Some(flags);
            }
            // A pattern may have commas in it.
            if let Some(pattern) = rest.strip_prefix("ua-filtering=") {
                (flags.ua_filtering, rest) = slashed(pattern.trim_start())?;
                if !rest.is_empty() && !rest.starts_with([',', ' ', '\t']) {
                    return None;
                }
                continue;
            }
            let (word, tail) = rest.split_once(',').unwrap_or((rest, ""));
            rest = tail;
            match word.trim().split_once('=') {
                Some(("max-ping-latency", value)) => {
                    flags.max_ping_latency_us = Some(value.trim().parse().ok()?);
                }
                Some(_) => return None,
                None => match word.trim() {
                    "no-branches" => flags.no_branches = true,
                    "to-branches-only" => flags.to_branches_only = true,
                    "branch" => flags.branch = true,
                    "method-filtering" => flags.method_filtering = true,
                    "case-insensitive" => flags.case_insensitive = true,
                    "extended-regexp" => flags.extended_regexp = true,
                    "global" => flags.global = true,
                    "sort-by-latency" => flags.sort_by_latency = true,
                    _ => return None,
                },
            }
        }
    }

    fn letters(text: &str) -> Option<Self> {
        let mut flags = Self::default();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                'b' => flags.no_branches = true,
                'B' => flags.to_branches_only = true,
                'r' => flags.branch = true,
                'm' => flags.method_filtering = true,
                'u' => (flags.ua_filtering, rest) = slashed(rest)?,
                'i' => flags.case_insensitive = true,
                'e' => flags.extended_regexp = true,
                'g' => flags.global = true,
                'y' => flags.max_ping_latency_us = Some(number(&mut rest)?),
                'Y' => flags.sort_by_latency = true,
                _ => return None,
            }
        }
        Some(flags)
    }
}

impl fmt::Display for LookupFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set: bool, word: &str| set.then(|| word.to_owned());
        let words = [
            flag(self.no_branches, "no-branches"),
            flag(self.to_branches_only, "to-branches-only"),
            flag(self.branch, "branch"),
            flag(self.method_filtering, "method-filtering"),
            self.ua_filtering.as_ref().map(|pattern| format!("ua-filtering=/{pattern}/")),
            flag(self.case_insensitive, "case-insensitive"),
            flag(self.extended_regexp, "extended-regexp"),
            flag(self.global, "global"),
            self.max_ping_latency_us.map(|latency| format!("max-ping-latency={latency}")),
            flag(self.sort_by_latency, "sort-by-latency"),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

/// The pattern in `/pattern/`, and what follows it.
fn slashed(text: &str) -> Option<(Option<String>, &str)> {
    let (pattern, rest) = text.strip_prefix('/')?.split_once('/')?;
    (!pattern.is_empty()).then(|| (Some(pattern.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §12: every flag has a word and a letter, which mean the same.
    #[test]
    fn words_and_letters_mean_the_same() {
        for (words, letters) in [
            ("no-branches", "b"),
            ("to-branches-only", "B"),
            ("branch", "r"),
            ("method-filtering", "m"),
            ("ua-filtering=/snom|a,b/", "u/snom|a,b/"),
            ("case-insensitive", "i"),
            ("extended-regexp", "e"),
            ("global", "g"),
            ("max-ping-latency=5000", "y5000"),
            ("sort-by-latency", "Y"),
            ("method-filtering, ua-filtering=/^x/, case-insensitive", "mu/^x/i"),
            ("", ""),
        ] {
            let by_words = LookupFlags::parse(words.as_bytes());
            assert!(by_words.is_some(), "{words}");
            assert_eq!(by_words, LookupFlags::parse(letters.as_bytes()), "{words} {letters}");
            if let Some(modern) = LookupFlags::modern(letters) {
                assert_eq!(by_words, LookupFlags::parse(modern.as_bytes()), "{letters} {modern}");
                assert_eq!(LookupFlags::modern(&modern), None, "{modern}");
            }
        }
        let all = "no-branches,to-branches-only,branch,method-filtering,ua-filtering=/a/,\
                   case-insensitive,extended-regexp,global,max-ping-latency=7,sort-by-latency";
        assert_eq!(
            LookupFlags::parse(all.as_bytes()),
            Some(LookupFlags {
                no_branches: true,
                to_branches_only: true,
                branch: true,
                method_filtering: true,
                ua_filtering: Some("a".to_owned()),
                case_insensitive: true,
                extended_regexp: true,
                global: true,
                max_ping_latency_us: Some(7),
                sort_by_latency: true,
            })
        );
    }

    #[test]
    fn what_is_no_flag() {
        for bad in ["x", "y", "u", "u/a", "u//", "branches", "ua-filtering=a", "ua-filtering=/a/b"]
        {
            assert_eq!(LookupFlags::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
