//! The gap in front of each token, from a walk over the structure of a file: what is a block, a
//! statement, an expression (spec §2–§6). Names mean nothing here.

mod expression;

use super::{is_significant, token};
use crate::diagnostic::Report;
use crate::lexer::Token;
use crate::limits::NESTING_MAX;
use crate::load::top::{begins_item, begins_route};
use crate::load::{Failed, Parsed};
use crate::source::Span;
use crate::trivia::{Kind, Piece};
use expression::is_assignment;

/// What stands in front of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    Nothing,
    Space,
    /// A space, or a line break if the author has one there or the line would get too long.
    Fold,
    Line,
}

/// The gap in front of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) between: Between,
    /// The tabs of a line that begins with the token.
    pub(super) indent: usize,
    /// The tabs of comments in the gap that have lines of their own.
    pub(super) comment_indent: usize,
    /// The parentheses and brackets around it.
    pub(super) depth: usize,
    /// The token before it opens a block: no empty line.
    pub(super) opens: bool,
    /// The token ends a block: no empty line.
    pub(super) closes: bool,
}

impl Gap {
    pub(super) fn line(indent: usize) -> Self {
        let between = Between::Line;
        let comment_indent = indent;
        Self { between, indent, comment_indent, depth: 0, opens: false, closes: false }
    }
}

/// The state of the walk.
pub(super) struct Layout<'a> {
    text: &'a str,
    /// Tokens and includes.
    pieces: Vec<&'a Piece>,
    at: usize,
    gaps: Vec<Gap>,
    /// The next token is the first one of a block.
    opens: bool,
    /// Constructs, and among them parentheses and brackets, around the next token.
    nested: usize,
    enclosed: usize,
    file: u16,
    report: &'a mut Report,
}

impl<'a> Layout<'a> {
    /// One gap for each token or include; `None` if there is no structure.
    pub(super) fn of(
        text: &'a str,
        pieces: &'a [Piece],
        file: u16,
        report: &'a mut Report,
    ) -> Option<Vec<Gap>> {
        let pieces = pieces.iter().filter(|piece| is_significant(piece)).collect();
        let (at, gaps, opens, nested, enclosed) = (0, Vec::new(), true, 0, 0);
        let mut layout = Self { text, pieces, at, gaps, opens, nested, enclosed, file, report };
        while layout.at < layout.pieces.len() {
            layout.item().ok()?;
        }
        Some(layout.gaps)
    }

    // Tokens.

    fn peek_at(&self, ahead: usize) -> Option<Token> {
        self.pieces.get(self.at + ahead).and_then(|piece| token(piece))
    }

    fn peek(&self) -> Option<Token> {
        self.peek_at(0)
    }

    fn word(&self) -> &'a str {
        match self.peek() {
            Some(Token::Word) => &self.text[self.pieces[self.at].range.clone()],
            _ => "",
        }
    }

    fn is_include(&self) -> bool {
        self.pieces.get(self.at).is_some_and(|piece| piece.kind == Ok(Kind::Include))
    }

    fn begins_route(&self) -> bool {
        self.peek() == Some(Token::Word) && begins_route(self.word(), self.peek_at(1))
    }

    /// Whether nothing stands between the next token and the one before it.
    fn is_glued(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.pieces[at].range.end);
        before == self.pieces.get(self.at).map(|piece| piece.range.start)
    }

    fn put(&mut self, between: Between, indent: usize) {
        self.put_gap(Gap { between, ..Gap::line(indent) });
    }

    fn put_gap(&mut self, gap: Gap) {
        let opens = std::mem::replace(&mut self.opens, false);
        self.gaps.push(Gap { opens, depth: self.enclosed, ..gap });
        self.at += 1;
    }

    fn expect(&mut self, token: Token, what: &str, gap: Gap) -> Parsed<()> {
        if self.peek() != Some(token) {
            return Err(self.unexpected(what));
        }
        self.put_gap(gap);
        Ok(())
    }

    // Mistakes.

    fn unexpected(&mut self, what: &str) -> Failed {
        let Some(piece) = self.pieces.get(self.at) else {
            let message = format!("expected {what}, found the end of the file");
            return self.fail(self.pieces.len().saturating_sub(1), &message, None);
        };
        let found = &self.text[piece.range.clone()];
        let help = (found == "/" && self.peek_at(1) == Some(Token::Slash))
            .then(|| "comments begin with `#`".to_owned());
        let found: String = found.chars().take(30).collect();
        self.fail(self.at, &format!("expected {what}, found `{found}`"), help)
    }

    fn missing_semicolon(&mut self) -> Failed {
        self.fail(self.at.saturating_sub(1), "bad command: missing ';'?", None)
    }

    fn fail(&mut self, at: usize, message: &str, help: Option<String>) -> Failed {
        let range = self.pieces.get(at).map(|piece| piece.range.clone()).unwrap_or_default();
        let span = Span { file: self.file, start: range.start as u32, end: range.end as u32 };
        self.report.error_help(span, message, help);
        Failed
    }

    fn nested<T>(&mut self, walk: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nested >= NESTING_MAX {
            return Err(self.fail(self.at, "too many constructs inside each other", None));
        }
        self.nested += 1;
        let walked = walk(self);
        self.nested -= 1;
        walked
    }

    // The top level.

    fn item(&mut self) -> Parsed<()> {
        if self.begins_route() {
            return self.route_block();
        }
        let next = self.peek_at(1);
        match self.word() {
            "loadmodule" if matches!(next, Some(Token::Text | Token::Raw)) => {
                self.put(Between::Line, 0);
                self.put(Between::Space, 1);
                Ok(())
            }
            "modparam" if next == Some(Token::Open) => {
                self.put(Between::Line, 0);
                self.parentheses(Between::Nothing, 1)
            }
            word if !word.is_empty() && next == Some(Token::Assign) => {
                self.global(1);
                Ok(())
            }
            // `mem-group` has a dash in its name.
            word if !word.is_empty() && [1, 2, 3].map(|ahead| self.peek_at(ahead)) == DASHED => {
                self.global(3);
                Ok(())
            }
            // A file that is included inside of a block.
            _ if self.peek() == Some(Token::Variable) || self.is_include() => self.statement(0),
            word if next == Some(Token::Open) || is_statement(word) => self.statement(0),
            _ if self.peek() == Some(Token::Semicolon) => self.statement(0),
            _ => Err(self.unexpected("a setting or a route")),
        }
    }

    /// name = value. Sockets and hosts are words of many tokens: what is glued stays so.
    fn global(&mut self, name_tokens: usize) {
        self.put(Between::Line, 0);
        for _ in 1..name_tokens {
            self.put(Between::Nothing, 1);
        }
        self.put(Between::Space, 1);
        let mut depth = 0usize;
        let mut first = true;
        while let Some(token) = self.peek() {
            let ends = match token {
                Token::Word => begins_item(self.word(), |ahead| self.peek_at(ahead)),
                Token::Semicolon => true,
                // Of a file that is included inside of a block.
                Token::Variable => self.peek_at(1).is_some_and(is_assignment),
                _ => false,
            };
            if depth == 0 && !first && (ends || self.begins_route()) {
                return;
            }
            if token == Token::BraceClose {
                depth = depth.saturating_sub(1);
            }
            let indent = match token {
                Token::BraceClose => depth,
                _ => depth.max(1),
            };
            if self.is_glued() && !first {
                self.put(Between::Nothing, indent);
            } else if self.pieces[self.at].breaks > 0 && !first {
                self.put(Between::Line, indent);
            } else {
                self.put(Between::Space, indent);
            }
            if token == Token::BraceOpen {
                depth += 1;
            }
            first = false;
        }
    }

    /// kind [ "[" name "]" ] "{" statements "}"
    fn route_block(&mut self) -> Parsed<()> {
        self.put(Between::Line, 0);
        if self.peek() == Some(Token::BracketOpen) {
            self.put(Between::Nothing, 1);
            let mut between = Between::Nothing;
            while let Some(token) = self.peek().filter(|it| *it != Token::BracketClose) {
                if matches!(token, Token::BraceOpen | Token::BraceClose | Token::Semicolon) {
                    break;
                }
                let comma = token == Token::Comma;
                self.put(if comma { Between::Nothing } else { between }, 1);
                between = if !comma && self.is_glued() { Between::Nothing } else { Between::Space };
            }
            let close = Gap { between: Between::Nothing, ..Gap::line(1) };
            self.expect(Token::BracketClose, "`]`", close)?;
        }
        self.block(Gap { between: Between::Space, ..Gap::line(0) })
    }

    // Statements.

    /// "{" statements "}"; `open` is the gap in front of the brace, the closing one stands in its
    /// line's column.
    fn block(&mut self, open: Gap) -> Parsed<()> {
        let indent = open.indent;
        self.expect(Token::BraceOpen, "`{`", open)?;
        self.opens = true;
        while self.at < self.pieces.len() && self.peek() != Some(Token::BraceClose) {
            if self.begins_route() {
                return Err(self.unexpected("`}`"));
            }
            self.statement(indent + 1)?;
        }
        self.close(indent)
    }

    fn close(&mut self, indent: usize) -> Parsed<()> {
        let gap = Gap { closes: true, comment_indent: indent + 1, ..Gap::line(indent) };
        self.expect(Token::BraceClose, "`}`", gap)
    }

    fn statement(&mut self, indent: usize) -> Parsed<()> {
        self.nested(|this| this.statement_inner(indent))
    }

    fn statement_inner(&mut self, indent: usize) -> Parsed<()> {
        if self.is_include() {
            self.put(Between::Line, indent);
            return Ok(());
        }
        match self.peek() {
            Some(Token::Semicolon) => {
                let behind_block =
                    self.at > 0 && token(self.pieces[self.at - 1]) == Some(Token::BraceClose);
                let between = if behind_block { Between::Nothing } else { Between::Line };
                self.put(between, indent);
                return Ok(());
            }
            Some(Token::BraceOpen) => return self.block(Gap::line(indent)),
            Some(Token::Variable) => {
                self.put(Between::Line, indent);
                if !self.peek().is_some_and(is_assignment) {
                    return Err(self.unexpected("an assignment"));
                }
                self.expression(Token::Semicolon, indent + 1, true)?;
                return self.semicolon(indent);
            }
            Some(Token::Word) => {}
            _ => return Err(self.unexpected("a statement")),
        }
        let word = self.word();
        match word {
            "if" => return self.if_statement(Between::Line, indent),
            "switch" => return self.switch_statement(indent),
            "else" | "case" | "default" => {
                return Err(self.fail(self.at, &format!("`{word}` belongs to nothing here"), None));
            }
            _ => {}
        }
        self.put(Between::Line, indent);
        match word {
            "while" | "for" => {
                self.parentheses(Between::Space, indent + 2)?;
                return self.body(indent).map(drop);
            }
            _ if self.peek() == Some(Token::Open) => {
                self.parentheses(Between::Nothing, indent + 1)?;
            }
            "return" if self.peek() != Some(Token::Semicolon) => {
                self.expression(Token::Semicolon, indent + 1, false)?;
            }
            "exit" | "drop" | "break" | "return" => {}
            _ => {
                let message = format!("bare word <{word}> found, command calls need '()'");
                return Err(self.fail(self.at - 1, &message, None));
            }
        }
        self.semicolon(indent)
    }

    fn semicolon(&mut self, indent: usize) -> Parsed<()> {
        if self.peek() != Some(Token::Semicolon) {
            return Err(self.missing_semicolon());
        }
        self.put(Between::Nothing, indent + 1);
        Ok(())
    }

    /// if ( cond ) statement { else if ( cond ) statement } [ else statement ]
    fn if_statement(&mut self, mut between: Between, indent: usize) -> Parsed<()> {
        loop {
            self.put(between, indent);
            self.parentheses(Between::Space, indent + 2)?;
            let block = self.body(indent)?;
            if self.word() != "else" {
                return Ok(());
            }
            self.put(if block { Between::Space } else { Between::Line }, indent);
            if self.word() != "if" {
                return self.body(indent).map(drop);
            }
            between = Between::Space;
        }
    }

    /// What an `if` or a loop runs. Whether it is a block.
    fn body(&mut self, indent: usize) -> Parsed<bool> {
        match self.peek() {
            Some(Token::BraceOpen) => {
                let open = Gap { between: Between::Space, ..Gap::line(indent) };
                self.nested(|this| this.block(open))?;
                Ok(true)
            }
            Some(Token::Semicolon) => {
                self.put(Between::Nothing, indent + 1);
                Ok(false)
            }
            _ => {
                self.statement(indent + 1)?;
                Ok(false)
            }
        }
    }

    /// switch ( $v ) { case X: … default: … }
    fn switch_statement(&mut self, indent: usize) -> Parsed<()> {
        self.put(Between::Line, indent);
        self.parentheses(Between::Space, indent + 2)?;
        let open = Gap { between: Between::Space, ..Gap::line(indent) };
        self.expect(Token::BraceOpen, "`{`", open)?;
        self.opens = true;
        loop {
            match self.word() {
                "case" => {
                    self.put(Between::Line, indent + 1);
                    self.expression(Token::Colon, indent + 2, false)?;
                    self.label_end()?;
                }
                "default" => {
                    self.put(Between::Line, indent + 1);
                    self.label_end()?;
                }
                _ if self.peek() == Some(Token::BraceClose) => return self.close(indent),
                _ if self.begins_route() => return Err(self.unexpected("`}`")),
                _ => self.statement(indent + 2)?,
            }
        }
    }

    fn label_end(&mut self) -> Parsed<()> {
        let gap = Gap { between: Between::Nothing, ..Gap::line(0) };
        self.expect(Token::Colon, "`:`", gap)?;
        self.opens = true;
        Ok(())
    }
}

/// What stands behind the first word of a setting with a dash in its name.
const DASHED: [Option<Token>; 3] = [Some(Token::Minus), Some(Token::Word), Some(Token::Assign)];

/// Words that begin a statement without a parenthesis behind them.
fn is_statement(word: &str) -> bool {
    matches!(word, "exit" | "drop" | "break" | "return")
}
