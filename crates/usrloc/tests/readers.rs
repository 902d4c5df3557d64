//! Listings, keys and the journal: what others see of the changes.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]
#![allow(clippy::disallowed_methods, reason = "what threads do to it is the question")]

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use duologue_usrloc::{
    BoundedJournal, Change, Contact, Cursor, Entry, Event, Gone, Journal, KeyError, Limits,
    Location, Settings, TABLES_MAX, Update,
};
use support::{at, location, phone};

fn register(location: &Location, user: &str, uri: &str, cseq: u32, second: u64) {
    let table = location.table("location").unwrap();
    let set = Change::Set(Contact { cseq, ..phone(uri, at(second), 60) });
    table.update(user.as_bytes(), at(second), Update::of(b"call-1", cseq, vec![set])).unwrap();
}

// --- Listings ---------------------------------------------------------------------------------

#[test]
fn whoever_is_there_throughout_is_listed_once() {
    let location = location();
    let table = location.table("location").unwrap();
    for user in 0..1000 {
        register(&location, &format!("user{user}"), "sip:a@h", 1, 0);
    }
    let mut seen = HashMap::new();
    let mut next = Some(Cursor::default());
    let mut slices = 0;
    while let Some(cursor) = next {
        let mut slice = Vec::new();
        next = table.list(cursor, 50, &mut slice);
        assert!(slice.len() <= 50);
        slice.iter().for_each(|user| *seen.entry(user.aor.to_vec()).or_insert(0) += 1);
        slices += 1;
        // Others come and go meanwhile.
        register(&location, &format!("new{slices}"), "sip:a@h", 1, 0);
        table.remove_user(format!("new{}", slices - 1).as_bytes());
    }
    for user in 0..1000 {
        assert_eq!(seen.get(format!("user{user}").as_bytes()), Some(&1), "user{user}");
    }
}

#[test]
fn an_empty_table_is_an_empty_list() {
    let location = location();
    let mut users = Vec::new();
    let table = location.table("location").unwrap();
    assert_eq!(table.list(Cursor::default(), 10, &mut users), None);
    assert!(users.is_empty());
    assert_eq!(table.list(Cursor::default(), 0, &mut users), Some(Cursor::default()));
}

#[test]
fn tables_are_those_that_were_named() {
    let names = ["b", "a", "b"].map(str::to_owned);
    let location = Location::new(Settings::default(), (1, 2), 1, names);
    let names = || location.tables().map(|table| table.name().to_string()).collect::<Vec<_>>();
    assert_eq!(names(), ["a", "b"]);
    assert!(location.table("c").is_none());
    // A script that is read again may name more.
    assert_eq!(&**location.open("c").unwrap().name(), "c");
    assert_eq!(&**location.open("a").unwrap().name(), "a");
    assert_eq!(names(), ["a", "b", "c"]);
    for n in 3..TABLES_MAX {
        assert!(location.open(&format!("table{n}")).is_some());
    }
    assert!(location.open("more").is_none());
    assert_eq!(location.tables().count(), TABLES_MAX);
}

// --- Keys -------------------------------------------------------------------------------------

// spec/modules.md §13: `ul_add_key()`, `ul_get_key()`, `ul_del_key()`.
#[test]
fn keys_belong_to_a_user() {
    let location = location();
    let table = location.table("location").unwrap();
    assert_eq!(table.set_key(b"ann", b"color", b"blue"), Err(KeyError::NoUser));
    register(&location, "ann", "sip:a@h", 1, 0);
    table.set_key(b"ann", b"color", b"blue").unwrap();
    table.set_key(b"ann", b"color", b"red").unwrap();
    table.set_key(b"ann", b"a", b"").unwrap();
    assert_eq!(table.key(b"ann", b"color").as_deref(), Some(&b"red"[..]));
    assert_eq!(table.key(b"ann", b"size"), None);
    let keys = table.user(b"ann").unwrap().keys;
    assert_eq!(keys.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), [&b"a"[..], b"color"]);
    assert!(table.remove_key(b"ann", b"color"));
    assert!(!table.remove_key(b"ann", b"color"));
    // They outlive a refresh and go with the last contact.
    register(&location, "ann", "sip:a@h", 2, 1);
    assert_eq!(table.key(b"ann", b"a").as_deref(), Some(&b""[..]));
    table.remove_user(b"ann");
    register(&location, "ann", "sip:a@h", 3, 2);
    assert_eq!(table.key(b"ann", b"a"), None);
}

#[test]
fn keys_are_bounded() {
    let limits = Limits { keys_per_user: 2, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
    let table = location.table("location").unwrap();
    register(&location, "ann", "sip:a@h", 1, 0);
    table.set_key(b"ann", b"a", &[0; 1024]).unwrap();
    assert_eq!(table.set_key(b"ann", b"b", &[0; 1025]), Err(KeyError::TooLong));
    assert_eq!(table.set_key(b"ann", &[0; 129], b""), Err(KeyError::TooLong));
    assert_eq!(table.set_key(b"ann", b"", b""), Err(KeyError::TooLong));
    table.set_key(b"ann", b"b", b"").unwrap();
    assert_eq!(table.set_key(b"ann", b"c", b""), Err(KeyError::TooMany));
    table.set_key(b"ann", b"a", b"new").unwrap();
}

// --- The journal ------------------------------------------------------------------------------

fn told(journal: &BoundedJournal) -> Vec<Entry> {
    std::iter::from_fn(|| journal.take()).collect()
}

#[test]
fn the_journal_hears_of_everything_in_order() {
    let location = location();
    let journal = Arc::new(BoundedJournal::new(100));
    assert!(location.set_journal(Arc::clone(&journal) as Arc<dyn Journal>));
    assert!(!location.set_journal(Arc::clone(&journal) as Arc<dyn Journal>));
    let table = location.table("location").unwrap();

    register(&location, "ann", "sip:a@h", 1, 0);
    let now = table.contacts(b"ann", at(0))[0].clone();
    let events = |entries: &[Entry]| entries.iter().map(|it| it.event.clone()).collect::<Vec<_>>();
    let entries = told(&journal);
    assert_eq!(events(&entries), [Event::AorInserted, Event::Inserted(now)]);
    assert!(entries.iter().all(|it| &*it.table == "location" && &*it.aor == b"ann"));

    register(&location, "ann", "sip:a@h", 2, 1);
    let now = table.contacts(b"ann", at(1))[0].clone();
    let refreshed = told(&journal);
    assert_eq!(events(&refreshed), [Event::Updated(now.clone())]);
    assert!(refreshed[0].number > entries[1].number);
    // One that comes again changes nothing.
    register(&location, "ann", "sip:a@h", 2, 1);
    assert_eq!(told(&journal), []);

    table.set_key(b"ann", b"k", b"v").unwrap();
    let keys = Event::Keys([(b"k"[..].into(), b"v"[..].into())].into());
    assert_eq!(events(&told(&journal)), [keys]);
    assert!(table.set_latency(b"ann", now.id, 4200));
    let now = table.contacts(b"ann", at(1))[0].clone();
    assert_eq!(
        (now.latency_us, events(&told(&journal))),
        (4200, vec![Event::Measured(now.clone())])
    );
    location.expire(at(61), 10);
    assert_eq!(events(&told(&journal)), [Event::Deleted(now, Gone::Expired), Event::AorDeleted]);

    register(&location, "ann", "sip:a@h", 1, 100);
    table.remove(b"ann", at(100), |_| true);
    let gone = told(&journal).pop().unwrap();
    assert_eq!(gone.event, Event::AorDeleted);
    assert_eq!(journal.dropped(), 0);
}

#[test]
fn a_full_journal_counts_what_it_misses() {
    let location = location();
    let journal = Arc::new(BoundedJournal::new(3));
    location.set_journal(Arc::clone(&journal) as Arc<dyn Journal>);
    register(&location, "ann", "sip:a@h", 1, 0);
    register(&location, "bob", "sip:a@h", 1, 0);
    assert_eq!(journal.dropped(), 1);
    assert_eq!(told(&journal).len(), 3);
}

/// A reader that answers by changing what it was told of.
struct Meddler {
    location: Mutex<Option<Arc<Location>>>,
    seen: Mutex<Vec<u64>>,
}

impl Journal for Meddler {
    fn record(&self, entry: Entry) {
        self.seen.lock().unwrap().push(entry.number);
        if let Event::Inserted(_) = entry.event
            && let Some(location) = self.location.lock().unwrap().clone()
        {
            location.table("location").unwrap().remove_user(&entry.aor);
        }
    }
}

// No lock is held while the journal is told, so it may call the store.
#[test]
fn the_journal_may_call_the_store() {
    let location = Arc::new(location());
    let meddler = Arc::new(Meddler { location: Mutex::default(), seen: Mutex::default() });
    *meddler.location.lock().unwrap() = Some(Arc::clone(&location));
    location.set_journal(Arc::clone(&meddler) as Arc<dyn Journal>);
    register(&location, "ann", "sip:a@h", 1, 0);
    assert!(location.is_empty());
    // Inserted twice, deleted twice: the answer came behind what it answers.
    assert_eq!(*meddler.seen.lock().unwrap(), [1, 2, 3, 4]);
    *meddler.location.lock().unwrap() = None;
}

/// Remembers the last number of each user and whether it ever went down.
#[derive(Default)]
struct Watcher {
    last: Mutex<HashMap<Vec<u8>, u64>>,
    wrong: Mutex<Vec<String>>,
    count: Mutex<usize>,
}

impl Journal for Watcher {
    fn record(&self, entry: Entry) {
        *self.count.lock().unwrap() += 1;
        let before = self.last.lock().unwrap().insert(entry.aor.to_vec(), entry.number);
        if before.is_some_and(|before| before >= entry.number) {
            self.wrong.lock().unwrap().push(format!("{before:?} before {}", entry.number));
        }
    }
}

#[test]
fn the_changes_of_a_user_are_told_in_order_by_all_threads() {
    const ROUNDS: u32 = 2_000;
    let location = Arc::new(location());
    let watcher = Arc::new(Watcher::default());
    location.set_journal(Arc::clone(&watcher) as Arc<dyn Journal>);
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let location = Arc::clone(&location);
            std::thread::spawn(move || {
                for round in 0..ROUNDS {
                    let user = format!("user{}", round % 3);
                    let table = location.table("location").unwrap();
                    let call = format!("call-{worker}");
                    let uri = format!("sip:{worker}@h");
                    let set = Change::Set(phone(&uri, at(round.into()), 60));
                    let update = Update::of(call.as_bytes(), round, vec![set]).unordered();
                    table.update(user.as_bytes(), at(round.into()), update).unwrap();
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(*watcher.wrong.lock().unwrap(), [""; 0]);
    // Each update changed one contact; the three users came once.
    assert!(*watcher.count.lock().unwrap() >= 4 * ROUNDS as usize + 3);
    let table = location.table("location").unwrap();
    assert_eq!(table.statistics().users, 3);
}
