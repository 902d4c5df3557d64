//! A module of one's own: `calls_within(who, most)` counts the calls of somebody in a profile and
//! tells the script whether this one may go on.
//!
//! ```text
//! cargo run --example call_limiter
//! sipp -sn uas -i 127.0.0.1 -p 5070
//! sipp -sn uac -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -d 5000 -r 5 -m 10 127.0.0.1:5070
//! ```

use std::error::Error;
use std::sync::OnceLock;

use duologue::dialog::{LinkOrigin, Profile, ProfileKind};
use duologue::language::{Args, Called, Param, ParamKind, RouteKinds};
use duologue::server::context::Context;
use duologue::server::module::{Function, Module};
use duologue::{Overrides, Plan, Server, script};

/// The declaration: all that this module adds to scripts.
pub(crate) static MODULE: Module = Module {
    name: "call_limiter",
    functions: &[Function::new("calls_within", PARAMS, RouteKinds::REQUEST, calls_within)],
    configure: |_| Ok(Box::new(Limiter::default())),
    ..Module::EMPTY
};

const PARAMS: &[Param] = &[Param::new(ParamKind::Str), Param::new(ParamKind::Int)];

/// The profile, once somebody has called.
#[derive(Default)]
struct Limiter {
    calls: OnceLock<Option<Profile>>,
}

fn calls_within(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    Called::Value(if try_count(ctx, args).unwrap_or(false) { 1 } else { -1 })
}

/// Counts this call first and then looks, so that two calls at once cannot both be the last that
/// fits. A call that is refused ends, and with it its count.
fn try_count(ctx: &mut Context<'_>, args: &Args<'_>) -> Option<bool> {
    let (who, most) = (args.str(0)?, usize::try_from(args.int(1)?).ok()?);
    let dialog = ctx.dialog()?;
    let limiter: &Limiter = ctx.turn.node.settings();
    let define = || dialog.table().add_profiles("calls_of", ProfileKind::Value).ok()?.pop();
    let calls = limiter.calls.get_or_init(define).as_ref()?;
    dialog.set_profile(calls, Some(who), LinkOrigin::Own).ok()?;
    Some(calls.size(Some(who)) <= most)
}

#[allow(dead_code, reason = "the test of this example runs the module in virtual time")]
fn main() -> Result<(), Box<dyn Error>> {
    let script = "examples/call_limiter.cfg";
    let plan = Plan::load(script, &script::Files, &[&MODULE], Overrides::default())?;
    let _server = Server::start(plan)?;
    println!("two calls at a time to anybody, by udp:127.0.0.1:5060; end with ^C");
    loop {
        std::thread::park();
    }
}
