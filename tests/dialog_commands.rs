//! The commands of the dialog module, with calls up: whole answers and each error
//! (spec/dialog.md §13).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::time::Duration;

use duologue::dialog::{Dialog, DialogEvents, Event};
use duologue_testkit::{Agent, CallState, Served, World};
use serde_json::{Value, json};
use world::operator::{asked, commands, error, result};
use world::{Proxy, answered, cast, forgotten, script_to};

const PROFILES: &str = r#"
    modparam("dialog", "profiles_with_value", "user; trunk/b; paid/s")
    modparam("dialog", "profiles_no_value", "all")
"#;

const TARGETS: &str = r#"
    set_dlg_profile("user", "$rU");
    set_dlg_profile("all");
    $dlg_val(color) = "blue";
    $dlg_val(number) = 7;
"#;

const KEPT: &str = "modparam(\"dialog\", \"keep_sdp\", \"always\")";

fn dialog(proxy: &Served<Proxy>, caller: &Agent) -> Dialog {
    let dialogs = &proxy.borrow().node.dialogs;
    dialogs.by_callid(caller.call_id().as_bytes(), None).expect("the call is tracked")
}

fn err(code: i64, message: &str) -> (i64, String) {
    (code, message.to_owned())
}

// §13: canonical names, old names, and what `which` tells of parameters
#[test]
fn every_command_has_its_names() {
    let proxy = Proxy::new(&world::plain());
    let registry = commands(&proxy.node);
    for (name, aliases) in [
        ("dialog:list", &["dlg_list"][..]),
        ("dialog:list_ctx", &["dlg_list_ctx", "list_ctx"]),
        ("dialog:end_dlg", &["dlg_end_dlg", "end_dlg"]),
        ("dialog:profile_get_size", &["profile_get_size"]),
        ("dialog:profile_list_dlgs", &["profile_list_dlgs"]),
        ("dialog:profile_get_values", &["profile_get_values"]),
        ("dialog:profile_end_dlgs", &["profile_end_dlgs"]),
        ("dialog:list_all_profiles", &["list_all_profiles"]),
        ("dialog:db_sync", &["dlg_db_sync"]),
        ("dialog:restore_db", &["dlg_restore_db"]),
        ("dialog:cluster_sync", &["dlg_cluster_sync"]),
        ("dialog:push_var", &["dlg_push_var"]),
        ("dialog:send_sequential", &["dlg_send_sequential"]),
        ("dialog:set_profile", &["dlg_set_profile", "set_dlg_profile"]),
        ("dialog:unset_profile", &["dlg_unset_profile", "unset_dlg_profile"]),
        ("dialog:briefing", &["dlg_briefing", "briefing"]),
        ("dialog:end", &[]),
    ] {
        for alias in [name].iter().chain(aliases) {
            assert_eq!(registry.find(alias).map(|command| command.name()), Ok(name), "{alias}");
        }
    }
    assert_eq!(registry.names().filter(|name| name.starts_with("dialog:")).count(), 17);
}

// §13.1: the listing of `list`, with values, profiles and what MI_CONTEXT adds
#[test]
fn a_listing_tells_the_context() {
    let (world, alice, proxy, bob) = cast(1, &script_to(PROFILES, TARGETS, ""));
    answered(&world, &alice, &bob);
    let of_call = dialog(&proxy, &alice);
    of_call.store_value("raw", vec![b'a', 0xff]).unwrap();
    of_call
        .on(DialogEvents::MI_CONTEXT, |event| {
            if let Event::MiContext(listed) = event {
                listed.context.add("billing", "on").unwrap();
                listed.context.add("legs", 2).unwrap();
                listed.context.add("billing", "twice").unwrap();
                listed.context.add("values", "mine").unwrap();
            }
        })
        .unwrap();
    let ask = |method, params| result(&world, &proxy, method, params);
    let call_id = json!({ "callid": alice.call_id() });
    let plain = ask("dlg_list", call_id.clone())["Dialog"].clone();
    let mut told = ask("dlg_list_ctx", call_id)["Dialog"].clone();
    let context = json!({
        "values": [
            // Decision D16: what is no text is told in base64 as well.
            { "raw": "a\u{fffd}", "raw_base64": "Yf8=" },
            { "number": 7 },
            { "color": "blue" },
        ],
        "profiles": [{ "all": "" }, { "user": "bob" }],
        "billing": "on",
        "legs": 2,
    });
    assert_eq!(told["context"].to_string(), context.to_string(), "in this order");
    told.as_object_mut().unwrap().remove("context");
    assert_eq!(told.to_string(), plain.to_string());

    let carol = world.agent("carol");
    bob.answers_always();
    carol.invite(&bob);
    world.settle();
    let pages =
        [json!({}), json!({ "index": 0, "counter": 1 }), json!({ "index": 1, "counter": 9 })];
    let pages = pages.map(|page| ask("dialog:list_ctx", page));
    assert_eq!(pages[0]["Dialogs"].as_array().unwrap().len(), 2);
    assert_eq!(pages[0].get("count"), None);
    for (page, at) in [(&pages[1], 0), (&pages[2], 1)] {
        assert_eq!(*page, json!({ "count": 2, "Dialogs": [pages[0]["Dialogs"][at]] }));
    }
    let from_tag = plain["caller_tag"].clone();
    let both = json!({ "callid": alice.call_id(), "from_tag": from_tag });
    assert_eq!(ask("dlg_list_ctx", both)["Dialog"]["ID"], plain["ID"]);
    let wrong = json!({ "callid": alice.call_id(), "from_tag": "x" });
    assert_eq!(error(&world, &proxy, "dlg_list_ctx", wrong), err(404, "No such dialog"));
    assert_eq!(error(&world, &proxy, "dlg_list_ctx", json!(["x"])).0, -32602, "named only");
    alice.hangs_up();
    carol.hangs_up();
    forgotten(&world, &proxy);
}

// §13.1: a dialog of which there is nothing more to tell
#[test]
fn an_empty_context_is_told_too() {
    let (world, alice, proxy, bob) = cast(2, &world::plain());
    answered(&world, &alice, &bob);
    let told = result(&world, &proxy, "dlg_list_ctx", json!([]));
    assert_eq!(told["Dialogs"][0]["context"], json!({}));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

/// Alice, carol and dave call bob.
fn three_calls(seed: u64) -> (World, [Agent; 3], Served<Proxy>, Agent) {
    let (world, alice, proxy, bob) = cast(seed, &script_to(PROFILES, TARGETS, ""));
    bob.answers_always();
    let callers = [alice, world.agent("carol"), world.agent("dave")];
    for caller in &callers {
        caller.invite(&bob);
        world.settle();
    }
    (world, callers, proxy, bob)
}

fn ids(listed: &Value) -> Vec<String> {
    let dialogs = listed["Dialogs"].as_array().unwrap().iter();
    let mut ids: Vec<_> = dialogs.map(|told| told["callid"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

// §9.3, §13, decision D14: sizes, values, members, and profiles with what they are
#[test]
fn profiles_are_told() {
    let (world, callers, proxy, _bob) = three_calls(3);
    let ask = |method, params| result(&world, &proxy, method, params);
    let fails = |method, params| error(&world, &proxy, method, params);
    let set = |caller: &Agent, profile, value| {
        let params = json!({ "dlg_id": caller.call_id(), "profile": profile, "value": value });
        assert_eq!(ask("dlg_set_profile", params), "OK");
    };
    set(&callers[0], "user", "again");
    set(&callers[0], "trunk/b", "1");
    let size = |name, value: Value, count, shared, replicated| {
        json!({ "Profile": { "name": name, "value": value, "count": count, "shared": shared,
            "replicated": replicated } })
        .to_string()
    };
    let sized = |params| ask("profile_get_size", params).to_string();
    assert_eq!(sized(json!(["user"])), size("user", Value::Null, 4, "no", "no"));
    assert_eq!(
        sized(json!({ "profile": "user", "value": "bob" })),
        size("user", "bob".into(), 3, "no", "no")
    );
    assert_eq!(sized(json!(["user", "nobody"])), size("user", "nobody".into(), 0, "no", "no"));
    assert_eq!(sized(json!(["all"])), size("all", Value::Null, 3, "no", "no"));
    // Decision D14: with and without the suffix.
    assert_eq!(sized(json!(["trunk"])), size("trunk", Value::Null, 1, "no", "yes"));
    assert_eq!(sized(json!(["paid/s"])), size("paid", Value::Null, 0, "yes", "no"));

    let mut values = ask("dialog:profile_get_values", json!(["user"]));
    values.as_array_mut().unwrap().sort_by_key(|row| row["value"].to_string());
    let expected = json!([{ "value": "again", "count": 1 }, { "value": "bob", "count": 3 }]);
    assert_eq!(values.to_string(), expected.to_string());
    assert_eq!(ask("profile_get_values", json!(["all"])), json!([{ "value": null, "count": 3 }]));
    let shared = err(405, "Unsupported command for shared profiles");
    assert_eq!(fails("profile_get_values", json!({ "profile": "paid" })), shared);

    let mut all: Vec<String> = callers.iter().map(|caller| caller.call_id()).collect();
    all.sort();
    let members = |params| ids(&ask("profile_list_dlgs", params));
    assert_eq!(members(json!(["user"])), all, "each once, whatever values it has");
    assert_eq!(members(json!(["all"])), all);
    assert_eq!(members(json!({ "profile": "user", "value": "again" })), [callers[0].call_id()]);
    assert_eq!(members(json!(["user", "nobody"])), [""; 0]);
    let listed = ask("dialog:profile_list_dlgs", json!(["user", "again"]));
    let plain = ask("dlg_list", json!({ "callid": callers[0].call_id() }));
    assert_eq!(listed, json!({ "Dialogs": [plain["Dialog"]] }), "without context");

    let profile = |name, has_value, shared, replicated| json!({ "name": name, "has value": has_value, "shared": shared, "replicated": replicated });
    let profiles = json!({ "Profiles": [
        profile("user", true, "no", "no"),
        profile("trunk", true, "no", "yes"),
        profile("paid", true, "yes", "no"),
        profile("all", false, "no", "no"),
    ] });
    assert_eq!(ask("list_all_profiles", json!([])).to_string(), profiles.to_string());
    for method in
        ["profile_get_size", "profile_list_dlgs", "profile_get_values", "profile_end_dlgs"]
    {
        for name in ["nothing", "user/x", "trunk/s", ""] {
            assert_eq!(fails(method, json!([name])), err(404, "Profile not found"), "{method}");
        }
        assert_eq!(fails(method, json!([])).0, -32602);
    }
    callers.iter().for_each(Agent::hangs_up);
    forgotten(&world, &proxy);
}

// §13: `profile_end_dlgs` ends those with the value, then all; §7: the reason
#[test]
fn the_calls_of_a_profile_are_ended() {
    let (world, callers, proxy, bob) = three_calls(4);
    let ask = |method, params| result(&world, &proxy, method, params);
    let set = json!([callers[1].call_id(), "user", "vip"]);
    assert_eq!(ask("dlg_set_profile", set), "OK");
    assert_eq!(ask("profile_end_dlgs", json!(["user", "vip"])), "OK");
    world.settle();
    let states = || callers.each_ref().map(Agent::state);
    assert_eq!(states(), [CallState::Talking, CallState::Ended, CallState::Talking]);
    assert_eq!(ask("dialog:profile_end_dlgs", json!({ "profile": "user" })), "OK");
    world.settle();
    assert_eq!((states(), bob.count("BYE")), ([CallState::Ended; 3], 3));
    assert_eq!(ask("profile_end_dlgs", json!(["all"])), "OK", "nobody is left");
    forgotten(&world, &proxy);
}

// §9.2, §13, decision D22: the dialog goes by `dlg_id` or `DID`, as did or Call-ID
#[test]
fn a_dialog_is_put_into_profiles_and_taken_out() {
    let (world, alice, proxy, bob) = cast(5, &script_to(PROFILES, "", ""));
    answered(&world, &alice, &bob);
    let ask = |method, params| result(&world, &proxy, method, params);
    let fails = |method, params| error(&world, &proxy, method, params);
    let of_call = dialog(&proxy, &alice);
    let did = of_call.id().to_string();
    let links = || {
        let links = of_call.profiles().unwrap().into_iter().rev();
        let text = |link: duologue::dialog::ProfileLink| {
            format!("{}={}", link.name, String::from_utf8_lossy(&link.value))
        };
        links.map(text).collect::<Vec<_>>()
    };
    for params in [
        json!([did, "user", "a"]),
        json!({ "dlg_id": alice.call_id(), "profile": "user", "value": "b" }),
        json!({ "DID": did, "profile": "user", "value": "b" }),
        json!([did, "all"]),
    ] {
        assert_eq!(ask("dialog:set_profile", params), "OK");
    }
    assert_eq!(links(), ["user=a", "user=b", "user=b", "all="]);
    assert_eq!(ask("dlg_unset_profile", json!([did, "user", "b"])), "OK");
    assert_eq!(links(), ["user=a", "user=b", "all="], "one link");
    assert_eq!(ask("set_dlg_profile", json!([did, "user", "c", 0])), "OK");
    assert_eq!(links().len(), 4);
    assert_eq!(ask("set_dlg_profile", json!([did, "user", "d", "1"])), "OK");
    assert_eq!(links(), ["all=", "user=d"], "in place of the others");
    let by_did = json!({ "DID": did, "profile": "user" });
    assert_eq!(ask("dialog:unset_profile", by_did.clone()), "OK");
    assert_eq!(links(), ["all="]);

    let refused = err(403, "Operation failed");
    assert_eq!(fails("unset_dlg_profile", by_did), refused, "it is not in it");
    assert_eq!(fails("dlg_set_profile", json!([did, "user"])), refused, "a value is needed");
    assert_eq!(fails("dlg_set_profile", json!([did, "user", "x", "maybe"])).0, -32602);
    for method in ["dlg_set_profile", "dlg_unset_profile"] {
        assert_eq!(fails(method, json!(["0.0", "all"])), err(404, "Dialog Not Found"));
        assert_eq!(fails(method, json!([did, "nothing"])), err(404, "Profile not found"));
    }
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(fails("dlg_set_profile", json!([did, "all"])), err(404, "Dialog Not Found"));
}

// §13: a value for several dialogs; ids that nobody has are passed over
#[test]
fn a_value_is_pushed_to_dialogs() {
    let (world, callers, proxy, _bob) = three_calls(6);
    let fails = |params| error(&world, &proxy, "dlg_push_var", params);
    let dialogs = callers.each_ref().map(|caller| dialog(&proxy, caller));
    let both = json!([dialogs[0].id().to_string(), "nobody", callers[1].call_id()]);
    let pushed = result(&world, &proxy, "dialog:push_var", json!(["color", "red", both]));
    assert_eq!(pushed, "OK");
    let named = json!({ "dlg_val_name": "n", "dlg_val_value": 5, "DID": [callers[2].call_id()] });
    assert_eq!(result(&world, &proxy, "dlg_push_var", named), "OK");
    let values = |name: &str| dialogs.each_ref().map(|it| it.fetch_value(name).unwrap());
    assert_eq!(values("color"), [Some("red".into()), Some("red".into()), Some("blue".into())]);
    assert_eq!(values("n"), [None, None, Some("5".into())]);
    assert_eq!(fails(json!(["n", "v", ["nobody"]])), err(404, "Requested Dialog not found"));
    let big = json!(["n", "v".repeat(70_000), [callers[0].call_id()]]);
    assert_eq!(fails(big), err(500, "Internal Error"));
    for params in [json!(["n", "v", "id"]), json!(["n", "v", []]), json!(["n", "v"])] {
        assert_eq!(fails(params).0, -32602);
    }
    callers.iter().for_each(Agent::hangs_up);
    forgotten(&world, &proxy);
}

// §13: what there is no database and no cluster for
#[test]
fn without_database_and_cluster_there_is_nothing_to_sync() {
    let (world, _alice, proxy, _bob) = cast(7, &world::plain());
    let fails = |method, params| error(&world, &proxy, method, params);
    assert_eq!(fails("dlg_db_sync", json!([])), err(400, "Cannot sync in no-db mode"));
    assert_eq!(fails("dialog:restore_db", json!([])), err(400, "Cannot restore db in no-db mode!"));
    for params in [json!([]), json!(["vip"]), json!({ "sharing_tag": "vip" })] {
        assert_eq!(fails("dlg_cluster_sync", params), err(400, "Dialog replication disabled"));
    }
}

// §13.2: to which side, which method, which headers and bodies; the reply is the result
#[test]
fn a_request_is_sent_within_a_call() {
    let (world, alice, proxy, bob) = cast(8, &script_to(KEPT, "", ""));
    answered(&world, &alice, &bob);
    let (offer, answer) = (bob.last("INVITE").body, alice.last("200 INVITE").body);
    let send = |params: Value| {
        let mut params = params;
        params["callid"] = alice.call_id().into();
        result(&world, &proxy, "dlg_send_sequential", params).to_string()
    };
    let ok = json!({ "Code": 200, "Reason": "OK" }).to_string();
    let told = json!({ "mode": "callee", "method": "INFO", "headers": "X-A: 1\r\nX-B: 2",
        "body": "custom:text/plain:say: hello" });
    assert_eq!(send(told), ok);
    let info = bob.last("INFO");
    assert_eq!((info.header("X-A"), info.header("X-B")), (Some("1"), Some("2")));
    assert_eq!(info.header("Content-Type"), Some("text/plain"));
    assert_eq!((&info.body[..], alice.count("INFO")), (&b"say: hello"[..], 0));

    // The caller's re-INVITE with what it was told before, and its ACK.
    for body in ["outbound", "inbound"] {
        assert_eq!(send(json!({ "body": body })), ok);
        world.settle();
        assert_eq!(alice.last("INVITE").body, answer, "{body}");
        assert_eq!(alice.last("ACK").cseq().0, alice.last("INVITE").cseq().0);
        assert_eq!(send(json!({ "mode": "callee", "method": "UPDATE", "body": body })), ok);
        assert_eq!(bob.last("UPDATE").body, offer, "{body}");
    }
    assert_eq!(send(json!({ "mode": "caller", "method": "OPTIONS", "body": "none" })), ok);
    assert!(alice.last("OPTIONS").body.is_empty());
    bob.challenges("INFO");
    let refused = send(json!({ "mode": "callee", "method": "INFO" }));
    assert_eq!(refused, json!({ "Code": 401, "Reason": "Unauthorized" }).to_string());
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §13.2: a silent side is a 408
#[test]
fn silence_is_told_as_a_timeout() {
    let (world, alice, proxy, bob) = cast(9, &world::plain());
    answered(&world, &alice, &bob);
    bob.silent();
    let params = json!({ "callid": alice.call_id(), "mode": "callee", "method": "INFO" });
    let (asker, heard) = std::sync::mpsc::channel();
    let node = std::sync::Arc::clone(&proxy.borrow().node);
    std::thread::spawn(move || {
        let answer = commands(&node).call("dlg_send_sequential", params, true);
        asker.send(answer.map(|answer| format!("{answer:?}"))).unwrap();
    });
    let told = loop {
        world.run_for(Duration::from_secs(1));
        match heard.recv_timeout(Duration::from_millis(1)) {
            Ok(told) => break told,
            Err(_) => assert!(world.now().as_millis() < 600_000, "nothing came of it"),
        }
    };
    assert!(told.unwrap().contains("Number(408)"));
    bob.speaks();
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §13.2: without a mode that waits, the answer comes at once
#[test]
fn who_cannot_wait_is_told_so() {
    let (world, alice, proxy, bob) = cast(10, &world::plain());
    answered(&world, &alice, &bob);
    let params = json!({ "callid": alice.call_id(), "mode": "callee", "method": "INFO" });
    let node = std::sync::Arc::clone(&proxy.borrow().node);
    let told = commands(&node).call("dlg_send_sequential", params, false).unwrap();
    assert_eq!(format!("{told:?}"), r#"Value(String("Accepted"))"#);
    world.settle();
    assert_eq!(bob.count("INFO"), 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

fn sdp(agent: &Agent, kind: &str) -> Vec<u8> {
    agent.last(kind).body
}

// §13.2: the offer of one side is brought to the other, the answer comes back in the ACK
#[test]
fn one_side_is_challenged_and_the_other_hears_of_it() {
    for (seed, mode) in [(11, "challenge"), (12, "challenge-caller"), (13, "challenge-callee")] {
        let (world, alice, proxy, bob) = cast(seed, &world::plain());
        answered(&world, &alice, &bob);
        let (first, second) =
            if mode == "challenge-callee" { (&bob, &alice) } else { (&alice, &bob) };
        let params = json!({ "callid": alice.call_id(), "mode": mode, "headers": "X-A: 1" });
        let told = result(&world, &proxy, "dialog:send_sequential", params);
        assert_eq!(told, json!({ "Code": 200, "Reason": "OK" }));
        world.settle();
        let (asked_first, asked_second) = (first.last("INVITE"), second.last("INVITE"));
        assert!(asked_first.body.is_empty(), "{mode}");
        assert_eq!(asked_second.header("X-A"), Some("1"));
        let offered = first.sent("200 INVITE").last().unwrap().message.body.clone();
        let agreed = second.sent("200 INVITE").last().unwrap().message.body.clone();
        assert!(!offered.is_empty() && !agreed.is_empty());
        assert_eq!((asked_second.body, sdp(first, "ACK")), (offered, agreed), "{mode}");
        assert!(sdp(second, "ACK").is_empty());
        for agent in [first, second] {
            assert_eq!(agent.last("ACK").cseq().0, agent.last("INVITE").cseq().0);
        }
        bob.hangs_up();
        forgotten(&world, &proxy);
    }
}

// §13.2: UPDATE needs no ACK; a side that refuses ends the matter, and its reply is the result
#[test]
fn a_challenge_that_is_refused_changes_nothing() {
    let (world, alice, proxy, bob) = cast(14, &script_to(KEPT, "", ""));
    answered(&world, &alice, &bob);
    let ask = |params: Value| {
        let mut params = params;
        params["callid"] = alice.call_id().into();
        params["mode"] = "challenge-caller".into();
        result(&world, &proxy, "dlg_send_sequential", params)
    };
    let answer = alice.last("200 INVITE").body;
    assert_eq!(ask(json!({ "method": "UPDATE", "body": "outbound" }))["Code"], 200);
    assert_eq!(alice.last("UPDATE").body, answer);
    assert_eq!(bob.last("UPDATE").body, alice.sent("200 UPDATE").last().unwrap().message.body);
    alice.challenges("INVITE");
    let invited = bob.count("INVITE");
    assert_eq!(ask(json!({})), json!({ "Code": 401, "Reason": "Unauthorized" }));
    assert_eq!(bob.count("INVITE"), invited, "the callee does not hear of it");
    bob.challenges("INVITE");
    assert_eq!(ask(json!({ "method": "INVITE" }))["Code"], 401);
    world.settle();
    assert_eq!(alice.last("ACK").body, answer, "what it knows already answers its offer");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §13: every error of `send_sequential`
#[test]
fn what_cannot_be_sent_is_told() {
    let (world, alice, proxy, bob) = cast(15, &world::plain());
    alice.invite(&bob);
    bob.replies(100);
    let fails = |params: Value| {
        let mut all = json!({ "callid": alice.call_id() });
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        error(&world, &proxy, "dlg_send_sequential", all)
    };
    let info = json!({ "method": "INFO" });
    assert_eq!(fails(info.clone()), err(403, "Dialog Error"), "there is no callee yet");
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!(fails(json!({ "callid": "nobody" })), err(404, "Dialog Not Found"));
    for mode in ["", "both", "challenge_caller"] {
        assert_eq!(fails(json!({ "mode": mode })), err(400, "Invalid mode"), "{mode}");
    }
    for body in ["", "sdp", "custom:x", "custom:text/plain"] {
        assert_eq!(fails(json!({ "body": body })), err(400, "Invalid body mode"), "{body}");
    }
    assert_eq!(fails(json!({ "headers": "nonsense" })), err(400, "Bad param"));
    for method in ["BYE", "ACK", "CANCEL", "PRACK", "NO TOKEN", ""] {
        assert_eq!(fails(json!({ "method": method })), err(400, "Bad param"), "{method}");
    }
    for mode in ["challenge", "challenge-caller", "challenge-callee"] {
        let params = json!({ "mode": mode, "method": "INFO" });
        assert_eq!(fails(params), err(406, "Not Acceptable"));
    }
    for body in ["inbound", "outbound"] {
        let asked = json!({ "method": "UPDATE", "body": body });
        assert_eq!(fails(asked), err(500, "Operation failed"), "nothing was kept");
    }
    let positional = asked(&world, &proxy, "dlg_send_sequential", json!([alice.call_id()]));
    assert_eq!(positional["error"]["code"], -32602);
    assert_eq!(fails(json!({ "more": 1 })).0, -32602);
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(fails(info), err(404, "Dialog Not Found"));
}
