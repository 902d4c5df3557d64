//! What a script says about logs (spec/script.md §2.3, §13): where lines go, in which form, from
//! which level on. The program that writes them reads it from here.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use duologue_script::{Setting, Setup};

/// How the log is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Standard error.
    pub stderr: Consumer,
    /// The system's log.
    pub syslog: Consumer,
    /// Who subscribed to [`EVENT_NAME`]; its lines have no form.
    pub event: Consumer,
    /// `syslog_facility`, as its number (RFC 5424 §6.2.1).
    pub facility: u8,
    /// `syslog_name`.
    pub name: Option<String>,
    /// `log_prefix` with its colon; empty for none.
    pub prefix: String,
}

/// One who takes log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    /// Whether it takes any.
    pub enabled: bool,
    /// The form of a line.
    pub format: Format,
    /// The least important level that it takes, whatever `log_level` says; 0 is no filter.
    pub level_filter: i32,
}

/// What operators may change of a consumer while the program runs: `log_level_filter`,
/// `log_mute_state` (spec/script.md §15.4). The program has one log, so these are the process's.
#[derive(Debug)]
pub struct Running {
    written: AtomicBool,
    muted: AtomicBool,
    level_filter: AtomicI32,
}

/// Standard error, while the program runs.
pub static STDERR: Running = Running::new();
/// The system's log, while the program runs.
pub static SYSLOG: Running = Running::new();
/// Who subscribed to [`EVENT_NAME`], while the program runs.
pub static EVENT: Running = Running::new();

/// The event of a log line (spec/script.md §16).
pub const EVENT_NAME: &str = "E_CORE_LOG";

impl Running {
    const fn new() -> Self {
        Self {
            written: AtomicBool::new(false),
            muted: AtomicBool::new(true),
            level_filter: AtomicI32::new(0),
        }
    }

    /// The consumer of this name: `stderror`, `syslog`, `event`.
    pub fn named(name: &str) -> Option<&'static Self> {
        match name {
            "stderror" => Some(&STDERR),
            "syslog" => Some(&SYSLOG),
            "event" => Some(&EVENT),
            _ => None,
        }
    }

    /// As the script wants it; what is not enabled has no writer.
    pub fn begin(&self, consumer: Consumer) {
        self.written.store(consumer.enabled, Relaxed);
        self.muted.store(!consumer.enabled, Relaxed);
        self.level_filter.store(consumer.level_filter, Relaxed);
    }

    /// Whether it takes a line of this level, if its own filter has a say.
    pub fn takes(&self, level: i32) -> bool {
        let filter = self.level_filter();
        !self.is_muted() && (filter == 0 || level <= filter)
    }

    /// The least important level that it takes, whatever `log_level` says; 0 is no filter.
    pub fn level_filter(&self) -> i32 {
        self.level_filter.load(Relaxed)
    }

    /// Sets it; numbers outside −3…4 become the nearest.
    pub fn set_level_filter(&self, level: i64) {
        let level = i32::try_from(level.clamp(-3, 4)).unwrap_or_default();
        self.level_filter.store(level, Relaxed);
    }

    /// Whether it takes nothing.
    pub fn is_muted(&self) -> bool {
        self.muted.load(Relaxed)
    }

    /// Mutes it or lets it speak; false if there is nobody to let speak.
    pub fn set_muted(&self, muted: bool) -> bool {
        let can = muted || self.written.load(Relaxed);
        if can {
            self.muted.store(muted, Relaxed);
        }
        can
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `Mon DD HH:MM:SS [pid] LEVEL:module:function: text`.
    #[default]
    Plain,
    /// A JSON object.
    Json,
    /// A JSON object with the names of the Common Event Expression.
    JsonCee,
}

/// Facilities of the system's log in the order of their numbers.
const FACILITIES: [&str; 24] = [
    "LOG_KERN",
    "LOG_USER",
    "LOG_MAIL",
    "LOG_DAEMON",
    "LOG_AUTH",
    "LOG_SYSLOG",
    "LOG_LPR",
    "LOG_NEWS",
    "LOG_UUCP",
    "LOG_CRON",
    "LOG_AUTHPRIV",
    "LOG_FTP",
    "",
    "",
    "",
    "",
    "LOG_LOCAL0",
    "LOG_LOCAL1",
    "LOG_LOCAL2",
    "LOG_LOCAL3",
    "LOG_LOCAL4",
    "LOG_LOCAL5",
    "LOG_LOCAL6",
    "LOG_LOCAL7",
];

/// `LOG_DAEMON`.
const DAEMON: u8 = 3;

impl Default for LogSettings {
    /// Plain lines on standard error.
    fn default() -> Self {
        Self {
            stderr: Consumer { enabled: true, ..Consumer::default() },
            syslog: Consumer::default(),
            event: Consumer::default(),
            facility: DAEMON,
            name: None,
            prefix: String::new(),
        }
    }
}

impl LogSettings {
    /// What the script says; in debug mode lines go to standard error whatever it says.
    pub fn of(setup: &Setup, debug_mode: bool) -> Self {
        let either = |name: &str, old: &str| setup.global(name).or_else(|| setup.global(old));
        let switch = |setting: Option<&Setting>| setting.and_then(Setting::int).map(|it| it != 0);
        // Before 3.4 one switch chose between the two.
        let old = switch(setup.global("log_stderror"));
        let consumer = |which: &str, enabled: bool| Consumer {
            enabled,
            format: setup
                .global(&format!("{which}_log_format"))
                .and_then(|value| format(value).ok())
                .unwrap_or_default(),
            level_filter: setup
                .global(&format!("{which}_level_filter"))
                .and_then(Setting::int)
                .unwrap_or(0),
        };
        let stderr = switch(setup.global("stderror_enabled")).or(old).unwrap_or(true);
        let syslog = switch(setup.global("syslog_enabled")).or(old.map(|it| !it)).unwrap_or(false);
        let prefix = setup.global("log_prefix").and_then(Setting::str).unwrap_or_default();
        Self {
            stderr: consumer("stderror", stderr || debug_mode),
            syslog: consumer("syslog", syslog && !debug_mode),
            event: consumer("log_event", switch(setup.global("log_event_enabled")) == Some(true)),
            facility: either("syslog_facility", "log_facility")
                .and_then(|value| facility(value).ok())
                .unwrap_or(DAEMON),
            name: either("syslog_name", "log_name").and_then(Setting::str).map(str::to_owned),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}:") },
        }
    }
}

/// The number of a facility.
///
/// # Errors
/// The text to show beside the value.
pub fn facility(value: &Setting) -> Result<u8, String> {
    let name = value.str().filter(|name| !name.is_empty());
    let found = name.and_then(|name| (0u8..).zip(FACILITIES).find(|(_, known)| *known == name));
    found
        .map(|(number, _)| number)
        .ok_or_else(|| "a facility is one of syslog's, like LOG_DAEMON or LOG_LOCAL0".to_owned())
}

/// The form of lines.
///
/// # Errors
/// The text to show beside the value.
pub fn format(value: &Setting) -> Result<Format, String> {
    match value.str() {
        Some("plain_text") => Ok(Format::Plain),
        Some("json") => Ok(Format::Json),
        Some("json_cee") => Ok(Format::JsonCee),
        _ => Err("a log format is plain_text, json or json_cee".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use duologue_script::Script;

    fn settings(script: &str) -> LogSettings {
        let catalog = Catalog::new(Vec::new());
        let script = format!("{script}\nroute {{ exit; }}\n");
        let (script, _) = Script::load("test.cfg", script.as_str(), &catalog).unwrap();
        LogSettings::of(&script.setup, false)
    }

    /// spec/script.md §2.3.
    #[test]
    fn lines_go_to_standard_error_unless_told_otherwise() {
        assert_eq!(settings(""), LogSettings::default());
        let both = settings("syslog_enabled=yes syslog_facility=LOG_LOCAL7 syslog_name=\"sip\"");
        assert!(both.stderr.enabled && both.syslog.enabled);
        assert_eq!((both.facility, both.name.as_deref()), (23, Some("sip")));
        // The switch of 3.1 to 3.3.
        let old = settings("log_stderror=no log_facility=LOG_USER log_name=\"x\"");
        assert!(!old.stderr.enabled && old.syslog.enabled);
        assert_eq!((old.facility, old.name.as_deref()), (1, Some("x")));
    }

    /// spec/script.md §2.3.
    #[test]
    fn forms_filters_and_prefixes() {
        let found = settings(
            "stderror_log_format=\"json\" syslog_log_format=json_cee\n\
             stderror_level_filter=1 log_prefix=\"edge\"",
        );
        assert_eq!((found.stderr.format, found.syslog.format), (Format::Json, Format::JsonCee));
        assert_eq!((found.stderr.level_filter, found.syslog.level_filter), (1, 0));
        assert_eq!(found.prefix, "edge:");
        assert!(!found.event.enabled);
        let told = settings("log_event_enabled=yes log_event_level_filter=-1").event;
        assert!(told.enabled && told.level_filter == -1);
    }

    /// spec/script.md §15.4, `log_level_filter`, `log_mute_state`.
    #[test]
    fn a_consumer_is_filtered_and_muted_while_it_runs() {
        let running = Running::new();
        assert!(running.is_muted() && !running.takes(-3), "nobody writes yet");
        assert!(!running.set_muted(false), "and nobody can");
        running.begin(Consumer { enabled: true, level_filter: 1, ..Consumer::default() });
        assert!(running.takes(1) && running.takes(-1) && !running.takes(2));
        running.set_level_filter(9);
        assert_eq!(running.level_filter(), 4);
        running.set_level_filter(0);
        assert!(running.takes(4));
        assert!(running.set_muted(true) && !running.takes(-3));
        assert!(running.set_muted(false) && running.takes(-3));
        assert!(Running::named("event").is_some() && Running::named("file").is_none());
    }
}
