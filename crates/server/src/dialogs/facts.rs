//! The engine's questions, answered from a message.

use duologue_dialog::{BodyFacts, DialogMethod, ResponseFacts};
use duologue_sip::{Flow, HeaderName, Message, Method, Uri};
use smallvec::SmallVec;

/// The kind of a method as the engine tells them apart.
pub(super) fn dialog_method(method: Option<Method<'_>>) -> DialogMethod {
    match method {
        Some(Method::Invite) => DialogMethod::Invite,
        Some(Method::Ack) => DialogMethod::Ack,
        Some(Method::Bye) => DialogMethod::Bye,
        Some(Method::Prack) => DialogMethod::Prack,
        Some(Method::Update) => DialogMethod::Update,
        // RFC 3515, RFC 6665: these refresh the remote target too.
        Some(Method::Subscribe | Method::Notify | Method::Refer) => DialogMethod::TargetRefresh,
        _ => DialogMethod::Other,
    }
}

/// The URI of the first Contact, empty if there is none.
pub(super) fn contact<'m>(message: &Message<'m>) -> &'m [u8] {
    let first = message.contacts().next().and_then(Result::ok);
    first
        .and_then(|contact| contact.address())
        .map(|address| address.uri_bytes())
        // what is no URI is no target: nobody could be told BYE there
        .filter(|uri| Uri::parse(uri).is_ok())
        .unwrap_or_default()
}

/// RFC 3262 §4: the RSeq of a provisional that wants to be acknowledged.
pub(crate) fn reliable(message: &Message<'_>) -> Option<u32> {
    let provisional = message.status().is_some_and(|status| (101..200).contains(&status.code()));
    let rseq = message.rseq().ok().flatten().filter(|_| provisional)?;
    message.lists(HeaderName::Require, b"100rel").then_some(rseq)
}

/// The body that describes the media, if there is one.
pub(super) fn body<'m>(message: &Message<'m>) -> Option<BodyFacts<'m>> {
    let bytes = message.body();
    if bytes.is_empty() {
        return None;
    }
    let content_type = message.content_type().unwrap_or_default();
    Some(BodyFacts { content_type, bytes }).filter(BodyFacts::describes_session)
}

/// A reply within a dialog.
pub(super) fn response<'m>(message: &Message<'m>, flow: Flow) -> Option<ResponseFacts<'m>> {
    Some(ResponseFacts {
        status: message.status()?.code(),
        contact: contact(message),
        flow,
        reliable: reliable(message).is_some(),
        body: body(message),
    })
}

/// Header values as they are written.
pub(super) fn values<'m, E>(
    list: impl Iterator<Item = Result<duologue_sip::NameAddr<'m>, E>>,
) -> SmallVec<[&'m [u8]; 8]> {
    list.filter_map(Result::ok).map(|value| value.as_bytes()).collect()
}
