//! The OpenSIPS routing language: from the text of `opensips.cfg` to a machine that runs it.
//!
//! ```text
//!  text ─► lexer ─► parser ─► checker ─► Program ─► Machine ◄─► Host
//!   ▲                 │          │                   (per run)   (owns the message)
//!   │                 └► Diagnostics ◄┘
//! Sources (files)                ▲
//!                             Catalog (what the host offers)
//! ```
//!
//! * [`Script::load`] reads a script and all its includes through [`Sources`], reports every
//!   mistake it finds at once as [`Diagnostics`], and resolves each name against a [`Catalog`].
//! * The result is a [`Program`]: flat instructions, shared by all workers.
//! * [`Script::lint`] tells of the same script what works but is hardly meant ([`LINTS`]), and
//!   [`format`](fn@format) lays out a file.
//! * A [`Machine`] runs one block of it against a [`Host`]. It has an explicit stack, so it can
//!   stop in the middle ([`Outcome::Park`]) and go on later, perhaps on another thread. It is
//!   reused from run to run and allocates nothing once warm.
//!
//! The crate owns no file, clock, socket or thread, and knows nothing of SIP: what `$ru` is, the
//! host tells it.
//!
//! ```text
//! let script = Script::load("opensips.cfg", &sources, &catalog)?;
//! let route = script.program.route(RouteKind::Request, "0").ok_or(NoRoute)?;
//! machine.start(&script.program, route);
//! match machine.resume(&script.program, &mut host) {
//!     Outcome::Done(finish) => …,
//!     Outcome::Park => …           // later: machine.resume_with(code); machine.resume(…)
//! }
//! ```

pub mod limits;

mod avp;
mod catalog;
mod diagnostic;
mod format;
mod host;
mod lexer;
mod lint;
mod load;
mod machine;
mod pattern;
mod program;
mod reload;
mod script;
mod source;
mod transform;
mod trivia;
mod value;

pub use avp::AvpList;
pub use catalog::{
    Catalog, FlagKind, Function, FunctionId, Global, GlobalKind, Module, ModuleId, Name, Param,
    ParamKind, Parameter, ParameterKind, RouteKind, RouteKinds, Standing, Subname, TransformId,
    Transformation, Variable, VariableId,
};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use format::{TAB, WIDTH, format};
pub use host::{
    Args, Assign, Called, Context, Host, Index, Launch, LogLine, LogSource, Place, Substituting,
    TransformCall, VarAccess, WriteError,
};
pub use lint::{LINTS, Lint};
pub use machine::{Finish, Machine, Outcome};
pub use pattern::{Pattern, PatternFlags};
pub use program::{Program, Route, RouteId};
pub use reload::{Change, Pending, Reloaded};
pub use script::{
    Alias, Bond, GlobalSetting, LoadedModule, Location, ModuleSetting, Script, Setup, Socket,
};
pub use source::Sources;
pub use transform::own_transformations;
pub use value::{Level, Reading, Setting, Text, Value};
