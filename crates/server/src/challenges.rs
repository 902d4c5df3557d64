//! Challenges of several branches, collected into the one reply that goes back (RFC 3261 §16.7
//! step 7).

use duologue_sip::{Edits, HeaderName, Message};
use duologue_transaction::BranchIndex;

use crate::tm::Entry;

/// The headers of a challenge.
const CHALLENGES: [HeaderName; 2] = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];

/// Whether a reply with this status challenges.
const fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

/// Adds the challenges of all other branches to the challenge that won, so that the caller can
/// answer them all at once.
pub(crate) fn collect(entry: &Entry, winner: BranchIndex, reply: &Message<'_>, edits: &mut Edits) {
    if !reply.status().is_some_and(|status| is_challenge(status.code())) {
        return;
    }
    let branches = entry.transaction.branches().iter().enumerate();
    let others = branches.filter(|(at, _)| *at != usize::from(winner.0));
    for (_, branch) in others.filter(|(_, branch)| is_challenge(branch.last_status())) {
        let Some(other) = branch.reply().and_then(|bytes| Message::parse(bytes).ok()) else {
            continue;
        };
        for header in CHALLENGES.into_iter().flat_map(|name| other.all(name)) {
            edits.draft(reply).append_lines(&[header.line()]);
        }
    }
}
