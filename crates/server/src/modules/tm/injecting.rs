//! Branches that come later, from elsewhere: the wait for them and their injection
//! (spec/modules.md §1.2).

use duologue_script::{Args, Called, Value};
use duologue_sip::{Method, Uri};
use duologue_transaction::{CancelReason, TransactionId};

use crate::context::{BRANCHES_MAX, Context};
use crate::relay;
use crate::target::{Target, URI_MAX};

/// Keeps an INVITE open: it has something to wait for although nothing was sent.
pub(super) fn t_wait_for_new_branches(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let awaited = match args.int(0).map(u32::try_from) {
        None | Some(Ok(0)) => None,
        Some(Ok(number)) => Some(number),
        Some(Err(_)) => return Called::Value(-1),
    };
    if !matches!(ctx.message.method(), Some(Method::Invite)) {
        return Called::Value(-1);
    }
    if ctx.transaction.is_none() {
        let created = relay::new_transaction(ctx);
        if created <= 0 {
            return Called::Value(created);
        }
    }
    let Some(id) = ctx.transaction else { return Called::Value(-1) };
    relay::with_transaction(&mut ctx.turn, id, |transaction, now, _| {
        transaction.wait_for_branches(now);
    });
    let Some(entry) = ctx.turn.body.transactions.get_mut(id) else { return Called::Value(-1) };
    let waits = entry.transaction.is_waiting();
    if waits {
        entry.attach().awaited = awaited;
    }
    Called::Value(if waits { 1 } else { -1 })
}

pub(super) fn t_wait_no_more_branches(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let Some(id) = waiting(ctx) else { return Called::Value(-1) };
    stop_waiting(ctx, id);
    Called::Value(1)
}

/// Sends an INVITE that was relayed, or that waits, to further places.
pub(super) fn t_inject_branches(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(source), Some(flags)) = (args.str(0), Flags::parse(args.str(1).unwrap_or_default()))
    else {
        return Called::Value(-1);
    };
    let Some(id) = ctx.transaction else { return Called::Value(-1) };
    let targets = match source {
        b"event" => from_event(ctx),
        b"msg" => from_message(ctx),
        _ => return Called::Value(-1),
    };
    if targets.is_empty() {
        return Called::Value(-1);
    }
    if flags.cancel {
        relay::with_transaction(&mut ctx.turn, id, |transaction, now, fx| {
            transaction.cancel_branches(now, None, CancelReason::Script, fx);
        });
    }
    let sent = relay::inject(&mut ctx.turn, id, targets);
    if flags.last {
        stop_waiting(ctx, id);
    }
    Called::Value(if sent.is_some_and(|sent| sent > 0) { 1 } else { -1 })
}

pub(super) fn check_injection(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if !matches!(text, "event" | "msg") => {
            Err(format!("branches are injected from \"event\" or \"msg\", not \"{text}\""))
        }
        1 if Flags::parse(text.as_bytes()).is_none() => {
            Err(format!("flags of t_inject_branches() are cancel and last, not \"{text}\""))
        }
        _ => Ok(()),
    }
}

/// The flags of `t_inject_branches()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    /// What rings so far is cancelled.
    cancel: bool,
    /// Nobody waits for more.
    last: bool,
}

impl Flags {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut flags = Self::default();
        for name in text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            match name {
                b"" => {}
                b"cancel" => flags.cancel = true,
                b"last" => flags.last = true,
                _ => return None,
            }
        }
        Some(flags)
    }
}

/// The transaction that is kept open for branches to come.
fn waiting(ctx: &Context<'_>) -> Option<TransactionId> {
    let id = ctx.transaction?;
    ctx.turn.body.transactions.get(id)?.transaction.is_waiting().then_some(id)
}

fn stop_waiting(ctx: &mut Context<'_>, id: TransactionId) {
    relay::with_transaction(&mut ctx.turn, id, |transaction, now, fx| {
        transaction.stop_waiting(now, fx);
    });
}

/// The destination set of the message at hand. The Request-URI of a made-up request, or of the very
/// request that waits, is none unless the script changed it.
fn from_message(ctx: &mut Context<'_>) -> Vec<Target> {
    let draft = &mut *ctx.draft;
    let first = draft.target.uri.is_some().then(|| draft.target.clone());
    first.into_iter().chain(draft.branches.drain(..)).collect()
}

/// The contact that an event tells of in its AVPs (spec/modules.md §13, `E_UL_CONTACT_INSERT`).
fn from_event(ctx: &Context<'_>) -> Vec<Target> {
    let avps = &ctx.draft.avps;
    let text = |name: &[u8]| avps.get(name, 0).and_then(|value| value.to_bytes());
    let number = |name: &[u8]| match avps.get(name, 0)? {
        Value::Str(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        value => value.int(),
    };
    let is_uri = |uri: &Vec<u8>| uri.len() <= URI_MAX && Uri::parse(uri).is_ok();
    let Some(uri) = text(b"uri").filter(is_uri) else { return Vec::new() };
    let socket = text(b"socket").and_then(|text| ctx.turn.node.sockets.find_text(&text));
    vec![Target {
        uri: Some(uri),
        next_hop: text(b"received").filter(is_uri),
        socket,
        flags: number(b"bflags").map_or(0, i32::cast_unsigned),
        q: number(b"qval").filter(|q| (0..=1000).contains(q)).unwrap_or(-1),
        ..Target::received()
    }]
}

// A message has no more destinations than a transaction may get branches.
const _: () = assert!(BRANCHES_MAX <= duologue_transaction::MAX_BRANCHES);

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §1.2, `t_inject_branches`.
    #[test]
    fn flags_and_sources_are_checked() {
        assert_eq!(Flags::parse(b""), Some(Flags::default()));
        assert_eq!(Flags::parse(b"cancel, last"), Some(Flags { cancel: true, last: true }));
        assert_eq!(Flags::parse(b"all"), None);
        assert!(check_injection(0, "msg").is_ok() && check_injection(0, "event").is_ok());
        assert!(check_injection(0, "reply").is_err() && check_injection(1, "first").is_err());
    }
}
