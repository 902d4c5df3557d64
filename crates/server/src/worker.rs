//! A worker: what one thread owns and reuses from message to message.

use std::sync::Arc;

use duologue_dialog::{Due, Steps};
use duologue_sip::{Edits, Tick};
use duologue_transaction::Effects;

use crate::call::{Call, SendTag};
use crate::context::Draft;
use crate::host::{Machines, RESTING_MAX};
use crate::net::{Outbox, Transports};

/// What a thread owns while it runs calls.
#[derive(Debug)]
pub struct Worker {
    /// The worker's number: its shard of the counters.
    pub index: usize,
    /// What leaves at the end of the batch, and whose it is.
    pub outbox: Outbox<Option<SendTag>>,
    /// The ways out; `None` if somebody else empties the outbox.
    pub transports: Option<Transports>,
    /// Script machines at rest.
    pub machines: Machines,
    /// Drafts at rest.
    pub drafts: Drafts,
    /// The changes that a hop makes to the message at hand.
    pub wire_edits: Edits,
    /// The text of a Via branch.
    pub branch_text: Vec<u8>,
    /// How many messages it has handled (`$mi`).
    pub messages: u32,
    pub(crate) due_calls: Vec<Arc<Call>>,
    pub(crate) due_dialogs: Vec<Due>,
    pub(crate) next_dialogs: Option<Tick>,
    effects: Vec<Effects>,
    steps: Vec<Steps>,
}

impl Worker {
    /// A worker with nothing to do.
    pub fn new(index: usize) -> Self {
        Self {
            index,
            outbox: Outbox::new(),
            transports: None,
            machines: Machines::default(),
            drafts: Drafts::default(),
            wire_edits: Edits::new(),
            branch_text: Vec::new(),
            messages: 0,
            due_calls: Vec::new(),
            due_dialogs: Vec::new(),
            next_dialogs: None,
            effects: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// An empty list of effects; several may be at hand when routes nest.
    pub(crate) fn take_effects(&mut self) -> Effects {
        self.effects.pop().unwrap_or_default()
    }

    /// Takes a list of effects back.
    pub(crate) fn give_back_effects(&mut self, mut effects: Effects) {
        effects.clear();
        self.effects.push(effects);
    }

    /// An empty list of steps.
    pub(crate) fn take_steps(&mut self) -> Steps {
        self.steps.pop().unwrap_or_default()
    }

    /// Takes a list of steps back.
    pub(crate) fn give_back_steps(&mut self, mut steps: Steps) {
        steps.clear();
        self.steps.push(steps);
    }
}

/// Drafts at rest.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "a draft is large and moves between contexts and here")]
pub struct Drafts(Vec<Box<Draft>>);

impl Drafts {
    /// A cleared draft.
    pub(crate) fn take(&mut self) -> Box<Draft> {
        self.0.pop().unwrap_or_else(|| {
            let mut draft = Box::<Draft>::default();
            draft.clear();
            draft
        })
    }

    /// Takes a draft back.
    pub(crate) fn give_back(&mut self, mut draft: Box<Draft>) {
        if self.0.len() < RESTING_MAX {
            draft.clear();
            self.0.push(draft);
        }
    }
}
