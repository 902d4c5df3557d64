//! Statements (spec §4).

use super::{Loader, Parsed, Patch};
use crate::catalog::RouteKind;
use crate::lexer::{Token, number};
use crate::limits::ARGUMENTS_MAX;
use crate::lint::FOR_WITHOUT_ALL;
use crate::program::{Label, Op, ReturnCode, SwitchSpec, Target};
use crate::source::Span;

impl Loader<'_> {
    /// statements := { statement }, up to the closing brace, which stays.
    pub(super) fn statements(&mut self) {
        while let Some(token) = self.peek() {
            // A block that begins here means that a brace is missing above.
            if token == Token::BraceClose || self.begins_route() {
                return;
            }
            let before = self.at;
            if self.statement().is_err() {
                self.skip_statement();
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    pub(super) fn statement(&mut self) -> Parsed<()> {
        self.nested(Self::statement_inner)
    }

    fn statement_inner(&mut self) -> Parsed<()> {
        let span = self.span();
        match self.peek() {
            Some(Token::Semicolon) => {
                self.at += 1;
                return Ok(());
            }
            Some(Token::BraceOpen) => return self.block(),
            _ => {}
        }
        self.emit(Op::Begin, span);
        match self.peek() {
            Some(Token::Variable) => {
                self.assignment()?;
                self.emit(Op::Done, span);
                return self.semicolon();
            }
            Some(Token::Word) => {}
            _ => {
                let message = format!("expected a statement, found {}", self.found());
                return Err(self.fail(span, message));
            }
        }
        match self.next_text() {
            "if" => return self.if_statement(),
            "while" => return self.while_statement(),
            "for" => return self.for_statement(),
            "switch" => return self.switch_statement(),
            "return" => {
                self.at += 1;
                self.return_statement(span)?;
            }
            word @ ("exit" | "drop") => {
                let op = if word == "exit" { Op::Exit } else { Op::Drop };
                self.at += 1;
                if self.take(Token::Open) {
                    self.expect(Token::Close, "`)`")?;
                }
                self.emit(op, span);
            }
            "break" => {
                self.at += 1;
                if self.breaks.is_empty() {
                    let message = "`break` stands inside `while`, `for` or `switch` only";
                    self.report.error(span, message);
                } else {
                    let jump = self.emit(Op::Jump(0), span);
                    if let Some(breaks) = self.breaks.last_mut() {
                        breaks.push(jump);
                    }
                }
            }
            "else" | "case" | "default" => {
                let message = format!("`{}` belongs to nothing here", self.next_text());
                return Err(self.fail(span, message));
            }
            "assert" => {
                self.at += 1;
                self.assert_statement(span)?;
            }
            _ => {
                self.action()?;
                self.emit(Op::Done, span);
            }
        }
        self.semicolon()
    }

    fn semicolon(&mut self) -> Parsed<()> {
        if self.take(Token::Semicolon) {
            return Ok(());
        }
        let last = self.before();
        let end = Span { start: last.end.saturating_sub(1), ..last };
        self.report.error(end, "bad command: missing ';'?");
        // The next statement most likely begins right here.
        if matches!(self.peek(), Some(Token::Word | Token::Variable | Token::BraceClose)) {
            return Ok(());
        }
        self.skip_statement();
        Ok(())
    }

    pub(super) fn block(&mut self) -> Parsed<()> {
        self.expect(Token::BraceOpen, "`{`")?;
        self.statements();
        self.expect(Token::BraceClose, "`}`")
    }

    /// if ( cond ) statement { else if ( cond ) statement } [ else statement ]
    pub(super) fn if_statement(&mut self) -> Parsed<()> {
        let mut over = Vec::new();
        loop {
            let span = self.span();
            self.at += 1;
            self.parenthesised(Self::condition)?;
            let decide = self.emit(Op::Decide(0), span);
            self.branch_body(span)?;
            over.push(self.emit(Op::Jump(0), span));
            self.land(decide);
            if !self.take_word("else") {
                self.emit(Op::IfSkipped, span);
                break;
            }
            // A chain may be longer than constructs may nest.
            if !self.is_word("if") {
                self.branch_body(span)?;
                break;
            }
        }
        for jump in over {
            self.land(jump);
        }
        Ok(())
    }

    fn branch_body(&mut self, span: Span) -> Parsed<()> {
        let before = self.here();
        self.statement()?;
        if self.here() == before {
            self.emit(Op::IfSkipped, span);
        }
        Ok(())
    }

    fn parenthesised(&mut self, inside: fn(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        inside(self)?;
        self.expect(Token::Close, "`)`")
    }

    /// while ( cond ) statement
    fn while_statement(&mut self) -> Parsed<()> {
        let span = self.span();
        self.at += 1;
        self.emit(Op::FreshWhile, span);
        self.emit(Op::LoopEnter, span);
        let start = self.here();
        self.parenthesised(Self::condition)?;
        let decide = self.emit(Op::Decide(0), span);
        let round = self.emit(Op::LoopRound(0), span);
        self.loop_body(span, start, &[decide, round])
    }

    /// for ( $iterator in $(list[*]) ) statement
    fn for_statement(&mut self) -> Parsed<()> {
        let span = self.span();
        self.at += 1;
        self.expect(Token::Open, "`(`")?;
        let (iterator, iterator_span) = self.variable()?;
        let name = self.files.text(iterator_span).trim_start_matches(['$', '(']).to_owned();
        let name = name.split('(').next().unwrap_or_default();
        let parse = name == "json";
        if !matches!(name, "var" | "avp" | "json") {
            self.report.error(iterator_span, "the iterator is a `$var`, `$avp` or `$json`");
        }
        if !self.take_word("in") {
            let message = format!("expected `in`, found {}", self.found());
            return Err(self.fail(self.span(), message));
        }
        let (list, list_span) = self.variable()?;
        self.expect(Token::Close, "`)`")?;
        if !self.drop_all_index(list) {
            let message = "the list has no `[*]`: this statement yields -10 and nothing runs";
            self.report.warning(&FOR_WITHOUT_ALL, list_span, message, None);
            self.emit(Op::ForRefused(iterator), span);
            self.emit(Op::Done, span);
            let over = self.emit(Op::Jump(0), span);
            self.breaks.push(Vec::new());
            let body = self.statement();
            let breaks = self.breaks.pop().unwrap_or_default();
            for jump in breaks.into_iter().chain([over]) {
                self.land(jump);
            }
            return body;
        }
        self.emit(Op::Fresh, span);
        self.emit(Op::LoopEnter, span);
        let start = self.here();
        let round = self.emit(Op::ForRound { iterator, list, end: 0, parse }, span);
        self.loop_body(span, start, &[round])
    }

    fn loop_body(&mut self, span: Span, start: u32, exits: &[usize]) -> Parsed<()> {
        self.breaks.push(Vec::new());
        let body = self.statement();
        let breaks = self.breaks.pop().unwrap_or_default();
        self.emit(Op::Jump(start), span);
        for jump in breaks.iter().chain(exits) {
            self.land(*jump);
        }
        self.emit(Op::LoopLeave, span);
        body
    }

    /// switch ( $v ) { case X: … default: … }
    fn switch_statement(&mut self) -> Parsed<()> {
        let span = self.span();
        self.at += 1;
        self.expect(Token::Open, "`(`")?;
        let (selector, _) = self.variable()?;
        self.expect(Token::Close, "`)`")?;
        self.expect(Token::BraceOpen, "`{`")?;
        let at = self.program.switches.len() as u32;
        self.program.switches.push(SwitchSpec { selector, cases: (0, 0), otherwise: 0 });
        self.emit(Op::Switch(at), span);
        let mut cases: Vec<(Label, u32)> = Vec::new();
        let mut otherwise = None;
        self.breaks.push(Vec::new());
        while self.peek().is_some_and(|t| t != Token::BraceClose) && !self.begins_route() {
            let label_span = self.span();
            if self.take_word("case") {
                if otherwise.is_some() {
                    self.report.error(label_span, "`default` must be the last one");
                }
                if let Ok(label) = self.label() {
                    cases.push((label, self.here()));
                }
                if !self.take(Token::Colon) {
                    let message = format!("expected `:`, found {}", self.found());
                    self.report.error(self.span(), message);
                }
            } else if self.take_word("default") {
                if otherwise.replace(self.here()).is_some() {
                    self.report.error(label_span, "a second `default`");
                }
                if !self.take(Token::Colon) {
                    let message = format!("expected `:`, found {}", self.found());
                    self.report.error(self.span(), message);
                }
            } else if cases.is_empty() && otherwise.is_none() {
                let message = format!("expected `case`, found {}", self.found());
                self.report.error(label_span, message);
                self.skip_statement();
                if self.span() == label_span {
                    self.at += 1;
                }
            }
            self.case_body();
        }
        let breaks = self.breaks.pop().unwrap_or_default();
        for jump in breaks {
            self.land(jump);
        }
        let end = self.here();
        let from = self.program.cases.len() as u32;
        self.program.cases.extend(cases);
        let to = self.program.cases.len() as u32;
        let otherwise = otherwise.unwrap_or(end);
        self.program.switches[at as usize] = SwitchSpec { selector, cases: (from, to), otherwise };
        self.expect(Token::BraceClose, "`}`")
    }

    fn case_body(&mut self) {
        while let Some(token) = self.peek() {
            let label = self.is_word("case") || self.is_word("default");
            if token == Token::BraceClose || label || self.begins_route() {
                return;
            }
            let before = self.at;
            if self.statement().is_err() {
                self.skip_statement();
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn label(&mut self) -> Parsed<Label> {
        if let Some((text, _)) = self.string() {
            let (start, len) = self.literal(&text);
            return Ok(Label::Text(start, len));
        }
        let span = self.span();
        match self.signed_number() {
            Some(n) => Ok(Label::Number(n)),
            None => {
                let message = format!("a case is a string or a number, found {}", self.found());
                self.at += 1;
                Err(self.fail(span, message))
            }
        }
    }

    /// return [ ( code [, values] ) | code ]
    fn return_statement(&mut self, span: Span) -> Parsed<()> {
        let mut values = (0, 0);
        let code = if self.take(Token::Open) {
            let code = if self.peek() == Some(Token::Close) {
                ReturnCode::Number(1)
            } else {
                self.return_code()?
            };
            let mut args = Vec::new();
            while self.take(Token::Comma) {
                args.push(self.plain_argument()?);
            }
            if args.len() > ARGUMENTS_MAX {
                let message = format!("more than {ARGUMENTS_MAX} values");
                self.report.error(span, message);
            }
            self.expect(Token::Close, "`)`")?;
            values = self.push_arguments(args);
            code
        } else if self.peek() == Some(Token::Semicolon) {
            ReturnCode::Number(1)
        } else {
            self.return_code()?
        };
        self.emit(Op::Return { values, code }, span);
        Ok(())
    }

    fn return_code(&mut self) -> Parsed<ReturnCode> {
        if self.peek() == Some(Token::Variable) {
            return Ok(ReturnCode::Variable(self.variable()?.0));
        }
        let span = self.span();
        match self.signed_number() {
            Some(n) => Ok(ReturnCode::Number(n)),
            None => {
                let message =
                    format!("a return code is a number or a variable, found {}", self.found());
                Err(self.fail(span, message))
            }
        }
    }

    /// assert ( cond [, "text"] )
    fn assert_statement(&mut self, span: Span) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        let skip = (!self.program.settings.asserts).then(|| self.emit(Op::Jump(0), span));
        self.condition()?;
        let failed = self.emit(Op::Decide(0), span);
        let over = self.emit(Op::Jump(0), span);
        self.land(failed);
        let text = if self.take(Token::Comma) {
            match self.string() {
                Some((text, _)) => self.literal(&text),
                None => return Err(self.fail(self.span(), "string value expected")),
            }
        } else {
            (0, 0)
        };
        self.expect(Token::Close, "`)`")?;
        self.emit(Op::AssertFailed(text.0, text.1), span);
        self.land(over);
        if let Some(skip) = skip {
            self.land(skip);
        }
        Ok(())
    }

    /// $v op expression
    pub(super) fn assignment(&mut self) -> Parsed<()> {
        let (var, span) = self.variable()?;
        let Some(op) = self.assign_op() else {
            let message = format!("expected an assignment, found {}", self.found());
            let glued = self.span().start == span.end
                && matches!(self.peek(), Some(Token::BraceOpen | Token::BracketOpen));
            let help = glued.then(|| "an index or a transformation needs `$( … )`".to_owned());
            return Err(self.fail_help(self.span(), message, help));
        };
        self.at += 1;
        self.assign_to(var, span, op)
    }

    pub(super) fn assign_to(
        &mut self,
        var: u32,
        span: Span,
        op: crate::program::AssignOp,
    ) -> Parsed<()> {
        self.check_left(var, span);
        self.value()?;
        self.emit(Op::Assign(var, op), span);
        Ok(())
    }

    fn check_left(&mut self, var: u32, span: Span) {
        let spec = &self.program.variables[var as usize];
        let transforms = spec.transforms.0 != spec.transforms.1;
        let target = spec.target;
        if transforms {
            self.report.error(span, "transformations not accepted in left side of assignment");
        } else if !self.is_writable(target) {
            let message = format!(
                "invalid left operand in assignment: {} is read-only",
                self.files.text(span)
            );
            self.report.error(span, message);
        }
    }

    pub(super) fn is_writable(&self, target: Target) -> bool {
        match target {
            Target::Host(id) => {
                self.catalog.variables().iter().find(|v| v.id == id).is_some_and(|v| v.writable)
            }
            Target::Var(_) | Target::VarNamed => true,
            _ => false,
        }
    }

    /// The resume route of `async` and the report route of `launch`.
    pub(super) fn plain_route(&mut self) -> Parsed<(String, Span)> {
        let span = self.span();
        let name = self.route_name()?;
        Ok((name, span))
    }

    pub(super) fn patch_route(&mut self, name: String, span: Span, op: usize) {
        self.use_route(RouteKind::Request, name, span, Patch::Op(op));
    }

    /// A number that is not negative.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let text = self.next_text();
        let value = if self.peek() == Some(Token::Number) { number(text) } else { None };
        let value = value.and_then(|n| u32::try_from(n).ok());
        if value.is_some() {
            self.at += 1;
        }
        value
    }
}
