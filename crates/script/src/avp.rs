//! `$avp(name)`: named stacks of values that belong to a message or transaction (spec §7.2).

use crate::host::{Assign, Index, VarAccess, WriteError};
use crate::limits::{AVPS_MAX, JOINED_BYTES_MAX};
use crate::value::{Reading, Text, Value};
use smallvec::SmallVec;

/// The stacks of one message. The host keeps it and passes it on to the transaction.
///
/// Values of all names lie in one list, the oldest first, so that a message with a handful of
/// them costs one look along a short array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvpList {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Bytes,
    value: Owned,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Int(i32),
    Str(Bytes),
}

/// Most names and values fit without an allocation.
type Bytes = SmallVec<[u8; 24]>;

impl AvpList {
    /// No values.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Puts a value in front (`$avp(x) = v`); NULL is not stored.
    ///
    /// # Errors
    /// [`WriteError::BadValue`] for NULL and beyond [`AVPS_MAX`] values.
    pub fn push(&mut self, name: &[u8], value: Value<'_>) -> Result<(), WriteError> {
        let entry = self.entry(name, value)?;
        self.entries.push(entry);
        Ok(())
    }

    /// The value at an index: 0 is the newest, −1 the oldest.
    pub fn get(&self, name: &[u8], index: i32) -> Option<Value<'_>> {
        let at = self.find(name, index)?;
        Some(self.entries[at].value.borrow())
    }

    /// The values of a name, newest first.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = Value<'a>> {
        let named = self.entries.iter().rev().filter(move |e| e.name.as_slice() == name);
        named.map(|e| e.value.borrow())
    }

    /// Names and values, newest first (`avp_print()`).
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Value<'_>)> {
        self.entries.iter().rev().map(|e| (e.name.as_slice(), e.value.borrow()))
    }

    /// Deletes all values of a name.
    pub fn remove_all(&mut self, name: &[u8]) {
        self.entries.retain(|e| e.name.as_slice() != name);
    }

    /// Deletes everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many values of all names there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the script reads with this access.
    pub fn read(&self, access: &VarAccess<'_>, out: &mut Text) -> Reading {
        let Some(name) = access.name else { return Reading::Null };
        let index = match access.index {
            Index::None => 0,
            Index::At(n) => n,
            Index::Append | Index::AtActive(_) | Index::AllActive => return Reading::Null,
            Index::All => return self.join(name, out),
        };
        match self.get(name, index) {
            Some(Value::Int(n)) => Reading::Int(n),
            Some(Value::Str(s)) => {
                out.push(s);
                Reading::Str
            }
            _ => Reading::Null,
        }
    }

    /// What the script writes with this access.
    ///
    /// # Errors
    /// [`WriteError::Missing`] if the value to replace does not exist, otherwise as
    /// [`AvpList::push`].
    pub fn write(
        &mut self,
        access: &VarAccess<'_>,
        how: Assign,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        let name = access.name.ok_or(WriteError::BadValue)?;
        match (access.index, how, value) {
            (Index::All, _, value) | (_, Assign::SetAll, value) => {
                let entry = if value.is_null() { None } else { Some(self.entry(name, value)?) };
                self.remove_all(name);
                self.entries.extend(entry);
            }
            (Index::None, Assign::Set, Value::Null) => {
                if let Some(at) = self.find(name, 0) {
                    self.entries.remove(at);
                }
            }
            (Index::None, Assign::Set, value) => self.push(name, value)?,
            (Index::Append, Assign::Set, value) => {
                let entry = self.entry(name, value)?;
                self.entries.insert(0, entry);
            }
            (Index::At(n), Assign::Set, Value::Null) => {
                let at = self.find(name, n).ok_or(WriteError::Missing)?;
                self.entries.remove(at);
            }
            (Index::At(n), Assign::Set, value) => {
                let at = self.find(name, n).ok_or(WriteError::Missing)?;
                self.entries[at].value = Owned::of(value).ok_or(WriteError::BadValue)?;
            }
            // Values have no branches.
            (Index::AtActive(_) | Index::AllActive, Assign::Set, _) => {
                return Err(WriteError::Missing);
            }
        }
        Ok(())
    }

    fn entry(&self, name: &[u8], value: Value<'_>) -> Result<Entry, WriteError> {
        if self.entries.len() >= AVPS_MAX {
            return Err(WriteError::BadValue);
        }
        let value = Owned::of(value).ok_or(WriteError::BadValue)?;
        Ok(Entry { name: Bytes::from_slice(name), value })
    }

    /// The place of the value with this index.
    fn find(&self, name: &[u8], index: i32) -> Option<usize> {
        let mut places = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.name.as_slice() == name)
            .map(|(at, _)| at);
        match usize::try_from(index) {
            Ok(n) => places.rev().nth(n),
            Err(_) => places.nth(index.unsigned_abs() as usize - 1),
        }
    }

    fn join(&self, name: &[u8], out: &mut Text) -> Reading {
        let start = out.len();
        for value in self.values(name) {
            if out.len() > start {
                out.push(b", ");
            }
            match value {
                Value::Int(n) => out.push_int(i64::from(n)),
                value => out.push(value.text().unwrap_or_default()),
            }
            if out.len() - start > JOINED_BYTES_MAX {
                return Reading::Null;
            }
        }
        if out.len() == start && self.find(name, 0).is_none() {
            Reading::Null
        } else {
            Reading::Str
        }
    }
}

impl Owned {
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Int(n) => Some(Self::Int(n)),
            Value::Str(s) | Value::StrInt(s, _) => Some(Self::Str(Bytes::from_slice(s))),
        }
    }

    fn borrow(&self) -> Value<'_> {
        match self {
            Self::Int(n) => Value::Int(*n),
            Self::Str(s) => Value::Str(s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::VariableId;
    use crate::host::Context;

    fn access(index: Index) -> VarAccess<'static> {
        VarAccess {
            id: VariableId(0),
            context: Context::Current,
            name: Some(b"x"),
            key: None,
            index,
        }
    }

    fn joined(list: &AvpList) -> String {
        let mut text = Text::new(1000);
        match list.read(&access(Index::All), &mut text) {
            Reading::Null => "NULL".to_owned(),
            _ => String::from_utf8(text.as_bytes().to_vec()).unwrap(),
        }
    }

    #[test]
    fn section_7_2_operations() {
        let mut list = AvpList::new();
        let set = Assign::Set;
        list.write(&access(Index::None), set, Value::Int(1)).unwrap();
        list.write(&access(Index::None), set, Value::Str(b"2")).unwrap();
        assert_eq!(joined(&list), "2, 1");
        assert_eq!(list.get(b"x", -1), Some(Value::Int(1)));
        list.write(&access(Index::Append), set, Value::Int(0)).unwrap();
        assert_eq!(joined(&list), "2, 1, 0");
        list.write(&access(Index::At(1)), set, Value::Int(9)).unwrap();
        list.write(&access(Index::At(-1)), set, Value::Int(8)).unwrap();
        assert_eq!(joined(&list), "2, 9, 8");
        assert_eq!(list.write(&access(Index::At(3)), set, Value::Int(9)), Err(WriteError::Missing));
        list.write(&access(Index::None), set, Value::Null).unwrap();
        list.write(&access(Index::At(1)), set, Value::Null).unwrap();
        assert_eq!(joined(&list), "9");
        list.write(&access(Index::All), set, Value::Int(7)).unwrap();
        list.write(&access(Index::None), Assign::SetAll, Value::Int(6)).unwrap();
        assert_eq!(joined(&list), "6");
        list.push(b"X", Value::Int(1)).unwrap();
        list.write(&access(Index::None), Assign::SetAll, Value::Null).unwrap();
        assert_eq!(joined(&list), "NULL");
        assert_eq!(list.len(), 1, "names are case-sensitive");
        assert_eq!(list.get(b"x", i32::MIN), None);
    }

    #[test]
    fn section_7_long_lists_do_not_join() {
        let mut list = AvpList::new();
        list.push(b"x", Value::Str(&[b'a'; 600])).unwrap();
        assert_eq!(joined(&list), "NULL");
    }
}
