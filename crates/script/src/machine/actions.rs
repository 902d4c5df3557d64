//! The actions of the language: assignments, log lines, `launch()`, `switch` (spec §4, §12, §13).

use super::{Flow, Machine};
use crate::host::{Args, Assign, Host, Launch, LogLine, LogSource};
use crate::program::{AssignOp, Fragment, Label, Program, RouteId, Slot, XlogLevel};
use crate::value::Level;

impl Machine {
    pub(super) fn assign<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
        op: AssignOp,
        value: Slot,
    ) -> i32 {
        let (how, value) = match op {
            AssignOp::Set => (Assign::Set, value),
            AssignOp::SetAll => (Assign::SetAll, value),
            AssignOp::With(op) => {
                let left = self.read(program, host, var);
                (Assign::Set, self.update(program, host, op, left, value))
            }
        };
        if value == Slot::Nothing {
            self.complain(program, host, Level::Warning, "no value in right expression");
            return -1;
        }
        if self.write(program, host, var, how, value) { 1 } else { -1 }
    }

    pub(super) fn xlog<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        level: XlogLevel,
        format: (u32, u32),
    ) -> i32 {
        let level = match level {
            XlogLevel::Default => program.settings.xlog_print_level,
            XlogLevel::Number(n) => n,
            XlogLevel::Variable(var) => match self.read(program, host, var).int() {
                Some(n) => n,
                None => return -1,
            },
        };
        if level > host.xlog_level() {
            return 1;
        }
        let Some(slot) = self.format(program, host, format.0, format.1) else { return -1 };
        let text = slot.bytes(program, self.scratch.as_bytes()).unwrap_or_default();
        if text.len() > program.settings.xlog_bytes_max {
            return -1;
        }
        let level = Level::from_number(level);
        let place = self.place(program);
        host.log(LogLine { level, source: LogSource::Xlog, text, place });
        1
    }

    /// Tells the host of the statement that begins (`script_trace()`).
    #[cold]
    pub(super) fn trace<H: Host + ?Sized>(&mut self, program: &Program, host: &mut H) {
        let before = self.scratch.len();
        let wanted = host.trace_format().unwrap_or_default();
        let mut traced = self.traced.take().filter(|(text, _)| text == wanted);
        if traced.is_none()
            && let Some(catalog) = host.catalog()
        {
            traced =
                program.fragment(catalog, wanted).ok().map(|compiled| (wanted.to_vec(), compiled));
        }
        let slot = traced.as_ref().and_then(|(_, Fragment { program, pieces: (from, to) })| {
            self.format(program, host, *from, *to)
        });
        self.traced = traced;
        let text = slot.and_then(|slot| slot.bytes(program, self.scratch.as_bytes()));
        host.trace(self.place(program), text.unwrap_or_default());
        self.scratch.truncate(before);
    }

    pub(super) fn launch<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        call: u32,
        report: Option<RouteId>,
        text: Option<(u32, u32)>,
    ) -> i32 {
        let text = match text {
            None => None,
            Some((from, to)) => match self.format(program, host, from, to) {
                Some(slot) => Some(slot),
                None => return -1,
            },
        };
        if self.prepare(program, host, call).is_err() {
            return -1;
        }
        let function = program.calls[call as usize].function;
        let text = text.and_then(|slot| slot.bytes(program, self.scratch.as_bytes()));
        let (slots, scratch, cells) = (&self.args, &self.scratch, &mut self.cells);
        let mut args = Args { program, slots, scratch, cells };
        host.launch(function, &mut args, Launch { report, text })
    }

    pub(super) fn switch<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        switch: u32,
    ) -> Flow {
        let spec = program.switches[switch as usize];
        let value = self.read(program, host, spec.selector);
        let text = self.as_text(value);
        let bytes = text.bytes(program, self.scratch.as_bytes());
        let cases = &program.cases[spec.cases.0 as usize..spec.cases.1 as usize];
        let found = cases.iter().find(|(label, _)| match *label {
            Label::Number(n) => value.int() == Some(n),
            Label::Text(start, len) => {
                bytes.is_some_and(|bytes| bytes.eq_ignore_ascii_case(program.literal(start, len)))
            }
        });
        let to = found.map_or(spec.otherwise, |(_, to)| *to);
        self.free_scratch();
        // What the cases leave; not before, since the selector may be the last code.
        self.cells.rc = Some(1);
        self.set_last(1);
        Flow::Goto(to)
    }
}
