//! What a transaction wants to know of a reply, and what it says about it.

/// The facts of a received reply that transactions look at.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status code; what is not 100–699 is absorbed.
    pub status: u16,
    /// The To-tag, empty if there is none.
    pub to_tag: &'a [u8],
    /// Whether the CSeq method is CANCEL: the reply to the CANCEL of an INVITE has that one's Via
    /// branch, and only the method tells them apart (RFC 3261 §17.1.3).
    pub cancel: bool,
}

/// What the transaction layer made of a reply ([`receive_reply`](crate::Transaction::receive_reply)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Ends here: a retransmission, late, or an answer to our CANCEL. No route runs.
    Absorbed,
    /// A provisional reply. Run the reply routes; unless they drop it, forward it.
    Provisional,
    /// A 2xx. Run the reply routes and forward it. `retransmission` is true if a 2xx with this
    /// To-tag was forwarded before.
    Success {
        /// A 2xx with this To-tag was forwarded before.
        retransmission: bool,
    },
    /// A 3xx–6xx, already acknowledged if its request was an INVITE. Run the reply routes and
    /// forward it.
    Failure,
}

/// What the proxy's core decided about a reply ([`forward_reply`](crate::Transaction::forward_reply)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it upstream now, then call [`reply_sent`](crate::Transaction::reply_sent). For a request
    /// of our own: give it to whoever sent the request.
    Relay {
        /// A 2xx with this To-tag was relayed before.
        retransmission: bool,
    },
    /// Kept as a candidate until its set completes.
    Stored,
    /// Nothing to do.
    Absorbed,
}
