//! The INVITE client transaction: RFC 3261 §17.1.1 (figure 5), RFC 6026 §7.2, timer C of §16.8.

use super::{Actions, Step, Timer};

/// Where an INVITE that we sent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Sent, no reply yet.
    Calling,
    /// A provisional reply came.
    Proceeding,
    /// A 3xx–6xx came; its retransmissions are acknowledged.
    Completed,
    /// A 2xx came; its retransmissions and those of other forks go to the user.
    Accepted,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A 1xx came.
    Provisional,
    /// A 2xx came.
    Success,
    /// A 3xx–6xx came.
    Failure,
    /// The user wants it cancelled.
    Cancel,
    /// It could not be sent.
    TransportError,
    /// Time to retransmit.
    TimerA,
    /// `fr_timeout` without a reply.
    TimerB,
    /// `fr_inv_timeout` without a final reply.
    TimerC,
    /// Retransmissions of the negative reply need no longer be awaited.
    TimerD,
    /// Further 2xx need no longer be awaited.
    TimerM,
    /// 64·T1 after the CANCEL there is still no final reply.
    TimerZ,
}

/// The table.
pub const fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    match (state, event) {
        (Calling, Provisional) => {
            Step::to(Proceeding).does(Actions::PASS.union(Actions::QUIET)).starts(Timer::C)
        }
        // RFC 3261 §16.7 step 2: a provisional reply restarts timer C.
        (Proceeding, Provisional) => Step::to(Proceeding).does(Actions::PASS).starts(Timer::C),
        (Calling | Proceeding, Success) => {
            Step::to(Accepted).does(Actions::PASS.union(Actions::QUIET)).starts(Timer::M)
        }
        (Calling | Proceeding, Failure) => Step::to(Completed)
            .does(Actions::PASS.union(Actions::QUIET).union(Actions::ACK))
            .starts(Timer::D),
        // RFC 3261 §9.1: no CANCEL before a provisional reply. In Calling the wish is only noted.
        (Proceeding, Cancel) => Step::to(Proceeding).does(Actions::CANCEL).starts(Timer::Z),
        // RFC 3261 §16.8: with a provisional received the branch must be cancelled.
        (Proceeding, TimerC) => {
            Step::to(Proceeding).does(Actions::CANCEL.union(Actions::TIMEOUT)).starts(Timer::Z)
        }
        // RFC 3261 §9.1: then the INVITE counts as cancelled.
        (Proceeding, TimerZ) => Step::to(Terminated).does(Actions::TIMEOUT),
        (Calling, TimerA) => Step::to(Calling).does(Actions::SEND.union(Actions::BACK_OFF)),
        (Calling, TimerB) => Step::to(Terminated).does(Actions::TIMEOUT.union(Actions::QUIET)),
        (Calling | Proceeding | Completed, TransportError) => {
            Step::to(Terminated).does(Actions::FAILED.union(Actions::QUIET))
        }
        (Completed, Failure) => Step::to(Completed).does(Actions::ACK),
        (Completed, TimerD) => Step::to(Terminated),
        // Beyond the figure: a proxy downstream relays a 2xx even after it relayed a failure, and a
        // slow phone answers after our time-out. RFC 3261 §16.7 step 5: every 2xx is forwarded.
        (Completed | Terminated, Success) => {
            Step::to(Accepted).does(Actions::PASS).starts(Timer::M)
        }
        (Accepted, Success) => Step::to(Accepted).does(Actions::PASS),
        (Accepted, TimerM) => Step::to(Terminated),
        (state, _) => Step::to(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_invite_table() {
        use Event::*;
        use State::*;
        insta::assert_snapshot!(super::super::table(
            &[Calling, Proceeding, Completed, Accepted, Terminated],
            &[
                Provisional,
                Success,
                Failure,
                Cancel,
                TransportError,
                TimerA,
                TimerB,
                TimerC,
                TimerD,
                TimerM,
                TimerZ
            ],
            step,
        ));
    }
}
