//! The writer: a thread with the connection, and what it does in a round.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use duologue_dialog::{DialogKey, Dialogs, SavedKind, Stale};
use duologue_store::{Failure, Keeper, Restored, Written};

use super::connection::Connection;
use super::link::Link;
use super::orders::{Order, ToDo};
use super::words::Words;
use super::{LAST_ROUND, Mode, Now, Storage, TOGETHER, start};
use crate::call::Job;
use crate::dialogs::log_panics_of;
use crate::intents;
use crate::node::Node;

/// A call that took no job is offered it again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes what differs from its row.
pub struct Writer {
    node: Arc<Node>,
    storage: Arc<Storage>,
    now: Now,
    keeper: Keeper,
    link: Link<Storage>,
    /// Whether the table was read since the start.
    read: bool,
    /// Dialogs that are being asked for their values.
    asked: HashSet<DialogKey>,
    /// As those that were asked are to be written.
    taken: Vec<Stale>,
    /// Dialogs whose answer waits for their row.
    awaited: HashSet<DialogKey>,
    /// What is to be told to calls that took no job.
    untold: Vec<Telling>,
    /// When the last commit was.
    written_at: Instant,
    /// Whether calls still run: they take jobs then.
    calls_run: bool,
}

/// What a call hears of the writer, in its turn.
#[derive(Clone, Copy, Debug)]
enum Telling {
    /// Tell what you want stored.
    Ask(DialogKey),
    /// It was written, or removed.
    Saved(DialogKey, SavedKind),
    /// Its row is there: the answer may leave.
    Committed(DialogKey),
}

impl Telling {
    fn job(self) -> (DialogKey, impl Fn() -> Job) {
        let (Self::Ask(key) | Self::Saved(key, _) | Self::Committed(key)) = self;
        let job = move || match self {
            Self::Ask(key) => Job::WriteValues(key),
            Self::Saved(key, kind) => Job::Saved(key, kind),
            Self::Committed(key) => Job::Committed(key),
        };
        (key, job)
    }
}

impl Writer {
    pub(super) fn new(
        node: &Arc<Node>,
        storage: &Arc<Storage>,
        now: &Now,
        (connection, restored): (Connection, &Restored),
    ) -> Self {
        storage.counts.connected.store(true, Relaxed);
        let mut without = Self::without_connection(node, storage, now);
        without.keeper.spare_rows(restored.left > 0);
        Self { link: Link::new(Some(connection)), read: true, ..without }
    }

    pub(super) fn without_connection(node: &Arc<Node>, storage: &Arc<Storage>, now: &Now) -> Self {
        let mut keeper = Keeper::new(node.dialogs.clone());
        keeper.keep_values(storage.settings.keep_values);
        Self {
            node: Arc::clone(node),
            storage: Arc::clone(storage),
            now: Arc::clone(now),
            keeper,
            link: Link::new(None),
            read: false,
            asked: HashSet::new(),
            taken: Vec::new(),
            awaited: HashSet::new(),
            untold: Vec::new(),
            written_at: Instant::now(),
            calls_run: true,
        }
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
        let period = (self.storage.settings.mode == Mode::Delayed)
            .then(|| self.written_at + self.storage.settings.update_period);
        let again = (!self.untold.is_empty()).then(|| Instant::now() + AGAIN);
        let until = [retry, period, again].into_iter().flatten().min();
        (retry.map_or(together, |retry| retry.max(together)), until)
    }

    fn round(&mut self, to_do: ToDo) {
        for (key, stale) in to_do.taken {
            self.asked.remove(&key);
            self.taken.extend(stale);
        }
        self.awaited.extend(to_do.awaited);
        for telling in std::mem::take(&mut self.untold) {
            self.tell(telling);
        }
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
        if !self.read {
            self.read_table(connection)?;
        }
        if self.storage.settings.mode != Mode::Shutdown {
            self.write_all(connection)?;
        }
        for order in orders {
            let done = match order {
                Order::Read(_) => self.read_table(connection),
                Order::Rewrite(_) => self.rewrite(connection),
            };
            order.answer(done.as_ref().copied().map_err(ToString::to_string));
            done?;
        }
        Ok(())
    }

    /// How many dialogs came back.
    fn read_table(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        let (node, storage) = (&self.node, &self.storage);
        let nobody: &mut super::Watch = &mut (Box::new(|_: &_| {}) as super::Watch);
        let restored = start::read(node, storage, &self.now, connection, nobody)?;
        start::told(storage, &restored);
        self.keeper.spare_rows(restored.left > 0);
        self.read = true;
        Ok(restored.loaded)
    }

    /// Every dialog is written, whatever is known of its row, and rows without one go. How many there
    /// are.
    fn rewrite(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        self.node.dialogs.doubt_all();
        self.keeper.compare_next();
        self.write_all(connection)
    }

    /// Writes all that differs. How many rows that were.
    fn write_all(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        let Connection { database, table, rejected } = connection;
        let mut rows = 0;
        loop {
            let now = (self.now)();
            for stale in std::mem::take(&mut self.taken) {
                self.keeper.add(&stale, table, &Words(&self.node));
            }
            let gathered = self.keeper.gather(now, table, &Words(&self.node));
            for key in gathered.asks {
                if self.asked.insert(key) {
                    self.tell(Telling::Ask(key));
                }
            }
            let written = self.keeper.write(now, &mut **database, table, rejected)?;
            rows += written.rows as u64;
            self.told(&written);
            if !gathered.more && self.taken.is_empty() {
                self.commit(&written);
                return Ok(rows);
            }
        }
    }

    fn told(&mut self, written: &Written) {
        let counts = &self.storage.counts;
        counts.written.fetch_add(written.rows as u64, Relaxed);
        counts.commits.fetch_add(u64::from(written.rows > 0), Relaxed);
        counts.rejected.fetch_add(written.refused.len() as u64, Relaxed);
        for refused in &written.refused {
            tracing::error!("a row of {} was refused: {}", refused.table.name(), refused.failure);
        }
        for (key, kind) in &written.tells {
            self.tell(Telling::Saved(*key, *kind));
        }
    }

    /// Everything that was marked is committed: who waits for that may go on, but for those who are
    /// still being asked. Who was refused is left to its own patience.
    fn commit(&mut self, written: &Written) {
        let refused = written.refused.iter().filter_map(|it| it.row.first()?.as_id());
        let refused: HashSet<u64> = refused.collect();
        for key in std::mem::take(&mut self.awaited) {
            if self.asked.contains(&key) {
                self.awaited.insert(key);
            } else if !refused.contains(&key.id.db_id()) {
                self.tell(Telling::Committed(key));
            }
        }
    }

    fn tell(&mut self, telling: Telling) {
        if !self.calls_run {
            return self.tell_here(telling);
        }
        let (key, job) = telling.job();
        if !intents::post(&self.node, key, job) {
            self.untold.push(telling);
        }
    }

    /// No call runs any more: this thread is as good as theirs.
    fn tell_here(&mut self, telling: Telling) {
        let dialogs: &Dialogs = &self.node.dialogs;
        match telling {
            Telling::Ask(key) => {
                log_panics_of(&dialogs.handle(key), dialogs.write_values(key));
                self.taken.extend(dialogs.take_one_stale((self.now)(), key));
            }
            Telling::Saved(key, kind) => {
                log_panics_of(&dialogs.handle(key), dialogs.saved(key, kind));
            }
            Telling::Committed(_) => {}
        }
    }

    /// The program ends, no call runs: all that is up is written, with values (§11.2). A database in
    /// trouble is waited for, but not for ever.
    fn last_round(mut self, to_do: ToDo) {
        self.calls_run = false;
        self.keeper.keep_values(true);
        if self.storage.settings.mode == Mode::Shutdown {
            self.node.dialogs.follow(|| {});
        } else if !self.storage.settings.keep_values {
            self.node.dialogs.doubt_all();
        }
        self.refuse(to_do.orders);
        for (_, stale) in to_do.taken {
            self.taken.extend(stale);
        }
        // What calls did not come to any more is done here.
        let asked = std::mem::take(&mut self.asked).into_iter().map(Telling::Ask);
        let left: Vec<_> = asked.chain(std::mem::take(&mut self.untold)).collect();
        left.into_iter().for_each(|telling| self.tell_here(telling));
        let (patience, pause) = LAST_ROUND;
        let until = Instant::now() + patience;
        loop {
            let now = (self.now)();
            if let Some(mut connection) = self.link.take(&self.storage, now) {
                let done = self.write_all(&mut connection);
                if let Some(rows) = self.link.settle(&self.storage, now, connection, done) {
                    return tracing::info!(rows, "dialogs written at the end");
                }
            }
            if Instant::now() >= until {
                let trouble = self.link.trouble();
                return tracing::error!("dialogs were not written at the end: {trouble}");
            }
            std::thread::sleep(pause);
        }
    }
}
