//! All statistics of a proxy in one list: what `get_statistics` shows and `$stat` reads
//! (spec/script.md §14).

use duologue_dialog::Statistic;
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
        for (at, one) in OF_DIALOGS.iter().enumerate() {
            tell("dialog", one.name, self.dialog_statistic(at), one.counts);
        }
        if let Some(storage) = &self.storage {
            for (name, value, counts) in storage.counts().all() {
                tell("dialog", name, value, counts);
            }
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
        if let Some(storage) = &self.user_storage {
            for (name, value, counts) in storage.counts().of_users() {
                tell("usrloc", name, value, counts);
            }
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
        if let Some(at) = of_dialogs(name) {
            return Some(self.dialog_statistic(at));
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
        if let Some(at) = of_dialogs(name)
            && OF_DIALOGS[at].counts
        {
            let reached = self.dialogs.statistic(OF_DIALOGS[at].which);
            self.statistics.set_dialog_base(at, reached);
            return true;
        }
        self.read_statistic(now, name).is_some()
    }

    /// The statistic at a place of [`OF_DIALOGS`], counted from its last reset.
    fn dialog_statistic(&self, at: usize) -> u64 {
        let reached = self.dialogs.statistic(OF_DIALOGS[at].which);
        reached.wrapping_sub(self.statistics.dialog_base(at))
    }
}

/// A statistic of the dialog engine.
pub(super) struct OfDialogs {
    name: &'static str,
    /// Whether it can be reset. The engine never starts again; we remember where a reset was.
    counts: bool,
    which: Statistic,
}

/// What the dialog engine counts and we show.
pub(super) const OF_DIALOGS: [OfDialogs; 14] = {
    const fn gauge(name: &'static str, which: Statistic) -> OfDialogs {
        OfDialogs { name, counts: false, which }
    }
    const fn counter(name: &'static str, which: Statistic) -> OfDialogs {
        OfDialogs { name, counts: true, which }
    }
    [
        gauge("active_dialogs", Statistic::ActiveDialogs),
        gauge("early_dialogs", Statistic::EarlyDialogs),
        gauge("dialogs_lingering", Statistic::DialogsLingering),
        gauge("dialogs_tombstones", Statistic::DialogsTombstones),
        counter("processed_dialogs", Statistic::ProcessedDialogs),
        counter("expired_dialogs", Statistic::ExpiredDialogs),
        counter("failed_dialogs", Statistic::FailedDialogs),
        counter("late_answers", Statistic::LateAnswers),
        counter("races", Statistic::Races),
        counter("byes_failed", Statistic::ByesFailed),
        counter("pings_sent", Statistic::PingsSent),
        counter("pings_answered", Statistic::PingsAnswered),
        counter("pings_failed", Statistic::PingsFailed),
        counter("callback_panics", Statistic::CallbackPanics),
    ]
};

/// The place of the one that is meant by `name` or `group:name`.
fn of_dialogs(name: &[u8]) -> Option<usize> {
    OF_DIALOGS.iter().position(|one| means(name, "dialog", one.name))
}

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
