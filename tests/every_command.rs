//! All management commands, as the registry has them: each has a test, goes by its old and its new
//! name, and says what it does to the server.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duologue::management::rpc::Registry;
use duologue::script::Files;
use duologue::{Builder, management};

/// All commands of a server whose script loads every module that has some.
fn registry() -> Registry {
    let modules = [
        "proto_udp",
        "signaling",
        "sl",
        "tm",
        "rr",
        "dialog",
        "usrloc",
        "cfgutils",
        "statistics",
        "cachedb_local",
        "httpd",
        "mi_http",
    ];
    let modules: String = modules.map(|name| format!("loadmodule \"{name}.so\"\n")).concat();
    let script = Builder::text(format!("{modules}route {{ exit; }}"));
    let server = Arc::new(script.sockets(["127.0.0.1:0".to_owned()]).start().unwrap());
    let mut registry = management::commands(&server, || {}).unwrap();
    management::reloading(&mut registry, &server, "script.cfg", Files).unwrap();
    registry
}

/// The text of all tests but this one.
fn tests() -> Vec<(PathBuf, String)> {
    fn gather(place: &Path, found: &mut Vec<(PathBuf, String)>) {
        for path in fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                gather(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for place in ["tests", "crates/management/tests", "xtask/src"] {
        gather(&root.join(place), &mut found);
    }
    // Here names stand in tables, and there requests are made by chance.
    let own = |path: &Path| {
        path.ends_with("tests/every_command.rs")
            || path.parent().is_some_and(|it| it.ends_with("any_request"))
    };
    found.retain(|(path, _)| !own(path));
    assert!(found.len() > 30);
    found
}

#[test]
fn every_command_has_a_test() {
    let tests = tests();
    let registry = registry();
    let asked = |name: &str| {
        let quoted = [format!("\"{name}\""), format!("\"{name} "), format!("\\\"{name}\\\"")];
        tests.iter().any(|(_, text)| quoted.iter().any(|quoted| text.contains(quoted)))
    };
    let untested: Vec<_> = registry
        .commands()
        .filter(|command| !command.names().any(asked))
        .map(|command| command.name())
        .collect();
    assert_eq!(untested, [""; 0], "no test asks for these");
}

/// spec/script.md §15.3, §15.4, spec/dialog.md §13, spec/modules.md §32: both spellings.
#[test]
fn old_names_are_those_of_the_new_ones() {
    let registry = registry();
    for (old, new) in [
        ("which", "core:which"),
        ("help", "core:help"),
        ("ps", "core:ps"),
        ("uptime", "core:uptime"),
        ("version", "core:version"),
        ("pwd", "core:pwd"),
        ("arg", "core:arg"),
        ("kill", "core:kill"),
        ("log_level", "core:log_level"),
        ("xlog_level", "core:xlog_level"),
        ("log_level_filter", "core:log_level_filter"),
        ("log_mute_state", "core:log_mute_state"),
        ("reload_routes", "core:reload_routes"),
        ("get_statistics", "statistics:get"),
        ("list_statistics", "statistics:list"),
        ("reset_statistics", "statistics:reset"),
        ("reset_all_statistics", "statistics:reset_all"),
        ("cache_store", "cache:store"),
        ("cache_fetch", "cache:fetch"),
        ("cache_remove", "cache:remove"),
        ("event_subscribe", "evi:subscribe"),
        ("events_list", "evi:list"),
        ("subscribers_list", "evi:subscribers"),
        ("raise_event", "evi:raise"),
        ("list_blacklists", "blacklists:list"),
        ("check_blacklist", "blacklists:check"),
        ("check_blacklists", "blacklists:check_all"),
        ("add_blacklist_rule", "blacklists:add_rule"),
        ("del_blacklist_rule", "blacklists:del_rule"),
        ("mem_pkg_dump", "mem:pkg_dump"),
        ("mem_shm_dump", "mem:shm_dump"),
        ("mem_rpm_dump", "mem:rpm_dump"),
        ("dlg_list", "dialog:list"),
        ("dlg_list_ctx", "dialog:list_ctx"),
        ("dlg_end_dlg", "dialog:end_dlg"),
        ("profile_get_size", "dialog:profile_get_size"),
        ("profile_list_dlgs", "dialog:profile_list_dlgs"),
        ("profile_get_values", "dialog:profile_get_values"),
        ("profile_end_dlgs", "dialog:profile_end_dlgs"),
        ("list_all_profiles", "dialog:list_all_profiles"),
        ("dlg_push_var", "dialog:push_var"),
        ("dlg_send_sequential", "dialog:send_sequential"),
        ("dlg_set_profile", "dialog:set_profile"),
        ("dlg_unset_profile", "dialog:unset_profile"),
        ("dlg_db_sync", "dialog:db_sync"),
        ("dlg_restore_db", "dialog:restore_db"),
        ("dlg_cluster_sync", "dialog:cluster_sync"),
        ("t_uac_dlg", "tm:uac_dlg"),
        ("t_uac_cancel", "tm:uac_cancel"),
        ("t_reply", "tm:reply"),
        ("ul_dump", "usrloc:dump"),
        ("ul_show_contact", "usrloc:show_contact"),
        ("ul_add", "usrloc:add"),
        ("ul_rm", "usrloc:rm"),
        ("ul_rm_contact", "usrloc:rm_contact"),
        ("ul_flush", "usrloc:flush"),
        ("ul_sync", "usrloc:sync"),
        ("shv_get", "cfgutils:shv_get"),
        ("shv_set", "cfgutils:shv_set"),
        ("rand_set_prob", "cfgutils:rand_set_prob"),
        ("httpd_list_root_path", "httpd:list_root_path"),
    ] {
        for name in [old, new] {
            let found = registry.find(name).map(|command| command.name());
            assert_eq!(found.unwrap_or("nothing"), new, "{name}");
        }
    }
}

/// What runs for who may only read: a command that is new here must be meant to be.
#[test]
fn what_reads_is_known() {
    let registry = registry();
    let reads = registry.commands().filter(|command| !command.is_changing());
    let mut reads: Vec<_> = reads.map(|command| command.name()).collect();
    reads.sort_unstable();
    assert_eq!(
        reads,
        [
            "blacklists:check",
            "blacklists:check_all",
            "blacklists:list",
            "cache:fetch",
            "cachedb_local:fetch_chunk",
            "cfgutils:check_config_hash",
            "cfgutils:get_config_hash",
            "cfgutils:rand_get_prob",
            "cfgutils:shv_get",
            "core:arg",
            "core:help",
            "core:ps",
            "core:pwd",
            "core:uptime",
            "core:version",
            "core:which",
            "dialog:briefing",
            "dialog:list",
            "dialog:list_all_profiles",
            "dialog:list_ctx",
            "dialog:profile_get_size",
            "dialog:profile_get_values",
            "dialog:profile_list_dlgs",
            "evi:list",
            "evi:subscribers",
            "httpd:list_root_path",
            "statistics:get",
            "statistics:list",
            "status_report:get",
            "status_report:identifiers",
            "status_report:reports",
            "status_report:status",
            "usrloc:dump",
            "usrloc:show_contact",
        ]
    );
}
