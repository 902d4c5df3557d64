//! Anything that may be done, in any order: the table does what a plain list would, and counts it.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod support;

use std::collections::BTreeMap;

use duologue_usrloc::{Change, Contact, Cursor, Expires, Limits, Location, Settings, Update};
use proptest::prelude::*;
use support::{at, phone};

#[derive(Clone, Debug)]
enum Step {
    Set { user: u8, uri: u8, seconds: u8, for_ever: bool },
    Remove { user: u8, uri: u8 },
    Star { user: u8 },
    RemoveUser { user: u8 },
    Key { user: u8, key: u8, length: u8 },
    RemoveKey { user: u8, key: u8 },
    Pass { seconds: u8 },
    Expire { most: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (user, uri) = (0..5u8, 0..4u8);
    let step = prop_oneof![
        6 => (user.clone(), uri.clone(), 1..100u8, prop::bool::weighted(0.1)).prop_map(
            |(user, uri, seconds, for_ever)| Step::Set { user, uri, seconds, for_ever }
        ),
        2 => (user.clone(), uri.clone()).prop_map(|(user, uri)| Step::Remove { user, uri }),
        1 => user.clone().prop_map(|user| Step::Star { user }),
        1 => user.clone().prop_map(|user| Step::RemoveUser { user }),
        2 => (user.clone(), uri.clone(), 0..50u8)
            .prop_map(|(user, key, length)| Step::Key { user, key, length }),
        1 => (user, uri).prop_map(|(user, key)| Step::RemoveKey { user, key }),
        3 => (0..60u8).prop_map(|seconds| Step::Pass { seconds }),
        2 => (1..20u8).prop_map(|most| Step::Expire { most }),
    ];
    prop::collection::vec(step, 1..80)
}

/// User, then URI: when it ends.
type Model = BTreeMap<u8, BTreeMap<u8, Option<u64>>>;

proptest! {
    #[test]
    fn the_table_does_what_a_list_would(steps in steps()) {
        let limits = Limits { contacts: 12, ..Limits::default() };
        let settings = Settings { limits, hash_bits: 1, ..Settings::default() };
        let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
        let table = location.table("location").unwrap();
        let (mut model, mut now, mut cseq) = (Model::new(), 0u64, 0);
        for step in steps {
            cseq += 1;
            let name = |user: u8| format!("user{user}");
            let contact = |uri: u8| format!("sip:{uri}@h");
            match step {
                Step::Set { user, uri, seconds, for_ever } => {
                    let mut set = Contact { cseq, ..phone(&contact(uri), at(now), seconds.into()) };
                    if for_ever {
                        set.expires = Expires::Never;
                    }
                    let update = Update::of(b"call-1", cseq, vec![Change::Set(set)]);
                    if table.update(name(user).as_bytes(), at(now), update).is_ok() {
                        let end = (!for_ever).then_some(now + u64::from(seconds));
                        model.entry(user).or_default().insert(uri, end);
                    } else {
                        prop_assert_eq!(table.statistics().contacts, 12, "only a full table refuses");
                    }
                }
                Step::Remove { user, uri } => {
                    let change = Change::Remove(contact(uri).into_bytes().into());
                    let update = Update::of(b"call-1", cseq, vec![change]);
                    table.update(name(user).as_bytes(), at(now), update).unwrap();
                    model.entry(user).or_default().remove(&uri);
                }
                Step::Star { user } => {
                    let update = Update::remove_all(b"call-1", cseq);
                    table.update(name(user).as_bytes(), at(now), update).unwrap();
                    model.remove(&user);
                }
                Step::RemoveUser { user } => {
                    table.remove_user(name(user).as_bytes());
                    model.remove(&user);
                }
                Step::Key { user, key, length } => {
                    let value = vec![b'x'; length.into()];
                    let _ = table.set_key(name(user).as_bytes(), &[key + 1], &value);
                }
                Step::RemoveKey { user, key } => {
                    table.remove_key(name(user).as_bytes(), &[key + 1]);
                }
                Step::Pass { seconds } => now += u64::from(seconds),
                Step::Expire { most } => {
                    location.expire(at(now), most.into());
                }
            }
            prop_assert_eq!(location.audit(), Ok(()));
            for user in 0..5u8 {
                let there = table.contacts(name(user).as_bytes(), at(now));
                let mut there: Vec<String> =
                    there.iter().map(|it| String::from_utf8_lossy(&it.uri).into_owned()).collect();
                there.sort();
                let contacts = model.get(&user).into_iter().flatten();
                let bound = contacts.filter(|(_, end)| end.is_none_or(|end| end > now));
                let expected: Vec<String> = bound.map(|(uri, _)| contact(*uri)).collect();
                prop_assert_eq!(there, expected, "user{}", user);
            }
        }
        // When all are gone, nothing is left.
        let mut users = Vec::new();
        prop_assert_eq!(table.list(Cursor::default(), 100, &mut users), None);
        for user in users {
            prop_assert!(table.remove_user(&user.aor));
        }
        prop_assert!(location.is_empty());
        prop_assert_eq!(location.audit(), Ok(()));
    }
}
