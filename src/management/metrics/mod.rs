//! What a monitoring system asks for: the page of the module `prometheus`, and whether the process is
//! well.
//!
//! Everything on the page is counted elsewhere, by plain additions of each worker or under a lock that
//! is held anyway; it is added up when somebody asks.

mod exposition;

use duologue_server::Node;
use duologue_server::modules::prometheus::{GroupMode, PrometheusSettings};
use duologue_server::statistics::{Listed, Statistics};
use duologue_sip::Moment;

use exposition::{Durations, Families, Kind, name_of};

/// How many profiles the page shows.
pub const PROFILES_SHOWN: usize = 500;

/// How many subscribers of events the page shows.
pub const READERS_SHOWN: usize = 1_000;

/// The type of the page: the text format of Prometheus.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page.
pub fn page(node: &Node, now: Moment) -> String {
    let mut page = Page { names: node.settings(), families: Families::default() };
    page.statistics(node, now);
    page.calls(node);
    page.profiles(node);
    page.messages(node);
    page.readers(node);
    page.process(node);
    page.finish()
}

/// Whether the proxy takes calls.
///
/// # Errors
/// Why it does not, for people.
pub fn readiness(node: &Node) -> Result<(), &'static str> {
    if node.is_draining() {
        return Err("going down: no new calls are taken");
    }
    if node.sockets.iter().next().is_none() {
        return Err("no socket is open");
    }
    Ok(())
}

struct Page<'a> {
    names: &'a PrometheusSettings,
    families: Families,
}

impl Page<'_> {
    /// A name of these parts, behind the prefix.
    fn name(&self, parts: &[&str]) -> String {
        let parts = std::iter::once(self.names.prefix.as_str()).chain(parts.iter().copied());
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).map(name_of).collect();
        let name = parts.join(&self.names.delimiter);
        // A name does not begin with a digit.
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            format!("_{name}")
        } else {
            name
        }
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        let name = self.name(&[name]);
        self.families.add((&name, Kind::Gauge, help), labels, value);
    }

    /// All statistics of all modules that the script wants.
    fn statistics(&mut self, node: &Node, now: Moment) {
        node.visit_statistics(now, &mut |listed| {
            if self.names.statistics.iter().any(|item| is_chosen(&listed, item)) {
                self.statistic(&listed);
            }
        });
    }

    fn statistic(&mut self, listed: &Listed<'_>) {
        let Listed { group, name, value, counts } = *listed;
        let of_group = [self.names.group_prefix.as_str(), group];
        let (kind, suffix) = if counts { (Kind::Counter, "total") } else { (Kind::Gauge, "") };
        let metric = match self.names.group_mode {
            GroupMode::Named => self.name(&[of_group[0], of_group[1], name, suffix]),
            GroupMode::Hidden | GroupMode::Labelled => self.name(&[name, suffix]),
        };
        let made_up = format!("The statistic {group}:{name}.");
        let help = Statistics::help(group, name).unwrap_or(&made_up);
        let group = of_group.concat();
        let label = [(self.names.group_label.as_str(), group.as_str())];
        let labels: &[_] = match self.names.group_mode {
            GroupMode::Labelled => &label,
            GroupMode::Hidden | GroupMode::Named => &[],
        };
        self.families.add((&metric, kind, help), labels, value);
    }

    fn calls(&mut self, node: &Node) {
        let counts = node.dialogs.statistics();
        for (state, value) in [
            ("unconfirmed", counts.unconfirmed_dialogs),
            ("early", counts.early_dialogs),
            ("confirmed", counts.active_dialogs),
            ("deleted", counts.dialogs_lingering),
        ] {
            self.gauge("dialogs", "Dialogs by their state.", &[("state", state)], value);
        }
        let durations = node.dialogs.durations();
        for (name, help, histogram) in [
            ("call_setup_seconds", "From the INVITE to the answer.", durations.setup),
            ("call_ringing_seconds", "From ringing to the answer.", durations.ringing),
            ("call_duration_seconds", "From the answer to the end.", durations.talking),
        ] {
            let name = self.name(&[name]);
            let durations = Durations {
                cumulated: histogram.cumulated(),
                count: histogram.count(),
                sum: histogram.sum(),
            };
            self.families.add_histogram((&name, help), &[], durations);
        }
        let waiting = node.queue.len() as u64;
        self.gauge("run_queue_calls", "Calls that wait for an idle worker.", &[], waiting);
        let help = "The most jobs that waited for one call since the start; 64 may.";
        self.gauge("call_jobs_waiting_max", help, &[], node.calls.deepest() as u64);
    }

    fn profiles(&mut self, node: &Node) {
        let profiles = node.dialogs.profiles();
        for profile in profiles.iter().take(PROFILES_SHOWN) {
            let size = profile.size(None) as u64;
            let labels = [("profile", profile.name())];
            self.gauge(
                "profile_dialogs",
                "Dialogs in a profile, whatever the value.",
                &labels,
                size,
            );
        }
        self.families.leave_out(profiles.len().saturating_sub(PROFILES_SHOWN));
    }

    fn messages(&mut self, node: &Node) {
        let name = self.name(&["message_handling_seconds"]);
        let help = "How long a worker handled messages, by method; replies are one class.";
        for times in node.statistics.handling() {
            let cumulated = times.cumulated.into_iter();
            let durations = Durations { cumulated, count: times.count, sum: times.sum };
            self.families.add_histogram((&name, help), &[("class", times.class)], durations);
        }
    }

    fn readers(&mut self, node: &Node) {
        let help = "Events that a subscriber has taken and not dealt with.";
        let mut shown = 0;
        node.events.visit_readers(&mut |event, socket, waiting| {
            shown += 1;
            if shown > READERS_SHOWN {
                return self.families.leave_out(1);
            }
            let labels = [("event", event), ("socket", socket)];
            self.gauge("event_subscriber_waiting", help, &labels, waiting as u64);
        });
    }

    fn process(&mut self, node: &Node) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.gauge("build_info", "The program; always 1.", &version, 1);
        self.gauge("start_time_seconds", "When it started.", &[], node.started.unix);
        let help = "Whether new calls are refused: it is going down.";
        self.gauge("draining", help, &[], node.is_draining().into());
        let help = "Whether new calls are refused: the workers have fallen behind.";
        self.gauge("overloaded", help, &[], node.is_overloaded().into());
    }

    fn finish(mut self) -> String {
        self.families.end();
        let left_out = self.families.left_out() as u64;
        self.gauge("metrics_left_out", "Samples that this page does not show.", &[], left_out);
        self.families.render()
    }
}

/// `all`, `group:`, or a name.
fn is_chosen(listed: &Listed<'_>, item: &str) -> bool {
    item == "all"
        || item.strip_suffix(':').is_some_and(|group| group.eq_ignore_ascii_case(listed.group))
        || listed.is_named(item.as_bytes())
}
