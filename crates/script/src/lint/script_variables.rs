//! Where the `$var`s of a script are written and read.

use super::View;
use crate::program::{ArgSpec, AssignOp, Op, Target};
use crate::source::Span;

/// One name.
#[derive(Debug)]
pub(super) struct ScriptVariable<'a> {
    pub(super) name: &'a str,
    /// `=` and `:=`.
    pub(super) writes: Vec<Span>,
    /// `+=` and its kin: they read and write.
    pub(super) updates: Vec<Span>,
    pub(super) reads: Vec<Span>,
    /// Something else writes it and may read it: a function, a loop, a module's parameter, a text
    /// that a module expands.
    pub(super) shared: bool,
}

/// All of them, and whether names made at run time are read or written.
pub(super) struct ScriptVariables<'a> {
    pub(super) all: Vec<ScriptVariable<'a>>,
    pub(super) some_read: bool,
    pub(super) some_written: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Read,
    Write,
    Update,
    Shared,
}

impl<'a> ScriptVariables<'a> {
    pub(super) fn of(view: &View<'a>) -> Self {
        let program = view.program;
        let mut roles = vec![Role::Read; program.variables.len()];
        for op in &program.ops {
            match *op {
                Op::Assign(at, AssignOp::With(_)) => roles[at as usize] = Role::Update,
                Op::Assign(at, _) => roles[at as usize] = Role::Write,
                Op::ForRound { iterator, .. } | Op::ForRefused(iterator) => {
                    roles[iterator as usize] = Role::Shared;
                }
                _ => {}
            }
        }
        for argument in &program.arguments {
            if let ArgSpec::Output(at) = *argument {
                roles[at as usize] = Role::Shared;
            }
        }
        let named = |name: &str| {
            let variable = format!("$var({name})");
            let in_text =
                |text: &[u8]| text.windows(variable.len()).any(|it| it == variable.as_bytes());
            view.is_named_by_modules(name) || in_text(&program.literals)
        };
        let mut found = Self {
            all: program
                .vars
                .iter()
                .map(|name| ScriptVariable {
                    name,
                    writes: Vec::new(),
                    updates: Vec::new(),
                    reads: Vec::new(),
                    shared: named(name),
                })
                .collect(),
            some_read: view.expands_at_run_time(),
            some_written: false,
        };
        for (at, spec) in program.variables.iter().enumerate() {
            let (role, span) = (roles[at], view.notes.variables[at]);
            match spec.target {
                Target::Var(slot) => {
                    let variable = &mut found.all[slot as usize];
                    match role {
                        Role::Read => variable.reads.push(span),
                        Role::Write => variable.writes.push(span),
                        Role::Update => variable.updates.push(span),
                        Role::Shared => variable.shared = true,
                    }
                }
                Target::VarNamed => {
                    found.some_read |= role != Role::Write;
                    found.some_written |= role != Role::Read;
                }
                _ => {}
            }
        }
        found
    }
}
