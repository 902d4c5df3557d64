//! The machine that runs a program: an explicit stack, which can stop anywhere and go on.

mod actions;
mod arithmetic;
pub(crate) mod cells;
mod compare;
mod substitution;
mod values;

use crate::catalog::RouteKind;
use crate::host::{Args, Assign, Called, Host, LogLine, LogSource, Place};
use crate::limits::{ROUTE_LEVELS_MAX, SCRATCH_BYTES_MAX, STEPS_MAX};
use crate::program::{Argument, Fragment, Op, Program, ReturnCode, RouteId, Slot, Target};
use crate::value::{Level, Text, Value};
use cells::{Cells, Frame, Interrupted};

/// The code of `route()` with a computed name that no route has (spec §3.1).
const UNKNOWN_ROUTE: i32 = -5;
/// The code of a `for` over something without `[*]` (spec §4).
const SCRIPT_ERROR: i32 = -10;

/// One run of a script at a time. Reused: [`Machine::start`] forgets the last run and keeps the
/// memory.
///
/// A run is `start`, then `resume` until it answers [`Outcome::Done`]. After [`Outcome::Park`]
/// the machine keeps all it needs; it may wait as long as the host likes, move to another thread
/// with its run, and go on with `resume_with` and `resume`.
#[derive(Debug)]
pub struct Machine {
    cells: Cells,
    scratch: Text,
    /// Where transformations write before their result joins the scratch.
    work: Text,
    /// Names of variables computed at run time, while the scratch is written.
    name: Vec<u8>,
    stack: Vec<Slot>,
    args: Vec<Argument>,
    loops: Vec<u32>,
    /// The last condition: 1 true, 0 false, −1 error.
    cond: i8,
    /// The result of the last action.
    code: i32,
    steps: u32,
    kind: RouteKind,
    in_error_route: bool,
    /// How many `{s.eval}` are being expanded inside each other.
    evals: u8,
    /// What `script_trace()` wants beside each statement: the text and what it was compiled to.
    traced: Option<(Vec<u8>, Fragment)>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    /// A function waits; `async()` goes on in its route. The code comes later.
    Parked {
        resume: Option<RouteId>,
        code: Option<i32>,
    },
    Ended(Finish),
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

/// What one instruction wants.
enum Flow {
    Next,
    Goto(u32),
    Stop,
}

impl Machine {
    /// A machine without memory yet.
    pub fn new() -> Self {
        Self {
            cells: Cells::default(),
            scratch: Text::new(SCRATCH_BYTES_MAX),
            work: Text::new(SCRATCH_BYTES_MAX),
            name: Vec::new(),
            stack: Vec::new(),
            args: Vec::new(),
            loops: Vec::new(),
            cond: 0,
            code: 1,
            steps: 0,
            kind: RouteKind::Request,
            in_error_route: false,
            evals: 0,
            traced: None,
            state: State::Ended(Finish { code: 1, dropped: false, exited: false }),
        }
    }

    /// Forgets the last run, keeps the memory.
    pub fn clear(&mut self) {
        self.reset(0);
    }

    /// The same, with room for so many `$var`.
    fn reset(&mut self, vars: usize) {
        self.cells.clear(vars);
        self.scratch.clear();
        self.stack.clear();
        self.args.clear();
        self.loops.clear();
        self.evals = 0;
        self.traced = None;
        self.steps = 0;
        self.code = 1;
        self.cond = 0;
        self.in_error_route = false;
        self.state = State::Ended(Finish { code: 1, dropped: false, exited: false });
    }

    /// Gets ready to run a block. All `$var` are NULL but those of [`Program::preset_var`], `$rc` is
    /// unknown.
    pub fn start(&mut self, program: &Program, route: RouteId) {
        self.reset(program.vars.len());
        self.cells.preset(program);
        if let Some(info) = program.route_info(route) {
            self.kind = info.kind;
            self.state = State::Running;
            self.enter(program, route, 0, 0);
        }
    }

    /// Gets ready to run the report route of a `launch()`: `$rc` is the code, `$param(1)` the text.
    pub fn start_report(
        &mut self,
        program: &Program,
        route: RouteId,
        code: i32,
        text: Option<&[u8]>,
    ) {
        self.start(program, route);
        self.cells.rc = Some(code);
        if let Some(text) = text {
            self.cells.push_param(None, Value::Str(text));
        }
    }

    /// Adds a parameter to the block that [`Machine::start`] prepared: the attributes of an event.
    pub fn push_param(&mut self, name: Option<&[u8]>, value: Value<'_>) {
        self.cells.push_param(name, value);
    }

    /// Runs until the end, or until a function parks. Asked again it gives the same answer.
    pub fn resume<H: Host + ?Sized>(&mut self, program: &Program, host: &mut H) -> Outcome {
        match self.state {
            State::Parked { code: None, .. } => return Outcome::Park,
            State::Parked { resume: None, code: Some(code) } => {
                self.code = code;
                self.state = State::Running;
            }
            State::Parked { resume: Some(route), code: Some(code) } => {
                self.state = State::Running;
                self.restart(program, route, code);
            }
            State::Running | State::Ended(_) => {}
        }
        loop {
            match self.state {
                State::Running => {}
                State::Parked { .. } => return Outcome::Park,
                State::Ended(finish) => return Outcome::Done(finish),
            }
            self.run(program, host);
        }
    }

    /// Brings the code that a parked function ended with; [`Machine::resume`] goes on. Does
    /// nothing unless the run is parked.
    pub fn resume_with(&mut self, code: i32) {
        if let State::Parked { code: slot, .. } = &mut self.state {
            *slot = Some(code);
        }
    }

    /// The arguments of the parked call, to store its results before it goes on.
    pub fn parked_args<'a>(&'a mut self, program: &'a Program) -> Option<Args<'a>> {
        if !matches!(self.state, State::Parked { .. }) {
            return None;
        }
        let (slots, scratch, cells) = (&self.args, &self.scratch, &mut self.cells);
        Some(Args { program, slots, scratch, cells })
    }

    /// Runs while the state is `Running`.
    fn run<H: Host + ?Sized>(&mut self, program: &Program, host: &mut H) {
        loop {
            let Some(&op) = program.ops.get(self.cells.pc as usize) else {
                return self.end(self.code, false, true);
            };
            self.steps += 1;
            if self.steps > STEPS_MAX {
                self.complain(
                    program,
                    host,
                    Level::Critical,
                    "the script runs too long, it is ended",
                );
                return self.end(-1, false, true);
            }
            match self.step(program, host, op) {
                Flow::Next => self.cells.pc += 1,
                Flow::Goto(to) => self.cells.pc = to,
                Flow::Stop => return,
            }
        }
    }

    #[inline]
    fn step<H: Host + ?Sized>(&mut self, program: &Program, host: &mut H, op: Op) -> Flow {
        match op {
            Op::PushNumber(n) => self.stack.push(Slot::Number(n)),
            Op::PushLiteral(start, len) => self.stack.push(Slot::Literal(start, len)),
            Op::PushNull => self.stack.push(Slot::Null),
            Op::PushVariable(var) => {
                let slot = self.read(program, host, var);
                self.stack.push(slot);
            }
            Op::PushCode => {
                self.cells.rc = Some(self.code);
                if self.code == 0 {
                    return self.stop(0, false);
                }
                self.stack.push(Slot::Int(self.code));
            }
            Op::Binary(op) => {
                let (left, right) = self.pop_two();
                let slot = self.binary(program, host, op, left, right);
                self.stack.push(slot);
            }
            Op::Complement => {
                let slot = match self.pop().int() {
                    Some(n) => Slot::Int(!n),
                    None => Slot::Nothing,
                };
                self.stack.push(slot);
            }
            Op::CompareValue(op) => {
                let (left, right) = self.pop_two();
                let slot = match self.compare(program, op, left, right) {
                    -1 => Slot::Nothing,
                    truth => Slot::Int(i32::from(truth)),
                };
                self.stack.push(slot);
            }
            Op::Compare(op) => {
                let (left, right) = self.pop_two();
                self.cond = self.compare(program, op, left, right);
            }
            Op::CompareNet(net, negate) => {
                let left = self.pop();
                self.cond = self.compare_net(program, net, negate, left);
            }
            Op::Match(pattern, negate) => {
                let left = self.pop();
                self.cond = self.matches(program, pattern, negate, left);
            }
            Op::MatchVariable(negate) => {
                let (left, right) = self.pop_two();
                self.cond = self.matches_variable(program, host, negate, left, right);
            }
            Op::Truth => {
                let slot = self.pop();
                self.cond = self.truth(slot);
            }
            Op::TruthOfCode => {
                self.cells.rc = Some(self.code);
                if self.code == 0 {
                    return self.stop(0, false);
                }
                self.cond = i8::from(self.code > 0);
            }
            Op::TruthOfBlock => {
                let rc = self.cells.rc.unwrap_or(1);
                self.cond = i8::from(rc > 0);
            }
            Op::Not => {
                self.cond = match self.cond {
                    0 => 1,
                    1 => 0,
                    error => error,
                }
            }
            Op::Jump(to) => return Flow::Goto(to),
            Op::JumpUnlessTrue(to) => {
                if self.cond != 1 {
                    return Flow::Goto(to);
                }
            }
            Op::JumpUnlessFalse(to) => {
                if self.cond != 0 {
                    return Flow::Goto(to);
                }
            }
            Op::Decide(to) => {
                self.free_scratch();
                if host.error_raised()
                    && let Some(route) = self.error_route(program)
                {
                    // This instruction comes again, with the same condition.
                    return self.enter_in_place(program, route, self.cells.pc);
                }
                if self.cond < 0 {
                    self.complain(program, host, Level::Warning, "error in expression");
                }
                if self.cond != 1 {
                    return Flow::Goto(to);
                }
            }
            Op::Call(call) => match self.call(program, host, call) {
                Called::Value(code) => self.code = code,
                Called::Park => return self.park(None),
                Called::Stop => return self.stop(0, false),
            },
            Op::CallRoute(route, from, to) => {
                self.arguments(program, host, from, to);
                return self.call_route(program, host, route, 0);
            }
            Op::CallRouteNamed(from, to) => {
                self.arguments(program, host, from, to);
                return self.call_route_named(program, host);
            }
            Op::Assign(var, op) => {
                let value = self.pop();
                self.code = self.assign(program, host, var, op, value);
            }
            Op::Xlog { level, format } => self.code = self.xlog(program, host, level, format),
            Op::Log { level, text } => {
                if level <= host.log_level() {
                    let place = self.place(program);
                    let text = program.literal(text.0, text.1);
                    let level = Level::from_number(level);
                    host.log(LogLine { level, source: LogSource::Log, text, place });
                }
                self.code = 1;
            }
            Op::NotImplemented => {
                self.complain(program, host, Level::Error, "error() is not implemented");
                self.code = 1;
            }
            Op::AssertFailed(start, len) => {
                let text = program.literal(start, len);
                self.complain(program, host, Level::Critical, "assertion failed");
                host.assert_failed(text);
                return match self.error_route(program) {
                    // Instruction 0 ends the run behind it.
                    Some(route) => self.enter_in_place(program, route, 0),
                    None => self.stop(0, false),
                };
            }
            Op::Async { call, resume, timeout } => {
                let Ok(()) = self.prepare(program, host, call) else {
                    self.restart(program, resume, -1);
                    return Flow::Goto(self.cells.pc);
                };
                let function = program.calls[call as usize].function;
                let (slots, scratch, cells) = (&self.args, &self.scratch, &mut self.cells);
                let mut args = Args { program, slots, scratch, cells };
                match host.call_async(function, &mut args, timeout) {
                    Called::Park => return self.park(Some(resume)),
                    Called::Stop => return self.stop(0, false),
                    Called::Value(code) => {
                        self.restart(program, resume, code);
                        return Flow::Goto(self.cells.pc);
                    }
                }
            }
            Op::Launch { call, report, text } => {
                self.code = self.launch(program, host, call, report, text);
            }
            Op::Begin => {
                if host.traces() {
                    self.trace(program, host);
                }
            }
            Op::Done => {
                self.cells.rc = Some(self.code);
                self.set_last(self.code);
                if self.code == 0 {
                    return self.stop(0, false);
                }
                self.free_scratch();
                if host.error_raised()
                    && let Some(route) = self.error_route(program)
                {
                    return self.enter_in_place(program, route, self.cells.pc + 1);
                }
            }
            Op::IfSkipped => {
                self.cells.rc = Some(i32::from(self.cond));
                self.set_last(1);
            }
            Op::Fresh => {
                self.cells.rc = Some(1);
                self.set_last(1);
            }
            Op::FreshWhile => self.set_last(1),
            Op::Return { values, code } => {
                let code = match code {
                    ReturnCode::Number(n) => n,
                    ReturnCode::Variable(var) => match self.read(program, host, var) {
                        Slot::Null | Slot::Nothing => -1,
                        slot => slot.int().unwrap_or(1),
                    },
                };
                self.arguments(program, host, values.0, values.1);
                self.cells.clear_extras();
                for at in 0..self.args.len() {
                    let value = self.argument_value(at);
                    let value = value.borrow(program, self.scratch.as_bytes());
                    self.cells.push_extra(value);
                }
                return self.leave(code);
            }
            Op::Exit => return self.stop(self.code, false),
            Op::Drop => return self.stop(self.code, true),
            Op::EndOfRoute => {
                self.cells.clear_extras();
                let code = self.cells.frames.last().map_or(1, |f| f.last);
                return self.leave(code);
            }
            Op::LoopEnter => self.loops.push(0),
            Op::LoopRound(end) => {
                let rounds = self.loops.last_mut().map_or(0, |n| {
                    *n += 1;
                    *n
                });
                if rounds > program.settings.while_loops_max {
                    self.complain(
                        program,
                        host,
                        Level::Error,
                        "max_while_loops reached, the loop ends",
                    );
                    return Flow::Goto(end);
                }
            }
            Op::LoopLeave => {
                self.loops.pop();
            }
            Op::ForRound { iterator, list, end, parse } => {
                let round = self.loops.last().copied().unwrap_or(0);
                let value = self.read_element(program, host, list, round);
                if value == Slot::Null {
                    return Flow::Goto(end);
                }
                if let Some(n) = self.loops.last_mut() {
                    *n += 1;
                }
                let how = if parse { Assign::SetAll } else { Assign::Set };
                self.write(program, host, iterator, how, value);
                self.free_scratch();
            }
            Op::ForRefused(_) => {
                self.complain(program, host, Level::Error, "the list of `for` has no [*]");
                self.code = SCRIPT_ERROR;
            }
            Op::Switch(switch) => return self.switch(program, host, switch),
        }
        Flow::Next
    }

    // Calls.

    fn call<H: Host + ?Sized>(&mut self, program: &Program, host: &mut H, call: u32) -> Called {
        if self.prepare(program, host, call).is_err() {
            return Called::Value(-1);
        }
        let function = program.calls[call as usize].function;
        let (slots, scratch, cells) = (&self.args, &self.scratch, &mut self.cells);
        host.call(function, &mut Args { program, slots, scratch, cells })
    }

    fn park(&mut self, resume: Option<RouteId>) -> Flow {
        // The run goes on behind this instruction.
        self.cells.pc += 1;
        self.state = State::Parked { resume, code: None };
        Flow::Stop
    }

    /// The resume route takes over: levels and `$var` are gone, but for those that the call was
    /// given to fill (spec §12).
    fn restart(&mut self, program: &Program, route: RouteId, code: i32) {
        self.cells.frames.clear();
        let filled = |slot: u32| {
            let is = |arg: &Argument| matches!(arg, Argument::Variable { target: Target::Var(var), .. } if *var == slot);
            self.args.iter().any(is)
        };
        self.cells.forget_vars_but(filled);
        self.cells.preset_but(program, filled);
        self.cells.clear_extras();
        self.cells.truncate_params(0);
        self.stack.clear();
        self.loops.clear();
        self.scratch.truncate(0);
        self.in_error_route = false;
        self.enter(program, route, 0, 0);
        self.cells.rc = Some(code);
    }

    fn enter(&mut self, program: &Program, route: RouteId, back: u32, params_from: u32) {
        self.cells.frames.push(Frame {
            route,
            back,
            params_from,
            loops_from: self.loops.len() as u32,
            stack_from: self.stack.len() as u32,
            scratch_from: self.scratch.len() as u32,
            last: 1,
            interrupted: None,
        });
        self.cells.pc = program.routes[route.0 as usize].entry;
    }

    fn enter_in_place(&mut self, program: &Program, route: RouteId, back: u32) -> Flow {
        self.in_error_route = true;
        let interrupted = Some(Interrupted { cond: self.cond, code: self.code, rc: self.cells.rc });
        let params = self.cells.params_len() as u32;
        self.enter(program, route, back, params);
        if let Some(frame) = self.cells.frames.last_mut() {
            frame.interrupted = interrupted;
        }
        Flow::Goto(self.cells.pc)
    }

    /// Spec §3.4: once, in place, not for replies and local requests.
    fn error_route(&self, program: &Program) -> Option<RouteId> {
        let kinds = !matches!(self.kind, RouteKind::Reply | RouteKind::Local | RouteKind::Error);
        if !kinds || self.in_error_route || self.cells.frames.len() >= ROUTE_LEVELS_MAX {
            return None;
        }
        program.route(RouteKind::Error, "0")
    }

    fn call_route<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        route: RouteId,
        skip: usize,
    ) -> Flow {
        if self.cells.frames.len() >= ROUTE_LEVELS_MAX {
            self.complain(program, host, Level::Error, "too many routes call each other");
            self.code = -1;
            return Flow::Next;
        }
        let params_from = self.cells.params_len() as u32;
        for at in skip..self.args.len() {
            let slot = self.argument_value(at);
            let value = slot.borrow(program, self.scratch.as_bytes());
            self.cells.push_param(None, value);
        }
        let back = self.cells.pc + 1;
        self.enter(program, route, back, params_from);
        Flow::Goto(self.cells.pc)
    }

    fn call_route_named<H: Host + ?Sized>(&mut self, program: &Program, host: &mut H) -> Flow {
        let slot = self.argument_value(0);
        let slot = self.as_text(slot);
        let name = slot.bytes(program, self.scratch.as_bytes()).unwrap_or_default();
        let found = program
            .routes
            .iter()
            .position(|r| r.kind == RouteKind::Request && r.name.as_bytes() == name);
        match found {
            Some(at) => self.call_route(program, host, RouteId(at as u32), 1),
            None => {
                self.complain(program, host, Level::Error, "route() names no route");
                self.code = UNKNOWN_ROUTE;
                Flow::Next
            }
        }
    }

    /// Leaves the innermost level with a code.
    fn leave(&mut self, code: i32) -> Flow {
        self.code = code;
        let Some(frame) = self.cells.frames.pop() else {
            return self.stop(code, false);
        };
        if let Some(before) = frame.interrupted {
            self.in_error_route = false;
            self.cond = before.cond;
            self.code = before.code;
            self.cells.rc = before.rc;
        } else if self.cells.frames.is_empty() {
            self.end(code, false, false);
            return Flow::Stop;
        } else if code == 0 {
            return self.stop(0, false);
        }
        self.cells.truncate_params(frame.params_from as usize);
        self.loops.truncate(frame.loops_from as usize);
        self.stack.truncate(frame.stack_from as usize);
        self.scratch.truncate(frame.scratch_from as usize);
        Flow::Goto(frame.back)
    }

    fn stop(&mut self, code: i32, dropped: bool) -> Flow {
        self.end(code, dropped, true);
        Flow::Stop
    }

    fn end(&mut self, code: i32, dropped: bool, exited: bool) {
        self.state = State::Ended(Finish { code, dropped, exited });
    }

    fn set_last(&mut self, code: i32) {
        if let Some(frame) = self.cells.frames.last_mut() {
            frame.last = code;
        }
    }

    /// Between statements no value of this level is alive.
    #[inline]
    fn free_scratch(&mut self) {
        let from = self.cells.frames.last().map_or(0, |f| f.scratch_from);
        self.scratch.truncate(from as usize);
    }

    #[inline]
    fn pop(&mut self) -> Slot {
        self.stack.pop().unwrap_or(Slot::Nothing)
    }

    #[inline]
    fn pop_two(&mut self) -> (Slot, Slot) {
        let right = self.pop();
        (self.pop(), right)
    }

    // The host's view.

    fn place<'a>(&self, program: &'a Program) -> Place<'a> {
        let (file, line) = program.places.get(self.cells.pc as usize).copied().unwrap_or_default();
        let file = program.files.get(usize::from(file)).map_or("", String::as_str);
        let route = self.cells.frames.last().and_then(|f| program.route_info(f.route));
        match route {
            Some(route) => Place { file, line, kind: route.kind, route: &route.name },
            None => Place { file, line, kind: self.kind, route: "0" },
        }
    }

    #[cold]
    fn complain<H: Host + ?Sized>(
        &self,
        program: &Program,
        host: &mut H,
        level: Level,
        text: &str,
    ) {
        if level.number() <= host.log_level() {
            let place = self.place(program);
            let source = LogSource::Machine;
            host.log(LogLine { level, source, text: text.as_bytes(), place });
        }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}
