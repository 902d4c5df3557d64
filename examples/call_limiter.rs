//! A module of one's own: `calls_within(who, most)` counts the calls of somebody in a profile and
//! tells the script whether this one may go on. `examples/call_limiter.cfg` allows two to anybody.
//!
//! ```text
//! cargo run --example call_limiter
//! sipp -sn uas -i 127.0.0.1 -p 5070
//! sipp -sn uac -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -d 2000 -r 10 -m 3 127.0.0.1:5070
//! ```
//!
//! You will see, for the third of these calls:
//!
//! ```text
//! refused: sip:service@127.0.0.1:5070 has 2 calls
//! ```
//!
//! SIPp counts that call as failed; its error file has the `486 Too Many Calls`. Nothing refused?
//! Then the calls did not overlap: hold them longer (`-d`, in milliseconds) or call faster (`-r`).
//! It does not start? Then you are not in the folder where `examples/call_limiter.cfg` is found.

use std::process::ExitCode;
use std::sync::OnceLock;

use duologue::dialog::{LinkOrigin, Profile, ProfileKind};
use duologue::language::{Args, Called, Param, ParamKind, RouteKinds};
use duologue::server::context::Context;
use duologue::server::module::{Function, Host, Module, Refusal};

/// The declaration: all that this module adds to scripts.
pub(crate) static MODULE: Module = Module {
    name: "call_limiter",
    functions: &[Function::new("calls_within", PARAMS, RouteKinds::REQUEST, calls_within)],
    configure: |_| Ok(Box::new(Limiter::default())),
    start,
    ..Module::EMPTY
};

const PARAMS: &[Param] = &[Param::new(ParamKind::Str), Param::new(ParamKind::Int)];

/// What the module keeps.
#[derive(Default)]
struct Limiter {
    /// The calls of each callee; there once the proxy has started.
    calls: OnceLock<Profile>,
}

/// Runs once, before the first call, if the script loads the module.
fn start(host: &Host<'_>) -> Result<(), Refusal> {
    let calls = host.dialogs()?.add_profiles("calls_of", ProfileKind::Value)?.pop();
    let limiter: &Limiter = host.settings();
    limiter.calls.set(calls.ok_or("no profile was named")?).map_err(|_| "started twice")?;
    Ok(())
}

fn calls_within(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    Called::Value(if try_count(ctx, args).unwrap_or(false) { 1 } else { -1 })
}

/// Counts this call first and then looks, so that two calls at once cannot both be the last that
/// fits. A call that is refused ends, and with it its count.
fn try_count(ctx: &mut Context<'_>, args: &Args<'_>) -> Option<bool> {
    let (who, most) = (args.str(0)?, usize::try_from(args.int(1)?).ok()?);
    let dialog = ctx.dialog()?;
    let calls = ctx.turn.node.settings::<Limiter>().calls.get()?;
    dialog.set_profile(calls, Some(who), LinkOrigin::Own).ok()?;
    let fits = calls.size(Some(who)) <= most;
    if !fits {
        println!("refused: {} has {most} calls", String::from_utf8_lossy(who));
    }
    Some(fits)
}

#[allow(dead_code, reason = "the test of this example runs the module in virtual time")]
fn main() -> ExitCode {
    duologue::Builder::file("examples/call_limiter.cfg")
        .module(&MODULE)
        .sockets(std::env::args().skip(1))
        .run()
}
