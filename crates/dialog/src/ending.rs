//! What came of ending a dialog, leg by leg (spec dialog.md §7, lessons 20).

use crate::record::Record;
use crate::settings::REPORTS_MAX;
use crate::{DialogKey, Dialogs, EndReason, Outcome, PanicReport};

/// How the end of a dialog went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndReport {
    /// Why it was ended.
    pub reason: Option<EndReason>,
    /// A row for each BYE, in the order they were sent; none for a call that still rang.
    pub legs: Vec<LegEnd>,
}

/// How it went on one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegEnd {
    /// The leg that got the BYE; 0 is the caller.
    pub leg: u16,
    /// The callee leg of the pair.
    pub callee_leg: u16,
    /// What came of the BYE; none if nothing came before the dialog was gone.
    pub outcome: Option<Outcome>,
}

pub(crate) type Report = Box<dyn FnOnce(&EndReport) + Send>;

/// The BYEs of a dialog that is being ended, and who wants to hear of them.
#[derive(Default)]
pub(crate) struct Ending {
    legs: Vec<LegEnd>,
    reports: Vec<Report>,
}

impl Ending {
    /// Bytes it takes, but for what the reports captured.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.legs.capacity() * size_of::<LegEnd>()
            + self.reports.capacity() * size_of::<Report>()
    }
}

impl Record {
    /// Whether one more may hear of the end.
    pub(crate) fn hears_reports(&self) -> bool {
        let ending = self.extras.as_ref().and_then(|extras| extras.ending.as_ref());
        ending.is_none_or(|ending| ending.reports.len() < REPORTS_MAX)
    }

    pub(crate) fn report_end_to(&mut self, report: Report) {
        self.extras().ending.get_or_insert_default().reports.push(report);
    }

    pub(crate) fn bye_handed_out(&mut self, leg: u16, callee_leg: u16) {
        let ending = self.extras().ending.get_or_insert_default();
        ending.legs.push(LegEnd { leg, callee_leg, outcome: None });
    }

    /// Whether the BYEs of a callee leg were handed out.
    pub(crate) fn has_bye(&self, callee_leg: u16) -> bool {
        let ending = self.extras.as_ref().and_then(|extras| extras.ending.as_ref());
        ending.is_some_and(|ending| ending.legs.iter().any(|it| it.callee_leg == callee_leg))
    }

    /// A BYE has its outcome; true if it was the last.
    pub(crate) fn bye_settled(&mut self, leg: u16, callee_leg: u16, outcome: Outcome) -> bool {
        let Some(ending) = self.extras.as_mut().and_then(|extras| extras.ending.as_mut()) else {
            return false;
        };
        let of_this = |it: &&mut LegEnd| it.leg == leg && it.callee_leg == callee_leg;
        if let Some(found) = ending.legs.iter_mut().find(of_this) {
            found.outcome = Some(outcome);
        }
        ending.legs.iter().all(|it| it.outcome.is_some())
    }
}

impl Dialogs {
    /// Tells who wants to hear of the end how it went, each once; for [`Step::Report`](crate::Step::Report).
    pub fn report_end(&self, key: DialogKey) -> Vec<PanicReport> {
        let mut panics = Vec::new();
        let taken = self.with(key, |record| {
            let ending = record.extras.as_mut()?.ending.as_mut()?;
            let reports = std::mem::take(&mut ending.reports);
            let legs = ending.legs.clone();
            (!reports.is_empty())
                .then(|| (reports, EndReport { reason: record.reason.clone(), legs }))
        });
        let Ok(Some((reports, told))) = taken else { return panics };
        for report in reports {
            self.guarded(key.id, "report of an end", &mut panics, || report(&told));
        }
        panics
    }
}
