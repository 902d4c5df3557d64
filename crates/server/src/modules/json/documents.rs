//! The documents of one run: named, changed in place, bounded. Values of them may be the same by
//! `json_link()`: those stand in a list of their own.

use duologue_script::{Assign, Value, WriteError};
use serde_json::Value as Json;

use super::path::{Path, Step};
use super::tree::{Tree, place};

/// How many documents a run may have.
pub const DOCUMENTS_MAX: usize = 100;
/// What all documents of a run may take together, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// The documents of one run.
#[derive(Debug, Default)]
pub struct Documents {
    list: Vec<(Box<str>, Tree)>,
    /// What stands in several places. It stays until the run ends, whoever still refers to it.
    shared: Vec<Tree>,
    bytes: usize,
}

/// The tree in which a path ends: links are left for the value that they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Named(usize),
    Shared(usize),
}

impl Documents {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        self.shared.clear();
        self.bytes = 0;
    }

    /// What is at the end of a path; never a link.
    pub(super) fn get(&self, path: &Path<'_>) -> Option<&Tree> {
        let (root, done) = self.locate(&path.name, &path.steps)?;
        path.steps[done..].iter().try_fold(self.root(root), |value, step| value.child(step))
    }

    /// What a value is that may be a link.
    pub(super) fn meant<'t>(&'t self, value: &'t Tree) -> &'t Tree {
        match value {
            Tree::Shared(number) => &self.shared[*number],
            own => own,
        }
    }

    /// A value as it is printed; `None` if links make it too large.
    pub(super) fn whole(&self, value: &Tree) -> Option<Json> {
        value.whole(&self.shared, DOCUMENT_BYTES_MAX)
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
        self.put(path, made(how, value)?.into())
    }

    /// Lets the end of `dest` be the same value as the end of `source`: what is changed in one is
    /// changed in the other. A value that would hold itself is refused.
    pub(super) fn link(&mut self, dest: &Path<'_>, source: &Path<'_>) -> Result<(), WriteError> {
        let number = self.share(source)?;
        if let Some((_, before)) = dest.steps.split_last() {
            let (root, _) = self.locate(&dest.name, before).ok_or(WriteError::Missing)?;
            if let Root::Shared(holder) = root
                && self.holds(number, holder)
            {
                return Err(WriteError::BadValue);
            }
        }
        self.put(dest, Tree::Shared(number))
    }

    /// Moves what is at the end of a path to the shared values, if it is not there, and gives its
    /// number.
    fn share(&mut self, path: &Path<'_>) -> Result<usize, WriteError> {
        let link = Tree::Shared(self.shared.len());
        let bytes = self.bytes.saturating_add(link.size());
        let slot = match path.steps.split_last() {
            None => self.list.iter_mut().find(|(name, _)| **name == *path.name).map(|it| &mut it.1),
            Some((last, before)) => {
                self.walk(&path.name, before).and_then(|parent| parent.child_mut(last))
            }
        };
        let slot = slot.ok_or(WriteError::Missing)?;
        if let Tree::Shared(known) = slot {
            return Ok(*known);
        }
        if bytes > DOCUMENT_BYTES_MAX {
            return Err(WriteError::BadValue);
        }
        let value = std::mem::replace(slot, link);
        self.bytes = bytes;
        self.shared.push(value);
        Ok(self.shared.len() - 1)
    }

    /// Whether a shared value is another one or holds it, at whatever depth.
    fn holds(&self, holder: usize, held: usize) -> bool {
        let mut seen = vec![false; self.shared.len()];
        let mut open = vec![holder];
        while let Some(number) = open.pop() {
            if number == held {
                return true;
            }
            if !std::mem::replace(&mut seen[number], true) {
                self.shared[number].links(&mut |link| open.push(link));
            }
        }
        false
    }

    fn put(&mut self, path: &Path<'_>, value: Tree) -> Result<(), WriteError> {
        let added = value.size();
        if self.bytes.saturating_add(added) > DOCUMENT_BYTES_MAX {
            return Err(WriteError::BadValue);
        }
        let freed = match path.steps.split_last() {
            None => self.put_document(&path.name, value)?,
            Some((last, before)) => {
                let parent = self.walk(&path.name, before).ok_or(WriteError::Missing)?;
                put_into(parent, last, value)?
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
                (Some(Tree::Object(object)), Step::Key(key)) => object.shift_remove(&**key),
                (Some(Tree::Array(array)), Step::At(n)) => {
                    place(array.len(), *n).map(|at| array.remove(at))
                }
                (None, _) => return Err(WriteError::Missing),
                _ => return Err(WriteError::BadValue),
            },
        };
        self.bytes = self.bytes.saturating_sub(gone.as_ref().map_or(0, Tree::size));
        Ok(())
    }

    /// Replaces a whole document; the bytes that the old one took.
    fn put_document(&mut self, name: &str, value: Tree) -> Result<usize, WriteError> {
        if let Some((_, document)) = self.list.iter_mut().find(|(known, _)| **known == *name) {
            return Ok(std::mem::replace(document, value).size());
        }
        if self.list.len() >= DOCUMENTS_MAX {
            return Err(WriteError::BadValue);
        }
        self.list.push((name.into(), value));
        Ok(0)
    }

    /// The tree in which a path ends, and how many of its steps lead there.
    fn locate(&self, name: &str, steps: &[Step<'_>]) -> Option<(Root, usize)> {
        let at = self.list.iter().position(|(known, _)| **known == *name)?;
        let (mut root, mut done) = (Root::Named(at), 0);
        let mut value = self.root(root);
        for taken in 0..=steps.len() {
            if let Tree::Shared(number) = value {
                (root, done) = (Root::Shared(*number), taken);
                value = self.root(root);
            }
            if let Some(step) = steps.get(taken) {
                value = value.child(step)?;
            }
        }
        Some((root, done))
    }

    fn root(&self, root: Root) -> &Tree {
        match root {
            Root::Named(at) => &self.list[at].1,
            Root::Shared(number) => &self.shared[number],
        }
    }

    /// What is at the end of a path, to be changed; never a link.
    fn walk(&mut self, name: &str, steps: &[Step<'_>]) -> Option<&mut Tree> {
        let (root, done) = self.locate(name, steps)?;
        let root = match root {
            Root::Named(at) => &mut self.list[at].1,
            Root::Shared(number) => &mut self.shared[number],
        };
        steps[done..].iter().try_fold(root, |value, step| value.child_mut(step))
    }
}

/// Puts a value into an object or array; the bytes that it replaces.
fn put_into(parent: &mut Tree, step: &Step<'_>, value: Tree) -> Result<usize, WriteError> {
    let old = match (parent, step) {
        (Tree::Object(object), Step::Key(key)) => object.insert(key.clone().into_owned(), value),
        (Tree::Array(array), Step::At(n)) => {
            let at = place(array.len(), *n).ok_or(WriteError::Missing)?;
            Some(std::mem::replace(&mut array[at], value))
        }
        (Tree::Array(array), Step::Append) => {
            array.push(value);
            None
        }
        _ => return Err(WriteError::BadValue),
    };
    Ok(old.as_ref().map_or(0, Tree::size))
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
        let value = documents.get(&Path::parse(path.as_bytes()).unwrap())?;
        documents.whole(value).map(|value| value.to_string())
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

    fn link(documents: &mut Documents, dest: &str, source: &str) -> Result<(), WriteError> {
        let path = |text: &'static str| Path::parse(text.as_bytes()).unwrap();
        let (dest, source) = (dest.to_owned().leak(), source.to_owned().leak());
        documents.link(&path(dest), &path(source))
    }

    /// `json_link()`: changes of a value are seen wherever it stands, changes of a place are not.
    #[test]
    fn a_linked_value_is_the_same_everywhere() {
        let mut documents = Documents::default();
        parse(&mut documents, "b", "[{},{},{}]").unwrap();
        link(&mut documents, "stub", "b[0]").unwrap();
        set(&mut documents, "stub/ana", Value::Str(b"are")).unwrap();
        parse(&mut documents, "stub/ar", "[1,2,3]").unwrap();
        set(&mut documents, "b[0]/ar[0]", Value::Null).unwrap();
        let value = r#"{"ana":"are","ar":[2,3]}"#;
        assert_eq!(shown(&documents, "stub").as_deref(), Some(value));
        let all = format!("[{value},{{}},{{}}]");
        assert_eq!(shown(&documents, "b"), Some(all));
        // A second link to it, through the first.
        link(&mut documents, "b[2]", "stub").unwrap();
        set(&mut documents, "b[2]/ar", Value::Null).unwrap();
        let value = r#"{"ana":"are"}"#;
        assert_eq!(shown(&documents, "b"), Some(format!("[{value},{{}},{value}]")));
        // Links come and go alone.
        set(&mut documents, "stub", Value::Int(5)).unwrap();
        set(&mut documents, "b[0]", Value::Null).unwrap();
        assert_eq!(shown(&documents, "stub").as_deref(), Some("5"));
        assert_eq!(shown(&documents, "b"), Some(format!("[{{}},{value}]")));
    }

    #[test]
    fn no_value_holds_itself() {
        let mut documents = Documents::default();
        parse(&mut documents, "b", r#"[1,{"in":[]}]"#).unwrap();
        for (dest, source) in [("b[0]", "b"), ("b[1]/in[]", "b"), ("b[1]/in[]", "b[1]")] {
            assert_eq!(link(&mut documents, dest, source), Err(WriteError::BadValue), "{dest}");
        }
        parse(&mut documents, "c", "{}").unwrap();
        link(&mut documents, "c/b", "b").unwrap();
        assert_eq!(link(&mut documents, "b[0]", "c"), Err(WriteError::BadValue));
        link(&mut documents, "b[0]", "b[1]").unwrap();
        assert_eq!(shown(&documents, "c").as_deref(), Some(r#"{"b":[{"in":[]},{"in":[]}]}"#));
        for (dest, source) in
            [("x", "nothing"), ("x/y", "b"), ("b[9]", "c/b[0]"), ("b[0]/x/y", "c")]
        {
            assert_eq!(link(&mut documents, dest, source), Err(WriteError::Missing), "{dest}");
        }
    }

    /// Each level twice in the next: too large to be printed, and nothing worse happens.
    #[test]
    fn links_cannot_be_used_to_fill_the_memory() {
        let mut documents = Documents::default();
        parse(&mut documents, "d0", r#"["x"]"#).unwrap();
        for level in 1..DOCUMENTS_MAX {
            let (this, last) = (format!("d{level}"), format!("d{}", level - 1));
            parse(&mut documents, &this, "[]").unwrap();
            link(&mut documents, &format!("{this}[]"), &last).unwrap();
            link(&mut documents, &format!("{this}[]"), &last).unwrap();
        }
        assert_eq!(shown(&documents, "d2").as_deref(), Some(r#"[[["x"],["x"]],[["x"],["x"]]]"#));
        assert_eq!(shown(&documents, "d99"), None);
        // A chain of any depth.
        for _ in 0..5_000 {
            parse(&mut documents, "d1", "[]").unwrap();
            link(&mut documents, "d1[]", "d0").unwrap();
            link(&mut documents, "d0", "d1").unwrap();
        }
        assert_eq!(shown(&documents, "d0"), None);
        // What once was shared is counted until the run ends.
        let text = vec![b'x'; 60_000];
        let fits = (0..).take_while(|_| {
            set(&mut documents, "d9", Value::Str(&text)).is_ok()
                && link(&mut documents, "d10", "d9").is_ok()
        });
        assert!(fits.count() < DOCUMENT_BYTES_MAX / 60_000);
    }
}
