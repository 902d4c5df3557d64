//! Blacklists of destinations (spec/script.md §11): selected per message, and changed while calls
//! run.

use std::net::SocketAddr;

use duologue_script::{Args, Called};
use duologue_sip::host_ip;

use super::yes_or_no;
use crate::blacklist::{self, Destination, Rule};
use crate::context::Context;
use crate::sockets::Proto;

/// `use_blacklist(name)`: nothing of this message goes where the list forbids.
pub(super) fn use_list(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let list = list(ctx, args);
    if let Some(list) = list {
        ctx.draft.manners.blacklists.add(list);
    }
    yes_or_no(list.is_some())
}

/// `unuse_blacklist(name)`: the list has no say, even one that has it by default.
pub(super) fn unuse_list(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let list = list(ctx, args);
    if let Some(list) = list {
        ctx.draft.manners.blacklists.remove(list);
    }
    yes_or_no(list.is_some())
}

/// `check_blacklist_rule(name, ip [, port] [, proto] [, text])`: whether the list forbids it.
pub(super) fn check_rule(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(list) = list(ctx, args) else { return Called::Value(-1) };
    let (ip, port) = (args.str(1).and_then(host_ip), port(args));
    let proto = match args.str(3).filter(|word| !word.is_empty()) {
        None => Some(Proto::Udp),
        Some(word) => Proto::from_name(word),
    };
    let (Some(ip), Some(port), Some(proto)) = (ip, port, proto) else { return Called::Value(-1) };
    let message = args.str(4).unwrap_or_default();
    let to = Destination { proto: Some(proto), address: SocketAddr::new(ip, port), message };
    let now = ctx.turn.now.unix;
    yes_or_no(ctx.turn.node.blacklists.list_forbids(list, now, &to))
}

/// `add_blacklist_rule(name, net [, port] [, proto] [, pattern] [, seconds])`.
pub(super) fn add_rule(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(list), Some(mut rule)) = (list(ctx, args), rule(args)) else {
        return Called::Value(-1);
    };
    let now = ctx.turn.now.unix;
    // 0 is for ever, as with other things that expire in scripts.
    match args.int(5).map(u64::try_from) {
        None | Some(Ok(0)) => {}
        Some(Ok(seconds)) => rule.expires = Some(now + seconds),
        Some(Err(_)) => return Called::Value(-1),
    }
    done(ctx, ctx.turn.node.blacklists.add(list, rule, now))
}

/// `del_blacklist_rule(name, net [, port] [, proto] [, pattern])`.
pub(super) fn delete_rule(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(list), Some(rule)) = (list(ctx, args), rule(args)) else {
        return Called::Value(-1);
    };
    done(ctx, ctx.turn.node.blacklists.delete(list, &rule))
}

/// Literal networks and transports.
pub(super) fn check(index: usize, text: &str) -> Result<(), String> {
    match index {
        _ if text.contains('$') || text.is_empty() => Ok(()),
        1 => blacklist::rule(text).map(drop),
        3 => match transport(text.as_bytes()) {
            Some(_) => Ok(()),
            None => Err(format!("\"{text}\" is no transport")),
        },
        _ => Ok(()),
    }
}

fn done(ctx: &Context<'_>, result: Result<(), &'static str>) -> Called {
    if let Err(reason) = result {
        tracing::warn!(target: "script", call_id = %ctx.turn.call_id(), "{reason}");
    }
    yes_or_no(result.is_ok())
}

/// The list that the first argument names.
fn list(ctx: &Context<'_>, args: &Args<'_>) -> Option<u8> {
    let name = args.str(0)?;
    let list = ctx.turn.node.blacklists.find(name);
    if list.is_none() {
        let name = String::from_utf8_lossy(name);
        tracing::warn!(target: "script", call_id = %ctx.turn.call_id(), "no blacklist `{name}`");
    }
    list
}

fn rule(args: &Args<'_>) -> Option<Rule> {
    let rule = blacklist::rule(std::str::from_utf8(args.str(1)?).ok()?).ok()?;
    let proto = transport(args.str(3).unwrap_or_default())?;
    let pattern = std::str::from_utf8(args.str(4).unwrap_or_default()).ok()?;
    Some(Rule { port: port(args)?, proto, pattern: blacklist::pattern(pattern).ok()?, ..rule })
}

/// The transport of a rule; none given is any.
fn transport(word: &[u8]) -> Option<Option<Proto>> {
    match word {
        b"" => Some(None),
        word => blacklist::transport(std::str::from_utf8(word).ok()?),
    }
}

/// The port; none given is any.
fn port(args: &Args<'_>) -> Option<u16> {
    args.int(2).map_or(Some(0), |port| u16::try_from(port).ok())
}
