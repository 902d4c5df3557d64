//! What the language itself remembers: `$var`, parameters, return values, where the run stands.

use crate::host::WriteError;
use crate::limits::{DYNAMIC_VARS_MAX, PATTERN_CACHE_MAX, SUBSTITUTION_VARIABLES_MAX};
use crate::pattern::{Pattern, PatternFlags};
use crate::program::{Program, RouteId, Target};
use crate::transform::Substitution;
use crate::value::{Reading, Setting, Text, Value};

/// The variables of the language, and the route levels that scope some of them.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    /// `$var` names of the script, by number.
    vars: Vec<Cell>,
    /// `$var` names made at run time.
    named: Vec<(Box<[u8]>, Cell)>,
    /// Parameters of all levels; each frame knows where its own begin.
    pub(crate) params: Vec<Param>,
    params_used: usize,
    /// Values of the last `return(code, …)`.
    extras: Vec<Cell>,
    extras_used: usize,
    pub(crate) frames: Vec<Frame>,
    /// `$rc`; unknown before the first statement.
    pub(crate) rc: Option<i32>,
    /// The instruction that runs.
    pub(crate) pc: u32,
    /// Compiled patterns from variables, the newest use last.
    patterns: Vec<(Box<[u8]>, PatternFlags, Pattern)>,
    /// Compiled substitutions from variables.
    substitutions: Vec<CachedSubstitution>,
}

/// A substitution that was the value of a variable.
#[derive(Debug)]
struct CachedSubstitution {
    text: Box<[u8]>,
    compiled: Substitution,
    /// The variables of its replacement.
    variables: Vec<Vec<u8>>,
}

/// A route level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) route: RouteId,
    /// Where to go on in the caller.
    pub(crate) back: u32,
    pub(crate) params_from: u32,
    pub(crate) loops_from: u32,
    pub(crate) stack_from: u32,
    pub(crate) scratch_from: u32,
    /// The result of the last statement of this level.
    pub(crate) last: i32,
    /// Set for an error route that runs in place: what the interrupted script finds again.
    pub(crate) interrupted: Option<Interrupted>,
}

/// What an error route in place must not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    pub(crate) cond: i8,
    pub(crate) code: i32,
    pub(crate) rc: Option<i32>,
}

/// One stored value; its text keeps its memory when overwritten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    kind: Kind,
    number: i32,
    text: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Param {
    name: Vec<u8>,
    cell: Cell,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Null,
    Int,
    Str,
    StrInt,
}

impl Cells {
    /// Forgets the values of the last run, keeps the memory.
    pub(crate) fn clear(&mut self, vars: usize) {
        self.forget_vars();
        if self.vars.len() < vars {
            self.vars.resize_with(vars, Cell::default);
        }
        self.named.clear();
        self.params_used = 0;
        self.extras_used = 0;
        self.frames.clear();
        self.rc = None;
        self.pc = 0;
    }

    /// `$var` values do not survive `async()` (spec §7.1), but for those in some slots.
    pub(crate) fn forget_vars_but(&mut self, kept: impl Fn(u32) -> bool) {
        for (slot, cell) in (0u32..).zip(&mut self.vars) {
            if !kept(slot) {
                cell.kind = Kind::Null;
            }
        }
        self.named.clear();
    }

    fn forget_vars(&mut self) {
        for cell in &mut self.vars {
            cell.kind = Kind::Null;
        }
        self.named.clear();
    }

    /// Gives some `$var` the values that they have at the start of each run.
    pub(crate) fn preset(&mut self, program: &Program) {
        self.preset_but(program, |_| false);
    }

    /// The same, but for those in some slots.
    pub(crate) fn preset_but(&mut self, program: &Program, kept: impl Fn(u32) -> bool) {
        for (slot, setting) in program.presets.iter().filter(|(slot, _)| !kept(*slot)) {
            if let Some(cell) = self.vars.get_mut(*slot as usize) {
                cell.write(match setting {
                    Setting::Int(number) => Value::Int(*number),
                    Setting::Str(text) => Value::Str(text.as_bytes()),
                });
            }
        }
    }

    pub(crate) fn read(
        &self,
        program: &Program,
        target: Target,
        name: Option<&[u8]>,
        out: &mut Text,
    ) -> Reading {
        match target {
            Target::Var(slot) => {
                self.vars.get(slot as usize).map_or(Reading::Null, |c| c.read(out))
            }
            Target::VarNamed => match name {
                Some(name) => self.find_var(program, name).map_or(Reading::Null, |c| c.read(out)),
                None => Reading::Null,
            },
            Target::ParamAt(n) => self.param(n).map_or(Reading::Null, |p| p.cell.read(out)),
            Target::ParamNamed => match name {
                Some(name) => match parse_int(name) {
                    Some(n) => self.param(n).map_or(Reading::Null, |p| p.cell.read(out)),
                    None => {
                        let found = self.frame_params().iter().find(|p| p.name == name);
                        found.map_or(Reading::Null, |p| p.cell.read(out))
                    }
                },
                None => Reading::Null,
            },
            Target::ReturnAt(n) => self.extra(n).map_or(Reading::Null, |c| c.read(out)),
            Target::ReturnNamed => match name.and_then(parse_int).and_then(|n| self.extra(n)) {
                Some(cell) => cell.read(out),
                None => Reading::Null,
            },
            Target::ReturnCode => self.rc.map_or(Reading::Null, Reading::Int),
            Target::ConfigLine => {
                let line = program.places.get(self.pc as usize).map_or(0, |p| p.1);
                Reading::Int(line as i32)
            }
            Target::ConfigFile => {
                let file = program.places.get(self.pc as usize).map_or(0, |p| p.0);
                out.push(program.files.get(file as usize).map_or(b"", |f| f.as_bytes()));
                Reading::Str
            }
            Target::Dollar => {
                out.push_byte(b'$');
                Reading::Str
            }
            // The route variables take an index and are read by the machine.
            Target::Host(_) | Target::Route | Target::RouteName | Target::RouteType => {
                Reading::Null
            }
        }
    }

    pub(crate) fn write(
        &mut self,
        program: &Program,
        target: Target,
        name: Option<&[u8]>,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        let cell = match target {
            Target::Var(slot) => self.vars.get_mut(slot as usize).ok_or(WriteError::Missing)?,
            Target::VarNamed => {
                let name = name.ok_or(WriteError::BadValue)?;
                if let Some(slot) = program.vars.iter().position(|v| v.as_bytes() == name) {
                    &mut self.vars[slot]
                } else if let Some(at) = self.named.iter().position(|(n, _)| **n == *name) {
                    &mut self.named[at].1
                } else if self.named.len() < DYNAMIC_VARS_MAX {
                    self.named.push((name.into(), Cell::default()));
                    let at = self.named.len() - 1;
                    &mut self.named[at].1
                } else {
                    return Err(WriteError::BadValue);
                }
            }
            _ => return Err(WriteError::ReadOnly),
        };
        cell.write(value);
        Ok(())
    }

    /// Appends a parameter of the frame that is about to be pushed (or runs on top).
    pub(crate) fn push_param(&mut self, name: Option<&[u8]>, value: Value<'_>) {
        if self.params.len() == self.params_used {
            self.params.push(Param::default());
        }
        let param = &mut self.params[self.params_used];
        param.name.clear();
        param.name.extend_from_slice(name.unwrap_or_default());
        param.cell.write(value);
        self.params_used += 1;
    }

    pub(crate) fn params_len(&self) -> usize {
        self.params_used
    }

    pub(crate) fn truncate_params(&mut self, len: usize) {
        self.params_used = len;
    }

    /// Replaces the values behind `$return(i)`.
    pub(crate) fn clear_extras(&mut self) {
        self.extras_used = 0;
    }

    pub(crate) fn push_extra(&mut self, value: Value<'_>) {
        if self.extras.len() == self.extras_used {
            self.extras.push(Cell::default());
        }
        self.extras[self.extras_used].write(value);
        self.extras_used += 1;
    }

    /// Compiles a pattern, or finds it compiled.
    pub(crate) fn cached_pattern(
        &mut self,
        text: &[u8],
        flags: PatternFlags,
    ) -> Result<u32, String> {
        if let Some(at) = self.patterns.iter().position(|(t, f, _)| **t == *text && *f == flags) {
            return Ok(at as u32);
        }
        let pattern = Pattern::compile(text, flags)?;
        let at = if self.patterns.len() < PATTERN_CACHE_MAX {
            self.patterns.push((text.into(), flags, pattern));
            self.patterns.len() - 1
        } else {
            // Any victim will do: whoever needs more patterns than this per worker is computing
            // them anew each time anyway. Spread over the table by the length.
            let at = text.len() % PATTERN_CACHE_MAX;
            self.patterns[at] = (text.into(), flags, pattern);
            at
        };
        Ok(at as u32)
    }

    pub(crate) fn pattern(&self, at: u32) -> Option<&Pattern> {
        self.patterns.get(at as usize).map(|(_, _, pattern)| pattern)
    }

    /// Compiles a substitution, or finds it compiled.
    pub(crate) fn cached_substitution(&mut self, text: &[u8]) -> Result<u32, String> {
        if let Some(at) = self.substitutions.iter().position(|cached| *cached.text == *text) {
            return Ok(at as u32);
        }
        let (compiled, variables) = Substitution::parse(text, SUBSTITUTION_VARIABLES_MAX)?;
        let cached = CachedSubstitution { text: text.into(), compiled, variables };
        let at = if self.substitutions.len() < PATTERN_CACHE_MAX {
            self.substitutions.push(cached);
            self.substitutions.len() - 1
        } else {
            let at = text.len() % PATTERN_CACHE_MAX;
            self.substitutions[at] = cached;
            at
        };
        Ok(at as u32)
    }

    /// A substitution that was found in the cache, and the variables of its replacement.
    pub(crate) fn substitution(&self, at: u32) -> Option<(&Substitution, &[Vec<u8>])> {
        let cached = self.substitutions.get(at as usize)?;
        Some((&cached.compiled, &cached.variables))
    }

    fn find_var(&self, program: &Program, name: &[u8]) -> Option<&Cell> {
        if let Some(slot) = program.vars.iter().position(|v| v.as_bytes() == name) {
            return self.vars.get(slot);
        }
        self.named.iter().find(|(n, _)| **n == *name).map(|(_, cell)| cell)
    }

    fn frame_params(&self) -> &[Param] {
        let from = self.frames.last().map_or(0, |f| f.params_from as usize);
        self.params.get(from..self.params_used).unwrap_or_default()
    }

    fn param(&self, n: i32) -> Option<&Param> {
        self.frame_params().get(usize::try_from(n).ok()?.checked_sub(1)?)
    }

    fn extra(&self, n: i32) -> Option<&Cell> {
        self.extras[..self.extras_used].get(usize::try_from(n).ok()?)
    }
}

impl Cell {
    fn write(&mut self, value: Value<'_>) {
        self.text.clear();
        match value {
            Value::Null => self.kind = Kind::Null,
            Value::Int(n) => {
                self.kind = Kind::Int;
                self.number = n;
            }
            Value::Str(s) => {
                self.kind = Kind::Str;
                self.text.extend_from_slice(s);
            }
            Value::StrInt(s, n) => {
                self.kind = Kind::StrInt;
                self.number = n;
                self.text.extend_from_slice(s);
            }
        }
    }

    fn read(&self, out: &mut Text) -> Reading {
        match self.kind {
            Kind::Null => Reading::Null,
            Kind::Int => Reading::Int(self.number),
            Kind::Str => {
                out.push(&self.text);
                Reading::Str
            }
            Kind::StrInt => {
                out.push(&self.text);
                Reading::StrInt(self.number)
            }
        }
    }
}

/// A whole text that is a decimal number.
pub(crate) fn parse_int(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
