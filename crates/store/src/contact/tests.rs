use super::*;
use proptest::prelude::*;

const NOW: Moment = Moment { tick: Tick::from_millis(5_000_000), unix: 1_700_000_000 };

/// Two sockets, two branch flags.
struct Words {
    use_domain: bool,
}

const SOCKETS: [&str; 2] = ["udp:127.0.0.1:5060", "inside"];
const FLAGS: [&str; 2] = ["NAT", "seen"];

impl SocketNames for Words {
    fn socket(&self, socket: u16) -> Option<String> {
        SOCKETS.get(usize::from(socket)).map(|&name| name.to_owned())
    }
    fn socket_named(&self, name: &str) -> Option<u16> {
        SOCKETS.iter().position(|known| *known == name).map(|at| at as u16)
    }
}

impl ContactWords for Words {
    fn use_domain(&self) -> bool {
        self.use_domain
    }
    fn branch_flags(&self, mask: u32) -> String {
        let set = FLAGS.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
        set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
    }
    fn branch_flags_named(&self, names: &str) -> u32 {
        let of = |name| FLAGS.iter().position(|known| *known == name).map_or(0, |at| 1 << at);
        names.split_whitespace().fold(0, |mask, name| mask | of(name))
    }
}

fn text(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Box<[u8]>> {
    bytes.prop_map(Into::into)
}

fn any_text() -> impl Strategy<Value = Box<[u8]>> {
    text(prop::collection::vec(any::<u8>(), 0..12))
}

prop_compose! {
    fn any_contact()(
        id: u64,
        user in "[a-z]{1,8}",
        expires in prop::option::of(1..100_000u64),
        q in -1..=1000i16,
        texts in prop::collection::vec(any_text(), 6),
        numbers in prop::array::uniform4(any::<u32>()),
        modified in 0..5000u64,
        socket in prop::option::of(0..2u16),
        branch_flags in 0..4u32,
    ) -> Contact {
        let text = |at: usize| texts[at].clone();
        // Quotes around an instance are not part of it.
        let instance = [b"<".as_slice(), &text(4), b">"].concat();
        Contact {
            id: ContactId(id),
            expires: expires.map_or(Expires::Never, |seconds| {
                Expires::At(Tick::from_millis((5000 + seconds) * 1000))
            }),
            q,
            modified: Tick::from_millis(modified * 1000),
            user_agent: text(1),
            received: text(2),
            path: text(3),
            socket,
            flags: numbers[0],
            branch_flags,
            methods: Methods(numbers[1]),
            instance: instance.into(),
            attributes: text(5),
            latency_us: numbers[2],
            ..Contact::new(format!("sip:{user}@192.0.2.9").as_bytes(), &text(0), numbers[3])
        }
    }
}

/// A row as it comes back, changed by somebody else or not.
fn come_back((row, payload): (LocationRow, Vec<u8>), is_ours: bool) -> ReadLocation {
    ReadLocation { contact: row, payload: Some(payload), is_ours }
}

proptest! {
    #[test]
    fn written_and_read_is_the_same(
        contact in any_contact(),
        keys in prop::collection::btree_map(any_text(), any_text(), 0..4),
        use_domain: bool,
    ) {
        let words = Words { use_domain };
        let aor = if use_domain { b"ann@example.com".to_vec() } else { b"ann".to_vec() };
        let keys: Vec<KeyValue> = keys.into_iter().collect();
        let row = write_contact((&aor, &contact, &keys), NOW, &words);
        let read = read_contact(come_back(row, true), NOW, &words);
        prop_assert_eq!(read, Ok(StoredContact { aor, contact, keys }));
    }

    #[test]
    fn no_payload_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = Beside::decode(&bytes);
        let _ = keys_of(&bytes);
    }
}

// spec/modules.md §31: what OpenSIPS wrote, whichever of its columns it left empty
#[test]
fn a_row_of_opensips_is_read() {
    let row = LocationRow {
        contact_id: 3_106_511_852_580_896_768,
        username: b"ann".to_vec(),
        domain: Some(b"Example.com".to_vec()),
        contact: b"sip:ann@192.0.2.9:5070".to_vec(),
        received: Some(b"sip:198.51.100.7:1024".to_vec()),
        path: Some(b"<sip:edge.example.com;lr>".to_vec()),
        expires: 1_700_000_060,
        q_hundredths: Some(50),
        call_id: b"x1".to_vec(),
        cseq: 4,
        last_modified: 1_699_999_000,
        flags: 3,
        branch_flags: Some(b"NAT unknown".to_vec()),
        user_agent: b"p".to_vec(),
        socket: Some(b"udp:127.0.0.1:5060".to_vec()),
        methods: None,
        sip_instance: Some(b"\"<urn:uuid:1>\"".to_vec()),
        kv_store: Some(br#"{"room":"12","seat":7}"#.to_vec()),
        attributes: Some(b"a=1".to_vec()),
    };
    let read = |row: &LocationRow, use_domain| {
        let read = ReadLocation { contact: row.clone(), payload: None, is_ours: false };
        read_contact(read, NOW, &Words { use_domain })
    };
    let stored = read(&row, true).unwrap();
    assert_eq!(stored.aor, b"ann@example.com");
    let pair = |key: &[u8], value: &[u8]| (key.into(), value.into());
    assert_eq!(stored.keys, [pair(b"room", b"12"), pair(b"seat", b"7")]);
    let contact = stored.contact;
    assert_eq!(contact.id.0, row.contact_id);
    assert_eq!(contact.expires, Expires::At(Tick::from_millis(5_060_000)));
    assert_eq!((contact.q, contact.flags, contact.branch_flags), (500, 3, 1));
    assert_eq!((contact.socket, contact.methods), (Some(0), Methods::ALL));
    assert_eq!(&*contact.instance, b"<urn:uuid:1>");
    assert_eq!(contact.modified, Tick::from_millis(4_000_000));

    assert_eq!(read(&row, false).unwrap().aor, b"ann");
    let for_ever = LocationRow { expires: 0, socket: None, kv_store: None, ..row.clone() };
    let for_ever = read(&for_ever, false).unwrap();
    assert_eq!((for_ever.contact.expires, for_ever.contact.socket), (Expires::Never, None));
    let elsewhere = LocationRow { socket: Some(b"udp:192.0.2.77:5060".to_vec()), ..row.clone() };
    assert_eq!(read(&elsewhere, false).unwrap().contact.socket, None);
    let nobody = LocationRow { username: Vec::new(), ..row.clone() };
    assert_eq!(read(&nobody, false), Err(Unreadable::Column("username")));
    let nowhere = LocationRow { contact: b"elsewhere".to_vec(), ..row };
    assert_eq!(read(&nowhere, false), Err(Unreadable::Column("contact")));
}

// what another program wrote since is newer than what stands beside it
#[test]
fn columns_that_somebody_changed_win() {
    let contact = Contact { q: 333, socket: Some(1), ..Contact::new(b"sip:a@h", b"c", 1) };
    let words = Words { use_domain: false };
    let (mut row, beside) = write_contact((b"ann", &contact, &[]), NOW, &words);
    assert_eq!(row.q_hundredths, Some(33));
    row.socket = Some(b"udp:127.0.0.1:5060".to_vec());
    let ours = read_contact(come_back((row.clone(), beside.clone()), true), NOW, &words).unwrap();
    let theirs = read_contact(come_back((row, beside), false), NOW, &words).unwrap();
    assert_eq!((ours.contact.q, ours.contact.socket), (333, Some(1)));
    assert_eq!((theirs.contact.q, theirs.contact.socket), (330, Some(0)));
}

// released versions stay readable: these bytes are never changed
#[test]
fn version_1_is_read() {
    let sample = b"\x01\xca\x07\x07\x06inside\x01\x01k\x01v";
    let read = Beside::decode(sample).unwrap();
    assert_eq!((read.q, read.latency_us, &*read.sockets), (485, 7, "inside"));
    assert_eq!(read.keys, [(b"k".to_vec(), b"v".to_vec())]);
    assert_eq!(read.encode(), sample);
    assert!(Beside::decode(b"\x02").is_none());
}
