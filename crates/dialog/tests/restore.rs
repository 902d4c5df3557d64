//! A dialog that comes back is the one that went (spec dialog.md §11.3, decisions D20 and D30).
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/stored.rs"]
mod stored;
mod support;

use duologue_dialog::*;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use stored::{CALL_ID, stored};
use support::{World, flow, sdp};

proptest! {
    // §11.3, decision D20: nothing is lost or changed on the way
    #[test]
    fn store_and_restore_is_the_identity(stored in stored()) {
        let world = World::new();
        let dialog = world.dialogs.restore(world.now, 77, &stored).unwrap();
        prop_assert_eq!(&dialog.stored(world.now).unwrap(), &stored);
        // decision D30: neither the size of the table nor its seed matter
        let settings = Settings { hash_size: 64, ..Settings::default() };
        let other = Dialogs::new(settings, 3);
        let dialog = other.restore(world.now, 77, &stored).unwrap();
        prop_assert_eq!(&dialog.stored(world.now).unwrap(), &stored);
        prop_assert_eq!(other.restore(world.now, 77, &stored).unwrap_err(), RestoreError::Known);
        prop_assert!(other.audit().is_ok());
        let links = stored.profiles.len();
        let counted: usize = other.profiles().iter().map(|profile| profile.size(None)).sum();
        prop_assert_eq!(counted, links, "decision D15: counted once");
    }
}

/// An answered call that pings both sides, as its store has it after a while.
fn kept(flags: DialogFlags) -> (World, Stored) {
    let mut world = World::new();
    let facts = InviteFacts { body: sdp("offer"), ..support::invite("call", "a") };
    let dialog = world.create_from(&facts, flags);
    world.branch(&dialog, 1);
    world.reply_with(&dialog, &ReplyFacts { body: sdp("answer"), ..support::reply(1, 200, "b") });
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.pass(60);
    while let Some(own) = world.sent.pop() {
        world.settled(&own, Outcome::Reply(200));
    }
    let stored = dialog.stored(world.now).unwrap();
    (world, stored)
}

/// The next process, some seconds later.
fn restarted(before: &World, stored: &Stored, after: u64) -> (World, Dialog) {
    let mut world = World::over(Dialogs::new(Settings::default(), 99));
    world.now = duologue_sip::Moment { unix: before.now.unix + after, ..world.now };
    let dialog = world.dialogs.restore(world.now, 77, stored).unwrap();
    world.dialogs.loaded(dialog.key());
    (world, dialog)
}

// §11.3, §6: it is matched by did and by its elements, numbered above what went before, pinged with
// the bodies that it knew, and ended by BYEs
#[test]
fn a_call_goes_on_after_a_restart() {
    let flags = DialogFlags::PING_CALLER | DialogFlags::REINVITE_PING_CALLEE;
    let (before, stored) = kept(flags);
    let (mut world, dialog) = restarted(&before, &stored, 5);
    let matched = world.matched(&dialog, "b", "a").unwrap();
    assert_eq!((matched.direction, matched.dst_leg), (Direction::Upstream, 0));
    let last = stored.legs[0].last_gen_cseq;
    assert!(last > 0, "it was pinged");
    let facts = RequestFacts::of(&matched, DialogMethod::Invite, 7, flow(5062));
    assert_eq!(world.feed(&matched, &facts).unwrap().cseq, Some(last + 1));
    world.dialogs.request_over(&Within { matched, method: DialogMethod::Invite, cseq: 7 });
    world.pass(300);
    let sent: Vec<_> = world.sent.drain(..).collect();
    sent.iter().for_each(|own| world.settled(own, Outcome::Reply(200)));
    let pings: Vec<_> = sent.iter().map(|own| (own.link.leg, own.cseq)).collect();
    assert!(pings.contains(&(0, last + 2)), "{pings:?}");
    assert!(pings.iter().any(|(leg, _)| *leg == 1), "{pings:?}");
    let byes = world.byes(&dialog);
    assert_eq!(byes.iter().map(|bye| bye.link.leg).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(byes[1].body, None);
    for bye in &byes {
        world.settled(bye, Outcome::Reply(200));
    }
    assert_eq!(dialog.state(), Err(Gone));
}

// §11.3: what expired while nobody was there ends at the first tick, with BYEs where it is made so
#[test]
fn what_expired_meanwhile_ends_at_once() {
    let (before, stored) = kept(DialogFlags::BYE_ON_TIMEOUT);
    let (mut world, dialog) = restarted(&before, &stored, 50_000);
    assert_eq!(world.dialogs.statistics().active_dialogs, 1);
    world.pass(1);
    assert_eq!(world.ends.len(), 1, "BYEs are to be sent");
    assert_eq!(dialog.end_reason().unwrap(), Some(EndReason::LIFETIME_TIMEOUT));
    let (mut world, dialog) =
        restarted(&before, &Stored { flags: DialogFlags::empty(), ..stored }, 50_000);
    world.pass(1);
    assert_eq!(dialog.state(), Err(Gone), "without them it goes");
}

// §3: LOADED is told once, to who registered before and to who comes later
#[test]
fn loaded_is_told() {
    let (before, stored) = kept(DialogFlags::empty());
    let world = World::new();
    let told = Arc::new(Mutex::new(0));
    let listen = |dialogs: &Dialogs| {
        let told = Arc::clone(&told);
        dialogs.on_loaded(move |_| *told.lock().unwrap() += 1);
    };
    listen(&world.dialogs);
    let dialog = world.dialogs.restore(before.now, 77, &stored).unwrap();
    world.dialogs.loaded(dialog.key());
    assert_eq!(*told.lock().unwrap(), 1);
    listen(&world.dialogs);
    assert_eq!(*told.lock().unwrap(), 2);
}

// lessons 10: a bad row is told apart, and harms nothing
#[test]
fn what_cannot_come_back_is_refused() {
    let (before, good) = kept(DialogFlags::empty());
    let dialogs = Dialogs::new(Settings { dialogs_max: 1, ..Settings::default() }, 5);
    let refused = |stored: &Stored| dialogs.restore(before.now, 77, stored).err();
    let bad = |change: &dyn Fn(&mut Stored)| {
        let mut stored = good.clone();
        change(&mut stored);
        refused(&stored)
    };
    assert_eq!(bad(&|it| it.state = State::Deleted), Some(RestoreError::NotAnswered));
    assert_eq!(bad(&|it| it.state = State::Early), Some(RestoreError::NotAnswered));
    assert_eq!(bad(&|it| it.legs.clear()), Some(RestoreError::NoIdentity));
    assert_eq!(bad(&|it| it.answered_leg = 9), Some(RestoreError::NoIdentity));
    assert_eq!(bad(&|it| it.call_id = Box::default()), Some(RestoreError::NoIdentity));
    assert_eq!(bad(&|it| it.id.entry += 1), Some(RestoreError::ForeignId));
    let long: Box<[u8]> = vec![b'x'; 20_000].into();
    assert_eq!(bad(&|it| it.legs[1].contact = long.clone()), Some(RestoreError::TooLong));
    let one = it_with_many_legs(&good);
    assert_eq!(refused(&one), Some(RestoreError::TooLong));
    assert_eq!(dialogs.statistics(), Statistics::default(), "nothing came in");
    assert_eq!(refused(&good), None);
    assert_eq!(bad(&|it| it.id.id += 1), Some(RestoreError::Full));
}

fn it_with_many_legs(good: &Stored) -> Stored {
    let legs = good.legs.iter().cycle().take(LEGS_MAX + 2).cloned().collect();
    Stored { legs, ..good.clone() }
}

// §11.3: new ids count on above those that came back
#[test]
fn new_ids_are_above_the_old_ones() {
    let (before, stored) = kept(DialogFlags::empty());
    let (mut world, old) = restarted(&before, &stored, 5);
    let new = world.call("call");
    assert_eq!(new.id().entry, old.id().entry);
    assert_ne!(new.id(), old.id());
    let order: Vec<_> = world.dialogs.all_by_callid(CALL_ID).iter().map(Dialog::id).collect();
    assert_eq!(order, [old.id(), new.id()], "creation order is kept");
}

/// Written down as it is, by who follows the table.
fn written(world: &World, dialog: &Dialog) -> Stored {
    let mut taken = Vec::new();
    (0..STALE_PARTS).for_each(|part| {
        world.dialogs.take_stale(world.now, part, 100, &mut taken);
    });
    dialog.stored(world.now).unwrap()
}

// §11.4: the same state: the later timeout, the higher numbers, values of the row, missing profiles
#[test]
fn a_row_that_somebody_else_changed_is_merged() {
    let (before, stored) = kept(DialogFlags::empty());
    let (world, dialog) = restarted(&before, &stored, 5);
    assert!(world.dialogs.follow(|| {}));
    dialog.store_value("mine", "1").unwrap();
    let row = written(&world, &dialog);
    let mut theirs = row.clone();
    theirs.timeout_ts += 100;
    theirs.legs[0].last_gen_cseq += 7;
    theirs.legs[1].cseq -= 1;
    theirs.values.set(b"mine", "2".into()).unwrap();
    theirs.values.set(b"theirs", "3".into()).unwrap();
    let link = ProfileLink {
        name: "caller".into(),
        kind: ProfileKind::Value,
        sharing: Sharing::Local,
        value: b"alice"[..].into(),
    };
    theirs.profiles.push(link.clone());
    assert!(world.dialogs.merge(world.now, &theirs));
    let now = dialog.stored(world.now).unwrap();
    assert_eq!(now.timeout_ts, row.timeout_ts + 100);
    assert_eq!(dialog.timeout(world.now).unwrap(), row.timeout_ts + 100 - world.now.unix);
    assert_eq!(now.legs[0].last_gen_cseq, row.legs[0].last_gen_cseq + 7);
    assert_eq!(now.legs[1].cseq, row.legs[1].cseq, "no number goes back");
    assert_eq!(dialog.fetch_value("mine").unwrap(), Some("2".into()));
    assert_eq!(dialog.fetch_value("theirs").unwrap(), Some("3".into()));
    assert_eq!(now.profiles, [link]);
    assert_eq!(world.dialogs.search_profile("caller").unwrap().size(None), 1);
    assert!(!world.dialogs.merge(world.now, &row), "it changed since: memory is the truth");
    written(&world, &dialog);
    assert!(world.dialogs.merge(world.now, &row), "written, it may be merged again");
    assert_eq!(dialog.fetch_value("theirs").unwrap(), Some("3".into()));
    assert!(world.dialogs.audit().is_ok());
}

// §11.4: a row in a higher state brings it along; one in a lower state brings nothing
#[test]
fn a_row_that_is_further_on_is_followed() {
    let (before, confirmed) = kept(DialogFlags::PING_CALLER);
    let earlier = Stored { state: State::ConfirmedNa, ..confirmed.clone() };
    let (mut world, dialog) = restarted(&before, &earlier, 5);
    world.dialogs.follow(|| {});
    written(&world, &dialog);
    let row = Stored { timeout_ts: world.now.unix + 50, ..confirmed };
    assert!(world.dialogs.merge(world.now, &row));
    assert_eq!(dialog.state(), Ok(State::Confirmed));
    assert_eq!(dialog.timeout(world.now), Ok(50), "sooner than before");
    assert!(dialog.next_ping(world.now, PingKind::Options).unwrap().is_some());
    written(&world, &dialog);
    assert!(!world.dialogs.merge(world.now, &Stored { timeout_ts: u64::MAX, ..earlier }));
    assert!(world.dialogs.audit().is_ok());
    world.pass(51);
    assert!(!dialog.is_active(), "it expired as the row says");
}

// DESIGN "Storage": each side is asked once, spread; a 481 ends the dialog, silence does not
#[test]
fn what_came_back_is_asked_once() {
    use std::time::Duration;
    let (before, stored) = kept(DialogFlags::empty());
    let probed = || {
        let (mut world, dialog) = restarted(&before, &stored, 5);
        world.dialogs.probe(world.now, dialog.key(), Duration::from_secs(60)).unwrap();
        world.pass(60);
        let sent: Vec<_> = world.sent.drain(..).collect();
        let asked = |leg| sent.iter().filter(|own| own.link.leg == leg).count();
        assert_eq!((asked(0), asked(1), sent.len()), (1, 1, 2));
        (world, dialog, sent)
    };
    for alive in [Outcome::Reply(200), Outcome::Reply(405), Outcome::TimedOut] {
        let (mut world, dialog, sent) = probed();
        sent.iter().for_each(|own| world.settled(own, alive));
        world.pass(600);
        assert!(world.sent.is_empty(), "asked once: {:?}", world.sent);
        assert_eq!(dialog.state(), Ok(State::Confirmed));
    }
    let (mut world, dialog, sent) = probed();
    world.settled(&sent[0], Outcome::Reply(481));
    world.pass(1);
    assert!(dialog.end_reason().unwrap().is_some());
    assert_eq!(world.ends.len(), 1, "both sides get a BYE");
    // a request of its own tells as much
    let (mut world, dialog) = restarted(&before, &stored, 5);
    world.dialogs.probe(world.now, dialog.key(), Duration::from_secs(60)).unwrap();
    for (from, to) in [("a", "b"), ("b", "a")] {
        world.request(&dialog, DialogMethod::Other, 900, from, to);
    }
    world.pass(60);
    assert!(world.sent.is_empty());
}
