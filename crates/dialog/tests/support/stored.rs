//! Arbitrary stored dialogs.
#![allow(unreachable_pub, reason = "a module of tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use duologue_dialog::*;
use duologue_sip::Flow;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub const CALL_ID: &[u8] = b"call";

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
        let flow = port.map(|port| Flow::datagram(0, ([127, 0, 0, 1], port).into()));
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
pub fn stored() -> impl Strategy<Value = Stored> {
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
