//! Loading: one walk over the tokens that checks names, reports mistakes and emits the program.
//!
//! Each file of this folder is one part of the grammar. A mistake is reported where it is found;
//! the walk goes on behind the statement, so that one run shows as many as there are.

mod call;
mod check;
mod condition;
mod eval;
mod expression;
mod include;
mod sockets;
mod statement;
pub(crate) mod top;
mod transformation;
pub(crate) mod variable;

use crate::catalog::{Catalog, FlagKind, FunctionId, RouteKind};
use crate::diagnostic::{Diagnostics, Report};
use crate::lexer::{Token, unescape};
use crate::limits::{FLAGS_MAX, NESTING_MAX};
use crate::lint::{self, Checked, Notes};
use crate::program::{ArgSpec, Op, Program, RouteId};
use crate::script::{Location, Script, Setup};
use crate::source::{Files, Sources, Span};

/// The mistake is in the report; the caller looks for a place to go on.
pub(crate) struct Failed;

pub(crate) type Parsed<T> = Result<T, Failed>;

impl Script {
    /// Reads a script with all its includes, checks it and compiles it. The second value holds
    /// the warnings of a script that works.
    ///
    /// # Errors
    /// Every mistake that was found, with file, line and text.
    pub fn load<S: Sources + ?Sized>(
        path: &str,
        sources: &S,
        catalog: &dyn Catalog,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        Self::told(Self::load_over(path, sources, catalog, Program::default(), None))
    }

    /// The same, and tells as warnings as well what works, but is hardly meant: see
    /// [`LINTS`](crate::LINTS).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn lint<S: Sources + ?Sized>(
        path: &str,
        sources: &S,
        catalog: &dyn Catalog,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        let (checked, files, mut report) =
            Self::load_over(path, sources, catalog, Program::default(), None);
        if report.errors == 0 {
            lint::run(&checked, catalog, &files, &mut report);
        }
        Self::told((checked, files, report))
    }

    pub(crate) fn told(
        (checked, files, report): (Checked, Files, Report),
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        let failed = report.errors > 0;
        let diagnostics = report.finish(files);
        if failed { Err(diagnostics) } else { Ok((checked.script, diagnostics)) }
    }

    /// Reads a script over the names of an earlier one, whose setup stays in force.
    pub(crate) fn load_over<S: Sources + ?Sized>(
        path: &str,
        sources: &S,
        catalog: &dyn Catalog,
        names: Program,
        in_force: Option<&Setup>,
    ) -> (Checked, Files, Report) {
        let mut files = Files::default();
        let mut report = Report::default();
        let tokens = include::flatten(path, sources, &mut files, &mut report);
        let mut loader = Loader {
            catalog,
            files,
            report,
            tokens,
            at: 0,
            setup: Setup::default(),
            in_force,
            notes: Notes::over(&names),
            program: names,
            kind: RouteKind::Request,
            route: 0,
            depth: 0,
            breaks: Vec::new(),
            route_uses: Vec::new(),
            function_uses: Vec::new(),
            references: Vec::new(),
        };
        // Instruction 0 ends a run: where a failed assert goes on.
        loader.emit(Op::Exit, Span::default());
        loader.file();
        loader.check();
        let Loader { setup, mut program, notes, files, report, .. } = loader;
        program.files = files.paths();
        program.modules.clone_from(&in_force.unwrap_or(&setup).modules);
        (Checked { script: Self { setup, program }, notes }, files, report)
    }
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tok {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// The state of the walk.
pub(crate) struct Loader<'a> {
    catalog: &'a dyn Catalog,
    files: Files,
    report: Report,
    tokens: Vec<Tok>,
    at: usize,
    setup: Setup,
    /// What a script that runs said at its start, if this one comes in its place.
    in_force: Option<&'a Setup>,
    program: Program,
    /// The block that is read.
    kind: RouteKind,
    route: u32,
    depth: usize,
    /// The `break`s of the loops and switches around, to be patched.
    breaks: Vec<Vec<usize>>,
    route_uses: Vec<RouteUse>,
    function_uses: Vec<FunctionUse>,
    references: Vec<Reference>,
    notes: Notes,
}

/// A reference to a route that may be defined further down.
struct RouteUse {
    from: u32,
    kind: RouteKind,
    name: String,
    span: Span,
    patch: Patch,
}

enum Patch {
    Op(usize),
    Argument(usize),
}

/// A literal argument, which may name what is defined further down.
struct Reference {
    function: FunctionId,
    name: &'static str,
    index: usize,
    text: String,
    span: Span,
}

/// A function called in a block, for the check over the call graph.
struct FunctionUse {
    from: u32,
    function: usize,
    span: Span,
}

impl Loader<'_> {
    // Tokens.

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).map(|t| t.token)
    }

    fn peek_at(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).map(|t| t.token)
    }

    /// The place of the next token; at the end, the last one.
    fn span(&self) -> Span {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.get(self.at.min(last)).map(|t| t.span).unwrap_or_default()
    }

    fn before(&self) -> Span {
        self.tokens.get(self.at.saturating_sub(1)).map(|t| t.span).unwrap_or_default()
    }

    fn next_text(&self) -> &str {
        if self.at < self.tokens.len() {
            self.files.text(self.span())
        } else {
            "the end of the file"
        }
    }

    fn take(&mut self, token: Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.at += 1;
        }
        found
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek() == Some(Token::Word) && self.files.text(self.span()) == word
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, token: Token, what: &str) -> Parsed<()> {
        if self.take(token) {
            return Ok(());
        }
        let message = format!("expected {what}, found {}", self.found());
        Err(self.fail(self.span(), message))
    }

    fn found(&self) -> String {
        if self.at >= self.tokens.len() {
            return "the end of the file".to_owned();
        }
        let text = self.next_text();
        match text.char_indices().nth(30) {
            Some((cut, _)) => format!("`{}…`", &text[..cut]),
            None => format!("`{text}`"),
        }
    }

    fn fail(&mut self, span: Span, message: impl Into<String>) -> Failed {
        self.fail_help(span, message, None)
    }

    fn fail_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Failed {
        // Behind a string or comment that never ends there is nothing to expect.
        if self.report.cut_short && self.at >= self.tokens.len() {
            return Failed;
        }
        self.report.error_help(span, message, help);
        Failed
    }

    /// A string literal, escapes processed.
    fn string(&mut self) -> Option<(Vec<u8>, Span)> {
        let span = self.span();
        let text = self.files.text(span);
        let inside = || text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        let value = match self.peek()? {
            Token::Text => unescape(inside()),
            Token::Raw => inside().as_bytes().to_vec(),
            _ => return None,
        };
        self.at += 1;
        Some((value, span))
    }

    /// Goes behind the current statement: its `;`, or in front of the brace that ends the block.
    fn skip_statement(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            if self.begins_route() {
                return;
            }
            match token {
                Token::Semicolon if depth == 0 => {
                    self.at += 1;
                    return;
                }
                Token::BraceOpen => depth += 1,
                Token::BraceClose if depth == 0 => return,
                Token::BraceClose => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Guards the recursion of the grammar.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NESTING_MAX {
            let message = "too many constructs inside each other";
            return Err(self.fail(self.span(), message));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    // Emitting.

    fn emit(&mut self, op: Op, span: Span) -> usize {
        let line = self.files.line(span);
        self.program.ops.push(op);
        self.notes.ops.push(span);
        self.program.places.push((span.file, line));
        self.program.ops.len() - 1
    }

    fn here(&self) -> u32 {
        self.program.ops.len() as u32
    }

    /// Lets a jump go to the next instruction.
    fn land(&mut self, jump: usize) {
        let here = self.here();
        match &mut self.program.ops[jump] {
            Op::Jump(to)
            | Op::JumpUnlessTrue(to)
            | Op::JumpUnlessFalse(to)
            | Op::Decide(to)
            | Op::LoopRound(to) => *to = here,
            Op::ForRound { end, .. } => *end = here,
            _ => {}
        }
    }

    fn literal(&mut self, bytes: &[u8]) -> (u32, u32) {
        let start = self.program.literals.len() as u32;
        self.program.literals.extend_from_slice(bytes);
        (start, bytes.len() as u32)
    }

    fn location(&self, span: Span) -> Location {
        let file = self.files.get(span.file).map(|f| f.path.clone()).unwrap_or_default();
        Location { file, line: self.files.line(span) }
    }

    /// The bit of a flag name, allocated on first use.
    fn flag(&mut self, kind: FlagKind, name: &str, span: Span) -> Parsed<u8> {
        if let Some(bit) = self.program.allocate_flag(kind, name) {
            return Ok(bit);
        }
        let message = if name.is_empty() {
            "a flag needs a name".to_owned()
        } else {
            format!("more than {FLAGS_MAX} flags of one kind")
        };
        Err(self.fail(span, message))
    }

    fn note_function(&mut self, function: usize, id: FunctionId, span: Span) {
        self.function_uses.push(FunctionUse { from: self.route, function, span });
        if !self.program.functions.contains(&id) {
            self.program.functions.push(id);
        }
    }

    fn use_route(&mut self, kind: RouteKind, name: String, span: Span, patch: Patch) {
        self.route_uses.push(RouteUse { from: self.route, kind, name, span, patch });
    }

    /// A number for a route that is not known yet.
    const UNKNOWN_ROUTE: RouteId = RouteId(u32::MAX);

    fn push_arguments(&mut self, args: Vec<ArgSpec>) -> (u32, u32) {
        let from = self.program.arguments.len() as u32;
        self.program.arguments.extend(args);
        (from, self.program.arguments.len() as u32)
    }
}
