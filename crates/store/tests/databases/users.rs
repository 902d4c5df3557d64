//! Users: their tables, their rows, and who keeps them.

use std::ops::ControlFlow;
use std::sync::Arc;

use duologue_sip::{Moment, Tick};
use duologue_store::{
    Batch, ContactKeeper, ContactTables, ContactWords, LocationRow, LocationTable, Names,
    RejectedTable, Restored, SocketNames, Tables, create_table, location, restore_contacts,
};
use duologue_usrloc::{Change, Contact, Expires, Location, Settings, Update};

use crate::cases::made;
use crate::place::Place;

// modules.md §13, §31: table location
pub(crate) fn contacts_come_back(place: &dyn Place) {
    let (_, mut database, _) = made(place);
    let contacts = LocationTable::open(&mut *database, &Tables::default().location).unwrap();
    let contact = LocationRow {
        contact_id: u64::MAX - 1,
        username: b"ann".to_vec(),
        domain: Some(b"example.com".to_vec()),
        contact: b"sip:ann@192.0.2.1".to_vec(),
        path: Some(vec![b'p'; 5000]),
        expires: 4_000_000_000,
        q_hundredths: Some(75),
        call_id: b"a\0\xff".to_vec(),
        cseq: u32::MAX,
        last_modified: 1_800_000_000,
        methods: Some(u32::MAX),
        user_agent: "Telefon ☎".into(),
        ..LocationRow::default()
    };
    let mut batch = Batch::new();
    batch.upsert(contacts.table(), contacts.encode(&contact, None).row);
    database.apply(&batch).unwrap();
    let mut found = Vec::new();
    database
        .stream(contacts.table(), 10, &mut |rows| {
            found.extend(rows.into_iter().map(|row| contacts.decode(row).unwrap().contact));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found, [contact]);
}

// modules.md §13: each table of users has one of its own, and one for what is set aside
pub(crate) fn a_table_of_contacts_is_made_alone(place: &dyn Place) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let mut names = Names::of(&location::SCHEMA);
    names.set_table("aliases").unwrap();
    names.set("contact_id_column", "number").unwrap();
    let made = create_table(&mut *database, &location::SCHEMA, &names).unwrap();
    assert_eq!(made, ["version", "aliases"]);
    assert_eq!(create_table(&mut *database, &location::SCHEMA, &names).unwrap(), [""; 0]);
    let contacts = LocationTable::open(&mut *database, &names).unwrap();
    let rejected = RejectedTable::open(&mut *database, "aliases").unwrap();
    let mut batch = Batch::new();
    let row = contacts.encode(&LocationRow { contact_id: 7, ..LocationRow::default() }, None).row;
    rejected.set_aside(&mut batch, contacts.table(), &row, "no reason", 1);
    batch.upsert(contacts.table(), row);
    database.apply(&batch).unwrap();
    for sql in ["SELECT number FROM aliases", "SELECT source FROM aliases_rejected"] {
        assert_eq!(database.query(sql).unwrap().len(), 1, "{sql}");
    }
}

/// Nothing has a name.
struct NoWords;

impl SocketNames for NoWords {
    fn socket(&self, _: u16) -> Option<String> {
        None
    }
    fn socket_named(&self, _: &str) -> Option<u16> {
        None
    }
}

impl ContactWords for NoWords {
    fn use_domain(&self) -> bool {
        true
    }
    fn branch_flags(&self, _: u32) -> String {
        String::new()
    }
    fn branch_flags_named(&self, _: &str) -> u32 {
        0
    }
}

// modules.md §13: what is in memory is written, and comes back whatever its bytes are
pub(crate) fn users_are_kept(place: &dyn Place) {
    let (_, mut database, _) = made(place);
    let now = Moment { tick: Tick::from_millis(5000), unix: 1_700_000_000 };
    let users = || Location::new(Settings::default(), (1, 2), 1, ["location".to_owned()]);
    let (before, after) = (users(), users());
    before.follow(|| {});
    let ann = before.table("location").unwrap();
    let contact = Contact {
        expires: Expires::At(Tick::from_millis(65_000)),
        q: 333,
        user_agent: b"Telefon \xe2\x98\x8e \0\xff  "[..].into(),
        path: vec![b'p'; 5000].into(),
        flags: u32::MAX,
        ..Contact::new(b"sip:ann@192.0.2.1", b"call-1 ", u32::MAX)
    };
    let other = Contact::new("sip:b\u{e4}r@192.0.2.1".as_bytes(), b"call-1 ", u32::MAX);
    let changes = vec![Change::Set(contact), Change::Set(other)];
    ann.update(b"ann@example.com", now.tick, Update::of(b"call-1 ", u32::MAX, changes)).unwrap();
    ann.set_key(b"ann@example.com", b"k\0", b"\xff").unwrap();

    let rows = LocationTable::open(&mut *database, &Tables::default().location).unwrap();
    let rejected = RejectedTable::open(&mut *database, "location").unwrap();
    let tables = ContactTables::from([(Arc::from("location"), (rows, rejected))]);
    let mut keeper = ContactKeeper::default();
    assert!(!keeper.gather(now, &before, &tables, &NoWords));
    let written = keeper.write(now, &mut *database, &before, &tables, &NoWords).unwrap();
    assert_eq!((written.rows, written.refused.len()), (2, 0));

    let (rows, rejected) = &tables["location"];
    let again = after.table("location").unwrap();
    let of = (again, &NoWords as &dyn ContactWords);
    let each = &mut |_: &[u8], _: &Contact, _: &Restored| {};
    let restored = restore_contacts(&mut *database, (rows, rejected), of, now, each).unwrap();
    assert_eq!(restored.loaded, 2);
    assert_eq!(again.user(b"ann@example.com").unwrap().keys.len(), 1);
    let contacts = |table: &duologue_usrloc::Table| table.contacts(b"ann@example.com", now.tick);
    assert_eq!(contacts(again), contacts(ann));
    assert_eq!(again.key(b"ann@example.com", b"k\0").as_deref(), Some(&b"\xff"[..]));
}
