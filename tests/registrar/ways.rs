//! Ways to a phone: through edges, behind NATs, by a socket.

use duologue_testkit::{Agent, Message};

use crate::office::{BOB, LOOKUP, Office, replaced, script, shown};

// RFC 3327; spec/modules.md §12: `path-off`, `path-lazy`, `path-strict`.
#[test]
fn a_phone_behind_an_edge_proxy_is_reached_through_it() {
    let save = r#"
        if ($tU == "off") save("location");
        if ($tU == "lazy") save("location", "path-lazy");
        if ($tU == "strict") save("location", "path-strict");
    "#;
    let office = Office::of(25, &script("", save, LOOKUP));
    let (alice, bob) = (&office.alice, &office.bob);
    // The edge: it answers what comes in for the phone.
    let edge = office.phone("edge");
    // It is a phone in truth, and should not have been shown the Route.
    office.tolerate();
    let path = "<sip:10.0.0.13:5060;lr>";
    let with_path = |register: Message| {
        let contact = "<sip:bob@192.168.0.2:5060>";
        replaced(register, "Contact", contact)
            .with("Path", path)
            .with("Path", "<sip:inner.example.com;lr>")
    };
    bob.tries_as("lazy", with_path);
    assert_eq!(bob.status(), 200);
    // A phone that does not know of Path is not shown it.
    assert_eq!(bob.answer().header("Path"), None);
    bob.tries_as("strict", with_path);
    assert_eq!((bob.status(), bob.answer().header("Unsupported")), (420, Some("path")));
    assert_ne!(bob.error(), "(none)");
    bob.tries_as("strict", |register| with_path(register).with("Supported", "path"));
    assert_eq!(bob.status(), 200);
    assert_eq!(bob.answer().list("Path"), [path, "<sip:inner.example.com;lr>"]);

    for user in ["lazy", "strict"] {
        alice.invite_uri(&format!("sip:{user}@10.0.0.1"));
        edge.rejects(486);
        office.settle();
        let invite = edge.last("INVITE");
        assert_eq!(invite.uri(), Some("sip:bob@192.168.0.2:5060"));
        assert_eq!(invite.list("Route"), [path, "<sip:inner.example.com;lr>"], "{user}");
    }
    edge.tries_as("off", |register| register.with("Path", "<sip:10.9.9.9;lr>"));
    alice.invite_uri("sip:off@10.0.0.1");
    edge.rejects(486);
    office.settle();
    assert_eq!(edge.last("INVITE").header("Route"), None);
    office.over();
}

// spec/modules.md §12: `received_avp`, `nat_bflag`, and the branch flags of a binding.
#[test]
fn a_phone_behind_a_nat_is_reached_where_it_came_from() {
    let settings = r#"
        modparam("usrloc", "nat_bflag", "NAT")
        modparam("registrar", "received_avp", "$avp(rcv)")
        modparam("registrar", "received_param", "rcv")
    "#;
    let save = r#"
        $avp(rcv) = "sip:" + $si + ":" + $sp;
        setbflag("NAT");
        save("location");
    "#;
    let lookup = r#"
        setbflag("OTHER");
        lookup("location");
        if (isbflagset("NAT") && isbflagset("OTHER")) append_hf("X-Nat: yes, by $du\r\n");
    "#;
    let office = Office::of(26, &script(settings, save, lookup));
    let bob = &office.bob;
    bob.tries_with(|register| replaced(register, "Contact", "<sip:bob@192.168.0.2>"));
    assert_eq!(bob.listed(), ["<sip:bob@192.168.0.2>;expires=3600;rcv=\"sip:10.0.0.12:5060\""]);
    office.calls(BOB, bob);
    assert_eq!(bob.last("INVITE").uri(), Some("sip:bob@192.168.0.2"));
    assert_eq!(shown(bob, "INVITE", "X-Nat"), "yes, by sip:10.0.0.12:5060");
    office.over();
}

// spec/modules.md §12: `path-received`.
#[test]
fn the_edge_tells_where_the_phone_is() {
    let settings = r#"modparam("usrloc", "nat_bflag", "NAT")"#;
    let save = r#"save("location", "p1v");"#;
    let lookup = r#"
        lookup("location");
        if (isbflagset("NAT")) append_hf("X-Nat: yes\r\n");
    "#;
    let office = Office::of(27, &script(settings, save, lookup));
    let (alice, bob) = (&office.alice, &office.bob);
    let edge = office.agent("edge");
    office.tolerate();
    bob.tries_with(|register| {
        register.with("Path", "<sip:10.0.0.13:5060;lr;received=sip:192.0.2.9:40000>")
    });
    let contact = "<sip:bob@10.0.0.12:5060>;expires=3600;received=\"sip:192.0.2.9:40000\"";
    assert_eq!(bob.listed(), [contact]);
    alice.invite_uri(BOB);
    edge.rejects(486);
    office.settle();
    assert_eq!(shown(&edge, "INVITE", "X-Nat"), "yes");
    office.over();
}

// spec/modules.md §12: `add_sock_hdr()`, `socket-header`, `sock_hdr_name`; `$socket_out` of a binding.
#[test]
fn the_socket_of_a_registration_is_the_one_to_leave_by() {
    let settings = r#"
        socket = udp:10.0.0.2:5060
        modparam("registrar", "sock_hdr_name", "X-Sock")
    "#;
    let save = r#"
        if ($tU == "relayed") { add_sock_hdr("X-Sock"); $du = "sip:10.0.0.13:5060"; t_relay(); exit; }
        save("location", "socket-header");
    "#;
    let lookup = r#"lookup("location"); append_hf("X-Out: $socket_out\r\n");"#;
    let office = Office::at(28, &[1, 2], &script(settings, save, lookup));
    let (bob, edge) = (&office.bob, office.agent("edge"));
    let by = |callee: &Agent| {
        office.calls(BOB, callee);
        shown(callee, "INVITE", "X-Out")
    };
    bob.registers();
    assert_eq!(by(bob), "udp:10.0.0.1:5060");
    bob.tries_with(|register| register.with("X-Sock", "udp:10.0.0.2:5060"));
    assert_eq!(by(bob), "udp:10.0.0.2:5060");
    bob.tries_with(|register| register.with("X-Sock", "udp:192.0.2.1:5060"));
    assert_eq!(by(bob), "udp:10.0.0.1:5060");
    bob.sends("REGISTER", "sip:relayed@10.0.0.1");
    office.settle();
    assert_eq!(shown(&edge, "REGISTER", "X-Sock"), "udp:10.0.0.1:5060");
    office.over();
}
