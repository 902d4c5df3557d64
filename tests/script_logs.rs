//! What scripts write to the log (spec/script.md §13, §11 `script_trace()` and `avp_print()`), and
//! what their authors are told when they load (§2.3).

#![allow(clippy::unwrap_used)] // An error is a failed test.

mod world;

use std::fmt::Debug;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::{Arc, Mutex};

use duologue::{Overrides, Plan};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use world::{NAME, Text, cast};

const HEAD: &str = r#"
    socket = udp:10.0.0.1:5060
    loadmodule "proto_udp.so"
    loadmodule "sl.so"
"#;

/// A line: who wrote it, at which level as OpenSIPS counts, and the text.
type Line = (String, i64, String);

struct Keep(Arc<Mutex<Vec<Line>>>);

#[derive(Default)]
struct Parts {
    severity: Option<i64>,
    message: String,
}

impl Visit for Parts {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "severity" {
            self.severity = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = parts.severity.unwrap_or(99);
        let target = event.metadata().target().to_owned();
        self.0.lock().unwrap().push((target, level, parts.message));
    }
}

/// What a script logs when a request comes in.
fn logged(settings: &str, route: &str) -> Vec<Line> {
    let script = format!("{settings}\n{HEAD}\n{route}\n");
    let mut lines = heard(|| {
        let (world, alice, _proxy, bob) = cast(1, &script);
        alice.sends("OPTIONS", &bob.uri());
        world.settle();
    });
    lines.retain(|line| matches!(&*line.0, "xlog" | "script"));
    lines
}

/// All that is logged meanwhile.
fn heard(play: impl FnOnce()) -> Vec<Line> {
    let kept = Arc::new(Mutex::default());
    let registry = tracing_subscriber::registry().with(Keep(Arc::clone(&kept)));
    tracing::subscriber::with_default(registry, play);
    let lines = kept.lock().unwrap();
    lines.clone()
}

// spec/modules.md §2, enable_socket_mismatch_warning: a Route of ours that names no socket.
#[test]
fn a_route_without_a_socket_is_told() {
    for (value, told) in [(1, 1), (0, 0)] {
        let script = format!(
            "{HEAD}\nalias = udp:edge.example.com\nloadmodule \"rr.so\"\n\
             modparam(\"rr\", \"enable_socket_mismatch_warning\", {value})\n\
             route {{ loose_route(); sl_send_reply(404, \"No\"); }}\n"
        );
        let lines = heard(|| {
            let (world, alice, _proxy, bob) = cast(1, &script);
            alice.preloads(&["<sip:10.0.0.1;r2=on;lr>", "<sip:edge.example.com;r2=on;lr>"]);
            alice.sends("OPTIONS", &bob.uri());
            world.settle();
        });
        let about = lines.iter().filter(|line| line.2.contains("no socket matches this Route"));
        assert_eq!(about.count(), told, "enable_socket_mismatch_warning = {value}");
    }
}

// spec/script.md §2.2: a bond is one of the script's sockets, which who starts it may replace.
#[test]
fn bonds_without_their_sockets_are_told() {
    let script =
        format!("{HEAD}\nsocket = bond:outside {{\"udp:10.0.0.1:5060\"}}\nroute {{ exit; }}");
    for (sockets, told) in [(vec!["127.0.0.1:0".to_owned()], 1), (Vec::new(), 0)] {
        let overrides = Overrides { sockets, ..Overrides::default() };
        let plan = Plan::load(NAME, &Text(&script), &[], overrides).unwrap();
        let lines = heard(|| assert!(plan.sockets().is_ok()));
        let about = lines.iter().filter(|line| line.2.contains("bond:outside is none"));
        assert_eq!(about.count(), told);
    }
}

fn scripted(lines: &[Line]) -> Vec<(i64, &str)> {
    let own = lines.iter().filter(|line| line.0 == "xlog");
    own.map(|(_, level, text)| (*level, text.as_str())).collect()
}

#[test]
fn section_13_levels_and_thresholds() {
    let route = r#"route {
        $var(level) = 1;
        xlog("L_ALERT", "a"); xlog("L_CRIT", "b"); xlog("L_ERR", "c"); xlog("L_WARN", "d");
        xlog("L_NOTICE", "e"); xlog("L_INFO", "f"); xlog("L_DBG", "g"); xdbg("h");
        xlog("plain $rm"); xlog($var(level), "variable"); xlog("$var(level)", "quoted");
        sl_send_reply(200, "OK");
    }"#;
    let up_to_notice = [
        (-3, "a"),
        (-2, "b"),
        (-1, "c"),
        (1, "d"),
        (2, "e"),
        (2, "plain OPTIONS"),
        (1, "variable"),
        (1, "quoted"),
    ];
    assert_eq!(scripted(&logged("", route)), up_to_notice);
    let all = logged("xlog_level = 4\nlog_level = -1", route);
    assert_eq!(scripted(&all).len(), 11, "log_level has no say in xlog()");
    let few = logged("xlog_level = -2\nxlog_print_level = -3", route);
    assert_eq!(scripted(&few), [(-3, "a"), (-2, "b"), (-3, "plain OPTIONS")]);
}

#[test]
fn section_13_a_line_that_is_too_long_is_dropped() {
    let route = r#"route {
        xlog("0123456789"); xlog("$rc"); xlog("01234567890"); xlog("$rc");
        sl_send_reply(200, "OK");
    }"#;
    let lines = logged("xlog_buf_size = 10", route);
    assert_eq!(scripted(&lines), [(2, "0123456789"), (2, "1"), (2, "-1")]);
}

/// `log()` expands nothing and goes by `log_level`; without a level it is DBG.
#[test]
fn section_13_log_is_literal() {
    let route = r#"route {
        log(-1, "error $rm"); log(2, "no" "tice"); log("debug"); log(3, "info");
        sl_send_reply(200, "OK");
    }"#;
    assert_eq!(scripted(&logged("", route)), [(-1, "error $rm"), (2, "notice")]);
}

#[test]
fn section_11_script_trace_tells_each_statement() {
    let route = r#"route {
        xlog("before");
        script_trace(1, "$rm from $(fU)", "me");
        $var(x) = 1;
        route(sub);
        script_trace();
        $var(x) = 2;
        sl_send_reply(200, "OK");
    }
    route[sub] {
        return(1);
    }"#;
    let lines = logged("", route);
    let shown = scripted(&lines);
    assert_eq!(
        shown,
        [
            (2, "before"),
            (1, "script_trace: me test.cfg:10 route OPTIONS from alice"),
            (1, "script_trace: me test.cfg:11 route OPTIONS from alice"),
            (1, "script_trace: me test.cfg:17 route[sub] OPTIONS from alice"),
            (1, "script_trace: me test.cfg:12 route OPTIONS from alice"),
        ]
    );
    // Lines that nobody would see are not made.
    assert_eq!(scripted(&logged("", &route.replace("(1, ", "(4, "))), [(2, "before")]);
}

#[test]
fn section_11_avp_print_shows_all_values() {
    let route = r#"route {
        $avp(a) = 1; $avp(b) = "x\"y"; $avp(a) = "two";
        avp_print();
        sl_send_reply(200, "OK");
    }"#;
    let lines = logged("", route);
    let shown: Vec<_> = lines.iter().map(|line| line.2.as_str()).collect();
    assert_eq!(shown, ["$avp(a) = \"two\"", "$avp(b) = \"x\\\"y\"", "$avp(a) = 1"]);
}

fn warnings(script: &str) -> Vec<String> {
    let script = format!("{HEAD}\n{script}\nroute {{ exit; }}\n");
    let plan = Plan::load(NAME, &Text(&script), &[], Overrides::default());
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    plan.warnings().list().iter().map(|warning| warning.message.clone()).collect()
}

/// Settings that mean nothing here are accepted, and each says so once.
#[test]
fn section_2_3_what_changes_nothing_is_told_once() {
    assert_eq!(
        warnings("tcp_workers = 4\ntcp_workers = 8\ndns = no\nauto_aliases = no"),
        [
            "`tcp_workers` changes nothing here: this version speaks UDP only",
            "`dns` changes nothing here: `received` tells the source address whenever the Via does \
             not",
        ]
    );
    assert_eq!(
        warnings("log_stderror = yes"),
        ["`log_stderror` is the old name of `stderror_enabled`"]
    );
    assert_eq!(
        warnings(
            "mem-group = \"x\": \"tm\" \"dialog\"\nshm_secondary_hash_size = 8\n\
             auto_scaling_profile = P scale up to 6 on 70% for 4 cycles within 5\n\
             udp_workers = 4 use_auto_scaling_profile P\npoll_method = /dev/poll"
        )
        .len(),
        5
    );
    assert_eq!(warnings("log_level = 3\nudp_workers = 2\ntos = 0x10"), [] as [&str; 0]);
}

/// Every setting of the list loads; those of the past say what to write instead.
#[test]
fn section_2_3_all_settings_are_known() {
    let settings = r#"
        log_level=2 xlog_level=2 xlog_print_level=2 xlog_buf_size=4096 xlog_force_color=no
        pv_print_buf_size=20000 stderror_enabled=yes syslog_enabled=no
        syslog_facility=LOG_DAEMON syslog_name="x" stderror_log_format="plain_text"
        syslog_log_format="json" stderror_level_filter=0 syslog_level_filter=0
        log_event_level_filter=0 log_event_enabled=no log_prefix="p" log_stdout=no debug_mode=no
        udp_workers=8 tcp_workers=8 timer_workers=1 auto_scaling_cycle=1
        alias=example.com auto_aliases=no advertised_address=10.0.0.1 advertised_port=5060
        mhomed=no check_via=no server_signature=yes server_header="Server: a"
        user_agent_header="User-Agent: b" sip_warning=no disable_503_translation=no
        disable_stateless_fwd=yes max_while_loops=100 maxbuffer=262144 enable_asserts=no
        abort_on_assert=no db_default_url="x" db_version_table="version"
        db_max_async_connections=10 query_buffer_size=0 query_flush_time=0 dns=no rev_dns=no
        dns_try_ipv6=no dns_try_naptr=yes dns_retr_time=1 dns_retr_no=1 dns_servers_no=1
        dns_use_search_list=yes disable_dns_failover=no disable_dns_blacklist=yes
        dst_blacklist = a: { (udp, 10.9.0.0/16, 0, "") }
        tos=IPTOS_LOWDELAY mcast_loopback=no mcast_ttl=1 tcp_accept_aliases=0
        tcp_connect_timeout=100 tcp_connection_lifetime=120 tcp_max_connections=2048
        tcp_max_msg_time=4 tcp_socket_backlog=10 tcp_keepalive=yes tcp_keepcount=1
        tcp_keepidle=1 tcp_keepinterval=1 tcp_no_new_conn_bflag=A tcp_no_new_conn_rplflag=B
        tcp_threads=1 worker_reactor_timeout=1000 poll_method=epoll open_files_limit=1024
        chroot="/x" wdir="/y" workdir=/z disable_core_dump=no exec_msg_threshold=0
        execmsgthreshold=0 exec_dns_threshold=0 tcp_threshold=0 event_shm_threshold=0
        event_pkg_threshold=0 memlog=1 mem_log=1 memdump=1 mem_dump=1 shm_memlog_size=1
        mem_warming=no mem_warming_percentage=75 restart_persistency_size=1024 pi_framework="x"
    "#;
    warnings(settings);
    for (old, instead) in [
        ("children = 4", "udp_workers"),
        ("debug = 3", "log_level"),
        ("fork = yes", "foreground"),
        ("disable_tcp = yes", "proto_tcp"),
        ("port = 5060", "socket="),
    ] {
        let script = format!("{HEAD}\n{old}\nroute {{ exit; }}\n");
        let error = Plan::load(NAME, &Text(&script), &[], Overrides::default()).unwrap_err();
        assert!(error.to_string().contains(instead), "{error}");
    }
    let script = format!("{HEAD}\nlog_levle = 3\nroute {{ exit; }}\n");
    let error = Plan::load(NAME, &Text(&script), &[], Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("unknown config variable"), "{error}");
}

/// spec/script.md §2.3, `abort_on_assert`: played in a process of its own.
#[test]
fn section_2_3_a_failed_assertion_may_end_the_program() {
    const CHILD: &str = "DUOLOGUE_TEST_ABORTS";
    if std::env::var_os(CHILD).is_some() {
        let route = "route { assert($rm == \"NONE\", \"not so\"); }";
        logged("enable_asserts = yes\nabort_on_assert = yes", route);
        return;
    }
    let name = "section_2_3_a_failed_assertion_may_end_the_program";
    let program = std::env::current_exe().unwrap();
    let ended = Command::new(program).args(["--exact", name]).env(CHILD, "1").output().unwrap();
    assert_eq!(ended.status.signal(), Some(6), "{ended:?}");
}
