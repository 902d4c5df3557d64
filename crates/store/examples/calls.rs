//! A table full of calls that are up, to be restored:
//! `cargo run --release -p duologue-store --example calls -- URL CALLS SOCKET`.
//!
//! Makes the tables if they are missing. The calls are those of a plain proxy: two legs, a value, a
//! profile, no bodies; `SOCKET` (`udp:127.0.0.1:5060`) is where the proxy listens.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use duologue_dialog::{
    DialogFlags, DialogId, LegState, ModuleFlags, ProfileKind, ProfileLink, Sharing, State, Stored,
    StoredLeg, StoredParty, Values, entry_of,
};
use duologue_sip::Flow;
use duologue_store::{
    Batch, DatabaseUrl, DialogTable, Dictionary, Options, SocketNames, Tables, connect, create,
    record,
};

/// How many rows are written at a time.
const AT_A_TIME: u64 = 5_000;

/// One socket, and nothing else that has a name.
struct Socket(String);

impl Dictionary for Socket {
    fn route(&self, _: u32) -> Option<String> {
        None
    }
    fn route_named(&self, _: &str) -> Option<u32> {
        None
    }
    fn flags(&self, _: u32) -> String {
        String::new()
    }
    fn flags_named(&self, _: &str) -> u32 {
        0
    }
}

impl SocketNames for Socket {
    fn socket(&self, _: u16) -> Option<String> {
        Some(self.0.clone())
    }
    fn socket_named(&self, _: &str) -> Option<u16> {
        Some(0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: calls URL CALLS SOCKET");
    let url: DatabaseUrl = argument()?.parse()?;
    let calls: u64 = argument()?.parse()?;
    let words = Socket(argument()?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut database = connect(&url, &Options { durable: false, ..Options::default() })?;
    let tables = Tables::default();
    create(&mut *database, &tables)?;
    let table = DialogTable::open(&mut *database, &tables.dialog)?;
    for start in (0..calls).step_by(AT_A_TIME as usize) {
        let mut batch = Batch::new();
        for number in start..calls.min(start + AT_A_TIME) {
            let (row, payload) = record::write(&call(number, now), &words);
            batch.upsert(table.writable()?, table.encode(&row, Some(&payload)).row);
        }
        database.apply(&batch)?;
    }
    Ok(())
}

fn call(number: u64, now: u64) -> Stored {
    let call_id = format!("04ad4175-0e5c-123a-29ad-{number:012}@192.0.2.21").into_bytes();
    // The default size of the dialog table.
    let entry = entry_of(&call_id, 4096);
    let user = |name: &str| format!("sip:+49301234{:04}@{name}.example.com", number % 10_000);
    let party =
        |name: &str| StoredParty { display: Box::default(), uri: user(name).into_bytes().into() };
    let leg = |tag: &str, host: &str, port: u16| StoredLeg {
        tag: format!("{tag}-{number}").into_bytes().into(),
        state: LegState::Answered,
        branch: 0,
        contact: format!("sip:{host}@127.0.0.1:{port}").into_bytes().into(),
        route_set: Box::default(),
        from_uri: Box::default(),
        to_uri: Box::default(),
        cseq: 2,
        prev_cseq: Some(1),
        inv_cseq: 1,
        last_gen_cseq: 0,
        flow: Some(Flow::datagram(0, ([127, 0, 0, 1], port).into())),
    };
    let mut values = Values::default();
    // It has room for one.
    let _ = values.set(b"account", format!("A{number}").into_bytes().into());
    Stored {
        id: DialogId { entry, id: u32::try_from(number).unwrap_or(u32::MAX) },
        state: State::Confirmed,
        flags: DialogFlags::BYE_ON_TIMEOUT,
        user_flags: 0,
        module_flags: ModuleFlags::empty(),
        call_id: call_id.into(),
        caller: party("caller"),
        callee: party("callee"),
        created_ts: now - 60,
        start_ts: now - 50,
        timeout_ts: now + 43_200,
        lifetime: 43_200,
        invite_cseq: 1,
        answered_leg: 1,
        reason: None,
        routes: [None; 3],
        delete_delay: None,
        ping_intervals: [None; 2],
        legs: vec![leg("caller", "caller", 5070), leg("callee", "callee", 5080)],
        numbers: Vec::new(),
        bodies: Vec::new(),
        values,
        profiles: vec![ProfileLink {
            name: "calls".into(),
            kind: ProfileKind::Value,
            sharing: Sharing::Local,
            value: user("caller").into_bytes().into(),
        }],
    }
}
