//! What the callbacks saw and did, and whether it was right (spec/dialog.md §3, §7, §9).
//!
//! Callbacks here call back in: values, profiles, further callbacks, ends of their own and of other
//! dialogs, listings. A panic in a callback would be caught by the proxy, so what is wrong is
//! written down and told at the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use duologue::dialog::{
    Cursor, Dialog, DialogEvents, DialogId, Dialogs, EndReason, Event, LinkOrigin, Profile,
    ProfileKind, Refused, Statistics, TerminateError,
};

use crate::peers::{Plot, call_id, call_of};

/// The events that make up a life.
const LIFE: DialogEvents = DialogEvents::EARLY
    .union(DialogEvents::CONFIRMED)
    .union(DialogEvents::REQ_WITHIN)
    .union(DialogEvents::RESPONSE_FWDED)
    .union(DialogEvents::RESPONSE_WITHIN)
    .union(DialogEvents::FAILED)
    .union(DialogEvents::ENDED)
    .union(DialogEvents::DESTROY);

/// What can end a dialog.
const ENDS: [&str; 3] = ["FAILED", "TERMINATED", "EXPIRED"];

/// One dialog.
#[derive(Default)]
struct Life {
    call: usize,
    /// A callback of it is running.
    inside: AtomicBool,
    events: Mutex<Vec<&'static str>>,
    /// Callbacks for its end that were registered on the way, and those that were told.
    registered: AtomicUsize,
    told: AtomicUsize,
}

/// All dialogs.
pub(crate) struct Ledger {
    profile: Profile,
    lives: Mutex<HashMap<DialogId, Arc<Life>>>,
    faults: Mutex<Vec<String>>,
    /// Closures made and not yet dropped.
    closures: Arc<AtomicIsize>,
}

/// What a closure captures so that its end is seen.
struct Captured(Arc<AtomicIsize>);

impl Captured {
    fn new(closures: &Arc<AtomicIsize>) -> Self {
        closures.fetch_add(1, Relaxed);
        Self(Arc::clone(closures))
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Ledger {
    /// Listens to every dialog of the table.
    pub(crate) fn keep(dialogs: &Dialogs) -> Arc<Self> {
        let profile = dialogs.add_profiles("callers", ProfileKind::Value).unwrap().remove(0);
        let ledger = Arc::new(Self {
            profile,
            lives: Mutex::default(),
            faults: Mutex::default(),
            closures: Arc::default(),
        });
        let (keeper, table) = (Arc::clone(&ledger), dialogs.clone());
        dialogs.on_created(move |event| keeper.created(&table, event));
        ledger
    }

    pub(crate) fn fault(&self, what: String) {
        self.faults.lock().unwrap().push(what);
    }

    fn created(self: &Arc<Self>, table: &Dialogs, event: &mut Event<'_>) {
        let dialog = event.dialog();
        let call = dialog.call_id().ok().and_then(|call_id| call_of(&call_id)).unwrap();
        let life = Arc::new(Life { call, ..Life::default() });
        if self.lives.lock().unwrap().insert(dialog.id(), Arc::clone(&life)).is_some() {
            self.fault(format!("{} was created twice", dialog.id()));
        }
        let (keeper, table, captured) =
            (Arc::clone(self), table.clone(), Captured::new(&self.closures));
        let listening = dialog.on(LIFE, move |event| {
            let _ = &captured;
            keeper.told(&table, &life, event);
        });
        let joined = dialog.set_profile(&self.profile, Some(&caller(call)), LinkOrigin::Own);
        if listening.is_err() || joined.is_err() {
            self.fault(format!("{}: refused while it is created", dialog.id()));
        }
    }

    fn told(self: &Arc<Self>, table: &Dialogs, life: &Arc<Life>, event: &Event<'_>) {
        let name = name(event);
        if life.inside.swap(true, Relaxed) {
            self.fault(format!("call {}: {name} while another event is told", life.call));
        }
        life.events.lock().unwrap().push(name);
        let dialog = event.dialog();
        match name {
            "EARLY" => self.register_on_the_way(life, dialog),
            "CONFIRMED" => self.confirmed(table, life, dialog),
            "REQ_WITHIN" => {
                let seen = dialog.fetch_value("requests").ok().flatten();
                let seen = seen.and_then(|value| value.as_int()).unwrap_or(0);
                let _ = dialog.store_value("requests", seen + 1);
                let other = caller(life.call + 1);
                let _ = dialog.replace_profile(&self.profile, Some(&other), LinkOrigin::Own);
            }
            "DESTROY" => self.too_late(dialog),
            end if ENDS.contains(&end) => {
                self.too_late(dialog);
                if dialog.is_in_profile(&self.profile, None) == Ok(true) {
                    self.fault(format!("call {}: in a profile after its end", life.call));
                }
            }
            _ => {}
        }
        life.inside.store(false, Relaxed);
    }

    fn confirmed(self: &Arc<Self>, table: &Dialogs, life: &Arc<Life>, dialog: &Dialog) {
        let call = life.call;
        self.register_on_the_way(life, dialog);
        if Plot::of(call) == Plot::Stays && call.is_multiple_of(3) {
            let _ = dialog.terminate(EndReason::new("its own callback"));
        }
        if call.is_multiple_of(7)
            && let Some(other) = table.by_callid(call_id(call + 8).as_bytes(), None)
        {
            let _ = other.store_value("neighbour", 1);
            let _ = other.terminate(EndReason::new("another dialog's callback"));
        }
        if call.is_multiple_of(64) {
            list(table, |_| {});
            let _ = (table.statistics(), self.profile.size(None));
        }
    }

    /// What is registered while the dialog lives hears its end and DESTROY.
    fn register_on_the_way(&self, life: &Arc<Life>, dialog: &Dialog) {
        let (captured, heard) = (Captured::new(&self.closures), Arc::clone(life));
        let registration = dialog.on(LIFE, move |event| {
            let _ = &captured;
            if ENDS.contains(&name(event)) || name(event) == "DESTROY" {
                heard.told.fetch_add(1, Relaxed);
            }
        });
        life.registered.fetch_add(usize::from(registration.is_ok()), Relaxed);
    }

    /// An ended dialog takes no callback, no link and no further end (§3, §7, §9.2).
    fn too_late(&self, dialog: &Dialog) {
        let captured = Captured::new(&self.closures);
        let on = dialog.on(LIFE, move |_| {
            let _ = &captured;
        });
        let end = dialog.terminate(EndReason::new("again"));
        let link = dialog.set_profile(&self.profile, Some(b"late"), LinkOrigin::Own);
        if on != Err(Refused::Ended) || end != Err(TerminateError::NotActive) || link.is_ok() {
            self.fault(format!("{}: not ended at its end: {on:?} {end:?} {link:?}", dialog.id()));
        }
    }

    /// Everything that was wrong. To be asked when all calls are over.
    pub(crate) fn verdict(&self, calls: usize, statistics: &Statistics) -> Vec<String> {
        let mut faults = std::mem::take(&mut *self.faults.lock().unwrap());
        let lives = self.lives.lock().unwrap();
        faults.extend(lives.values().filter_map(|life| life.fault()));
        let mut check = |right: bool, what: String| {
            if !right {
                faults.push(what);
            }
        };
        let (made, counted) = (lives.len(), statistics.processed_dialogs);
        check(made == calls, format!("{made} dialogs of {calls} calls"));
        check(counted == calls as u64, format!("{counted} dialogs are counted"));
        let ended = |end| {
            let with = |life: &&Arc<Life>| life.events.lock().unwrap().contains(&end);
            lives.values().filter(with).count() as u64
        };
        check(statistics.failed_dialogs == ended("FAILED"), "failed_dialogs is wrong".into());
        check(statistics.expired_dialogs == ended("EXPIRED"), "expired_dialogs is wrong".into());
        check(statistics.callback_panics == 0, "a callback panicked".into());
        for end in ["FAILED", "TERMINATED", "EXPIRED", "CONFIRMED", "EARLY"] {
            check(ended(end) > 0, format!("no call saw {end}: the storm is too weak"));
        }
        let kept = self.closures.load(Relaxed);
        check(kept == 0, format!("{kept} closures were not dropped"));
        let links = self.profile.size(None);
        check(links == 0, format!("{links} links are left"));
        faults
    }
}

impl Life {
    /// What is wrong with the order of its events.
    fn fault(&self) -> Option<String> {
        let events = self.events.lock().unwrap();
        let place = |name| events.iter().position(|&event| event == name);
        let count = |name| events.iter().filter(|&&event| event == name).count();
        let end = events.iter().position(|event| ENDS.contains(event));
        let wrong = if ENDS.iter().map(|&end| count(end)).sum::<usize>() != 1 {
            "not exactly one end"
        } else if count("DESTROY") != 1 || events.last() != Some(&"DESTROY") {
            "DESTROY is not the last"
        } else if count("EARLY") > 1 || count("CONFIRMED") > 1 {
            "a state was told twice"
        } else if place("EARLY") > place("CONFIRMED").or(Some(usize::MAX)) {
            "EARLY after CONFIRMED"
        } else if place("CONFIRMED") > end || place("EARLY") > end {
            "a state after the end"
        } else if count("FAILED") == 1 && count("CONFIRMED") == 1 {
            "an answered call failed"
        } else if count("FAILED") == 0 && count("CONFIRMED") == 0 {
            "a call that was not answered ended otherwise than by FAILED"
        } else if Plot::of(self.call) == Plot::Busy && count("FAILED") != 1 {
            "a busy callee was answered"
        } else if self.told.load(Relaxed) != 2 * self.registered.load(Relaxed) {
            "a callback registered on the way did not hear the end"
        } else {
            return None;
        };
        Some(format!("call {} ({:?}): {wrong}: {events:?}", self.call, Plot::of(self.call)))
    }
}

/// Lists everything, slice by slice.
pub(crate) fn list(table: &Dialogs, mut see: impl FnMut(&Dialog)) {
    let (mut slice, mut cursor) = (Vec::new(), Some(Cursor::default()));
    while let Some(at) = cursor {
        cursor = table.list(at, 64, &mut slice);
        slice.drain(..).for_each(|snapshot| see(&table.handle(snapshot.key)));
    }
}

fn caller(call: usize) -> Vec<u8> {
    format!("caller {}", call % 10).into_bytes()
}

fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Early(_) => "EARLY",
        Event::Confirmed(_) => "CONFIRMED",
        Event::Failed(_) => "FAILED",
        Event::RequestWithin(_) => "REQ_WITHIN",
        Event::ResponseForwarded(_) => "RESPONSE_FWDED",
        Event::ResponseWithin(_) => "RESPONSE_WITHIN",
        Event::Terminated(_) => "TERMINATED",
        Event::Expired(_) => "EXPIRED",
        Event::Destroy(_) => "DESTROY",
        _ => "OTHER",
    }
}
