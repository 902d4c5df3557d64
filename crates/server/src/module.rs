//! What a module is: one declaration of all it exports.
//!
//! Reading a module's [`Module`] value tells a newcomer everything it adds to scripts. Modules of
//! other crates are declared the same way and handed to the builder of the server; ours use nothing
//! that theirs may not.
//!
//! A module's life: [`configure`](Module::configure) when the script loads, then, if the script has
//! a `loadmodule` for it, [`start`](Module::start) when the proxy is built and
//! [`meet`](Module::meet) with its script, then its functions and variables, from every worker at
//! once. Each later script ([`reload`](crate::Node::reload)) it meets in the same way.

mod host;

use std::any::Any;
use std::error::Error;

use duologue_script::{
    Args, Assign, Called, FlagKind, ModuleId, Param, ParameterKind, Reading, RouteKinds, Setting,
    Setup, Subname, Text, Value, VarAccess, WriteError,
};
use duologue_sip::{Moment, Tick};

use crate::context::Context;
use crate::node::Node;
use crate::waiting::Begun;

pub use host::{Host, NotLoaded};

/// A module: its name and its exports. Declare what yours has and take the rest from
/// [`Module::EMPTY`]:
///
/// ```
/// use duologue_server::module::Module;
///
/// static MODULE: Module = Module {
///     name: "call_counter",
///     start: |host| {
///         host.dialogs()?.on_created(|event| println!("a call: {}", event.dialog().id()));
///         Ok(())
///     },
///     ..Module::EMPTY
/// };
/// ```
#[derive(Debug)]
pub struct Module {
    /// The file stem in `loadmodule "name.so"`.
    pub name: &'static str,
    /// Functions for scripts.
    pub functions: &'static [Function],
    /// Functions for `async()` and `launch()`, under the same names as the blocking ones.
    pub asynchronous: &'static [AsyncFunction],
    /// Variables for scripts.
    pub variables: &'static [Variable],
    /// Parameters for `modparam`.
    pub parameters: &'static [Parameter],
    /// Makes the module's settings from the parameters that the script gave. It runs for every
    /// module when a script is loaded, even if only to check it; an error refuses the script.
    #[doc(alias = "param_export_t")]
    pub configure: fn(&Parameters<'_>) -> Result<Settings, String>,
    /// The place to register for dialogs, define profiles and reach other modules.
    ///
    /// *When*: once, while the proxy is built, if the script loads the module; before any socket is
    /// open. *Order*: that of the declarations, ours before those of other crates. *It may* do
    /// anything that takes no message. *An error* keeps the proxy from starting and is shown with
    /// the module's name. *A panic* ends the start as it would end any program.
    #[doc(alias = "mod_init")]
    pub start: Start,
    /// Looks at the routes of a script before they run: may they ask for what they ask for? What
    /// they name can be made ready here ([`Host::constants`], [`Host::flag_names`]).
    ///
    /// *When*: after [`start`](Self::start), and again for each script that `reload_routes` would
    /// put in the place of the one that runs; the settings are those of the start. *An error*
    /// refuses the script and is shown with the module's name: the proxy does not start, or goes on
    /// with the script that it has.
    pub meet: Start,
    /// What it does by itself, now and then, while the proxy runs.
    #[doc(alias = "register_timer")]
    pub tasks: &'static [Task],
}

/// Work that a module does without a message.
///
/// *When*: [`run`](Self::run) is called at or after the moment that [`next_due`](Self::next_due)
/// names, by the thread of the timers, in virtual time as well. *It must not wait*, and what takes
/// longer than a millisecond or two should be done in parts, by naming the present as the next moment:
/// the timers of calls stand in the same queue. *A panic* is caught, logged and counted.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Its name, for people.
    pub name: &'static str,
    /// When it wants to run next, `None` if there is nothing to do. Asked many times a second.
    pub next_due: fn(&Node) -> Option<Tick>,
    /// Does it.
    pub run: fn(&Node, Moment),
}

impl Module {
    /// A module without a name that exports nothing.
    pub const EMPTY: Self = Self {
        name: "",
        functions: &[],
        asynchronous: &[],
        variables: &[],
        parameters: &[],
        configure: |_| Ok(Box::new(())),
        start: |_| Ok(()),
        meet: |_| Ok(()),
        tasks: &[],
    };
}

/// What a module does when the proxy starts, or when it meets a script.
pub type Start = fn(&Host<'_>) -> Result<(), Refusal>;

/// Why something does not want to start with this script, for people: a text or any error.
pub type Refusal = Box<dyn Error + Send + Sync>;

/// A module's settings, found again by their type with [`crate::node::Node::settings`].
pub type Settings = Box<dyn Any + Send + Sync>;

/// Checks a literal argument, given its position and text; the error is shown beside it.
pub type CheckLiteral = fn(usize, &str) -> Result<(), String>;

/// What to write today instead of a literal argument, given its position and text; `None` if it is
/// fine.
pub type Modern = fn(usize, &str) -> Option<String>;

/// Checks a literal argument against the parameters of the function's module, once the whole script
/// is read.
pub type CheckReference = fn(&Parameters<'_>, usize, &str) -> Result<(), String>;

/// Checks a literal argument against what the script says of itself (its sockets and bonds), once the
/// whole script is read.
pub type CheckSetup = fn(&Setup, usize, &str) -> Result<(), String>;

/// Checks a constant text in parentheses, and may give it a number that getters find in
/// [`VarAccess::key`].
pub type ResolveName = fn(&str) -> Result<Option<u32>, String>;

/// A function that scripts may call.
#[derive(Debug)]
pub struct Function {
    /// Its name in scripts.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// The blocks that may call it.
    pub routes: RouteKinds,
    /// What it does.
    pub run: fn(&mut Context<'_>, &mut Args<'_>) -> Called,
    /// Checks a literal argument when the script loads: position and text.
    pub check: Option<CheckLiteral>,
    /// Checks what a literal argument names: position and text.
    pub refers: Option<CheckReference>,
    /// The same, for what no module defines.
    pub refers_to_setup: Option<CheckSetup>,
    /// What the author of a script that calls it should know: a warning when the script loads.
    pub note: Option<&'static str>,
    /// What to write today instead of a literal argument of older scripts: position and text.
    pub modern: Option<Modern>,
}

impl Function {
    /// A function.
    pub const fn new(
        name: &'static str,
        params: &'static [Param],
        routes: RouteKinds,
        run: fn(&mut Context<'_>, &mut Args<'_>) -> Called,
    ) -> Self {
        Self {
            name,
            params,
            routes,
            run,
            check: None,
            refers: None,
            refers_to_setup: None,
            note: None,
            modern: None,
        }
    }

    /// The same, whose literal arguments name what parameters of the module define.
    pub const fn refers_to(self, refers: CheckReference) -> Self {
        Self { refers: Some(refers), ..self }
    }

    /// The same, whose literal arguments name what the script defines outside of modules.
    pub const fn refers_to_setup(self, refers: CheckSetup) -> Self {
        Self { refers_to_setup: Some(refers), ..self }
    }

    /// The same, with literal arguments checked at load.
    pub const fn checked(self, check: CheckLiteral) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The same, with literal arguments that older scripts write otherwise.
    pub const fn modernised(self, modern: Modern) -> Self {
        Self { modern: Some(modern), ..self }
    }

    /// The same, with a word to the author of a script that calls it.
    pub const fn noted(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// A function that scripts may call in `async()` and `launch()` (spec/script.md §12). Where a run
/// cannot wait, the module's blocking function of the same name runs instead; it must take the same
/// parameters.
#[derive(Debug)]
pub struct AsyncFunction {
    /// Its name in scripts.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// The blocks that may call it.
    pub routes: RouteKinds,
    /// Begins it. It must not block: what takes time goes on elsewhere and tells its end by a
    /// [`Completion`](crate::waiting::Completion).
    pub begin: fn(&mut Context<'_>, &mut Args<'_>) -> Begun,
    /// Checks a literal argument when the script loads: position and text.
    pub check: Option<CheckLiteral>,
    /// Whether `async()` may limit its time.
    pub times_out: bool,
}

impl AsyncFunction {
    /// A function for all kinds of blocks, without a time limit.
    pub const fn new(
        name: &'static str,
        params: &'static [Param],
        begin: fn(&mut Context<'_>, &mut Args<'_>) -> Begun,
    ) -> Self {
        Self { name, params, routes: RouteKinds::all(), begin, check: None, times_out: false }
    }

    /// The same, for some kinds of blocks only.
    pub const fn only_in(self, routes: RouteKinds) -> Self {
        Self { routes, ..self }
    }

    /// The same, with literal arguments checked at load.
    pub const fn checked(self, check: CheckLiteral) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The same, with the timeout of `async()` obeyed.
    pub const fn timed(self) -> Self {
        Self { times_out: true, ..self }
    }
}

/// Reads a variable.
pub type Getter = fn(&mut Context<'_>, &VarAccess<'_>, &mut Text) -> Reading;

/// Writes a variable.
pub type Setter = fn(&mut Context<'_>, &VarAccess<'_>, Assign, Value<'_>) -> Result<(), WriteError>;

/// A variable that scripts may read and perhaps write.
#[derive(Debug)]
pub struct Variable {
    /// Its names without the dollar sign; the first is the canonical one.
    pub names: &'static [&'static str],
    /// What may stand in parentheses.
    pub subname: Subname,
    /// Whether `[index]` is allowed.
    pub indexed: bool,
    /// Whether `[index/active]` and `[index/all]` are, too.
    pub has_set: bool,
    /// Reads it.
    pub read: Getter,
    /// Writes it, if it can be written.
    pub write: Option<Setter>,
    /// Checks and numbers a constant text in parentheses when the script loads.
    pub resolve: Option<ResolveName>,
}

impl Variable {
    /// A read-only variable.
    pub const fn new(names: &'static [&'static str], read: Getter) -> Self {
        Self {
            names,
            subname: Subname::None,
            indexed: false,
            has_set: false,
            read,
            write: None,
            resolve: None,
        }
    }

    /// The same, writable.
    pub const fn writable(self, write: Setter) -> Self {
        Self { write: Some(write), ..self }
    }

    /// The same, with a text in parentheses.
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

    /// The same, with constant texts in parentheses resolved at load.
    pub const fn resolved(self, resolve: ResolveName) -> Self {
        Self { resolve: Some(resolve), ..self }
    }
}

/// A parameter of a module.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in `modparam`.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// False for names that OpenSIPS has and we do not obey yet: a load error that says so.
    pub built: bool,
    /// Set if it names a flag, which then exists even if no route uses it.
    pub flag: Option<FlagKind>,
    /// Set if it is accepted although it changes nothing here.
    pub without_effect: Option<WithoutEffect>,
}

/// Why a parameter changes nothing here; the script's author is told when it loads.
#[derive(Clone, Copy, Debug)]
pub struct WithoutEffect {
    /// The value that asks for what happens here anyway: it needs no word.
    pub ours: Option<i32>,
    /// The reason.
    pub why: &'static str,
}

impl Parameter {
    /// A parameter that takes a number.
    pub const fn int(name: &'static str) -> Self {
        Self::new(name, ParameterKind::Int)
    }

    /// A parameter that takes a text.
    pub const fn str(name: &'static str) -> Self {
        Self::new(name, ParameterKind::Str)
    }

    /// A parameter that takes a number or a text.
    pub const fn any(name: &'static str) -> Self {
        Self::new(name, ParameterKind::Any)
    }

    const fn new(name: &'static str, kind: ParameterKind) -> Self {
        Self { name, kind, built: true, flag: None, without_effect: None }
    }

    /// The same, accepted although it changes nothing here, and why. A value that asks for what
    /// happens anyway (`ours`) needs no word.
    pub const fn without_effect(self, ours: Option<i32>, why: &'static str) -> Self {
        Self { without_effect: Some(WithoutEffect { ours, why }), ..self }
    }

    /// A parameter that takes the name of a flag (spec/script.md §10).
    pub const fn flag(name: &'static str, flag: FlagKind) -> Self {
        Self { flag: Some(flag), ..Self::str(name) }
    }

    /// A parameter that we know and do not obey yet.
    pub const fn planned(name: &'static str) -> Self {
        Self { built: false, ..Self::any(name) }
    }
}

/// The parameters that a script gave to one module, in order.
#[derive(Debug)]
pub struct Parameters<'a> {
    pub(crate) given: Vec<(&'a str, &'a Setting)>,
}

impl<'a> Parameters<'a> {
    /// What a script gives to a module.
    pub(crate) fn of(setup: &'a Setup, module: ModuleId) -> Self {
        let of_module = setup.modparams.iter().filter(|param| param.module == module);
        Self { given: of_module.map(|param| (param.name.as_str(), &param.value)).collect() }
    }

    /// All texts given to `name`, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.given.iter().filter(move |(given, _)| *given == name).filter_map(|(_, it)| it.str())
    }

    /// The number last given to `name`.
    pub fn int(&self, name: &str) -> Option<i32> {
        self.given.iter().rev().find(|(given, _)| *given == name)?.1.int()
    }

    /// The text last given to `name`.
    pub fn str(&self, name: &str) -> Option<&'a str> {
        self.given.iter().rev().find(|(given, _)| *given == name)?.1.str()
    }

    /// All texts given to `name`, in order: for parameters that may be repeated.
    pub fn all_str<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'a str> + 'p {
        let given = self.given.iter().filter(move |(given, _)| *given == name);
        given.filter_map(|(_, setting)| setting.str())
    }

    /// A number of at least `min`, or `default` if none was given.
    ///
    /// # Errors
    /// When the given number is smaller.
    pub fn at_least(&self, name: &str, default: i32, min: i32) -> Result<u32, String> {
        let value = self.int(name).unwrap_or(default);
        match u32::try_from(value) {
            Ok(number) if value >= min => Ok(number),
            _ => Err(format!("{name} must be at least {min}, not {value}")),
        }
    }

    /// A number between `min` and `max`, or `default` if none was given.
    ///
    /// # Errors
    /// When the given number is outside.
    pub fn within(&self, name: &str, default: i32, min: i32, max: i32) -> Result<u32, String> {
        match self.at_least(name, default, min)? {
            number if i64::from(number) <= i64::from(max) => Ok(number),
            number => Err(format!("{name} must be at most {max}, not {number}")),
        }
    }

    /// A switch: any number but 0 is on.
    pub fn switch(&self, name: &str, default: bool) -> bool {
        self.int(name).map_or(default, |value| value != 0)
    }
}
