//! The state machine of a dialog: all transitions in one table (spec dialog.md §2.2, with the
//! decisions of §18.1).
//!
//! Effects are data, listed in the order of §2.3; the engine carries them out. A snapshot test
//! prints every state against every event.

use Effect as Do;
use MachineEvent as On;
use State::{Confirmed, ConfirmedNa, Deleted, Early, Unconfirmed};

/// The state of a dialog, with the numbers of `$DLG_status` (§2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Created; nothing was relayed back yet.
    Unconfirmed = 1,
    /// A 101–199 was relayed.
    Early = 2,
    /// A 2xx was relayed; no ACK yet.
    ConfirmedNa = 3,
    /// The ACK was seen.
    Confirmed = 4,
    /// Ended.
    Deleted = 5,
}

impl State {
    /// All states, in order.
    pub const ALL: [Self; 5] = [Unconfirmed, Early, ConfirmedNa, Confirmed, Deleted];

    /// 1 to 5.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Unconfirmed,
            2 => Early,
            3 => ConfirmedNa,
            4 => Confirmed,
            5 => Deleted,
            _ => return None,
        })
    }

    /// States 3 and 4.
    pub const fn is_answered(self) -> bool {
        matches!(self, ConfirmedNa | Confirmed)
    }

    /// State 5.
    pub const fn is_ended(self) -> bool {
        matches!(self, Deleted)
    }
}

/// What happens to a dialog (§2.1). A BYE is told apart by what it does to the answered legs
/// (decision D2): every answered leg is a usage of its own, the dialog ends with the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineEvent {
    /// A 101–199 is about to be relayed.
    Provisional,
    /// A 2xx is about to be relayed.
    Success,
    /// A 3xx–6xx is about to be sent, relayed or our own.
    Failure,
    /// The INVITE's transaction is gone.
    TransactionEnded,
    /// An ACK within the dialog.
    Ack,
    /// A BYE that ends the last answered leg.
    ByeLast,
    /// A BYE that ends one of several answered legs, or one that is ended already.
    ByeOneOfSeveral,
    /// A BYE of the caller to a leg that did not answer.
    ByeUnansweredByCaller,
    /// A BYE of a callee whose leg did not answer.
    ByeUnansweredByCallee,
    /// A PRACK within the dialog.
    Prack,
    /// Any other request within the dialog.
    Request,
    /// The lifetime is over, no BYEs wanted.
    Expired,
    /// An end asked for by us was carried out (or gave up).
    InternalEnd,
}

impl MachineEvent {
    /// All events, in order.
    pub const ALL: [Self; 13] = [
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::TransactionEnded,
        Self::Ack,
        Self::ByeLast,
        Self::ByeOneOfSeveral,
        Self::ByeUnansweredByCaller,
        Self::ByeUnansweredByCallee,
        Self::Prack,
        Self::Request,
        Self::Expired,
        Self::InternalEnd,
    ];
}

/// What a transition does, beside changing the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Number the transition and tell it: the journal, `E_DLG_STATE_CHANGED`.
    Tell,
    /// A late CANCEL or an early BYE may shorten the lifetime (§2.4.4).
    CheckRace,
    /// `start_ts` is now; lifetime and no-ACK timers are armed.
    StartLifetime,
    /// The no-ACK timer is off.
    StopNoAck,
    /// All timers but the linger guard are off.
    StopTimers,
    /// A BYE was seen.
    MarkBye,
    /// Never stored so far.
    MarkNew,
    /// Record why it ended, unless a reason is there: the direction of the BYE tells.
    NoteReason,
    /// Take the timeout that was waiting in the context, once (decision D9).
    TakeTimeout,
    /// Note CSeq numbers (§2.3, requests in 2, 3 and 4).
    NoteCseq,
    /// Take the new remote target of a target refresh.
    TakeContact,
    /// From now on the sides that asked for it are pinged.
    StartPings,
    /// The leg of the BYE is over.
    EndLeg,
    /// Should our BYEs be under way, a leg that answers now gets its own.
    EndLateLeg,
    /// Run the on-answer route.
    AnswerRoute,
    /// Run the on-hangup route.
    HangupRoute,
    /// Callbacks.
    FireEarly,
    /// Callbacks.
    FireConfirmed,
    /// Callbacks.
    FireFailed,
    /// Callbacks.
    FireRequestWithin,
    /// Callbacks.
    FireTerminated,
    /// Callbacks.
    FireExpired,
    /// Statistics: `failed_dialogs`.
    CountFailed,
    /// Statistics: `expired_dialogs`.
    CountExpired,
    /// Statistics: `late_answers`, and what `late_answer` asks for (decision D3).
    LateAnswer,
    /// Start the way out of the table.
    Linger,
    /// Log an event that does not belong here.
    Bogus,
}

/// Where a transition leads and what it does on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) next: State,
    pub(crate) effects: &'static [Effect],
}

/// The table. Total: every state answers every event.
pub(crate) fn transition(state: State, event: MachineEvent) -> Transition {
    let stay = |effects| Transition { next: state, effects };
    match (state, event) {
        (Unconfirmed, On::Provisional) => to(Early, &[Do::Tell, Do::FireEarly]),
        (Early, On::Provisional) => stay(&[]),

        (Unconfirmed | Early, On::Success) => to(
            ConfirmedNa,
            &[
                Do::Tell,
                Do::CheckRace,
                Do::StartLifetime,
                Do::MarkNew,
                Do::FireConfirmed,
                Do::AnswerRoute,
            ],
        ),
        // another leg of a fork, or one more copy
        (ConfirmedNa | Confirmed, On::Success) => stay(&[Do::EndLateLeg]),
        // §18.1 D3: no way back from 5
        (Deleted, On::Success) => stay(&[Do::LateAnswer]),

        (Unconfirmed | Early, On::Failure | On::TransactionEnded) => {
            to(Deleted, &[Do::Tell, Do::StopTimers, Do::FireFailed, Do::CountFailed, Do::Linger])
        }
        (ConfirmedNa | Confirmed, On::TransactionEnded) => stay(&[]),
        (Deleted, On::TransactionEnded) => stay(&[Do::Linger]),

        (ConfirmedNa, On::Ack) => to(
            Confirmed,
            &[Do::Tell, Do::StopNoAck, Do::TakeTimeout, Do::StartPings, Do::FireRequestWithin],
        ),
        (Confirmed, On::Ack) => stay(&[Do::TakeTimeout, Do::FireRequestWithin]),

        // §18.1 D26: state 5 comes with the BYE request, whatever it is answered
        (ConfirmedNa | Confirmed, On::ByeLast) => to(
            Deleted,
            &[
                Do::MarkBye,
                Do::EndLeg,
                Do::Tell,
                Do::HangupRoute,
                Do::NoteReason,
                Do::StopTimers,
                Do::FireTerminated,
                Do::Linger,
            ],
        ),
        // §18.1 D2: a leg of several is over, the dialog goes on
        (ConfirmedNa | Confirmed, On::ByeOneOfSeveral) => {
            stay(&[Do::EndLeg, Do::FireRequestWithin])
        }
        (ConfirmedNa | Confirmed, On::ByeUnansweredByCaller) => stay(&[]),
        (ConfirmedNa | Confirmed, On::ByeUnansweredByCallee) => stay(&[Do::Bogus]),

        // §2.4.5: a BYE before the answer only leaves a mark
        (Unconfirmed, On::ByeUnansweredByCaller) => stay(&[Do::MarkBye]),
        (Early, On::ByeUnansweredByCaller) => {
            stay(&[Do::MarkBye, Do::FireRequestWithin, Do::NoteCseq])
        }
        (Early, On::ByeUnansweredByCallee) => {
            stay(&[Do::Bogus, Do::FireRequestWithin, Do::NoteCseq])
        }

        (Early, On::Prack | On::Request) => {
            stay(&[Do::FireRequestWithin, Do::NoteCseq, Do::TakeContact])
        }
        (ConfirmedNa | Confirmed, On::Prack | On::Request) => {
            stay(&[Do::TakeTimeout, Do::FireRequestWithin, Do::NoteCseq, Do::TakeContact])
        }
        (Deleted, On::Prack | On::Request) => stay(&[Do::Bogus, Do::FireRequestWithin]),
        (
            Deleted,
            On::Ack
            | On::ByeLast
            | On::ByeOneOfSeveral
            | On::ByeUnansweredByCaller
            | On::ByeUnansweredByCallee,
        ) => stay(&[Do::FireRequestWithin]),

        (ConfirmedNa | Confirmed, On::Expired) => {
            to(Deleted, &[Do::Tell, Do::StopTimers, Do::FireExpired, Do::CountExpired, Do::Linger])
        }
        (ConfirmedNa | Confirmed, On::InternalEnd) => to(
            Deleted,
            &[
                Do::MarkBye,
                Do::Tell,
                Do::HangupRoute,
                Do::StopTimers,
                Do::FireTerminated,
                Do::Linger,
            ],
        ),
        (Deleted, On::Expired | On::InternalEnd) => stay(&[]),

        (ConfirmedNa | Confirmed | Deleted, On::Provisional)
        | (ConfirmedNa | Confirmed | Deleted, On::Failure)
        | (Unconfirmed | Early, On::Ack | On::ByeLast | On::ByeOneOfSeveral)
        | (Unconfirmed, On::ByeUnansweredByCallee | On::Prack | On::Request)
        | (Unconfirmed | Early, On::Expired | On::InternalEnd) => stay(&[Do::Bogus]),
    }
}

const fn to(next: State, effects: &'static [Effect]) -> Transition {
    Transition { next, effects }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for event in MachineEvent::ALL {
            writeln!(table, "{event:?}").unwrap();
            for state in State::ALL {
                let Transition { next, effects } = transition(state, event);
                let arrow = if next == state { "-".to_owned() } else { format!("{next:?}") };
                let effects: Vec<_> = effects.iter().map(|e| format!("{e:?}")).collect();
                writeln!(
                    table,
                    "  {} {:<12} {:<12} {}",
                    state.number(),
                    format!("{state:?}"),
                    arrow,
                    effects.join(", ")
                )
                .unwrap();
            }
        }
        let table: Vec<_> = table.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    // dialog.md §18.1 D3: nothing leads out of state 5; §2.2: nothing leads down
    #[test]
    fn states_only_rise() {
        for event in MachineEvent::ALL {
            for state in State::ALL {
                assert!(transition(state, event).next >= state, "{state:?} {event:?}");
            }
        }
    }

    // Promise 3: each way into state 5 fires exactly one end
    #[test]
    fn each_way_into_deleted_fires_one_end() {
        for event in MachineEvent::ALL {
            for state in State::ALL {
                let step = transition(state, event);
                let ends = step
                    .effects
                    .iter()
                    .filter(|e| matches!(e, Do::FireFailed | Do::FireTerminated | Do::FireExpired));
                let enters = state != Deleted && step.next == Deleted;
                assert_eq!(ends.count(), usize::from(enters), "{state:?} {event:?}");
            }
        }
    }
}
