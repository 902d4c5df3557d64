//! Which methods a phone understands, as the mask that listings and databases show.

use duologue_sip::Method;

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(pub u32);

impl Methods {
    /// All that there are and will be: the phone did not say.
    pub const ALL: Self = Self(u32::MAX);
    /// None.
    pub const NONE: Self = Self(0);

    /// The set with one method. Those without a bit of their own share one.
    pub const fn of(method: Method<'_>) -> Self {
        Self(match method {
            Method::Invite => 1,
            Method::Cancel => 1 << 1,
            Method::Ack => 1 << 2,
            Method::Bye => 1 << 3,
            Method::Info => 1 << 4,
            Method::Options => 1 << 5,
            Method::Update => 1 << 6,
            Method::Register => 1 << 7,
            Method::Message => 1 << 8,
            Method::Subscribe => 1 << 9,
            Method::Notify => 1 << 10,
            Method::Prack => 1 << 11,
            Method::Refer => 1 << 12,
            Method::Publish => 1 << 13,
            Method::Other(_) => 1 << 14,
        })
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, method: Method<'_>) -> Self {
        Self(self.0 | Self::of(method).0)
    }

    /// Whether the method is in the set.
    pub const fn allows(self, method: Method<'_>) -> bool {
        self.0 & Self::of(method).0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §13: 32767 is all of them.
    #[test]
    fn the_named_methods_and_the_rest_fill_fifteen_bits() {
        let names = "INVITE CANCEL ACK BYE INFO OPTIONS UPDATE REGISTER MESSAGE SUBSCRIBE NOTIFY \
                     PRACK REFER PUBLISH WHATEVER";
        let mut all = Methods::NONE;
        for (bit, name) in names.split_whitespace().enumerate() {
            let method = Method::parse(name.as_bytes()).unwrap();
            assert_eq!(Methods::of(method), Methods(1 << bit), "{name}");
            all = all.with(method);
        }
        assert_eq!(all, Methods(32767));
        assert!(Methods::ALL.allows(Method::Other(b"NEW")));
        assert!(!Methods::of(Method::Invite).allows(Method::Message));
    }
}
