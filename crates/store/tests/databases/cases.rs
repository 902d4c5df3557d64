//! What works.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use duologue_store::dialog::place as column;
use duologue_store::{
    Batch, Database, DatabaseUrl, DialogTable, FailureKind, Names, ReadRow, RejectedTable,
    ScriptFlags, Severity, Sharing, Step, Table, Tables, Value, VarValue, apply_setting_aside,
    check, create, dialog, migrate,
};

use crate::place::Place;
use crate::{rows, users};

pub(crate) type Case = fn(&dyn Place);

pub(crate) const ALL: &[(&str, Case)] = &[
    ("tables are made once", tables_are_made_once),
    ("what is missing is told with its fix", what_is_missing_is_told),
    ("any row comes back as it was", any_row_comes_back),
    ("changes of one row coalesce, rows are deleted", changes_coalesce),
    ("ten thousand rows are streamed in slices", rows_are_streamed),
    ("a table of version 11 is taken over", version_11_is_taken_over),
    ("a table of OpenSIPS is shared", an_opensips_table_is_shared),
    ("tables and columns have the names of the script", names_are_free),
    ("a refused row is set aside and the others are written", refused_rows_are_set_aside),
    ("contacts come back as they were", users::contacts_come_back),
    ("a table of contacts is made alone", users::a_table_of_contacts_is_made_alone),
    ("users are kept", users::users_are_kept),
];

/// A database with all tables, and its table of dialogs.
pub(crate) fn made(place: &dyn Place) -> (DatabaseUrl, Box<dyn Database>, DialogTable) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let tables = Tables::default();
    create(&mut *database, &tables).unwrap();
    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    (url, database, dialogs)
}

pub(crate) fn read(database: &mut dyn Database, dialogs: &DialogTable) -> HashMap<u64, ReadRow> {
    let mut all = HashMap::new();
    let count = database.stream(dialogs.table(), 100, &mut |rows| {
        for row in rows {
            let read = dialogs.decode(row).unwrap();
            all.insert(read.dialog.id, read);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(count.unwrap(), all.len() as u64);
    all
}

pub(crate) fn write(
    database: &mut dyn Database,
    dialogs: &DialogTable,
    ids: impl IntoIterator<Item = u64>,
) {
    let mut batch = Batch::new();
    let table = dialogs.writable().unwrap();
    for id in ids {
        batch.upsert(table, dialogs.encode(&rows::plain(id), Some(b"payload")).row);
    }
    database.apply(&batch).unwrap();
}

fn tables_are_made_once(place: &dyn Place) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let tables = Tables::default();
    let all = ["version", "dialog", "location", "dialog_rejected"];
    assert_eq!(create(&mut *database, &tables).unwrap(), all);
    assert_eq!(create(&mut *database, &tables).unwrap(), [""; 0]);
    assert_eq!(check(&mut *database, &tables).unwrap(), []);
    assert_eq!(migrate(&mut *database, &tables, 0).unwrap(), []);
}

fn what_is_missing_is_told(place: &dyn Place) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let tables = Tables::default();
    let findings = check(&mut *database, &tables).unwrap();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    assert_eq!(errors.count(), 3, "{findings:?}");

    let missing = DialogTable::open(&mut *database, &tables.dialog).unwrap_err();
    assert_eq!(
        (missing.kind, &*missing.reason),
        (FailureKind::Schema, "there is no table `dialog`")
    );

    // A table without its key, one column and its line in `version`.
    create(&mut *database, &tables).unwrap();
    let table = place.opensips_dialog(12).replace(" PRIMARY KEY", "");
    let table = table.replace("vars ", "variables ");
    let wrong = ["DROP TABLE dialog".to_owned(), table, "DELETE FROM version".to_owned()];
    database.define(&wrong).unwrap();
    let missing = DialogTable::open(&mut *database, &tables.dialog).unwrap_err();
    let reason = "table `dialog` has no column vars";
    assert_eq!((missing.kind, &*missing.reason), (FailureKind::Schema, reason));

    // The fixes that are SQL are run as they are told; the others are ours.
    let findings = check(&mut *database, &tables).unwrap();
    assert_eq!(findings.len(), 5, "{findings:#?}");
    for finding in findings {
        match finding.fix.as_str() {
            "duologue db migrate URL" => {
                migrate(&mut *database, &tables, 0).unwrap();
            }
            sql => {
                let statements: Vec<_> = sql.split("; ").map(str::to_owned).collect();
                database.define(&statements).unwrap();
            }
        }
    }
    assert_eq!(check(&mut *database, &tables).unwrap(), []);
}

fn any_row_comes_back(place: &dyn Place) {
    let (_, mut database, dialogs) = made(place);
    let rows: Vec<_> = (0..300).map(rows::any).collect();
    let mut batch = Batch::new();
    for row in &rows {
        let payload = (row.id % 3 > 0).then_some(b"\0\xffpayload".as_slice());
        batch.upsert(dialogs.writable().unwrap(), dialogs.encode(row, payload).row);
    }
    assert_eq!(batch.len(), rows.len());
    database.apply(&batch).unwrap();
    let mut found = read(&mut *database, &dialogs);
    assert_eq!(found.len(), rows.len());
    for row in rows {
        let read = found.remove(&row.id).unwrap();
        assert_eq!(read.payload.is_some(), row.id % 3 > 0);
        assert!(read.is_ours || read.payload.is_none(), "{row:?}");
        assert_eq!((read.broken, read.unread), (None, 0));
        assert_eq!(read.dialog, row);
    }
}

fn changes_coalesce(place: &dyn Place) {
    let (_, mut database, dialogs) = made(place);
    write(&mut *database, &dialogs, 0..100);
    let table = dialogs.writable().unwrap();
    let mut changed = rows::plain(7);
    let mut batch = Batch::new();
    for state in [3, 4, 5] {
        changed.state = state;
        batch.upsert(table, dialogs.encode(&changed, None).row);
    }
    batch.upsert(table, dialogs.encode(&rows::plain(u64::MAX), None).row);
    for id in (0..100).filter(|id| id % 2 == 0).chain([12_345]) {
        batch.delete(table, id);
    }
    // Twice: as after a commit that was not answered.
    database.apply(&batch).unwrap();
    database.apply(&batch).unwrap();
    let found = read(&mut *database, &dialogs);
    assert_eq!(found.len(), 51);
    assert_eq!(found[&7].dialog, changed);
    assert!(found.contains_key(&u64::MAX) && !found.contains_key(&2));

    let mut batch = Batch::new();
    batch.clear(table);
    batch.upsert(table, dialogs.encode(&rows::plain(1), None).row);
    database.apply(&batch).unwrap();
    assert_eq!(read(&mut *database, &dialogs).into_keys().collect::<Vec<_>>(), [1]);
}

fn rows_are_streamed(place: &dyn Place) {
    let (_, mut database, dialogs) = made(place);
    for start in (0..10_000).step_by(500) {
        write(&mut *database, &dialogs, start..start + 500);
    }
    let mut sizes = Vec::new();
    let count = database.stream(dialogs.table(), 3000, &mut |rows| {
        sizes.push(rows.len());
        ControlFlow::Continue(())
    });
    assert_eq!((count, sizes), (Ok(10_000), vec![3000, 3000, 3000, 1000]));
    // An end before the end leaves a connection that works.
    let count = database.stream(dialogs.table(), 10, &mut |_| ControlFlow::Break(()));
    assert_eq!(count, Ok(10));
    write(&mut *database, &dialogs, [1]);
    assert_eq!(read(&mut *database, &dialogs).len(), 10_000);
    // Whoever gets rows may write them elsewhere.
    let (_, mut other, copies) = made(place);
    database
        .stream(dialogs.table(), 5000, &mut |rows| {
            let mut batch = Batch::new();
            rows.into_iter().for_each(|row| batch.upsert(copies.table(), row));
            other.apply(&batch).unwrap();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(read(&mut *other, &copies).len(), 10_000);
}

/// Inserts a row into OpenSIPS's table as it would.
fn insert_by_hand(database: &mut dyn Database, columns: &[(&str, &str)]) {
    let mut all = HashMap::from([
        ("callid", "'abc'"),
        ("from_uri", "'sip:ann@example.com'"),
        ("from_tag", "'f'"),
        ("to_uri", "'sip:bob@example.com'"),
        ("to_tag", "'t'"),
        ("caller_cseq", "'0'"),
        ("callee_cseq", "'10'"),
        ("caller_ping_cseq", "0"),
        ("callee_ping_cseq", "0"),
        ("caller_sock", "'udp:192.0.2.9:5060'"),
        ("callee_sock", "'udp:192.0.2.9:5060'"),
        ("state", "4"),
        ("start_time", "1800000000"),
        ("timeout", "1800043200"),
    ]);
    all.extend(columns.iter().copied());
    let (names, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let (names, values) = (names.join(", "), values.join(", "));
    database.define(&[format!("INSERT INTO dialog ({names}) VALUES ({values})")]).unwrap();
}

/// Bytes as SQL.
fn hex(place: &dyn Place, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if place.name() == "postgres" { format!("'\\x{hex}'") } else { format!("x'{hex}'") }
}

// dialog.md §11.1: rows by hand, of version 11
fn version_11_is_taken_over(place: &dyn Place) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let tables = Tables::default();
    create(&mut *database, &tables).unwrap();
    let old = [
        "DROP TABLE dialog".to_owned(),
        place.opensips_dialog(11),
        "UPDATE version SET table_version = 11 WHERE table_name = 'dialog'".to_owned(),
    ];
    database.define(&old).unwrap();
    let vars = hex(place, b"accX_core#\0\xff\\|x|n#1#y|");
    let good = [
        ("dlg_id", "6199588102569"),
        ("vars", &*vars),
        ("profiles", "'inbound#|caller/s#ann|'"),
        ("script_flags", "5"),
        ("flags", "196"),
        ("rt_on_hangup", "'bye'"),
    ];
    insert_by_hand(&mut *database, &good);
    insert_by_hand(&mut *database, &[("dlg_id", "2"), ("state", "9")]);

    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    assert_eq!(dialogs.version(), 11);
    assert_eq!(dialogs.writable().unwrap_err().kind, FailureKind::Schema);
    let [finding] = check(&mut *database, &tables).unwrap().try_into().unwrap();
    assert_eq!(finding.fix, "duologue db migrate URL");

    let step =
        Step::Version12 { table: "dialog".into(), kept: "dialog_v11".into(), rows: 1, rejected: 1 };
    assert_eq!(migrate(&mut *database, &tables, 77).unwrap(), [step]);
    assert_eq!(migrate(&mut *database, &tables, 77).unwrap(), []);
    assert_eq!(check(&mut *database, &tables).unwrap(), []);

    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    assert_eq!(dialogs.version(), 12);
    let row = read(&mut *database, &dialogs).remove(&6_199_588_102_569).unwrap().dialog;
    assert_eq!(row.vars[0].value, VarValue::Text(b"\0\xff|x".to_vec()));
    assert_eq!(row.vars[1].value, VarValue::Text(b"1#y".to_vec()));
    assert_eq!(row.profiles[1].sharing, Sharing::Store);
    assert_eq!(row.script_flags, ScriptFlags::Names(b"0 2".to_vec()));
    assert_eq!((row.flags, row.callee_cseq), (196, 10));
    assert_eq!(row.route_on_hangup.as_deref(), Some(b"bye".as_slice()));

    let sql = "SELECT reason, contents, rejected_at FROM dialog_rejected";
    let [bad] = database.query(sql).unwrap().try_into().unwrap();
    assert_eq!(bad[0].bytes(), Some(b"column state is no state".as_slice()));
    assert!(String::from_utf8_lossy(bad[1].bytes().unwrap()).contains(r#""state":9"#));
    assert_eq!(bad[2].as_u32(), Some(77));
    let kept = database.query("SELECT dlg_id FROM dialog_v11").unwrap();
    assert_eq!(kept.len(), 2);
}

// dialog.md §11.1: OpenSIPS's own table, version 12, with and without our column
fn an_opensips_table_is_shared(place: &dyn Place) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let tables = Tables::default();
    create(&mut *database, &tables).unwrap();
    database.define(&["DROP TABLE dialog".to_owned(), place.opensips_dialog(12)]).unwrap();
    let vars = hex(place, b"x\\#y#1#a\\|b|n#2#-7|\0#1#\xff|");
    let by_hand = [("dlg_id", "18446744073709551615"), ("vars", &*vars), ("script_flags", "'a b'")];
    let signed = [("dlg_id", "-1"), by_hand[1], by_hand[2]];
    insert_by_hand(&mut *database, if place.name() == "mysql" { &by_hand } else { &signed });

    // Without our column it is used all the same, but long values are cut.
    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    assert!(!dialogs.table().has_extra());
    let theirs = read(&mut *database, &dialogs).remove(&u64::MAX).unwrap();
    assert_eq!(theirs.dialog.vars.len(), 3);
    assert_eq!(theirs.dialog.vars[2].value, VarValue::Text(b"\xff".to_vec()));
    assert_eq!(theirs.dialog.script_flags, ScriptFlags::Names(b"a b".to_vec()));
    let mut long = rows::plain(1);
    long.call_id = vec![b'x'; 300];
    let encoded = dialogs.encode(&long, None);
    // SQLite has no limits.
    let is_limited = place.name() != "sqlite";
    assert_eq!(encoded.cut, u32::from(is_limited));
    let mut batch = Batch::new();
    batch.upsert(dialogs.writable().unwrap(), encoded.row);
    database.apply(&batch).unwrap();
    let found = read(&mut *database, &dialogs);
    assert_eq!(found[&1].dialog.call_id.len(), if is_limited { 255 } else { 300 });

    // With it, the whole is kept.
    let step = Step::ExtraColumn { table: "dialog".into() };
    assert_eq!(migrate(&mut *database, &tables, 0).unwrap(), [step]);
    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    let rows: Vec<_> = [long].into_iter().chain((1..100).map(rows::any)).collect();
    let mut batch = Batch::new();
    for row in &rows {
        batch.upsert(dialogs.writable().unwrap(), dialogs.encode(row, Some(b"p")).row);
    }
    database.apply(&batch).unwrap();
    let found = read(&mut *database, &dialogs);
    for row in &rows {
        assert!(found[&row.id].is_ours, "{row:?}");
        assert_eq!(found[&row.id].dialog, *row);
    }

    // What OpenSIPS changes later wins, and is seen to.
    let update = "UPDATE dialog SET state = 5, timeout = 9 WHERE dlg_id = 1";
    database.define(&[update.to_owned()]).unwrap();
    let changed = read(&mut *database, &dialogs).remove(&1).unwrap();
    assert!(!changed.is_ours);
    assert_eq!((changed.dialog.state, changed.dialog.timeout), (5, 9));
    assert_eq!(changed.dialog.call_id.len(), 300);
    assert_eq!(check(&mut *database, &tables).unwrap(), []);
}

fn names_are_free(place: &dyn Place) {
    let url = place.fresh();
    let mut database = place.open(&url);
    let mut tables = Tables::default();
    tables.dialog.set_table("Calls").unwrap();
    for (parameter, name) in [("dlg_id_column", "order"), ("timeout_column", "Ends_At")] {
        tables.dialog.set(parameter, name).unwrap();
    }
    create(&mut *database, &tables).unwrap();
    assert_eq!(check(&mut *database, &tables).unwrap(), []);
    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    write(&mut *database, &dialogs, [1, 2]);
    write(&mut *database, &dialogs, [2, 3]);
    assert_eq!(read(&mut *database, &dialogs)[&2].dialog, rows::plain(2));
}

fn refused_rows_are_set_aside(place: &dyn Place) {
    let (_, mut database, dialogs) = made(place);
    let table = dialogs.writable().unwrap();
    let mut batch = Batch::new();
    batch.clear(table);
    for id in 0..100 {
        let mut row = dialogs.encode(&rows::plain(id), None).row;
        if id == 37 || id == 99 {
            row[column::FROM_TAG] = Value::Null;
        }
        batch.upsert(table, row);
    }
    batch.delete(table, 200);
    assert_eq!(database.apply(&batch).unwrap_err().kind, FailureKind::Row);
    assert!(read(&mut *database, &dialogs).is_empty(), "a batch is all or nothing");

    let refused = apply_setting_aside(&mut *database, batch).unwrap();
    let ids: Vec<_> = refused.iter().filter_map(|refused| refused.row[0].as_id()).collect();
    assert_eq!(ids, [37, 99]);
    assert_eq!(read(&mut *database, &dialogs).len(), 98);

    let aside = RejectedTable::open(&mut *database, "dialog").unwrap();
    for _ in 0..2 {
        let mut batch = Batch::new();
        for refused in &refused {
            let reason = refused.failure.to_string();
            aside.set_aside(&mut batch, &refused.table, &refused.row, &reason, 5);
        }
        database.apply(&batch).unwrap();
    }
    let sql = "SELECT source, reason, contents FROM dialog_rejected";
    let set_aside = database.query(sql).unwrap();
    assert_eq!(set_aside.len(), 2, "twice the same is once");
    let contents = String::from_utf8_lossy(set_aside[0][2].bytes().unwrap());
    assert!(contents.contains(r#""from_tag":null"#), "{contents}");

    // No table is no fault of a row.
    let mut names = Names::of(&dialog::SCHEMA);
    names.set_table("nowhere").unwrap();
    let nowhere = Arc::new(Table::declared(&dialog::SCHEMA, &names));
    let mut batch = Batch::new();
    batch.upsert(&nowhere, dialogs.encode(&rows::plain(1), None).row);
    assert_eq!(database.apply(&batch).unwrap_err().kind, FailureKind::Schema);
}
