//! The odds and ends of `cfgutils` in whole calls (spec/modules.md §25).

mod world;

use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, Served};
use world::{NAME, Proxy, Text, answered, cast, forgotten, script_to};

const CFGUTILS: &str = r#"
    loadmodule "cfgutils.so"
    modparam("cfgutils", "shvset", "number=i:5")
    modparam("cfgutils", "shvset", "text=s:some words")
    modparam("cfgutils", "varset", "limit=i:7")
    modparam("cfgutils", "varset", "name=s:preset")
    modparam("cfgutils", "initial_probability", 100)
    modparam("cfgutils", "lock_pool_size", 1)
"#;

/// The value of a header in the latest request of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

/// Bob, who has got the INVITE of a script.
fn invited(targets: &str, rest: &str) -> (Served<Proxy>, Agent) {
    let (world, alice, proxy, bob) = cast(1, &script_to(CFGUTILS, targets, rest));
    alice.invite(&bob);
    world.settle();
    bob.rejects(486);
    forgotten(&world, &proxy);
    (proxy, bob)
}

#[test]
fn shared_variables_outlive_the_message() {
    let targets = r#"
        append_hf("X-Start: $shv(number) $shv(text) $shv(never)\r\n");
        $shv(number) = $shv(number) + 1;
        $shv(calls) += 1;
        $shv(text) = $fU;
        if ($shv(never) == 0)
            append_hf("X-Number: yes\r\n");
    "#;
    let within = r#"
    route[within] {
        append_hf("X-Now: $shv(number) $shv(text) $shv(calls)\r\n");
        $shv(text) = NULL;
        append_hf("X-After: $shv(text)\r\n");
    }
    "#;
    let (world, alice, proxy, bob) = cast(2, &script_to(CFGUTILS, targets, within));
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Start"), "5 some words 0");
    assert_eq!(shown(&bob, "INVITE", "X-Number"), "yes");
    assert_eq!(shown(&bob, "ACK", "X-Now"), "6 alice 1");
    assert_eq!(shown(&bob, "ACK", "X-After"), "0");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

/// spec/modules.md §25, `varset`: what a `$var` holds when a run starts.
#[test]
fn variables_may_have_a_first_value() {
    let targets = r#"
        append_hf("X-Vars: $var(limit) $var(name) $var(other)\r\n");
        $var(limit) = 9;
        $var(dynamic) = "limit";
        append_hf("X-Changed: $var($var(dynamic))\r\n");
    "#;
    let within = r#"route[within] { append_hf("X-Vars: $var(limit) $var(name)\r\n"); }"#;
    let (world, alice, proxy, bob) = cast(3, &script_to(CFGUTILS, targets, within));
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Vars"), "7 preset <null>");
    assert_eq!(shown(&bob, "INVITE", "X-Changed"), "9");
    assert_eq!(shown(&bob, "ACK", "X-Vars"), "7 preset");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn chance_goes_by_the_probability() {
    let targets = r#"
        $var(a) = rand_event();
        $var(b) = rand_event(0);
        $var(c) = rand_get_prob();
        $var(d) = rand_set_prob(0);
        $var(e) = rand_event();
        $var(f) = rand_get_prob();
        $var(g) = rand_set_prob(101);
        rand_reset_prob();
        $var(h) = rand_get_prob();
        append_hf("X-Chance: $var(a) $var(b) $var(c) $var(d) $var(e) $var(f) $var(g) $var(h)\r\n");
        if ($RANDOM >= 0 && $RANDOM != $RANDOM)
            append_hf("X-Random: yes\r\n");
    "#;
    let (_, bob) = invited(targets, "");
    assert_eq!(shown(&bob, "INVITE", "X-Chance"), "1 -1 100 1 -1 -1 -1 100");
    assert_eq!(shown(&bob, "INVITE", "X-Random"), "yes");
}

#[test]
fn values_are_counted_chosen_and_mixed() {
    let targets = r#"
        $avp(w) = 0; $avp(w) = 10; $avp(w) = 0;
        $var(i) = set_select_weight($avp(w));
        $var(j) = set_select_weight($avp(nothing));
        append_hf("X-Picked: $var(i) $var(j)\r\n");
        set_count($avp(w), $var(a));
        set_count($(hdr(Via)[*]), $var(b));
        set_count($hdr(X-None), $var(c));
        set_count($rU, $var(d));
        set_count($var(none), $var(e));
        set_count($var(a), $var(f));
        append_hf("X-Counts: $var(a) $var(b) $var(c) $var(d) $var(e) $var(f)\r\n");
        $var(n) = 0;
        while ($var(n) < 20) { $avp(deck) = $var(n); $var(n) += 1; }
        $var(before) = $(avp(deck)[*]);
        $var(a) = shuffle_avps($avp(deck));
        $var(b) = shuffle_avps($avp(nothing));
        $var(after) = $(avp(deck)[*]);
        append_hf("X-Before: $var(before)\r\n");
        append_hf("X-After: $var(after)\r\n");
        append_hf("X-Codes: $var(a) $var(b)\r\n");
    "#;
    let (_, bob) = invited(targets, "");
    assert_eq!(shown(&bob, "INVITE", "X-Picked"), "1 -1");
    assert_eq!(shown(&bob, "INVITE", "X-Counts"), "3 1 0 1 0 1");
    assert_eq!(shown(&bob, "INVITE", "X-Codes"), "1 -1");
    let deck = |header| {
        let mut deck: Vec<u32> =
            shown(&bob, "INVITE", header).split(", ").map(|n| n.parse().unwrap()).collect();
        let shown = deck.clone();
        deck.sort_unstable();
        (shown, deck)
    };
    let (before, after) = (deck("X-Before"), deck("X-After"));
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1);
}

#[test]
fn time_is_told_and_subtracted() {
    let targets = r#"
        get_accurate_time($var(s), $var(us), $var(text));
        $var(same) = $Ts - $var(s);
        append_hf("X-Time: $var(same) $var(us) $(var(text){s.len})\r\n");
        usleep(3000);
        get_accurate_time($var(s2), $var(us2));
        ts_usec_delta($var(s), $var(us), $var(s2), $var(us2), $var(d), $var(n));
        append_hf("X-Slept: $var(d) $var(n)\r\n");
        $var(a) = ts_usec_delta(2, 5, 1, 6, $var(d));
        append_hf("X-Apart: $var(a) $var(d)\r\n");
        $var(a) = ts_usec_delta(0, 0, 10000, 0, $var(d), $var(n));
        append_hf("X-Far: $var(a) $var(d)\r\n");
        $var(never) = -1;
        $var(a) = usleep($var(never));
        append_hf("X-Never: $var(a)\r\n");
        if ($ctime(year) > 2000 && $ctime(mon) <= 12 && $ctime(wday) > 0)
            append_hf("X-Date: yes\r\n");
    "#;
    let (_, bob) = invited(targets, "");
    let time = shown(&bob, "INVITE", "X-Time");
    let fields: Vec<i64> = time.split(' ').map(|n| n.parse().unwrap()).collect();
    assert!((0..=1).contains(&fields[0]) && fields[1] < 1_000_000, "{time}");
    assert_eq!(fields[2], 17, "ten digits, a dot, six digits");
    // The run goes on later than it was by at least as long as it slept.
    let slept = shown(&bob, "INVITE", "X-Slept");
    let (text, number) = slept.split_once(' ').unwrap();
    assert!(text == number && text.parse::<u32>().unwrap() >= 3000, "{slept}");
    assert_eq!(shown(&bob, "INVITE", "X-Apart"), "1 999999");
    assert_eq!(shown(&bob, "INVITE", "X-Far"), "-1 10000000000");
    assert_eq!(shown(&bob, "INVITE", "X-Never"), "-1");
    assert_eq!(shown(&bob, "INVITE", "X-Date"), "yes");
}

#[test]
fn locks_are_got_released_and_given_back() {
    let targets = r#"
        $var(a) = release_static_lock("one");
        $var(b) = get_static_lock("one");
        $var(c) = get_static_lock("two");
        $var(d) = release_static_lock("one");
        append_hf("X-Static: $var(a) $var(b) $var(c) $var(d)\r\n");
        $var(a) = get_dynamic_lock("x_$ci");
        $var(b) = get_dynamic_lock("y");
        $var(c) = strings_share_lock("x", "y");
        $var(d) = release_dynamic_lock("x_$ci");
        append_hf("X-Dynamic: $var(a) $var(b) $var(c) $var(d)\r\n");
    "#;
    // The lock that the INVITE kept is free for the ACK.
    let within = r#"
    route[within] {
        $var(a) = get_static_lock("two");
        $var(b) = get_dynamic_lock("z");
        append_hf("X-Locks: $var(a) $var(b)\r\n");
    }
    "#;
    let (world, alice, proxy, bob) = cast(4, &script_to(CFGUTILS, targets, within));
    answered(&world, &alice, &bob);
    assert_eq!(shown(&bob, "INVITE", "X-Static"), "-1 1 1 1");
    // There is one lock in the pool: the run has it twice.
    assert_eq!(shown(&bob, "INVITE", "X-Dynamic"), "1 1 1 1");
    assert_eq!(shown(&bob, "ACK", "X-Locks"), "1 1");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn recurrences_are_checked() {
    let targets = r#"
        $var(a) = check_time_rec("UTC|20250101T080000||10H|DAILY", 1749207600);
        $var(b) = check_time_rec("UTC|20250101T080000||10H|DAILY", 1749247200);
        $var(rec) = "nonsense|x";
        $var(c) = check_time_rec($var(rec));
        $var(d) = check_time_rec("20010101");
        append_hf("X-Codes: $var(a) $var(b) $var(c) $var(d)\r\n");
    "#;
    let (_, bob) = invited(targets, "");
    // Friday 2025-06-06, 11:00 and 22:00.
    assert_eq!(shown(&bob, "INVITE", "X-Codes"), "1 -1 -2 1");
}

#[test]
fn the_environment_and_the_memory_are_told() {
    let targets = r#"
        append_hf("X-Env: $env(PATH)\r\n");
        append_hf("X-None: $env(DUOLOGUE_HAS_NO_SUCH_VARIABLE)\r\n");
        $var(a) = pkg_status();
        $var(b) = shm_status();
        append_hf("X-Status: $var(a) $var(b)\r\n");
    "#;
    let (_, bob) = invited(targets, "");
    assert_eq!(shown(&bob, "INVITE", "X-Env"), std::env::var("PATH").unwrap());
    assert_eq!(shown(&bob, "INVITE", "X-None"), "<null>");
    assert_eq!(shown(&bob, "INVITE", "X-Status"), "1 1");
}

/// The child of the test below: a program whose script ends it.
#[test]
fn abort_in_a_child() {
    if std::env::var_os(CHILD).is_some() {
        invited("abort();", "");
    }
}

const CHILD: &str = "DUOLOGUE_TEST_ABORTS";

#[test]
fn abort_ends_the_program_at_once() {
    let program = std::env::current_exe().unwrap();
    let child = std::process::Command::new(program)
        .args(["--exact", "abort_in_a_child"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    // SIGABRT
    assert_eq!(child.status.signal(), Some(6));
}

#[test]
fn what_cannot_be_meant_is_refused_when_the_script_loads() {
    let refusal = |settings: &str, targets: &str| {
        let script = script_to(settings, targets, "");
        let plan = Plan::load(NAME, &Text(&script), &[], Overrides::default());
        plan.expect_err("it must not load").to_string()
    };
    let statement = |targets| refusal(CFGUTILS, targets);
    assert!(statement("check_time_rec(\"20250101||1H|HOURLY\");").contains("HOURLY is no freq"));
    assert!(statement("get_static_lock(\"$ci\");").contains("no variables"));
    assert!(statement("$var(x) = $ctime(day);").contains("is not one of"));
    assert!(statement("set_count(\"$avp(x)\", $var(n));").contains("without quotes"));
    assert!(statement("set_count($(avp(x){s.len}), $var(n));").contains("a plain variable"));
    let parameter = |name: &str, value: &str| {
        let line = format!("modparam(\"cfgutils\", \"{name}\", {value})");
        refusal(&format!("loadmodule \"cfgutils.so\"\n{line}"), "")
    };
    assert!(parameter("shvset", "\"x=5\"").contains("name=i:NUMBER"));
    assert!(parameter("varset", "\"x=f:5\"").contains("name=i:NUMBER"));
    assert!(parameter("initial_probability", "101").contains("0 to 100"));
    assert!(parameter("lock_pool_size", "0").contains("at least 1"));
    assert!(parameter("shv_hash_size", "0").contains("at least 1"));
}
