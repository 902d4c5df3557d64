//! Which dialogs are meant: the filters of listings and of commands that end calls (lessons 5).

use crate::State;
use crate::record::Record;
use duologue_sip::Moment;

/// Conditions that a dialog must meet, all of them. Without any it means every dialog.
///
/// ```
/// use duologue_dialog::{Cursor, Dialogs, Selection, Settings, State};
/// use duologue_sip::Moment;
///
/// let dialogs = Dialogs::new(Settings::default(), 1);
/// let long_calls = Selection::default().in_state(State::Confirmed).at_least_old(3600);
/// assert_eq!(dialogs.count_selected(Moment::default(), &long_calls), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Bits by the number of the state; none for any.
    states: u8,
    call_id: Option<Box<[u8]>>,
    profile: Option<Named<Box<str>>>,
    value: Option<Named<Box<[u8]>>>,
    /// Seconds since the INVITE.
    least_age: Option<u64>,
    most_age: Option<u64>,
}

/// A name, and what must stand there if that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named<N> {
    name: N,
    value: Option<Box<[u8]>>,
}

impl Selection {
    /// In this state, or in another one that was asked for.
    #[must_use]
    pub fn in_state(mut self, state: State) -> Self {
        self.states |= 1 << state as u8;
        self
    }

    /// Of this Call-ID.
    #[must_use]
    pub fn of_call(mut self, call_id: &[u8]) -> Self {
        self.call_id = Some(call_id.into());
        self
    }

    /// In this profile, with this value if one is given.
    #[must_use]
    pub fn in_profile(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.profile = Some(Named { name: name.into(), value: value.map(Into::into) });
        self
    }

    /// With a value of this name, which reads as this text if one is given.
    #[must_use]
    pub fn with_value(mut self, name: &[u8], value: Option<&[u8]>) -> Self {
        self.value = Some(Named { name: name.into(), value: value.map(Into::into) });
        self
    }

    /// Made at least so many seconds ago.
    #[must_use]
    pub fn at_least_old(mut self, seconds: u64) -> Self {
        self.least_age = Some(seconds);
        self
    }

    /// Made at most so many seconds ago.
    #[must_use]
    pub fn at_most_old(mut self, seconds: u64) -> Self {
        self.most_age = Some(seconds);
        self
    }

    /// Whether it means every dialog.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn admits(&self, now: Moment, record: &Record) -> bool {
        let age = record.created_at.age(now.tick).as_secs();
        (self.states == 0 || self.states & (1 << record.state as u8) != 0)
            && self.least_age.is_none_or(|least| age >= least)
            && self.most_age.is_none_or(|most| age <= most)
            && self.call_id.as_deref().is_none_or(|call_id| record.call_id() == call_id)
            && self.profile.as_ref().is_none_or(|profile| profile.is_of(record))
            && self.value.as_ref().is_none_or(|value| value.is_in(record))
    }
}

impl Named<Box<str>> {
    fn is_of(&self, record: &Record) -> bool {
        record.links().is_some_and(|links| links.has(&self.name, self.value.as_deref()))
    }
}

impl Named<Box<[u8]>> {
    fn is_in(&self, record: &Record) -> bool {
        let stored = record.values.as_deref().and_then(|values| values.get(&self.name));
        stored.is_some_and(|stored| self.value.as_deref().is_none_or(|text| stored.reads_as(text)))
    }
}
