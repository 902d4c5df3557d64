//! Callbacks: registered as closures, run without a lock, dropped exactly once.

use crate::event::*;
use crate::{
    Dialog, DialogEvents, DialogId, DialogKey, Dialogs, EndReason, FailCause, Fire, Firing,
    Snapshot,
};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::settings::CALLBACKS_PER_DIALOG_MAX;

type Closure = Box<dyn FnMut(&mut Event<'_>) + Send>;
type GlobalClosure = Arc<dyn Fn(&mut Event<'_>) + Send + Sync>;

/// The callbacks of one dialog, oldest first.
#[derive(Default)]
pub(crate) struct Callbacks {
    list: Vec<(DialogEvents, Closure)>,
    /// Some are out, being run.
    running: usize,
}

impl Callbacks {
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

impl Fire {
    /// The name of the event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Early => "EARLY",
            Self::Confirmed => "CONFIRMED",
            Self::Failed(_) => "FAILED",
            Self::RequestWithin(..) => "REQ_WITHIN",
            Self::ResponseForwarded(_) => "RESPONSE_FWDED",
            Self::ResponseWithin(..) => "RESPONSE_WITHIN",
            Self::Terminated(_) => "TERMINATED",
            Self::Expired => "EXPIRED",
            Self::Destroy(_) => "DESTROY",
        }
    }

    const fn mask(self) -> DialogEvents {
        match self {
            Self::Created => DialogEvents::empty(),
            Self::Early => DialogEvents::EARLY,
            Self::Confirmed => DialogEvents::CONFIRMED,
            Self::Failed(_) => DialogEvents::FAILED,
            Self::RequestWithin(..) => DialogEvents::REQ_WITHIN,
            Self::ResponseForwarded(_) => DialogEvents::RESPONSE_FWDED,
            Self::ResponseWithin(..) => DialogEvents::RESPONSE_WITHIN,
            Self::Terminated(_) => DialogEvents::TERMINATED,
            Self::Expired => DialogEvents::EXPIRED,
            Self::Destroy(_) => DialogEvents::DESTROY,
        }
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
        let mut closure: Option<Closure> = Some(Box::new(callback));
        let added = self.table().with(self.key(), |record| {
            if record.state.is_ended() {
                return Err(Refused::Ended);
            }
            let callbacks = record.callbacks.get_or_insert_default();
            if callbacks.list.len() + callbacks.running >= CALLBACKS_PER_DIALOG_MAX {
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
    /// dialog already in the table: [`Event::Loaded`].
    #[doc(alias = "register_dlgcb")]
    #[doc(alias = "DLGCB_LOADED")]
    pub fn on_loaded(
        &self,
        callback: impl Fn(&mut Event<'_>) + Send + Sync + 'static,
    ) -> Registration {
        let callback: GlobalClosure = Arc::new(callback);
        self.inner.globals.write().loaded.push(callback.clone());
        for key in self.keys() {
            let dialog = self.handle(key);
            let mut event = Event::Loaded(Loaded { dialog: &dialog });
            self.guarded(key.id, "LOADED", &mut Vec::new(), || callback(&mut event));
        }
        Registration(())
    }

    /// Runs the callbacks of one [`Firing`], newest first, without holding any lock. Firing
    /// DESTROY frees the dialog afterwards.
    ///
    /// Panics of callbacks are caught, counted and returned for the log; an empty list costs
    /// nothing.
    pub fn fire(
        &self,
        firing: &Firing,
        message: Option<&mut dyn EventMessage>,
    ) -> Vec<PanicReport> {
        let mut panics = Vec::new();
        match firing.what {
            Fire::Created => self.fire_created(firing.key, message, &mut panics),
            Fire::Destroy(now) => {
                if self.unlink(firing.key, now) {
                    self.fire_registered(firing, message, &mut panics);
                    let record = self.free(firing.key);
                    // closures may do anything while they are dropped, so no lock is held
                    self.guarded(firing.key.id, "drop", &mut panics, move || drop(record));
                }
            }
            _ => self.fire_registered(firing, message, &mut panics),
        }
        panics
    }

    fn fire_created(
        &self,
        key: DialogKey,
        message: Option<&mut dyn EventMessage>,
        panics: &mut Vec<PanicReport>,
    ) {
        let callbacks = {
            let globals = self.inner.globals.read();
            if globals.created.is_empty() {
                return;
            }
            globals.created.clone()
        };
        let dialog = self.handle(key);
        let mut event = Event::Created(Created { dialog: &dialog, message: shorten(message) });
        for callback in callbacks.iter().rev() {
            self.guarded(key.id, "CREATED", panics, || callback(&mut event));
        }
    }

    fn fire_registered(
        &self,
        firing: &Firing,
        message: Option<&mut dyn EventMessage>,
        panics: &mut Vec<PanicReport>,
    ) {
        let (key, mask) = (firing.key, firing.what.mask());
        let ends = DialogEvents::FAILED | DialogEvents::ENDED;
        let taken = self.with(key, |record| {
            let wanted = record.wanted.intersects(mask);
            let is_end = ends.intersects(mask);
            let last = (wanted && is_end).then(|| Snapshot::of(key, record));
            // §9.2: the links go before the callbacks run, which see them in the snapshot
            let links = is_end.then(|| record.take_links());
            let list = record.callbacks.as_mut().filter(|_| wanted).map(|callbacks| {
                let list = std::mem::take(&mut callbacks.list);
                callbacks.running = list.len();
                list
            });
            (list, last, links)
        });
        let Ok((list, last, links)) = taken else { return };
        drop(links);
        let Some(mut list) = list else { return };
        let dialog = self.handle(key);
        let mut event = event_of(firing.what, &dialog, shorten(message), last.as_ref());
        if let Some(event) = &mut event {
            for (events, callback) in list.iter_mut().rev() {
                if events.intersects(mask) {
                    self.guarded(key.id, firing.what.name(), panics, || callback(event));
                }
            }
        }
        let back = self.with(key, |record| {
            let callbacks = record.callbacks.get_or_insert_default();
            callbacks.running = 0;
            // what was registered meanwhile is newer, so it goes behind
            list.append(&mut callbacks.list);
            std::mem::swap(&mut callbacks.list, &mut list);
        });
        debug_assert!(back.is_ok(), "only firing DESTROY frees a dialog");
    }

    /// Runs user code; a panic becomes a value.
    fn guarded(
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

/// Lets the message live as long as the event that borrows it.
fn shorten<'a, 'm: 'a>(message: Option<&'a mut (dyn EventMessage + 'm)>) -> MessageSlot<'a> {
    message.map(|message| message as &mut (dyn EventMessage + 'a))
}

fn event_of<'a>(
    what: Fire,
    dialog: &'a Dialog,
    message: MessageSlot<'a>,
    last: Option<&'a Snapshot>,
) -> Option<Event<'a>> {
    const UNKNOWN: &EndReason = &EndReason::LIFETIME_TIMEOUT;
    Some(match what {
        Fire::Created => Event::Created(Created { dialog, message }),
        Fire::Early => Event::Early(Early { dialog, message }),
        Fire::Confirmed => Event::Confirmed(Confirmed { dialog, message }),
        Fire::Failed(status) => Event::Failed(Failed {
            dialog,
            message,
            cause: status.map_or(FailCause::TransactionEnded, FailCause::Status),
            last: last?,
        }),
        Fire::RequestWithin(direction, dst_leg) => {
            Event::RequestWithin(RequestWithin { dialog, message, direction, dst_leg })
        }
        Fire::ResponseForwarded(leg) => {
            Event::ResponseForwarded(ResponseForwarded { dialog, message, leg })
        }
        Fire::ResponseWithin(direction, dst_leg) => {
            Event::ResponseWithin(ResponseWithin { dialog, message, direction, dst_leg })
        }
        Fire::Terminated(bye) => Event::Terminated(Terminated {
            dialog,
            message,
            direction: bye.map(|(direction, _)| direction),
            dst_leg: bye.map(|(_, leg)| leg),
            reason: last?.reason.as_ref().unwrap_or(UNKNOWN),
            last: last?,
        }),
        Fire::Expired => {
            Event::Expired(Expired { dialog, reason: last?.reason.as_ref(), last: last? })
        }
        Fire::Destroy(_) => Event::Destroy(Destroy { dialog }),
    })
}
