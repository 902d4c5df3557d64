//! Rows that somebody else changed while we run: `dialog:db_sync`, `dialog:restore_db` (spec/dialog.md
//! §11.4).

use std::sync::Arc;

use duologue::server::storage::Order;

use super::{alices, stored_call};
use crate::place::Place;

/// The command's way: it asks, and the writer's next round answers.
fn asks(place: &mut Place, order: fn(duologue::server::storage::Answer) -> Order) -> u64 {
    let node = Arc::clone(&place.proxy.borrow().node);
    let asked = std::thread::spawn(move || node.storage.as_ref().unwrap().ask(order));
    while !asked.is_finished() {
        place.writes();
    }
    asked.join().unwrap().unwrap()
}

// db_sync: what is not in memory is built, what is known is merged
#[test]
fn the_table_is_read_again() {
    let mut place = stored_call("sync");
    let now = super::place::moment(&place.world);
    place.sql("UPDATE dialog SET timeout = timeout + 1000");
    place.sql(
        "INSERT INTO dialog SELECT dlg_id + 1, callid, from_uri, 'x', to_uri, 'y', NULL, NULL, \
         caller_cseq, callee_cseq, 0, 0, NULL, NULL, caller_contact, callee_contact, caller_sock, \
         callee_sock, 4, start_time, timeout, vars, profiles, script_flags, 0, 0, NULL, NULL, NULL, \
         NULL FROM dialog",
    );
    let before = place.call().timeout(now).unwrap();
    asks(&mut place, Order::Read);
    assert_eq!(place.call().timeout(now).unwrap(), before + 1000);
    assert_eq!(place.dialogs().statistics().active_dialogs, 2);
    assert_eq!(alices(&place), 2, "what is known is counted once");
    let node = place.proxy.borrow().node.clone();
    assert!(node.storage.as_ref().unwrap().counts().all().contains(&("db_rejected_rows", 0, true)));
}

// restore_db: whatever happened to the table, it says what is up
#[test]
fn the_table_is_written_anew() {
    let mut place = stored_call("anew");
    place.sql("UPDATE dialog SET callid = 'nonsense'");
    place.sql("INSERT INTO dialog SELECT dlg_id + 1, callid, from_uri, from_tag, to_uri, to_tag, NULL, \
         NULL, '1', '1', 0, 0, NULL, NULL, NULL, NULL, caller_sock, callee_sock, 4, 1, 1, NULL, NULL, \
         NULL, 0, 0, NULL, NULL, NULL, NULL FROM dialog");
    assert_eq!(place.rows(), 2);
    asks(&mut place, Order::Rewrite);
    assert_eq!(place.rows(), 1);
    place.restart();
    assert_eq!(alices(&place), 1);
    place.alice.hangs_up();
    place.forgotten();
}
