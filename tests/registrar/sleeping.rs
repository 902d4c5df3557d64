//! Phones that sleep are woken by push notifications (RFC 8599; spec/modules.md §12, `pn_*`).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::server::events::Raised;
use duologue::{Overrides, Plan};
use duologue_testkit::{CallState, Message};
use serde_json::Value;

use crate::office::{BOB, Office, SAVE, replaced, script};
use crate::world::{NAME, Text};

const SETTINGS: &str = r#"
    modparam("registrar", "pn_enable", 1)
    modparam("registrar", "pn_providers", "apns, fcm")
"#;

/// As an operator writes it: with nobody awake, the call waits by itself.
const LOOKUP: &str = r#"
    lookup("location");
    switch ($retcode) {
        case 1: break;
        case 2: exit;
        default: send_reply(404, "Not Found"); exit;
    }
"#;

fn sleeping(more: &str) -> String {
    script(&format!("{SETTINGS}{more}"), SAVE, LOOKUP)
}

/// A Contact of bob's phone, wherever it is now.
fn contact(register: Message, uri: &str) -> Message {
    replaced(register, "Contact", &format!("<{uri}>"))
}

const ASLEEP: &str = "sip:bob@10.0.0.12:5060;pn-provider=fcm;pn-prid=token;pn-param=app";

/// What was to be sent as notifications, each with why.
#[derive(Clone, Default)]
struct Pushed(Arc<Mutex<Vec<Value>>>);

impl Pushed {
    fn of(office: &Office) -> Self {
        let pushed = Self::default();
        let all = pushed.0.clone();
        let take = move |raised: &Arc<Raised>| {
            all.lock().unwrap().push(serde_json::from_str(raised.json()).unwrap());
        };
        let events = office.proxy.borrow().node.events.clone();
        events.subscribe("E_UL_CONTACT_REFRESH", "module:test", take).unwrap();
        pushed
    }

    fn reasons(&self) -> Vec<String> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        all.iter().map(|event| event["params"]["reason"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_call_waits_for_a_sleeping_phone() {
    let office = Office::of(80, &sleeping(""));
    let (pushed, alice, bob) = (Pushed::of(&office), &office.alice, &office.bob);
    bob.tries_with(|register| contact(register, ASLEEP));
    assert_eq!(bob.answer().list("Feature-Caps"), [r#"*;+sip.pns="fcm""#]);
    office.run_for(Duration::from_secs(60));
    assert!(pushed.reasons().is_empty());
    alice.invite_uri(BOB);
    office.run_for(Duration::from_secs(2));
    assert_eq!(bob.count("INVITE"), 0, "it sleeps");
    let told = pushed.0.lock().unwrap()[0]["params"].clone();
    assert_eq!(told["uri"], ASLEEP);
    assert_eq!((&told["domain"], &told["aor"]), (&"location".into(), &"bob".into()));
    assert_eq!(told["req_callid"], *alice.call_id());
    assert_eq!(pushed.reasons(), ["ini-INVITE"]);
    // It wakes in another network, and is the same phone.
    let elsewhere = ASLEEP.replace(":5060", ":5060;moved=1");
    bob.sends_register("bob", |register| contact(register, &elsewhere));
    office.run_for(Duration::from_secs(1));
    assert_eq!(bob.last("INVITE").uri(), Some(&*elsewhere));
    assert!(bob.last("INVITE").header("Record-Route").is_some());
    bob.answers();
    office.run_for(Duration::from_secs(1));
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(
        office.usrloc(|it| it.location().unwrap().table("location").unwrap().statistics().contacts),
        1
    );
    alice.hangs_up();
    office.over();
}

#[test]
fn a_phone_that_sleeps_on_is_given_up() {
    let office = Office::of(81, &sleeping(r#"modparam("registrar", "pn_refresh_timeout", 8)"#));
    let (alice, bob) = (&office.alice, &office.bob);
    bob.tries_with(|register| contact(register, ASLEEP));
    alice.invite_uri(BOB);
    office.run_for(Duration::from_secs(7));
    assert_eq!(alice.final_status(), None);
    office.run_for(Duration::from_secs(2));
    assert_eq!(alice.final_status(), Some(408));
    assert_eq!(bob.count("INVITE"), 0);
    // Who wakes too late finds nobody who waits.
    bob.tries_with(|register| contact(register, ASLEEP));
    assert_eq!((bob.status(), bob.count("INVITE")), (200, 0));
    office.over();
}

// The desk phone rings at once, the sleeping one as soon as it can.
#[test]
fn phones_that_are_awake_do_not_wait() {
    let office = Office::of(82, &sleeping(""));
    let (pushed, alice, bob) = (Pushed::of(&office), &office.alice, &office.bob);
    let carol = office.phone("carol");
    carol.registers();
    bob.tries_with(|register| contact(register, ASLEEP));
    alice.invite_uri(BOB);
    carol.rejects(486);
    office.run_for(Duration::from_secs(3));
    assert_eq!((carol.count("INVITE"), bob.count("INVITE")), (1, 0));
    assert_eq!((pushed.reasons(), alice.final_status()), (vec!["ini-INVITE".to_owned()], None));
    bob.sends_register("bob", |register| contact(register, ASLEEP));
    bob.rings();
    office.run_for(Duration::from_secs(1));
    assert_eq!(bob.count("INVITE"), 1);
    bob.answers();
    office.run_for(Duration::from_secs(1));
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    office.over();
}

// Phones of several users, of whom the first to wake is busy: the call still waits for the others.
#[test]
fn the_first_user_who_wakes_is_not_the_last() {
    let lookup = r#"
        append_branch("sip:carol@10.0.0.1");
        lookup("location", "branch");
        if ($retcode == 2) exit;
    "#;
    let office = Office::of(89, &script(SETTINGS, SAVE, lookup));
    let (pushed, alice, bob) = (Pushed::of(&office), &office.alice, &office.bob);
    let carol = office.phone("carol");
    let hers = ASLEEP.replace("bob@10.0.0.12", "carol@10.0.0.13").replace("token", "hers");
    bob.tries_with(|register| contact(register, ASLEEP));
    carol.tries_as("carol", |register| contact(register, &hers));
    alice.invite_uri(BOB);
    office.run_for(Duration::from_secs(1));
    assert_eq!(pushed.reasons().len(), 2);
    bob.sends_register("bob", |register| contact(register, ASLEEP));
    bob.rejects(486);
    office.run_for(Duration::from_secs(1));
    assert_eq!((bob.count("INVITE"), alice.final_status()), (1, None));
    carol.sends_register("carol", |register| contact(register, &hers));
    carol.answers();
    office.run_for(Duration::from_secs(1));
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    office.over();
}

#[test]
fn a_caller_who_hangs_up_meanwhile_wakes_nobody_for_long() {
    let office = Office::of(83, &sleeping(""));
    let (alice, bob) = (&office.alice, &office.bob);
    bob.tries_with(|register| contact(register, ASLEEP));
    alice.invite_uri(BOB);
    office.run_for(Duration::from_secs(1));
    alice.cancels();
    office.run_for(Duration::from_secs(1));
    assert_eq!(alice.final_status(), Some(487));
    bob.tries_with(|register| contact(register, ASLEEP));
    assert_eq!(bob.count("INVITE"), 0);
    office.over();
}

// `pn_skip_pn_interval`: who has just registered is awake.
#[test]
fn a_fresh_registration_needs_no_push() {
    let office = Office::of(84, &sleeping(r#"modparam("registrar", "pn_skip_pn_interval", 30)"#));
    let (pushed, bob) = (Pushed::of(&office), &office.bob);
    bob.tries_with(|register| contact(register, ASLEEP));
    office.run_for(Duration::from_secs(20));
    office.calls(BOB, bob);
    assert_eq!((bob.count("INVITE"), pushed.reasons().len()), (1, 0));
    office.run_for(Duration::from_secs(20));
    office.alice.invite_uri(BOB);
    office.run_for(Duration::from_secs(1));
    assert_eq!((bob.count("INVITE"), pushed.reasons().len()), (1, 1));
    office.over();
}

// `pn_trigger_interval`: before its binding ends a phone is woken to renew it.
#[test]
fn a_phone_is_woken_before_its_binding_ends() {
    let office = Office::of(85, &sleeping(r#"modparam("registrar", "pn_trigger_interval", 100)"#));
    let (pushed, bob) = (Pushed::of(&office), &office.bob);
    let register = |expires: &'static str| {
        bob.tries_with(move |register| contact(register, ASLEEP).with("Expires", expires));
    };
    register("600");
    office.run_for(Duration::from_secs(495));
    assert!(pushed.reasons().is_empty());
    office.run_for(Duration::from_secs(10));
    assert_eq!(pushed.reasons(), ["reg-refresh"]);
    register("600");
    office.run_for(Duration::from_secs(490));
    assert!(pushed.reasons().is_empty(), "it has just renewed it");
    office.run_for(Duration::from_secs(300));
    assert_eq!(pushed.reasons(), ["reg-refresh"], "once");
    assert_eq!(office.users(), 0);
    office.over();
}

// RFC 8599 §4.1, §5.3.2, §6: who asks is told; who cannot be woken is refused.
#[test]
fn phones_learn_what_there_is() {
    let office = Office::of(
        86,
        &sleeping(
            r#"
        modparam("registrar", "pn_pnsreg_interval", 200)
        modparam("registrar", "pn_enable_purr", 1)
    "#,
        ),
    );
    let bob = &office.bob;
    bob.tries_with(|register| contact(register, "sip:bob@10.0.0.12:5060;pn-provider"));
    let caps = bob.answer();
    assert_eq!(caps.list("Feature-Caps"), [r#"*;+sip.pns="apns""#, r#"*;+sip.pns="fcm""#]);
    bob.tries_with(|register| replaced(register, "Contact", &format!("<{ASLEEP}>;+sip.pnsreg")));
    let caps = bob.answer().header("Feature-Caps").unwrap().to_owned();
    assert!(caps.starts_with(r#"*;+sip.pns="fcm";+sip.pnsreg="200";+sip.pnspurr=""#), "{caps}");
    bob.tries_with(|register| contact(register, &ASLEEP.replace("fcm", "pigeon")));
    assert_eq!((bob.status(), &*bob.error()), (555, "The push service is not supported"));
    // Who says nothing of it is a phone as any other.
    bob.registers();
    assert_eq!(bob.answer().header("Feature-Caps"), None);
    office.over();
}

// `pn_process_purr()`: a request within the call waits until the phone is awake (RFC 8599 §6).
#[test]
fn a_request_within_a_dialog_wakes_the_phone() {
    let within = r#"
        if (is_method("BYE") && $ru =~ "pn-purr=")
            async(pn_process_purr("location"), awake);
    "#;
    let rest = r#"route[awake] { append_hf("X-Awake: $rc\r\n"); t_relay(); }"#;
    let settings = format!("{SETTINGS}\nmodparam(\"registrar\", \"pn_enable_purr\", 1)");
    let script = script(&settings, SAVE, LOOKUP)
        .replace("route[within] { return; }", &format!("route[within] {{ {within} }}\n{rest}"));
    let office = Office::of(87, &script);
    let (pushed, alice, bob) = (Pushed::of(&office), &office.alice, &office.bob);
    bob.tries_with(|register| contact(register, ASLEEP));
    let caps = bob.answer().header("Feature-Caps").unwrap().to_owned();
    let purr = caps.split("pnspurr=\"").nth(1).unwrap().trim_end_matches('"').to_owned();
    alice.invite_uri(BOB);
    office.run_for(Duration::from_secs(1));
    bob.sends_register("bob", |register| contact(register, ASLEEP));
    bob.replies_with("INVITE", 200, |reply| {
        replaced(reply, "Contact", &format!("<sip:bob@10.0.0.12:5060;pn-purr={purr}>"))
    });
    office.run_for(Duration::from_secs(60));
    assert_eq!(alice.state(), CallState::Talking);
    pushed.reasons();
    alice.hangs_up_now();
    office.run_for(Duration::from_secs(2));
    assert_eq!((bob.count("BYE"), pushed.reasons()), (0, vec!["mid-BYE".to_owned()]));
    bob.sends_register("bob", |register| contact(register, ASLEEP));
    office.run_for(Duration::from_secs(1));
    assert_eq!(bob.last("BYE").header("X-Awake"), Some("1"));
    office.over();
}

// A phone's name that we did not give names nobody.
#[test]
fn a_made_up_name_wakes_nobody() {
    let lookup = r#"
        if ($rU == "bob") { $ru = "sip:bob@10.0.0.12:5060;pn-purr=00000000000000010000000000000002"; }
        async(pn_process_purr("location"), told);
    "#;
    let rest = r#"route[told] { append_to_reply("X-Told: $rc\r\n"); t_reply(404, "Not Found"); }"#;
    let settings = format!("{SETTINGS}\nmodparam(\"registrar\", \"pn_enable_purr\", 1)");
    let office = Office::of(88, &format!("{}\n{rest}", script(&settings, SAVE, lookup)));
    let pushed = Pushed::of(&office);
    office.bob.tries_with(|register| contact(register, ASLEEP));
    office.finds_nobody(BOB);
    assert_eq!(office.alice.last("404").header("X-Told"), Some("-1"));
    assert!(pushed.reasons().is_empty());
    office.over();
}

#[test]
fn wrong_parameters_are_told() {
    let refused = |settings: &str| {
        let script = script(settings, SAVE, LOOKUP);
        Plan::load(NAME, &Text(&script), &[], Overrides::default()).unwrap_err().to_string()
    };
    let on = r#"modparam("registrar", "pn_enable", 1)"#;
    assert!(refused(on).contains("pn_enable needs pn_providers"));
    let none = format!(r#"{SETTINGS} modparam("registrar", "pn_ct_match_params", " ")"#);
    assert!(refused(&none).contains("pn_ct_match_params names no parameter"));
    let long = format!(r#"{SETTINGS} modparam("registrar", "pn_refresh_timeout", 181)"#);
    assert!(refused(&long).contains("pn_refresh_timeout"));
}
