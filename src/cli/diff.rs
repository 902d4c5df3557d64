//! What changes between two texts, for people.

use similar::TextDiff;

const REMOVED: &str = "\u{1b}[31m";
const ADDED: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

/// A unified diff of a file and what it would become.
pub(super) fn unified(file: &str, before: &str, after: &str, colors: bool) -> String {
    let difference = TextDiff::from_lines(before, after);
    let shown = difference.unified_diff().header(file, &format!("{file} (formatted)")).to_string();
    if !colors {
        return shown;
    }
    let mut out = String::new();
    for line in shown.lines() {
        match line.as_bytes().first() {
            Some(b'-') => out.push_str(&format!("{REMOVED}{line}{PLAIN}\n")),
            Some(b'+') => out.push_str(&format!("{ADDED}{line}{PLAIN}\n")),
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_added_to_what_changes_only() {
        let plain = unified("a.cfg", "one\ntwo\n", "one\n2\n", false);
        assert!(plain.contains("\n-two\n+2\n"), "{plain}");
        let colored = unified("a.cfg", "one\ntwo\n", "one\n2\n", true);
        assert!(colored.contains("\n one\n\u{1b}[31m-two\u{1b}[0m\n"), "{colored}");
    }
}
