//! A file as it is written: tokens, comments and includes, with the line breaks between them.

use crate::lexer::{LexError, Token};
use logos::{Lexer, Logos};
use std::ops::Range;

/// What is not white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A token; never [`Token::Comment`].
    Token(Token),
    /// `#`, up to the end of its line.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// `include_file "…"` with all that stands behind it on its line.
    Include,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) kind: Result<Kind, LexError>,
    /// Where it stands, in bytes.
    pub(crate) range: Range<usize>,
    /// The line breaks between the piece before it and this one.
    pub(crate) breaks: usize,
}

/// Walks over a text; never panics, and ends.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    text: &'a str,
    lexer: Lexer<'a, Token>,
    /// The end of the last piece.
    at: usize,
    /// A token that was read, while comments in front of it are still to be told.
    ahead: Option<(Result<Token, LexError>, Range<usize>)>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, lexer: Token::lexer(text), at: 0, ahead: None }
    }

    fn piece(&mut self, kind: Result<Kind, LexError>, range: Range<usize>) -> Piece {
        let between = &self.text.as_bytes()[self.at..range.start];
        let breaks = between.iter().filter(|&&byte| byte == b'\n').count();
        self.at = range.end;
        Piece { kind, range, breaks }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.ahead.is_none() {
            self.ahead = self.lexer.next().map(|token| (token, self.lexer.span()));
        }
        let gap_end = self.ahead.as_ref().map_or(self.text.len(), |(_, range)| range.start);
        // Nothing but white space and comments is skipped by the lexer.
        if let Some(len) = self.text[self.at..gap_end].find('#') {
            let start = self.at + len;
            let end = self.text[start..gap_end].find('\n').map_or(gap_end, |len| start + len);
            return Some(self.piece(Ok(Kind::LineComment), start..end));
        }
        let (token, range) = self.ahead.take()?;
        let kind = match token {
            Ok(Token::Comment) => Ok(Kind::BlockComment),
            Ok(Token::Word) if is_include(self.text, &range) => {
                let rest = self.lexer.remainder();
                self.lexer.bump(rest.find('\n').unwrap_or(rest.len()));
                let line = &self.text[range.start..self.lexer.span().end];
                let range = range.start..range.start + line.trim_end().len();
                return Some(self.piece(Ok(Kind::Include), range));
            }
            Ok(token) => Ok(Kind::Token(token)),
            Err(error) => Err(error),
        };
        Some(self.piece(kind, range))
    }
}

/// Spec §1.4: the first thing on its line.
fn is_include(text: &str, word: &Range<usize>) -> bool {
    let line = text[..word.start].rfind('\n').map_or(0, |at| at + 1);
    matches!(&text[word.clone()], "include_file" | "import_file")
        && text[line..word.start].bytes().all(|byte| byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_white_space_is_lost() {
        let text = "# a\n\nroute { /* b # c */ exit; # d\n}\n  include_file \"x\" # e\nx = 1 # f";
        let pieces: Vec<Piece> = Pieces::of(text).collect();
        let texts: Vec<&str> = pieces.iter().map(|piece| &text[piece.range.clone()]).collect();
        assert_eq!(
            texts,
            [
                "# a",
                "route",
                "{",
                "/* b # c */",
                "exit",
                ";",
                "# d",
                "}",
                "include_file \"x\" # e",
                "x",
                "=",
                "1",
                "# f"
            ]
        );
        let breaks: Vec<usize> = pieces.iter().map(|piece| piece.breaks).collect();
        assert_eq!(breaks, [0, 2, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0]);
    }
}
