//! One log line and its forms: the layout that operators' tools already cut apart, and JSON
//! (spec/script.md §13).

use std::fmt::{self, Write as _};

use duologue_management::audit;
use duologue_server::logs::Format;
use jiff::Zoned;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::events::Told;

/// The target of the script's own lines, which name no module.
const SCRIPTED: &str = "xlog";
/// The field that carries the level as OpenSIPS numbers it: it knows more of them.
const SEVERITY: &str = "severity";

/// A line before it has a form.
#[derive(Debug)]
pub(crate) struct Line {
    /// −3 ALERT … 4 DBG.
    pub(crate) level: i32,
    target: &'static str,
    text: String,
}

impl Line {
    /// The line of an event: its message, then its other fields as `name=value`.
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => -1,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        let mut collected = Collected { level, message: String::new(), fields: String::new() };
        event.record(&mut collected);
        let Collected { level, message, fields } = collected;
        // Scripts end their lines themselves, as they had to once.
        let text = match message.strip_suffix('\n') {
            Some(message) => format!("{message}{fields}"),
            None => message + &fields,
        };
        Self { level, target: metadata.target(), text }
    }

    /// Whether the script wrote it.
    pub(crate) fn is_scripted(&self) -> bool {
        self.target == SCRIPTED
    }

    /// Whether it tells who did what: nobody who does something shall silence the line that tells of it.
    pub(crate) fn is_audit(&self) -> bool {
        self.target == audit::TARGET
    }

    /// Whether no level keeps it back: the script's lines have a threshold of their own.
    pub(crate) fn is_always_told(&self) -> bool {
        self.is_scripted() || self.is_audit()
    }

    /// With its line break.
    pub(crate) fn to_stderr(&self, format: Format, prefix: &str, now: &Zoned) -> String {
        match format {
            Format::Plain => {
                let (time, pid) = (time(now), std::process::id());
                format!("{time} [{pid}] {}\n", self.plain(prefix))
            }
            format => self.json(format, prefix, now) + "\n",
        }
    }

    /// Without what the system's log adds itself: time and process.
    pub(crate) fn to_syslog(&self, format: Format, prefix: &str, now: &Zoned) -> String {
        match format {
            Format::Plain => self.plain(prefix),
            format => self.json(format, prefix, now),
        }
    }

    /// As those hear it who subscribed to log lines.
    pub(crate) fn to_event(&self, prefix: &str, now: &Zoned) -> Told {
        let (module, function) = self.place();
        let prefix = prefix.trim_end_matches(':');
        Told {
            time: time(now),
            level: name(self.level),
            module,
            function,
            prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
            message: self.text.clone(),
        }
    }

    fn plain(&self, prefix: &str) -> String {
        let (level, text) = (name(self.level), &self.text);
        match self.place() {
            (None, _) => format!("{prefix}{level}:{text}"),
            (Some(module), None) => format!("{prefix}{level}:{module}: {text}"),
            (Some(module), Some(function)) => {
                format!("{prefix}{level}:{module}:{function}: {text}")
            }
        }
    }

    fn json(&self, format: Format, prefix: &str, now: &Zoned) -> String {
        let (module, function) = self.place();
        let cee = format == Format::JsonCee;
        let mut object = Map::new();
        let mut put = |plain: &str, of_cee: &str, value: Value| {
            object.insert(if cee { of_cee } else { plain }.to_owned(), value);
        };
        match cee {
            true => put("", "time", json!(now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())),
            false => put("time", "", json!(time(now))),
        }
        put("pid", "pid", json!(std::process::id()));
        put("level", "pri", json!(name(self.level)));
        if let Some(module) = module {
            put("module", "subsys", json!(module));
        }
        if let Some(function) = function {
            put("function", "function", json!(function));
        }
        if !prefix.is_empty() {
            put("prefix", "prefix", json!(prefix.trim_end_matches(':')));
        }
        put("message", "msg", json!(self.text));
        if !cee {
            return Value::Object(object).to_string();
        }
        if let Some(host) = host_name() {
            object.insert("host".to_owned(), json!(host));
        }
        object.insert("pname".to_owned(), json!("duologue"));
        format!("@cee: {}", Value::Object(object))
    }

    /// The module that wrote it, and the part of it: `modules::dialog` is the script's `dialog`,
    /// the rest goes by crates.
    fn place(&self) -> (Option<&'static str>, Option<&'static str>) {
        if self.is_scripted() {
            return (None, None);
        }
        let mut parts = self.target.split("::");
        let first = parts.next().unwrap_or_default();
        let mut rest = parts.clone();
        if let Some(module) = rest.find(|part| *part == "modules").and_then(|_| rest.next()) {
            return (Some(module), rest.last());
        }
        let short = first.strip_prefix("duologue_").unwrap_or(first);
        match parts.last() {
            Some(part) => (Some(short), Some(part)),
            None => (Some("core"), Some(short)),
        }
    }
}

struct Collected {
    level: i32,
    message: String,
    fields: String,
}

// Writing to a string cannot fail.
impl Visit for Collected {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == SEVERITY {
            self.level = i32::try_from(value).unwrap_or(self.level);
        } else {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

fn name(level: i32) -> &'static str {
    match level {
        i32::MIN..=-3 => "ALERT",
        -2 => "CRITICAL",
        -1 | 0 => "ERROR",
        1 => "WARNING",
        2 => "NOTICE",
        3 => "INFO",
        4.. => "DBG",
    }
}

/// `Mon DD HH:MM:SS`.
pub(super) fn time(now: &Zoned) -> String {
    now.strftime("%b %e %H:%M:%S").to_string()
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;

    /// What became of the events of `act`.
    fn lines(form: fn(&Line) -> String, act: impl FnOnce()) -> Vec<String> {
        struct Keep(Arc<Mutex<Vec<String>>>, fn(&Line) -> String);

        impl<S: tracing::Subscriber> Layer<S> for Keep {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                self.0.lock().unwrap().push((self.1)(&Line::of(event)));
            }
        }

        let kept = Arc::new(Mutex::default());
        let registry = tracing_subscriber::registry().with(Keep(Arc::clone(&kept), form));
        tracing::subscriber::with_default(registry, act);
        let lines = kept.lock().unwrap();
        lines.clone()
    }

    fn at() -> Zoned {
        jiff::Timestamp::from_second(1_704_103_200).unwrap().to_zoned(jiff::tz::TimeZone::UTC)
    }

    fn some_events() {
        tracing::info!(target: "duologue_server::relay", port = 5060, name = %"x", "relayed");
        tracing::warn!(target: "duologue_server::modules::dialog", "slow");
        tracing::error!(target: "script", severity = -2, "the script runs too long");
        tracing::debug!(target: "xlog", severity = 3, "came from \"me\"\n");
        tracing::error!(target: "xlog", severity = -3, "help");
    }

    /// spec/script.md §13: the layout of standard error and of the system's log.
    #[test]
    fn plain_lines() {
        let plain = |line: &Line| line.to_syslog(Format::Plain, "", &at());
        assert_eq!(
            lines(plain, some_events),
            [
                "NOTICE:server:relay: relayed port=5060 name=x",
                "WARNING:dialog: slow",
                "CRITICAL:core:script: the script runs too long",
                "INFO:came from \"me\"",
                "ALERT:help",
            ]
        );
        let full = |line: &Line| line.to_stderr(Format::Plain, "edge:", &at());
        let shown = lines(full, || tracing::warn!(target: "xlog", severity = 1, "x"));
        let pid = std::process::id();
        assert_eq!(shown, [format!("Jan  1 10:00:00 [{pid}] edge:WARNING:x\n")]);
    }

    /// spec/script.md §13: absent keys are left out.
    #[test]
    fn json_lines() {
        let json = |line: &Line| line.to_stderr(Format::Json, "edge:", &at());
        let pid = std::process::id();
        let shown = lines(json, some_events);
        assert_eq!(
            shown[1],
            format!(
                "{{\"time\":\"Jan  1 10:00:00\",\"pid\":{pid},\"level\":\"WARNING\",\
                 \"module\":\"dialog\",\"prefix\":\"edge\",\"message\":\"slow\"}}\n"
            )
        );
        assert_eq!(
            shown[3],
            format!(
                "{{\"time\":\"Jan  1 10:00:00\",\"pid\":{pid},\"level\":\"INFO\",\
                 \"prefix\":\"edge\",\"message\":\"came from \\\"me\\\"\"}}\n"
            )
        );
        let cee = lines(|line| line.to_syslog(Format::JsonCee, "", &at()), some_events);
        let object = cee[0].strip_prefix("@cee: ").unwrap();
        let object: Value = serde_json::from_str(object).unwrap();
        assert_eq!(object["time"], "2024-01-01T10:00:00+00:00");
        assert_eq!(object["pri"], "NOTICE");
        assert_eq!((&object["subsys"], &object["function"]), (&json!("server"), &json!("relay")));
        assert_eq!(object["msg"], "relayed port=5060 name=x");
    }
}
