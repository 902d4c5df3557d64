//! What a seed means: the settings of the proxy, the weather, and the calls with their people.

use std::fmt;
use std::time::Duration;

use duologue_testkit::{Random, Weather};

/// Everything that is decided before anything happens.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Vec<(&'static str, &'static str, Value)>,
    pub(crate) weather: Weather,
    pub(crate) calls: Vec<CallPlan>,
    /// How many callbacks of 1000 do something at all, and how many panic.
    pub(crate) meddling: u16,
    pub(crate) panics: u16,
}

/// The value of a module's parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Number(u64),
    Text(&'static str),
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct CallPlan {
    /// Its number; its people are called `alice3`, `bob3`, `carol3`.
    pub(crate) number: u32,
    pub(crate) starts: Duration,
    pub(crate) shape: Shape,
    /// What `create_dialog()` is given.
    pub(crate) flags: String,
    pub(crate) manners: CallManners,
    /// How many things people do in it, and how long they think in between.
    pub(crate) verbs: u64,
    pub(crate) thinks: Duration,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// To bob.
    Plain,
    /// To bob and carol at once.
    Parallel,
    /// To bob, and when he refuses, to carol.
    Serial,
}

/// How the people of a call behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallManners {
    /// The callees' 1xx ask for PRACK, the caller sends it.
    pub(crate) reliable: bool,
    pub(crate) keeps_one_answer: bool,
    pub(crate) hesitates: bool,
    pub(crate) ignores_cancels: bool,
    pub(crate) challenges: Option<&'static str>,
    pub(crate) has_password: bool,
    pub(crate) withholds_acks: bool,
}

/// Flags of `create_dialog()`, in both spellings (spec/dialog.md §6.1).
const FLAGS: [&str; 12] = [
    "",
    "",
    "B",
    "E",
    "BE",
    "P",
    "p",
    "PpB",
    "Rr",
    "PpRrBE",
    "auto-prack, bye-on-timeout",
    "options-ping-callee,reinvite-ping-caller,end-on-race-condition",
];

/// Whether the proxy pings and sends PRACKs: then its settings are drawn too.
pub(crate) const PINGS: bool = true;

impl Plan {
    /// The plan of a seed, with this many calls.
    pub(crate) fn draw(chance: &mut Random, calls: u32) -> Self {
        let settings = settings(chance);
        let weather = weather(chance);
        Self {
            settings,
            weather,
            calls: (0..calls).map(|number| CallPlan::draw(chance, number)).collect(),
            meddling: pick(chance, &[0, 50, 300]),
            panics: pick(chance, &[0, 20, 150]),
        }
    }
}

impl CallPlan {
    fn draw(chance: &mut Random, number: u32) -> Self {
        let mut often = |per_mille| chance.chance(per_mille);
        let manners = CallManners {
            reliable: often(250),
            keeps_one_answer: often(500),
            hesitates: often(200),
            ignores_cancels: often(150),
            has_password: often(800),
            withholds_acks: often(50),
            challenges: None,
        };
        let challenges = chance
            .chance(250)
            .then(|| pick(chance, &["INVITE", "INVITE", "BYE", "INFO", "UPDATE"]));
        Self {
            number,
            starts: Duration::from_millis(chance.below(8_000)),
            shape: pick(chance, &[Shape::Plain, Shape::Plain, Shape::Parallel, Shape::Serial]),
            flags: pick(chance, &FLAGS).to_owned(),
            manners: CallManners { challenges, ..manners },
            verbs: 4 + chance.below(16),
            thinks: Duration::from_millis(pick(chance, &[200, 1_500, 1_500, 6_000, 20_000])),
        }
    }
}

fn settings(chance: &mut Random) -> Vec<(&'static str, &'static str, Value)> {
    let mut settings = Vec::new();
    let mut draw = |module, name, values: &[u64]| {
        let value = pick(chance, values);
        if value != DEFAULT {
            settings.push((module, name, Value::Number(value)));
        }
        value
    };
    draw("dialog", "dlg_match_mode", &[0, 1, 1, 2]);
    draw("dialog", "default_timeout", &[5, 30, 90, 90, 300]);
    draw("dialog", "delete_delay", &[DEFAULT, DEFAULT, 1, 7]);
    draw("dialog", "early_timeout", &[DEFAULT, DEFAULT, DEFAULT, 5, 30]);
    draw("dialog", "noack_timeout", &[DEFAULT, DEFAULT, 0, 3]);
    draw("dialog", "race_condition_timeout", &[DEFAULT, 1]);
    // RFC 3261 Timer J: with the usual 5 s, a request that is repeated later passes for a new one,
    // and the people would rightly complain of two requests with one number.
    draw("tm", "wt_timer", &[32]);
    // Also Timer H: with less, the late ACK of a refusal passes for one of a 2xx.
    draw("tm", "fr_timeout", &[DEFAULT, 12, 20]);
    draw("tm", "fr_inv_timeout", &[DEFAULT, 10, 40]);
    if PINGS {
        draw("dialog", "options_ping_interval", &[4, 15, 40]);
        draw("dialog", "reinvite_ping_interval", &[7, 25, 60]);
        draw("dialog", "ping_failures_max", &[DEFAULT, 1, 3]);
        draw("dialog", "auto_prack_fr_timeout", &[DEFAULT, 1, 8]);
        draw("dialog", "auto_prack_hangup_on_failure", &[DEFAULT, 1]);
    }
    if chance.chance(300) {
        settings.push(("dialog", "noack_action", Value::Text("bye")));
    }
    settings
}

/// The module's own default is left alone.
const DEFAULT: u64 = u64::MAX;

fn weather(chance: &mut Random) -> Weather {
    let latency = Duration::from_millis(pick(chance, &[1, 5, 40, 150]));
    let jitter = Duration::from_millis(pick(chance, &[0, 0, 20, 120]));
    let mut often = |values: &[u16]| pick(chance, values);
    Weather {
        latency,
        jitter,
        loss: often(&[0, 0, 20, 100, 250]),
        duplication: often(&[0, 0, 30, 150]),
        reordering: often(&[0, 0, 30, 150]),
    }
}

/// One of these.
pub(crate) fn pick<T: Copy>(chance: &mut Random, of: &[T]) -> T {
    of[chance.below(of.len() as u64) as usize]
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.weather)?;
        for (module, name, value) in &self.settings {
            writeln!(f, "{module} {name} {value}")?;
        }
        write!(f, "callbacks: {} of 1000 do something, {} panic", self.meddling, self.panics)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

impl fmt::Display for CallPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, shape, flags, manners, .. } = self;
        write!(f, "call {number}: {shape:?}, create_dialog(\"{flags}\"), {manners:?}")
    }
}
