//! `is_registered()` and its kin (spec/modules.md §12): questions that change nothing.

use std::net::IpAddr;

use duologue_script::{Args, Called, Host as _, Index, Reading, Text, VarAccess};
use duologue_sip::{Message, Method, Uri};

use super::Desk;
use super::next_hop::{ip_port, own_address};
use crate::context::Context;

/// The longest address or port that a variable may hold, in octets.
const ADDRESS_OCTETS_MAX: usize = 64;

/// How many values of an AVP are looked at.
const ADDRESSES_MAX: i32 = 64;

pub(super) fn is_registered(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(desk) = Desk::open(ctx, args, 0) else { return Called::Value(-1) };
    let Some(aor) = user(ctx.message, &desk, args.str(1)) else { return Called::Value(-1) };
    let contacts = desk.table.contacts(&aor, ctx.turn.now.tick);
    desk.show_attributes(ctx, contacts.iter().map(|contact| &*contact.attributes));
    yes_or_no(!contacts.is_empty())
}

/// Without contact and Call-ID it is about the first Contact of the request.
pub(super) fn is_contact_registered(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(desk) = Desk::open(ctx, args, 0) else { return Called::Value(-1) };
    let message = ctx.message;
    let Some(aor) = user(message, &desk, args.str(1)) else { return Called::Value(-1) };
    let given = |position| args.str(position).filter(|text| !text.is_empty());
    let (mut uri, call_id) = (given(2), given(3));
    if uri.is_none() && call_id.is_none() {
        let first = message.contacts().next().and_then(Result::ok);
        uri = first.and_then(|contact| contact.address()).map(|address| address.uri_bytes());
        if uri.is_none() {
            return Called::Value(-1);
        }
    }
    let wanted = uri.map(Uri::parse);
    let mut contacts = desk.table.contacts(&aor, ctx.turn.now.tick);
    contacts.retain(|contact| {
        let same_uri = match (&wanted, Uri::parse(&contact.uri)) {
            (None, _) => true,
            (Some(Ok(wanted)), Ok(uri)) => *wanted == uri,
            (Some(_), _) => false,
        };
        same_uri && call_id.is_none_or(|call_id| *contact.call_id == *call_id)
    });
    desk.show_attributes(ctx, contacts.iter().map(|contact| &*contact.attributes));
    yes_or_no(!contacts.is_empty())
}

/// Whether a contact of the user is at one of these addresses; several stand in one AVP.
pub(super) fn is_ip_registered(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(desk) = Desk::open(ctx, args, 0) else { return Called::Value(-1) };
    let Some(aor) = user(ctx.message, &desk, args.str(1)) else { return Called::Value(-1) };
    let port = match args.has(3) {
        true => match values(ctx, args, 3).first().and_then(|port| port.parse::<u16>().ok()) {
            Some(port) => Some(port),
            None => return Called::Value(-1),
        },
        false => None,
    };
    let wanted: Vec<IpAddr> = values(ctx, args, 2)
        .iter()
        .filter_map(|text| duologue_sip::host_ip(text.as_bytes()))
        .map(|ip| ip.to_canonical())
        .collect();
    let contacts = desk.table.contacts(&aor, ctx.turn.now.tick);
    yes_or_no(contacts.iter().any(|contact| {
        ip_port(own_address(contact))
            .is_some_and(|(ip, at)| wanted.contains(&ip) && port.is_none_or(|port| port == at))
    }))
}

/// The user whom a question is about: the one that is given, else who registers or who calls.
fn user(message: &Message<'_>, desk: &Desk<'_>, given: Option<&[u8]>) -> Option<Vec<u8>> {
    desk.user(given, || {
        let method = message.cseq().ok().map(|cseq| cseq.method);
        let who = match method {
            Some(Method::Register) => message.to(),
            _ => message.from(),
        };
        who.ok().map(|who| who.uri_bytes())
    })
}

/// What a variable holds: one value, or all values of an AVP.
fn values(ctx: &mut Context<'_>, args: &mut Args<'_>, position: usize) -> Vec<String> {
    let several = args.variable(position).filter(|access| {
        access.index == Index::None && ctx.turn.node.catalog.variable(access.id).names == ["avp"]
    });
    let mut values = Vec::new();
    let mut keep = |reading, text: &Text| {
        values.extend(match reading {
            Reading::Int(number) => Some(number.to_string()),
            Reading::Str | Reading::StrInt(_) => {
                Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
            }
            Reading::Null => None,
        });
        reading != Reading::Null
    };
    match several {
        None => {
            let mut text = Text::new(ADDRESS_OCTETS_MAX);
            let reading = args.load(ctx, position, &mut text);
            keep(reading, &text);
        }
        Some(access) => {
            for index in 0..ADDRESSES_MAX {
                let mut text = Text::new(ADDRESS_OCTETS_MAX);
                let access = VarAccess { index: Index::At(index), ..access };
                let reading = ctx.read(&access, &mut text);
                if !keep(reading, &text) {
                    break;
                }
            }
        }
    }
    values
}

fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}
