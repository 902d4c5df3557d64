//! What a route runs on: one message, and all that the script decided about it so far.

use duologue_dialog::{
    CreateError, Dialog, DialogFlags, DialogKey, Direction, MatchMode, Steps, Within,
};
use duologue_script::{AvpList, RouteId, RouteKind};
use duologue_sip::{Edits, Flow, Message};
use duologue_transaction::{BranchIndex, TransactionId, Winner};
use smallvec::{SmallVec, smallvec};

use crate::dialogs::{self, Again};
use crate::manners::Manners;
use crate::modules::cfgutils::HeldLocks;
use crate::modules::json::Documents;
use crate::parked::Wait;
use crate::raised::Raised;
use crate::record_route::RecordRoute;
use crate::target::Target;
use crate::tm::{Armed, BranchAttached, DialogLink, DialogRole};
use crate::turn::Turn;
use crate::upstream;

/// How many destinations a request may have, the Request-URI's included (spec/script.md §17.4).
pub const BRANCHES_MAX: usize = 12;

/// What a route runs on.
#[derive(Debug)]
pub struct Context<'r> {
    /// The call's turn: node, worker, transactions.
    pub turn: Turn<'r>,
    /// The message as received.
    pub message: &'r Message<'r>,
    /// Where it came from.
    pub flow: Flow,
    /// The kind of block that runs.
    pub kind: RouteKind,
    /// What the script decided; made afresh for each message, reused between them.
    pub draft: Box<Draft>,
    /// The message's transaction, once there is one.
    pub transaction: Option<TransactionId>,
    /// The branch, in branch and reply routes, and the winner's in failure routes.
    pub branch: Option<BranchIndex>,
    /// The winning reply, in failure routes.
    pub winner: Option<Winner>,
    /// The message's dialog (spec/dialog.md §4.5).
    pub dialog: Option<CurrentDialog>,
    /// Another dialog that the script reads in its place (`load_dialog_ctx()`), until the run ends
    /// at the latest (decision D33).
    pub loaded: Option<DialogKey>,
    /// Whether the block that runs may wait.
    pub(crate) may_park: bool,
    /// What the run is about to wait for.
    pub(crate) waiting: Option<Wait>,
}

/// The dialog that a message belongs to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentDialog {
    /// Which dialog.
    pub key: DialogKey,
    /// What the message's transaction is to it.
    pub role: DialogRole,
    /// Which way the message travels.
    pub direction: Direction,
}

impl CurrentDialog {
    /// The dialog that an INVITE makes.
    pub fn initial(key: DialogKey) -> Self {
        Self { key, role: DialogRole::Initial, direction: Direction::Downstream }
    }

    /// The dialog that a request was matched to.
    pub fn within(request: Within) -> Self {
        let Within { matched, .. } = request;
        let role = DialogRole::Within(request);
        Self { key: matched.key, role, direction: matched.direction }
    }

    /// As a transaction keeps it.
    pub fn link(&self) -> DialogLink {
        DialogLink { key: self.key, role: self.role }
    }

    /// The same for the reply that travels back.
    pub fn reversed(self) -> Self {
        Self { direction: self.direction.reversed(), ..self }
    }
}

impl DialogLink {
    /// As the context of the transaction's request has it.
    pub fn current(self) -> CurrentDialog {
        let direction = match self.role {
            DialogRole::Within(request) => request.matched.direction,
            DialogRole::Own(own) if own.leg == 0 => Direction::Upstream,
            DialogRole::Initial | DialogRole::Own(_) | DialogRole::Reader => Direction::Downstream,
        };
        CurrentDialog { key: self.key, role: self.role, direction }
    }
}

/// The script's decisions about one message.
#[derive(Debug, Default)]
pub struct Draft {
    /// Changes to the message for all branches.
    pub edits: Edits,
    /// Changes for the branch whose branch_route runs.
    pub branch_edits: Edits,
    /// The Request-URI branch.
    pub target: Target,
    /// Additional branches.
    pub branches: Vec<Target>,
    /// Message flags.
    pub flags: u32,
    /// AVPs.
    pub avps: AvpList,
    /// Armed routes.
    pub armed: Armed,
    /// The Record-Route to add.
    pub record_route: RecordRoute,
    /// Parameters of our own Route that `loose_route()` consumed; `None` before it did.
    pub route_params: Option<Vec<u8>>,
    /// Whether the Route headers are written by the dialog (`fix_route_dialog()`).
    pub route_fixed: bool,
    /// Header lines for local replies.
    pub reply_headers: Vec<u8>,
    /// Header lines for every branch (`t_add_hdrs()`).
    pub request_headers: Vec<u8>,
    /// Header lines for the CANCELs of this INVITE (`t_add_cancel_reason()`).
    pub cancel_headers: Vec<u8>,
    /// The body of local replies.
    pub reply_body: Vec<u8>,
    /// Max-Forwards after `mf_process_maxfwd_header()`.
    pub max_forwards: Option<u32>,
    /// `$DLG_timeout` written before there was a dialog.
    pub dialog_timeout: Option<u32>,
    /// Timers set through `$T_fr_timeout`, `$T_fr_inv_timeout`, in seconds.
    pub timeouts: (Option<u32>, Option<u32>),
    /// What `$err.*` tells in the error route.
    pub raised: Option<Raised>,
    /// Whether the error route is still to hear of it.
    pub untold: bool,
    /// The last internal error, for `sl_reply_error()`.
    pub error: Option<i32>,
    /// Whether `force_rport()` or `rport` in the Via asks for symmetric replies.
    pub forced_rport: bool,
    /// The last status that went upstream for this message without a transaction.
    pub replied: Option<u16>,
    /// The onreply_route that the running branch route armed.
    pub branch_on_reply: Option<RouteId>,
    /// What earlier branches were given, in failure routes.
    pub kept_branches: Vec<BranchAttached>,
    /// `$bavp` of the branch at hand.
    pub branch_avps: AvpList,
    /// `$tm.branch.attr` of the branch at hand.
    pub branch_attrs: AvpList,
    /// Steps of the dialog that `create_dialog()` made, until the transaction exists.
    pub created: Option<Steps>,
    /// Whether this run holds its dialog and has to release it.
    pub holds_dialog: bool,
    /// How the message is to travel.
    pub manners: Manners,
    /// Whose credentials a module has verified, `user@realm` (`$Au`).
    pub verified_user: Option<Box<[u8]>>,
    /// What `script_trace()` asked for.
    pub trace: Option<Box<Trace>>,
    /// The documents behind `$json`.
    pub json: Documents,
    /// Locks of `get_static_lock()` and `get_dynamic_lock()`; dropped, they are free.
    pub locks: HeldLocks,
}

/// What is written before each statement while a script is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The level of the lines.
    pub level: i32,
    /// The format string beside each statement.
    pub format: Box<[u8]>,
    /// A mark to tell these lines by.
    pub info: Box<str>,
}

impl Draft {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        // Each field by name: a new one cannot be forgotten here.
        let Self {
            edits,
            branch_edits,
            target,
            branches,
            flags,
            avps,
            armed,
            record_route,
            route_params,
            route_fixed,
            reply_headers,
            request_headers,
            cancel_headers,
            reply_body,
            max_forwards,
            dialog_timeout,
            timeouts,
            raised,
            untold,
            error,
            forced_rport,
            replied,
            branch_on_reply,
            kept_branches,
            branch_avps,
            branch_attrs,
            created,
            holds_dialog,
            manners,
            verified_user,
            trace,
            json,
            locks,
        } = self;
        edits.clear();
        branch_edits.clear();
        target.reset();
        branches.clear();
        *flags = 0;
        avps.clear();
        *armed = Armed::default();
        record_route.clear();
        *route_params = None;
        *route_fixed = false;
        reply_headers.clear();
        request_headers.clear();
        cancel_headers.clear();
        reply_body.clear();
        *max_forwards = None;
        *dialog_timeout = None;
        *timeouts = (None, None);
        *raised = None;
        *untold = false;
        *error = None;
        *forced_rport = false;
        *replied = None;
        *branch_on_reply = None;
        kept_branches.clear();
        branch_avps.clear();
        branch_attrs.clear();
        *created = None;
        *holds_dialog = false;
        manners.clear();
        *verified_user = None;
        *trace = None;
        json.clear();
        locks.release_all();
    }
}

impl Draft {
    /// Whether later routes of the transaction need anything of this. A failure route, if the
    /// script has one, may be armed later and then branches with the changes made here; so does who
    /// injects branches.
    pub fn keeps_anything(&self, branches_later: bool) -> bool {
        branches_later
            || self.flags != 0
            || self.armed != Armed::default()
            || !self.avps.is_empty()
            || !self.reply_headers.is_empty()
            || !self.manners.is_plain()
            || !self.cancel_headers.is_empty()
            || !self.reply_body.is_empty()
    }

    /// Whether branches are to be remembered one by one, also when the script does not ask for it.
    pub fn keeps_branches(&self) -> bool {
        self.branch_on_reply.is_some()
            || self.target.flags != 0
            || !self.branch_avps.is_empty()
            || !self.branch_attrs.is_empty()
    }
}

impl<'r> Context<'r> {
    /// A context for a message that nothing was decided about.
    pub fn new(turn: Turn<'r>, message: &'r Message<'r>, flow: Flow, kind: RouteKind) -> Self {
        let draft = turn.worker.drafts.take();
        Self::with_draft(turn, message, flow, kind, draft)
    }

    /// A context with decisions that were made before.
    pub(crate) fn with_draft(
        turn: Turn<'r>,
        message: &'r Message<'r>,
        flow: Flow,
        kind: RouteKind,
        draft: Box<Draft>,
    ) -> Self {
        Self {
            turn,
            message,
            flow,
            kind,
            draft,
            transaction: None,
            branch: None,
            winner: None,
            dialog: None,
            loaded: None,
            may_park: false,
            waiting: None,
        }
    }

    /// The changes that the running block makes: the branch's own in a branch route, the message's
    /// elsewhere.
    pub fn edits(&mut self) -> &mut Edits {
        match self.kind {
            RouteKind::Branch => &mut self.draft.branch_edits,
            _ => &mut self.draft.edits,
        }
    }

    /// The changes that count when the running block asks what becomes of the message: those for
    /// all branches, then the branch's own.
    pub fn layers(&self) -> SmallVec<[&Edits; 2]> {
        match self.kind {
            RouteKind::Branch => smallvec![&self.draft.edits, &self.draft.branch_edits],
            _ => smallvec![&self.draft.edits],
        }
    }

    /// As [`Context::edits`], for parts of the body that come or go: a branch goes on from what
    /// all branches have.
    pub fn edits_of_parts(&mut self) -> &mut Edits {
        let Draft { edits, branch_edits, .. } = &mut *self.draft;
        match self.kind {
            RouteKind::Branch => {
                branch_edits.inherit_parts(edits);
                branch_edits
            }
            _ => edits,
        }
    }

    /// The current dialog: one that was loaded, else the message's, else that of its transaction
    /// (spec/dialog.md §4.5).
    #[doc(alias = "get_dlg")]
    pub fn dialog(&mut self) -> Option<Dialog> {
        let key = match self.loaded {
            Some(key) => key,
            None => self.current_dialog()?.key,
        };
        Some(self.turn.node.dialogs.handle(key))
    }

    /// The message's dialog, else that of its transaction.
    pub(crate) fn current_dialog(&mut self) -> Option<CurrentDialog> {
        if self.dialog.is_none() {
            let id = crate::modules::tm::current(self)?;
            let link = self.turn.body.transactions.get(id)?.dialog?;
            self.dialog = Some(link.current());
        }
        self.dialog
    }

    /// Makes the dialog of an initial INVITE, as `create_dialog()` does in scripts; where there is
    /// one, the flags come to those that it has.
    ///
    /// # Errors
    /// [`CreateError`]: the message is no initial INVITE, or there is no room.
    #[doc(alias = "create_dlg")]
    pub fn create_dialog(&mut self, flags: DialogFlags) -> Result<Dialog, CreateError> {
        dialogs::create(self, flags, Again::Add)
    }

    /// Finds the dialog of a request within one, as `match_dialog()` does in scripts: once per
    /// message, whoever asks. Without a mode, that of `dlg_match_mode`.
    pub fn match_dialog(&mut self, mode: impl Into<Option<MatchMode>>) -> Option<Dialog> {
        let mode = mode.into().unwrap_or(self.turn.node.dialogs.settings().match_mode);
        if !crate::modules::dialog::find(self, mode) {
            return None;
        }
        self.dialog()
    }

    /// Which way the message travels in the current dialog; none in one that was loaded.
    #[doc(alias = "get_direction")]
    pub fn direction(&mut self) -> Option<Direction> {
        match self.loaded {
            Some(_) => None,
            None => self.current_dialog().map(|dialog| dialog.direction),
        }
    }

    /// Where replies to the message go: as its Via asks, or as the script wants it.
    pub fn reply_flow(&self) -> Option<Flow> {
        match self.draft.manners.reply_to_via {
            true => upstream::flow_of_via(self.message, self.flow),
            false => upstream::reply_flow(self.message, self.flow, self.draft.forced_rport),
        }
    }

    /// The Request-URI as it stands now; `None` on replies.
    pub fn request_uri(&self) -> Option<&[u8]> {
        match &self.draft.target.uri {
            Some(uri) => Some(uri),
            None => self.message.is_request().then(|| self.message.uri_bytes()),
        }
    }
}
