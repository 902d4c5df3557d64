//! When rows are written: `db_mode` (spec/dialog.md §11.2), and what the commands do (§11.4).

use std::time::Duration;

use duologue::dialog::State;
use duologue::store::Value;

use super::{alices, realtime, stored_call};
use crate::place::Place;
use crate::world::answered;

fn of_mode(mode: u8, parameters: &str) -> String {
    realtime(parameters).replace("\"db_mode\", 1", &format!("\"db_mode\", {mode}"))
}

fn text(values: Vec<Value>) -> Vec<String> {
    let text = |value: Value| match value {
        Value::Text(bytes) | Value::Blob(bytes) => String::from_utf8(bytes).unwrap(),
        Value::Int(number) => number.to_string(),
        Value::Id(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    values.into_iter().map(text).collect()
}

// mode 1: inserted when answered, updated when acknowledged, removed when ended; no CDR is lost
// (decision D10: a new timeout is written as well)
#[test]
fn realtime_follows_the_call() {
    let mut place = Place::new("realtime", realtime(""));
    place.alice.withholds_acks();
    place.alice.invite(&place.bob);
    place.bob.rings();
    place.world.settle();
    place.writes();
    assert_eq!(place.rows(), 0, "only what was answered is kept");
    place.bob.answers();
    place.world.run_for(Duration::from_millis(100));
    place.writes_now();
    assert_eq!(text(place.column("state")), ["3"]);
    place.alice.acks();
    place.world.settle();
    place.writes();
    assert_eq!(text(place.column("state")), ["4"]);
    assert_eq!(text(place.column("callid")), [place.alice.call_id()]);
    assert_eq!(text(place.column("script_flags")), ["billed"]);
    assert_eq!(text(place.column("rt_on_hangup")), ["bye"]);
    let before = text(place.column("timeout"));
    let now = super::place::moment(&place.world);
    place.call().set_timeout(now, 77).unwrap();
    place.writes();
    assert_ne!(text(place.column("timeout")), before);
    place.alice.hangs_up();
    place.forgotten();
}

// mode 2: what is killed within the period was never written
#[test]
fn delayed_writes_when_its_period_is_over() {
    let mut place = Place::new("delayed", of_mode(2, ""));
    answered(&place.world, &place.alice, &place.bob);
    place.writes();
    assert_eq!(place.rows(), 1);
    place.restart();
    assert_eq!(alices(&place), 1);
}

// mode 3: the rows are taken out of the table, and written when the process ends
#[test]
fn shutdown_writes_at_the_end() {
    let mut place = Place::new("shutdown", of_mode(3, ""));
    answered(&place.world, &place.alice, &place.bob);
    place.writes();
    assert_eq!(place.rows(), 0);
    place.ends();
    assert_eq!(place.rows(), 1);
    place.restart();
    assert_eq!((place.rows(), alices(&place)), (0, 1));
    place.alice.hangs_up();
    place.world.settle();
    assert_eq!(place.alice.status_of("BYE"), Some(200));
    place.restart_gently();
    assert_eq!(alices(&place), 0);
}

// every mode but 0: the end in good order loses nothing
#[test]
fn an_end_in_good_order_writes_all() {
    for mode in [1, 2, 3] {
        let mut place = Place::new("gentle", of_mode(mode, ""));
        answered(&place.world, &place.alice, &place.bob);
        place.restart_gently();
        assert_eq!(alices(&place), 1, "mode {mode}");
        place.alice.reinvites();
        place.world.settle();
        assert_eq!(place.alice.status_of("INVITE"), Some(200));
    }
}

// decision D19: values, profiles and flags are kept; the old way wipes them until the end
#[test]
fn values_are_kept_unless_the_script_says_otherwise() {
    let old = "modparam(\"dialog\", \"db_flush_vals_profiles\", 0)";
    let mut place = Place::new("wiped", realtime(old));
    answered(&place.world, &place.alice, &place.bob);
    place.writes();
    assert_eq!(place.column("vars").len(), 1);
    place.restart();
    assert_eq!(place.call().fetch_value("account"), Ok(None));
    assert!(place.dialogs().search_profile("caller").unwrap().size(None) == 0);
    let mut place = Place::new("flushed", realtime(old));
    answered(&place.world, &place.alice, &place.bob);
    place.writes();
    place.restart_gently();
    assert_eq!(place.call().fetch_value("account"), Ok(Some("4711".into())));
    assert_eq!(alices(&place), 1);
}

// §11.1: the table and its columns have the names that the script gives
#[test]
fn names_are_the_script_s() {
    let names = "modparam(\"dialog\", \"table_name\", \"calls\")\n\
                 modparam(\"dialog\", \"call_id_column\", \"call\")";
    let mut place = Place::new("names", realtime(names));
    answered(&place.world, &place.alice, &place.bob);
    place.writes();
    place.sql("CREATE VIEW dialog AS SELECT call, dlg_id FROM calls");
    assert_eq!(text(place.column("call")), [place.alice.call_id()]);
    place.restart();
    assert_eq!(place.call().state(), Ok(State::Confirmed));
}

// promise: a database that is away costs no call, and what it missed is written when it is back
#[test]
fn a_locked_database_costs_no_call() {
    let mut place = stored_call("locked");
    place.sql("PRAGMA user_version = 1");
    let node = place.proxy.borrow().node.clone();
    let lock = place.locked();
    place.alice.hangs_up();
    place.world.settle();
    place.writes();
    let storage = node.storage.as_ref().unwrap();
    assert!(storage.counts().all().contains(&("db_failures", 1, true)));
    answered(&place.world, &place.alice, &place.bob);
    drop(lock);
    // the row of the call that ended is gone, that of the new one is there
    place.writes_until(|place| text(place.column("callid")) == [place.alice.call_id()]);
    assert!(storage.counts().is_connected());
}
