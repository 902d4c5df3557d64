//! Tables that fit: columns as wide as what is in them, the widest ones cut where the terminal ends.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What stands between two columns.
const GAP: usize = 2;

/// No column is cut to less than this.
const WIDTH_MIN: usize = 6;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) heading: &'static str,
    /// Numbers stand on the right.
    pub(super) right: bool,
    /// Whether it may be cut: what is copied from a table, or counted in it, may not.
    pub(super) shrinks: bool,
}

/// A table whose columns stand.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(Column, usize)>,
    /// Whether longer cells are cut.
    cuts: bool,
}

impl Table {
    /// Columns as wide as these rows need, within `width` if there is an end of the line.
    pub(super) fn fit(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Self {
        let natural = |(at, column): (usize, &Column)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
            cells.chain([column.heading.width()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = columns.iter().enumerate().map(natural).collect();
        if let Some(width) = width {
            let room = width.saturating_sub(GAP * columns.len().saturating_sub(1));
            shrink(columns, &mut widths, room);
        }
        Self { columns: columns.iter().copied().zip(widths).collect(), cuts: width.is_some() }
    }

    /// Writes the headings.
    ///
    /// # Errors
    /// What the output says.
    pub(super) fn write_head(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_cells(out, self.columns.iter().map(|(column, _)| column.heading))
    }

    /// Writes a row.
    ///
    /// # Errors
    /// What the output says.
    pub(super) fn write_row(&self, out: &mut impl Write, row: &[String]) -> io::Result<()> {
        self.write_cells(out, row.iter().map(String::as_str))
    }

    fn write_cells<'a>(
        &self,
        out: &mut impl Write,
        cells: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let mut line = String::new();
        for ((column, width), cell) in self.columns.iter().zip(cells) {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let cell =
                if self.cuts && column.shrinks { cut(cell, *width) } else { cell.to_owned() };
            line.push_str(&padded(&cell, *width, column.right));
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// Takes from the widest columns first, until all fit or nothing more may be taken.
fn shrink(columns: &[Column], widths: &mut [usize], room: usize) {
    let mut excess = widths.iter().sum::<usize>().saturating_sub(room);
    while excess > 0 {
        let elastic = |at: &usize| columns[*at].shrinks && widths[*at] > WIDTH_MIN;
        let Some(widest) = (0..columns.len()).filter(elastic).max_by_key(|at| widths[*at]) else {
            return;
        };
        // Down to the next one at once would be quicker and is not needed: lines are short.
        widths[widest] -= 1;
        excess -= 1;
    }
}

/// The beginning of a text that fits into `width`, with a sign that it goes on.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(character);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// A text with blanks before it, or behind it, up to a width.
pub(super) fn padded(text: &str, width: usize, right: bool) -> String {
    let blank = " ".repeat(width.saturating_sub(text.width()));
    if right { format!("{blank}{text}") } else { format!("{text}{blank}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { heading: "ID", right: false, shrinks: false },
        Column { heading: "FROM", right: false, shrinks: true },
        Column { heading: "AGE", right: true, shrinks: false },
    ];

    fn shown(width: Option<usize>) -> String {
        let rows = [["12.345", "sip:alice@proxy.example", "5"], ["7.1", "sip:bob@b", "00:12:00"]]
            .map(|row| row.map(str::to_owned).to_vec());
        let table = Table::fit(&COLUMNS, &rows, width);
        let mut out = Vec::new();
        table.write_head(&mut out).unwrap();
        rows.iter().for_each(|row| table.write_row(&mut out, row).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let wide = "\
ID      FROM                          AGE
12.345  sip:alice@proxy.example         5
7.1     sip:bob@b                00:12:00
";
        assert_eq!(shown(None), wide);
        assert_eq!(shown(Some(200)), wide);
    }

    #[test]
    fn what_may_be_cut_is_cut_where_the_line_ends() {
        let narrow = "\
ID      FROM               AGE
12.345  sip:alice@p…         5
7.1     sip:bob@b     00:12:00
";
        assert_eq!(shown(Some(30)), narrow);
        // However narrow it is, ids and ages stay whole.
        assert!(shown(Some(1)).contains("12.345  sip:a…         5"), "{}", shown(Some(1)));
    }

    #[test]
    fn the_widest_columns_give_first() {
        let elastic = Column { heading: "", right: false, shrinks: true };
        let mut widths = [40, 10, 30];
        shrink(&[elastic; 3], &mut widths, 50);
        assert_eq!(widths, [20, 10, 20]);
        shrink(&[elastic; 3], &mut widths, 0);
        assert_eq!(widths, [WIDTH_MIN; 3]);
    }

    #[test]
    fn width_is_what_a_terminal_shows() {
        assert_eq!(cut("日本語テスト", 7), "日本語…");
        assert_eq!(cut("日本語テスト", 6), "日本…");
        assert_eq!(cut("Zoë", 3), "Zoë");
        assert_eq!(cut("Zoë", 2), "Z…");
        assert_eq!(cut("abc", 0), "");
    }
}
