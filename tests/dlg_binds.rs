//! Every entry of OpenSIPS's `dlg_binds` (spec/dialog.md §15), and the function that fills it, is
//! found by its C name: as the name of an item, as a `doc(alias)`, and in the table on the front
//! page of the dialog crate.

use std::fs;
use std::path::Path;

/// The entries.
const ENTRIES: &[&str] = &[
    "load_dlg_api",
    "register_dlgcb",
    "create_dlg",
    "get_dlg",
    "add_profiles",
    "search_profile",
    "set_profile",
    "unset_profile",
    "get_profile_size",
    "store_dlg_value",
    "fetch_dlg_value",
    "terminate_dlg",
    "match_dialog",
    "validate_dialog",
    "fix_route_dialog",
    "set_mod_flag",
    "is_mod_flag_set",
    "dlg_ref",
    "dlg_unref",
    "get_direction",
    "get_dlg_did",
    "get_dlg_by_did",
    "get_dlg_by_callid",
    "get_dlg_by_ids",
    "get_rr_param",
    "send_indialog_request",
    "dlg_ctx_register_int",
    "dlg_ctx_register_str",
    "dlg_ctx_register_ptr",
    "dlg_ctx_put_int",
    "dlg_ctx_put_str",
    "dlg_ctx_put_ptr",
    "dlg_ctx_get_int",
    "dlg_ctx_get_str",
    "dlg_ctx_get_ptr",
];

/// The types of callbacks (§3).
const CALLBACKS: &[&str] = &[
    "LOADED",
    "CREATED",
    "FAILED",
    "CONFIRMED",
    "REQ_WITHIN",
    "TERMINATED",
    "EXPIRED",
    "EARLY",
    "RESPONSE_FWDED",
    "RESPONSE_WITHIN",
    "MI_CONTEXT",
    "DESTROY",
    "SAVED",
    "DB_SAVED",
    "WRITE_VP",
    "PROCESS_VARS",
];

/// All sources beneath a folder, one after the other.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            sources(&path, into);
        } else {
            into.push_str(&fs::read_to_string(&path).expect("sources are text"));
        }
    }
}

fn api() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&root.join("crates/dialog/src"), &mut text);
    for file in ["context.rs", "module/host.rs"] {
        let path = root.join("crates/server/src").join(file);
        text.push_str(&fs::read_to_string(path).expect("it is there"));
    }
    text
}

#[test]
fn every_entry_is_found_by_its_name() {
    let api = api();
    for entry in ENTRIES {
        let named = api.contains(&format!("pub fn {entry}("));
        let aliased = api.contains(&format!("#[doc(alias = \"{entry}\")]"));
        assert!(named || aliased, "nothing is called {entry}");
    }
    for callback in CALLBACKS {
        let alias = format!("#[doc(alias = \"DLGCB_{callback}\")]");
        assert!(api.contains(&alias), "nothing is called DLGCB_{callback}");
    }
}

#[test]
fn the_front_page_names_every_entry() {
    let page = include_str!("../crates/dialog/src/lib.rs");
    let table: String = page.lines().filter(|line| line.starts_with("//! | `")).collect();
    for entry in ENTRIES {
        let family = entry.strip_prefix("dlg_ctx_").and_then(|rest| rest.split_once('_'));
        let name = family.map_or((*entry).to_owned(), |(verb, _)| format!("dlg_ctx_{verb}_*"));
        assert!(table.contains(&format!("`{name}`")), "the table lacks {name}");
    }
}
