//! Phones are found again after a restart (spec/modules.md §13, §31): whole registrations in virtual
//! time over real SQLite files.

use std::time::Duration;

use duologue::store::Value;
use duologue::usrloc::{Expires, RowState};

use crate::disk::{Disk, THROUGH, kept, on_disk, refused};
use crate::office::{BOB, LOOKUP, replaced, script, without};

/// Bob's phone is registered and stored.
fn stored_phone(name: &str) -> Disk {
    let mut disk = Disk::new(name, &kept(THROUGH));
    disk.bob.registers();
    disk.writes();
    assert_eq!(disk.rows(), 1);
    disk
}

/// What a script stored with bob.
fn room(disk: &Disk) -> Option<Box<[u8]>> {
    disk.usrloc(|it| it.location().unwrap().table("location").unwrap().key(b"bob", b"room"))
}

// working_mode_preset single-instance-sql-write-through: lookup, refresh and the end, as if nothing
// had happened
#[test]
fn a_phone_is_found_after_the_process_was_killed() {
    let mut disk = stored_phone("found");
    let [(before, RowState::Synced)] = &disk.bobs()[..] else { panic!("{:?}", disk.bobs()) };
    disk.restart();
    let [(after, RowState::Synced)] = &disk.bobs()[..] else { panic!("{:?}", disk.bobs()) };
    assert_eq!((after.id, &after.uri, after.cseq), (before.id, &before.uri, before.cseq));
    let (Expires::At(before), Expires::At(after)) = (before.expires, after.expires) else {
        panic!("phones come back")
    };
    assert!(after >= before && after.since(before) < Duration::from_secs(1));
    disk.calls(BOB, &disk.bob);
    assert_eq!(disk.alice.final_status(), Some(486), "bob is busy");
    assert_eq!(disk.counted("registered_users"), 1);
    assert_eq!(disk.counted("db_restored_contacts"), 1);

    let ids = disk.column("contact_id");
    disk.bob.registers();
    assert_eq!(disk.bob.listed().len(), 1, "it is the same phone");
    disk.writes();
    assert_eq!(disk.column("contact_id"), ids, "and its row");

    disk.bob.tries_with(|register| register.with("Expires", "0"));
    assert_eq!(disk.bob.status(), 200);
    disk.writes();
    assert_eq!(disk.rows(), 0);
    disk.finds_nobody(BOB);
    disk.over();
}

#[test]
fn a_contact_is_what_it_was() {
    let settings = format!(
        "{}{THROUGH}modparam(\"usrloc\", \"nat_bflag\", \"NAT\")
        modparam(\"registrar\", \"received_avp\", \"$avp(rcv)\")
        modparam(\"registrar\", \"attr_avp\", \"$avp(attr)\")",
        on_disk()
    );
    let save = r#"
        $avp(rcv) = "sip:" + $si + ":" + $sp;
        $avp(attr) = "desk";
        setbflag("NAT");
        setflag("seen");
        save("location", "path-lazy");
        ul_add_key("location", "bob", "room", "12");
    "#;
    let mut disk = Disk::new("same", &script(&settings, save, LOOKUP));
    disk.bob.tries_with(|register| {
        replaced(register, "Contact", "<sip:bob@10.0.0.12:5060>;q=0.485;+sip.instance=\"<urn:x>\"")
            .with("User-Agent", "phone 1")
            .with("Path", "<sip:10.0.0.12:5060;lr>")
            .with("Allow", "INVITE, BYE")
    });
    assert_eq!(disk.bob.status(), 200);
    disk.writes();
    let before = disk.bobs()[0].0.clone();
    assert_eq!(disk.texts("cflags"), ["NAT"]);
    assert_eq!(disk.texts("received"), ["sip:10.0.0.12:5060"]);
    assert_eq!(disk.texts("path"), ["<sip:10.0.0.12:5060;lr>"]);
    assert_eq!(disk.texts("socket"), ["udp:10.0.0.1:5060"]);
    assert_eq!(disk.texts("sip_instance"), ["<urn:x>"]);
    assert_eq!(disk.texts("attr"), ["desk"]);
    assert_eq!(disk.texts("kv_store"), [r#"{"room":"12"}"#]);
    assert_eq!(disk.column("methods"), [Value::Int(9)]);
    disk.restart();
    let after = disk.bobs()[0].0.clone();
    assert_eq!(after.q, 485);
    let same =
        duologue::usrloc::Contact { expires: before.expires, modified: before.modified, ..after };
    assert_eq!(same, before);
    assert_eq!(room(&disk).as_deref(), Some(&b"12"[..]));
    disk.over();
}

#[test]
fn it_ends_when_it_would_have() {
    let mut disk = Disk::new("ends", &kept(THROUGH));
    disk.bob.tries_with(|register| register.with("Expires", "300"));
    disk.writes();
    disk.restart();
    disk.run_for(Duration::from_secs(290));
    disk.calls(BOB, &disk.bob);
    // A row knows whole seconds: the last one is the phone's.
    disk.run_for(Duration::from_secs(11));
    disk.finds_nobody(BOB);
    disk.run_for(Duration::from_secs(60));
    disk.writes();
    assert_eq!((disk.users(), disk.rows()), (0, 0));
    disk.over();
}

#[test]
fn what_expired_meanwhile_is_removed() {
    let mut disk = stored_phone("expired");
    disk.run_for(Duration::from_secs(2 * 3600));
    disk.restart();
    assert_eq!((disk.users(), disk.rows()), (0, 0));
    assert_eq!(disk.counted("db_restored_contacts"), 0);
}

// numbers are given out once, whatever the clock says: the next process begins at the same second
#[test]
fn a_number_is_not_given_out_twice() {
    let mut disk = stored_phone("numbers");
    disk.restart();
    let desk = disk.phone("desk");
    desk.registers();
    disk.writes();
    assert_eq!(disk.rows(), 2);
    disk.restart();
    assert_eq!(disk.bobs().len(), 2);
    disk.over();
}

#[test]
fn what_is_for_memory_only_is_not_written() {
    let settings = format!("{}{THROUGH}", on_disk());
    let save = r#"save("location", "memory-only");"#;
    let mut disk = Disk::new("memory", &script(&settings, save, LOOKUP));
    disk.bob.registers();
    disk.writes();
    assert_eq!(disk.rows(), 0);
}

// lessons 10: a bad row is set aside with its reason, and the rest comes back
#[test]
fn a_bad_row_is_set_aside() {
    let mut disk = stored_phone("bad_row");
    disk.sql(
        "INSERT INTO location (contact_id, username, contact, expires, q, callid, cseq, \
         last_modified, flags, user_agent) VALUES (7, 'eve', 'nowhere', 4000000000, 1.0, 'c', 1, \
         '2026-01-01 00:00:00', 0, 'p')",
    );
    disk.restart();
    assert_eq!((disk.users(), disk.rows()), (1, 1));
    assert_eq!(disk.counted("db_rejected_rows"), 1);
    let reasons = disk.column_of("(SELECT 1 AS contact_id, * FROM location_rejected)", "reason");
    assert_eq!(reasons, [Value::Text(b"column contact says what cannot be".to_vec())]);
    disk.over();
}

// decision D28: the machine got another address, or the socket another name
#[test]
fn sockets_are_found_again() {
    let mut disk = stored_phone("sockets");
    disk.restart();
    assert_eq!(disk.bobs()[0].0.socket, Some(0));
    disk.sql("UPDATE location SET socket = 'udp:192.0.2.77:5060', duologue = NULL");
    disk.restart();
    assert_eq!(disk.bobs()[0].0.socket, Some(0), "no other can be meant");
    disk.sql("UPDATE location SET socket = 'tcp:192.0.2.77:5060', duologue = NULL");
    disk.restart();
    assert_eq!(disk.bobs()[0].0.socket, None);
    disk.calls(BOB, &disk.bob);
    assert_eq!(disk.alice.final_status(), Some(486), "it is called all the same");
    disk.over();
}

/// The table as OpenSIPS makes it (spec/modules.md §31), with rows of its own.
const OPENSIPS: &str = "
    CREATE TABLE version (table_name CHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);
    INSERT INTO version VALUES ('location', 1013);
    CREATE TABLE location (contact_id BIGINT PRIMARY KEY NOT NULL, username CHAR(64) NOT NULL,
      domain CHAR(64) DEFAULT NULL, contact TEXT NOT NULL, received CHAR(255) DEFAULT NULL,
      path CHAR(255) DEFAULT NULL, expires INTEGER NOT NULL, q FLOAT(10,2) DEFAULT 1.0 NOT NULL,
      callid CHAR(255) DEFAULT 'Default-Call-ID' NOT NULL, cseq INTEGER DEFAULT 13 NOT NULL,
      last_modified DATETIME DEFAULT '1900-01-01 00:00:01' NOT NULL, flags INTEGER DEFAULT 0 NOT NULL,
      cflags CHAR(255) DEFAULT NULL, user_agent CHAR(255) DEFAULT '' NOT NULL,
      socket CHAR(64) DEFAULT NULL, methods INTEGER DEFAULT NULL, sip_instance CHAR(255) DEFAULT NULL,
      kv_store TEXT(512) DEFAULT NULL, attr CHAR(255) DEFAULT NULL);
    INSERT INTO location VALUES (3106511852580896768, 'bob', NULL, 'sip:bob@10.0.0.12:5060', NULL, NULL,
      EXPIRES, 0.5, 'registration-of-bob', 4, '2026-01-01 00:00:00', 0, NULL, 'p',
      'udp:10.0.0.1:5060', 32767, NULL, '{\"room\":\"12\"}', 'desk');
    INSERT INTO location VALUES (-2, 'carol', 'example.com', 'sip:carol@10.0.0.13:5060', NULL, NULL, 0,
      -1, 'x', 1, '2026-01-01 00:00:00', 0, '', 'p', NULL, NULL, NULL, NULL, NULL);
";

#[test]
fn rows_of_opensips_are_taken_over() {
    let expires = (duologue_testkit::UNIX_AT_START + 600).to_string();
    let mut disk = Disk::prepared("opensips", &kept(THROUGH), |file| {
        let database = rusqlite::Connection::open(file).unwrap();
        database.execute_batch(&OPENSIPS.replace("EXPIRES", &expires)).unwrap();
    });
    assert_eq!(disk.users(), 2);
    let contact = disk.bobs()[0].0.clone();
    assert_eq!((contact.id.0, contact.q), (3_106_511_852_580_896_768, 500));
    assert_eq!((contact.methods.0, &*contact.attributes), (32767, &b"desk"[..]));
    assert_eq!(room(&disk).as_deref(), Some(&b"12"[..]));
    disk.calls(BOB, &disk.bob);
    assert_eq!(disk.alice.final_status(), Some(486));
    // The same phone registers again: its row is written over, in OpenSIPS's columns alone.
    disk.bob.counts_from(5);
    disk.bob.registers();
    disk.writes();
    assert_eq!(disk.rows(), 2);
    assert_eq!(disk.column("cseq"), [Value::Int(1), Value::Int(5)]);
    assert_eq!(disk.texts("kv_store"), ["", r#"{"room":"12"}"#]);
    disk.restart();
    assert_eq!((disk.users(), room(&disk).as_deref()), (2, Some(&b"12"[..])));
    disk.calls("sip:carol@10.0.0.1:5060", &disk.phone("carol"));
}

// §31: a table of another version is nobody's to guess at
#[test]
fn a_table_of_another_version_refuses_the_start() {
    let mut disk = stored_phone("version");
    disk.kill();
    disk.sql("UPDATE version SET table_version = 1012 WHERE table_name = 'location'");
    let script = kept(THROUGH).replace("FILE", disk.file.to_str().unwrap());
    let refused = refused(&script);
    assert!(refused.contains("table `location` has version 1012; 1013 is known"), "{refused}");
    assert!(refused.contains("users cannot be kept in sqlite:"), "{refused}");
}

// RFC 8599: a phone that sleeps is woken before its binding ends, by whichever process there is then
#[test]
fn a_sleeping_phone_is_woken_in_time() {
    let settings = format!(
        "{THROUGH}modparam(\"registrar\", \"pn_enable\", 1)
        modparam(\"registrar\", \"pn_providers\", \"fcm\")"
    );
    let mut disk = Disk::new("sleeping", &kept(&settings));
    disk.bob.tries_with(|register| {
        let uri = "<sip:bob@10.0.0.12:5060;pn-provider=fcm;pn-prid=token;pn-param=app>";
        replaced(without(register, "Expires"), "Contact", uri).with("Expires", "600")
    });
    assert_eq!(disk.bob.status(), 200);
    disk.writes();
    disk.restart();
    let told = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counts = std::sync::Arc::clone(&told);
    let events = disk.proxy.borrow().node.events.clone();
    events
        .subscribe("E_UL_CONTACT_REFRESH", "module:test", move |_: &std::sync::Arc<_>| {
            counts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
        .unwrap();
    disk.run_for(Duration::from_secs(470));
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 0);
    disk.run_for(Duration::from_secs(20));
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
}
