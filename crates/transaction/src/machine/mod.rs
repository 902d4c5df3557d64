//! The four transactions of RFC 3261 §17 as tables.
//!
//! Each machine is one function `step(state, event) -> Step`: the next state, what to do, and which
//! timer to start. Whatever a table does not name stays where it is and does nothing: a peer may
//! send anything at any time.

pub mod client_invite;
pub mod client_request;
pub mod server_invite;
pub mod server_request;

bitflags::bitflags! {
    /// What a transition asks for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Actions: u16 {
        /// Send the request (client) or the last reply (server) again.
        const SEND = 1 << 0;
        /// Acknowledge the reply.
        const ACK = 1 << 1;
        /// Send a CANCEL.
        const CANCEL = 1 << 2;
        /// Tell the transaction's user about the message.
        const PASS = 1 << 3;
        /// Tell the user that time has run out.
        const TIMEOUT = 1 << 4;
        /// Tell the user that sending failed.
        const FAILED = 1 << 5;
        /// Next retransmission after twice the interval, at most T2 (timers A, E, G).
        const BACK_OFF = 1 << 6;
        /// Next retransmission after T2 (timer E in Proceeding).
        const PACE = 1 << 7;
        /// No more retransmissions.
        const QUIET = 1 << 8;
        /// Start to retransmit after T1 (timer G).
        const PERSIST = 1 << 9;
        /// Keep the reply that was sent, for retransmissions.
        const KEEP = 1 << 10;
        /// Drop the kept reply.
        const FORGET = 1 << 11;
    }
}

/// The timers by their names in RFC 3261 table 4 and RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the letters are the names")]
pub enum Timer {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
    /// The wait for the final reply of a cancelled INVITE, 64·T1 (RFC 3261 §9.1 gives it no letter).
    Z,
}

/// A cell of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<S> {
    /// The state afterwards.
    pub next: S,
    /// What to do.
    pub actions: Actions,
    /// The timer that ends the state, if it is to be started anew. Only one runs at a time, beside
    /// the one for retransmissions.
    pub timer: Option<Timer>,
}

impl<S> Step<S> {
    const fn to(next: S) -> Self {
        Self { next, actions: Actions::empty(), timer: None }
    }

    const fn does(mut self, actions: Actions) -> Self {
        self.actions = self.actions.union(actions);
        self
    }

    const fn starts(mut self, timer: Timer) -> Self {
        self.timer = Some(timer);
        self
    }
}

/// Prints a whole machine, a line per cell, for the snapshots.
#[cfg(test)]
fn table<S, E>(states: &[S], events: &[E], step: impl Fn(S, E) -> Step<S>) -> String
where
    S: Copy + PartialEq + std::fmt::Debug,
    E: Copy + std::fmt::Debug,
{
    use std::fmt::Write;
    let mut out = String::new();
    for &state in states {
        for &event in events {
            let Step { next, actions, timer } = step(state, event);
            let _ = write!(out, "{:<11}{:<15}", format!("{state:?}"), format!("{event:?}"));
            if next == state && actions.is_empty() && timer.is_none() {
                out.push_str("-\n");
                continue;
            }
            let names: Vec<_> = actions.iter_names().map(|(name, _)| name.to_lowercase()).collect();
            let _ = write!(out, "{:<12}{}", format!("{next:?}"), names.join(" "));
            if let Some(timer) = timer {
                let _ = write!(out, " start-{timer:?}");
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        out.push('\n');
    }
    out
}
