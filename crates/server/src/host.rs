//! The script's other side: a [`Context`] answers what a running block asks.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use duologue_script::{
    Args, Assign, Called, Finish as Finished, FunctionId, Host, Launch, Level, LogLine, LogSource,
    Machine, Outcome, Place, Program, Reading, RouteId, RouteKind, Text, TransformCall, Value,
    VarAccess, WriteError,
};

use crate::context::{Context, Trace};
use crate::core;
use crate::events::EventParams;
use crate::loglevel;
use crate::module::{AsyncFunction, Function};
use crate::parked::Ready;
use crate::raised::Raised;
use crate::statistics::{CAUGHT_PANICS, SCRIPT_ERRORS};
use crate::waiting::{Begun, Finish};

impl Host for Context<'_> {
    fn call(&mut self, function: FunctionId, args: &mut Args<'_>) -> Called {
        self.call_function(self.turn.node.catalog.function(function), args)
    }

    fn call_async(
        &mut self,
        function: FunctionId,
        args: &mut Args<'_>,
        timeout_seconds: Option<u32>,
    ) -> Called {
        let function = self.turn.node.catalog.asynchronous(function);
        let place = match self.ready_to_park() {
            Ready::Waits(place) => place,
            Ready::Absorbed => return Called::Stop,
            // spec/script.md §12: then it is the blocking function that runs.
            Ready::InPlace => {
                return match function.blocking {
                    Some(blocking) => self.call_function(blocking, args),
                    None => Called::Value(-1),
                };
            }
        };
        let timeout = timeout_seconds.filter(|&seconds| seconds > 0);
        match self.begin(function.asynchronous, args) {
            Begun::Done(code) => Called::Value(code),
            Begun::Waits(pending) => {
                let pending = match timeout {
                    Some(seconds) if function.asynchronous.times_out => {
                        pending.at_most(self, Duration::from_secs(seconds.into()))
                    }
                    Some(_) => {
                        let name = function.asynchronous.name;
                        tracing::warn!("{name}() knows no timeout; it is ignored");
                        pending
                    }
                    None => pending,
                };
                self.park_at(place, pending);
                Called::Park
            }
        }
    }

    fn launch(&mut self, function: FunctionId, args: &mut Args<'_>, launch: Launch<'_>) -> i32 {
        let function = self.turn.node.catalog.asynchronous(function);
        self.launched(launch, |ctx| ctx.begin(function.asynchronous, args))
    }

    fn read(&mut self, var: &VarAccess<'_>, out: &mut Text) -> Reading {
        let variable = self.turn.node.catalog.variable(var.id);
        match catch_unwind(AssertUnwindSafe(|| (variable.read)(self, var, out))) {
            Ok(reading) => reading,
            Err(_) => {
                self.panicked(variable.names.first().unwrap_or(&""), "it reads as NULL");
                Reading::Null
            }
        }
    }

    fn write(
        &mut self,
        var: &VarAccess<'_>,
        how: Assign,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        let variable = self.turn.node.catalog.variable(var.id);
        let Some(write) = variable.write else { return Err(WriteError::ReadOnly) };
        match catch_unwind(AssertUnwindSafe(|| write(self, var, how, value))) {
            Ok(result) => result,
            Err(_) => {
                self.panicked(variable.names.first().unwrap_or(&""), "nothing is assigned");
                Err(WriteError::BadValue)
            }
        }
    }

    fn transform(&mut self, transform: &TransformCall<'_>, out: &mut Text) -> Reading {
        core::transform(transform, out)
    }

    fn catalog(&self) -> Option<&dyn duologue_script::Catalog> {
        Some(&self.turn.node.catalog)
    }

    fn log(&mut self, line: LogLine<'_>) {
        if line.source == LogSource::Machine {
            self.turn.count(SCRIPT_ERRORS);
        }
        let text = String::from_utf8_lossy(line.text);
        let call_id = String::from_utf8_lossy(self.turn.call.key().call_id());
        let (file, at) = (line.place.file, line.place.line);
        match (line.source, line.level) {
            (LogSource::Machine, Level::Alert | Level::Critical | Level::Error) => {
                let severity = line.level.number();
                tracing::error!(target: "script", severity, %call_id, "{text} ({file}:{at})");
            }
            (LogSource::Machine, _) => {
                tracing::warn!(target: "script", %call_id, "{text} ({file}:{at})");
            }
            (_, level) => write_line(level, format_args!("{text}")),
        }
    }

    fn assert_failed(&mut self, text: &[u8]) {
        if self.turn.node.abort_on_assert {
            let text = String::from_utf8_lossy(text);
            // The log's own thread may not come to it any more.
            eprintln!("assertion failed: {text}; the script wants an abort (abort_on_assert)");
            std::process::abort();
        }
        self.draft.raised = Some(Raised::assertion(text));
    }

    fn error_raised(&mut self) -> bool {
        std::mem::take(&mut self.draft.untold)
    }

    fn traces(&self) -> bool {
        self.draft.trace.is_some()
    }

    fn trace_format(&self) -> Option<&[u8]> {
        Some(&self.draft.trace.as_ref()?.format)
    }

    fn trace(&mut self, place: Place<'_>, text: &[u8]) {
        let Some(Trace { level, info, .. }) = self.draft.trace.as_deref() else { return };
        let level = Level::from_number(*level);
        let (file, line, kind) = (place.file, place.line, place.kind.keyword());
        let route = match place.route {
            "0" => String::new(),
            name => format!("[{name}]"),
        };
        let text = String::from_utf8_lossy(text);
        write_line(level, format_args!("script_trace: {info} {file}:{line} {kind}{route} {text}"));
    }

    fn xlog_level(&self) -> i32 {
        self.turn.node.xlog_level.get()
    }

    fn log_level(&self) -> i32 {
        i32::from(loglevel::current())
    }
}

/// Writes a line of the script's own. It passed a threshold of its own; the logger prints it at any
/// `log_level`. `severity` is the level as OpenSIPS numbers it, which knows more of them.
fn write_line(level: Level, text: fmt::Arguments<'_>) {
    let severity = level.number();
    match level {
        Level::Alert | Level::Critical | Level::Error => {
            tracing::error!(target: "xlog", severity, "{text}");
        }
        Level::Warning => tracing::warn!(target: "xlog", severity, "{text}"),
        Level::Notice => tracing::info!(target: "xlog", severity, "{text}"),
        Level::Info => tracing::debug!(target: "xlog", severity, "{text}"),
        Level::Debug => tracing::trace!(target: "xlog", severity, "{text}"),
    }
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its code.
    pub code: i32,
    /// Whether it ended by `drop`.
    pub dropped: bool,
}

impl Ended {
    pub(crate) const fn of(finish: Finished) -> Self {
        Self { code: finish.code, dropped: finish.dropped }
    }
}

impl Context<'_> {
    fn call_function(&mut self, function: &Function, args: &mut Args<'_>) -> Called {
        // Promise 5: a panic in a module is caught, logged with its name and counted.
        match catch_unwind(AssertUnwindSafe(|| (function.run)(self, args))) {
            Ok(called) => called,
            Err(_) => {
                self.panicked(function.name, "the statement yields -1");
                Called::Value(-1)
            }
        }
    }

    fn begin(&mut self, function: &AsyncFunction, args: &mut Args<'_>) -> Begun {
        match catch_unwind(AssertUnwindSafe(|| (function.begin)(self, args))) {
            Ok(begun) => begun,
            Err(_) => {
                self.panicked(function.name, "its code is -1");
                Begun::Done(-1)
            }
        }
    }

    /// The last step of a function that the run waited for; its code.
    pub(crate) fn conclude(&mut self, finish: Finish, args: Option<&mut Args<'_>>) -> i32 {
        let last = match finish {
            Finish::Code(code) => return code,
            Finish::With(last) => last,
        };
        match catch_unwind(AssertUnwindSafe(|| last(self, args))) {
            Ok(code) => code,
            Err(_) => {
                self.panicked("the end of a function", "its code is -1");
                -1
            }
        }
    }

    fn panicked(&self, name: &str, consequence: &str) {
        self.turn.count(CAUGHT_PANICS);
        let call_id = self.turn.call_id();
        tracing::error!(%call_id, "{name} of a module panicked; {consequence}");
    }

    /// Runs a block of those that cannot wait (all but `route` and the reply routes of
    /// transactions) to its end.
    pub fn run(&mut self, route: RouteId) -> Ended {
        self.run_prepared(|machine, program| machine.start(program, route))
    }

    /// Runs a block whose `$param` are those of an event.
    pub(crate) fn run_with_params(&mut self, route: RouteId, params: &EventParams) -> Ended {
        let mut digits = String::new();
        self.run_prepared(|machine, program| {
            machine.start(program, route);
            for (name, value) in params.iter() {
                machine.push_param(name, value.for_script(&mut digits));
            }
        })
    }

    /// Runs the report route of a `launch()`.
    pub(crate) fn run_report(&mut self, route: RouteId, code: i32, text: Option<&[u8]>) -> Ended {
        self.run_prepared(|machine, program| machine.start_report(program, route, code, text))
    }

    fn run_prepared(&mut self, prepare: impl FnOnce(&mut Machine, &Program)) -> Ended {
        // Guarded, not counted: a counter would be written to by all workers at once.
        let script = self.turn.node.script();
        let program = &script.program;
        let mut machine = self.turn.worker.machines.take();
        prepare(&mut machine, program);
        let outer = std::mem::replace(&mut self.may_park, false);
        let ended = loop {
            match machine.resume(program, self) {
                Outcome::Done(finish) => break Ended::of(finish),
                Outcome::Park => machine.resume_with(-1),
            }
        };
        self.may_park = outer;
        self.turn.worker.machines.give_back(machine);
        ended
    }

    /// Runs a block as a route of another kind, as `t_relay()` does for branch routes.
    pub fn run_as(&mut self, kind: RouteKind, route: RouteId) -> Ended {
        let outer = std::mem::replace(&mut self.kind, kind);
        let ended = self.run(route);
        self.kind = outer;
        ended
    }
}

/// How many machines, and how many drafts, a worker keeps for the next runs.
pub(crate) const RESTING_MAX: usize = 64;

/// Machines at rest, so that a run allocates nothing.
///
/// Each stays where it was made: it is too large to be moved about with every message.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "it is what is taken out that is not to be moved")]
pub struct Machines(Vec<Box<Machine>>);

impl Machines {
    pub(crate) fn take(&mut self) -> Box<Machine> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, machine: Box<Machine>) {
        // Runs that waited may all end on one worker. The next run forgets this one.
        if self.0.len() < RESTING_MAX {
            self.0.push(machine);
        }
    }
}
