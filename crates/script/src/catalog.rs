//! What the host offers to scripts: modules, functions, variables, settings.
//!
//! The language itself knows no module and no message. All names that a script may use beyond
//! its own statements come from one [`Catalog`], a list of declarations, and are resolved to
//! numbers while the script loads. At run time only the numbers are used.

use crate::script::Setup;
use crate::value::Setting;
use bitflags::bitflags;

/// Number of a module, given by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u16);

/// Number of a function, given by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u16);

/// Number of a variable, given by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(pub u16);

/// Number of a transformation, given by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransformId(pub u16);

/// Everything a script can name. The slices are read while loading only.
pub trait Catalog {
    /// The modules that `loadmodule` can find.
    fn modules(&self) -> &[Module];
    /// The functions of the core and of all modules.
    fn functions(&self) -> &[Function];
    /// The variables of the core and of all modules. `$var`, `$param`, `$rc`/`$retcode`,
    /// `$return`, `$route…`, `$cfg_line`, `$cfg_file` and `$$` belong to the language and must
    /// not be listed; `$avp` must (its storage is the host's, see [`AvpList`](crate::AvpList)).
    fn variables(&self) -> &[Variable];
    /// The global settings. `socket`, `listen`, `alias`, `mpath`, `auto_scaling_profile`,
    /// `dst_blacklist` and `udp_workers` have a syntax of their own; list them too, so that
    /// their names are known.
    fn globals(&self) -> &[Global];
    /// The parameters of all modules.
    fn parameters(&self) -> &[Parameter];
    /// Transformations which the host supplies (`{uri.*}`, `{nameaddr.*}`, digests).
    fn transformations(&self) -> &[Transformation] {
        &[]
    }

    /// Validates a literal argument at load time (a table, an event, a flag word that must exist).
    ///
    /// # Errors
    /// The text to show to the user beside the argument.
    fn check_literal(&self, function: FunctionId, index: usize, text: &str) -> Result<(), String> {
        let _ = (function, index, text);
        Ok(())
    }

    /// Validates a literal argument against the settings, once the whole script is read: what it
    /// names may be defined by a `modparam` further down. Literals with variables are not asked
    /// for.
    ///
    /// # Errors
    /// The text to show to the user beside the argument.
    fn check_reference(
        &self,
        function: FunctionId,
        index: usize,
        text: &str,
        setup: &Setup,
    ) -> Result<(), String> {
        let _ = (function, index, text, setup);
        Ok(())
    }

    /// Validates the constant name in parentheses (`$ct.fields(uri)`), and may give it a number
    /// which arrives as [`VarAccess::key`](crate::VarAccess::key) on each access.
    ///
    /// # Errors
    /// The text to show to the user beside the variable.
    fn resolve_subname(&self, variable: VariableId, name: &str) -> Result<Option<u32>, String> {
        let _ = (variable, name);
        Ok(None)
    }

    /// Validates the value of a module parameter.
    ///
    /// # Errors
    /// The text to show to the user beside the value.
    fn check_parameter(&self, module: ModuleId, name: &str, value: &Setting) -> Result<(), String> {
        let _ = (module, name, value);
        Ok(())
    }

    /// Validates the value of a global setting.
    ///
    /// # Errors
    /// The text to show to the user beside the value.
    fn check_global(&self, name: &str, value: &Setting) -> Result<(), String> {
        let _ = (name, value);
        Ok(())
    }

    /// What to write instead of a name of the past that still works: the new name, without
    /// parentheses and dollar sign.
    fn renamed(&self, name: Name<'_>) -> Option<String> {
        let _ = name;
        None
    }

    /// What the user should know of a setting that is accepted: that it changes nothing here, and
    /// why. Shown once for each name, as a warning.
    fn note_global(&self, name: &str, value: &Setting) -> Option<String> {
        let _ = (name, value);
        None
    }

    /// The same for a parameter of a module.
    fn note_parameter(&self, module: ModuleId, name: &str, value: &Setting) -> Option<String> {
        let _ = (module, name, value);
        None
    }

    /// The same for a function that is called.
    fn note_function(&self, function: FunctionId) -> Option<&'static str> {
        let _ = function;
        None
    }
}

/// A name as a script writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// A global setting.
    Global(&'a str),
    /// A function.
    Function(&'a str),
    /// A variable, without its dollar sign.
    Variable(&'a str),
    /// A literal argument of a function, at a position from 0.
    Argument(FunctionId, usize, &'a str),
}

/// Whether a name can be used today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    #[default]
    Built,
    /// The language knows it, this program does not have it yet: a load error that says so.
    Planned,
}

/// A module, found by `loadmodule`.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// The number.
    pub id: ModuleId,
    /// The file stem: `tm` for `loadmodule "tm.so"`.
    pub name: &'static str,
    /// Whether it can be used today.
    pub standing: Standing,
}

/// A function that statements and conditions can call.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The number. Several names may share one (old spellings).
    pub id: FunctionId,
    /// The name in scripts.
    pub name: &'static str,
    /// The module that must be loaded, `None` for the core.
    pub module: Option<ModuleId>,
    /// The parameters in order, at most [`ARGUMENTS_MAX`](crate::limits::ARGUMENTS_MAX).
    pub params: &'static [Param],
    /// The blocks that may call it (directly or through `route()`).
    pub routes: RouteKinds,
    /// Whether `async()` and `launch()` take it.
    pub asynchronous: bool,
    /// Whether statements and conditions can call it. An asynchronous function and the blocking one
    /// of the same name may be two declarations.
    pub direct: bool,
    /// Whether it can be used today.
    pub standing: Standing,
}

impl Function {
    /// A core function: usable in every block.
    pub const fn core(id: FunctionId, name: &'static str, params: &'static [Param]) -> Self {
        Self {
            id,
            name,
            module: None,
            params,
            routes: RouteKinds::all(),
            asynchronous: false,
            direct: true,
            standing: Standing::Built,
        }
    }

    /// A function of a module.
    pub const fn of(
        module: ModuleId,
        id: FunctionId,
        name: &'static str,
        params: &'static [Param],
        routes: RouteKinds,
    ) -> Self {
        let core = Self::core(id, name, params);
        Self { module: Some(module), routes, ..core }
    }

    /// The same function, also usable in `async()`.
    pub const fn asynchronous(self) -> Self {
        Self { asynchronous: true, ..self }
    }

    /// The same function, usable in `async()` and `launch()` only.
    pub const fn only_asynchronous(self) -> Self {
        Self { asynchronous: true, direct: false, ..self }
    }

    /// The same name, known but not built yet.
    pub const fn planned(self) -> Self {
        Self { standing: Standing::Planned, ..self }
    }
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// What it takes.
    pub kind: ParamKind,
    /// Whether it may be left out (at the end, or left empty).
    pub optional: bool,
}

impl Param {
    /// A mandatory parameter.
    pub const fn new(kind: ParamKind) -> Self {
        Self { kind, optional: false }
    }

    /// A parameter that may be left out.
    pub const fn optional(kind: ParamKind) -> Self {
        Self { kind, optional: true }
    }
}

/// What a parameter takes (spec §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A number literal, or a variable with an integer form.
    Int,
    /// A string literal whose variables are expanded, or a variable with a text form.
    Str,
    /// A string literal which is passed as it is (the host expands it later), or a variable.
    Verbatim,
    /// A string literal without `$`.
    Static,
    /// A writable variable, unquoted.
    Var,
    /// A variable, unquoted, that is only read: the function may want all its values.
    AnyVar,
    /// A regular expression: POSIX extended, ignoring case, newline-sensitive.
    Regex,
    /// The same over a whole text: a line break is a character like any other.
    TextRegex,
    /// A substitution `/regex/replacement/flags`; only variables of the replacement are expanded.
    Substitution,
    /// The name of a route of this kind: a constant one must exist, a computed one is looked up
    /// when the call runs.
    Route(RouteKind),
    /// The constant name of a flag.
    Flag(FlagKind),
}

/// The name spaces of flags (spec §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagKind {
    /// Flags of the message and its transaction.
    Message,
    /// Flags of a branch.
    Branch,
    /// Flags of the message's dialog, kept by the host.
    Dialog,
}

/// The kinds of route blocks (spec §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteKind {
    /// `route` and `route[name]`.
    Request,
    /// `branch_route[name]`.
    Branch,
    /// `failure_route[name]`.
    Failure,
    /// `onreply_route` and `onreply_route[name]`.
    Reply,
    /// `error_route`.
    Error,
    /// `local_route`.
    Local,
    /// `startup_route`.
    Startup,
    /// `timer_route[name, seconds]`.
    Timer,
    /// `event_route[NAME]`.
    Event,
}

impl RouteKind {
    /// The keyword in a script.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Request => "route",
            Self::Branch => "branch_route",
            Self::Failure => "failure_route",
            Self::Reply => "onreply_route",
            Self::Error => "error_route",
            Self::Local => "local_route",
            Self::Startup => "startup_route",
            Self::Timer => "timer_route",
            Self::Event => "event_route",
        }
    }

    /// The set with this kind alone.
    pub const fn set(self) -> RouteKinds {
        match self {
            Self::Request => RouteKinds::REQUEST,
            Self::Branch => RouteKinds::BRANCH,
            Self::Failure => RouteKinds::FAILURE,
            Self::Reply => RouteKinds::REPLY,
            Self::Error => RouteKinds::ERROR,
            Self::Local => RouteKinds::LOCAL,
            Self::Startup => RouteKinds::STARTUP,
            Self::Timer => RouteKinds::TIMER,
            Self::Event => RouteKinds::EVENT,
        }
    }
}

bitflags! {
    /// A set of route kinds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RouteKinds: u16 {
        /// `route`.
        const REQUEST = 1;
        /// `branch_route`.
        const BRANCH = 1 << 1;
        /// `failure_route`.
        const FAILURE = 1 << 2;
        /// `onreply_route`.
        const REPLY = 1 << 3;
        /// `error_route`.
        const ERROR = 1 << 4;
        /// `local_route`.
        const LOCAL = 1 << 5;
        /// `startup_route`.
        const STARTUP = 1 << 6;
        /// `timer_route`.
        const TIMER = 1 << 7;
        /// `event_route`.
        const EVENT = 1 << 8;
    }
}

/// A variable of the host.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The number. Aliases share one.
    pub id: VariableId,
    /// The name without the dollar sign; dots are part of it.
    pub name: &'static str,
    /// The module that must be loaded, `None` for the core.
    pub module: Option<ModuleId>,
    /// Whether scripts may assign to it.
    pub writable: bool,
    /// What may stand in parentheses behind the name.
    pub subname: Subname,
    /// Whether it takes `[index]`.
    pub indexed: bool,
    /// Whether its index may say which set of branches it counts: `[n/active]`, `[n/all]`.
    pub has_set: bool,
    /// Whether it can be used today.
    pub standing: Standing,
}

impl Variable {
    /// A read-only core variable without name and index.
    pub const fn core(id: VariableId, name: &'static str) -> Self {
        Self {
            id,
            name,
            module: None,
            writable: false,
            subname: Subname::None,
            indexed: false,
            has_set: false,
            standing: Standing::Built,
        }
    }

    /// The same, of a module.
    pub const fn of(module: ModuleId, id: VariableId, name: &'static str) -> Self {
        Self { module: Some(module), ..Self::core(id, name) }
    }

    /// The same, writable.
    pub const fn writable(self) -> Self {
        Self { writable: true, ..self }
    }

    /// The same, with a name in parentheses.
    pub const fn named(self, subname: Subname) -> Self {
        Self { subname, ..self }
    }

    /// The same, with an index.
    pub const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// The same, with an index that may count the branches of the active set only.
    pub const fn indexed_in_sets(self) -> Self {
        Self { indexed: true, has_set: true, ..self }
    }

    /// The same name, known but not built yet.
    pub const fn planned(self) -> Self {
        Self { standing: Standing::Planned, ..self }
    }
}

/// What may stand in parentheses behind the name of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subname {
    /// Nothing.
    None,
    /// Something or nothing.
    Optional,
    /// Something.
    Required,
    /// A path such as `order/lines[0]`, with variables wherever it likes (`order/$var(key)`). A
    /// backslash takes the next character as it is; what a variable brings is one step of the path
    /// whatever it contains, unless the variable is the whole path.
    Path,
    /// The name of a flag; a constant one arrives as its bit number in
    /// [`VarAccess::key`](crate::VarAccess::key).
    Flag(FlagKind),
}

/// A global setting `name = value`.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    /// The name. One that ends in `*` stands for all that begin so.
    pub name: &'static str,
    /// What it takes.
    pub kind: GlobalKind,
    /// Set for names of the past: what to write instead. Using them is an error.
    pub obsolete: Option<&'static str>,
    /// Whether it can be used today.
    pub standing: Standing,
}

impl Global {
    /// A setting.
    pub const fn new(name: &'static str, kind: GlobalKind) -> Self {
        Self { name, kind, obsolete: None, standing: Standing::Built }
    }

    /// Whether a script means this one.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => self.name == name,
        }
    }

    /// A name of the past and what to write instead.
    pub const fn obsolete(name: &'static str, instead: &'static str) -> Self {
        Self { obsolete: Some(instead), ..Self::new(name, GlobalKind::Any) }
    }

    /// The same name, known but not built yet.
    pub const fn planned(self) -> Self {
        Self { standing: Standing::Planned, ..self }
    }
}

/// The type of a global setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalKind {
    /// A signed number.
    Int,
    /// `yes`, `no` or 0, 1.
    Bool,
    /// A string.
    Str,
    /// A bare word, a string, or (hosts) an address.
    Ident,
    /// Whatever is written, up to the end of the line.
    Any,
}

/// A parameter of a module, set by `modparam`.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The module.
    pub module: ModuleId,
    /// The name, matched exactly.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// Whether it can be used today.
    pub standing: Standing,
}

impl Parameter {
    /// A parameter.
    pub const fn new(module: ModuleId, name: &'static str, kind: ParameterKind) -> Self {
        Self { module, name, kind, standing: Standing::Built }
    }

    /// The same name, known but not built yet.
    pub const fn planned(self) -> Self {
        Self { standing: Standing::Planned, ..self }
    }
}

/// The type of a module parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A signed number or a boolean.
    Int,
    /// A string.
    Str,
    /// Either.
    Any,
}

/// A transformation of the host: `{class.op,…}`.
#[derive(Clone, Copy, Debug)]
pub struct Transformation {
    /// The number.
    pub id: TransformId,
    /// The class in lower case: `uri`.
    pub class: &'static str,
    /// The operation in lower case: `user`, `param`.
    pub op: &'static str,
    /// How many arguments it takes at least.
    pub args_min: u8,
    /// How many arguments it takes at most.
    pub args_max: u8,
    /// Whether a number may stand between class and operation: `{nameaddr.1.uri}`.
    pub indexed: bool,
    /// Whether it can be used today.
    pub standing: Standing,
}

impl Transformation {
    /// A transformation without index.
    pub const fn new(id: TransformId, class: &'static str, op: &'static str, args: u8) -> Self {
        Self {
            id,
            class,
            op,
            args_min: args,
            args_max: args,
            indexed: false,
            standing: Standing::Built,
        }
    }

    /// The same, with an optional index between class and operation.
    pub const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }
}
