//! Log lines that never make a call wait: formatted where they arise, written by a thread of their
//! own from a bounded queue, dropped (and told) when it is full.
//!
//! The layout is the one operators' tools already cut apart (spec/script.md §13):
//! `Mon DD HH:MM:SS [pid] LEVEL:module: text`, with the Call-ID and other facts as `name=value`.

use std::fmt;

use duologue_server::loglevel;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How many lines may wait for the writer.
const LINES_MAX: usize = 16_384;

/// Starts logging to standard error. Lines that are still queued are written when the guard drops.
pub(crate) fn start() -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .finish(std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer)
        .event_format(OperatorsLine)
        .with_filter(dynamic_filter_fn(|metadata, _| {
            // A script's xlog() lines passed a threshold of their own already.
            metadata.target() == "xlog"
                || loglevel::threshold(*metadata.level()) <= loglevel::current()
        }));
    tracing_subscriber::registry().with(lines).init();
    guard
}

struct OperatorsLine;

impl<S, N> FormatEvent<S, N> for OperatorsLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "NOTICE",
            Level::DEBUG => "INFO",
            Level::TRACE => "DBG",
        };
        let module = metadata.target().rsplit("::").next().unwrap_or_default();
        write!(line, "{now} [{}] {level}:{module}: ", std::process::id())?;
        context.field_format().format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
