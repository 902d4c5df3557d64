//! A call: one owned value and a bounded queue of jobs.
//!
//! It lives as long as it has transactions or runs that wait. Its dialogs outlive it in their table, which keeps an idle
//! dialog small; the next message with the Call-ID makes the call again.
//!
//! Whoever holds the token runs the call; everybody else queues what it brings. So the messages,
//! timers and commands of a call are handled one at a time and in order, while different calls run
//! in parallel on all workers — and no code in this crate has to wonder whether a 200 and a CANCEL
//! are being handled at the same moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use duologue_dialog::{Byes, DialogKey, SavedKind};
use duologue_sip::Flow;
use duologue_transaction::{BranchIndex, TransactionId};

use crate::durable::HeldAnswers;
use crate::index::CallKey;
use crate::new_requests::NewRequest;
use crate::parked::ParkedRuns;
use crate::sync::{Mutex, MutexGuard};
use crate::tm::Transactions;
use crate::waiting::{Finish, RunId};
use crate::wheel::TimerKey;

/// How many jobs may wait for a call that is being run. A burst above it is dropped and counted;
/// peers retransmit.
pub const JOBS_MAX: usize = 64;

/// Something that has to happen on a call, in its turn.
#[derive(Debug)]
pub enum Job {
    /// A datagram arrived while somebody else was running the call.
    Datagram {
        /// The bytes, copied once into a buffer of their size.
        bytes: Box<[u8]>,
        /// Where it came from.
        flow: Flow,
    },
    /// The call's deadline has come.
    Wake,
    /// The deadline of a dialog has come.
    DialogDeadline(DialogKey),
    /// Somebody asked for the end of a dialog (API, management, the engine itself).
    EndDialog(DialogKey, Ending),
    /// A module asked for requests to be sent within a dialog.
    SendWithin(DialogKey),
    /// A dialog is about to be written: who has values for it stores them now.
    WriteValues(DialogKey),
    /// The row of a dialog was written or removed.
    Saved(DialogKey, SavedKind),
    /// The row is there that the answer of a dialog waits for.
    Committed(DialogKey),
    /// An event waits for the event route of this number.
    EventRoute(u32),
    /// A send failed after the fact: the branch that used it fails.
    SendFailed {
        /// Which transaction of the call.
        transaction: TransactionId,
        /// Which of its branches.
        branch: BranchIndex,
    },
    /// A request of our own is to leave, the first of this call.
    NewRequest(Box<NewRequest>),
    /// A request of our own with this CSeq is to be given up; whether there is one.
    CancelOwn(u32, Sender<bool>),
    /// A request of this call is to be answered, wherever it is.
    Reply(Box<ReplyTo>),
    /// A function that a script waits for is over.
    Resume {
        /// The run that waits.
        run: RunId,
        /// What is left to do, and its code.
        finish: Finish,
    },
}

/// A reply to a request of a call, whoever processes it (`t_reply_by_callid()`).
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// Which request; the oldest unanswered one of those that fit.
    pub which: Which,
    /// The status.
    pub status: u16,
    /// The phrase.
    pub reason: Vec<u8>,
    /// Further header lines, each with its CRLF.
    pub lines: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// The To-tag; our own without one.
    pub to_tag: Vec<u8>,
    /// Who wants to know whether there was such a request.
    pub done: Option<Sender<bool>>,
}

/// A request of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// With this CSeq number.
    CSeq(u32),
    /// Of this transaction.
    Transaction(TransactionId),
}

/// How a dialog is to be ended from the middle.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Header lines for the BYEs, each with its CRLF.
    pub extra_headers: Box<[u8]>,
    /// Who gets one.
    pub byes: Byes,
}

/// Whose packet could not leave.
#[derive(Clone, Debug)]
pub struct SendTag {
    /// The call.
    pub call: Arc<Call>,
    /// Its transaction.
    pub transaction: TransactionId,
    /// The branch.
    pub branch: BranchIndex,
}

/// One call: its identity, its inbox and its body.
#[derive(Debug)]
pub struct Call {
    key: CallKey,
    inbox: Mutex<Inbox>,
    body: Mutex<Body>,
}

/// What a call owns. Only the holder of the token sees it.
#[derive(Debug, Default)]
pub struct Body {
    /// Its transactions, with all that the script attached to them.
    pub transactions: Transactions,
    /// The armed timer, if any: at most one per call.
    pub timer: Option<Armed>,
    /// Runs of scripts that wait.
    pub parked: ParkedRuns,
    /// Answers that wait for their dialog to be stored.
    pub held: HeldAnswers,
}

/// The call's one timer in the wheel.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// Its entry in the wheel.
    pub key: TimerKey,
    /// When it fires; never later than the call's next deadline.
    pub at: duologue_sip::Tick,
}

#[derive(Debug, Default)]
struct Inbox {
    running: bool,
    closed: bool,
    jobs: VecDeque<Job>,
}

/// What came of offering a job to a call.
#[derive(Debug)]
pub enum Offer {
    /// The caller now holds the token: run the job, then drain the rest.
    Run,
    /// Somebody runs the call; the job waits its turn, and is the last of so many.
    Queued(usize),
    /// The call's queue is full; the job was dropped.
    Overflow,
    /// The call has just ended; look it up again.
    Closed,
}

impl Call {
    /// A call nobody runs yet, whose transactions are numbered from `first`.
    pub(crate) fn new(key: CallKey, first: TransactionId) -> Arc<Self> {
        let body = Body { transactions: Transactions::starting_at(first), ..Body::default() };
        Arc::new(Self { key, inbox: Mutex::default(), body: Mutex::new(body) })
    }

    /// The Call-ID under which the call is known.
    pub fn key(&self) -> &CallKey {
        &self.key
    }

    /// Takes the token if it is free, else queues what `job` makes. The closure runs only when a
    /// copy is needed, so a message of an idle call is handled from the receive buffer.
    pub(crate) fn offer(&self, job: impl FnOnce() -> Job) -> Offer {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            Offer::Closed
        } else if !inbox.running {
            inbox.running = true;
            Offer::Run
        } else if inbox.jobs.len() >= JOBS_MAX {
            Offer::Overflow
        } else {
            inbox.jobs.push_back(job());
            Offer::Queued(inbox.jobs.len())
        }
    }

    /// As [`offer`](Self::offer) for jobs of our own, which no flood can crowd out: a wake-up (there
    /// is one timer) and the end of a dialog (asked for once each).
    pub(crate) fn offer_own(&self, job: impl FnOnce() -> Job) -> Offer {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            Offer::Closed
        } else if !inbox.running {
            inbox.running = true;
            Offer::Run
        } else {
            inbox.jobs.push_back(job());
            Offer::Queued(inbox.jobs.len())
        }
    }

    /// Queues a job whether or not somebody runs the call. After [`Offer::Run`] the caller holds the
    /// token and must see to it that the queue is drained.
    pub(crate) fn post(&self, job: Job) -> Offer {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            return Offer::Closed;
        }
        if inbox.jobs.len() >= JOBS_MAX {
            return Offer::Overflow;
        }
        inbox.jobs.push_back(job);
        if inbox.running {
            Offer::Queued(inbox.jobs.len())
        } else {
            inbox.running = true;
            Offer::Run
        }
    }

    /// As [`post`](Self::post) for jobs of our own, which no flood can crowd out: the end of a
    /// function that a run waits for (told once each).
    pub(crate) fn post_own(&self, job: Job) -> Offer {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            return Offer::Closed;
        }
        inbox.jobs.push_back(job);
        let waiting = inbox.jobs.len();
        if std::mem::replace(&mut inbox.running, true) {
            Offer::Queued(waiting)
        } else {
            Offer::Run
        }
    }

    /// Whether every transaction has its final reply and no run waits; false while somebody runs
    /// the call.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |body: &Body| {
            let mut entries = body.transactions.iter();
            body.parked.is_empty() && entries.all(|entry| entry.transaction.is_closed())
        };
        self.body.try_lock().is_some_and(|body| settled(&body))
    }

    /// Queues the first job of a call whose token the caller holds.
    pub(crate) fn queue(&self, job: Job) {
        self.inbox.lock().jobs.push_back(job);
    }

    /// The body. Only the holder of the token calls this, so it never waits.
    pub(crate) fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock()
    }

    /// The next queued job, if any; the token stays with the caller.
    pub(crate) fn next_job(&self) -> Option<Job> {
        self.inbox.lock().jobs.pop_front()
    }

    /// Gives the token back, unless a job came in meanwhile: then the caller must run that first.
    pub(crate) fn release(&self) -> Option<Job> {
        let mut inbox = self.inbox.lock();
        let job = inbox.jobs.pop_front();
        if job.is_none() {
            inbox.running = false;
            if inbox.jobs.capacity() > 0 {
                inbox.jobs = VecDeque::new();
            }
        }
        job
    }

    /// Ends the call, unless a job came in meanwhile. After success nobody runs it again.
    pub(crate) fn close(&self) -> Option<Job> {
        let mut inbox = self.inbox.lock();
        let job = inbox.jobs.pop_front();
        if job.is_none() {
            inbox.closed = true;
        }
        job
    }
}

impl Body {
    /// The timer has fired, or somebody says so: the next deadline arms it anew, whatever stands.
    pub(crate) fn timer_fired(&mut self) {
        if let Some(armed) = &mut self.timer {
            armed.at = duologue_sip::Tick::from_millis(u64::MAX);
        }
    }

    /// Whether nothing is left that could need this call again.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.parked.is_empty() && self.held.is_empty()
    }

    /// When something has to happen by itself.
    pub(crate) fn next_wake(&self) -> Option<duologue_sip::Tick> {
        let wakes = [self.transactions.next_wake(), self.parked.next_wake(), self.held.next_wake()];
        wakes.into_iter().flatten().min()
    }
}
