//! A dialog for the tests within the crate.

use crate::{Dialog, DialogFlags, Dialogs, InviteFacts, Settings, Steps};
use duologue_sip::{Flow, Moment, Tick};

/// A dialog of a table of its own.
pub(crate) fn dialog() -> Dialog {
    let facts = InviteFacts {
        call_id: b"call",
        from_tag: b"a",
        to_tag: b"",
        from_uri: b"sip:alice@127.0.0.1",
        to_uri: b"sip:bob@127.0.0.1",
        from_display: b"",
        to_display: b"",
        body: None,
        cseq: 10,
        contact: b"sip:alice@127.0.0.1",
        record_routes: &[],
        flow: Flow::datagram(0, ([127, 0, 0, 1], 5061).into()),
        timeout: None,
        owner: 1,
    };
    let now = Moment { tick: Tick::from_millis(0), unix: 1 };
    let table = Dialogs::new(Settings::default(), 7);
    table.create(now, &facts, DialogFlags::empty(), &mut Steps::new()).unwrap()
}
