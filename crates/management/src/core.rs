//! The commands that every server has (spec/script.md §15.4), over a small view of the server.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{Answer, Command, CommandError, Duplicate, Params, Registry, statistics};

/// What the core commands ask of the server. Called from several threads at once.
pub trait ServerInfo: Send + Sync + 'static {
    /// The time, and since when the server runs.
    fn uptime(&self) -> Uptime;
    /// Name, version and revision.
    fn version(&self) -> Version;
    /// The processes, or what stands for them: workers and doors. The first is the main one.
    fn processes(&self) -> Vec<Process>;
    /// The log level, −3 (alert) to 4 (debug).
    fn log_level(&self) -> i64;
    /// Sets the log level of the whole server; a level out of range means the nearest one.
    fn set_log_level(&self, level: i64);
    /// The threshold of the script's own lines, `xlog()`.
    fn xlog_level(&self) -> i64;
    /// Sets it; a level out of range means the nearest one.
    fn set_xlog_level(&self, level: i64);
    /// How one who takes log lines (`stderror`, `syslog`) stands; `None` if there is no such one.
    fn log_consumer(&self, name: &str) -> Option<LogConsumer>;
    /// Sets the least important level that it takes; 0 is no filter.
    fn set_log_filter(&self, name: &str, level: i64);
    /// Mutes it, or lets it speak.
    ///
    /// # Errors
    /// Why it cannot.
    fn set_log_muted(&self, name: &str, muted: bool) -> Result<(), &'static str>;
    /// Writes what memory is in use to the log, at this level or the usual one.
    fn dump_memory(&self, level: Option<i64>);
    /// Shows every statistic to `visit`, group by group.
    fn statistics(&self, visit: &mut dyn FnMut(Statistic<'_>));
    /// Sets an incremental statistic back to zero.
    fn reset_statistic(&self, group: &str, name: &str);
    /// The command line, program name first, without secrets: who may only read sees it.
    fn arguments(&self) -> Vec<String>;
    /// The working directory.
    fn working_directory(&self) -> String;
    /// Begins an orderly end and returns at once.
    fn terminate(&self);
}

/// See [`ServerInfo::uptime`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// Now, local time in the layout of `ctime`: `Mon Nov 23 11:19:20 2026`.
    pub now: String,
    /// The start, in the same layout.
    pub since: String,
    /// Seconds from start to now.
    pub seconds: u64,
}

/// See [`ServerInfo::version`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Name, version, architecture and system: `Duologue (0.1.0 (x86_64/linux))`.
    pub server: String,
    /// The revision of the source.
    pub revision: String,
}

/// One line of `ps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number in this server, from 0.
    pub id: u32,
    /// The process or thread id of the operating system.
    pub pid: u32,
    /// What it does: `attendant`, `SIP receiver udp:127.0.0.1:5060`.
    pub kind: String,
}

/// See [`ServerInfo::log_consumer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConsumer {
    /// The least important level that it takes; 0 is no filter.
    pub level_filter: i64,
    /// Whether it takes nothing.
    pub muted: bool,
}

/// The value of one statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistic<'a> {
    /// Its group: `core`.
    pub group: &'a str,
    /// Its name: `rcv_requests`.
    pub name: &'a str,
    /// Its value.
    pub value: u64,
    /// Whether it counts up from a reset.
    pub kind: StatisticKind,
}

/// Whether a statistic can be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatisticKind {
    /// A counter, resettable.
    Incremental,
    /// Computed, or not to be reset.
    NonIncremental,
}

impl StatisticKind {
    /// The word that `list_statistics` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::NonIncremental => "non-incremental",
        }
    }
}

/// Adds the core and the statistics commands.
///
/// # Errors
/// One of their names is taken.
pub fn register(registry: &mut Registry, info: Arc<dyn ServerInfo>) -> Result<(), Duplicate> {
    let command = |name, help, handler: fn(&dyn ServerInfo, &Params) -> _| {
        let info = Arc::clone(&info);
        Command::new(name, "core", move |params| handler(&*info, params)).help(help)
    };
    let commands = [
        command("core:uptime", "tells since when the server runs", uptime).alias("uptime").reads(),
        command("core:version", "tells name and version", version)
            .alias("version")
            .reads()
            .signatures(&[&[], &["revision"]]),
        command("core:ps", "lists workers and doors", ps).alias("ps").reads(),
        command("core:pwd", "tells the working directory", pwd).alias("pwd").reads(),
        command("core:arg", "tells the command line", arg).alias("arg").reads(),
        command("core:kill", "ends the server in an orderly way", kill).alias("kill"),
        command("core:log_level", "tells or sets the log level", log_level)
            .alias("log_level")
            .reads_without("level")
            .signatures(&[&[], &["level"], &["level", "pid"]]),
        command("core:xlog_level", "tells or sets the threshold of xlog()", xlog_level)
            .alias("xlog_level")
            .reads_without("level")
            .signatures(&[&[], &["level"]]),
        command("core:log_level_filter", "tells or sets the filter of a log", log_level_filter)
            .alias("log_level_filter")
            .reads_without("level_filter")
            .signatures(&[&["consumer"], &["consumer", "level_filter"]]),
        command("core:log_mute_state", "tells or sets whether a log is muted", log_mute_state)
            .alias("log_mute_state")
            .reads_without("mute_state")
            .signatures(&[&["consumer"], &["consumer", "mute_state"]]),
        command("mem:pkg_dump", "writes what memory is in use to the log", dump_memory)
            .alias("mem_pkg_dump")
            .signatures(&[&["pid"], &["pid", "log_level"]]),
        command("mem:shm_dump", "writes what memory is in use to the log", dump_memory)
            .alias("mem_shm_dump")
            .signatures(&[&[], &["log_level"]]),
        command("mem:rpm_dump", "writes what memory is in use to the log", dump_memory)
            .alias("mem_rpm_dump")
            .signatures(&[&[], &["log_level"]]),
        command("statistics:get", "reads statistics: all, group:, name", statistics::get)
            .alias("get_statistics")
            .reads()
            .signatures(&[&["statistics"]]),
        command("statistics:list", "lists statistics and their kinds", statistics::list)
            .alias("list_statistics")
            .reads()
            .signatures(&[&[], &["statistics"]]),
        command("statistics:reset", "sets counters to zero", statistics::reset)
            .alias("reset_statistics")
            .signatures(&[&["statistics"]]),
        command("statistics:reset_all", "sets all counters to zero", statistics::reset_all)
            .alias("reset_all_statistics"),
    ];
    commands.into_iter().try_for_each(|command| registry.add(command))
}

fn uptime(info: &dyn ServerInfo, _: &Params) -> Result<Answer, CommandError> {
    let Uptime { now, since, seconds } = info.uptime();
    let up_time = format!("{seconds} [sec]");
    Ok(json!({ "Now": now, "Up since": since, "Up time": up_time }).into())
}

fn version(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let Version { server, revision } = info.version();
    Ok(if params.has("revision") {
        json!({ "Server": server, "Revision": revision }).into()
    } else {
        json!({ "Server": server }).into()
    })
}

fn ps(info: &dyn ServerInfo, _: &Params) -> Result<Answer, CommandError> {
    let processes: Value = info
        .processes()
        .into_iter()
        .map(|Process { id, pid, kind }| json!({ "ID": id, "PID": pid, "Type": kind }))
        .collect();
    Ok(json!({ "Processes": processes }).into())
}

fn pwd(info: &dyn ServerInfo, _: &Params) -> Result<Answer, CommandError> {
    Ok(json!({ "WD": info.working_directory() }).into())
}

fn arg(info: &dyn ServerInfo, _: &Params) -> Result<Answer, CommandError> {
    Ok(info.arguments().into())
}

fn kill(info: &dyn ServerInfo, _: &Params) -> Result<Answer, CommandError> {
    info.terminate();
    Ok(Answer::ok())
}

/// Workers are threads that share one level, so a level for one of them is the level of all.
fn log_level(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let Some(level) = params.optional_integer("level")? else {
        let level = info.log_level();
        let processes: Value = info
            .processes()
            .into_iter()
            .map(|process| json!({ "PID": process.pid, "Log level": level, "Type": process.kind }))
            .collect();
        return Ok(json!({ "Processes": processes }).into());
    };
    check_pid(info, params)?;
    info.set_log_level(level);
    let name = if params.has("pid") { "Log level" } else { "New global log level" };
    Ok(json!({ name: info.log_level() }).into())
}

/// A pid, if one is given, must be one of ours.
fn check_pid(info: &dyn ServerInfo, params: &Params) -> Result<(), CommandError> {
    let ours = |pid| info.processes().iter().any(|process| i64::from(process.pid) == pid);
    match params.optional_integer("pid")? {
        Some(pid) if !ours(pid) => Err(CommandError::invalid_params("Bad PID")),
        _ => Ok(()),
    }
}

fn xlog_level(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let name = match params.optional_integer("level")? {
        None => "xLog Level",
        Some(level) => {
            info.set_xlog_level(level);
            "New xLog level"
        }
    };
    Ok(json!({ name: info.xlog_level() }).into())
}

fn log_level_filter(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let (name, consumer) = consumer(info, params)?;
    let Some(level) = params.optional_integer("level_filter")? else {
        return Ok(json!({ "Log level filter": consumer.level_filter }).into());
    };
    info.set_log_filter(&name, level);
    Ok(Answer::ok())
}

fn log_mute_state(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let (name, consumer) = consumer(info, params)?;
    if !params.has("mute_state") {
        return Ok(json!({ "mute state": i64::from(consumer.muted) }).into());
    }
    let muted = params.flag("mute_state")?;
    info.set_log_muted(&name, muted).map_err(|why| CommandError::new(400, why))?;
    Ok(Answer::ok())
}

fn consumer(info: &dyn ServerInfo, params: &Params) -> Result<(String, LogConsumer), CommandError> {
    let name = params.text("consumer")?;
    let consumer = info.log_consumer(&name);
    let consumer = consumer.ok_or_else(|| CommandError::new(404, "Unknown log consumer"))?;
    Ok((name, consumer))
}

/// Workers are threads: whichever of OpenSIPS's memories is asked for, there is one.
fn dump_memory(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    check_pid(info, params)?;
    info.dump_memory(params.optional_integer("log_level")?);
    Ok(Answer::ok())
}
