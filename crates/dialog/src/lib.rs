//! SIP dialogs: a table that follows every call from its INVITE to its end, and lets modules
//! follow and steer it. No socket, no clock, no thread: time comes in as an argument, work goes
//! out as values.
//!
//! # A call, and what a module hears of it
//!
//! ```text
//!  caller          this proxy           callee      state             callbacks
//!    │ INVITE          │                   │
//!    ├────────────────►│                   │        1 UNCONFIRMED     CREATED
//!    │                 ├──────────────────►│
//!    │                 │               180 │
//!    │                 │◄──────────────────┤                          RESPONSE_FWDED
//!    │◄────────────────┤                   │        2 EARLY           EARLY
//!    │                 │               200 │
//!    │                 │◄──────────────────┤                          RESPONSE_FWDED
//!    │◄────────────────┤                   │        3 CONFIRMED_NA    CONFIRMED
//!    │ ACK             │                   │
//!    ├────────────────►├──────────────────►│        4 CONFIRMED       REQ_WITHIN
//!    │ INFO            │                   │
//!    ├────────────────►├──────────────────►│                          REQ_WITHIN
//!    │                 │               200 │
//!    │◄────────────────┤◄──────────────────┤                          RESPONSE_WITHIN
//!    │                 │               BYE │
//!    │◄────────────────┤◄──────────────────┤        5 DELETED         TERMINATED
//!    │ 200             │                   │
//!    ├────────────────►├──────────────────►│        (gone)            DESTROY
//! ```
//!
//! A call that is not answered ends by FAILED, one that lives too long by EXPIRED: exactly one of
//! the three, then DESTROY. Each is told before its message is passed on; in CREATED, REQ_WITHIN,
//! RESPONSE_FWDED and RESPONSE_WITHIN that message may still be changed.
//!
//! # A module
//!
//! Register for all calls once, by [`Dialogs::on_created`]; there, register for the one call, by
//! [`Dialog::on`]. What the closures capture is the module's memory of that call.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//!
//! use duologue_dialog::{Dialog, DialogEvents, Dialogs, EndReason, Event, Settings};
//!
//! #[derive(Default)]
//! struct Tally {
//!     answered: AtomicU64,
//!     failed: AtomicU64,
//! }
//!
//! /// Counts how calls go, and allows three requests within each.
//! fn load(dialogs: &Dialogs) -> Arc<Tally> {
//!     let tally = Arc::new(Tally::default());
//!     let counting = tally.clone();
//!     dialogs.on_created(move |event| {
//!         let tally = counting.clone();
//!         let wanted = DialogEvents::CONFIRMED | DialogEvents::FAILED | DialogEvents::REQ_WITHIN;
//!         // Refused only by a dialog that has ended, and this one has just begun.
//!         let _ = event.dialog().on(wanted | DialogEvents::ENDED, move |event| match event {
//!             Event::Confirmed(_) => drop(tally.answered.fetch_add(1, Relaxed)),
//!             Event::Failed(_) => drop(tally.failed.fetch_add(1, Relaxed)),
//!             Event::RequestWithin(request) => limit(request.dialog),
//!             Event::Terminated(end) => println!("{} ended: {}", end.dialog.id(), end.reason),
//!             _ => {}
//!         });
//!     });
//!     tally
//! }
//!
//! /// The ACK is the first of them.
//! fn limit(dialog: &Dialog) {
//!     let seen = dialog.fetch_value("requests").ok().flatten();
//!     let seen = seen.and_then(|value| value.as_int()).unwrap_or(0) + 1;
//!     let _ = dialog.store_value("requests", seen);
//!     if seen > 3 {
//!         // The request that was one too many is still passed on; then both sides get a BYE.
//!         let _ = dialog.terminate(EndReason::new("Too many requests"));
//!     }
//! }
//!
//! let tally = load(&Dialogs::new(Settings::default(), 7));
//! assert_eq!(tally.answered.load(Relaxed), 0);
//! ```
//!
//! A server hands its dialogs to `load` when it starts: to a module of scripts in `Module::start`
//! (by `Host::dialogs`), to a program that embeds it in `duologue::Builder::dialogs`. The folder
//! `examples/` has four such programs, each with the calls that make it speak.
//!
//! # For those who know `dlg_binds`
//!
//! | OpenSIPS | here |
//! | --- | --- |
//! | `load_dlg_api` | the server's `Host::dialogs` |
//! | `register_dlgcb` | [`Dialog::on`], [`Dialogs::on_created`], [`Dialogs::on_loaded`] |
//! | `create_dlg` | [`Dialogs::create`], [`Dialogs::create_again`] |
//! | `get_dlg`, `get_direction` | the server's `Context::dialog`, `Context::direction`; [`Dialog::direction_of`] |
//! | `add_profiles`, `search_profile` | [`Dialogs::add_profiles`], [`Dialogs::search_profile`] |
//! | `set_profile`, `unset_profile`, `get_profile_size` | [`Dialog::set_profile`], [`Dialog::replace_profile`], [`Dialog::unset_profile`], [`Profile::size`] |
//! | `store_dlg_value`, `fetch_dlg_value` | [`Dialog::store_value`], [`Dialog::remove_value`], [`Dialog::fetch_value`] |
//! | `terminate_dlg` | [`Dialog::terminate`], [`Dialogs::terminate`] |
//! | `match_dialog` | [`Dialogs::match_request`] |
//! | `validate_dialog`, `fix_route_dialog` | [`Dialog::validate`], [`Dialog::fix_route`] |
//! | `set_mod_flag`, `is_mod_flag_set` | [`Dialog::set_module_flags`], [`Dialog::module_flags`] |
//! | `dlg_ref`, `dlg_unref` | [`Dialog`] keeps nothing alive; [`Dialogs::hold`], [`Dialogs::release`] |
//! | `get_dlg_did` | [`Dialog::id`] and [`DialogId::did`] |
//! | `get_dlg_by_did`, `get_dlg_by_ids`, `get_dlg_by_callid` | [`Dialogs::by_did`], [`Dialogs::by_id`], [`Dialogs::by_callid`], [`Dialogs::all_by_callid`], [`Dialog::is_active`] |
//! | `send_indialog_request`, `dlg_inc_cseq` | [`Dialog::send_request`], [`Dialog::increase_cseq`] |
//! | `get_rr_param` | [`Dialogs::rr_param`] |
//! | `dlg_ctx_register_*`, `dlg_ctx_put_*`, `dlg_ctx_get_*` | [`Dialogs::register_slot`], [`DialogSlot::put`], [`DialogSlot::get`] |
//!
//! # How the shell drives it
//!
//! Whoever runs a call is the only one that feeds its dialogs. Each operation changes the table at
//! once and fills [`Steps`]: transitions to tell, callbacks to [`fire`](Dialogs::fire), routes to
//! run, in order. Walk them front to back; then the message may leave.
//!
//! 1. INVITE: [`create`](Dialogs::create), then [`branch_sent`](Dialogs::branch_sent) per branch.
//! 2. Reply: [`reply_forwarded`](Dialogs::reply_forwarded) while it may be changed, then
//!    [`reply_about_to_be_sent`](Dialogs::reply_about_to_be_sent).
//! 3. Request within: [`match_request`](Dialogs::match_request), then
//!    [`request_within`](Dialogs::request_within), and [`release`](Dialogs::release) when done.
//! 4. INVITE transaction freed: [`transaction_ended`](Dialogs::transaction_ended).
//! 5. Time: [`next_wake`](Dialogs::next_wake), [`wake`](Dialogs::wake), and
//!    [`deadline`](Dialogs::deadline) for each dialog it names.
//! 6. [`Step::End`] or an [`Intent`]: [`begin_end`](Dialogs::begin_end), send what it says, then
//!    [`own_request_ended`](Dialogs::own_request_ended); [`Step::Send`] likewise.
//! 7. From outside, as jobs of the call: [`loaded`](Dialogs::loaded),
//!    [`write_values`](Dialogs::write_values), [`saved`](Dialogs::saved),
//!    [`process_values`](Dialogs::process_values); beside it, for a listing,
//!    [`mi_context`](Dialogs::mi_context).
//!
//! # What holds
//! * Callbacks run in the order of the transitions that caused them; EARLY never after CONFIRMED.
//! * No lock of the table is held while they run: they may call anything here, on any dialog.
//! * Every dialog ends by exactly one of FAILED, TERMINATED, EXPIRED, then DESTROY.
//! * After the last dialog, the table, its timers and gauges are empty (tombstones 32 s later).
//! * A panic in a callback is a value for the log, and a counter.

mod asked;
mod body;
mod callbacks;
mod create;
mod cseq;
mod deadlines;
mod dialog;
mod durations;
mod ending;
mod engine;
mod event;
mod extras;
mod facts;
mod fire;
mod fix_route;
mod flags;
mod held_ack;
mod id;
mod journal;
mod last_bodies;
mod leg;
mod listing;
mod lookup;
mod machine;
mod matching;
mod media;
mod merge;
mod negotiation;
mod numbering;
mod outside;
mod own;
mod own_offers;
mod packed;
mod passed;
mod pings;
mod prack;
mod profiles;
mod reason;
mod record;
mod reply;
mod request;
mod restore;
mod selection;
mod settings;
mod settled;
mod slot;
mod snapshot;
mod stale;
mod stamp;
mod stats;
mod steps;
mod stored;
mod sync;
mod table;
mod target;
mod terminate;
#[cfg(test)]
mod test_support;
mod tombstone;
mod user_flags;
mod validate;
mod values;
mod wheel;

pub use asked::{Answer, AskError, NewRequest, are_header_lines};
pub use body::{Body, BodyFacts};
pub use callbacks::{PanicReport, Refused, Registration};
pub use create::CreateError;
pub use cseq::CseqError;
pub use deadlines::Due;
pub use dialog::{Dialog, StoreError};
pub use durations::{Durations, Histogram};
pub use ending::{EndReport, LegEnd};
pub use event::{
    Confirmed, Created, Destroy, Direction, Early, Event, EventMessage, Expired, FailCause, Failed,
    Loaded, MessageSlot, MiContext, NotMutable, ProcessValues, RequestWithin, ResponseForwarded,
    ResponseWithin, Saved, SavedKind, Terminated, WriteValues,
};
pub use facts::{
    DialogMethod, InviteFacts, MatchFacts, NewNumbers, ReplyFacts, RequestFacts, ResponseFacts,
    Within,
};
pub use fix_route::NoTarget;
pub use flags::{DialogEvents, DialogFlags, ModuleFlags};
pub use held_ack::{HELD_ACK_MAX, HeldAck};
pub use id::{DID_LEN_MAX, DialogId, Did, MalformedDid, call_id_hash, entry_of};
pub use journal::{BoundedJournal, Change, JOURNALS_MAX, Journal};
pub use leg::LegState;
pub use listing::{BadCursor, Cursor};
pub use machine::{MachineEvent, State};
pub use matching::{Matched, NoMatch};
pub use numbering::NODE_BITS;
pub use outside::{ContextFull, ContextItems, ListedContext};
pub use own::{Outcome, OwnLink, OwnRequest, Purpose};
pub use pings::PingKind;
pub use profiles::{
    LinkOrigin, LinkRefused, Profile, ProfileCursor, ProfileDefinition, ProfileError, ProfileKind,
    ProfileLink, ProfileValue, Sharing,
};
pub use reason::EndReason;
pub use reply::Forwarded;
pub use restore::RestoreError;
pub use selection::Selection;
pub use settings::{
    ASKED_MAX, CALLBACKS_PER_DIALOG_MAX, CONTEXT_BYTES_MAX, CONTEXT_ITEMS_MAX,
    DIALOGS_PER_CALL_ID_MAX, INTENTS_MAX, KeepSdp, LEGS_MAX, LINGER_SECONDS_MAX,
    LOG_PROFILE_HASH_SIZE_MAX, LateAnswer, LegTarget, MatchMode, NoAckAction, PROFILE_LINKS_MAX,
    PROFILE_VALUE_BYTES_MAX, PROFILES_MAX, REPORTS_MAX, ROUTES_MAX, Settings, TEXT_BYTES_MAX,
    TOMBSTONE_SECONDS, VALUES_BYTES_MAX,
};
pub use slot::{DialogSlot, SLOTS_MAX, TooManySlots};
pub use snapshot::{LegSnapshot, Snapshot};
pub use stale::{ENDED_PER_PART_MAX, STALE_PARTS, Stale};
pub use stats::{Statistic, Statistics};
pub use steps::{Changed, Fire, Firing, Note, RouteHook, Step, Steps};
pub use stored::{Stored, StoredBodies, StoredLeg, StoredNumber, StoredParty};
pub use table::{DialogKey, Dialogs, Gone};
pub use target::Target;
pub use terminate::{Byes, ENDING_MAX, EndPlan, Heard, Intent, TerminateError, Wish};
pub use user_flags::{USER_FLAG_NAME_MAX, USER_FLAGS_MAX, UserFlag, UserFlagError};
pub use validate::{Invalid, Routing};
pub use values::{Value, Values, ValuesFull};
