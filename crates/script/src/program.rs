//! A loaded script, ready to run: flat instructions and the tables they point into.

use crate::catalog::{FlagKind, FunctionId, RouteKind, TransformId, VariableId};
use crate::host::{Context, Index};
use crate::limits::{FLAGS_MAX, SUBSTITUTION_VARIABLES_MAX};
use crate::pattern::{Pattern, PatternFlags};
use crate::script::LoadedModule;
use crate::transform::BuiltIn;
use crate::value::Setting;
use std::net::IpAddr;

/// Number of a route block in its [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub(crate) u32);

impl RouteId {
    /// The number, to be kept where routes are not known.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The compiled route blocks of a script. Never changes once loaded; shared by all workers.
#[derive(Debug, Default)]
pub struct Program {
    pub(crate) ops: Vec<Op>,
    /// Where each instruction comes from: file and line.
    pub(crate) places: Vec<(u16, u32)>,
    pub(crate) files: Vec<String>,
    pub(crate) literals: Vec<u8>,
    pub(crate) variables: Vec<VarSpec>,
    pub(crate) transforms: Vec<TransSpec>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) calls: Vec<CallSpec>,
    pub(crate) arguments: Vec<ArgSpec>,
    pub(crate) switches: Vec<SwitchSpec>,
    pub(crate) cases: Vec<(Label, u32)>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) nets: Vec<(IpAddr, u8)>,
    pub(crate) substitutions: Vec<crate::transform::Substitution>,
    pub(crate) routes: Vec<Route>,
    pub(crate) vars: Vec<String>,
    /// What some of them are when a run starts, by their number.
    pub(crate) presets: Vec<(u32, Setting)>,
    pub(crate) flags: [Vec<String>; 3],
    pub(crate) functions: Vec<FunctionId>,
    pub(crate) settings: RunSettings,
    /// Whose names a format string made at run time may use.
    pub(crate) modules: Vec<LoadedModule>,
}

/// A format string compiled while the script runs (`{s.eval}`), in a program of its own.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) program: Program,
    pub(crate) pieces: (u32, u32),
}

/// One block.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its kind.
    pub kind: RouteKind,
    /// Its name; `0` for a default block.
    pub name: String,
    /// The seconds between two runs of a `timer_route`.
    pub interval_seconds: Option<u32>,
    pub(crate) entry: u32,
}

impl Route {
    /// The entry of a block that only an earlier script had: to run it ends the run.
    pub(crate) const UNDEFINED: u32 = 0;

    pub(crate) fn is_defined(&self) -> bool {
        self.entry != Self::UNDEFINED
    }

    pub(crate) fn is(&self, kind: RouteKind, name: &str) -> bool {
        self.kind == kind && self.name == name
    }
}

impl Program {
    /// The block of this kind and name; `0` names a default block.
    pub fn route(&self, kind: RouteKind, name: &str) -> Option<RouteId> {
        self.routes().find(|(_, route)| route.is(kind, name)).map(|(id, _)| id)
    }

    /// All blocks with their numbers, in the order of the file that first had them.
    pub fn routes(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        let all = self.routes.iter().enumerate();
        all.map(|(at, route)| (RouteId(at as u32), route)).filter(|(_, route)| route.is_defined())
    }

    /// The block with this number.
    pub fn route_info(&self, route: RouteId) -> Option<&Route> {
        self.routes.get(route.0 as usize).filter(|route| route.is_defined())
    }

    /// The block with the number that [`RouteId::number`] gave, kept somewhere in between; none if
    /// a [reload](crate::Script::reload) took it away.
    pub fn route_numbered(&self, number: u32) -> Option<RouteId> {
        self.route_info(RouteId(number)).map(|_| RouteId(number))
    }

    /// The names that numbers were given to and the settings, for a program that comes in place of
    /// this one.
    pub(crate) fn names(&self) -> Self {
        let undefined = |route: &Route| Route {
            entry: Route::UNDEFINED,
            interval_seconds: None,
            ..route.clone()
        };
        Self {
            routes: self.routes.iter().map(undefined).collect(),
            flags: self.flags.clone(),
            settings: self.settings,
            ..Self::default()
        }
    }

    /// Whether any block calls this function (`forward()` switches stateless relaying on).
    pub fn needs(&self, function: FunctionId) -> bool {
        self.functions.contains(&function)
    }

    /// The literal texts that the calls of a function have at a position (from 0), in the order of
    /// the file: names that the host makes known when it starts.
    pub fn literals(&self, function: FunctionId, position: usize) -> impl Iterator<Item = &[u8]> {
        let calls = self.calls.iter().filter(move |call| call.function == function);
        calls.filter_map(move |call| {
            let (from, to) = call.args;
            let args = self.arguments.get(from as usize..to as usize)?;
            match *args.get(position)? {
                ArgSpec::Literal(start, len) => Some(self.literal(start, len)),
                _ => None,
            }
        })
    }

    /// Whether anything of the script names this variable.
    pub fn reads(&self, variable: VariableId) -> bool {
        self.variables.iter().any(|spec| spec.target == Target::Host(variable))
    }

    /// Whether the script loads a module.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module.name == name)
    }

    /// Gives `$var(name)` a value at the start of each run, in place of NULL: for variables that
    /// module parameters set.
    pub fn preset_var(&mut self, name: &str, value: Setting) {
        let known = self.vars.iter().position(|var| var == name);
        let slot = known.unwrap_or_else(|| {
            self.vars.push(name.to_owned());
            self.vars.len() - 1
        });
        self.presets.push((slot as u32, value));
    }

    /// The names of the flags of a kind; a name's place is its bit number.
    pub fn flag_names(&self, kind: FlagKind) -> &[String] {
        &self.flags[flag_space(kind)]
    }

    /// The bit number of a flag, given out now if the name is new: for flags that are named in
    /// module parameters. `None` if all 32 bits are taken.
    pub fn allocate_flag(&mut self, kind: FlagKind, name: &str) -> Option<u8> {
        if let Some(bit) = self.flag(kind, name) {
            return Some(bit);
        }
        let names = &mut self.flags[flag_space(kind)];
        if name.is_empty() || names.len() >= FLAGS_MAX {
            return None;
        }
        names.push(name.to_owned());
        Some(names.len() as u8 - 1)
    }

    /// The bit number of a flag.
    pub fn flag(&self, kind: FlagKind, name: &str) -> Option<u8> {
        self.flag_names(kind).iter().position(|n| n == name).map(|bit| bit as u8)
    }

    pub(crate) fn literal(&self, start: u32, len: u32) -> &[u8] {
        &self.literals[start as usize..(start + len) as usize]
    }
}

pub(crate) fn flag_space(kind: FlagKind) -> usize {
    match kind {
        FlagKind::Message => 0,
        FlagKind::Branch => 1,
        FlagKind::Dialog => 2,
    }
}

/// What global settings tell the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunSettings {
    pub(crate) while_loops_max: u32,
    pub(crate) format_bytes_max: usize,
    pub(crate) xlog_bytes_max: usize,
    pub(crate) xlog_print_level: i32,
    pub(crate) asserts: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            while_loops_max: crate::limits::WHILE_LOOPS_DEFAULT,
            format_bytes_max: crate::limits::FORMAT_BYTES_DEFAULT,
            xlog_bytes_max: crate::limits::XLOG_BYTES_DEFAULT,
            xlog_print_level: 2,
            asserts: false,
        }
    }
}

/// A value on the machine's stack. Text lies in the scratch memory or among the literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// An expression failed: there is no value, not even NULL.
    Nothing,
    Null,
    /// An integer from a variable or a calculation: it has a text form too.
    Int(i32),
    /// A number literal: integer form only.
    Number(i32),
    Literal(u32, u32),
    Scratch(u32, u32),
    ScratchInt(u32, u32, i32),
}

impl Slot {
    #[inline]
    pub(crate) fn int(self) -> Option<i32> {
        match self {
            Self::Int(n) | Self::Number(n) | Self::ScratchInt(_, _, n) => Some(n),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn bytes<'a>(self, program: &'a Program, scratch: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Literal(start, len) => Some(program.literal(start, len)),
            Self::Scratch(start, len) | Self::ScratchInt(start, len, _) => {
                scratch.get(start as usize..(start + len) as usize)
            }
            _ => None,
        }
    }
}

/// An evaluated argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Omitted,
    Value(Slot),
    Variable {
        target: Target,
        context: Context,
        name: Option<Slot>,
        key: Option<u32>,
        index: Index,
    },
    Regex(u32),
    CachedRegex(u32),
    Substitution {
        compiled: Compiled,
        values: [Slot; SUBSTITUTION_VARIABLES_MAX],
    },
    Route(RouteId),
    Flag(u8),
}

/// Where a substitution is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compiled {
    Program(u32),
    Cache(u32),
}

/// Who holds a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Host(VariableId),
    /// `$var(x)` with a constant name.
    Var(u32),
    /// `$var($…)`.
    VarNamed,
    ParamAt(i32),
    ParamNamed,
    ReturnAt(i32),
    ReturnNamed,
    ReturnCode,
    Route,
    RouteName,
    RouteType,
    ConfigLine,
    ConfigFile,
    Dollar,
}

/// A variable as written at one place of the script.
#[derive(Clone, Debug)]
pub(crate) struct VarSpec {
    pub(crate) target: Target,
    pub(crate) context: Context,
    pub(crate) name: NameSpec,
    pub(crate) index: IndexSpec,
    /// First and last+1 of the transformations.
    pub(crate) transforms: (u32, u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum NameSpec {
    None,
    Fixed {
        start: u32,
        len: u32,
        key: Option<u32>,
    },
    Dynamic(u32),
    /// Pieces from, to; what variables bring is escaped.
    Path(u32, u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum IndexSpec {
    Plain(Index),
    Dynamic(u32),
    /// `[$var(n)/active]`
    DynamicActive(u32),
}

/// One transformation with its arguments (at most [`TRANSFORM_ARGS_MAX`]).
#[derive(Clone, Debug)]
pub(crate) struct TransSpec {
    pub(crate) op: TransOp,
    pub(crate) index: Option<i32>,
    pub(crate) args: [TransArg; TRANSFORM_ARGS_MAX],
    pub(crate) count: u8,
}

/// No transformation takes more arguments.
pub(crate) const TRANSFORM_ARGS_MAX: usize = 3;

#[derive(Clone, Copy, Debug)]
pub(crate) enum TransOp {
    BuiltIn(BuiltIn),
    Substitute(u32),
    Host(TransformId),
    /// `{s.eval}`.
    Eval,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TransArg {
    None,
    /// A literal with an integer form.
    Int(i32, u32, u32),
    Text(u32, u32),
    Variable(u32),
}

/// A piece of a format string.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    Literal(u32, u32),
    Variable(u32),
}

/// A call with its arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSpec {
    pub(crate) function: FunctionId,
    pub(crate) args: (u32, u32),
}

/// An argument as written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ArgSpec {
    Omitted,
    Null,
    Number(i32),
    Literal(u32, u32),
    /// Pieces from, to.
    Format(u32, u32),
    /// A variable that must have an integer form.
    IntVariable(u32),
    /// A variable that must have a text form.
    TextVariable(u32),
    /// A variable passed by value, NULL included.
    AnyVariable(u32),
    /// A variable the function writes.
    Output(u32),
    Regex(u32),
    RegexVariable(u32, PatternFlags),
    /// A substitution and the variables of its replacement.
    Substitution {
        at: u32,
        vars: [u32; SUBSTITUTION_VARIABLES_MAX],
        count: u8,
    },
    SubstitutionVariable(u32),
    Route(RouteId),
    /// A route whose name is known at run time.
    RouteVariable(RouteKind, u32),
    RouteFormat(RouteKind, u32, u32),
    Flag(u8),
}

/// A `switch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwitchSpec {
    pub(crate) selector: u32,
    pub(crate) cases: (u32, u32),
    pub(crate) otherwise: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Label {
    Text(u32, u32),
    Number(i32),
}

/// One instruction. `cond` is the three-valued result of a condition, `code` the result of an
/// action; jumps name instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    // Values, on the stack.
    PushNumber(i32),
    PushLiteral(u32, u32),
    PushNull,
    PushVariable(u32),
    /// The code of the last action.
    PushCode,
    Binary(BinaryOp),
    Complement,
    /// A comparison as a value: 0 or 1.
    CompareValue(CompareOp),

    // Conditions.
    Compare(CompareOp),
    CompareNet(u32, bool),
    Match(u32, bool),
    MatchVariable(bool),
    /// The truth of the value on the stack, a lone variable or number.
    Truth,
    /// The truth of an action: 0 ends the script.
    TruthOfCode,
    /// The truth of statements in a condition: those that ran left `rc`.
    TruthOfBlock,
    Not,
    Jump(u32),
    JumpUnlessTrue(u32),
    JumpUnlessFalse(u32),
    /// The condition is complete: an error is logged and becomes false.
    Decide(u32),

    // Actions; each leaves `code`.
    Call(u32),
    CallRoute(RouteId, u32, u32),
    /// A computed route name: the first argument.
    CallRouteNamed(u32, u32),
    Assign(u32, AssignOp),
    Xlog {
        level: XlogLevel,
        format: (u32, u32),
    },
    Log {
        level: i32,
        text: (u32, u32),
    },
    NotImplemented,
    AssertFailed(u32, u32),
    Async {
        call: u32,
        resume: RouteId,
        timeout: Option<u32>,
    },
    Launch {
        call: u32,
        report: Option<RouteId>,
        text: Option<(u32, u32)>,
    },

    // Statements.
    /// A statement begins here (the host may trace it).
    Begin,
    /// An action is over: `code` becomes `$rc`; 0 ends the script.
    Done,
    /// An `if` without executed statement: `$rc` is the condition.
    IfSkipped,
    /// The result of a block or `for` that may have executed nothing.
    Fresh,
    /// The same of a `while`, whose condition still sees the `$rc` from before.
    FreshWhile,
    Return {
        values: (u32, u32),
        code: ReturnCode,
    },
    Exit,
    Drop,
    /// The closing brace of a block.
    EndOfRoute,
    LoopEnter,
    LoopRound(u32),
    LoopLeave,
    /// Iterator, list (without index), end.
    ForRound {
        iterator: u32,
        list: u32,
        end: u32,
        parse: bool,
    },
    /// The list of a `for` has no `[*]`; its iterator.
    ForRefused(u32),
    Switch(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ReturnCode {
    Number(i32),
    Variable(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum XlogLevel {
    Default,
    Number(i32),
    Variable(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Match,
    NotMatch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssignOp {
    Set,
    SetAll,
    With(BinaryOp),
}
