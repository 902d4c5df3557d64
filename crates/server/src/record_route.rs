//! The Record-Route that a script asked for: decided in the script, written per branch, because only
//! then is the outbound socket known (spec/modules.md §2).

use duologue_sip::Draft;

use crate::manners::Shown;
use crate::sockets::Sockets;

/// What `record_route()` and friends collected for one message.
#[derive(Clone, Debug, Default)]
pub struct RecordRoute {
    /// Whether `record_route()` ran; parameters may come before it.
    pub wanted: Option<Form>,
    /// Parameters, each `;name=value`, in the order they were added.
    pub params: Vec<u8>,
}

/// What the header is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The socket's address, with this user part.
    Sockets {
        /// The user part, empty for none.
        user: Vec<u8>,
        /// Two headers when the message leaves by another socket than it came in by.
        double: bool,
    },
    /// Host and port given by the script: outbound, and inbound if it gave two.
    Preset {
        /// The user part, empty for none.
        user: Vec<u8>,
        /// What stands on top.
        first: Vec<u8>,
        /// What stands beneath it.
        second: Option<Vec<u8>>,
    },
}

impl RecordRoute {
    /// Nothing is wanted any more; the memory stays.
    pub fn clear(&mut self) {
        self.wanted = None;
        self.params.clear();
    }

    /// How many Record-Route values will be written for this pair of sockets.
    pub fn count(&self, inbound: u16, outbound: u16) -> u16 {
        match &self.wanted {
            None => 0,
            Some(Form::Sockets { double, .. }) => 1 + u16::from(*double && inbound != outbound),
            Some(Form::Preset { second, .. }) => 1 + u16::from(second.is_some()),
        }
    }

    /// Puts the headers above all others of their kind (RFC 3261 §16.6 step 4): the outbound
    /// interface on top, the inbound one beneath it.
    pub fn push(
        &self,
        sockets: &Sockets,
        inbound: u16,
        outbound: u16,
        shown: &Shown,
        draft: &mut Draft<'_, '_, '_>,
    ) {
        let at = |user: &[u8]| if user.is_empty() { &b""[..] } else { b"@" };
        match &self.wanted {
            None => {}
            Some(Form::Sockets { user, double }) => {
                let double = *double && inbound != outbound;
                let r2: &[u8] = if double { b";r2=on" } else { b"" };
                for number in [Some(outbound), double.then_some(inbound)].into_iter().flatten() {
                    let Some(socket) = sockets.get(number) else { continue };
                    let host = shown.record_route(socket);
                    draft.push_record_route(&[
                        b"<sip:",
                        user,
                        at(user),
                        host.as_bytes(),
                        r2,
                        b";lr",
                        &self.params,
                        b">",
                    ]);
                }
            }
            Some(Form::Preset { user, first, second }) => {
                for host in std::iter::once(first).chain(second) {
                    draft.push_record_route(&[
                        b"<sip:",
                        user,
                        at(user),
                        host,
                        b";lr",
                        &self.params,
                        b">",
                    ]);
                }
            }
        }
    }
}
