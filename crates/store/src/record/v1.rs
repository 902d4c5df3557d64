//! Version 1 of the payload: one byte of version, then the record in postcard. Fields are never
//! moved or taken away; what is to be added makes version 2, which still reads this one.

use duologue_dialog::{
    Body, DialogFlags, DialogId, EndReason, LegState, ModuleFlags, ProfileKind, ProfileLink,
    Sharing, State, Stored, StoredBodies, StoredLeg, StoredNumber, StoredParty, Value, Values,
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

use super::{Dictionary, Unreadable};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    id: u64,
    state: u8,
    flags: u32,
    script_flags: String,
    module_flags: u32,
    call_id: Vec<u8>,
    caller: Party,
    callee: Party,
    created: u64,
    started: u64,
    expires: u64,
    lifetime: u32,
    invite_cseq: u32,
    answered_leg: u16,
    reason: Option<String>,
    routes: [Option<String>; 3],
    delete_delay: Option<u32>,
    ping_intervals: [Option<u32>; 2],
    legs: Vec<Leg>,
    numbers: Vec<Number>,
    bodies: Vec<Bodies>,
    values: Vec<(Vec<u8>, Held)>,
    profiles: Vec<Profile>,
}

#[derive(Serialize, Deserialize)]
struct Party {
    display: Vec<u8>,
    uri: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Leg {
    tag: Vec<u8>,
    state: u8,
    branch: u16,
    contact: Vec<u8>,
    route_set: Vec<u8>,
    from_uri: Vec<u8>,
    to_uri: Vec<u8>,
    cseq: u32,
    prev_cseq: Option<u32>,
    inv_cseq: u32,
    last_gen_cseq: u32,
    socket: Option<String>,
    peer: Option<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
struct Number {
    leg: u16,
    callee_leg: u16,
    received: u32,
    sent: u32,
    invite: bool,
}

#[derive(Serialize, Deserialize)]
struct Bodies {
    callee_leg: u16,
    from_caller: Passed,
    from_callee: Passed,
}

/// A body is written once, also where what left is what came.
#[derive(Serialize, Deserialize)]
enum Passed {
    Nothing,
    AsReceived(Content),
    Changed(Option<Content>, Option<Content>),
}

#[derive(Serialize, Deserialize)]
struct Content {
    kind: Vec<u8>,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum Held {
    Bytes(Vec<u8>),
    Int(i32),
}

#[derive(Serialize, Deserialize)]
struct Profile {
    name: String,
    sharing: u8,
    has_value: bool,
    value: Vec<u8>,
}

/// The payload of a dialog.
pub(super) fn encode(stored: &Stored, words: &dyn Dictionary) -> Vec<u8> {
    let record = Record::of(stored, words);
    let out = vec![VERSION];
    postcard::to_extend(&record, out).expect("a vector takes any record")
}

/// The dialog of a payload.
pub(super) fn decode(payload: &[u8], words: &dyn Dictionary) -> Result<Stored, Unreadable> {
    match payload.split_first() {
        Some((&VERSION, record)) => {
            let record = postcard::from_bytes(record).map_err(|_| Unreadable::Payload)?;
            Record::stored(record, words)
        }
        other => Err(Unreadable::Version(other.map(|(version, _)| *version))),
    }
}

impl Record {
    fn of(stored: &Stored, words: &dyn Dictionary) -> Self {
        let value = |value: &Value| match value {
            Value::Bytes(bytes) => Held::Bytes(bytes.to_vec()),
            Value::Int(number) => Held::Int(*number),
        };
        Self {
            id: stored.id.db_id(),
            state: stored.state.number(),
            flags: stored.flags.bits(),
            script_flags: words.flags(stored.user_flags),
            module_flags: stored.module_flags.bits(),
            call_id: stored.call_id.to_vec(),
            caller: Party::of(&stored.caller),
            callee: Party::of(&stored.callee),
            created: stored.created_ts,
            started: stored.start_ts,
            expires: stored.timeout_ts,
            lifetime: stored.lifetime,
            invite_cseq: stored.invite_cseq,
            answered_leg: stored.answered_leg,
            reason: stored.reason.as_ref().map(ToString::to_string),
            routes: stored.routes.map(|route| route.and_then(|number| words.route(number))),
            delete_delay: stored.delete_delay,
            ping_intervals: stored.ping_intervals,
            legs: stored.legs.iter().map(|leg| Leg::of(leg, words)).collect(),
            numbers: stored.numbers.iter().map(Number::of).collect(),
            bodies: stored.bodies.iter().map(Bodies::of).collect(),
            values: stored.values.iter().map(|(name, it)| (name.to_vec(), value(it))).collect(),
            profiles: stored.profiles.iter().map(Profile::of).collect(),
        }
    }

    fn stored(self, words: &dyn Dictionary) -> Result<Stored, Unreadable> {
        let route = |name: Option<String>| name.and_then(|name| words.route_named(&name));
        let legs = self.legs.into_iter().map(|leg| leg.stored(words));
        let profiles = self.profiles.into_iter().map(Profile::link);
        Ok(Stored {
            id: DialogId::from_db_id(self.id),
            state: State::from_number(self.state).ok_or(Unreadable::Payload)?,
            flags: DialogFlags::from_bits_truncate(self.flags),
            user_flags: words.flags_named(&self.script_flags),
            module_flags: ModuleFlags::from_bits_retain(self.module_flags),
            call_id: self.call_id.into(),
            caller: self.caller.stored(),
            callee: self.callee.stored(),
            created_ts: self.created,
            start_ts: self.started,
            timeout_ts: self.expires,
            lifetime: self.lifetime,
            invite_cseq: self.invite_cseq,
            answered_leg: self.answered_leg,
            reason: self.reason.map(EndReason::new),
            routes: self.routes.map(route),
            delete_delay: self.delete_delay,
            ping_intervals: self.ping_intervals,
            legs: legs.collect::<Result<_, _>>()?,
            numbers: self.numbers.into_iter().map(Number::stored).collect(),
            bodies: self.bodies.into_iter().map(Bodies::stored).collect(),
            values: values(self.values),
            profiles: profiles.collect::<Result<_, _>>()?,
        })
    }
}

/// Newest first, as they were told: each that is set becomes the newest.
fn values(list: Vec<(Vec<u8>, Held)>) -> Values {
    let mut values = Values::default();
    for (name, held) in list.into_iter().rev() {
        let value = match held {
            Held::Bytes(bytes) => Value::from(bytes),
            Held::Int(number) => Value::from(number),
        };
        // it fitted when it was stored
        let _ = values.set(&name, value);
    }
    values
}

impl Party {
    fn of(stored: &StoredParty) -> Self {
        Self { display: stored.display.to_vec(), uri: stored.uri.to_vec() }
    }

    fn stored(self) -> StoredParty {
        StoredParty { display: self.display.into(), uri: self.uri.into() }
    }
}

impl Leg {
    fn of(stored: &StoredLeg, words: &dyn Dictionary) -> Self {
        Self {
            tag: stored.tag.to_vec(),
            state: match stored.state {
                LegState::Trying => 0,
                LegState::Answered => 1,
                LegState::Ended => 2,
            },
            branch: stored.branch,
            contact: stored.contact.to_vec(),
            route_set: stored.route_set.to_vec(),
            from_uri: stored.from_uri.to_vec(),
            to_uri: stored.to_uri.to_vec(),
            cseq: stored.cseq,
            prev_cseq: stored.prev_cseq,
            inv_cseq: stored.inv_cseq,
            last_gen_cseq: stored.last_gen_cseq,
            socket: stored.flow.and_then(|flow| words.socket_names(flow.socket)),
            peer: stored.flow.map(|flow| flow.peer),
        }
    }

    fn stored(self, words: &dyn Dictionary) -> Result<StoredLeg, Unreadable> {
        let flow = self.socket.as_deref().zip(self.peer);
        let flow = flow.map(|(socket, peer)| super::flow(words, socket, peer)).transpose()?;
        Ok(StoredLeg {
            tag: self.tag.into(),
            state: match self.state {
                0 => LegState::Trying,
                1 => LegState::Answered,
                2 => LegState::Ended,
                _ => return Err(Unreadable::Payload),
            },
            branch: self.branch,
            contact: self.contact.into(),
            route_set: self.route_set.into(),
            from_uri: self.from_uri.into(),
            to_uri: self.to_uri.into(),
            cseq: self.cseq,
            prev_cseq: self.prev_cseq,
            inv_cseq: self.inv_cseq,
            last_gen_cseq: self.last_gen_cseq,
            flow,
        })
    }
}

impl Number {
    const fn of(stored: &StoredNumber) -> Self {
        let StoredNumber { leg, callee_leg, received, sent, invite } = *stored;
        Self { leg, callee_leg, received, sent, invite }
    }

    const fn stored(self) -> StoredNumber {
        let Self { leg, callee_leg, received, sent, invite } = self;
        StoredNumber { leg, callee_leg, received, sent, invite }
    }
}

impl Bodies {
    fn of(stored: &StoredBodies) -> Self {
        let [from_caller, from_callee] = &stored.by_way;
        Self {
            callee_leg: stored.callee_leg,
            from_caller: Passed::of(from_caller),
            from_callee: Passed::of(from_callee),
        }
    }

    fn stored(self) -> StoredBodies {
        let by_way = [self.from_caller.stored(), self.from_callee.stored()];
        StoredBodies { callee_leg: self.callee_leg, by_way }
    }
}

impl Passed {
    fn of([received, sent]: &[Option<Body>; 2]) -> Self {
        match (received, sent) {
            (None, None) => Self::Nothing,
            (Some(received), Some(sent)) if received == sent => {
                Self::AsReceived(Content::of(received))
            }
            _ => Self::Changed(received.as_ref().map(Content::of), sent.as_ref().map(Content::of)),
        }
    }

    fn stored(self) -> [Option<Body>; 2] {
        match self {
            Self::Nothing => [None, None],
            Self::AsReceived(content) => {
                let body = Some(content.body());
                [body.clone(), body]
            }
            Self::Changed(received, sent) => [received, sent].map(|it| it.map(Content::body)),
        }
    }
}

impl Content {
    fn of(body: &Body) -> Self {
        Self { kind: body.content_type().to_vec(), bytes: body.bytes().to_vec() }
    }

    fn body(self) -> Body {
        Body::new(&self.kind, &self.bytes)
    }
}

impl Profile {
    fn of(link: &ProfileLink) -> Self {
        Self {
            name: link.name.to_string(),
            sharing: match link.sharing {
                Sharing::Local => 0,
                Sharing::Store => 1,
                Sharing::Cluster => 2,
            },
            has_value: link.kind == ProfileKind::Value,
            value: link.value.to_vec(),
        }
    }

    fn link(self) -> Result<ProfileLink, Unreadable> {
        Ok(ProfileLink {
            name: self.name.into(),
            sharing: match self.sharing {
                0 => Sharing::Local,
                1 => Sharing::Store,
                2 => Sharing::Cluster,
                _ => return Err(Unreadable::Payload),
            },
            kind: if self.has_value { ProfileKind::Value } else { ProfileKind::NoValue },
            value: self.value.into(),
        })
    }
}
