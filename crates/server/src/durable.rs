//! Answers that wait for the row of their dialog (DESIGN "Storage", durable mode): CONFIRMED has run,
//! the row is on its way, and the 2xx leaves once it is committed. So a call whose caller heard the
//! answer is there again, whenever the process is killed.
//!
//! Meanwhile the transaction is as if the 2xx had not come: repetitions are absorbed, a CANCEL is
//! answered and marks the race. After `durable_wait` the 2xx leaves all the same, or the call is
//! released.

use std::sync::atomic::Ordering::Relaxed;

use duologue_dialog::{Byes, DialogKey};
use duologue_sip::{Flow, Tick};
use duologue_transaction::TransactionId;

use crate::call::Ending;
use crate::storage::{DurableFailure, Storage};
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;
use crate::{effects, intents, upstream};

/// Why a dialog ends whose row could not be written in time.
const REASON: &str = "Not stored";

/// The answers of a call that wait.
#[derive(Debug, Default)]
pub struct HeldAnswers(Vec<(Tick, HeldAnswer)>);

/// An answer as it will leave.
#[derive(Debug)]
pub(crate) struct HeldAnswer {
    pub(crate) dialog: DialogKey,
    pub(crate) transaction: TransactionId,
    pub(crate) flow: Flow,
    pub(crate) status: u16,
    pub(crate) to_tag: Box<[u8]>,
    pub(crate) bytes: Vec<u8>,
}

impl HeldAnswers {
    /// When the patience for the first of them ends.
    pub(crate) fn next_wake(&self) -> Option<Tick> {
        self.0.iter().map(|(until, _)| *until).min()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this answer waits already: it came once more.
    pub(crate) fn has(&self, transaction: TransactionId, to_tag: &[u8]) -> bool {
        let same = |held: &HeldAnswer| held.transaction == transaction && *held.to_tag == *to_tag;
        self.0.iter().any(|(_, held)| same(held))
    }

    /// Forgets them: their transactions are gone.
    pub(crate) fn abandon(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, which: impl Fn(Tick, &HeldAnswer) -> bool) -> Vec<HeldAnswer> {
        self.0.extract_if(.., |(until, held)| which(*until, held)).map(|(_, held)| held).collect()
    }
}

/// The dialog whose row a final reply has to wait for, if it has to.
pub(crate) fn waits_for(
    turn: &Turn<'_>,
    link: Option<DialogLink>,
    status: u16,
) -> Option<DialogKey> {
    let storage = turn.node.storage.as_ref()?;
    let link = link.filter(|link| link.role == DialogRole::Initial)?;
    (storage.settings().durable && (200..300).contains(&status)).then_some(link.key)
}

/// Holds an answer until its dialog is stored.
pub(crate) fn hold(turn: &mut Turn<'_>, held: HeldAnswer) {
    let Some(storage) = &turn.node.storage else { return };
    if !storage.counts().is_connected() {
        // That was told when it was found; nobody waits for it again and again.
        return too_late(turn, storage, held);
    }
    let until = turn.now.tick + storage.settings().durable_wait;
    storage.commit_soon(held.dialog);
    turn.body.held.0.push((until, held));
}

/// The row of a dialog is committed: what waited for it leaves.
pub fn committed(turn: &mut Turn<'_>, dialog: DialogKey) {
    for held in turn.body.held.take(|_, held| held.dialog == dialog) {
        send(turn, held);
    }
}

/// The patience of some may be over.
pub(crate) fn wake(turn: &mut Turn<'_>) {
    let now = turn.now.tick;
    let Some(storage) = &turn.node.storage else { return };
    for held in turn.body.held.take(|until, _| until <= now) {
        tracing::error!(call_id = %turn.call_id(), "answered, and not stored in time");
        too_late(turn, storage, held);
    }
}

fn too_late(turn: &mut Turn<'_>, storage: &Storage, held: HeldAnswer) {
    storage.counts().late_commits.fetch_add(1, Relaxed);
    match storage.settings().durable_failure {
        DurableFailure::Forward => send(turn, held),
        DurableFailure::Release => release(turn, &held),
    }
}

fn send(turn: &mut Turn<'_>, held: HeldAnswer) {
    let HeldAnswer { transaction: id, flow, status, to_tag, bytes, .. } = held;
    let now = turn.now.tick;
    let mut fx = turn.worker.take_effects();
    // Whoever was released or given up meanwhile has another final reply.
    let entry = turn.body.transactions.get_mut(id);
    if let Some(entry) = entry.filter(|entry| entry.transaction.last_status_sent() < 300) {
        turn.worker.outbox.push(flow, None, |out| out.extend_from_slice(&bytes));
        entry.transaction.reply_sent(now, status, &to_tag, &bytes, &mut fx);
    }
    effects::carry_out(turn, id, &mut fx, None);
    turn.worker.give_back_effects(fx);
}

/// The caller hears a 500, the callee an ACK and a BYE.
fn release(turn: &mut Turn<'_>, held: &HeldAnswer) {
    let id = held.transaction;
    let link = |turn: &mut Turn<'_>, link| {
        let entry = turn.body.transactions.get_mut(id)?;
        std::mem::replace(&mut entry.dialog, link)
    };
    // The dialog was answered: the reply of its INVITE is nothing that it should hear of.
    let of_dialog = link(turn, None);
    let mut fx = turn.worker.take_effects();
    upstream::reply_stored(turn, id, 500, effects::phrase(500), &mut fx);
    effects::carry_out(turn, id, &mut fx, None);
    turn.worker.give_back_effects(fx);
    link(turn, of_dialog);
    let ending = Ending { byes: Byes::Callees, ..Ending::default() };
    let dialog = turn.node.dialogs.handle(held.dialog);
    intents::end_dialog(turn.node, &dialog, REASON, ending);
}
