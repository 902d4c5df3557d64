//! Calls outlive the process that carries them (spec/dialog.md §11, DESIGN "Storage"): whole calls in
//! virtual time over real SQLite files.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

#[path = "../world/mod.rs"]
mod world;

mod callbacks;
mod durable;
mod modes;
mod place;
mod taken_over;

use std::time::Duration;

use duologue::dialog::{DialogFlags, EndReason, State};
use duologue_testkit::CallState;
use place::{Place, kept};
use world::answered;

/// Calls are kept as they change; each has a value, a profile, a flag and an on-hangup route.
fn realtime(parameters: &str) -> String {
    let settings = kept(&format!(
        "modparam(\"dialog\", \"db_url\", \"sqlite://FILE\")\n\
         modparam(\"dialog\", \"db_mode\", 1)\n\
         modparam(\"dialog\", \"profiles_with_value\", \"caller\")\n{parameters}"
    ));
    let targets = r#"
        if (is_method("INVITE")) {
            $dlg_val(account) = "4711";
            set_dlg_profile("caller", "$fU");
            set_dlg_flag("billed");
            dlg_on_hangup("bye");
        }
    "#;
    world::script_to(&settings, targets, "route[bye] { $var(x) = 1; }")
}

/// A call that is up and stored.
fn stored_call(name: &str) -> Place {
    stored_call_with(name, "")
}

fn stored_call_with(name: &str, parameters: &str) -> Place {
    let mut place = Place::new(name, realtime(parameters));
    answered(&place.world, &place.alice, &place.bob);
    place.writes();
    assert_eq!(place.rows(), 1);
    place
}

fn alices(place: &Place) -> usize {
    place.dialogs().search_profile("caller").unwrap().size(Some(b"alice"))
}

// §11.3: values, profiles, flags and routes are there; both sides go on, the numbers too; whoever
// hangs up ends it
#[test]
fn a_call_goes_on_after_the_process_was_killed() {
    for bob_hangs_up in [false, true] {
        let mut place = stored_call(if bob_hangs_up { "goes_on_bob" } else { "goes_on_alice" });
        place.alice.reinvites();
        place.world.settle();
        place.bob.requests("INFO");
        place.world.settle();
        place.writes();
        place.restart();
        let call = place.call();
        assert_eq!(call.state(), Ok(State::Confirmed));
        assert!(call.flags().unwrap().contains(DialogFlags::FROM_DB));
        assert_eq!(call.fetch_value("account").unwrap(), Some("4711".into()));
        assert_eq!(place.dialogs().user_flag_names(call.user_flags().unwrap()), "billed");
        assert_eq!(alices(&place), 1);
        for (who, method) in [(&place.alice, "INVITE"), (&place.bob, "INVITE")] {
            who.reinvites();
            place.world.settle();
            assert_eq!(who.status_of(method), Some(200));
        }
        place.bob.requests("INFO");
        place.world.settle();
        assert_eq!(place.bob.status_of("INFO"), Some(200));
        let who = if bob_hangs_up { &place.bob } else { &place.alice };
        who.hangs_up();
        place.world.settle();
        assert_eq!(who.status_of("BYE"), Some(200));
        assert_eq!(alices(&place), 0);
        place.forgotten();
    }
}

// DESIGN "Storage": a BYE that nobody heard leaves no ghost: each side is asked, and who says 481
// ends the call
#[test]
fn who_hung_up_meanwhile_is_found_out() {
    let mut place = stored_call("ghost");
    place.kill();
    place.world.tolerate();
    place.world.lose_all(place.bob.to(&place.proxy));
    place.bob.hangs_up();
    place.world.run_for(Duration::from_secs(40));
    place.world.heal();
    place.restart();
    assert_eq!(alices(&place), 1);
    place.world.run_for(Duration::from_secs(61));
    let asked = place.alice.count("OPTIONS") + place.bob.count("OPTIONS");
    assert!((1..=2).contains(&asked), "once each: {asked}");
    assert_eq!((alices(&place), place.alice.count("BYE")), (0, 1), "alice hears of it");
    place.writes();
    assert_eq!(place.rows(), 0);
}

// §11.3: a call that expired while nobody was there ends at once, with BYEs where it is made so
#[test]
fn what_expired_meanwhile_ends() {
    let mut place = stored_call_with("expired", "modparam(\"dialog\", \"default_timeout\", 100)");
    place.kill();
    place.world.run_for(Duration::from_secs(200));
    place.restart();
    assert_eq!(place.dialogs().statistics().active_dialogs, 1);
    place.world.run_for(Duration::from_secs(2));
    assert_eq!(place.dialogs().statistics().active_dialogs, 0);
    assert_eq!(place.dialogs().statistics().expired_dialogs, 1);
    place.writes();
    assert_eq!(place.rows(), 0);
}

// RFC 3261 §13.3.1.4: the ACK was lost with the process: the callee repeats its 2xx, which has to reach
// the caller, whose ACK ends that
#[test]
fn an_answer_whose_ack_was_lost_finds_its_way() {
    let mut place = Place::new("ack_lost", realtime(""));
    place.alice.invite(&place.bob);
    place.bob.rings();
    place.world.settle();
    place.world.lose_next(place.alice.to(&place.proxy));
    place.bob.answers();
    place.world.run_for(Duration::from_millis(100));
    assert_eq!(place.alice.state(), CallState::Talking);
    place.writes_now();
    place.restart();
    assert_eq!(place.call().state(), Ok(State::ConfirmedNa));
    assert_eq!(place.bob.state(), CallState::Answered);
    place.world.settle();
    assert_eq!(place.bob.state(), CallState::Talking);
    assert_eq!(place.call().state(), Ok(State::Confirmed));
    place.alice.hangs_up();
    place.forgotten();
}

// §7: an operator ends a call that came back
#[test]
fn an_operator_ends_it() {
    let mut place = stored_call("operator");
    place.restart();
    place.call().terminate(EndReason::new("test")).unwrap();
    place.world.settle();
    assert_eq!((place.alice.count("BYE"), place.bob.count("BYE")), (1, 1));
    assert_eq!(place.alice.state(), CallState::Ended);
    place.forgotten();
}

// decision D29: the next process gives out other ids, and the old ones stay
#[test]
fn ids_are_not_given_out_twice() {
    let mut place = stored_call("ids");
    let before = place.call().id();
    place.restart();
    assert_eq!(place.call().id(), before);
    place.alice.hangs_up();
    place.world.settle();
    answered(&place.world, &place.alice, &place.bob);
    assert_ne!(place.call().id(), before);
}

// lessons 10: a bad row is set aside with its reason, and the rest comes back
#[test]
fn a_bad_row_is_set_aside() {
    let mut place = stored_call("bad_row");
    place.sql(
        "INSERT INTO dialog (dlg_id, callid, from_uri, from_tag, to_uri, to_tag, caller_cseq, \
         callee_cseq, caller_ping_cseq, callee_ping_cseq, caller_sock, callee_sock, state, \
         start_time, timeout) VALUES (7, 'x', 'sip:a@b', 'f', 'sip:c@d', 't', '1', '1', 0, 0, \
         'udp:10.0.0.1:5060', 'udp:10.0.0.1:5060', 9, 1, 4000000000)",
    );
    place.restart();
    assert_eq!(place.dialogs().statistics().active_dialogs, 1);
    assert_eq!(place.rows(), 1);
    let node = place.proxy.borrow().node.clone();
    let counts = node.storage.as_ref().unwrap().counts().all();
    assert!(counts.contains(&("db_rejected_rows", 1, true)), "{counts:?}");
    assert!(counts.contains(&("db_restored_dialogs", 1, true)), "{counts:?}");
}
