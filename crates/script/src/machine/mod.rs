//! The machine that runs a program: an explicit stack, which can stop anywhere and go on.

pub(crate) mod cells;

use crate::host::{Args, Host};
use crate::program::{Program, RouteId};
use crate::value::{Text, Value};
use cells::Cells;

/// One run of a script at a time. Reused: [`Machine::start`] forgets the last run and keeps the
/// memory.
#[derive(Debug)]
pub struct Machine {
    cells: Cells,
    scratch: Text,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is over.
    Done(Finish),
    /// A function waits. Bring its code with [`Machine::resume_with`].
    Park,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The result of the block.
    pub code: i32,
    /// `drop` cancelled the implicit action of the block.
    pub dropped: bool,
    /// The run ended by `exit`, `drop`, a result of 0 or a limit, not at the end of the block.
    pub exited: bool,
}

impl Machine {
    /// A machine without memory yet.
    pub fn new() -> Self {
        Self { cells: Cells::default(), scratch: Text::new(crate::limits::SCRATCH_BYTES_MAX) }
    }

    /// Forgets the last run, keeps the memory.
    pub fn clear(&mut self) {
        self.cells.clear(0);
        self.scratch.clear();
    }

    /// Gets ready to run a block.
    pub fn start(&mut self, program: &Program, route: RouteId) {
        let _ = (program, route);
    }

    /// Gets ready to run the report route of a `launch()`: `$rc` is the code, `$param(1)` the text.
    pub fn start_report(
        &mut self,
        program: &Program,
        route: RouteId,
        code: i32,
        text: Option<&[u8]>,
    ) {
        let _ = (program, route, code, text);
    }

    /// Adds a parameter to the block that [`Machine::start`] prepared: the attributes of an event.
    pub fn push_param(&mut self, name: Option<&[u8]>, value: Value<'_>) {
        self.cells.push_param(name, value);
    }

    /// Runs until the end, or until a function parks.
    pub fn resume<H: Host>(&mut self, program: &Program, host: &mut H) -> Outcome {
        let _ = (program, host);
        Outcome::Done(Finish { code: 1, dropped: false, exited: false })
    }

    /// Brings the code that a parked function ended with; [`Machine::resume`] goes on.
    pub fn resume_with(&mut self, code: i32) {
        let _ = code;
    }

    /// The arguments of the parked call, to store its results before it goes on.
    pub fn parked_args<'a>(&'a mut self, program: &'a Program) -> Option<Args<'a>> {
        let _ = program;
        None
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}
