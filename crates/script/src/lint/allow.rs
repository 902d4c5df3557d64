//! `# duologue: allow(CODE, …)`: comments that silence lints.

use super::Lint;
use crate::source::{Files, Span};
use crate::trivia::{Kind, Pieces};
use std::collections::BTreeMap;

/// What the comments of the files allow; a file is read when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    files: BTreeMap<u16, Vec<Allowance>>,
}

/// One name in such a comment.
#[derive(Debug)]
pub(super) struct Allowance {
    pub(super) code: String,
    /// The line that it is for.
    line: u32,
    /// Where the name stands.
    pub(super) span: Span,
}

impl Allowed {
    /// Whether a warning at this place is silenced.
    pub(crate) fn holds(&mut self, files: &Files, span: Span, lint: &Lint) -> bool {
        let line = files.line(span);
        let file = self.files.entry(span.file).or_insert_with(|| allowances(files, span.file));
        file.iter().any(|allowed| allowed.line == line && allowed.code == lint.code)
    }
}

/// All of a file.
pub(super) fn allowances(files: &Files, file: u16) -> Vec<Allowance> {
    let text = files.get(file).map_or("", |file| file.text.as_str());
    let span = |start: usize, end: usize| Span { file, start: start as u32, end: end as u32 };
    let mut found: Vec<Allowance> = Vec::new();
    // From here on they stand alone, and wait for the code behind them.
    let mut waiting = 0;
    let mut first = true;
    for piece in Pieces::of(text) {
        let line = files.line(span(piece.range.start, piece.range.end));
        let alone = piece.breaks > 0 || std::mem::take(&mut first);
        if !matches!(piece.kind, Ok(Kind::LineComment | Kind::BlockComment)) {
            found[waiting..].iter_mut().for_each(|allowed| allowed.line = line);
            waiting = found.len();
            continue;
        }
        let comment = &text[piece.range.clone()];
        for (start, code) in codes(comment) {
            let start = piece.range.start + start;
            let span = span(start, start + code.len());
            found.push(Allowance { code: code.to_owned(), line, span });
        }
        if !alone {
            waiting = found.len();
        }
    }
    found
}

/// The names in a comment that allows something, each with its place.
fn codes(comment: &str) -> impl Iterator<Item = (usize, &str)> {
    let inside = comment.trim_start_matches(['#', '/', '*', ' ', '\t']);
    let list = inside
        .strip_prefix("duologue:")
        .and_then(|rest| rest.trim_start().strip_prefix("allow("))
        .and_then(|rest| rest.split(')').next())
        .unwrap_or_default();
    let place = |part: &str| part.as_ptr() as usize - comment.as_ptr() as usize;
    list.split(',')
        .map(str::trim)
        .filter(|code| !code.is_empty())
        .map(move |code| (place(code), code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_for_its_line_or_the_next_code() {
        let text = "a = 1 # duologue: allow(one)\n# duologue: allow(two, three)\n# words\n\nb = 2\n\
                    /* duologue:allow(four) */ c = 3\n# allow(five)\n# duologue: allow(six\n";
        let mut files = Files::default();
        let file = files.add("x.cfg", text.to_owned(), None);
        let found = allowances(&files, file);
        let shown: Vec<_> = found.iter().map(|it| (it.code.as_str(), it.line)).collect();
        assert_eq!(shown, [("one", 1), ("two", 5), ("three", 5), ("four", 6), ("six", 8)]);
        assert_eq!(files.text(found[2].span), "three");
    }
}
