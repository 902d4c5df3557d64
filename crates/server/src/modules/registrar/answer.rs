//! What a phone is told (RFC 3261 §10.3, steps 7 and 8; spec/modules.md §12).

use std::borrow::Cow;

use duologue_sip::{HeaderName, Message, Tick, URI_OCTETS_MAX};
use duologue_usrloc::{Contact, Refused};

use super::super::signaling;
use super::Registrar;
use super::gruu::{Gruus, escaped};
use super::request::Register;
use crate::context::Context;
use crate::effects;
use crate::statistics::{REGISTRAR_ACCEPTED, REGISTRAR_REJECTED};

/// Why a REGISTER is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) status: u16,
    /// `P-Registrar-Error`.
    pub(super) error: Cow<'static, str>,
    /// `Unsupported`, of a 420.
    pub(super) unsupported: Vec<u8>,
}

impl Rejection {
    /// 400: the request is wrong.
    pub(super) fn bad(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 400, error: error.into(), unsupported: Vec::new() }
    }

    /// 503: there is no room.
    pub(super) fn unavailable(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 503, ..Self::bad(error) }
    }

    /// 555: a push notification service that we do not know (RFC 8599 §8.1).
    pub(super) fn push_service(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 555, ..Self::bad(error) }
    }

    /// 403: what is asked for would lead back to us.
    pub(super) fn forbidden(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 403, ..Self::bad(error) }
    }

    /// 420: an extension is asked for that is not there, or not asked for that is needed.
    pub(super) fn extension(
        error: impl Into<Cow<'static, str>>,
        unsupported: impl Into<Vec<u8>>,
    ) -> Self {
        Self { status: 420, unsupported: unsupported.into(), ..Self::bad(error) }
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::OldRequest => Self::bad("Invalid CSeq number"),
            Refused::TooManyContacts => Self::unavailable("Too many contacts are registered"),
            Refused::Full => Self::unavailable("The location table is full"),
        }
    }
}

/// Counts a refused REGISTER and answers it.
pub(super) fn refuse(
    ctx: &mut Context<'_>,
    registrar: &Registrar,
    rejection: &Rejection,
    reply: bool,
) {
    ctx.turn.count(REGISTRAR_REJECTED);
    tracing::debug!(call_id = %ctx.turn.call_id(), "a REGISTER is refused: {}", rejection.error);
    if reply {
        let mut lines = format!("P-Registrar-Error: {}\r\n", rejection.error).into_bytes();
        if !rejection.unsupported.is_empty() {
            line(&mut lines, b"Unsupported", &[&rejection.unsupported]);
        }
        if rejection.status >= 500 && registrar.retry_after > 0 {
            line(&mut lines, b"Retry-After", &[registrar.retry_after.to_string().as_bytes()]);
        }
        send(ctx, rejection.status, effects::phrase(rejection.status), &lines);
    }
}

/// Counts a REGISTER that was carried out and answers it with the contacts; false if no answer could
/// be sent.
pub(super) fn accept<'c>(
    ctx: &mut Context<'_>,
    registrar: &Registrar,
    contacts: impl Iterator<Item = &'c Contact> + Clone,
    register: &Register<'_>,
    reply: bool,
) -> bool {
    ctx.turn.count(REGISTRAR_ACCEPTED);
    if !reply {
        return true;
    }
    let now = ctx.turn.now.tick;
    let mut lines = Vec::with_capacity(256);
    // RFC 5627 §5.2: for phones that know what to do with them.
    let knows = ctx.message.lists(HeaderName::Supported, b"gruu");
    let names =
        registrar.gruus().filter(|_| knows).and_then(|gruus| Names::of(ctx, gruus, register));
    let caps = registrar.push.as_ref();
    let caps = caps.map(|push| push.feature_caps(ctx.message, contacts.clone()));
    for contact in contacts {
        push_contact(&mut lines, contact, now, &registrar.received_param, names.as_ref());
    }
    lines.extend_from_slice(&caps.unwrap_or_default());
    // RFC 3327 §5.3: the phone sees the way that will be taken, if it knows what that is.
    let path = &*register.path;
    if !path.is_empty() && ctx.message.lists(HeaderName::Supported, b"path") {
        line(&mut lines, b"Path", &[path]);
    }
    send(ctx, 200, b"OK", &lines)
}

/// RFC 3261 §10.3, step 8: each binding with the time that is left.
fn push_contact(
    lines: &mut Vec<u8>,
    contact: &Contact,
    now: Tick,
    received_param: &str,
    names: Option<&Names<'_>>,
) {
    let q = match contact.q {
        q if q < 0 => Vec::new(),
        q => [b";q=", q_text(q).as_bytes()].concat(),
    };
    // A contact for ever is shown for as long as can be said.
    let expires = contact.seconds_left(now).unwrap_or(u32::MAX.into()).to_string();
    let received = match &*contact.received {
        [] => Vec::new(),
        uri => [b";", received_param.as_bytes(), b"=\"", uri, b"\""].concat(),
    };
    let gruus = names.map(|names| names.params(contact)).unwrap_or_default();
    let parts =
        [b"<", &*contact.uri, b">", &*q, b";expires=", expires.as_bytes(), &*received, &*gruus];
    line(lines, b"Contact", &parts);
}

/// How the user is called in GRUUs.
struct Names<'g> {
    gruus: &'g Gruus,
    /// As it is stored.
    user: Vec<u8>,
    /// The URI: `sip:ann@example.com`.
    aor: Vec<u8>,
    /// Host and port of it.
    host: Vec<u8>,
}

impl<'g> Names<'g> {
    /// From the user who registers and the host of its To; the user's own domain if it has one.
    fn of(ctx: &Context<'_>, gruus: &'g Gruus, register: &Register<'_>) -> Option<Self> {
        let user = register.aor.clone();
        let to = ctx.message.to().ok()?.uri().ok()?;
        let (name, host) = match user.iter().rposition(|&byte| byte == b'@') {
            Some(at) => (&user[..at], user[at + 1..].to_vec()),
            None => {
                let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
                (&user[..], [to.host(), port.as_bytes()].concat())
            }
        };
        let aor = [b"sip:", &*escaped(name, b""), b"@", &host].concat();
        Some(Self { gruus, aor, host, user })
    }

    /// What stands behind a contact of a phone that has said which one it is.
    fn params(&self, contact: &Contact) -> Vec<u8> {
        // It will stand between quotes.
        let breaks_out = |byte: &u8| b"\"\\".contains(byte) || byte.is_ascii_control();
        if contact.instance.is_empty() || contact.instance.iter().any(breaks_out) {
            return Vec::new();
        }
        let param =
            |name: &str, value: &[u8]| [b";", name.as_bytes(), b"=\"", value, b"\""].concat();
        let mut params = param("+sip.instance", &contact.instance);
        let public = self.gruus.public(&self.aor, contact);
        let temporary = self.gruus.temporary(&self.user, &self.host, contact);
        for (name, gruu) in [("pub-gruu", public), ("temp-gruu", temporary)] {
            // What is longer than a URI may be, nobody could call.
            if gruu.len() <= URI_OCTETS_MAX {
                params.append(&mut param(name, &gruu));
            }
        }
        params
    }
}

/// A q value of RFC 3261 §25.1, without needless zeros.
pub fn q_text(q: i16) -> String {
    let q = q.clamp(0, 1000);
    let text = format!("{}.{:03}", q / 1000, q % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line(lines: &mut Vec<u8>, name: &[u8], value: &[&[u8]]) {
    lines.extend_from_slice(name);
    lines.extend_from_slice(b": ");
    value.iter().for_each(|part| lines.extend_from_slice(part));
    lines.extend_from_slice(b"\r\n");
}

/// Replies with lines that belong to this reply alone.
fn send(ctx: &mut Context<'_>, status: u16, reason: &[u8], lines: &[u8]) -> bool {
    let given = ctx.draft.reply_headers.len();
    ctx.draft.reply_headers.extend_from_slice(lines);
    let sent = signaling::reply(ctx, status, reason);
    ctx.draft.reply_headers.truncate(given);
    sent
}

/// RFC 3261 §10.3, step 2: what a REGISTER insists on and we do not know, as a list.
pub(super) fn unknown_extensions(register: &Message<'_>, gruu: bool) -> Vec<u8> {
    let known = |tag: &&[u8]| {
        tag.eq_ignore_ascii_case(b"path") || gruu && tag.eq_ignore_ascii_case(b"gruu")
    };
    let unknown: Vec<&[u8]> =
        register.tokens(HeaderName::Require).filter(|tag| !known(tag)).collect();
    unknown.join(&b", "[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use duologue_usrloc::Expires;

    /// spec/modules.md §12: `<uri>;q=…;expires=N;received="…"`.
    #[test]
    fn a_contact_as_the_phone_sees_it() {
        let shown = |contact: &Contact| {
            let mut lines = Vec::new();
            push_contact(&mut lines, contact, Tick::from_millis(1_000), "received", None);
            String::from_utf8(lines).unwrap()
        };
        let at = Tick::from_millis(60_500);
        let plain = Contact { expires: Expires::At(at), ..Contact::new(b"sip:a@h", b"c", 1) };
        assert_eq!(shown(&plain), "Contact: <sip:a@h>;expires=60\r\n");
        let full = Contact { q: 500, received: b"sip:192.0.2.9:4"[..].into(), ..plain };
        assert_eq!(
            shown(&full),
            "Contact: <sip:a@h>;q=0.5;expires=60;received=\"sip:192.0.2.9:4\"\r\n"
        );
        let for_ever =
            Contact { expires: Expires::Never, q: -1, ..Contact::new(b"sip:a@h", b"", 0) };
        assert_eq!(shown(&for_ever), "Contact: <sip:a@h>;expires=4294967295\r\n");
    }

    #[test]
    fn a_gruu_that_is_too_long_to_be_called_is_not_given() {
        let gruus = Gruus::new(b"secret".to_vec());
        let given = |user: &[u8], instance: &[u8]| {
            let aor = [b"sip:", user, b"@h"].concat();
            let names = Names { gruus: &gruus, user: user.to_vec(), aor, host: b"h".to_vec() };
            let contact =
                Contact { instance: instance.into(), ..Contact::new(b"sip:a@h", b"c", 1) };
            let params = String::from_utf8(names.params(&contact)).unwrap();
            ["+sip.instance=", "pub-gruu=", "temp-gruu="].map(|name| params.contains(name))
        };
        assert_eq!(given(b"ann", b"<urn:uuid:1>"), [true, true, true]);
        assert_eq!(given(&[b'a'; 255], &[b'i'; 255]), [true, true, false]);
        assert_eq!(given(b"ann", &[b' '; 400]), [true, false, true]);
        for bad in [&b""[..], b"a\"b", b"a\\", b"a\r\n b"] {
            assert_eq!(given(b"ann", bad), [false, false, false]);
        }
    }

    #[test]
    fn q_values_are_written_short() {
        for (q, text) in [(0, "0"), (1000, "1"), (500, "0.5"), (125, "0.125"), (7, "0.007")] {
            assert_eq!(q_text(q), text);
        }
    }
}
