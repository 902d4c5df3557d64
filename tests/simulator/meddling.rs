//! Modules that meddle: callbacks that store values, join profiles, end calls, register more of
//! themselves and panic, and an operator who does the same from outside.
//!
//! What they do is modelled beside it, so that the checkers know what must have come of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use duologue::dialog::{
    Cursor, Dialog, DialogEvents, DialogId, Dialogs, EndReason, Event, LinkOrigin, Profile,
    ProfileKind, SavedKind, Value,
};
use duologue_testkit::Random;

use crate::faults::{Faults, lock};
use crate::lives::{Lives, name};
use crate::plan::{Plan, pick};
use crate::wire::Log;

/// The profiles: one that only counts, one that counts values apart.
const CALLS: &str = "sim_calls";
const USERS: &str = "sim_users";
const VALUES: [&[u8]; 2] = [b"x", b"y\0|#"];

/// How many callbacks one meddling may register on one dialog in all.
const CLOSURES_MAX: u32 = 12;

/// A meddling module. Cheap to clone; all clones mean the same.
#[derive(Clone)]
pub(crate) struct Meddler(Arc<Kept>);

struct Kept {
    chance: Mutex<Random>,
    acts: u16,
    panics: u16,
    thrown: AtomicU64,
    models: Mutex<BTreeMap<DialogId, Model>>,
    closures: Closures,
    lives: Lives,
    log: Log,
    faults: Faults,
}

/// What was done to one dialog.
#[derive(Default)]
struct Model {
    values: BTreeMap<&'static str, i32>,
    links: Vec<(&'static str, Option<usize>)>,
    closures: u32,
}

/// Closures made and dropped.
#[derive(Clone, Default)]
struct Closures(Arc<Mutex<BTreeMap<DialogId, [u64; 2]>>>);

/// What a closure captures: told when it is dropped.
struct Captured(Closures, DialogId);

impl Drop for Captured {
    fn drop(&mut self) {
        lock(&self.0.0).entry(self.1).or_default()[1] += 1;
    }
}

impl Meddler {
    /// A module that follows the plan in every dialog of the table.
    pub(crate) fn load(
        dialogs: &Dialogs,
        plan: &Plan,
        seed: u64,
        (lives, log, faults): (Lives, Log, Faults),
    ) -> Self {
        let defined = dialogs.add_profiles(CALLS, ProfileKind::NoValue).is_ok()
            && dialogs.add_profiles(USERS, ProfileKind::Value).is_ok();
        assert!(defined, "the profiles are new");
        let meddler = Self(Arc::new(Kept {
            chance: Mutex::new(Random::seeded(seed ^ 0x5eed)),
            acts: plan.meddling,
            panics: plan.panics,
            thrown: AtomicU64::new(0),
            models: Mutex::default(),
            closures: Closures::default(),
            lives,
            log,
            faults,
        }));
        let loaded = meddler.clone();
        dialogs.on_created(move |event| {
            let dialog = event.dialog().clone();
            let _stage = loaded.0.lives.enter(dialog.id(), "CREATED");
            for _ in 0..loaded.below(4) {
                loaded.register(&dialog);
            }
            loaded.heard(event);
        });
        meddler
    }

    /// How many panics its callbacks threw.
    pub(crate) fn thrown(&self) -> u64 {
        self.0.thrown.load(Relaxed)
    }

    /// Something that an operator does, while no call is being run.
    pub(crate) fn outside(&self, dialogs: &Dialogs) {
        let living = self.0.lives.living();
        if living.is_empty() {
            return;
        }
        let id = living[self.below(living.len() as u64) as usize];
        let Some(dialog) = dialogs.by_id(id) else { return };
        match self.below(8) {
            0 => self.list(dialogs),
            1 => self.register(&dialog),
            2 => drop(dialogs.write_values(dialog.key())),
            3 => drop(dialogs.saved(dialog.key(), SavedKind::Update)),
            4 => drop(dialogs.process_values(dialog.key(), Some(b"a"))),
            5 => drop(dialog.terminate(EndReason::new("operator"))),
            _ => self.meddle(&dialog, None),
        }
    }

    /// Promise 4 for profiles: each counts the links that were made and not taken back.
    pub(crate) fn check_profiles(&self, dialogs: &Dialogs) {
        let mut counts = [0, 0, 0];
        for (id, model) in lock(&self.0.models).iter_mut() {
            if dialogs.by_id(*id).is_none_or(|dialog| !dialog.is_active()) {
                model.links.clear();
            }
            for (_, value) in &model.links {
                counts[value.map_or(2, |value| value)] += 1;
            }
        }
        let size = |name, value| profile(dialogs, name).size(value);
        let sizes = [size(USERS, Some(VALUES[0])), size(USERS, Some(VALUES[1])), size(CALLS, None)];
        let faults = &self.0.faults;
        faults.hold(sizes == counts, || format!("profiles count {sizes:?}, should {counts:?}"));
        let sum = size(USERS, None);
        faults.hold(sum == counts[0] + counts[1], || format!("{USERS} says {sum} in all"));
    }

    /// Promise 4 for closures: those of destroyed dialogs are dropped, the others are not.
    pub(crate) fn check_closures(&self) {
        for (id, [made, dropped]) in lock(&self.0.closures.0).iter() {
            let fits = if self.0.lives.is_over(*id) { dropped == made } else { dropped <= made };
            self.0.faults.hold(fits, || format!("{id}: {made} closures, {dropped} dropped"));
        }
    }

    /// Registers a callback for some events.
    fn register(&self, dialog: &Dialog) {
        let id = dialog.id();
        {
            let mut models = lock(&self.0.models);
            let model = models.entry(id).or_default();
            if model.closures >= CLOSURES_MAX {
                return;
            }
            model.closures += 1;
        }
        let drops = |closures: &Closures| lock(&closures.0).entry(id).or_default()[1];
        let events = DialogEvents::from_bits_truncate(self.below(1 << 15) as u32);
        let closures = &self.0.closures;
        let before = drops(closures);
        lock(&closures.0).entry(id).or_default()[0] += 1;
        let captured = Captured(closures.clone(), id);
        let meddler = self.clone();
        let registered = dialog.on(events, move |event| {
            let _captured = &captured;
            let _stage = meddler.0.lives.enter(id, name(event));
            meddler.heard(event);
        });
        let dropped = drops(closures) - before;
        let fits = dropped == u64::from(registered.is_err());
        self.0.faults.hold(fits, || format!("{id}: {registered:?}, {dropped} dropped at once"));
    }

    /// A callback runs.
    fn heard(&self, event: &mut Event<'_>) {
        let dialog = event.dialog().clone();
        if self.chance(self.0.acts) {
            self.meddle(&dialog, Some(event));
        }
        if self.chance(self.0.panics) {
            self.0.thrown.fetch_add(1, Relaxed);
            // As a panic, but without a word on the terminal.
            std::panic::resume_unwind(Box::new("a meddler's panic"));
        }
    }

    fn meddle(&self, dialog: &Dialog, event: Option<&mut Event<'_>>) {
        let now = self.0.log.now();
        match self.below(14) {
            0 | 1 => self.store(dialog),
            2 => self.fetch(dialog),
            3 => self.remove(dialog),
            4 | 5 => self.join(dialog),
            6 => self.leave(dialog),
            7 => drop(dialog.terminate(EndReason::new("a meddler"))),
            8 => self.end_another(dialog.table()),
            9 => self.register(dialog),
            10 => {
                let seconds = 1 + self.below(120) as u32;
                let _ = now.map(|now| dialog.set_timeout(now, seconds));
            }
            11 => drop(dialog.set_delete_delay(self.below(6) as u32)),
            12 => self.list(dialog.table()),
            _ => {
                if let Some(message) = event.and_then(Event::message) {
                    // Those that may not be changed say so.
                    let _ = message.append_header("X-Meddler", b"was here");
                }
            }
        }
    }

    fn end_another(&self, dialogs: &Dialogs) {
        let living = self.0.lives.living();
        if !living.is_empty() && self.chance(300) {
            let id = living[self.below(living.len() as u64) as usize];
            // It may be over already.
            let _ = dialogs.terminate(id, EndReason::new("another's meddler"));
        }
    }

    /// Walks over everything, as a listing would: nothing here may wait for a lock.
    fn list(&self, dialogs: &Dialogs) {
        let (mut cursor, mut listed) = (Some(Cursor::default()), Vec::new());
        while let Some(at) = cursor {
            cursor = dialogs.list(at, 7, &mut listed);
        }
        for snapshot in &listed {
            let _ = dialogs.mi_context(snapshot);
        }
        let audit = dialogs.audit();
        self.0.faults.hold(audit.is_ok(), || format!("within a callback: {audit:?}"));
    }

    fn store(&self, dialog: &Dialog) {
        let (name, number) = (self.pick(&["a", "b"]), self.below(1000) as i32);
        if dialog.store_value(name, number).is_ok() {
            self.model(dialog, |model| model.values.insert(name, number));
        }
    }

    fn fetch(&self, dialog: &Dialog) {
        let name = self.pick(&["a", "b"]);
        let Ok(value) = dialog.fetch_value(name) else { return };
        let expected = self.model(dialog, |model| model.values.get(name).copied());
        let fits = value == expected.map(Value::Int);
        let id = dialog.id();
        self.0.faults.hold(fits, || format!("{id}: {name} is {value:?}, not {expected:?}"));
    }

    fn remove(&self, dialog: &Dialog) {
        let name = self.pick(&["a", "b"]);
        let Ok(removed) = dialog.remove_value(name) else { return };
        let expected = self.model(dialog, |model| model.values.remove(name).is_some());
        let id = dialog.id();
        self.0.faults.hold(removed == expected, || format!("{id}: removing {name}: {removed}"));
    }

    fn join(&self, dialog: &Dialog) {
        let (name, value) = self.pick(&[(CALLS, None), (USERS, Some(0)), (USERS, Some(1))]);
        let (profile, text) = (profile(dialog.table(), name), value.map(|value| VALUES[value]));
        let replaces = self.chance(300);
        let joined = if replaces {
            dialog.replace_profile(&profile, text, LinkOrigin::Own)
        } else {
            dialog.set_profile(&profile, text, LinkOrigin::Own)
        };
        if joined.is_ok() {
            self.model(dialog, |model| {
                model.links.retain(|(other, _)| !replaces || *other != name);
                model.links.push((name, value));
            });
        }
    }

    fn leave(&self, dialog: &Dialog) {
        let (name, value) = self.pick(&[(CALLS, None), (USERS, Some(1)), (USERS, None)]);
        let (profile, text) = (profile(dialog.table(), name), value.map(|value| VALUES[value]));
        let ended = !dialog.is_active();
        let Ok(left) = dialog.unset_profile(&profile, text) else { return };
        let expected = self.model(dialog, |model| {
            if ended {
                model.links.clear();
            }
            let fits = |link: &(&str, Option<usize>)| {
                link.0 == name && (value.is_none() || link.1 == value)
            };
            let before = model.links.len();
            match value {
                Some(_) => {
                    let newest = model.links.iter().rposition(fits);
                    newest.map(|at| model.links.remove(at));
                }
                None => model.links.retain(|link| !fits(link)),
            }
            before - model.links.len()
        });
        let id = dialog.id();
        self.0.faults.hold(left == expected, || format!("{id}: left {name} {left} times"));
    }

    fn model<T>(&self, dialog: &Dialog, change: impl FnOnce(&mut Model) -> T) -> T {
        change(lock(&self.0.models).entry(dialog.id()).or_default())
    }

    fn below(&self, bound: u64) -> u64 {
        lock(&self.0.chance).below(bound)
    }

    fn chance(&self, per_mille: u16) -> bool {
        lock(&self.0.chance).chance(per_mille)
    }

    fn pick<T: Copy>(&self, of: &[T]) -> T {
        pick(&mut lock(&self.0.chance), of)
    }
}

/// Looked up each time: a module that kept its table would keep itself.
fn profile(dialogs: &Dialogs, name: &str) -> Profile {
    dialogs.search_profile(name).expect("it was defined when the module was loaded")
}
