//! How a URI becomes the name of a user (spec/modules.md §12; RFC 3261 §10.3, step 5).

use duologue_sip::Uri;

/// The longest name of a user, in octets.
pub(super) const AOR_OCTETS_MAX: usize = 255;

/// The rules, from the parameters of both modules.
#[derive(Clone, Copy, Debug)]
pub(super) struct AorRules<'r> {
    pub(super) use_domain: bool,
    pub(super) case_sensitive: bool,
    pub(super) realm_prefix: &'r [u8],
}

impl AorRules<'_> {
    /// The user of a URI, escapes resolved, with the domain if users have one. None without a user,
    /// or if the name is too long.
    pub(super) fn aor(&self, uri: &[u8]) -> Option<Vec<u8>> {
        let uri = Uri::parse(uri).ok()?;
        let mut aor = unescaped(uri.user()?);
        if self.use_domain && !uri.host().is_empty() {
            aor.push(b'@');
            aor.extend_from_slice(self.domain(&uri.host().to_ascii_lowercase()));
        }
        self.folded(aor)
    }

    /// A name as an operator or a script writes it without a scheme: `ann` or `ann@example.com`.
    pub(super) fn named(&self, name: &[u8]) -> Option<Vec<u8>> {
        match name.iter().rposition(|&byte| byte == b'@') {
            Some(at) if self.use_domain => {
                let domain = name[at + 1..].to_ascii_lowercase();
                self.folded([&name[..=at], self.domain(&domain)].concat())
            }
            Some(at) => self.folded(name[..at].to_vec()),
            None => self.folded(name.to_vec()),
        }
    }

    fn domain<'d>(&self, domain: &'d [u8]) -> &'d [u8] {
        let length = self.realm_prefix.len();
        match domain.get(..length) {
            Some(prefix) if prefix.eq_ignore_ascii_case(self.realm_prefix) => &domain[length..],
            _ => domain,
        }
    }

    fn folded(&self, mut aor: Vec<u8>) -> Option<Vec<u8>> {
        if !self.case_sensitive {
            aor.make_ascii_lowercase();
        }
        (!aor.is_empty() && aor.len() <= AOR_OCTETS_MAX).then_some(aor)
    }
}

/// `%41` becomes `A`; what is no escape stays.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = (byte == b'%').then(|| tail.get(..2)).flatten();
        let decoded = digits.and_then(|digits| Some(hex(digits[0])? << 4 | hex(digits[1])?));
        match decoded {
            Some(decoded) => {
                plain.push(decoded);
                rest = &tail[2..];
            }
            None => {
                plain.push(byte);
                rest = tail;
            }
        }
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: AorRules<'_> =
        AorRules { use_domain: false, case_sensitive: true, realm_prefix: b"" };

    fn text(aor: Option<Vec<u8>>) -> String {
        aor.map_or("none".to_owned(), |aor| String::from_utf8(aor).unwrap())
    }

    /// spec/modules.md §12, `use_domain`, `case_sensitive`, `realm_prefix`.
    #[test]
    fn the_user_of_a_uri() {
        let uri = b"sip:Ann:secret@SIP.Example.com:5070;transport=udp";
        assert_eq!(text(PLAIN.aor(uri)), "Ann");
        let domain = AorRules { use_domain: true, ..PLAIN };
        assert_eq!(text(domain.aor(uri)), "Ann@sip.example.com");
        let folded = AorRules { case_sensitive: false, ..domain };
        assert_eq!(text(folded.aor(uri)), "ann@sip.example.com");
        let prefix = AorRules { realm_prefix: b"sip.", ..domain };
        assert_eq!(text(prefix.aor(uri)), "Ann@example.com");
        assert_eq!(text(prefix.named(b"Ann@SIP.example.com")), "Ann@example.com");
        assert_eq!(text(PLAIN.named(b"Ann@example.com")), "Ann");
        assert_eq!(text(PLAIN.named(b"Ann")), "Ann");
    }

    /// RFC 3261 §10.3, step 5: escapes are resolved, so that `%61` and `a` are one user.
    #[test]
    fn escapes_are_resolved() {
        assert_eq!(text(PLAIN.aor(b"sip:%61nn@h")), "ann");
        assert_eq!(unescaped(b"100%"), b"100%");
        assert_eq!(unescaped(b"a%2Gb%20"), b"a%2Gb ");
        assert_eq!(unescaped(b"%+1"), b"%+1");
    }

    #[test]
    fn a_name_is_not_empty_and_not_endless() {
        assert_eq!(text(PLAIN.aor(b"sip:example.com")), "none");
        assert_eq!(text(PLAIN.named(b"@example.com")), "none");
        let uri = |length| [&b"sip:"[..], &vec![b'a'; length], b"@h"].concat();
        assert!(PLAIN.aor(&uri(AOR_OCTETS_MAX)).is_some());
        assert!(PLAIN.aor(&uri(AOR_OCTETS_MAX + 1)).is_none());
    }
}
