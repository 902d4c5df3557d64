//! The script's other side: a [`Context`] answers what a running block asks.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use duologue_script::{
    Args, Assign, Called, FunctionId, Host, Level, LogLine, LogSource, Machine, Outcome, Place,
    Reading, RouteId, RouteKind, Text, TransformCall, Value, VarAccess, WriteError,
};

use crate::context::{Context, Raised, Trace};
use crate::core;
use crate::events::EventParams;
use crate::loglevel;
use crate::statistics::{CAUGHT_PANICS, SCRIPT_ERRORS};

impl Host for Context<'_> {
    fn call(&mut self, function: FunctionId, args: &mut Args<'_>) -> Called {
        let function = self.turn.node.catalog.function(function);
        // Promise 5: a panic in a module is caught, logged with its name and counted.
        match catch_unwind(AssertUnwindSafe(|| (function.run)(self, args))) {
            Ok(called) => called,
            Err(_) => {
                self.panicked(function.name, "the statement yields -1");
                Called::Value(-1)
            }
        }
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

impl Context<'_> {
    fn panicked(&self, name: &str, consequence: &str) {
        self.turn.count(CAUGHT_PANICS);
        let call_id = self.turn.call_id();
        tracing::error!(%call_id, "{name} of a module panicked; {consequence}");
    }

    /// Runs a block to its end.
    ///
    /// Nothing in today's catalog parks, so a block that would wait is ended with an error instead:
    /// the blocks that may not wait at all (branch, reply, failure routes) come here too.
    pub fn run(&mut self, route: RouteId) -> Ended {
        self.run_with(route, |_| {})
    }

    /// Runs a block whose `$param` are those of an event.
    pub(crate) fn run_with_params(&mut self, route: RouteId, params: &EventParams) -> Ended {
        let mut digits = String::new();
        self.run_with(route, |machine| {
            for (name, value) in params.iter() {
                machine.push_param(name, value.for_script(&mut digits));
            }
        })
    }

    fn run_with(&mut self, route: RouteId, prepare: impl FnOnce(&mut Machine)) -> Ended {
        // Borrowed from the node: a counted reference would be written to by all workers at once.
        let program = &*self.turn.node.program;
        let mut machine = self.turn.worker.machines.take();
        machine.start(program, route);
        prepare(&mut machine);
        let ended = loop {
            match machine.resume(program, self) {
                Outcome::Done(finish) => {
                    break Ended { code: finish.code, dropped: finish.dropped };
                }
                Outcome::Park => machine.resume_with(-1),
            }
        };
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

/// Machines at rest, so that a run allocates nothing.
#[derive(Debug, Default)]
pub struct Machines(Vec<Machine>);

impl Machines {
    fn take(&mut self) -> Machine {
        self.0.pop().unwrap_or_default()
    }

    fn give_back(&mut self, mut machine: Machine) {
        machine.clear();
        self.0.push(machine);
    }
}
