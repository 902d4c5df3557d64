//! What a message costs: to scan, to view, to change and render. Budget: 0.4 µs to scan, as much
//! to render.
#![allow(clippy::unwrap_used)] // In a benchmark, too, an error is a failure.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use duologue_sip::{Edits, Message, render};

/// An INVITE as a phone sends it, padded by its offer to about 1 KB.
const INVITE: &str = "INVITE sip:bob@127.0.0.1:5080;transport=udp SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-524287-1---d8754z;rport\r\n\
    Max-Forwards: 70\r\n\
    Contact: <sip:alice@127.0.0.1:5070;transport=udp>\r\n\
    From: \"Alice Liddell\" <sip:alice@example.com>;tag=4f2c9a1b\r\n\
    To: \"Bob\" <sip:bob@example.com>\r\n\
    Call-ID: 84721NzkxYmE1N2M3YmNlNDc4OTQ2@127.0.0.1\r\n\
    CSeq: 1 INVITE\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE\r\n\
    Content-Type: application/sdp\r\n\
    Supported: replaces, norefersub, extended-refer, timer, outbound, path\r\n\
    User-Agent: Benchmark Phone 5.6.0\r\n\
    Session-Expires: 1800\r\n\
    Min-SE: 90\r\n\
    Content-Length: 360\r\n\
    \r\n\
    v=0\r\n\
    o=- 1719000000 1 IN IP4 192.0.2.10\r\n\
    s=a call\r\n\
    c=IN IP4 192.0.2.10\r\n\
    t=0 0\r\n\
    m=audio 40000 RTP/AVP 9 8 0 101 18 97\r\n\
    a=rtpmap:9 G722/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=rtpmap:97 opus/48000/2\r\n\
    a=fmtp:97 useinbandfec=1\r\n\
    a=rtcp:40001 IN IP4 192.0.2.10\r\n\
    a=ptime:20\r\n\
    a=maxptime:150\r\n\
    a=sendrecv\r\n";

fn messages(c: &mut Criterion) {
    let bytes = INVITE.as_bytes();
    let message = Message::parse(bytes).unwrap();
    message.check().unwrap();
    let mut group = c.benchmark_group("message");
    group.throughput(Throughput::Bytes(bytes.len() as u64));

    group.bench_function("scan", |b| {
        b.iter(|| black_box(Message::parse(black_box(bytes)).unwrap().is_request()));
    });
    group.bench_function("scan and view", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(bytes)).unwrap();
            view(&message);
        });
    });
    group.bench_function("view", |b| b.iter(|| view(black_box(&message))));
    group.bench_function("check", |b| b.iter(|| black_box(&message).check().unwrap()));

    // As a worker does: edits and buffer are reused.
    let (mut edits, mut out) = (Edits::new(), Vec::new());
    group.bench_function("edit and render", |b| {
        b.iter(|| {
            relay(black_box(&message), &mut edits, &mut out);
            black_box(out.len())
        });
    });
    group.bench_function("render", |b| {
        b.iter(|| {
            out.clear();
            render(black_box(message.framed()), &[&edits], &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

/// The views that every relayed message needs.
fn view(message: &Message<'_>) {
    black_box(message.top_via().unwrap().branch());
    black_box(message.from().unwrap().tag());
    black_box(message.to().unwrap().tag());
    black_box(message.cseq().unwrap());
    black_box(message.call_id().unwrap());
}

/// What a proxy that stays in the route does to an INVITE (RFC 3261 §16.6).
fn relay(message: &Message<'_>, edits: &mut Edits, out: &mut Vec<u8>) {
    edits.clear();
    out.clear();
    let mut draft = edits.draft(message);
    draft.set_uri(b"sip:bob@127.0.0.1:5081");
    draft.decrement_max_forwards().unwrap();
    draft.append_to_via(&[b";received=127.0.0.1"]).unwrap();
    draft.push_record_route(&[b"<sip:127.0.0.1:5060;lr;did=3f2.4a5b6c7>"]);
    draft.push_via(&[b"SIP/2.0/UDP 127.0.0.1:5060;branch=", b"z9hG4bK7f3a.91c2d4e5f60718.0"]);
    render(message.framed(), &[edits], out);
}

criterion_group!(benches, messages);
criterion_main!(benches);
