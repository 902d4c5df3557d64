//! What the core commands tell about this process.

use std::sync::Arc;

use duologue_management::{Process, ServerInfo, Statistic, StatisticKind, Uptime, Version};
use duologue_server::modules::{registrar::Registrar, usrloc::Usrloc};
use duologue_server::statistics::{
    Statistics, TM_REMOVED, TM_UAC_TRANSACTIONS, TM_UAS_TRANSACTIONS,
};
use duologue_server::{Server, loglevel};

/// The running process, as the core commands see it.
pub struct Info {
    server: Arc<Server>,
    terminate: Box<dyn Fn() + Send + Sync>,
}

impl Info {
    /// A view of this process; `terminate` is what `kill` does.
    pub fn new(server: Arc<Server>, terminate: impl Fn() + Send + Sync + 'static) -> Self {
        Self { server, terminate: Box::new(terminate) }
    }
}

/// A moment in local time, in the layout of `ctime`.
pub fn local_time(unix: u64) -> String {
    layout(unix, "%a %b %e %H:%M:%S %Y")
}

/// A moment in local time, `YYYY-MM-DD HH:MM:SS`.
pub(crate) fn local_date(unix: u64) -> String {
    layout(unix, "%Y-%m-%d %H:%M:%S")
}

fn layout(unix: u64, format: &str) -> String {
    let seconds = i64::try_from(unix).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string()
}

impl ServerInfo for Info {
    fn uptime(&self) -> Uptime {
        let (now, started) = (self.server.now().unix, self.server.node().started.unix);
        Uptime {
            now: local_time(now),
            since: local_time(started),
            seconds: now.saturating_sub(started),
        }
    }

    fn version(&self) -> Version {
        let (version, arch, os) =
            (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
        Version {
            server: format!("Duologue ({version} ({arch}/{os}))"),
            revision: version.to_owned(),
        }
    }

    fn processes(&self) -> Vec<Process> {
        let pid = std::process::id();
        let attendant = Process { id: 0, pid, kind: "attendant".to_owned() };
        let workers = self.server.workers().into_iter().zip(1..);
        let workers = workers.map(|(kind, id)| Process { id, pid, kind });
        std::iter::once(attendant).chain(workers).collect()
    }

    fn log_level(&self) -> i64 {
        loglevel::current().into()
    }

    fn set_log_level(&self, level: i64) {
        loglevel::set(i8::try_from(level.clamp(-3, 4)).unwrap_or(loglevel::DEFAULT));
    }

    fn statistics(&self, visit: &mut dyn FnMut(Statistic<'_>)) {
        let node = self.server.node();
        let mut tell =
            |group: &str, name: &str, value, kind| visit(Statistic { group, name, value, kind });
        for (group, name, counter) in Statistics::all().filter(|(_, _, it)| *it != TM_REMOVED) {
            tell(group, name, node.statistics.read(counter), StatisticKind::Incremental);
        }
        let computed = StatisticKind::NonIncremental;
        let (uas, uac) = (TM_UAS_TRANSACTIONS, TM_UAC_TRANSACTIONS);
        let made = node.statistics.total(uas).wrapping_add(node.statistics.total(uac));
        let in_use = made.wrapping_sub(node.statistics.total(TM_REMOVED));
        tell("tm", "inuse_transactions", in_use, computed);
        let uptime = self.server.now().unix.saturating_sub(node.started.unix);
        tell("core", "timestamp", uptime, computed);
        tell("core", "calls", node.calls.len() as u64, computed);
        tell("core", "waiting_calls", node.queue.len() as u64, computed);
        tell("core", "events_dropped", node.events.dropped(), computed);
        let dialogs = node.dialogs.statistics();
        let counted = StatisticKind::Incremental;
        tell("dialog", "active_dialogs", dialogs.active_dialogs, computed);
        tell("dialog", "early_dialogs", dialogs.early_dialogs, computed);
        tell("dialog", "processed_dialogs", dialogs.processed_dialogs, counted);
        tell("dialog", "expired_dialogs", dialogs.expired_dialogs, counted);
        tell("dialog", "failed_dialogs", dialogs.failed_dialogs, counted);
        tell("dialog", "late_answers", dialogs.late_answers, counted);
        tell("dialog", "races", dialogs.races, counted);
        tell("dialog", "byes_failed", dialogs.byes_failed, counted);
        tell("dialog", "pings_sent", dialogs.pings_sent, counted);
        tell("dialog", "pings_answered", dialogs.pings_answered, counted);
        tell("dialog", "pings_failed", dialogs.pings_failed, counted);
        tell("dialog", "dialogs_lingering", dialogs.dialogs_lingering, computed);
        tell("dialog", "dialogs_tombstones", dialogs.dialogs_tombstones, computed);
        tell("dialog", "callback_panics", dialogs.callback_panics, counted);
        let usrloc: &Usrloc = node.settings();
        if let Some(location) = usrloc.location() {
            tell("usrloc", "registered_users", location.users() as u64, computed);
            for table in location.tables() {
                let (name, counts) = (table.name(), table.statistics());
                tell("usrloc", &format!("{name}-users"), counts.users as u64, computed);
                tell("usrloc", &format!("{name}-contacts"), counts.contacts as u64, computed);
                tell("usrloc", &format!("{name}-expires"), counts.expired, counted);
            }
            let registrar: &Registrar = node.settings();
            tell("registrar", "max_expires", registrar.max_expires.into(), computed);
            tell("registrar", "max_contacts", registrar.max_contacts.into(), computed);
            tell("registrar", "default_expire", registrar.default_expires.into(), computed);
        }
    }

    fn reset_statistic(&self, group: &str, name: &str) {
        let counter = Statistics::all().find(|(of, called, _)| *of == group && *called == name);
        if let Some((_, _, counter)) = counter {
            self.server.node().statistics.reset(counter);
        }
    }

    fn arguments(&self) -> Vec<String> {
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    fn working_directory(&self) -> String {
        std::env::current_dir().map_or_else(|_| "/".to_owned(), |path| path.display().to_string())
    }

    fn terminate(&self) {
        (self.terminate)();
    }
}
