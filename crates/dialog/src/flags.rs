//! The three flag words of a dialog (spec dialog.md §1.3, §1.4, §10.2) and the events' names (§3).

use bitflags::bitflags;

bitflags! {
    /// The engine's own flags. The numbers are visible in databases and replication (§1.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct DialogFlags: u32 {
        /// Has never been inserted in a database.
        const NEW = 1;
        /// The stored row is stale.
        const CHANGED = 2;
        /// A BYE was seen.
        const HAS_BYE = 4;
        /// On expiry both sides get a BYE.
        const BYE_ON_TIMEOUT = 8;
        /// Creation is complete: the transaction exists.
        const IS_INIT = 16;
        /// OPTIONS pings to the caller.
        const PING_CALLER = 32;
        /// OPTIONS pings to the callee.
        const PING_CALLEE = 64;
        /// Restored from a database, not yet confirmed by a cluster.
        const FROM_DB = 128;
        /// Values, profiles or flags changed since they were last written.
        const VALUES_CHANGED = 256;
        /// The row is removed or about to be.
        const DB_DELETED = 512;
        /// CSeq numbers are enforced.
        const CSEQ_ENFORCE = 1024;
        /// re-INVITE pings to the caller.
        const REINVITE_PING_CALLER = 2048;
        /// re-INVITE pings to the callee.
        const REINVITE_PING_CALLEE = 4096;
        /// A CANCEL that crossed the 2xx ends the call soon.
        const END_ON_RACE_CONDITION = 32768;
        /// A CANCEL was matched to the INVITE.
        const WAS_CANCELLED = 65536;
        /// A CANCEL or early BYE crossed the 2xx.
        const RACE_CONDITION_OCCURRED = 131_072;
        /// A backup node extended the lifetime once.
        const SELF_EXTENDED_TIMEOUT = 262_144;
        /// Seen in a cluster sync.
        const SYNCED = 524_288;
        /// PRACK is generated for reliable provisionals.
        const AUTO_PRACK = 1_048_576;
    }
}

impl DialogFlags {
    /// The flags that the creator of a dialog chooses (§6.1); all others are the engine's.
    pub const CREATE: Self = Self::BYE_ON_TIMEOUT
        .union(Self::PING_CALLER)
        .union(Self::PING_CALLEE)
        .union(Self::REINVITE_PING_CALLER)
        .union(Self::REINVITE_PING_CALLEE)
        .union(Self::END_ON_RACE_CONDITION)
        .union(Self::AUTO_PRACK);

    /// The flags that never leave the process (§1.3, decision D1).
    pub const TRANSIENT: Self =
        Self::NEW.union(Self::CHANGED).union(Self::VALUES_CHANGED).union(Self::DB_DELETED);

    /// The flags of `create_dialog()`: letters (`"PpB"`, unknown ones ignored) or 4.x words
    /// (`"bye-on-timeout, auto-prack"`). `None` for a text of words with an unknown one (§6.1).
    pub fn parse_create(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains([',', '-']) {
            return text
                .split(',')
                .try_fold(Self::empty(), |all, word| Some(all | Self::create_word(word.trim())?));
        }
        Some(text.chars().map(Self::create_letter).fold(Self::empty(), Self::union))
    }

    /// The flags of `create_dialog()` in 4.x words, separated by commas (§6.1).
    pub fn create_words(self) -> String {
        let set = Self::CREATE_NAMES.iter().filter(|(_, _, flag)| self.contains(*flag));
        set.map(|(word, ..)| *word).collect::<Vec<_>>().join(",")
    }

    /// Word, letter in 3.1, flag.
    const CREATE_NAMES: [(&str, Option<char>, Self); 7] = [
        ("options-ping-caller", Some('P'), Self::PING_CALLER),
        ("options-ping-callee", Some('p'), Self::PING_CALLEE),
        ("reinvite-ping-caller", Some('R'), Self::REINVITE_PING_CALLER),
        ("reinvite-ping-callee", Some('r'), Self::REINVITE_PING_CALLEE),
        ("bye-on-timeout", Some('B'), Self::BYE_ON_TIMEOUT),
        ("end-on-race-condition", Some('E'), Self::END_ON_RACE_CONDITION),
        ("auto-prack", None, Self::AUTO_PRACK),
    ];

    fn create_word(word: &str) -> Option<Self> {
        let found = Self::CREATE_NAMES.iter().find(|(known, ..)| *known == word);
        found.map(|(.., flag)| *flag)
    }

    fn create_letter(letter: char) -> Self {
        let found = Self::CREATE_NAMES.iter().find(|(_, known, _)| *known == Some(letter));
        found.map_or(Self::empty(), |(.., flag)| *flag)
    }
}

bitflags! {
    /// Flags that modules own (§1.4).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ModuleFlags: u32 {
        /// Session timers.
        const SESSION_TIMER = 1;
        /// Topology hiding is under way.
        const TOPOLOGY_HIDING = 2;
        /// Topology hiding keeps the user part.
        const KEEP_USER = 4;
        /// Topology hiding hides the Call-ID.
        const HIDE_CALL_ID = 8;
        /// The did travels in the user part.
        const DID_IN_USER = 16;
        /// The contact advertised to the caller is kept.
        const KEEP_CONTACT_CALLER = 32;
        /// The contact advertised to the callee is kept.
        const KEEP_CONTACT_CALLEE = 64;
    }
}

bitflags! {
    /// The per-dialog events a callback can ask for (§3), with the numbers of `DLGCB_*`.
    ///
    /// LOADED and CREATED are not here: they are global, see
    /// [`Dialogs::on_created`](crate::Dialogs::on_created).
    #[doc(alias = "DLGCB")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct DialogEvents: u32 {
        /// The call ended before it was answered.
        #[doc(alias = "DLGCB_FAILED")]
        const FAILED = 4;
        /// The call was answered.
        #[doc(alias = "DLGCB_CONFIRMED")]
        const CONFIRMED = 8;
        /// A request within the dialog.
        #[doc(alias = "DLGCB_REQ_WITHIN")]
        const REQ_WITHIN = 16;
        /// The call ended by BYE or by command.
        #[doc(alias = "DLGCB_TERMINATED")]
        const TERMINATED = 32;
        /// The call outlived its lifetime.
        #[doc(alias = "DLGCB_EXPIRED")]
        const EXPIRED = 64;
        /// The first provisional reply was relayed.
        #[doc(alias = "DLGCB_EARLY")]
        const EARLY = 128;
        /// A reply to the initial INVITE is about to be relayed.
        #[doc(alias = "DLGCB_RESPONSE_FWDED")]
        const RESPONSE_FWDED = 256;
        /// A reply to a request within the dialog is about to be relayed.
        #[doc(alias = "DLGCB_RESPONSE_WITHIN")]
        const RESPONSE_WITHIN = 512;
        /// The dialog is being listed with its context.
        #[doc(alias = "DLGCB_MI_CONTEXT")]
        const MI_CONTEXT = 1024;
        /// The dialog left the table; the handle still reads.
        #[doc(alias = "DLGCB_DESTROY")]
        const DESTROY = 2048;
        /// The dialog's row was written or removed.
        #[doc(alias = "DLGCB_SAVED")]
        const SAVED = 4096;
        /// Values are about to be written.
        #[doc(alias = "DLGCB_WRITE_VP")]
        const WRITE_VALUES = 8192;
        /// Values arrived from another node.
        #[doc(alias = "DLGCB_PROCESS_VARS")]
        const PROCESS_VALUES = 16384;
        /// Either end of an answered call.
        const ENDED = Self::TERMINATED.bits() | Self::EXPIRED.bits();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // dialog.md §6.1: letters concatenated, unknown ignored; words comma-separated, unknown refused
    #[test]
    fn create_flags_in_both_spellings() {
        let want =
            DialogFlags::PING_CALLER | DialogFlags::PING_CALLEE | DialogFlags::BYE_ON_TIMEOUT;
        assert_eq!(DialogFlags::parse_create("PpBz"), Some(want));
        assert_eq!(
            DialogFlags::parse_create("options-ping-caller, options-ping-callee,bye-on-timeout"),
            Some(want)
        );
        assert_eq!(DialogFlags::parse_create("bye-on-timeout,sing"), None);
        assert_eq!(DialogFlags::parse_create(""), Some(DialogFlags::empty()));
        assert!(DialogFlags::CREATE.contains(want));
    }

    // dialog.md §3: the mask values
    #[test]
    fn event_numbers_are_those_of_the_spec() {
        assert_eq!((DialogEvents::FAILED | DialogEvents::DESTROY).bits(), 4 + 2048);
        assert_eq!(DialogEvents::PROCESS_VALUES.bits(), 16384);
    }
}
