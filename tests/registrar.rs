//! Phones register and are called (RFC 3261 §10; spec/modules.md §12 and §13): whole REGISTERs and
//! INVITEs in virtual time.

mod world;

use std::time::Duration;

use duologue::server::modules::usrloc::Usrloc;
use duologue::server::statistics::{REGISTRAR_ACCEPTED, REGISTRAR_REJECTED};
use duologue_testkit::{Agent, CallState, Message, Packets, Served, World};
use world::{Proxy, cast, forgotten, script_to};

const MODULES: &str = r#"
    loadmodule "usrloc.so"
    loadmodule "registrar.so"
"#;

/// A script in which `save` answers REGISTERs, and `lookup` finds who is called.
fn script(settings: &str, save: &str, lookup: &str) -> String {
    let targets = format!(
        r#"
        if (is_method("REGISTER")) {{
            {save}
            exit;
        }}
        {lookup}
        "#
    );
    script_to(&format!("{MODULES}{settings}"), &targets, "")
}

const SAVE: &str = r#"save("location");"#;
const LOOKUP: &str = r#"if (!lookup("location")) { send_reply(404, "Not Found"); exit; }"#;

fn plain() -> String {
    script("", SAVE, LOOKUP)
}

const OURS: &str = "sip:10.0.0.1:5060";
const BOB: &str = "sip:bob@10.0.0.1:5060";

/// Sends a REGISTER for `user` with this CSeq. The Call-ID is the agent's own, the Contact too; both
/// may be changed, as everything.
fn registers(agent: &Agent, user: &str, cseq: u32, edit: impl FnOnce(Message) -> Message) {
    let call_id = format!("registration-of-{}", agent.name());
    agent.sends_with("REGISTER", OURS, |message| {
        let message = replaced(message, "To", &format!("<sip:{user}@10.0.0.1>"));
        let message = replaced(message, "Call-ID", &call_id);
        edit(replaced(message, "CSeq", &format!("{cseq} REGISTER")))
    });
}

fn replaced(mut message: Message, name: &str, value: &str) -> Message {
    let header = message.headers.iter_mut().find(|(other, _)| other == name);
    header.expect("the agent wrote it").1 = value.to_owned();
    message
}

fn without(mut message: Message, name: &str) -> Message {
    message.headers.retain(|(other, _)| other != name);
    message
}

/// The answer to the last REGISTER of an agent.
fn answer(agent: &Agent) -> Message {
    let all = agent.received("").into_iter().map(|received| received.message);
    let mut all: Vec<Message> =
        all.filter(|message| message.is_response() && message.cseq().1 == "REGISTER").collect();
    all.pop().expect("a REGISTER was answered")
}

fn status(agent: &Agent) -> u16 {
    answer(agent).status().unwrap_or_default()
}

/// The Contacts of the answer, each as it is written.
fn listed(agent: &Agent) -> Vec<String> {
    answer(agent).list("Contact").into_iter().map(str::to_owned).collect()
}

fn error(agent: &Agent) -> String {
    answer(agent).header("P-Registrar-Error").unwrap_or("(none)").to_owned()
}

/// Registers and must succeed.
fn registered(world: &World, agent: &Agent, user: &str, cseq: u32) {
    registers(agent, user, cseq, |register| register);
    world.settle();
    assert_eq!(status(agent), 200, "{}", answer(agent));
}

/// Lets all registrations end, and looks whether nothing is left.
fn over(world: &World, proxy: &Served<Proxy>) {
    world.settle();
    world.run_for(Duration::from_secs(2 * 3600));
    assert_eq!(users(proxy), 0);
    let audit = proxy.borrow().node.settings::<Usrloc>().location().map(|it| it.audit());
    assert_eq!(audit, Some(Ok(())));
    forgotten(world, proxy);
}

fn users(proxy: &Served<Proxy>) -> usize {
    let proxy = proxy.borrow();
    proxy.node.settings::<Usrloc>().location().expect("usrloc is loaded").users()
}

fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

// --- Registering ------------------------------------------------------------------------------

#[test]
fn a_phone_registers_and_is_called() {
    let (world, alice, proxy, bob) = cast(1, &plain());
    registered(&world, &bob, "bob", 1);
    // RFC 3261 §10.3, step 8: the binding with the time that is left.
    assert_eq!(listed(&bob), ["<sip:bob@10.0.0.12:5060>;expires=3600"]);
    alice.invite_uri(BOB);
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.last("INVITE").uri(), Some("sip:bob@10.0.0.12:5060"));
    alice.requests("INFO");
    world.settle();
    bob.hangs_up();
    world.settle();
    assert_eq!(bob.status_of("BYE"), Some(200));
    over(&world, &proxy);
}

#[test]
fn nobody_is_called_who_is_not_registered() {
    let (world, alice, proxy, bob) = cast(2, &plain());
    alice.invite_uri(BOB);
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    assert_eq!(bob.count(""), 0);
    over(&world, &proxy);
}

// RFC 3261 §10.2.1.1: a binding ends with its time.
#[test]
fn a_registration_ends_with_its_time() {
    let (world, alice, proxy, bob) = cast(3, &plain());
    registers(&bob, "bob", 1, |register| register.with("Expires", "90"));
    world.settle();
    assert_eq!(listed(&bob), ["<sip:bob@10.0.0.12:5060>;expires=90"]);
    world.run_for(Duration::from_secs(60));
    alice.invite_uri(BOB);
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    world.run_for(Duration::from_secs(30));
    // It is gone for callers at once, and from the table with the next look of the timer.
    alice.invite_uri(BOB);
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    world.run_for(Duration::from_secs(61));
    assert_eq!(users(&proxy), 0);
    over(&world, &proxy);
}

// RFC 3261 §10.2.3: without Contact, nothing changes and all bindings are listed.
#[test]
fn a_register_without_contact_asks_for_the_list() {
    let (world, _alice, proxy, bob) = cast(4, &plain());
    registers(&bob, "bob", 1, |register| without(register, "Contact"));
    world.settle();
    assert_eq!((status(&bob), listed(&bob).len()), (200, 0));
    assert_eq!(users(&proxy), 0);
    registered(&world, &bob, "bob", 2);
    world.run_for(Duration::from_secs(100));
    registers(&bob, "bob", 3, |register| without(register, "Contact"));
    world.settle();
    let left = listed(&bob).pop().unwrap();
    let seconds: u32 = left.rsplit_once('=').unwrap().1.parse().unwrap();
    assert!((3490..=3500).contains(&seconds), "{left}");
    over(&world, &proxy);
}

// spec/modules.md §12: equal CSeq and recent: left alone, 200.
#[test]
fn a_register_that_comes_again_is_answered_again() {
    let (world, _alice, proxy, bob) = cast(5, &plain());
    world.duplicate_next(Packets::from(&bob));
    registered(&world, &bob, "bob", 1);
    assert_eq!(bob.received("200").len(), 2);
    assert_eq!(listed(&bob), ["<sip:bob@10.0.0.12:5060>;expires=3600"]);
    assert_eq!(proxy.borrow().node.statistics.total(REGISTRAR_ACCEPTED), 2);
    // The answer was lost: the phone asks once more.
    world.lose_next(Packets::to(&bob));
    registers(&bob, "bob", 2, |register| register);
    world.settle();
    assert_eq!(status(&bob), 200);
    over(&world, &proxy);
}

// RFC 3261 §10.3, step 7; spec/modules.md §12: `Invalid CSeq number`.
#[test]
fn an_older_register_is_refused() {
    let (world, _alice, proxy, bob) = cast(6, &plain());
    registered(&world, &bob, "bob", 7);
    registers(&bob, "bob", 6, |register| register.with("Expires", "0"));
    world.settle();
    assert_eq!((status(&bob), error(&bob).as_str()), (400, "Invalid CSeq number"));
    assert_eq!(proxy.borrow().node.statistics.total(REGISTRAR_REJECTED), 1);
    // The same number again is a repetition only for cseq_delay.
    world.run_for(Duration::from_secs(30));
    registers(&bob, "bob", 7, |register| register);
    world.settle();
    assert_eq!(status(&bob), 400);
    assert_eq!(users(&proxy), 1);
    over(&world, &proxy);
}

#[test]
fn a_phone_that_restarted_begins_to_count_anew() {
    let (world, _alice, proxy, bob) = cast(7, &plain());
    registered(&world, &bob, "bob", 100);
    registers(&bob, "bob", 1, |register| replaced(register, "Call-ID", "after-the-restart"));
    world.settle();
    assert_eq!((status(&bob), listed(&bob).len()), (200, 1));
    over(&world, &proxy);
}

// RFC 3261 §10.2.2.
#[test]
fn a_phone_unregisters() {
    let (world, alice, proxy, bob) = cast(8, &plain());
    registered(&world, &bob, "bob", 1);
    registers(&bob, "bob", 2, |register| {
        replaced(register, "Contact", "<sip:bob@10.0.0.12:5060>;expires=0")
    });
    world.settle();
    assert_eq!((status(&bob), listed(&bob).len()), (200, 0));
    alice.invite_uri(BOB);
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    over(&world, &proxy);
}

// RFC 3261 §10.3, step 6: `*` stands alone and with Expires 0.
#[test]
fn a_star_ends_all_bindings() {
    let (world, _alice, proxy, bob) = cast(9, &plain());
    let carol = world.agent("carol");
    registered(&world, &bob, "bob", 1);
    registered(&world, &carol, "bob", 1);
    assert_eq!(listed(&carol).len(), 2);
    let star = |register| replaced(register, "Contact", "*");
    for (cseq, edit) in [
        (2, Box::new(star) as Box<dyn Fn(Message) -> Message>),
        (3, Box::new(move |register| star(register).with("Expires", "60"))),
        (
            4,
            Box::new(move |register| {
                star(register).with("Expires", "0").with("Contact", "<sip:x@10.0.0.12>")
            }),
        ),
    ] {
        registers(&bob, "bob", cseq, edit);
        world.settle();
        assert_eq!(status(&bob), 400, "{cseq}");
    }
    assert_eq!(users(&proxy), 1);
    registers(&bob, "bob", 5, |register| star(register).with("Expires", "0"));
    world.settle();
    assert_eq!((status(&bob), listed(&bob).len()), (200, 0));
    assert_eq!(users(&proxy), 0);
    over(&world, &proxy);
}

// RFC 3261 §10.3: one change that cannot be made, and none is.
#[test]
fn a_register_is_carried_out_as_a_whole_or_not_at_all() {
    let (world, _alice, proxy, bob) = cast(10, &plain());
    registers(&bob, "bob", 1, |register| {
        replaced(register, "Contact", "<sip:good@10.0.0.12>, <sip:bad uri>")
    });
    world.settle();
    assert_eq!(status(&bob), 400);
    assert_ne!(error(&bob), "(none)");
    assert_eq!(users(&proxy), 0);
    over(&world, &proxy);
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
    let (world, _alice, proxy, bob) = cast(11, &script(settings, save, LOOKUP));
    let mut cseq = 0;
    let mut granted = |user: &str, contact: &str| {
        cseq += 1;
        registers(&bob, user, cseq, |register| replaced(register, "Contact", contact));
        world.settle();
        listed(&bob).pop().unwrap().rsplit_once('=').unwrap().1.to_owned()
    };
    assert_eq!(granted("bob", "<sip:bob@10.0.0.12>"), "300");
    assert_eq!(granted("bob", "<sip:bob@10.0.0.12>;expires=99"), "100");
    assert_eq!(granted("bob", "<sip:bob@10.0.0.12>;expires=1001"), "1000");
    assert_eq!(granted("short", "<sip:bob@10.0.0.12>;expires=1"), "10");
    assert_eq!(granted("short", "<sip:bob@10.0.0.12>;expires=90"), "20");
    over(&world, &proxy);
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
    let (world, _alice, proxy, bob) = cast(12, &script(settings, save, LOOKUP));
    let carol = world.agent("carol");
    registered(&world, &bob, "bob", 1);
    registers(&carol, "bob", 1, |register| register);
    world.settle();
    assert_eq!(answer(&carol).start, "SIP/2.0 503 Service Unavailable");
    assert_eq!(answer(&carol).header("Retry-After"), Some("30"));
    assert_ne!(error(&carol), "(none)");
    // Who is there may refresh.
    registered(&world, &bob, "bob", 2);
    // The oldest goes: two fit.
    let dave = world.agent("dave");
    for (agent, second) in [(&bob, 3), (&carol, 4), (&dave, 5)] {
        world.run_for(Duration::from_secs(1));
        registered(&world, agent, "forced", second);
    }
    let left = listed(&dave).join(" ");
    assert!(!left.contains("bob@") && left.contains("carol@") && left.contains("dave@"), "{left}");
    over(&world, &proxy);
}

// RFC 3261 §10.3, step 2.
#[test]
fn an_extension_that_is_insisted_on_must_be_known() {
    let (world, _alice, proxy, bob) = cast(13, &plain());
    registers(&bob, "bob", 1, |register| register.with("Require", "path, gruu"));
    world.settle();
    assert_eq!(answer(&bob).header("Unsupported"), Some("gruu"));
    assert_eq!(status(&bob), 420);
    registers(&bob, "bob", 2, |register| register.with("Require", "path"));
    world.settle();
    assert_eq!(status(&bob), 200);
    over(&world, &proxy);
}

// spec/modules.md §12: `no-reply`, `only-request-contacts`, and the return codes.
#[test]
fn the_script_may_answer_itself() {
    let save = r#"
        if (save("location", "no-reply")) send_reply(202, "Accepted");
        else send_reply(499, "Refused");
    "#;
    let (world, _alice, proxy, bob) = cast(14, &script("", save, LOOKUP));
    registers(&bob, "bob", 2, |register| register);
    world.settle();
    assert_eq!((status(&bob), listed(&bob).len()), (202, 0));
    registers(&bob, "bob", 1, |register| register);
    world.settle();
    assert_eq!((status(&bob), error(&bob).as_str()), (499, "(none)"));
    over(&world, &proxy);

    let save = r#"save("location", "only-request-contacts");"#;
    let (world, _alice, proxy, bob) = cast(15, &script("", save, LOOKUP));
    let carol = world.agent("carol");
    registered(&world, &bob, "bob", 1);
    registered(&world, &carol, "bob", 1);
    assert_eq!(listed(&carol), ["<sip:carol@10.0.0.13:5060>;expires=3600"]);
    over(&world, &proxy);
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
        let (world, alice, proxy, bob) = cast(seed, &script(settings, SAVE, LOOKUP));
        registers(&bob, "bob", 1, |register| replaced(register, "To", "<sip:Bob@Example.com>"));
        world.settle();
        let finds = |uri: &str| {
            alice.invite_uri(uri);
            if world.run_until(Duration::from_secs(2), || bob.owes("INVITE")) {
                bob.rejects(486);
            }
            world.settle();
            alice.final_status() == Some(486)
        };
        assert!(finds("sip:Bob@example.com"), "{settings}");
        assert_eq!(finds("sip:Bob@10.0.0.1"), ann, "{settings}");
        assert_eq!(finds("sip:Bob@sip.example.com"), other, "{settings}");
        assert_eq!(finds("sip:bob@example.com"), settings.contains("case"), "{settings}");
        // RFC 3261 §10.3, step 5: escapes are resolved.
        assert!(finds("sip:%42ob@example.com"), "{settings}");
        over(&world, &proxy);
    }
}

// --- Calls to several phones ------------------------------------------------------------------

#[test]
fn all_phones_ring_and_one_answers() {
    let (world, alice, proxy, bob) = cast(20, &plain());
    let carol = world.agent("carol");
    registered(&world, &bob, "bob", 1);
    registered(&world, &carol, "bob", 1);
    alice.invite_uri(BOB);
    bob.rings();
    carol.rings();
    world.settle();
    carol.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(carol.last("INVITE").uri(), Some("sip:carol@10.0.0.13:5060"));
    carol.hangs_up();
    over(&world, &proxy);
}

#[test]
fn a_cancelled_call_stops_ringing_everywhere() {
    let (world, alice, proxy, bob) = cast(21, &plain());
    let carol = world.agent("carol");
    registered(&world, &bob, "bob", 1);
    registered(&world, &carol, "bob", 1);
    alice.invite_uri(BOB);
    bob.rings();
    carol.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(alice.final_status(), Some(487));
    assert_eq!((bob.count("CANCEL"), carol.count("CANCEL")), (1, 1));
    over(&world, &proxy);
}

// spec/modules.md §12: the highest q is the Request-URI, the others are branches.
#[test]
fn phones_are_ordered_by_q() {
    let lookup = r#"
        lookup("location");
        append_hf("X-Order: $ru $(branch(uri)[*])\r\n");
        append_hf("X-Q: $ru_q\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(22, &script("", SAVE, lookup));
    registers(&bob, "bob", 1, |register| {
        let contacts = "<sip:bob@10.0.0.12:5060;n=1>;q=0.2, <sip:bob@10.0.0.12:5060;n=2>;q=0.9, \
                        <sip:bob@10.0.0.12:5060;n=3>";
        replaced(register, "Contact", contacts)
    });
    world.settle();
    assert_eq!(listed(&bob)[0], "<sip:bob@10.0.0.12:5060;n=2>;q=0.9;expires=3600");
    alice.invite_uri(BOB);
    bob.rejects(486);
    bob.rejects(486);
    bob.rejects(486);
    world.settle();
    let order = shown(&bob, "INVITE", "X-Order");
    let place = |n: u8| order.find(&format!("n={n}")).unwrap_or_else(|| panic!("{n}: {order}"));
    assert!(place(2) < place(1) && place(1) < place(3), "{order}");
    assert_eq!(shown(&bob, "INVITE", "X-Q"), "900");
    over(&world, &proxy);
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
    let (world, alice, proxy, bob) = cast(23, &script("", SAVE, lookup));
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    registered(&world, &bob, "bob", 1);
    world.run_for(Duration::from_secs(1));
    registered(&world, &carol, "bob", 1);
    let targets = |uri: &str, callees: &[&Agent]| {
        alice.invite_uri(uri);
        callees.iter().for_each(|callee| callee.rejects(486));
        world.settle();
        assert_eq!(alice.final_status(), Some(486), "{uri}");
        shown(callees[0], "INVITE", "X-Targets").replace(":5060", "")
    };
    assert_eq!(targets("sip:one@10.0.0.1", &[&bob]), "sip:bob@10.0.0.12 <null>");
    let aside = targets("sip:aside@10.0.0.1", &[&dave, &bob, &carol]);
    assert_eq!(aside, "sip:dave@10.0.0.14 sip:bob@10.0.0.12, sip:carol@10.0.0.13");
    let more = targets("sip:more@10.0.0.1", &[&bob, &bob, &carol]);
    assert_eq!(more, "sip:bob@10.0.0.12 sip:bob@10.0.0.12, sip:carol@10.0.0.13;far");
    over(&world, &proxy);
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
    let (world, alice, proxy, bob) = cast(24, &script("", SAVE, lookup));
    let carol = world.agent("carol");
    registers(&bob, "bob", 1, |register| {
        register.with("Allow", "INVITE, ACK, BYE, CANCEL").with("User-Agent", "SNOM370/8")
    });
    registers(&carol, "bob", 1, |register| {
        replaced(register, "Contact", "<sip:carol@10.0.0.13:5060>;methods=\"OPTIONS\"")
            .with("User-Agent", "other")
    });
    world.settle();
    alice.invite_uri("sip:any@10.0.0.1");
    bob.rejects(486);
    world.settle();
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (1, 0));
    alice.sends("MESSAGE", "sip:any@10.0.0.1");
    world.settle();
    assert_eq!(alice.status_of("MESSAGE"), Some(405));
    alice.invite_uri("sip:filtered@10.0.0.1");
    bob.rejects(486);
    world.settle();
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (2, 0));
    over(&world, &proxy);
}

// --- Ways to a phone --------------------------------------------------------------------------

// RFC 3327; spec/modules.md §12: `path-off`, `path-lazy`, `path-strict`.
#[test]
fn a_phone_behind_an_edge_proxy_is_reached_through_it() {
    let save = r#"
        if ($tU == "off") save("location");
        if ($tU == "lazy") save("location", "path-lazy");
        if ($tU == "strict") save("location", "path-strict");
    "#;
    let (world, alice, proxy, bob) = cast(25, &script("", save, LOOKUP));
    // The edge: it answers what comes in for the phone.
    let edge = world.agent("edge");
    // It is a phone in truth, and should not have been shown the Route.
    world.tolerate();
    let path = "<sip:10.0.0.13:5060;lr>";
    let with_path = |register: Message| {
        let contact = "<sip:bob@192.168.0.2:5060>";
        replaced(register, "Contact", contact)
            .with("Path", path)
            .with("Path", "<sip:inner.example.com;lr>")
    };
    registers(&bob, "lazy", 1, with_path);
    world.settle();
    assert_eq!(status(&bob), 200);
    // A phone that does not know of Path is not shown it.
    assert_eq!(answer(&bob).header("Path"), None);
    registers(&bob, "strict", 1, with_path);
    world.settle();
    assert_eq!((status(&bob), answer(&bob).header("Unsupported")), (420, Some("path")));
    assert_ne!(error(&bob), "(none)");
    registers(&bob, "strict", 2, |register| with_path(register).with("Supported", "path"));
    world.settle();
    assert_eq!(status(&bob), 200);
    assert_eq!(answer(&bob).list("Path"), [path, "<sip:inner.example.com;lr>"]);

    for user in ["lazy", "strict"] {
        alice.invite_uri(&format!("sip:{user}@10.0.0.1"));
        edge.rejects(486);
        world.settle();
        let invite = edge.last("INVITE");
        assert_eq!(invite.uri(), Some("sip:bob@192.168.0.2:5060"));
        assert_eq!(invite.list("Route"), [path, "<sip:inner.example.com;lr>"], "{user}");
    }
    registers(&edge, "off", 1, |register| register.with("Path", "<sip:10.9.9.9;lr>"));
    world.settle();
    alice.invite_uri("sip:off@10.0.0.1");
    edge.rejects(486);
    world.settle();
    assert_eq!(edge.last("INVITE").header("Route"), None);
    over(&world, &proxy);
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
    let (world, alice, proxy, bob) = cast(26, &script(settings, save, lookup));
    registers(&bob, "bob", 1, |register| replaced(register, "Contact", "<sip:bob@192.168.0.2>"));
    world.settle();
    assert_eq!(listed(&bob), ["<sip:bob@192.168.0.2>;expires=3600;rcv=\"sip:10.0.0.12:5060\""]);
    alice.invite_uri(BOB);
    bob.rejects(486);
    world.settle();
    assert_eq!(bob.last("INVITE").uri(), Some("sip:bob@192.168.0.2"));
    assert_eq!(shown(&bob, "INVITE", "X-Nat"), "yes, by sip:10.0.0.12:5060");
    over(&world, &proxy);
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
    let (world, alice, proxy, bob) = cast(27, &script(settings, save, lookup));
    let edge = world.agent("edge");
    world.tolerate();
    registers(&bob, "bob", 1, |register| {
        register.with("Path", "<sip:10.0.0.13:5060;lr;received=sip:192.0.2.9:40000>")
    });
    world.settle();
    let contact = "<sip:bob@10.0.0.12:5060>;expires=3600;received=\"sip:192.0.2.9:40000\"";
    assert_eq!(listed(&bob), [contact]);
    alice.invite_uri(BOB);
    edge.rejects(486);
    world.settle();
    assert_eq!(shown(&edge, "INVITE", "X-Nat"), "yes");
    over(&world, &proxy);
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
    let script = script(settings, save, lookup);
    let world = World::seeded(28);
    let at = |host: u8| ([10, 0, 0, host], 5060).into();
    let proxy = world.serve_at(&[at(1), at(2)], Proxy::new(&script));
    let (alice, bob, edge) = (world.agent("alice"), world.agent("bob"), world.agent("edge"));
    let by = |agent: &Agent| {
        alice.invite_uri(BOB);
        agent.rejects(486);
        world.settle();
        shown(agent, "INVITE", "X-Out")
    };
    registered(&world, &bob, "bob", 1);
    assert_eq!(by(&bob), "udp:10.0.0.1:5060");
    registers(&bob, "bob", 2, |register| register.with("X-Sock", "udp:10.0.0.2:5060"));
    world.settle();
    assert_eq!(by(&bob), "udp:10.0.0.2:5060");
    registers(&bob, "bob", 3, |register| register.with("X-Sock", "udp:192.0.2.1:5060"));
    world.settle();
    assert_eq!(by(&bob), "udp:10.0.0.1:5060");
    bob.sends("REGISTER", "sip:relayed@10.0.0.1");
    world.settle();
    assert_eq!(shown(&edge, "REGISTER", "X-Sock"), "udp:10.0.0.1:5060");
    over(&world, &proxy);
}

// --- Questions, removals, attributes ----------------------------------------------------------

/// Asks by an OPTIONS of this user part, and answers with what the script found.
fn asks(world: &World, agent: &Agent, question: &str) -> Option<u16> {
    agent.sends_with("OPTIONS", &format!("sip:{question}@10.0.0.1"), |request| request);
    world.settle();
    agent.status_of("OPTIONS")
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
    let (world, alice, proxy, bob) = cast(29, &script);
    registered(&world, &bob, "bob", 1);
    // The default of a REGISTER is To.
    assert_eq!(answer(&bob).header("X-Known"), None);
    registered(&world, &bob, "bob", 2);
    assert_eq!(answer(&bob).header("X-Known"), Some("yes"));
    for (question, agent, expected) in [
        ("me", &bob, 200),
        ("me", &alice, 404),
        ("bob", &alice, 200),
        ("bare", &alice, 200),
        ("nobody", &alice, 404),
        ("contact", &bob, 200),
        ("contact", &alice, 404),
        ("other", &alice, 404),
        ("uri", &alice, 200),
        ("call", &alice, 200),
        ("both", &alice, 404),
        ("ips", &alice, 200),
        ("ip", &alice, 404),
        ("source", &bob, 200),
        ("source", &alice, 404),
        ("port", &bob, 200),
        ("wrong", &bob, 404),
    ] {
        assert_eq!(asks(&world, agent, question), Some(expected), "{question}");
    }
    over(&world, &proxy);
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
    let (world, alice, proxy, bob) = cast(30, &script("", save, &format!("{lookup}{TELL}")));
    let carol = world.agent("carol");
    let mut cseq = 0;
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
        cseq += 1;
        registers(&bob, "bob", cseq, |register| {
            let contact = "<sip:bob@10.0.0.12:5060>;+sip.instance=\"<urn:uuid:1>\"";
            replaced(register, "Contact", contact)
        });
        registered(&world, &carol, "bob", cseq);
        assert_eq!(asks(&world, &alice, question), Some(expected), "{question}");
        registers(&alice, "bob", cseq, |register| without(register, "Contact"));
        world.settle();
        assert_eq!(listed(&alice).len(), left, "{question}");
    }
    over(&world, &proxy);
}

// spec/modules.md §12: `attr_avp`.
#[test]
fn a_script_keeps_something_with_a_binding() {
    let settings = r#"modparam("registrar", "attr_avp", "$avp(attr)")"#;
    let save = r#"$avp(attr) = "from " + $si; save("location");"#;
    let lookup = r#"lookup("location"); append_hf("X-Attr: $avp(attr)\r\n");"#;
    let (world, alice, proxy, bob) = cast(31, &script(settings, save, lookup));
    registered(&world, &bob, "bob", 1);
    alice.invite_uri(BOB);
    bob.rejects(486);
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Attr"), "from 10.0.0.12");
    over(&world, &proxy);
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
    let (world, alice, proxy, bob) = cast(32, &script("", SAVE, &format!("{lookup}{TELL}")));
    registered(&world, &bob, "bob", 1);
    for (question, expected) in [
        ("get", 404),
        ("add", 200),
        ("get", 200),
        ("nobody", 404),
        ("del", 200),
        ("del", 404),
        ("get", 404),
    ] {
        assert_eq!(asks(&world, &alice, question), Some(expected), "{question}");
    }
    over(&world, &proxy);
}

// --- In front of another registrar ------------------------------------------------------------

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
    let (world, alice, proxy, bob) = cast(33, &in_front("", ""));
    let main = world.agent("main");
    main.manual();
    let grants = |cseq: u32, expires: &str, contacts: &str| {
        registers(&bob, "bob", cseq, |register| register.with("Expires", expires));
        assert!(world.run_until(Duration::from_secs(2), || main.owes("REGISTER")));
        main.replies_with("REGISTER", 200, |reply| {
            let reply = without(reply, "Contact");
            if contacts.is_empty() { reply } else { reply.with("Contact", contacts) }
        });
        world.settle();
        shown(&bob, "200", "X-Saved")
    };
    // Another phone of the user is none of our business.
    let both = "<sip:other@192.0.2.7>;expires=50, <sip:bob@10.0.0.12:5060>;expires=120";
    assert_eq!(grants(1, "3600", both), "1");
    alice.invite_uri(BOB);
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    world.run_for(Duration::from_secs(120));
    alice.invite_uri(BOB);
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    // What is not listed is not bound.
    assert_eq!(grants(2, "3600", "<sip:bob@10.0.0.12:5060>;expires=600"), "1");
    assert_eq!(grants(3, "0", ""), "1");
    assert_eq!(users(&proxy), 0);
    // A refusal changes nothing.
    registers(&bob, "bob", 4, |register| register);
    assert!(world.run_until(Duration::from_secs(2), || main.owes("REGISTER")));
    main.replies_to("REGISTER", 403);
    world.settle();
    assert_eq!(shown(&bob, "403", "X-Saved"), "-1");
    assert_eq!(users(&proxy), 0);
    over(&world, &proxy);
}

// spec/modules.md §12: `mcontact_avp`.
#[test]
fn a_contact_that_was_changed_on_the_way_is_found_again() {
    let settings = r#"
        modparam("registrar", "mcontact_avp", "$avp(sent)")
        modparam("tm", "onreply_avp_mode", 1)
    "#;
    let changes = r#"$avp(sent) = "sip:bob@10.0.0.1:5060";"#;
    let (world, alice, proxy, bob) = cast(34, &in_front(settings, changes));
    let main = world.agent("main");
    main.manual();
    registers(&bob, "bob", 1, |register| register);
    assert!(world.run_until(Duration::from_secs(2), || main.owes("REGISTER")));
    main.replies_with("REGISTER", 200, |reply| {
        without(reply, "Contact").with("Contact", "<sip:bob@10.0.0.1:5060>;expires=120")
    });
    world.settle();
    assert_eq!(users(&proxy), 1);
    alice.invite_uri(BOB);
    bob.rejects(486);
    world.settle();
    assert_eq!(bob.last("INVITE").uri(), Some("sip:bob@10.0.0.12:5060"));
    over(&world, &proxy);
}

// --- Scripts that are refused -----------------------------------------------------------------

fn refusal(script: &str) -> String {
    let plan = duologue::Plan::load(
        world::NAME,
        &world::Text(script),
        &[],
        duologue::Overrides::default(),
    );
    match plan.and_then(|plan| {
        let sockets = plan.sockets()?;
        plan.build(sockets, 1, duologue::sip::Moment::default(), 7)
    }) {
        Ok(_) => "(it starts)".to_owned(),
        Err(error) => error.to_string(),
    }
}

// spec/modules.md §13: the modes with a database are known, and not built.
#[test]
fn modes_that_are_not_built_are_refused_with_the_reason() {
    for (parameter, value) in [
        ("working_mode_preset", "\"single-instance-sql-write-through\""),
        ("working_mode_preset", "\"full-sharing-cluster\""),
        ("cluster_mode", "\"federation-cachedb\""),
        ("restart_persistency", "\"load-from-sql\""),
        ("sql_write_mode", "\"write-back\""),
        ("db_mode", "2"),
        ("location_cluster", "1"),
    ] {
        let settings = format!("modparam(\"usrloc\", \"{parameter}\", {value})");
        let refused = refusal(&script(&settings, SAVE, LOOKUP));
        assert!(refused.contains("module usrloc: "), "{refused}");
        assert!(refused.contains("not built yet"), "{refused}");
        assert!(refused.contains(parameter), "{refused}");
    }
    for (parameter, value) in [
        ("working_mode_preset", "\"single-instance-no-db\""),
        ("cluster_mode", "\"none\""),
        ("restart_persistency", "\"none\""),
        ("sql_write_mode", "\"none\""),
        ("db_mode", "0"),
        ("db_url", "\"mysql://localhost/opensips\""),
        ("matching_mode", "1"),
        ("matching_mode", "\"rinstance\""),
    ] {
        let settings = format!("modparam(\"usrloc\", \"{parameter}\", {value})");
        assert_eq!(refusal(&script(&settings, SAVE, LOOKUP)), "(it starts)", "{parameter}");
    }
}

#[test]
fn mistakes_are_found_when_the_script_loads() {
    for (settings, save, lookup, says) in [
        ("", r#"save("location", "no-replay");"#, "", "flags of save() are"),
        ("", r#"save("location", "", "", "tag");"#, "", "owner_tag"),
        ("", SAVE, r#"lookup("location", "x");"#, "flags of lookup() are"),
        ("", SAVE, r#"remove_ip_port("host", 5060, "location");"#, "is no IP address"),
        (r#"modparam("registrar", "default_q", 1001)"#, SAVE, "", "default_q"),
        (r#"modparam("registrar", "received_avp", "rcv")"#, SAVE, "", "$avp(name)"),
        (r#"modparam("registrar", "disable_gruu", 0)"#, SAVE, "", "GRUU is not built yet"),
        (r#"modparam("registrar", "pn_enable", 1)"#, SAVE, "", "not built yet"),
        (r#"modparam("registrar", "max_expires", 10)"#, SAVE, "", "below min_expires"),
        (r#"modparam("usrloc", "matching_mode", 2)"#, SAVE, "", "matching_mode"),
        (r#"modparam("usrloc", "working_mode_preset", "fast")"#, SAVE, "", "single-instance-no-db"),
    ] {
        let refused = refusal(&script(settings, save, lookup));
        assert!(refused.contains(says), "{says}: {refused}");
    }
    let alone = script_to("loadmodule \"registrar.so\"", "save(\"location\");", "");
    assert!(refusal(&alone).contains("does not load module usrloc"));
}
