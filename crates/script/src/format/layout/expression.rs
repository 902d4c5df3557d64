//! Values and what stands between them: operators, calls, conditions (spec §5, §6).

use super::super::token;
use super::{Between, Gap, Layout};
use crate::lexer::Token;
use crate::load::Parsed;

impl Layout<'_> {
    /// "(" expression ")"
    pub(super) fn parentheses(&mut self, before: Between, indent: usize) -> Parsed<()> {
        self.nested(|this| {
            let open = Gap { between: before, ..Gap::line(indent) };
            this.expect(Token::Open, "`(`", open)?;
            this.enclosed(Token::Close, indent)?;
            let close = Gap { between: Between::Nothing, ..Gap::line(indent) };
            this.expect(Token::Close, "`)`", close)
        })
    }

    /// "[" expression "]"; an address in brackets is one word.
    fn brackets(&mut self, before: Between, indent: usize) -> Parsed<()> {
        self.nested(|this| {
            this.put(before, indent);
            let address =
                this.peek() == Some(Token::Address) && this.peek_at(1) == Some(Token::BracketClose);
            if address {
                this.put(Between::Nothing, indent);
            } else {
                this.enclosed(Token::BracketClose, indent)?;
            }
            let between = if address { Between::Nothing } else { Between::Space };
            this.expect(Token::BracketClose, "`]`", Gap { between, ..Gap::line(indent) })
        })
    }

    /// Operands with operators between them, up to `end`, which stays. `operand` tells whether one
    /// stands before it.
    pub(super) fn expression(&mut self, end: Token, indent: usize, operand: bool) -> Parsed<()> {
        // Nothing behind a parenthesis, a space behind everything else.
        let first = if end == Token::Close { Between::Nothing } else { Between::Space };
        let mut state = Expression { operand, may_end: true, between: first };
        loop {
            let Some(next) = self.peek().filter(|next| *next != end) else {
                return match self.peek() {
                    Some(_) if state.operand || state.may_end => Ok(()),
                    _ => {
                        Err(self.unexpected(if state.operand { "an operator" } else { "a value" }))
                    }
                };
            };
            self.part(next, &mut state, indent)?;
        }
    }

    fn part(&mut self, next: Token, state: &mut Expression, indent: usize) -> Parsed<()> {
        use Between::{Fold, Nothing, Space};
        let word = self.word();
        let behind_word = self.at > 0 && token(self.pieces[self.at - 1]) == Some(Token::Word);
        match next {
            Token::Comma => {
                self.put(Nothing, indent);
                let empty = matches!(self.peek(), Some(Token::Comma | Token::Close));
                *state = Expression::expecting(if empty { Nothing } else { Fold }, true);
            }
            Token::Open if state.operand && behind_word => {
                self.parentheses(Nothing, indent)?;
            }
            _ if state.operand && is_binary(next, word) => {
                let folds = matches!(next, Token::AndAnd | Token::OrOr | Token::Plus)
                    || matches!(word, "and" | "or");
                self.put(if folds { Fold } else { Space }, indent);
                *state = Expression::expecting(Space, false);
            }
            Token::Text | Token::Raw if state.operand && self.is_behind_string() => {
                self.put(Fold, indent);
            }
            // Two values without an operator.
            _ if state.operand => return Err(self.missing_semicolon()),
            Token::Open => {
                self.parentheses(state.between, indent)?;
                *state = Expression::OPERAND;
            }
            Token::BracketOpen => {
                self.brackets(state.between, indent)?;
                *state = Expression::OPERAND;
            }
            // Statements may be conditions (spec §5.1).
            Token::BraceOpen => {
                let open = Gap { between: state.between, ..Gap::line(indent) };
                self.nested(|this| this.block(open))?;
                *state = Expression::OPERAND;
            }
            Token::Word if word == "if" => {
                self.nested(|this| this.if_statement(state.between, indent))?;
                *state = Expression::OPERAND;
            }
            Token::Not | Token::Tilde | Token::Minus | Token::Plus => {
                self.put(state.between, indent);
                let behind = if self.would_fuse() { Space } else { Nothing };
                *state = Expression::expecting(behind, false);
            }
            Token::Word if word == "not" => {
                self.put(state.between, indent);
                *state = Expression::expecting(Space, false);
            }
            Token::Word if matches!(word, "and" | "or" | "in") => {
                return Err(self.unexpected("a value"));
            }
            Token::Word
            | Token::Variable
            | Token::Number
            | Token::Address
            | Token::Text
            | Token::Raw => {
                self.put(state.between, indent);
                *state = Expression::OPERAND;
            }
            _ => return Err(self.unexpected("a value")),
        }
        Ok(())
    }

    fn is_behind_string(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| token(self.pieces[at]));
        matches!(before, Some(Token::Text | Token::Raw))
    }

    /// Whether the token before the next one would become another with it: `!` and `~`.
    fn would_fuse(&self) -> bool {
        self.at > 0
            && token(self.pieces[self.at - 1]) == Some(Token::Not)
            && self.peek() == Some(Token::Tilde)
    }

    /// An expression in parentheses or brackets, up to `end`.
    fn enclosed(&mut self, end: Token, indent: usize) -> Parsed<()> {
        self.enclosed += 1;
        let walked = self.expression(end, indent, false);
        self.enclosed -= 1;
        walked
    }
}

/// Where in an expression the walk is.
struct Expression {
    /// A value stands before.
    operand: bool,
    /// Without one, it may end here: an argument left out.
    may_end: bool,
    /// The gap in front of the next value.
    between: Between,
}

impl Expression {
    const OPERAND: Self = Self { operand: true, may_end: true, between: Between::Space };

    fn expecting(between: Between, may_end: bool) -> Self {
        Self { operand: false, may_end, between }
    }
}

/// An operator between two values.
fn is_binary(token: Token, word: &str) -> bool {
    use Token::{
        And, AndAnd, Equal, Greater, GreaterEqual, Less, LessEqual, Match, Minus, NotEqual,
        NotMatch, Or, OrOr, Percent, Plus, ShiftLeft, ShiftRight, Slash, Star, Xor,
    };
    let comparison = matches!(
        token,
        Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual | Match | NotMatch
    );
    let arithmetic = matches!(token, Plus | Minus | Star | Slash | Percent);
    let bits = matches!(token, And | Or | Xor | ShiftLeft | ShiftRight);
    let logic = matches!(token, AndAnd | OrOr) || matches!(word, "and" | "or" | "in");
    comparison || arithmetic || bits || logic || is_assignment(token)
}

pub(super) fn is_assignment(token: Token) -> bool {
    use Token::{
        AndAssign, Assign, AssignAll, DivideAssign, MinusAssign, ModuloAssign, OrAssign,
        PlusAssign, TimesAssign, XorAssign,
    };
    let plain = matches!(token, Assign | AssignAll);
    let arithmetic =
        matches!(token, PlusAssign | MinusAssign | TimesAssign | DivideAssign | ModuloAssign);
    plain || arithmetic || matches!(token, AndAssign | OrAssign | XorAssign)
}
