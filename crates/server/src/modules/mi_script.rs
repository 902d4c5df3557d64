//! `mi_script`: management commands in scripts (spec/dialog.md §13, spec/script.md §15).
//!
//! A command that only looks at things runs in place. One that waits for what others do (the reply
//! to a request, the turn of this very call) runs on a thread of its own, and the script's run waits
//! with its call: a worker never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use duologue_script::{Args, Called, Param, ParamKind, RouteKinds, Value as ScriptValue};
use serde_json::{Map, Value, json};

use super::mi::NOT_TRACED;
use crate::commands::{CommandFailed, Commands};
use crate::context::Context;
use crate::module::{AsyncFunction, Function, Module, Parameter, Parameters, Settings};
use crate::waiting::{Begun, Completion, Pending};

/// How many commands of scripts may run beside the workers at a time.
pub const RUNNING_MAX: usize = 32;

/// How many bytes a result may have: a script is to look at it, not to keep a table in a variable.
pub const RESULT_BYTES_MAX: usize = 1 << 20;

/// The code of a command that could not be run at all.
const NOT_RUN: i32 = -1;

/// The code of a command whose result did not fit, or whose variable cannot be written.
const NOT_STORED: i32 = -3;

const PARAMS: &[Param] = &[
    Param::new(ParamKind::Str),
    Param::optional(ParamKind::Var),
    Param::optional(ParamKind::Var),
    Param::optional(ParamKind::Var),
];

/// The declaration.
pub static MODULE: Module = Module {
    name: "mi_script",
    functions: &[Function::new("mi", PARAMS, RouteKinds::all(), mi).checked(check)],
    asynchronous: &[AsyncFunction::new("mi", PARAMS, begin).checked(check)],
    parameters: &[
        Parameter::int("pretty_printing"),
        Parameter::str("trace_destination").without_effect(None, NOT_TRACED),
        Parameter::str("trace_bwlist").without_effect(None, NOT_TRACED),
    ],
    configure,
    ..Module::EMPTY
};

/// The module's parameters, and what runs.
#[derive(Debug)]
pub struct MiScriptSettings {
    pretty_printing: bool,
    running: Arc<AtomicUsize>,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let pretty_printing = parameters.switch("pretty_printing", false);
    Ok(Box::new(MiScriptSettings { pretty_printing, running: Arc::default() }))
}

fn check(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if text.trim().is_empty() => Err("the name of a command is needed".to_owned()),
        _ => Ok(()),
    }
}

fn mi(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(asked) = Asked::of(ctx, args) else { return Called::Value(NOT_RUN) };
    if asked.commands.waits(&asked.command) {
        let (pending, completion) = Pending::until_told(ctx);
        if let Some(called) = ctx.park(pending) {
            // A thread that is not to be had tells the run so, by dropping the completion.
            asked.run_beside(ctx, completion);
            return called;
        }
    }
    Called::Value(asked.run(false).store(ctx, Some(args)))
}

fn begin(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Begun {
    let Some(asked) = Asked::of(ctx, args) else { return Begun::Done(NOT_RUN) };
    let (pending, completion) = Pending::until_told(ctx);
    asked.run_beside(ctx, completion);
    Begun::Waits(pending)
}

/// A command that a script wants to run.
struct Asked {
    commands: Arc<dyn Commands>,
    command: String,
    params: Value,
    pretty: bool,
}

impl Asked {
    /// `None` if the arguments do not fit, or if nobody gave commands to this proxy.
    fn of(ctx: &Context<'_>, args: &Args<'_>) -> Option<Self> {
        let node = ctx.turn.node;
        let Some(commands) = node.commands.get().map(Arc::clone) else {
            tracing::warn!(call_id = %ctx.turn.call_id(), "mi(): there are no commands (yet)");
            return None;
        };
        let text = String::from_utf8_lossy(args.str(0)?);
        let mut words = text.split_ascii_whitespace();
        let command = words.next()?.to_owned();
        let params = if args.has(2) {
            params_of(avp(ctx, args, 2)?, args.has(3).then(|| avp(ctx, args, 3)))?
        } else {
            words.map(Value::from).collect()
        };
        let pretty = node.settings::<MiScriptSettings>().pretty_printing;
        Some(Self { commands, command, params, pretty })
    }

    fn run(self, may_wait: bool) -> Outcome {
        let result = self.commands.run(&self.command, self.params, may_wait, RESULT_BYTES_MAX);
        match result {
            Ok(text) if self.pretty => match serde_json::from_str::<Value>(&text) {
                Ok(value) => Outcome::Result(format!("{value:#}")),
                Err(_) => Outcome::Result(text),
            },
            Ok(text) => Outcome::Result(text),
            Err(failed) => Outcome::Failed(failed),
        }
    }

    /// Runs it on a thread of its own; dropped, the completion says that there is none.
    fn run_beside(self, ctx: &Context<'_>, completion: Completion) {
        let running = Arc::clone(&ctx.turn.node.settings::<MiScriptSettings>().running);
        let Some(place) = Place::take(running) else {
            tracing::warn!(call_id = %ctx.turn.call_id(), "mi(): {RUNNING_MAX} commands are running");
            return;
        };
        let run = move || {
            let outcome = self.run(true);
            drop(place);
            completion.finish(move |ctx, args| outcome.store(ctx, args));
        };
        if let Err(error) = std::thread::Builder::new().name("mi_script".to_owned()).spawn(run) {
            tracing::warn!(call_id = %ctx.turn.call_id(), "mi(): {error}");
        }
    }
}

/// One of the commands that may run beside the workers.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(running: Arc<AtomicUsize>) -> Option<Self> {
        let before = running.fetch_add(1, Ordering::Relaxed);
        // It counts itself out again if it is one too many.
        let place = Self(running);
        (before < RUNNING_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What came of a command.
enum Outcome {
    /// JSON.
    Result(String),
    Failed(CommandFailed),
}

impl Outcome {
    /// Result or error description into the variable; the code of the function: 1, or the error's as
    /// a negative number.
    fn store(self, ctx: &mut Context<'_>, args: Option<&mut Args<'_>>) -> i32 {
        let (code, text) = match self {
            Self::Result(text) => (1, text),
            Self::Failed(CommandFailed::Told(code, text)) => {
                let code = i32::try_from(code.saturating_abs()).unwrap_or(i32::MAX);
                (if code == 0 { NOT_RUN } else { -code }, text)
            }
            Self::Failed(CommandFailed::TooLong) => {
                tracing::warn!(
                    call_id = %ctx.turn.call_id(),
                    "mi(): the result has more than {RESULT_BYTES_MAX} bytes"
                );
                (NOT_STORED, "the result is too long".to_owned())
            }
        };
        let stored = args.map(|args| args.store(ctx, 1, ScriptValue::Str(text.as_bytes())));
        if stored.is_some_and(|stored| stored.is_err()) { NOT_STORED } else { code }
    }
}

/// The values of an AVP as parameters, in the order in which the script gave them.
fn avp(ctx: &Context<'_>, args: &Args<'_>, at: usize) -> Option<Vec<Value>> {
    let access = args.variable(at)?;
    let name = access.name?;
    if !ctx.turn.node.catalog.variable(access.id).names.contains(&"avp") {
        return None;
    }
    let mut values: Vec<Value> = ctx.draft.avps.values(name).map(param).collect();
    values.reverse();
    Some(values)
}

/// A value as a parameter; `__array(a b)` is an array of two.
fn param(value: ScriptValue<'_>) -> Value {
    let text = match value {
        ScriptValue::Null => return Value::Null,
        ScriptValue::Int(number) => return number.into(),
        ScriptValue::Str(text) | ScriptValue::StrInt(text, _) => String::from_utf8_lossy(text),
    };
    match text.strip_prefix("__array(").and_then(|rest| rest.strip_suffix(')')) {
        Some(items) => items.split_ascii_whitespace().map(Value::from).collect(),
        None => json!(text),
    }
}

/// One list alone has the values, two have names and values: as many of the one as of the other.
fn params_of(first: Vec<Value>, values: Option<Option<Vec<Value>>>) -> Option<Value> {
    let Some(values) = values else { return Some(first.into()) };
    let values = values?;
    if first.len() != values.len() {
        return None;
    }
    let names = first.into_iter().map(|name| match name {
        Value::String(name) => name,
        other => other.to_string(),
    });
    Some(names.zip(values).collect::<Map<_, _>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_values_or_pairs() {
        let texts = |list: &[&str]| list.iter().map(|&text| Value::from(text)).collect::<Vec<_>>();
        assert_eq!(params_of(texts(&["a", "b"]), None), Some(json!(["a", "b"])));
        let named = params_of(texts(&["x", "y"]), Some(Some(texts(&["1", "2"]))));
        assert_eq!(named, Some(json!({"x": "1", "y": "2"})));
        assert_eq!(params_of(texts(&["x"]), Some(Some(Vec::new()))), None);
        assert_eq!(params_of(texts(&["x"]), Some(None)), None, "no AVP");
    }

    #[test]
    fn an_array_is_written_as_a_call() {
        assert_eq!(param(ScriptValue::Str(b"__array(tm: sl:)")), json!(["tm:", "sl:"]));
        assert_eq!(param(ScriptValue::Str(b"__array(open")), json!("__array(open"));
        assert_eq!(param(ScriptValue::Int(-3)), json!(-3));
    }
}
