//! A value of a document, parts of which may stand in several places.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::path::Step;

/// What a value takes beside its text, about.
const VALUE_BYTES: usize = 64;

/// How deep a value may nest that is printed. A parsed text and the path to where it is put have
/// less; only values that hold each other by links can have more.
const DEPTH_MAX: usize = 256;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// Null, a boolean, a number or a text.
    Scalar(Json),
    /// An array.
    Array(Vec<Self>),
    /// An object; its keys keep their order.
    Object(IndexMap<String, Self>),
    /// A value that stands in several places: its number among the shared ones.
    Shared(usize),
}

impl Tree {
    /// The element or member that a step leads to.
    pub(super) fn child(&self, step: &Step<'_>) -> Option<&Self> {
        match (self, step) {
            (Self::Object(object), Step::Key(key)) => object.get(&**key),
            (Self::Array(array), Step::At(n)) => array.get(place(array.len(), *n)?),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn child_mut(&mut self, step: &Step<'_>) -> Option<&mut Self> {
        match (self, step) {
            (Self::Object(object), Step::Key(key)) => object.get_mut(&**key),
            (Self::Array(array), Step::At(n)) => {
                let at = place(array.len(), *n)?;
                array.get_mut(at)
            }
            _ => None,
        }
    }

    /// What it counts as. A shared value is counted where it was made.
    pub(super) fn size(&self) -> usize {
        let inside = match self {
            Self::Scalar(Json::String(text)) => text.len(),
            Self::Scalar(_) | Self::Shared(_) => 0,
            Self::Array(array) => array.iter().map(Self::size).sum(),
            Self::Object(object) => {
                object.iter().map(|(key, value)| VALUE_BYTES + key.len() + value.size()).sum()
            }
        };
        VALUE_BYTES + inside
    }

    /// Shows `visit` the numbers of the shared values in it.
    pub(super) fn links(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Self::Scalar(_) => {}
            Self::Array(array) => array.iter().for_each(|value| value.links(visit)),
            Self::Object(object) => object.values().for_each(|value| value.links(visit)),
            Self::Shared(number) => visit(*number),
        }
    }

    /// The whole value with what it shares, of at most `bytes`; `None` if it is larger or deeper than
    /// anybody wants to read: links can double a value with each level.
    pub(super) fn whole(&self, shared: &[Self], bytes: usize) -> Option<Json> {
        Whole { shared, bytes }.of(self, DEPTH_MAX)
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

impl From<Json> for Tree {
    fn from(value: Json) -> Self {
        match value {
            Json::Array(array) => Self::Array(array.into_iter().map(Self::from).collect()),
            Json::Object(object) => {
                Self::Object(object.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
            scalar => Self::Scalar(scalar),
        }
    }
}

/// A value being put together, within what may still be used.
struct Whole<'t> {
    shared: &'t [Tree],
    bytes: usize,
}

impl Whole<'_> {
    fn of(&mut self, tree: &Tree, depth: usize) -> Option<Json> {
        let depth = depth.checked_sub(1)?;
        self.bytes = self.bytes.checked_sub(VALUE_BYTES)?;
        Some(match tree {
            Tree::Scalar(scalar) => {
                let text = scalar.as_str().unwrap_or_default().len();
                self.bytes = self.bytes.checked_sub(text)?;
                scalar.clone()
            }
            Tree::Array(array) => {
                array.iter().map(|value| self.of(value, depth)).collect::<Option<_>>()?
            }
            Tree::Object(object) => {
                let mut members = Map::new();
                for (key, value) in object {
                    self.bytes = self.bytes.checked_sub(key.len())?;
                    members.insert(key.clone(), self.of(value, depth)?);
                }
                Json::Object(members)
            }
            Tree::Shared(number) => self.of(self.shared.get(*number)?, depth)?,
        })
    }
}
