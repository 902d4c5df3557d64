//! What time alone costs: lifetimes that end, and dialogs that nothing happens to.

use std::time::{Duration, Instant};

use duologue::dialog::Steps;
use serde_json::{Value, json};

use crate::calls::{Table, virtual_time, walk};
use crate::latency::Latency;

/// Over how many seconds of virtual time the lifetimes end.
const SPREAD_SECONDS: usize = 8;

/// How often a server's timer looks at the dialogs, in virtual ms.
const LOOK_MILLIS: usize = 500;

/// More than a turn of the engine's wheel, in seconds: every dialog is looked at.
const IDLE_SECONDS: u64 = 1_100;

/// All dialogs reach the end of their lifetime; each ends, and what traces are left goes too.
pub(crate) fn expiry(count: usize) -> Value {
    let table = Table::in_virtual_time();
    let lifetime = |number: usize| 100 + (number % SPREAD_SECONDS) as u32;
    table.fill(count, Some(lifetime), virtual_time(0));
    let dialogs = &table.dialogs;
    let (mut steps, mut due) = (Steps::new(), Vec::new());
    let mut wakes = Latency::default();
    let (mut busy, mut ended) = (Duration::ZERO, 0);
    for millis in (99_000..150_000).step_by(LOOK_MILLIS) {
        let now = virtual_time(millis);
        let begun = Instant::now();
        wakes.of(|| dialogs.wake(now.tick, &mut due));
        for due in due.drain(..) {
            dialogs.deadline(now, due.key, &mut steps).unwrap();
            walk(dialogs, &mut steps);
            ended += 1;
        }
        busy += begun.elapsed();
    }
    assert_eq!((ended, dialogs.len()), (count, 0));
    assert_eq!(dialogs.next_wake(), None, "a trace is left");
    json!({
        "expired_per_second": count as f64 / busy.as_secs_f64(),
        "spread_seconds": SPREAD_SECONDS,
        "wake_us": wakes.figures(),
    })
}

/// Nothing happens: the table is asked once a second.
pub(crate) fn idle(count: usize) -> Value {
    let table = Table::in_virtual_time();
    table.fill(count, None, virtual_time(0));
    let mut due = Vec::new();
    let mut wakes = Latency::default();
    let begun = Instant::now();
    for second in 1..=IDLE_SECONDS {
        let now = virtual_time(second * 1_000);
        wakes.of(|| {
            table.dialogs.wake(now.tick, &mut due);
            let _ = table.dialogs.next_wake();
        });
    }
    let busy = begun.elapsed();
    assert!(due.is_empty(), "an idle dialog was due");
    json!({
        "us_per_second": busy.as_secs_f64() * 1e6 / IDLE_SECONDS as f64,
        "wake_us": wakes.figures(),
    })
}
