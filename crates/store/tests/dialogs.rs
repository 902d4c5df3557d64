//! Dialogs through a database and back (spec dialog.md §11, decisions D19, D20).
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../dialog/tests/support/stored.rs"]
mod stored;

use std::ops::ControlFlow;

use duologue_dialog::*;
use duologue_sip::{Flow, Moment, Tick};
use duologue_store::{
    Batch, Database, DatabaseUrl, DialogRow, DialogTable, Dictionary, Keeper, Options,
    RejectedTable, Restored, SocketNames, Tables, connect, create, record, restore,
};
use proptest::prelude::*;

const NOW: Moment = Moment { tick: Tick::from_millis(5000), unix: 1_700_000_000 };

/// Two sockets, two routes, two flags.
struct Words;

const SOCKETS: [&str; 2] = ["udp:127.0.0.1:5060", "inside"];
const ROUTES: [&str; 2] = ["prolong", "bye"];
const FLAGS: [&str; 2] = ["paid", "seen"];

impl Dictionary for Words {
    fn route(&self, number: u32) -> Option<String> {
        ROUTES.get(number as usize).map(|&name| name.to_owned())
    }
    fn route_named(&self, name: &str) -> Option<u32> {
        ROUTES.iter().position(|known| *known == name).map(|at| at as u32)
    }
    fn flags(&self, bits: u32) -> String {
        let set = FLAGS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
    }
    fn flags_named(&self, names: &str) -> u32 {
        let places = names
            .split_whitespace()
            .filter_map(|name| FLAGS.iter().position(|known| *known == name));
        places.fold(0, |bits, at| bits | 1 << at)
    }
}

impl SocketNames for Words {
    fn socket(&self, socket: u16) -> Option<String> {
        SOCKETS.get(usize::from(socket)).map(|&name| name.to_owned())
    }
    fn socket_named(&self, name: &str) -> Option<u16> {
        SOCKETS.iter().position(|known| *known == name).map(|at| at as u16)
    }
}

struct Place {
    database: Box<dyn Database>,
    table: DialogTable,
    rejected: RejectedTable,
}

impl Place {
    fn new() -> Self {
        let mut database = connect(&DatabaseUrl::memory(), &Options::default()).unwrap();
        let tables = Tables::default();
        create(&mut *database, &tables).unwrap();
        let table = DialogTable::open(&mut *database, &tables.dialog).unwrap();
        let rejected = RejectedTable::open(&mut *database, "dialog").unwrap();
        Self { database, table, rejected }
    }

    fn put(&mut self, row: &DialogRow, payload: Option<&[u8]>) {
        let mut batch = Batch::new();
        batch.upsert(self.table.writable().unwrap(), self.table.encode(row, payload).row);
        self.database.apply(&batch).unwrap();
    }

    /// The next process reads what is there.
    fn restored(&mut self) -> (Dialogs, Restored) {
        let dialogs = Dialogs::new(Settings::default(), 5);
        let mut each = 0;
        let restored = restore(
            &mut *self.database,
            (&self.table, &self.rejected),
            (&dialogs, &Words),
            NOW,
            &|call_id| call_id.len() as u64,
            &mut |_, so_far| {
                each += 1;
                assert_eq!(so_far.loaded, each);
            },
        );
        (dialogs, restored.unwrap())
    }

    fn write(&mut self, keeper: &mut Keeper) -> usize {
        keeper.gather(NOW, &self.table, &Words);
        let written = keeper.write(NOW, &mut *self.database, &self.table, &self.rejected);
        written.unwrap().rows
    }

    fn rows(&mut self) -> Vec<DialogRow> {
        let mut all = Vec::new();
        let table = self.table.clone();
        let read = self.database.stream(table.table(), 10, &mut |rows| {
            all.extend(rows.into_iter().map(|row| table.decode(row).unwrap().dialog));
            ControlFlow::Continue(())
        });
        read.unwrap();
        all
    }

    fn reasons(&mut self) -> Vec<String> {
        let rows = self.database.query("SELECT reason FROM dialog_rejected ORDER BY reason");
        let text = |row: duologue_store::Row| match &row[0] {
            duologue_store::Value::Text(text) => String::from_utf8(text.clone()).unwrap(),
            other => panic!("{other:?}"),
        };
        rows.unwrap().into_iter().map(text).collect()
    }
}

fn leg(tag: &str, port: u16) -> StoredLeg {
    StoredLeg {
        tag: tag.as_bytes().into(),
        state: LegState::Answered,
        branch: 1,
        contact: format!("sip:{tag}@127.0.0.1:{port}").into_bytes().into(),
        route_set: b"<sip:127.0.0.1:7000;lr>".as_slice().into(),
        from_uri: Box::default(),
        to_uri: Box::default(),
        cseq: 20,
        prev_cseq: Some(19),
        inv_cseq: 17,
        last_gen_cseq: 21,
        flow: Some(Flow::datagram(1, ([127, 0, 0, 1], 7000).into())),
    }
}

fn party(name: &str) -> StoredParty {
    StoredParty {
        display: format!("\"{name}\" ").into_bytes().into(),
        uri: format!("sip:{name}@127.0.0.1").into_bytes().into(),
    }
}

/// A dialog with something in every field.
fn whole() -> Stored {
    let mut values = Values::default();
    values.set(b"bytes", Value::from(&b"a|b#c\\\0\xff"[..])).unwrap();
    values.set(b"number", Value::Int(-7)).unwrap();
    let link = |name: &str, sharing, value: &str| ProfileLink {
        name: name.into(),
        sharing,
        kind: if value.is_empty() { ProfileKind::NoValue } else { ProfileKind::Value },
        value: value.as_bytes().into(),
    };
    let body = |text: &str| Some(Body::sdp(text.as_bytes()));
    let caller = StoredLeg { state: LegState::Trying, branch: 0, ..leg("alice", 5061) };
    Stored {
        id: DialogId { entry: entry_of(b"call@127.0.0.1", 4096), id: 0x1234_5678 },
        state: State::Confirmed,
        flags: DialogFlags::BYE_ON_TIMEOUT
            | DialogFlags::REINVITE_PING_CALLEE
            | DialogFlags::FROM_DB,
        user_flags: 0b11,
        module_flags: ModuleFlags::SESSION_TIMER,
        call_id: b"call@127.0.0.1".as_slice().into(),
        caller: party("alice"),
        callee: party("bob"),
        created_ts: NOW.unix - 100,
        start_ts: NOW.unix - 90,
        timeout_ts: NOW.unix + 3600,
        lifetime: 3690,
        invite_cseq: 17,
        answered_leg: 2,
        reason: Some(EndReason::new("soon")),
        routes: [None, Some(0), Some(1)],
        delete_delay: Some(5),
        ping_intervals: [None, Some(40)],
        legs: vec![
            caller,
            StoredLeg { state: LegState::Trying, ..leg("carol", 5063) },
            leg("bob", 5062),
        ],
        numbers: vec![StoredNumber { leg: 2, callee_leg: 2, received: 18, sent: 20, invite: true }],
        bodies: vec![StoredBodies {
            callee_leg: 2,
            by_way: [[body("offer"), body("changed")], [body("answer"), body("answer")]],
        }],
        values,
        profiles: vec![link("per-user", Sharing::Local, "alice"), link("all", Sharing::Store, "")],
    }
}

// §11, DESIGN.md Storage: what the columns cannot hold stands beside them
#[test]
fn a_dialog_comes_back_whole() {
    let (mut place, stored) = (Place::new(), whole());
    let (row, payload) = record::write(&stored, &Words);
    place.put(&row, Some(&payload));
    let (dialogs, restored) = place.restored();
    assert_eq!(restored, Restored { loaded: 1, ..Restored::default() });
    let dialog = dialogs.by_id(stored.id).unwrap();
    assert_eq!(dialog.stored(NOW).unwrap(), stored);
    assert_eq!(dialog.owner().unwrap(), stored.call_id.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // §11: whatever a dialog holds, its row holds
    #[test]
    fn any_dialog_comes_back_whole(stored in stored::stored()) {
        // what has no name in this script does not come back: flags and routes beyond the two
        let routes = stored.routes.map(|route| route.map(|number| number % 2));
        let user_flags = stored.user_flags & 0b11;
        // an age is told for 497 days
        let created_ts = NOW.unix - stored.created_ts;
        let stored = Stored { routes, user_flags, created_ts, ..stored };
        let mut place = Place::new();
        let (row, payload) = record::write(&stored, &Words);
        place.put(&row, Some(&payload));
        let (dialogs, _) = place.restored();
        prop_assert_eq!(dialogs.by_id(stored.id).unwrap().stored(NOW).unwrap(), stored);
    }

    // lessons 10: whatever stands in the payload, nobody panics over it
    #[test]
    fn any_payload_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut place, (row, _)) = (Place::new(), record::write(&whole(), &Words));
        place.put(&row, Some(&[&[1], &payload[..]].concat()));
        prop_assert_eq!(place.restored().1.rows(), 1);
    }
}

// §11.1, §10.1, §10.3: OpenSIPS finds what it knows in its columns
#[test]
fn the_columns_are_those_of_opensips() {
    let (row, _) = record::write(&whole(), &Words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((text(&row.from_tag), text(&row.to_tag)), ("alice".into(), "bob".into()));
    assert_eq!((row.callee_cseq, row.callee_ping_cseq), (20, 21));
    assert_eq!((text(&row.caller_sock), row.state), ("inside".into(), 4));
    assert_eq!(row.script_flags.names(), b"paid seen");
    assert_eq!(text(&row.route_on_timeout.unwrap()), "prolong");
    let names: Vec<_> = row.vars.iter().map(|var| text(&var.name)).collect();
    assert_eq!(names, ["uCSDP", "acSDP", "ucSDP", "aCSDP", "number", "bytes"]);
}

// decision D20, §11.3: a row that OpenSIPS wrote, or changed, is a dialog too
#[test]
fn a_row_of_opensips_is_taken_over() {
    let (mut place, stored) = (Place::new(), whole());
    let (row, _) = record::write(&stored, &Words);
    place.put(&row, None);
    let (dialogs, _) = place.restored();
    let read = dialogs.by_id(stored.id).unwrap().stored(NOW).unwrap();
    assert_eq!(read.legs.len(), 2, "OpenSIPS keeps the leg that answered");
    assert_eq!((read.legs[0].cseq, read.legs[1].cseq), (20, 20), "each where it stood");
    assert_eq!(read.legs[1].flow, stored.legs[2].flow, "by the first route");
    assert_eq!((&read.values, &read.profiles), (&stored.values, &stored.profiles));
    let mut bodies = stored.bodies.clone();
    bodies[0].callee_leg = 1;
    assert_eq!(read.bodies, bodies);
    assert_eq!((read.routes, read.user_flags, read.flags), (stored.routes, 0b11, stored.flags));
}

// §11.2: rows follow the dialogs: inserted, updated by what differs, removed
#[test]
fn rows_follow_the_dialogs() {
    let (mut place, stored) = (Place::new(), whole());
    let dialogs = Dialogs::new(Settings::default(), 7);
    dialogs.follow(|| ());
    let mut keeper = Keeper::new(dialogs.clone());
    let dialog = dialogs.restore(NOW, 1, &stored).unwrap();
    assert_eq!(place.write(&mut keeper), 0, "it came from a row");
    dialog.store_value("more", "than before").unwrap();
    dialog.store_value("more", "than that").unwrap();
    assert_eq!(place.write(&mut keeper), 1);
    let (again, _) = place.restored();
    let value = again.by_id(stored.id).unwrap().fetch_value("more").unwrap();
    assert_eq!(value, Some(Value::from("than that")), "the newest wins");
    dialogs.shutdown();
    assert_eq!(place.rows().len(), 1, "a shutdown is no end of calls");
}

// lessons 10: a bad row is set aside with its reason; the others come back
#[test]
fn bad_rows_are_set_aside() {
    let (mut place, stored) = (Place::new(), whole());
    let (row, payload) = record::write(&stored, &Words);
    place.put(&row, Some(&payload));
    let bad = |number: u64, change: &dyn Fn(&mut DialogRow)| {
        let mut row = DialogRow { id: row.id + number, ..row.clone() };
        change(&mut row);
        row
    };
    place.put(&bad(1, &|row| row.state = 5), None);
    place.put(&bad(2, &|row| row.state = 9), None);
    place.put(&bad(3, &|row| row.callee_sock = b"udp:10.9.9.9:5060".to_vec()), None);
    place.put(&bad(4, &|row| row.call_id = b"other@127.0.0.1".to_vec()), None);
    place.put(&bad(5, &|_| ()), Some(b""));
    place.put(&bad(6, &|_| ()), Some(b"\x09later"));
    place.put(&bad(7, &|_| ()), Some(&payload[..40]));
    let (dialogs, restored) = place.restored();
    // what a newer program wrote, or nobody can read, is a call by its columns still
    assert_eq!(restored, Restored { loaded: 4, known: 0, ended: 1, rejected: 2, left: 1 });
    assert_eq!(dialogs.statistics().active_dialogs, 4);
    assert_eq!(
        place.rows().len(),
        5,
        "two are out of the way; the next script may have the socket"
    );
    let reasons = ["column state is no state", "the id does not belong to the Call-ID"];
    assert_eq!(place.reasons(), reasons);
    let (_, again) = place.restored();
    assert_eq!(again, Restored { loaded: 4, left: 1, ..Restored::default() });
}

// a comparison with memory does not remove what a restore has left
#[test]
fn rows_that_were_left_stay() {
    let (mut place, stored) = (Place::new(), whole());
    let (row, _) = record::write(&stored, &Words);
    let strange = DialogRow { id: row.id + 1, caller_sock: b"udp:10.9.9.9:5060".to_vec(), ..row };
    place.put(&strange, None);
    let dialogs = Dialogs::new(Settings::default(), 7);
    for (spare, rows) in [(true, 1), (false, 0)] {
        let mut keeper = Keeper::new(dialogs.clone());
        keeper.spare_rows(spare);
        keeper.compare_next();
        place.write(&mut keeper);
        assert_eq!(place.rows().len(), rows);
    }
}

// however often a dialog changed while a database was away, it is told of one commit once
#[test]
fn a_commit_is_told_once() {
    let (mut place, stored) = (Place::new(), whole());
    let dialogs = Dialogs::new(Settings::default(), 7);
    dialogs.follow(|| ());
    let mut keeper = Keeper::new(dialogs.clone());
    let dialog = dialogs.restore(NOW, 1, &stored).unwrap();
    dialog.on(DialogEvents::SAVED, |_| ()).unwrap();
    for round in 0..3 {
        dialog.store_value("round", round).unwrap();
        keeper.gather(NOW, &place.table, &Words);
    }
    let Place { database, table, rejected } = &mut place;
    let written = keeper.write(NOW, &mut **database, table, rejected).unwrap();
    assert_eq!(written.tells, [(dialog.key(), SavedKind::Update)]);
}

// the format stays: what this version wrote is read by all later ones
#[test]
fn a_stored_sample_is_read() {
    let sample = include_bytes!("samples/dialog-v1.payload");
    let (mut place, stored) = (Place::new(), whole());
    let (row, payload) = record::write(&stored, &Words);
    assert_eq!(payload, sample, "version 1 is written as ever");
    place.put(&row, Some(sample));
    let (dialogs, _) = place.restored();
    assert_eq!(dialogs.by_id(stored.id).unwrap().stored(NOW).unwrap(), stored);
}
