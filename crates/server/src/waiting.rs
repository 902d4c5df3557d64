//! Functions that take their time (spec/script.md §12): what one answers when it begins, and how it
//! tells its end.
//!
//! The worker goes on to other calls meanwhile; the script's run waits with its call (`parked`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use duologue_script::Args;
use duologue_sip::Tick;

use crate::call::{Call, Job, Offer};
use crate::context::Context;
use crate::runqueue::RunQueue;

/// How long a run may wait at most. A function that asks for more fails; one that nobody told to end
/// by then ends with [`TIMED_OUT`].
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The code of a function that did not end in time.
pub const TIMED_OUT: i32 = -2;

/// What an asynchronous function answers when it begins.
#[derive(Debug)]
pub enum Begun {
    /// It is over already, with this code.
    Done(i32),
    /// It waits.
    Waits(Pending),
}

/// The wait of a function that has begun.
#[derive(Debug)]
pub struct Pending {
    pub(crate) run: RunId,
    pub(crate) deadline: Tick,
    pub(crate) code: i32,
}

impl Pending {
    /// A function that is over after a time, with this code; `None` beyond [`WAIT_MAX`].
    pub fn after(ctx: &Context<'_>, time: Duration, code: i32) -> Option<Self> {
        let deadline = ctx.turn.now.tick + time;
        (time <= WAIT_MAX).then(|| Self { run: ctx.turn.node.parking.number(), deadline, code })
    }

    /// A function that is over when the [`Completion`] says so, from whatever thread.
    pub fn until_told(ctx: &Context<'_>) -> (Self, Completion) {
        let (node, run) = (ctx.turn.node, ctx.turn.node.parking.number());
        let (call, queue) = (Arc::clone(ctx.turn.call), Arc::clone(&node.queue));
        let deadline = ctx.turn.now.tick + WAIT_MAX;
        let pending = Self { run, deadline, code: TIMED_OUT };
        (pending, Completion { run, call, queue, told: false })
    }

    /// The same, but not for longer than a time.
    #[must_use]
    pub fn at_most(self, ctx: &Context<'_>, time: Duration) -> Self {
        let limit = ctx.turn.now.tick + time;
        if limit < self.deadline {
            return Self { deadline: limit, code: TIMED_OUT, ..self };
        }
        self
    }
}

/// A run that waits, numbered once and for all within its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(pub(crate) u64);

/// Tells the end of a function that waits. It may come from any thread and at any time: if nobody
/// waits any more (a time-out, the end of the call) it does nothing. One that is dropped says that
/// the function failed (−1).
#[derive(Debug)]
pub struct Completion {
    run: RunId,
    call: Arc<Call>,
    queue: Arc<RunQueue>,
    told: bool,
}

impl Completion {
    /// The function is over with this code.
    pub fn done(mut self, code: i32) {
        self.tell(Finish::Code(code));
    }

    /// The function is over: `finish` runs in the turn of the call, fills the output variables and
    /// gives the code. What was launched has no output variables: it gets `None`.
    pub fn finish(
        mut self,
        finish: impl FnOnce(&mut Context<'_>, Option<&mut Args<'_>>) -> i32 + Send + 'static,
    ) {
        self.tell(Finish::With(Box::new(finish)));
    }

    fn tell(&mut self, finish: Finish) {
        self.told = true;
        let job = Job::Resume { run: self.run, finish };
        if let Offer::Run = self.call.post_own(job) {
            self.queue.push(Arc::clone(&self.call));
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Finish::Code(-1));
        }
    }
}

/// What is left to do when a function is over.
pub enum Finish {
    /// Nothing: this is its code.
    Code(i32),
    /// This, which gives the code.
    With(Last),
}

/// The last step of a function, in the turn of its call.
pub type Last = Box<dyn FnOnce(&mut Context<'_>, Option<&mut Args<'_>>) -> i32 + Send>;

impl fmt::Debug for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => f.debug_tuple("Code").field(code).finish(),
            Self::With(_) => f.write_str("With(..)"),
        }
    }
}
