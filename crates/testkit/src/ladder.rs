//! The ladder: every message of a test, drawn the way telecom engineers draw calls.

use std::fmt::Write as _;
use std::net::SocketAddr;

use duologue_sip::Tick;

use crate::network::Fate;
use crate::packets::Packets;
use crate::text::Message;

/// How many messages a drawing shows; the oldest are left out above it.
pub const ROWS_MAX: usize = 400;

/// How far apart the columns stand, in characters.
const COLUMN: usize = 28;

/// The messages of a world and the columns they run between.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    columns: Vec<(String, SocketAddr)>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    at: Tick,
    from: SocketAddr,
    to: SocketAddr,
    message: Option<Message>,
    size: usize,
    fate: Fate,
}

impl Ladder {
    /// Adds a column.
    pub(crate) fn column(&mut self, name: String, address: SocketAddr) {
        self.columns.push((name, address));
    }

    /// Notes a message as it is sent.
    pub(crate) fn note(
        &mut self,
        at: Tick,
        from: SocketAddr,
        to: SocketAddr,
        message: Option<Message>,
        size: usize,
        fate: Fate,
    ) {
        self.rows.push(Row { at, from, to, message, size, fate });
    }

    /// How many noted messages are among these packets.
    pub(crate) fn count(&self, packets: &Packets) -> usize {
        let among = |row: &&Row| packets.matches(row.from, row.to, row.message.as_ref());
        self.rows.iter().filter(among).count()
    }

    /// The drawing.
    pub(crate) fn draw(&self, seed: u64) -> String {
        self.draw_of(seed, |_| true)
    }

    /// The drawing of what went to or from some of the agents, and their columns alone.
    pub(crate) fn draw_of(&self, seed: u64, among: impl Fn(SocketAddr) -> bool) -> String {
        let is_drawn = |column: &usize| {
            let (name, address) = &self.columns[*column];
            name.starts_with("proxy") || among(*address)
        };
        let mut order: Vec<usize> = (0..self.columns.len()).filter(is_drawn).collect();
        let rows: Vec<&Row> =
            self.rows.iter().filter(|row| among(row.from) || among(row.to)).collect();
        // The subject stands between the first agent and the others, as on paper.
        if let Some(first) =
            order.iter().position(|column| !self.columns[*column].0.starts_with("proxy"))
        {
            order[..=first].rotate_right(1);
        }
        let mut drawing = format!("seed {seed}\n{:>10}  ", "ms");
        for column in &order {
            let (name, address) = &self.columns[*column];
            let _ = write!(drawing, "{:<COLUMN$}", format!("{name} {address}"));
        }
        drawing.truncate(drawing.trim_end().len());
        drawing.push('\n');
        let hidden = rows.len().saturating_sub(ROWS_MAX);
        if hidden > 0 {
            let _ = writeln!(drawing, "{:>10}  {hidden} earlier messages", "...");
        }
        for row in &rows[hidden..] {
            let place =
                |address| order.iter().position(|column| self.columns[*column].1 == address);
            let line = row.draw(place(row.from), place(row.to), order.len());
            let _ = writeln!(drawing, "{:>10}  {line}", row.at.as_millis());
        }
        drawing
    }
}

impl Row {
    fn draw(&self, from: Option<usize>, to: Option<usize>, columns: usize) -> String {
        let mut label = match &self.message {
            Some(message) => message.title(),
            None => format!("{} bytes", self.size),
        };
        for (happened, word) in
            [(self.fate.lost, "LOST"), (self.fate.doubled, "TWICE"), (self.fate.held, "LATE")]
        {
            if happened {
                let _ = write!(label, " {word}");
            }
        }
        let (Some(from), Some(to)) = (from, to) else {
            return format!("{} -> {} {label}", self.from, self.to);
        };
        let (left, right) = (from.min(to) * COLUMN, from.max(to) * COLUMN);
        let mut line: Vec<char> = vec![' '; columns.saturating_sub(1) * COLUMN + 1];
        for column in 0..columns {
            line[column * COLUMN] = '|';
        }
        if left == right {
            return format!("{} o {label}", line.iter().collect::<String>());
        }
        line[left + 1..right].fill('-');
        let label = format!(" {label} ");
        let start = left + 1 + (right - left).saturating_sub(label.len() + 1) / 2;
        for (offset, letter) in label.chars().enumerate() {
            if start + offset < right - 1 {
                line[start + offset] = letter;
            }
        }
        if from < to {
            line[right - 1] = '>';
        } else {
            line[left + 1] = '<';
        }
        if self.fate.lost {
            line[if from < to { right - 1 } else { left + 1 }] = 'x';
        }
        line.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_can_be_read() {
        let [proxy, alice, bob] =
            [1, 11, 12].map(|host| SocketAddr::from(([10, 0, 0, host], 5060)));
        let mut ladder = Ladder::default();
        for (name, address) in [("proxy", proxy), ("alice", alice), ("bob", bob)] {
            ladder.column(name.to_owned(), address);
        }
        let fair = Fate { lost: false, doubled: false, held: false };
        let invite = || Some(Message::request("INVITE", "sip:bob@10.0.0.12"));
        let ok = Message::response(200).with("CSeq", "1 INVITE");
        ladder.note(Tick::from_millis(1000), alice, proxy, invite(), 9, fair);
        ladder.note(Tick::from_millis(1005), proxy, bob, invite(), 9, Fate { lost: true, ..fair });
        ladder.note(Tick::from_millis(1010), bob, proxy, Some(ok), 9, Fate { held: true, ..fair });
        ladder.note(Tick::from_millis(1011), alice, bob, None, 9, fair);
        let drawing = ladder.draw(7);
        let expected = "\
seed 7
        ms  alice 10.0.0.11:5060        proxy 10.0.0.1:5060         bob 10.0.0.12:5060
      1000  |--------- INVITE --------->|                           |
      1005  |                           |------- INVITE LOST ------x|
      1010  |                           |<- 200 OK (INVITE) LATE ---|
      1011  |----------------------- 9 bytes ---------------------->|
";
        assert_eq!(drawing, expected);
    }
}
