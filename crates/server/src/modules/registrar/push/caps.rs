//! What a phone is told of push notifications in the answer to its REGISTER: `Feature-Caps`
//! (RFC 8599 §4.2, §5.3.2, §6.1.2).

use duologue_sip::{HeaderName, Message, NameAddr, Uri};
use duologue_usrloc::Contact;

use super::Push;

impl Push {
    /// The lines for the answer to a REGISTER.
    pub(in super::super) fn feature_caps<'c>(
        &self,
        register: &Message<'_>,
        bound: impl Iterator<Item = &'c Contact>,
    ) -> Vec<u8> {
        let addresses = register.values(HeaderName::Contact);
        let addresses: Vec<NameAddr<'_>> =
            addresses.filter_map(|value| NameAddr::parse(value.bytes)).collect();
        let mut services: Vec<&str> = Vec::new();
        for address in &addresses {
            let Ok(uri) = Uri::parse(address.uri_bytes()) else { continue };
            let asked = |known: &&String| match uri.params().get(b"pn-provider") {
                // Without a value it asks which there are.
                None | Some([]) => uri.params().has(b"pn-provider"),
                Some(provider) => provider.eq_ignore_ascii_case(known.as_bytes()),
            };
            for service in self.providers.iter().filter(asked) {
                if !services.contains(&service.as_str()) {
                    services.push(service);
                }
            }
        }
        // It wakes by itself: how early must it?
        let wakes = addresses.iter().any(|it| it.params().has(b"+sip.pnsreg"));
        let own = bound.filter(|contact| {
            let same = |it: &NameAddr<'_>| it.uri_bytes() == &*contact.uri;
            self.can_wake(&contact.uri) && addresses.iter().any(same)
        });
        let purr = own.filter_map(|contact| self.purr_of(contact.id)).next();
        let mut lines = Vec::new();
        for service in services {
            lines.extend_from_slice(format!("Feature-Caps: *;+sip.pns=\"{service}\"").as_bytes());
            if wakes {
                let seconds = self.pnsreg_interval;
                lines.extend_from_slice(format!(";+sip.pnsreg=\"{seconds}\"").as_bytes());
            }
            if let Some(purr) = &purr {
                lines.extend_from_slice(format!(";+sip.pnspurr=\"{purr}\"").as_bytes());
            }
            lines.extend_from_slice(b"\r\n");
        }
        lines
    }
}
