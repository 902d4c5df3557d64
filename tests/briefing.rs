//! `dialog:briefing` and `dialog:end`: columns and filters of dialogs, and ending those that are
//! meant (lessons 5, spec/dialog.md §7, §13).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::time::Duration;

use duologue_testkit::{Agent, CallState, Served, World};
use serde_json::{Value, json};
use world::operator::{asked, error, result};
use world::{Proxy, answered, cast, forgotten, script_to};

const SETTINGS: &str = "modparam(\"dialog\", \"profiles_with_value\", \"user\")";

const TARGETS: &str = r#"
    set_dlg_profile("user", "$rU");
    $dlg_val(who) = $fU;
    $dlg_val(number) = 7;
"#;

/// Alice has talked with bob for a minute; carol's call to bob rings.
fn two_calls(seed: u64) -> (World, Agent, Served<Proxy>, Agent, Agent) {
    let (world, alice, proxy, bob) = cast(seed, &script_to(SETTINGS, TARGETS, ""));
    answered(&world, &alice, &bob);
    world.run_for(Duration::from_secs(59));
    let carol = world.agent("carol");
    carol.invite(&bob);
    bob.rings();
    world.settle();
    (world, alice, proxy, bob, carol)
}

fn over(world: &World, proxy: &Served<Proxy>, alice: &Agent, carol: &Agent) {
    for caller in [alice, carol] {
        if caller.state() == CallState::Talking {
            caller.hangs_up();
        }
    }
    if carol.state() != CallState::Ended {
        carol.cancels();
    }
    forgotten(world, proxy);
}

/// The value of a column in each row.
fn column(answer: &Value, name: &str) -> Vec<Value> {
    answer["Dialogs"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

#[test]
fn a_briefing_tells_the_usual_columns() {
    let (world, alice, proxy, bob, carol) = two_calls(1);
    let mut answer = result(&world, &proxy, "dialog:briefing", json!({}));
    answer["Dialogs"].as_array_mut().unwrap().sort_by_key(|row| row["age"].as_u64());
    let did = answer["Dialogs"][1]["id"].clone();
    assert!(did.as_str().is_some_and(|did| did.contains('.')));
    assert_eq!(
        answer["Dialogs"][1].to_string(),
        json!({
            "id": did,
            "state": "confirmed",
            "callid": alice.call_id(),
            "from_uri": "sip:alice@10.0.0.11:5060",
            "to_uri": bob.uri(),
            "age": 60,
        })
        .to_string(),
        "in this order"
    );
    assert_eq!(answer["Dialogs"][0]["state"], "early");
    assert_eq!(answer["Dialogs"][0]["age"], 0);
    assert_eq!(answer["cursor"], Value::Null);
    over(&world, &proxy, &alice, &carol);
}

#[test]
fn every_column_can_be_had() {
    let (world, alice, proxy, bob, carol) = two_calls(2);
    let columns = "db_id, from_tag, to_tag, start, timeout, talking, left, caller_contact, \
                   callee_contact, flags, legs, values, profiles, end_reason";
    let params = json!({ "callid": alice.call_id(), "columns": columns });
    let answer = result(&world, &proxy, "dlg_briefing", params);
    let row = &answer["Dialogs"][0];
    let start = row["start"].as_u64().unwrap();
    assert_eq!(
        row.to_string(),
        json!({
            "db_id": row["db_id"],
            "from_tag": row["from_tag"],
            "to_tag": row["to_tag"],
            "start": start,
            "timeout": start + 43_200,
            "talking": 60,
            "left": 43_140,
            "caller_contact": alice.uri(),
            "callee_contact": bob.uri(),
            "flags": "",
            "legs": 2,
            "values": [{ "number": 7 }, { "who": "alice" }],
            "profiles": [{ "user": "bob" }],
            "end_reason": null,
        })
        .to_string()
    );
    over(&world, &proxy, &alice, &carol);
}

#[test]
fn filters_say_which_dialogs_are_meant() {
    let (world, alice, proxy, _, carol) = two_calls(3);
    let (alices, carols) = (alice.call_id(), carol.call_id());
    let none: &[&str] = &[];
    for (filter, meant) in [
        (json!({ "state": "confirmed" }), &[&*alices][..]),
        (json!({ "state": 2 }), &[&*carols]),
        (json!({ "state": "early,confirmed", "min_age": 30 }), &[&*alices]),
        (json!({ "state": ["unconfirmed", "5"] }), none),
        (json!({ "max_age": 59 }), &[&*carols]),
        (json!({ "min_age": 61 }), none),
        (json!({ "callid": carols }), &[&*carols]),
        (json!({ "callid": "nobody's" }), none),
        (json!({ "profile": "user", "profile_value": "alice" }), none),
        (json!({ "profile": "user", "profile_value": "bob", "max_age": 1 }), &[&*carols]),
        (json!({ "profile": "unknown" }), none),
        (json!({ "value": "who=carol" }), &[&*carols]),
        (json!({ "value": "number=7", "state": "confirmed" }), &[&*alices]),
        (json!({ "value": "nothing" }), none),
        (json!({ "value": "who", "min_age": 1 }), &[&*alices]),
    ] {
        let answer = result(&world, &proxy, "dialog:briefing", filter.clone());
        assert_eq!(column(&answer, "callid"), meant, "{filter}");
        let mut counted = filter.clone();
        counted["count"] = json!(1);
        let answer = result(&world, &proxy, "dialog:briefing", counted);
        assert_eq!(answer, json!({ "count": meant.len() }), "{filter}");
    }
    over(&world, &proxy, &alice, &carol);
}

#[test]
fn a_long_list_is_read_page_by_page() {
    let (world, alice, proxy, bob) = cast(4, &script_to(SETTINGS, TARGETS, ""));
    bob.answers_always();
    for _ in 0..7 {
        alice.invite(&bob);
        world.settle();
    }
    let (mut ids, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let mut params = json!({ "columns": ["id"], "limit": 3 });
        if !cursor.is_null() {
            params["cursor"] = cursor;
        }
        let answer = result(&world, &proxy, "dialog:briefing", params);
        ids.extend(column(&answer, "id").into_iter().map(|id| id.to_string()));
        pages += 1;
        cursor = answer["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), pages), (7, 3), "each once");
    let ended = result(&world, &proxy, "dialog:end", json!({ "all": 1 }));
    assert_eq!(ended["count"], 7);
    world.settle();
    assert_eq!((alice.count("BYE"), bob.count("BYE")), (7, 7));
    forgotten(&world, &proxy);
}

#[test]
fn the_dialogs_that_are_meant_end_with_a_result_for_each() {
    let (world, alice, proxy, bob, carol) = two_calls(5);
    let both = json!({ "value": "number=7", "reason": "fraud", "extra_hdrs": "X-Why: fraud" });
    let mut answer = result(&world, &proxy, "dialog:end", both);
    answer["Dialogs"].as_array_mut().unwrap().sort_by_key(|row| row["result"].to_string());
    assert_eq!(column(&answer, "result"), ["cancelling", "ending"]);
    assert_eq!(column(&answer, "callid"), [carol.call_id(), alice.call_id()]);
    assert_eq!(answer["count"], 2);
    world.settle();
    assert_eq!((alice.state(), carol.state()), (CallState::Ended, CallState::Failed(487)));
    assert_eq!(bob.last("BYE").header("X-Why"), Some("fraud"));
    let none = result(&world, &proxy, "dialog:end", json!({ "state": "confirmed" }));
    assert_eq!(none, json!({ "count": 0, "Dialogs": [] }));
    forgotten(&world, &proxy);
}

// §7: who is told is chosen
#[test]
fn a_mode_says_who_gets_a_bye() {
    for (mode, byes) in
        [("both", (1, 1)), ("caller", (1, 0)), ("callee", (0, 1)), ("silent", (0, 0))]
    {
        let (world, alice, proxy, bob) = cast(6, &script_to(SETTINGS, TARGETS, ""));
        answered(&world, &alice, &bob);
        let params = json!({ "id": alice.call_id(), "mode": mode });
        let answer = result(&world, &proxy, "dialog:end", params);
        assert_eq!(column(&answer, "result"), ["ending"]);
        world.settle();
        assert_eq!((alice.count("BYE"), bob.count("BYE")), byes, "{mode}");
        let active = proxy.borrow().node.dialogs.statistics().active_dialogs;
        assert_eq!(active, 0, "{mode}");
    }
}

#[test]
fn wrong_parameters_are_told() {
    let (world, alice, proxy, _, carol) = two_calls(7);
    let told = |command: &str, params: Value| {
        let reply = asked(&world, &proxy, command, params);
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
        reply["error"]["data"].as_str().unwrap().to_owned()
    };
    for (command, params, data) in [
        ("dialog:briefing", json!({ "colour": 1 }), "Unknown parameter 'colour'"),
        ("dialog:briefing", json!(["early"]), "Command only supports named parameters"),
        (
            "dialog:briefing",
            json!({ "state": "busy" }),
            "No state 'busy'; there are unconfirmed, early, confirmed_na, confirmed, deleted",
        ),
        ("dialog:briefing", json!({ "cursor": "x" }), "'cursor' is none that a briefing gave"),
        ("dialog:briefing", json!({ "min_age": -1 }), "Bad type for parameter 'min_age'"),
        ("dialog:briefing", json!({ "profile_value": "x" }), "'profile_value' needs 'profile'"),
        ("dialog:end", json!({}), "Name the dialogs by a filter, or say 'all' = 1"),
        (
            "dialog:end",
            json!({ "id": "x", "state": "early" }),
            "'id' names one dialog: no filters beside it",
        ),
        (
            "dialog:end",
            json!({ "mode": "nicely", "all": 1 }),
            "No mode 'nicely'; there are both, caller, callee, silent",
        ),
    ] {
        assert_eq!(told(command, params), data);
    }
    assert!(told("dialog:briefing", json!({ "columns": "id,sex" })).starts_with("No column 'sex'"));
    let gone = error(&world, &proxy, "dialog:end", json!({ "id": "nobody's" }));
    assert_eq!(gone, (404, "Requested Dialog not found".to_owned()));
    let bad = error(&world, &proxy, "dialog:end", json!({ "all": 1, "extra_hdrs": "nonsense" }));
    assert_eq!(bad, (400, "Bad param".to_owned()));
    assert_eq!(alice.state(), CallState::Talking, "nothing ended");
    over(&world, &proxy, &alice, &carol);
}
