//! Log lines that never make a call wait: formatted where they arise, written by threads of their
//! own from bounded queues, dropped (and told) when one is full.
//!
//! Where they go, in which form and from which level on, the script says (spec/script.md §2.3,
//! §13).

mod events;
mod line;
mod syslog;

use std::io::Write as _;

use duologue_management::audit;
use duologue_server::loglevel;
use duologue_server::logs::{EVENT, Format, LogSettings, STDERR, SYSLOG};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use events::Ear;
use events::Mouth;
use line::Line;
use syslog::{Envelope, Syslog};

/// How many lines may wait for one writer.
const LINES_MAX: usize = 16_384;

/// Starts logging. Lines that are still queued are written when the guards drop; those that become
/// events come out of the ear, if the script wants any.
pub(crate) fn start(settings: LogSettings) -> (Vec<WorkerGuard>, Option<Ear>) {
    let mut guards = Vec::new();
    let mut queue = |writer: Box<dyn std::io::Write + Send>| {
        let (queue, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(LINES_MAX)
            .lossy(true)
            .finish(writer);
        guards.push(guard);
        queue
    };
    let LogSettings { stderr, syslog, event, facility, name, prefix } = settings;
    STDERR.begin(stderr);
    SYSLOG.begin(syslog);
    EVENT.begin(event);
    let stderr = stderr.enabled.then(|| (stderr.format, queue(Box::new(std::io::stderr()))));
    let syslog = syslog.enabled.then(|| {
        let envelope = Envelope::new(facility, name);
        (syslog.format, envelope, queue(Box::<Syslog>::default()))
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
    stderr: Option<(Format, NonBlocking)>,
    syslog: Option<(Format, Envelope, NonBlocking)>,
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
        if let Some((format, queue)) = &self.stderr
            && STDERR.takes(line.level)
        {
            let text = line.to_stderr(*format, &self.prefix, &now);
            // A full queue drops the line and counts it.
            let _ = queue.clone().write_all(text.as_bytes());
        }
        if let Some((format, envelope, queue)) = &self.syslog
            && SYSLOG.takes(line.level)
        {
            let text = line.to_syslog(*format, &self.prefix, &now);
            let _ = queue.clone().write_all(envelope.around(line.level, &text, &now).as_bytes());
        }
        if let Some(mouth) = &self.event
            && EVENT.takes(line.level)
        {
            mouth.tell(|| line.to_event(&self.prefix, &now));
        }
    }
}
