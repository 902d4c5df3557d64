//! Runs of a script that wait (spec/script.md §12): each stands with its call, with all that its
//! script decided, and goes on in the call's order. Nobody else waits for it: CANCEL, replies,
//! retransmissions and timers of the call go their way meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::Guard;
use duologue_script::{Launch, Machine, Outcome, RouteId, RouteKind};
use duologue_sip::{Flow, Message, Tick};
use duologue_transaction::{BranchIndex, TransactionId};
use smallvec::SmallVec;

use crate::context::{Context, CurrentDialog, Draft};
use crate::dialogs;
use crate::effects;
use crate::host::Ended;
use crate::incoming::{self, AfterReply};
use crate::loaded::Loaded;
use crate::own_routes;
use crate::relay;
use crate::road;
use crate::statistics::{CAUGHT_PANICS, PARKED_RUNS, REFUSED_PARKS};
use crate::turn::Turn;
use crate::waiting::{Begun, Finish, Pending, RunId};

/// How many runs may wait in the whole proxy. Each keeps its message and a few kilobytes more.
pub const PARKED_MAX: usize = 1 << 16;

/// How many runs of one call may wait at a time.
pub const PARKED_PER_CALL_MAX: usize = 32;

/// The places for waiting runs, and their numbers.
#[derive(Debug, Default)]
pub struct Parking {
    taken: Arc<AtomicUsize>,
    next: AtomicU64,
}

/// A place in the [`Parking`], free again when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Parking {
    /// How many runs wait.
    pub fn len(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether no run waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn number(&self) -> RunId {
        RunId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn take(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.taken));
        // The place counts itself out again if it is one too many.
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < PARKED_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The waiting runs of a call.
#[derive(Debug, Default)]
pub struct ParkedRuns(Vec<Parked>);

/// One of them.
#[derive(Debug)]
struct Parked {
    id: RunId,
    deadline: Tick,
    /// What the function ends with if the deadline comes first.
    code: i32,
    what: What,
    _place: Place,
}

#[derive(Debug)]
enum What {
    /// `async()`: the script goes on.
    Run(Box<Run>),
    /// `launch()`: this route hears of it.
    Launched { report: Option<RouteId>, text: Option<Box<[u8]>> },
}

/// A script in the middle of its way.
#[derive(Debug)]
struct Run {
    machine: Box<Machine>,
    /// The script that it began on, whatever runs since.
    script: Arc<Loaded>,
    /// The message that the context below was about.
    message: Box<[u8]>,
    context: Frozen,
    after: After,
}

/// The context that a run finds again.
#[derive(Debug)]
struct Frozen {
    draft: Box<Draft>,
    flow: Flow,
    kind: RouteKind,
    transaction: Option<TransactionId>,
    branch: Option<BranchIndex>,
    dialog: Option<CurrentDialog>,
}

/// What comes when the run is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    /// The end of a request's script.
    Request,
    /// The next reply route, or the reply goes on.
    Reply(AfterReply),
}

/// A wait with its place.
#[derive(Debug)]
pub(crate) struct Wait {
    pending: Pending,
    place: Place,
}

/// Whether a run can wait.
#[derive(Debug)]
pub(crate) enum Ready {
    /// It can.
    Waits(Place),
    /// It cannot: whatever it wants happens in place.
    InPlace,
    /// The request turned out to be a retransmission and is done with.
    Absorbed,
}

impl ParkedRuns {
    /// Whether no run waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The earliest deadline of all.
    pub(crate) fn next_wake(&self) -> Option<Tick> {
        self.0.iter().map(|parked| parked.deadline).min()
    }

    fn due(&self, now: Tick) -> SmallVec<[(RunId, i32); 4]> {
        let due = self.0.iter().filter(|parked| parked.deadline <= now);
        due.map(|parked| (parked.id, parked.code)).collect()
    }

    fn take(&mut self, id: RunId) -> Option<What> {
        let at = self.0.iter().position(|parked| parked.id == id)?;
        let parked = self.0.remove(at);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(parked.what)
    }
}

/// Runs a block that may wait, and what comes after it.
pub(crate) fn run(mut ctx: Context<'_>, route: RouteId, after: After) {
    let mut machine = ctx.turn.worker.machines.take();
    let script = ctx.turn.node.script();
    machine.start(&script.program, route);
    ctx.may_park = true;
    go_on(ctx, machine, script, after);
}

fn go_on(
    mut ctx: Context<'_>,
    mut machine: Box<Machine>,
    script: Guard<Arc<Loaded>>,
    after: After,
) {
    let program = &script.program;
    let finish = loop {
        match machine.resume(program, &mut ctx) {
            Outcome::Done(finish) => break finish,
            Outcome::Park => match ctx.waiting.take() {
                Some(wait) => return park(ctx, machine, Guard::into_inner(script), wait, after),
                None => machine.resume_with(-1),
            },
        }
    };
    ctx.may_park = false;
    ctx.turn.worker.machines.give_back(machine);
    match after {
        After::Request => road::request_ended(ctx),
        After::Reply(reply) => incoming::route_ended(ctx, Ended::of(finish), reply),
    }
}

/// Puts a run aside. What others of the call may ask its transaction for stands there meanwhile.
fn park(
    mut ctx: Context<'_>,
    machine: Box<Machine>,
    script: Arc<Loaded>,
    wait: Wait,
    after: After,
) {
    match after {
        After::Request => {
            relay::store_flags(&mut ctx);
            dialogs::run_parked(&mut ctx);
        }
        After::Reply(reply) => incoming::route_parked(&mut ctx, &reply),
    }
    let Context { turn, message, flow, kind, draft, transaction, branch, dialog, .. } = ctx;
    let context = Frozen { draft, flow, kind, transaction, branch, dialog };
    let run = Run { machine, script, message: message.as_bytes().into(), context, after };
    turn.count(PARKED_RUNS);
    push(&mut turn.body.parked, wait, What::Run(Box::new(run)));
}

fn push(runs: &mut ParkedRuns, Wait { pending, place }: Wait, what: What) {
    let Pending { run: id, deadline, code } = pending;
    runs.0.push(Parked { id, deadline, code, what, _place: place });
}

/// A function is over: its run goes on. Nothing happens if it does not wait any more.
pub(crate) fn resume(turn: &mut Turn<'_>, id: RunId, finish: Finish) {
    match turn.body.parked.take(id) {
        Some(What::Run(run)) => run.resume(turn, finish),
        Some(What::Launched { report, text }) => {
            own_routes::run_report(turn, finish, report, text.as_deref());
        }
        None => {}
    }
}

/// The time has come for runs that waited for it.
pub(crate) fn wake(turn: &mut Turn<'_>) {
    for (id, code) in turn.body.parked.due(turn.now.tick) {
        resume(turn, id, Finish::Code(code));
    }
}

/// The call lost its transactions to a panic: what waited does not go on.
pub(crate) fn abandon(turn: &mut Turn<'_>) {
    for parked in std::mem::take(&mut turn.body.parked).0 {
        let What::Run(run) = parked.what else { continue };
        if catch_unwind(AssertUnwindSafe(|| run.abandon(turn))).is_err() {
            turn.count(CAUGHT_PANICS);
        }
    }
}

impl Run {
    fn resume(self, turn: &mut Turn<'_>, finish: Finish) {
        let Self { mut machine, script, message, context, after } = self;
        // It parsed when it came in.
        let Ok(message) = Message::parse(&message) else { return };
        let mut ctx = context.thaw(turn.reborrow(), &message);
        if matches!(after, After::Request) {
            dialogs::run_resumed(&mut ctx);
        }
        let code = ctx.conclude(finish, machine.parked_args(&script.program).as_mut());
        machine.resume_with(code);
        ctx.may_park = true;
        go_on(ctx, machine, Guard::from_inner(script), after);
    }

    /// Gives up what the run holds.
    fn abandon(self, turn: &mut Turn<'_>) {
        let Ok(message) = Message::parse(&self.message) else { return };
        let mut ctx = self.context.thaw(turn.reborrow(), &message);
        dialogs::run_ended(&mut ctx);
        effects::finish(ctx);
    }
}

impl Frozen {
    fn thaw<'r>(self, turn: Turn<'r>, message: &'r Message<'r>) -> Context<'r> {
        let Self { draft, flow, kind, transaction, branch, dialog } = self;
        let fresh = Context::with_draft(turn, message, flow, kind, draft);
        Context { transaction, branch, dialog, ..fresh }
    }
}

impl Context<'_> {
    /// Whether the run can wait now. `async()` in a request route makes the transaction that the run
    /// waits with (spec/script.md §12).
    pub(crate) fn ready_to_park(&mut self) -> Ready {
        if self.may_park && self.kind == RouteKind::Request && self.transaction.is_none() {
            if relay::new_transaction(self) == 0 {
                return Ready::Absorbed;
            }
            // An ACK, or a request that cannot have a transaction.
            if self.transaction.is_none() {
                return Ready::InPlace;
            }
        }
        if !self.may_park {
            return Ready::InPlace;
        }
        self.place().map_or(Ready::InPlace, Ready::Waits)
    }

    /// Lets the run of the script wait for a function that a plain statement called, as
    /// [`AsyncFunction`](crate::module::AsyncFunction)s do in `async()`. `None` where runs cannot
    /// wait: in blocks of other kinds than `route` and the reply routes of transactions, and when
    /// too many wait already. [`Called::Park`](duologue_script::Called::Park) is then the answer.
    pub fn park(&mut self, pending: Pending) -> Option<duologue_script::Called> {
        let place = if self.may_park { self.place() } else { None }?;
        self.waiting = Some(Wait { pending, place });
        Some(duologue_script::Called::Park)
    }

    /// The same for a place that was taken before the function began.
    pub(crate) fn park_at(&mut self, place: Place, pending: Pending) {
        self.waiting = Some(Wait { pending, place });
    }

    /// A place for one more waiting run, if there is one.
    fn place(&self) -> Option<Place> {
        let fits = self.turn.body.parked.0.len() < PARKED_PER_CALL_MAX;
        let place = if fits { self.turn.node.parking.take() } else { None };
        if place.is_none() {
            self.turn.count(REFUSED_PARKS);
        }
        place
    }

    /// `launch()`: the function goes its way, the script its own.
    pub(crate) fn launched(
        &mut self,
        launch: Launch<'_>,
        begin: impl FnOnce(&mut Self) -> Begun,
    ) -> i32 {
        let Some(place) = self.place() else { return -1 };
        let pending = match begin(self) {
            Begun::Waits(pending) => pending,
            // Its report comes later all the same: in the next turn.
            Begun::Done(code) => {
                let (run, deadline) = (self.turn.node.parking.number(), self.turn.now.tick);
                Pending { run, deadline, code }
            }
        };
        let what = What::Launched { report: launch.report, text: launch.text.map(Into::into) };
        push(&mut self.turn.body.parked, Wait { pending, place }, what);
        1
    }
}
