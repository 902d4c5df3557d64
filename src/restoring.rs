//! A sign of life while stored dialogs come back.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use duologue::store::Restored;

/// How long nobody wonders, and how often there is news.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells on a terminal how many dialogs have come back, from the second second on.
pub(crate) fn shown() -> impl FnMut(&Restored) + Send + 'static {
    let begun = Instant::now();
    let mut next = stderr().is_terminal().then(|| begun + PATIENCE);
    move |so_far| {
        let Some(due) = next.filter(|due| Instant::now() >= *due) else { return };
        next = Some(due + PATIENCE);
        eprintln!(
            "{} stored dialogs are back after {} s",
            so_far.loaded,
            begun.elapsed().as_secs()
        );
    }
}
