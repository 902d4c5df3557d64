//! Request methods.

use std::fmt;

use crate::grammar::is_token;

/// A request method (RFC 3261 §7.1). Methods are case-sensitive: `invite` is an unknown method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method<'b> {
    /// INVITE, RFC 3261 §13.
    Invite,
    /// ACK, RFC 3261 §13 and §17.
    Ack,
    /// BYE, RFC 3261 §15.
    Bye,
    /// CANCEL, RFC 3261 §9.
    Cancel,
    /// OPTIONS, RFC 3261 §11.
    Options,
    /// REGISTER, RFC 3261 §10.
    Register,
    /// PRACK, RFC 3262.
    Prack,
    /// SUBSCRIBE, RFC 6665.
    Subscribe,
    /// NOTIFY, RFC 6665.
    Notify,
    /// PUBLISH, RFC 3903.
    Publish,
    /// INFO, RFC 6086.
    Info,
    /// REFER, RFC 3515.
    Refer,
    /// MESSAGE, RFC 3428.
    Message,
    /// UPDATE, RFC 3311.
    Update,
    /// Any other token.
    Other(&'b [u8]),
}

impl<'b> Method<'b> {
    /// The method that `bytes` spells, or none if they are no token (RFC 3261 §25.1).
    pub fn parse(bytes: &'b [u8]) -> Option<Self> {
        Some(match bytes {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            b"INFO" => Self::Info,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"UPDATE" => Self::Update,
            [] => return None,
            other if other.iter().all(|&b| is_token(b)) => Self::Other(other),
            _ => return None,
        })
    }

    /// The method as it stands on the wire.
    pub const fn as_bytes(self) -> &'b [u8] {
        match self {
            Self::Invite => b"INVITE",
            Self::Ack => b"ACK",
            Self::Bye => b"BYE",
            Self::Cancel => b"CANCEL",
            Self::Options => b"OPTIONS",
            Self::Register => b"REGISTER",
            Self::Prack => b"PRACK",
            Self::Subscribe => b"SUBSCRIBE",
            Self::Notify => b"NOTIFY",
            Self::Publish => b"PUBLISH",
            Self::Info => b"INFO",
            Self::Refer => b"REFER",
            Self::Message => b"MESSAGE",
            Self::Update => b"UPDATE",
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_reads_back() {
        for text in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE"]
            .into_iter()
            .chain(["NOTIFY", "PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE"])
        {
            let method = Method::parse(text.as_bytes()).unwrap();
            assert!(!matches!(method, Method::Other(_)), "{text}");
            assert_eq!(method.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn case_matters_and_only_tokens_are_methods() {
        assert_eq!(Method::parse(b"invite"), Some(Method::Other(b"invite")));
        assert_eq!(Method::parse(b"IN%56ITE"), Some(Method::Other(b"IN%56ITE")));
        assert_eq!(Method::parse(b""), None);
        assert_eq!(Method::parse(b"IN VITE"), None);
        assert_eq!(Method::parse(b"IN\"V"), None);
    }
}
