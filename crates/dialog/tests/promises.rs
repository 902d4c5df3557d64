//! The crate's promises under random lives: loss, duplication and reordering of everything that
//! can happen to a call, from a seed.

mod support;

use duologue_dialog::*;
use support::{World, reply};

/// Numbers from a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

const TAGS: [&str; 3] = ["b1", "b2", "b3"];

/// One random thing happens to a dialog.
fn happen(world: &mut World, dice: &mut Dice, dialog: &Dialog) {
    let branch = 1 + dice.roll(2) as u16;
    let tag = TAGS[dice.roll(3) as usize];
    let (from, to) = if dice.roll(2) == 0 { ("a", tag) } else { (tag, "a") };
    let cseq = dice.roll(20) as u32;
    match dice.roll(15) {
        0 | 1 => world.reply_with(dialog, &reply(branch, 180, tag)),
        2 | 3 => world.reply_with(dialog, &reply(branch, 200, tag)),
        4 if dice.roll(4) == 0 => world.reply_with(dialog, &reply(branch, 486, tag)),
        5 | 6 => drop(world.request(dialog, DialogMethod::Ack, cseq, from, to)),
        7 if dice.roll(2) == 0 => drop(world.request(dialog, DialogMethod::Bye, cseq, from, to)),
        8 => drop(world.request(dialog, DialogMethod::Invite, cseq, from, to)),
        9 => drop(world.request(dialog, DialogMethod::Prack, cseq, from, to)),
        10 => world.branch(dialog, branch),
        11 if dice.roll(3) == 0 => world.cancelled(dialog),
        12 if dice.roll(4) == 0 => drop(dialog.terminate(EndReason::MI_TERMINATION)),
        13 => drop(dialog.set_timeout(world.now, 20 + cseq)),
        14 => {
            let Ok(EndPlan::Byes(byes)) =
                world.dialogs.begin_end(world.now, dialog.key(), Byes::Both)
            else {
                return;
            };
            let outcomes = [Outcome::Reply(200), Outcome::Reply(481), Outcome::TimedOut];
            for bye in byes.iter().filter(|bye| bye.link.purpose == Purpose::Bye) {
                if dice.roll(2) == 0 {
                    world.settled(bye, outcomes[dice.roll(3) as usize]);
                }
            }
        }
        _ => world.sent(dialog, [183, 200, 408][dice.roll(3) as usize]),
    }
}

/// Promises 1 and 3, read from what one dialog's callbacks saw.
fn check(lines: &[String], seed: u64) {
    let at = |name: &str| lines.iter().position(|line| line.starts_with(name));
    let count = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
    let ends = count("FAILED") + count("TERMINATED") + count("EXPIRED");
    assert_eq!(ends, 1, "seed {seed}: one end in {lines:#?}");
    assert_eq!(count("DESTROY"), 1, "seed {seed}: {lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("DESTROY"), "seed {seed}: {lines:#?}");
    assert!(count("EARLY") <= 1 && count("CONFIRMED") <= 1, "seed {seed}");
    if let (Some(early), Some(confirmed)) = (at("EARLY"), at("CONFIRMED")) {
        assert!(early < confirmed, "seed {seed}: EARLY after CONFIRMED");
    }
    assert_eq!(at("FAILED").is_some(), at("CONFIRMED").is_none(), "seed {seed}: {lines:#?}");
}

/// A module that misbehaves now and then: registers, ends the call, panics.
fn misbehave(dialogs: &Dialogs, seed: u64) {
    dialogs.on_created(move |event| {
        let mut dice = Dice(seed.wrapping_add(u64::from(event.dialog().id().id)) | 1);
        let _ = event.dialog().on(DialogEvents::all(), move |event| match dice.roll(8) {
            0 => std::panic::resume_unwind(Box::new("of a module")),
            1 => drop(event.dialog().on(DialogEvents::all(), |_| {})),
            2 => drop(event.dialog().terminate(EndReason::new("a whim"))),
            3 => drop(event.dialog().store_value("n", 1)),
            _ => {}
        });
    });
}

#[test]
fn random_lives_end_exactly_once() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 1..=3000 {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut world = World::with(Settings {
            default_timeout: 60,
            noack_action: if seed % 2 == 0 { NoAckAction::Bye } else { NoAckAction::Log },
            early_timeout: (seed % 3 == 0).then_some(40),
            delete_delay: (seed % 5) as u32,
            ..Settings::default()
        });
        if dice.roll(2) == 0 {
            misbehave(&world.dialogs, seed);
        }
        let flags = DialogFlags::from_bits_truncate(dice.roll(1 << 21) as u32);
        let dialog = world.create("call", "a", flags);
        world.lose_jobs = dice.roll(2) == 0;
        for _ in 0..dice.roll(40) {
            happen(&mut world, &mut dice, &dialog);
            if dice.roll(4) == 0 {
                world.pass(dice.roll(15));
            }
            world.dialogs.audit().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        }
        // the transaction always ends, and sooner or later so does everything else
        world.transaction_ended(&dialog);
        world.pass(300);
        let lines: Vec<_> = world
            .seen()
            .into_iter()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
            .collect();
        check(&lines, seed);
        kinds.extend(lines.iter().filter_map(|line| line.split(' ').next().map(str::to_owned)));
        let left = world.dialogs.statistics();
        let gauges = (left.active_dialogs, left.early_dialogs, left.dialogs_lingering);
        assert_eq!(gauges, (0, 0, 0), "seed {seed}");
        assert_eq!((world.dialogs.len(), left.dialogs_tombstones), (0, 0), "seed {seed}");
        assert_eq!(world.dialogs.next_wake(), None, "seed {seed}: no deadline is left");
    }
    for kind in ["CREATED", "EARLY", "CONFIRMED", "FAILED", "TERMINATED", "EXPIRED", "DESTROY"] {
        assert!(kinds.contains(kind), "the dice never led to {kind}");
    }
}

/// Promise 4 and the listing: many dialogs, a cursor in slices, then nothing.
#[test]
fn many_dialogs_are_listed_in_slices_and_leave_nothing() {
    let mut world = World::new();
    let all: Vec<_> = (0..2000).map(|n| world.answered(&format!("call-{n}"))).collect();
    let (mut cursor, mut listed) = (Some(Cursor::default()), Vec::new());
    while let Some(at) = cursor {
        let before = listed.len();
        cursor = world.dialogs.list(at, 37, &mut listed);
        assert!(listed.len() - before <= 37);
    }
    assert_eq!(listed.len(), 2000);
    let mut ids: Vec<_> = listed.iter().map(|snapshot| snapshot.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2000);
    for dialog in &all {
        world.request(dialog, DialogMethod::Bye, 11, "a", "b");
    }
    world.pass(40);
    assert!(world.dialogs.is_empty());
    world.dialogs.audit().unwrap();
}

/// The budget: at most 800 bytes per answered call with the texts of a SIPp call.
#[test]
fn a_confirmed_dialog_fits_its_budget() {
    const CALLS: usize = 20_000;
    let world = World::new();
    let dialogs = Dialogs::new(Settings::default(), 1);
    let empty = dialogs.memory();
    let mut steps = Steps::new();
    for number in 0..CALLS {
        let (call_id, tag) =
            (format!("{number}-12345@127.0.0.1"), format!("12345SIPpTag00{number}"));
        let facts = support::invite(&call_id, &tag);
        let dialog = dialogs.create(world.now, &facts, DialogFlags::empty(), &mut steps).unwrap();
        dialogs.branch_sent(dialog.key(), 1, 10, &mut steps).unwrap();
        let to_tag = format!("12346SIPpTag01{number}");
        dialogs.reply_forwarded(dialog.key(), &reply(1, 200, &to_tag), &mut steps).unwrap();
        dialogs.reply_about_to_be_sent(world.now, dialog.key(), 200, &mut steps).unwrap();
        steps.clear();
    }
    let each = (dialogs.memory() - empty) / CALLS;
    println!("{each} bytes per dialog");
    assert!(each <= 800, "{each} bytes per dialog");
}
