//! When rows of users are read and written, and what a database that is away costs
//! (spec/modules.md §13).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duologue::DatabaseChoice;
use duologue::server::events::Raised;
use duologue::store::Value;
use duologue::usrloc::RowState;

use crate::disk::{Disk, THROUGH, kept, on_disk, plan};
use crate::office::{BOB, LOOKUP, SAVE, script};

fn param(name: &str, value: &str) -> String {
    format!("modparam(\"usrloc\", \"{name}\", {value})\n")
}

/// Every way to say that rows are written as soon as they differ, or now and then.
fn through_and_back() -> Vec<(String, bool)> {
    let loads = param("restart_persistency", "\"load-from-sql\"");
    let explicit = |mode: &str| loads.clone() + &param("sql_write_mode", mode);
    let back = param("working_mode_preset", "\"single-instance-sql-write-back\"");
    vec![
        (THROUGH.to_owned(), true),
        (explicit("\"write-through\"") + &param("cluster_mode", "\"none\""), true),
        (param("db_mode", "1"), true),
        (back + &param("timer_interval", "30"), false),
        (explicit("\"write-back\""), false),
        (param("db_mode", "2"), false),
    ]
}

// sql_write_mode: write-through is written at once, by a thread that no registration waits for;
// write-back loses at most its period, and nothing when the process ends in good order
#[test]
fn each_mode_keeps_what_it_promises() {
    for (at, (settings, _)) in through_and_back().into_iter().enumerate() {
        let mut disk = Disk::new(&format!("mode{at}"), &kept(&settings));
        disk.bob.registers();
        assert_eq!(disk.bobs()[0].1, RowState::New);
        disk.restart();
        assert_eq!(disk.users(), 0, "what is killed before it writes has not written");
        disk.bob.registers();
        disk.writes();
        assert_eq!(disk.bobs()[0].1, RowState::Synced);
        disk.bob.registers();
        assert_eq!(disk.bobs()[0].1, RowState::Dirty);
        disk.restart();
        assert_eq!(disk.users(), 1, "{settings}");
        disk.bob.registers();
        let cseq = disk.bobs()[0].0.cseq;
        disk.restart_gently();
        assert_eq!(disk.bobs()[0].0.cseq, cseq, "the end writes what differs");
        disk.over();
    }
}

#[test]
fn the_settings_say_when_it_is_written() {
    use duologue::server::modules::usrloc::Usrloc;
    use duologue::server::storage::users::WriteMode;
    for (settings, through) in through_and_back() {
        let plan = plan(&kept(&settings), DatabaseChoice::OfScript);
        let storage = &plan.settings::<Usrloc>().unwrap().storage;
        let mode = if through { WriteMode::Through } else { WriteMode::Back };
        assert_eq!((storage.loads, storage.writes), (true, Some(mode)), "{settings}");
    }
    let back = "modparam(\"usrloc\", \"timer_interval\", 7)\nmodparam(\"usrloc\", \"db_mode\", 2)";
    let plan = plan(&kept(back), DatabaseChoice::OfScript);
    assert_eq!(plan.settings::<Usrloc>().unwrap().storage.period, Duration::from_secs(7));
}

// in memory alone (the default, and whatever the script says if who starts us wants no database)
// nothing is opened
#[test]
fn without_a_database_nothing_is_written() {
    let mut disk = Disk::new("nowhere", &kept(""));
    disk.bob.registers();
    assert_eq!(disk.bobs()[0].1, RowState::Synced, "nothing waits to be written");
    disk.writes();
    assert!(!disk.file.exists());
    disk.restart();
    assert_eq!(disk.users(), 0);
    let script = kept(THROUGH).replace("FILE", disk.file.to_str().unwrap());
    let plan = plan(&script, DatabaseChoice::Nowhere);
    let proxy = crate::world::Proxy::of(plan);
    assert!(proxy.node.user_storage.is_none());
}

// db_url: users have a database of their own, whatever holds for the others
#[test]
fn users_may_have_a_database_of_their_own() {
    let elsewhere = on_disk().replace("FILE", "/nowhere/calls.sqlite");
    let settings = format!("{elsewhere}{THROUGH}{}", param("db_url", "\"sqlite://FILE\""));
    let mut disk = Disk::new("own", &script(&settings, SAVE, LOOKUP));
    disk.bob.registers();
    disk.writes();
    disk.restart();
    assert_eq!((disk.users(), disk.rows()), (1, 1));
    disk.over();
}

#[test]
fn rows_may_be_read_and_never_written_or_the_other_way_round() {
    let mut disk = Disk::new("one_way", &kept(THROUGH));
    disk.bob.registers();
    disk.writes();
    let loads = param("restart_persistency", "\"load-from-sql\"");
    disk.restart_as(&kept(&(loads + &param("sql_write_mode", "\"none\""))));
    assert_eq!(disk.users(), 1);
    disk.bob.tries_with(|register| register.with("Expires", "0"));
    disk.writes();
    assert_eq!((disk.users(), disk.rows()), (0, 1), "the row is nobody's to remove");

    let writes = param("restart_persistency", "\"none\"");
    disk.restart_as(&kept(&(writes + &param("sql_write_mode", "\"write-through\""))));
    assert_eq!(disk.users(), 0);
    disk.alice.registers();
    disk.writes();
    assert_eq!(disk.texts("username"), ["alice"], "what nobody reads again goes");
}

// `user_column` and the others: each has the name that the script gives it
#[test]
fn columns_have_the_names_of_the_script() {
    let columns = [
        "contact_id_column",
        "user_column",
        "domain_column",
        "contact_column",
        "expires_column",
        "q_column",
        "callid_column",
        "cseq_column",
        "methods_column",
        "flags_column",
        "cflags_column",
        "user_agent_column",
        "received_column",
        "socket_column",
        "path_column",
        "sip_instance_column",
        "kv_store_column",
        "attr_column",
        "last_modified_column",
    ];
    let named: String = columns.iter().map(|it| param(it, &format!("\"my_{it}\""))).collect();
    let mut disk = Disk::new("columns", &kept(&format!("{THROUGH}{named}")));
    disk.bob.registers();
    disk.writes();
    let all = columns.map(|it| format!("my_{it}")).join(", ");
    disk.sql(&format!("CREATE VIEW named AS SELECT 1 AS contact_id, {all} FROM location"));
    assert_eq!(disk.column_of("named", "my_user_column"), [Value::Text(b"bob".to_vec())]);
    disk.restart();
    assert_eq!(disk.users(), 1);
    disk.over();
}

// each table of the script is a table of the database; with domains, a user has one there too
#[test]
fn tables_and_domains_are_kept_apart() {
    let settings = format!("{}{THROUGH}{}", on_disk(), param("use_domain", "1"));
    let save = r#"save("location"); save("aliases");"#;
    let mut disk = Disk::new("tables", &script(&settings, save, ""));
    disk.bob.registers();
    disk.writes();
    for table in ["location", "aliases"] {
        assert_eq!(disk.column_of(table, "username"), [Value::Text(b"bob".to_vec())]);
        assert_eq!(disk.column_of(table, "domain"), [Value::Text(b"10.0.0.1".to_vec())]);
    }
    disk.restart();
    assert_eq!(disk.users(), 2);
    let there = disk.usrloc(|it| {
        let aliases = it.location().unwrap().table("aliases").unwrap();
        aliases.user(b"bob@10.0.0.1").is_some()
    });
    assert!(there);
    disk.over();
}

// reload_routes: a table that the new script names is read and written from then on
#[test]
fn a_table_that_is_named_later_is_read_then() {
    let mut disk = Disk::new("later", &kept(THROUGH));
    let both = script(&format!("{}{THROUGH}", on_disk()), r#"save("aliases");"#, LOOKUP);
    disk.restart_as(&both);
    disk.bob.registers();
    disk.writes();
    disk.restart_as(&kept(THROUGH));
    assert_eq!(disk.users(), 0);
    let opened = disk.usrloc(|it| it.location().unwrap().open("aliases").is_some());
    assert!(opened);
    disk.writes();
    assert_eq!(disk.users(), 1);
    disk.over();
}

/// What was told of the database: up or down, and how many rows waited.
fn told(disk: &Disk) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&told);
    let take = move |raised: &Arc<Raised>| {
        let event: serde_json::Value = serde_json::from_str(raised.json()).unwrap();
        all.lock().unwrap().push(event["params"]["state"].as_str().unwrap().to_owned());
    };
    let events = disk.proxy.borrow().node.events.clone();
    events.subscribe("E_UL_DB_STATE_CHANGED", "module:test", take).unwrap();
    told
}

// a database that is away costs no registration, and what it missed is written when it is back
#[test]
fn a_locked_database_costs_no_registration() {
    let mut disk = Disk::new("locked", &kept(THROUGH));
    let told = told(&disk);
    disk.bob.registers();
    disk.writes();
    assert_eq!(disk.counted("db_connected"), 1);
    let lock = disk.locked();
    let desk = disk.phone("desk");
    desk.registers();
    disk.alice.registers();
    disk.bob.tries_with(|register| register.with("Expires", "0"));
    disk.writes();
    assert_eq!(disk.counted("db_failures"), 1);
    assert_eq!(disk.counted("db_pending"), 3);
    assert!(disk.asks(|storage| storage.flush()).unwrap_err().contains("busy"));
    disk.calls(BOB, &desk);
    assert_eq!(disk.alice.final_status(), Some(486));
    drop(lock);
    // It is tried again after a pause, which is real time.
    let until = Instant::now() + Duration::from_secs(20);
    while let Err(reason) = disk.asks(|storage| storage.flush()) {
        assert!(Instant::now() < until, "{reason}");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(disk.texts("username"), ["bob", "alice"]);
    assert_eq!((disk.counted("db_pending"), disk.counted("db_connected")), (0, 1));
    assert!(disk.counted("db_written_rows") >= 3 && disk.counted("db_commits") >= 2);
    assert_eq!(*told.lock().unwrap(), ["down", "up"]);
    disk.restart();
    assert_eq!(disk.users(), 2);
    disk.over();
}

// db_start_wait: who is not there at the start is read when he is; what phones said since is newer
#[test]
fn a_database_that_comes_late_is_read_then() {
    let settings = format!("{THROUGH}{}", param("db_start_wait", "0"));
    let mut disk = Disk::new("late", &kept(&settings));
    disk.bob.registers();
    disk.alice.registers();
    disk.writes();
    disk.kill();
    let lock = disk.locked_for_all();
    disk.restart();
    assert_eq!(disk.users(), 0);
    disk.bob.registers();
    let cseq = disk.bobs()[0].0.cseq;
    drop(lock);
    disk.writes();
    assert_eq!(disk.users(), 2, "alice came back");
    assert_eq!(disk.bobs().len(), 1);
    assert_eq!(disk.bobs()[0].0.cseq, cseq);
    disk.writes();
    assert_eq!(disk.rows(), 2, "bob's old row is replaced");
    disk.over();
}

// ul_flush: what waits for the period is written now
#[test]
fn an_operator_does_not_wait_for_the_period() {
    let back = param("working_mode_preset", "\"single-instance-sql-write-back\"");
    let mut disk = Disk::new("flush", &kept(&back));
    disk.bob.registers();
    disk.asks(|storage| storage.flush()).unwrap();
    assert_eq!((disk.rows(), disk.bobs()[0].1), (1, RowState::Synced));
    disk.over();
}

// ul_sync: memory becomes what the table says, for all users or for one
#[test]
fn a_table_that_somebody_else_wrote_is_taken_over() {
    let mut disk = Disk::new("sync", &kept(THROUGH));
    let desk = disk.phone("desk");
    for phone in [&disk.bob, &disk.alice, &desk] {
        phone.registers();
    }
    disk.writes();
    disk.sql("UPDATE location SET contact = 'sip:bob@10.0.0.77' WHERE callid LIKE '%of-bob'");
    disk.sql("DELETE FROM location WHERE callid LIKE '%of-desk' OR username = 'alice'");
    disk.sql(
        "INSERT INTO location (contact_id, username, contact, expires, q, callid, cseq, \
         last_modified, flags, user_agent) VALUES (9, 'carol', 'sip:carol@10.0.0.13', 0, 1.0, 'c', \
         1, '2026-01-01 00:00:00', 0, 'p')",
    );
    assert_eq!(disk.asks(|storage| storage.sync("location", Some(b"bob"))), Ok(0));
    let bobs = disk.bobs();
    assert_eq!((bobs.len(), &*bobs[0].0.uri), (1, &b"sip:bob@10.0.0.77"[..]));
    assert_eq!(disk.users(), 2, "alice was not asked for");
    assert_eq!(disk.asks(|storage| storage.sync("location", None)), Ok(1));
    assert_eq!(disk.users(), 2, "carol is there, and alice is not");
    disk.finds_nobody("sip:alice@10.0.0.1:5060");
    disk.writes();
    assert_eq!(disk.texts("username"), ["carol", "bob"]);
}
