//! `maxfwd`: the Max-Forwards limit (RFC 3261 §16.3 step 3, §16.6 step 3; spec/modules.md §5).

use duologue_script::{Args, Called, Param, ParamKind, RouteKinds};

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings};

const INT: Param = Param::new(ParamKind::Int);
const QFB: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::FAILURE).union(RouteKinds::BRANCH);

/// The declaration.
pub static MODULE: Module = Module {
    name: "maxfwd",
    functions: &[
        Function::new("mf_process_maxfwd_header", &[INT], RouteKinds::REQUEST, process),
        Function::new("is_maxfwd_lt", &[INT], QFB, is_lower),
    ],
    parameters: &[Parameter::int("max_limit")],
    configure,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Clone, Copy, Debug)]
pub struct MaxfwdSettings {
    /// The highest value that leaves.
    pub max_limit: u32,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    Ok(Box::new(MaxfwdSettings { max_limit: parameters.at_least("max_limit", 256, 1)? }))
}

/// Counts the hop: 1 decremented, 2 added, −1 no hop left, −2 not a number.
fn process(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let limit = ctx.turn.node.settings::<MaxfwdSettings>().max_limit;
    let start = u32::try_from(args.int(0).unwrap_or_default()).unwrap_or_default().min(limit);
    let (code, value) = match ctx.message.max_forwards() {
        Ok(None) => (2, start),
        Ok(Some(0)) => return Called::Value(-1),
        Ok(Some(hops)) => (1, (u32::from(hops) - 1).min(limit)),
        Err(_) => return Called::Value(-2),
    };
    let value = u8::try_from(value).unwrap_or(u8::MAX);
    ctx.draft.max_forwards = Some(value.into());
    let message = ctx.message;
    ctx.draft.edits.draft(message).set_max_forwards(value);
    Called::Value(code)
}

/// 1 if the value that leaves is lower than the argument, −1 if not, −2 without one.
fn is_lower(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let limit = i64::from(args.int(0).unwrap_or_default());
    let value = match ctx.draft.max_forwards {
        Some(value) => value,
        None => match ctx.message.max_forwards() {
            Ok(Some(value)) => value.into(),
            Ok(None) => return Called::Value(-2),
            Err(_) => return Called::Value(-3),
        },
    };
    Called::Value(if i64::from(value) < limit { 1 } else { -1 })
}
