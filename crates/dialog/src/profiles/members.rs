//! Who is in a profile: a map from values to dialogs, in parts with a lock each. It holds what it
//! counts, so it cannot drift and has nothing below zero (lessons 7).

use super::definition::{ProfileDefinition, ProfileKind, Sharing};
use super::link::LinkOrigin;
use crate::DialogId;
use crate::sync::{Mutex, MutexGuard};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;

/// A profile with its members.
pub(crate) struct Members {
    definition: ProfileDefinition,
    kind: ProfileKind,
    hash_keys: (u64, u64),
    /// A value picks its part. Leaf locks.
    parts: Box<[Mutex<Part>]>,
}

/// How many links there are of each [`LinkOrigin`].
pub(crate) type Counts = [usize; 2];

/// Values that share a lock.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) values: BTreeMap<Box<[u8]>, OfValue>,
    links: Counts,
}

/// The dialogs that are in a profile with one value, each with the number of its links.
#[derive(Default)]
pub(crate) struct OfValue {
    pub(crate) dialogs: BTreeMap<DialogId, u16>,
    links: Counts,
}

impl OfValue {
    pub(crate) const fn links(&self) -> Counts {
        self.links
    }
}

impl Members {
    pub(crate) fn new(
        definition: ProfileDefinition,
        kind: ProfileKind,
        parts: usize,
        hash_keys: (u64, u64),
    ) -> Self {
        // without values there is one key, so one part is all that is ever used
        let parts = if kind == ProfileKind::NoValue { 1 } else { parts };
        let parts = (0..parts).map(|_| Mutex::default()).collect();
        Self { definition, kind, hash_keys, parts }
    }

    pub(crate) fn name(&self) -> &str {
        self.definition.name()
    }

    pub(crate) const fn kind(&self) -> ProfileKind {
        self.kind
    }

    pub(crate) const fn sharing(&self) -> Sharing {
        self.definition.sharing()
    }

    pub(crate) const fn definition(&self) -> &ProfileDefinition {
        &self.definition
    }

    pub(crate) fn is(&self, definition: &ProfileDefinition) -> bool {
        self.definition == *definition
    }

    /// Without values, every value is the empty one (§9.2).
    pub(crate) fn value_of<'v>(&self, value: Option<&'v [u8]>) -> Option<&'v [u8]> {
        match self.kind {
            ProfileKind::Value => value,
            ProfileKind::NoValue => Some(b""),
        }
    }

    pub(crate) fn parts(&self) -> &[Mutex<Part>] {
        &self.parts
    }

    pub(crate) fn part_of(&self, value: &[u8]) -> usize {
        let (k0, k1) = self.hash_keys;
        let hash = SipHasher13::new_with_keys(k0, k1).hash(value);
        hash as usize % self.parts.len()
    }

    fn part(&self, value: &[u8]) -> MutexGuard<'_, Part> {
        self.parts[self.part_of(value)].lock()
    }

    /// Counts one link; only [`Link`](super::link::Link) calls this and `leave`, in pairs.
    pub(super) fn join(&self, value: &[u8], id: DialogId, origin: LinkOrigin) {
        let mut part = self.part(value);
        part.links[origin as usize] += 1;
        let of_value = match part.values.get_mut(value) {
            Some(of_value) => of_value,
            None => part.values.entry(value.into()).or_default(),
        };
        of_value.links[origin as usize] += 1;
        *of_value.dialogs.entry(id).or_default() += 1;
    }

    pub(super) fn leave(&self, value: &[u8], id: DialogId, origin: LinkOrigin) {
        let mut part = self.part(value);
        let Part { values, links } = &mut *part;
        let Some(of_value) = values.get_mut(value) else { return };
        let Some(held) = of_value.dialogs.get_mut(&id) else { return };
        *held -= 1;
        if *held == 0 {
            of_value.dialogs.remove(&id);
        }
        of_value.links[origin as usize] -= 1;
        links[origin as usize] -= 1;
        if of_value.dialogs.is_empty() {
            values.remove(value);
        }
    }

    /// The links that count for a size (§9.3, §9.5): a shared profile is the sum of what each node
    /// says of its own dialogs.
    pub(crate) const fn counted(&self, [own, replicated]: Counts) -> usize {
        match self.sharing() {
            Sharing::Local => own + replicated,
            Sharing::Store | Sharing::Cluster => own,
        }
    }

    pub(crate) fn size(&self, value: Option<&[u8]>) -> usize {
        match self.value_of(value) {
            Some(value) => {
                self.part(value).values.get(value).map_or(0, |found| self.counted(found.links))
            }
            None => self.parts.iter().map(|part| self.counted(part.lock().links)).sum(),
        }
    }

    /// Checks the sums against the members themselves; how many links there are in all.
    pub(crate) fn audit(&self) -> Result<usize, String> {
        let mut all = 0;
        for part in &self.parts {
            let part = part.lock();
            let mut sums = [0; 2];
            for (value, of_value) in &part.values {
                let links: usize = of_value.dialogs.values().map(|&held| held as usize).sum();
                if links != of_value.links.iter().sum() || links == 0 {
                    let value = value.escape_ascii();
                    return Err(format!("profile {}: {value} has {links} links", self.name()));
                }
                sums = [0, 1].map(|origin| sums[origin] + of_value.links[origin]);
            }
            if sums != part.links {
                return Err(format!("profile {}: {sums:?} is not {:?}", self.name(), part.links));
            }
            all += sums.iter().sum::<usize>();
        }
        Ok(all)
    }

    /// Bytes that the members take, roughly: a B-tree is two thirds full.
    pub(crate) fn memory(&self) -> usize {
        let of_part = |part: &Part| {
            let row = size_of::<(Box<[u8]>, OfValue)>() * 3 / 2;
            let rows = part.values.iter();
            rows.map(|(value, of)| value.len() + row + of.dialogs.len() * 15).sum::<usize>()
        };
        let parts = self.parts.iter().map(|part| size_of_val(part) + of_part(&part.lock()));
        size_of::<Self>() + parts.sum::<usize>()
    }
}
