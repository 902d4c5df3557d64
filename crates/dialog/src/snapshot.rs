//! A dialog as it is at one moment: for listings, events and the final words of an end.

use crate::leg::LegState;
use crate::record::Record;
use crate::stamp::Stamp;
use crate::{
    Body, DialogFlags, DialogId, DialogKey, EndReason, ModuleFlags, ProfileLink, State, Values,
};
use duologue_sip::{Flow, Moment};
use std::time::Duration;

/// All that can be told about a dialog (spec dialog.md §13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The way back to the dialog.
    pub key: DialogKey,
    /// Its public name.
    pub id: DialogId,
    /// The shell's word for the call that owns it.
    pub owner: u64,
    /// Its state.
    pub state: State,
    /// The engine's flags.
    pub flags: DialogFlags,
    /// The script's flags.
    pub user_flags: u32,
    /// The modules' flags.
    pub module_flags: ModuleFlags,
    pub(crate) created_at: Stamp,
    /// Seconds since 1970 of the answer; 0 before.
    pub start_ts: u64,
    /// Seconds since 1970 of the expiry; 0 without a running lifetime.
    pub timeout_ts: u64,
    /// The lifetime in seconds as armed, or to be armed at the answer.
    pub lifetime: u32,
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// From URI as received from the caller.
    pub from_uri: Box<[u8]>,
    /// To URI as received from the caller.
    pub to_uri: Box<[u8]>,
    /// The leg that answered first.
    pub answered_leg: Option<u16>,
    /// Why it ended, or is about to.
    pub reason: Option<EndReason>,
    /// Leg 0, the caller, then the callees in sending order.
    pub legs: Vec<LegSnapshot>,
    /// Values, newest name first.
    pub values: Values,
    /// Links to profiles, newest first.
    pub profiles: Vec<ProfileLink>,
}

/// A leg as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegSnapshot {
    /// From-tag of the caller, To-tag of a callee; empty until known.
    pub tag: Box<[u8]>,
    /// How far the leg got; the caller's says nothing.
    pub state: LegState,
    /// Remote target URI.
    pub contact: Box<[u8]>,
    /// Route values in the order needed to reach the leg, joined by commas.
    pub route_set: Box<[u8]>,
    /// CSeq of the last request sent towards the leg.
    pub cseq: u32,
    /// The value of `cseq` before the last request.
    pub prev_cseq: Option<u32>,
    /// CSeq of the last INVITE received from the leg.
    pub inv_cseq: u32,
    /// The way to it, once known.
    pub flow: Option<Flow>,
    /// From URI as this leg sees it; empty when it was not rewritten.
    pub from_uri: Box<[u8]>,
    /// To URI as this leg sees it; empty when it was not rewritten.
    pub to_uri: Box<[u8]>,
    /// The last CSeq number that we put on a request towards the leg ourselves; 0 for none.
    pub last_gen_cseq: u32,
    /// The body in force that came from the leg, where bodies are kept.
    pub body: Option<Body>,
    /// The body in force that the leg was sent, where bodies are kept.
    pub sent_body: Option<Body>,
}

impl Snapshot {
    /// The To-tag of the answered leg, or of the first callee leg; empty while unknown (§14.2).
    pub fn callee_tag(&self) -> &[u8] {
        self.legs.get(self.answered_leg.unwrap_or(1) as usize).map_or(b"", |leg| &leg.tag)
    }

    /// How long ago it was made, to the hundredth of a second. The count starts anew after 497 days.
    pub fn age(&self, now: Moment) -> Duration {
        self.created_at.age(now.tick)
    }

    /// The From-tag.
    pub fn caller_tag(&self) -> &[u8] {
        self.legs.first().map_or(b"", |leg| &leg.tag)
    }

    pub(crate) fn of(key: DialogKey, record: &Record) -> Self {
        Self {
            key,
            id: key.id,
            owner: record.owner,
            state: record.state,
            flags: record.flags,
            user_flags: record.user_flags,
            module_flags: record.module_flags,
            created_at: record.created_at,
            start_ts: record.start_ts.into(),
            timeout_ts: record.timeout_ts.into(),
            lifetime: record.lifetime,
            call_id: record.call_id().into(),
            from_uri: record.caller_uri().into(),
            to_uri: record.callee_uri().into(),
            answered_leg: record.answered_leg(),
            reason: record.reason.clone(),
            legs: (0..record.legs.len()).map(|leg| LegSnapshot::of(record, leg)).collect(),
            values: record.values.as_deref().cloned().unwrap_or_default(),
            profiles: record.links().map(|links| links.told()).unwrap_or_default(),
        }
    }
}

impl LegSnapshot {
    fn of(record: &Record, number: usize) -> Self {
        let leg = &record.legs[number];
        Self {
            tag: leg.tag().into(),
            state: leg.state,
            contact: leg.contact().into(),
            route_set: leg.routes().into(),
            cseq: leg.r_cseq,
            prev_cseq: leg.prev_cseq,
            inv_cseq: leg.inv_cseq,
            flow: leg.flow,
            from_uri: leg.mangled_from().into(),
            to_uri: leg.mangled_to().into(),
            last_gen_cseq: leg.last_gen_cseq,
            body: record.body_from(number as u16).cloned(),
            sent_body: record.body_to(number as u16).cloned(),
        }
    }
}
