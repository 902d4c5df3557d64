//! Which test uses a name: looked up in the tests' own text, so that the page cannot name one that
//! is not there.

use std::fs;
use std::path::{Path, PathBuf};

/// Where tests stand, and the scripts that they run.
const PLACES: [&str; 8] = [
    "tests",
    "examples",
    "crates/server/tests",
    "crates/server/src",
    "crates/script/tests",
    "crates/script/src",
    "crates/management/tests",
    "src",
];

/// The text of all tests, each with its file.
pub(crate) struct Proofs(Vec<(String, String)>);

impl Proofs {
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        for place in PLACES {
            gather(&root.join(place), &mut files);
        }
        files.sort();
        let name = |file: &Path| file.strip_prefix(root).unwrap_or(file).display().to_string();
        let texts = files.iter().filter_map(|file| {
            let text = fs::read_to_string(file).ok()?;
            Some((name(file), tests_of(&name(file), text)?))
        });
        let mut proofs: Vec<_> = texts.collect();
        // A whole call says more than a test of a part.
        proofs.sort_by_key(|(name, _)| !name.starts_with("tests/"));
        Self(proofs)
    }

    /// A call of the function.
    pub(crate) fn function(&self, name: &str) -> Option<&str> {
        self.find(|text| has(text, name, |byte| byte == b'('))
    }

    /// `$name`, `$(name…`.
    pub(crate) fn variable(&self, names: &[&str]) -> Option<&str> {
        let used = |text: &str, name: &str| {
            let dollar = has(text, &format!("${name}"), |_| true);
            dollar || has(text, &format!("$({name}"), |_| true)
        };
        self.find(|text| names.iter().any(|name| used(text, name)))
    }

    /// A `modparam` of the module, or its settings made in a test.
    pub(crate) fn parameter(&self, module: &str, name: &str) -> Option<&str> {
        let quoted = format!("\"{name}\"");
        let escaped = format!("\\\"{name}\\\"");
        self.find(|text| {
            text.contains(module) && (text.contains(&quoted) || text.contains(&escaped))
        })
    }

    /// `{class.op`.
    pub(crate) fn transformation(&self, name: &str) -> Option<&str> {
        let (class, op) = name.split_once('.').unwrap_or_default();
        let in_parts = format!("(\"{class}\", \"{op}\"");
        self.find(|text| {
            has(text, &format!("{{{name}"), |_| true)
                || text.contains(&format!("\"{name}\""))
                || text.contains(&format!("\"{name},"))
                || text.contains(&in_parts)
        })
    }

    fn find(&self, used: impl Fn(&str) -> bool) -> Option<&str> {
        let found = self.0.iter().find(|(_, text)| used(text));
        found.map(|(name, _)| name.as_str())
    }
}

fn gather(place: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is = |kind: &str| path.extension().is_some_and(|extension| extension == kind);
        if path.is_dir() {
            gather(&path, files);
        } else if is("rs") || is("cfg") {
            files.push(path);
        }
    }
}

/// Tests that read names and run nothing: the page itself, lints, layout. Those of management commands
/// have scripts that only make something to ask about.
const READERS: [&str; 7] = [
    "tests/any_request/",
    "tests/commands/",
    "compatibility_doc",
    "tests/cli.rs",
    "tests/lints_doc.rs",
    "tests/format.rs",
    "tests/lints.rs",
];

/// The part of a file that tests something: all of it, or what stands behind `mod tests`.
fn tests_of(name: &str, text: String) -> Option<String> {
    if READERS.iter().any(|reader| name.contains(reader)) {
        return None;
    }
    let whole = ["tests/", "examples/", "crates/server/tests/", "crates/script/tests/"];
    if name.ends_with("tests.rs") || whole.iter().any(|place| name.starts_with(place)) {
        return Some(text);
    }
    text.find("mod tests {").map(|at| text[at..].to_owned())
}

/// Whether `wanted` stands in `text` as a word, and what comes next is as it should be.
fn has(text: &str, wanted: &str, next: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.match_indices(wanted).any(|(at, _)| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(at + wanted.len()).copied().unwrap_or(b' ');
        let begins = wanted.starts_with(['$', '{']) || before.is_none_or(|byte| !word(byte));
        // `fn name(` is a test's own.
        let own = text[..at].ends_with("fn ");
        begins && !own && !word(after) && next(after)
    })
}
