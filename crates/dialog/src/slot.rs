//! What modules keep with a dialog, typed (spec dialog.md §15, `dlg_ctx_*`).

use crate::{Dialog, Dialogs, Gone};
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many slots may be registered with a table.
pub const SLOTS_MAX: usize = 64;

/// A place for one `T` in every dialog. Dialogs that leave it empty spend nothing on it.
///
/// What was put is shared, never lent under a lock: [`get`](Self::get) hands out an [`Arc`]. It is
/// dropped exactly once: after the dialog's DESTROY, when it is replaced or taken, or later, when
/// the last of its holders lets go.
///
/// ```
/// use duologue_dialog::{DialogSlot, Dialogs, Settings};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let dialogs = Dialogs::new(Settings::default(), 7);
/// let pings: DialogSlot<AtomicU32> = dialogs.register_slot()?;
/// dialogs.on_created(move |event| {
///     let _ = pings.put(event.dialog(), AtomicU32::new(0));
///     if let Ok(Some(count)) = pings.get(event.dialog()) {
///         count.fetch_add(1, Ordering::Relaxed);
///     }
/// });
/// # Ok::<(), duologue_dialog::TooManySlots>(())
/// ```
#[doc(alias = "dlg_ctx_register_int")]
#[doc(alias = "dlg_ctx_register_str")]
#[doc(alias = "dlg_ctx_register_ptr")]
pub struct DialogSlot<T> {
    number: u32,
    holds: PhantomData<fn(T) -> T>,
}

impl<T> Clone for DialogSlot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DialogSlot<T> {}

impl<T> fmt::Debug for DialogSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DialogSlot").field(&self.number).finish()
    }
}

/// There are [`SLOTS_MAX`] slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySlots;

impl fmt::Display for TooManySlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there may be {SLOTS_MAX} dialog slots")
    }
}

impl std::error::Error for TooManySlots {}

type Content = Arc<dyn Any + Send + Sync>;

/// The slots of one dialog that are filled. To be dropped where no lock is held.
#[derive(Default)]
pub(crate) struct Slots(Vec<(u32, Content)>);

impl Slots {
    /// Bytes of the list; what modules keep in it is theirs.
    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(u32, Content)>()
    }

    fn get(&self, number: u32) -> Option<&Content> {
        self.0.iter().find(|(known, _)| *known == number).map(|(_, content)| content)
    }

    fn put(&mut self, number: u32, content: Content) -> Option<Content> {
        if let Some((_, old)) = self.0.iter_mut().find(|(known, _)| *known == number) {
            return Some(std::mem::replace(old, content));
        }
        self.0.reserve_exact(1);
        self.0.push((number, content));
        None
    }

    fn take(&mut self, number: u32) -> Option<Content> {
        let at = self.0.iter().position(|(known, _)| *known == number)?;
        Some(self.0.swap_remove(at).1)
    }
}

/// The numbers are those of the whole process, so that a slot of one table is an empty one in
/// every other.
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(0);

impl Dialogs {
    /// Registers a slot, for all dialogs there are and will be. Do it once, when the module loads.
    ///
    /// # Errors
    /// [`TooManySlots`].
    #[doc(alias = "dlg_ctx_register_int")]
    #[doc(alias = "dlg_ctx_register_str")]
    #[doc(alias = "dlg_ctx_register_ptr")]
    pub fn register_slot<T: Any + Send + Sync>(&self) -> Result<DialogSlot<T>, TooManySlots> {
        let room = |count: usize| (count < SLOTS_MAX).then_some(count + 1);
        let slots = &self.inner.slots;
        slots.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| TooManySlots)?;
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(DialogSlot { number, holds: PhantomData })
    }
}

impl<T: Any + Send + Sync> DialogSlot<T> {
    /// Fills the slot; what was in it.
    ///
    /// # Errors
    /// [`Gone`]; the content is dropped then.
    #[doc(alias = "dlg_ctx_put_int")]
    #[doc(alias = "dlg_ctx_put_str")]
    #[doc(alias = "dlg_ctx_put_ptr")]
    pub fn put(&self, dialog: &Dialog, content: T) -> Result<Option<Arc<T>>, Gone> {
        let mut content: Option<Content> = Some(Arc::new(content));
        // where the dialog is gone, the content is dropped at the end, where no lock is held
        let old = dialog.table().with(dialog.key(), |record| {
            content.take().and_then(|content| record.extras().slots.put(self.number, content))
        })?;
        Ok(old.and_then(Self::typed))
    }

    /// What is in the slot.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "dlg_ctx_get_int")]
    #[doc(alias = "dlg_ctx_get_str")]
    #[doc(alias = "dlg_ctx_get_ptr")]
    pub fn get(&self, dialog: &Dialog) -> Result<Option<Arc<T>>, Gone> {
        let found = dialog.table().with(dialog.key(), |record| {
            record.extras.as_ref().and_then(|extras| extras.slots.get(self.number).cloned())
        })?;
        Ok(found.and_then(Self::typed))
    }

    /// Empties the slot; what was in it.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn take(&self, dialog: &Dialog) -> Result<Option<Arc<T>>, Gone> {
        let taken = dialog.table().with(dialog.key(), |record| {
            record.extras.as_mut().and_then(|extras| extras.slots.take(self.number))
        })?;
        Ok(taken.and_then(Self::typed))
    }

    fn typed(content: Content) -> Option<Arc<T>> {
        content.downcast().ok()
    }
}
