//! Answers that wait for the row of their dialog (DESIGN "Storage", durable mode).

use std::time::Duration;

use duologue::dialog::State;
use duologue_testkit::CallState;

use super::{alices, realtime};
use crate::place::Place;

fn durable(name: &str, parameters: &str) -> Place {
    let parameters = format!("modparam(\"dialog\", \"durable\", 1)\n{parameters}");
    Place::new(name, realtime(&parameters))
}

fn late_commits(place: &Place) -> u64 {
    let node = place.proxy.borrow().node.clone();
    let all = node.storage.as_ref().unwrap().counts().all();
    all.iter().find(|(name, ..)| *name == "db_late_commits").unwrap().1
}

/// Bob has answered, and the row is not written yet.
fn answered_and_waiting(place: &Place) {
    place.alice.invite(&place.bob);
    place.bob.rings();
    place.world.settle();
    place.bob.answers();
    place.world.run_for(Duration::from_millis(100));
}

#[test]
fn the_answer_leaves_when_the_row_is_there() {
    let mut place = durable("durable", "");
    answered_and_waiting(&place);
    assert_eq!(place.alice.final_status(), None, "it waits");
    assert_eq!(place.call().state(), Ok(State::ConfirmedNa), "CONFIRMED has run");
    place.writes();
    assert_eq!(place.rows(), 1);
    assert_eq!(place.alice.state(), CallState::Talking);
    assert_eq!(late_commits(&place), 0);
    place.restart();
    assert_eq!(alices(&place), 1);
    place.bob.hangs_up();
    place.world.settle();
    assert_eq!(place.alice.state(), CallState::Ended);
    place.forgotten();
}

// repetitions of the 2xx are absorbed meanwhile (RFC 3261 §13.3.1.4: T1 apart)
#[test]
fn repeated_answers_are_absorbed() {
    let mut place = durable("durable_repeated", "modparam(\"dialog\", \"durable_wait\", 5000)");
    answered_and_waiting(&place);
    place.world.run_for(Duration::from_secs(2));
    assert_eq!(place.alice.final_status(), None);
    place.writes();
    assert_eq!(place.alice.state(), CallState::Talking);
    assert_eq!(place.alice.count("200") - place.alice.repeats("200"), 1);
    place.alice.hangs_up();
    place.forgotten();
}

// a CANCEL that comes meanwhile is answered, and lost the race
#[test]
fn a_cancel_meanwhile_is_answered() {
    let mut place = durable("durable_cancel", "");
    answered_and_waiting(&place);
    place.alice.cancels();
    place.world.run_for(Duration::from_millis(100));
    assert_eq!(place.alice.status_of("CANCEL"), Some(200));
    place.writes();
    assert_eq!(place.alice.final_status(), Some(200));
    assert_eq!(place.dialogs().statistics().races, 1);
    place.world.settle();
    if place.alice.state() == CallState::Talking {
        place.alice.hangs_up();
    }
    place.forgotten();
}

// a lock that somebody holds for a moment costs the answer that moment, no more
#[test]
fn a_lock_is_waited_out() {
    let mut place = durable("durable_locked", "modparam(\"dialog\", \"durable_wait\", 5000)");
    let lock = place.locked();
    answered_and_waiting(&place);
    place.writes_now();
    assert_eq!(place.rows(), 0, "it is locked");
    drop(lock);
    place.writes_until(|place| place.rows() == 1);
    assert_eq!((place.alice.state(), late_commits(&place)), (CallState::Talking, 0));
    place.alice.hangs_up();
    place.forgotten();
}

// durable_failure "forward": after durable_wait it leaves all the same
#[test]
fn an_answer_that_cannot_be_stored_is_forwarded() {
    let mut place = durable("durable_late", "");
    answered_and_waiting(&place);
    place.world.run_for(Duration::from_millis(500));
    assert_eq!(place.alice.state(), CallState::Talking);
    assert_eq!(late_commits(&place), 1);
    place.writes();
    assert_eq!(place.rows(), 1, "it is stored when that can be");
    place.alice.hangs_up();
    place.forgotten();
}

// durable_failure "release": the caller hears 500, the callee an ACK and a BYE
#[test]
fn an_answer_that_cannot_be_stored_is_released() {
    let place =
        durable("durable_release", "modparam(\"dialog\", \"durable_failure\", \"release\")");
    answered_and_waiting(&place);
    place.world.run_for(Duration::from_millis(600));
    place.world.settle();
    assert_eq!(place.alice.final_status(), Some(500));
    assert_eq!(place.bob.state(), CallState::Ended);
    assert_eq!((place.bob.count("ACK"), place.bob.count("BYE")), (1, 1));
    assert_eq!(alices(&place), 0);
    place.forgotten();
}

// nobody waits for a database that is known to be away
#[test]
fn a_lost_database_is_not_waited_for() {
    let mut place = durable("durable_away", "");
    place.sql("DROP TABLE dialog");
    answered_and_waiting(&place);
    place.writes();
    place.world.run_for(Duration::from_millis(500));
    assert_eq!((place.alice.state(), late_commits(&place)), (CallState::Talking, 1));
    place.alice.hangs_up();
    place.world.settle();
    answered_and_waiting(&place);
    assert_eq!((place.alice.state(), late_commits(&place)), (CallState::Talking, 2));
}

// the callee answers, the process dies before the row is there: the caller never heard of an answer
#[test]
fn what_the_caller_did_not_hear_need_not_be_there() {
    let mut place = durable("durable_killed", "");
    answered_and_waiting(&place);
    place.restart();
    assert_eq!(alices(&place), 0);
    assert_eq!(place.alice.final_status(), None);
    place.world.tolerate();
}
