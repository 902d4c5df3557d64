//! Conditions (spec §5.1): three-valued, `&&` and `||` equally strong, from left to right.

use super::{Loader, Parsed};
use crate::lexer::Token;
use crate::lint::Mixed;
use crate::pattern::{Pattern, PatternFlags};
use crate::program::{AssignOp, BinaryOp, CompareOp, Op};
use crate::source::Span;
use std::net::IpAddr;

impl Loader<'_> {
    /// cond := unary { ( "&&" | "||" ) unary }
    pub(super) fn condition(&mut self) -> Parsed<()> {
        self.nested(|this| {
            this.unary_condition()?;
            let mut after_or = false;
            loop {
                let span = this.span();
                let and = this.peek() == Some(Token::AndAnd) || this.is_word("and");
                let or = this.peek() == Some(Token::OrOr) || this.is_word("or");
                if !and && !or {
                    return Ok(());
                }
                if and && after_or {
                    this.notes.mixed.push((span, Mixed::Logic));
                }
                after_or |= or;
                this.at += 1;
                let op = if and { Op::JumpUnlessTrue(0) } else { Op::JumpUnlessFalse(0) };
                let jump = this.emit(op, span);
                this.unary_condition()?;
                this.land(jump);
            }
        })
    }

    fn unary_condition(&mut self) -> Parsed<()> {
        self.nested(Self::primary_condition)
    }

    fn primary_condition(&mut self) -> Parsed<()> {
        let span = self.span();
        if self.take(Token::Not) || self.take_word("not") {
            self.unary_condition()?;
            self.emit(Op::Not, span);
            return Ok(());
        }
        match self.peek() {
            Some(Token::Open) => {
                self.at += 1;
                self.condition()?;
                self.expect(Token::Close, "`)`")
            }
            Some(Token::BracketOpen) => {
                self.at += 1;
                self.value()?;
                self.emit(Op::Truth, span);
                self.expect(Token::BracketClose, "`]`")
            }
            Some(Token::Variable) => self.variable_condition(),
            Some(Token::BraceOpen) => {
                self.emit(Op::Fresh, span);
                self.block()?;
                self.emit(Op::TruthOfBlock, span);
                Ok(())
            }
            Some(Token::Word) if self.is_word("if") => {
                self.if_statement()?;
                self.emit(Op::TruthOfBlock, span);
                Ok(())
            }
            Some(Token::Text | Token::Raw | Token::Address) => {
                let message = "the left side of a comparison is a variable";
                Err(self.fail(span, message))
            }
            _ => {
                if let Some(n) = self.signed_number() {
                    self.emit(Op::PushNumber(n), span);
                    self.emit(Op::Truth, span);
                    return self.no_comparison("a number");
                }
                if self.peek() == Some(Token::Word) {
                    self.action()?;
                    self.emit(Op::TruthOfCode, span);
                    return self.no_comparison("a call");
                }
                let message = format!("expected a condition, found {}", self.found());
                Err(self.fail(span, message))
            }
        }
    }

    fn no_comparison(&mut self, what: &str) -> Parsed<()> {
        if self.compare_op().is_none() {
            return Ok(());
        }
        let help = Some("the result of the last call is in `$rc`".to_owned());
        let message = format!("the left side of a comparison is a variable, not {what}");
        Err(self.fail_help(self.span(), message, help))
    }

    fn variable_condition(&mut self) -> Parsed<()> {
        let (var, span) = self.variable()?;
        let op_span = self.span();
        if let Some(op) = self.compare_op() {
            self.at += 1;
            self.emit(Op::PushVariable(var), span);
            return self.comparison(op, op_span);
        }
        if let Some(op) = self.assign_op() {
            self.at += 1;
            self.assign_to(var, span, op)?;
            self.emit(Op::TruthOfCode, span);
            return Ok(());
        }
        let arithmetic = matches!(
            self.peek(),
            Some(Token::Plus | Token::Minus | Token::Star | Token::Slash | Token::And | Token::Or)
        );
        if arithmetic {
            let help = Some("write `[ $a & 1 ]`".to_owned());
            return Err(self.fail_help(op_span, "arithmetic in a condition needs brackets", help));
        }
        let glued = op_span.start == span.end
            && matches!(self.peek(), Some(Token::BraceOpen | Token::BracketOpen));
        if glued {
            let help = Some("an index or a transformation needs `$( … )`".to_owned());
            let message = format!("unexpected {} behind a variable", self.found());
            return Err(self.fail_help(op_span, message, help));
        }
        self.emit(Op::PushVariable(var), span);
        self.emit(Op::Truth, span);
        Ok(())
    }

    /// The right side of a comparison; the left value is on the stack.
    fn comparison(&mut self, op: CompareOp, op_span: Span) -> Parsed<()> {
        use CompareOp::{Equal, Match, NotEqual, NotMatch};
        let span = self.span();
        let matching = matches!(op, Match | NotMatch);
        let equality = matches!(op, Equal | NotEqual);
        if let Some((text, _)) = self.string() {
            if matching {
                let pattern = match Pattern::compile(&text, PatternFlags::OPERATOR) {
                    Ok(pattern) => pattern,
                    Err(reason) => {
                        return Err(self.fail(span, format!("wrong regular expression: {reason}")));
                    }
                };
                self.program.patterns.push(pattern);
                let at = self.program.patterns.len() as u32 - 1;
                self.emit(Op::Match(at, op == NotMatch), op_span);
                return Ok(());
            }
            let (start, len) = self.literal(&text);
            self.emit(Op::PushLiteral(start, len), span);
        } else if self.peek() == Some(Token::Variable) {
            let (var, _) = self.variable()?;
            self.emit(Op::PushVariable(var), span);
            if matching {
                self.emit(Op::MatchVariable(op == NotMatch), op_span);
                return Ok(());
            }
        } else if self.take_word("NULL") || self.take_word("null") {
            if !equality {
                return Err(self.fail(op_span, "NULL can be compared with `==` and `!=` only"));
            }
            self.emit(Op::PushNull, span);
        } else if let Some(net) = self.net()? {
            if !equality {
                return Err(
                    self.fail(op_span, "an address can be compared with `==` and `!=` only")
                );
            }
            self.program.nets.push(net);
            let at = self.program.nets.len() as u32 - 1;
            self.emit(Op::CompareNet(at, op == NotEqual), op_span);
            return Ok(());
        } else if let Some(n) = self.signed_number() {
            if matching {
                return Err(self.fail(span, "a pattern is a string or a variable, not a number"));
            }
            self.emit(Op::PushNumber(n), span);
        } else {
            let message = format!("expected a value to compare with, found {}", self.found());
            return Err(self.fail(span, message));
        }
        self.emit(Op::Compare(op), op_span);
        Ok(())
    }

    /// An address or network literal, IPv6 perhaps in brackets.
    fn net(&mut self) -> Parsed<Option<(IpAddr, u8)>> {
        let bracket = self.peek() == Some(Token::BracketOpen);
        let at = usize::from(bracket);
        if self.peek_at(at) != Some(Token::Address) {
            return Ok(None);
        }
        self.at += at;
        let span = self.span();
        let text = self.next_text().to_owned();
        self.at += 1;
        if bracket {
            self.expect(Token::BracketClose, "`]`")?;
        }
        match parse_net(&text) {
            Some(net) => Ok(Some(net)),
            None => Err(self.fail(span, format!("`{text}` is no address or network"))),
        }
    }

    pub(super) fn compare_op(&self) -> Option<CompareOp> {
        Some(match self.peek()? {
            Token::Equal => CompareOp::Equal,
            Token::NotEqual => CompareOp::NotEqual,
            Token::Less => CompareOp::Less,
            Token::LessEqual => CompareOp::LessEqual,
            Token::Greater => CompareOp::Greater,
            Token::GreaterEqual => CompareOp::GreaterEqual,
            Token::Match => CompareOp::Match,
            Token::NotMatch => CompareOp::NotMatch,
            _ => return None,
        })
    }

    pub(super) fn assign_op(&self) -> Option<AssignOp> {
        Some(match self.peek()? {
            Token::Assign => AssignOp::Set,
            Token::AssignAll => AssignOp::SetAll,
            Token::PlusAssign => AssignOp::With(BinaryOp::Add),
            Token::MinusAssign => AssignOp::With(BinaryOp::Subtract),
            Token::TimesAssign => AssignOp::With(BinaryOp::Multiply),
            Token::DivideAssign => AssignOp::With(BinaryOp::Divide),
            Token::ModuloAssign => AssignOp::With(BinaryOp::Modulo),
            Token::AndAssign => AssignOp::With(BinaryOp::And),
            Token::OrAssign => AssignOp::With(BinaryOp::Or),
            Token::XorAssign => AssignOp::With(BinaryOp::Xor),
            _ => return None,
        })
    }
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `::1`.
pub(crate) fn parse_net(text: &str) -> Option<(IpAddr, u8)> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let len = match mask {
        None => bits,
        Some(mask) => match mask.parse::<u8>() {
            Ok(len) => len,
            Err(_) => {
                let mask = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
                let len = mask.leading_ones();
                if mask.checked_shl(len).unwrap_or(0) != 0 || !address.is_ipv4() {
                    return None;
                }
                len as u8
            }
        },
    };
    (len <= bits).then_some((address, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_1_nets() {
        assert_eq!(parse_net("10.0.0.0/8").map(|n| n.1), Some(8));
        assert_eq!(parse_net("10.0.0.0/255.255.0.0").map(|n| n.1), Some(16));
        assert_eq!(parse_net("::1").map(|n| n.1), Some(128));
        for wrong in ["10.0.0.0/33", "10.0.0.0/255.0.255.0", "1.2.3.4.5", "::1/255.0.0.0"] {
            assert_eq!(parse_net(wrong), None, "{wrong}");
        }
    }
}
