//! Messages and walks that several tests share.

use duologue_sip::{Edits, HeaderName, Message, Reply, StatusCode, Uri, render};

/// An INVITE of about 1 KB as phones send it: two proxies behind it, SDP within.
pub(crate) const INVITE: &[u8] = b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
Via: SIP/2.0/UDP proxy.atlanta.example.com:5060;branch=z9hG4bK2d4790.1\r\n\
Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;received=192.0.2.101;rport=5060\r\n\
Record-Route: <sip:proxy.atlanta.example.com;lr;did=4a1.7e2>\r\n\
Max-Forwards: 69\r\n\
From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
To: \"Bob\" <sip:bob@biloxi.example.com>\r\n\
Call-ID: 3848276298220188511@atlanta.example.com\r\n\
CSeq: 2 INVITE\r\n\
Contact: <sip:alice@client.atlanta.example.com;transport=udp>\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n\
Supported: replaces, timer, 100rel\r\n\
User-Agent: Example Phone 3.2.1\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 226\r\n\
\r\n\
v=0\r\n\
o=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\n\
s=-\r\n\
c=IN IP4 192.0.2.101\r\n\
t=0 0\r\n\
m=audio 49172 RTP/AVP 0 8 101\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=sendrecv\r\n";

/// Asks a message for everything it can tell, and edits, answers and renders it. Whatever the
/// bytes are, nothing here may panic.
pub(crate) fn walk(bytes: &[u8]) {
    let _ = Uri::parse(bytes).map(|uri| {
        let _ = (uri.port_or_default(), uri.host_ip(), uri.params().count());
        let other = uri.rewrite().user(Some(b"u")).without_param(b"lr").to_vec();
        let _ = Uri::parse(&other).map(|other| (uri == other, other.headers().count()));
    });
    if let Some(message) = Message::salvage(bytes) {
        views(&message);
    }
    if let Ok(message) = Message::parse(bytes) {
        views(&message);
    }
}

fn views(message: &Message<'_>) {
    let _ = (message.check(), message.uri(), message.body(), message.framed(), message.call_id());
    for part in message.parts().iter() {
        let sdp = duologue_sip::Sdp::new(part.body);
        let _ = (sdp.is_well_formed(), sdp.connection(), sdp.media().count());
    }
    let _ = (message.cseq(), message.rack(), message.rseq(), message.expires());
    for header in message.headers() {
        let _ = (header.name(), header.unfolded(), header.line());
        let values = message.values(header.name()).count();
        assert!(values <= header.name().len() + message.as_bytes().len());
    }
    for via in message.vias().flatten() {
        let _ = (via.branch(), via.received(), via.rport(), via.ttl(), via.port_or_default());
    }
    for contact in message.contacts().flatten() {
        let _ = (contact.q(), contact.expires());
    }
    for address in [message.from(), message.to()].into_iter().flatten() {
        let _ = (address.uri(), address.tag(), address.display_unquoted());
    }
    for auth in message.auths(HeaderName::Authorization) {
        for param in auth.params() {
            param.unquoted();
        }
    }
    edit(message);
    let mut reply = Vec::new();
    let source = ([192, 0, 2, 7], 5062).into();
    Reply::to(message, StatusCode::BAD_REQUEST).to_tag(b"t").source(source).write(&mut reply);
}

/// Makes the changes a proxy makes; what was a message and is edited is one still.
fn edit(message: &Message<'_>) {
    let mut edits = Edits::new();
    let mut draft = edits.draft(message);
    let _ = draft.decrement_max_forwards();
    let _ = draft.note_source(([192, 0, 2, 7], 5062).into());
    draft.push_via(&[b"SIP/2.0/UDP p;branch=z9hG4bK1"]);
    draft.push_record_route(&[b"<sip:p;lr>"]);
    draft.remove_first_values(HeaderName::Route, 1);
    draft.remove_all("x-remove");
    let kept = draft.remove_parts(|kind| kind.is_some_and(|kind| kind.len() % 2 == 0));
    let part = duologue_sip::AddedPart { body: vec![b'x'; kept], ..Default::default() };
    draft.add_part(part);
    let mut out = Vec::new();
    render(message.as_bytes(), &[&edits], &mut out);
    if Message::parse(message.as_bytes()).is_ok() && out.len() <= 65_535 {
        let again = Message::parse(&out).map(|edited| edited.top_via().map(|via| via.host().len()));
        assert!(matches!(again, Ok(Ok(1)) | Err(_)));
    }
}
