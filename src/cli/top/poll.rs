//! Asking the server, beside the thread that draws.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::calls::{COLUMNS, Call};
use super::figures::{Figures, GROUPS};
use crate::cli::client::dialogs::{Filter, PAGE, end_one, pages};
use crate::cli::client::{Client, Failure};

/// Among how many calls a text is looked for at a time: a busy server is not read whole every few
/// seconds because somebody watches it.
const SEARCHED_MAX: u64 = 20 * PAGE;

/// What the person wants to know or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// From now on only calls in which this text stands.
    Search(String),
    /// Ask no more, or again.
    Pause(bool),
    /// End this call.
    End { id: String, callid: String },
}

/// What was found out.
#[derive(Debug)]
pub(super) enum News {
    Seen(Seen),
    /// The server did not answer.
    Silent(String),
    /// What became of a call that was to end: an error, if it went wrong.
    Ended {
        callid: String,
        error: Option<String>,
    },
}

/// The server at a moment.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) figures: Figures,
    /// Those before, and how many seconds ago they were read.
    pub(super) before: Option<(Figures, f64)>,
    pub(super) calls: Vec<Call>,
    /// Among how many calls a text was looked for.
    pub(super) searched: Option<u64>,
    /// Why there are no calls, if the server knows none.
    pub(super) no_calls: Option<String>,
}

/// Who asks.
pub(super) struct Poll {
    client: Client,
    interval: Duration,
    rows: u64,
    search: String,
    paused: bool,
    before: Option<(Instant, Figures)>,
}

impl Poll {
    pub(super) fn new(client: Client, interval: Duration, rows: u64) -> Self {
        Self { client, interval, rows, search: String::new(), paused: false, before: None }
    }

    /// Asks again and again, and does what it is told, until nobody listens.
    pub(super) fn run(mut self, questions: &Receiver<Question>, tell: impl Fn(News) -> bool) {
        // The first look was taken before the terminal was.
        let mut next = Instant::now() + self.interval;
        loop {
            let question = match self.paused {
                true => questions.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => questions.recv_timeout(next.saturating_duration_since(Instant::now())),
            };
            let news = match question {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => None,
                Ok(Question::Search(text)) => {
                    self.search = text;
                    None
                }
                Ok(Question::Pause(paused)) => {
                    self.paused = paused;
                    if paused {
                        continue;
                    }
                    None
                }
                Ok(Question::End { id, callid }) => {
                    let error = end_one(&self.client, &id).err().map(|error| error.to_string());
                    Some(News::Ended { callid, error })
                }
            };
            if news.is_some_and(|news| !tell(news)) {
                return;
            }
            let seen = match self.look() {
                Ok(seen) => News::Seen(seen),
                Err(failure) => News::Silent(failure.to_string()),
            };
            if !tell(seen) {
                return;
            }
            next = Instant::now() + self.interval;
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// The server does not answer, or refuses us.
    pub(super) fn look(&mut self) -> Result<Seen, Failure> {
        let statistics = self
            .client
            .ask::<Map<String, Value>>("get_statistics", json!({ "statistics": GROUPS }))?;
        let (now, figures) = (Instant::now(), Figures::of(statistics));
        let before = self.before.replace((now, figures.clone()));
        let mut seen = Seen {
            figures,
            before: before.map(|(then, figures)| (figures, (now - then).as_secs_f64())),
            calls: Vec::new(),
            searched: None,
            no_calls: None,
        };
        let outcome = match self.search.is_empty() {
            true => self.list(&mut seen),
            false => self.search(&mut seen),
        };
        match outcome {
            Err(Failure::Refused(refusal)) if refusal.is_unknown_command() => {
                seen.no_calls =
                    Some("the server has no calls: its script loads no dialog module".into());
                Ok(seen)
            }
            outcome => outcome.map(|()| seen),
        }
    }

    fn list(&self, seen: &mut Seen) -> Result<(), Failure> {
        for page in pages(&self.client, &Filter::default(), &COLUMNS, self.rows) {
            seen.calls.extend(page?.iter().map(Call::of));
        }
        Ok(())
    }

    fn search(&self, seen: &mut Seen) -> Result<(), Failure> {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let mut searched = 0;
        for page in pages(&self.client, &Filter::default(), &COLUMNS, SEARCHED_MAX) {
            let page = page?;
            searched += page.len() as u64;
            let found = page.iter().map(Call::of).filter(|call| call.contains(&self.search));
            seen.calls.extend(found.take(rows - seen.calls.len()));
            if seen.calls.len() == rows {
                break;
            }
        }
        seen.searched = Some(searched);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc;

    use super::super::super::client::tests::Fake;
    use super::*;

    fn result(result: Value) -> Value {
        json!({ "jsonrpc": "2.0", "result": result, "id": 1 })
    }

    fn statistics(received: u64) -> Value {
        result(json!({ "core:rcv_requests": received }))
    }

    fn calls(froms: &[&str], cursor: Value) -> Value {
        let dialogs: Vec<_> = froms.iter().map(|from| json!({ "from_uri": from })).collect();
        result(json!({ "Dialogs": dialogs, "cursor": cursor }))
    }

    /// Asks until all questions are answered.
    fn run(poll: Poll, questions: Vec<Question>) -> Vec<News> {
        let (ask, asked) = mpsc::channel();
        questions.into_iter().for_each(|question| ask.send(question).unwrap());
        drop(ask);
        let told = RefCell::new(Vec::new());
        poll.run(&asked, |news| {
            told.borrow_mut().push(news);
            true
        });
        told.into_inner()
    }

    #[test]
    fn a_search_reads_page_after_page_and_keeps_what_fits() {
        let fake = Fake::of([
            statistics(1),
            calls(&["sip:alice@a", "sip:bob@b"], json!("x")),
            calls(&["sip:ALICE@c"], json!(null)),
        ]);
        let poll = Poll::new(fake.client(), Duration::from_secs(3600), 500);
        let told = run(poll, vec![Question::Search("alice".into())]);
        let [News::Seen(seen)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            seen.calls.iter().map(|call| call.from.as_str()).collect::<Vec<_>>(),
            ["sip:alice@a", "sip:ALICE@c"]
        );
        assert_eq!(seen.searched, Some(3));
        assert_eq!(fake.asked()[2].body["params"]["cursor"], "x");
    }

    #[test]
    fn a_list_is_no_longer_than_what_is_held() {
        let fake = Fake::of([statistics(1), calls(&["sip:a@a", "sip:b@b"], json!("x"))]);
        let mut poll = Poll::new(fake.client(), Duration::from_secs(3600), 2);
        let seen = poll.look().unwrap();
        assert_eq!(seen.calls.len(), 2);
        assert_eq!(fake.asked()[1].body["params"]["limit"], 2);
    }

    #[test]
    fn a_call_ends_and_the_list_is_read_again() {
        let refused = json!({ "code": 404, "message": "Dialog not found" });
        let fake = Fake::of([
            result(json!("OK")),
            statistics(1),
            calls(&[], json!(null)),
            json!({ "jsonrpc": "2.0", "error": refused, "id": 1 }),
            statistics(5),
            calls(&[], json!(null)),
        ]);
        let poll = Poll::new(fake.client(), Duration::from_secs(3600), 10);
        let end = |id: &str| Question::End { id: id.into(), callid: "a@b".into() };
        // While it is paused, too.
        let told = run(poll, vec![Question::Pause(true), end("1.2"), end("3.4")]);
        let [
            News::Ended { error: None, .. },
            News::Seen(_),
            News::Ended { error: Some(error), .. },
            News::Seen(seen),
        ] = &told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!(error, "404 Dialog not found");
        assert_eq!(seen.before.as_ref().unwrap().0.value("core:rcv_requests"), Some(1));
        let asked = fake.asked();
        assert_eq!(asked[0].body["method"], "dialog:end_dlg");
        assert_eq!(asked[0].body["params"], json!({ "dialog_id": "1.2" }));
    }

    #[test]
    fn a_server_without_dialogs_has_figures_all_the_same() {
        let unknown = json!({ "code": -32601, "message": "Method not found" });
        let fake =
            Fake::of([statistics(3), json!({ "jsonrpc": "2.0", "error": unknown, "id": 1 })]);
        let seen = Poll::new(fake.client(), Duration::from_secs(3600), 10).look().unwrap();
        assert!(seen.no_calls.unwrap().contains("no dialog module"));
        assert_eq!(seen.figures.value("core:rcv_requests"), Some(3));
    }
}
