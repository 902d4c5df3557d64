//! A proxy under test: ours, the one we compare with, or a bare relay.
//!
//! The same scenarios run against each; only this file and its children know which is which.

mod duologue;
mod kamailio;

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::accounting::{self, CpuTime};
use crate::process::Daemon;
use crate::{Result, management, packages, paths, ports};

/// How long a subject may take to listen.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Time for a subject to take in the first signal before the second.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(300);

/// A kind of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// A loop that moves datagrams: what the kernel alone costs.
    Relay,
    /// Kamailio with tm and rr.
    KamailioTm,
    /// Kamailio with tm, rr and dialog.
    KamailioDialog,
    /// Duologue without `create_dialog()`.
    DuologueTm,
    /// Duologue with dialogs.
    DuologueDialog,
    /// Kamailio with dialogs that are written to SQLite as they change.
    KamailioRealtime,
    /// Duologue with dialogs that are written to SQLite as they change.
    DuologueRealtime,
    /// Duologue with dialogs that are written to SQLite once a minute.
    DuologueDelayed,
    /// Duologue with dialogs that are written to SQLite at its end.
    DuologueShutdown,
    /// Duologue whose answers wait until their dialog is committed.
    DuologueDurable,
}

/// How a subject keeps its dialogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// `db_mode`.
    mode: u8,
    /// Whether answers wait.
    durable: bool,
}

/// A subject that runs.
pub(crate) struct Running {
    subject: Subject,
    process: Daemon,
    sip: SocketAddr,
    control: Control,
    caller: u16,
    callee: u16,
}

/// How a subject is asked for its tables.
enum Control {
    None,
    Management(SocketAddr),
    KamailioSocket(PathBuf),
}

/// What a subject holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Dialogs not answered yet.
    pub(crate) early: u64,
    /// Dialogs answered and not ended.
    pub(crate) active: u64,
    /// Dialogs in the list, whatever their state.
    pub(crate) listed: u64,
    /// Transactions.
    pub(crate) transactions: u64,
}

impl Subject {
    /// Those that keep nothing, in the order of the tables we print.
    pub(crate) const ALL: [Self; 5] = [
        Self::Relay,
        Self::KamailioTm,
        Self::KamailioDialog,
        Self::DuologueTm,
        Self::DuologueDialog,
    ];

    /// Whether it tracks dialogs.
    pub(crate) fn has_dialogs(self) -> bool {
        !matches!(self, Self::Relay | Self::KamailioTm | Self::DuologueTm)
    }

    /// Whether it is ours.
    pub(crate) fn is_ours(self) -> bool {
        !matches!(self, Self::Relay) && !self.is_kamailio()
    }

    fn is_kamailio(self) -> bool {
        matches!(self, Self::KamailioTm | Self::KamailioDialog | Self::KamailioRealtime)
    }

    /// How it keeps its dialogs, if it does.
    fn keeping(self) -> Option<Keeping> {
        let (mode, durable) = match self {
            Self::KamailioRealtime | Self::DuologueRealtime => (1, false),
            Self::DuologueDelayed => (2, false),
            Self::DuologueShutdown => (3, false),
            Self::DuologueDurable => (1, true),
            _ => return None,
        };
        Some(Keeping { mode, durable })
    }

    /// Builds or installs what it needs.
    pub(crate) fn prepare(self) -> Result<()> {
        match self {
            Self::Relay => duologue::build(&["--example", "bare_relay", "-p", "duologue-server"]),
            Self::KamailioTm | Self::KamailioDialog => packages::require(&[packages::KAMAILIO]),
            Self::KamailioRealtime => packages::require(&[
                packages::KAMAILIO,
                packages::KAMAILIO_SQLITE,
                packages::SQLITE,
            ]),
            _ => duologue::build(&["--bin", "duologue"]),
        }
    }

    /// Starts it on free ports, its files in `directory`; it listens when this returns.
    pub(crate) fn start(self, directory: &Path) -> Result<Running> {
        let [sip, caller, callee] = ports::free_udp()?;
        let (command, control) = match self {
            Self::Relay => {
                let mut relay = Command::new(paths::built("examples/bare_relay"));
                relay.args([sip, caller, callee].map(|port| ports::local(port).to_string()));
                (relay, Control::None)
            }
            _ if self.is_kamailio() => {
                let socket = directory.join(format!("{self}.control"));
                let database = directory.join("calls.sqlite");
                if self.keeping().is_some() {
                    kamailio::make_tables(&database)?;
                }
                let database = self.keeping().map(|_| database.as_path());
                let script = kamailio::script(sip, &socket, self.has_dialogs(), database);
                let file = write(directory, self, &script)?;
                (kamailio::command(&file, directory), Control::KamailioSocket(socket))
            }
            _ => {
                let management = ports::free_tcp()?;
                let database = directory.join("calls.sqlite");
                let keeping = self.keeping().map(|keeping| (keeping, database.as_path()));
                let script = duologue::script(sip, management, self.has_dialogs(), keeping)?;
                let file = write(directory, self, &script)?;
                (duologue::command(&file), Control::Management(ports::local(management)))
            }
        };
        let log = directory.join(format!("{self}.log"));
        Self::launch(self, command, &log, control, [sip, caller, callee])
            .map_err(|error| format!("{self}: {error}; see {}", log.display()).into())
    }

    fn launch(
        self,
        mut command: Command,
        log: &Path,
        control: Control,
        [sip, caller, callee]: [u16; 3],
    ) -> Result<Running> {
        let process = Daemon::start(&self.to_string(), &mut command, log)?;
        let mut running =
            Running { subject: self, process, sip: ports::local(sip), control, caller, callee };
        ports::await_udp(sip, START_LIMIT)?;
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = running.held() {
            if Instant::now() > deadline || !running.is_running() {
                return Err(error);
            }
            sleep(Duration::from_millis(50));
        }
        Ok(running)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Relay => "relay",
            Self::KamailioTm => "kamailio-tm",
            Self::KamailioDialog => "kamailio-dialog",
            Self::DuologueTm => "duologue-tm",
            Self::DuologueDialog => "duologue-dialog",
            Self::KamailioRealtime => "kamailio-realtime",
            Self::DuologueRealtime => "duologue-realtime",
            Self::DuologueDelayed => "duologue-delayed",
            Self::DuologueShutdown => "duologue-shutdown",
            Self::DuologueDurable => "duologue-durable",
        })
    }
}

impl Running {
    /// Which kind it is.
    pub(crate) fn subject(&self) -> Subject {
        self.subject
    }

    /// Where it takes calls.
    pub(crate) fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// The port set aside for the caller.
    pub(crate) fn caller(&self) -> u16 {
        self.caller
    }

    /// The port set aside for the callee.
    pub(crate) fn callee(&self) -> u16 {
        self.callee
    }

    /// Where JSON-RPC is answered, if it is one of ours.
    pub(crate) fn management(&self) -> Option<SocketAddr> {
        match self.control {
            Control::Management(address) => Some(address),
            Control::None | Control::KamailioSocket(_) => None,
        }
    }

    /// Whether the process is alive.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The process ids of its whole tree.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        accounting::tree(self.process.id())
    }

    /// CPU time used since its start.
    pub(crate) fn cpu(&self) -> Result<CpuTime> {
        CpuTime::of(&self.processes()?)
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        accounting::memory(&self.processes()?)
    }

    /// Bytes that its own allocator has handed out, where it tells.
    pub(crate) fn allocated(&self) -> Result<Option<u64>> {
        match &self.control {
            Control::KamailioSocket(socket) => kamailio::allocated(socket).map(Some),
            Control::None | Control::Management(_) => Ok(None),
        }
    }

    /// What it holds now; a relay holds nothing.
    pub(crate) fn held(&self) -> Result<Held> {
        match &self.control {
            Control::None => Ok(Held::default()),
            Control::Management(server) => duologue::held(*server),
            Control::KamailioSocket(socket) => kamailio::held(socket, self.subject.has_dialogs()),
        }
    }

    /// Asks it to stop; an error if it does not, or not with success.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.process.stop("TERM")?;
        if self.subject.is_ours() && !status.success() {
            return Err(format!("{} stopped with {status}", self.subject).into());
        }
        Ok(())
    }

    /// Asks it twice to stop, which must not wait for anybody.
    pub(crate) fn stop_at_once(mut self) -> Result<()> {
        self.process.signal("TERM")?;
        sleep(BETWEEN_SIGNALS);
        self.process.stop("TERM").map(drop)
    }

    /// Calls a management method of ours.
    pub(crate) fn ask(
        &self,
        method: &str,
        params: &serde_json::Value,
    ) -> Result<serde_json::Value> {
        let server = self.management().ok_or("this subject has no JSON-RPC management")?;
        management::call(server, method, params)
    }
}

fn write(directory: &Path, subject: Subject, script: &str) -> Result<PathBuf> {
    let file = directory.join(format!("{subject}.cfg"));
    fs::write(&file, script)?;
    Ok(file)
}
