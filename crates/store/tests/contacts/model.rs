//! Anything that may be done, in any order, and the process killed in between: what comes back is what
//! was written last, and what was written is what was there.

use std::collections::BTreeMap;
use std::time::Duration;

use duologue_store::FailureKind;
use duologue_usrloc::{Change, Contact, Cursor, Expires, KeyValue, Location, RowState, Update};
use proptest::prelude::*;

use crate::place::{Away, Place, table, users};

#[derive(Clone, Debug)]
enum Step {
    Set { user: u8, uri: u8, seconds: u8, for_ever: bool },
    Remove { user: u8, uri: u8 },
    RemoveUser { user: u8 },
    Key { user: u8, value: u8 },
    RemoveKey { user: u8 },
    Pass { seconds: u8 },
    Expire,
    Write,
    WriteInVain,
    Sync,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (user, uri) = (0..4u8, 0..3u8);
    let step = prop_oneof![
        6 => (user.clone(), uri.clone(), 20..100u8, prop::bool::weighted(0.1)).prop_map(
            |(user, uri, seconds, for_ever)| Step::Set { user, uri, seconds, for_ever }
        ),
        2 => (user.clone(), uri).prop_map(|(user, uri)| Step::Remove { user, uri }),
        1 => user.clone().prop_map(|user| Step::RemoveUser { user }),
        2 => (user.clone(), any::<u8>()).prop_map(|(user, value)| Step::Key { user, value }),
        1 => user.prop_map(|user| Step::RemoveKey { user }),
        2 => (0..30u8).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Expire),
        3 => Just(Step::Write),
        1 => Just(Step::WriteInVain),
        1 => Just(Step::Sync),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..60)
}

/// A user: contacts by URI, with number, end and CSeq; and the keys.
type User = (BTreeMap<Vec<u8>, (u64, Expires, u32)>, Vec<KeyValue>);

/// Who is bound, over all users.
fn bound(location: &Location, now: duologue_sip::Tick) -> BTreeMap<Vec<u8>, User> {
    let mut listed = Vec::new();
    assert!(table(location).list(Cursor::default(), 1000, &mut listed).is_none());
    let mut all = BTreeMap::new();
    for user in listed {
        let contacts = user.contacts.iter().filter(|contact| contact.is_bound(now));
        let shown =
            |it: &std::sync::Arc<Contact>| (it.uri.to_vec(), (it.id.0, it.expires, it.cseq));
        let contacts: BTreeMap<_, _> = contacts.map(shown).collect();
        if !contacts.is_empty() {
            all.insert(user.aor.to_vec(), (contacts, user.keys));
        }
    }
    all
}

/// What of it is bound still, later.
fn left(mut all: BTreeMap<Vec<u8>, User>, now: duologue_sip::Tick) -> BTreeMap<Vec<u8>, User> {
    for (contacts, _) in all.values_mut() {
        contacts.retain(|_, (_, expires, _)| match expires {
            Expires::At(at) => *at > now,
            Expires::Never => true,
        });
    }
    all.retain(|_, (contacts, _)| !contacts.is_empty());
    all
}

fn all_synced(location: &Location) -> bool {
    let mut listed = Vec::new();
    table(location).list(Cursor::default(), 1000, &mut listed);
    listed.iter().flat_map(|user| &user.states).all(|state| *state == RowState::Synced)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_comes_back_is_what_was_written(steps in steps()) {
        let mut place = Place::new();
        let mut memory = users();
        let mut written = BTreeMap::new();
        let mut cseq = 0;
        for step in steps {
            cseq += 1;
            let now = place.now;
            let name = |user: u8| format!("user{user}").into_bytes();
            let contact = |uri: u8| format!("sip:{uri}@h").into_bytes();
            match step {
                Step::Set { user, uri, seconds, for_ever } => {
                    let at = Expires::At(now.tick + Duration::from_secs(seconds.into()));
                    let expires = if for_ever { Expires::Never } else { at };
                    let set = Contact { expires, ..Contact::new(&contact(uri), b"call-1", cseq) };
                    let update = Update::of(b"call-1", cseq, vec![Change::Set(set)]);
                    table(&memory).update(&name(user), now.tick, update).unwrap();
                }
                Step::Remove { user, uri } => {
                    let change = Change::Remove(contact(uri).into());
                    let update = Update::of(b"call-1", cseq, vec![change]);
                    table(&memory).update(&name(user), now.tick, update).unwrap();
                }
                Step::RemoveUser { user } => _ = table(&memory).remove_user(&name(user)),
                Step::Key { user, value } => {
                    let _ = table(&memory).set_key(&name(user), b"k", &[value]);
                }
                Step::RemoveKey { user } => _ = table(&memory).remove_key(&name(user), b"k"),
                Step::Pass { seconds } => {
                    let seconds = Duration::from_secs(seconds.into());
                    place.now.tick = place.now.tick + seconds;
                    place.now.unix += seconds.as_secs();
                }
                Step::Expire => _ = memory.expire(now.tick, 1000),
                Step::Write => {
                    place.write(&memory).unwrap();
                    prop_assert!(all_synced(&memory));
                    prop_assert_eq!(place.keeper.pending(), 0);
                    written = bound(&memory, now.tick);
                }
                Step::WriteInVain => {
                    let away = Box::new(Away(FailureKind::Busy));
                    let there = std::mem::replace(&mut place.database, away);
                    let _ = place.write(&memory);
                    place.database = there;
                }
                Step::Sync => {
                    // As the command does: what differs is written first.
                    place.write(&memory).unwrap();
                    let before = bound(&memory, now.tick);
                    place.restore(&memory, true);
                    prop_assert_eq!(bound(&memory, now.tick), before.clone());
                    written = before;
                }
                Step::Crash => {
                    memory = users();
                    place.keeper = Default::default();
                    let restored = place.restore(&memory, false);
                    prop_assert_eq!(restored.rejected, 0);
                    prop_assert!(all_synced(&memory));
                    prop_assert_eq!(bound(&memory, now.tick), left(written.clone(), now.tick));
                }
            }
            prop_assert_eq!(memory.audit(), Ok(()));
        }
    }
}
