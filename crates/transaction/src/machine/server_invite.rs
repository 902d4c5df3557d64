//! The INVITE server transaction: RFC 3261 §17.2.1 (figure 7), RFC 6026 §7.1.

use super::{Actions, Step, Timer};

/// Where an INVITE that came in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No final reply was sent.
    Proceeding,
    /// A 3xx–6xx was sent and waits for its ACK.
    Completed,
    /// The ACK came; its retransmissions are absorbed.
    Confirmed,
    /// A 2xx was sent; retransmissions of the INVITE are absorbed.
    Accepted,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The INVITE came again.
    Request,
    /// An ACK with its branch came.
    Ack,
    /// The user sent a 1xx.
    Provisional,
    /// The user sent a 2xx.
    Success,
    /// The user sent a 3xx–6xx.
    Failure,
    /// A reply could not be sent.
    TransportError,
    /// Time to retransmit the negative reply.
    TimerG,
    /// No ACK came.
    TimerH,
    /// Retransmissions of the ACK need no longer be absorbed.
    TimerI,
    /// Retransmissions of the INVITE need no longer be absorbed.
    TimerL,
}

/// The table.
pub const fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    match (state, event) {
        (Proceeding | Completed, Request) => Step::to(state).does(Actions::SEND),
        (Proceeding, Provisional) => Step::to(Proceeding).does(Actions::KEEP),
        // RFC 6026 §7.1: the user retransmits its 2xx, the transaction only stays to recognise them.
        (Proceeding, Success) => Step::to(Accepted).does(Actions::FORGET).starts(Timer::L),
        (Proceeding, Failure) => {
            Step::to(Completed).does(Actions::KEEP.union(Actions::PERSIST)).starts(Timer::H)
        }
        (Completed, TimerG) => Step::to(Completed).does(Actions::SEND.union(Actions::BACK_OFF)),
        (Completed, Ack) => {
            Step::to(Confirmed).does(Actions::QUIET.union(Actions::FORGET)).starts(Timer::I)
        }
        (Completed, TimerH) => {
            Step::to(Terminated).does(Actions::TIMEOUT.union(Actions::QUIET).union(Actions::FORGET))
        }
        (Confirmed, TimerI) => Step::to(Terminated),
        (Accepted, Ack) => Step::to(Accepted).does(Actions::PASS),
        (Accepted, TimerL) => Step::to(Terminated),
        // RFC 6026 §7.1: a transport error is told to the user and changes no state; the client's
        // retransmission or timer H is the way out.
        (Proceeding | Completed | Accepted, TransportError) => {
            Step::to(state).does(Actions::FAILED)
        }
        // A late 2xx after a negative reply went out is forwarded past the machine (§16.7 step 5).
        (state, _) => Step::to(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_invite_table() {
        use Event::*;
        use State::*;
        insta::assert_snapshot!(super::super::table(
            &[Proceeding, Completed, Confirmed, Accepted, Terminated],
            &[
                Request,
                Ack,
                Provisional,
                Success,
                Failure,
                TransportError,
                TimerG,
                TimerH,
                TimerI,
                TimerL
            ],
            step,
        ));
    }
}
