//! How many rows a second: `cargo run --release -p duologue-store --example rows -- URL [ROWS]`.
//!
//! Makes the tables if they are missing, writes dialogs as large as those of plain calls in batches
//! of several sizes, updates, reads and deletes them. The table of dialogs has to be empty.

use std::error::Error;
use std::ops::{ControlFlow, Range};
use std::time::Instant;

use duologue_store::{
    Batch, Database, DatabaseUrl, DialogRow, DialogTable, Options, Tables, connect, create,
};

/// What a proxy knows of a plain call beside OpenSIPS's columns, about.
const PAYLOAD: [u8; 300] = [7; 300];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: rows URL [ROWS]")?;
    let url: DatabaseUrl = url.parse()?;
    let rows = arguments.next().map_or(Ok(100_000), |rows| rows.parse())?;
    println!("{url}, {rows} rows");
    for durable in [false, true] {
        let mut database = connect(&url, &Options { durable, ..Options::default() })?;
        let tables = Tables::default();
        create(&mut *database, &tables)?;
        let dialogs = DialogTable::open(&mut *database, &tables.dialog)?;
        let kept = database.stream(dialogs.table(), 1, &mut |_| ControlFlow::Break(()))?;
        if kept > 0 {
            return Err("the table of dialogs is not empty".into());
        }
        println!("{}", if durable { "durable" } else { "not durable" });
        measure(&mut *database, &dialogs, rows)?;
    }
    Ok(())
}

fn measure(
    database: &mut dyn Database,
    dialogs: &DialogTable,
    rows: u64,
) -> Result<(), Box<dyn Error>> {
    let few = rows.min(2_000);
    timed("written one by one", few, || write(database, dialogs, 0..few, 1))?;
    timed("written by 50", rows, || write(database, dialogs, 0..rows, 50))?;
    timed("updated by 500", rows, || write(database, dialogs, 0..rows, 500))?;
    timed("read and decoded", rows, || {
        let count = database.stream(dialogs.table(), 500, &mut |rows| {
            for row in rows {
                assert!(dialogs.decode(row).is_ok_and(|read| read.is_ours));
            }
            ControlFlow::Continue(())
        })?;
        assert_eq!(count, rows);
        Ok(())
    })?;
    timed("deleted by 500", rows, || {
        for start in (0..rows).step_by(500) {
            let mut batch = Batch::new();
            for id in start..rows.min(start + 500) {
                batch.delete(dialogs.writable()?, id_of(id));
            }
            database.apply(&batch)?;
        }
        Ok(())
    })
}

fn write(
    database: &mut dyn Database,
    dialogs: &DialogTable,
    ids: Range<u64>,
    size: u64,
) -> Result<(), Box<dyn Error>> {
    let table = dialogs.writable()?;
    for start in ids.clone().step_by(size as usize) {
        let mut batch = Batch::new();
        for id in start..ids.end.min(start + size) {
            batch.upsert(table, dialogs.encode(&call(id), Some(&PAYLOAD)).row);
        }
        database.apply(&batch)?;
    }
    Ok(())
}

fn timed(
    what: &str,
    rows: u64,
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    work()?;
    let seconds = began.elapsed().as_secs_f64();
    println!("  {what:<20} {:>9.0} rows/s", rows as f64 / seconds);
    Ok(())
}

/// Entries of 4,096 buckets, in no order, as calls come.
const fn id_of(call: u64) -> u64 {
    ((call.wrapping_mul(2_654_435_761) & 0xfff) << 32) | call
}

fn call(id: u64) -> DialogRow {
    DialogRow {
        id: id_of(id),
        call_id: format!("04ad4175-0e5c-123a-29ad-{id:012}").into_bytes(),
        from_uri: b"sip:+4930123456@proxy.example.com".to_vec(),
        from_tag: b"as5d0f3c2a".to_vec(),
        to_uri: b"sip:+4940987654@carrier.example.net".to_vec(),
        to_tag: b"gK0c8a91d3".to_vec(),
        caller_cseq: 1,
        callee_cseq: 102,
        caller_route_set: Some(b"<sip:192.0.2.7;lr;ftag=as5d0f3c2a>".to_vec()),
        callee_route_set: Some(b"<sip:198.51.100.3;lr>,<sip:198.51.100.4;lr>".to_vec()),
        caller_contact: Some(b"sip:+4930123456@192.0.2.21:5060;transport=udp".to_vec()),
        callee_contact: Some(b"sip:+4940987654@198.51.100.9:5060".to_vec()),
        caller_sock: b"udp:192.0.2.1:5060".to_vec(),
        callee_sock: b"udp:192.0.2.1:5060".to_vec(),
        state: 4,
        start_time: 1_800_000_000,
        timeout: 1_800_043_200,
        ..DialogRow::default()
    }
}
