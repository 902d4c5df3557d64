//! A leg: one dialog as one of its two ends keeps it (RFC 3261 §12).

use std::net::SocketAddr;

use crate::text::{Message, socket_of, uri_of, uri_param};

/// How far a dialog has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegState {
    Early,
    Confirmed,
    Ended,
}

/// One end of a dialog.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// The call it belongs to, an index.
    pub(crate) call: usize,
    pub(crate) state: LegState,
    pub(crate) call_id: String,
    /// `From` of what we send, tag included.
    pub(crate) local: String,
    /// `To` of what we send, tag included.
    pub(crate) remote: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    /// The peer's contact, the Request-URI of what we send.
    pub(crate) target: String,
    /// The route set, first hop first.
    pub(crate) routes: Vec<String>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    /// Numbers of the requests that came, each with its branch.
    numbers: Vec<(u32, String)>,
    /// A BYE came, whatever it was answered.
    told_bye: bool,
    /// `RSeq` of the latest provisional response that was acknowledged (RFC 3262).
    pub(crate) rseq: Option<u32>,
    /// The ACK of the latest 2xx to an INVITE of ours.
    pub(crate) ack: Option<Ack>,
}

/// An ACK to a 2xx, kept to be sent again whenever the 2xx comes again (RFC 3261 §13.2.2.4).
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    pub(crate) message: Message,
    pub(crate) to: SocketAddr,
    pub(crate) sent: bool,
}

impl Leg {
    /// The caller's end, from its INVITE and a response with a tag (RFC 3261 §12.1.2).
    pub(crate) fn of_caller(call: usize, invite: &Message, response: &Message) -> Self {
        let mut routes = owned(&response.list("Record-Route"));
        routes.reverse();
        Self {
            call,
            state: LegState::Early,
            call_id: invite.call_id().to_owned(),
            local: response.header("From").unwrap_or_default().to_owned(),
            remote: response.header("To").unwrap_or_default().to_owned(),
            local_tag: invite.from_tag().to_owned(),
            remote_tag: response.to_tag().to_owned(),
            target: contact_of(response),
            routes,
            local_cseq: invite.cseq().0,
            remote_cseq: None,
            numbers: Vec::new(),
            told_bye: false,
            rseq: None,
            ack: None,
        }
    }

    /// The callee's end, from the INVITE and its own tag (RFC 3261 §12.1.1).
    pub(crate) fn of_callee(call: usize, invite: &Message, local_tag: &str) -> Self {
        Self {
            call,
            state: LegState::Early,
            call_id: invite.call_id().to_owned(),
            local: format!("{};tag={local_tag}", invite.header("To").unwrap_or_default()),
            remote: invite.header("From").unwrap_or_default().to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: invite.from_tag().to_owned(),
            target: contact_of(invite),
            routes: owned(&invite.list("Record-Route")),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq().0),
            numbers: vec![(invite.cseq().0, invite.branch().to_owned())],
            told_bye: false,
            rseq: None,
            ack: None,
        }
    }

    /// Notes the number of a request that came; false if another one had it before. A sender's
    /// numbers rise (RFC 3261 §12.2.1.1): the network may shuffle them, nothing may repeat them. Who
    /// was told that the dialog is over, and does not agree, counts no more: a proxy may have
    /// forgotten by then which number its BYE had.
    pub(crate) fn note_number(&mut self, request: &Message) -> bool {
        let (number, branch) = (request.cseq().0, request.branch());
        let taken = self.numbers.iter().any(|(old, other)| *old == number && other != branch);
        self.numbers.push((number, branch.to_owned()));
        let over = self.told_bye;
        self.told_bye |= request.method() == Some("BYE");
        !taken || over
    }

    /// Takes over what a 2xx to the initial INVITE says: the final route set and target.
    pub(crate) fn confirm_caller(&mut self, response: &Message) {
        if self.state == LegState::Early {
            self.state = LegState::Confirmed;
            self.routes = owned(&response.list("Record-Route"));
            self.routes.reverse();
        }
        self.refresh_target(response);
    }

    /// Takes over the peer's contact, if the message has one (RFC 3261 §12.2).
    pub(crate) fn refresh_target(&mut self, message: &Message) {
        let contact = contact_of(message);
        if !contact.is_empty() {
            self.target = contact;
        }
    }

    /// Whether a message with this Call-ID and these tags, as we see them, is within the dialog.
    pub(crate) fn is(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.call_id == call_id && self.local_tag == local_tag && self.remote_tag == remote_tag
    }

    /// Request-URI, `Route` values and next hop of a request within the dialog
    /// (RFC 3261 §12.2.1.1), where an IP address can be read off the next hop's URI.
    pub(crate) fn aim(&self) -> (String, Vec<String>, Option<SocketAddr>) {
        let Some(first) = self.routes.first() else {
            return (self.target.clone(), Vec::new(), socket_of(&self.target));
        };
        let hop = uri_of(first);
        if uri_param(hop, "lr").is_some() {
            return (self.target.clone(), self.routes.clone(), socket_of(hop));
        }
        // A strict router: it gets its own URI as Request-URI, the target goes last.
        let mut routes = self.routes[1..].to_vec();
        routes.push(format!("<{}>", self.target));
        (hop.to_owned(), routes, socket_of(hop))
    }
}

fn contact_of(message: &Message) -> String {
    uri_of(message.header("Contact").unwrap_or_default()).to_owned()
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(record_routes: &[&str]) -> Leg {
        let mut response = Message::response(200).with("Contact", "<sip:bob@10.0.0.2:5062>");
        for value in record_routes {
            response = response.with("Record-Route", *value);
        }
        Leg::of_caller(0, &Message::request("INVITE", "sip:bob@x"), &response)
    }

    // RFC 3261 §12.2.1.1: loose routers leave the Request-URI alone.
    #[test]
    fn loose_routes_are_followed_in_reverse_order() {
        let (uri, routes, hop) = leg(&["<sip:10.0.0.9;lr>", "<sip:10.0.0.1;lr;did=1.2>"]).aim();
        assert_eq!(uri, "sip:bob@10.0.0.2:5062");
        assert_eq!(routes, ["<sip:10.0.0.1;lr;did=1.2>", "<sip:10.0.0.9;lr>"]);
        assert_eq!(hop, "10.0.0.1:5060".parse().ok());
    }

    // RFC 3261 §12.2.1.1: a strict router becomes the Request-URI.
    #[test]
    fn a_strict_router_gets_its_own_uri() {
        let (uri, routes, hop) = leg(&["<sip:10.0.0.1:5070>"]).aim();
        assert_eq!(uri, "sip:10.0.0.1:5070");
        assert_eq!(routes, ["<sip:bob@10.0.0.2:5062>"]);
        assert_eq!(hop, "10.0.0.1:5070".parse().ok());
    }

    #[test]
    fn without_routes_the_contact_is_the_next_hop() {
        assert_eq!(leg(&[]).aim().2, "10.0.0.2:5062".parse().ok());
    }
}
