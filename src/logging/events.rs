//! Log lines as events: `E_CORE_LOG` (spec/script.md §2.3, §16).
//!
//! A thread of its own raises them: whoever writes a line may hold any lock, and who hears of it may
//! write another. What that thread writes itself raises nothing.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use duologue_server::events::{EventParams, Events};

/// How many lines may wait to be told; more are not told.
const WAITING_MAX: usize = 4_096;

thread_local! {
    /// Whether this thread raises the events.
    static RAISING: Cell<bool> = const { Cell::new(false) };
}

/// A line on its way to who subscribed.
#[derive(Debug)]
pub(crate) struct Told {
    pub(super) time: String,
    pub(super) level: &'static str,
    pub(super) module: Option<&'static str>,
    pub(super) function: Option<&'static str>,
    pub(super) prefix: Option<String>,
    pub(super) message: String,
}

/// Where lines are put.
#[derive(Clone, Debug)]
pub(super) struct Mouth(SyncSender<Told>);

/// Where they come out, once there are events.
#[derive(Debug)]
pub(crate) struct Ear(Receiver<Told>);

pub(super) fn queue() -> (Mouth, Ear) {
    let (mouth, ear) = sync_channel(WAITING_MAX);
    (Mouth(mouth), Ear(ear))
}

impl Mouth {
    /// Never waits; a line that finds no room is not told.
    pub(super) fn tell(&self, line: impl FnOnce() -> Told) {
        if !RAISING.get() {
            let _ = self.0.try_send(line());
        }
    }
}

impl Ear {
    /// Raises an event for each line, those that wait already included, as long as lines are written.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn raise_on(self, events: Events) -> std::io::Result<()> {
        let work = move || {
            RAISING.set(true);
            let Ok(publisher) = events.publish(duologue_server::logs::EVENT_NAME) else { return };
            for line in self.0 {
                publisher.raise(|params| line.show(params));
            }
        };
        std::thread::Builder::new().name("log-events".to_owned()).spawn(work).map(drop)
    }
}

impl Told {
    /// What is absent is left out.
    fn show(&self, params: &mut EventParams) {
        params.text("time", &*self.time).int("pid", std::process::id().into());
        params.text("level", self.level);
        let parts = [
            ("module", self.module),
            ("function", self.function),
            ("prefix", self.prefix.as_deref()),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                params.text(name, part);
            }
        }
        params.text("message", &*self.message);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    fn line(module: Option<&'static str>) -> Told {
        Told {
            time: "Jan  1 10:00:00".to_owned(),
            level: "WARNING",
            module,
            function: None,
            prefix: module.map(|_| "edge".to_owned()),
            message: "slow".to_owned(),
        }
    }

    /// spec/script.md §16: time, pid, level, module, function, prefix, message; absent ones omitted.
    #[test]
    fn lines_become_events() {
        let (mouth, ear) = queue();
        mouth.tell(|| line(None));
        let events = Events::default();
        let (heard, hears) = channel();
        let take = move |raised: &std::sync::Arc<duologue_server::events::Raised>| {
            let _ = heard.send(raised.json().to_owned());
        };
        events.subscribe("E_CORE_LOG", "module:test", take).unwrap();
        ear.raise_on(events).unwrap();
        mouth.tell(|| line(Some("dialog")));
        let pid = std::process::id();
        let next = || hears.recv_timeout(Duration::from_secs(20)).unwrap();
        let params = |rest: &str| {
            format!("{{\"time\":\"Jan  1 10:00:00\",\"pid\":{pid},\"level\":\"WARNING\",{rest}}}")
        };
        let first = next();
        assert!(first.contains(&params("\"message\":\"slow\"")), "{first}");
        let second = next();
        let rest = "\"module\":\"dialog\",\"prefix\":\"edge\",\"message\":\"slow\"";
        assert!(second.contains(&params(rest)), "{second}");
    }

    #[test]
    fn what_the_events_write_themselves_is_not_told() {
        let (mouth, ear) = queue();
        RAISING.set(true);
        mouth.tell(|| line(None));
        RAISING.set(false);
        assert!(ear.0.try_recv().is_err());
        // Nor does anybody wait when the queue is full.
        (0..WAITING_MAX + 1).for_each(|_| mouth.tell(|| line(None)));
        assert_eq!(ear.0.try_iter().count(), WAITING_MAX);
    }
}
