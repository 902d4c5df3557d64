//! What a script sees and changes of its dialogs (spec/dialog.md §10, spec/script.md).

mod world;

use std::time::Duration;

use duologue::dialog::DialogKey;
use duologue_testkit::{Agent, CallState, Served};
use world::{Proxy, answered, cast, forgotten, script_to};

/// Shows what a request within the dialog sees.
const SHOW_WITHIN: &str = r#"
    route[within] {
        append_hf("X-Status: $DLG_status\r\n");
        append_hf("X-Did: $DLG_did\r\n");
        append_hf("X-Color: $dlg_val(color)\r\n");
        append_hf("X-Timeout: $DLG_timeout\r\n");
        append_hf("X-Lifetime: $DLG_lifetime\r\n");
        append_hf("X-Dir: $DLG_dir\r\n");
        append_hf("X-Count: $DLG_count\r\n");
    }
"#;

fn did(alice: &Agent, proxy: &Served<Proxy>) -> String {
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None);
    dialog.expect("the call is tracked").id().to_string()
}

/// The value of a header in the latest request of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

#[test]
fn the_initial_request_sees_its_new_dialog() {
    let script = script_to(
        "",
        r#"
        $dlg_val(color) = "blue";
        append_hf("X-Status: $DLG_status\r\n");
        append_hf("X-Did: $DLG_did\r\n");
        append_hf("X-Color: $dlg_val(color)\r\n");
        append_hf("X-Dir: $DLG_dir\r\n");
        "#,
        "",
    );
    let (world, alice, proxy, bob) = cast(1, &script);
    alice.invite(&bob);
    bob.rings();
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Status"), "1");
    assert_eq!(shown(&bob, "INVITE", "X-Did"), did(&alice, &proxy));
    assert_eq!(shown(&bob, "INVITE", "X-Color"), "blue");
    assert_eq!(shown(&bob, "INVITE", "X-Dir"), "downstream");
    bob.rejects(486);
    forgotten(&world, &proxy);
}

#[test]
fn requests_within_see_the_state_and_the_values() {
    let script = script_to("", "$dlg_val(color) = \"blue\";", SHOW_WITHIN);
    let (world, alice, proxy, bob) = cast(2, &script);
    answered(&world, &alice, &bob);
    let did = did(&alice, &proxy);

    // The ACK confirms the call: state 4.
    assert_eq!(shown(&bob, "ACK", "X-Status"), "4");
    world.run_for(Duration::from_secs(10));
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Status"), "4");
    assert_eq!(shown(&bob, "INFO", "X-Did"), did);
    assert_eq!(shown(&bob, "INFO", "X-Color"), "blue");
    assert_eq!(shown(&bob, "INFO", "X-Dir"), "downstream");
    assert_eq!(shown(&bob, "INFO", "X-Count"), "1");
    let lifetime: u64 = shown(&bob, "INFO", "X-Lifetime").parse().unwrap();
    let timeout: u64 = shown(&bob, "INFO", "X-Timeout").parse().unwrap();
    assert!((10..30).contains(&lifetime), "{lifetime}");
    // spec/dialog.md §5: default_timeout is 12 hours, counted from the answer.
    assert!((43_199..=43_201).contains(&(lifetime + timeout)), "{lifetime} + {timeout}");

    bob.requests("INFO");
    world.settle();
    assert_eq!(shown(&alice, "INFO", "X-Dir"), "upstream");

    bob.hangs_up();
    world.settle();
    // The BYE has ended the call before the script goes on: state 5.
    assert_eq!(shown(&alice, "BYE", "X-Status"), "5");
    forgotten(&world, &proxy);
}

#[test]
fn values_are_changed_and_removed_within_the_call() {
    let within = r#"
    route[within] {
        if (is_method("INFO")) {
            append_hf("X-Before: $dlg_val(color)\r\n");
            $dlg_val(color) = "red";
            append_hf("X-After: $dlg_val(color)\r\n");
        }
        if (is_method("MESSAGE")) {
            $dlg_val(color) = NULL;
            append_hf("X-After: $dlg_val(color)\r\n");
        }
    }
    "#;
    let script = script_to("", "$dlg_val(color) = \"blue\";", within);
    let (world, alice, proxy, bob) = cast(3, &script);
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Before"), "blue");
    assert_eq!(shown(&bob, "INFO", "X-After"), "red");
    bob.requests("INFO");
    world.settle();
    assert_eq!(shown(&alice, "INFO", "X-Before"), "red");
    alice.requests("MESSAGE");
    world.settle();
    assert_eq!(shown(&bob, "MESSAGE", "X-After"), "<null>");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// spec/dialog.md §14, store_dlg_value, fetch_dlg_value: text and numbers, kept as what they are.
#[test]
fn values_are_stored_and_fetched() {
    let first = r#"
        $var(color) = "blue"; $var(count) = 5; $var(none) = NULL;
        store_dlg_value("color", $var(color));
        store_dlg_value("count", $var(count));
        store_dlg_value("gone", $var(color));
        $var(code) = store_dlg_value("gone", $var(none));
        append_hf("X-Stored: $var(code)\r\n");
    "#;
    let within = r#"route[within] {
        $avp(code) = fetch_dlg_value("color", $avp(color));
        fetch_dlg_value("count", $var(count));
        $var(count) += 1;
        $var(gone) = "before";
        $avp(gone) = fetch_dlg_value("gone", $var(gone));
        append_hf("X-Fetched: $avp(code) $avp(color) $var(count) $avp(gone) $var(gone)\r\n");
        $var(name) = "co" + "lor";
        $var(new) = "red";
        store_dlg_value("$var(name)", $var(new));
        append_hf("X-After: $dlg_val(color)\r\n");
    }"#;
    let (world, alice, proxy, bob) = cast(8, &script_to("", first, within));
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Stored"), "1");
    assert_eq!(shown(&bob, "ACK", "X-Fetched"), "1 blue 6 -1 before");
    assert_eq!(shown(&bob, "ACK", "X-After"), "red");
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Fetched"), "1 red 6 -1 before");
    bob.hangs_up();
    forgotten(&world, &proxy);
    // Without a dialog there is nowhere to put it.
    let untracked = script_to("", first, within).replace("create_dialog();", "");
    let (world, alice, proxy, bob) = cast(9, &untracked);
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Stored"), "-1");
    assert_eq!(shown(&bob, "ACK", "X-Fetched"), "-1 <null> <null> -1 before");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// spec/dialog.md §5: set before the answer it is the lifetime to be, set after it prolongs.
#[test]
fn the_script_decides_how_long_the_call_may_take() {
    let within = r#"
    route[within] {
        if (is_method("INFO"))
            $DLG_timeout = 100;
    }
    "#;
    let (world, alice, proxy, bob) = cast(4, &script_to("", "$DLG_timeout = 60;", within));
    answered(&world, &alice, &bob);
    let active = || proxy.borrow().node.dialogs.statistics().active_dialogs;
    world.run_for(Duration::from_secs(40));
    alice.requests("INFO");
    world.run_for(Duration::from_secs(90));
    assert_eq!(active(), 1);
    world.run_for(Duration::from_secs(15));
    assert_eq!(active(), 0);
    assert_eq!(proxy.borrow().node.dialogs.statistics().expired_dialogs, 1);
    forgotten(&world, &proxy);
}

#[test]
fn replies_and_failures_see_the_dialog() {
    let rest = r#"
    onreply_route[show] {
        append_hf("X-Status: $DLG_status\r\n");
        append_hf("X-Color: $dlg_val(color)\r\n");
    }
    failure_route[next] {
        append_hf("X-Failed: $DLG_status\r\n");
        $ru = "sip:carol@10.0.0.13:5060";
        t_relay();
    }
    "#;
    let targets = "$dlg_val(color) = \"blue\"; t_on_reply(\"show\"); t_on_failure(\"next\");";
    let (world, alice, proxy, bob) = cast(5, &script_to("", targets, rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    world.settle();
    assert_eq!(shown(&alice, "180", "X-Color"), "blue");
    bob.rejects(486);
    carol.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(shown(&carol, "INVITE", "X-Failed"), "2");
    assert_eq!(shown(&alice, "200 INVITE", "X-Color"), "blue");
    carol.hangs_up();
    forgotten(&world, &proxy);
}

// Without create_dialog() there is nothing to see, and nothing is tracked.
#[test]
fn a_call_that_is_not_tracked_has_no_dialog() {
    let script = script_to("", "", SHOW_WITHIN).replace("create_dialog();", "");
    let (world, alice, proxy, bob) = cast(6, &script);
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Status"), "<null>");
    assert_eq!(proxy.borrow().node.dialogs.statistics().processed_dialogs, 0);
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// Two calls at once are two dialogs, each with its own values.
#[test]
fn calls_at_the_same_time_do_not_share_anything() {
    let script = script_to("", "$dlg_val(color) = $rU;", SHOW_WITHIN);
    let (world, alice, proxy, bob) = cast(7, &script);
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    bob.answers_always();
    dave.answers_always();
    alice.invite(&bob);
    carol.invite(&dave);
    world.settle();
    let key = |agent: &Agent| -> DialogKey {
        let dialogs = &proxy.borrow().node.dialogs;
        dialogs.by_callid(agent.call_id().as_bytes(), None).expect("tracked").key()
    };
    assert_ne!(key(&alice), key(&carol));
    alice.requests("INFO");
    carol.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Color"), "bob");
    assert_eq!(shown(&dave, "INFO", "X-Color"), "dave");
    assert_eq!(shown(&dave, "INFO", "X-Count"), "2");
    alice.hangs_up();
    dave.hangs_up();
    forgotten(&world, &proxy);
}
