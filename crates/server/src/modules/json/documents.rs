//! The documents of one run: named, changed in place, bounded.

use duologue_script::{Assign, Value, WriteError};
use serde_json::Value as Json;

use super::path::{Path, Step};

/// How many documents a run may have.
pub const DOCUMENTS_MAX: usize = 100;
/// What all documents of a run may take together, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// What a value takes beside its text, about.
const VALUE_BYTES: usize = 64;

/// The documents of one run.
#[derive(Debug, Default)]
pub struct Documents {
    list: Vec<(Box<str>, Json)>,
    bytes: usize,
}

impl Documents {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes = 0;
    }

    /// What is at the end of a path.
    pub(super) fn get(&self, path: &Path<'_>) -> Option<&Json> {
        let (_, document) = self.list.iter().find(|(name, _)| **name == *path.name)?;
        path.steps.iter().try_fold(document, |value, step| match step {
            Step::Key(key) => value.as_object()?.get(&**key),
            Step::At(n) => {
                let array = value.as_array()?;
                array.get(place(array.len(), *n)?)
            }
            Step::Append => None,
        })
    }

    /// Writes at the end of a path; all before it must be there. NULL deletes what is there, unless
    /// `:=` says that it is to be `null`.
    pub(super) fn set(
        &mut self,
        path: &Path<'_>,
        how: Assign,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        if value.is_null() && how == Assign::Set {
            return self.delete(path);
        }
        let value = made(how, value)?;
        let added = size(&value);
        if self.bytes.saturating_add(added) > DOCUMENT_BYTES_MAX {
            return Err(WriteError::BadValue);
        }
        let freed = match path.steps.split_last() {
            None => self.put(&path.name, value)?,
            Some((last, before)) => {
                let parent = self.walk(&path.name, before).ok_or(WriteError::Missing)?;
                put(parent, last, value)?
            }
        };
        self.bytes = (self.bytes + added).saturating_sub(freed);
        Ok(())
    }

    fn delete(&mut self, path: &Path<'_>) -> Result<(), WriteError> {
        let gone = match path.steps.split_last() {
            None => {
                let at = self.list.iter().position(|(name, _)| **name == *path.name);
                at.map(|at| self.list.swap_remove(at).1)
            }
            Some((last, before)) => match (self.walk(&path.name, before), last) {
                // In the order that the others have.
                (Some(Json::Object(object)), Step::Key(key)) => object.shift_remove(&**key),
                (Some(Json::Array(array)), Step::At(n)) => {
                    place(array.len(), *n).map(|at| array.remove(at))
                }
                (None, _) => return Err(WriteError::Missing),
                _ => return Err(WriteError::BadValue),
            },
        };
        self.bytes = self.bytes.saturating_sub(gone.as_ref().map_or(0, size));
        Ok(())
    }

    /// Replaces a whole document; the bytes that the old one took.
    fn put(&mut self, name: &str, value: Json) -> Result<usize, WriteError> {
        if let Some((_, document)) = self.list.iter_mut().find(|(known, _)| **known == *name) {
            return Ok(size(&std::mem::replace(document, value)));
        }
        if self.list.len() >= DOCUMENTS_MAX {
            return Err(WriteError::BadValue);
        }
        self.list.push((name.into(), value));
        Ok(0)
    }

    fn walk(&mut self, name: &str, steps: &[Step<'_>]) -> Option<&mut Json> {
        let (_, document) = self.list.iter_mut().find(|(known, _)| **known == *name)?;
        steps.iter().try_fold(document, |value, step| match step {
            Step::Key(key) => value.as_object_mut()?.get_mut(&**key),
            Step::At(n) => {
                let array = value.as_array_mut()?;
                let at = place(array.len(), *n)?;
                array.get_mut(at)
            }
            Step::Append => None,
        })
    }
}

/// Puts a value into an object or array; the bytes that it replaces.
fn put(parent: &mut Json, step: &Step<'_>, value: Json) -> Result<usize, WriteError> {
    let old = match (parent, step) {
        (Json::Object(object), Step::Key(key)) => object.insert(key.clone().into_owned(), value),
        (Json::Array(array), Step::At(n)) => {
            let at = place(array.len(), *n).ok_or(WriteError::Missing)?;
            Some(std::mem::replace(&mut array[at], value))
        }
        (Json::Array(array), Step::Append) => {
            array.push(value);
            None
        }
        _ => return Err(WriteError::BadValue),
    };
    Ok(old.as_ref().map_or(0, size))
}

/// The value that a script means: `:=` reads texts as JSON, `=` takes them as they are.
fn made(how: Assign, value: Value<'_>) -> Result<Json, WriteError> {
    match (value, how) {
        (Value::Null, _) => Ok(Json::Null),
        (Value::Int(number), _) => Ok(number.into()),
        (Value::Str(text) | Value::StrInt(text, _), Assign::SetAll) => {
            serde_json::from_slice(text).map_err(|_| WriteError::BadValue)
        }
        // JSON is UTF-8; what is not becomes U+FFFD.
        (Value::Str(text) | Value::StrInt(text, _), Assign::Set) => {
            Ok(String::from_utf8_lossy(text).into_owned().into())
        }
    }
}

/// The element that an index means; the last is −1.
pub(super) fn place(len: usize, index: i32) -> Option<usize> {
    let at = match usize::try_from(index) {
        Ok(at) => at,
        Err(_) => len.checked_sub(index.unsigned_abs() as usize)?,
    };
    (at < len).then_some(at)
}

fn size(value: &Json) -> usize {
    let inside = match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(array) => array.iter().map(size).sum(),
        Json::Object(object) => {
            object.iter().map(|(key, value)| VALUE_BYTES + key.len() + size(value)).sum()
        }
    };
    VALUE_BYTES + inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(documents: &mut Documents, path: &str, value: Value<'_>) -> Result<(), WriteError> {
        documents.set(&Path::parse(path.as_bytes()).unwrap(), Assign::Set, value)
    }

    fn parse(documents: &mut Documents, path: &str, text: &str) -> Result<(), WriteError> {
        let path = Path::parse(path.as_bytes()).unwrap();
        documents.set(&path, Assign::SetAll, Value::Str(text.as_bytes()))
    }

    fn shown(documents: &Documents, path: &str) -> Option<String> {
        documents.get(&Path::parse(path.as_bytes()).unwrap()).map(Json::to_string)
    }

    /// spec/script.md §7.3: `=` stores a string or number, `:=` parses, `= NULL` deletes.
    #[test]
    fn places_are_written_replaced_and_deleted() {
        let mut documents = Documents::default();
        parse(&mut documents, "x", r#"{"a":1,"list":[1,2]}"#).unwrap();
        set(&mut documents, "x/b", Value::Str(b"{}")).unwrap();
        parse(&mut documents, "x/c", r#"{"d":[]}"#).unwrap();
        set(&mut documents, "x/c/d[]", Value::Int(5)).unwrap();
        set(&mut documents, "x/list[-1]", Value::StrInt(b"9", 9)).unwrap();
        assert_eq!(
            shown(&documents, "x").as_deref(),
            Some(r#"{"a":1,"list":[1,"9"],"b":"{}","c":{"d":[5]}}"#)
        );
        set(&mut documents, "x/a", Value::Null).unwrap();
        set(&mut documents, "x/list[0]", Value::Null).unwrap();
        documents.set(&Path::parse(b"x/b").unwrap(), Assign::SetAll, Value::Null).unwrap();
        assert_eq!(
            shown(&documents, "x").as_deref(),
            Some(r#"{"list":["9"],"b":null,"c":{"d":[5]}}"#)
        );
        set(&mut documents, "x/nothing", Value::Null).unwrap();
        set(&mut documents, "x", Value::Null).unwrap();
        assert_eq!(shown(&documents, "x"), None);
        assert_eq!(documents.bytes, 0, "no byte is counted that is not there");
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut documents = Documents::default();
        parse(&mut documents, "x", r#"{"list":[1]}"#).unwrap();
        let one = Value::Int(1);
        for (path, error) in [
            ("y/a", WriteError::Missing),
            ("x/a/b", WriteError::Missing),
            ("x/list[1]", WriteError::Missing),
            ("x/list[-2]", WriteError::Missing),
            ("x/list/a", WriteError::BadValue),
            ("x[0]", WriteError::BadValue),
            ("x[]", WriteError::BadValue),
        ] {
            assert_eq!(set(&mut documents, path, one), Err(error), "{path}");
        }
        assert_eq!(parse(&mut documents, "x", "{"), Err(WriteError::BadValue));
        assert_eq!(set(&mut documents, "y/a", Value::Null), Err(WriteError::Missing));
        assert_eq!(shown(&documents, "x").as_deref(), Some(r#"{"list":[1]}"#));
    }

    #[test]
    fn documents_are_bounded() {
        let mut documents = Documents::default();
        parse(&mut documents, "x", "[]").unwrap();
        let text = vec![b'x'; 60_000];
        let fits = (0..).take_while(|_| set(&mut documents, "x[]", Value::Str(&text)).is_ok());
        assert_eq!(fits.count(), 69);
        set(&mut documents, "x[0]", Value::Null).unwrap();
        assert_eq!(set(&mut documents, "x[]", Value::Str(&text)), Ok(()));
        documents.clear();
        for n in 0..DOCUMENTS_MAX {
            set(&mut documents, &format!("d{n}"), Value::Int(1)).unwrap();
        }
        assert_eq!(set(&mut documents, "more", Value::Int(1)), Err(WriteError::BadValue));
        let deep = "[".repeat(10_000);
        assert_eq!(parse(&mut documents, "d0", &deep), Err(WriteError::BadValue));
    }
}
