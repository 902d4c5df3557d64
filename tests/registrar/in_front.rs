//! In front of another registrar: what that grants is saved here.

use std::time::Duration;

use crate::office::{BOB, LOOKUP, MODULES, Office, shown, without};
use crate::world::script_to;

/// Relays REGISTERs to the edge at 10.0.0.13 and saves what that grants.
fn in_front(settings: &str, changes: &str) -> String {
    let targets = format!(
        r#"
        if (is_method("REGISTER")) {{
            {changes}
            t_on_reply("granted");
            $du = "sip:10.0.0.13:5060";
            t_relay();
            exit;
        }}
        {LOOKUP}
        "#
    );
    let rest = r#"
        onreply_route[granted] {
            save("location");
            append_hf("X-Saved: $retcode\r\n");
        }
    "#;
    script_to(&format!("{MODULES}{settings}"), &targets, rest)
}

// spec/modules.md §12: save() in a reply route; RFC 3261 §10.2.4.
#[test]
fn what_another_registrar_granted_is_saved() {
    let office = Office::of(33, &in_front("", ""));
    let (alice, bob) = (&office.alice, &office.bob);
    let main = office.agent("main");
    main.manual();
    let grants = |expires: &str, contacts: &str| {
        bob.sends_register("bob", |register| register.with("Expires", expires));
        assert!(office.run_until(Duration::from_secs(2), || main.owes("REGISTER")));
        main.replies_with("REGISTER", 200, |reply| {
            let reply = without(reply, "Contact");
            if contacts.is_empty() { reply } else { reply.with("Contact", contacts) }
        });
        office.settle();
        shown(bob, "200", "X-Saved")
    };
    // Another phone of the user is none of our business.
    let both = "<sip:other@192.0.2.7>;expires=50, <sip:bob@10.0.0.12:5060>;expires=120";
    assert_eq!(grants("3600", both), "1");
    office.calls(BOB, bob);
    assert_eq!(alice.final_status(), Some(486));
    office.run_for(Duration::from_secs(120));
    alice.invite_uri(BOB);
    office.settle();
    assert_eq!(alice.final_status(), Some(404));
    // What is not listed is not bound.
    assert_eq!(grants("3600", "<sip:bob@10.0.0.12:5060>;expires=600"), "1");
    assert_eq!(grants("0", ""), "1");
    assert_eq!(office.users(), 0);
    // A refusal changes nothing.
    bob.sends_register("bob", |register| register);
    assert!(office.run_until(Duration::from_secs(2), || main.owes("REGISTER")));
    main.replies_to("REGISTER", 403);
    office.settle();
    assert_eq!(shown(bob, "403", "X-Saved"), "-1");
    assert_eq!(office.users(), 0);
    office.over();
}

// spec/modules.md §12: `mcontact_avp`.
#[test]
fn a_contact_that_was_changed_on_the_way_is_found_again() {
    let settings = r#"
        modparam("registrar", "mcontact_avp", "$avp(sent)")
        modparam("tm", "onreply_avp_mode", 1)
    "#;
    let changes = r#"$avp(sent) = "sip:bob@10.0.0.1:5060";"#;
    let office = Office::of(34, &in_front(settings, changes));
    let bob = &office.bob;
    let main = office.agent("main");
    main.manual();
    bob.sends_register("bob", |register| register);
    assert!(office.run_until(Duration::from_secs(2), || main.owes("REGISTER")));
    main.replies_with("REGISTER", 200, |reply| {
        without(reply, "Contact").with("Contact", "<sip:bob@10.0.0.1:5060>;expires=120")
    });
    office.settle();
    assert_eq!(office.users(), 1);
    office.calls(BOB, bob);
    assert_eq!(bob.last("INVITE").uri(), Some("sip:bob@10.0.0.12:5060"));
    office.over();
}
