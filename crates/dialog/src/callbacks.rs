//! Callbacks: registered as closures, run without a lock, dropped exactly once.

use crate::{Dialog, DialogEvents, DialogId, Dialogs, Event};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::settings::CALLBACKS_PER_DIALOG_MAX;
use crate::sync::Mutex;

/// A callback of one dialog. Its own lock is the only thing held while it runs: nobody waits for
/// it but who wants to run it too.
type Closure = Arc<Mutex<dyn FnMut(&mut Event<'_>) + Send>>;
pub(crate) type GlobalClosure = Arc<dyn Fn(&mut Event<'_>) + Send + Sync>;

/// The callbacks of one dialog, oldest first. Only ever appended to.
#[derive(Default)]
pub(crate) struct Callbacks {
    list: Vec<(DialogEvents, Closure)>,
    /// An event of the call is being told.
    pub(crate) telling: bool,
}

impl Callbacks {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The newest below a place that wants one of these events, and its place.
    pub(crate) fn newest_below(&self, end: usize, mask: DialogEvents) -> Option<(usize, Closure)> {
        let older = self.list.iter().enumerate().take(end).rev();
        let mut wanting = older.filter(|(_, (events, _))| events.intersects(mask));
        wanting.next().map(|(at, (_, closure))| (at, closure.clone()))
    }

    /// Bytes of the list; what the closures captured is theirs.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.list.capacity() * size_of::<(DialogEvents, Closure)>()
    }
}

/// The callbacks for all dialogs, oldest first.
#[derive(Default)]
pub(crate) struct Globals {
    pub(crate) created: Vec<GlobalClosure>,
    pub(crate) loaded: Vec<GlobalClosure>,
}

/// A callback was registered. There is nothing to undo: it lives as long as its dialog (or, for
/// the global ones, as the table).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration(());

/// Why a callback was not registered; its closure is dropped already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The dialog is in state 5.
    Ended,
    /// The dialog is no longer in the table.
    Gone,
    /// It has [`CALLBACKS_PER_DIALOG_MAX`] callbacks.
    TooMany,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the dialog has ended",
            Self::Gone => "the dialog is gone",
            Self::TooMany => "the dialog has too many callbacks",
        })
    }
}

impl std::error::Error for Refused {}

/// A callback panicked. The call goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicReport {
    /// The dialog.
    pub id: DialogId,
    /// The event's name.
    pub event: &'static str,
    /// What the panic said.
    pub message: String,
}

impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of dialog {}: {}", self.event, self.id, self.message)
    }
}

impl Dialog {
    /// Registers a callback for some events of this dialog.
    ///
    /// Of several callbacks the newest runs first. The closure is dropped exactly once: after
    /// DESTROY, or at once when refused.
    ///
    /// # Errors
    /// [`Refused`] for a dialog that ended or is gone, or has too many callbacks.
    #[doc(alias = "register_dlgcb")]
    pub fn on(
        &self,
        events: DialogEvents,
        callback: impl FnMut(&mut Event<'_>) + Send + 'static,
    ) -> Result<Registration, Refused> {
        // a refused closure is dropped at the end of this method, where no lock is held
        let mut closure: Option<Closure> = Some(Arc::new(Mutex::new(callback)));
        let added = self.table().with(self.key(), |record| {
            if record.state.is_ended() {
                return Err(Refused::Ended);
            }
            let callbacks = record.callbacks.get_or_insert_default();
            if callbacks.len() >= CALLBACKS_PER_DIALOG_MAX {
                return Err(Refused::TooMany);
            }
            callbacks.list.extend(closure.take().map(|closure| (events, closure)));
            record.wanted |= events;
            Ok(Registration(()))
        });
        added.unwrap_or(Err(Refused::Gone))
    }
}

impl Dialogs {
    /// Registers a callback that sees every new dialog: [`Event::Created`]. It may run on several
    /// workers at once, for different dialogs.
    #[doc(alias = "register_dlgcb")]
    #[doc(alias = "DLGCB_CREATED")]
    pub fn on_created(
        &self,
        callback: impl Fn(&mut Event<'_>) + Send + Sync + 'static,
    ) -> Registration {
        self.inner.globals.write().created.push(Arc::new(callback));
        Registration(())
    }

    /// Registers a callback that sees every dialog that comes from elsewhere, and at once every
    /// dialog already in the table: [`Event::Loaded`], once per dialog.
    #[doc(alias = "register_dlgcb")]
    #[doc(alias = "DLGCB_LOADED")]
    pub fn on_loaded(
        &self,
        callback: impl Fn(&mut Event<'_>) + Send + Sync + 'static,
    ) -> Registration {
        self.inner.globals.write().loaded.push(Arc::new(callback));
        for key in self.keys() {
            self.loaded(key);
        }
        Registration(())
    }

    /// Runs user code; a panic becomes a value.
    pub(crate) fn guarded(
        &self,
        id: DialogId,
        event: &'static str,
        panics: &mut Vec<PanicReport>,
        run: impl FnOnce(),
    ) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            self.inner.count_panic();
            let message = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            panics.push(PanicReport { id, event, message });
        }
    }
}
