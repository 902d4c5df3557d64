//! `async()` and `launch()` (spec/script.md §12): a script waits, its call goes on, and the rest of
//! it runs in the call's order.

mod world;

use std::cell::RefCell;
use std::time::Duration;

use duologue::server::context::Context;
use duologue::server::module::{AsyncFunction, Module};
use duologue::server::parked::PARKED_PER_CALL_MAX;
use duologue::server::statistics::{CAUGHT_PANICS, PARKED_RUNS, REFUSED_PARKS};
use duologue::server::waiting::{Begun, Completion, Pending};
use duologue_script::{Args, Param, ParamKind, Value};
use duologue_testkit::{Agent, CallState, Served, World};
use world::notes::{NOTE, notes};
use world::{Proxy, answered, forgotten, script_to};

const SETTINGS: &str = "loadmodule \"cfgutils.so\"\n loadmodule \"oracle.so\"";

thread_local! {
    /// Questions that nobody has answered yet. A test and its proxy share a thread.
    static QUESTIONS: RefCell<Vec<Completion>> = const { RefCell::new(Vec::new()) };
}

/// A module of another crate: a question that somebody else answers, some day.
static ORACLE: Module = Module {
    name: "oracle",
    functions: &[NOTE],
    asynchronous: &[
        AsyncFunction::new("ask", &[Param::optional(ParamKind::Var)], ask).timed(),
        AsyncFunction::new("known", &[Param::optional(ParamKind::Var)], known),
        AsyncFunction::new("stumble", &[], |_, _| panic!("a module's mistake")),
    ],
    ..Module::EMPTY
};

fn ask(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Begun {
    let (pending, completion) = Pending::until_told(ctx);
    QUESTIONS.with_borrow_mut(|questions| questions.push(completion));
    Begun::Waits(pending)
}

fn known(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Begun {
    match args.store(ctx, 0, Value::Str(b"at once")) {
        Ok(()) => Begun::Done(7),
        Err(_) => Begun::Done(-1),
    }
}

fn question() -> Completion {
    QUESTIONS.with_borrow_mut(Vec::pop).expect("somebody asked")
}

fn stage(seed: u64, targets: &str, rest: &str) -> (World, Agent, Served<Proxy>, Agent) {
    let script = script_to(SETTINGS, targets, rest);
    staged(seed, &script)
}

fn staged(seed: u64, script: &str) -> (World, Agent, Served<Proxy>, Agent) {
    let world = World::seeded(seed);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(script, &[&ORACLE]));
    (world, alice, proxy, bob)
}

fn count(proxy: &Served<Proxy>, counter: duologue::server::statistics::Counter) -> u64 {
    proxy.borrow().node.statistics.read(counter)
}

fn parked(proxy: &Served<Proxy>) -> usize {
    proxy.borrow().node.parking.len()
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// The value of a header in the latest request of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

const RELAYS: &str = "route[resumed] { t_relay(); }";

// spec/script.md §12: the script stops at the statement; the resume route finds request, edits,
// transaction, flags and AVPs as they were, `$rc` is the function's code, `$var` is gone.
#[test]
fn the_resume_route_finds_what_the_script_left() {
    let targets = r#"
        setflag("SEEN");
        $avp(color) = "blue";
        $var(lost) = "lost";
        append_hf("X-Before: yes\r\n");
        async(sleep(3), resumed);
        append_hf("X-Never: yes\r\n");
    "#;
    let rest = r#"route[resumed] {
        append_hf("X-Rc: $rc\r\n");
        append_hf("X-Color: $avp(color)\r\n");
        append_hf("X-Var: $var(lost)\r\n");
        append_hf("X-Route: $route\r\n");
        if (isflagset("SEEN")) append_hf("X-Flag: set\r\n");
        t_relay();
    }"#;
    let (world, alice, proxy, bob) = stage(1, targets, rest);
    alice.invite(&bob);
    world.run_for(seconds(2));
    assert_eq!((bob.count("INVITE"), parked(&proxy)), (0, 1));
    // The transaction is there: the caller knows that we work on it.
    assert_eq!(alice.count("100"), 1);
    bob.rings();
    bob.answers();
    world.settle();
    let took = bob.received("INVITE")[0].at.since(alice.sent("INVITE")[0].at);
    assert!((3_000..3_100).contains(&took.as_millis()), "{took:?}");
    for (header, value) in [
        ("X-Before", "yes"),
        ("X-Never", "(none)"),
        ("X-Rc", "1"),
        ("X-Color", "blue"),
        ("X-Var", "<null>"),
        ("X-Route", "route[resumed]"),
        ("X-Flag", "set"),
    ] {
        assert_eq!(shown(&bob, "INVITE", header), value, "{header}");
    }
    assert_eq!((parked(&proxy), count(&proxy, PARKED_RUNS)), (0, 1));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12, spec/modules.md §25: microseconds as well; and a second wait in the resume route.
#[test]
fn a_resumed_run_may_wait_again() {
    let rest = r#"
        route[resumed] { async(sleep(1), further); }
        route[further] { append_hf("X-Rc: $rc\r\n"); t_relay(); }
    "#;
    let (world, alice, proxy, bob) = stage(2, "async(usleep(500000), resumed);", rest);
    alice.invite(&bob);
    bob.answers();
    world.settle();
    let took = bob.received("INVITE")[0].at.since(alice.sent("INVITE")[0].at);
    assert!((1_500..1_600).contains(&took.as_millis()), "{took:?}");
    assert_eq!(shown(&bob, "INVITE", "X-Rc"), "1");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: a function that is over at once runs the resume route in place.
#[test]
fn what_is_over_at_once_does_not_wait() {
    let targets = "$var(lost) = 1; async(known($var(answer)), resumed);";
    let rest = r#"route[resumed] {
        append_hf("X-Rc: $rc $var(answer) $var(lost)\r\n");
        t_relay();
    }"#;
    let (world, alice, proxy, bob) = stage(3, targets, rest);
    alice.invite(&bob);
    bob.answers();
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Rc"), "7 at once <null>");
    assert_eq!(count(&proxy, PARKED_RUNS), 0);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: a retransmission absorbed when async() makes the transaction ends the script.
#[test]
fn a_retransmission_is_absorbed_by_async_itself() {
    let targets = "note(\"script\"); async(sleep(4), resumed);";
    let rest = "route[resumed] { note(\"resumed $rc\"); t_relay(); }";
    let script = script_to(SETTINGS, targets, rest);
    let careless = script.replace(
        "    t_check_trans();\n    if (is_method(\"INVITE\"))",
        "    if (is_method(\"INVITE\"))",
    );
    assert_ne!(script, careless);
    let (world, alice, proxy, bob) = staged(4, &careless);
    // The 100 gets lost, so the caller says it again.
    world.lose_next(proxy.to(&alice));
    alice.invite(&bob);
    world.run_for(seconds(3));
    assert!(alice.retransmissions("INVITE") > 0);
    assert_eq!(parked(&proxy), 1);
    bob.answers();
    world.settle();
    let notes = notes();
    assert_eq!(notes.iter().filter(|note| *note == "resumed 1").count(), 1, "{notes:?}");
    assert!(notes.len() > 2, "the script began for each: {notes:?}");
    assert_eq!(bob.count("INVITE"), 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A CANCEL is not kept waiting; the resumed run finds its transaction ended and sends nothing.
#[test]
fn a_cancel_does_not_wait_for_the_script() {
    let rest = "route[resumed] { if (!t_relay()) note(\"too late\"); }";
    let (world, alice, proxy, bob) = stage(5, "async(sleep(10), resumed);", rest);
    alice.invite(&bob);
    world.run_for(seconds(1));
    alice.cancels();
    world.run_for(seconds(1));
    assert_eq!((alice.final_status(), parked(&proxy)), (Some(487), 1));
    world.run_for(seconds(10));
    assert_eq!((notes(), bob.count("")), (vec!["too late".to_owned()], 0));
    forgotten(&world, &proxy);
}

// The call may be over for good, transactions and all, when the function ends.
#[test]
fn a_run_may_outlive_its_transaction() {
    let rest = "route[resumed] { if (!t_relay()) note(\"too late\"); }";
    let (world, alice, proxy, bob) = stage(6, "async(sleep(200), resumed);", rest);
    alice.invite(&bob);
    world.run_for(seconds(1));
    alice.cancels();
    world.run_for(seconds(100));
    assert_eq!(proxy.borrow().node.calls.len(), 1, "the run waits");
    world.run_for(seconds(100));
    assert_eq!(notes(), ["too late"]);
    forgotten(&world, &proxy);
}

// spec/script.md §12: in the reply routes of transactions; drop works there as ever.
#[test]
fn a_reply_waits_and_goes_on_or_not() {
    let targets = "t_on_reply(\"slow\");";
    let rest = r#"
        onreply_route[slow] {
            if ($rs == 180) async(sleep(2), later);
            if ($rs == 183) async(sleep(1), never);
        }
        route[later] { append_hf("X-Later: $rc $rs\r\n"); }
        route[never] { drop; }
    "#;
    let (world, alice, proxy, bob) = stage(7, targets, rest);
    alice.invite(&bob);
    bob.rings();
    world.run_for(seconds(1));
    assert_eq!((alice.count("180"), parked(&proxy)), (0, 1));
    world.run_for(seconds(2));
    assert_eq!(shown(&alice, "180", "X-Later"), "1 180");
    bob.replies_to("INVITE", 183);
    world.run_for(seconds(2));
    assert_eq!(alice.count("183"), 0);
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// An answer that waits does not hold others up, and a ringing that comes too late is not told.
#[test]
fn a_provisional_does_not_follow_the_answer_that_overtook_it() {
    let rest = r#"
        onreply_route[slow] { if ($rs == 180) async(sleep(3), later); }
        route[later] { append_hf("X-Later: yes\r\n"); }
    "#;
    let (world, alice, proxy, bob) = stage(8, "t_on_reply(\"slow\");", rest);
    alice.invite(&bob);
    bob.rings();
    world.run_for(seconds(1));
    bob.answers();
    world.run_for(seconds(5));
    assert_eq!((alice.state(), alice.count("180")), (CallState::Talking, 0));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// The branch's route and the transaction's both run, one after the other, though the first waits;
// a negative reply takes its time as well, and its ACK does not.
#[test]
fn both_reply_routes_run_when_the_first_waits() {
    let targets = "t_on_branch(\"each\"); t_on_reply(\"all\");";
    let rest = r#"
        branch_route[each] { t_on_reply("one"); }
        onreply_route[one] { if ($rs == 486) async(sleep(2), later); }
        route[later] { append_hf("X-One: yes\r\n"); }
        onreply_route[all] { if ($rs == 486) append_hf("X-All: yes\r\n"); }
    "#;
    let (world, alice, proxy, bob) = stage(9, targets, rest);
    alice.invite(&bob);
    bob.rejects(486);
    world.run_for(seconds(1));
    assert_eq!((bob.count("ACK"), alice.final_status()), (1, None));
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    assert_eq!(shown(&alice, "486", "X-One"), "yes");
    assert_eq!(shown(&alice, "486", "X-All"), "yes");
    forgotten(&world, &proxy);
}

// spec/script.md §12: requests within the dialog wait like others, and their dialog is told once.
#[test]
fn a_request_within_the_dialog_waits() {
    let rest = r#"route[within] {
            if (is_method("INFO")) async(sleep(2), resumed);
        }
        route[resumed] { append_hf("X-Did: $DLG_did\r\n"); t_relay(); }
    "#;
    let (world, alice, proxy, bob) = stage(10, "", rest);
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.run_for(seconds(1));
    assert_eq!(bob.count("INFO"), 0);
    // The call goes on meanwhile, and may even end.
    bob.requests("MESSAGE");
    world.run_for(seconds(4));
    assert_eq!(bob.status_of("MESSAGE"), Some(200));
    assert_eq!(alice.status_of("INFO"), Some(200));
    assert_ne!(shown(&bob, "INFO", "X-Did"), "<null>");
    alice.requests("INFO");
    world.run_for(Duration::from_millis(500));
    bob.hangs_up();
    world.tolerate();
    forgotten(&world, &proxy);
}

// RFC 3261 §12.2.1.1: what waits is overtaken by a ping of ours, and leaves under a higher number.
#[test]
fn a_request_that_waited_does_not_leave_below_a_ping() {
    let rest = r#"route[within] {
            if (is_method("INFO")) async(sleep(8), resumed);
        }
        route[resumed] { t_relay(); }
    "#;
    let script = script_to(SETTINGS, "", rest).replace("create_dialog()", "create_dialog(\"p\")");
    let (world, alice, proxy, bob) = staged(22, &script);
    answered(&world, &alice, &bob);
    world.run_for(seconds(24));
    alice.requests("INFO");
    world.run_for(seconds(10));
    let ping = bob.last("OPTIONS").cseq().0;
    assert_eq!(bob.last("INFO").cseq().0, ping + 1);
    assert_eq!(alice.status_of("INFO"), Some(200));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: where nothing can wait the resume route runs in place. An ACK has no
// transaction; the blocking function runs, which lets the run wait all the same.
#[test]
fn an_ack_has_no_transaction_to_wait_with() {
    let rest = r#"route[within] {
            if (is_method("ACK")) async(sleep(1), resumed);
        }
        route[resumed] { append_hf("X-Rc: $rc\r\n"); t_relay(); }
    "#;
    let (world, alice, proxy, bob) = stage(11, "", rest);
    alice.invite(&bob);
    bob.answers();
    world.run_for(seconds(8));
    assert_eq!(shown(&bob, "ACK", "X-Rc"), "1");
    assert_eq!(bob.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn a_failure_route_goes_on_in_place() {
    let rest = r#"
        failure_route[next] { async(sleep(5), resumed); }
        route[resumed] {
            append_hf("X-Rc: $rc\r\n");
            $ru = "sip:carol@10.0.0.13:5060";
            t_relay();
        }
    "#;
    let (world, alice, proxy, bob) = stage(12, "t_on_failure(\"next\");", rest);
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    world.run_for(seconds(1));
    assert_eq!(shown(&carol, "INVITE", "X-Rc"), "-1");
    carol.answers();
    world.settle();
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §25: as a plain statement, sleep() lets the run wait where it stands; the rest of the
// script, its variables included, comes after.
#[test]
fn a_plain_sleep_keeps_nobody_waiting_but_its_run() {
    let targets = r#"
        $var(kept) = "kept";
        if (sleep(2)) append_hf("X-Slept: $var(kept)\r\n");
    "#;
    let (world, alice, proxy, bob) = stage(13, targets, "");
    alice.invite(&bob);
    world.run_for(Duration::from_millis(300));
    assert_eq!((bob.count("INVITE"), parked(&proxy)), (0, 1));
    bob.answers();
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Slept"), "kept");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: output variables are filled when the function ends, from wherever that is told.
#[test]
fn a_function_ends_when_another_thread_says_so() {
    let rest = r#"route[resumed] {
        append_hf("X-Answer: $rc $avp(answer)\r\n");
        t_relay();
    }"#;
    let (world, alice, proxy, bob) = stage(14, "async(ask($avp(answer)), resumed);", rest);
    alice.invite(&bob);
    world.run_for(seconds(2));
    let completion = question();
    let elsewhere = std::thread::spawn(move || {
        completion.finish(|ctx, args| {
            let stored = args.map(|args| args.store(ctx, 0, Value::Str(b"forty-two")));
            if stored == Some(Ok(())) { 42 } else { -1 }
        });
    });
    elsewhere.join().unwrap();
    bob.answers();
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Answer"), "42 forty-two");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: −2 is the code of a time-out; who answers afterwards is not heard.
#[test]
fn a_function_that_takes_too_long_has_timed_out() {
    let rest = r#"route[resumed] { append_hf("X-Rc: $rc\r\n"); t_relay(); }"#;
    let (world, alice, proxy, bob) = stage(15, "async(ask(), resumed, 5);", rest);
    alice.invite(&bob);
    world.run_for(seconds(4));
    assert_eq!(bob.count("INVITE"), 0);
    bob.answers();
    world.run_for(seconds(2));
    assert_eq!(shown(&bob, "INVITE", "X-Rc"), "-2");
    question().done(1);
    world.settle();
    assert_eq!(bob.count("INVITE"), 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A function of which nobody will hear again has failed, and so has one that panics, at its beginning
// or at its end.
#[test]
fn a_function_that_breaks_has_failed() {
    let targets = r#"
        if ($rU == "begins") async(stumble(), resumed);
        async(ask(), resumed);
    "#;
    let rest = r#"route[resumed] { note("$rc"); t_reply(404, "Not Found"); }"#;
    let (world, alice, proxy, bob) = stage(16, targets, rest);
    alice.invite(&bob);
    world.run_for(seconds(1));
    drop(question());
    world.settle();
    alice.invite(&bob);
    world.run_for(seconds(1));
    question().finish(|_, _| panic!("a module's mistake"));
    world.settle();
    alice.invite_uri("sip:begins@10.0.0.12:5060");
    world.settle();
    assert_eq!(notes(), ["-1", "-1", "-1"]);
    assert_eq!(count(&proxy, CAUGHT_PANICS), 2);
    assert_eq!(alice.final_status(), Some(404));
    forgotten(&world, &proxy);
}

// Waiting runs are bounded: what is too many goes on at once.
#[test]
fn only_so_many_runs_of_a_call_wait() {
    let rest = r#"route[within] {
            if (is_method("INFO")) async(sleep(2), resumed);
        }
        route[resumed] { t_relay(); }
    "#;
    let (world, alice, proxy, bob) = stage(17, "", rest);
    answered(&world, &alice, &bob);
    for _ in 0..PARKED_PER_CALL_MAX + 3 {
        alice.requests("INFO");
    }
    world.run_for(seconds(1));
    assert_eq!((parked(&proxy), bob.count("INFO")), (PARKED_PER_CALL_MAX, 3));
    assert!(count(&proxy, REFUSED_PARKS) >= 3);
    // The others come late and out of order: the callee refuses them (RFC 3261 §12.2.2).
    world.settle();
    assert_eq!(bob.count("INFO"), PARKED_PER_CALL_MAX + 3);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A proxy that goes down waits for the runs that wait.
#[test]
fn a_waiting_run_keeps_the_proxy_from_being_idle() {
    let (world, alice, proxy, bob) = stage(18, "async(sleep(3), resumed);", RELAYS);
    alice.invite(&bob);
    world.run_for(seconds(1));
    proxy.borrow().node.drain();
    assert!(!proxy.borrow().node.is_idle());
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    world.settle();
    assert!(proxy.borrow().node.is_idle());
    forgotten(&world, &proxy);
}

// A proxy that ends while runs wait takes them along, and who answers them then is not heard.
#[test]
fn a_proxy_ends_with_its_waiting_runs() {
    let (world, alice, proxy, bob) = stage(19, "async(ask(), resumed);", RELAYS);
    alice.invite(&bob);
    world.run_for(seconds(1));
    let node = std::sync::Arc::downgrade(&proxy.borrow().node);
    drop((alice, bob, proxy, world));
    question().done(1);
    assert!(node.upgrade().is_none(), "the node is gone");
}

/// A log that breaks once, over a certain word.
#[derive(Clone, Copy)]
struct Delicate;

thread_local! {
    static BROKE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl std::io::Write for Delicate {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let breaks = String::from_utf8_lossy(bytes).contains("havoc") && !BROKE.replace(true);
        assert!(!breaks, "the log breaks");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// A panic that nothing narrower catches costs the call its transactions; the runs that waited with
// them do not go on, and their dialogs are let go.
#[test]
fn a_panic_takes_the_waiting_runs_along() {
    let targets = r#"
        if (is_method("MESSAGE")) { xlog("havoc"); exit; }
        async(ask(), resumed);
    "#;
    let rest = r#"route[within] {
            if (is_method("INFO")) async(ask(), resumed);
        }
        route[resumed] { note("resumed"); t_relay(); }
    "#;
    let log = tracing_subscriber::fmt().with_writer(|| Delicate).finish();
    let _guard = tracing::subscriber::set_default(log);
    let (world, alice, proxy, bob) = stage(22, targets, rest);
    alice.invite(&bob);
    world.run_for(seconds(1));
    question().done(1);
    bob.answers();
    world.settle();
    assert_eq!(notes(), ["resumed"]);
    alice.requests("INFO");
    world.run_for(Duration::from_millis(100));
    assert_eq!(parked(&proxy), 1);
    let lost = question();
    let call_id = alice.call_id();
    alice.sends_with("MESSAGE", &bob.uri(), |mut message| {
        message.headers.retain(|(name, _)| name != "Call-ID");
        message.with("Call-ID", call_id)
    });
    world.run_for(Duration::from_millis(100));
    assert_eq!((count(&proxy, CAUGHT_PANICS), parked(&proxy)), (1, 0));
    lost.done(1);
    world.run_for(Duration::from_millis(100));
    assert_eq!(notes(), [""; 0]);
    // The caller says its INFO again, and everything takes its course.
    world.run_for(seconds(1));
    question().done(1);
    world.settle();
    assert_eq!((notes(), alice.status_of("INFO")), (vec!["resumed".to_owned()], Some(200)));
    alice.hangs_up();
    world.run_for(seconds(40));
    forgotten(&world, &proxy);
}

// spec/script.md §12: launch() goes on at once; the report route runs later on a message of its own,
// with the code and the text as it was when it was launched.
#[test]
fn a_launched_function_reports() {
    let targets = r#"
        $avp(who) = "then";
        launch(sleep(2), report, "$rU $avp(who)");
        launch(known(), report, "known");
        launch(sleep(1));
        $avp(who) = "now";
        note("launched");
    "#;
    let rest = "route[report] { note(\"$rc $param(1) $rm $ci $avp(who)\"); }";
    let (world, alice, proxy, bob) = stage(20, targets, rest);
    alice.invite(&bob);
    bob.answers();
    world.run_for(seconds(1));
    assert_eq!(notes(), ["launched", "7 known OPTIONS dummy@duologue.invalid <null>"]);
    assert_eq!(bob.count("INVITE"), 1);
    world.run_for(seconds(2));
    assert_eq!(notes(), ["1 bob then OPTIONS dummy@duologue.invalid <null>"]);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: launch() in every kind of block.
#[test]
fn every_block_may_launch() {
    let targets = "t_on_branch(\"each\"); t_on_reply(\"all\"); t_on_failure(\"next\");";
    let rest = r#"
        branch_route[each] { launch(sleep(1), report, "branch"); }
        onreply_route[all] { launch(sleep(1), report, "reply"); }
        failure_route[next] { launch(sleep(1), report, "failure"); }
        route[report] { note("$rc $param(1)"); }
    "#;
    let (world, alice, proxy, bob) = stage(21, targets, rest);
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(notes(), ["1 branch", "1 reply", "1 failure"]);
    forgotten(&world, &proxy);
}

// spec/script.md §12: what is wrong is said when the script loads.
#[test]
fn mistakes_are_told_at_load() {
    let load = |targets: &str| {
        let script = script_to(SETTINGS, targets, RELAYS);
        let text = world::Text(&script);
        match duologue::Plan::load(world::NAME, &text, &[&ORACLE], Default::default()) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(load("async(sleep(1), resumed);"), "");
    assert!(load("async(t_relay(), resumed);").contains("unknown async command <t_relay>"));
    assert!(load("async(sleep(1), gone);").contains("there is no `route[gone]`"));
    assert!(load("ask();").contains("unknown command <ask>"));
    assert!(load("async(sleep(-1), resumed);").contains("a script waits for"));
}
