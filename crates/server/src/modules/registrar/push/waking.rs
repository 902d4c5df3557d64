//! Waking a phone, waiting for it, and what comes when it is awake.

use std::sync::Arc;

use duologue_script::Launch;
use duologue_sip::{Method, Moment, Tick};
use duologue_transaction::{Transaction, TransactionId};
use duologue_usrloc::{Contact, Expires, Table};

use super::super::lookup::target;
use super::super::{Desk, Registrar};
use super::Push;
use super::sleepers::{Over, SLEEPERS_MAX, Sleeper, What};
use crate::context::Context;
use crate::modules::usrloc::Usrloc;
use crate::node::Node;
use crate::relay;
use crate::turn::Turn;
use crate::waiting::{Begun, Pending};

/// How many things one look does, so that the timers of calls do not wait.
const DONE_PER_RUN: usize = 256;

/// A call that waits for one phone, perhaps for others, too: its transaction counts them.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Ringing(TransactionId);

/// What became of waking phones for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Woken {
    /// The request waits for them.
    Waits,
    /// It is a retransmission, which was answered.
    Absorbed,
    /// It cannot wait.
    Refused,
}

impl Push {
    /// Takes those out of the contacts that must be woken before a request can reach them. An ACK
    /// waits for nobody.
    pub(in super::super) fn asleep(
        &self,
        ctx: &Context<'_>,
        contacts: &mut duologue_usrloc::Contacts,
    ) -> Vec<Arc<Contact>> {
        if matches!(ctx.message.method(), Some(Method::Ack)) {
            return Vec::new();
        }
        let sleeps = |contact: &Arc<Contact>| self.sleeps(contact, ctx.turn.now.tick);
        let asleep = contacts.iter().filter(|contact| sleeps(contact)).cloned().collect();
        contacts.retain(|contact| !sleeps(contact));
        asleep
    }

    /// Tells that these phones are to be woken for the request at hand, whose transaction stays
    /// open: each becomes a branch as soon as it has registered again.
    pub(in super::super) fn wake(
        &self,
        ctx: &mut Context<'_>,
        desk: &Desk<'_>,
        aor: &[u8],
        asleep: &[Arc<Contact>],
    ) -> Woken {
        if ctx.transaction.is_none() && relay::new_transaction(ctx) == 0 {
            return Woken::Absorbed;
        }
        let Some(transaction) = ctx.transaction else { return Woken::Refused };
        let deadline = ctx.turn.now.tick + self.refresh_timeout;
        let mut waits = 0;
        for contact in asleep {
            let launch = Launch { report: None, text: None };
            let begun = ctx.launched(launch, |ctx| {
                let (pending, completion) = Pending::until_told(ctx);
                let what = What::Branch(Ringing(transaction));
                self.sleepers.lock().wait(contact.id, deadline, completion, what);
                Begun::Waits(pending)
            });
            // What finds no place to wait is counted there.
            if begun < 0 {
                continue;
            }
            waits += 1;
            self.tell(ctx, desk.usrloc, desk.table, aor, contact, "ini");
        }
        let entry = ctx.turn.body.transactions.get_mut(transaction);
        let Some(entry) = entry.filter(|_| waits > 0) else { return Woken::Refused };
        entry.sleeping += waits;
        relay::with_transaction(&mut ctx.turn, transaction, |it, now, _| it.wait_for_branches(now));
        Woken::Waits
    }

    /// Raises the event for a request: whoever hears it sends the notification.
    pub(super) fn tell(
        &self,
        ctx: &Context<'_>,
        usrloc: &Usrloc,
        table: &Table,
        aor: &[u8],
        contact: &Contact,
        why: &str,
    ) {
        let method = ctx.message.method().map(|it| String::from_utf8_lossy(it.as_bytes()));
        let reason = format!("{why}-{}", method.unwrap_or_default());
        let call_id = ctx.message.call_id().unwrap_or_default();
        usrloc.tell_refresh(table.name(), aor, contact, &reason, call_id);
    }

    /// A contact was registered, perhaps again: what waited for it goes on, and the time to wake it
    /// before its binding ends is known.
    pub(in super::super) fn registered(&self, table: &Table, aor: &[u8], contact: &Arc<Contact>) {
        if !self.can_wake(&contact.uri) {
            return;
        }
        if let Expires::At(end) = contact.expires {
            let before = end.as_millis().saturating_sub(millis(self.trigger_interval));
            let early = Tick::from_millis(before) > contact.modified;
            let look_at = if early { Tick::from_millis(before) } else { end };
            let (table, aor) = (Arc::clone(table.name()), aor.into());
            if !self.sleepers.lock().keep(contact.id, Sleeper { table, aor, look_at }) {
                tracing::warn!("{SLEEPERS_MAX} phones are kept in mind: one more is not woken");
            }
        }
        let woken = self.sleepers.lock().woken(contact.id);
        for wait in woken {
            match wait.what {
                What::Request => wait.completion.done(1),
                What::Branch(ringing) => {
                    let contact = Arc::clone(contact);
                    wait.completion
                        .finish(move |ctx, _| ringing.joined_by(&mut ctx.turn, &contact));
                }
            }
        }
    }

    /// A phone is to be looked at: it is woken if its binding is about to end, and kept in mind
    /// until that is over.
    fn look(&self, node: &Node, now: Moment, phone: duologue_usrloc::ContactId, it: Sleeper) {
        let usrloc: &Usrloc = node.settings();
        let Some(table) = usrloc.table(Some(it.table.as_bytes())) else { return };
        let contacts = table.contacts(&it.aor, now.tick);
        let Some(contact) = contacts.iter().find(|contact| contact.id == phone) else { return };
        let Expires::At(end) = contact.expires else { return };
        usrloc.tell_refresh(table.name(), &it.aor, contact, "reg-refresh", b"");
        self.sleepers.lock().keep(phone, Sleeper { look_at: end, ..it });
    }
}

impl Ringing {
    /// The phone is awake: it rings as well.
    fn joined_by(self, turn: &mut Turn<'_>, contact: &Contact) -> i32 {
        let sent = relay::inject(turn, self.0, vec![target(contact)]);
        self.one_less(turn);
        if sent.is_some_and(|sent| sent > 0) { 1 } else { -1 }
    }

    /// The phone sleeps on.
    fn missed(self, turn: &mut Turn<'_>) -> i32 {
        self.one_less(turn);
        -1
    }

    /// After the last one, whosever phone it is, nobody waits for branches any more.
    fn one_less(self, turn: &mut Turn<'_>) {
        let Some(entry) = turn.body.transactions.get_mut(self.0) else { return };
        entry.sleeping = entry.sleeping.saturating_sub(1);
        if entry.sleeping == 0 {
            let give_up = |it: &mut Transaction, now, fx: &mut _| it.give_up_waiting(now, fx);
            relay::with_transaction(turn, self.0, give_up);
        }
    }
}

pub(super) fn next_due(node: &Node) -> Option<Tick> {
    node.settings::<Registrar>().push.as_ref()?.sleepers.lock().next_due()
}

pub(super) fn run(node: &Node, now: Moment) {
    let Some(push) = &node.settings::<Registrar>().push else { return };
    for _ in 0..DONE_PER_RUN {
        let over = push.sleepers.lock().over(now.tick);
        match over {
            None => return,
            Some(Over::Phone(id, phone)) => push.look(node, now, id, phone),
            Some(Over::Wait(wait)) => match wait.what {
                What::Request => wait.completion.done(crate::waiting::TIMED_OUT),
                What::Branch(ringing) => {
                    wait.completion.finish(move |ctx, _| ringing.missed(&mut ctx.turn));
                }
            },
        }
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
