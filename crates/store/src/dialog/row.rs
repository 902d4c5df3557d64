//! A row of the table `dialog` (spec dialog.md §11.1).

use super::{SCHEMA, place};
use crate::extra::ExtraError;
use crate::table::Reader;
use crate::{BadRow, ProfileLink, Row, Value, Var, VarFormat, vars};

/// A dialog as OpenSIPS's columns hold it. Empty texts are texts; none is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogRow {
    /// Entry · 2³² + id (spec dialog.md §4.1).
    pub id: u64,
    /// The Call-ID.
    pub call_id: Vec<u8>,
    /// The From URI of the INVITE as it was received.
    pub from_uri: Vec<u8>,
    /// The caller's tag.
    pub from_tag: Vec<u8>,
    /// The To URI of the INVITE as it was received.
    pub to_uri: Vec<u8>,
    /// The tag of the leg that answered.
    pub to_tag: Vec<u8>,
    /// The From URI as that leg sees it, if it was rewritten.
    pub mangled_from_uri: Option<Vec<u8>>,
    /// The To URI as that leg sees it, if it was rewritten.
    pub mangled_to_uri: Option<Vec<u8>>,
    /// The last CSeq of a request sent to the caller.
    pub caller_cseq: u32,
    /// The last CSeq of a request sent to the callee.
    pub callee_cseq: u32,
    /// The last CSeq that we made ourselves towards the caller.
    pub caller_ping_cseq: u32,
    /// The last CSeq that we made ourselves towards the callee.
    pub callee_ping_cseq: u32,
    /// Route values towards the caller, with commas between them.
    pub caller_route_set: Option<Vec<u8>>,
    /// Route values towards the callee.
    pub callee_route_set: Option<Vec<u8>>,
    /// The caller's remote target.
    pub caller_contact: Option<Vec<u8>>,
    /// The callee's remote target.
    pub callee_contact: Option<Vec<u8>>,
    /// The socket used with the caller: `proto:ip:port`, or its tag.
    pub caller_sock: Vec<u8>,
    /// The socket used with the callee.
    pub callee_sock: Vec<u8>,
    /// The state, 1 to 5 (spec dialog.md §2).
    pub state: u32,
    /// When it was answered, in seconds since 1970.
    pub start_time: u32,
    /// When it expires, in seconds since 1970.
    pub timeout: u32,
    /// The values, newest first.
    pub vars: Vec<Var>,
    /// The places in profiles, newest first.
    pub profiles: Vec<ProfileLink>,
    /// The script's flags.
    pub script_flags: ScriptFlags,
    /// The flags of other modules (spec dialog.md §1.4).
    pub module_flags: u32,
    /// The module's own flags (spec dialog.md §1.3).
    pub flags: u32,
    /// The route to run on the answer.
    pub route_on_answer: Option<Vec<u8>>,
    /// The route to run when the lifetime is over.
    pub route_on_timeout: Option<Vec<u8>>,
    /// The route to run at the end.
    pub route_on_hangup: Option<Vec<u8>>,
}

/// The flags that a script has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptFlags {
    /// By name, since version 12: names with blanks between them.
    Names(Vec<u8>),
    /// By number, in version 11: a bit each.
    Bits(u32),
}

impl Default for ScriptFlags {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl ScriptFlags {
    /// The names; the flag of a bit has its number for a name, as scripts wrote it.
    pub fn names(&self) -> Vec<u8> {
        match self {
            Self::Names(names) => names.clone(),
            Self::Bits(bits) => {
                let set = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1);
                set.map(|bit| bit.to_string()).collect::<Vec<_>>().join(" ").into_bytes()
            }
        }
    }
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRow {
    /// What OpenSIPS's columns say, cut values made whole.
    pub dialog: DialogRow,
    /// What we had put beside them.
    pub payload: Option<Vec<u8>>,
    /// Whether nobody changed the columns since: if not, they are newer than the payload.
    pub is_ours: bool,
    /// Why the extra column could not be read.
    pub broken: Option<ExtraError>,
    /// How many bytes of values and profiles were not understood.
    pub unread: usize,
}

impl DialogRow {
    /// The values of version 12, in the order of the schema.
    pub fn to_values(&self) -> Row {
        let text = |bytes: &[u8]| Value::Text(bytes.into());
        let optional = |bytes: &Option<Vec<u8>>| Value::text_or_null(bytes.as_deref());
        let number = |number: u32| Value::Int(number.into());
        let decimal = |number: u32| Value::Text(number.to_string().into_bytes());
        let filled = |bytes: Vec<u8>| (!bytes.is_empty()).then_some(bytes);
        // One place for the extra column, which is pushed later.
        let mut row = Row::with_capacity(SCHEMA.columns.len() + 1);
        row.extend([
            Value::Id(self.id),
            text(&self.call_id),
            text(&self.from_uri),
            text(&self.from_tag),
            text(&self.to_uri),
            text(&self.to_tag),
            optional(&self.mangled_from_uri),
            optional(&self.mangled_to_uri),
            decimal(self.caller_cseq),
            decimal(self.callee_cseq),
            number(self.caller_ping_cseq),
            number(self.callee_ping_cseq),
            optional(&self.caller_route_set),
            optional(&self.callee_route_set),
            optional(&self.caller_contact),
            optional(&self.callee_contact),
            text(&self.caller_sock),
            text(&self.callee_sock),
            number(self.state),
            number(self.start_time),
            number(self.timeout),
            filled(vars::write_vars(&self.vars)).map_or(Value::Null, Value::Blob),
            filled(vars::write_profiles(&self.profiles)).map_or(Value::Null, Value::Text),
            filled(self.script_flags.names()).map_or(Value::Null, Value::Text),
            number(self.module_flags),
            number(self.flags),
            optional(&self.route_on_answer),
            optional(&self.route_on_timeout),
            optional(&self.route_on_hangup),
        ]);
        row
    }

    /// Reads the values of version 11 or 12, and how many bytes of values and profiles were not
    /// understood.
    ///
    /// Only what makes a dialog is asked for: texts that may be null may be empty as well, and
    /// numbers that have a default may be null.
    ///
    /// # Errors
    /// [`BadRow`] names the first column that is not as it has to be.
    pub fn from_values(row: Row, version: u32) -> Result<(Self, usize), BadRow> {
        let mut from = Reader { schema: &SCHEMA, row };
        let format = if version < 12 { VarFormat::Untyped } else { VarFormat::Typed };
        let vars = vars::read_vars(&from.optional(place::VARS)?.unwrap_or_default(), format);
        let profiles = from.optional(place::PROFILES)?.unwrap_or_default();
        let profiles = vars::read_profiles(&profiles, format);
        let script_flags = if version < 12 {
            ScriptFlags::Bits(from.number_or_zero(place::SCRIPT_FLAGS)?)
        } else {
            ScriptFlags::Names(from.optional(place::SCRIPT_FLAGS)?.unwrap_or_default())
        };
        let state = from.number(place::STATE)?;
        if !(1..=5).contains(&state) {
            return Err(from.bad(place::STATE, "is no state"));
        }
        let dialog = Self {
            id: from.id(place::DLG_ID)?,
            call_id: from.text(place::CALLID)?,
            from_uri: from.text(place::FROM_URI)?,
            from_tag: from.text(place::FROM_TAG)?,
            to_uri: from.text(place::TO_URI)?,
            to_tag: from.text(place::TO_TAG)?,
            mangled_from_uri: from.optional(place::MANGLED_FROM_URI)?,
            mangled_to_uri: from.optional(place::MANGLED_TO_URI)?,
            caller_cseq: from.decimal(place::CALLER_CSEQ)?,
            callee_cseq: from.decimal(place::CALLEE_CSEQ)?,
            caller_ping_cseq: from.number_or_zero(place::CALLER_PING_CSEQ)?,
            callee_ping_cseq: from.number_or_zero(place::CALLEE_PING_CSEQ)?,
            caller_route_set: from.optional(place::CALLER_ROUTE_SET)?,
            callee_route_set: from.optional(place::CALLEE_ROUTE_SET)?,
            caller_contact: from.optional(place::CALLER_CONTACT)?,
            callee_contact: from.optional(place::CALLEE_CONTACT)?,
            caller_sock: from.text(place::CALLER_SOCK)?,
            callee_sock: from.text(place::CALLEE_SOCK)?,
            state,
            start_time: from.number(place::START_TIME)?,
            timeout: from.number(place::TIMEOUT)?,
            vars: vars.list,
            profiles: profiles.list,
            script_flags,
            module_flags: from.number_or_zero(place::MODULE_FLAGS)?,
            flags: from.number_or_zero(place::FLAGS)?,
            route_on_answer: from.optional(place::RT_ON_ANSWER)?,
            route_on_timeout: from.optional(place::RT_ON_TIMEOUT)?,
            route_on_hangup: from.optional(place::RT_ON_HANGUP)?,
        };
        Ok((dialog, vars.unread + profiles.unread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vars::{any_profile, any_var};
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..12)
    }

    fn optional() -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::of(bytes())
    }

    prop_compose! {
        fn any_row()(
            id: u64,
            texts in proptest::collection::vec(bytes(), 7),
            optionals in proptest::collection::vec(optional(), 9),
            numbers in proptest::collection::vec(any::<u32>(), 8),
            state in 1..=5u32,
            vars in proptest::collection::vec(any_var(), 0..4),
            profiles in proptest::collection::vec(any_profile(), 0..4),
            script_flags in "[a-z]{0,4}( [a-z]{1,4}){0,3}",
        ) -> DialogRow {
            let text = |place: usize| texts[place].clone();
            let optional = |place: usize| optionals[place].clone();
            DialogRow {
                id,
                call_id: text(0),
                from_uri: text(1),
                from_tag: text(2),
                to_uri: text(3),
                to_tag: text(4),
                mangled_from_uri: optional(0),
                mangled_to_uri: optional(1),
                caller_cseq: numbers[0],
                callee_cseq: numbers[1],
                caller_ping_cseq: numbers[2],
                callee_ping_cseq: numbers[3],
                caller_route_set: optional(2),
                callee_route_set: optional(3),
                caller_contact: optional(4),
                callee_contact: optional(5),
                caller_sock: text(5),
                callee_sock: text(6),
                state,
                start_time: numbers[4],
                timeout: numbers[5],
                vars,
                profiles,
                script_flags: ScriptFlags::Names(script_flags.into_bytes()),
                module_flags: numbers[6],
                flags: numbers[7],
                route_on_answer: optional(6),
                route_on_timeout: optional(7),
                route_on_hangup: optional(8),
            }
        }
    }

    proptest! {
        // dialog.md §11.1: every column
        #[test]
        fn written_and_read_is_the_same(row in any_row()) {
            prop_assert_eq!(DialogRow::from_values(row.to_values(), 12), Ok((row, 0)));
        }

        #[test]
        fn no_value_panics(place in 0..29usize, kind in 0..5u8, number: i64, text in bytes()) {
            let mut values = DialogRow { state: 4, ..DialogRow::default() }.to_values();
            values[place] = match kind {
                0 => Value::Null,
                1 => Value::Int(number),
                2 => Value::Real(number as f64),
                3 => Value::Text(text),
                _ => Value::Blob(text),
            };
            let _ = DialogRow::from_values(values.clone(), 12);
            let _ = DialogRow::from_values(values, 11);
        }
    }

    // dialog.md §11.1: version 11 has bits for script flags and values without types
    #[test]
    fn version_11_is_read() {
        let mut values = DialogRow { state: 4, ..DialogRow::default() }.to_values();
        values[place::SCRIPT_FLAGS] = Value::Int(0b10_0001);
        values[place::VARS] = Value::Blob(b"acc#1#x|".to_vec());
        let (row, unread) = DialogRow::from_values(values, 11).unwrap();
        assert_eq!(row.script_flags, ScriptFlags::Bits(33));
        assert_eq!(row.script_flags.names(), b"0 5");
        assert_eq!(row.vars[0].value, vars::VarValue::Text(b"1#x".to_vec()));
        assert_eq!(unread, 0);
    }

    // dialog.md §11.3: rows that are no dialogs
    #[test]
    fn bad_rows_name_their_column() {
        let good = DialogRow { state: 4, ..DialogRow::default() }.to_values();
        let bad = |place: usize, value: Value| {
            let mut values = good.clone();
            values[place] = value;
            DialogRow::from_values(values, 12).unwrap_err().to_string()
        };
        assert_eq!(bad(place::DLG_ID, Value::Null), "column dlg_id is no number of 64 bits");
        assert_eq!(bad(place::CALLID, Value::Null), "column callid is null");
        assert_eq!(bad(place::STATE, Value::Int(6)), "column state is no state");
        let cseq = Value::Text(b"x".to_vec());
        assert_eq!(bad(place::CALLER_CSEQ, cseq), "column caller_cseq is no number of 32 bits");
    }
}
