//! Questions of scripts, removals, and what a script keeps with a user.

use crate::office::{BOB, Office, Phone, SAVE, replaced, script, shown, without};

impl Phone {
    /// Asks by an OPTIONS of this user part; the answer is what the script found.
    fn asks(&self, question: &str) -> Option<u16> {
        self.sends("OPTIONS", &format!("sip:{question}@10.0.0.1"));
        self.settle();
        self.status_of("OPTIONS")
    }
}

/// 200 or 404, as `$var(found)` says.
const TELL: &str = r#"
    if ($var(found) > 0) send_reply(200, "Yes"); else send_reply(404, "No");
    exit;
"#;

// spec/modules.md §12: `is_registered()`, `is_contact_registered()`, `is_ip_registered()`.
#[test]
fn a_script_asks_who_is_registered() {
    let questions = [
        ("me", r#"is_registered("location")"#),
        ("bob", r#"is_registered("location", "sip:bob@10.0.0.1")"#),
        ("bare", r#"is_registered("location", "bob")"#),
        ("nobody", r#"is_registered("location", "sip:nobody@10.0.0.1")"#),
        ("contact", r#"is_contact_registered("location")"#),
        ("other", r#"is_contact_registered("location", "sip:bob@x", "sip:bob@10.0.0.99")"#),
        ("uri", r#"is_contact_registered("location", "sip:bob@x", "sip:bob@10.0.0.12:5060")"#),
        ("call", r#"is_contact_registered("location", "bob", , "registration-of-bob")"#),
        ("both", r#"is_contact_registered("location", "bob", "sip:bob@10.0.0.12:5060", "else")"#),
        ("ips", r#"is_ip_registered("location", "sip:bob@x", $avp(ip))"#),
        ("ip", r#"is_ip_registered("location", "sip:bob@x", $var(ip))"#),
        ("source", r#"is_ip_registered("location", , $si)"#),
        ("port", r#"is_ip_registered("location", "sip:bob@x", $si, $var(port))"#),
        ("wrong", r#"is_ip_registered("location", "sip:bob@x", $si, $var(wrong))"#),
    ];
    let mut lookup = r#"
        $avp(ip) = "192.0.2.1";
        $avp(ip) = "10.0.0.12";
        $avp(ip) = "192.0.2.2";
        $var(ip) = "192.0.2.1";
        $var(port) = 5060;
        $var(wrong) = 5061;
        $var(found) = 0;
    "#
    .to_owned();
    for (question, call) in questions {
        let ask = format!("if ($rU == \"{question}\") {{ {call}; $var(found) = $retcode; }}\n");
        lookup.push_str(&ask);
    }
    let save =
        r#"if (is_registered("location")) append_to_reply("X-Known: yes\r\n"); save("location");"#;
    let script = script("", save, &format!("{lookup}{TELL}"));
    let office = Office::of(29, &script);
    let (alice, bob) = (&office.alice, &office.bob);
    bob.registers();
    // The default of a REGISTER is To.
    assert_eq!(bob.answer().header("X-Known"), None);
    bob.registers();
    assert_eq!(bob.answer().header("X-Known"), Some("yes"));
    for (question, who, expected) in [
        ("me", bob, 200),
        ("me", alice, 404),
        ("bob", alice, 200),
        ("bare", alice, 200),
        ("nobody", alice, 404),
        ("contact", bob, 200),
        ("contact", alice, 404),
        ("other", alice, 404),
        ("uri", alice, 200),
        ("call", alice, 200),
        ("both", alice, 404),
        ("ips", alice, 200),
        ("ip", alice, 404),
        ("source", bob, 200),
        ("source", alice, 404),
        ("port", bob, 200),
        ("wrong", bob, 404),
    ] {
        assert_eq!(who.asks(question), Some(expected), "{question}");
    }
    office.over();
}

// spec/modules.md §12: `remove()`, `remove_ip_port()`.
#[test]
fn a_script_removes_bindings() {
    let lookup = r#"
        $var(found) = 0;
        if ($rU == "wrong") { remove("location", "sip:bob@x", "sip:bob@10.0.0.99"); $var(found) = $retcode; }
        if ($rU == "contact") { remove("location", "sip:bob@x", "sip:bob@10.0.0.12:5060"); $var(found) = $retcode; }
        if ($rU == "hop") { remove("location", "sip:bob@x", , "10.0.0.13:5060"); $var(found) = $retcode; }
        if ($rU == "instance") { remove("location", "sip:bob@x", , , "urn:uuid:1"); $var(found) = $retcode; }
        if ($rU == "flag") { remove("location", "sip:bob@x", , , , "MOBILE"); $var(found) = $retcode; }
        if ($rU == "all") { remove("location", "sip:bob@x"); $var(found) = $retcode; }
        if ($rU == "ip") { remove_ip_port("10.0.0.12", 5060, "location"); $var(found) = $retcode; }
        if ($rU == "port") { remove_ip_port("10.0.0.12", 5061, "location", "sip:bob@x"); $var(found) = $retcode; }
        if ($rU == "ipofbob") { remove_ip_port("10.0.0.12", 5060, "location", "sip:bob@x"); $var(found) = $retcode; }
    "#;
    let save = r#"if ($tU == "bob") setbflag("MOBILE"); save("location");"#;
    let office = Office::of(30, &script("", save, &format!("{lookup}{TELL}")));
    let (alice, bob) = (&office.alice, &office.bob);
    let carol = office.phone("carol");
    for (question, expected, left) in [
        ("wrong", 404, 2),
        ("contact", 200, 1),
        ("hop", 200, 1),
        ("instance", 200, 1),
        ("flag", 200, 0),
        ("all", 200, 0),
        ("ip", 200, 1),
        ("port", 404, 2),
        ("ipofbob", 200, 1),
    ] {
        bob.tries_with(|register| {
            let contact = "<sip:bob@10.0.0.12:5060>;+sip.instance=\"<urn:uuid:1>\"";
            replaced(register, "Contact", contact)
        });
        carol.registers();
        assert_eq!(alice.asks(question), Some(expected), "{question}");
        alice.tries_as("bob", |register| without(register, "Contact"));
        assert_eq!(alice.listed().len(), left, "{question}");
    }
    office.over();
}

// spec/modules.md §12: `attr_avp`.
#[test]
fn a_script_keeps_something_with_a_binding() {
    let settings = r#"modparam("registrar", "attr_avp", "$avp(attr)")"#;
    let save = r#"$avp(attr) = "from " + $si; save("location");"#;
    let lookup = r#"lookup("location"); append_hf("X-Attr: $avp(attr)\r\n");"#;
    let office = Office::of(31, &script(settings, save, lookup));
    let bob = &office.bob;
    bob.registers();
    office.calls(BOB, bob);
    assert_eq!(shown(bob, "INVITE", "X-Attr"), "from 10.0.0.12");
    office.over();
}

// spec/modules.md §13: `ul_add_key()`, `ul_get_key()`, `ul_del_key()`.
#[test]
fn a_script_keeps_keys_with_a_user() {
    let lookup = r#"
        $var(found) = 0;
        if ($rU == "add") { ul_add_key("location", "bob", "color", "blue"); $var(found) = $retcode; }
        if ($rU == "nobody") { ul_add_key("location", "sip:nobody@x", "color"); $var(found) = $retcode; }
        if ($rU == "get") {
            $var(found) = -1;
            if (ul_get_key("location", "sip:bob@x", "color", $var(color)) && $var(color) == "blue")
                $var(found) = 1;
        }
        if ($rU == "del") { ul_del_key("location", "bob", "color"); $var(found) = $retcode; }
    "#;
    let office = Office::of(32, &script("", SAVE, &format!("{lookup}{TELL}")));
    let (alice, bob) = (&office.alice, &office.bob);
    bob.registers();
    for (question, expected) in [
        ("get", 404),
        ("add", 200),
        ("get", 200),
        ("nobody", 404),
        ("del", 200),
        ("del", 404),
        ("get", 404),
    ] {
        assert_eq!(alice.asks(question), Some(expected), "{question}");
    }
    office.over();
}
