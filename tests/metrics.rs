//! The page of the module `prometheus`: what it says of calls in virtual time, and the settings that
//! name what stands there.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::time::Duration;

use duologue::management::metrics::{page, readiness};
use duologue::sip::{Moment, Tick};
use duologue::{Builder, Node};
use duologue_testkit::Served;
use world::{Proxy, answered, cast, forgotten, script_to};

const SETTINGS: &str = r#"
    loadmodule "statistics.so"
    loadmodule "httpd.so"
    loadmodule "prometheus.so"
"#;

/// The page as it is now; what is counted does not depend on the time.
fn page_of(proxy: &Served<Proxy>) -> String {
    let node: &Node = &proxy.borrow().node;
    page(node, Moment { tick: Tick::from_millis(2_000), unix: node.started.unix + 1 })
}

/// The value of a sample.
fn value(page: &str, sample: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// A call whose bob rings after two seconds, answers five seconds later, and hangs up after
/// three minutes.
#[test]
fn calls_are_timed() {
    let (world, alice, proxy, bob) = cast(1, &script_to(SETTINGS, "", ""));
    alice.invite(&bob);
    world.run_for(Duration::from_secs(2));
    let before = page_of(&proxy);
    assert_eq!(value(&before, "duologue_dialogs{state=\"unconfirmed\"}"), Some(1.0));
    bob.rings();
    world.run_for(Duration::from_secs(5));
    let early = page_of(&proxy);
    assert_eq!(value(&early, "duologue_dialogs{state=\"early\"}"), Some(1.0));
    assert_eq!(value(&early, "duologue_call_setup_seconds_count"), Some(0.0));
    bob.answers();
    world.run_for(Duration::from_secs(180));
    let talking = page_of(&proxy);
    assert_eq!(value(&talking, "duologue_dialogs{state=\"confirmed\"}"), Some(1.0));
    assert_eq!(value(&talking, "duologue_call_duration_seconds_count"), Some(0.0));
    bob.hangs_up();
    world.settle();
    let page = page_of(&proxy);
    let in_class =
        |name: &str, bound: &str| value(&page, &format!("{name}_bucket{{le=\"{bound}\"}}"));
    let about = |sample: &str, seconds: f64| {
        let found = value(&page, sample).unwrap();
        assert!((seconds..seconds + 1.0).contains(&found), "{sample} is {found}");
    };
    about("duologue_call_setup_seconds_sum", 7.0);
    assert_eq!(in_class("duologue_call_setup_seconds", "5"), Some(0.0));
    assert_eq!(in_class("duologue_call_setup_seconds", "10"), Some(1.0));
    about("duologue_call_ringing_seconds_sum", 5.0);
    assert_eq!(in_class("duologue_call_ringing_seconds", "2.5"), Some(0.0));
    assert_eq!(in_class("duologue_call_ringing_seconds", "10"), Some(1.0));
    about("duologue_call_duration_seconds_sum", 180.0);
    assert_eq!(in_class("duologue_call_duration_seconds", "120"), Some(0.0));
    assert_eq!(in_class("duologue_call_duration_seconds", "300"), Some(1.0));
    for name in ["setup", "ringing", "duration"] {
        let name = format!("duologue_call_{name}_seconds");
        assert_eq!(in_class(&name, "+Inf"), Some(1.0));
        assert_eq!(value(&page, &format!("{name}_count")), Some(1.0));
    }
    forgotten(&world, &proxy);
}

#[test]
fn calls_that_are_not_answered_have_no_setup_and_no_length() {
    let (world, alice, proxy, bob) = cast(2, &script_to(SETTINGS, "", ""));
    alice.invite(&bob);
    bob.rings();
    bob.rejects(486);
    world.settle();
    let page = page_of(&proxy);
    for name in ["setup", "ringing", "duration"] {
        assert_eq!(value(&page, &format!("duologue_call_{name}_seconds_count")), Some(0.0));
    }
    assert_eq!(value(&page, "duologue_dialog_failed_dialogs_total"), Some(1.0));
    forgotten(&world, &proxy);
}

#[test]
fn messages_statistics_and_profiles_are_counted() {
    let settings = format!(
        "{SETTINGS}\nmodparam(\"dialog\", \"profiles_with_value\", \"caller\")\n\
         modparam(\"statistics\", \"stat_groups\", \"calls\")"
    );
    let targets = r#"
        set_dlg_profile("caller", "$fU");
        update_stat("calls:started", 1);
    "#;
    let events = r#"event_route[E_DLG_STATE_CHANGED] { return; }"#;
    let (world, alice, proxy, bob) = cast(3, &script_to(&settings, targets, events));
    answered(&world, &alice, &bob);
    let page = page_of(&proxy);
    for (sample, expected) in [
        ("duologue_core_rcv_requests_total", 2.0),
        ("duologue_core_bad_uris_rcvd_total", 0.0),
        ("duologue_tm_uas_transactions_total", 1.0),
        ("duologue_dialog_active_dialogs", 1.0),
        ("duologue_dialog_processed_dialogs_total", 1.0),
        ("duologue_calls_started_total", 1.0),
        ("duologue_profile_dialogs{profile=\"caller\"}", 1.0),
        ("duologue_message_handling_seconds_count{class=\"INVITE\"}", 1.0),
        ("duologue_message_handling_seconds_count{class=\"ACK\"}", 1.0),
        ("duologue_message_handling_seconds_count{class=\"reply\"}", 2.0),
        ("duologue_message_handling_seconds_count{class=\"REGISTER\"}", 0.0),
        ("duologue_run_queue_calls", 0.0),
        ("duologue_call_jobs_waiting_max", 0.0),
        ("duologue_draining", 0.0),
        ("duologue_metrics_left_out", 0.0),
        (
            "duologue_event_subscriber_waiting{event=\"E_DLG_STATE_CHANGED\",\
             socket=\"route:E_DLG_STATE_CHANGED\"}",
            0.0,
        ),
    ] {
        assert_eq!(value(&page, sample), Some(expected), "{sample}");
    }
    assert!(page.contains("# HELP duologue_core_rcv_requests_total Requests that parsed.\n"));
    assert!(page.contains("# TYPE duologue_core_rcv_requests_total counter\n"));
    assert!(page.contains("# TYPE duologue_dialog_active_dialogs gauge\n"));
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn names_are_as_the_script_wants_them() {
    let with = |parameters: &str| {
        let (_, _, proxy, _) = cast(4, &script_to(&format!("{SETTINGS}\n{parameters}"), "", ""));
        page_of(&proxy)
    };
    let hidden = with(
        r#"modparam("prometheus", "group_mode", 0)
           modparam("prometheus", "prefix", "opensips")
           modparam("prometheus", "delimiter", "__")
           modparam("prometheus", "statistics", "active_dialogs sl:")
           modparam("prometheus", "statistics", "core:rcv_requests")"#,
    );
    for present in [
        "opensips__active_dialogs 0",
        "opensips__sent_replies__total 0",
        "opensips__rcv_requests__total 0",
    ] {
        assert!(hidden.contains(present), "{present} is not in {hidden}");
    }
    assert!(!hidden.contains("rcv_replies") && !hidden.contains("duologue"));
    let labelled = with(
        r#"modparam("prometheus", "group_mode", 2)
           modparam("prometheus", "group_label", "grp")
           modparam("prometheus", "group_prefix", "sip_")
           modparam("prometheus", "statistics", "all")"#,
    );
    assert!(labelled.contains("duologue_active_dialogs{grp=\"sip_dialog\"} 0"));
    let named = with(r#"modparam("prometheus", "group_prefix", "sip")"#);
    assert!(named.contains("duologue_sip_dialog_active_dialogs 0"));
}

#[test]
fn names_that_cannot_be_are_refused() {
    let refused = |parameter: &str| {
        let script = format!(
            "loadmodule \"httpd.so\"\nloadmodule \"prometheus.so\"\n\
             modparam(\"prometheus\", {parameter})\nroute {{ exit; }}"
        );
        Builder::text(script).plan().unwrap_err().to_string()
    };
    for (parameter, told) in [
        ("\"prefix\", \"open sips\"", "prefix"),
        ("\"prefix\", \"1st\"", "prefix"),
        ("\"delimiter\", \"-\"", "delimiter"),
        ("\"group_prefix\", \"a.b\"", "group_prefix"),
        ("\"group_label\", \"\"", "group_label"),
        ("\"group_mode\", 3", "group_mode"),
        ("\"root\", \"/\"", "root"),
    ] {
        assert!(refused(parameter).contains(told), "{parameter}");
    }
}

#[test]
fn a_proxy_that_goes_down_is_not_ready() {
    let (_, _, proxy, _) = cast(5, &script_to(SETTINGS, "", ""));
    let node = &proxy.borrow().node;
    assert_eq!(readiness(node), Ok(()));
    node.drain();
    assert!(readiness(node).is_err_and(|reason| reason.contains("going down")));
}
