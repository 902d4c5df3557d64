//! GRUUs (RFC 5627): URIs that mean one phone of a user. The public one shows user and instance. The
//! temporary one hides both: its user part is what the registrar has sealed for itself, so that
//! nothing is stored for it.

use digest::Mac;
use duologue_sip::Uri;
use duologue_usrloc::Contact;
use hmac::Hmac;
use sha2::Sha256;

use super::aor::unescaped;

/// How many octets of a seal are kept: nobody guesses them.
const SEAL_OCTETS: usize = 16;

/// Makes GRUUs and reads them.
#[derive(Debug)]
pub(super) struct Gruus {
    secret: Vec<u8>,
}

/// Whom a GRUU means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phone {
    instance: Vec<u8>,
    /// Of a temporary one: the Call-ID of the registration, hashed. It ends with that (RFC 5627 §5.1).
    registration: Option<[u8; 8]>,
}

impl Phone {
    /// Whether this contact is of the phone.
    pub(super) fn is(&self, gruus: &Gruus, contact: &Contact) -> bool {
        bare(&contact.instance) == self.instance
            && self.registration.is_none_or(|known| known == gruus.registration(&contact.call_id))
    }
}

impl Gruus {
    pub(super) const fn new(secret: Vec<u8>) -> Self {
        Self { secret }
    }

    /// The public GRUU of a contact, `sip:user@host;gr=instance` (RFC 5627 §3.1.1); `aor` is the URI of
    /// the user.
    pub(super) fn public(&self, aor: &[u8], contact: &Contact) -> Vec<u8> {
        [aor, b";gr=", &escaped(bare(&contact.instance), b":[]")].concat()
    }

    /// The temporary GRUU of a contact, another one for each registration (RFC 5627 §3.1.2); `host` is
    /// scheme-less: `example.com:5070`.
    pub(super) fn temporary(&self, user: &[u8], host: &[u8], contact: &Contact) -> Vec<u8> {
        let registration = self.registration(&contact.call_id);
        let cseq = contact.cseq.to_be_bytes();
        let text = [&registration[..], &cseq, user, b"\0", bare(&contact.instance)].concat();
        [b"sip:", &*self.sealed(&text), b"@", host, b";gr"].concat()
    }

    /// Whom a URI means, if it is one of ours: the user, as it is stored, and the phone. `aor` reads
    /// the user of a public one. `None` for URIs that are no GRUU; an error for one that is nobody's.
    pub(super) fn read(
        &self,
        uri: &[u8],
        aor: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Result<(Vec<u8>, Phone), Nobody>> {
        let parsed = Uri::parse(uri).ok()?;
        let gr = parsed.params().param(b"gr")?;
        Some(match gr.value {
            Some(b"") => Err(Nobody),
            Some(instance) => {
                let phone = Phone { instance: unescaped(instance), registration: None };
                aor(uri).map(|aor| (aor, phone)).ok_or(Nobody)
            }
            None => parsed.user().and_then(|user| self.hidden(user)).ok_or(Nobody),
        })
    }

    /// User and phone of a temporary GRUU.
    fn hidden(&self, user: &[u8]) -> Option<(Vec<u8>, Phone)> {
        let text = self.opened(user)?;
        let (registration, rest) = text.split_first_chunk::<8>()?;
        let (_cseq, rest) = rest.split_first_chunk::<4>()?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        let phone = Phone { instance: rest[end + 1..].to_vec(), registration: Some(*registration) };
        Some((rest[..end].to_vec(), phone))
    }

    fn registration(&self, call_id: &[u8]) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&self.mac(b"registration", &[call_id])[..8]);
        short
    }

    /// A text that only we can read, in digits that survive whoever changes their case. The seal is
    /// made of the text and is what the text is hidden with, so the same text is hidden in the same
    /// way and no other.
    fn sealed(&self, text: &[u8]) -> Vec<u8> {
        let mut sealed = self.mac(b"seal", &[text])[..SEAL_OCTETS].to_vec();
        let mut hidden = text.to_vec();
        self.hide(&sealed, &mut hidden);
        sealed.append(&mut hidden);
        sealed.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()
    }

    fn opened(&self, digits: &[u8]) -> Option<Vec<u8>> {
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let mut octets = pairs.iter().map(|pair| hex_octet(*pair)).collect::<Option<Vec<u8>>>()?;
        let mut text = octets.split_off(SEAL_OCTETS.min(octets.len()));
        self.hide(&octets, &mut text);
        let expected = self.mac(b"seal", &[&text]);
        (octets == expected[..SEAL_OCTETS]).then_some(text)
    }

    /// Hides a text by a stream that follows from its seal, or brings it back.
    fn hide(&self, seal: &[u8], text: &mut [u8]) {
        for (block, octets) in (0u32..).zip(text.chunks_mut(32)) {
            let stream = self.mac(b"stream", &[seal, &block.to_be_bytes()]);
            octets.iter_mut().zip(stream).for_each(|(octet, key)| *octet ^= key);
        }
    }

    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret);
        let mut mac = mac.expect("an HMAC takes keys of any length");
        mac.update(purpose);
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// A GRUU that means nobody, or nobody any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nobody;

/// An instance without its angle brackets (RFC 5627 §5.4).
fn bare(instance: &[u8]) -> &[u8] {
    instance.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")).unwrap_or(instance)
}

/// A text as the user part or, with colons and brackets as they are, the value of a parameter of a URI
/// (RFC 3261 §25.1).
pub(super) fn escaped(text: &[u8], also: &[u8]) -> Vec<u8> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"-_.!~*'()/&+$".contains(&byte) || also.contains(&byte)
    };
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        match plain(byte) {
            true => escaped.push(byte),
            false => escaped.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    escaped
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

fn hex_octet(pair: [u8; 2]) -> Option<u8> {
    let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gruus() -> Gruus {
        Gruus::new(b"secret".to_vec())
    }

    fn phone(call_id: &str, cseq: u32) -> Contact {
        let instance = b"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"[..].into();
        Contact { instance, ..Contact::new(b"sip:a@h", call_id.as_bytes(), cseq) }
    }

    fn read(uri: &[u8]) -> Option<Result<(Vec<u8>, Phone), Nobody>> {
        gruus().read(uri, |uri| Some(Uri::parse(uri).ok()?.user()?.to_vec()))
    }

    /// RFC 5627 §3.1.1.
    #[test]
    fn a_public_gruu_shows_user_and_instance() {
        let contact = phone("c1", 1);
        let gruu = gruus().public(b"sip:ann@example.com", &contact);
        let expected = b"sip:ann@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        assert_eq!(gruu, expected);
        let (user, meant) = read(&gruu).unwrap().unwrap();
        assert_eq!(user, b"ann");
        assert!(meant.is(&gruus(), &contact) && meant.is(&gruus(), &phone("c2", 9)));
        let other = Contact { instance: b"<urn:uuid:0>"[..].into(), ..contact };
        assert!(!meant.is(&gruus(), &other));
        // Whatever a phone calls itself.
        let odd = Contact { instance: b"<a b;c=\"d\">"[..].into(), ..other };
        let gruu = gruus().public(b"sip:ann@h", &odd);
        assert_eq!(gruu, b"sip:ann@h;gr=a%20b%3Bc%3D%22d%22");
        assert!(read(&gruu).unwrap().unwrap().1.is(&gruus(), &odd));
    }

    /// RFC 5627 §3.1.2, §5.1.
    #[test]
    fn a_temporary_gruu_hides_them_and_ends_with_its_registration() {
        let contact = phone("c1", 1);
        let gruu = gruus().temporary(b"ann", b"example.com", &contact);
        let text = String::from_utf8(gruu.clone()).unwrap();
        assert!(text.starts_with("sip:") && text.ends_with("@example.com;gr"), "{text}");
        assert!(!text.contains("ann") && !text.contains("f81d4fae"), "{text}");
        let (user, meant) = read(&gruu).unwrap().unwrap();
        assert_eq!(user, b"ann");
        assert!(meant.is(&gruus(), &contact) && meant.is(&gruus(), &phone("c1", 2)));
        assert!(!meant.is(&gruus(), &phone("c2", 1)));
        assert_ne!(gruus().temporary(b"ann", b"example.com", &phone("c1", 2)), gruu);
        assert_eq!(read(text.to_uppercase().replace("SIP:", "sip:").as_bytes()), read(&gruu));
    }

    #[test]
    fn what_we_did_not_make_is_nobodys() {
        assert_eq!(read(b"sip:ann@example.com"), None);
        assert_eq!(read(b"no uri"), None);
        let gruu = gruus().temporary(b"ann", b"h", &phone("c1", 1));
        let foreign = Gruus::new(b"another".to_vec()).read(&gruu, |_| None);
        assert_eq!(foreign, Some(Err(Nobody)));
        for at in 4..gruu.len() - 5 {
            let mut forged = gruu.clone();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(read(&forged), Some(Err(Nobody)), "{at}");
        }
        let long = "0".repeat(1_000);
        for user in ["0", "00", "zz", &long] {
            assert_eq!(read(format!("sip:{user}@h;gr").as_bytes()), Some(Err(Nobody)));
        }
    }
}
