//! Profiles, flags, look-ups and requests of ours from the script (spec/dialog.md §6, §9, §10, §14).

mod world;

use std::time::Duration;

use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, World};
use world::{NAME, Proxy, Text, answered, cast, forgotten, script_to};

const PROFILES: &str = r#"
    modparam("dialog", "profiles_with_value", "user; trunk/b")
    modparam("dialog", "profiles_no_value", "all")
"#;

/// The value of a header in the latest request of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

/// What a script that does not load is told.
fn mistakes(settings: &str, targets: &str) -> String {
    let script = script_to(settings, targets, "");
    match Plan::load(NAME, &Text(&script), &[], Overrides::default()) {
        Ok(_) => panic!("the script loads"),
        Err(error) => error.to_string(),
    }
}

// §9.2, §9.3: counted from the link on, before the answer too, until the end of the call
#[test]
fn a_limit_of_concurrent_calls_by_a_profile() {
    let targets = r#"
        get_profile_size("user", "$rU", $var(calls));
        if ($var(calls) >= 2) {
            send_reply(486, "Enough");
            exit;
        }
        set_dlg_profile("user", "$rU");
        set_dlg_profile("all");
        get_profile_size("all",,$var(all));
        append_hf("X-All: $var(all)\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(1, &script_to(PROFILES, targets, ""));
    let [carol, dave, erin] = ["carol", "dave", "erin"].map(|name| world.agent(name));
    bob.answers_always();
    erin.answers_always();
    for caller in [&alice, &carol, &dave] {
        caller.invite(&bob);
        world.settle();
    }
    assert_eq!([&alice, &carol, &dave].map(|it| it.final_status()), [200, 200, 486].map(Some));
    dave.invite(&erin);
    world.settle();
    assert_eq!(shown(&erin, "INVITE", "X-All"), "3", "others have a limit of their own");
    alice.hangs_up();
    world.settle();
    alice.invite(&bob);
    world.settle();
    assert_eq!(alice.final_status(), Some(200), "there was room again");
    for agent in [&alice, &carol, &dave] {
        agent.hangs_up();
    }
    forgotten(&world, &proxy);
}

// §9.2: each link counts; `clear` replaces; unset takes one back, or all without a value
#[test]
fn links_are_counted_one_by_one() {
    let targets = r#"
        set_dlg_profile("user", "a");
        set_dlg_profile("user", "a");
        set_dlg_profile("user", "b");
        get_profile_size("user",,$var(n));
        append_hf("X-Three: $var(n)\r\n");
        unset_dlg_profile("user", "a");
        get_profile_size("user", "a", $var(n));
        append_hf("X-One: $var(n)\r\n");
        if (is_in_profile("user", "b") && is_in_profile("user") && !is_in_profile("user", "c"))
            append_hf("X-In: yes\r\n");
        set_dlg_profile("user", "c", 1);
        get_profile_size("user",,$var(n));
        append_hf("X-Replaced: $var(n)\r\n");
        unset_dlg_profile("user");
        if (!is_in_profile("user") && !unset_dlg_profile("user"))
            append_hf("X-Out: yes\r\n");
        if (!set_dlg_profile("user"))
            append_hf("X-Needs-Value: yes\r\n");
        set_dlg_profile("trunk", "t1");
        if (is_in_profile("trunk/b", "t1"))
            append_hf("X-Suffix: yes\r\n");
        $var(name) = "nowhere";
        if (!set_dlg_profile($var(name), "x"))
            append_hf("X-Unknown: yes\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(2, &script_to(PROFILES, targets, ""));
    answered(&world, &alice, &bob);
    for (header, value) in [
        ("X-Three", "3"),
        ("X-One", "1"),
        ("X-In", "yes"),
        ("X-Replaced", "1"),
        ("X-Out", "yes"),
        ("X-Needs-Value", "yes"),
        ("X-Suffix", "yes"),
        ("X-Unknown", "yes"),
    ] {
        assert_eq!(shown(&bob, "INVITE", header), value, "{header}");
    }
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// §9.1: what a script names has to be defined, wherever the definition stands
#[test]
fn profiles_that_do_not_exist_are_told_at_load() {
    let told = mistakes(PROFILES, "set_dlg_profile(\"users\", \"$fU\");");
    assert!(told.contains("there is no profile \"users\", there are user, trunk/b, all"), "{told}");
    assert!(told.contains(NAME), "it tells where: {told}");
    let told = mistakes("", "is_in_profile(\"user\");");
    assert!(told.contains("define it by profiles_with_value or profiles_no_value"), "{told}");
    for (definition, complaint) in
        [("a;a", "defined twice"), ("a b", "letters, digits"), ("a/x", "a suffix is /s or /b")]
    {
        let settings = format!("modparam(\"dialog\", \"profiles_no_value\", \"{definition}\")");
        let told = mistakes(&settings, "");
        assert!(told.contains(complaint), "{definition}: {told}");
    }
    let after = "modparam(\"dialog\", \"profiles_no_value\", \"late\")";
    let script = script_to("", "set_dlg_profile(\"late\");", after);
    assert!(Plan::load(NAME, &Text(&script), &[], Overrides::default()).is_ok());
}

// §10.2: by name; test-and-set in one step; the variable replaces all
#[test]
fn flags_have_names() {
    let targets = r#"
        set_dlg_flag("paid");
        set_dlg_flag("vip");
        append_hf("X-Two: $DLG_flags\r\n");
        reset_dlg_flag("vip");
        if (is_dlg_flag_set("paid") && !is_dlg_flag_set("vip"))
            append_hf("X-Paid: yes\r\n");
        if (test_and_set_dlg_flag("vip", 0) && !test_and_set_dlg_flag("vip", 0))
            append_hf("X-Once: yes\r\n");
        test_and_set_dlg_flag("vip", 7);
        append_hf("X-Bad: $rc\r\n");
    "#;
    let rest = r#"
    route[within] {
        if (is_method("INFO")) {
            $DLG_flags = "vip";
            append_hf("X-Assigned: $DLG_flags\r\n");
            $DLG_flags = "nobody";
            append_hf("X-Rc: $rc\r\n");
            $DLG_flags = NULL;
            append_hf("X-None: <$DLG_flags>\r\n");
        }
    }
    "#;
    let (world, alice, proxy, bob) = cast(3, &script_to("", targets, rest));
    answered(&world, &alice, &bob);
    for (header, value) in
        [("X-Two", "paid vip"), ("X-Paid", "yes"), ("X-Once", "yes"), ("X-Bad", "-1")]
    {
        assert_eq!(shown(&bob, "INVITE", header), value, "{header}");
    }
    alice.requests("INFO");
    world.settle();
    for (header, value) in [("X-Assigned", "vip"), ("X-Rc", "-1"), ("X-None", "<>")] {
        assert_eq!(shown(&bob, "INFO", header), value, "{header}");
    }
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// §10.2: others have flags of dialogs as well, and a script's are still those that it names
#[test]
fn flags_that_others_named_first_are_others() {
    let targets = r#"
        set_dlg_flag("paid");
        append_hf("X-Flags: $DLG_flags\r\n");
        if (is_dlg_flag_set("paid")) append_hf("X-Paid: yes\r\n");
    "#;
    let plan = Plan::load(NAME, &Text(&script_to("", targets, "")), &[], Overrides::default());
    let plan = plan.unwrap().on_start(|host| {
        host.dialogs()?.user_flag("recorded")?;
        Ok(())
    });
    let world = World::seeded(30);
    let (alice, proxy, bob) = world.three_party(Proxy::of(plan));
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Flags"), "paid");
    assert_eq!(shown(&bob, "INVITE", "X-Paid"), "yes");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// §14: without a dialog every function says so
#[test]
fn without_a_dialog_nothing_happens() {
    let targets = r#"
        set_dlg_flag("paid");
        append_hf("X-Flag: $rc\r\n");
        test_and_set_dlg_flag("paid", 0);
        append_hf("X-Test: $rc\r\n");
        set_dlg_profile("all");
        append_hf("X-Profile: $rc\r\n");
        dlg_inc_cseq();
        append_hf("X-Cseq: $rc\r\n");
        dlg_bye("all");
        append_hf("X-Bye: $rc\r\n");
        dlg_send_sequential("INFO", "caller");
        append_hf("X-Send: $rc\r\n");
        append_hf("X-Json: $DLG_json\r\n");
        append_hf("X-Delay: $DLG_del_delay\r\n");
    "#;
    let script = script_to(PROFILES, targets, "").replace("create_dialog();", "");
    let (world, alice, proxy, bob) = cast(4, &script);
    answered(&world, &alice, &bob);
    for (header, value) in [
        ("X-Flag", "-1"),
        ("X-Test", "-2"),
        ("X-Profile", "-1"),
        ("X-Cseq", "-2"),
        ("X-Bye", "-1"),
        ("X-Send", "-1"),
        ("X-Json", "<null>"),
        ("X-Delay", "<null>"),
    ] {
        assert_eq!(shown(&bob, "INVITE", header), value, "{header}");
    }
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// §6.6: a request of ours, behind what the call is doing now
#[test]
fn the_script_sends_requests_within_the_call() {
    let rest = r#"
    route[within] {
        if (is_method("INFO")) {
            dlg_send_sequential("MESSAGE", "caller", "hello", "text/plain", "X-Note: 1");
            append_hf("X-Rc: $rc\r\n");
            dlg_send_sequential("BYE", "callee");
            append_hf("X-Refused: $rc\r\n");
            dlg_send_sequential("MESSAGE", "callee", "hello");
            append_hf("X-Untyped: $rc\r\n");
        }
    }
    "#;
    let (world, alice, proxy, bob) = cast(5, &script_to("", "", rest));
    answered(&world, &alice, &bob);
    bob.requests("INFO");
    world.settle();
    for (header, value) in [("X-Rc", "1"), ("X-Refused", "-1"), ("X-Untyped", "-1")] {
        assert_eq!(shown(&alice, "INFO", header), value, "{header}");
    }
    let message = alice.last("MESSAGE");
    assert_eq!((&message.body[..], message.header("X-Note")), (&b"hello"[..], Some("1")));
    assert_eq!(message.header("Content-Type"), Some("text/plain"));
    assert_eq!(bob.count("MESSAGE"), 0);
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// lessons part C: the script ends the call, on both sides or on one
#[test]
fn the_script_hangs_up() {
    for (who, byes) in [("all", [1, 1]), ("caller", [1, 0]), ("callee", [0, 1])] {
        let rest = format!("route[within] {{ if (is_method(\"INFO\")) dlg_bye(\"{who}\"); }}");
        let (world, alice, proxy, bob) = cast(6, &script_to("", "", &rest));
        answered(&world, &alice, &bob);
        alice.requests("INFO");
        world.settle();
        assert_eq!([alice.count("BYE"), bob.count("BYE")], byes, "{who}");
        assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 0, "{who}");
        if who != "all" {
            // who was not told finds out by itself
            let other = if who == "caller" { &bob } else { &alice };
            other.hangs_up();
        }
        forgotten(&world, &proxy);
    }
    let told = mistakes("", "dlg_bye(\"nobody\");");
    assert!(told.contains("who gets a BYE is"), "{told}");
}

// §14: by Call-ID or did; not nested; what is loaded hides the message's own; D33: undone at the end
#[test]
fn another_dialog_is_read_and_left_again() {
    let targets = r#"
        $dlg_val(color) = $rU;
        if ($hdr(X-Look) != NULL) {
            load_dialog_ctx("$hdr(X-Look)");
            append_hf("X-Loaded: $rc\r\n");
            append_hf("X-Other: $dlg_val(color) $DLG_status $DLG_dir\r\n");
            load_dialog_ctx("$hdr(X-Look)");
            append_hf("X-Nested: $rc\r\n");
            $dlg_val(seen) = "yes";
            unload_dialog_ctx();
            append_hf("X-Own: $dlg_val(color)\r\n");
            unload_dialog_ctx();
            append_hf("X-Twice: $rc\r\n");
            load_dialog_ctx("no such call");
            append_hf("X-Unknown: $rc\r\n");
            load_dialog_ctx("$hdr(X-Look)", "callid", 1);
        }
    "#;
    let rest = "route[within] { append_hf(\"X-Seen: $dlg_val(seen) $dlg_val(color)\\r\\n\"); }";
    let (world, alice, proxy, bob) = cast(7, &script_to("", targets, rest));
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    answered(&world, &alice, &bob);
    let look = alice.call_id();
    carol.invite_with(&dave.uri(), |invite| invite.with("X-Look", &look));
    dave.rings();
    dave.answers();
    world.settle();
    for (header, value) in [
        ("X-Loaded", "1"),
        ("X-Other", "bob 4 <null>"),
        ("X-Nested", "-1"),
        ("X-Own", "dave"),
        ("X-Twice", "-1"),
        ("X-Unknown", "-1"),
    ] {
        assert_eq!(shown(&dave, "INVITE", header), value, "{header}");
    }
    alice.requests("INFO");
    carol.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Seen"), "yes bob");
    assert_eq!(
        shown(&dave, "INFO", "X-Seen"),
        "<null> dave",
        "its branch belongs to its own dialog"
    );
    bob.hangs_up();
    dave.hangs_up();
    forgotten(&world, &proxy);
}

// §14: look-ups by value and by profile, values of another call
#[test]
fn dialogs_are_found_by_what_they_carry() {
    let targets = r#"
        $dlg_val(customer) = "acme";
        $dlg_val(place) = $rU;
        set_dlg_profile("user", "acme");
        $var(who) = "acme";
        get_dialogs_by_val("customer", $var(who), $avp(json), $var(found));
        append_hf("X-By-Val: $var(found)\r\n");
        append_hf("X-Json: $(avp(json)[-1])\r\n");
        get_dialogs_by_profile("user", "acme", $avp(other), $var(found));
        append_hf("X-By-Profile: $var(found) $rc\r\n");
        get_dialog_info("place", $avp(places), "customer", $var(who), $var(found));
        append_hf("X-Places: $(avp(places)[*])\r\n");
        $var(who) = "nobody";
        get_dialogs_by_val("customer", $var(who), $avp(json), $var(found));
        append_hf("X-Nobody: $rc $var(found)\r\n");
        get_dialog_vals($avp(names), $avp(values), "$ci");
        append_hf("X-Vals: $(avp(names)[*]) = $(avp(values)[*])\r\n");
        get_dialog_vals($avp(names), $avp(values), "no such call");
        append_hf("X-No-Vals: $rc\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(8, &script_to(PROFILES, targets, ""));
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    answered(&world, &alice, &bob);
    answered(&world, &carol, &dave);
    assert_eq!(shown(&bob, "INVITE", "X-By-Val"), "1");
    assert_eq!(shown(&dave, "INVITE", "X-By-Val"), "2");
    assert_eq!(shown(&dave, "INVITE", "X-By-Profile"), "2 2");
    assert_eq!(shown(&dave, "INVITE", "X-Nobody"), "-1 0");
    assert_eq!(shown(&dave, "INVITE", "X-Vals"), "customer, place = acme, dave");
    assert_eq!(shown(&dave, "INVITE", "X-No-Vals"), "-1");
    let mut places: Vec<_> =
        shown(&dave, "INVITE", "X-Places").split(", ").map(str::to_owned).collect();
    places.sort_unstable();
    assert_eq!(places, ["bob", "dave"]);
    let json: serde_json::Value = serde_json::from_str(&shown(&bob, "INVITE", "X-Json")).unwrap();
    assert_eq!(json["callid"], alice.call_id());
    assert_eq!(json["values"]["place"], "bob");
    assert_eq!(json["profiles"]["user"][0], "acme");
    bob.hangs_up();
    dave.hangs_up();
    forgotten(&world, &proxy);
}

// §14.1, D24: valid JSON whatever is in it
#[test]
fn a_dialog_as_json() {
    let targets = "$dlg_val(odd) = \"a\\\"b\\\\c\";";
    let rest = r#"
    route[within] {
        append_hf("X-Json: $DLG_json\r\n");
        append_hf("X-Ctx: $DLG_ctx_json\r\n");
    }
    "#;
    let (world, alice, proxy, bob) = cast(9, &script_to("", targets, rest));
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    let parsed = |header: &str| -> serde_json::Value {
        serde_json::from_str(&shown(&bob, "INFO", header)).unwrap()
    };
    let (plain, context) = (parsed("X-Json"), parsed("X-Ctx"));
    assert_eq!((&plain["state"], &plain["values"]), (&"4".into(), &serde_json::Value::Null));
    assert_eq!(plain["caller"]["bind_addr"], "udp:10.0.0.1:5060");
    assert_eq!(plain["callees"][0]["tag"], bob.last("INFO").to_tag());
    assert_eq!(context["values"]["odd"], "a\"b\\c");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// §2.4.7, §6.1: the delay of this dialog, and how often its sides are pinged
#[test]
fn the_script_sets_delays_and_intervals() {
    let targets = r#"
        append_hf("X-Default: $DLG_del_delay $DLG_options_ping_interval\r\n");
        $DLG_del_delay = 10;
        $DLG_options_ping_interval = "7";
        append_hf("X-Own: $DLG_del_delay $DLG_options_ping_interval $DLG_reinvite_ping_interval\r\n");
        $DLG_options_ping_interval = 0;
        append_hf("X-Zero: $rc\r\n");
    "#;
    let rest = "route[within] { append_hf(\"X-Next: $DLG_options_ping_interval\\r\\n\"); }";
    let script = script_to("", targets, rest)
        .replace("create_dialog();", "create_dialog(\"options-ping-callee\");");
    let (world, alice, proxy, bob) = cast(10, &script);
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Default"), "0 30");
    assert_eq!(shown(&bob, "INVITE", "X-Own"), "10 7 <null>");
    assert_eq!(shown(&bob, "INVITE", "X-Zero"), "-1");
    world.run_for(Duration::from_secs(3));
    alice.requests("INFO");
    world.settle();
    let next: u32 = shown(&bob, "INFO", "X-Next").parse().unwrap();
    assert!((1..=7).contains(&next), "{next}");
    world.run_for(Duration::from_secs(20));
    assert!((2..=4).contains(&bob.count("OPTIONS")), "{}", bob.count("OPTIONS"));
    bob.hangs_up();
    world.run_for(Duration::from_secs(5));
    assert_eq!(proxy.borrow().node.dialogs.len(), 1, "it is still there to be read");
    world.run_for(Duration::from_secs(10));
    forgotten(&world, &proxy);
}
