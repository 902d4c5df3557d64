//! `validate_dialog` and `fix_route_dialog`, spec dialog.md §8.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use support::{World, invite, reply};

const ALICE: &[u8] = b"sip:alice@127.0.0.1:5061";
const BOB: &[u8] = b"sip:bob@127.0.0.1:5062";
const OK: Result<(), Invalid> = Ok(());
const CSEQ: Result<(), Invalid> = Err(Invalid::Cseq);
const TARGET: Result<(), Invalid> = Err(Invalid::RemoteTarget);
const ROUTES: Result<(), Invalid> = Err(Invalid::RouteSet);

/// Whether a request that was told to the dialog is valid.
fn judge(
    dialog: &Dialog,
    matched: &Matched,
    (method, cseq): (DialogMethod, u32),
    routing: Option<Routing<'_>>,
) -> Result<(), Invalid> {
    dialog.validate(&Within { matched: *matched, method, cseq }, routing.as_ref())
}

/// A request is matched, told to the dialog and judged by its CSeq alone.
fn numbered(
    world: &mut World,
    dialog: &Dialog,
    (from, to): (&str, &str),
    method: DialogMethod,
    cseq: u32,
) -> Result<(), Invalid> {
    let matched = world.request(dialog, method, cseq, from, to).unwrap();
    judge(dialog, &matched, (method, cseq), None)
}

/// A call over other proxies: two before us, two behind us.
fn routed(world: &mut World, callers: &[&[u8]], callees: &[&[u8]]) -> Dialog {
    let facts = InviteFacts { record_routes: callers, ..invite("call", "a") };
    let mut steps = Steps::new();
    let dialog = world.dialogs.create(world.now, &facts, DialogFlags::empty(), &mut steps).unwrap();
    world.branch(&dialog, 1);
    // The reply lists who is behind us, then us, then what the INVITE brought.
    let mut all = callees.to_vec();
    all.push(b"<sip:us;lr>");
    all.extend(callers);
    let facts = ReplyFacts { record_routes: &all, own_record_routes: 1, ..reply(1, 200, "b") };
    world.reply_with(&dialog, &facts);
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b").unwrap();
    dialog
}

const DOWN: (&str, &str) = ("a", "b");
const UP: (&str, &str) = ("b", "a");

// §8 step 1: an ACK has the CSeq of the INVITE that its sender sent
#[test]
fn an_ack_must_have_the_cseq_of_its_invite() {
    use DialogMethod::{Ack, Invite, Other};
    let mut world = World::new();
    let dialog = world.answered("call");
    for (cseq, result) in [(10, OK), (9, CSEQ), (11, CSEQ)] {
        assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, cseq), result, "{cseq}");
    }
    // What is not an INVITE has no ACK of its own.
    assert_eq!(numbered(&mut world, &dialog, DOWN, Other, 11), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 11), CSEQ);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Invite, 12), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 10), CSEQ, "the first INVITE is past");
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 12), OK);
    // Each side has its own numbers.
    assert_eq!(numbered(&mut world, &dialog, UP, Invite, 700), OK);
    assert_eq!(numbered(&mut world, &dialog, UP, Ack, 12), CSEQ);
    assert_eq!(numbered(&mut world, &dialog, UP, Ack, 700), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 12), OK);
}

// RFC 3261 §13.2.2.4, RFC 3311 §5.1: UPDATEs while it rings do not change what the ACK acknowledges
#[test]
fn an_update_does_not_take_the_invites_place() {
    use DialogMethod::{Ack, Invite, Prack, Update};
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 183, "b");
    assert_eq!(numbered(&mut world, &dialog, DOWN, Prack, 11), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Update, 12), OK);
    world.reply(&dialog, 200, "b");
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 12), CSEQ);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 10), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Invite, 13), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Update, 14), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Ack, 13), OK);
}

// §8 step 1: other requests count up, strictly, per direction; gaps are allowed (RFC 3261 §12.2.2)
#[test]
fn other_requests_must_count_up() {
    use DialogMethod::{Other, Prack};
    let mut world = World::new();
    let dialog = world.answered("call");
    assert_eq!(numbered(&mut world, &dialog, DOWN, Other, 11), OK, "above the INVITE's");
    assert_eq!(numbered(&mut world, &dialog, DOWN, Prack, 15), OK);
    assert_eq!(numbered(&mut world, &dialog, UP, Other, 1), OK, "no matter what alice sends");
    assert_eq!(numbered(&mut world, &dialog, UP, Other, 2), OK);
    assert_eq!(numbered(&mut world, &dialog, DOWN, Other, 14), CSEQ);
}

// §8 step 1: the INVITE's number itself is taken
#[test]
fn the_first_request_must_be_above_the_invite() {
    for (cseq, result) in [(0, CSEQ), (9, CSEQ), (10, CSEQ), (11, OK), (u32::MAX, OK)] {
        let mut world = World::new();
        let dialog = world.answered("call");
        let seen = numbered(&mut world, &dialog, DOWN, DialogMethod::Other, cseq);
        assert_eq!(seen, result, "{cseq}");
    }
}

// §8 step 1: matching has stored the number already, so a repetition meets itself
#[test]
fn a_retransmission_fails() {
    let mut world = World::new();
    let dialog = world.answered("call");
    for (tags, cseq) in [(DOWN, 11), (UP, 1)] {
        assert_eq!(numbered(&mut world, &dialog, tags, DialogMethod::Other, cseq), OK);
        assert_eq!(numbered(&mut world, &dialog, tags, DialogMethod::Other, cseq), CSEQ);
        assert_eq!(numbered(&mut world, &dialog, tags, DialogMethod::Other, cseq), CSEQ);
    }
    assert_eq!(numbered(&mut world, &dialog, DOWN, DialogMethod::Other, 12), OK);
}

// RFC 3261 §12.2.2: the caller has not heard of the callee's numbers yet, and 0 is one (§8.1.1.5)
#[test]
fn the_callee_may_begin_at_zero() {
    for method in [DialogMethod::Other, DialogMethod::Bye] {
        let mut world = World::new();
        let dialog = world.answered("call");
        world.dialogs.hold(dialog.key()).unwrap();
        assert_eq!(numbered(&mut world, &dialog, UP, method, 0), OK, "{method:?}");
    }
    let mut world = World::new();
    let dialog = world.answered("call");
    assert_eq!(numbered(&mut world, &dialog, UP, DialogMethod::Other, 0), OK);
    assert_eq!(numbered(&mut world, &dialog, UP, DialogMethod::Other, 1), OK);
    assert_eq!(numbered(&mut world, &dialog, UP, DialogMethod::Other, 0), CSEQ);
}

// §8 step 1: a BYE is not stored, so it is held against one request earlier
#[test]
fn a_bye_is_looked_at_one_request_looser() {
    for (cseq, result) in [(10, CSEQ), (11, OK), (12, OK)] {
        let mut world = World::new();
        let dialog = world.answered("call");
        assert_eq!(numbered(&mut world, &dialog, DOWN, DialogMethod::Other, 11), OK);
        world.dialogs.hold(dialog.key()).unwrap();
        let seen = numbered(&mut world, &dialog, DOWN, DialogMethod::Bye, cseq);
        assert_eq!(dialog.state(), Ok(State::Deleted));
        assert_eq!(seen, result, "BYE {cseq} after INFO 11");
    }
    // Right after the INVITE there is nothing looser.
    for (cseq, result) in [(10, CSEQ), (11, OK)] {
        let mut world = World::new();
        let dialog = world.answered("call");
        world.dialogs.hold(dialog.key()).unwrap();
        assert_eq!(numbered(&mut world, &dialog, DOWN, DialogMethod::Bye, cseq), result);
    }
}

// §8 step 2: until the answer the CSeq is all there is to look at
#[test]
fn an_early_dialog_is_not_held_against_target_and_routes() {
    let forged = Some(Routing { remote_target: b"sip:mallory@1.1.1.1", routes: &[b"sip:x;lr"] });
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    let matched = world.request(&dialog, DialogMethod::Prack, 11, "a", "b").unwrap();
    assert_eq!(judge(&dialog, &matched, (DialogMethod::Prack, 11), forged), OK);
    world.request(&dialog, DialogMethod::Prack, 11, "a", "b").unwrap();
    assert_eq!(judge(&dialog, &matched, (DialogMethod::Prack, 11), forged), CSEQ);
    // State 3 is enough: the 2xx went up, the ACK has not come.
    world.reply(&dialog, 200, "b");
    assert_eq!(dialog.state(), Ok(State::ConfirmedNa));
    world.request(&dialog, DialogMethod::Other, 12, "a", "b").unwrap();
    assert_eq!(judge(&dialog, &matched, (DialogMethod::Other, 12), forged), TARGET);
}

// §8 step 2, §1.4: topology hiding changes both on purpose; without `rr` nobody knows them
#[test]
fn hidden_topology_and_no_record_routing_leave_the_cseq() {
    let forged = Some(Routing { remote_target: b"sip:mallory@1.1.1.1", routes: &[b"sip:x;lr"] });
    let mut world = World::new();
    let dialog = world.answered("call");
    let info = (DialogMethod::Other, 11);
    let matched = world.request(&dialog, info.0, info.1, "a", "b").unwrap();
    assert_eq!(judge(&dialog, &matched, info, forged), TARGET);
    assert_eq!(judge(&dialog, &matched, info, None), OK);
    dialog.set_module_flags(ModuleFlags::TOPOLOGY_HIDING).unwrap();
    assert_eq!(judge(&dialog, &matched, info, forged), OK);
    assert_eq!(judge(&dialog, &matched, (DialogMethod::Ack, 11), forged), CSEQ);
}

// §8 step 3: the remote target is the leg's Contact, by RFC 3261 §19.1.4
#[test]
fn the_remote_target_is_the_contact_of_the_leg() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let down = world.matched(&dialog, "a", "b").unwrap();
    let up = world.matched(&dialog, "b", "a").unwrap();
    let aimed = |matched: &Matched, target: &[u8]| {
        let routing = Some(Routing { remote_target: target, routes: &[] });
        judge(&dialog, matched, (DialogMethod::Other, 99), routing)
    };
    assert_eq!(aimed(&down, BOB), OK);
    assert_eq!(aimed(&up, ALICE), OK);
    assert_eq!(aimed(&down, b"sip:bob@127.0.0.1:5062;later=1"), OK, "unknown parameters are free");
    assert_eq!(aimed(&down, b"SIP:%62ob@127.0.0.1:5062"), OK);
    for forged in [
        ALICE,
        b"",
        b"sip:bob@127.0.0.1",
        b"sip:bob@127.0.0.1:5062;transport=tcp",
        b"sips:bob@127.0.0.1:5062",
        b"no uri",
    ] {
        assert_eq!(aimed(&down, forged), TARGET, "{}", String::from_utf8_lossy(forged));
    }
}

// §8 step 3: a leg without a Contact has nothing to compare; a refresh moves what is compared
#[test]
fn the_contact_that_counts_is_the_latest() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply_with(&dialog, &ReplyFacts { contact: b"", ..reply(1, 200, "b") });
    let anywhere = Some(Routing { remote_target: b"sip:any", routes: &[] });
    let matched = world.request(&dialog, DialogMethod::Ack, 10, "a", "b").unwrap();
    assert_eq!(judge(&dialog, &matched, (DialogMethod::Ack, 10), anywhere), OK);

    let dialog = world.answered("moved");
    world.request(&dialog, DialogMethod::Update, 11, "a", "b").unwrap();
    let matched = world.request(&dialog, DialogMethod::Other, 1, "b", "a").unwrap();
    for (target, result) in [(&b"sip:moved@10.0.0.1"[..], OK), (ALICE, TARGET)] {
        let routing = Some(Routing { remote_target: target, routes: &[] });
        assert_eq!(judge(&dialog, &matched, (DialogMethod::Other, 1), routing), result);
    }
}

// §8 step 4: same count, pairwise the same URI, in the order towards the leg
#[test]
fn the_routes_are_the_route_set_of_the_leg() {
    let mut world = World::new();
    let callers: [&[u8]; 2] = [b"<sip:p2;lr>", b"<sip:p1;lr>"];
    let callees: [&[u8]; 2] = [b"<sip:q2;lr>", b"\"Q, one\" <sip:q1;lr;x=1>"];
    let dialog = routed(&mut world, &callers, &callees);
    let down = world.matched(&dialog, "a", "b").unwrap();
    let up = world.matched(&dialog, "b", "a").unwrap();
    let led = |matched: &Matched, routes: &[&[u8]]| {
        let remote_target = if matched.dst_leg == 0 { ALICE } else { BOB };
        let routing = Some(Routing { remote_target, routes });
        judge(&dialog, matched, (DialogMethod::Other, 99), routing)
    };
    assert_eq!(led(&down, &[b"sip:q1;lr;x=1", b"sip:q2;lr"]), OK);
    assert_eq!(led(&down, &[b"sip:Q1;lr", b"SIP:q2;lr"]), OK, "by URI, not by octet");
    assert_eq!(led(&up, &[b"sip:p2;lr", b"sip:p1;lr"]), OK);
    for (what, routes) in [
        ("none while there is a route set", &[][..]),
        ("one missing", &[&b"sip:q1;lr"[..]]),
        ("the other missing", &[b"sip:q2;lr"]),
        ("order", &[b"sip:q2;lr", b"sip:q1;lr"]),
        ("tampered", &[b"sip:q1;lr", b"sip:evil;lr"]),
        ("unreadable", &[b"sip:q1;lr", b""]),
        ("one more", &[b"sip:q1;lr", b"sip:q2;lr", b"sip:q3;lr"]),
        ("the other side's", &[b"sip:p2;lr", b"sip:p1;lr"]),
    ] {
        assert_eq!(led(&down, routes), ROUTES, "{what}");
    }
    // Without a route set there must be no Route.
    let plain = world.answered("plain");
    let matched = world.matched(&plain, "a", "b").unwrap();
    let routing = Some(Routing { remote_target: BOB, routes: &[b"sip:evil;lr"] });
    assert_eq!(judge(&plain, &matched, (DialogMethod::Other, 99), routing), ROUTES);
}

// §8: the order of the checks is that of the codes, which are the script's
#[test]
fn the_first_fault_is_told() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let matched = world.matched(&dialog, "a", "b").unwrap();
    let routes: &[&[u8]] = &[b"sip:evil;lr"];
    let ask = |cseq, remote_target| {
        let routing = Some(Routing { remote_target, routes });
        judge(&dialog, &matched, (DialogMethod::Other, cseq), routing).map_err(Invalid::code)
    };
    assert_eq!(ask(9, b"sip:evil"), Err(-1));
    assert_eq!(ask(11, b"sip:evil"), Err(-2));
    assert_eq!(ask(11, BOB), Err(-3));
}

// §8: -4 is anything else: no such leg, no dialog
#[test]
fn what_is_gone_cannot_be_told() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let matched = world.matched(&dialog, "a", "b").unwrap();
    let astray = Matched { dst_leg: 7, callee_leg: 7, ..matched };
    let info = (DialogMethod::Other, 11);
    assert_eq!(judge(&dialog, &astray, info, None), Err(Invalid::Other));
    assert_eq!(dialog.fix_route(7), Err(NoTarget::Unknown));
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    world.transaction_ended(&dialog);
    assert_eq!(judge(&dialog, &matched, info, None), Err(Invalid::Other));
    assert_eq!(Invalid::Other.code(), -4);
    assert_eq!(dialog.fix_route(1), Err(NoTarget::Gone));
}

fn fixed(dialog: &Dialog, leg: u16) -> [String; 3] {
    let Target { request_uri, routes, next_hop } = dialog.fix_route(leg).unwrap();
    [request_uri, routes, next_hop].map(|text| String::from_utf8(text).unwrap())
}

// §8: no route set: the Contact is all
#[test]
fn a_route_is_fixed_to_the_contact() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let bob = "sip:bob@127.0.0.1:5062";
    assert_eq!(fixed(&dialog, 1), [bob, "", bob]);
    let alice = "sip:alice@127.0.0.1:5061";
    assert_eq!(fixed(&dialog, 0), [alice, "", alice]);
}

// §8: the first stored route loose: the set stays as it is, and its first is the next hop
#[test]
fn a_route_is_fixed_through_loose_routers() {
    let mut world = World::new();
    let callees: [&[u8]; 2] = [b"<sip:q2>", b"<sip:q1;lr>"];
    let dialog = routed(&mut world, &[b"<sip:p1;lr>"], &callees);
    assert_eq!(fixed(&dialog, 1), ["sip:bob@127.0.0.1:5062", "<sip:q1;lr>,<sip:q2>", "sip:q1;lr"]);
    assert_eq!(fixed(&dialog, 0), ["sip:alice@127.0.0.1:5061", "<sip:p1;lr>", "sip:p1;lr"]);
}

// §8: the first stored route strict: it is the Request-URI, the Contact the last Route
#[test]
fn a_route_is_fixed_through_a_strict_router() {
    let mut world = World::new();
    let callees: [&[u8]; 2] = [b"<sip:q2;lr>", b"<sip:q1>"];
    let dialog = routed(&mut world, &[b"<sip:p1>"], &callees);
    assert_eq!(fixed(&dialog, 1), ["sip:q1", "<sip:q2;lr>,<sip:bob@127.0.0.1:5062>", "sip:q1"]);
    assert_eq!(fixed(&dialog, 0), ["sip:p1", "<sip:alice@127.0.0.1:5061>", "sip:p1"]);
}

// §8: no Contact, nowhere to go
#[test]
fn a_leg_that_never_told_its_contact_cannot_be_fixed() {
    let mut world = World::new();
    let dialog = world.call("call");
    assert_eq!(dialog.fix_route(1), Err(NoTarget::Unknown));
}
