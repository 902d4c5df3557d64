//! A dialog that comes back is the one that went (spec dialog.md §11.3, decisions D20 and D30).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use support::{World, flow, sdp};

const CALL_ID: &[u8] = b"call";

/// Any bytes of a text of SIP.
fn text() -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice)
}

/// A display name or URI: a `<` ends the name where both are kept as one.
fn uri() -> impl Strategy<Value = Box<[u8]>> {
    text().prop_map(|text| text.iter().copied().filter(|&byte| byte != b'<').collect())
}

fn body() -> impl Strategy<Value = Option<Body>> {
    option::of((text(), text()).prop_map(|(kind, bytes)| Body::new(&kind, &bytes)))
}

fn leg() -> impl Strategy<Value = StoredLeg> {
    let texts = (text(), text(), text(), text(), text());
    let numbers = (any::<u32>(), option::of(any::<u32>()), any::<u32>(), any::<u32>());
    let states =
        prop_oneof![Just(LegState::Trying), Just(LegState::Answered), Just(LegState::Ended)];
    let place = (any::<u16>(), option::of(any::<u16>()), states);
    (texts, numbers, place).prop_map(|(texts, numbers, (branch, port, state))| {
        let (tag, contact, route_set, from_uri, to_uri) = texts;
        let (cseq, prev_cseq, inv_cseq, last_gen_cseq) = numbers;
        let flow = port.map(flow);
        StoredLeg {
            tag,
            state,
            branch,
            contact,
            route_set,
            from_uri,
            to_uri,
            cseq,
            prev_cseq,
            inv_cseq,
            last_gen_cseq,
            flow,
        }
    })
}

fn number(legs: u16) -> impl Strategy<Value = StoredNumber> {
    (0..legs, 1..legs, any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
        |(leg, callee_leg, received, sent, invite)| StoredNumber {
            leg,
            callee_leg,
            received,
            sent,
            invite,
        },
    )
}

fn bodies() -> impl Strategy<Value = Vec<StoredBodies>> {
    let one = [[body(), body()], [body(), body()]];
    let some = |ways: &[[Option<Body>; 2]; 2]| ways.iter().flatten().any(Option::is_some);
    option::of(one.prop_filter("a body", some)).prop_map(|bodies| {
        bodies.map(|by_way| StoredBodies { callee_leg: 1, by_way }).into_iter().collect()
    })
}

fn values() -> impl Strategy<Value = Values> {
    let value = prop_oneof![text().prop_map(Value::Bytes), any::<i32>().prop_map(Value::Int)];
    vec((text(), value), 0..5).prop_map(|list| {
        let mut values = Values::default();
        for (name, value) in list {
            values.set(&name, value).unwrap();
        }
        values
    })
}

/// Decision D14: a name stands for one profile, so each has its suffix and its kind here.
fn links() -> impl Strategy<Value = Vec<ProfileLink>> {
    let profiles = [
        ("plain", Sharing::Local, ProfileKind::NoValue),
        ("store", Sharing::Store, ProfileKind::NoValue),
        ("of-whom", Sharing::Local, ProfileKind::Value),
        ("of-all", Sharing::Cluster, ProfileKind::Value),
    ];
    vec((proptest::sample::select(profiles.to_vec()), text()), 0..5).prop_map(|list| {
        let link = |((name, sharing, kind), value): ((&str, _, _), Box<[u8]>)| {
            let value = if kind == ProfileKind::Value { value } else { Box::default() };
            ProfileLink { name: name.into(), sharing, kind, value }
        };
        list.into_iter().map(link).collect()
    })
}

/// Any dialog that a store may hold.
fn stored() -> impl Strategy<Value = Stored> {
    let legs = vec(leg(), 1..5).prop_filter("who calls", |legs| !legs[0].tag.is_empty());
    let whole = legs.prop_flat_map(|legs| {
        let count = legs.len() as u16;
        let numbers =
            if count > 1 { vec(number(count), 0..5).boxed() } else { Just(Vec::new()).boxed() };
        (Just(legs), numbers, 0..count)
    });
    let words = (any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>(), any::<u32>());
    let times = (
        0..2_000_000u64,
        0..u64::from(u32::MAX),
        900_000..1_000_000u64,
        any::<u32>(),
        any::<u32>(),
    );
    let parties = (uri(), uri(), uri(), uri());
    let own = (
        option::of(any::<u32>()),
        [option::of(1..1000u32), option::of(1..1000u32)],
        [option::of(any::<u32>()), option::of(any::<u32>()), option::of(any::<u32>())],
        option::of("[ -~]{0,20}"),
    );
    (whole, words, times, parties, own, (bodies(), values(), links())).prop_map(
        |(whole, words, times, parties, own, (bodies, values, profiles))| {
            let (legs, numbers, answered_leg) = whole;
            let (id, flags, user_flags, confirmed, module_flags) = words;
            let (start_ts, timeout_ts, created_ts, lifetime, invite_cseq) = times;
            let (caller_display, caller_uri, callee_display, callee_uri) = parties;
            let (delete_delay, ping_intervals, routes, reason) = own;
            let flags = DialogFlags::from_bits_truncate(flags).difference(DialogFlags::TRANSIENT);
            Stored {
                id: DialogId { entry: entry_of(CALL_ID, 4096), id },
                state: if confirmed { State::Confirmed } else { State::ConfirmedNa },
                flags: flags | DialogFlags::FROM_DB,
                user_flags,
                module_flags: ModuleFlags::from_bits_truncate(module_flags),
                call_id: CALL_ID.into(),
                caller: StoredParty { display: caller_display, uri: caller_uri },
                callee: StoredParty { display: callee_display, uri: callee_uri },
                created_ts,
                start_ts,
                timeout_ts,
                lifetime,
                invite_cseq,
                answered_leg,
                reason: reason.map(EndReason::new),
                routes,
                delete_delay,
                ping_intervals,
                legs,
                numbers,
                bodies,
                values,
                profiles,
            }
        },
    )
}

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
