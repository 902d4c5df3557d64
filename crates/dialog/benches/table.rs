//! What the dialog table costs: to find a dialog by its did among many, and a dialog's whole life.
#![allow(clippy::unwrap_used)] // In a benchmark, too, an error is a failure.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use duologue_dialog::{
    Dialog, DialogFlags, DialogMethod, Dialogs, Did, InviteFacts, MatchFacts, MatchMode,
    ReplyFacts, RequestFacts, Settings, Step, Steps,
};
use duologue_sip::{Flow, Moment, Tick};

/// A prime: stepping by it visits every dialog once, and never its neighbour next.
const STRIDE: usize = 7_368_787;

fn start() -> Moment {
    Moment { tick: Tick::from_millis(1000), unix: 1_700_000_000 }
}

fn flow(port: u16) -> Flow {
    Flow::datagram(0, ([127, 0, 0, 1], port).into())
}

type CallId = [u8; 30];

fn call_id(number: usize) -> CallId {
    let text = format!("{number:012}-NzkxYm@127.0.0.1a");
    text.as_bytes().try_into().unwrap()
}

/// INVITE to ACK: a dialog that is confirmed and whose INVITE transaction has ended.
fn talk(dialogs: &Dialogs, now: Moment, call_id: &[u8], steps: &mut Steps) -> Dialog {
    let invite = InviteFacts {
        call_id,
        from_tag: b"4f2c9a1b",
        to_tag: b"",
        from_uri: b"sip:alice@127.0.0.1:5070",
        to_uri: b"sip:bob@127.0.0.1:5080",
        from_display: b"",
        to_display: b"",
        body: None,
        cseq: 1,
        contact: b"sip:alice@127.0.0.1:5070",
        record_routes: &[],
        flow: flow(5070),
        timeout: None,
        owner: 1,
    };
    let dialog = dialogs.create(now, &invite, DialogFlags::empty(), steps).unwrap();
    dialogs.branch_sent(dialog.key(), 0, 1, steps).unwrap();
    for status in [180, 200] {
        let reply = ReplyFacts {
            branch: 0,
            status,
            to_tag: b"9b7e33d0",
            cseq: 1,
            rseq: None,
            body: None,
            contact: b"sip:bob@127.0.0.1:5080",
            record_routes: &[],
            own_record_routes: 0,
            flow: flow(5080),
            mangled_from_uri: None,
            mangled_to_uri: None,
        };
        dialogs.reply_forwarded(dialog.key(), &reply, steps).unwrap();
        dialogs.reply_about_to_be_sent(now, dialog.key(), status, steps).unwrap();
    }
    within(dialogs, now, &dialog, call_id, DialogMethod::Ack, steps);
    dialogs.transaction_ended(now, dialog.key(), steps).unwrap();
    walk(dialogs, steps);
    dialog
}

/// Fires what nobody listens to; DESTROY frees a dialog that has ended.
fn walk(dialogs: &Dialogs, steps: &mut Steps) {
    for step in steps.drain() {
        if let Step::Fire(firing) = step {
            dialogs.fire(&firing, None);
        }
    }
}

/// A request of the caller: matched by did, fed, released.
fn within(
    dialogs: &Dialogs,
    now: Moment,
    dialog: &Dialog,
    call_id: &[u8],
    method: DialogMethod,
    steps: &mut Steps,
) {
    let did = dialog.id().did();
    let matched =
        dialogs.match_request(&facts(call_id, did.as_bytes()), MatchMode::DidOnly).unwrap();
    let request = RequestFacts::of(&matched, method, 1, flow(5070));
    dialogs.request_within(now, matched.key, &request, steps).unwrap();
    dialogs.release(now, matched.key, steps).unwrap();
}

fn facts<'a>(call_id: &'a [u8], did: &'a [u8]) -> MatchFacts<'a> {
    MatchFacts { call_id, from_tag: b"4f2c9a1b", to_tag: b"9b7e33d0", did: Some(did) }
}

fn settings() -> Settings {
    Settings { hash_size: 1 << 16, ..Settings::default() }
}

fn match_by_did(c: &mut Criterion) {
    let mut group = c.benchmark_group("match by did");
    let mut steps = Steps::new();
    for count in [1_000, 100_000, 1_000_000] {
        let dialogs = Dialogs::new(settings(), 7);
        let mut known: Vec<(CallId, Did)> = (0..count)
            .map(|number| {
                let call_id = call_id(number);
                let dialog = talk(&dialogs, start(), &call_id, &mut steps);
                (call_id, dialog.id().did())
            })
            .collect();
        // Asked for in an order that the table's memory knows nothing of; read in their own.
        known = (0..count).map(|at| known[at * STRIDE % count]).collect();
        let mut at = 0;
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                at = (at + 1) % count;
                let (call_id, did) = &known[at];
                let facts = facts(call_id, did.as_bytes());
                black_box(dialogs.match_request(black_box(&facts), MatchMode::DidOnly).unwrap())
            });
        });
    }
    group.finish();
}

/// Time goes on a little with each call, so that tombstones are swept as they are in a proxy.
fn life(c: &mut Criterion) {
    let dialogs = Dialogs::new(settings(), 7);
    let (mut steps, mut due) = (Steps::new(), Vec::new());
    let (mut now, mut number) = (start(), 0_usize);
    c.bench_function("create, confirm, end", |b| {
        b.iter(|| {
            number += 1;
            if number.is_multiple_of(16) {
                now.tick = now.tick + Duration::from_millis(16);
                dialogs.wake(now.tick, &mut due);
                for one in due.drain(..) {
                    let _ = dialogs.deadline(now, one.key, &mut steps);
                }
            }
            let call_id = call_id(number);
            let dialog = talk(&dialogs, now, &call_id, &mut steps);
            within(&dialogs, now, &dialog, &call_id, DialogMethod::Bye, &mut steps);
            walk(&dialogs, &mut steps);
        });
    });
}

criterion_group!(benches, match_by_did, life);
criterion_main!(benches);
