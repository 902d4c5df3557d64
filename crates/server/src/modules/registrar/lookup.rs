//! `lookup()`: where a user is, as the destinations of a request (spec/modules.md §12).

use std::sync::Arc;

use duologue_script::{Args, Called};
use duologue_sip::Uri;
use duologue_usrloc::{Contact, Contacts};

use super::lookup_flags::{LookupFlags, WORDS};
use super::next_hop::first_of_path;
use super::push::Woken;
use super::{Desk, Sought};
use crate::context::{BRANCHES_MAX, Context};
use crate::target::Target;

/// Contacts were found.
const FOUND: i32 = 1;
/// They sleep: the request waits until one of them has registered again.
const WOKEN: i32 = 2;
/// The request is a retransmission: the script ends.
const ABSORBED: i32 = 0;
const NOT_REGISTERED: i32 = -1;
const NO_METHOD: i32 = -2;
const ERROR: i32 = -3;

/// Checks what a script gives when it loads.
pub(super) fn check(position: usize, text: &str) -> Result<(), String> {
    match position {
        0 if text.is_empty() => Err("a table has a name".to_owned()),
        1 if LookupFlags::parse(text.as_bytes()).is_none() => {
            Err(format!("flags of lookup() are {WORDS}, separated by commas, not \"{text}\""))
        }
        _ => Ok(()),
    }
}

/// The letters of older scripts as words (spec/modules.md §12).
pub(super) fn modern(position: usize, text: &str) -> Option<String> {
    if position == 1 { LookupFlags::modern(text) } else { None }
}

pub(super) fn lookup(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let flags = LookupFlags::parse(args.str(1).unwrap_or_default());
    let (Some(desk), Some(flags)) = (Desk::open(ctx, args, 0), flags) else {
        return Called::Value(ERROR);
    };
    let mut asleep = Vec::new();
    let found = find(ctx, &desk, &flags, args.str(2), &mut asleep);
    let woken = asleep.iter().map(|(aor, contacts)| {
        let push = desk.registrar.push.as_ref();
        push.map_or(Woken::Refused, |push| push.wake(ctx, &desk, aor, contacts))
    });
    let woken: Vec<Woken> = woken.collect();
    let any = |what| woken.contains(&what);
    Called::Value(match found {
        _ if any(Woken::Absorbed) => ABSORBED,
        Ok(()) => FOUND,
        Err(_) if any(Woken::Waits) => WOKEN,
        Err(_) if !woken.is_empty() => ERROR,
        Err(code) => code,
    })
}

/// The phones of users that must be woken first.
type Asleep = Vec<(Vec<u8>, Vec<Arc<Contact>>)>;

fn find(
    ctx: &mut Context<'_>,
    desk: &Desk<'_>,
    flags: &LookupFlags,
    given: Option<&[u8]>,
    asleep: &mut Asleep,
) -> Result<(), i32> {
    // In a reply route there is no request to send on, only branches to add.
    if !flags.to_branches_only && !ctx.message.is_request() {
        return Err(ERROR);
    }
    let uri = given.filter(|given| !given.is_empty()).or_else(|| ctx.request_uri()).ok_or(ERROR)?;
    let mut found = match desk.sought(uri).ok_or(ERROR)? {
        Ok(sought) => awake(ctx, desk, flags, &sought, asleep),
        Err(_) => Err(NOT_REGISTERED),
    };
    let earlier = match flags.branch {
        true => std::mem::take(&mut ctx.draft.branches),
        false => Vec::new(),
    };
    if !flags.to_branches_only
        && let Ok(contacts) = &mut found
    {
        let first = contacts.remove(0);
        desk.show_attributes(ctx, std::iter::once(&*first.attributes));
        // What the script said about this branch holds beside what was registered.
        let flags = ctx.draft.target.flags;
        ctx.draft.target = target(&first);
        ctx.draft.target.flags |= flags;
    }
    let further = match &found {
        Ok(_) if flags.no_branches => &[][..],
        Ok(contacts) => contacts,
        Err(_) => &[],
    };
    add(ctx, desk, further.iter());
    let mut any = found.is_ok();
    for branch in earlier {
        any |= expand(ctx, desk, flags, branch, asleep);
    }
    match found {
        Err(code) if !any => Err(code),
        _ => Ok(()),
    }
}

/// Of these contacts those that can be reached now, never none; the others go to `asleep`.
fn awake(
    ctx: &Context<'_>,
    desk: &Desk<'_>,
    flags: &LookupFlags,
    sought: &Sought,
    asleep: &mut Asleep,
) -> Result<Contacts, i32> {
    let mut contacts = usable(ctx, desk, flags, sought)?;
    let Some(push) = &desk.registrar.push else { return Ok(contacts) };
    if flags.no_branches {
        contacts.truncate(1);
    }
    let sleeping = push.asleep(ctx, &mut contacts);
    if !sleeping.is_empty() {
        asleep.push((sought.aor.clone(), sleeping));
    }
    if contacts.is_empty() { Err(NOT_REGISTERED) } else { Ok(contacts) }
}

/// The contacts of a user that are sought and that the flags leave, never none.
fn usable(
    ctx: &Context<'_>,
    desk: &Desk<'_>,
    flags: &LookupFlags,
    sought: &Sought,
) -> Result<Contacts, i32> {
    let mut contacts = desk.table.contacts(&sought.aor, ctx.turn.now.tick);
    if let (Some(phone), Some(gruus)) = (&sought.phone, desk.registrar.gruus()) {
        contacts.retain(|contact| phone.is(gruus, contact));
        // RFC 5627 §6.1: of several contacts of one phone the one that was refreshed last.
        contacts.sort_by_key(|contact| std::cmp::Reverse((contact.modified, contact.id)));
        contacts.truncate(1);
    }
    if let Some(text) = &flags.ua_filtering {
        let pattern = desk.registrar.patterns.get(text, flags).map_err(|error| {
            tracing::warn!(call_id = %ctx.turn.call_id(), "lookup(): ua-filtering: {error}");
            ERROR
        })?;
        contacts.retain(|contact| pattern.is_match(&contact.user_agent));
    }
    if let Some(max) = flags.max_ping_latency_us {
        contacts.retain(|contact| contact.latency_us <= max);
    }
    if contacts.is_empty() {
        return Err(NOT_REGISTERED);
    }
    if flags.method_filtering
        && let Some(method) = ctx.message.method()
    {
        contacts.retain(|contact| contact.methods.allows(method));
        if contacts.is_empty() {
            return Err(NO_METHOD);
        }
    }
    if flags.sort_by_latency {
        contacts.sort_by_key(|contact| contact.latency_us);
    }
    Ok(contacts)
}

/// Replaces a branch whose URI is one of our users by the contacts of that user; false, and the
/// branch is gone, if there are none. A branch to elsewhere stays.
fn expand(
    ctx: &mut Context<'_>,
    desk: &Desk<'_>,
    flags: &LookupFlags,
    branch: Target,
    asleep: &mut Asleep,
) -> bool {
    let uri = branch.uri.as_deref().unwrap_or_default();
    let sockets = &ctx.turn.node.sockets;
    let ours = Uri::parse(uri).is_ok_and(|uri| sockets.is_me(uri.host(), uri.port(), None));
    if !ours {
        ctx.draft.branches.push(branch);
        return true;
    }
    let sought = desk.sought(uri).and_then(Result::ok);
    match sought.map(|sought| awake(ctx, desk, flags, &sought, asleep)) {
        Some(Ok(contacts)) => {
            let count = if flags.no_branches { 1 } else { contacts.len() };
            add(ctx, desk, contacts.iter().take(count));
            true
        }
        Some(Err(_)) | None => false,
    }
}

/// Adds branches, as many as a request may have.
fn add<'c>(
    ctx: &mut Context<'_>,
    desk: &Desk<'_>,
    contacts: impl ExactSizeIterator<Item = &'c Arc<Contact>>,
) {
    // The Request-URI is a branch, too.
    let room = (BRANCHES_MAX - 1).saturating_sub(ctx.draft.branches.len());
    if contacts.len() > room {
        let (call_id, left) = (ctx.turn.call_id(), contacts.len() - room);
        tracing::warn!(%call_id, "lookup(): {left} contacts are beyond {BRANCHES_MAX} branches");
    }
    for contact in contacts.take(room) {
        desk.show_attributes(ctx, std::iter::once(&*contact.attributes));
        ctx.draft.branches.push(target(contact));
    }
}

/// How a contact is reached.
pub(super) fn target(contact: &Contact) -> Target {
    let received = Some(&*contact.received).filter(|received| !received.is_empty());
    // RFC 3327 §5.1: the way back is the Path, whatever address was seen behind it.
    let next_hop = first_of_path(contact).or(received);
    Target {
        uri: Some(contact.uri.to_vec()),
        next_hop: next_hop.map(<[u8]>::to_vec),
        path: (!contact.path.is_empty()).then(|| contact.path.to_vec()),
        socket: contact.socket,
        flags: contact.branch_flags,
        q: contact.q.into(),
        ..Target::received()
    }
}
