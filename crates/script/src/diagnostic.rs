//! What is wrong with a script, told so that it can be mended: all of it in one run, each with
//! its place, the text there, and the nearest known name.

use crate::limits::{ERRORS_MAX, WARNINGS_MAX};
use crate::lint::{Allowed, Lint};
use crate::source::{Files, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;

/// The errors and warnings of one script, with the text they speak of.
#[derive(Debug, Default)]
pub struct Diagnostics {
    files: Files,
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the script still works.
    pub severity: Severity,
    /// The name of the lint that a warning comes from, see [`LINTS`](crate::LINTS); errors have
    /// none.
    pub code: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, or the nearest known name.
    pub help: Option<String>,
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The line where it ends, from 1.
    pub end_line: u32,
    /// The column behind its last character, from 1.
    pub end_column: u32,
    span: Span,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The script does not load.
    Error,
    /// The script loads.
    Warning,
}

impl Diagnostics {
    /// All of them, in the order they were found.
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many errors there are, those beyond [`ERRORS_MAX`] included.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are, those beyond [`WARNINGS_MAX`] included and those that a comment
    /// [allows](Lint) left out.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// The one line at the end: `bad config file (2 errors)`.
    pub fn summary(&self) -> String {
        let plural = if self.errors == 1 { "" } else { "s" };
        format!("bad config file ({} error{plural})", self.errors)
    }

    /// The text for people: each with file, line, column, the source line and a caret.
    /// `color` adds terminal escapes.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&self.render_one(diagnostic, &renderer));
            out.push_str("\n\n");
        }
        let shown = self.list.iter().filter(|d| d.severity == Severity::Error).count();
        if self.errors > shown {
            out.push_str(&format!("… and {} more\n\n", self.errors - shown));
        }
        let shown = self.list.len() - shown;
        if self.warnings > shown {
            out.push_str(&format!("… and {} more warnings\n\n", self.warnings - shown));
        }
        if self.errors > 0 {
            out.push_str(&self.summary());
            out.push('\n');
        }
        out
    }

    fn render_one(&self, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(diagnostic.message.as_str());
        let title = match diagnostic.code {
            Some(code) => title.id(code),
            None => title,
        };
        let span = diagnostic.span;
        let mut group: Group<'_> = match self.files.get(span.file) {
            Some(file) => {
                let mut end = (span.end as usize).min(file.text.len());
                let start = (span.start as usize).min(end);
                // A marker over many lines hides more than it shows.
                if let Some(len) = file.text[start..end].find('\n') {
                    end = start + len;
                }
                let marker = AnnotationKind::Primary.span(start..end);
                title.element(
                    Snippet::source(file.text.as_str()).path(file.path.as_str()).annotation(marker),
                )
            }
            None => Group::with_title(title),
        };
        let mut included = self.files.get(span.file).and_then(|f| f.included);
        let mut notes = Vec::new();
        while let Some((file, line)) = included {
            let Some(file) = self.files.get(file) else { break };
            notes.push(format!("included from {}:{line}", file.path));
            included = file.included;
        }
        for note in &notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Collects what is wrong while a script loads.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Found>,
    pub(crate) errors: usize,
    warnings: usize,
    /// The tokens end early, at a string or comment that is never closed.
    pub(crate) cut_short: bool,
}

#[derive(Debug)]
struct Found {
    lint: Option<&'static Lint>,
    span: Span,
    message: String,
    help: Option<String>,
}

impl Report {
    /// The first mistake that was found, in words.
    pub(crate) fn first_error(self) -> String {
        self.found.into_iter().next().map(|found| found.message).unwrap_or_default()
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.error_help(span, message, None);
    }

    pub(crate) fn error_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.errors += 1;
        if self.errors <= ERRORS_MAX {
            self.found.push(Found { lint: None, span, message: message.into(), help });
        }
    }

    pub(crate) fn warning(
        &mut self,
        lint: &'static Lint,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.warnings += 1;
        if self.warnings <= WARNINGS_MAX {
            self.found.push(Found { lint: Some(lint), span, message: message.into(), help });
        }
    }

    pub(crate) fn finish(self, files: Files) -> Diagnostics {
        let Self { mut found, errors, mut warnings, .. } = self;
        let mut allowed = Allowed::default();
        found.retain(|it| {
            let silent = it.lint.is_some_and(|lint| allowed.holds(&files, it.span, lint));
            warnings -= usize::from(silent);
            !silent
        });
        found.sort_by_key(|f| (f.span.file, f.span.start));
        let list = found.into_iter().map(|it| {
            let end = Span { start: it.span.end, ..it.span };
            Diagnostic {
                severity: if it.lint.is_some() { Severity::Warning } else { Severity::Error },
                code: it.lint.map(|lint| lint.code),
                file: files.get(it.span.file).map(|f| f.path.clone()).unwrap_or_default(),
                line: files.line(it.span),
                column: files.column(it.span),
                end_line: files.line(end),
                end_column: files.column(end),
                message: it.message,
                help: it.help,
                span: it.span,
            }
        });
        Diagnostics { list: list.collect(), errors, warnings, files }
    }
}

/// `did you mean …?` for the known name with the fewest edits, if it is near enough.
pub(crate) fn did_you_mean<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let allowed = (wrong.len() / 3).clamp(1, 3);
    let nearest = known
        .into_iter()
        .filter(|name| name.len().abs_diff(wrong.len()) <= allowed)
        .map(|name| (edits(wrong, name), name))
        .min()?;
    (nearest.0 <= allowed).then(|| format!("did you mean `{}`?", nearest.1))
}

/// Edit distance in bytes, ignoring case; a swap of neighbours counts once.
fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let same = x.eq_ignore_ascii_case(y);
            let mut cost = (last[j] + usize::from(!same)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && !same && a[i - 1] == *y && b[j - 1] == *x {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["t_relay", "t_reply", "loose_route", "xlog"];
        assert_eq!(did_you_mean("t_realy", known).as_deref(), Some("did you mean `t_relay`?"));
        assert_eq!(
            did_you_mean("lose_route", known).as_deref(),
            Some("did you mean `loose_route`?")
        );
        assert_eq!(did_you_mean("record_route", known), None);
        assert_eq!(edits("", "abc"), 3);
    }
}
