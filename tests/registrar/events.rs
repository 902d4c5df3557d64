//! What happens to users is told by events (spec/modules.md §13).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::server::events::Raised;
use duologue_testkit::UNIX_AT_START;
use serde_json::Value;

use crate::office::{LOOKUP, Office, replaced, script};

/// What a subscriber to all events of users heard, each as its JSON-RPC document.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Value>>>);

impl Heard {
    fn of(office: &Office) -> Self {
        let heard = Self::default();
        for event in [
            "AOR_INSERT",
            "AOR_DELETE",
            "CONTACT_INSERT",
            "CONTACT_DELETE",
            "CONTACT_UPDATE",
            "LATENCY_UPDATE",
        ] {
            let all = heard.clone();
            let take = move |raised: &Arc<Raised>| {
                all.0.lock().unwrap().push(serde_json::from_str(raised.json()).unwrap());
            };
            let events = office.proxy.borrow().node.events.clone();
            events.subscribe(&format!("E_UL_{event}"), "module:test", take).unwrap();
        }
        heard
    }

    /// What was heard since the last time: names, and the documents.
    fn take(&self) -> (Vec<String>, Vec<Value>) {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        let name = |event: &Value| event["method"].as_str().unwrap().to_owned();
        (all.iter().map(name).collect(), all)
    }
}

#[test]
fn a_registration_is_told_from_its_beginning_to_its_end() {
    let settings = r#"
        modparam("usrloc", "nat_bflag", "NAT")
        modparam("registrar", "received_avp", "$avp(rcv)")
        modparam("registrar", "attr_avp", "$avp(attr)")
    "#;
    let save = r#"
        $avp(rcv) = "sip:" + $si + ":" + $sp;
        $avp(attr) = "desk";
        setbflag("NAT");
        save("location", "path-lazy");
    "#;
    let office = Office::of(60, &script(settings, save, LOOKUP));
    let (heard, bob) = (Heard::of(&office), &office.bob);
    let register = |expires: &'static str| {
        bob.tries_with(move |register| {
            replaced(register, "Contact", "<sip:bob@192.168.0.2>;q=0.5")
                .with("Expires", expires)
                .with("User-Agent", "phone 1")
                .with("Path", "<sip:edge.example.com;lr>")
        });
    };
    register("90");
    let (names, all) = heard.take();
    assert_eq!(names, ["E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT"]);
    assert_eq!(all[0]["params"].to_string(), r#"{"domain":"location","aor":"bob"}"#);
    let bflags = office.usrloc(|usrloc| usrloc.nat_mask());
    let told = |expires: u64, cseq: u32| {
        format!(
            r#"{{"domain":"location","aor":"bob","uri":"sip:bob@192.168.0.2","received":"sip:10.0.0.12:5060","path":"<sip:edge.example.com;lr>","qval":500,"user_agent":"phone 1","socket":"udp:10.0.0.1:5060","bflags":{bflags},"expires":{expires},"callid":"registration-of-bob","cseq":{cseq},"attr":"desk","latency":0,"shtag":""}}"#
        )
    };
    let ends = |event: &Value| event["params"]["expires"].as_u64().unwrap() - UNIX_AT_START;
    let begun = ends(&all[1]);
    assert!((90..93).contains(&begun), "{begun}");
    assert_eq!(all[1]["params"].to_string(), told(UNIX_AT_START + begun, 1), "in this order");

    office.run_for(Duration::from_secs(30));
    register("90");
    let (names, all) = heard.take();
    assert_eq!(names, ["E_UL_CONTACT_UPDATE"]);
    let then = ends(&all[0]);
    assert!(then >= begun + 30, "{then}");
    assert_eq!(all[0]["params"].to_string(), told(UNIX_AT_START + then, 2));

    office.run_for(Duration::from_secs(200));
    let (names, all) = heard.take();
    assert_eq!(names, ["E_UL_CONTACT_DELETE", "E_UL_AOR_DELETE"]);
    let last = told(UNIX_AT_START + then, 2);
    assert_eq!(all[0]["params"].to_string(), last, "as it stood last");
    assert_eq!(all[1]["params"].to_string(), r#"{"domain":"location","aor":"bob"}"#);
    office.over();
}

#[test]
fn what_changes_nothing_is_not_told() {
    let office = Office::of(61, &crate::office::plain());
    let (heard, bob) = (Heard::of(&office), &office.bob);
    let carol = office.phone("carol");
    bob.registers();
    carol.registers();
    assert_eq!(
        heard.take().0,
        ["E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_INSERT"],
        "a second phone is no second user"
    );
    bob.counts_from(1);
    bob.tries();
    assert_eq!(bob.status(), 200, "a repetition");
    bob.tries_with(|register| crate::office::without(register, "Contact"));
    bob.counts_from(0);
    bob.tries();
    assert_eq!(bob.status(), 400, "an old one");
    assert!(heard.take().0.is_empty());
    office.over();
}

// A ping was answered: told for itself, since the binding is what it was.
#[test]
fn a_measured_latency_is_told() {
    let office = Office::of(62, &crate::office::plain());
    let heard = Heard::of(&office);
    office.bob.registers();
    heard.take();
    office.usrloc(|usrloc| {
        let table = usrloc.location().and_then(|all| all.table("location")).unwrap();
        let id = table.user(b"bob").unwrap().contacts[0].id;
        assert!(table.set_latency(b"bob", id, 4200));
        assert!(!table.set_latency(b"nobody", id, 1));
    });
    let (names, all) = heard.take();
    assert_eq!(names, ["E_UL_LATENCY_UPDATE"]);
    assert_eq!(all[0]["params"]["latency"], 4200);
    assert_eq!(all[0]["params"]["uri"], "sip:bob@10.0.0.12:5060");
    office.over();
}

// As the documentation of event routes has it: the script hears, too.
#[test]
fn a_script_hears_of_its_users() {
    let rest = r#"event_route[E_UL_AOR_INSERT] { $shv(who) = $param(aor); }"#;
    let settings = r#"loadmodule "cfgutils.so""#;
    let lookup = r#"append_hf("X-Who: $shv(who)\r\n"); lookup("location");"#;
    let script = format!("{}\n{rest}", script(settings, "save(\"location\");", lookup));
    let office = Office::of(63, &script);
    office.bob.registers();
    office.calls(crate::office::BOB, &office.bob);
    assert_eq!(crate::office::shown(&office.bob, "INVITE", "X-Who"), "bob");
    office.over();
}
