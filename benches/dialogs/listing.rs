//! Everything is listed, by the command that operators use, while calls go on: how long that takes,
//! and what the calls notice.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use duologue::management::{commands, rpc};
use duologue::script::Sources;
use duologue::{Overrides, Plan, Server};
use rpc::Registry;
use rpc::jsonrpc::{self, Pieces, Reply};
use serde_json::{Value, json};

use crate::MEASURE;
use crate::calls::Table;
use crate::latency::Latency;

/// The socket of a server on which nobody calls.
const SCRIPT: &str = r#"
    socket = udp:127.0.0.1:PORT
    udp_workers = 1
    loadmodule "proto_udp.so"
    loadmodule "dialog.so"
    modparam("dialog", "hash_size", 65536)
    route { exit; }
"#;

const REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"dlg_list"}"#;

/// How many dialogs a page has.
const PAGE: usize = 100;

/// What of a listing can be seen from outside.
struct Listed {
    seconds: f64,
    bytes: usize,
    pieces: usize,
    /// The longest time until a piece was there.
    slowest_piece: f64,
}

pub(crate) fn measure(count: usize) -> Value {
    let plan = Plan::load("bench.cfg", &Script, &[], Overrides::default());
    let server = Arc::new(Server::start(plan.unwrap()).unwrap());
    let registry = commands(&server, || ()).unwrap();
    let clock = Arc::clone(&server);
    let table = Table::of(server.node().dialogs.clone(), move || clock.now());
    table.fill(count, None, server.now());
    let mut calls = table.calls(count);
    calls.run_for(MEASURE / 3, &mut Latency::default());

    let alone = list(&registry);
    let mut quiet = Latency::default();
    let begun = Instant::now();
    let quiet_calls = calls.run_for(MEASURE, &mut quiet) as f64 / begun.elapsed().as_secs_f64();

    let listing = AtomicBool::new(true);
    let mut disturbed = Latency::default();
    let (lists, calls_meanwhile) = thread::scope(|scope| {
        let lister = scope.spawn(|| {
            let begun = Instant::now();
            let mut lists = Vec::new();
            while lists.is_empty() || begun.elapsed() < MEASURE {
                lists.push(list(&registry));
            }
            listing.store(false, Relaxed);
            lists
        });
        let begun = Instant::now();
        let made = calls.run_while(|| listing.load(Relaxed), &mut disturbed);
        (lister.join().unwrap(), made as f64 / begun.elapsed().as_secs_f64())
    });
    let last_page = page(&registry, count - PAGE);
    let each = lists.iter().map(|list| list.seconds).sum::<f64>() / lists.len() as f64;
    let slowest = lists.iter().map(|list| list.slowest_piece).fold(0.0, f64::max);
    json!({
        "listings": lists.len(),
        "seconds": each,
        "seconds_without_calls": alone.seconds,
        "last_page_ms": last_page * 1000.0,
        "bytes": alone.bytes,
        "pieces": alone.pieces,
        "slowest_piece_ms": slowest * 1000.0,
        "without_listing": { "calls_per_second": quiet_calls, "operation_us": quiet.figures() },
        "with_listing": { "calls_per_second": calls_meanwhile, "operation_us": disturbed.figures() },
    })
}

/// The script as its own only file.
struct Script;

impl Sources for Script {
    fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
        let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        Ok(SCRIPT.replace("PORT", &port.to_string()))
    }
}

/// The seconds that a page from here on takes.
fn page(registry: &Registry, index: usize) -> f64 {
    let params = json!({ "index": index, "counter": PAGE });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "dlg_list", "params": params });
    let begun = Instant::now();
    let bytes = pieces(registry, request.to_string().as_bytes()).map(|piece| piece.len());
    assert!(bytes.sum::<usize>() > PAGE * 100, "the page is empty");
    begun.elapsed().as_secs_f64()
}

fn pieces(registry: &Registry, request: &[u8]) -> Pieces {
    match jsonrpc::answer(registry, request) {
        Reply::Pieces(pieces) => pieces,
        other => panic!("a listing is streamed: {other:?}"),
    }
}

fn list(registry: &Registry) -> Listed {
    let begun = Instant::now();
    let mut listed = Listed { seconds: 0.0, bytes: 0, pieces: 0, slowest_piece: 0.0 };
    let mut before = begun;
    for piece in pieces(registry, REQUEST) {
        let now = Instant::now();
        listed.slowest_piece = listed.slowest_piece.max((now - before).as_secs_f64());
        listed.bytes += piece.len();
        listed.pieces += 1;
        before = now;
    }
    listed.seconds = begun.elapsed().as_secs_f64();
    listed
}
