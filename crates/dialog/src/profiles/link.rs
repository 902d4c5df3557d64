//! The links of a dialog to its profiles (spec dialog.md §9.2).

use super::Profile;
use super::definition::{ProfileKind, Sharing};
use super::members::Members;
use crate::settings::{PROFILE_LINKS_MAX, PROFILE_VALUE_BYTES_MAX};
use crate::{Dialog, DialogFlags, DialogId, Gone};
use std::fmt;
use std::sync::Arc;

/// Whose dialog makes a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkOrigin {
    /// This node's own.
    #[default]
    Own = 0,
    /// A copy of another node's, which counts it itself where the profile is shared.
    Replicated = 1,
}

/// Why a dialog was not put into a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRefused {
    /// The dialog is gone.
    Gone,
    /// The dialog is in state 5.
    Ended,
    /// The profile wants a value.
    NoValue,
    /// The value has more than [`PROFILE_VALUE_BYTES_MAX`] bytes.
    ValueTooLong,
    /// The dialog has [`PROFILE_LINKS_MAX`] links.
    TooMany,
}

impl fmt::Display for LinkRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => Gone.fmt(f),
            Self::Ended => f.write_str("the dialog has ended"),
            Self::NoValue => f.write_str("the profile wants a value"),
            Self::ValueTooLong => {
                write!(f, "a profile's value may have {PROFILE_VALUE_BYTES_MAX} bytes")
            }
            Self::TooMany => write!(f, "a dialog may have {PROFILE_LINKS_MAX} profile links"),
        }
    }
}

impl std::error::Error for LinkRefused {}

/// One link as told in a [`Snapshot`](crate::Snapshot).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileLink {
    /// The profile's name, without suffix.
    pub name: Box<str>,
    /// Its suffix.
    pub sharing: Sharing,
    /// Whether it carries a value.
    pub kind: ProfileKind,
    /// The value; empty where it carries none.
    pub value: Box<[u8]>,
}

/// A link that counts itself, from the moment it is made until it is dropped.
pub(crate) struct Link {
    members: Arc<Members>,
    value: Box<[u8]>,
    id: DialogId,
    origin: LinkOrigin,
}

impl Link {
    fn new(members: &Arc<Members>, value: &[u8], id: DialogId, origin: LinkOrigin) -> Self {
        members.join(value, id, origin);
        Self { members: members.clone(), value: value.into(), id, origin }
    }

    fn fits(&self, members: &Arc<Members>, value: Option<&[u8]>) -> bool {
        Arc::ptr_eq(&self.members, members) && value.is_none_or(|value| *self.value == *value)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.members.leave(&self.value, self.id, self.origin);
    }
}

/// The links of one dialog, oldest first. To be dropped where no lock is held.
#[derive(Default)]
pub(crate) struct Links(Vec<Link>);

impl Links {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn memory(&self) -> usize {
        let values: usize = self.0.iter().map(|link| link.value.len()).sum();
        self.0.capacity() * size_of::<Link>() + values
    }

    /// Whether one is of this profile, with this value if one is given.
    pub(crate) fn has(&self, profile: &str, value: Option<&[u8]>) -> bool {
        let fits = |link: &Link| {
            link.members.name() == profile && value.is_none_or(|value| *link.value == *value)
        };
        self.0.iter().any(fits)
    }

    /// Newest first (§10.3).
    pub(crate) fn told(&self) -> Vec<ProfileLink> {
        let tell = |link: &Link| ProfileLink {
            name: link.members.name().into(),
            sharing: link.members.sharing(),
            kind: link.members.kind(),
            value: link.value.clone(),
        };
        self.0.iter().rev().map(tell).collect()
    }

    /// Takes out the newest link that fits, or all of them.
    fn take(&mut self, members: &Arc<Members>, value: Option<&[u8]>) -> Vec<Link> {
        if value.is_some() {
            let newest = self.0.iter().rposition(|link| link.fits(members, value));
            return newest.map(|at| self.0.remove(at)).into_iter().collect();
        }
        self.0.extract_if(.., |link| link.fits(members, None)).collect()
    }
}

impl Dialog {
    /// Puts the dialog into a profile: one more link, even to a value it has already (§9.2). A
    /// profile without values ignores the value.
    ///
    /// The link is counted from now on, before the answer too, until it is unset or the call ends:
    /// it goes after the on-hangup route and before FAILED, TERMINATED or EXPIRED run.
    ///
    /// # Errors
    /// [`LinkRefused`]; bounds that were hit are counted as `profile_links_refused`.
    pub fn set_profile(
        &self,
        profile: &Profile,
        value: Option<&[u8]>,
        origin: LinkOrigin,
    ) -> Result<(), LinkRefused> {
        self.link(profile, value, origin, false)
    }

    /// Like [`set_profile`](Self::set_profile), but all other links to that profile go, in one
    /// step: the `clear` variant. Of several threads that replace, the last one's link stays.
    ///
    /// # Errors
    /// [`LinkRefused`]; nothing changed then.
    #[doc(alias = "set_profile")]
    pub fn replace_profile(
        &self,
        profile: &Profile,
        value: Option<&[u8]>,
        origin: LinkOrigin,
    ) -> Result<(), LinkRefused> {
        self.link(profile, value, origin, true)
    }

    fn link(
        &self,
        profile: &Profile,
        value: Option<&[u8]>,
        origin: LinkOrigin,
        replace: bool,
    ) -> Result<(), LinkRefused> {
        let members = &profile.members;
        let value = members.value_of(value).ok_or(LinkRefused::NoValue)?;
        if value.len() > PROFILE_VALUE_BYTES_MAX {
            return self.count_refused(LinkRefused::ValueTooLong);
        }
        // counted first, so that a refused link is dropped where no lock is held
        let mut link = Some(Link::new(members, value, self.id(), origin));
        let added = self.table().with(self.key(), |record| {
            if record.state.is_ended() {
                return Err(LinkRefused::Ended);
            }
            let links = &mut record.extras().links;
            let replaced = if replace { links.take(members, None) } else { Vec::new() };
            let Links(links) = links;
            if links.len() >= PROFILE_LINKS_MAX {
                return Err(LinkRefused::TooMany);
            }
            if links.len() == links.capacity() {
                links.reserve_exact(1);
            }
            links.extend(link.take());
            record.flags |= DialogFlags::VALUES_CHANGED;
            Ok(replaced)
        })?;
        match added {
            // the links that were replaced are dropped here, where no lock is held
            Ok(_replaced) => Ok(()),
            Err(LinkRefused::TooMany) => self.count_refused(LinkRefused::TooMany),
            Err(why) => Err(why),
        }
    }

    /// Takes back one link with this value, or all links to the profile without a value (§9.2).
    /// How many there were. The value is ignored where links carry none.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn unset_profile(&self, profile: &Profile, value: Option<&[u8]>) -> Result<usize, Gone> {
        let members = &profile.members;
        let value = value.and_then(|value| members.value_of(Some(value)));
        let taken = self.table().with(self.key(), |record| {
            let taken = record
                .extras
                .as_mut()
                .map_or_else(Vec::new, |extras| extras.links.take(members, value));
            if !taken.is_empty() {
                record.flags |= DialogFlags::VALUES_CHANGED;
            }
            taken
        })?;
        Ok(taken.len())
    }

    /// Whether the dialog is in a profile with this value, or with any.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn is_in_profile(&self, profile: &Profile, value: Option<&[u8]>) -> Result<bool, Gone> {
        let members = &profile.members;
        let value = value.and_then(|value| members.value_of(Some(value)));
        self.table().with(self.key(), |record| {
            let links = record.links();
            links.is_some_and(|links| links.0.iter().any(|link| link.fits(members, value)))
        })
    }

    /// Its links, newest first.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn profiles(&self) -> Result<Vec<ProfileLink>, Gone> {
        self.table()
            .with(self.key(), |record| record.links().map(|links| links.told()).unwrap_or_default())
    }

    fn count_refused(&self, why: LinkRefused) -> Result<(), LinkRefused> {
        self.table().shard(self.id().entry).counts.links_refused += 1;
        Err(why)
    }
}
