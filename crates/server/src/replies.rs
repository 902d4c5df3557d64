//! Replies that we make ourselves, and where replies go.

use duologue_sip::{Flow, Message, Reply, StatusCode};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

use crate::context::Draft;
use crate::node::Node;

/// What a local reply says.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'a [u8],
    /// Content type and body.
    pub body: Option<(&'a [u8], &'a [u8])>,
}

/// A script's number as a status code.
pub fn status(number: Option<i32>) -> Option<u16> {
    u16::try_from(number?).ok().filter(|status| (100..700).contains(status))
}

/// The header lines that go into a local reply beside the mandatory ones.
pub fn lines(
    node: &Node,
    request: &Message<'_>,
    draft: Option<&Draft>,
    local: &Local<'_>,
) -> Vec<u8> {
    let mut lines = Vec::with_capacity(64);
    if let Some(draft) = draft {
        if (300..400).contains(&local.status) {
            write_contacts(request, draft, &mut lines);
        }
        lines.extend_from_slice(&draft.reply_headers);
    }
    if node.sip_warning {
        write_warning(request, draft, &mut lines);
    }
    if let Some(server) = &node.server_header {
        lines.extend_from_slice(server.as_bytes());
    }
    lines
}

/// The body that the script wants local replies to have; its type is one of their header lines. A
/// 100 only says that the request has come.
pub fn body(status: u16, body: &[u8]) -> Option<(&[u8], &[u8])> {
    (status > 100 && !body.is_empty()).then_some((b"", body))
}

/// Appends a reply to `request`, which came in on `source` (RFC 3261 §8.2.6).
pub fn write(
    request: &Message<'_>,
    source: Flow,
    local: &Local<'_>,
    to_tag: &[u8],
    lines: &[u8],
    out: &mut Vec<u8>,
) {
    let Some(status) = StatusCode::new(local.status) else { return };
    let mut reply =
        Reply::to(request, status).reason(local.reason).source(source.peer).lines(lines);
    // RFC 3261 §8.2.6.2: a tag in every reply but 100.
    if local.status > 100 {
        reply = reply.to_tag(to_tag);
    }
    if let Some((content_type, body)) = local.body {
        reply = reply.body(content_type, body);
    }
    reply.write(out);
}

/// spec/modules.md §3: a 3xx carries the destination set if the script made one.
fn write_contacts(request: &Message<'_>, draft: &Draft, headers: &mut Vec<u8>) {
    let uris =
        draft.target.uri.iter().chain(draft.branches.iter().filter_map(|it| it.uri.as_ref()));
    let mut separator: &[u8] = b"Contact: ";
    let changed = |uri: &&Vec<u8>| request.uri_bytes() != uri.as_slice();
    for uri in uris.filter(changed) {
        headers.extend_from_slice(separator);
        headers.push(b'<');
        headers.extend_from_slice(uri);
        headers.push(b'>');
        separator = b", ";
    }
    if separator == b", " {
        headers.extend_from_slice(b"\r\n");
    }
}

/// spec/script.md §2.3, `sip_warning`: what the reply was made from, for those who debug (RFC 3261
/// §20.43; 392 is none of the codes that it assigns).
fn write_warning(request: &Message<'_>, draft: Option<&Draft>, lines: &mut Vec<u8>) {
    let received = request.uri_bytes();
    let sent = draft.and_then(|draft| draft.target.uri.as_deref()).unwrap_or(received);
    let pid = std::process::id().to_string();
    lines.extend_from_slice(b"Warning: 392 duologue \"pid=");
    lines.extend_from_slice(pid.as_bytes());
    for (name, uri) in [(&b" in_uri="[..], received), (b" out_uri=", sent)] {
        lines.extend_from_slice(name);
        for &byte in uri {
            if matches!(byte, b'"' | b'\\') {
                lines.push(b'\\');
            }
            lines.push(byte);
        }
    }
    lines.extend_from_slice(b"\"\r\n");
}

/// The To-tag of our own replies: the same for each retransmission of a request, unguessable, and
/// recognisable, so that the ACK of a stateless reply is swallowed (RFC 3261 §8.2.7).
pub fn local_tag(node: &Node, request: &Message<'_>) -> [u8; LOCAL_TAG_LEN] {
    let mut hasher = SipHasher13::new_with_keys(node.tag_key.0, node.tag_key.1);
    hasher.write(request.call_id().unwrap_or_default());
    hasher.write_u8(0);
    if let Ok(from) = request.from() {
        hasher.write(from.tag().unwrap_or_default());
    }
    hasher.write_u32(request.cseq().map(|cseq| cseq.number).unwrap_or_default());
    let mut tag = [b'0'; LOCAL_TAG_LEN];
    let (start, number) = tag.split_at_mut(LOCAL_TAG_START.len());
    start.copy_from_slice(LOCAL_TAG_START);
    hex(hasher.finish(), number);
    tag
}

/// The length of our To-tags.
pub const LOCAL_TAG_LEN: usize = 18;

const LOCAL_TAG_START: &[u8] = b"dl";

/// Whether a To-tag is the one that we would give this request.
pub fn is_local_tag(node: &Node, request: &Message<'_>) -> bool {
    let tag = request.to().ok().and_then(|to| to.tag());
    tag.is_some_and(|tag| tag.starts_with(LOCAL_TAG_START) && tag == local_tag(node, request))
}

fn hex(mut number: u64, out: &mut [u8]) {
    for digit in out {
        *digit = b"0123456789abcdef"[(number >> 60) as usize];
        number <<= 4;
    }
}

/// Status and text for an internal error code (spec/modules.md §1.3, §3).
pub fn error_reply(code: Option<i32>, module: &str) -> (u16, String) {
    let (status, text) = match code {
        Some(-473) => (473, "Filtered destination"),
        Some(-474 | -7) => (474, "Bad protocol"),
        Some(-475) => (475, "Bad URI"),
        Some(-476) => (476, "Unresolvable destination"),
        Some(-477) => (477, "Send failed"),
        Some(-400) => (400, "Bad request"),
        code => {
            let code = code.unwrap_or(-1).unsigned_abs();
            return (500, format!("Server error occurred ({code}/{module})"));
        }
    };
    (status, format!("{text} ({status}/{module})"))
}
