//! Tables for a terminal: the first column to the left, numbers to the right.

/// Prints `rows` under `columns`.
pub(super) fn print(columns: &[&str], rows: &[Vec<String>]) {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let cells = rows.iter().filter_map(|row| row.get(place));
            cells.map(|cell| length(cell)).chain([length(name)]).max().unwrap_or(0)
        })
        .collect();
    let names: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    println!("{}", line(&names, &widths));
    println!("{}", "-".repeat(widths.iter().map(|width| width + 2).sum()));
    for row in rows {
        println!("{}", line(row, &widths));
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let space = " ".repeat(width.saturating_sub(length(cell)));
        line += &if place == 0 { format!("{cell}{space}  ") } else { format!("{space}{cell}  ") };
    }
    line.trim_end().to_owned()
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let cells = ["µs", "1.5"].map(String::from);
        assert_eq!(line(&cells, &[4, 5]), "µs      1.5");
    }
}
