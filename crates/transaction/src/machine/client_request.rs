//! The client transaction of every other method: RFC 3261 §17.1.2 (figure 6). A CANCEL is one too.

use super::{Actions, Step, Timer};

/// Where a request that we sent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Sent, no reply yet.
    Trying,
    /// A provisional reply came.
    Proceeding,
    /// A final reply came.
    Completed,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A 1xx came.
    Provisional,
    /// A 2xx–6xx came.
    Final,
    /// It could not be sent.
    TransportError,
    /// Time to retransmit.
    TimerE,
    /// `fr_timeout` without a final reply.
    TimerF,
    /// Retransmissions of the final reply need no longer be awaited.
    TimerK,
}

/// The table.
pub const fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    match (state, event) {
        (Trying | Proceeding, Provisional) => Step::to(Proceeding).does(Actions::PASS),
        (Trying | Proceeding, Final) => {
            Step::to(Completed).does(Actions::PASS.union(Actions::QUIET)).starts(Timer::K)
        }
        (Trying, TimerE) => Step::to(Trying).does(Actions::SEND.union(Actions::BACK_OFF)),
        // RFC 3261 §17.1.2.2: a provisional reply slows retransmissions down, it does not end them.
        (Proceeding, TimerE) => Step::to(Proceeding).does(Actions::SEND.union(Actions::PACE)),
        (Trying | Proceeding, TimerF) => {
            Step::to(Terminated).does(Actions::TIMEOUT.union(Actions::QUIET))
        }
        (Trying | Proceeding, TransportError) => {
            Step::to(Terminated).does(Actions::FAILED.union(Actions::QUIET))
        }
        (Completed, TimerK) => Step::to(Terminated),
        (state, _) => Step::to(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_request_table() {
        use Event::*;
        use State::*;
        insta::assert_snapshot!(super::super::table(
            &[Trying, Proceeding, Completed, Terminated],
            &[Provisional, Final, TransportError, TimerE, TimerF, TimerK],
            step,
        ));
    }
}
