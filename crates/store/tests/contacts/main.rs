//! Contacts are kept, and come back (spec/modules.md §13): the keeper, what is refused, what was lost,
//! a database that fails.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod model;
mod place;

use std::sync::Arc;

use duologue_sip::Tick;
use duologue_store::{FailureKind, PENDING_MAX, Restored, Value};
use duologue_usrloc::{Contact, Limits, Location, RowState, Settings};
use place::{Away, NOW, Place, register, registers, state, table, users};

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

    let next = place::users();
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
    assert!(place.gather(&users));
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
    let expected = Restored { ended: 1, rejected: 1, left: 1, ..Restored::default() };
    assert_eq!(place.restore(&full, false), expected);
    assert_eq!((place.count("location"), place.count("location_rejected")), (1, 1));
}
