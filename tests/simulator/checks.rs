//! What must hold between any two moments of a world.

use duologue::dialog::Statistics;
use duologue_testkit::{Served, World};

use crate::faults::Faults;
use crate::lives::Lives;
use crate::meddling::Meddler;
use crate::wire::Watched;

/// The table is counted over each so many steps; the rest is checked at every step.
const AUDIT_EVERY: u32 = 64;

/// How a complaint ends that may be of numbers: nobody owes them to a call that is forgotten.
const OF_NUMBERS: [&str; 2] = ["came twice", "an ACK for no INVITE that has its final response"];

/// Who watches a world.
pub(crate) struct Checks {
    pub(crate) world: World,
    pub(crate) proxy: Served<Watched>,
    pub(crate) lives: Lives,
    pub(crate) meddler: Meddler,
    pub(crate) faults: Faults,
    steps: u32,
}

impl Checks {
    pub(crate) fn new(
        world: &World,
        proxy: &Served<Watched>,
        (lives, meddler, faults): (Lives, Meddler, Faults),
    ) -> Self {
        let (world, proxy) = (world.clone(), proxy.clone());
        Self { world, proxy, lives, meddler, faults, steps: 0 }
    }

    /// A step is over: what is cheap to check, and sometimes the rest. False if something is wrong.
    pub(crate) fn step(&mut self) -> bool {
        self.steps += 1;
        self.lives.settle();
        for complaint in self.world.complaints() {
            let person = complaint.split(':').next().unwrap_or_default();
            let of_numbers = OF_NUMBERS.iter().any(|words| complaint.ends_with(words));
            let too_late = of_numbers && self.proxy.borrow().log.forgotten(person);
            self.faults.hold(too_late, || complaint);
        }
        self.gauges();
        if self.steps.is_multiple_of(AUDIT_EVERY) {
            self.all();
        }
        self.faults.is_empty()
    }

    /// Everything, however long it takes.
    pub(crate) fn all(&self) {
        let audit = {
            let dialogs = &self.proxy.borrow().proxy.node.dialogs;
            self.meddler.check_profiles(dialogs);
            dialogs.audit()
        };
        self.faults.hold(audit.is_ok(), || format!("the audit says {audit:?}"));
        self.meddler.check_closures();
    }

    /// Promise 4 and 5: the gauges are what the callbacks told, and every panic was counted.
    fn gauges(&self) {
        let told = self.proxy.borrow().proxy.node.dialogs.statistics();
        let lived = self.lives.statistics();
        // The rest is not to be told from callbacks.
        let expected = Statistics {
            callback_panics: self.meddler.thrown(),
            active_dialogs: lived.active_dialogs,
            early_dialogs: lived.early_dialogs,
            unconfirmed_dialogs: lived.unconfirmed_dialogs,
            dialogs_lingering: lived.dialogs_lingering,
            processed_dialogs: lived.processed_dialogs,
            failed_dialogs: lived.failed_dialogs,
            ..told
        };
        self.faults.hold(told == expected, || format!("{told:?}\nshould be {expected:?}"));
    }
}
