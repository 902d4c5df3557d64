//! What the core commands tell about this process.

use std::sync::Arc;

use duologue_management::{
    LogConsumer, Process, ServerInfo, Statistic, StatisticKind, Uptime, Version,
};
use duologue_server::logs::Running;
use duologue_server::statistics::Listed;
use duologue_server::{Server, loglevel, memory};

use super::arguments;

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

    fn xlog_level(&self) -> i64 {
        self.server.node().xlog_level.get().into()
    }

    fn set_xlog_level(&self, level: i64) {
        let level = i32::try_from(level.clamp(-3, 4)).unwrap_or_default();
        self.server.node().xlog_level.set(level);
    }

    fn log_consumer(&self, name: &str) -> Option<LogConsumer> {
        Running::named(name).map(|running| LogConsumer {
            level_filter: running.level_filter().into(),
            muted: running.is_muted(),
        })
    }

    fn set_log_filter(&self, name: &str, level: i64) {
        if let Some(running) = Running::named(name) {
            running.set_level_filter(level);
        }
    }

    fn set_log_muted(&self, name: &str, muted: bool) -> Result<(), &'static str> {
        match Running::named(name).is_some_and(|running| running.set_muted(muted)) {
            true => Ok(()),
            false => Err("The script did not enable it"),
        }
    }

    fn dump_memory(&self, level: Option<i64>) {
        let in_use = memory::in_use().unwrap_or_else(|| "nobody knows what is in use".to_owned());
        match level {
            Some(..=-1) => tracing::error!("memory: {in_use}"),
            Some(0..=1) => tracing::warn!("memory: {in_use}"),
            Some(2) | None => tracing::info!("memory: {in_use}"),
            Some(3..) => tracing::debug!("memory: {in_use}"),
        }
    }

    fn statistics(&self, visit: &mut dyn FnMut(Statistic<'_>)) {
        let mut show = |Listed { group, name, value, counts }: Listed<'_>| {
            let kind =
                if counts { StatisticKind::Incremental } else { StatisticKind::NonIncremental };
            visit(Statistic { group, name, value, kind });
        };
        self.server.node().visit_statistics(self.server.now(), &mut show);
    }

    fn reset_statistic(&self, group: &str, name: &str) {
        let name = format!("{group}:{name}");
        self.server.node().reset_statistic(self.server.now(), name.as_bytes());
    }

    fn arguments(&self) -> Vec<String> {
        arguments::shown(std::env::args_os())
    }

    fn working_directory(&self) -> String {
        std::env::current_dir().map_or_else(|_| "/".to_owned(), |path| path.display().to_string())
    }

    fn terminate(&self) {
        (self.terminate)();
    }
}
