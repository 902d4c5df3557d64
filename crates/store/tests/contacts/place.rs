//! A database with the table of users, and who keeps them.

use std::ops::ControlFlow;
use std::sync::Arc;

use duologue_sip::{Moment, Tick};
use duologue_store::{
    Batch, ContactKeeper, ContactTables, ContactWords, Database, DatabaseUrl, Dialect, Failure,
    FailureKind, LocationTable, Options, RejectedTable, Restored, Row, SocketNames, Table as Rows,
    Tables, Value, WrittenContacts, connect, create, restore_contacts, sync_contacts,
};
use duologue_usrloc::{Change, Contact, Expires, Location, RowState, Settings, Table, Update};

/// When all this happens.
pub(crate) const NOW: Moment = Moment { tick: Tick::from_millis(5000), unix: 1_700_000_000 };

/// Nothing has a name.
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

/// A location whose changes are followed.
pub(crate) fn users() -> Location {
    let settings = Settings { hash_bits: 0, ..Settings::default() };
    let location = Location::new(settings, (1, 2), 1, ["location".to_owned()]);
    location.follow(|| {});
    location
}

/// Its table.
pub(crate) fn table(users: &Location) -> &Table {
    users.table("location").unwrap()
}

/// Binds these contacts for a minute.
pub(crate) fn registers(
    users: &Location,
    user: &str,
    uris: impl IntoIterator<Item = String>,
    cseq: u32,
) {
    let contact = |uri: String| {
        let expires = Expires::At(Tick::from_millis(65_000));
        Change::Set(Contact { expires, ..Contact::new(uri.as_bytes(), b"call-1", cseq) })
    };
    let update = Update::of(b"call-1", cseq, uris.into_iter().map(contact).collect());
    table(users).update(user.as_bytes(), NOW.tick, update).unwrap();
}

/// Binds the one contact of a user.
pub(crate) fn register(users: &Location, user: &str, cseq: u32) {
    registers(users, user, [format!("sip:{user}@192.0.2.9")], cseq);
}

/// How a user's first contact stands to its row.
pub(crate) fn state(users: &Location, user: &str) -> Option<RowState> {
    table(users).user(user.as_bytes()).map(|user| user.states[0])
}

/// The database, and what time it is.
pub(crate) struct Place {
    pub(crate) database: Box<dyn Database>,
    pub(crate) tables: ContactTables,
    pub(crate) keeper: ContactKeeper,
    pub(crate) now: Moment,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let mut database = connect(&DatabaseUrl::memory(), &Options::default()).unwrap();
        let names = Tables::default();
        create(&mut *database, &names).unwrap();
        let rows = LocationTable::open(&mut *database, &names.location).unwrap();
        let rejected = RejectedTable::open(&mut *database, "location").unwrap();
        let tables = ContactTables::from([(Arc::from("location"), (rows, rejected))]);
        Self { database, tables, keeper: ContactKeeper::default(), now: NOW }
    }

    /// Writes all that differs.
    pub(crate) fn write(&mut self, users: &Location) -> Result<WrittenContacts, Failure> {
        let mut written = WrittenContacts::default();
        while self.gather(users) {
            written.rows += self.flush(users)?.rows;
        }
        let last = self.flush(users)?;
        Ok(WrittenContacts { rows: written.rows + last.rows, ..last })
    }

    /// Takes what differs; true if there is more.
    pub(crate) fn gather(&mut self, users: &Location) -> bool {
        self.keeper.gather(self.now, users, &self.tables, &Words)
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&mut self, users: &Location) -> Result<WrittenContacts, Failure> {
        self.keeper.write(self.now, &mut *self.database, users, &self.tables, &Words)
    }

    /// Reads the table into memory, or makes memory what it says.
    pub(crate) fn restore(&mut self, users: &Location, sync: bool) -> Restored {
        let now = self.now;
        let (rows, rejected) = &self.tables["location"];
        let (of, each) =
            ((table(users), &Words as &dyn ContactWords), &mut |_: &[u8], _: &_, _: &_| {});
        let database = &mut *self.database;
        match sync {
            false => restore_contacts(database, (rows, rejected), of, now, each),
            true => sync_contacts(database, (rows, rejected), of, now, None, each),
        }
        .unwrap()
    }

    /// How many rows a table has.
    pub(crate) fn count(&mut self, table: &str) -> i64 {
        let rows = self.database.query(&format!("SELECT count(*) FROM {table}")).unwrap();
        let Value::Int(count) = rows[0][0] else { panic!("{rows:?}") };
        count
    }
}

/// A database that is away.
pub(crate) struct Away(pub(crate) FailureKind);

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
