//! One side of a call: the caller (leg 0) or a callee the INVITE was sent to (spec dialog.md §1.2).

use crate::packed::{Packed, TooLong};
use duologue_sip::Flow;

const TAG: usize = 0;
const CONTACT: usize = 1;
const ROUTES: usize = 2;
const FROM_URI: usize = 3;
const TO_URI: usize = 4;

/// How far a callee leg got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// The INVITE was sent there.
    Trying,
    /// It sent a 2xx.
    Answered,
    /// It was answered, and a BYE ended it (decision D2).
    Ended,
}

/// A leg. Texts are packed; the flow is a plain value.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    texts: Packed<5>,
    /// Where requests to this leg leave; `None` until a reply came.
    pub(crate) flow: Option<Flow>,
    /// The transaction branch it came from.
    pub(crate) branch: u16,
    pub(crate) state: LegState,
    /// CSeq of the last request sent towards this leg.
    pub(crate) r_cseq: u32,
    /// The value of `r_cseq` before that.
    pub(crate) prev_cseq: Option<u32>,
    /// CSeq of the last INVITE received from this leg.
    pub(crate) inv_cseq: u32,
    /// The last CSeq that we ourselves put on a request towards this leg; 0 for none.
    pub(crate) last_gen_cseq: u32,
}

impl Leg {
    pub(crate) fn caller(
        tag: &[u8],
        contact: &[u8],
        routes: &[u8],
        cseq: u32,
        flow: Flow,
    ) -> Result<Self, TooLong> {
        let mut leg = Self::callee(0, 0)?;
        leg.texts = Packed::new([tag, contact, routes, b"", b""])?;
        leg.inv_cseq = cseq;
        leg.flow = Some(flow);
        Ok(leg)
    }

    pub(crate) fn callee(branch: u16, cseq: u32) -> Result<Self, TooLong> {
        Ok(Self {
            texts: Packed::new([b""; 5])?,
            flow: None,
            branch,
            state: LegState::Trying,
            r_cseq: cseq,
            prev_cseq: None,
            inv_cseq: 0,
            last_gen_cseq: 0,
        })
    }

    pub(crate) fn tag(&self) -> &[u8] {
        self.texts.get(TAG)
    }

    pub(crate) fn contact(&self) -> &[u8] {
        self.texts.get(CONTACT)
    }

    pub(crate) fn routes(&self) -> &[u8] {
        self.texts.get(ROUTES)
    }

    /// From URI as this leg sees it; empty when it was not rewritten.
    pub(crate) fn mangled_from(&self) -> &[u8] {
        self.texts.get(FROM_URI)
    }

    /// To URI as this leg sees it; empty when it was not rewritten.
    pub(crate) fn mangled_to(&self) -> &[u8] {
        self.texts.get(TO_URI)
    }

    /// Takes what a reply tells about this leg: whatever is `Some`.
    pub(crate) fn learn(
        &mut self,
        tag: &[u8],
        routing: Option<(&[u8], &[u8])>,
        mangled: (Option<&[u8]>, Option<&[u8]>),
    ) -> Result<bool, TooLong> {
        let (contact, routes) = routing.unzip();
        self.texts.set([Some(tag), contact, routes, mangled.0, mangled.1])
    }

    /// RFC 3261 §12.2: what it says of itself moves the remote target, and the way there with it.
    pub(crate) fn refresh(&mut self, contact: &[u8], flow: Flow) -> Result<(), TooLong> {
        if !contact.is_empty() {
            self.texts.set([None, Some(contact), None, None, None])?;
            self.flow = Some(flow);
        }
        Ok(())
    }

    pub(crate) fn memory(&self) -> usize {
        self.texts.memory()
    }
}
