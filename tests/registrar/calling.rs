//! Calls to a user with several phones (spec/modules.md §12, `lookup()`).

use std::time::Duration;

use duologue_testkit::{Agent, CallState};

use crate::office::{BOB, Office, SAVE, plain, replaced, script, shown};

#[test]
fn all_phones_ring_and_one_answers() {
    let office = Office::of(20, &plain());
    let (alice, bob) = (&office.alice, &office.bob);
    let carol = office.phone("carol");
    bob.registers();
    carol.registers();
    alice.invite_uri(BOB);
    bob.rings();
    carol.rings();
    office.settle();
    carol.answers();
    office.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(carol.last("INVITE").uri(), Some("sip:carol@10.0.0.13:5060"));
    carol.hangs_up();
    office.over();
}

// spec/modules.md §1.6, `$tm.branch.path`: the Path of each phone, in branch routes and afterwards.
#[test]
fn the_path_of_each_branch_is_told() {
    let lookup = r#"lookup("location"); t_on_branch("out"); t_on_failure("no");"#;
    let rest = r#"
        branch_route[out] { append_hf("X-Path: $tm.branch.path\r\n"); }
        failure_route[no] {
            append_to_reply("X-Paths: $(tm.branch.path[0]) $(tm.branch.path[1]) $(tm.branch.path[*])\r\n");
            t_reply(480, "Nobody");
        }
    "#;
    let office = Office::of(
        29,
        &format!("{}\n{rest}", script("", r#"save("location", "path-lazy");"#, lookup)),
    );
    let (bob, carol) = (&office.bob, office.phone("carol"));
    // It is its own edge proxy, so it gets a Route that names it.
    office.tolerate();
    bob.tries_with(|register| register.with("Path", "<sip:10.0.0.12;lr>"));
    carol.registers();
    office.alice.invite_uri(BOB);
    bob.rejects(486);
    carol.rejects(486);
    office.settle();
    let path = "<sip:10.0.0.12;lr>";
    assert_eq!(shown(bob, "INVITE", "X-Path"), path);
    assert_eq!(shown(&carol, "INVITE", "X-Path"), "<null>");
    assert_eq!(shown(&office.alice, "480", "X-Paths"), format!("{path} <null> {path}"));
    office.over();
}

#[test]
fn a_cancelled_call_stops_ringing_everywhere() {
    let office = Office::of(21, &plain());
    let (alice, bob) = (&office.alice, &office.bob);
    let carol = office.phone("carol");
    bob.registers();
    carol.registers();
    alice.invite_uri(BOB);
    bob.rings();
    carol.rings();
    office.settle();
    alice.cancels();
    office.settle();
    assert_eq!(alice.final_status(), Some(487));
    assert_eq!((bob.count("CANCEL"), carol.count("CANCEL")), (1, 1));
    office.over();
}

// spec/modules.md §12: the highest q is the Request-URI, the others are branches.
#[test]
fn phones_are_ordered_by_q() {
    let lookup = r#"
        lookup("location");
        append_hf("X-Order: $ru $(branch(uri)[*])\r\n");
        append_hf("X-Q: $ru_q\r\n");
    "#;
    let office = Office::of(22, &script("", SAVE, lookup));
    let (alice, bob) = (&office.alice, &office.bob);
    bob.tries_with(|register| {
        let contacts = "<sip:bob@10.0.0.12:5060;n=1>;q=0.2, <sip:bob@10.0.0.12:5060;n=2>;q=0.9, \
                        <sip:bob@10.0.0.12:5060;n=3>";
        replaced(register, "Contact", contacts)
    });
    assert_eq!(bob.listed()[0], "<sip:bob@10.0.0.12:5060;n=2>;q=0.9;expires=3600");
    alice.invite_uri(BOB);
    bob.rejects(486);
    bob.rejects(486);
    bob.rejects(486);
    office.settle();
    let order = shown(bob, "INVITE", "X-Order");
    let place = |n: u8| order.find(&format!("n={n}")).unwrap_or_else(|| panic!("{n}: {order}"));
    assert!(place(2) < place(1) && place(1) < place(3), "{order}");
    assert_eq!(shown(bob, "INVITE", "X-Q"), "900");
    office.over();
}

// spec/modules.md §12: `no-branches`, `to-branches-only`, `branch`.
#[test]
fn flags_say_which_phones_become_branches() {
    let lookup = r#"
        if ($rU == "one") lookup("location", "no-branches", "sip:bob@10.0.0.1");
        if ($rU == "aside") { lookup("location", "B", "sip:bob@10.0.0.1"); $ru = "sip:dave@10.0.0.14:5060"; }
        if ($rU == "more") {
            append_branch("sip:bob@10.0.0.1");
            append_branch("sip:nobody@10.0.0.1");
            append_branch("sip:carol@10.0.0.13:5060;far");
            $rU = "bob";
            lookup("location", "branch,no-branches");
        }
        append_hf("X-Targets: $ru $(branch(uri)[*])\r\n");
    "#;
    let office = Office::of(23, &script("", SAVE, lookup));
    let (alice, bob) = (&office.alice, &office.bob);
    let (carol, dave) = (office.phone("carol"), office.phone("dave"));
    bob.registers();
    office.run_for(Duration::from_secs(1));
    carol.registers();
    let targets = |uri: &str, callees: &[&Agent]| {
        alice.invite_uri(uri);
        callees.iter().for_each(|callee| callee.rejects(486));
        office.settle();
        assert_eq!(alice.final_status(), Some(486), "{uri}");
        shown(callees[0], "INVITE", "X-Targets").replace(":5060", "")
    };
    assert_eq!(targets("sip:one@10.0.0.1", &[bob]), "sip:bob@10.0.0.12 <null>");
    let aside = targets("sip:aside@10.0.0.1", &[&dave, bob, &carol]);
    assert_eq!(aside, "sip:dave@10.0.0.14 sip:bob@10.0.0.12, sip:carol@10.0.0.13");
    let more = targets("sip:more@10.0.0.1", &[bob, bob, &carol]);
    assert_eq!(more, "sip:bob@10.0.0.12 sip:bob@10.0.0.12, sip:carol@10.0.0.13;far");
    office.over();
}

// spec/modules.md §12: −2 when no contact supports the method; `ua-filtering`.
#[test]
fn phones_are_picked_by_what_they_can_and_are() {
    let lookup = r#"
        if ($rU == "any") lookup("location", "m", "sip:bob@10.0.0.1");
        else lookup("location", "ua-filtering=/snom[0-9]+|grand/, extended-regexp, case-insensitive", "sip:bob@10.0.0.1");
        switch ($retcode) {
            case 1: break;
            case -2: send_reply(405, "Method Not Allowed"); exit;
            default: send_reply(404, "Not Found"); exit;
        }
    "#;
    let office = Office::of(24, &script("", SAVE, lookup));
    let (alice, bob) = (&office.alice, &office.bob);
    let carol = office.phone("carol");
    bob.tries_with(|register| {
        register.with("Allow", "INVITE, ACK, BYE, CANCEL").with("User-Agent", "SNOM370/8")
    });
    carol.tries_with(|register| {
        replaced(register, "Contact", "<sip:carol@10.0.0.13:5060>;methods=\"OPTIONS\"")
            .with("User-Agent", "other")
    });
    alice.invite_uri("sip:any@10.0.0.1");
    bob.rejects(486);
    office.settle();
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (1, 0));
    alice.sends("MESSAGE", "sip:any@10.0.0.1");
    office.settle();
    assert_eq!(alice.status_of("MESSAGE"), Some(405));
    alice.invite_uri("sip:filtered@10.0.0.1");
    bob.rejects(486);
    office.settle();
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (2, 0));
    office.over();
}

// spec/modules.md §13, `desc_time_order`: among equals, who registered first or last is the first.
#[test]
fn the_oldest_phone_is_the_first_or_the_newest() {
    for (seed, settings, newest) in
        [(44, "", false), (45, r#"modparam("usrloc", "desc_time_order", 1)"#, true)]
    {
        let lookup = r#"lookup("location", "no-branches");"#;
        let office = Office::of(seed, &script(settings, SAVE, lookup));
        let (bob, carol) = (&office.bob, office.phone("carol"));
        bob.registers();
        office.run_for(Duration::from_secs(1));
        carol.registers();
        office.calls(BOB, if newest { &carol } else { bob });
        assert_eq!(
            (bob.count("INVITE"), carol.count("INVITE")),
            (usize::from(!newest), usize::from(newest))
        );
        office.over();
    }
}
