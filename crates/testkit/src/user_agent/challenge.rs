//! Challenges: who asks for credentials, and who comes back with them (RFC 3261 §22).
//!
//! Nobody computes a digest: an `Authorization` header at all is taken for the right one.

use duologue_sip::Tick;

use super::UserAgent;
use crate::text::Message;

impl UserAgent {
    /// Challenges the request `index` if the next of its method was to be; whether it did.
    pub(super) fn challenge(&mut self, now: Tick, index: usize) -> bool {
        let request = &self.servers[index].request;
        if request.header("Authorization").is_some() {
            return false;
        }
        let method = request.method().unwrap_or_default();
        let Some(at) = self.challenging.iter().position(|wanted| wanted == method) else {
            return false;
        };
        self.challenging.remove(at);
        let nonce = self.fresh("nonce");
        let challenge = format!("Digest realm=\"{}\", nonce=\"{nonce}\"", self.name);
        self.reply(now, index, 401, |reply| reply.with("WWW-Authenticate", challenge));
        true
    }

    /// Sends the challenged request of the client transaction `index` again, with credentials and
    /// the next CSeq number (RFC 3261 §22.2); whether it did.
    pub(super) fn answer_challenge(&mut self, now: Tick, index: usize, status: u16) -> bool {
        let client = &self.clients[index];
        let given_up = client.call.is_some_and(|call| self.calls[call].given_up);
        let tried = client.request.header("Authorization").is_some();
        if !matches!(status, 401 | 407) || !self.manners.has_password || given_up || tried {
            return false;
        }
        let (mut request, to, call) = (client.request.clone(), client.to, client.call);
        let cseq = self.next_cseq(&request);
        let branch = format!("z9hG4bK-{}", self.fresh("via"));
        let old = request.branch().to_owned();
        for (name, value) in &mut request.headers {
            match name.as_str() {
                "Via" => *value = value.replace(&old, &branch),
                "CSeq" => *value = format!("{cseq} {}", client_method(value)),
                _ => {}
            }
        }
        let credentials = format!("Digest username=\"{}\"", self.name);
        self.start_client(now, request.with("Authorization", credentials), to, call);
        true
    }

    /// The number after that of `request`: the dialog's, if it is in one.
    fn next_cseq(&mut self, request: &Message) -> u32 {
        let tags = (request.call_id(), request.from_tag(), request.to_tag());
        match self.legs.iter_mut().find(|leg| leg.is(tags.0, tags.1, tags.2)) {
            Some(leg) => {
                leg.local_cseq += 1;
                leg.local_cseq
            }
            None => request.cseq().0 + 1,
        }
    }
}

/// The method of a `CSeq` value.
fn client_method(cseq: &str) -> String {
    cseq.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned()
}
