//! What a callback is told: one type per event (spec dialog.md §3).

use crate::{ContextItems, Dialog, EndReason, Snapshot};

/// Which way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the caller to the callee.
    Downstream,
    /// From the callee to the caller.
    Upstream,
}

impl Direction {
    /// The other way.
    pub const fn reversed(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }

    /// The word of `$DLG_dir`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
        }
    }
}

/// The message of an event may not be changed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotMutable;

/// The message behind an event. The shell implements it for its drafts; the default bodies of the
/// editing methods refuse, for messages that may only be read.
pub trait EventMessage {
    /// The status code of a reply, `None` for a request.
    fn status(&self) -> Option<u16>;
    /// The reason phrase of a reply; empty for a request.
    fn reason(&self) -> &[u8] {
        b""
    }
    /// The method of a request, or of a reply's CSeq.
    fn method(&self) -> &[u8];
    /// The first value of the header with this name, in any case and form; `None` without one.
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// The body; empty without one.
    fn body(&self) -> &[u8];
    /// Adds a header line at the end of the headers.
    ///
    /// # Errors
    /// [`NotMutable`] when the message already left or is a mere reading copy.
    fn append_header(&mut self, name: &str, value: &[u8]) -> Result<(), NotMutable> {
        let _ = (name, value);
        Err(NotMutable)
    }
    /// Removes all headers with this name; how many there were.
    ///
    /// # Errors
    /// [`NotMutable`] when the message already left or is a mere reading copy.
    fn remove_header(&mut self, name: &str) -> Result<usize, NotMutable> {
        let _ = name;
        Err(NotMutable)
    }
}

/// The message of an event: there may be none (timeouts, commands).
pub type MessageSlot<'a> = Option<&'a mut (dyn EventMessage + 'a)>;

/// Something happened to a dialog.
///
/// # What a callback may do
/// Anything: no lock is held. It may read and change this and other dialogs, register further
/// callbacks and ask for the end of a call; the end is queued behind the current step. A panic is
/// caught, counted and reported; the other callbacks and the call go on.
#[non_exhaustive]
pub enum Event<'a> {
    /// See [`Created`].
    Created(Created<'a>),
    /// See [`Loaded`].
    Loaded(Loaded<'a>),
    /// See [`Early`].
    Early(Early<'a>),
    /// See [`Confirmed`].
    Confirmed(Confirmed<'a>),
    /// See [`Failed`].
    Failed(Failed<'a>),
    /// See [`RequestWithin`].
    RequestWithin(RequestWithin<'a>),
    /// See [`ResponseForwarded`].
    ResponseForwarded(ResponseForwarded<'a>),
    /// See [`ResponseWithin`].
    ResponseWithin(ResponseWithin<'a>),
    /// See [`Terminated`].
    Terminated(Terminated<'a>),
    /// See [`Expired`].
    Expired(Expired<'a>),
    /// See [`Destroy`].
    Destroy(Destroy<'a>),
    /// See [`MiContext`].
    MiContext(MiContext<'a>),
    /// See [`Saved`].
    Saved(Saved<'a>),
    /// See [`WriteValues`].
    WriteValues(WriteValues<'a>),
    /// See [`ProcessValues`].
    ProcessValues(ProcessValues<'a>),
}

impl<'a> Event<'a> {
    /// The dialog that the event belongs to.
    pub fn dialog(&self) -> &'a Dialog {
        match self {
            Self::Created(e) => e.dialog,
            Self::Loaded(e) => e.dialog,
            Self::Early(e) => e.dialog,
            Self::Confirmed(e) => e.dialog,
            Self::Failed(e) => e.dialog,
            Self::RequestWithin(e) => e.dialog,
            Self::ResponseForwarded(e) => e.dialog,
            Self::ResponseWithin(e) => e.dialog,
            Self::Terminated(e) => e.dialog,
            Self::Expired(e) => e.dialog,
            Self::Destroy(e) => e.dialog,
            Self::MiContext(e) => e.dialog,
            Self::Saved(e) => e.dialog,
            Self::WriteValues(e) => e.dialog,
            Self::ProcessValues(e) => e.dialog,
        }
    }

    /// The message of the event, if it has one.
    pub fn message(&mut self) -> Option<&mut (dyn EventMessage + 'a)> {
        match self {
            Self::Created(e) => e.message.as_deref_mut(),
            Self::Early(e) => e.message.as_deref_mut(),
            Self::Confirmed(e) => e.message.as_deref_mut(),
            Self::Failed(e) => e.message.as_deref_mut(),
            Self::RequestWithin(e) => e.message.as_deref_mut(),
            Self::ResponseForwarded(e) => e.message.as_deref_mut(),
            Self::ResponseWithin(e) => e.message.as_deref_mut(),
            Self::Terminated(e) => e.message.as_deref_mut(),
            Self::Loaded(_)
            | Self::Expired(_)
            | Self::Destroy(_)
            | Self::MiContext(_)
            | Self::Saved(_)
            | Self::WriteValues(_)
            | Self::ProcessValues(_) => None,
        }
    }

    /// Which way the message travels; `None` for internal causes.
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Created(_) => Some(Direction::Downstream),
            Self::Early(_) | Self::Confirmed(_) | Self::ResponseForwarded(_) | Self::Failed(_) => {
                Some(Direction::Upstream)
            }
            Self::RequestWithin(e) => Some(e.direction),
            Self::ResponseWithin(e) => Some(e.direction),
            Self::Terminated(e) => e.direction,
            Self::Loaded(_)
            | Self::Expired(_)
            | Self::Destroy(_)
            | Self::MiContext(_)
            | Self::Saved(_)
            | Self::WriteValues(_)
            | Self::ProcessValues(_) => None,
        }
    }
}

/// The dialog and the INVITE's transaction exist; the INVITE may still be changed. Once.
#[doc(alias = "DLGCB_CREATED")]
pub struct Created<'a> {
    /// The new dialog: the place to register per-dialog callbacks.
    pub dialog: &'a Dialog,
    /// The INVITE.
    pub message: MessageSlot<'a>,
}

/// The dialog was restored or received from elsewhere. Once per dialog and registration.
#[doc(alias = "DLGCB_LOADED")]
pub struct Loaded<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
}

/// The first provisional reply (not 100) is about to be relayed. At most once.
#[doc(alias = "DLGCB_EARLY")]
pub struct Early<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The reply; for reading.
    pub message: MessageSlot<'a>,
}

/// The first 2xx is about to be relayed. At most once.
#[doc(alias = "DLGCB_CONFIRMED")]
pub struct Confirmed<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The reply; for reading.
    pub message: MessageSlot<'a>,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailCause {
    /// This negative status goes to the caller.
    Status(u16),
    /// The INVITE's transaction ended without a final reply.
    TransactionEnded,
}

/// The call ended before it was answered; the reply is about to be sent. At most once.
#[doc(alias = "DLGCB_FAILED")]
pub struct Failed<'a> {
    /// The dialog, already in state 5.
    pub dialog: &'a Dialog,
    /// The negative reply, if there is one.
    pub message: MessageSlot<'a>,
    /// Why.
    pub cause: FailCause,
    /// The dialog as it was when it ended (decision D25).
    pub last: &'a Snapshot,
}

/// A request within the dialog was matched, in states 2 to 5, after its effect on the state.
/// Retransmissions included; not the BYE that ends the dialog.
#[doc(alias = "DLGCB_REQ_WITHIN")]
pub struct RequestWithin<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The request; may be changed.
    pub message: MessageSlot<'a>,
    /// From where to where.
    pub direction: Direction,
    /// The leg it goes to; 0 is the caller.
    pub dst_leg: u16,
}

/// A reply to the initial INVITE is about to be relayed, before any change of state.
#[doc(alias = "DLGCB_RESPONSE_FWDED")]
pub struct ResponseForwarded<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The reply; may be changed.
    pub message: MessageSlot<'a>,
    /// The callee leg that sent it, if it could be determined.
    pub leg: Option<u16>,
}

/// A reply to a request within the dialog is about to be relayed.
#[doc(alias = "DLGCB_RESPONSE_WITHIN")]
pub struct ResponseWithin<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The reply; may be changed.
    pub message: MessageSlot<'a>,
    /// The direction of the reply: opposite to its request.
    pub direction: Direction,
    /// The leg the reply goes to.
    pub dst_leg: u16,
}

/// The answered call ended by BYE, by command, or by expiry with BYEs. At most once.
#[doc(alias = "DLGCB_TERMINATED")]
pub struct Terminated<'a> {
    /// The dialog, already in state 5.
    pub dialog: &'a Dialog,
    /// The BYE, when an endpoint sent one.
    pub message: MessageSlot<'a>,
    /// Direction of the BYE; `None` for internal ends.
    pub direction: Option<Direction>,
    /// The leg the BYE goes to; `None` for internal ends.
    pub dst_leg: Option<u16>,
    /// Why: `$DLG_end_reason`.
    pub reason: &'a EndReason,
    /// The dialog as it was when it ended (decision D25).
    pub last: &'a Snapshot,
}

/// The answered call outlived its lifetime and ended without BYEs. At most once.
#[doc(alias = "DLGCB_EXPIRED")]
pub struct Expired<'a> {
    /// The dialog, already in state 5.
    pub dialog: &'a Dialog,
    /// Why, if a reason was recorded (§5.1: plain expiry records none).
    pub reason: Option<&'a EndReason>,
    /// The dialog as it was when it ended (decision D25).
    pub last: &'a Snapshot,
}

/// The dialog left the table: look-ups miss it, the handle still reads until the callback
/// returns. Once, last; the callback itself is dropped right after.
#[doc(alias = "DLGCB_DESTROY")]
pub struct Destroy<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
}

/// The dialog is being listed with its context: add to what is told. Any number of times.
///
/// The one event that may run beside others: it belongs to whoever lists, not to the call.
#[doc(alias = "DLGCB_MI_CONTEXT")]
pub struct MiContext<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The dialog as it is being told.
    pub snapshot: &'a Snapshot,
    /// What is told beside it: add here.
    pub context: &'a mut ContextItems,
}

/// What was done with the dialog's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SavedKind {
    /// It was written for the first time.
    Insert,
    /// It was written over.
    Update,
    /// It was removed.
    Delete,
}

/// The dialog's row was written or removed, and that is durable. Any number of times.
#[doc(alias = "DLGCB_SAVED")]
#[doc(alias = "DLGCB_DB_SAVED")]
pub struct Saved<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// What was done.
    pub kind: SavedKind,
}

/// Values and profiles are about to be written or sent to other nodes: the last moment to store
/// values of one's own. Any number of times.
#[doc(alias = "DLGCB_WRITE_VP")]
pub struct WriteValues<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
}

/// Values arrived from another node and are stored. Any number of times.
#[doc(alias = "DLGCB_PROCESS_VARS")]
pub struct ProcessValues<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The name of the one value that came; `None` when it was all of them.
    pub name: Option<&'a [u8]>,
}
