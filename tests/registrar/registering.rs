//! REGISTERs and what comes of them (RFC 3261 §10; spec/modules.md §12).

use std::time::Duration;

use duologue::server::statistics::{REGISTRAR_ACCEPTED, REGISTRAR_REJECTED};
use duologue_testkit::{CallState, Message, Packets};

use crate::office::{BOB, LOOKUP, Office, SAVE, plain, replaced, script, without};

#[test]
fn a_phone_registers_and_is_called() {
    let office = Office::of(1, &plain());
    let (alice, bob) = (&office.alice, &office.bob);
    bob.registers();
    // RFC 3261 §10.3, step 8: the binding with the time that is left.
    assert_eq!(bob.listed(), ["<sip:bob@10.0.0.12:5060>;expires=3600"]);
    alice.invite_uri(BOB);
    bob.rings();
    bob.answers();
    office.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.last("INVITE").uri(), Some("sip:bob@10.0.0.12:5060"));
    alice.requests("INFO");
    office.settle();
    bob.hangs_up();
    office.settle();
    assert_eq!(bob.status_of("BYE"), Some(200));
    office.over();
}

#[test]
fn nobody_is_called_who_is_not_registered() {
    let office = Office::of(2, &plain());
    let (alice, bob) = (&office.alice, &office.bob);
    alice.invite_uri(BOB);
    office.settle();
    assert_eq!(alice.final_status(), Some(404));
    assert_eq!(bob.count(""), 0);
    office.over();
}

// RFC 3261 §10.2.1.1: a binding ends with its time.
#[test]
fn a_registration_ends_with_its_time() {
    let office = Office::of(3, &plain());
    let (alice, bob) = (&office.alice, &office.bob);
    bob.tries_with(|register| register.with("Expires", "90"));
    assert_eq!(bob.listed(), ["<sip:bob@10.0.0.12:5060>;expires=90"]);
    office.run_for(Duration::from_secs(60));
    office.calls(BOB, bob);
    assert_eq!(alice.final_status(), Some(486));
    office.run_for(Duration::from_secs(30));
    // It is gone for callers at once, and from the table with the next look of the timer.
    alice.invite_uri(BOB);
    office.settle();
    assert_eq!(alice.final_status(), Some(404));
    office.run_for(Duration::from_secs(61));
    assert_eq!(office.users(), 0);
    office.over();
}

// RFC 3261 §10.2.3: without Contact, nothing changes and all bindings are listed.
#[test]
fn a_register_without_contact_asks_for_the_list() {
    let office = Office::of(4, &plain());
    let bob = &office.bob;
    bob.tries_with(|register| without(register, "Contact"));
    assert_eq!((bob.status(), bob.listed().len()), (200, 0));
    assert_eq!(office.users(), 0);
    bob.registers();
    office.run_for(Duration::from_secs(100));
    bob.tries_with(|register| without(register, "Contact"));
    let left = bob.listed().pop().unwrap();
    let seconds: u32 = left.rsplit_once('=').unwrap().1.parse().unwrap();
    assert!((3490..=3500).contains(&seconds), "{left}");
    office.over();
}

// spec/modules.md §12: equal CSeq and recent: left alone, 200.
#[test]
fn a_register_that_comes_again_is_answered_again() {
    let office = Office::of(5, &plain());
    let bob = &office.bob;
    office.duplicate_next(Packets::from(&**bob));
    bob.registers();
    assert_eq!(bob.received("200").len(), 2);
    assert_eq!(bob.listed(), ["<sip:bob@10.0.0.12:5060>;expires=3600"]);
    assert_eq!(office.counted(REGISTRAR_ACCEPTED), 2);
    // The answer was lost: the phone asks once more.
    office.lose_next(Packets::to(&**bob));
    bob.tries();
    assert_eq!(bob.status(), 200);
    office.over();
}

// RFC 3261 §10.3, step 7; spec/modules.md §12: `Invalid CSeq number`.
#[test]
fn an_older_register_is_refused() {
    let office = Office::of(6, &plain());
    let bob = &office.bob;
    bob.counts_from(7);
    bob.registers();
    bob.counts_from(6);
    bob.tries_with(|register| register.with("Expires", "0"));
    assert_eq!((bob.status(), bob.error().as_str()), (400, "Invalid CSeq number"));
    assert_eq!(office.counted(REGISTRAR_REJECTED), 1);
    assert_eq!(office.users(), 1);
    office.over();
}

// spec/modules.md §13, `cseq_delay`: for so long the same number again is a repetition.
#[test]
fn the_same_register_is_a_repetition_for_a_while() {
    for (seed, settings, within, beyond) in
        [(40, "", 14, 10), (41, r#"modparam("usrloc", "cseq_delay", 60)"#, 50, 15)]
    {
        let office = Office::of(seed, &script(settings, SAVE, LOOKUP));
        let bob = &office.bob;
        bob.registers();
        for (wait, status) in [(within, 200), (beyond, 400)] {
            office.run_for(Duration::from_secs(wait));
            bob.counts_from(1);
            bob.tries();
            assert_eq!(bob.status(), status, "{settings}");
        }
        office.over();
    }
}

// spec/modules.md §13, `timer_interval`: how often the table is looked through.
#[test]
fn what_is_over_is_swept_away_now_and_then() {
    for (seed, settings, swept) in
        [(42, "", false), (43, r#"modparam("usrloc", "timer_interval", 5)"#, true)]
    {
        let office = Office::of(seed, &script(settings, SAVE, LOOKUP));
        office.bob.tries_with(|register| register.with("Expires", "90"));
        office.run_for(Duration::from_secs(80));
        assert_eq!(office.users(), 1);
        office.run_for(Duration::from_secs(20));
        assert_eq!(office.users() == 0, swept, "{settings}");
        office.over();
    }
}

// spec/modules.md §13, `matching_mode`: what makes two contacts one.
#[test]
fn contacts_are_told_apart_as_the_script_wants() {
    for (seed, mode, count) in [(46, "0", 2), (47, "1", 3), (48, "\"rinstance\"", 1)] {
        let settings = format!("modparam(\"usrloc\", \"matching_mode\", {mode})");
        let office = Office::of(seed, &script(&settings, SAVE, LOOKUP));
        let bob = &office.bob;
        let at = |port: u16| format!("<sip:bob@10.0.0.12:{port};rinstance=7>");
        for port in [5060, 5070] {
            bob.tries_with(|register| replaced(register, "Contact", &at(port)));
        }
        // The first place once more, after a restart.
        bob.tries_with(|register| {
            let register = replaced(register, "Call-ID", "after-the-restart");
            replaced(register, "Contact", &at(5060))
        });
        assert_eq!((bob.status(), bob.listed().len()), (200, count), "{mode}");
        office.over();
    }
}

#[test]
fn a_phone_that_restarted_begins_to_count_anew() {
    let office = Office::of(7, &plain());
    let bob = &office.bob;
    bob.counts_from(100);
    bob.registers();
    bob.counts_from(1);
    bob.tries_with(|register| replaced(register, "Call-ID", "after-the-restart"));
    assert_eq!((bob.status(), bob.listed().len()), (200, 1));
    office.over();
}

// RFC 3261 §10.2.2.
#[test]
fn a_phone_unregisters() {
    let office = Office::of(8, &plain());
    let (alice, bob) = (&office.alice, &office.bob);
    bob.registers();
    bob.tries_with(|register| replaced(register, "Contact", "<sip:bob@10.0.0.12:5060>;expires=0"));
    assert_eq!((bob.status(), bob.listed().len()), (200, 0));
    alice.invite_uri(BOB);
    office.settle();
    assert_eq!(alice.final_status(), Some(404));
    office.over();
}

// RFC 3261 §10.3, step 6: `*` stands alone and with Expires 0.
#[test]
fn a_star_ends_all_bindings() {
    let office = Office::of(9, &plain());
    let bob = &office.bob;
    let carol = office.phone("carol");
    bob.registers();
    carol.registers();
    assert_eq!(carol.listed().len(), 2);
    let star = |register: Message| replaced(register, "Contact", "*");
    bob.tries_with(star);
    assert_eq!(bob.status(), 400, "without Expires");
    bob.tries_with(|register| star(register).with("Expires", "60"));
    assert_eq!(bob.status(), 400, "for a time");
    bob.tries_with(|register| {
        star(register).with("Expires", "0").with("Contact", "<sip:x@10.0.0.12>")
    });
    assert_eq!(bob.status(), 400, "with another");
    assert_eq!(office.users(), 1);
    bob.tries_with(|register| star(register).with("Expires", "0"));
    assert_eq!((bob.status(), bob.listed().len()), (200, 0));
    assert_eq!(office.users(), 0);
    office.over();
}

// RFC 3261 §10.3: one change that cannot be made, and none is.
#[test]
fn a_register_is_carried_out_as_a_whole_or_not_at_all() {
    let office = Office::of(10, &plain());
    let bob = &office.bob;
    bob.tries_with(|register| replaced(register, "Contact", "<sip:good@10.0.0.12>, <sip:bad uri>"));
    assert_eq!(bob.status(), 400);
    assert_ne!(bob.error(), "(none)");
    assert_eq!(office.users(), 0);
    office.over();
}

// spec/modules.md §12: `min_expires`, `max_expires`, `default_expires` and the flags.
#[test]
fn times_are_kept_within_limits() {
    let settings = r#"
        modparam("registrar", "default_expires", 300)
        modparam("registrar", "min_expires", 100)
        modparam("registrar", "max_expires", 1000)
    "#;
    let save = r#"
        if ($tU == "short") save("location", "min-expires=10,max-expires=20");
        else save("location");
    "#;
    let office = Office::of(11, &script(settings, save, LOOKUP));
    let bob = &office.bob;
    let granted = |user: &str, contact: &str| {
        bob.tries_as(user, |register| replaced(register, "Contact", contact));
        bob.listed().pop().unwrap().rsplit_once('=').unwrap().1.to_owned()
    };
    assert_eq!(granted("bob", "<sip:bob@10.0.0.12>"), "300");
    assert_eq!(granted("bob", "<sip:bob@10.0.0.12>;expires=99"), "100");
    assert_eq!(granted("bob", "<sip:bob@10.0.0.12>;expires=1001"), "1000");
    assert_eq!(granted("short", "<sip:bob@10.0.0.12>;expires=1"), "10");
    assert_eq!(granted("short", "<sip:bob@10.0.0.12>;expires=90"), "20");
    office.over();
}

// spec/modules.md §12: `max_contacts`, `max-contacts`, `force-registration`, `retry_after`.
#[test]
fn a_user_has_only_so_many_phones() {
    let settings = r#"
        modparam("registrar", "max_contacts", 1)
        modparam("registrar", "retry_after", 30)
    "#;
    let save = r#"
        if ($tU == "forced") save("location", "c2f");
        else save("location");
    "#;
    let office = Office::of(12, &script(settings, save, LOOKUP));
    let bob = &office.bob;
    let carol = office.phone("carol");
    bob.registers();
    carol.tries();
    assert_eq!(carol.answer().start, "SIP/2.0 503 Service Unavailable");
    assert_eq!(carol.answer().header("Retry-After"), Some("30"));
    assert_ne!(carol.error(), "(none)");
    // Who is there may refresh.
    bob.registers();
    // The oldest goes: two fit.
    let dave = office.phone("dave");
    for phone in [bob, &carol, &dave] {
        office.run_for(Duration::from_secs(1));
        phone.registers_as("forced");
    }
    let left = dave.listed().join(" ");
    assert!(!left.contains("bob@") && left.contains("carol@") && left.contains("dave@"), "{left}");
    office.over();
}

// RFC 3261 §10.3, step 2.
#[test]
fn an_extension_that_is_insisted_on_must_be_known() {
    let office = Office::of(13, &plain());
    let bob = &office.bob;
    bob.tries_with(|register| register.with("Require", "path, gruu"));
    assert_eq!(bob.answer().header("Unsupported"), Some("gruu"));
    assert_eq!(bob.status(), 420);
    bob.tries_with(|register| register.with("Require", "path"));
    assert_eq!(bob.status(), 200);
    office.over();
}

// spec/modules.md §12: `no-reply`, `only-request-contacts`, and the return codes.
#[test]
fn the_script_may_answer_itself() {
    let save = r#"
        if (save("location", "no-reply")) send_reply(202, "Accepted");
        else send_reply(499, "Refused");
    "#;
    let office = Office::of(14, &script("", save, LOOKUP));
    let bob = &office.bob;
    bob.counts_from(2);
    bob.tries();
    assert_eq!((bob.status(), bob.listed().len()), (202, 0));
    bob.counts_from(1);
    bob.tries();
    assert_eq!((bob.status(), bob.error().as_str()), (499, "(none)"));
    office.over();

    let save = r#"save("location", "only-request-contacts");"#;
    let office = Office::of(15, &script("", save, LOOKUP));
    let bob = &office.bob;
    let carol = office.phone("carol");
    bob.registers();
    carol.registers();
    assert_eq!(carol.listed(), ["<sip:carol@10.0.0.13:5060>;expires=3600"]);
    office.over();
}

// spec/modules.md §12: AOR; §13: `use_domain`.
#[test]
fn users_have_domains_or_not() {
    for (seed, settings, ann, other) in [
        (16, "", true, true),
        (17, r#"modparam("registrar", "case_sensitive", 0)"#, true, true),
        (18, r#"modparam("usrloc", "use_domain", 1)"#, false, false),
        (
            19,
            r#"modparam("usrloc", "use_domain", 1)
                modparam("registrar", "realm_prefix", "sip.")"#,
            false,
            true,
        ),
    ] {
        let office = Office::of(seed, &script(settings, SAVE, LOOKUP));
        let (alice, bob) = (&office.alice, &office.bob);
        bob.tries_with(|register| replaced(register, "To", "<sip:Bob@Example.com>"));
        let finds = |uri: &str| {
            alice.invite_uri(uri);
            if office.run_until(Duration::from_secs(2), || bob.owes("INVITE")) {
                bob.rejects(486);
            }
            office.settle();
            alice.final_status() == Some(486)
        };
        assert!(finds("sip:Bob@example.com"), "{settings}");
        assert_eq!(finds("sip:Bob@10.0.0.1"), ann, "{settings}");
        assert_eq!(finds("sip:Bob@sip.example.com"), other, "{settings}");
        assert_eq!(finds("sip:bob@example.com"), settings.contains("case"), "{settings}");
        // RFC 3261 §10.3, step 5: escapes are resolved.
        assert!(finds("sip:%42ob@example.com"), "{settings}");
        office.over();
    }
}
