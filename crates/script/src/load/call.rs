//! Calls: functions of the catalog, and those that are statements of the language (spec §3.2,
//! §6, §12, §13).

use super::{Failed, Loader, Parsed, Patch, Reference};
use crate::catalog::{Function, ParamKind, RouteKind, Standing};
use crate::diagnostic::did_you_mean;
use crate::lexer::Token;
use crate::limits::{ARGUMENTS_MAX, SUBSTITUTION_VARIABLES_MAX};
use crate::lint::{NO_EFFECT, Named};
use crate::pattern::{Pattern, PatternFlags};
use crate::program::{ArgSpec, CallSpec, Op, XlogLevel};
use crate::source::Span;
use crate::transform::Substitution;

/// Words that are called and belong to the language.
const OWN: [&str; 8] = ["route", "xlog", "xdbg", "log", "error", "async", "launch", "assert"];

impl Loader<'_> {
    /// action := word "(" arguments ")"; leaves its result in `code`.
    pub(super) fn action(&mut self) -> Parsed<()> {
        let span = self.span();
        let word = self.next_text().to_owned();
        self.at += 1;
        if self.peek() != Some(Token::Open) {
            let message = format!("bare word <{word}> found, command calls need '()'");
            return Err(self.fail(span, message));
        }
        self.nested(|this| match word.as_str() {
            "route" => this.route_call(span),
            "xlog" | "xdbg" => this.xlog(span, word == "xdbg"),
            "log" => this.log(span),
            "error" => this.error_call(span),
            "async" => this.async_call(span),
            "launch" => this.launch_call(span),
            _ => {
                let call = this.function_call(&word, span, false)?;
                this.emit(Op::Call(call), span);
                Ok(())
            }
        })
    }

    /// A function with its arguments, from its opening parenthesis.
    fn function_call(&mut self, word: &str, span: Span, asynchronous: bool) -> Parsed<u32> {
        let function = self.find_function(word, span, asynchronous)?;
        let declared = self.catalog.functions()[function];
        // What a named route may call depends on who calls it: checked at the end.
        let named = self.kind == RouteKind::Request
            && self.program.routes.get(self.route as usize).is_some_and(|r| r.name != "0");
        if !named && !declared.routes.contains(self.kind.set()) {
            self.report.error(span, format!("Command <{word}> cannot be used in the block"));
        }
        let first = !self.function_uses.iter().any(|known| known.function == function);
        if let Some(note) = self.catalog.note_function(declared.id).filter(|_| first) {
            self.report.warning(&NO_EFFECT, span, note, None);
        }
        self.note_function(function, declared.id, span);
        self.notes.names.push((Named::Function(declared.name), span));
        self.expect(Token::Open, "`(`")?;
        let mut args = Vec::new();
        if !self.take(Token::Close) {
            loop {
                let at = args.len();
                let here = self.span();
                if at >= ARGUMENTS_MAX || at >= declared.params.len() {
                    let message = format!("too many parameters for command <{word}>");
                    self.skip_arguments();
                    let help = Some(format!("it takes {}", declared.params.len()));
                    return Err(self.fail_help(here, message, help));
                }
                let param = declared.params[at];
                if matches!(self.peek(), Some(Token::Comma | Token::Close)) {
                    if !param.optional {
                        let message = format!("mandatory parameter omitted for command <{word}>");
                        self.report.error(here, message);
                    }
                    args.push(ArgSpec::Omitted);
                } else {
                    match self.argument(&declared, at, param.kind) {
                        Ok(arg) => args.push(arg),
                        Err(Failed) => {
                            // The call is understood but for this argument.
                            args.push(ArgSpec::Omitted);
                            while !matches!(
                                self.peek(),
                                None | Some(
                                    Token::Comma
                                        | Token::Close
                                        | Token::Semicolon
                                        | Token::BraceClose
                                        | Token::BraceOpen
                                )
                            ) {
                                self.at += 1;
                            }
                        }
                    }
                }
                if !self.take(Token::Comma) {
                    break;
                }
            }
            self.expect(Token::Close, "`,` or `)`")?;
        }
        if declared.params[args.len()..].iter().any(|p| !p.optional) {
            self.report.error(span, format!("too few parameters for command <{word}>"));
        }
        let (from, to) = {
            let first = self.program.arguments.len();
            let spec = self.push_arguments(args);
            self.settle_routes(first);
            spec
        };
        self.program.calls.push(CallSpec { function: declared.id, args: (from, to) });
        Ok(self.program.calls.len() as u32 - 1)
    }

    /// Uses of routes that were noted while their argument had no place yet.
    fn settle_routes(&mut self, first: usize) {
        for route_use in &mut self.route_uses {
            if let Patch::Argument(at) = &mut route_use.patch
                && *at >= PENDING
            {
                *at = first + (*at - PENDING);
            }
        }
    }

    fn skip_arguments(&mut self) {
        let mut depth = 1usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                Token::Semicolon | Token::BraceOpen | Token::BraceClose => return,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn find_function(&mut self, word: &str, span: Span, asynchronous: bool) -> Parsed<usize> {
        let catalog = self.catalog;
        let loaded = |f: &Function| f.module.is_none_or(|module| self.serves(module));
        let fits = |f: &Function| if asynchronous { f.asynchronous } else { f.direct };
        let named = || {
            let all = catalog.functions().iter().enumerate();
            all.filter(|(_, f)| f.name == word && fits(f))
        };
        let found = named().find(|(_, f)| loaded(f)).or_else(|| named().next());
        let kind = if asynchronous { "unknown async command" } else { "unknown command" };
        let Some((at, function)) = found else {
            let usable = catalog.functions().iter().filter(|f| fits(f));
            let names = usable.map(|f| f.name).chain(OWN).chain(["if", "while", "switch"]);
            let help = did_you_mean(word, names);
            let message = format!("{kind} <{word}>, missing loadmodule?");
            return Err(self.fail_help(span, message, help));
        };
        if !loaded(function) {
            let module = catalog.modules().iter().find(|m| Some(m.id) == function.module);
            let help =
                module.map(|m| format!("it belongs to `{}`: {}", m.name, self.how_to_have(m.name)));
            let message = format!("{kind} <{word}>, missing loadmodule?");
            return Err(self.fail_help(span, message, help));
        }
        if function.standing == Standing::Planned {
            let message = format!("`{word}()` is known, but not built yet in this version");
            return Err(self.fail(span, message));
        }
        Ok(at)
    }

    fn argument(&mut self, function: &Function, at: usize, kind: ParamKind) -> Parsed<ArgSpec> {
        let span = self.span();
        let bad = format!("bad arguments for command <{}>", function.name);
        if self.peek() == Some(Token::Variable) {
            let (var, _) = self.variable()?;
            return match kind {
                ParamKind::Int => Ok(ArgSpec::IntVariable(var)),
                ParamKind::Str | ParamKind::Verbatim => Ok(ArgSpec::TextVariable(var)),
                ParamKind::Regex => Ok(ArgSpec::RegexVariable(var, PatternFlags::PARAMETER)),
                ParamKind::TextRegex => Ok(ArgSpec::RegexVariable(var, PatternFlags::OPERATOR)),
                ParamKind::Substitution => Ok(ArgSpec::SubstitutionVariable(var)),
                ParamKind::Var | ParamKind::AnyVar => {
                    let spec = &self.program.variables[var as usize];
                    let (target, plain) = (spec.target, spec.transforms.0 == spec.transforms.1);
                    let read = kind == ParamKind::AnyVar;
                    if !plain || !(read || self.is_writable(target)) {
                        let wanted = if read { "plain" } else { "writable" };
                        let message = format!("{bad}: a {wanted} variable is needed here");
                        return Err(self.fail(span, message));
                    }
                    Ok(ArgSpec::Output(var))
                }
                ParamKind::Route(kind) => Ok(ArgSpec::RouteVariable(kind, var)),
                ParamKind::Static | ParamKind::Flag(_) => {
                    Err(self
                        .fail(span, format!("{bad}: a string without variables is needed here")))
                }
            };
        }
        if let Some((text, _)) = self.string() {
            let shown = String::from_utf8_lossy(&text).into_owned();
            if let Err(reason) = self.catalog.check_literal(function.id, at, &shown) {
                return Err(self.fail(span, format!("{bad}: {reason}")));
            }
            if !text.contains(&b'$') {
                let (function, name) = (function.id, function.name);
                let text = shown.clone();
                self.notes.names.push((Named::Argument(function, at, text.clone()), span));
                self.references.push(Reference { function, name, index: at, text, span });
            }
            return match kind {
                ParamKind::Str => self.format(&text, span),
                ParamKind::Verbatim => {
                    let (start, len) = self.literal(&text);
                    Ok(ArgSpec::Literal(start, len))
                }
                ParamKind::Static if text.contains(&b'$') => {
                    Err(self.fail(span, format!("{bad}: no variables are possible here")))
                }
                ParamKind::Static => {
                    let (start, len) = self.literal(&text);
                    Ok(ArgSpec::Literal(start, len))
                }
                ParamKind::Flag(flags) => Ok(ArgSpec::Flag(self.flag(flags, &shown, span)?)),
                ParamKind::Route(route) if text.contains(&b'$') => {
                    let (from, to) = self.pieces(&text, span)?;
                    Ok(ArgSpec::RouteFormat(route, from, to))
                }
                ParamKind::Route(route) => {
                    // The argument list gets its place later, see `settle_routes`.
                    self.use_route(route, shown, span, Patch::Argument(PENDING + at));
                    Ok(ArgSpec::Route(Self::UNKNOWN_ROUTE))
                }
                ParamKind::Regex => self.regex(&text, PatternFlags::PARAMETER, span, &bad),
                ParamKind::TextRegex => self.regex(&text, PatternFlags::OPERATOR, span, &bad),
                ParamKind::Substitution => self.substitution(&text, span, &bad),
                ParamKind::Int => {
                    let message = format!("{bad}: a number is needed here, without quotes");
                    Err(self.fail(span, message))
                }
                ParamKind::Var | ParamKind::AnyVar => {
                    let message = format!("{bad}: a variable is needed here, without quotes");
                    Err(self.fail(span, message))
                }
            };
        }
        if let Some(n) = self.signed_number() {
            let checked = self.catalog.check_literal(function.id, at, &n.to_string());
            return match (kind, checked) {
                (ParamKind::Int, Ok(())) => Ok(ArgSpec::Number(n)),
                (ParamKind::Int, Err(reason)) => Err(self.fail(span, format!("{bad}: {reason}"))),
                _ => Err(self.fail(span, format!("{bad}: a string or a variable is needed here"))),
            };
        }
        if self.is_word("NULL") || self.is_word("null") {
            return Err(self.fail(span, format!("{bad}: NULL cannot be passed")));
        }
        let word = self.found();
        let help = (self.peek() == Some(Token::Word)).then(|| "put it into quotes".to_owned());
        Err(self.fail_help(span, format!("{bad}: unexpected {word}"), help))
    }

    fn regex(
        &mut self,
        text: &[u8],
        flags: PatternFlags,
        span: Span,
        bad: &str,
    ) -> Parsed<ArgSpec> {
        match Pattern::compile(text, flags) {
            Ok(pattern) => {
                self.program.patterns.push(pattern);
                Ok(ArgSpec::Regex(self.program.patterns.len() as u32 - 1))
            }
            Err(reason) => {
                Err(self.fail(span, format!("{bad}: wrong regular expression: {reason}")))
            }
        }
    }

    fn substitution(&mut self, text: &[u8], span: Span, bad: &str) -> Parsed<ArgSpec> {
        match Substitution::parse(text, SUBSTITUTION_VARIABLES_MAX) {
            Ok((substitution, variables)) => {
                let mut vars = [0; SUBSTITUTION_VARIABLES_MAX];
                for (var, text) in vars.iter_mut().zip(&variables) {
                    *var = self.variable_text(text, span, 0)?;
                }
                self.program.substitutions.push(substitution);
                let at = self.program.substitutions.len() as u32 - 1;
                Ok(ArgSpec::Substitution { at, vars, count: variables.len() as u8 })
            }
            Err(reason) => Err(self.fail(span, format!("{bad}: wrong substitution: {reason}"))),
        }
    }

    /// A string literal whose variables are expanded.
    pub(super) fn format(&mut self, text: &[u8], span: Span) -> Parsed<ArgSpec> {
        let (from, to) = self.pieces(text, span)?;
        Ok(match (to - from, self.program.pieces.get(from as usize)) {
            (0, _) => ArgSpec::Literal(0, 0),
            (1, Some(&crate::program::Piece::Literal(start, len))) => ArgSpec::Literal(start, len),
            _ => ArgSpec::Format(from, to),
        })
    }

    /// An argument of `route()` or a value of `return()`: by value, nothing expanded.
    pub(super) fn plain_argument(&mut self) -> Parsed<ArgSpec> {
        let span = self.span();
        if let Some((text, _)) = self.string() {
            let (start, len) = self.literal(&text);
            return Ok(ArgSpec::Literal(start, len));
        }
        if self.peek() == Some(Token::Variable) {
            return Ok(ArgSpec::AnyVariable(self.variable()?.0));
        }
        if let Some(n) = self.signed_number() {
            return Ok(ArgSpec::Number(n));
        }
        if self.take_word("NULL") || self.take_word("null") {
            return Ok(ArgSpec::Null);
        }
        let message = format!("expected a string, a number or a variable, found {}", self.found());
        Err(self.fail(span, message))
    }

    /// route(name [, parameters])
    fn route_call(&mut self, span: Span) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        let name_span = self.span();
        let mut computed = None;
        let mut name = String::new();
        if self.peek() == Some(Token::Variable) {
            computed = Some(ArgSpec::AnyVariable(self.variable()?.0));
        } else if let Some((text, text_span)) = self.string() {
            match self.format(&text, text_span)? {
                format @ ArgSpec::Format(..) => computed = Some(format),
                _ => name = String::from_utf8_lossy(&text).into_owned(),
            }
        } else {
            name = self.route_name()?;
        }
        let mut args = Vec::from_iter(computed);
        while self.take(Token::Comma) {
            args.push(self.plain_argument()?);
        }
        if args.len() > ARGUMENTS_MAX {
            return Err(self.fail(span, "too many parameters for command <route>"));
        }
        self.expect(Token::Close, "`,` or `)`")?;
        let (from, to) = self.push_arguments(args);
        if computed.is_some() {
            self.emit(Op::CallRouteNamed(from, to), span);
        } else {
            let op = self.emit(Op::CallRoute(Self::UNKNOWN_ROUTE, from, to), span);
            self.use_route(RouteKind::Request, name, name_span, Patch::Op(op));
        }
        Ok(())
    }

    /// Adjacent strings are one (spec §1.1).
    fn strings(&mut self) -> Option<(Vec<u8>, Span)> {
        let (mut text, mut span) = self.string()?;
        while let Some((more, more_span)) = self.string() {
            text.extend(more);
            span = span.to(more_span);
        }
        Some((text, span))
    }

    /// xlog([level,] "format"), xdbg("format")
    fn xlog(&mut self, span: Span, debug: bool) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        let mut level = if debug { XlogLevel::Number(4) } else { XlogLevel::Default };
        let mut first = None;
        if self.peek() == Some(Token::Variable) && !debug {
            level = XlogLevel::Variable(self.variable()?.0);
            self.expect(Token::Comma, "`,`")?;
        } else {
            first = self.strings();
            if first.is_none() {
                let message = format!("string value expected, found {}", self.found());
                return Err(self.fail(self.span(), message));
            }
        }
        let (text, text_span) = match first {
            Some((name, name_span)) if !debug && self.take(Token::Comma) => {
                level = self.xlog_level(&name, name_span)?;
                self.message_text()?
            }
            Some(text) => text,
            None => self.message_text()?,
        };
        if text.is_empty() {
            return Err(self.fail(text_span, "the text of a log line is empty"));
        }
        self.expect(Token::Close, "`)`")?;
        let format = self.pieces(&text, text_span)?;
        self.emit(Op::Xlog { level, format }, span);
        Ok(())
    }

    fn message_text(&mut self) -> Parsed<(Vec<u8>, Span)> {
        match self.strings() {
            Some(text) => Ok(text),
            None => {
                let message = format!("string value expected, found {}", self.found());
                Err(self.fail(self.span(), message))
            }
        }
    }

    fn xlog_level(&mut self, name: &[u8], span: Span) -> Parsed<XlogLevel> {
        if name.first() == Some(&b'$') {
            let (from, to) = self.pieces(name, span)?;
            if let (1, Some(&crate::program::Piece::Variable(var))) =
                (to - from, self.program.pieces.get(from as usize))
            {
                return Ok(XlogLevel::Variable(var));
            }
        }
        // Spec §13: the third character decides; for C it is L_CRIT.
        let number = match name.get(2) {
            Some(b'A') => -3,
            Some(b'C') => -2,
            Some(b'E') => -1,
            Some(b'W') => 1,
            Some(b'N') => 2,
            Some(b'I') => 3,
            Some(b'D') => 4,
            _ => {
                let help =
                    Some("levels: L_ALERT L_CRIT L_ERR L_WARN L_NOTICE L_INFO L_DBG".to_owned());
                return Err(self.fail_help(span, "unknown log level", help));
            }
        };
        Ok(XlogLevel::Number(number))
    }

    /// log([level,] "text"), not expanded
    fn log(&mut self, span: Span) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        let mut level = 4;
        if let Some(n) = self.signed_number() {
            level = n;
            self.expect(Token::Comma, "`,`")?;
        }
        let (text, _) = self.message_text()?;
        self.expect(Token::Close, "`)`")?;
        let text = self.literal(&text);
        self.emit(Op::Log { level, text }, span);
        Ok(())
    }

    /// error("a", "b")
    fn error_call(&mut self, span: Span) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        self.message_text()?;
        self.expect(Token::Comma, "`,`")?;
        self.message_text()?;
        self.expect(Token::Close, "`)`")?;
        self.emit(Op::NotImplemented, span);
        Ok(())
    }

    fn inner_call(&mut self) -> Parsed<u32> {
        let span = self.span();
        if self.peek() != Some(Token::Word) {
            let message = format!("expected a function, found {}", self.found());
            return Err(self.fail(span, message));
        }
        let word = self.next_text().to_owned();
        self.at += 1;
        self.function_call(&word, span, true)
    }

    /// async(func(…), route [, seconds])
    fn async_call(&mut self, span: Span) -> Parsed<()> {
        if !self.serves_named("tm") {
            let help = Some(self.how_to_have("tm"));
            return Err(self.fail_help(span, "`async()` needs `tm`", help));
        }
        self.expect(Token::Open, "`(`")?;
        let call = self.inner_call()?;
        self.expect(Token::Comma, "`,`")?;
        let (name, name_span) = self.plain_route()?;
        let mut timeout = None;
        if self.take(Token::Comma) {
            timeout = self.unsigned();
            if timeout.is_none() {
                return Err(self.fail(self.span(), "the timeout is a number of seconds"));
            }
        }
        self.expect(Token::Close, "`)`")?;
        let op = self.emit(Op::Async { call, resume: Self::UNKNOWN_ROUTE, timeout }, span);
        self.patch_route(name, name_span, op);
        Ok(())
    }

    /// launch(func(…) [, route [, "text"]])
    fn launch_call(&mut self, span: Span) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        let call = self.inner_call()?;
        let mut report = None;
        let mut text = None;
        if self.take(Token::Comma) {
            report = Some(self.plain_route()?);
            if self.take(Token::Comma) {
                let (bytes, text_span) = self.message_text()?;
                text = Some(self.pieces(&bytes, text_span)?);
            }
        }
        self.expect(Token::Close, "`)`")?;
        let op = self.emit(Op::Launch { call, report: None, text }, span);
        if let Some((name, name_span)) = report {
            self.patch_route(name, name_span, op);
        }
        Ok(())
    }

    /// Takes `[*]` off a variable, for `for`. Whether it was there.
    pub(super) fn drop_all_index(&mut self, var: u32) -> bool {
        use crate::host::Index;
        use crate::program::IndexSpec;
        let spec = &mut self.program.variables[var as usize];
        match spec.index {
            IndexSpec::Plain(Index::All) => spec.index = IndexSpec::Plain(Index::None),
            // It says which elements there are, and stays.
            IndexSpec::Plain(Index::AllActive) => {}
            _ => return false,
        }
        true
    }
}

/// Marks an argument whose list is not stored yet.
const PENDING: usize = usize::MAX - ARGUMENTS_MAX;
