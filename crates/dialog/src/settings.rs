//! What an operator may set (spec dialog.md §14.4), and the bounds of the table.

use crate::table::SHARDS;

/// How an in-dialog request finds its dialog (§4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchMode {
    /// Only by the did parameter of our Route (0).
    DidOnly,
    /// By the did; without one that fits, by Call-ID and tags (1).
    #[default]
    DidFallback,
    /// By Call-ID and tags alone; no did is added to Record-Route (2).
    DidNone,
}

impl MatchMode {
    /// The mode behind the number of `dlg_match_mode`.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::DidOnly),
            1 => Some(Self::DidFallback),
            2 => Some(Self::DidNone),
            _ => None,
        }
    }

    /// The mode behind the argument of `match_dialog()`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            ("did_only", Self::DidOnly),
            ("did_fallback", Self::DidFallback),
            ("did_none", Self::DidNone),
        ]
        .into_iter()
        .find_map(|(known, mode)| name.eq_ignore_ascii_case(known).then_some(mode))
    }
}

/// What happens when a 2xx was relayed and no ACK came (decision D8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoAckAction {
    /// A note for the log; the call goes on. Unchanged scripts lose no calls.
    #[default]
    Log,
    /// The dialog is ended by BYEs to both sides.
    Bye,
}

/// What happens to a 2xx that arrives after the dialog failed (decision D3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateAnswer {
    /// It is relayed and counted; the dialog stays ended.
    #[default]
    Relay,
    /// It is relayed and counted, and the shell is told to ACK and BYE the callee.
    Release,
}

/// Which bodies a dialog keeps (§1.2): each one shared blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepSdp {
    /// Where somebody needs them: dialogs with re-INVITE pings.
    #[default]
    Auto,
    /// Those of every dialog, so that listings show them.
    Always,
    /// None. A re-INVITE ping then is an OPTIONS.
    Never,
}

/// Where our own requests to a leg are sent (lessons 23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LegTarget {
    /// To its Contact or Route, as RFC 3261 §12.2.1.1 says; to where it last came from if that
    /// leads nowhere.
    #[default]
    Contact,
    /// To where it last came from, for phones behind NAT. Behind another proxy the Route counts.
    Flow,
}

/// The longest a state-5 dialog may stay in the table beyond its `delete_delay`, in seconds,
/// whoever still holds it. Costs one record per dialog ended in that time.
pub const LINGER_SECONDS_MAX: u32 = 32;

/// How long a tombstone routes late requests, in seconds: 64*T1 of RFC 3261.
pub const TOMBSTONE_SECONDS: u32 = 32;

/// How many dialogs (live, ended or tombstones) may share one Call-ID. More are refused: a peer
/// that repeats a Call-ID for ever would otherwise make every look-up of it slow.
pub const DIALOGS_PER_CALL_ID_MAX: usize = 64;

/// How many callee legs one dialog may have (forked branches). Later branches are not tracked.
pub const LEGS_MAX: usize = 32;

/// How many bytes the texts of one leg, or of the dialog itself, may have together.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// How many route values one leg may have (§1.2).
pub const ROUTES_MAX: usize = 64;

/// How many callbacks may be registered on one dialog.
pub const CALLBACKS_PER_DIALOG_MAX: usize = 64;

/// How many items MI_CONTEXT callbacks may add to one listed dialog.
pub const CONTEXT_ITEMS_MAX: usize = 64;

/// How many bytes they may have together, names included.
pub const CONTEXT_BYTES_MAX: usize = 64 * 1024;

/// How many bytes the values of one dialog may have together, names included.
pub const VALUES_BYTES_MAX: usize = 64 * 1024;

/// How many profiles a table may have.
pub const PROFILES_MAX: usize = 1024;

/// How many links to profiles one dialog may have. More are refused and counted.
pub const PROFILE_LINKS_MAX: usize = 64;

/// How many bytes the value of a profile link may have. Longer ones are refused and counted.
pub const PROFILE_VALUE_BYTES_MAX: usize = 1024;

/// The largest `log_profile_hash_size`: 16,384 parts of 64 bytes per profile.
pub const LOG_PROFILE_HASH_SIZE_MAX: u32 = 14;

/// How many may ask to hear how the end of one dialog went. More are refused.
pub const REPORTS_MAX: usize = 64;

/// How many requests of modules may be under way within one dialog. More are refused.
pub const ASKED_MAX: usize = 32;

/// How many requests to end a dialog may wait for the shell. More are refused.
pub const INTENTS_MAX: usize = 65_536;

/// The settings of a table of dialogs. `Default` is OpenSIPS's defaults with the decisions of
/// spec dialog.md §18.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seconds an answered call may last; at least 1. Default 43200.
    pub default_timeout: u32,
    /// How in-dialog requests are matched. Default [`MatchMode::DidFallback`].
    pub match_mode: MatchMode,
    /// Name of the did parameter in Record-Route. Default `did`.
    pub rr_param: String,
    /// Seconds an unanswered call may last; `None` leaves it to the transaction. Default `None`.
    pub early_timeout: Option<u32>,
    /// Seconds to wait for the ACK of an answered call; `None` waits for ever. Default 60.
    pub noack_timeout: Option<u32>,
    /// What happens then. Default [`NoAckAction::Log`].
    pub noack_action: NoAckAction,
    /// Seconds a call that raced with its CANCEL may last (§2.4.4). Default 5.
    pub race_condition_timeout: u32,
    /// Seconds a dialog stays readable after its end. Default 0.
    pub delete_delay: u32,
    /// What happens to a 2xx after the failure. Default [`LateAnswer::Relay`].
    pub late_answer: LateAnswer,
    /// Number of entries of the id space (§4.2); rounded down to a power of two, at least 32. It
    /// may change from one start to the next: stored ids stay what they are (decision D30).
    /// Default 4096.
    pub hash_size: u32,
    /// Which of several nodes this is, 0 to 255: the high [`NODE_BITS`](crate::NODE_BITS) of every
    /// `h_id`, so that nodes which share a database or a cluster never make the same id (decision
    /// D29). Default `None`: a node alone, ids count over all 32 bits.
    pub node_id: Option<u8>,
    /// How many dialogs may exist at once; more are refused and counted. Each costs about 700
    /// bytes. Default 2,000,000.
    pub dialogs_max: usize,
    /// How many tombstones may exist at once; beyond, the dialog leaves none. Default 500,000.
    pub tombstones_max: usize,
    /// Seconds between two OPTIONS pings of a side; at least 1. Default 30.
    pub options_ping_interval: u32,
    /// Seconds between two re-INVITE pings of a side; at least 1. Default 300.
    pub reinvite_ping_interval: u32,
    /// So many pings in a row without an answer end the call; at least 1. Too few lose calls with a
    /// bad network, too many let dead ones linger an interval longer each. Default 2 (decision D12).
    pub ping_failures_max: u32,
    /// Which bodies are kept. Default [`KeepSdp::Auto`].
    pub keep_sdp: KeepSdp,
    /// Where our own requests go. Default [`LegTarget::Contact`].
    pub leg_target: LegTarget,
    /// Header lines for our BYEs, each with its CRLF (`dlg_extra_hdrs`). Default none.
    pub extra_headers: Box<[u8]>,
    /// A PRACK of ours that is not accepted ends the call with 502 (§6.5). Default false.
    pub auto_prack_hangup_on_failure: bool,
    /// Seconds to wait for the final reply to a PRACK of ours. Default 3.
    pub auto_prack_fr_timeout: u32,
    /// A profile with values has 2 to the power of this many parts, with a lock each; at most
    /// [`LOG_PROFILE_HASH_SIZE_MAX`]. Default 4.
    pub log_profile_hash_size: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_timeout: 43_200,
            match_mode: MatchMode::default(),
            rr_param: "did".to_owned(),
            early_timeout: None,
            noack_timeout: Some(60),
            noack_action: NoAckAction::default(),
            race_condition_timeout: 5,
            delete_delay: 0,
            late_answer: LateAnswer::default(),
            hash_size: 4096,
            node_id: None,
            dialogs_max: 2_000_000,
            tombstones_max: 500_000,
            options_ping_interval: 30,
            reinvite_ping_interval: 300,
            ping_failures_max: 2,
            keep_sdp: KeepSdp::default(),
            leg_target: LegTarget::default(),
            extra_headers: Box::default(),
            auto_prack_hangup_on_failure: false,
            auto_prack_fr_timeout: 3,
            log_profile_hash_size: 4,
        }
    }
}

impl Settings {
    /// The largest power of two that is not above the wanted `hash_size` (§4.2); at least the
    /// number of shards, so that an entry of any table names the shard of its Call-ID.
    pub fn hash_size_used(&self) -> u32 {
        self.hash_size.checked_ilog2().map_or(1, |log| 1 << log).max(SHARDS as u32)
    }

    /// How many parts a profile with values has.
    pub(crate) fn profile_parts(&self) -> usize {
        1 << self.log_profile_hash_size.min(LOG_PROFILE_HASH_SIZE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // dialog.md §4.2: hash_size is rounded down to a power of two
    #[test]
    fn hash_size_is_rounded_down() {
        for (asked, used) in
            [(4096, 4096), (5000, 4096), (63, 32), (1, 32), (0, 32), (u32::MAX, 1 << 31)]
        {
            assert_eq!(Settings { hash_size: asked, ..Settings::default() }.hash_size_used(), used);
        }
    }

    // dialog.md §4.4: mode names are case-insensitive, numbers 0..2
    #[test]
    fn match_modes_have_names_and_numbers() {
        assert_eq!(MatchMode::from_name("DID_only"), Some(MatchMode::DidOnly));
        assert_eq!(MatchMode::from_name("did"), None);
        assert_eq!(MatchMode::from_number(2), Some(MatchMode::DidNone));
        assert_eq!(MatchMode::from_number(3), None);
    }
}
