//! The columns of the table `dialog` (spec dialog.md §11.1).

use crate::Kind::{Blob, Char, Id, Text, Unsigned};
use crate::{Column, Schema};

/// How wide we make columns for URIs and Call-IDs. OpenSIPS's have 255 characters.
const WIDE: u16 = 1024;

/// How wide we make columns for tags, sockets and names of routes. OpenSIPS's have 64 characters.
const SHORT: u16 = 255;

/// Room for 32 names of flags of 64 characters and a blank.
const FLAGS: u16 = 2080;

/// Places of columns, by the names that they have in the schema.
pub mod place {
    #![allow(missing_docs, reason = "the columns are described in the specification")]
    pub const DLG_ID: usize = 0;
    pub const CALLID: usize = 1;
    pub const FROM_URI: usize = 2;
    pub const FROM_TAG: usize = 3;
    pub const TO_URI: usize = 4;
    pub const TO_TAG: usize = 5;
    pub const MANGLED_FROM_URI: usize = 6;
    pub const MANGLED_TO_URI: usize = 7;
    pub const CALLER_CSEQ: usize = 8;
    pub const CALLEE_CSEQ: usize = 9;
    pub const CALLER_PING_CSEQ: usize = 10;
    pub const CALLEE_PING_CSEQ: usize = 11;
    pub const CALLER_ROUTE_SET: usize = 12;
    pub const CALLEE_ROUTE_SET: usize = 13;
    pub const CALLER_CONTACT: usize = 14;
    pub const CALLEE_CONTACT: usize = 15;
    pub const CALLER_SOCK: usize = 16;
    pub const CALLEE_SOCK: usize = 17;
    pub const STATE: usize = 18;
    pub const START_TIME: usize = 19;
    pub const TIMEOUT: usize = 20;
    pub const VARS: usize = 21;
    pub const PROFILES: usize = 22;
    pub const SCRIPT_FLAGS: usize = 23;
    pub const MODULE_FLAGS: usize = 24;
    pub const FLAGS: usize = 25;
    pub const RT_ON_ANSWER: usize = 26;
    pub const RT_ON_TIMEOUT: usize = 27;
    pub const RT_ON_HANGUP: usize = 28;
}

/// Version 12, of OpenSIPS 3.4 and later, and our column.
///
/// Texts are wider than OpenSIPS's, which does not mind, so that hardly anything is ever cut.
pub const SCHEMA: Schema =
    Schema { table: "dialog", version: 12, columns: &COLUMNS, has_extra: true };

/// Version 11, of OpenSIPS 3.1 to 3.3: script flags are the bits of a number.
pub const SCHEMA_11: Schema =
    Schema { table: "dialog", version: 11, columns: &COLUMNS_11, has_extra: true };

const COLUMNS: [Column; 29] = [
    Column::new("dlg_id", Id).named_by("dlg_id_column"),
    Column::new("callid", Char(WIDE)).named_by("call_id_column"),
    Column::new("from_uri", Char(WIDE)).named_by("from_uri_column"),
    Column::new("from_tag", Char(SHORT)).named_by("from_tag_column"),
    Column::new("to_uri", Char(WIDE)).named_by("to_uri_column"),
    Column::new("to_tag", Char(SHORT)).named_by("to_tag_column"),
    Column::new("mangled_from_uri", Char(WIDE)).or_null(),
    Column::new("mangled_to_uri", Char(WIDE)).or_null(),
    Column::new("caller_cseq", Char(11)).named_by("from_cseq_column"),
    Column::new("callee_cseq", Char(11)).named_by("to_cseq_column"),
    Column::new("caller_ping_cseq", Unsigned),
    Column::new("callee_ping_cseq", Unsigned),
    Column::new("caller_route_set", Text).or_null().named_by("from_route_column"),
    Column::new("callee_route_set", Text).or_null().named_by("to_route_column"),
    Column::new("caller_contact", Char(WIDE)).or_null().named_by("from_contact_column"),
    Column::new("callee_contact", Char(WIDE)).or_null().named_by("to_contact_column"),
    Column::new("caller_sock", Char(SHORT)).named_by("from_sock_column"),
    Column::new("callee_sock", Char(SHORT)).named_by("to_sock_column"),
    Column::new("state", Unsigned).named_by("state_column"),
    Column::new("start_time", Unsigned).named_by("start_time_column"),
    Column::new("timeout", Unsigned).named_by("timeout_column"),
    Column::new("vars", Blob).or_null().named_by("vars_column"),
    Column::new("profiles", Text).or_null().named_by("profiles_column"),
    Column::new("script_flags", Char(FLAGS)).or_null().named_by("sflags_column"),
    Column::new("module_flags", Unsigned).or("0").named_by("mflags_column"),
    Column::new("flags", Unsigned).or("0").named_by("flags_column"),
    Column::new("rt_on_answer", Char(SHORT)).or_null(),
    Column::new("rt_on_timeout", Char(SHORT)).or_null(),
    Column::new("rt_on_hangup", Char(SHORT)).or_null(),
];

const COLUMNS_11: [Column; 29] = {
    let mut columns = COLUMNS;
    columns[place::SCRIPT_FLAGS] =
        Column::new("script_flags", Unsigned).or("0").named_by("sflags_column");
    columns
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Names;

    // dialog.md §11.1: all parameters that name columns
    #[test]
    fn every_parameter_names_its_column() {
        let parameters = [
            ("dlg_id_column", "dlg_id"),
            ("call_id_column", "callid"),
            ("from_uri_column", "from_uri"),
            ("from_tag_column", "from_tag"),
            ("to_uri_column", "to_uri"),
            ("to_tag_column", "to_tag"),
            ("from_cseq_column", "caller_cseq"),
            ("to_cseq_column", "callee_cseq"),
            ("from_route_column", "caller_route_set"),
            ("to_route_column", "callee_route_set"),
            ("from_contact_column", "caller_contact"),
            ("to_contact_column", "callee_contact"),
            ("from_sock_column", "caller_sock"),
            ("to_sock_column", "callee_sock"),
            ("state_column", "state"),
            ("start_time_column", "start_time"),
            ("timeout_column", "timeout"),
            ("profiles_column", "profiles"),
            ("vars_column", "vars"),
            ("sflags_column", "script_flags"),
            ("mflags_column", "module_flags"),
            ("flags_column", "flags"),
        ];
        for (parameter, column) in parameters {
            let mut names = Names::of(&SCHEMA);
            names.set(parameter, "renamed").unwrap();
            let place = names.columns().position(|name| name == "renamed").unwrap();
            assert_eq!(SCHEMA.columns[place].name, column, "{parameter}");
        }
        let named = SCHEMA.columns.iter().filter(|column| column.parameter.is_some()).count();
        assert_eq!(named, parameters.len());
    }

    #[test]
    fn places_are_where_the_columns_are() {
        for (place, name) in [
            (place::TO_TAG, "to_tag"),
            (place::CALLEE_PING_CSEQ, "callee_ping_cseq"),
            (place::CALLEE_SOCK, "callee_sock"),
            (place::TIMEOUT, "timeout"),
            (place::FLAGS, "flags"),
            (place::RT_ON_HANGUP, "rt_on_hangup"),
        ] {
            assert_eq!(SCHEMA.columns[place].name, name);
        }
    }
}
