//! Log lines that never make a call wait: formatted where they arise, written by threads of their
//! own from bounded queues, dropped (and told) when one is full. Those of the audit are never dropped.
//!
//! Where they go, in which form and from which level on, the script says (spec/script.md §2.3,
//! §13).

mod events;
mod line;
mod queues;
mod syslog;

use duologue_management::audit;
use duologue_server::loglevel;
use duologue_server::logs::{EVENT, Format, LogSettings, STDERR, SYSLOG};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use events::Ear;
use events::Mouth;
use line::Line;
use queues::Queues;
use syslog::{Envelope, Syslog};

/// Starts logging. Lines that are still queued are written when the guards drop; those that become
/// events come out of the ear, if the script wants any.
pub(crate) fn start(settings: LogSettings) -> (Vec<WorkerGuard>, Option<Ear>) {
    let mut guards = Vec::new();
    let LogSettings { stderr, syslog, event, facility, name, prefix } = settings;
    STDERR.begin(stderr);
    SYSLOG.begin(syslog);
    EVENT.begin(event);
    let stderr = stderr.enabled.then(|| (stderr.format, Queues::to(std::io::stderr, &mut guards)));
    let syslog = syslog.enabled.then(|| {
        let envelope = Envelope::new(facility, name);
        (syslog.format, envelope, Queues::to(Syslog::default, &mut guards))
    });
    let (event, ear) = event.enabled.then(events::queue).unzip();
    let lines =
        Lines { stderr, syslog, event, prefix }.with_filter(dynamic_filter_fn(|metadata, _| {
            // A script's lines passed a threshold of their own already, and who did what is told
            // always. Among errors there are worse ones, which only the line itself tells.
            metadata.target() == "xlog"
                || metadata.target() == audit::TARGET
                || *metadata.level() == Level::ERROR
                || loglevel::threshold(*metadata.level()) <= loglevel::current()
        }));
    tracing_subscriber::registry().with(lines).init();
    (guards, ear)
}

/// Writes each line to those who take it.
struct Lines {
    stderr: Option<(Format, Queues)>,
    syslog: Option<(Format, Envelope, Queues)>,
    event: Option<Mouth>,
    prefix: String,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        if !line.is_always_told() && line.level > loglevel::current().into() {
            return;
        }
        let now = jiff::Zoned::now();
        if let Some((format, queues)) = &self.stderr
            && (line.is_audit() || STDERR.takes(line.level))
        {
            queues.put(line.is_audit(), &line.to_stderr(*format, &self.prefix, &now));
        }
        if let Some((format, envelope, queues)) = &self.syslog
            && (line.is_audit() || SYSLOG.takes(line.level))
        {
            let text = line.to_syslog(*format, &self.prefix, &now);
            queues.put(line.is_audit(), &envelope.around(line.level, &text, &now));
        }
        if let Some(mouth) = &self.event
            && EVENT.takes(line.level)
        {
            mouth.tell(|| line.to_event(&self.prefix, &now));
        }
    }
}

#[cfg(test)]
mod tests {
    use duologue_server::logs::Consumer;

    use super::queues::tests::Paper;
    use super::*;

    /// Neither a filter nor silence keeps back who did what.
    #[test]
    fn the_audit_cannot_be_silenced() {
        let (paper, mut guards) = (Paper::default(), Vec::new());
        let loud = Consumer { enabled: true, level_filter: -3, ..Consumer::default() };
        STDERR.begin(loud);
        SYSLOG.begin(loud);
        assert!(SYSLOG.set_muted(true));
        let mut queues = || Queues::to(|| paper.clone(), &mut guards);
        let lines = Lines {
            stderr: Some((Format::Plain, queues())),
            syslog: Some((Format::Plain, Envelope::new(3, Some("edge".to_owned())), queues())),
            event: None,
            prefix: String::new(),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!(target: audit::TARGET, "core:log_level role=full");
            tracing::error!("not so important");
        });
        drop(guards);
        let (shown, told) = (paper.text(), "NOTICE:core:audit: core:log_level role=full");
        assert_eq!(shown.matches(told).count(), 2, "{shown}");
        assert!(!shown.contains("important"), "{shown}");
    }
}
