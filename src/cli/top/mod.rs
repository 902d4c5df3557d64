//! `duologue top`: the calls of the running server, live.
//!
//! Three threads tell the one that draws: [`poll`] asks the server, one reads keys, one hears
//! signals. What a key does is decided by [`app`], which neither draws nor asks, so that it is tested
//! without a terminal; [`view`] draws what it holds.

mod app;
mod calls;
mod figures;
mod poll;
mod view;

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::client::{Client, EXIT_CODES, Failure, Server};
use super::span::{self, Span};
use app::{Action, App};
use poll::{News, Poll, Question};

/// Watch the calls of the running server, and end them.
///
/// Only so many calls as --rows says are held and sorted, however many there are; what is searched
/// for with / is looked for among more.
#[derive(Debug, Args)]
#[command(after_help = format!("Keys:\n{}\n\n{EXIT_CODES}", app::KEYS))]
pub(crate) struct Options {
    /// How often to ask the server.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = span::parse_positive)]
    interval: Span,

    /// How many calls to hold.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rows: u32,

    #[command(flatten)]
    server: Server,
}

/// What the drawing thread is told.
enum Heard {
    Key(KeyEvent),
    /// The terminal is of another size.
    Resized,
    News(Box<News>),
    /// The terminal, or a signal, wants us to end.
    End,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "top needs a terminal; `duologue dialogs` and `duologue stats` do not".to_owned(),
        ));
    }
    let client = Client::of(&options.server)?.silent();
    let (tell, heard) = mpsc::channel();
    let app = App::new(client.url());
    let mut poll = Poll::new(client, options.interval.duration(), options.rows.into());
    // Before the terminal changes: what cannot be asked at all is told on the plain one.
    let first = poll.look()?;
    listen_for_signals(tell.clone())?;
    let mut terminal = ratatui::try_init()?;
    let outcome = watch(&mut terminal, app, poll, News::Seen(first), tell, &heard);
    ratatui::restore();
    Ok(outcome?)
}

fn watch(
    terminal: &mut DefaultTerminal,
    mut app: App,
    poll: Poll,
    first: News,
    tell: Sender<Heard>,
    heard: &Receiver<Heard>,
) -> io::Result<()> {
    app.hear(first);
    let (ask, asked) = mpsc::channel();
    let news = Farewell(tell.clone());
    thread::spawn(move || keep_asking(poll, &asked, &news));
    thread::spawn(move || read_keys(&tell));
    loop {
        terminal.draw(|frame| view::draw(frame, &mut app))?;
        match heard.recv() {
            Ok(Heard::Key(key)) => match app.press(key) {
                Some(Action::Quit) => return Ok(()),
                // Nobody is asked any more only if its thread panicked: see `Farewell`.
                Some(Action::Ask(question)) => drop(ask.send(question)),
                None => {}
            },
            Ok(Heard::Resized) => {}
            Ok(Heard::News(news)) => app.hear(*news),
            Ok(Heard::End) | Err(_) => return Ok(()),
        }
    }
}

/// Ends the program with the thread that asks. Should that panic, the terminal has been given back
/// already, and nobody may draw on it any more.
struct Farewell(Sender<Heard>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // Whoever drew may be gone first.
        let _ = self.0.send(Heard::End);
    }
}

/// Asks the server until nobody listens any more.
fn keep_asking(poll: Poll, asked: &Receiver<Question>, tell: &Farewell) {
    poll.run(asked, |news| tell.0.send(Heard::News(Box::new(news))).is_ok());
}

/// Reads the terminal until nobody listens any more.
fn read_keys(tell: &Sender<Heard>) {
    loop {
        let heard = match event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Heard::Key(key),
            Ok(Event::Resize(..)) => Heard::Resized,
            Ok(_) => continue,
            Err(_) => Heard::End,
        };
        let ends = matches!(heard, Heard::End);
        if tell.send(heard).is_err() || ends {
            return;
        }
    }
}

/// A signal ends us in order, so that the terminal is given back.
fn listen_for_signals(tell: Sender<Heard>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if tell.send(Heard::End).is_err() {
                return;
            }
        }
    });
    Ok(())
}
