//! What the loader writes down for the lints while it reads: the places of what it compiles, and what
//! the program no longer shows.

use crate::catalog::{FunctionId, Name};
use crate::program::Program;
use crate::script::Script;
use crate::source::Span;

/// A script that was read to its end, with or without errors.
pub(crate) struct Checked {
    pub(crate) script: Script,
    pub(crate) notes: Notes,
}

#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The place of each instruction of the program.
    pub(crate) ops: Vec<Span>,
    /// The place of each variable of the program.
    pub(crate) variables: Vec<Span>,
    /// The place of each block's definition.
    pub(crate) routes: Vec<Span>,
    /// Which block names which.
    pub(crate) uses: Vec<(u32, u32)>,
    /// Names of the host as they were written.
    pub(crate) names: Vec<(Named, Span)>,
    /// Operators that others would bind tighter.
    pub(crate) mixed: Vec<(Span, Mixed)>,
}

impl Notes {
    /// For a program that begins with these blocks.
    pub(crate) fn over(names: &Program) -> Self {
        Self { routes: vec![Span::default(); names.routes.len()], ..Self::default() }
    }
}

/// A name that the host may know under a newer one.
#[derive(Debug)]
pub(crate) enum Named {
    Function(&'static str),
    Variable(&'static str),
    Argument(FunctionId, usize, String),
}

impl Named {
    pub(crate) fn name(&self) -> Name<'_> {
        match self {
            Self::Function(name) => Name::Function(name),
            Self::Variable(name) => Name::Variable(name),
            Self::Argument(function, index, text) => Name::Argument(*function, *index, text),
        }
    }
}

/// Which operators stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mixed {
    /// `&&` behind `||`.
    Logic,
    /// `*` behind `+`, `&` behind `|`.
    Arithmetic,
}
