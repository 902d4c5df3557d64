//! Phones that sleep: a push notification wakes them, they register again, and what waits for them
//! goes on (RFC 8599; OpenSIPS' `pn_…` parameters).
//!
//! The notification itself is sent by whoever hears of `E_UL_CONTACT_REFRESH`: an event route that
//! asks a provider, a program behind a socket. What is done here is to know when, and to wait.

mod caps;
mod purr;
mod sleepers;
mod waking;

use std::sync::OnceLock;
use std::time::Duration;

use duologue_script::{Param, ParamKind};
use duologue_sip::{Tick, Uri};
use duologue_usrloc::{Contact, Matching};
use parking_lot::Mutex;

use super::answer::Rejection;
use crate::module::{AsyncFunction, Parameters, Task};
use purr::PurrKey;
use sleepers::Sleepers;
pub(super) use waking::Woken;

const STATIC: Param = Param::new(ParamKind::Static);

/// The functions for `async()`.
pub(super) const ASYNC: &[AsyncFunction] =
    &[AsyncFunction::new("pn_process_purr", &[STATIC], purr::begin)];

/// Wakes phones in time, and gives up on those that sleep on.
pub(super) const TASK: Task =
    Task { name: "push notifications", next_due: waking::next_due, run: waking::run };

/// What the parameters say, and who sleeps.
#[derive(Debug)]
pub(super) struct Push {
    /// The notification services that whoever hears of the event knows.
    providers: Vec<String>,
    /// A phone is known by these parameters of its Contact URI, wherever it is now.
    match_params: Vec<Box<[u8]>>,
    /// How long before the end of its binding a phone that wakes by itself must register, in
    /// seconds.
    pnsreg_interval: u32,
    /// How long before the end of its binding a phone is woken.
    trigger_interval: Duration,
    /// For so long after it registered a phone is taken to be awake.
    skip_pn_interval: Duration,
    /// For so long a call waits for a phone that was woken.
    refresh_timeout: Duration,
    /// The secret of the names of phones in requests within dialogs, if they have some.
    purr: Option<OnceLock<PurrKey>>,
    sleepers: Mutex<Sleepers>,
}

impl Push {
    /// Reads the parameters; `None` unless `pn_enable` is set.
    pub(super) fn configure(parameters: &Parameters<'_>) -> Result<Option<Self>, String> {
        let list = |name: &str, default: &str| -> Vec<String> {
            let text = parameters.str(name).unwrap_or(default);
            let words = text.split([',', ' ']).filter(|word| !word.is_empty());
            words.map(str::to_ascii_lowercase).collect()
        };
        let seconds = |name: &str, default: i32| -> Result<Duration, String> {
            Ok(Duration::from_secs(parameters.at_least(name, default, 0)?.into()))
        };
        let push = Self {
            providers: list("pn_providers", ""),
            match_params: list("pn_ct_match_params", "pn-provider, pn-prid, pn-param")
                .into_iter()
                .map(|name| name.into_bytes().into())
                .collect(),
            pnsreg_interval: parameters.at_least("pn_pnsreg_interval", 130, 1)?,
            trigger_interval: seconds("pn_trigger_interval", 120)?,
            skip_pn_interval: seconds("pn_skip_pn_interval", 0)?,
            refresh_timeout: Duration::from_secs(
                parameters.within("pn_refresh_timeout", 6, 1, 180)?.into(),
            ),
            purr: parameters.switch("pn_enable_purr", false).then(OnceLock::new),
            sleepers: Mutex::default(),
        };
        if !parameters.switch("pn_enable", false) {
            return Ok(None);
        }
        if push.providers.is_empty() {
            return Err("pn_enable needs pn_providers: apns, fcm, webpush, …".to_owned());
        }
        if push.match_params.is_empty() {
            return Err("pn_ct_match_params names no parameter".to_owned());
        }
        Ok(Some(push))
    }

    /// RFC 8599 §4.1: a contact that says by which service and under which name it is woken.
    fn can_wake(&self, uri: &[u8]) -> bool {
        let Ok(uri) = Uri::parse(uri) else { return false };
        let value = |name: &[u8]| uri.params().get(name).filter(|value| !value.is_empty());
        value(b"pn-provider").is_some_and(|it| self.knows(it)) && value(b"pn-prid").is_some()
    }

    fn knows(&self, provider: &[u8]) -> bool {
        self.providers.iter().any(|known| provider.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// RFC 8599 §5.3.2: a service that we do not know is refused with a 555.
    pub(super) fn check<'u>(
        &self,
        mut uris: impl Iterator<Item = &'u [u8]>,
    ) -> Result<(), Rejection> {
        let unknown = |uri: &[u8]| {
            let uri = Uri::parse(uri).ok()?;
            let provider = uri.params().get(b"pn-provider").filter(|it| !it.is_empty())?;
            (!self.knows(provider)).then_some(())
        };
        match uris.find_map(unknown) {
            Some(()) => Err(Rejection::push_service("The push service is not supported")),
            None => Ok(()),
        }
    }

    /// How such phones are told from each other, if one of these contacts is one.
    pub(super) fn matching<'u>(
        &self,
        mut uris: impl Iterator<Item = &'u [u8]>,
    ) -> Option<Matching> {
        let params = || Matching::Params(self.match_params.clone().into());
        uris.any(|uri| self.can_wake(uri)).then(params)
    }

    /// Whether a contact sleeps: nothing reaches it unless it is woken.
    fn sleeps(&self, contact: &Contact, now: Tick) -> bool {
        let fresh = now.since(contact.modified) < self.skip_pn_interval;
        !fresh && self.can_wake(&contact.uri)
    }
}
