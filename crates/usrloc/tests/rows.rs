//! What differs from what is stored, and how contacts come back (spec/modules.md §13,
//! `restart_persistency`, `State` of `ul_dump`).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use duologue_usrloc::{
    Change, Contact, ContactId, Limits, Location, NoRoom, Restored, RowState, Settings, Stale,
    Table, Update,
};
use support::{at, location, phone, uris};

fn table(location: &Location) -> &Table {
    location.table("location").unwrap()
}

fn registers(location: &Location, user: &[u8], uri: &str, cseq: u32) -> ContactId {
    let contact = Contact { cseq, ..phone(uri, at(0), 60) };
    let update = Update::of(b"call-1", cseq, vec![Change::Set(contact)]);
    table(location).update(user, at(0), update).unwrap().own[0]
}

fn taken(location: &Location) -> Vec<Stale> {
    let mut all = Vec::new();
    location.taking();
    let mut from = Some(0);
    while let Some(shard) = from {
        from = table(location).take_stale(shard, 7, &mut all);
    }
    all
}

fn states(location: &Location, user: &[u8]) -> Vec<RowState> {
    table(location).user(user).map(|user| user.states).unwrap_or_default()
}

#[test]
fn a_contact_is_marked_until_its_row_is_written() {
    let location = location();
    let woken = Arc::new(AtomicUsize::new(0));
    let wakes = Arc::clone(&woken);
    assert_eq!(states(&location, b"ann"), []);
    registers(&location, b"early", "sip:early@h", 1);
    assert_eq!(states(&location, b"early"), [RowState::Synced], "nobody keeps it");
    assert!(location.follow(move || {
        wakes.fetch_add(1, Relaxed);
    }));
    assert!(!location.follow(|| {}), "one follower");
    assert_eq!(taken(&location).len(), 1, "who is there already is new");

    let id = registers(&location, b"ann", "sip:a@h", 1);
    registers(&location, b"ann", "sip:a@h", 2);
    assert_eq!(woken.load(Relaxed), 1, "woken once until something is taken");
    assert_eq!(states(&location, b"ann"), [RowState::New]);
    let [Stale::Changed { aor, contact, .. }] = &taken(&location)[..] else { panic!("one row") };
    assert_eq!((&**aor, contact.cseq), (&b"ann"[..], 2), "the newest version");
    assert_eq!(states(&location, b"ann"), [RowState::New], "taken is not written");
    assert_eq!(taken(&location), []);

    // It changes while the row is on its way.
    registers(&location, b"ann", "sip:a@h", 3);
    assert_eq!(woken.load(Relaxed), 2);
    table(&location).saved(b"ann", id);
    assert_eq!(states(&location, b"ann"), [RowState::Dirty]);
    assert_eq!(taken(&location).len(), 1);
    table(&location).saved(b"ann", id);
    assert_eq!(states(&location, b"ann"), [RowState::Synced]);

    // Keys are in every row of their user.
    table(&location).set_key(b"ann", b"k", b"v").unwrap();
    let stale = taken(&location);
    assert!(matches!(&stale[..], [Stale::Changed { keys, .. }] if keys.len() == 1), "{stale:?}");
    location.audit().unwrap();
}

#[test]
fn a_row_goes_with_its_contact_if_there_may_be_one() {
    let location = location();
    location.follow(|| {});
    registers(&location, b"ann", "sip:a@h", 1);
    table(&location).remove_user(b"ann");
    assert_eq!(taken(&location), [], "it came and went between two rounds");
    let id = registers(&location, b"ann", "sip:a@h", 1);
    taken(&location);
    table(&location).remove_user(b"ann");
    let row = Contact { id, ..phone("sip:a@h", at(0), 60) };
    assert_eq!(table(&location).restore(b"ann", row, &[]), Ok(Restored::Outdated));
    assert_eq!(taken(&location), [Stale::Gone(id)], "its row may be on its way");
    location.audit().unwrap();
}

#[test]
fn what_is_for_memory_only_has_no_row() {
    let location = location();
    location.follow(|| {});
    let set = |memory_only, cseq| {
        let contact = Contact { memory_only, cseq, ..phone("sip:a@h", at(0), 60) };
        let update = Update::of(b"call-1", cseq, vec![Change::Set(contact)]);
        table(&location).update(b"ann", at(0), update).unwrap().own[0]
    };
    set(true, 1);
    assert_eq!(taken(&location), []);
    let id = set(false, 2);
    assert_eq!(taken(&location).len(), 1);
    set(true, 3);
    assert_eq!(taken(&location), [Stale::Gone(id)]);
    table(&location).remove_user(b"ann");
    assert_eq!(taken(&location), []);
}

// bounded memory: what went is remembered up to a limit, and then that some did
#[test]
fn too_many_that_went_are_lost() {
    let limits = Limits { contacts_per_user: 2000, ..Limits::default() };
    let settings = Settings { limits, hash_bits: 0, ..Settings::default() };
    let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
    location.follow(|| {});
    let changes = (0..1100).map(|n| Change::Set(phone(&format!("sip:{n}@h"), at(0), 60)));
    let update = Update::of(b"call-1", 1, changes.collect());
    table(&location).update(b"ann", at(0), update).unwrap();
    assert_eq!(taken(&location).len(), 1100);
    table(&location).remove_user(b"ann");
    let stale = taken(&location);
    assert_eq!(stale[0], Stale::Lost);
    assert!(stale.len() < 1025, "{}", stale.len());
}

fn stored(id: u64, uri: &str) -> Contact {
    Contact { id: ContactId(id), ..phone(uri, at(0), 60) }
}

#[test]
fn contacts_come_back_under_their_numbers() {
    let location = location();
    location.follow(|| {});
    let table = table(&location);
    let keys = [(b"k"[..].into(), b"v"[..].into())];
    for (id, uri) in [(2, "sip:a@h"), (u64::MAX, "sip:b@h")] {
        assert_eq!(table.restore(b"ann", stored(id, uri), &keys), Ok(Restored::There));
    }
    assert_eq!(uris(table, b"ann", at(1)), ["sip:a@h", "sip:b@h"]);
    assert_eq!(table.key(b"ann", b"k").as_deref(), Some(&b"v"[..]));
    assert_eq!(states(&location, b"ann"), [RowState::Synced; 2]);
    assert_eq!(taken(&location), [], "it was read, not changed");
    // The numbers are not given out again.
    let ids = [1, 2].map(|n| registers(&location, b"bob", &format!("sip:{n}@h"), n));
    assert_eq!(ids, [ContactId(1), ContactId(3)]);
    // A refresh finds its contact.
    assert_eq!(registers(&location, b"ann", "sip:a@h", 9), ContactId(2));
    assert!(table.contacts(b"ann", at(60)).is_empty(), "they end as they would have");
    location.expire(at(60), 100);
    location.audit().unwrap();
}

#[test]
fn memory_is_newer_than_a_row_unless_it_was_written() {
    let location = location();
    location.follow(|| {});
    let table = table(&location);
    let id = registers(&location, b"ann", "sip:a@h", 5);
    let row = |uri, cseq| Contact { cseq, ..stored(id.0, uri) };
    assert_eq!(table.restore(b"ann", row("sip:x@h", 1), &[]), Ok(Restored::Known));
    assert_eq!(uris(table, b"ann", at(1)), ["sip:a@h"], "it is still to be written");
    taken(&location);
    table.saved(b"ann", id);
    assert_eq!(table.restore(b"ann", row("sip:x@h", 1), &[]), Ok(Restored::Known));
    assert_eq!(uris(table, b"ann", at(1)), ["sip:x@h"], "somebody else wrote the row");
    // The same phone under another number.
    let older = phone("sip:x@h", at(0), 59);
    let older = Contact { id: ContactId(77), ..older };
    assert_eq!(table.restore(b"ann", older, &[]), Ok(Restored::Outdated));
    let newer = Contact { modified: at(9), ..stored(77, "sip:x@h") };
    assert_eq!(table.restore(b"ann", newer, &[]), Ok(Restored::There));
    assert_eq!(taken(&location), [Stale::Gone(id)]);
    location.audit().unwrap();
}

#[test]
fn keys_are_those_of_the_row_unless_a_script_gave_others() {
    let location = location();
    location.follow(|| {});
    let table = table(&location);
    let keys = [(b"k"[..].into(), b"row"[..].into())];
    let key = |user: &[u8]| table.key(user, b"k");
    for user in [&b"ann"[..], b"bob"] {
        registers(&location, user, "sip:new@h", 1);
    }
    table.set_key(b"bob", b"k", b"script").unwrap();
    table.restore(b"ann", stored(71, "sip:old@h"), &keys).unwrap();
    table.restore(b"bob", stored(72, "sip:old@h"), &keys).unwrap();
    assert_eq!(key(b"ann").as_deref(), Some(&b"row"[..]));
    assert_eq!(key(b"bob").as_deref(), Some(&b"script"[..]));
    // Somebody else changed the row of a user whose contacts are all written.
    for id in [1, 2].map(ContactId) {
        taken(&location);
        table.saved(b"ann", id);
        table.saved(b"bob", id);
    }
    table.saved(b"bob", ContactId(72));
    let other = [(b"k"[..].into(), b"other"[..].into())];
    table.restore(b"bob", stored(72, "sip:old@h"), &other).unwrap();
    assert_eq!(key(b"bob").as_deref(), Some(&b"other"[..]));
    location.audit().unwrap();
}

#[test]
fn what_has_no_row_any_more_goes() {
    let location = location();
    location.follow(|| {});
    let table = table(&location);
    for id in [10, 11] {
        table.restore(b"ann", stored(id, &format!("sip:{id}@h")), &[]).unwrap();
    }
    registers(&location, b"bob", "sip:new@h", 1);
    assert_eq!(table.remove_rowless(Some(b"bob"), |_| false), 0, "it was never written");
    assert_eq!(table.remove_rowless(None, |id| id == ContactId(11)), 1);
    assert_eq!(uris(table, b"ann", at(1)), ["sip:11@h"]);
    assert!(table.has_contact(b"ann", ContactId(11)) && !table.has_contact(b"ann", ContactId(10)));
    location.audit().unwrap();
}

#[test]
fn a_full_location_takes_no_rows() {
    let limits = Limits { contacts: 3, contacts_per_user: 2, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
    let table = table(&location);
    let there = Ok(Restored::There);
    assert_eq!(table.restore(b"ann", stored(1, "sip:1@h"), &[]), there);
    assert_eq!(table.restore(b"ann", stored(2, "sip:2@h"), &[]), there);
    assert_eq!(table.restore(b"ann", stored(3, "sip:3@h"), &[]), Err(NoRoom));
    assert_eq!(table.restore(b"bob", stored(4, "sip:4@h"), &[]), there);
    assert_eq!(table.restore(b"bob", stored(5, "sip:5@h"), &[]), Err(NoRoom));
    location.audit().unwrap();
}
