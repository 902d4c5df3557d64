//! From gaps to lines: where comments go, and where a line that is too long is folded.

use super::layout::{Between, Gap};
use super::{TAB, WIDTH, is_significant, shown, token};
use crate::lexer::Token;
use crate::trivia::{Kind, Piece};

/// What stands between code and a comment behind it, at least.
const BEFORE_COMMENT: usize = 2;

/// One line of the result. A string or a comment over several lines is one line here.
#[derive(Debug, Default)]
struct Line<'a> {
    /// An empty line stands above it.
    blank: bool,
    indent: usize,
    text: String,
    /// A `#` comment behind it.
    comment: Option<&'a str>,
}

impl Line<'_> {
    /// The columns that its last line has so far.
    fn width(&self) -> usize {
        match self.text.rsplit_once('\n') {
            Some((_, last)) => last.chars().count(),
            None => self.indent * TAB + self.text.chars().count(),
        }
    }
}

/// Writes the pieces with these gaps in front of those that are no comments.
pub(super) fn write(text: &str, pieces: &[Piece], gaps: &[Gap]) -> String {
    let mut writer = Writer { text, lines: Vec::new(), line: Line::default() };
    let places: Vec<usize> = (0..pieces.len()).filter(|&at| is_significant(&pieces[at])).collect();
    let mut from = 0;
    for (number, (&at, gap)) in places.iter().zip(gaps).enumerate() {
        let comments = writer.comments(&pieces[from..at], gap, from == 0);
        let rest = Rest { pieces, places: &places, gaps, number };
        writer.piece(&rest, gap, comments);
        from = at + 1;
    }
    writer.comments(&pieces[from..], &Gap::line(0), from == 0);
    writer.end_line();
    aligned(&writer.lines)
}

struct Writer<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    line: Line<'a>,
}

/// What the comments of a gap leave to the token behind them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comments {
    None,
    /// The last one goes to the end of its line.
    EndLine,
    /// The last one is `/* … */`; whether it began its line.
    Inline {
        began_line: bool,
    },
}

/// The tokens from one on.
struct Rest<'a> {
    pieces: &'a [Piece],
    places: &'a [usize],
    gaps: &'a [Gap],
    number: usize,
}

impl Rest<'_> {
    fn piece(&self, ahead: usize) -> Option<&Piece> {
        self.places.get(self.number + ahead).map(|&at| &self.pieces[at])
    }

    /// Whether comments stand in front of a token.
    fn has_comments(&self, ahead: usize) -> bool {
        let number = self.number + ahead;
        let before = number.checked_sub(1).map_or(0, |number| self.places[number] + 1);
        self.places.get(number).is_some_and(|&at| at > before)
    }

    /// Whether the author has broken the line here, or on the other side of the operator or comma.
    fn is_broken(&self) -> bool {
        let breaks = |piece: Option<&Piece>| piece.is_some_and(|piece| piece.breaks > 0);
        let before = self.number.checked_sub(1).map(|number| &self.pieces[self.places[number]]);
        if breaks(self.piece(0)) {
            return true;
        }
        match (before.and_then(token), self.piece(0).and_then(token)) {
            (Some(Token::Comma), _) => {
                let earlier = Self { number: self.number - 1, ..*self };
                breaks(before) && !earlier.has_comments(0)
            }
            (_, Some(Token::Text | Token::Raw)) => false,
            _ => breaks(self.piece(1)) && !self.has_comments(1),
        }
    }

    /// The columns up to the next place where a line may be broken as well as here: not deeper in
    /// parentheses.
    fn width(&self, text: &str) -> usize {
        let depth = self.gaps[self.number].depth;
        let mut width = 0;
        for ahead in 0.. {
            let Some(piece) = self.piece(ahead) else { break };
            let gap = self.gaps[self.number + ahead];
            let breaks = match gap.between {
                Between::Fold => gap.depth <= depth,
                Between::Line => true,
                Between::Nothing | Between::Space => false,
            };
            if ahead > 0 && (breaks || self.has_comments(ahead)) {
                break;
            }
            width += usize::from(gap.between != Between::Nothing);
            let shown = &text[piece.range.clone()];
            match shown.split_once('\n') {
                Some((first, _)) => return width + first.chars().count(),
                None => width += shown.chars().count(),
            }
        }
        width
    }
}

impl<'a> Writer<'a> {
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.text.is_empty() {
            self.lines.push(line);
        }
    }

    fn begin_line(&mut self, indent: usize, blank: bool) {
        self.end_line();
        self.line.indent = indent;
        self.line.blank = blank && !self.lines.is_empty();
    }

    /// Writes the comments of a gap.
    fn comments(&mut self, comments: &[Piece], gap: &Gap, begins_file: bool) -> Comments {
        let mut left = Comments::None;
        for (number, piece) in comments.iter().enumerate() {
            let text = shown(self.text, piece);
            let first = number == 0;
            let alone = piece.breaks > 0 || left == Comments::EndLine || (first && begins_file);
            if alone {
                let line = gap.between == Between::Line;
                let indent = if line { gap.comment_indent } else { gap.indent };
                self.begin_line(indent, line && piece.breaks > 1 && !(first && gap.opens));
            }
            if piece.kind == Ok(Kind::LineComment) {
                if alone {
                    self.line.text.push_str(text);
                } else {
                    self.line.comment = Some(text);
                }
                left = Comments::EndLine;
            } else {
                if !alone && !self.line.text.ends_with('(') {
                    self.line.text.push(' ');
                }
                self.line.text.push_str(text);
                left = Comments::Inline { began_line: alone };
            }
        }
        left
    }

    /// Writes a token or an include.
    fn piece(&mut self, rest: &Rest<'_>, gap: &Gap, comments: Comments) {
        let Some(piece) = rest.piece(0) else { return };
        let broken = piece.breaks > 0;
        let new_line = match (gap.between, comments) {
            (_, Comments::EndLine) => true,
            (Between::Line, Comments::Inline { began_line: true }) => broken,
            (Between::Line, _) => true,
            (_, Comments::Inline { .. }) => broken,
            (Between::Fold, Comments::None) => {
                rest.is_broken() || self.line.width() + rest.width(self.text) > WIDTH
            }
            (Between::Nothing | Between::Space, Comments::None) => false,
        };
        if new_line {
            let line = gap.between == Between::Line;
            let opens = gap.opens && comments == Comments::None;
            self.begin_line(gap.indent, line && piece.breaks > 1 && !opens && !gap.closes);
        } else {
            let text = &self.text[piece.range.clone()];
            let glued = match comments {
                Comments::None => gap.between == Between::Nothing,
                _ => matches!(text, "," | ";" | ")" | ":"),
            };
            if !glued && !self.line.text.is_empty() {
                self.line.text.push(' ');
            }
        }
        self.line.text.push_str(&self.text[piece.range.clone()]);
    }
}

/// The lines as text, with comments behind lines that follow each other in one column.
fn aligned(lines: &[Line<'_>]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let together = |line: &Line<'_>| {
            line.comment.is_some() && line.indent == lines[at].indent && !line.text.contains('\n')
        };
        let mut end = at + 1;
        if together(&lines[at]) {
            while end < lines.len() && together(&lines[end]) && !lines[end].blank {
                end += 1;
            }
        }
        let column = lines[at..end].iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
        for line in &lines[at..end] {
            if line.blank {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('\t', line.indent));
            out.push_str(&line.text);
            if let Some(comment) = line.comment {
                let gap = column - line.text.chars().count() + BEFORE_COMMENT;
                out.extend(std::iter::repeat_n(' ', gap));
                out.push_str(comment);
            }
            out.push('\n');
        }
        at = end;
    }
    out
}
