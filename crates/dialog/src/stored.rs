//! All of a dialog that outlives its process (spec dialog.md §11): one plain value, in words that
//! mean the same to the next process. Whoever keeps it knows no engine; the engine knows no table.
//!
//! Numbers of this process that stand for names (route blocks, script flags, sockets of flows) are
//! left as they are: whoever writes them down has the names.

use crate::cseq::Way;
use crate::leg::{Leg, LegState};
use crate::negotiation::Media;
use crate::passed::Passed;
use crate::record::Record;
use crate::{
    Body, Dialog, DialogFlags, DialogId, DialogKey, EndReason, Gone, ModuleFlags, ProfileLink,
    State, Values,
};
use duologue_sip::{Flow, Moment};

/// A dialog as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its public name.
    pub id: DialogId,
    /// 3 or 4: others are not stored.
    pub state: State,
    /// The engine's flags, but for the [transient](DialogFlags::TRANSIENT) ones.
    pub flags: DialogFlags,
    /// The script's flags.
    pub user_flags: u32,
    /// The modules' flags.
    pub module_flags: ModuleFlags,
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// The caller as it wrote itself.
    pub caller: StoredParty,
    /// The callee as the caller wrote it.
    pub callee: StoredParty,
    /// Seconds since 1970 of its creation.
    pub created_ts: u64,
    /// Seconds since 1970 of the answer.
    pub start_ts: u64,
    /// Seconds since 1970 of the expiry.
    pub timeout_ts: u64,
    /// The lifetime in seconds, as it was armed last.
    pub lifetime: u32,
    /// CSeq of the initial INVITE.
    pub invite_cseq: u32,
    /// The leg that answered first; 0 if the call was answered by the script.
    pub answered_leg: u16,
    /// Why it is about to end.
    pub reason: Option<EndReason>,
    /// The routes to run, by [`RouteHook`](crate::RouteHook).
    pub routes: [Option<u32>; 3],
    /// Its own delay after the end, in seconds.
    pub delete_delay: Option<u32>,
    /// Its own intervals of OPTIONS and re-INVITE pings, in seconds.
    pub ping_intervals: [Option<u32>; 2],
    /// Leg 0, the caller, then the callees in sending order.
    pub legs: Vec<StoredLeg>,
    /// The numbers of requests under way, oldest first.
    pub numbers: Vec<StoredNumber>,
    /// The bodies in force, where bodies are kept.
    pub bodies: Vec<StoredBodies>,
    /// Values, newest name first.
    pub values: Values,
    /// Links to profiles, newest first.
    pub profiles: Vec<ProfileLink>,
}

/// One of the two parties of From and To.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredParty {
    /// The display name as written, quotes included.
    pub display: Box<[u8]>,
    /// The URI.
    pub uri: Box<[u8]>,
}

/// A leg as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLeg {
    /// From-tag of the caller, To-tag of a callee.
    pub tag: Box<[u8]>,
    /// How far the leg got.
    pub state: LegState,
    /// The branch that it came from.
    pub branch: u16,
    /// Remote target URI.
    pub contact: Box<[u8]>,
    /// Route values, joined by commas.
    pub route_set: Box<[u8]>,
    /// From URI as this leg sees it; empty when it was not rewritten.
    pub from_uri: Box<[u8]>,
    /// To URI as this leg sees it; empty when it was not rewritten.
    pub to_uri: Box<[u8]>,
    /// CSeq of the last request sent towards the leg.
    pub cseq: u32,
    /// The value of `cseq` before the last request.
    pub prev_cseq: Option<u32>,
    /// CSeq of the last INVITE received from the leg.
    pub inv_cseq: u32,
    /// The last number of ours towards the leg; 0 for none.
    pub last_gen_cseq: u32,
    /// The way to it.
    pub flow: Option<Flow>,
}

/// A request that is renumbered on its way, or an INVITE (decision D13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredNumber {
    /// The leg that it goes to.
    pub leg: u16,
    /// The callee leg of the two.
    pub callee_leg: u16,
    /// As received.
    pub received: u32,
    /// As sent.
    pub sent: u32,
    /// Whether it is an INVITE.
    pub invite: bool,
}

/// The bodies in force between the caller and a callee leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBodies {
    /// The callee leg.
    pub callee_leg: u16,
    /// What went from the caller, then from the callee: as it came, and as it left.
    pub by_way: [[Option<Body>; 2]; 2],
}

impl Stored {
    pub(crate) fn of(now: Moment, key: DialogKey, record: &Record) -> Self {
        let extras = record.extras.as_deref();
        let age = record.created_at.age(now.tick).as_secs();
        Self {
            id: key.id,
            state: record.state,
            flags: record.flags.difference(DialogFlags::TRANSIENT),
            user_flags: record.user_flags,
            module_flags: record.module_flags,
            call_id: record.call_id().into(),
            caller: StoredParty::new(record.caller_display(), record.caller_uri()),
            callee: StoredParty::new(record.callee_display(), record.callee_uri()),
            created_ts: now.unix.saturating_sub(age),
            start_ts: record.start_ts.into(),
            timeout_ts: record.timeout_ts.into(),
            lifetime: record.lifetime,
            invite_cseq: record.invite_cseq,
            answered_leg: record.answered_leg().unwrap_or_default(),
            reason: record.reason.clone(),
            routes: record.routes.as_deref().copied().unwrap_or_default(),
            delete_delay: extras.and_then(|extras| extras.delete_delay),
            ping_intervals: record.own_ping_intervals(),
            legs: record.legs.iter().map(StoredLeg::of).collect(),
            numbers: extras.map(|extras| extras.numbers.stored()).unwrap_or_default(),
            bodies: extras.map(|extras| stored_bodies(&extras.media)).unwrap_or_default(),
            values: record.values.as_deref().cloned().unwrap_or_default(),
            profiles: record.links().map(|links| links.told()).unwrap_or_default(),
        }
    }
}

impl Dialog {
    /// All of it that outlives the process, whatever its state.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn stored(&self, now: Moment) -> Result<Stored, Gone> {
        self.table().with(self.key(), |record| Stored::of(now, self.key(), record))
    }
}

impl StoredParty {
    fn new(display: &[u8], uri: &[u8]) -> Self {
        Self { display: display.into(), uri: uri.into() }
    }
}

impl StoredLeg {
    fn of(leg: &Leg) -> Self {
        Self {
            tag: leg.tag().into(),
            state: leg.state,
            branch: leg.branch,
            contact: leg.contact().into(),
            route_set: leg.routes().into(),
            from_uri: leg.mangled_from().into(),
            to_uri: leg.mangled_to().into(),
            cseq: leg.r_cseq,
            prev_cseq: leg.prev_cseq,
            inv_cseq: leg.inv_cseq,
            last_gen_cseq: leg.last_gen_cseq,
            flow: leg.flow,
        }
    }
}

impl StoredNumber {
    pub(crate) const fn way(self) -> Way {
        Way { leg: self.leg, callee_leg: self.callee_leg }
    }
}

fn stored_bodies(all: &[Media]) -> Vec<StoredBodies> {
    let told = |passed: Option<&Passed>| {
        [passed.and_then(Passed::received).cloned(), passed.and_then(Passed::sent).cloned()]
    };
    let bodies = all.iter().map(|media| StoredBodies {
        callee_leg: media.callee_leg,
        by_way: media.in_force().map(told),
    });
    bodies.filter(|bodies| bodies.by_way.iter().flatten().any(Option::is_some)).collect()
}
