//! The events of the location (spec/modules.md §13): every change of a user, told to who subscribed.

use duologue_sip::{Moment, Tick};
use duologue_usrloc::{Contact, Entry, Event, Expires, Journal};

use crate::events::{EventParams, PublishError, Publisher};
use crate::module::Host;

/// Raises an event for each entry of the location's journal.
#[derive(Debug)]
pub(super) struct UserEvents {
    aor_insert: Publisher,
    aor_delete: Publisher,
    contact_insert: Publisher,
    contact_delete: Publisher,
    contact_update: Publisher,
    latency_update: Publisher,
    contact_refresh: Publisher,
    /// What the sockets are called, by number.
    sockets: Vec<String>,
    started: Moment,
}

impl UserEvents {
    /// Publishes the events.
    pub(super) fn publish(host: &Host<'_>) -> Result<Self, PublishError> {
        let events = host.events();
        Ok(Self {
            aor_insert: events.publish("E_UL_AOR_INSERT")?,
            aor_delete: events.publish("E_UL_AOR_DELETE")?,
            contact_insert: events.publish("E_UL_CONTACT_INSERT")?,
            contact_delete: events.publish("E_UL_CONTACT_DELETE")?,
            contact_update: events.publish("E_UL_CONTACT_UPDATE")?,
            latency_update: events.publish("E_UL_LATENCY_UPDATE")?,
            contact_refresh: events.publish("E_UL_CONTACT_REFRESH")?,
            sockets: host.node.sockets.iter().map(|(_, it)| it.text().to_owned()).collect(),
            started: host.started(),
        })
    }

    /// A phone is to register again (RFC 8599): before its binding ends, or because of a request
    /// with this Call-ID.
    pub(super) fn tell_refresh(
        &self,
        (table, aor): (&str, &[u8]),
        contact: &Contact,
        reason: &str,
        call_id: &[u8],
    ) {
        self.contact_refresh.raise(|params| {
            params.text("domain", table).text("aor", aor);
            self.show(params, contact);
            params.text("reason", reason).text("req_callid", call_id);
        });
    }

    fn tell_contact(&self, publisher: &Publisher, entry: &Entry, contact: &Contact) {
        publisher.raise(|params| {
            whose(params, entry);
            self.show(params, contact);
        });
    }

    fn show(&self, params: &mut EventParams, contact: &Contact) {
        let socket = contact.socket.and_then(|socket| self.sockets.get(usize::from(socket)));
        params
            .text("uri", &contact.uri)
            .text("received", &contact.received)
            .text("path", &contact.path)
            .int("qval", contact.q.into())
            .text("user_agent", &contact.user_agent)
            .text("socket", socket.map_or("", String::as_str))
            .int("bflags", contact.branch_flags.into())
            .int("expires", self.unix(contact.expires))
            .text("callid", &contact.call_id)
            .int("cseq", contact.cseq.into())
            .text("attr", &contact.attributes)
            .int("latency", contact.latency_us.into())
            // There are no clusters of users.
            .text("shtag", "");
    }

    /// The second since 1970 in which a contact ends; 0 if it does not.
    fn unix(&self, expires: Expires) -> i64 {
        let Expires::At(at) = expires else { return 0 };
        let from_start = |tick: Tick| tick.as_millis() / 1000;
        let unix = self.started.unix + from_start(at);
        i64::try_from(unix.saturating_sub(from_start(self.started.tick))).unwrap_or(i64::MAX)
    }
}

fn whose(params: &mut EventParams, entry: &Entry) {
    params.text("domain", &*entry.table).text("aor", &entry.aor);
}

impl Journal for UserEvents {
    fn record(&self, entry: Entry) {
        match &entry.event {
            Event::AorInserted => self.aor_insert.raise(|params| whose(params, &entry)),
            Event::AorDeleted => self.aor_delete.raise(|params| whose(params, &entry)),
            Event::Inserted(is) => self.tell_contact(&self.contact_insert, &entry, is),
            Event::Updated(is) => self.tell_contact(&self.contact_update, &entry, is),
            Event::Deleted(was, _) => self.tell_contact(&self.contact_delete, &entry, was),
            Event::Measured(is) => self.tell_contact(&self.latency_update, &entry, is),
            Event::Keys(_) => {}
        }
    }
}
