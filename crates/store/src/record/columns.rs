//! What OpenSIPS's columns hold of a dialog, and a dialog that OpenSIPS wrote (spec dialog.md §11.1,
//! §11.3).

use duologue_dialog::{
    Body, DialogFlags, DialogId, LegState, ModuleFlags, ProfileKind, ProfileLink, Sharing, State,
    Stored, StoredBodies, StoredLeg, StoredParty, Value, Values,
};
use duologue_sip::Uri;
use std::net::SocketAddr;

use super::{Dictionary, Unreadable};
use crate::{DialogRow, ScriptFlags, Var, VarValue, vars};

/// §10.1: the values in which OpenSIPS keeps the bodies: what caller and callee sent, and what they
/// were sent.
const BODIES: [(&[u8], usize, usize); 4] =
    [(b"uCSDP", 0, 0), (b"acSDP", 0, 1), (b"ucSDP", 1, 0), (b"aCSDP", 1, 1)];

/// The columns of a dialog.
pub(super) fn of(stored: &Stored, words: &dyn Dictionary) -> DialogRow {
    let none = empty_leg();
    let caller = stored.legs.first().unwrap_or(&none);
    let answered = stored.legs.get(usize::from(stored.answered_leg)).unwrap_or(&none);
    let callee = if stored.answered_leg == 0 { &none } else { answered };
    let filled = |text: &[u8]| (!text.is_empty()).then(|| text.to_vec());
    let socket = |leg: &StoredLeg| {
        let name = leg.flow.and_then(|flow| words.socket(flow.socket));
        name.unwrap_or_default().into_bytes()
    };
    let route =
        |at: usize| stored.routes[at].and_then(|it| words.route(it)).map(String::into_bytes);
    let seconds = |ts: u64| u32::try_from(ts).unwrap_or(u32::MAX);
    DialogRow {
        id: stored.id.db_id(),
        call_id: stored.call_id.to_vec(),
        from_uri: stored.caller.uri.to_vec(),
        from_tag: caller.tag.to_vec(),
        to_uri: stored.callee.uri.to_vec(),
        to_tag: callee.tag.to_vec(),
        mangled_from_uri: filled(&callee.from_uri),
        mangled_to_uri: filled(&callee.to_uri),
        caller_cseq: caller.cseq,
        callee_cseq: callee.cseq,
        caller_ping_cseq: caller.last_gen_cseq,
        callee_ping_cseq: callee.last_gen_cseq,
        caller_route_set: filled(&caller.route_set),
        callee_route_set: filled(&callee.route_set),
        caller_contact: filled(&caller.contact),
        callee_contact: filled(&callee.contact),
        caller_sock: socket(caller),
        callee_sock: socket(callee),
        state: stored.state.number().into(),
        start_time: seconds(stored.start_ts),
        timeout: seconds(stored.timeout_ts),
        vars: columns_of_values(stored),
        profiles: stored.profiles.iter().map(place_of).collect(),
        script_flags: ScriptFlags::Names(words.flags(stored.user_flags).into_bytes()),
        module_flags: stored.module_flags.bits(),
        flags: stored.flags.bits(),
        route_on_answer: route(0),
        route_on_timeout: route(1),
        route_on_hangup: route(2),
    }
}

/// The values, and the bodies as further ones.
fn columns_of_values(stored: &Stored) -> Vec<Var> {
    let var = |(name, value): (&[u8], &Value)| Var {
        name: name.to_vec(),
        value: match value {
            Value::Bytes(bytes) => VarValue::Text(bytes.to_vec()),
            Value::Int(number) => VarValue::Int(*number),
        },
    };
    let bodies = stored.bodies.iter().find(|bodies| bodies.callee_leg == stored.answered_leg);
    let bodies = bodies.into_iter().flat_map(|bodies| {
        BODIES.into_iter().filter_map(|(name, way, left)| {
            let body = bodies.by_way[way][left].as_ref()?;
            Some(Var { name: name.to_vec(), value: VarValue::Text(body.bytes().to_vec()) })
        })
    });
    bodies.chain(stored.values.iter().map(var)).collect()
}

fn place_of(link: &ProfileLink) -> vars::ProfileLink {
    vars::ProfileLink {
        profile: link.name.as_bytes().to_vec(),
        value: (link.kind == ProfileKind::Value).then(|| link.value.to_vec()),
        sharing: match link.sharing {
            Sharing::Local => vars::Sharing::Local,
            Sharing::Store => vars::Sharing::Store,
            Sharing::Cluster => vars::Sharing::Cluster,
        },
    }
}

/// The dialog that the columns tell.
pub(super) fn read(row: &DialogRow, words: &dyn Dictionary) -> Result<Stored, Unreadable> {
    let state = u8::try_from(row.state).ok().and_then(State::from_number);
    let state = state.ok_or(Unreadable::Column("state"))?;
    if row.call_id.is_empty() {
        return Err(Unreadable::Column("callid"));
    }
    let caller = StoredLeg {
        tag: row.from_tag.clone().into(),
        cseq: row.caller_cseq,
        last_gen_cseq: row.caller_ping_cseq,
        ..leg(&row.caller_contact, &row.caller_route_set, &row.caller_sock, words)?
    };
    let callee = StoredLeg {
        tag: row.to_tag.clone().into(),
        state: LegState::Answered,
        cseq: row.callee_cseq,
        last_gen_cseq: row.callee_ping_cseq,
        from_uri: row.mangled_from_uri.clone().unwrap_or_default().into(),
        to_uri: row.mangled_to_uri.clone().unwrap_or_default().into(),
        ..leg(&row.callee_contact, &row.callee_route_set, &row.callee_sock, words)?
    };
    let (values, bodies) = values_of_columns(&row.vars);
    let route = |name: &Option<Vec<u8>>| {
        let name = std::str::from_utf8(name.as_deref()?).ok()?;
        words.route_named(name)
    };
    let flags = row.script_flags.names();
    let party = |uri: &[u8]| StoredParty { display: Box::default(), uri: uri.into() };
    let start_ts = u64::from(row.start_time);
    Ok(Stored {
        id: DialogId::from_db_id(row.id),
        state,
        flags: DialogFlags::from_bits_truncate(row.flags).difference(DialogFlags::TRANSIENT),
        user_flags: words.flags_named(&String::from_utf8_lossy(&flags)),
        module_flags: ModuleFlags::from_bits_retain(row.module_flags),
        call_id: row.call_id.clone().into(),
        caller: party(&row.from_uri),
        callee: party(&row.to_uri),
        // OpenSIPS does not tell
        created_ts: start_ts,
        start_ts,
        timeout_ts: row.timeout.into(),
        lifetime: row.timeout.saturating_sub(row.start_time),
        // decision D20: the callee's number began with the INVITE's, and never fell
        invite_cseq: row.callee_cseq,
        answered_leg: 1,
        reason: None,
        routes: [
            route(&row.route_on_answer),
            route(&row.route_on_timeout),
            route(&row.route_on_hangup),
        ],
        delete_delay: None,
        ping_intervals: [None; 2],
        legs: vec![StoredLeg { inv_cseq: row.callee_cseq, ..caller }, callee],
        numbers: Vec::new(),
        bodies,
        values,
        profiles: row.profiles.iter().filter_map(link_of).collect(),
    })
}

fn leg(
    contact: &Option<Vec<u8>>,
    route_set: &Option<Vec<u8>>,
    socket: &[u8],
    words: &dyn Dictionary,
) -> Result<StoredLeg, Unreadable> {
    let contact = contact.clone().unwrap_or_default();
    let socket = String::from_utf8_lossy(socket);
    // A name would have to be resolved: its leg has no flow, and is reached by its target.
    let next_hop = route_set.as_deref().map_or(&*contact, first_route);
    let flow = match address(next_hop) {
        Some(peer) => Some(super::flow(words, &socket, peer)?),
        None if words.socket_named(&socket).is_some() => None,
        None => return Err(Unreadable::Socket(socket.into_owned())),
    };
    Ok(StoredLeg {
        contact: contact.into(),
        route_set: route_set.clone().unwrap_or_default().into(),
        flow,
        ..empty_leg()
    })
}

/// The URI of the first of the route values.
fn first_route(routes: &[u8]) -> &[u8] {
    let start = memchr::memchr(b'<', routes).map_or(0, |at| at + 1);
    let routes = &routes[start..];
    &routes[..memchr::memchr2(b'>', b',', routes).unwrap_or(routes.len())]
}

fn address(uri: &[u8]) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok()?;
    Some(SocketAddr::new(uri.host_ip()?, uri.port_or_default()))
}

fn empty_leg() -> StoredLeg {
    StoredLeg {
        tag: Box::default(),
        state: LegState::Trying,
        branch: 0,
        contact: Box::default(),
        route_set: Box::default(),
        from_uri: Box::default(),
        to_uri: Box::default(),
        cseq: 0,
        prev_cseq: None,
        inv_cseq: 0,
        last_gen_cseq: 0,
        flow: None,
    }
}

/// The values of a row, without those that are bodies, and these. Newest first: each that is set
/// becomes the newest.
fn values_of_columns(vars: &[Var]) -> (Values, Vec<StoredBodies>) {
    let mut values = Values::default();
    let mut bodies = StoredBodies { callee_leg: 1, by_way: Default::default() };
    let mut any = false;
    for Var { name, value } in vars.iter().rev() {
        let place = BODIES.iter().find(|(known, ..)| *known == name.as_slice());
        match (place, value) {
            (Some((_, way, left)), VarValue::Text(body)) => {
                bodies.by_way[*way][*left] = Some(Body::sdp(body));
                any = true;
            }
            (_, VarValue::Text(text)) => {
                // beyond the bound they are left out, as when they are set
                let _ = values.set(name, text.clone().into());
            }
            (_, VarValue::Int(number)) => {
                let _ = values.set(name, (*number).into());
            }
        }
    }
    (values, any.then_some(bodies).into_iter().collect())
}

fn link_of(place: &vars::ProfileLink) -> Option<ProfileLink> {
    let name = std::str::from_utf8(&place.profile).ok()?;
    Some(ProfileLink {
        name: name.into(),
        sharing: match place.sharing {
            vars::Sharing::Local => Sharing::Local,
            vars::Sharing::Store => Sharing::Store,
            vars::Sharing::Cluster => Sharing::Cluster,
        },
        kind: if place.value.is_some() { ProfileKind::Value } else { ProfileKind::NoValue },
        value: place.value.clone().unwrap_or_default().into(),
    })
}
