//! Requests within a dialog to a phone that sleeps (RFC 8599 §6): the phone was given a name when it
//! registered, puts it into its Contact, and so it stands in the Request-URI.

use std::hash::Hasher;

use duologue_script::Args;
use duologue_sip::Uri;
use duologue_usrloc::ContactId;
use siphasher::sip::SipHasher13;

use super::super::{Desk, Registrar};
use super::Push;
use super::sleepers::{Sleeper, What};
use crate::context::Context;
use crate::module::Host;
use crate::waiting::{Begun, Pending};

/// What the names are signed with, so that nobody can make one up.
pub(super) type PurrKey = (u64, u64);

/// Nothing in the request names a phone that can be woken.
const NOT_NAMED: i32 = -1;

impl Push {
    /// Gets the secret, once.
    pub(in super::super) fn start(&self, host: &Host<'_>) {
        if let Some(key) = &self.purr {
            key.get_or_init(|| host.secret("pn-purr"));
        }
    }

    /// The name of a phone: the number of its contact and a signature.
    pub(super) fn purr_of(&self, contact: ContactId) -> Option<String> {
        let key = self.purr.as_ref()?.get()?;
        Some(format!("{:016x}{:016x}", contact.0, signature(*key, contact)))
    }

    /// The phone that a name means.
    fn named(&self, purr: &[u8]) -> Option<ContactId> {
        let text = std::str::from_utf8(purr).ok().filter(|text| text.len() == 32)?;
        let number = |part: &str| u64::from_str_radix(part, 16).ok();
        let contact = ContactId(number(text.get(..16)?)?);
        let key = self.purr.as_ref()?.get()?;
        (number(text.get(16..)?)? == signature(*key, contact)).then_some(contact)
    }
}

fn signature((first, second): PurrKey, contact: ContactId) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(first, second);
    hasher.write_u64(contact.0);
    hasher.finish()
}

/// `pn_process_purr(domain)`: 1 as soon as the phone is awake, −2 if it does not wake in time, −1 if
/// the request names none.
pub(super) fn begin(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Begun {
    let Some(desk) = Desk::open(ctx, args, 0) else { return Begun::Done(NOT_NAMED) };
    let node = ctx.turn.node;
    let Some(push) = &node.settings::<Registrar>().push else { return Begun::Done(NOT_NAMED) };
    let received = ctx.message.uri_bytes();
    let uris = [ctx.request_uri().unwrap_or_default(), received];
    let purr = uris.iter().find_map(|uri| Uri::parse(uri).ok()?.params().get(b"pn-purr"));
    let Some(id) = purr.and_then(|purr| push.named(purr)) else { return Begun::Done(NOT_NAMED) };
    let phone: Option<Sleeper> = push.sleepers.lock().phone(id).cloned();
    let phone = phone.filter(|phone| phone.table == *desk.table.name());
    let Some(Sleeper { aor, .. }) = phone else { return Begun::Done(NOT_NAMED) };
    let now = ctx.turn.now.tick;
    let contacts = desk.table.contacts(&aor, now);
    let Some(contact) = contacts.iter().find(|contact| contact.id == id) else {
        return Begun::Done(NOT_NAMED);
    };
    if !push.sleeps(contact, now) {
        return Begun::Done(1);
    }
    let (pending, completion) = Pending::until_told(ctx);
    let deadline = now + push.refresh_timeout;
    push.sleepers.lock().wait(id, deadline, completion, What::Request);
    push.tell(ctx, desk.usrloc, desk.table, &aor, contact, "mid");
    Begun::Waits(pending)
}
