//! What is on the screen, and what a key makes of it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::calls::{Call, Key, Order};
use super::figures::Figures;
use super::poll::{News, Question, Seen};

/// The keys, for the help here and on the command line.
pub(super) const KEYS: &str = "\
Up Down PgUp PgDn Home End   choose a call
s a c f   sort by state, age, Call-ID, From; again: the other way round
/         look for a text in calls; Esc: show all again
e k       end the chosen call, after a question
p         pause
?         help
q         quit (and Ctrl-C)";

/// How long a text to look for may be.
const SEARCH_MAX: usize = 200;

/// What the keys are for at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The calls.
    List,
    /// A text to look for is written.
    Search(String),
    /// Whether this call should end.
    Confirm(Box<Call>),
    Help,
}

/// What a key wants done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Ask(Question),
}

/// All that is shown.
#[derive(Debug)]
pub(super) struct App {
    pub(super) server: String,
    pub(super) figures: Figures,
    /// Those before, and how many seconds lie between.
    pub(super) before: Option<(Figures, f64)>,
    /// In the order that is shown.
    pub(super) calls: Vec<Call>,
    pub(super) no_calls: Option<String>,
    pub(super) searched: Option<u64>,
    pub(super) order: Order,
    pub(super) search: String,
    pub(super) mode: Mode,
    pub(super) paused: bool,
    /// Why the server does not answer.
    pub(super) silent: Option<String>,
    /// What came of the last thing that was done.
    pub(super) notice: Option<String>,
    /// The chosen call.
    pub(super) chosen: usize,
    /// The first call on the screen.
    pub(super) first: usize,
    /// How many calls fit on the screen.
    height: usize,
}

impl App {
    pub(super) fn new(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            figures: Figures::default(),
            before: None,
            calls: Vec::new(),
            no_calls: None,
            searched: None,
            order: Order::by(Key::Age),
            search: String::new(),
            mode: Mode::List,
            paused: false,
            silent: None,
            notice: None,
            chosen: 0,
            first: 0,
            height: 1,
        }
    }

    /// Takes in what was found out.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Seen(seen) => self.see(seen),
            News::Silent(why) => self.silent = Some(why),
            News::Ended { callid, error: None } => self.notice = Some(format!("ending {callid}")),
            News::Ended { callid, error: Some(error) } => {
                self.notice = Some(format!("{callid} does not end: {error}"));
            }
        }
    }

    fn see(&mut self, seen: Seen) {
        let Seen { figures, before, calls, searched, no_calls } = seen;
        self.silent = None;
        self.figures = figures;
        self.before = before;
        self.searched = searched;
        self.no_calls = no_calls;
        let chosen = self.calls.get(self.chosen).map(|call| call.id.clone());
        self.calls = calls;
        self.arrange(chosen);
    }

    /// Sorts the calls; the chosen one stays chosen, or the one that takes its place.
    fn arrange(&mut self, chosen: Option<String>) {
        self.order.sort(&mut self.calls);
        let place = chosen.and_then(|id| self.calls.iter().position(|call| call.id == id));
        self.choose(place.unwrap_or(self.chosen));
    }

    fn choose(&mut self, at: usize) {
        self.chosen = at.min(self.calls.len().saturating_sub(1));
        self.scroll();
    }

    /// The chosen call is on the screen, and the screen is full if there are enough calls.
    fn scroll(&mut self) {
        let last = self.calls.len().saturating_sub(self.height);
        let lowest = self.chosen.saturating_sub(self.height.saturating_sub(1));
        self.first = self.first.clamp(lowest, self.chosen.max(lowest)).min(last);
    }

    /// The screen has room for so many calls.
    pub(super) fn fit(&mut self, height: usize) {
        self.height = height.max(1);
        self.scroll();
    }

    /// The calls on the screen, each with whether it is the chosen one.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&Call, bool)> {
        let calls = self.calls.iter().enumerate().skip(self.first).take(self.height);
        calls.map(|(at, call)| (call, at == self.chosen))
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Action> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return matches!(key.code, KeyCode::Char('c')).then_some(Action::Quit);
        }
        self.notice = None;
        match std::mem::replace(&mut self.mode, Mode::List) {
            Mode::List => self.press_in_list(key.code),
            Mode::Search(text) => self.write_search(text, key.code),
            Mode::Confirm(call) if matches!(key.code, KeyCode::Char('y' | 'Y')) => {
                let Call { id, callid, .. } = *call;
                Some(Action::Ask(Question::End { id, callid }))
            }
            // Any key leads back.
            Mode::Confirm(_) | Mode::Help => None,
        }
    }

    fn press_in_list(&mut self, code: KeyCode) -> Option<Action> {
        match code {
            KeyCode::Char('q') => return Some(Action::Quit),
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Search(self.search.clone()),
            KeyCode::Esc if !self.search.is_empty() => return self.look_for(String::new()),
            KeyCode::Char('s') => self.sort_by(Key::State),
            KeyCode::Char('a') => self.sort_by(Key::Age),
            KeyCode::Char('c') => self.sort_by(Key::CallId),
            KeyCode::Char('f') => self.sort_by(Key::From),
            KeyCode::Char('p') => {
                self.paused = !self.paused;
                return Some(Action::Ask(Question::Pause(self.paused)));
            }
            KeyCode::Char('e' | 'k') => {
                if let Some(call) = self.calls.get(self.chosen) {
                    self.mode = Mode::Confirm(Box::new(call.clone()));
                }
            }
            KeyCode::Up => self.choose(self.chosen.saturating_sub(1)),
            KeyCode::Down => self.choose(self.chosen + 1),
            KeyCode::PageUp => self.choose(self.chosen.saturating_sub(self.height)),
            KeyCode::PageDown => self.choose(self.chosen + self.height),
            KeyCode::Home => self.choose(0),
            KeyCode::End => self.choose(usize::MAX),
            _ => {}
        }
        None
    }

    fn write_search(&mut self, mut text: String, code: KeyCode) -> Option<Action> {
        match code {
            KeyCode::Enter => return self.look_for(text),
            KeyCode::Esc => return None,
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(character) if text.len() < SEARCH_MAX => text.push(character),
            _ => {}
        }
        self.mode = Mode::Search(text);
        None
    }

    fn look_for(&mut self, text: String) -> Option<Action> {
        self.search = text.clone();
        Some(Action::Ask(Question::Search(text)))
    }

    /// By another key, or by the same one the other way round.
    fn sort_by(&mut self, key: Key) {
        self.order = match self.order.key == key {
            true => Order { descending: !self.order.descending, key },
            false => Order::by(key),
        };
        let chosen = self.calls.get(self.chosen).map(|call| call.id.clone());
        self.arrange(chosen);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::cli::top) fn call(at: u64) -> Call {
        let state = if at.is_multiple_of(3) { "early" } else { "confirmed" };
        let dialog = json!({
            "id": format!("{at:x}.1"), "state": state,
            "age": at * 100, "callid": format!("call-{at}@192.0.2.1"),
            "from_uri": format!("sip:user{at}@example.com"), "to_uri": "sip:service@example.com",
        });
        Call::of(dialog.as_object().unwrap())
    }

    pub(in crate::cli::top) fn seen(calls: impl IntoIterator<Item = u64>) -> News {
        News::Seen(Seen {
            figures: Figures::default(),
            before: None,
            calls: calls.into_iter().map(call).collect(),
            searched: None,
            no_calls: None,
        })
    }

    fn app(calls: u64, height: usize) -> App {
        let mut app = App::new("http://127.0.0.1:8888/mi");
        app.fit(height);
        app.hear(seen(1..=calls));
        app
    }

    fn press(app: &mut App, codes: impl IntoIterator<Item = KeyCode>) -> Option<Action> {
        codes.into_iter().map(|code| app.press(code.into())).last().flatten()
    }

    fn types(app: &mut App, text: &str) -> Option<Action> {
        press(app, text.chars().map(KeyCode::Char))
    }

    fn chosen(app: &App) -> &str {
        &app.calls[app.chosen].id
    }

    #[test]
    fn the_oldest_call_stands_first() {
        let app = app(3, 5);
        assert_eq!(chosen(&app), "3.1");
        assert_eq!(app.visible().count(), 3);
    }

    #[test]
    fn a_call_stays_chosen_wherever_it_goes() {
        let mut app = app(9, 5);
        press(&mut app, [KeyCode::Down]);
        assert_eq!(chosen(&app), "8.1");
        types(&mut app, "a");
        assert!(!app.order.descending);
        assert_eq!((chosen(&app), app.chosen), ("8.1", 7));
        types(&mut app, "s");
        assert_eq!(app.order, Order::by(Key::State));
        assert_eq!(chosen(&app), "8.1");
        app.hear(seen([20, 21, 8]));
        assert_eq!((chosen(&app), app.chosen), ("8.1", 1));
        // Gone: what stands there now.
        app.hear(seen([20, 21]));
        assert_eq!(app.chosen, 1);
        app.hear(seen([]));
        assert_eq!(app.chosen, 0);
        assert_eq!(types(&mut app, "e"), None);
        assert_eq!(app.mode, Mode::List);
    }

    #[test]
    fn the_screen_follows_the_chosen_call() {
        let mut app = app(100, 10);
        let shown = |app: &App| (app.first, app.chosen);
        press(&mut app, [KeyCode::PageDown]);
        assert_eq!(shown(&app), (1, 10));
        press(&mut app, [KeyCode::Up]);
        assert_eq!(shown(&app), (1, 9));
        press(&mut app, [KeyCode::End]);
        assert_eq!(shown(&app), (90, 99));
        press(&mut app, [KeyCode::Down]);
        assert_eq!(shown(&app), (90, 99));
        app.fit(40);
        assert_eq!(shown(&app), (60, 99));
        press(&mut app, [KeyCode::PageUp, KeyCode::PageUp]);
        assert_eq!(shown(&app), (19, 19));
        press(&mut app, [KeyCode::Home, KeyCode::Up]);
        assert_eq!(shown(&app), (0, 0));
        app.fit(0);
        assert_eq!(app.visible().count(), 1);
    }

    #[test]
    fn a_call_ends_after_a_question() {
        let mut app = app(3, 5);
        for no in [KeyCode::Char('n'), KeyCode::Esc, KeyCode::Enter] {
            assert_eq!(press(&mut app, [KeyCode::Char('e'), no]), None);
            assert_eq!(app.mode, Mode::List);
        }
        types(&mut app, "k");
        // The list moves while it is asked; the call is the one that was chosen.
        app.hear(seen([50, 3]));
        let end = Question::End { id: "3.1".into(), callid: "call-3@192.0.2.1".into() };
        assert_eq!(types(&mut app, "y"), Some(Action::Ask(end)));
        app.hear(News::Ended { callid: "c".into(), error: Some("404 gone".into()) });
        assert_eq!(app.notice.as_deref(), Some("c does not end: 404 gone"));
        press(&mut app, [KeyCode::Down]);
        assert_eq!(app.notice, None);
    }

    #[test]
    fn a_text_is_written_and_looked_for() {
        let mut app = app(3, 5);
        types(&mut app, "/user?q");
        assert_eq!(app.mode, Mode::Search("user?q".into()));
        let search = press(&mut app, [KeyCode::Backspace, KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!(search, Some(Action::Ask(Question::Search("user".into()))));
        // Written again and left as it was.
        types(&mut app, "/2");
        assert_eq!(press(&mut app, [KeyCode::Esc]), None);
        assert_eq!(app.search, "user");
        let all = press(&mut app, [KeyCode::Esc]);
        assert_eq!(all, Some(Action::Ask(Question::Search(String::new()))));
        assert_eq!(press(&mut app, [KeyCode::Esc]), None);
        let long = "x".repeat(2 * SEARCH_MAX);
        types(&mut app, &format!("/{long}"));
        assert_eq!(app.mode, Mode::Search("x".repeat(SEARCH_MAX)));
    }

    #[test]
    fn pause_help_and_the_end() {
        let mut app = app(3, 5);
        assert_eq!(types(&mut app, "p"), Some(Action::Ask(Question::Pause(true))));
        assert_eq!(types(&mut app, "p"), Some(Action::Ask(Question::Pause(false))));
        // What leaves the help does nothing else.
        assert_eq!(types(&mut app, "?q"), None);
        assert_eq!(types(&mut app, "q"), Some(Action::Quit));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        types(&mut app, "/x");
        assert_eq!(app.press(interrupt), Some(Action::Quit));
    }

    #[test]
    fn a_silent_server_is_told_until_it_answers() {
        let mut app = app(3, 5);
        app.hear(News::Silent("no server answers".into()));
        assert!(app.silent.is_some());
        assert_eq!(app.calls.len(), 3);
        app.hear(seen([1]));
        assert!(app.silent.is_none());
    }
}
