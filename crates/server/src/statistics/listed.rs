//! All statistics of a proxy in one list: what `get_statistics` shows and `$stat` reads
//! (spec/script.md §14).

use duologue_dialog::Statistics as DialogStatistics;
use duologue_sip::Moment;

use super::{Counter, Statistics, TM_REMOVED, TM_UAC_TRANSACTIONS, TM_UAS_TRANSACTIONS};
use crate::modules::registrar::Registrar;
use crate::modules::usrloc::Usrloc;
use crate::node::Node;

/// One statistic as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its group: `core`.
    pub group: &'a str,
    /// Its name: `rcv_requests`.
    pub name: &'a str,
    /// Its value.
    pub value: u64,
    /// Whether it counts, from the start or a reset; else it is computed, or not to be reset.
    pub counts: bool,
}

impl Listed<'_> {
    /// Whether it is meant by `name` or `group:name`.
    pub fn is_named(&self, name: &[u8]) -> bool {
        means(name, self.group, self.name)
    }
}

impl Node {
    /// Shows every statistic, group by group; those that scripts made come last.
    pub fn visit_statistics(&self, now: Moment, visit: &mut dyn FnMut(Listed<'_>)) {
        let mut tell =
            |group: &str, name: &str, value, counts| visit(Listed { group, name, value, counts });
        for (group, name, counter) in counters() {
            tell(group, name, self.statistics.read(counter), true);
        }
        let (uas, uac) = (TM_UAS_TRANSACTIONS, TM_UAC_TRANSACTIONS);
        let made = self.statistics.total(uas).wrapping_add(self.statistics.total(uac));
        let in_use = made.wrapping_sub(self.statistics.total(TM_REMOVED));
        tell("tm", "inuse_transactions", in_use, false);
        tell("core", "timestamp", now.unix.saturating_sub(self.started.unix), false);
        tell("core", "calls", self.calls.len() as u64, false);
        tell("core", "waiting_calls", self.queue.len() as u64, false);
        tell("core", "events_dropped", self.events.dropped(), false);
        let dialogs = self.dialogs.statistics();
        tell("dialog", "active_dialogs", dialogs.active_dialogs, false);
        tell("dialog", "early_dialogs", dialogs.early_dialogs, false);
        tell("dialog", "dialogs_lingering", dialogs.dialogs_lingering, false);
        tell("dialog", "dialogs_tombstones", dialogs.dialogs_tombstones, false);
        for (at, (name, value)) in DIALOG_COUNTERS.iter().enumerate() {
            tell(
                "dialog",
                name,
                value(&dialogs).wrapping_sub(self.statistics.dialog_base(at)),
                true,
            );
        }
        self.visit_users(&mut tell);
        self.statistics.dynamic.visit(now, &mut tell);
    }

    /// Those of usrloc and registrar, if the script loads them (spec/modules.md §12, §13).
    fn visit_users(&self, tell: &mut dyn FnMut(&str, &str, u64, bool)) {
        let usrloc: &Usrloc = self.settings();
        let Some(location) = usrloc.location() else { return };
        tell("usrloc", "registered_users", location.users() as u64, false);
        for table in location.tables() {
            let (name, counts) = (table.name(), table.statistics());
            tell("usrloc", &format!("{name}-users"), counts.users as u64, false);
            tell("usrloc", &format!("{name}-contacts"), counts.contacts as u64, false);
            tell("usrloc", &format!("{name}-expires"), counts.expired, false);
        }
        let registrar: &Registrar = self.settings();
        tell("registrar", "max_expires", registrar.max_expires.into(), false);
        tell("registrar", "max_contacts", registrar.max_contacts.into(), false);
        tell("registrar", "default_expire", registrar.default_expires.into(), false);
    }

    /// The value of `name` or `group:name`. A bare name means what a script made, if it made one
    /// of that name.
    pub fn read_statistic(&self, now: Moment, name: &[u8]) -> Option<u64> {
        if let Some(value) = self.statistics.dynamic.read(name, now) {
            return Some(value);
        }
        if let Some(counter) = counter(name) {
            return Some(self.statistics.read(counter));
        }
        let mut found = None;
        self.visit_statistics(now, &mut |listed| {
            if found.is_none() && listed.is_named(name) {
                found = Some(listed.value);
            }
        });
        found
    }

    /// Lets the counter `name` or `group:name` start at zero again; what is no counter stays as it
    /// is. False if there is nothing of that name.
    pub fn reset_statistic(&self, now: Moment, name: &[u8]) -> bool {
        if self.statistics.dynamic.reset(name) {
            return true;
        }
        if let Some(counter) = counter(name) {
            self.statistics.reset(counter);
            return true;
        }
        let of_dialogs =
            DIALOG_COUNTERS.iter().position(|(called, _)| means(name, "dialog", called));
        if let Some(at) = of_dialogs {
            let (_, value) = DIALOG_COUNTERS[at];
            self.statistics.set_dialog_base(at, value(&self.dialogs.statistics()));
            return true;
        }
        self.read_statistic(now, name).is_some()
    }
}

/// A name, and where the engine counts it.
type DialogCounter = (&'static str, fn(&DialogStatistics) -> u64);

/// What the dialog engine counts. It never starts again; we remember where a reset was.
pub(super) const DIALOG_COUNTERS: [DialogCounter; 10] = [
    ("processed_dialogs", |dialogs| dialogs.processed_dialogs),
    ("expired_dialogs", |dialogs| dialogs.expired_dialogs),
    ("failed_dialogs", |dialogs| dialogs.failed_dialogs),
    ("late_answers", |dialogs| dialogs.late_answers),
    ("races", |dialogs| dialogs.races),
    ("byes_failed", |dialogs| dialogs.byes_failed),
    ("pings_sent", |dialogs| dialogs.pings_sent),
    ("pings_answered", |dialogs| dialogs.pings_answered),
    ("pings_failed", |dialogs| dialogs.pings_failed),
    ("callback_panics", |dialogs| dialogs.callback_panics),
];

/// The counters that are shown.
fn counters() -> impl Iterator<Item = (&'static str, &'static str, Counter)> {
    Statistics::all().filter(|(_, _, counter)| *counter != TM_REMOVED)
}

/// The counter of the server that is meant by `name` or `group:name`.
pub(crate) fn counter(name: &[u8]) -> Option<Counter> {
    counters().find(|(group, called, _)| means(name, group, called)).map(|(_, _, counter)| counter)
}

/// Whether `name` or `group:name` means this one.
fn means(name: &[u8], group: &str, called: &str) -> bool {
    let (of, name) = match memchr::memchr(b':', name) {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (group.as_bytes(), name),
    };
    name.eq_ignore_ascii_case(called.as_bytes()) && of.eq_ignore_ascii_case(group.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::{RCV_REQUESTS, SL_ACKS};
    use super::*;

    /// spec/script.md §14: look-up by bare name or `group:name`, whatever the case.
    #[test]
    fn counters_of_the_server_are_found_by_both_names() {
        assert_eq!(counter(b"rcv_requests"), Some(RCV_REQUESTS));
        assert_eq!(counter(b"core:RCV_Requests"), Some(RCV_REQUESTS));
        assert_eq!(counter(b"SL:received_acks"), Some(SL_ACKS));
        for unknown in [&b"tm:rcv_requests"[..], b"core:", b"", b"removed_transactions"] {
            assert_eq!(counter(unknown), None);
        }
    }
}
