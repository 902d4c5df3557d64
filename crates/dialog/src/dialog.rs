//! The handle of one dialog.

use crate::record::{NEVER, Record};
use crate::values::ValuesFull;
use crate::{
    DialogFlags, DialogId, DialogKey, Dialogs, Direction, EndReason, Gone, ModuleFlags, RouteHook,
    Snapshot, State, Value,
};
use duologue_sip::Moment;
use std::fmt;

/// A weak handle of a dialog: clone it, keep it, send it anywhere. It keeps nothing alive; once
/// the dialog is gone every method says [`Gone`].
///
/// Reading and changing values, flags and the lifetime is allowed from any thread at any time.
#[doc(alias = "dlg_cell")]
#[derive(Clone)]
pub struct Dialog {
    dialogs: Dialogs,
    key: DialogKey,
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialog").field(&self.key.id.did()).finish()
    }
}

impl PartialEq for Dialog {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Dialog {}

/// Why a value was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The dialog is gone.
    Gone,
    /// Its values have [`VALUES_BYTES_MAX`](crate::VALUES_BYTES_MAX) bytes.
    Full,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => Gone.fmt(f),
            Self::Full => ValuesFull.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<Gone> for StoreError {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<ValuesFull> for StoreError {
    fn from(ValuesFull: ValuesFull) -> Self {
        Self::Full
    }
}

impl Dialog {
    pub(crate) const fn new(dialogs: Dialogs, key: DialogKey) -> Self {
        Self { dialogs, key }
    }

    /// The way back to this dialog, small and `Copy`.
    pub const fn key(&self) -> DialogKey {
        self.key
    }

    /// Its public name; `id().did()` is the did text.
    #[doc(alias = "get_dlg_did")]
    pub const fn id(&self) -> DialogId {
        self.key.id
    }

    /// The table it lives in.
    pub const fn table(&self) -> &Dialogs {
        &self.dialogs
    }

    /// Its state.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn state(&self) -> Result<State, Gone> {
        self.read(|record| record.state)
    }

    /// Whether it is in the table and has not ended: what `active_only` asks for.
    pub fn is_active(&self) -> bool {
        self.state().is_ok_and(|state| !state.is_ended())
    }

    /// The shell's word for the call that owns it.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn owner(&self) -> Result<u64, Gone> {
        self.read(|record| record.owner)
    }

    /// Its Call-ID, copied.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn call_id(&self) -> Result<Box<[u8]>, Gone> {
        self.read(|record| record.call_id().into())
    }

    /// Everything about it, at one moment.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn snapshot(&self) -> Result<Snapshot, Gone> {
        self.read(|record| Snapshot::of(self.key, record))
    }

    /// Why it ended or is about to (`$DLG_end_reason`); `None` while there is no reason.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn end_reason(&self) -> Result<Option<EndReason>, Gone> {
        self.read(|record| record.reason.clone())
    }

    /// Seconds since 1970 of the answer; 0 before.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn start_ts(&self) -> Result<u64, Gone> {
        self.read(|record| record.start_ts.into())
    }

    /// Seconds since the answer (`$DLG_lifetime`); 0 before.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn duration(&self, now: Moment) -> Result<u64, Gone> {
        self.read(|record| match u64::from(record.start_ts) {
            0 => 0,
            start => now.unix.saturating_sub(start),
        })
    }

    /// `$DLG_timeout`: the lifetime to come before the answer, what is left of it afterwards, 0
    /// once ended (§5). In seconds, rounded up.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn timeout(&self, now: Moment) -> Result<u64, Gone> {
        self.read(|record| match record.state {
            State::Unconfirmed | State::Early => record.lifetime.into(),
            // it has run out: the on-timeout route runs, or our BYEs are under way
            State::ConfirmedNa | State::Confirmed
                if record.expiring || record.lifetime_at == NEVER =>
            {
                0
            }
            State::ConfirmedNa | State::Confirmed => {
                record.lifetime_at.since(now.tick).as_millis().div_ceil(1000) as u64
            }
            State::Deleted => 0,
        })
    }

    /// Sets `$DLG_timeout` (§5): before the answer the lifetime to come; afterwards the call has
    /// this many seconds from now. Ignored while a CANCEL race is being ended (§2.4.4).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn set_timeout(&self, now: Moment, seconds: u32) -> Result<(), Gone> {
        self.dialogs.with_timer(self.key, |record| {
            if record.timeout_is_fixed() {
                return;
            }
            record.flags |= DialogFlags::CHANGED;
            if record.state.is_answered() {
                record.arm_lifetime(now, seconds);
            } else {
                record.lifetime = seconds;
            }
        })
    }

    /// The engine's flags.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn flags(&self) -> Result<DialogFlags, Gone> {
        self.read(|record| record.flags)
    }

    /// The modules' flags.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "is_mod_flag_set")]
    pub fn module_flags(&self) -> Result<ModuleFlags, Gone> {
        self.read(|record| record.module_flags)
    }

    /// Sets flags of a module.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "set_mod_flag")]
    pub fn set_module_flags(&self, flags: ModuleFlags) -> Result<(), Gone> {
        self.dialogs.with(self.key, |record| {
            record.module_flags |= flags;
            record.flags |= DialogFlags::VALUES_CHANGED;
        })
    }

    /// Stores a value under a name, over an old one (§10.1).
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(alias = "store_dlg_value")]
    pub fn store_value(
        &self,
        name: impl AsRef<[u8]>,
        value: impl Into<Value>,
    ) -> Result<(), StoreError> {
        let (name, value) = (name.as_ref(), value.into());
        self.dialogs.with(self.key, |record| {
            record.values.get_or_insert_default().set(name, value)?;
            record.flags |= DialogFlags::VALUES_CHANGED;
            Ok(())
        })?
    }

    /// The value of a name, copied.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "fetch_dlg_value")]
    pub fn fetch_value(&self, name: impl AsRef<[u8]>) -> Result<Option<Value>, Gone> {
        self.read(|record| record.values.as_ref()?.get(name.as_ref()).cloned())
    }

    /// Removes a value; whether there was one.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn remove_value(&self, name: impl AsRef<[u8]>) -> Result<bool, Gone> {
        self.dialogs.with(self.key, |record| {
            let Some(values) = &mut record.values else { return false };
            let removed = values.remove(name.as_ref());
            if removed {
                record.flags |= DialogFlags::VALUES_CHANGED;
            }
            removed
        })
    }

    /// Names the route for a hook; `None` takes it back. False, and nothing changes, once the call
    /// is answered (`dlg_on_answer` and its sisters, §14).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn set_route(&self, hook: RouteHook, route: Option<u32>) -> Result<bool, Gone> {
        self.dialogs.with(self.key, |record| {
            let early = record.state <= State::Early;
            if early {
                record.routes.get_or_insert_default()[hook as usize] = route;
            }
            early
        })
    }

    /// The direction of a message with this From-tag (`$DLG_dir` of a reply, §4.4): downstream if
    /// the caller's.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "get_direction")]
    pub fn direction_of(&self, from_tag: &[u8]) -> Result<Direction, Gone> {
        self.read(|record| {
            if record.legs[0].tag() == from_tag {
                Direction::Downstream
            } else {
                Direction::Upstream
            }
        })
    }

    fn read<R>(&self, f: impl FnOnce(&Record) -> R) -> Result<R, Gone> {
        self.dialogs.with(self.key, |record| f(record))
    }
}
