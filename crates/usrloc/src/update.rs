//! What a registration asks for, and what comes of it.

use std::fmt;
use std::sync::Arc;

use crate::{Contact, ContactId, Matching};

/// What one REGISTER, or an operator, asks of a user's contacts.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: u32,
    pub(crate) ask: Ask,
    pub(crate) matching: Option<Matching>,
    pub(crate) contacts_max: Option<usize>,
    pub(crate) displaces: bool,
    pub(crate) ordered: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Changes(Vec<Change>),
    RemoveAll,
}

/// What is asked of one contact.
#[derive(Clone, Debug)]
pub enum Change {
    /// To be bound, anew or again; its number is the table's to give.
    Set(Contact),
    /// To be bound no more.
    Remove(Box<[u8]>),
}

impl<'a> Update<'a> {
    /// Changes of single contacts, in order.
    pub fn of(call_id: &'a [u8], cseq: u32, changes: Vec<Change>) -> Self {
        Self {
            call_id,
            cseq,
            ask: Ask::Changes(changes),
            matching: None,
            contacts_max: None,
            displaces: false,
            ordered: true,
        }
    }

    /// The end of all contacts of the user (`Contact: *`, RFC 3261 §10.2.2).
    pub fn remove_all(call_id: &'a [u8], cseq: u32) -> Self {
        Self { ask: Ask::RemoveAll, ..Self::of(call_id, cseq, Vec::new()) }
    }

    /// Another rule for telling contacts apart than the location's.
    #[must_use]
    pub fn matching(mut self, matching: Option<Matching>) -> Self {
        self.matching = matching;
        self
    }

    /// How many contacts the user may have after it; if more, it is refused, or
    /// [displaces](Self::displacing) the oldest.
    #[must_use]
    pub const fn at_most(mut self, contacts: Option<usize>) -> Self {
        self.contacts_max = contacts;
        self
    }

    /// Lets the contacts that were refreshed the longest time ago make room.
    #[must_use]
    pub const fn displacing(mut self, displaces: bool) -> Self {
        self.displaces = displaces;
        self
    }

    /// Comes from nowhere in particular, so that Call-ID and CSeq say nothing about its age.
    #[must_use]
    pub const fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }
}

/// What came of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// All contacts of the user now, the first to be tried in front.
    pub contacts: Vec<Arc<Contact>>,
    /// Those that the update asked to be bound, whether it changed them or came again.
    pub own: Vec<ContactId>,
}

/// Why an update changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A contact was set by a later request of the same Call-ID, or by one with the same CSeq too
    /// long ago to be this one (RFC 3261 §10.3, step 7).
    OldRequest,
    /// The user has as many contacts as allowed.
    TooManyContacts,
    /// There is no room for more contacts of anybody ([`Limits`](crate::Limits)).
    Full,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldRequest => "the request is older than the contact",
            Self::TooManyContacts => "the user has too many contacts",
            Self::Full => "the location is full",
        })
    }
}

impl std::error::Error for Refused {}
