//! The server transaction of every other method: RFC 3261 §17.2.2 (figure 8).

use super::{Actions, Step, Timer};

/// Where a request that came in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent.
    Trying,
    /// A 1xx was sent.
    Proceeding,
    /// A final reply was sent.
    Completed,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request came again.
    Request,
    /// The user sent a 1xx.
    Provisional,
    /// The user sent a 2xx–6xx.
    Final,
    /// A reply could not be sent.
    TransportError,
    /// Retransmissions of the request need no longer be absorbed.
    TimerJ,
}

/// The table.
pub const fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    match (state, event) {
        // In Trying there is nothing to send again: the retransmission is absorbed.
        (Proceeding | Completed, Request) => Step::to(state).does(Actions::SEND),
        (Trying | Proceeding, Provisional) => Step::to(Proceeding).does(Actions::KEEP),
        (Trying | Proceeding, Final) => Step::to(Completed).does(Actions::KEEP).starts(Timer::J),
        (Completed, TimerJ) => Step::to(Terminated).does(Actions::FORGET),
        (Proceeding | Completed, TransportError) => {
            Step::to(Terminated).does(Actions::FAILED.union(Actions::FORGET))
        }
        (state, _) => Step::to(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_request_table() {
        use Event::*;
        use State::*;
        insta::assert_snapshot!(super::super::table(
            &[Trying, Proceeding, Completed, Terminated],
            &[Request, Provisional, Final, TransportError, TimerJ],
            step,
        ));
    }
}
