//! `statistics`: counters that a script makes, changes and reads (spec/modules.md §24). They stand
//! beside the server's own in `get_statistics`; see [`crate::statistics`].

use std::collections::HashMap;
use std::sync::Arc;

use duologue_script::{
    Args, Assign, Called, Param, ParamKind, Reading, RouteKinds, Subname, Text, Value, VarAccess,
    WriteError,
};
use parking_lot::Mutex;

use crate::context::Context;
use crate::module::{Function, Host, Module, Parameter, Parameters, Refusal, Settings, Variable};
use crate::statistics::{Algorithm, DEFAULT_GROUP, Profile, counter};

const STR: Param = Param::new(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const VAR: Param = Param::new(ParamKind::Var);
const ALL_BUT_ERROR: RouteKinds = RouteKinds::all().difference(RouteKinds::ERROR);

/// How many iterators may be open; beyond it all that are open are forgotten.
const ITERATORS_MAX: usize = 1000;
/// The pieces of a window at most.
const SLOTS_MAX: u32 = 300;
/// The longest window in seconds: a day.
const WINDOW_MAX: u32 = 86_400;

/// The declaration.
pub static MODULE: Module = Module {
    name: "statistics",
    functions: &[
        Function::new("update_stat", &[STR, INT], ALL_BUT_ERROR, update).checked(check_name),
        Function::new("reset_stat", &[STR], ALL_BUT_ERROR, reset).checked(check_name),
        Function::new("stat_iter_init", &[STR, STR], ALL_BUT_ERROR, iterate),
        Function::new("stat_iter_next", &[VAR, VAR, STR], ALL_BUT_ERROR, next),
        Function::new("update_stat_series", &[STR, STR, INT], ALL_BUT_ERROR, update_series),
    ],
    variables: &[Variable::new(&["stat"], read).named(Subname::Required).writable(write)],
    parameters: &[
        Parameter::str("variable"),
        Parameter::str("stat_groups"),
        Parameter::str("stat_series_profile"),
    ],
    asynchronous: &[],
    configure,
    start,
    ..Module::EMPTY
};

/// What the script declared, and its iterators.
#[derive(Debug)]
pub struct StatisticsSettings {
    /// Name, and whether it may be reset.
    variables: Vec<(String, bool)>,
    groups: Vec<String>,
    profiles: Vec<Arc<Profile>>,
    /// By worker and name: an iterator lives where the script that opened it runs.
    iterators: Mutex<Iterators>,
}

type Iterators = HashMap<(usize, Box<[u8]>), Opened>;
type Opened = std::vec::IntoIter<(String, u64)>;

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let variables = parameters.all_str("variable").map(variable).collect::<Result<_, _>>()?;
    let groups = parameters.all_str("stat_groups").flat_map(|list| list.split(','));
    let groups = groups.map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned);
    let mut profiles: Vec<Arc<Profile>> = Vec::new();
    for text in parameters.all_str("stat_series_profile") {
        let profile = profile(text)?;
        if profiles.iter().any(|known| known.name == profile.name) {
            return Err(format!("stat_series_profile: {} was declared before", profile.name));
        }
        profiles.push(Arc::new(profile));
    }
    let groups = groups.collect();
    let iterators = Mutex::default();
    Ok(Box::new(StatisticsSettings { variables, groups, profiles, iterators }))
}

/// `name` or `group:name`, perhaps with `/no_reset` behind it.
fn variable(text: &str) -> Result<(String, bool), String> {
    let (name, flag) = match text.split_once('/') {
        Some((name, flag)) => (name.trim(), Some(flag.trim())),
        None => (text.trim(), None),
    };
    match flag {
        None => Ok((name.to_owned(), true)),
        Some("no_reset") => Ok((name.to_owned(), false)),
        Some(other) => Err(format!("variable: {other} is no flag; there is no_reset")),
    }
}

/// `name: algorithm=accumulate window=60 slots=60 group=dynamic percentage_factor=100`
fn profile(text: &str) -> Result<Profile, String> {
    let wrong = |why: &str| format!("stat_series_profile: {text}: {why}");
    let (name, rest) = text.split_once(':').ok_or_else(|| wrong("expected name: settings"))?;
    let mut profile = Profile {
        name: name.trim().to_owned(),
        algorithm: Algorithm::Accumulate,
        window_seconds: 60,
        slots: 0,
        group: DEFAULT_GROUP.to_owned(),
        percentage_factor: 100,
    };
    if profile.name.is_empty() {
        return Err(wrong("the profile needs a name"));
    }
    for setting in rest.split_whitespace() {
        let (name, value) = setting.split_once('=').ok_or_else(|| wrong("expected name=value"))?;
        let number = |max: u32| {
            let number = value.parse().ok().filter(|number| (1..=max).contains(number));
            number.ok_or_else(|| wrong(&format!("{name} is a number from 1 to {max}")))
        };
        match name {
            "algorithm" => {
                profile.algorithm = match value {
                    "accumulate" => Algorithm::Accumulate,
                    "average" => Algorithm::Average,
                    "percentage" => Algorithm::Percentage,
                    _ => return Err(wrong("algorithms are accumulate, average and percentage")),
                }
            }
            "window" => profile.window_seconds = number(WINDOW_MAX)?,
            "slots" => profile.slots = number(SLOTS_MAX)?,
            "group" => profile.group = value.to_owned(),
            "percentage_factor" => profile.percentage_factor = number(1_000_000)?,
            // The size of a table that grows by itself here.
            "hash_size" => {
                number(1 << 20)?;
            }
            _ => return Err(wrong(&format!("{name} is unknown"))),
        }
    }
    if profile.slots == 0 {
        profile.slots = profile.window_seconds.min(SLOTS_MAX);
    }
    Ok(profile)
}

fn start(host: &Host<'_>) -> Result<(), Refusal> {
    let settings: &StatisticsSettings = host.settings();
    let counters = &host.statistics().dynamic;
    let groups = settings.groups.iter();
    groups
        .chain(settings.profiles.iter().map(|profile| &profile.group))
        .for_each(|group| counters.declare_group(group));
    for (name, resettable) in &settings.variables {
        counters.declare(name, *resettable).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}

fn check_name(index: usize, text: &str) -> Result<(), String> {
    let (group, name) = text.split_once(':').unwrap_or((DEFAULT_GROUP, text));
    match index {
        0 if group.is_empty() || name.is_empty() => {
            Err("a statistic is named name or group:name".to_owned())
        }
        _ => Ok(()),
    }
}

/// Adds to a statistic; one that is unknown is made.
fn update(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(delta)) = (args.str(0), args.int(1)) else { return Called::Value(-1) };
    if delta == 0 {
        return Called::Value(1);
    }
    let counters = &ctx.turn.node.statistics.dynamic;
    // A counter of the server, unless the script has one of this name.
    if let Some(counter) = counter(name).filter(|_| !counters.contains(name)) {
        let shard = ctx.turn.statistics();
        let amount = u64::from(delta.unsigned_abs());
        if delta > 0 {
            shard.add(counter, amount);
        } else {
            // Not below zero, and shards are added up by wrapping.
            let amount = amount.min(ctx.turn.node.statistics.read(counter));
            shard.add(counter, amount.wrapping_neg());
        }
        return Called::Value(1);
    }
    match counters.update(name, delta) {
        Ok(()) => Called::Value(1),
        Err(error) => {
            let name = String::from_utf8_lossy(name);
            tracing::warn!(call_id = %ctx.turn.call_id(), "update_stat({name}): {error}");
            Called::Value(-1)
        }
    }
}

fn reset(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let now = ctx.turn.now;
    yes_or_no(args.str(0).is_some_and(|name| ctx.turn.node.reset_statistic(now, name)))
}

/// Opens an iterator over a group, or begins with it anew. Values are those of this moment.
fn iterate(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(group), Some(iterator)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let mut found = Vec::new();
    ctx.turn.node.visit_statistics(ctx.turn.now, &mut |listed| {
        if listed.group.as_bytes().eq_ignore_ascii_case(group) {
            found.push((listed.name.to_owned(), listed.value));
        }
    });
    if found.is_empty() {
        return Called::Value(-1);
    }
    let mut iterators = ctx.turn.node.settings::<StatisticsSettings>().iterators.lock();
    if iterators.len() >= ITERATORS_MAX {
        iterators.clear();
    }
    iterators.insert((ctx.turn.worker.index, iterator.into()), found.into_iter());
    Called::Value(1)
}

/// The next statistic of an iterator; −1 at its end.
fn next(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(iterator) = args.str(2) else { return Called::Value(-1) };
    let key = (ctx.turn.worker.index, Box::from(iterator));
    let next = {
        let mut iterators = ctx.turn.node.settings::<StatisticsSettings>().iterators.lock();
        let next = iterators.get_mut(&key).and_then(Iterator::next);
        if next.is_none() {
            iterators.remove(&key);
        }
        next
    };
    let Some((name, value)) = next else { return Called::Value(-1) };
    let digits = value.to_string();
    let value = match i32::try_from(value) {
        Ok(number) => Value::Int(number),
        Err(_) => Value::Str(digits.as_bytes()),
    };
    let stored = args.store(ctx, 0, Value::Str(name.as_bytes())).is_ok();
    yes_or_no(stored && args.store(ctx, 1, value).is_ok())
}

fn update_series(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(profile), Some(key), Some(value)) = (args.str(0), args.str(1), args.int(2)) else {
        return Called::Value(-1);
    };
    let settings: &StatisticsSettings = ctx.turn.node.settings();
    let profile = settings.profiles.iter().find(|known| known.name.as_bytes() == profile);
    let counters = &ctx.turn.node.statistics.dynamic;
    let updated = profile.map(|profile| counters.update_series(profile, key, value, ctx.turn.now));
    match updated {
        Some(Ok(())) => Called::Value(1),
        Some(Err(error)) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "update_stat_series(): {error}");
            Called::Value(-1)
        }
        None => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "update_stat_series(): no such profile");
            Called::Value(-1)
        }
    }
}

/// `$stat(name)`: NULL if there is none. A number beyond 32 bits is text only.
fn read(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    let now = ctx.turn.now;
    let value = access.name.and_then(|name| ctx.turn.node.read_statistic(now, name));
    let Some(value) = value else { return Reading::Null };
    match i32::try_from(value) {
        Ok(number) => Reading::Int(number),
        Err(_) => {
            out.push(value.to_string().as_bytes());
            Reading::Str
        }
    }
}

/// Whatever is assigned resets it.
fn write(
    ctx: &mut Context<'_>,
    access: &VarAccess<'_>,
    _: Assign,
    _: Value<'_>,
) -> Result<(), WriteError> {
    let now = ctx.turn.now;
    let known = access.name.is_some_and(|name| ctx.turn.node.reset_statistic(now, name));
    if known { Ok(()) } else { Err(WriteError::Missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §24, `variable`.
    #[test]
    fn variables_may_refuse_to_be_reset() {
        assert_eq!(variable("calls"), Ok(("calls".to_owned(), true)));
        assert_eq!(variable("g:calls/no_reset"), Ok(("g:calls".to_owned(), false)));
        assert!(variable("calls/other").is_err());
    }

    /// spec/modules.md §24, `stat_series_profile`.
    #[test]
    fn profiles_have_defaults() {
        let expected = Profile {
            name: "asr".to_owned(),
            algorithm: Algorithm::Percentage,
            window_seconds: 600,
            slots: 300,
            group: "calls".to_owned(),
            percentage_factor: 1000,
        };
        let text = "asr: algorithm=percentage window=600 group=calls hash_size=8 \
                    percentage_factor=1000";
        assert_eq!(profile(text), Ok(expected));
        let plain = profile("p:").unwrap();
        assert_eq!((plain.window_seconds, plain.slots), (60, 60));
        assert_eq!((plain.algorithm, &*plain.group), (Algorithm::Accumulate, "dynamic"));
        for bad in [
            "p",
            ": window=5",
            "p: window",
            "p: window=0",
            "p: window=x",
            "p: slots=301",
            "p: algorithm=median",
            "p: size=3",
        ] {
            assert!(profile(bad).is_err(), "{bad}");
        }
    }
}
