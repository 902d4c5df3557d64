//! The other side of a running script: the one who owns the message.
//!
//! The [`Machine`](crate::Machine) asks its [`Host`] for everything that is not the language's
//! own: calls, variables, log lines. All names were resolved while loading, so the host matches
//! on numbers.

use std::ops::Range;

use crate::catalog::{Catalog, FunctionId, RouteKind, TransformId, VariableId};
use crate::limits::SUBSTITUTION_VARIABLES_MAX;
use crate::machine::cells::Cells;
use crate::pattern::Pattern;
use crate::program::{Argument, Compiled, Program, RouteId, Slot, Target};
use crate::transform::Substitution;
use crate::value::{Level, Reading, Text, Value};

/// What a script runs on.
pub trait Host {
    /// Calls a function (spec §6). Codes: above 0 true, below 0 false, 0 ends the script.
    fn call(&mut self, function: FunctionId, args: &mut Args<'_>) -> Called;

    /// Calls a function from `async()`. A parked run goes on in its resume route as soon as
    /// [`Machine::resume_with`](crate::Machine::resume_with) brought the code; a value runs the
    /// resume route at once, and [`Called::Stop`] ends the run.
    fn call_async(
        &mut self,
        function: FunctionId,
        args: &mut Args<'_>,
        timeout_seconds: Option<u32>,
    ) -> Called {
        let _ = timeout_seconds;
        self.call(function, args)
    }

    /// Starts a function whose end the script does not wait for. Later the host runs
    /// `launch.report` with [`Machine::start_report`](crate::Machine::start_report).
    /// Returns the code of the statement.
    fn launch(&mut self, function: FunctionId, args: &mut Args<'_>, launch: Launch<'_>) -> i32 {
        let _ = (function, args, launch);
        -1
    }

    /// Reads a variable; text is appended to `out`.
    fn read(&mut self, var: &VarAccess<'_>, out: &mut Text) -> Reading;

    /// Writes a variable.
    ///
    /// # Errors
    /// The statement yields −1 and is logged with the reason.
    fn write(
        &mut self,
        var: &VarAccess<'_>,
        how: Assign,
        value: Value<'_>,
    ) -> Result<(), WriteError>;

    /// Applies a transformation of the catalog to `input`, never NULL, and appends to `out`.
    fn transform(&mut self, transform: &TransformCall<'_>, out: &mut Text) -> Reading {
        let _ = (transform, out);
        Reading::Null
    }

    /// The names that a format string made at run time (`{s.eval}`) may use: the catalog that the
    /// script was loaded with. Without one, `{s.eval}` is NULL.
    fn catalog(&self) -> Option<&dyn Catalog> {
        None
    }

    /// Takes a log line. Only lines within the thresholds arrive.
    fn log(&mut self, line: LogLine<'_>);

    /// The present threshold of `xlog()`.
    fn xlog_level(&self) -> i32 {
        Level::Notice.number()
    }

    /// The present threshold of `log()` and of the machine's own lines.
    fn log_level(&self) -> i32 {
        Level::Notice.number()
    }

    /// Asked after each call and assignment: has it left an error for the `error_route`
    /// (spec §3.4)? The host keeps `$err.*` and answers `true` once per error.
    fn error_raised(&mut self) -> bool {
        false
    }

    /// An `assert()` failed: fill in `$err.*`; the `error_route` runs next, if there is one.
    fn assert_failed(&mut self, text: &[u8]) {
        let _ = text;
    }

    /// Whether [`Host::trace`] wants to hear of each statement (`script_trace()`).
    fn traces(&self) -> bool {
        false
    }

    /// The format string that is to be expanded for each statement while [`Host::traces`].
    fn trace_format(&self) -> Option<&[u8]> {
        None
    }

    /// Told before each statement while [`Host::traces`]: where it stands, and what became of
    /// [`Host::trace_format`].
    fn trace(&mut self, place: Place<'_>, text: &[u8]) {
        let _ = (place, text);
    }
}

/// What a function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// It is done with this code.
    Value(i32),
    /// It waits: the run stops as it stands and goes on after
    /// [`Machine::resume_with`](crate::Machine::resume_with).
    Park,
    /// There is nothing left to do for this message: the run ends as by `exit`, without a resume
    /// route.
    Stop,
}

/// How a variable is named in one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VarAccess<'a> {
    /// Which variable.
    pub id: VariableId,
    /// The message to read it from.
    pub context: Context,
    /// The text in parentheses, evaluated. Never empty.
    pub name: Option<&'a [u8]>,
    /// What [`Catalog::resolve_subname`](crate::Catalog::resolve_subname) made of a constant
    /// name, or the bit number of a constant flag name.
    pub key: Option<u32>,
    /// The index in brackets.
    pub index: Index,
}

impl VarAccess<'_> {
    /// Plain access to a variable: no name, no index.
    pub const fn plain(id: VariableId) -> Self {
        Self { id, context: Context::Current, name: None, key: None, index: Index::None }
    }
}

/// Whose message a variable is read from (spec §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The message the block runs on.
    Current,
    /// `$(<request>…)`: the request of the transaction.
    Request,
    /// `$(<reply>…)`: the winning reply.
    Reply,
}

/// The index of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// None written.
    None,
    /// `[n]`; negative counts from the end.
    At(i32),
    /// `[*]`.
    All,
    /// `[append]`.
    Append,
    /// `[n/active]`: among the branches of the active set.
    AtActive(i32),
    /// `[*/active]`.
    AllActive,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assign {
    /// `=`.
    Set,
    /// `:=`, which replaces all values of an `$avp`.
    SetAll,
}

/// Why a write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The variable cannot be NULL.
    NotNull,
    /// The value does not fit (no URI, too long, wrong form).
    BadValue,
    /// What should be changed is not there (message, index).
    Missing,
    /// The variable cannot be written here.
    ReadOnly,
}

impl WriteError {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotNull => "it cannot be set to NULL",
            Self::BadValue => "the value does not fit",
            Self::Missing => "there is nothing to write to",
            Self::ReadOnly => "it cannot be written here",
        }
    }
}

/// What `launch()` leaves to the host.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The route that hears of the result.
    pub report: Option<RouteId>,
    /// The text evaluated at launch time: `$param(1)` of the report route.
    pub text: Option<&'a [u8]>,
}

/// A transformation that the host applies.
#[derive(Clone, Copy, Debug)]
pub struct TransformCall<'a> {
    /// Which one.
    pub id: TransformId,
    /// The number between class and operation.
    pub index: Option<i32>,
    /// The value to transform, in text form.
    pub input: &'a [u8],
    /// The arguments, evaluated.
    pub args: &'a [Value<'a>],
}

/// A line for the log.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// Its importance.
    pub level: Level,
    /// Who writes it.
    pub source: LogSource,
    /// The text, without newline.
    pub text: &'a [u8],
    /// The statement.
    pub place: Place<'a>,
}

/// Who writes a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// `xlog()` or `xdbg()`.
    Xlog,
    /// `log()`.
    Log,
    /// The machine: a script error.
    Machine,
}

/// A statement of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u32,
    /// The kind of the block that runs.
    pub kind: RouteKind,
    /// The name of the block that runs; `0` for a default block.
    pub route: &'a str,
}

/// A substitution with the values of its variables: what a `Substitution` parameter gives.
#[derive(Clone, Copy, Debug)]
pub struct Substituting<'a> {
    substitution: &'a Substitution,
    values: [Value<'a>; SUBSTITUTION_VARIABLES_MAX],
}

impl Substituting<'_> {
    /// Finds what is to be replaced in `text`: one match, or all of them with the flag `g`. Tells
    /// `each` the place of a match and what comes there, until it answers that this is enough;
    /// tells how many there were.
    pub fn each(&self, text: &[u8], each: impl FnMut(Range<usize>, &[u8]) -> bool) -> usize {
        self.substitution.each(text, &self.values, each)
    }

    /// The text with its matches replaced, and how many there were; none if that is more than
    /// `octets_max`.
    pub fn apply(&self, text: &[u8], octets_max: usize) -> Option<(Vec<u8>, usize)> {
        let mut out = Vec::with_capacity(text.len());
        let mut from = 0;
        let count = self.each(text, |place, replacement| {
            out.extend_from_slice(&text[from..place.start]);
            out.extend_from_slice(replacement);
            from = place.end;
            out.len() <= octets_max
        });
        out.extend_from_slice(&text[from..]);
        (out.len() <= octets_max).then_some((out, count))
    }
}

/// The arguments of one call, evaluated. Positions count from 0.
pub struct Args<'a> {
    pub(crate) program: &'a Program,
    pub(crate) slots: &'a [Argument],
    pub(crate) scratch: &'a Text,
    pub(crate) cells: &'a mut Cells,
}

impl<'a> Args<'a> {
    /// How many positions the call has; trailing ones left out do not count.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the call has no arguments.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether something was given at this position.
    pub fn has(&self, i: usize) -> bool {
        !matches!(self.slots.get(i), None | Some(Argument::Omitted))
    }

    /// The text of a `Str`, `Verbatim` or `Static` parameter; `None` if it was left out.
    #[inline]
    pub fn str(&self, i: usize) -> Option<&'a [u8]> {
        match *self.slots.get(i)? {
            Argument::Value(slot) => self.bytes(slot),
            _ => None,
        }
    }

    /// The number of an `Int` parameter; `None` if it was left out.
    #[inline]
    pub fn int(&self, i: usize) -> Option<i32> {
        match *self.slots.get(i)? {
            Argument::Value(slot) => slot.int(),
            _ => None,
        }
    }

    /// The compiled pattern of a `Regex` parameter; `None` if it was left out.
    #[inline]
    pub fn regex(&self, i: usize) -> Option<&Pattern> {
        match *self.slots.get(i)? {
            Argument::Regex(n) => self.program.patterns.get(n as usize),
            Argument::CachedRegex(n) => self.cells.pattern(n),
            _ => None,
        }
    }

    /// The substitution of a `Substitution` parameter; `None` if it was left out.
    pub fn substitution(&self, i: usize) -> Option<Substituting<'_>> {
        let Argument::Substitution { compiled, values } = self.slots.get(i)? else { return None };
        let substitution = match *compiled {
            Compiled::Program(at) => self.program.substitutions.get(at as usize)?,
            Compiled::Cache(at) => self.cells.substitution(at)?.0,
        };
        let scratch = self.scratch.as_bytes();
        let values = values.map(|slot| slot.borrow(self.program, scratch));
        Some(Substituting { substitution, values })
    }

    /// The route of a `Route` parameter; `None` if it was left out.
    #[inline]
    pub fn route(&self, i: usize) -> Option<RouteId> {
        match *self.slots.get(i)? {
            Argument::Route(route) => Some(route),
            _ => None,
        }
    }

    /// The bit number (0 to 31) of a `Flag` parameter; `None` if it was left out.
    #[inline]
    pub fn flag(&self, i: usize) -> Option<u8> {
        match *self.slots.get(i)? {
            Argument::Flag(bit) => Some(bit),
            _ => None,
        }
    }

    /// How a `Var` parameter names a variable of the host; `None` if it was left out or is one
    /// of the language's own (`$var`). To read or write it either way: [`Args::load`],
    /// [`Args::store`].
    pub fn variable(&self, i: usize) -> Option<VarAccess<'a>> {
        match *self.slots.get(i)? {
            Argument::Variable { target: Target::Host(id), context, name, key, index } => {
                Some(VarAccess {
                    id,
                    context,
                    name: name.and_then(|slot| self.bytes(slot)),
                    key,
                    index,
                })
            }
            _ => None,
        }
    }

    /// Writes the variable given for a `Var` parameter, whoever owns it. Does nothing if it was
    /// left out.
    ///
    /// # Errors
    /// As [`Host::write`].
    pub fn store<H: Host + ?Sized>(
        &mut self,
        host: &mut H,
        i: usize,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        if let Some(access) = self.variable(i) {
            return host.write(&access, Assign::Set, value);
        }
        if let Some(&Argument::Variable { target, name, .. }) = self.slots.get(i) {
            let name = name.and_then(|slot| self.bytes(slot));
            return self.cells.write(self.program, target, name, value);
        }
        Ok(())
    }

    /// Reads the variable given for a `Var` parameter, whoever owns it. NULL if it was left out.
    pub fn load<H: Host + ?Sized>(&mut self, host: &mut H, i: usize, out: &mut Text) -> Reading {
        if let Some(access) = self.variable(i) {
            return host.read(&access, out);
        }
        if let Some(&Argument::Variable { target, name, .. }) = self.slots.get(i) {
            let name = name.and_then(|slot| self.bytes(slot));
            return self.cells.read(self.program, target, name, out);
        }
        Reading::Null
    }

    fn bytes(&self, slot: Slot) -> Option<&'a [u8]> {
        slot.bytes(self.program, self.scratch.as_bytes())
    }
}
