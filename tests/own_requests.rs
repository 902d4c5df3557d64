//! Requests that the proxy sends itself within a call, on the real road (spec/dialog.md §6, §7).

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::dialog::{Answer, Body, DialogEvents, EndReason, NewRequest, Outcome};
use duologue_testkit::{Agent, CallState, Message, Served};
use world::{CAROL, Proxy, answered, cast, forgotten, script_to};

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// A script whose calls are made with these flags.
fn with_flags(settings: &str, flags: &str, rest: &str) -> String {
    let flags = format!("create_dialog(\"{flags}\")");
    script_to(settings, "", rest).replace("create_dialog()", &flags)
}

fn cseqs(agent: &Agent, kind: &str) -> Vec<u32> {
    let fresh = agent.received(kind).into_iter().filter(|received| !received.again);
    fresh.map(|received| received.message.cseq().0).collect()
}

/// A message with another value in one of its headers.
fn replacing(mut message: Message, name: &str, value: String) -> Message {
    message.headers.retain(|(other, _)| other != name);
    message.with(name, value)
}

fn dialog(proxy: &Served<Proxy>, alice: &Agent) -> duologue::dialog::Dialog {
    let dialogs = &proxy.borrow().node.dialogs;
    dialogs.by_callid(alice.call_id().as_bytes(), None).expect("the call is tracked")
}

fn dialog_is_active(proxy: &Served<Proxy>, alice: &Agent) -> bool {
    let dialogs = &proxy.borrow().node.dialogs;
    dialogs.by_callid(alice.call_id().as_bytes(), None).is_some_and(|dialog| dialog.is_active())
}

// §6.2, §6.4, §19: OPTIONS to both sides; from then on the callee sees numbers of ours, the caller
// its own
#[test]
fn both_sides_are_pinged_and_numbers_follow() {
    let script = with_flags("", "Pp", "");
    let (world, alice, proxy, bob) = cast(1, &script);
    answered(&world, &alice, &bob);
    let invited = bob.last("INVITE").cseq().0;
    world.run_for(SECONDS(31));
    assert_eq!((alice.count("OPTIONS"), bob.count("OPTIONS")), (1, 1));
    assert_eq!((cseqs(&alice, "OPTIONS"), cseqs(&bob, "OPTIONS")), (vec![1], vec![invited + 1]));
    let ping = bob.last("OPTIONS");
    assert!(ping.header("Contact").is_none() && ping.header("Max-Forwards") == Some("70"));
    alice.requests("INFO");
    world.settle();
    assert_eq!(cseqs(&bob, "INFO"), [invited + 2]);
    assert_eq!(alice.last("200 INFO").cseq().0, invited + 1, "its own number comes back");
    alice.reinvites();
    world.settle();
    assert_eq!(cseqs(&bob, "INVITE"), [invited, invited + 3]);
    assert_eq!(bob.last("ACK").cseq().0, invited + 3);
    bob.reinvites();
    world.settle();
    assert_eq!(alice.last("INVITE").cseq().0, alice.last("ACK").cseq().0);
    world.run_for(SECONDS(30));
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(bob.last("BYE").cseq().0, bob.last("OPTIONS").cseq().0 + 1);
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
}

// Decision D13: the ACK of a re-INVITE finds its number also where the call ended meanwhile and the
// re-INVITE came once more after that
#[test]
fn an_ack_that_comes_after_the_end_follows_its_invite() {
    let (world, alice, proxy, bob) = cast(40, &with_flags("", "p", ""));
    answered(&world, &alice, &bob);
    world.run_for(SECONDS(31));
    bob.manual();
    world.lose_next(proxy.to(&alice).only("100"));
    alice.reinvites();
    world.run_for(Duration::from_millis(100));
    dialog(&proxy, &alice).terminate(EndReason::new("operator")).unwrap();
    world.run_for(Duration::from_millis(600));
    assert_eq!((alice.count("BYE"), alice.retransmissions("INVITE")), (1, 1));
    assert!(!dialog_is_active(&proxy, &alice));
    bob.replies_to("INVITE", 200);
    world.run_for(Duration::from_millis(100));
    let numbers = [bob.last("INVITE"), bob.last("ACK")].map(|message| message.cseq().0);
    assert_eq!(numbers[0], alice.sent("INVITE")[1].message.cseq().0 + 1, "it was renumbered");
    assert_eq!(numbers[0], numbers[1]);
    bob.replies_to("BYE", 200);
    forgotten(&world, &proxy);
}

// §6.2, §7: a callee that is gone ends the call on both sides
#[test]
fn a_dead_callee_ends_the_call() {
    let settings = "modparam(\"dialog\", \"options_ping_interval\", 40)";
    let (world, alice, proxy, bob) = cast(2, &with_flags(settings, "p", ""));
    answered(&world, &alice, &bob);
    bob.silent();
    world.run_for(SECONDS(75));
    assert_eq!(alice.state(), CallState::Talking, "one ping without an answer is no end");
    world.run_for(SECONDS(60));
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!((alice.count("BYE"), bob.count("BYE")), (1, 1), "both sides were told");
    forgotten(&world, &proxy);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.pings_sent, statistics.pings_failed), (2, 2));
    assert_eq!(statistics.byes_failed, 1, "the callee never answered its BYE");
}

// §6.3: a callee that does not know the call any more ends it at once
#[test]
fn a_481_ends_the_call() {
    let (world, alice, proxy, bob) = cast(3, &with_flags("", "p", ""));
    answered(&world, &alice, &bob);
    bob.manual();
    world.run_for(SECONDS(30));
    bob.replies_to("OPTIONS", 481);
    bob.polite();
    world.settle();
    assert_eq!(alice.state(), CallState::Ended);
    forgotten(&world, &proxy);
}

// §6.3, §6.4, lessons 13: a re-INVITE tells the leg what it knows; its 2xx is acknowledged each time
#[test]
fn reinvite_pings_change_nothing() {
    let settings = "modparam(\"dialog\", \"reinvite_ping_interval\", 40)";
    let (world, alice, proxy, bob) = cast(4, &with_flags(settings, "Rr", ""));
    answered(&world, &alice, &bob);
    let (offer, answer) = (bob.last("INVITE").body, alice.last("200 INVITE").body);
    world.lose_next(proxy_ack(&proxy, &bob));
    world.run_for(SECONDS(41));
    assert_eq!(bob.last("INVITE").body, offer);
    assert_eq!(alice.last("INVITE").body, answer);
    let contact = bob.last("INVITE").header("Contact").map(str::to_owned);
    assert_eq!(contact, Some(format!("<{}>", alice.uri())), "the peer's Contact");
    world.settle();
    assert!(bob.retransmissions("200 INVITE") >= 1, "the first ACK was lost");
    assert_eq!(bob.last("ACK").cseq(), (bob.last("INVITE").cseq().0, "ACK"));
    assert_eq!(alice.last("ACK").cseq(), (alice.last("INVITE").cseq().0, "ACK"));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

fn proxy_ack(proxy: &Served<Proxy>, to: &Agent) -> duologue_testkit::Packets {
    duologue_testkit::Packets::between(proxy, to).only("ACK")
}

// lessons 14: glare says that somebody is there
#[test]
fn glare_is_a_sign_of_life() {
    let settings = "modparam(\"dialog\", \"reinvite_ping_interval\", 10)\n\
                    modparam(\"dialog\", \"ping_failures_max\", 1)";
    let (world, alice, proxy, bob) = cast(5, &with_flags(settings, "r", ""));
    answered(&world, &alice, &bob);
    bob.manual();
    world.run_for(SECONDS(10));
    bob.replies_to("INVITE", 491);
    world.settle();
    assert_eq!(bob.last("ACK").cseq().0, bob.last("INVITE").cseq().0, "the ACK of a refusal");
    bob.polite();
    assert_eq!(bob.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §15, `send_indialog_request`: a module's request and its reply handler
#[test]
fn a_module_sends_within_the_call() {
    let (world, alice, proxy, bob) = cast(6, &world::plain());
    answered(&world, &alice, &bob);
    let heard = Arc::new(Mutex::new(Vec::new()));
    for request in [NewRequest::to_caller("INFO"), NewRequest::to_callee("MESSAGE")] {
        let request = request.body(Body::new(b"text/plain", b"hello")).headers(b"X-Note: 1\r\n");
        let sink = Arc::clone(&heard);
        let told = move |answer: Answer<'_>| {
            let method = answer.message.map(|reply| reply.header("CSeq").map(<[u8]>::to_vec));
            sink.lock().expect("nobody panics here").push((answer.outcome, method.flatten()));
        };
        dialog(&proxy, &alice).send_request(request, told).expect("the call is up");
    }
    world.settle();
    let (info, message) = (alice.last("INFO"), bob.last("MESSAGE"));
    assert_eq!((info.body.as_slice(), info.header("X-Note")), (&b"hello"[..], Some("1")));
    assert_eq!(message.header("Content-Type"), Some("text/plain"));
    let mut heard = heard.lock().expect("nobody panics here");
    heard.sort_by(|a, b| a.1.cmp(&b.1));
    let ok = Outcome::Reply(200);
    let number = bob.last("INVITE").cseq().0 + 1;
    let callee = format!("{number} MESSAGE").into_bytes();
    assert_eq!(*heard, [(ok, Some(b"1 INFO".to_vec())), (ok, Some(callee))]);
    drop(heard);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §6.4, D13: requests of a module between a re-INVITE and its ACK do not move the ACK
#[test]
fn a_request_between_invite_and_ack_moves_nothing() {
    let (world, alice, proxy, bob) = cast(7, &world::plain());
    answered(&world, &alice, &bob);
    alice.withholds_acks();
    alice.reinvites();
    world.run_for(Duration::from_millis(100));
    let sent = dialog(&proxy, &alice).send_request(NewRequest::to_callee("INFO"), |_| ());
    sent.expect("the call is up");
    world.run_for(Duration::from_millis(100));
    alice.acks();
    world.settle();
    assert_eq!(bob.last("ACK").cseq().0, bob.last("INVITE").cseq().0);
    assert_eq!(bob.last("INFO").cseq().0, bob.last("INVITE").cseq().0 + 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §6.5: the proxy acknowledges reliable provisionals, and the caller gets plain ones
#[test]
fn provisionals_are_acknowledged_for_the_caller() {
    let (world, alice, proxy, bob) = cast(8, &with_flags("", "auto-prack,bye-on-timeout", ""));
    bob.manual();
    alice.invite(&bob);
    world.run_for(SECONDS(1));
    // bob's reliable replies are made by hand here, so his own book of them is empty
    world.tolerate();
    let reliable = |reply: Message| reply.with("Require", "100rel").with("RSeq", "77");
    bob.replies_with("INVITE", 183, reliable);
    world.run_for(Duration::from_millis(100));
    let (prack, invite) = (bob.last("PRACK"), bob.last("INVITE"));
    let (number, _) = invite.cseq();
    assert_eq!(prack.header("RAck"), Some(format!("77 {number} INVITE").as_str()));
    assert_eq!(prack.cseq().0, number + 1);
    let early = alice.last("183");
    assert!(early.header("RSeq").is_none() && early.header("Require").is_none());
    bob.replies_to("PRACK", 200);
    bob.polite();
    bob.answers();
    world.settle();
    assert_eq!(bob.count("PRACK"), 1);
    assert_eq!(bob.last("ACK").cseq().0, number, "the INVITE's ACK keeps its number");
    alice.requests("INFO");
    world.settle();
    assert_eq!(bob.last("INFO").cseq().0, number + 2);
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// §6.5: `auto_prack_hangup_on_failure`
#[test]
fn a_prack_that_nobody_accepts_ends_the_call() {
    let settings = "modparam(\"dialog\", \"auto_prack_hangup_on_failure\", 1)";
    let (world, alice, proxy, bob) = cast(9, &with_flags(settings, "auto-prack", ""));
    bob.manual();
    alice.invite(&bob);
    world.run_for(SECONDS(1));
    world.tolerate();
    bob.replies_with("INVITE", 180, |reply| reply.with("Require", "100rel").with("RSeq", "1"));
    world.run_for(SECONDS(4));
    assert_eq!(alice.final_status(), Some(502), "after auto_prack_fr_timeout");
    bob.polite();
    world.settle();
    assert_eq!(bob.count("CANCEL"), 1);
    forgotten(&world, &proxy);
}

// §7, D27: both BYEs leave with the display names of the call, `dlg_extra_hdrs` in them
#[test]
fn an_end_tells_both_sides_who_they_were() {
    let settings = "modparam(\"dialog\", \"dlg_extra_hdrs\", \"X-Ended: by us\\r\\n\")";
    let (world, alice, proxy, bob) = cast(10, &script_to(settings, "", ""));
    alice.invite_with(&bob.uri(), |invite| {
        let from = invite.header("From").unwrap_or_default().to_owned();
        replacing(invite, "From", format!("\"Alice <1>\" {from}"))
    });
    bob.rings();
    bob.answers();
    world.settle();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let asked =
        dialog(&proxy, &alice).terminate_and_report(EndReason::new("test"), move |report| {
            sink.lock()
                .expect("nobody panics here")
                .extend(report.legs.iter().map(|leg| leg.outcome));
        });
    assert!(asked.is_ok());
    world.settle();
    for (agent, name) in [(&alice, "To"), (&bob, "From")] {
        let bye = agent.last("BYE");
        assert_eq!(bye.header("X-Ended"), Some("by us"));
        let value = bye.header(name).unwrap_or_default();
        assert!(value.starts_with("\"Alice <1>\" <"), "{value}");
    }
    assert_eq!(*heard.lock().expect("nobody panics here"), [Some(Outcome::Reply(200)); 2]);
    forgotten(&world, &proxy);
}

// §2.4.4, lessons 15: the caller cancelled and went away, the callee answered: both are released
#[test]
fn a_race_is_released_on_both_sides() {
    let (world, alice, proxy, bob) = cast(11, &with_flags("", "E", ""));
    alice.invite(&bob);
    bob.rings();
    world.run_for(SECONDS(1));
    // the CANCEL and the 200 cross between the proxy and bob, and alice is gone
    alice.cancels();
    bob.answers();
    alice.silent();
    world.run_for(SECONDS(10));
    assert!(bob.count("ACK") >= 1, "the caller owes it, the proxy pays");
    assert_eq!((alice.count("BYE"), bob.count("BYE")), (1, 1));
    assert_eq!(bob.state(), CallState::Ended);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!(statistics.races, 1);
    world.tolerate();
    forgotten(&world, &proxy);
}

// D3: `late_answer=release`: a callee that answers after the failure is released
#[test]
fn a_late_answer_is_released() {
    let settings = "modparam(\"dialog\", \"late_answer\", \"release\")\n\
                    modparam(\"tm\", \"fr_inv_timeout\", 5)";
    let (world, alice, proxy, bob) = cast(12, &script_to(settings, "", ""));
    bob.manual();
    alice.invite(&bob);
    world.run_for(SECONDS(1));
    bob.replies(180);
    // the CANCEL that nobody answers takes its time too
    world.run_until(SECONDS(60), || alice.final_status().is_some());
    assert_eq!(alice.final_status(), Some(408));
    bob.replies_to("INVITE", 200);
    bob.polite();
    world.run_for(SECONDS(2));
    assert_eq!(bob.count("BYE"), 1);
    assert!(bob.count("ACK") >= 1);
    assert_eq!(proxy.borrow().node.dialogs.statistics().late_answers, 1);
    world.tolerate();
    forgotten(&world, &proxy);
}

// §16: local_route may change headers and the next hop of what we send
#[test]
fn the_local_route_is_honoured() {
    let local = format!("local_route {{ append_hf(\"X-Local: 1\\r\\n\"); $du = \"{CAROL}\"; }}");
    let (world, alice, proxy, bob) = cast(13, &script_to("", "", &local));
    let carol = world.agent("carol");
    carol.manual();
    answered(&world, &alice, &bob);
    let sent = dialog(&proxy, &alice).send_request(NewRequest::to_callee("INFO"), |_| ());
    sent.expect("the call is up");
    world.run_for(SECONDS(1));
    let info = carol.last("INFO");
    assert_eq!((info.header("X-Local"), bob.count("INFO")), (Some("1"), 0));
    world.tolerate();
    carol.replies_to("INFO", 200);
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// lessons 23: behind NAT a leg is reached where it came from; a Contact that leads nowhere is no end
#[test]
fn legs_are_reached_by_their_flow() {
    let flow = "modparam(\"dialog\", \"leg_target\", \"flow\")";
    for (settings, contact) in [(flow, "sip:a@192.168.1.9:5060"), ("", "sip:a@phone.invalid")] {
        let (world, alice, proxy, bob) = cast(14, &script_to(settings, "", ""));
        // alice does not know the Contact that her router made of hers
        world.tolerate();
        alice
            .invite_with(&bob.uri(), |invite| replacing(invite, "Contact", format!("<{contact}>")));
        bob.rings();
        bob.answers();
        world.settle();
        let sent = dialog(&proxy, &alice).send_request(NewRequest::to_caller("INFO"), |_| ());
        sent.expect("the call is up");
        world.settle();
        assert_eq!(alice.last("INFO").uri(), Some(contact));
        alice.hangs_up();
        forgotten(&world, &proxy);
    }
}

// D26: a challenged BYE is sent again after the end: it is routed, under a number that fits
#[test]
fn a_bye_that_was_challenged_goes_through_again() {
    let (world, alice, proxy, bob) = cast(15, &with_flags("", "p", ""));
    answered(&world, &alice, &bob);
    world.run_for(SECONDS(31));
    let pinged = bob.last("OPTIONS").cseq().0;
    bob.manual();
    alice.hangs_up_now();
    world.run_for(SECONDS(1));
    bob.replies_to("BYE", 401);
    world.run_for(SECONDS(10));
    let own = alice.last("401").cseq().0;
    let mut again = alice.sent("BYE")[0].message.clone();
    again = replacing(again, "CSeq", format!("{} BYE", own + 1));
    let via = format!("{}again", again.header("Via").unwrap_or_default());
    alice.sends_raw(&proxy, &replacing(again, "Via", via).to_bytes());
    world.run_for(SECONDS(1));
    bob.replies_to("BYE", 200);
    world.tolerate();
    world.settle();
    assert_eq!(cseqs(&bob, "BYE"), [pinged + 1, pinged + 2]);
    assert_eq!(alice.last("200 BYE").cseq().0, own + 1);
    bob.polite();
    forgotten(&world, &proxy);
}

// A callback may send within the call: it queues behind what the call is doing
#[test]
fn a_callback_may_send_within_the_call() {
    let (world, alice, proxy, bob) = cast(16, &world::plain());
    proxy.borrow().node.dialogs.on_created(|event| {
        let _ = event.dialog().on(DialogEvents::REQ_WITHIN, |event| {
            let within = NewRequest::to_callee("MESSAGE");
            let _ = event.dialog().send_request(within, |answer| {
                let _ = answer.dialog.store_value("told", 1);
            });
        });
    });
    answered(&world, &alice, &bob);
    assert_eq!(bob.count("MESSAGE"), 1, "for the ACK");
    assert_eq!(dialog(&proxy, &alice).fetch_value("told"), Ok(Some(1.into())));
    bob.hangs_up();
    forgotten(&world, &proxy);
}
