//! Events that come from outside of the call: the store, other nodes, a listing (spec dialog.md
//! §3). The layers that know of them call these.
//!
//! All but [`mi_context`](Dialogs::mi_context) are jobs of the call, like each other event, and so
//! keep the order of its callbacks.

use crate::event::*;
use crate::settings::{CONTEXT_BYTES_MAX, CONTEXT_ITEMS_MAX};
use crate::{DialogEvents, DialogKey, Dialogs, Gone, PanicReport, Snapshot, Value};
use std::fmt;

/// What callbacks add to a listed dialog, in the order of adding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextItems {
    list: Vec<(Box<str>, Value)>,
    bytes: usize,
}

/// The context of one listed dialog has [`CONTEXT_ITEMS_MAX`] items or [`CONTEXT_BYTES_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextFull;

impl fmt::Display for ContextFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the context of a listed dialog is full")
    }
}

impl std::error::Error for ContextFull {}

impl ContextItems {
    /// Adds a named value. Names may repeat.
    ///
    /// # Errors
    /// [`ContextFull`]; nothing was added then.
    pub fn add(&mut self, name: &str, value: impl Into<Value>) -> Result<(), ContextFull> {
        let value = value.into();
        let bytes = self.bytes + name.len() + value.as_bytes().map_or(4, <[u8]>::len);
        if self.list.len() >= CONTEXT_ITEMS_MAX || bytes > CONTEXT_BYTES_MAX {
            return Err(ContextFull);
        }
        self.bytes = bytes;
        self.list.push((name.into(), value));
        Ok(())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.list.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What MI_CONTEXT gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedContext {
    /// What the callbacks added.
    pub items: ContextItems,
    /// False if a callback was not asked because the call was running it at this moment.
    pub complete: bool,
    /// Panics, for the log.
    pub panics: Vec<PanicReport>,
}

impl Dialogs {
    /// A dialog came from a database or another node: it is linked, its timers are armed, its
    /// values and profiles are there. Runs LOADED, unless a registration that came in between told
    /// it already.
    #[doc(alias = "DLGCB_LOADED")]
    pub fn loaded(&self, key: DialogKey) -> Vec<PanicReport> {
        let mut panics = Vec::new();
        let dialog = self.handle(key);
        loop {
            let registered = self.loaded_registrations();
            // whoever takes a number tells it: once per dialog and registration
            let number = self.with(key, |record| {
                let number = record.loaded_told;
                (number < registered).then(|| {
                    record.loaded_told += 1;
                    number
                })
            });
            let Ok(Some(number)) = number else { return panics };
            let callback = self.inner.globals.read().loaded.get(usize::from(number)).cloned();
            if let Some(callback) = callback {
                let mut event = Event::Loaded(Loaded { dialog: &dialog });
                self.guarded(key.id, "LOADED", &mut panics, || callback(&mut event));
            }
        }
    }

    /// How many LOADED callbacks there are: a dialog that is created has nothing to hear of them.
    pub(crate) fn loaded_registrations(&self) -> u16 {
        u16::try_from(self.inner.globals.read().loaded.len()).unwrap_or(u16::MAX)
    }

    /// The dialog's row was written or removed: runs SAVED.
    #[doc(alias = "DLGCB_SAVED")]
    pub fn saved(&self, key: DialogKey, kind: SavedKind) -> Vec<PanicReport> {
        let dialog = self.handle(key);
        self.raise(key, DialogEvents::SAVED, "SAVED", Event::Saved(Saved { dialog: &dialog, kind }))
    }

    /// Values and profiles are about to be written: runs WRITE_VP. Take the snapshot afterwards.
    #[doc(alias = "DLGCB_WRITE_VP")]
    pub fn write_values(&self, key: DialogKey) -> Vec<PanicReport> {
        let dialog = self.handle(key);
        let event = Event::WriteValues(WriteValues { dialog: &dialog });
        self.raise(key, DialogEvents::WRITE_VALUES, "WRITE_VP", event)
    }

    /// Values came from another node and are stored, one of this name or all: runs PROCESS_VARS.
    #[doc(alias = "DLGCB_PROCESS_VARS")]
    pub fn process_values(&self, key: DialogKey, name: Option<&[u8]>) -> Vec<PanicReport> {
        let dialog = self.handle(key);
        let event = Event::ProcessValues(ProcessValues { dialog: &dialog, name });
        self.raise(key, DialogEvents::PROCESS_VALUES, "PROCESS_VARS", event)
    }

    /// A dialog is being listed with its context: runs MI_CONTEXT, on the thread of whoever lists.
    ///
    /// A callback that the call is running at this moment is left out: `complete` tells.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "DLGCB_MI_CONTEXT")]
    pub fn mi_context(&self, snapshot: &Snapshot) -> Result<ListedContext, Gone> {
        let (key, mask) = (snapshot.key, DialogEvents::MI_CONTEXT);
        let dialog = self.handle(key);
        let mut listed = ListedContext { complete: true, ..ListedContext::default() };
        let mut end = usize::MAX;
        loop {
            let next = self.with(key, |record| {
                record.callbacks.as_ref().and_then(|callbacks| callbacks.newest_below(end, mask))
            })?;
            let Some((at, callback)) = next else { return Ok(listed) };
            end = at;
            let Some(mut callback) = callback.try_lock() else {
                listed.complete = false;
                continue;
            };
            let context = &mut listed.items;
            let mut event = Event::MiContext(MiContext { dialog: &dialog, snapshot, context });
            self.guarded(key.id, "MI_CONTEXT", &mut listed.panics, || callback(&mut event));
        }
    }

    fn raise(
        &self,
        key: DialogKey,
        mask: DialogEvents,
        name: &'static str,
        event: Event<'_>,
    ) -> Vec<PanicReport> {
        let mut panics = Vec::new();
        self.tell_registered(key, mask, name, &mut panics, || Some(event));
        panics
    }
}
