//! The writer of users: a thread with the connection, and what it does in a round.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use duologue_store::{ContactKeeper, Failure, FailureKind};
use duologue_usrloc::Location;

use super::connection::Connection;
use super::{Now, Order, ToDo, UserStorage, WriteMode, start};
use crate::node::Node;
use crate::storage::link::Link;
use crate::storage::words::Words;
use crate::storage::{LAST_ROUND, TOGETHER};

/// Writes what differs from its row.
pub struct UserWriter {
    node: Arc<Node>,
    storage: Arc<UserStorage>,
    now: Now,
    keeper: ContactKeeper,
    link: Link<UserStorage>,
    /// Tables whose rows were read, or are nobody's to read.
    met: HashSet<Arc<str>>,
    written_at: Instant,
}

impl UserWriter {
    pub(super) fn new(node: &Arc<Node>, storage: &Arc<UserStorage>, now: &Now) -> Self {
        Self {
            node: Arc::clone(node),
            storage: Arc::clone(storage),
            now: Arc::clone(now),
            keeper: ContactKeeper::default(),
            link: Link::new(None),
            met: HashSet::new(),
            written_at: Instant::now(),
        }
    }

    /// The first connection.
    pub(super) fn keep(&mut self, connection: Connection) {
        self.storage.counts.connected.store(true, Relaxed);
        self.link = Link::new(Some(connection));
    }

    /// Reads the rows of tables that are seen for the first time. Where nobody reads them, those of
    /// earlier processes go with the first writing.
    pub(super) fn meet_tables(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let (node, storage) = (&*self.node, &*self.storage);
        for users in start::location(node).into_iter().flat_map(Location::tables) {
            let name = users.name();
            if self.met.contains(name) || !connection.tables.contains_key(name) {
                continue;
            }
            match storage.settings.loads {
                true => start::read(node, storage, (self.now)(), connection, users)?,
                false => self.keeper.compare_next(name),
            }
            self.met.insert(Arc::clone(name));
        }
        Ok(())
    }

    /// The thread's life, until the storage is stopped.
    pub(crate) fn run(mut self) {
        loop {
            let (marks_from, until) = self.next_round();
            let round = self.storage.inbox.wait(marks_from, until);
            if round.last {
                return self.last_round(round.work);
            }
            self.round(round.work);
        }
    }

    /// Does at once what there is to do: for who drives a proxy by hand, in virtual time.
    pub fn work_now(&mut self) {
        let round = self.storage.inbox.take();
        self.round(round.work);
    }

    /// The last round, for who drives a proxy by hand: the process ends in good order.
    pub fn end_now(self) {
        let round = self.storage.inbox.take();
        self.last_round(round.work);
    }

    /// From when on marks are a reason for a round, and when there is one in any case.
    fn next_round(&self) -> (Instant, Option<Instant>) {
        let together = self.written_at + TOGETHER;
        let retry = self.link.retry_at();
        let writes_back = self.storage.settings.writes == Some(WriteMode::Back);
        let period = writes_back.then(|| self.written_at + self.storage.settings.period);
        let until = retry.into_iter().chain(period).min();
        (retry.map_or(together, |retry| retry.max(together)), until)
    }

    fn round(&mut self, to_do: ToDo) {
        let now = (self.now)();
        let Some(mut connection) = self.link.take(&self.storage, now) else {
            return self.refuse(to_do.orders);
        };
        let mut orders = to_do.orders.into_iter();
        let done = self.work(&mut connection, &mut orders);
        self.written_at = Instant::now();
        self.storage.counts.pending.store(self.keeper.pending() as u64, Relaxed);
        if self.link.settle(&self.storage, now, connection, done).is_none() {
            self.refuse(orders.collect());
        }
    }

    fn refuse(&self, orders: Vec<Order>) {
        for order in orders {
            order.answer(Err(self.link.trouble()));
        }
    }

    fn work(
        &mut self,
        connection: &mut Connection,
        orders: &mut dyn Iterator<Item = Order>,
    ) -> Result<(), Failure> {
        self.open_tables(connection)?;
        self.meet_tables(connection)?;
        let rows = self.write_all(connection)?;
        for order in orders {
            let done = match &order {
                Order::Flush(_) => Ok(Some(rows)),
                Order::Sync { table, aor, .. } => {
                    let (now, of) = ((self.now)(), (table.as_str(), aor.as_deref()));
                    start::sync(&self.node, &self.storage, now, connection, of)
                }
            };
            order.answer(match &done {
                Ok(Some(rows)) => Ok(*rows),
                Ok(None) => Err("the database does not have this table".to_owned()),
                Err(failure) => Err(failure.to_string()),
            });
            done?;
        }
        Ok(())
    }

    /// A table that a script named later, and that the database does not have, stops no other one.
    fn open_tables(&self, connection: &mut Connection) -> Result<(), Failure> {
        let Some(location) = start::location(&self.node) else { return Ok(()) };
        while let Err(failure) = connection.open_tables(&self.storage, location) {
            if failure.kind != FailureKind::Schema {
                return Err(failure);
            }
            tracing::error!("some users cannot be stored in {}: {failure}", self.storage.url);
        }
        Ok(())
    }

    /// Writes all that differs. How many rows that were.
    fn write_all(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        let Connection { database, tables, .. } = connection;
        let location = start::location(&self.node);
        let (Some(location), Some(_)) = (location, self.storage.settings.writes) else {
            return Ok(0);
        };
        let words = &Words(&self.node);
        let counts = &self.storage.counts;
        let mut rows = 0;
        loop {
            let now = (self.now)();
            let more = self.keeper.gather(now, location, tables, words);
            let written = self.keeper.write(now, &mut **database, location, tables, words)?;
            rows += written.rows as u64;
            counts.written.fetch_add(written.rows as u64, Relaxed);
            counts.commits.fetch_add(u64::from(written.rows > 0), Relaxed);
            counts.rejected.fetch_add(written.refused.len() as u64, Relaxed);
            for refused in &written.refused {
                let (table, failure) = (refused.table.name(), &refused.failure);
                tracing::error!("a row of {table} was refused: {failure}");
            }
            if !more {
                return Ok(rows);
            }
        }
    }

    /// The program ends, nobody registers: what differs is written. A database in trouble is waited
    /// for, but not for ever.
    fn last_round(mut self, to_do: ToDo) {
        let mut orders = to_do.orders.into_iter();
        let (patience, pause) = LAST_ROUND;
        let until = Instant::now() + patience;
        loop {
            let now = (self.now)();
            if let Some(mut connection) = self.link.take(&self.storage, now) {
                let done = self.work(&mut connection, &mut orders);
                if self.link.settle(&self.storage, now, connection, done).is_some() {
                    return tracing::info!("users written at the end");
                }
            }
            if Instant::now() >= until {
                self.refuse(orders.collect());
                let trouble = self.link.trouble();
                return tracing::error!("users were not written at the end: {trouble}");
            }
            std::thread::sleep(pause);
        }
    }
}
