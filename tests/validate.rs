//! `validate_dialog()` and `fix_route_dialog()` on whole calls (spec/dialog.md §8).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::net::SocketAddr;
use std::time::Duration;

use duologue_testkit::{Agent, CallState, Endpoint, Message, Served, World};
use world::{Proxy, answered, cast, forgotten, script_to};

/// Shows the verdict on each request and relays it whatever it is.
const JUDGE: &str = r#"
    route[within] {
        validate_dialog();
        append_hf("X-Valid: $retcode\r\n");
    }
"#;

/// What the manual of a careful operator says: what is not valid is set right.
const REPAIR: &str = r#"
    route[within] {
        validate_dialog();
        $var(valid) = $retcode;
        append_hf("X-Valid: $var(valid)\r\n");
        if ($var(valid) < 0) {
            fix_route_dialog();
            append_hf("X-Fixed: $retcode\r\n");
            append_hf("X-Next: $du\r\n");
        }
    }
"#;

fn judged(seed: u64) -> (World, Agent, Served<Proxy>, Agent) {
    cast(seed, &script_to("", "", JUDGE))
}

fn repaired(seed: u64) -> (World, Agent, Served<Proxy>, Agent) {
    cast(seed, &script_to("", "", REPAIR))
}

fn header(message: &Message, name: &str) -> String {
    message.header(name).unwrap_or("(none)").to_owned()
}

fn verdict(agent: &Agent, kind: &str) -> String {
    header(&agent.last(kind), "X-Valid")
}

fn with_cseq(mut request: Message, number: u32) -> Message {
    let method = request.cseq().1.to_owned();
    set(&mut request, "CSeq", &format!("{number} {method}"));
    request
}

fn with_uri(mut request: Message, uri: &str) -> Message {
    let method = request.method().unwrap().to_owned();
    request.start = format!("{method} {uri} SIP/2.0");
    request
}

fn set(message: &mut Message, name: &str, value: &str) {
    let found = message.headers.iter_mut().find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no {name}")).1 = value.to_owned();
}

/// The same request as a new transaction.
fn afresh(mut request: Message, branch: &str) -> Message {
    let old = request.branch().to_owned();
    for (name, value) in &mut request.headers {
        if name == "Via" {
            *value = value.replace(&old, &format!("z9hG4bK{branch}"));
        }
    }
    request
}

// §8: what well-behaved telephones send is valid, in both directions, ACK and BYE included.
#[test]
fn an_ordinary_call_is_valid() {
    let (world, alice, proxy, bob) = judged(1);
    answered(&world, &alice, &bob);
    assert_eq!(verdict(&bob, "ACK"), "1");
    for _ in 0..2 {
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            for method in ["INFO", "UPDATE", "INVITE", "MESSAGE"] {
                from.requests(method);
                world.settle();
                assert_eq!(verdict(to, method), "1", "{method}");
            }
            assert_eq!(verdict(to, "ACK"), "1");
        }
    }
    alice.hangs_up();
    world.settle();
    assert_eq!(verdict(&bob, "BYE"), "1");
    forgotten(&world, &proxy);
}

// §8 step 1: a number that is not above the previous one is -1, in both directions.
#[test]
fn a_forged_cseq_is_told() {
    let (world, alice, proxy, bob) = judged(2);
    world.tolerate();
    answered(&world, &alice, &bob);
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        from.requests("INFO");
        world.settle();
        let number = from.sent("INFO").last().unwrap().message.cseq().0;
        let forged = with_cseq(from.sent("INFO")[0].message.clone(), number.saturating_sub(1));
        from.sends_raw(&proxy, &afresh(forged, "forged").to_bytes());
        world.settle();
        assert_eq!(to.count("INFO"), 2);
        assert_eq!(verdict(to, "INFO"), "-1");
    }
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8 step 1: the very same request once more fails. The world's script does not ask
// `t_check_trans()` within calls, and the first transaction is over: it comes as a new one.
#[test]
fn a_repeated_request_is_told() {
    let (world, alice, proxy, bob) = judged(3);
    world.tolerate();
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    assert_eq!(verdict(&bob, "INFO"), "1");
    let again = alice.sent("INFO")[0].message.clone();
    alice.sends_raw(&proxy, &afresh(again, "again").to_bytes());
    world.settle();
    assert_eq!(bob.count("INFO"), 2);
    assert_eq!(verdict(&bob, "INFO"), "-1");
    alice.requests("INFO");
    world.settle();
    assert_eq!(verdict(&bob, "INFO"), "1", "it has not shifted anything");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8 step 1: an ACK must have the CSeq of the INVITE.
#[test]
fn an_ack_with_another_cseq_is_told() {
    let (world, alice, proxy, bob) = judged(4);
    world.tolerate();
    answered(&world, &alice, &bob);
    let ack = alice.sent("ACK")[0].message.clone();
    let number = ack.cseq().0;
    for (cseq, expected) in [(number + 1, "-1"), (number.wrapping_sub(1), "-1"), (number, "1")] {
        let branch = format!("ack{cseq}");
        let ack = afresh(with_cseq(ack.clone(), cseq), &branch);
        alice.sends_raw(&proxy, &ack.to_bytes());
        world.settle();
        assert_eq!(verdict(&bob, "ACK"), expected, "ACK {cseq} for INVITE {number}");
    }
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8 step 3: a Request-URI that is not the peer's Contact is -2. The forged one leads to bob all the
// same, or nobody would see the verdict.
#[test]
fn a_forged_request_uri_is_told() {
    let (world, alice, proxy, bob) = judged(5);
    answered(&world, &alice, &bob);
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        let forged = to.uri().replace(&to.name(), "mallory");
        from.requests_with("INFO", |info| with_uri(info, &forged));
        world.settle();
        assert_eq!(verdict(to, "INFO"), "-2", "{forged}");
        // RFC 3261 §19.1.4: the same by another spelling is no forgery.
        let same = to.uri().replace("sip:", "SIP:") + ";later=1";
        from.requests_with("INFO", |info| with_uri(info, &same));
        world.settle();
        assert_eq!(verdict(to, "INFO"), "1", "{same}");
    }
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8 step 4: a Route more than the dialog has is -3.
#[test]
fn an_extra_route_is_told_and_taken_away() {
    let (world, alice, proxy, bob) = repaired(6);
    answered(&world, &alice, &bob);
    let mallory = world.agent("mallory");
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        let detour = format!("<sip:{};lr>", mallory.address());
        from.requests_with("INFO", |mut info| {
            let at = info.headers.iter().rposition(|(name, _)| name == "Route").unwrap();
            info.headers.insert(at + 1, ("Route".to_owned(), detour));
            info
        });
        world.settle();
        assert_eq!(verdict(to, "INFO"), "-3");
        assert_eq!(header(&to.last("INFO"), "X-Fixed"), "1");
        assert_eq!(header(&to.last("INFO"), "X-Next"), "<null>", "the detour is discarded");
        assert_eq!(from.status_of("INFO"), Some(200));
    }
    assert_eq!(mallory.count(""), 0);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8: the forged Request-URI leads to somebody else; set right, the request reaches its peer.
#[test]
fn a_repaired_request_reaches_the_peer() {
    let (world, alice, proxy, bob) = repaired(7);
    answered(&world, &alice, &bob);
    let mallory = world.agent("mallory");
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        let elsewhere = mallory.uri();
        from.requests_with("INFO", |info| with_uri(info, &elsewhere));
        world.settle();
        assert_eq!(verdict(to, "INFO"), "-2");
        assert_eq!(header(&to.last("INFO"), "X-Fixed"), "1");
        assert_eq!(to.last("INFO").uri(), Some(&*to.uri()));
        assert_eq!(from.status_of("INFO"), Some(200));
    }
    assert_eq!(mallory.count(""), 0);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8 step 2: an early dialog is not held against target and routes; its CSeq is.
#[test]
fn an_early_dialog_is_checked_for_its_cseq_only() {
    let (world, alice, proxy, bob) = judged(8);
    alice.invite(&bob);
    bob.rings();
    world.settle();
    world.tolerate();
    let ringing = alice.last("180");
    let invite = alice.sent("INVITE")[0].message.clone();
    let number = invite.cseq().0;
    let route = ringing.list("Record-Route")[0].to_owned();
    let forged = bob.uri().replace("bob", "mallory");
    let update = |cseq, branch: &str| {
        let mut update = with_uri(invite.clone(), &forged);
        update.start = update.start.replace("INVITE ", "UPDATE ");
        update.headers.retain(|(name, _)| name != "Content-Type");
        update.body.clear();
        set(&mut update, "CSeq", &format!("{cseq} UPDATE"));
        set(&mut update, "To", &header(&ringing, "To"));
        let update = afresh(update.with("Route", route.clone()), branch);
        alice.sends_raw(&proxy, &update.to_bytes());
        world.settle();
        verdict(&bob, "UPDATE")
    };
    assert_eq!(update(number + 1, "one"), "1");
    assert_eq!(update(number + 1, "two"), "-1");
    bob.rejects(486);
    forgotten(&world, &proxy);
}

// Decision D4: what comes after the end finds its way by a trace that has nothing against it.
#[test]
fn a_bye_sent_again_with_credentials_is_valid() {
    let (world, alice, proxy, bob) = judged(9);
    answered(&world, &alice, &bob);
    bob.manual();
    alice.hangs_up_now();
    bob.replies_to("BYE", 401);
    world.settle();
    world.run_for(Duration::from_secs(10));
    assert_eq!(proxy.borrow().node.dialogs.len(), 0);
    world.tolerate();
    bob.polite();
    let bye = alice.sent("BYE")[0].message.clone();
    let number = bye.cseq().0;
    alice.sends_raw(&proxy, &afresh(with_cseq(bye, number + 1), "auth").to_bytes());
    world.settle();
    assert_eq!(bob.count("BYE"), 2);
    assert_eq!(verdict(&bob, "BYE"), "1");
    forgotten(&world, &proxy);
}

// §8: both need a matched dialog.
#[test]
fn without_a_dialog_there_is_nothing_to_hold_against() {
    let script = script_to("", "", REPAIR).replace("create_dialog();", "");
    let (world, alice, proxy, bob) = cast(10, &script);
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    assert_eq!(verdict(&bob, "INFO"), "-4");
    assert_eq!(header(&bob.last("INFO"), "X-Fixed"), "-1");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §8 step 2: without `rr` nobody reads Routes, so only the CSeq is looked at.
#[test]
fn without_record_routing_the_cseq_is_all() {
    let script = script_to("", "", JUDGE)
        .replace("loadmodule \"rr.so\"", "")
        .replace("loose_route()", "match_dialog()")
        .replace("record_route();", "");
    let (world, alice, proxy, bob) = cast(16, &script);
    answered(&world, &alice, &bob);
    world.tolerate();
    let forged = bob.uri().replace("bob", "mallory");
    // The telephones talk past us now: these come from alice all the same.
    let ack = with_uri(alice.sent("ACK")[0].message.clone(), &forged);
    let number = ack.cseq().0;
    for (cseq, expected) in [(number, "1"), (number + 1, "-1")] {
        let ack = afresh(with_cseq(ack.clone(), cseq), &format!("ack{cseq}"));
        alice.sends_raw(&proxy, &ack.to_bytes());
        world.settle();
        assert_eq!(verdict(&bob, "ACK"), expected);
    }
}

// === behind and before other proxies ===

fn routes(message: &Message) -> Vec<String> {
    message.list("Route").into_iter().map(str::to_owned).collect()
}

/// A call that went on over another proxy, of which we know by its Record-Route alone.
fn over(world: &World, alice: &Agent, bob: &Agent, record_route: &str) {
    world.tolerate();
    alice.invite(bob);
    bob.replies_with("INVITE", 200, |mut reply| {
        let at = reply.headers.iter().position(|(name, _)| name == "Record-Route").unwrap();
        reply.headers.insert(at, ("Record-Route".to_owned(), record_route.to_owned()));
        reply
    });
    world.run_until(Duration::from_secs(5), || alice.state() == CallState::Talking);
}

/// What alice's INFO, after `edit`, is when it comes to the proxy behind ours, for which `hop`
/// stands.
fn info_over(
    (world, alice, hop): (&World, &Agent, &Agent),
    edit: impl FnOnce(Message) -> Message,
) -> Message {
    alice.requests_with("INFO", edit);
    hop.replies_to("INFO", 200);
    world.run_for(Duration::from_millis(100));
    hop.last("INFO")
}

/// The request with these Routes behind our own instead of those it has.
fn with_routes(mut info: Message, behind: &[&str]) -> Message {
    let own = routes(&info)[0].clone();
    info.headers.retain(|(name, _)| name != "Route");
    let all = std::iter::once(&*own).chain(behind.iter().copied());
    all.fold(info, |info, route| info.with("Route", route))
}

// §8 step 4, both sides of the fix: a loose router behind us.
#[test]
fn a_lost_route_through_a_loose_router_is_put_back() {
    let (world, alice, _, bob) = repaired(11);
    let carol = world.agent("carol");
    carol.manual();
    let there = format!("<sip:{};lr>", carol.address());
    over(&world, &alice, &bob, &there);

    let plain = info_over((&world, &alice, &carol), |info| info);
    assert_eq!(header(&plain, "X-Valid"), "1");
    assert_eq!(routes(&plain), [&*there]);

    let fixed = info_over((&world, &alice, &carol), |info| with_routes(info, &[]));
    assert_eq!(header(&fixed, "X-Valid"), "-3");
    assert_eq!(fixed.uri(), Some(&*bob.uri()));
    assert_eq!(routes(&fixed), [&*there]);

    // Tampered with: same count, another proxy.
    let fixed =
        info_over((&world, &alice, &carol), |info| with_routes(info, &["<sip:10.0.0.99;lr>"]));
    assert_eq!(header(&fixed, "X-Valid"), "-3");
    assert_eq!(header(&fixed, "X-Next"), format!("sip:{};lr", carol.address()));
    assert_eq!(routes(&fixed), [&*there]);
    assert_eq!(bob.count("INFO"), 0);
}

// §8, RFC 3261 §12.2.1.1: the same with a strict router: its URI goes on top, bob's at the end.
#[test]
fn a_lost_route_through_a_strict_router_is_put_back() {
    let (world, alice, _, bob) = repaired(12);
    let carol = world.agent("carol");
    carol.manual();
    over(&world, &alice, &bob, &format!("<sip:{}>", carol.address()));
    let strict = format!("sip:{}", carol.address());
    let behind = format!("<{}>", bob.uri());

    let plain = info_over((&world, &alice, &carol), |info| info);
    assert_eq!(header(&plain, "X-Valid"), "1", "what loose_route() swaps was valid before");
    assert_eq!((plain.uri(), routes(&plain)), (Some(&*strict), vec![behind.clone()]));

    let fixed = info_over((&world, &alice, &carol), |info| with_routes(info, &[]));
    assert_eq!(header(&fixed, "X-Valid"), "-3");
    assert_eq!((fixed.uri(), routes(&fixed)), (Some(&*strict), vec![behind.clone()]));

    // What loose_route() has swapped already goes away with the rest.
    let fixed = info_over((&world, &alice, &carol), |info| with_uri(info, "sip:m@10.0.0.99"));
    assert_eq!(header(&fixed, "X-Valid"), "-2");
    assert_eq!((fixed.uri(), routes(&fixed)), (Some(&*strict), vec![behind]));
}

// §16 item 4, RFC 3261 §16.4: after a strict router our URI is on top and the target in the last
// Route.
#[test]
fn the_target_is_the_last_route_after_a_strict_router() {
    let (world, alice, _, bob) = repaired(13);
    world.tolerate();
    answered(&world, &alice, &bob);
    let strictly = |mut info: Message, target: &str| {
        let own = routes(&info)[0].trim_matches(['<', '>']).to_owned();
        set(&mut info, "Route", &format!("<{target}>"));
        with_uri(info, &own)
    };
    let target = bob.uri();
    alice.requests_with("INFO", |info| strictly(info, &target));
    world.settle();
    assert_eq!(verdict(&bob, "INFO"), "1");
    assert_eq!(bob.last("INFO").uri(), Some(&*bob.uri()));
    alice.requests_with("INFO", |info| strictly(info, "sip:mallory@10.0.0.99"));
    world.settle();
    assert_eq!(verdict(&bob, "INFO"), "-2");
    assert_eq!(bob.last("INFO").uri(), Some(&*bob.uri()));
    assert_eq!(alice.status_of("INFO"), Some(200));
}

// §1.2, §8: towards the caller the route set is what the INVITE brought. Here another proxy stands
// before ours, and everything between alice and ours goes through it.
#[test]
fn the_callers_side_has_routes_too() {
    let (world, alice, proxy, bob) = repaired(14);
    let targets = "$du = \"sip:10.0.0.1:5060\";";
    let outer = script_to("", targets, "").replace("udp:10.0.0.1:5060", "udp:10.0.0.2:5060");
    let outer = Proxy::another(&outer);
    let outer = world.serve_at(&["10.0.0.2:5060".parse().unwrap()], outer);
    alice.through(&outer);
    answered(&world, &alice, &bob);
    assert_eq!(verdict(&bob, "ACK"), "1");
    assert_eq!(bob.last("ACK").list("Via").len(), 3, "over both proxies");
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        from.requests("INFO");
        world.settle();
        assert_eq!(verdict(to, "INFO"), "1");
    }
    bob.requests_with("INFO", |info| with_routes(info, &[]));
    world.settle();
    assert_eq!(verdict(&alice, "INFO"), "-3");
    assert_eq!(alice.last("INFO").list("Via").len(), 3, "put back on its way");
    assert_eq!(bob.status_of("INFO"), Some(200));
    bob.hangs_up();
    forgotten(&world, &proxy);
    outer.borrow().assert_asleep();
}

// modules.md §2: both of our Routes are consumed when a call changes sockets.
#[test]
fn a_pair_of_own_routes_is_no_part_of_the_route_set() {
    let outer = "10.0.0.2:5060";
    let settings = format!("socket = udp:{outer}");
    let targets = format!("$socket_out = \"udp:{outer}\";");
    let world = World::seeded(15);
    let addresses = ["10.0.0.1:5060", outer].map(|text| text.parse::<SocketAddr>().unwrap());
    let proxy = world.serve_at(&addresses, Proxy::new(&script_to(&settings, &targets, REPAIR)));
    let alice = world.agent("alice");
    let bob = world.agent_at("bob", "10.0.0.99:5060".parse().unwrap());
    answered(&world, &alice, &bob);
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        from.requests("INFO");
        world.settle();
        assert_eq!(verdict(to, "INFO"), "1");
        from.requests_with("INFO", |info| with_uri(info, "sip:m@10.0.0.98"));
        world.settle();
        assert_eq!(verdict(to, "INFO"), "-2");
        assert_eq!(from.status_of("INFO"), Some(200));
    }
    alice.hangs_up();
    forgotten(&world, &proxy);
}
