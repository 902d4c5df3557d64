//! What a registration does to a user's contacts (RFC 3261 §10.3; spec/modules.md §12, §13).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod support;

use duologue_sip::Tick;
use duologue_usrloc::{
    Change, Contact, Expires, Limits, Location, Matching, Refused, Settings, Update,
};
use support::{at, location, phone, uris};

const CALL: &[u8] = b"call-1";

#[test]
fn a_contact_is_bound_refreshed_and_removed() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |cseq: u32, seconds| {
        let now = at(cseq.into());
        Update::of(CALL, cseq, vec![Change::Set(phone("sip:ann@192.0.2.9", now, seconds))])
    };
    let first = table.update(b"ann", at(1), set(1, 60)).unwrap();
    assert_eq!(first.own, [first.contacts[0].id]);
    let second = table.update(b"ann", at(2), set(2, 90)).unwrap();
    assert_eq!(second.own, first.own, "a refresh keeps the number");
    assert_eq!(second.contacts[0].expires, Expires::At(at(92)));
    assert_eq!(second.contacts[0].modified, at(2));
    let gone = Update::of(CALL, 3, vec![Change::Remove(b"sip:ann@192.0.2.9"[..].into())]);
    assert!(table.update(b"ann", at(3), gone).unwrap().contacts.is_empty());
    assert!(location.is_empty());
    assert_eq!(table.user(b"ann"), None);
}

// RFC 3261 §10.3, step 7; spec/modules.md §12, `cseq_delay`.
#[test]
fn an_older_request_changes_nothing() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |call: &'static [u8], cseq, seconds| {
        let contact = Contact { call_id: call.into(), cseq, ..phone("sip:a@h", at(0), seconds) };
        Update::of(call, cseq, vec![Change::Set(contact)])
    };
    table.update(b"ann", at(0), set(b"call-1", 5, 100)).unwrap();
    assert_eq!(table.update(b"ann", at(1), set(b"call-1", 4, 200)), Err(Refused::OldRequest));
    // The same again: left as it is, for twenty seconds.
    let again = table.update(b"ann", at(20), set(b"call-1", 5, 300)).unwrap();
    assert_eq!(again.contacts[0].expires, Expires::At(at(100)));
    assert_eq!(again.own, [again.contacts[0].id]);
    let late = at(20) + std::time::Duration::from_millis(1);
    assert_eq!(table.update(b"ann", late, set(b"call-1", 5, 300)), Err(Refused::OldRequest));
    // A phone that restarted has another Call-ID, and begins to count anew.
    let other = table.update(b"ann", at(21), set(b"call-2", 1, 300)).unwrap();
    assert_eq!(other.contacts[0].expires, Expires::At(at(300)));
    assert_eq!(&*other.contacts[0].call_id, b"call-2");
}

// RFC 3261 §10.3: all changes of a request, or none.
#[test]
fn one_contact_that_is_refused_refuses_all() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |cseq, uri: &str| Change::Set(Contact { cseq, ..phone(uri, at(0), 60) });
    table.update(b"ann", at(0), Update::of(CALL, 9, vec![set(9, "sip:a@h")])).unwrap();
    let both = vec![set(8, "sip:b@h"), set(8, "sip:a@h"), Change::Remove(b"sip:c@h"[..].into())];
    let refused = table.update(b"ann", at(1), Update::of(CALL, 8, both));
    assert_eq!(refused, Err(Refused::OldRequest));
    assert_eq!(uris(table, b"ann", at(1)), ["sip:a@h"]);
}

// RFC 3261 §10.2.2, §10.3 step 6.
#[test]
fn a_star_removes_all_unless_one_is_newer() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |call: &'static [u8], cseq, uri: &str| {
        let contact = Contact { call_id: call.into(), cseq, ..phone(uri, at(0), 60) };
        Update::of(call, cseq, vec![Change::Set(contact)])
    };
    table.update(b"ann", at(0), set(b"x", 7, "sip:a@h")).unwrap();
    table.update(b"ann", at(0), set(b"y", 1, "sip:b@h")).unwrap();
    let star = |cseq| Update::remove_all(b"x", cseq);
    assert_eq!(table.update(b"ann", at(1), star(6)), Err(Refused::OldRequest));
    assert_eq!(uris(table, b"ann", at(1)).len(), 2);
    assert!(table.update(b"ann", at(1), star(8)).unwrap().contacts.is_empty());
    assert!(location.is_empty());
    // It comes again: there is nothing left to be older than.
    assert!(table.update(b"ann", at(2), star(8)).unwrap().contacts.is_empty());
}

// spec/modules.md §12, `max-contacts` and `force-registration`.
#[test]
fn too_many_contacts_are_refused_or_displace_the_oldest() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |second, uri: &str| {
        let now = at(second);
        Update::of(
            CALL,
            second as u32,
            vec![Change::Set(Contact { cseq: second as u32, ..phone(uri, now, 600) })],
        )
        .at_most(Some(2))
    };
    table.update(b"ann", at(1), set(1, "sip:a@h")).unwrap();
    table.update(b"ann", at(2), set(2, "sip:b@h")).unwrap();
    assert_eq!(table.update(b"ann", at(3), set(3, "sip:c@h")), Err(Refused::TooManyContacts));
    // A refresh adds none.
    table.update(b"ann", at(4), set(4, "sip:a@h")).unwrap();
    table.update(b"ann", at(5), set(5, "sip:c@h").displacing(true)).unwrap();
    assert_eq!(uris(table, b"ann", at(5)), ["sip:a@h", "sip:c@h"], "b was refreshed first");
    // More than fit at once cannot displace each other.
    let many = ["sip:d@h", "sip:e@h", "sip:f@h"].map(|uri| Change::Set(phone(uri, at(6), 600)));
    let many = Update::of(b"z", 1, many.to_vec()).at_most(Some(2)).displacing(true);
    assert_eq!(table.update(b"ann", at(6), many), Err(Refused::TooManyContacts));
    assert_eq!(uris(table, b"ann", at(6)), ["sip:a@h", "sip:c@h"]);
    // One that is over makes room by itself.
    let room = at(700);
    table
        .update(
            b"ann",
            room,
            Update::of(b"n", 1, vec![Change::Set(phone("sip:n@h", room, 60))]).at_most(Some(1)),
        )
        .unwrap();
    assert_eq!(uris(table, b"ann", room), ["sip:n@h"]);
}

// spec/modules.md §12: by q, then by time; §13, `desc_time_order`.
#[test]
fn contacts_are_ordered_by_q_and_time() {
    for (newest_first, expected) in [
        (false, ["sip:high", "sip:old", "sip:new", "sip:none"]),
        (true, ["sip:high", "sip:new", "sip:old", "sip:none"]),
    ] {
        let settings = Settings { newest_first, ..Settings::default() };
        let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
        let table = location.table("location").unwrap();
        for (second, uri, q) in
            [(1, "sip:none", -1), (2, "sip:old", 500), (3, "sip:high", 1000), (4, "sip:new", 500)]
        {
            let contact = Contact { q, ..phone(uri, at(second), 60) };
            let call = uri.as_bytes();
            table
                .update(b"ann", at(second), Update::of(call, 1, vec![Change::Set(contact)]))
                .unwrap();
        }
        assert_eq!(uris(table, b"ann", at(5)), expected);
    }
}

// spec/modules.md §13, `matching_mode`; §12, `matching-mode` of one save().
#[test]
fn the_rule_for_telling_contacts_apart_is_the_updates() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |call: &'static [u8], uri: &str| {
        Update::of(
            call,
            1,
            vec![Change::Set(Contact { call_id: call.into(), ..phone(uri, at(0), 60) })],
        )
    };
    table.update(b"ann", at(0), set(b"x", "sip:a@h;line=1")).unwrap();
    table
        .update(b"ann", at(0), set(b"y", "sip:a@h;line=1").matching(Some(Matching::UriAndCallId)))
        .unwrap();
    assert_eq!(uris(table, b"ann", at(0)).len(), 2);
    let line = Some(Matching::Param(b"line"[..].into()));
    table.update(b"bob", at(0), set(b"x", "sip:a@h;line=1")).unwrap();
    table.update(b"bob", at(0), set(b"y", "sip:b@k;line=1").matching(line)).unwrap();
    assert_eq!(uris(table, b"bob", at(0)), ["sip:b@k;line=1"]);
}

#[test]
fn contacts_end_at_their_time_and_are_removed() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |uri: &'static str, seconds| {
        Update::of(uri.as_bytes(), 1, vec![Change::Set(phone(uri, at(0), seconds))]).unordered()
    };
    table.update(b"ann", at(0), set("sip:a@h", 60)).unwrap();
    table.update(b"ann", at(0), set("sip:b@h", 61)).unwrap();
    assert_eq!(uris(table, b"ann", at(60)), ["sip:b@h"]);
    // Nobody sees it, but it is there until somebody looks.
    assert_eq!(table.statistics().contacts, 2);
    assert!(!location.expire(at(60), 100));
    assert_eq!(table.statistics().contacts, 1);
    assert_eq!((table.statistics().expired, table.statistics().users), (1, 1));
    assert!(!location.expire(at(61), 100));
    assert!(location.is_empty());
    assert_eq!(table.statistics().expired, 2);
    let forever = Contact { expires: Expires::Never, ..phone("sip:a@h", at(0), 0) };
    table.update(b"ann", at(0), Update::of(CALL, 1, vec![Change::Set(forever)])).unwrap();
    assert!(!location.expire(Tick::from_millis(u64::MAX), 100));
    assert!(!location.is_empty());
}

#[test]
fn expiry_is_done_in_parts() {
    let location = location();
    let table = location.table("location").unwrap();
    for user in 0..1000 {
        let set = Change::Set(phone("sip:a@h", at(0), 60));
        table.update(format!("u{user}").as_bytes(), at(0), Update::of(CALL, 1, vec![set])).unwrap();
    }
    assert!(location.expire(at(60), 300));
    assert_eq!(table.statistics().contacts, 700);
    while location.expire(at(60), 300) {}
    assert_eq!(table.statistics().contacts, 0);
}

#[test]
fn what_is_removed_is_what_was_seen() {
    let location = location();
    let table = location.table("location").unwrap();
    for uri in ["sip:a@h", "sip:b@h"] {
        let set = Change::Set(phone(uri, at(0), 60));
        table.update(b"ann", at(0), Update::of(uri.as_bytes(), 1, vec![set])).unwrap();
    }
    assert_eq!(table.remove(b"ann", at(0), |contact| &*contact.uri == b"sip:a@h"), 1);
    assert_eq!(table.remove(b"ann", at(0), |contact| &*contact.uri == b"sip:a@h"), 0);
    assert_eq!(table.remove(b"bob", at(0), |_| true), 0);
    assert_eq!(uris(table, b"ann", at(0)), ["sip:b@h"]);
    // A contact that is refreshed while somebody decides is another one.
    let removed = table.remove(b"ann", at(0), |_| {
        let set = Change::Set(phone("sip:b@h", at(1), 60));
        table.update(b"ann", at(1), Update::of(b"other", 1, vec![set])).unwrap();
        true
    });
    assert_eq!(removed, 0);
    assert!(table.remove_user(b"ann"));
    assert!(!table.remove_user(b"ann"));
    assert!(location.is_empty());
}

#[test]
fn latency_stays_through_a_refresh() {
    let location = location();
    let table = location.table("location").unwrap();
    let set = |cseq| {
        Update::of(CALL, cseq, vec![Change::Set(Contact { cseq, ..phone("sip:a@h", at(0), 60) })])
    };
    let id = table.update(b"ann", at(0), set(1)).unwrap().own[0];
    assert!(table.set_latency(b"ann", id, 4200));
    assert!(!table.set_latency(b"bob", id, 4200));
    let refreshed = table.update(b"ann", at(1), set(2)).unwrap();
    assert_eq!(refreshed.contacts[0].latency_us, 4200);
    assert_eq!(location.audit(), Ok(()));
}

// --- Limits -----------------------------------------------------------------------------------

fn limited(limits: Limits) -> Location {
    Location::new(Settings { limits, ..Settings::default() }, (1, 2), 1, ["location".to_owned()])
}

fn add(location: &Location, user: &str, uri: &str) -> Result<(), Refused> {
    let table = location.table("location").unwrap();
    let set = Change::Set(phone(uri, at(0), 60));
    table.update(user.as_bytes(), at(0), Update::of(uri.as_bytes(), 1, vec![set])).map(|_| ())
}

/// A flood of users that nobody knows fills the table and then changes nothing.
#[test]
fn a_flood_of_users_stays_bounded() {
    let location = limited(Limits { contacts: 100, ..Limits::default() });
    add(&location, "ann", "sip:ann@h").unwrap();
    let refused = (0..10_000).filter(|n| add(&location, &format!("flood{n}"), "sip:x@h").is_err());
    assert_eq!(refused.count(), 10_000 - 99);
    assert_eq!(location.table("location").unwrap().statistics().contacts, 100);
    assert_eq!(location.users(), 100);
    assert_eq!(location.refused(), 9_901);
    // Who is there stays there, and may refresh.
    let table = location.table("location").unwrap();
    let set = Change::Set(Contact { cseq: 2, ..phone("sip:ann@h", at(1), 60) });
    table.update(b"ann", at(1), Update::of(b"sip:ann@h", 2, vec![set])).unwrap();
    // When the flood is over there is room again.
    assert!(!location.expire(at(60), 1000));
    assert_eq!(location.users(), 1);
    add(&location, "bob", "sip:bob@h").unwrap();
}

#[test]
fn texts_are_counted_as_well() {
    let size = phone("sip:x@h", at(0), 60).octets() + 512;
    let location = limited(Limits { octets: 10 * size, ..Limits::default() });
    let fit = (0..1000).filter(|n| add(&location, &format!("user{n}"), "sip:x@h").is_ok()).count();
    assert!((10..20).contains(&fit), "{fit}");
    // What is removed is given back, to the last octet.
    let table = location.table("location").unwrap();
    (0..1000).for_each(|n| assert_eq!(table.remove_user(format!("user{n}").as_bytes()), n < fit));
    let again = (0..1000).filter(|n| add(&location, &format!("user{n}"), "sip:x@h").is_ok());
    assert_eq!(again.count(), fit);
}

#[test]
fn a_user_has_so_many_contacts_and_not_one_more() {
    let location = limited(Limits { contacts_per_user: 3, ..Limits::default() });
    for n in 0..3 {
        add(&location, "ann", &format!("sip:{n}@h")).unwrap();
    }
    assert_eq!(add(&location, "ann", "sip:3@h"), Err(Refused::TooManyContacts));
}
