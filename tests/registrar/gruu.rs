//! GRUUs: URIs that mean one phone of a user (RFC 5627; spec/modules.md §12, `disable_gruu`,
//! `gruu_secret`).

use duologue_testkit::{CallState, Message};

use crate::office::{LOOKUP, Office, Phone, SAVE, plain, replaced, script};

const ENABLED: &str = r#"modparam("registrar", "disable_gruu", 0)"#;

fn office(seed: u64) -> Office {
    Office::of(seed, &script(ENABLED, SAVE, LOOKUP))
}

/// Makes a REGISTER that of a phone which knows of GRUUs and says which one it is.
fn as_instance(phone: &Phone) -> impl FnOnce(Message) -> Message + use<> {
    let contact = format!("<{}>;+sip.instance=\"<urn:uuid:{}>\"", phone.uri(), phone.name());
    move |register| replaced(register, "Contact", &contact).with("Supported", "gruu")
}

/// Registers so; its public and its temporary GRUU.
fn gruus(phone: &Phone) -> (String, String) {
    phone.tries_with(as_instance(phone));
    assert_eq!(phone.status(), 200);
    let all = phone.listed();
    let own = all.iter().find(|contact| contact.contains(&phone.uri())).expect("it is bound");
    let instance = format!(";+sip.instance=\"<urn:uuid:{}>\"", phone.name());
    assert!(own.contains(&instance), "{own}");
    let value = |name: &str| {
        let (_, rest) = own.split_once(&format!(";{name}=\"")).expect(own);
        rest.split_once('"').expect(own).0.to_owned()
    };
    (value("pub-gruu"), value("temp-gruu"))
}

// RFC 5627 §3.1.1, §5.2, §6.1: the public one means one phone, whatever others the user has.
#[test]
fn a_public_gruu_reaches_one_phone() {
    let office = office(70);
    let (bob, carol) = (&office.bob, office.phone("carol"));
    assert_eq!(gruus(bob).0, "sip:bob@10.0.0.1;gr=urn:uuid:bob");
    let (carols, _) = gruus(&carol);
    assert_eq!(carols, "sip:bob@10.0.0.1;gr=urn:uuid:carol");
    office.alice.invite_uri(&carols);
    carol.rings();
    carol.answers();
    office.settle();
    assert_eq!(office.alice.state(), CallState::Talking);
    assert_eq!(carol.last("INVITE").uri(), Some(&*carol.uri()));
    assert_eq!(bob.count("INVITE"), 0);
    office.alice.hangs_up();
    office.settle();
    office.finds_nobody("sip:bob@10.0.0.1;gr=urn:uuid:dave");
    office.finds_nobody("sip:dave@10.0.0.1;gr=urn:uuid:bob");
    // RFC 5627 §5.2: it stays the same.
    assert_eq!(gruus(&carol).0, carols);
    office.over();
}

// RFC 5627 §3.1.2, §5.1: each REGISTER gives another one; they end with the registration.
#[test]
fn a_temporary_gruu_hides_who_is_reached() {
    let office = office(71);
    let (bob, carol) = (&office.bob, office.phone("carol"));
    gruus(bob);
    let (_, first) = gruus(&carol);
    assert!(first.starts_with("sip:") && first.ends_with("@10.0.0.1;gr"), "{first}");
    assert!(!first.contains("bob") && !first.contains("carol"), "{first}");
    let (_, second) = gruus(&carol);
    assert_ne!(first, second);
    for gruu in [&first, &second] {
        office.calls(gruu, &carol);
        assert_eq!(carol.last("INVITE").uri(), Some(&*carol.uri()));
    }
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (0, 2));
    // Somebody else's, or made up.
    let forged = first.replacen(['0', '1', '2', '3'], "f", 1);
    office.finds_nobody(&forged);
    office.finds_nobody("sip:abc@10.0.0.1;gr");
    // The phone restarts: its Call-ID is another one.
    let instance = as_instance(&carol);
    carol.tries_with(|register| replaced(instance(register), "Call-ID", "after-the-restart"));
    assert_eq!(carol.status(), 200);
    office.finds_nobody(&first);
    office.finds_nobody(&second);
    office.over();
}

// RFC 5627 §6.1: of several contacts of one phone, the one that was registered last.
#[test]
fn a_phone_that_moved_is_reached_where_it_is_now() {
    let office = office(72);
    let (bob, carol) = (&office.bob, office.phone("carol"));
    gruus(bob);
    office.run_for(std::time::Duration::from_secs(1));
    let contact = format!("<{}>;+sip.instance=\"<urn:uuid:bob>\"", carol.uri());
    carol.tries_with(|register| replaced(register, "Contact", &contact).with("Supported", "gruu"));
    office.calls("sip:bob@10.0.0.1;gr=urn:uuid:bob", &carol);
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (0, 1));
    office.over();
}

// RFC 5627 §5.2: only for who knows of them and says which phone it is.
#[test]
fn who_does_not_ask_gets_none() {
    let office = office(73);
    let bob = &office.bob;
    bob.tries_with(|register| {
        replaced(register, "Contact", "<sip:bob@10.0.0.12:5060>;+sip.instance=\"<urn:uuid:bob>\"")
    });
    assert_eq!(bob.listed(), ["<sip:bob@10.0.0.12:5060>;expires=3600"]);
    let carol = office.phone("carol");
    carol.tries_with(|register| register.with("Supported", "gruu"));
    let own = carol.listed().into_iter().find(|contact| contact.contains("carol@"));
    assert_eq!(own.as_deref(), Some("<sip:carol@10.0.0.13:5060>;expires=3600"));
    // RFC 3261 §10.3, step 2: it may be insisted on.
    let instance = as_instance(bob);
    bob.tries_with(|register| instance(register).with("Require", "gruu"));
    assert_eq!(bob.status(), 200);
    office.over();
}

// RFC 5627 §5.1: a contact at a GRUU of ours would be looked for here again and again.
#[test]
fn a_gruu_is_no_contact() {
    let office = office(74);
    let bob = &office.bob;
    bob.tries_with(|register| replaced(register, "Contact", "<sip:bob@10.0.0.1;gr=urn:uuid:bob>"));
    assert_eq!(bob.status(), 403);
    assert_ne!(bob.error(), "(none)");
    assert_eq!(office.users(), 0);
    bob.tries_with(|register| replaced(register, "Contact", "<sip:bob@10.9.9.9;gr=urn:uuid:bob>"));
    assert_eq!(bob.status(), 200, "another registrar's");
    office.over();
}

// spec/modules.md §12: `disable_gruu` is 1 unless the script says otherwise.
#[test]
fn without_the_parameter_there_are_none() {
    let office = Office::of(75, &plain());
    let bob = &office.bob;
    bob.tries_with(as_instance(bob));
    assert_eq!(bob.listed(), ["<sip:bob@10.0.0.12:5060>;expires=3600"]);
    // The parameter means nothing.
    office.calls("sip:bob@10.0.0.1;gr=urn:uuid:other", bob);
    office.over();
}

// spec/modules.md §12, `gruu_secret`: two registrars with one secret read each other's.
#[test]
fn a_secret_is_shared() {
    let made = |seed: u64, secret: &str| {
        let settings = format!("{ENABLED}\nmodparam(\"registrar\", \"gruu_secret\", \"{secret}\")");
        let office = Office::of(seed, &script(&settings, SAVE, LOOKUP));
        let (_, temporary) = gruus(&office.bob);
        (office, temporary)
    };
    let (_, first) = made(76, "one");
    let (office, same) = made(77, "one");
    assert_eq!(first, same);
    office.calls(&first, &office.bob);
    let (office, other) = made(78, "another");
    assert_ne!(first, other);
    office.finds_nobody(&first);
    office.over();
}
