//! What the core commands tell about this process.

use std::sync::Arc;

use duologue_management::{Process, ServerInfo, Statistic, StatisticKind, Uptime, Version};
use duologue_server::statistics::Listed;
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
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    fn working_directory(&self) -> String {
        std::env::current_dir().map_or_else(|_| "/".to_owned(), |path| path.display().to_string())
    }

    fn terminate(&self) {
        (self.terminate)();
    }
}
