//! What a REGISTER asks for, read in the order of RFC 3261 §10.3.

use std::time::Duration;

use duologue_sip::{
    Contact as ContactValue, HeaderName, ListValues, Message, Method, NameAddr, Tick, Uri,
};
use duologue_sip::{Params, unfold, unquote};
use duologue_usrloc::{Change, Contact, Expires, Methods, Update};

use super::Registrar;
use super::answer::{Rejection, unknown_extensions};
use super::aor::{AorRules, unescaped};
use super::save_flags::{PathMode, SaveFlags};

/// The longest texts of a contact, in octets. What is only shown is cut, what is used is refused.
const CONTACT_OCTETS_MAX: usize = 512;
const CALL_ID_OCTETS_MAX: usize = 255;
const USER_AGENT_OCTETS_MAX: usize = 255;
const INSTANCE_OCTETS_MAX: usize = 255;
const PATH_OCTETS_MAX: usize = 1024;
/// The longest URI of an address behind a NAT.
pub(super) const RECEIVED_OCTETS_MAX: usize = 255;
/// The longest text that a script keeps with a contact.
pub(super) const ATTRIBUTES_OCTETS_MAX: usize = 512;

/// How many contacts one REGISTER may name; each is compared with all that are there.
const CONTACTS_MAX: usize = 64;

/// RFC 3261 §20.19, §20.10: what a malformed time counts as, in seconds.
const MALFORMED_EXPIRES: u32 = 3600;

/// Who registers, by which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Register<'m> {
    pub(super) aor: Vec<u8>,
    pub(super) call_id: &'m [u8],
    pub(super) cseq: u32,
    /// What is stored as the way to the phone; empty if there is none.
    pub(super) path: Vec<u8>,
}

/// What it asks for.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// The list of bindings.
    List,
    /// The end of all bindings.
    RemoveAll,
    /// These changes.
    Changes(Vec<Change>),
}

/// What is the same for all contacts of a REGISTER, beside what its headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'c> {
    pub(super) now: Tick,
    pub(super) socket: Option<u16>,
    pub(super) flags: u32,
    pub(super) branch_flags: u32,
    pub(super) received: &'c [u8],
    pub(super) attributes: &'c [u8],
}

/// For how long bindings may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    default: u32,
    min: u32,
    /// 0 is no limit.
    max: u32,
}

impl<'m> Register<'m> {
    /// Reads who registers, and whether we can do what is insisted on.
    pub(super) fn read(
        message: &Message<'m>,
        given_aor: Option<&[u8]>,
        rules: AorRules<'_>,
        registrar: &Registrar,
        flags: &SaveFlags,
    ) -> Result<Self, Rejection> {
        let unknown = unknown_extensions(message, registrar.gruus().is_some());
        if !unknown.is_empty() {
            return Err(Rejection::extension("An extension is not supported", unknown));
        }
        let to = message.to().map_err(|_| Rejection::bad("To cannot be read"))?;
        let aor = match given_aor.filter(|aor| !aor.is_empty()) {
            Some(given) => rules.aor(given).or_else(|| rules.named(given)),
            None => rules.aor(to.uri_bytes()),
        };
        let aor = aor.ok_or_else(|| Rejection::bad("The address of record names no user"))?;
        let call_id = message.call_id().map_err(|_| Rejection::bad("Call-ID is missing"))?;
        if call_id.len() > CALL_ID_OCTETS_MAX {
            return Err(Rejection::bad("Call-ID is too long"));
        }
        let cseq = message.cseq().map_err(|_| Rejection::bad("CSeq cannot be read"))?.number;
        Ok(Self { aor, call_id, cseq, path: path(message, flags.path)? })
    }

    /// Reads what is asked for.
    pub(super) fn ask(
        &self,
        message: &Message<'_>,
        times: Times,
        around: &Around<'_>,
        registrar: &Registrar,
        flags: &SaveFlags,
    ) -> Result<Ask, Rejection> {
        if !message.has(HeaderName::Contact) {
            return Ok(Ask::List);
        }
        let header = message.expires();
        let common = header.unwrap_or(Some(MALFORMED_EXPIRES));
        let values = contacts(message)?;
        if values.iter().any(|value| matches!(value, ContactValue::Star)) {
            // RFC 3261 §10.3, step 6.
            return match (values.len(), common) {
                (1, Some(0)) => Ok(Ask::RemoveAll),
                _ => Err(Rejection::bad("Contact * is alone and with Expires: 0")),
            };
        }
        let template = self.template(message, around, flags.memory_only);
        let changes = values.iter().filter_map(|value| value.address().map(|it| (value, it)));
        let changes = changes.map(|(value, address)| {
            let seconds = times.granted(&address, common);
            change(&template, value, &address, seconds, around.now, registrar)
        });
        Ok(Ask::Changes(changes.collect()))
    }

    /// What the registrar further on granted, of what was asked for. `sent_as` is the contact as it
    /// was sent there, if a script changed it.
    pub(super) fn granted(
        &self,
        message: &Message<'_>,
        reply: &Message<'_>,
        sent_as: Option<&[u8]>,
        around: &Around<'_>,
        registrar: &Registrar,
        flags: &SaveFlags,
    ) -> Result<Ask, Rejection> {
        if !message.has(HeaderName::Contact) {
            return Ok(Ask::List);
        }
        let values = contacts(message)?;
        if values.iter().any(|value| matches!(value, ContactValue::Star)) {
            return Ok(Ask::RemoveAll);
        }
        let bound = contacts(reply)?;
        let template = self.template(message, around, flags.memory_only);
        let changes = values.iter().filter_map(|value| value.address().map(|it| (value, it)));
        let changes = changes.map(|(value, address)| {
            let wanted = Uri::parse(sent_as.unwrap_or(address.uri_bytes()));
            let same = |bound: &&ContactValue<'_>| {
                let uri = bound.address().and_then(|address| address.uri().ok());
                matches!((&wanted, uri), (Ok(wanted), Some(uri)) if *wanted == uri)
            };
            // RFC 3261 §10.2.4: what the reply does not list is not bound.
            let seconds = bound.iter().find(same).map_or(0, |bound| {
                let header = || reply.expires().ok().flatten();
                bound.expires().or_else(header).unwrap_or(registrar.default_expires)
            });
            change(&template, value, &address, seconds, around.now, registrar)
        });
        Ok(Ask::Changes(changes.collect()))
    }

    /// A contact with what is the same for all of the request.
    fn template(&self, message: &Message<'_>, around: &Around<'_>, memory_only: bool) -> Contact {
        let user_agent = message.value(HeaderName::UserAgent).unwrap_or_default();
        Contact {
            user_agent: cut(&unfold(user_agent), USER_AGENT_OCTETS_MAX),
            received: around.received.into(),
            path: self.path.as_slice().into(),
            socket: around.socket,
            flags: around.flags,
            branch_flags: around.branch_flags,
            methods: allowed(message),
            attributes: around.attributes.into(),
            memory_only,
            ..Contact::new(b"", self.call_id, self.cseq)
        }
    }

    /// The update of the store that does this; `None` if there is nothing to do.
    pub(super) fn update(&self, ask: Ask) -> Option<Update<'m>> {
        match ask {
            Ask::List => None,
            Ask::RemoveAll => Some(Update::remove_all(self.call_id, self.cseq)),
            Ask::Changes(changes) => Some(Update::of(self.call_id, self.cseq, changes)),
        }
    }
}

impl Times {
    pub(super) fn of(registrar: &Registrar, flags: &SaveFlags) -> Self {
        Self {
            default: registrar.default_expires,
            min: flags.min_expires.unwrap_or(registrar.min_expires),
            max: flags.max_expires.unwrap_or(registrar.max_expires),
        }
    }

    /// The seconds for which a contact will be bound: the parameter's, else the header's, else the
    /// default, within the limits. 0 ends the binding.
    fn granted(self, address: &NameAddr<'_>, header: Option<u32>) -> u32 {
        let asked = match address.params().param(b"expires") {
            Some(_) => ContactValue::Addr(*address).expires().unwrap_or(MALFORMED_EXPIRES),
            None => header.unwrap_or(self.default),
        };
        match asked {
            0 => 0,
            asked if self.max > 0 => asked.max(self.min).min(self.max),
            asked => asked.max(self.min),
        }
    }
}

/// All values of Contact, checked.
fn contacts<'m>(message: &Message<'m>) -> Result<Vec<ContactValue<'m>>, Rejection> {
    let mut values = Vec::new();
    for value in message.contacts() {
        let value = value.map_err(|_| Rejection::bad("Contact cannot be read"))?;
        if let ContactValue::Addr(address) = value {
            if address.uri_bytes().len() > CONTACT_OCTETS_MAX {
                return Err(Rejection::bad("Contact is too long"));
            }
            address.uri().map_err(|_| Rejection::bad("The URI of a Contact cannot be read"))?;
        }
        if values.len() >= CONTACTS_MAX {
            return Err(Rejection::unavailable("There are too many Contacts"));
        }
        values.push(value);
    }
    Ok(values)
}

/// What is asked of one contact.
fn change(
    template: &Contact,
    value: &ContactValue<'_>,
    address: &NameAddr<'_>,
    seconds: u32,
    now: Tick,
    registrar: &Registrar,
) -> Change {
    let uri = address.uri_bytes();
    if seconds == 0 {
        return Change::Remove(uri.into());
    }
    let params = address.params();
    let q = value.q().and_then(|q| i16::try_from(q).ok()).unwrap_or(registrar.default_q);
    let instance = params.get(b"+sip.instance").unwrap_or_default();
    Change::Set(Contact {
        uri: uri.into(),
        expires: Expires::At(now + Duration::from_secs(seconds.into())),
        q,
        methods: params.get(b"methods").map_or(template.methods, |list| methods(&unquote(list))),
        instance: cut(&unquote(instance), INSTANCE_OCTETS_MAX),
        ..template.clone()
    })
}

/// What the Allow header says; all if it says nothing.
fn allowed(message: &Message<'_>) -> Methods {
    match message.has(HeaderName::Allow) {
        true => listed(message.tokens(HeaderName::Allow)),
        false => Methods::ALL,
    }
}

/// A list of methods as text.
fn methods(list: &[u8]) -> Methods {
    listed(list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
}

fn listed<'n>(names: impl Iterator<Item = &'n [u8]>) -> Methods {
    names.filter_map(Method::parse).fold(Methods::NONE, Methods::with)
}

/// The Path as it will be a Route: all values, in order (RFC 3327 §5.3).
fn path(message: &Message<'_>, mode: PathMode) -> Result<Vec<u8>, Rejection> {
    if mode == PathMode::Off || !message.has(HeaderName::Path) {
        return Ok(Vec::new());
    }
    if mode == PathMode::Strict && !message.lists(HeaderName::Supported, b"path") {
        return Err(Rejection::extension("Path is used and the phone does not know it", "path"));
    }
    let mut path = Vec::new();
    for value in message.values(HeaderName::Path) {
        let proxy = NameAddr::parse(value.bytes).filter(|proxy| proxy.uri().is_ok());
        if proxy.is_none_or(|proxy| !proxy.is_bracketed()) {
            return Err(Rejection::bad("Path cannot be read"));
        }
        if !path.is_empty() {
            path.extend_from_slice(b", ");
        }
        path.extend_from_slice(&unfold(value.bytes));
    }
    if path.len() > PATH_OCTETS_MAX {
        return Err(Rejection::bad("Path is too long"));
    }
    Ok(path)
}

/// The `received` parameter of the first URI of a Path: where that proxy had the request from.
pub(super) fn received_in_path(path: &[u8]) -> Option<Vec<u8>> {
    let first = NameAddr::parse(ListValues::new(path).next()?)?;
    let in_uri = first.uri().ok()?.params().get(b"received");
    let value = in_uri.or_else(|| Params::get(first.params(), b"received"))?;
    let received = unescaped(&unquote(value));
    is_received(&received).then_some(received)
}

/// Whether a text can be the URI of an address behind a NAT.
pub(super) fn is_received(text: &[u8]) -> bool {
    // It will stand between quotes.
    text.len() <= RECEIVED_OCTETS_MAX
        && !text.contains(&b'\\')
        && Uri::parse(text).is_ok_and(|uri| uri.scheme().is_sip())
}

fn cut(text: &[u8], max: usize) -> Box<[u8]> {
    text[..text.len().min(max)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(contact: &str, header: Option<u32>, min: u32, max: u32) -> u32 {
        let address = NameAddr::parse(contact.as_bytes()).unwrap();
        Times { default: 3600, min, max }.granted(&address, header)
    }

    /// spec/modules.md §12: the parameter, else the header, else the default; within the limits.
    #[test]
    fn the_time_that_is_granted() {
        assert_eq!(granted("<sip:a@h>;expires=600", Some(90), 60, 0), 600);
        assert_eq!(granted("<sip:a@h>", Some(90), 60, 0), 90);
        assert_eq!(granted("<sip:a@h>", None, 60, 0), 3600);
        assert_eq!(granted("<sip:a@h>;expires=0", Some(90), 60, 0), 0);
        assert_eq!(granted("<sip:a@h>;expires=59", None, 60, 0), 60);
        assert_eq!(granted("<sip:a@h>;expires=7201", None, 60, 7200), 7200);
        // RFC 3261 §20.10: a malformed time counts as an hour.
        assert_eq!(granted("<sip:a@h>;expires=soon", Some(90), 60, 0), 3600);
        assert_eq!(granted("<sip:a@h>;expires=4294967295", None, 60, 0), u32::MAX);
    }

    #[test]
    fn methods_are_read_from_a_list() {
        assert_eq!(methods(b"INVITE, BYE"), Methods(0b1001));
        assert_eq!(methods(b""), Methods::NONE);
    }

    /// spec/modules.md §12, `path-received`.
    #[test]
    fn the_first_proxy_tells_where_it_had_the_request_from() {
        let received = |path: &str| {
            received_in_path(path.as_bytes()).map(|uri| String::from_utf8(uri).unwrap())
        };
        let uri = Some("sip:192.0.2.9:40000".to_owned());
        assert_eq!(received("<sip:edge;lr;received=sip:192.0.2.9:40000>, <sip:b;lr>"), uri);
        assert_eq!(received("<sip:edge;lr;received=sip:192.0.2.9%3A40000>"), uri);
        assert_eq!(received("<sip:edge;lr>;received=\"sip:192.0.2.9:40000\""), uri);
        assert_eq!(received("<sip:edge;lr>, <sip:b;lr;received=sip:192.0.2.9>"), None);
        assert_eq!(received("<sip:edge;lr;received=nonsense>"), None);
        assert_eq!(received(""), None);
    }
}
