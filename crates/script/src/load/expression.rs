//! Value expressions (spec §5.3). Bit operators bind weakest, then all of `+ - * / %` equally,
//! then `~`; each level from left to right.

use super::{Loader, Parsed};
use crate::lexer::Token;
use crate::lint::Mixed;
use crate::program::{BinaryOp, Op};
use crate::source::Span;

impl Loader<'_> {
    /// value := bits [ comparison bits ]
    pub(super) fn value(&mut self) -> Parsed<()> {
        self.nested(|this| {
            this.bits()?;
            let span = this.span();
            while let Some(op) = this.compare_op() {
                this.at += 1;
                this.bits()?;
                this.emit(Op::CompareValue(op), span);
            }
            Ok(())
        })
    }

    fn bits(&mut self) -> Parsed<()> {
        self.sum()?;
        let mut weakest = u8::MAX;
        loop {
            let span = self.span();
            let op = match self.peek() {
                Some(Token::And) => BinaryOp::And,
                Some(Token::Or) => BinaryOp::Or,
                Some(Token::Xor) => BinaryOp::Xor,
                Some(Token::ShiftLeft) => BinaryOp::ShiftLeft,
                Some(Token::ShiftRight) => BinaryOp::ShiftRight,
                _ => return Ok(()),
            };
            self.note_mixed(op, &mut weakest, span);
            self.at += 1;
            self.sum()?;
            self.emit(Op::Binary(op), span);
        }
    }

    fn sum(&mut self) -> Parsed<()> {
        self.nested(Self::operand)?;
        let mut weakest = u8::MAX;
        loop {
            let span = self.span();
            let op = match self.peek() {
                Some(Token::Plus) => BinaryOp::Add,
                Some(Token::Minus) => BinaryOp::Subtract,
                Some(Token::Star) => BinaryOp::Multiply,
                Some(Token::Slash) => BinaryOp::Divide,
                Some(Token::Percent) => BinaryOp::Modulo,
                _ => return Ok(()),
            };
            self.note_mixed(op, &mut weakest, span);
            self.at += 1;
            self.nested(Self::operand)?;
            self.emit(Op::Binary(op), span);
        }
    }

    /// An operator that binds tighter than one before it in any other language, but not here.
    fn note_mixed(&mut self, op: BinaryOp, weakest: &mut u8, span: Span) {
        let strength = match op {
            BinaryOp::Or => 0,
            BinaryOp::Xor => 1,
            BinaryOp::And => 2,
            BinaryOp::ShiftLeft | BinaryOp::ShiftRight => 3,
            BinaryOp::Add | BinaryOp::Subtract => 4,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => 5,
        };
        if strength > *weakest {
            self.notes.mixed.push((span, Mixed::Arithmetic));
        }
        *weakest = strength.min(*weakest);
    }

    fn operand(&mut self) -> Parsed<()> {
        let span = self.span();
        if self.take(Token::Tilde) {
            self.nested(Self::operand)?;
            self.emit(Op::Complement, span);
            return Ok(());
        }
        if self.take(Token::Open) {
            self.value()?;
            return self.expect(Token::Close, "`)`");
        }
        if let Some((text, _)) = self.string() {
            let (start, len) = self.literal(&text);
            self.emit(Op::PushLiteral(start, len), span);
            return Ok(());
        }
        if self.peek() == Some(Token::Variable) {
            let (var, _) = self.variable()?;
            self.emit(Op::PushVariable(var), span);
            return Ok(());
        }
        if let Some(n) = self.signed_number() {
            self.emit(Op::PushNumber(n), span);
            return Ok(());
        }
        if self.take_word("NULL") || self.take_word("null") {
            self.emit(Op::PushNull, span);
            return Ok(());
        }
        if self.peek() == Some(Token::Word) {
            self.action()?;
            self.emit(Op::PushCode, span);
            return Ok(());
        }
        let message = format!("expected a value, found {}", self.found());
        Err(self.fail(span, message))
    }
}
