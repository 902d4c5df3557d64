//! The one way to lay out a script (docs/style.md): tabs, one statement per line, braces as in the
//! script that OpenSIPS comes with.
//!
//! ```text
//!  text ─► pieces ─► layout ─► writer ─► text
//!          (tokens,  (the gap  (lines, comments,
//!          comments) before    folds of what is
//!                    each)     too long)
//! ```
//!
//! Only white space between tokens changes. Tokens and comments are copied byte by byte, and the
//! result is read again and compared before anybody gets it.

mod layout;
mod writer;

use crate::diagnostic::{Diagnostics, Report};
use crate::lexer::{LexError, Token};
use crate::limits::FILE_BYTES_MAX;
use crate::source::{Files, Span};
use crate::trivia::{Kind, Piece, Pieces};
use layout::Layout;

/// Columns of a line, after which lists of arguments and conditions are broken.
pub const WIDTH: usize = 100;

/// Columns that a tab counts for in [`WIDTH`].
pub const TAB: usize = 4;

/// Formats the text of one file; includes stay as they are and are not read. A file that others
/// include inside of a route is formatted as well.
///
/// # Errors
/// Why it has no structure: the text is not touched then. Names are not looked at.
pub fn format(path: &str, text: &str) -> Result<String, Diagnostics> {
    let mut files = Files::default();
    let mut report = Report::default();
    if text.len() > FILE_BYTES_MAX {
        let file = files.add(path, String::new(), None);
        let message = format!("`{path}` is larger than {FILE_BYTES_MAX} bytes");
        report.error(Span { file, start: 0, end: 0 }, message);
        return Err(report.finish(files));
    }
    let file = files.add(path, text.to_owned(), None);
    let pieces = pieces(text, file, &mut report);
    if report.errors == 0
        && let Some(gaps) = Layout::of(text, &pieces, file, &mut report)
    {
        let formatted = writer::write(text, &pieces, &gaps);
        if is_same(text, &pieces, &formatted) {
            return Ok(formatted);
        }
        let whole = Span { file, start: 0, end: 0 };
        report.error(whole, "this file cannot be laid out without a change of its meaning");
    }
    Err(report.finish(files))
}

fn pieces(text: &str, file: u16, report: &mut Report) -> Vec<Piece> {
    let pieces: Vec<Piece> = Pieces::of(text).collect();
    for piece in &pieces {
        let Err(error) = piece.kind else { continue };
        let shown = text[piece.range.clone()].find('\n').unwrap_or(piece.range.len());
        let span = Span { file, start: piece.range.start as u32, end: piece.range.end as u32 };
        let nul = error == LexError::Unknown && text[piece.range.clone()].starts_with('\0');
        let message = if nul { "a NUL byte in the file" } else { error.message() };
        report.error(span.part(0, shown), message);
    }
    pieces
}

/// Whether a text has the same tokens and comments.
fn is_same(before: &str, pieces: &[Piece], after: &str) -> bool {
    let mut again = Pieces::of(after);
    let same = pieces.iter().all(|piece| {
        again.next().is_some_and(|found| {
            found.kind == piece.kind && shown(after, &found) == shown(before, piece)
        })
    });
    same && again.next().is_none()
}

/// The text of a piece as it is written; white space behind a comment is none of it.
fn shown<'a>(text: &'a str, piece: &Piece) -> &'a str {
    let whole = &text[piece.range.clone()];
    if piece.kind == Ok(Kind::LineComment) { whole.trim_end() } else { whole }
}

/// Whether a piece is more than a comment.
fn is_significant(piece: &Piece) -> bool {
    !matches!(piece.kind, Ok(Kind::LineComment | Kind::BlockComment))
}

/// The token of a piece.
fn token(piece: &Piece) -> Option<Token> {
    match piece.kind {
        Ok(Kind::Token(token)) => Some(token),
        _ => None,
    }
}
