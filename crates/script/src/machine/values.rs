//! Reading and writing variables, expanding formats, evaluating arguments.

use super::Machine;
use crate::catalog::RouteKind;
use crate::host::{Assign, Host, Index, TransformCall, VarAccess};
use crate::limits::EVALS_NESTED_MAX;
use crate::program::{
    ArgSpec, Argument, Fragment, IndexSpec, NameSpec, Piece, Program, Slot, TRANSFORM_ARGS_MAX,
    Target, TransArg, TransOp, TransSpec,
};
use crate::value::{Level, Reading, Value};

/// The evaluated parts of a variable: its name if it has one, the number of that name, its index.
type Parts = (Option<Slot>, Option<u32>, Index);

impl Slot {
    /// The value behind it.
    #[inline]
    pub(crate) fn borrow<'a>(self, program: &'a Program, scratch: &'a [u8]) -> Value<'a> {
        match self {
            Self::Nothing | Self::Null => Value::Null,
            Self::Int(n) | Self::Number(n) => Value::Int(n),
            Self::ScratchInt(_, _, n) => {
                Value::StrInt(self.bytes(program, scratch).unwrap_or_default(), n)
            }
            Self::Literal(..) | Self::Scratch(..) => {
                Value::Str(self.bytes(program, scratch).unwrap_or_default())
            }
        }
    }
}

impl Machine {
    /// Reads a variable with its transformations.
    pub(super) fn read<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
    ) -> Slot {
        let spec = &program.variables[var as usize];
        let Some(parts) = self.parts(program, host, var) else { return Slot::Null };
        let mut slot = self.fetch(program, host, var, parts);
        for at in spec.transforms.0..spec.transforms.1 {
            if slot == Slot::Null {
                break;
            }
            slot = self.transform(program, host, &program.transforms[at as usize], slot);
        }
        slot
    }

    /// Reads element `round` of the list of a `for`.
    pub(super) fn read_element<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
        round: u32,
    ) -> Slot {
        let Some((name, key, _)) = self.parts(program, host, var) else { return Slot::Null };
        let round = i32::try_from(round).unwrap_or(i32::MAX);
        let index = match program.variables[var as usize].index {
            IndexSpec::Plain(Index::AllActive) => Index::AtActive(round),
            _ => Index::At(round),
        };
        self.fetch(program, host, var, (name, key, index))
    }

    /// Writes a variable; `false` after an error was logged.
    pub(super) fn write<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
        how: Assign,
        value: Slot,
    ) -> bool {
        let spec = &program.variables[var as usize];
        let Some((name, key, index)) = self.parts(program, host, var) else { return false };
        let scratch = self.scratch.as_bytes();
        let name = name.and_then(|slot| slot.bytes(program, scratch));
        let value = value.borrow(program, scratch);
        let written = match spec.target {
            Target::Host(id) => {
                host.write(&VarAccess { id, context: spec.context, name, key, index }, how, value)
            }
            target => self.cells.write(program, target, name, value),
        };
        match written {
            Ok(()) => true,
            Err(error) => {
                self.complain(program, host, Level::Error, error.reason());
                false
            }
        }
    }

    /// Evaluates name and index. `None`: the name is empty or the index no number.
    fn parts<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
    ) -> Option<Parts> {
        let spec = &program.variables[var as usize];
        let (name, key) = match spec.name {
            NameSpec::None => (None, None),
            NameSpec::Fixed { start, len, key } => (Some(Slot::Literal(start, len)), key),
            NameSpec::Dynamic(inner) => {
                let slot = self.read(program, host, inner);
                let slot = self.as_text(slot);
                if slot.bytes(program, self.scratch.as_bytes()).is_none_or(<[u8]>::is_empty) {
                    self.complain(
                        program,
                        host,
                        Level::Error,
                        "the computed name of a variable is empty",
                    );
                    return None;
                }
                (Some(slot), None)
            }
            NameSpec::Path(from, to) => (Some(self.path(program, host, from, to)?), None),
        };
        let index = match spec.index {
            IndexSpec::Plain(index) => index,
            IndexSpec::Dynamic(inner) | IndexSpec::DynamicActive(inner) => {
                let Some(n) = self.read(program, host, inner).int() else {
                    self.complain(program, host, Level::Error, "the computed index is no number");
                    return None;
                };
                match spec.index {
                    IndexSpec::DynamicActive(_) => Index::AtActive(n),
                    _ => Index::At(n),
                }
            }
        };
        Some((name, key, index))
    }

    /// The text of a path. What stands in variables is one step of it, whatever it contains.
    fn path<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        from: u32,
        to: u32,
    ) -> Option<Slot> {
        let mut path = Vec::new();
        for piece in &program.pieces[from as usize..to as usize] {
            match *piece {
                Piece::Literal(start, len) => path.extend_from_slice(program.literal(start, len)),
                Piece::Variable(var) => {
                    let slot = self.read(program, host, var);
                    let slot = self.as_text(slot);
                    let value = slot.bytes(program, self.scratch.as_bytes()).unwrap_or_default();
                    if value.is_empty() {
                        let message = "a variable in the name of a variable is empty";
                        self.complain(program, host, Level::Error, message);
                        return None;
                    }
                    for &byte in value {
                        if matches!(byte, b'\\' | b'/' | b'[' | b']') {
                            path.push(b'\\');
                        }
                        path.push(byte);
                    }
                }
            }
        }
        let start = self.scratch.len();
        self.scratch.push(&path);
        match self.settle(start, Reading::Str) {
            Slot::Null => None,
            slot => Some(slot),
        }
    }

    fn fetch<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
        (name, key, index): Parts,
    ) -> Slot {
        let spec = &program.variables[var as usize];
        let start = self.scratch.len();
        // A computed name lies in the scratch that is about to be written; it moves aside.
        let mut aside = Vec::new();
        let name = match name {
            Some(Slot::Literal(start, len)) => Some(program.literal(start, len)),
            Some(slot) => {
                aside = std::mem::take(&mut self.name);
                aside.clear();
                let bytes = slot.bytes(program, self.scratch.as_bytes());
                aside.extend_from_slice(bytes.unwrap_or_default());
                Some(aside.as_slice())
            }
            None => None,
        };
        let reading = match spec.target {
            Target::Host(id) => {
                let access = VarAccess { id, context: spec.context, name, key, index };
                host.read(&access, &mut self.scratch)
            }
            Target::Route | Target::RouteName | Target::RouteType => {
                self.route_variable(program, spec.target, index)
            }
            target => self.cells.read(program, target, name, &mut self.scratch),
        };
        if aside.capacity() > 0 {
            self.name = aside;
        }
        self.settle(start, reading)
    }

    /// A reading that was appended at `start`, as a slot.
    fn settle(&mut self, start: usize, reading: Reading) -> Slot {
        let overflown = self.scratch.take_overflow();
        let len = self.scratch.len() - start;
        match reading {
            Reading::Str if !overflown => Slot::Scratch(start as u32, len as u32),
            Reading::StrInt(n) if !overflown => Slot::ScratchInt(start as u32, len as u32, n),
            Reading::Int(n) => {
                self.scratch.truncate(start);
                Slot::Int(n)
            }
            _ => {
                self.scratch.truncate(start);
                Slot::Null
            }
        }
    }

    /// `$route`, `$route.name`, `$route.type`; `[0]` is the innermost.
    fn route_variable(&mut self, program: &Program, target: Target, index: Index) -> Reading {
        let levels = self.cells.frames.len();
        let range = match index {
            Index::All => 0..levels,
            Index::None => levels.saturating_sub(1)..levels,
            Index::At(n) => {
                let back = if n >= 0 { n as usize } else { levels.wrapping_add_signed(n as isize) };
                match levels.checked_sub(back.saturating_add(1)) {
                    Some(at) => at..at + 1,
                    None => return Reading::Null,
                }
            }
            Index::Append | Index::AtActive(_) | Index::AllActive => return Reading::Null,
        };
        let first = range.start;
        for at in range {
            let Some(route) = program.route_info(self.cells.frames[at].route) else { continue };
            if at > first {
                self.scratch.push(b" > ");
            }
            if target != Target::RouteName {
                self.scratch.push(route.kind.keyword().as_bytes());
            }
            match (target, route.name.as_str()) {
                (Target::RouteType, _) | (Target::Route, "0") => {}
                (Target::RouteName, name) => self.scratch.push(name.as_bytes()),
                (_, name) => {
                    self.scratch.push_byte(b'[');
                    self.scratch.push(name.as_bytes());
                    self.scratch.push_byte(b']');
                }
            }
        }
        Reading::Str
    }

    /// The text form of a value: variables' integers are written out, literals' have none.
    pub(super) fn as_text(&mut self, slot: Slot) -> Slot {
        match slot {
            Slot::Int(n) => {
                let start = self.scratch.len();
                self.scratch.push_int(i64::from(n));
                self.settle(start, Reading::Str)
            }
            Slot::Number(_) => Slot::Nothing,
            slot => slot,
        }
    }

    fn transform<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        spec: &TransSpec,
        slot: Slot,
    ) -> Slot {
        if matches!(spec.op, TransOp::Eval) {
            return self.eval(program, host, slot);
        }
        let mut args = [Slot::Null; TRANSFORM_ARGS_MAX];
        for (slot, arg) in args.iter_mut().zip(&spec.args[..usize::from(spec.count)]) {
            *slot = match *arg {
                TransArg::None => Slot::Null,
                TransArg::Int(_, start, len) | TransArg::Text(start, len) => {
                    Slot::Literal(start, len)
                }
                TransArg::Variable(var) => match self.read(program, host, var) {
                    Slot::Null => return Slot::Null,
                    slot => slot,
                },
            };
        }
        let input = self.as_text(slot);
        self.work.clear();
        let mut work = std::mem::replace(&mut self.work, crate::value::Text::new(0));
        let scratch = self.scratch.as_bytes();
        let mut values = [Value::Null; TRANSFORM_ARGS_MAX];
        for ((value, slot), arg) in values.iter_mut().zip(args).zip(&spec.args) {
            *value = match (slot.borrow(program, scratch), arg) {
                (Value::Str(text), TransArg::Int(n, ..)) => Value::StrInt(text, *n),
                (value, _) => value,
            };
        }
        let values = &values[..usize::from(spec.count)];
        let bytes = input.bytes(program, scratch).unwrap_or_default();
        let reading = match spec.op {
            TransOp::BuiltIn(op) => op.apply(bytes, values, &mut work),
            TransOp::Host(id) => {
                let call = TransformCall { id, index: spec.index, input: bytes, args: values };
                host.transform(&call, &mut work)
            }
            TransOp::Substitute(at) if !bytes.is_empty() => {
                let substitution = &program.substitutions[at as usize];
                substitution.apply(bytes, values, &mut work)
            }
            // Spec §9: an empty input is an error for all but `s.`.
            TransOp::Substitute(_) | TransOp::Eval => Reading::Null,
        };
        let overflown = work.take_overflow();
        let start = self.scratch.len();
        self.scratch.push(work.as_bytes());
        self.work = work;
        self.settle(start, if overflown { Reading::Null } else { reading })
    }

    /// Expands a value as a format string; NULL if it is none.
    pub(super) fn eval<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        slot: Slot,
    ) -> Slot {
        let slot = self.as_text(slot);
        let text = slot.bytes(program, self.scratch.as_bytes()).unwrap_or_default();
        let fragment = match host.catalog() {
            _ if self.evals == EVALS_NESTED_MAX => Err("it asks for itself too often".to_owned()),
            Some(catalog) => program.fragment(catalog, text),
            None => Err("this host has no names for it".to_owned()),
        };
        let Fragment { program: fragment, pieces: (from, to) } = match fragment {
            Ok(fragment) => fragment,
            Err(reason) => {
                self.complain(program, host, Level::Error, &format!("{{s.eval}}: {reason}"));
                return Slot::Null;
            }
        };
        self.evals += 1;
        let expanded = self.format(&fragment, host, from, to);
        self.evals -= 1;
        expanded.unwrap_or(Slot::Null)
    }

    /// Expands a format string; `None` if it is too long.
    pub(super) fn format<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        from: u32,
        to: u32,
    ) -> Option<Slot> {
        let start = self.scratch.len();
        for piece in &program.pieces[from as usize..to as usize] {
            let here = self.scratch.len();
            match *piece {
                Piece::Literal(start, len) => self.scratch.push(program.literal(start, len)),
                Piece::Variable(var) => match self.read(program, host, var) {
                    Slot::Nothing | Slot::Null => {
                        self.scratch.truncate(here);
                        self.scratch.push(b"<null>");
                    }
                    Slot::Int(n) | Slot::Number(n) => {
                        self.scratch.truncate(here);
                        self.scratch.push_int(i64::from(n));
                    }
                    Slot::Literal(start, len) => {
                        self.scratch.truncate(here);
                        self.scratch.push(program.literal(start, len));
                    }
                    // What was computed on the way lies in front of the value.
                    Slot::Scratch(at, len) | Slot::ScratchInt(at, len, _) => {
                        let (at, len) = (at as usize, len as usize);
                        if at > here {
                            self.scratch.part_mut(here).copy_within(at - here..at - here + len, 0);
                        }
                        self.scratch.truncate(here + len);
                    }
                },
            }
        }
        let len = self.scratch.len() - start;
        if self.scratch.take_overflow() || len > program.settings.format_bytes_max {
            self.complain(program, host, Level::Error, "a text is longer than pv_print_buf_size");
            return None;
        }
        Some(Slot::Scratch(start as u32, len as u32))
    }

    /// Evaluates the arguments of a call. An error means that it yields −1 (spec §6).
    pub(super) fn prepare<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        call: u32,
    ) -> Result<(), ()> {
        let (from, to) = program.calls[call as usize].args;
        self.args.clear();
        for at in from..to {
            let arg = self.argument(program, host, program.arguments[at as usize]).ok_or(())?;
            self.args.push(arg);
        }
        Ok(())
    }

    /// Evaluates what is passed by value to a route or returned from it.
    pub(super) fn arguments<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        from: u32,
        to: u32,
    ) {
        self.args.clear();
        for at in from..to {
            let arg = self.argument(program, host, program.arguments[at as usize]);
            self.args.push(arg.unwrap_or(Argument::Value(Slot::Null)));
        }
    }

    pub(super) fn argument_value(&self, at: usize) -> Slot {
        match self.args.get(at) {
            Some(&Argument::Value(slot)) => slot,
            _ => Slot::Null,
        }
    }

    fn argument<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        spec: ArgSpec,
    ) -> Option<Argument> {
        Some(match spec {
            ArgSpec::Omitted => Argument::Omitted,
            ArgSpec::Null => Argument::Value(Slot::Null),
            ArgSpec::Number(n) => Argument::Value(Slot::Int(n)),
            ArgSpec::Literal(start, len) => Argument::Value(Slot::Literal(start, len)),
            ArgSpec::Format(from, to) => Argument::Value(self.format(program, host, from, to)?),
            ArgSpec::AnyVariable(var) => Argument::Value(self.read(program, host, var)),
            ArgSpec::IntVariable(var) => {
                let slot = self.read(program, host, var);
                slot.int()?;
                Argument::Value(slot)
            }
            ArgSpec::TextVariable(var) => {
                let slot = self.read(program, host, var);
                let slot = self.as_text(slot);
                slot.bytes(program, self.scratch.as_bytes())?;
                Argument::Value(slot)
            }
            ArgSpec::Output(var) => {
                let (name, key, index) = self.parts(program, host, var)?;
                let spec = &program.variables[var as usize];
                Argument::Variable { target: spec.target, context: spec.context, name, key, index }
            }
            ArgSpec::Regex(at) => Argument::Regex(at),
            ArgSpec::RegexVariable(var, flags) => {
                let slot = self.read(program, host, var);
                let slot = self.as_text(slot);
                let text = slot.bytes(program, self.scratch.as_bytes())?;
                match self.cells.cached_pattern(text, flags) {
                    Ok(at) => Argument::CachedRegex(at),
                    Err(reason) => {
                        self.complain(program, host, Level::Error, &reason);
                        return None;
                    }
                }
            }
            ArgSpec::Substitution { at, vars, count } => {
                let vars = &vars[..usize::from(count)];
                self.substitution(program, host, at, vars)
            }
            ArgSpec::SubstitutionVariable(var) => {
                self.substitution_of_variable(program, host, var)?
            }
            ArgSpec::Route(route) => Argument::Route(route),
            ArgSpec::RouteVariable(kind, var) => {
                let slot = self.read(program, host, var);
                let slot = self.as_text(slot);
                self.named_route(program, host, kind, slot)?
            }
            ArgSpec::RouteFormat(kind, from, to) => {
                let slot = self.format(program, host, from, to)?;
                self.named_route(program, host, kind, slot)?
            }
            ArgSpec::Flag(bit) => Argument::Flag(bit),
        })
    }

    /// The route of a computed name; an unknown one is an error of the script.
    fn named_route<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        kind: RouteKind,
        name: Slot,
    ) -> Option<Argument> {
        let name = name.bytes(program, self.scratch.as_bytes()).unwrap_or_default();
        let route = std::str::from_utf8(name).ok().and_then(|name| program.route(kind, name));
        if route.is_none() {
            let text = format!("there is no {} of this name", kind.keyword());
            self.complain(program, host, Level::Error, &text);
        }
        route.map(Argument::Route)
    }
}
