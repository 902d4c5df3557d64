//! Which packets: the predicate that faults and queries share.

use std::net::SocketAddr;

use crate::text::Message;

/// Something with an address on the virtual network.
pub trait Endpoint {
    /// Its address.
    fn address(&self) -> SocketAddr;
}

impl Endpoint for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

/// A set of packets: by sender, by receiver, by what they carry. Empty conditions match all.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    from: Option<SocketAddr>,
    to: Option<SocketAddr>,
    kind: Kind,
}

impl Packets {
    /// Every packet.
    pub fn any() -> Self {
        Self::default()
    }

    /// What `from` sends to `to`.
    pub fn between(from: &impl Endpoint, to: &impl Endpoint) -> Self {
        Self { from: Some(from.address()), to: Some(to.address()), kind: Kind::default() }
    }

    /// What `from` sends, to whomever.
    pub fn from(from: &impl Endpoint) -> Self {
        Self { from: Some(from.address()), ..Self::default() }
    }

    /// What is sent to `to`, by whomever.
    pub fn to(to: &impl Endpoint) -> Self {
        Self { to: Some(to.address()), ..Self::default() }
    }

    /// Of these, only those of a kind; see [`Kind::named`] for how kinds are written.
    #[must_use]
    pub fn only(self, kind: &str) -> Self {
        Self { kind: Kind::named(kind), ..self }
    }

    /// Whether a packet belongs to the set. Bytes that are no SIP belong only if no kind is asked.
    pub fn matches(&self, from: SocketAddr, to: SocketAddr, message: Option<&Message>) -> bool {
        self.from.is_none_or(|wanted| wanted == from)
            && self.to.is_none_or(|wanted| wanted == to)
            && (self.kind.is_any() || message.is_some_and(|message| self.kind.matches(message)))
    }
}

/// A kind of message, written as people say it: `"BYE"`, `"200"`, `"2xx"`, `"180 INVITE"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    status: Option<String>,
    method: Option<String>,
}

impl Kind {
    /// Reads a kind. A method alone is a request of that method; a status (digits, or `x` for any
    /// digit) is a response; a status and a method is a response whose `CSeq` names the method.
    /// The empty string is every message.
    pub fn named(name: &str) -> Self {
        let mut kind = Self::default();
        for word in name.split_ascii_whitespace() {
            if word.starts_with(|first: char| first.is_ascii_digit()) {
                kind.status = Some(word.to_ascii_lowercase());
            } else {
                kind.method = Some(word.to_owned());
            }
        }
        kind
    }

    /// Whether every message is of this kind.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the message is of this kind.
    pub fn matches(&self, message: &Message) -> bool {
        let (wanted, status) = match (&self.status, message.status()) {
            (Some(wanted), Some(status)) => (wanted, status.to_string()),
            (Some(_), None) => return false,
            (None, Some(_)) => return self.is_any(),
            (None, None) => {
                return self
                    .method
                    .as_deref()
                    .is_none_or(|wanted| Some(wanted) == message.method());
            }
        };
        wanted.len() == status.len()
            && wanted.chars().zip(status.chars()).all(|(w, s)| w == 'x' || w == s)
            && self.method.as_deref().is_none_or(|wanted| wanted == message.cseq().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, cseq: &str) -> Message {
        let text = format!("{start}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n");
        Message::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn kinds_are_written_as_people_say_them() {
        let bye = message("BYE sip:bob@10.0.0.2 SIP/2.0", "2 BYE");
        let ok = message("SIP/2.0 200 OK", "1 INVITE");
        assert!(Kind::named("BYE").matches(&bye));
        assert!(!Kind::named("INVITE").matches(&bye));
        assert!(!Kind::named("INVITE").matches(&ok), "a method alone means a request");
        assert!(Kind::named("200").matches(&ok));
        assert!(Kind::named("2xx INVITE").matches(&ok));
        assert!(!Kind::named("2xx BYE").matches(&ok));
        assert!(!Kind::named("180").matches(&ok));
        assert!(Kind::named("").matches(&ok) && Kind::named("").matches(&bye));
    }
}
