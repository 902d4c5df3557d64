//! The life of each dialog as its callbacks tell it, held against spec/dialog.md §3 as it happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use duologue::dialog::{
    DialogEvents, DialogId, Dialogs, Event, LegSnapshot, LegState, Snapshot, Statistics,
};

use crate::faults::{Faults, lock};
use crate::wire::{Log, Way};

/// All lives of a world. Cheap to clone; all clones mean the same.
#[derive(Clone, Debug)]
pub(crate) struct Lives {
    kept: Arc<Mutex<BTreeMap<DialogId, Life>>>,
    /// The dialogs whose callbacks are running, innermost last.
    stage: Arc<Mutex<Vec<DialogId>>>,
    log: Log,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Life {
    call_id: String,
    events: Vec<&'static str>,
    /// Where BYEs must have gone once the step is over.
    owed: Vec<Way>,
}

/// While it lives, a callback of a dialog runs.
#[derive(Debug)]
pub(crate) struct OnStage(Lives);

impl Drop for OnStage {
    fn drop(&mut self) {
        lock(&self.0.stage).pop();
    }
}

impl Lives {
    pub(crate) fn new(log: Log, faults: Faults) -> Self {
        Self { kept: Arc::default(), stage: Arc::default(), log, faults }
    }

    /// Listens to every dialog of the table. To be called last of those who register for CREATED:
    /// it is then the first to be told.
    pub(crate) fn listen(&self, dialogs: &Dialogs) {
        let all = self.clone();
        dialogs.on_created(move |event| {
            all.born(event);
            let heard = all.clone();
            let registered = event.dialog().on(DialogEvents::all(), move |event| heard.hear(event));
            all.faults.hold(registered.is_ok(), || "a new dialog refuses a callback".to_owned());
        });
    }

    /// A callback for `id` begins: promise 1 allows one at a time. MI_CONTEXT alone may run beside
    /// others.
    pub(crate) fn enter(&self, id: DialogId, name: &str) -> OnStage {
        let mut stage = lock(&self.stage);
        if name != "MI_CONTEXT" && stage.contains(&id) {
            self.faults.add(format!("{name} of {id} is told within another event"));
        }
        stage.push(id);
        OnStage(self.clone())
    }

    /// The dialogs that are not destroyed.
    pub(crate) fn living(&self) -> Vec<DialogId> {
        let kept = lock(&self.kept);
        kept.iter().filter(|(_, life)| !life.is_over()).map(|(id, _)| *id).collect()
    }

    /// Whether a dialog was destroyed, or never was.
    pub(crate) fn is_over(&self, id: DialogId) -> bool {
        lock(&self.kept).get(&id).is_none_or(Life::is_over)
    }

    /// Whether all dialogs of this Call-ID are destroyed, and there were some.
    pub(crate) fn is_forgotten(&self, call_id: &str) -> bool {
        let kept = lock(&self.kept);
        let mut of_call = kept.values().filter(|life| life.call_id == call_id).peekable();
        of_call.peek().is_some() && of_call.all(Life::is_over)
    }

    /// How many dialogs there were.
    pub(crate) fn count(&self) -> usize {
        lock(&self.kept).len()
    }

    /// Everything that was told, a line for each dialog.
    pub(crate) fn told(&self, call_id: &str) -> Vec<String> {
        let kept = lock(&self.kept);
        let of_call = kept.iter().filter(|(_, life)| life.call_id == call_id);
        of_call.map(|(id, life)| format!("{id}: {}", life.events.join(" "))).collect()
    }

    /// Promise 4: what the gauges must say after these lives.
    pub(crate) fn statistics(&self) -> Statistics {
        let mut expected = Statistics::default();
        for life in lock(&self.kept).values() {
            life.count_in(&mut expected);
        }
        expected
    }

    /// Promise 3: where the proxy ended a call, both sides were sent a BYE.
    pub(crate) fn settle(&self) {
        for (id, life) in lock(&self.kept).iter_mut().filter(|(_, life)| !life.owed.is_empty()) {
            for way in std::mem::take(&mut life.owed) {
                self.faults.hold(self.log.sent_bye(&way), || {
                    format!("{id} was ended by the proxy without a BYE for {way:?}")
                });
            }
        }
    }

    fn born(&self, event: &mut Event<'_>) {
        let id = event.dialog().id();
        let _stage = self.enter(id, "CREATED");
        let call_id = event.dialog().call_id().unwrap_or_default();
        let call_id = String::from_utf8_lossy(&call_id).into_owned();
        let mut kept = lock(&self.kept);
        let life = kept.entry(id).or_default();
        self.faults.hold(life.events.is_empty(), || format!("{id} is created twice"));
        life.call_id = call_id;
        life.events.push("CREATED");
    }

    fn hear(&self, event: &mut Event<'_>) {
        let (id, name) = (event.dialog().id(), name(event));
        let _stage = self.enter(id, name);
        let mut kept = lock(&self.kept);
        let life = kept.entry(id).or_default();
        if let Err(rule) = life.allows(name) {
            let told = life.events.join(" ");
            self.faults.add(format!("{id} of {}: {told}, then {name}: {rule}", life.call_id));
        }
        life.events.push(name);
        match event {
            Event::Terminated(end) => {
                if end.direction.is_none() {
                    life.owed = ways(end.last, |leg| leg.state == LegState::Answered);
                }
                self.log.ended(ways(end.last, |_| true));
            }
            Event::Expired(end) => self.log.ended(ways(end.last, |_| true)),
            // what is remembered of an answered call counts from here, and a leg may have answered
            // after the end
            Event::Destroy(event) if life.has("CONFIRMED") => {
                if let Ok(last) = event.dialog.snapshot() {
                    self.log.ended(ways(&last, |_| true));
                }
            }
            _ => {}
        }
    }
}

impl Life {
    fn has(&self, name: &str) -> bool {
        self.events.contains(&name)
    }

    fn has_ended(&self) -> bool {
        ["FAILED", "TERMINATED", "EXPIRED"].iter().any(|end| self.has(end))
    }

    fn is_over(&self) -> bool {
        self.has("DESTROY")
    }

    /// spec/dialog.md §3, the column "when exactly".
    fn allows(&self, name: &str) -> Result<(), &'static str> {
        let rule = |holds: bool, rule: &'static str| if holds { Ok(()) } else { Err(rule) };
        rule(self.has("CREATED"), "CREATED comes first")?;
        rule(!self.is_over(), "nothing comes after DESTROY")?;
        let (confirmed, ended) = (self.has("CONFIRMED"), self.has_ended());
        match name {
            "EARLY" => {
                rule(!self.has("EARLY"), "EARLY comes once")?;
                rule(!confirmed && !ended, "EARLY comes before CONFIRMED and the end")
            }
            "CONFIRMED" => {
                rule(!confirmed, "CONFIRMED comes once")?;
                rule(!ended, "CONFIRMED comes before the end")
            }
            "FAILED" => {
                rule(!ended, "there is one end")?;
                rule(!confirmed, "what is confirmed does not fail")
            }
            "TERMINATED" | "EXPIRED" => {
                rule(!ended, "there is one end")?;
                rule(confirmed, "no end without start")
            }
            "RESPONSE_WITHIN" => rule(confirmed, "told in states 3 and up"),
            "REQ_WITHIN" => rule(self.has("EARLY") || confirmed || ended, "told in states 2 to 5"),
            "DESTROY" => rule(ended, "an end comes before DESTROY"),
            _ => Ok(()),
        }
    }

    fn count_in(&self, sum: &mut Statistics) {
        sum.processed_dialogs += 1;
        sum.failed_dialogs += u64::from(self.has("FAILED"));
        match (self.is_over(), self.has_ended()) {
            (true, _) => {}
            (_, true) => sum.dialogs_lingering += 1,
            _ if self.has("CONFIRMED") => sum.active_dialogs += 1,
            _ if self.has("EARLY") => sum.early_dialogs += 1,
            _ => sum.unconfirmed_dialogs += 1,
        }
    }
}

/// Both ways of each of these callee legs: to the caller and to the callee.
fn ways(last: &Snapshot, of: impl Fn(&LegSnapshot) -> bool) -> Vec<Way> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (call_id, caller) = (text(&last.call_id), text(last.caller_tag()));
    let legs = last.legs.iter().skip(1).filter(|leg| of(leg));
    legs.flat_map(|leg| {
        let callee = text(&leg.tag);
        [
            [call_id.clone(), callee.clone(), caller.clone()],
            [call_id.clone(), caller.clone(), callee],
        ]
    })
    .collect()
}

/// The name of an event, as spec/dialog.md §3 writes it.
pub(crate) fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Created(_) => "CREATED",
        Event::Loaded(_) => "LOADED",
        Event::Early(_) => "EARLY",
        Event::Confirmed(_) => "CONFIRMED",
        Event::Failed(_) => "FAILED",
        Event::RequestWithin(_) => "REQ_WITHIN",
        Event::ResponseForwarded(_) => "RESPONSE_FWDED",
        Event::ResponseWithin(_) => "RESPONSE_WITHIN",
        Event::Terminated(_) => "TERMINATED",
        Event::Expired(_) => "EXPIRED",
        Event::Destroy(_) => "DESTROY",
        Event::MiContext(_) => "MI_CONTEXT",
        Event::Saved(_) => "SAVED",
        Event::WriteValues(_) => "WRITE_VP",
        Event::ProcessValues(_) => "PROCESS_VARS",
        _ => "OTHER",
    }
}
