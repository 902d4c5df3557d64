//! Requests that modules ask for, PRACKs, and the ends that we bring about, leg by leg
//! (spec dialog.md §6.4–§6.6, §7, decisions D2, D3, D27, lessons 15, 20, 23).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use std::sync::{Arc, Mutex};
use support::{World, reply, text};

type Heard<T> = Arc<Mutex<Vec<T>>>;

fn asked(world: &mut World, dialog: &Dialog) -> Vec<OwnRequest> {
    assert_eq!(world.dialogs.take_intent().map(|intent| intent.wish), Some(Wish::Send));
    world.dialogs.take_asked(dialog.key()).unwrap()
}

// §15, `send_indialog_request`: built when the call's turn comes; the handler hears the end, once
#[test]
fn a_module_sends_a_request_and_hears_of_it() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let heard: Heard<Outcome> = Arc::default();
    let sink = Arc::clone(&heard);
    let request = NewRequest::to_caller("INFO")
        .body(Body::new(b"text/plain", b"hello"))
        .headers(b"X-Note: 1\r\n");
    dialog
        .send_request(request, move |answer| {
            assert!(answer.dialog.is_active() && answer.message.is_none());
            sink.lock().unwrap().push(answer.outcome);
        })
        .unwrap();
    let sent = asked(&mut world, &dialog);
    let [info] = &sent[..] else { panic!("one request") };
    assert_eq!((text(&info.method), info.link.leg, info.cseq), ("INFO", 0, 1));
    assert_eq!(info.body.as_ref().map(Body::bytes), Some(&b"hello"[..]));
    assert_eq!(
        (&*info.headers, text(&info.contact)),
        (&b"X-Note: 1\r\n"[..], "sip:bob@127.0.0.1:5062")
    );
    assert!(world.dialogs.take_asked(dialog.key()).unwrap().is_empty(), "handed out once");
    world.settled(info, Outcome::Reply(200));
    world.settled(info, Outcome::Reply(200));
    assert_eq!(*heard.lock().unwrap(), [Outcome::Reply(200)]);
}

// The dialog ends meanwhile: its handler still hears, and DESTROY waits for it
#[test]
fn an_answer_after_the_end_is_heard() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let heard: Heard<Outcome> = Arc::default();
    let sink = Arc::clone(&heard);
    let to_callee = NewRequest::to_callee("INFO");
    dialog
        .send_request(to_callee, move |answer| sink.lock().unwrap().push(answer.outcome))
        .unwrap();
    let sent = asked(&mut world, &dialog);
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED Upstream BYE"]);
    world.settled(&sent[0], Outcome::TimedOut);
    assert_eq!((heard.lock().unwrap().len(), world.seen()), (1, vec!["DESTROY".to_owned()]));
}

// §15: what cannot be sent is refused, and its handler dropped at once
#[test]
fn requests_that_cannot_be_sent_are_refused() {
    let mut world = World::new();
    let dialog = world.call("call");
    let guard = Arc::new(());
    let ask = |request: NewRequest| {
        let kept = Arc::clone(&guard);
        let refused = dialog.send_request(request, move |_| drop(kept));
        assert_eq!(Arc::strong_count(&guard), 1 + usize::from(refused.is_ok()));
        refused
    };
    assert_eq!(ask(NewRequest::to_callee("BYE")), Err(AskError::BadMethod));
    assert_eq!(ask(NewRequest::to_callee("IN FO")), Err(AskError::BadMethod));
    assert_eq!(ask(NewRequest::to_callee("INFO").headers(b"X: 1")), Err(AskError::BadHeaders));
    assert_eq!(ask(NewRequest::to_callee("INFO")), Err(AskError::NotActive), "no callee yet");
    assert_eq!(ask(NewRequest::to_leg("INFO", 7)), Err(AskError::NotActive));
    let full = world.answered("full");
    for _ in 0..ASKED_MAX {
        full.send_request(NewRequest::to_caller("INFO"), |_| ()).unwrap();
    }
    assert_eq!(full.send_request(NewRequest::to_caller("INFO"), |_| ()), Err(AskError::Busy));
}

// a closure that nobody will call is dropped, also where the engine cannot be told
#[test]
fn what_the_full_queue_refuses_is_withdrawn() {
    let mut world = World::new();
    let dialogs: Vec<_> = (0..=INTENTS_MAX / ASKED_MAX)
        .map(|number| world.answered(&format!("call {number}")))
        .collect();
    let (last, others) = dialogs.split_last().unwrap();
    for dialog in others {
        for _ in 0..ASKED_MAX {
            dialog.send_request(NewRequest::to_caller("INFO"), |_| ()).unwrap();
        }
    }
    let guard = Arc::new(());
    let kept = Arc::clone(&guard);
    let refused = last.send_request(NewRequest::to_caller("INFO"), move |_| drop(kept));
    assert_eq!((refused, Arc::strong_count(&guard)), (Err(AskError::Busy), 1));
    assert!(world.dialogs.take_asked(last.key()).unwrap().is_empty());
}

// Promise 5: a handler that panics is caught
#[test]
fn a_panicking_handler_is_caught() {
    let mut world = World::new();
    let dialog = world.answered("call");
    dialog.send_request(NewRequest::to_caller("INFO"), |_| panic!("a bug")).unwrap();
    let sent = asked(&mut world, &dialog);
    world.settled(&sent[0], Outcome::Reply(200));
    assert_eq!(world.seen(), ["panic in answer to a request: a bug"]);
    assert!(dialog.is_active());
}

// D27: display names as the caller wrote them, in both directions; §6.4: URIs and tags as if the
// other endpoint were sending
#[test]
fn display_names_are_kept() {
    let mut world = World::new();
    let invite = InviteFacts {
        from_display: b"\"Alice < & \\\" >\"",
        to_display: b"Bob",
        ..support::invite("call", "a")
    };
    let dialog = world.create_from(&invite, DialogFlags::empty());
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    let byes = world.byes(&dialog);
    let alice = "\"Alice < & \\\" >\" <sip:alice@127.0.0.1:5061>;tag=a";
    let bob = "Bob <sip:bob@127.0.0.1:5060>;tag=b";
    assert_eq!((text(&byes[0].from), text(&byes[0].to)), (bob, alice));
    assert_eq!((text(&byes[1].from), text(&byes[1].to)), (alice, bob));
    let snapshot = dialog.snapshot().unwrap();
    assert_eq!(text(&snapshot.from_uri), "sip:alice@127.0.0.1:5061");
}

// lessons 20: the report has each leg's outcome, and comes when the last one is there
#[test]
fn an_end_is_reported_leg_by_leg() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let heard: Heard<EndReport> = Arc::default();
    let sink = Arc::clone(&heard);
    let report = move |report: &EndReport| sink.lock().unwrap().push(report.clone());
    assert!(dialog.terminate_and_report(EndReason::new("Fraud"), report).is_ok());
    let byes = world.byes(&dialog);
    world.settled(&byes[1], Outcome::TimedOut);
    assert_eq!(world.seen(), ["note ByeFailed(1, TimedOut)", "4 -> 5", "TERMINATED Fraud"]);
    assert!(heard.lock().unwrap().is_empty(), "the caller has not answered yet");
    world.settled(&byes[0], Outcome::Reply(200));
    let told = heard.lock().unwrap().pop().unwrap();
    assert_eq!(told.reason, Some(EndReason::new("Fraud")));
    let rows: Vec<_> = told.legs.iter().map(|leg| (leg.leg, leg.outcome)).collect();
    assert_eq!(rows, [(0, Some(Outcome::Reply(200))), (1, Some(Outcome::TimedOut))]);
    assert_eq!(world.seen(), ["DESTROY"]);
    assert_eq!(world.dialogs.statistics().byes_failed, 1);
}

// What waits to hear of an end is bounded; who is refused is dropped at once
#[test]
fn reports_are_bounded() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let guard = Arc::new(());
    let ask = || {
        let kept = Arc::clone(&guard);
        dialog.terminate_and_report(EndReason::MI_TERMINATION, move |_| drop(kept))
    };
    for _ in 0..REPORTS_MAX {
        assert!(ask().is_ok());
    }
    assert_eq!(ask(), Err(TerminateError::Busy));
    assert_eq!(Arc::strong_count(&guard), 1 + REPORTS_MAX);
}

// The end of a call that rang is reported too; and one whose BYEs nobody reported on
#[test]
fn every_end_is_reported_once() {
    let mut world = World::new();
    let ringing = world.call("ringing");
    let lost = world.answered("lost");
    let heard: Heard<usize> = Arc::default();
    for dialog in [&ringing, &lost] {
        let sink = Arc::clone(&heard);
        let report = move |report: &EndReport| sink.lock().unwrap().push(report.legs.len());
        assert!(dialog.terminate_and_report(EndReason::MI_TERMINATION, report).is_ok());
    }
    assert_eq!(world.dialogs.begin_end(world.now, ringing.key(), Byes::Both), Ok(EndPlan::Cancel));
    world.reply(&ringing, 487, "b");
    assert_eq!(*heard.lock().unwrap(), [0]);
    world.byes(&lost);
    world.pass(80);
    assert_eq!(*heard.lock().unwrap(), [0, 2], "what is known by then");
}

// §7, lessons 20: all BYEs are built before anything changes; D2: a pair for each answered leg
#[test]
fn each_answered_leg_gets_a_pair_of_byes() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::empty());
    for branch in [1, 2, 3] {
        world.branch(&dialog, branch);
    }
    for (branch, tag) in [(1, "b"), (3, "d")] {
        world.reply_with(&dialog, &reply(branch, 200, tag));
    }
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    let byes = world.byes(&dialog);
    assert_eq!(dialog.state(), Ok(State::Confirmed));
    let legs: Vec<_> = byes.iter().map(|bye| (bye.link.leg, bye.link.callee_leg)).collect();
    assert_eq!(legs, [(0, 1), (1, 1), (0, 3), (3, 3)]);
    // RFC 3261 §12.2.1.1: rising numbers; to the caller both BYEs are of different dialogs
    assert_eq!(byes.iter().map(|bye| bye.cseq).collect::<Vec<_>>(), [1, 11, 2, 11]);
}

// §2.4.4, lessons 15: an answer that crossed a CANCEL is tracked always, and released on both sides
// when the flag is set, whether or not expiry sends BYEs; its ACK is sent for the caller that is gone
#[test]
fn an_answer_that_crossed_a_cancel_is_released() {
    for (flags, released) in [
        (DialogFlags::END_ON_RACE_CONDITION, true),
        (DialogFlags::END_ON_RACE_CONDITION | DialogFlags::BYE_ON_TIMEOUT, true),
        (DialogFlags::empty(), false),
    ] {
        let mut world = World::new();
        let dialog = world.create("call", "a", flags);
        world.branch(&dialog, 1);
        world.cancelled(&dialog);
        world.reply(&dialog, 200, "b");
        assert!(world.seen().contains(&format!("note Raced({released})")));
        assert_eq!(world.dialogs.statistics().races, 1);
        assert!(dialog.flags().unwrap().contains(DialogFlags::RACE_CONDITION_OCCURRED));
        world.pass(6);
        assert_eq!(world.ends.len(), usize::from(released), "{flags:?}");
        if !released {
            continue;
        }
        assert_eq!(dialog.end_reason(), Ok(Some(EndReason::SIP_RACE_CONDITION)));
        let requests = world.byes(&dialog);
        let sent: Vec<_> =
            requests.iter().map(|own| (text(&own.method), own.link.leg, own.cseq)).collect();
        assert_eq!(sent, [("ACK", 1, 10), ("BYE", 0, 1), ("BYE", 1, 11)]);
    }
}

// §2.4.4: the CANCEL may come after the 2xx was relayed; assignments to $DLG_timeout are ignored then
#[test]
fn a_cancel_that_comes_too_late_releases_the_call() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::END_ON_RACE_CONDITION);
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.cancelled(&dialog);
    dialog.set_timeout(world.now, 900).unwrap();
    dialog.set_ping_interval(world.now, PingKind::Options, 900).unwrap();
    assert_eq!(dialog.timeout(world.now), Ok(5));
    assert_eq!(dialog.ping_interval(PingKind::Options), Ok(30));
    world.pass(6);
    assert_eq!((world.ends.len(), world.dialogs.statistics().races), (1, 1));
    let methods: Vec<_> =
        world.byes(&dialog).iter().map(|own| text(&own.method).to_owned()).collect();
    assert_eq!(methods, ["BYE", "BYE"], "it was acknowledged by its caller");
}

// §2.4.5 with §2.4.4: an early BYE that crossed the answer
#[test]
fn an_early_bye_that_crossed_the_answer_is_released() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::END_ON_RACE_CONDITION);
    world.branch(&dialog, 1);
    world.reply(&dialog, 180, "b");
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    world.reply(&dialog, 200, "b");
    assert_eq!(dialog.timeout(world.now), Ok(5));
    world.pass(6);
    assert_eq!(dialog.end_reason(), Ok(Some(EndReason::SIP_RACE_CONDITION)));
}

// D3: a 2xx after the failure is counted; with late_answer=release its callee gets ACK and BYE
#[test]
fn a_late_answer_is_released() {
    let settings = Settings { late_answer: LateAnswer::Release, ..Settings::default() };
    let mut world = World::with(settings);
    let dialog = world.call("call");
    world.sent(&dialog, 408);
    world.seen();
    world.reply(&dialog, 200, "b");
    assert!(world.seen().contains(&"release late".to_owned()));
    let requests = world.dialogs.release_late(dialog.key()).unwrap();
    let sent: Vec<_> = requests.iter().map(|own| (text(&own.method), own.link.leg)).collect();
    assert_eq!(sent, [("ACK", 1), ("BYE", 1)]);
    assert!(world.dialogs.release_late(dialog.key()).unwrap().is_empty(), "once");
    assert_eq!(world.dialogs.statistics().late_answers, 1);
    world.settled(&requests[1], Outcome::Reply(200));
    world.transaction_ended(&dialog);
    assert_eq!(dialog.state(), Err(Gone));
}

// §6.5, RFC 3262 §4: one PRACK for each RSeq, in order, to the leg it came from
#[test]
fn reliable_provisionals_are_acknowledged() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::AUTO_PRACK);
    world.branch(&dialog, 1);
    world.branch(&dialog, 2);
    let mut came = |branch, tag, rseq| {
        let facts = ReplyFacts { rseq: Some(rseq), ..reply(branch, 183, tag) };
        world.reply_with(&dialog, &facts);
        let sent: Vec<_> = world.sent.drain(..).collect();
        sent.iter().map(|own| (own.link.leg, own.cseq, own.rack.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(came(1, "b", 700), [(1, 11, (700, 10))]);
    assert_eq!(came(1, "b", 700), [], "it came again");
    assert_eq!(came(1, "b", 702), [], "one before it is missing");
    assert_eq!(came(1, "b", 701), [(1, 12, (701, 10))]);
    assert_eq!(came(2, "c", 5), [(2, 11, (5, 10))], "each leg counts for itself");
}

// §6.5: to the caller, what is ours to acknowledge is no reliable one, in whatever order it comes; what
// the caller acknowledged itself before we were asked stays its own
#[test]
fn only_what_is_ours_is_taken_from_the_caller() {
    let mut world = World::new();
    let told = |world: &mut World, dialog: &Dialog, rseq| {
        let facts = ReplyFacts { rseq: Some(rseq), ..reply(1, 183, "b") };
        let mut steps = Steps::new();
        let forwarded = world.dialogs.reply_forwarded(dialog.key(), &facts, &mut steps);
        forwarded.unwrap().pracked
    };
    let ours = world.create("call", "a", DialogFlags::AUTO_PRACK);
    world.branch(&ours, 1);
    let seen = [7, 9, 8, 9].map(|rseq| told(&mut world, &ours, rseq));
    assert_eq!(seen, [true; 4], "9 came before its turn");
    let asked = world.call("other");
    assert!(!told(&mut world, &asked, 7));
    asked.send_request(NewRequest::prack(b"b", 8, 10), |_| {}).unwrap();
    let seen = [8, 7, 9].map(|rseq| told(&mut world, &asked, rseq));
    assert_eq!(seen, [true, false, false]);
}

// §6.5: a PRACK that fails ends the call with 502 if that is wanted
#[test]
fn a_failed_prack_may_end_the_call() {
    for hangup in [false, true] {
        let settings = Settings { auto_prack_hangup_on_failure: hangup, ..Settings::default() };
        let mut world = World::with(settings);
        let dialog = world.create("call", "a", DialogFlags::AUTO_PRACK);
        world.branch(&dialog, 1);
        world.reply_with(&dialog, &ReplyFacts { rseq: Some(1), ..reply(1, 183, "b") });
        let prack = world.sent.pop().unwrap();
        world.seen();
        world.settled(&prack, Outcome::TimedOut);
        let expected = ["note PrackFailed(TimedOut)", "refuse 502"];
        assert_eq!(world.seen(), expected[..1 + usize::from(hangup)]);
    }
}

// §6.5: without the flag nobody acknowledges for the caller
#[test]
fn without_the_flag_there_is_no_prack() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply_with(&dialog, &ReplyFacts { rseq: Some(1), ..reply(1, 183, "b") });
    assert!(world.sent.is_empty());
    assert_eq!(dialog.state(), Ok(State::Early));
}

// RFC 3262 §3: a 481 to a PRACK says that the provisional is not known any more, as when the answer
// crossed it; a pinged call goes on
#[test]
fn a_481_to_a_prack_is_no_end_of_the_call() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::PING_CALLEE);
    world.branch(&dialog, 1);
    dialog.send_request(NewRequest::prack(b"b", 7, 10), |_| ()).unwrap();
    world.forwarded(&dialog, &ReplyFacts { rseq: Some(7), ..reply(1, 183, "b") });
    let prack = asked(&mut world, &dialog).pop().unwrap();
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.settled(&prack, Outcome::Reply(481));
    assert!(dialog.is_active());
    let other = NewRequest::to_callee("INFO");
    dialog.send_request(other, |_| ()).unwrap();
    let info = asked(&mut world, &dialog).pop().unwrap();
    assert!(world.ends.is_empty());
    world.settled(&info, Outcome::Reply(481));
    assert_eq!(world.ends.len(), 1, "that one does say that the call is not known");
}

// §6.6, RFC 3262 §4, §7.2: a PRACK is asked for while its reply is on its way; the leg is learnt
// then, and for the caller the reply is a plain one
#[test]
fn a_prack_may_be_asked_for_before_its_leg_is_known() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.branch(&dialog, 2);
    let ask = |tag: &[u8], rseq| dialog.send_request(NewRequest::prack(tag, rseq, 10), |_| ());
    assert_eq!(ask(b"b", 7), Ok(()));
    assert_eq!(ask(b"b", 7), Err(AskError::NotNext), "once");
    let provisional = |rseq| ReplyFacts { rseq: Some(rseq), ..reply(1, 183, "b") };
    assert!(world.forwarded(&dialog, &provisional(7)).pracked);
    let body = Body::sdp(b"answer");
    let sent = asked(&mut world, &dialog);
    let [prack] = &sent[..] else { panic!("one request") };
    assert_eq!((text(&prack.method), prack.link.leg, prack.cseq), ("PRACK", 1, 11));
    assert_eq!((prack.rack, prack.contact.is_empty()), (Some((7, 10)), true));
    assert_eq!(text(&prack.request_uri), "sip:bob@127.0.0.1:5062");
    assert_eq!(ask(b"b", 7), Err(AskError::NotNext), "it came again");
    assert!(world.forwarded(&dialog, &provisional(7)).pracked);
    assert_eq!(ask(b"b", 9), Err(AskError::NotNext), "one before it is missing");
    assert!(!world.forwarded(&dialog, &provisional(9)).pracked);
    dialog.send_request(NewRequest::prack(b"b", 8, 10).body(body.clone()), |_| ()).unwrap();
    assert!(world.forwarded(&dialog, &provisional(8)).pracked);
    assert_eq!(asked(&mut world, &dialog)[0].body, Some(body));
    // nobody has this tag: there is no leg to send it to
    let guard = Arc::new(());
    let kept = Arc::clone(&guard);
    dialog.send_request(NewRequest::prack(b"c", 1, 10), move |_| drop(kept)).unwrap();
    assert!(asked(&mut world, &dialog).is_empty());
    assert_eq!(Arc::strong_count(&guard), 1, "its handler is dropped");
    world.reply(&dialog, 486, "b");
    assert_eq!(ask(b"b", 10), Err(AskError::NotActive));
}
