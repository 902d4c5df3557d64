//! `save()`: a REGISTER is carried out (spec/modules.md §12).

use std::sync::Arc;

use duologue_script::{Args, Called, RouteKind};
use duologue_sip::{HeaderRef, Message, Method, Uri};
use duologue_usrloc::{Change, Contact, Updated};

use super::Desk;
use super::answer::{self, Rejection};
use super::request::{
    ATTRIBUTES_OCTETS_MAX, Around, Ask, Register, Times, is_received, received_in_path,
};
use super::save_flags::{SaveFlags, WORDS};
use crate::context::Context;

/// Checks what a script gives when it loads.
pub(super) fn check(position: usize, text: &str) -> Result<(), String> {
    match position {
        0 if text.is_empty() => Err("a table has a name".to_owned()),
        1 if SaveFlags::parse(text.as_bytes()).is_none() => {
            Err(format!("flags of save() are {WORDS}, separated by commas, not \"{text}\""))
        }
        3 if !text.is_empty() => {
            Err("clusters of users are not built yet: no owner_tag".to_owned())
        }
        _ => Ok(()),
    }
}

/// The letters of older scripts as words (spec/modules.md §12).
pub(super) fn modern(position: usize, text: &str) -> Option<String> {
    if position == 1 { SaveFlags::modern(text) } else { None }
}

pub(super) fn save(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let flags = SaveFlags::parse(args.str(1).unwrap_or_default());
    let (Some(desk), Some(flags)) = (Desk::open(ctx, args, 0), flags) else {
        return Called::Value(-1);
    };
    let aor = args.str(2);
    Called::Value(match ctx.kind {
        RouteKind::Reply => save_granted(ctx, &desk, &flags, aor),
        _ => save_asked(ctx, &desk, &flags, aor),
    })
}

/// The request at hand is a REGISTER for us.
fn save_asked(
    ctx: &mut Context<'_>,
    desk: &Desk<'_>,
    flags: &SaveFlags,
    aor: Option<&[u8]>,
) -> i32 {
    if !matches!(ctx.message.method(), Some(Method::Register)) {
        tracing::warn!(call_id = %ctx.turn.call_id(), "save(): the request is no REGISTER");
        return -1;
    }
    let reply = !flags.no_reply;
    match carry_out(ctx, desk, flags, aor) {
        Ok((updated, register)) => {
            let own = |contact: &&Arc<Contact>| {
                !flags.only_request_contacts || updated.own.contains(&contact.id)
            };
            let shown = updated.contacts.iter().filter(own).map(|contact| &**contact);
            if answer::accept(ctx, desk.registrar, shown, &register, reply) { 1 } else { -1 }
        }
        Err(rejection) => {
            answer::refuse(ctx, desk.registrar, &rejection, reply);
            -1
        }
    }
}

fn carry_out<'m>(
    ctx: &Context<'m>,
    desk: &Desk<'_>,
    flags: &SaveFlags,
    aor: Option<&[u8]>,
) -> Result<(Updated, Register<'m>), Rejection> {
    let message = ctx.message;
    let register = Register::read(message, aor, desk.aor_rules(), desk.registrar, flags)?;
    let noted = Noted::of(ctx, desk, flags, message, &register.path, ctx.flow.socket);
    let times = Times::of(desk.registrar, flags);
    let ask = register.ask(message, times, &noted.around(ctx), desk.registrar, flags)?;
    if desk.registrar.gruus().is_some() {
        refuse_gruus(ctx, &ask)?;
    }
    if let Some(push) = &desk.registrar.push {
        push.check(bound_by(&ask))?;
    }
    let updated = update(ctx, desk, flags, &register, ask)?;
    Ok((updated, register))
}

/// RFC 5627 §5.1: a phone that can be reached at one of our GRUUs would be looked for here for ever.
fn refuse_gruus(ctx: &Context<'_>, ask: &Ask) -> Result<(), Rejection> {
    let Ask::Changes(changes) = ask else { return Ok(()) };
    let sockets = &ctx.turn.node.sockets;
    let is_ours = |change: &Change| match change {
        Change::Set(contact) => Uri::parse(&contact.uri).is_ok_and(|uri| {
            uri.params().has(b"gr") && sockets.is_me(uri.host(), uri.port(), None)
        }),
        Change::Remove(_) => false,
    };
    match changes.iter().any(is_ours) {
        true => Err(Rejection::forbidden("A Contact is a GRUU of ours")),
        false => Ok(()),
    }
}

/// Hands the changes to the store; with none, reads what is there.
fn update(
    ctx: &Context<'_>,
    desk: &Desk<'_>,
    flags: &SaveFlags,
    register: &Register<'_>,
    ask: Ask,
) -> Result<Updated, Rejection> {
    let now = ctx.turn.now.tick;
    let push = desk.registrar.push.as_ref();
    let matching = flags.matching.clone().or_else(|| push?.matching(bound_by(&ask)));
    let Some(update) = register.update(ask) else {
        let contacts = desk.table.contacts(&register.aor, now).to_vec();
        // A question is about all of them.
        let own = contacts.iter().map(|contact| contact.id).collect();
        return Ok(Updated { contacts, own });
    };
    let max = flags.max_contacts.unwrap_or(desk.registrar.max_contacts);
    let max = usize::try_from(max).ok().filter(|&max| max > 0);
    let update = update.matching(matching).at_most(max).displacing(flags.force_registration);
    let updated = desk.table.update(&register.aor, now, update)?;
    if let Some(push) = push {
        let own = updated.contacts.iter().filter(|contact| updated.own.contains(&contact.id));
        own.for_each(|contact| push.registered(desk.table, &register.aor, contact));
    }
    Ok(updated)
}

/// The URIs that a REGISTER asks to be bound.
fn bound_by(ask: &Ask) -> impl Iterator<Item = &[u8]> {
    let changes = match ask {
        Ask::Changes(changes) => &changes[..],
        Ask::List | Ask::RemoveAll => &[],
    };
    changes.iter().filter_map(|change| match change {
        Change::Set(contact) => Some(&*contact.uri),
        Change::Remove(_) => None,
    })
}

/// The reply at hand tells what a registrar further on made of a REGISTER that we relayed: what it
/// granted is bound here as well, and nothing is sent (RFC 3261 §10.2.4 tells what the list in a 2xx
/// means to who asked).
fn save_granted(ctx: &Context<'_>, desk: &Desk<'_>, flags: &SaveFlags, aor: Option<&[u8]>) -> i32 {
    let granted = ctx.message.status().is_some_and(|status| (200..300).contains(&status.code()));
    let register = ctx.message.cseq().is_ok_and(|cseq| cseq.method == Method::Register);
    let entry = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get(id));
    let Some(entry) = entry.filter(|_| granted && register) else { return -1 };
    let received_on = entry.attached.as_ref().and_then(|kept| kept.received_on);
    let flow = received_on.or(entry.transaction.flow()).unwrap_or(ctx.flow);
    let Ok(message) = Message::parse(entry.transaction.request()) else { return -1 };
    let saved = Register::read(&message, aor, desk.aor_rules(), desk.registrar, flags).and_then(
        |register| {
            let noted = Noted::of(ctx, desk, flags, &message, &register.path, flow.socket);
            let sent_as = desk.registrar.mcontact_avp.as_ref();
            let sent_as = sent_as.and_then(|name| ctx.draft.avps.get(name, 0)?.to_bytes());
            let around = noted.around(ctx);
            let ask = register.granted(
                &message,
                ctx.message,
                sent_as.as_deref(),
                &around,
                desk.registrar,
                flags,
            )?;
            update(ctx, desk, flags, &register, ask)
        },
    );
    match saved {
        Ok(_) => 1,
        Err(rejection) => {
            let error = &rejection.error;
            tracing::warn!(call_id = %ctx.turn.call_id(), "save() of a granted REGISTER: {error}");
            -1
        }
    }
}

/// What is stored with the contacts of a REGISTER beside what its headers say.
struct Noted {
    socket: u16,
    branch_flags: u32,
    received: Vec<u8>,
    attributes: Vec<u8>,
}

impl Noted {
    fn of(
        ctx: &Context<'_>,
        desk: &Desk<'_>,
        flags: &SaveFlags,
        register: &Message<'_>,
        path: &[u8],
        socket: u16,
    ) -> Self {
        let avp = |name: &Option<Vec<u8>>| {
            name.as_ref().and_then(|name| ctx.draft.avps.get(name, 0)?.to_bytes())
        };
        let mut branch_flags = ctx.draft.target.flags;
        let in_path = flags.path_received.then(|| received_in_path(path)).flatten();
        if in_path.is_some() {
            branch_flags |= desk.usrloc.nat_mask();
        }
        let received = in_path
            .or_else(|| avp(&desk.registrar.received_avp).filter(|received| is_received(received)));
        let header = desk.registrar.sock_hdr_name.as_ref().filter(|_| flags.socket_header);
        let named = header.and_then(|name| {
            let text = register.value(HeaderRef::from(name.as_bytes()))?;
            ctx.turn.node.sockets.find_text(text)
        });
        let mut attributes = avp(&desk.registrar.attr_avp).unwrap_or_default();
        attributes.truncate(ATTRIBUTES_OCTETS_MAX);
        Self {
            socket: named.unwrap_or(socket),
            branch_flags,
            received: received.unwrap_or_default(),
            attributes,
        }
    }

    fn around<'c>(&'c self, ctx: &Context<'_>) -> Around<'c> {
        Around {
            now: ctx.turn.now.tick,
            socket: Some(self.socket),
            flags: ctx.draft.flags,
            branch_flags: self.branch_flags,
            received: &self.received,
            attributes: &self.attributes,
        }
    }
}
