//! Contacts are kept, and come back (spec/modules.md §13): the keeper, what is refused, what was lost,
//! a database that fails.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::ops::ControlFlow;
use std::sync::Arc;

use duologue_sip::{Moment, Tick};
use duologue_store::{
    Batch, ContactKeeper, ContactTables, ContactWords, Database, DatabaseUrl, Dialect, Failure,
    FailureKind, LocationTable, Options, PENDING_MAX, RejectedTable, Restored, Row, SocketNames,
    Table as Rows, Tables, Value, WrittenContacts, connect, create, restore_contacts,
    sync_contacts,
};
use duologue_usrloc::{
    Change, Contact, Expires, Limits, Location, RowState, Settings, Table, Update,
};

const NOW: Moment = Moment { tick: Tick::from_millis(5000), unix: 1_700_000_000 };

struct Words;

impl SocketNames for Words {
    fn socket(&self, _: u16) -> Option<String> {
        None
    }
    fn socket_named(&self, _: &str) -> Option<u16> {
        None
    }
}

impl ContactWords for Words {
    fn use_domain(&self) -> bool {
        false
    }
    fn branch_flags(&self, _: u32) -> String {
        String::new()
    }
    fn branch_flags_named(&self, _: &str) -> u32 {
        0
    }
}

fn users() -> Location {
    let settings = Settings { hash_bits: 0, ..Settings::default() };
    let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
    location.follow(|| {});
    location
}

fn table(users: &Location) -> &Table {
    users.table("location").unwrap()
}

fn registers(users: &Location, user: &str, uris: impl IntoIterator<Item = String>, cseq: u32) {
    let contact = |uri: String| {
        let expires = Expires::At(Tick::from_millis(65_000));
        Change::Set(Contact { expires, ..Contact::new(uri.as_bytes(), b"call-1", cseq) })
    };
    let update = Update::of(b"call-1", cseq, uris.into_iter().map(contact).collect());
    table(users).update(user.as_bytes(), NOW.tick, update).unwrap();
}

fn register(users: &Location, user: &str, cseq: u32) {
    registers(users, user, [format!("sip:{user}@192.0.2.9")], cseq);
}

fn state(users: &Location, user: &str) -> Option<RowState> {
    table(users).user(user.as_bytes()).map(|user| user.states[0])
}

struct Place {
    database: Box<dyn Database>,
    tables: ContactTables,
    keeper: ContactKeeper,
}

impl Place {
    fn new() -> Self {
        let mut database = connect(&DatabaseUrl::memory(), &Options::default()).unwrap();
        let names = Tables::default();
        create(&mut *database, &names).unwrap();
        let rows = LocationTable::open(&mut *database, &names.location).unwrap();
        let rejected = RejectedTable::open(&mut *database, "location").unwrap();
        let tables = ContactTables::from([(Arc::from("location"), (rows, rejected))]);
        Self { database, tables, keeper: ContactKeeper::default() }
    }

    fn write(&mut self, users: &Location) -> Result<WrittenContacts, Failure> {
        let mut written = WrittenContacts::default();
        while self.keeper.gather(NOW, users, &self.tables, &Words) {
            written.rows += self.flush(users)?.rows;
        }
        let last = self.flush(users)?;
        Ok(WrittenContacts { rows: written.rows + last.rows, ..last })
    }

    fn flush(&mut self, users: &Location) -> Result<WrittenContacts, Failure> {
        self.keeper.write(NOW, &mut *self.database, users, &self.tables, &Words)
    }

    fn restore(&mut self, users: &Location, sync: bool) -> Restored {
        let (rows, rejected) = &self.tables["location"];
        let (of, each) =
            ((table(users), &Words as &dyn ContactWords), &mut |_: &[u8], _: &_, _: &_| {});
        let database = &mut *self.database;
        match sync {
            false => restore_contacts(database, (rows, rejected), of, NOW, each),
            true => sync_contacts(database, (rows, rejected), of, NOW, None, each),
        }
        .unwrap()
    }

    fn count(&mut self, table: &str) -> i64 {
        let rows = self.database.query(&format!("SELECT count(*) FROM {table}")).unwrap();
        let Value::Int(count) = rows[0][0] else { panic!("{rows:?}") };
        count
    }
}

#[test]
fn what_changed_is_written_once_and_comes_back() {
    let (mut place, users) = (Place::new(), users());
    register(&users, "ann", 1);
    register(&users, "ann", 2);
    register(&users, "bob", 1);
    assert_eq!(place.write(&users).unwrap().rows, 2);
    assert_eq!(state(&users, "ann"), Some(RowState::Synced));
    assert_eq!(place.write(&users).unwrap().rows, 0);
    table(&users).remove_user(b"bob");
    assert_eq!(place.write(&users).unwrap().rows, 1);

    let next = self::users();
    assert_eq!(place.restore(&next, false), Restored { loaded: 1, ..Restored::default() });
    assert_eq!(
        table(&next).contacts(b"ann", NOW.tick),
        table(&users)
            .contacts(b"ann", NOW.tick)
            .into_iter()
            .map(|it| { Arc::new(Contact { modified: Tick::from_millis(5000), ..(*it).clone() }) })
            .collect::<duologue_usrloc::Contacts>()
    );
    assert_eq!(place.restore(&next, true), Restored { known: 1, ..Restored::default() });
    assert_eq!(place.write(&next).unwrap().rows, 0, "what was read is not written");
}

// bounded memory: no more rows are gathered than may wait; the rest are marks
#[test]
fn no_more_is_gathered_than_may_wait() {
    let (mut place, users) = (Place::new(), users());
    let people: Vec<String> = (0..PENDING_MAX / 20 + 10).map(|n| format!("user{n}")).collect();
    for user in &people {
        registers(&users, user, (0..20).map(|n| format!("sip:{n}@192.0.2.9")), 1);
    }
    let many = people.len() * 20;
    assert!(place.keeper.gather(NOW, &users, &place.tables, &Words));
    assert!((PENDING_MAX..PENDING_MAX + 64).contains(&place.keeper.pending()));
    assert_eq!(place.write(&users).unwrap().rows, many);
    assert_eq!(place.count("location"), many as i64);
    // They all go at once: more than are remembered.
    people.iter().for_each(|user| assert!(table(&users).remove_user(user.as_bytes())));
    register(&users, "bob", 1);
    place.write(&users).unwrap();
    assert_eq!(place.count("location"), 1);
}

#[test]
fn a_row_that_is_refused_is_set_aside_and_stays_unwritten() {
    let (mut place, users) = (Place::new(), users());
    let refuse = "CREATE TRIGGER no_eve BEFORE INSERT ON location WHEN NEW.username = 'eve' \
                  BEGIN SELECT RAISE(ABORT, 'not eve'); END";
    place.database.define(&[refuse.to_owned()]).unwrap();
    for user in ["ann", "eve", "bob"] {
        register(&users, user, 1);
    }
    let written = place.write(&users).unwrap();
    assert_eq!(written.refused.len(), 1);
    assert_eq!((place.count("location"), place.count("location_rejected")), (2, 1));
    assert_eq!(state(&users, "eve"), Some(RowState::New));
    assert_eq!(state(&users, "bob"), Some(RowState::Synced));
    assert_eq!(place.write(&users).unwrap().rows, 0, "it is not tried again until it changes");
}

/// A database that is away.
struct Away(FailureKind);

impl Database for Away {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }
    fn query(&mut self, _: &str) -> Result<Vec<Row>, Failure> {
        Err(Failure::new(self.0, "away"))
    }
    fn define(&mut self, _: &[String]) -> Result<(), Failure> {
        Err(Failure::new(self.0, "away"))
    }
    fn apply(&mut self, _: &Batch) -> Result<(), Failure> {
        Err(Failure::new(self.0, "away"))
    }
    fn stream(
        &mut self,
        _: &Rows,
        _: usize,
        _: &mut dyn FnMut(Vec<Row>) -> ControlFlow<()>,
    ) -> Result<u64, Failure> {
        Err(Failure::new(self.0, "away"))
    }
}

#[test]
fn what_was_not_written_waits_and_the_newest_wins() {
    let (mut place, users) = (Place::new(), users());
    register(&users, "ann", 1);
    register(&users, "bob", 1);
    let there = std::mem::replace(&mut place.database, Box::new(Away(FailureKind::Lost)));
    assert_eq!(place.write(&users).unwrap_err().kind, FailureKind::Lost);
    assert_eq!((place.keeper.pending(), state(&users, "ann")), (2, Some(RowState::New)));
    register(&users, "ann", 9);
    table(&users).remove_user(b"bob");
    assert!(place.write(&users).is_err());
    assert_eq!(place.keeper.pending(), 2, "a row each, however often it changes");
    place.database = there;
    place.write(&users).unwrap();
    let rows = place.database.query("SELECT username, cseq FROM location").unwrap();
    assert_eq!(rows, [[Value::Text(b"ann".to_vec()), Value::Int(9)]]);
    assert_eq!(state(&users, "ann"), Some(RowState::Synced));
}

// lessons 10: what cannot come back is set aside with the reason; what does not fit stays where it is
#[test]
fn rows_that_do_not_come_back() {
    let (mut place, users) = (Place::new(), users());
    for user in ["ann", "bob", "eve"] {
        register(&users, user, 1);
    }
    place.write(&users).unwrap();
    let spoil = [
        "UPDATE location SET cseq = 'many' WHERE username = 'ann'",
        "UPDATE location SET expires = 1 WHERE username = 'bob'",
    ];
    place.database.define(&spoil.map(str::to_owned)).unwrap();
    let limits = Limits { contacts: 0, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let full = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
    let expected = Restored { ended: 1, rejected: 2, ..Restored::default() };
    assert_eq!(place.restore(&full, false), expected);
    assert_eq!((place.count("location"), place.count("location_rejected")), (1, 1));
}
