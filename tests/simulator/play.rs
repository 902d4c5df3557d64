//! One seed from its first call to the silence after the last.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use duologue_testkit::{Random, World};

use crate::checks::Checks;
use crate::faults::Faults;
use crate::lives::Lives;
use crate::meddling::Meddler;
use crate::people::Call;
use crate::plan::Plan;
use crate::script::script;
use crate::wire::{Log, Watched};
use crate::world::{Proxy, TRACE_FORGOTTEN};

/// The longest that a call may take to end after its people are through: lifetimes, ringing and
/// pings are all far shorter.
const PATIENCE: Duration = Duration::from_secs(3_000);

/// How long after the last dialog the last transactions may live: people repeat a request for 32 s
/// (RFC 3261 Timer F), it is waited for as long, and then for repetitions (`wt_timer`).
const CALLS_FORGOTTEN: Duration = Duration::from_secs(100);

/// What was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) calls: u64,
    pub(crate) dialogs: usize,
    pub(crate) messages: usize,
    pub(crate) told: Vec<String>,
}

/// A seed that does not hold, told to a person.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) String);

/// Plays a seed.
pub(crate) fn play(seed: u64, calls: u32) -> Result<Played, Failure> {
    let mut chance = Random::seeded(seed);
    let plan = Plan::draw(&mut chance, calls);
    let world = World::seeded(seed);
    let mut stage = Stage::set(&world, &plan, seed);
    // The world is ours too, so that it does not print all of its ladder when the stage falls.
    let played = catch_unwind(AssertUnwindSafe(|| stage.play(&mut chance)));
    if let Err(panic) = played {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
        stage.checks.faults.add(format!("a panic: {}", what.unwrap_or_default()));
    }
    if stage.checks.faults.is_empty() {
        Ok(stage.played())
    } else {
        Err(stage.failure(&plan, seed))
    }
}

/// A world with everybody in it.
struct Stage {
    world: World,
    calls: Vec<Call>,
    checks: Checks,
}

impl Stage {
    fn set(world: &World, plan: &Plan, seed: u64) -> Self {
        let faults = Faults::default();
        let log = Log::new(faults.clone());
        let proxy = Proxy::new(&script(plan));
        let dialogs = proxy.node.dialogs.clone();
        let proxy = world.serve(Watched { proxy, log: log.clone() });
        world.weather(plan.weather);
        let calls = plan.calls.iter().map(|call| Call::seat(world, call)).collect();
        let lives = Lives::new(log.clone(), faults.clone());
        let watching = (lives.clone(), log, faults.clone());
        let meddler = Meddler::load(&dialogs, plan, seed, watching);
        lives.listen(&dialogs);
        let checks = Checks::new(world, &proxy, (lives, meddler, faults));
        Self { world: world.clone(), calls, checks }
    }

    fn play(&mut self, chance: &mut Random) {
        while let Some(at) = self.next() {
            if !self.run_for(
                self.calls[at].due.map_or(Duration::ZERO, |due| due.since(self.world.now())),
            ) {
                return;
            }
            let forgotten = self.checks.lives.is_forgotten(&self.calls[at].cast[0].call_id());
            self.calls[at].act(chance, self.world.now(), forgotten);
            if chance.chance(60) {
                let dialogs = self.checks.proxy.borrow().proxy.node.dialogs.clone();
                self.checks.meddler.outside(&dialogs);
            }
        }
        self.wind_down();
    }

    /// Lets time pass, and looks after each step; false if something is wrong.
    fn run_for(&mut self, span: Duration) -> bool {
        let end = self.world.now() + span;
        let checks = &mut self.checks;
        if self.world.run_until(span, || !checks.step()) {
            return false;
        }
        self.world.run_for(end.since(self.world.now()));
        true
    }

    /// Everything comes to its end, and nothing is left (promise 4).
    fn wind_down(&mut self) {
        let lives = self.checks.lives.clone();
        let checks = &mut self.checks;
        let over = self.world.run_until(PATIENCE, || !checks.step() || lives.living().is_empty());
        if !over {
            let living = lives.living();
            return self.checks.faults.add(format!("after {PATIENCE:?} there are {living:?}"));
        }
        if !self.run_for(CALLS_FORGOTTEN) {
            return;
        }
        self.checks.proxy.borrow().proxy.assert_call_forgotten();
        if self.run_for(TRACE_FORGOTTEN) {
            self.checks.proxy.borrow().proxy.assert_asleep();
            self.checks.all();
        }
    }

    /// The call whose people act next.
    fn next(&self) -> Option<usize> {
        let due = self.calls.iter().enumerate().filter_map(|(at, call)| Some((call.due?, at)));
        due.min().map(|(_, at)| at)
    }

    fn played(&self) -> Played {
        Played {
            calls: self.calls.len() as u64,
            dialogs: self.checks.lives.count(),
            messages: self.world.sent(&duologue_testkit::Packets::any()),
            told: self.calls.iter().flat_map(|call| self.told(call)).collect(),
        }
    }

    fn told(&self, call: &Call) -> Vec<String> {
        self.checks.lives.told(&call.cast[0].call_id())
    }

    /// The seed, the plan, what was found, and the ladder of the calls that it names.
    fn failure(&self, plan: &Plan, seed: u64) -> Failure {
        let faults = self.checks.faults.all();
        let calls = self.calls.len();
        let mut text = format!("seed {seed} with {calls} calls does not hold\n{plan}\n");
        for fault in faults.iter().take(10) {
            let _ = writeln!(text, "- {fault}");
        }
        let named = self.calls.iter().filter(|call| faults.iter().any(|fault| names(call, fault)));
        for call in named.take(2) {
            let _ = writeln!(text, "\n{}", call.plan);
            self.told(call).iter().for_each(|life| {
                let _ = writeln!(text, "{life}");
            });
            text.push_str(&self.world.trace_of(&call.cast));
        }
        let _ = write!(text, "\nreplay: cargo xtask sim --from {seed} --seeds 1 --calls {calls}");
        Failure(text)
    }
}

/// Whether a fault speaks of somebody in the call, by name or within a Call-ID or a tag.
fn names(call: &Call, fault: &str) -> bool {
    call.cast.iter().any(|agent| {
        let name = agent.name();
        fault.match_indices(&name).any(|(at, _)| {
            let next = fault[at + name.len()..].chars().next();
            !next.is_some_and(|next| next.is_ascii_digit())
        })
    })
}
