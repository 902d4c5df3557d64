//! Running the callbacks that a [`Firing`] asks for (spec dialog.md §3).

use crate::event::*;
use crate::{
    Dialog, DialogEvents, DialogKey, Dialogs, EndReason, FailCause, Fire, Firing, PanicReport,
    Snapshot,
};

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

/// The events that end a dialog.
const ENDS: DialogEvents = DialogEvents::FAILED.union(DialogEvents::ENDED);

impl Dialogs {
    /// Runs the callbacks of one [`Firing`], newest first, without holding any lock of the table.
    /// Firing DESTROY frees the dialog afterwards.
    ///
    /// It is for whoever runs the call: an event of a dialog that is fired while another one of
    /// the same dialog is being told, from within a callback say, is not told but counted in
    /// `bogus_events`.
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
                    panics.extend(self.report_end(firing.key));
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
        let last = if ENDS.intersects(mask) { self.last_words(key, mask) } else { None };
        let dialog = self.handle(key);
        self.tell_registered(key, mask, firing.what.name(), panics, || {
            event_of(firing.what, &dialog, shorten(message), last.as_ref())
        });
    }

    /// §9.2: the links to profiles go before the callbacks of an end run; they see them in the
    /// snapshot (decision D25), which is made where somebody wants it.
    fn last_words(&self, key: DialogKey, mask: DialogEvents) -> Option<Snapshot> {
        let taken = self.with(key, |record| {
            let wanted = record.wanted.intersects(mask);
            let last = wanted.then(|| Snapshot::of(key, record));
            (last, record.take_links())
        });
        // links are dropped here, where no lock is held
        taken.ok().and_then(|(last, _links)| last)
    }

    /// Tells an event to the callbacks of a dialog that want it, newest first. Those registered
    /// meanwhile are not told.
    pub(crate) fn tell_registered<'a>(
        &self,
        key: DialogKey,
        mask: DialogEvents,
        name: &'static str,
        panics: &mut Vec<PanicReport>,
        event: impl FnOnce() -> Option<Event<'a>>,
    ) {
        let begun = self.with(key, |record| {
            let callbacks = record.callbacks.as_mut()?;
            let wanted = record.wanted.intersects(mask);
            wanted.then(|| (std::mem::replace(&mut callbacks.telling, true), callbacks.len()))
        });
        let Ok(Some((telling, mut end))) = begun else { return };
        if telling {
            self.shard(key.id.entry).counts.bogus += 1;
            return;
        }
        let next = |end| {
            let newest =
                self.with(key, |record| record.callbacks.as_ref()?.newest_below(end, mask));
            newest.ok().flatten()
        };
        if let Some(mut event) = event() {
            while let Some((at, callback)) = next(end) {
                self.guarded(key.id, name, panics, || (callback.lock())(&mut event));
                end = at;
            }
        }
        let _ = self.with(key, |record| {
            record.callbacks.as_mut().map(|callbacks| callbacks.telling = false)
        });
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
