//! Values and members of a profile, in slices (lessons 5).

use super::Profile;
use super::members::Part;
use crate::{Dialog, DialogId};
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Where a listing of a profile goes on; start with `ProfileCursor::default()`.
///
/// It names the last one listed, not a place: a value or dialog that stays throughout is listed
/// exactly once, whatever comes and goes meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileCursor {
    part: usize,
    after: Option<Last>,
}

/// The last one listed of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Last {
    value: Box<[u8]>,
    id: DialogId,
}

/// A value of a profile and how many links have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileValue {
    /// The value; empty where links carry none.
    pub value: Box<[u8]>,
    /// The number of links, as [`Profile::size`] counts.
    pub count: usize,
}

/// How much one slice may copy under a lock before it lets go.
const ROWS_PER_LOCK: usize = 256;

impl Profile {
    /// Appends up to `limit` values with their counts. Returns where to go on, or `None` at the
    /// end.
    #[doc(alias = "profile_get_values")]
    pub fn values(
        &self,
        mut cursor: ProfileCursor,
        limit: usize,
        into: &mut Vec<ProfileValue>,
    ) -> Option<ProfileCursor> {
        let end = into.len() + limit;
        while let Some(part) = self.members.parts().get(cursor.part) {
            let room = ROWS_PER_LOCK.min(end - into.len());
            if room == 0 {
                return Some(cursor);
            }
            let last = cursor.after.take();
            let from = last.as_ref().map_or(Unbounded, |last| Excluded(&*last.value));
            let before = into.len();
            let part = part.lock();
            for (value, found) in part.values.range::<[u8], _>((from, Unbounded)).take(room) {
                let count = self.members.counted(found.links());
                into.push(ProfileValue { value: value.clone(), count });
            }
            drop(part);
            match into.last() {
                Some(row) if into.len() - before == room => {
                    let id = DialogId { entry: 0, id: 0 };
                    cursor.after = Some(Last { value: row.value.clone(), id });
                }
                _ => cursor.part += 1,
            }
        }
        None
    }

    /// Appends up to `limit` dialogs that are in the profile, with this value or with any. Returns
    /// where to go on, or `None` at the end. A slice may be short without being the last: who left
    /// meanwhile is not listed.
    ///
    /// A dialog with several links of one value is listed once, one with several values once for
    /// each.
    #[doc(alias = "profile_list_dlgs")]
    #[doc(alias = "get_dialogs_by_profile")]
    pub fn dialogs(
        &self,
        value: Option<&[u8]>,
        mut cursor: ProfileCursor,
        limit: usize,
        into: &mut Vec<Dialog>,
    ) -> Option<ProfileCursor> {
        let only = self.members.value_of(value);
        if let (Some(only), 0) = (only, cursor.part) {
            cursor.part = self.members.part_of(only);
        }
        let mut left = limit;
        let mut ids = Vec::with_capacity(ROWS_PER_LOCK.min(limit));
        while let Some(part) = self.members.parts().get(cursor.part) {
            let room = ROWS_PER_LOCK.min(left);
            if room == 0 {
                return Some(cursor);
            }
            ids.clear();
            let after = cursor.after.take();
            cursor.after = gather(&part.lock(), after.as_ref(), only, room, &mut ids);
            left -= ids.len();
            into.extend(ids.iter().filter_map(|&id| self.dialogs.by_id(id)));
            if cursor.after.is_none() {
                if only.is_some() {
                    return None;
                }
                cursor.part += 1;
            }
        }
        None
    }
}

/// Collects ids from a place on: the last one if there may be more.
fn gather(
    part: &Part,
    after: Option<&Last>,
    only: Option<&[u8]>,
    room: usize,
    ids: &mut Vec<DialogId>,
) -> Option<Last> {
    let from = only.or(after.map(|last| &*last.value)).map_or(Unbounded, Included);
    let to = only.map_or(Unbounded, Included);
    for (value, found) in part.values.range::<[u8], _>((from, to)) {
        let begun = after.filter(|last| last.value == *value);
        let from = begun.map_or(Unbounded, |last| Excluded(last.id));
        for (&id, _) in found.dialogs.range((from, Unbounded)) {
            ids.push(id);
            if ids.len() == room {
                return Some(Last { value: value.clone(), id });
            }
        }
    }
    None
}
