//! Scripts that are refused when they load, and settings that are taken.

use crate::office::{BOB, LOOKUP, Office, SAVE, script};
use crate::world::{self, script_to};

/// Users in a database, with a driver and without one, and in none.
const KEPT: &str = r#"
    loadmodule "db_sqlite.so"
    modparam("usrloc", "db_mode", 1)
    modparam("usrloc", "db_url", "sqlite:///tmp/never-opened")
"#;
const KEPT_ELSEWHERE: &str = r#"
    modparam("usrloc", "db_mode", 2)
    modparam("usrloc", "db_url", "postgres://host/name")
"#;
const KEPT_NOWHERE: &str = r#"
    modparam("usrloc", "db_mode", 2)
    modparam("usrloc", "db_url", "nonsense")
"#;

fn refusal(script: &str) -> String {
    let plan = duologue::Plan::load(
        world::NAME,
        &world::Text(script),
        &[],
        duologue::Overrides::default(),
    );
    match plan.and_then(|plan| {
        let sockets = plan.sockets()?;
        plan.build(sockets, 1, duologue::sip::Moment::default(), 7)
    }) {
        Ok(_) => "(it starts)".to_owned(),
        Err(error) => error.to_string(),
    }
}

// spec/modules.md §13: clusters, and users in the database alone, are known, and not built.
#[test]
fn modes_that_are_not_built_are_refused_with_the_reason() {
    for (parameter, value) in [
        ("working_mode_preset", "\"sql-only\""),
        ("working_mode_preset", "\"full-sharing-cluster\""),
        ("cluster_mode", "\"federation-cachedb\""),
        ("restart_persistency", "\"sync-from-cluster\""),
        ("db_mode", "3"),
        ("location_cluster", "1"),
    ] {
        let settings = format!("modparam(\"usrloc\", \"{parameter}\", {value})");
        let refused = refusal(&script(&settings, SAVE, LOOKUP));
        assert!(refused.contains("module usrloc: "), "{refused}");
        assert!(refused.contains("not built yet"), "{refused}");
        assert!(refused.contains(parameter), "{refused}");
    }
    for (parameter, value) in [
        ("working_mode_preset", "\"single-instance-no-db\""),
        ("cluster_mode", "\"none\""),
        ("restart_persistency", "\"none\""),
        ("sql_write_mode", "\"none\""),
        ("db_mode", "0"),
        ("db_url", "\"mysql://localhost/opensips\""),
        ("cachedb_url", "\"redis://localhost:6379/\""),
        ("max_contact_delete", "25"),
        ("matching_mode", "1"),
        ("matching_mode", "\"rinstance\""),
    ] {
        let settings = format!("modparam(\"usrloc\", \"{parameter}\", {value})");
        assert_eq!(refusal(&script(&settings, SAVE, LOOKUP)), "(it starts)", "{parameter}");
    }
}

#[test]
fn mistakes_are_found_when_the_script_loads() {
    for (settings, save, lookup, says) in [
        ("", r#"save("location", "no-replay");"#, "", "flags of save() are"),
        ("", r#"save("location", "", "", "tag");"#, "", "owner_tag"),
        ("", SAVE, r#"lookup("location", "x");"#, "flags of lookup() are"),
        ("", SAVE, r#"remove_ip_port("host", 5060, "location");"#, "is no IP address"),
        (r#"modparam("registrar", "default_q", 1001)"#, SAVE, "", "default_q"),
        (r#"modparam("registrar", "received_avp", "rcv")"#, SAVE, "", "$avp(name)"),
        (r#"modparam("registrar", "pn_enable", 1)"#, SAVE, "", "pn_enable needs pn_providers"),
        (r#"modparam("registrar", "max_expires", 10)"#, SAVE, "", "below min_expires"),
        (r#"modparam("registrar", "tcp_persistent_flag", 1)"#, SAVE, "", "tcp_persistent_flag"),
        (r#"modparam("usrloc", "max_contact_delete", 0)"#, SAVE, "", "max_contact_delete"),
        (r#"modparam("usrloc", "timer_interval", 0)"#, SAVE, "", "timer_interval"),
        (r#"modparam("usrloc", "cseq_delay", -1)"#, SAVE, "", "cseq_delay"),
        (r#"modparam("usrloc", "hash_size", 25)"#, SAVE, "", "hash_size"),
        (r#"modparam("usrloc", "matching_mode", 2)"#, SAVE, "", "matching_mode"),
        (r#"modparam("usrloc", "working_mode_preset", "fast")"#, SAVE, "", "single-instance-no-db"),
        (r#"modparam("usrloc", "sql_write_mode", "fast")"#, SAVE, "", "write-through"),
        (r#"modparam("usrloc", "db_mode", 4)"#, SAVE, "", "db_mode is 0 to 3"),
        (r#"modparam("usrloc", "db_mode", 1)"#, SAVE, "", "set db_url or db_default_url"),
        (KEPT_ELSEWHERE, SAVE, "", "db_postgres"),
        (KEPT_NOWHERE, SAVE, "", "db_url: "),
        (r#"modparam("usrloc", "user_column", "a b")"#, SAVE, "", "user_column: "),
        (KEPT, r#"save("no table");"#, "", "cannot name a table"),
    ] {
        let refused = refusal(&script(settings, save, lookup));
        assert!(refused.contains(says), "{says}: {refused}");
    }
    let alone = script_to("loadmodule \"registrar.so\"", "save(\"location\");", "");
    assert!(refusal(&alone).contains("does not load module usrloc"));
}

// spec/modules.md §12, `tcp_persistent_flag`: the flag exists, and over UDP nothing depends on it.
#[test]
fn a_flag_for_connections_does_no_harm() {
    let settings = r#"modparam("registrar", "tcp_persistent_flag", "TCP_PERSISTS")"#;
    let save = r#"setflag("TCP_PERSISTS"); save("location");"#;
    let office = Office::of(50, &script(settings, save, LOOKUP));
    office.bob.registers();
    office.calls(BOB, &office.bob);
    office.over();
}
