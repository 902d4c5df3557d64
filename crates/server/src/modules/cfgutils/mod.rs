//! `cfgutils`: chance, time, shared variables and locks for scripts (spec/modules.md §25).

mod clock;
mod config_hash;
mod lists;
mod locks;
mod memory;
mod random;
mod recurrence;
mod shared;
mod sleep;
mod time_expression;

use std::sync::Arc;

use duologue_script::{
    Args, Assign, Called, Param, ParamKind, ParameterKind, Reading, RouteKinds, Setting, Subname,
    Text, Value, VarAccess, WriteError,
};
use jiff::Timestamp;

use crate::context::Context;
use crate::module::{Function, Host, Module, Parameter, Parameters, Refusal, Settings, Variable};

pub use config_hash::ConfigHash;
use locks::Key;
pub use locks::{HELD_MAX, HeldLocks, LOCK_WAIT_MAX, Locks};
pub use random::Probability;
use random::Random;
pub use shared::{SHARED_BYTES_MAX, SHARED_MAX, SHARED_NAME_MAX, SharedValue, SharedVars};
use time_expression::Expression;

const STR: Param = Param::new(ParamKind::Str);
const STATIC: Param = Param::new(ParamKind::Static);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_INT: Param = Param::optional(ParamKind::Int);
const VAR: Param = Param::new(ParamKind::Var);
const ANY_VAR: Param = Param::new(ParamKind::AnyVar);
const OPTIONAL_VAR: Param = Param::optional(ParamKind::Var);
const ANY: RouteKinds = RouteKinds::all();

/// The declaration.
pub static MODULE: Module = Module {
    name: "cfgutils",
    functions: &[
        Function::new("rand_event", &[OPTIONAL_INT], ANY, rand_event),
        Function::new("rand_set_prob", &[INT], ANY, rand_set_prob),
        Function::new("rand_reset_prob", &[], ANY, rand_reset_prob),
        Function::new("rand_get_prob", &[], ANY, rand_get_prob),
        Function::new("sleep", &[INT], ANY, sleep::sleep).checked(sleep::check_seconds),
        Function::new("usleep", &[INT], ANY, sleep::usleep).checked(sleep::check_micros),
        Function::new("abort", &[], ANY, abort),
        Function::new("pkg_status", &[], ANY, memory::status),
        Function::new("shm_status", &[], ANY, memory::status),
        Function::new("set_count", &[ANY_VAR, VAR], ANY, lists::count),
        Function::new("set_select_weight", &[ANY_VAR], ANY, lists::pick),
        Function::new("shuffle_avps", &[VAR], ANY, lists::shuffle),
        Function::new("get_accurate_time", &[VAR, VAR, OPTIONAL_VAR], ANY, clock::accurate),
        Function::new(
            "ts_usec_delta",
            &[INT, INT, INT, INT, OPTIONAL_VAR, OPTIONAL_VAR],
            ANY,
            clock::delta,
        ),
        Function::new("get_static_lock", &[STATIC], ANY, get_static_lock),
        Function::new("release_static_lock", &[STATIC], ANY, release_static_lock),
        Function::new("get_dynamic_lock", &[STR], ANY, get_dynamic_lock),
        Function::new("release_dynamic_lock", &[STR], ANY, release_dynamic_lock),
        Function::new("strings_share_lock", &[STR, STR], ANY, strings_share_lock),
        Function::new("check_time_rec", &[STR, OPTIONAL_INT], ANY, check_time_rec)
            .checked(check_recurrence),
    ],
    variables: &[
        Variable::new(&["shv"], shared).writable(set_shared).named(Subname::Required),
        Variable::new(&["RANDOM"], number),
        Variable::new(&["ctime"], clock::ctime)
            .named(Subname::Required)
            .resolved(clock::check_field),
        Variable::new(&["env"], environment).named(Subname::Required),
    ],
    parameters: &[
        Parameter::str("shvset"),
        Parameter::str("varset"),
        Parameter { kind: ParameterKind::Any, ..Parameter::int("initial_probability") },
        Parameter::str("hash_file"),
        // The size of a table that grows by itself here.
        Parameter::int("shv_hash_size"),
        Parameter::int("lock_pool_size"),
    ],
    asynchronous: sleep::ASYNC,
    configure,
    start,
    ..Module::EMPTY
};

/// What the module keeps for all workers.
#[derive(Debug)]
pub struct CfgutilsSettings {
    /// `$shv`.
    pub shared: SharedVars,
    /// Of `rand_event()`.
    pub probability: Probability,
    /// Of the file that `hash_file` names.
    pub config_hash: Option<ConfigHash>,
    /// What `$var` holds at the start of each run.
    pub varset: Vec<(String, Setting)>,
    locks: Arc<Locks>,
    random: Random,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let shared = SharedVars::default();
    for text in parameters.all_str("shvset") {
        let (name, value) = shared::assignment(text).map_err(|why| format!("shvset: {why}"))?;
        if !shared.set(name.as_bytes(), (&value).into()) {
            return Err(format!("shvset: more than {SHARED_MAX} variables"));
        }
    }
    let varset = parameters.all_str("varset").map(shared::assignment);
    let varset = varset.collect::<Result<_, _>>().map_err(|why| format!("varset: {why}"))?;
    let percent = match parameters.str("initial_probability") {
        Some(text) => text.trim().parse().ok(),
        None => Some(parameters.int("initial_probability").unwrap_or(10)),
    };
    let probability = percent.and_then(Probability::new);
    let pool = parameters.at_least("lock_pool_size", 32, 1)?;
    parameters.at_least("shv_hash_size", 64, 1)?;
    Ok(Box::new(CfgutilsSettings {
        shared,
        probability: probability.ok_or("initial_probability is a number from 0 to 100")?,
        config_hash: parameters.str("hash_file").map(ConfigHash::new),
        varset,
        locks: Arc::new(Locks::new(pool)),
        random: Random::default(),
    }))
}

fn start(host: &Host<'_>) -> Result<(), Refusal> {
    let settings: &CfgutilsSettings = host.settings();
    settings.random.seed(host.seed());
    match &settings.config_hash {
        Some(hash) => hash.read().map_err(Refusal::from),
        None => Ok(()),
    }
}

fn settings<'n>(ctx: &Context<'n>) -> &'n CfgutilsSettings {
    ctx.turn.node.settings()
}

fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}

// --- Chance -----------------------------------------------------------------------------------

/// True as often as its argument says, or the common probability.
fn rand_event(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let settings = settings(ctx);
    let percent = args.int(0).unwrap_or_else(|| settings.probability.get());
    yes_or_no(settings.random.happens(percent))
}

fn rand_set_prob(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(args.int(0).is_some_and(|percent| settings(ctx).probability.set(percent)))
}

fn rand_reset_prob(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    settings(ctx).probability.reset();
    Called::Value(1)
}

/// The percentage. None at all is −1: the result 0 would end the script.
fn rand_get_prob(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let percent = settings(ctx).probability.get();
    Called::Value(if percent > 0 { percent } else { -1 })
}

fn number(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Int(settings(ctx).random.number())
}

// --- Shared variables and the environment -----------------------------------------------------

/// `$shv(name)`: 0 until somebody sets it.
fn shared(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    match access.name.and_then(|name| settings(ctx).shared.get(name)) {
        Some(SharedValue::Int(number)) => Reading::Int(number),
        Some(SharedValue::Str(text)) => {
            out.push(&text);
            Reading::Str
        }
        None => Reading::Int(0),
    }
}

fn set_shared(
    ctx: &mut Context<'_>,
    access: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let name = access.name.ok_or(WriteError::BadValue)?;
    let shared = &settings(ctx).shared;
    let Some(value) = SharedValue::of(value) else {
        shared.unset(name);
        return Ok(());
    };
    if shared.set(name, value) { Ok(()) } else { Err(WriteError::BadValue) }
}

/// `$env(NAME)`: a variable of the process environment.
fn environment(_: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    let name = access.name.and_then(|name| std::str::from_utf8(name).ok());
    // A name with these cannot exist, and asking for it panics on some systems.
    let name = name.filter(|name| !name.contains(['=', '\0']));
    match name.and_then(std::env::var_os) {
        Some(value) => {
            out.push(value.as_encoded_bytes());
            Reading::Str
        }
        None => Reading::Null,
    }
}

// --- Locks ------------------------------------------------------------------------------------

fn get_static_lock(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = args.str(0) else { return Called::Value(-1) };
    get_lock(ctx, Key::Static(name.into()), name)
}

fn release_static_lock(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let key = args.str(0).map(|name| Key::Static(name.into()));
    yes_or_no(key.is_some_and(|key| ctx.draft.locks.release(&key)))
}

fn get_dynamic_lock(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(text) = args.str(0) else { return Called::Value(-1) };
    let key = settings(ctx).locks.dynamic(text);
    get_lock(ctx, key, text)
}

fn release_dynamic_lock(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let key = args.str(0).map(|text| settings(ctx).locks.dynamic(text));
    yes_or_no(key.is_some_and(|key| ctx.draft.locks.release(&key)))
}

fn get_lock(ctx: &mut Context<'_>, key: Key, name: &[u8]) -> Called {
    let locks = &settings(ctx).locks;
    let got = ctx.draft.locks.get(locks, key, LOCK_WAIT_MAX);
    if !got {
        let name = String::from_utf8_lossy(name);
        tracing::warn!(call_id = %ctx.turn.call_id(), "the lock {name} was not free in time");
    }
    yes_or_no(got)
}

fn strings_share_lock(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(one), Some(other)) = (args.str(0), args.str(1)) else { return Called::Value(-1) };
    let locks = &settings(ctx).locks;
    yes_or_no(locks.dynamic(one) == locks.dynamic(other))
}

// --- Times that come again, and the end -------------------------------------------------------

/// 1 inside, −1 outside, −2 if the expression makes no sense, −3 if the time does not.
fn check_time_rec(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = args.str(0).map(|text| std::str::from_utf8(text).unwrap_or("no text"));
    let expression = match Expression::parse(text.unwrap_or_default()) {
        Ok(expression) => expression,
        Err(why) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "check_time_rec(): {why}");
            return Called::Value(-2);
        }
    };
    let seconds = match args.int(1) {
        Some(given) => i64::from(given),
        None => i64::try_from(ctx.turn.now.unix).unwrap_or(i64::MAX),
    };
    match Timestamp::from_second(seconds) {
        Ok(moment) => yes_or_no(expression.contains(moment)),
        Err(_) => Called::Value(-3),
    }
}

/// Tries the expression when the script loads, unless variables are still to be put in.
fn check_recurrence(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if !text.contains('$') => Expression::parse(text).map(|_| ()),
        _ => Ok(()),
    }
}

/// Ends the program on the spot, for a look at its core.
fn abort(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    tracing::error!(call_id = %ctx.turn.call_id(), "abort(): the script ends the program");
    std::process::abort()
}
