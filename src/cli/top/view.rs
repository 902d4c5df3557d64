//! The screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::app::{App, KEYS, Mode};
use super::calls::{Call, Key};
use crate::cli::span::clock;
use crate::cli::table::{cut, padded};

/// The longest state is `confirmed_na`, and a heading needs a place for its arrow.
const STATE_WIDTH: usize = 12;
/// A hundred days.
const AGE_WIDTH: usize = 13;
/// Between two columns.
const GAP: &str = "  ";
/// How wide the names of the header's lines are.
const LABEL_WIDTH: usize = 9;

/// What the keys do, as far as a line holds it.
const HINTS: &str = "s a c f sort  / search  e end  p pause  ? help  q quit";

/// Draws everything, and tells `app` how much room there is.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let one = Constraint::Length(1);
    let rows = [one, Constraint::Length(3), one, Constraint::Min(0), one];
    let [title, header, heading, list, foot] = Layout::vertical(rows).areas(frame.area());
    app.fit(list.height.into());
    let width = usize::from(frame.area().width);
    frame.render_widget(line_of_title(app, width), title);
    frame.render_widget(Text::from(figures(app)), header);
    let widths = widths(width);
    frame.render_widget(Line::from(headings(app, widths)).reversed(), heading);
    match &app.no_calls {
        Some(why) => frame.render_widget(Paragraph::new(why.as_str()).dim(), list),
        None => {
            let rows = app.visible().map(|(call, chosen)| row(call, widths, chosen));
            frame.render_widget(Text::from_iter(rows), list);
        }
    }
    frame.render_widget(line_of_foot(app, width), foot);
    match &app.mode {
        Mode::Help => popup(frame, "Keys", KEYS.lines().map(str::to_owned)),
        Mode::Confirm(call) => popup(frame, "End this call?", question(call)),
        Mode::List | Mode::Search(_) => {}
    }
}

/// Left and right on one line; the left one gives way.
fn apart(left: &str, right: &str, width: usize) -> String {
    let room = width.saturating_sub(right.width() + GAP.len());
    format!("{}{GAP}{right}", padded(&cut(left, room), room, false))
}

fn line_of_title(app: &App, width: usize) -> Line<'static> {
    let up = app.figures.value("core:timestamp").map_or_else(|| "-".to_owned(), clock);
    let paused = if app.paused { "PAUSED  " } else { "" };
    let title = format!("duologue top  {}", app.server);
    Line::from(apart(&title, &format!("{paused}up {up}"), width)).bold()
}

/// What is counted, line by line.
fn figures(app: &App) -> Vec<Line<'static>> {
    let now = |name| app.figures.value(name).map_or_else(|| "-".to_owned(), |n| n.to_string());
    let growth = |name| {
        let (before, seconds) = app.before.as_ref()?;
        app.figures.rate(before, *seconds, name)
    };
    let rate = |name| growth(name).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    let dropped = |name, what| {
        let text = format!("{} {what}", now(name));
        // What grows while somebody looks is what they look for.
        match growth(name).is_some_and(|rate| rate > 0.0) {
            true => Span::from(text).red().bold(),
            false => Span::from(text),
        }
    };
    let line = |label: &str, cells: Vec<Span<'static>>| {
        let mut spans = vec![Span::from(padded(label, LABEL_WIDTH, false)).dim()];
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                spans.push(Span::from("   "));
            }
            spans.push(cell);
        }
        Line::from(spans)
    };
    vec![
        line(
            "calls",
            vec![
                format!("{} active", now("dialog:active_dialogs")).into(),
                format!("{} early", now("dialog:early_dialogs")).into(),
                format!("{}/s begun", rate("dialog:processed_dialogs")).into(),
                format!("{}/s failed", rate("dialog:failed_dialogs")).into(),
                dropped("dialog:expired_dialogs", "expired"),
            ],
        ),
        line(
            "traffic",
            vec![
                format!("{}/s requests", rate("core:rcv_requests")).into(),
                format!("{}/s replies", rate("core:rcv_replies")).into(),
                format!("{} transactions", now("tm:inuse_transactions")).into(),
                format!("{} waiting", now("core:waiting_calls")).into(),
            ],
        ),
        line(
            "dropped",
            vec![
                dropped("core:drop_requests", "requests"),
                dropped("core:drop_replies", "replies"),
                dropped("core:kernel_drops", "by the kernel"),
                dropped("core:refused_calls", "calls"),
                dropped("core:send_errors", "unsent"),
            ],
        ),
    ]
}

/// The widths of Call-ID, From and To.
fn widths(width: usize) -> [usize; 3] {
    let rest = width.saturating_sub(STATE_WIDTH + AGE_WIDTH + 4 * GAP.len());
    [rest / 3, rest / 3, rest - 2 * (rest / 3)]
}

fn headings(app: &App, [callid, from, to]: [usize; 3]) -> String {
    let heading = |key: Option<Key>, text: &str| match key == Some(app.order.key) {
        true => format!("{text} {}", if app.order.descending { '▼' } else { '▲' }),
        false => text.to_owned(),
    };
    let cell = |key, text: &str, width| padded(&cut(&heading(key, text), width), width, false);
    [
        cell(Some(Key::State), "STATE", STATE_WIDTH),
        padded(&heading(Some(Key::Age), "AGE"), AGE_WIDTH, true),
        cell(Some(Key::CallId), "CALL-ID", callid),
        cell(Some(Key::From), "FROM", from),
        cell(None, "TO", to),
    ]
    .join(GAP)
}

fn row(call: &Call, [callid, from, to]: [usize; 3], chosen: bool) -> Line<'static> {
    let cell = |text: &str, width| padded(&cut(text, width), width, false);
    let rest = [
        padded(&clock(call.age), AGE_WIDTH, true),
        cell(&call.callid, callid),
        cell(&call.from, from),
        cell(&call.to, to),
    ]
    .join(GAP);
    let state = Span::styled(cell(&call.state, STATE_WIDTH), color(&call.state));
    let line = Line::from(vec![state, Span::from(format!("{GAP}{rest}"))]);
    if chosen { line.reversed() } else { line }
}

fn color(state: &str) -> Style {
    match state {
        "confirmed" => Style::new().fg(Color::Green),
        "early" | "unconfirmed" => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    }
}

fn line_of_foot(app: &App, width: usize) -> Line<'static> {
    if let Mode::Search(text) = &app.mode {
        return Line::from(format!("/{text}_")).bold();
    }
    if let Some(why) = &app.silent {
        return Line::from(cut(why, width)).red().bold();
    }
    if let Some(notice) = &app.notice {
        return Line::from(cut(notice, width)).bold();
    }
    let held = app.calls.len();
    let right = match app.searched {
        Some(searched) => format!("{held} of {searched} with /{}", app.search),
        None => {
            let all = ["dialog:active_dialogs", "dialog:early_dialogs"];
            let all: u64 = all.iter().filter_map(|name| app.figures.value(name)).sum();
            format!("{held} of {}", all.max(held as u64))
        }
    };
    Line::from(apart(HINTS, &cut(&right, width / 2), width)).dim()
}

fn question(call: &Call) -> impl Iterator<Item = String> {
    [
        format!("Call-ID  {}", call.callid),
        format!("From     {}", call.from),
        format!("To       {}", call.to),
        format!("State    {}, since {}", call.state, clock(call.age)),
        String::new(),
        "y ends it for both, any other key does not".to_owned(),
    ]
    .into_iter()
}

/// A box in the middle, as large as its lines and no larger than the screen.
fn popup(frame: &mut Frame<'_>, title: &str, lines: impl Iterator<Item = String>) {
    let screen = frame.area();
    let lines: Vec<String> = lines.collect();
    let widest = lines.iter().map(|line| line.width()).max().unwrap_or(0);
    let side = |inner: usize, outer: u16| u16::try_from(inner).unwrap_or(outer).min(outer);
    let (width, height) = (side(widest + 4, screen.width), side(lines.len() + 2, screen.height));
    let area =
        Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 2, width, height };
    let block = Block::bordered().title(format!(" {title} "));
    let inner = usize::from(width.saturating_sub(4));
    let text = lines.iter().map(|line| Line::from(format!(" {} ", cut(line, inner))));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(Text::from_iter(text)).block(block), area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyCode;
    use serde_json::json;

    use super::super::app::tests::seen;
    use super::super::poll::News;
    use super::*;
    use crate::cli::top::figures::Figures;

    fn screen(app: &mut App, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app)).unwrap();
        terminal.backend().to_string()
    }

    fn figures_of(received: u64, dropped: u64) -> Figures {
        let values = json!({
            "core:timestamp": 93_784, "core:rcv_requests": received, "core:rcv_replies": 700,
            "core:drop_requests": dropped, "core:drop_replies": 0, "core:kernel_drops": 0,
            "core:refused_calls": 3, "core:send_errors": 0, "core:waiting_calls": 1,
            "tm:inuse_transactions": 33, "dialog:active_dialogs": 50_300,
            "dialog:early_dialogs": 21, "dialog:processed_dialogs": 90_000,
            "dialog:failed_dialogs": 12, "dialog:expired_dialogs": 0,
        });
        Figures::of(values.as_object().unwrap().clone())
    }

    /// With so many calls, and a second look two seconds after the first one.
    fn app(calls: u64) -> App {
        let mut app = App::new("http://127.0.0.1:8888/mi");
        let News::Seen(mut seen) = seen(1..=calls) else { panic!("a look") };
        seen.figures = figures_of(1240, 2);
        seen.before = Some((figures_of(1000, 0), 2.0));
        app.hear(News::Seen(seen));
        app
    }

    fn press(app: &mut App, text: &str) {
        for character in text.chars() {
            app.press(KeyCode::Char(character).into());
        }
    }

    #[test]
    fn a_terminal_of_the_usual_size() {
        insta::assert_snapshot!(screen(&mut app(30), 80, 24));
    }

    #[test]
    fn a_wide_terminal_shows_more_of_each_call() {
        insta::assert_snapshot!(screen(&mut app(3), 132, 10));
    }

    #[test]
    fn before_the_second_look_there_are_no_rates() {
        let mut app = App::new("http://127.0.0.1:8888/mi");
        app.hear(seen([]));
        insta::assert_snapshot!(screen(&mut app, 80, 8));
    }

    #[test]
    fn a_question_stands_in_the_middle() {
        let mut app = app(3);
        press(&mut app, "e");
        insta::assert_snapshot!(screen(&mut app, 80, 16));
    }

    #[test]
    fn the_help_names_all_keys() {
        let mut app = app(3);
        press(&mut app, "?");
        insta::assert_snapshot!(screen(&mut app, 80, 16));
    }

    #[test]
    fn a_search_is_seen_while_it_is_written() {
        let mut app = app(3);
        press(&mut app, "cc/user");
        let last = |screen: String| screen.lines().last().unwrap_or_default().to_owned();
        assert!(last(screen(&mut app, 80, 16)).starts_with("\"/user_ "));
        app.press(KeyCode::Enter.into());
        let News::Seen(mut found) = seen([1, 2]) else { panic!("a look") };
        found.searched = Some(20_000);
        app.hear(News::Seen(found));
        let shown = screen(&mut app, 80, 16);
        assert!(shown.contains("CALL-ID ▼"), "{shown}");
        assert!(last(shown).ends_with("2 of 20000 with /user\""));
    }

    #[test]
    fn what_went_wrong_stands_at_the_foot() {
        let mut app = app(3);
        press(&mut app, "p");
        app.hear(News::Silent("no server answers at http://127.0.0.1:8888/mi".into()));
        let shown = screen(&mut app, 80, 10);
        assert!(shown.contains("PAUSED  up 1d 02:03:04"), "{shown}");
        assert!(shown.lines().last().unwrap_or_default().contains("no server answers"), "{shown}");
    }

    #[test]
    fn no_size_is_too_small() {
        for (width, height) in [(1, 1), (1, 24), (80, 1), (7, 3), (30, 6)] {
            for keys in ["", "e", "?", "/x"] {
                let mut app = app(30);
                app.hear(News::Silent("x".repeat(usize::from(width % 2) * 200)));
                press(&mut app, keys);
                screen(&mut app, width, height);
            }
        }
    }
}
