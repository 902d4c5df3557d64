//! Schedules of threads, tried out one by one: a call is run by one at a time, in order, and nothing
//! that was brought to it is lost. `cargo xtask test` builds these with `--cfg shuttle`.
//!
//! A failure prints the schedule that led to it; `shuttle::replay` runs that one again.

use std::sync::Arc;
use std::sync::Mutex as Plain;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use duologue_sip::Tick;
use duologue_transaction::{BranchIndex, TransactionId};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::JoinHandle;
use shuttle::{Config, Runner, thread};

use crate::call::{Body, Call, Job, Offer};
use crate::index::{CallIndex, Entered};
use crate::wheel::STEP_MS;

/// How many schedules each of the two schedulers tries.
const SCHEDULES: usize = 1500;

/// The stack of a thread in bytes: unoptimised code needs more than shuttle's default.
const STACK: usize = 1 << 18;

const CALL_ID: &[u8] = b"one-call@example.org";

/// What nobody locks for, because the token is to be enough. No lock of shuttle's: looking must
/// not add to the schedules.
struct Crew {
    index: CallIndex,
    /// Jobs in the order in which they ran: who brought it, and which of his it was.
    done: Plain<Vec<(u32, u32)>>,
    /// Somebody is running the call.
    inside: AtomicBool,
    /// Calls that ended.
    closed: Plain<Vec<Arc<Call>>>,
    /// Numbers given to transactions.
    numbers: Plain<Vec<u32>>,
    /// Calls handed over with their token.
    handed_over: Plain<Vec<Arc<Call>>>,
    /// When the call wants to be woken; edited by the holder of the token alone.
    deadline: Plain<Option<Tick>>,
    /// The time in ms.
    now: AtomicU64,
}

fn explore(world: fn()) {
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(RandomScheduler::new_from_seed(1, SCHEDULES), config.clone()).run(world);
    Runner::new(PctScheduler::new_from_seed(2, 3, SCHEDULES), config).run(world);
}

/// A time that the wheel tells from its neighbours.
fn step(number: u64) -> Tick {
    Tick::from_millis(number * STEP_MS)
}

/// A job that says who brought it.
fn job(who: u32, which: u32) -> Job {
    let branch = BranchIndex(u8::try_from(which).unwrap());
    Job::SendFailed { transaction: TransactionId(who), branch }
}

impl Crew {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            index: CallIndex::new((3, 4), 8),
            done: Plain::default(),
            inside: AtomicBool::new(false),
            closed: Plain::default(),
            numbers: Plain::default(),
            handed_over: Plain::default(),
            deadline: Plain::default(),
            now: AtomicU64::new(0),
        })
    }

    fn spawn<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let crew = Arc::clone(self);
        thread::spawn(move || work(&crew))
    }

    /// Does something as the only one; others get their chance to disturb.
    fn alone(&self, call: &Arc<Call>, act: impl FnOnce()) {
        assert!(!self.inside.swap(true, Relaxed), "two run the call");
        let closed = self.closed.lock().unwrap().iter().any(|other| Arc::ptr_eq(other, call));
        assert!(!closed, "a call runs after its end");
        thread::yield_now();
        act();
        self.inside.store(false, Relaxed);
    }

    fn carry_out(&self, call: &Arc<Call>, body: &mut Body, job: Job) {
        self.alone(call, || {
            let Job::SendFailed { transaction, branch } = job else { return };
            self.done.lock().unwrap().push((transaction.0, branch.0.into()));
            self.numbers.lock().unwrap().push(body.transactions.next_id().unwrap().0);
        });
    }

    /// What [`Worker::run`](crate::worker::Worker) does with a token: one job, what waits, and then
    /// the call ends or the token goes back. Here chance says which.
    fn turn(&self, call: &Arc<Call>, first: Option<Job>) {
        let mut body = call.body();
        let mut next = first;
        loop {
            while let Some(job) = next.take().or_else(|| call.next_job()) {
                self.carry_out(call, &mut body, job);
            }
            let ends = thread_rng().gen_bool(0.5);
            next = if ends { call.close() } else { call.release() };
            if next.is_none() {
                if ends {
                    self.closed.lock().unwrap().push(Arc::clone(call));
                    self.index.remove(call, &mut body);
                }
                return;
            }
        }
    }

    /// A receiver: what comes first runs on the spot.
    fn receive(&self, who: u32, which: u32) {
        match self.index.enter(CALL_ID, true, || job(who, which)) {
            Entered::Run(call) => self.turn(&call, Some(job(who, which))),
            Entered::Queued => {}
            other => panic!("{other:?}"),
        }
    }

    /// Management: its thread owns no worker, so the call is handed over with its token.
    fn command(&self, who: u32, which: u32) {
        match self.index.enter_own(CALL_ID, || job(who, which)) {
            Entered::Run(call) => {
                call.queue(job(who, which));
                self.handed_over.lock().unwrap().push(call);
            }
            Entered::Queued => {}
            other => panic!("{other:?}"),
        }
    }

    /// A helper: runs what was handed over.
    fn help(&self) {
        loop {
            let Some(call) = self.handed_over.lock().unwrap().pop() else { return };
            self.turn(&call, None);
        }
    }

    /// Who failed to send reports to the call that he has in hand, alive or not.
    fn report(&self, call: &Call, who: u32, which: u32) -> bool {
        match call.post(job(who, which)) {
            Offer::Run => {
                let call = self.index.find(CALL_ID).expect("a call that took a job is alive");
                self.handed_over.lock().unwrap().push(call);
                true
            }
            Offer::Queued(_) => true,
            Offer::Closed => false,
            Offer::Overflow => panic!("so few jobs overflow nothing"),
        }
    }
}

/// "One call, one order": no job is lost or done twice, nobody else is inside meanwhile, a closed
/// call is never run again, each bringer's jobs keep their order, and (RFC 3261 §8.1.1.7) no
/// number of a transaction comes twice.
#[test]
fn jobs_run_once_each_one_at_a_time_and_in_order() {
    explore(|| {
        let crew = Crew::new();
        let threads = [
            crew.spawn(|crew| (0..3).for_each(|which| crew.receive(0, which))),
            crew.spawn(|crew| (0..3).for_each(|which| crew.receive(1, which))),
            crew.spawn(|crew| {
                crew.command(2, 0);
                crew.help();
                crew.command(2, 1);
                crew.help();
            }),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        crew.help();
        let done = crew.done.lock().unwrap().clone();
        let brought_by = |who| done.iter().filter(move |job| job.0 == who).map(|job| job.1);
        assert!(brought_by(0).eq(0..3) && brought_by(1).eq(0..3), "{done:?}");
        assert!(brought_by(2).eq(0..2), "{done:?}");
        let mut numbers = crew.numbers.lock().unwrap().clone();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), done.len(), "a transaction's number came again");
        let alive = usize::from(crew.index.find(CALL_ID).is_some());
        assert_eq!(crew.index.len(), alive, "the index lost count");
    });
}

/// A send that failed is told to its call or, if that has ended, to nobody: it is never taken and
/// then forgotten.
#[test]
fn what_a_call_took_is_done() {
    explore(|| {
        let crew = Crew::new();
        let Entered::Run(call) = crew.index.enter(CALL_ID, true, || Job::Wake) else { panic!() };
        let reporters = [1, 2].map(|who| {
            let call = Arc::clone(&call);
            crew.spawn(move |crew| (0..2).filter(|&n| crew.report(&call, who, n)).count())
        });
        let runner = crew.spawn(move |crew| crew.turn(&call, Some(job(0, 0))));
        let taken: usize = reporters.into_iter().map(|thread| thread.join().unwrap()).sum();
        runner.join().unwrap();
        crew.help();
        assert_eq!(crew.done.lock().unwrap().len(), 1 + taken);
    });
}

impl Crew {
    /// A turn like [`turn`](Self::turn) that begins with `first`; the call ends when it has no
    /// deadline any more.
    fn timed_turn(&self, call: &Arc<Call>, first: impl FnOnce(&mut Body)) {
        let mut body = call.body();
        self.alone(call, || first(&mut body));
        loop {
            while let Some(job) = call.next_job() {
                assert!(matches!(job, Job::Wake));
                self.alone(call, || self.wake(&mut body));
            }
            let deadline = *self.deadline.lock().unwrap();
            let late = match deadline {
                Some(at) => {
                    self.index.arm(call, &mut body.timer, at);
                    call.release()
                }
                None => call.close(),
            };
            match (late, deadline) {
                (Some(_), _) => self.alone(call, || self.wake(&mut body)),
                (None, Some(_)) => return,
                (None, None) => return self.index.remove(call, &mut body),
            }
        }
    }

    fn wake(&self, body: &mut Body) {
        body.timer_fired();
        let now = Tick::from_millis(self.now.load(Relaxed));
        let mut deadline = self.deadline.lock().unwrap();
        *deadline = deadline.filter(|&at| at > now);
    }

    /// The timer thread looks once.
    fn look(&self, now: Tick) {
        self.now.store(now.as_millis(), Relaxed);
        let mut due = Vec::new();
        self.index.expire(now, &mut due);
        for call in due {
            if let Offer::Run = call.offer_own(|| Job::Wake) {
                self.timed_turn(&call, |body| self.wake(body));
            }
        }
    }
}

/// The index owns one timer per call, which stands at or before the call's deadline: while a call
/// lives, somebody will wake it, however its turns and the timer thread overlap.
#[test]
fn a_call_that_waits_is_woken() {
    explore(|| {
        let crew = Crew::new();
        let messages = crew.spawn(|crew| {
            for at in [4, 9, 2].map(step) {
                if let Entered::Run(call) = crew.index.enter(CALL_ID, true, || Job::Wake) {
                    crew.timed_turn(&call, |_| *crew.deadline.lock().unwrap() = Some(at));
                }
            }
        });
        let timer = crew.spawn(|crew| (1..6).for_each(|now| crew.look(step(now))));
        messages.join().unwrap();
        timer.join().unwrap();
        for _ in 0..8 {
            if crew.index.is_empty() {
                break;
            }
            let due = crew.index.next_due().expect("a call waits and nobody will wake it");
            let deadline = crew.deadline.lock().unwrap().expect("a call without a deadline ends");
            // a deadline that has passed already is for the next look
            let next_look = Tick::from_millis(crew.now.load(Relaxed) + STEP_MS);
            assert!(due <= deadline.max(next_look), "woken late: {due:?} for {deadline:?}");
            crew.look(due);
        }
        assert!(crew.index.is_empty(), "a call is left");
        assert_eq!(crew.index.next_due(), None, "a timer is left");
    });
}
