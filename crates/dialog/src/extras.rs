//! What only some dialogs have: links to profiles, filled slots, pings, numbers of their own. One
//! allocation for those, eight bytes for the others.

use crate::asked::Asked;
use crate::cseq::Numbers;
use crate::ending::Ending;
use crate::negotiation::Media;
use crate::pings::Pings;
use crate::prack::Pracked;
use crate::profiles::Links;
use crate::record::Record;
use crate::slot::Slots;
use crate::{Body, Dialog, DialogFlags, Gone, Settings};

#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) links: Links,
    pub(crate) slots: Slots,
    /// `$DLG_del_delay`, in seconds.
    pub(crate) delete_delay: Option<u32>,
    /// CSeq numbers of requests under way.
    pub(crate) numbers: Numbers,
    /// Offers, answers and kept bodies, by callee leg.
    pub(crate) media: Vec<Media>,
    /// What the initial INVITE offered on those branches where a script changed it.
    pub(crate) offers: Vec<(u16, Option<Body>)>,
    pub(crate) pings: Option<Box<Pings>>,
    /// Requests that modules want sent.
    pub(crate) asked: Asked,
    /// Our BYEs and what came of them.
    pub(crate) ending: Option<Box<Ending>>,
    /// Which provisionals were acknowledged for the caller, by leg.
    pub(crate) pracked: Vec<Pracked>,
}

impl Extras {
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.links.memory()
            + self.slots.memory()
            + self.numbers.memory()
            + self.media.capacity() * size_of::<Media>()
            + self.media.iter().map(Media::memory).sum::<usize>()
            + self.offers.capacity() * size_of::<(u16, Option<Body>)>()
            + self
                .offers
                .iter()
                .flat_map(|(_, body)| body)
                .map(|body| body.memory() / body.holders())
                .sum::<usize>()
            + self.pings.as_ref().map_or(0, |pings| size_of_val(&**pings))
            + self.asked.memory()
            + self.ending.as_ref().map_or(0, |ending| ending.memory())
            + self.pracked.capacity() * size_of::<Pracked>()
    }
}

impl Record {
    /// The extras, to be filled.
    pub(crate) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    pub(crate) fn links(&self) -> Option<&Links> {
        self.extras.as_ref().map(|extras| &extras.links)
    }

    /// How many seconds the dialog stays readable after its end.
    pub(crate) fn delete_delay(&self, settings: &Settings) -> u32 {
        let own = self.extras.as_ref().and_then(|extras| extras.delete_delay);
        own.unwrap_or(settings.delete_delay)
    }

    /// Takes the links out, to be dropped where no lock is held.
    pub(crate) fn take_links(&mut self) -> Links {
        self.extras.as_mut().map(|extras| std::mem::take(&mut extras.links)).unwrap_or_default()
    }
}

impl Dialog {
    /// `$DLG_del_delay`: how many seconds the dialog stays readable after its end (§2.4.7); the
    /// setting's unless it was given its own.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn delete_delay(&self) -> Result<u32, Gone> {
        let settings = self.table().settings();
        self.table().with(self.key(), |record| record.delete_delay(settings))
    }

    /// Gives the dialog a delay of its own, in seconds. It holds whatever the setting says
    /// (decision D4); once the dialog has ended it is too late to lengthen it.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn set_delete_delay(&self, seconds: u32) -> Result<(), Gone> {
        self.table().with(self.key(), |record| {
            record.extras().delete_delay = Some(seconds);
            record.flags |= DialogFlags::CHANGED;
        })
    }
}
