//! A list that is written while it comes.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::cli::client::print::escaped;
use crate::cli::table::{Column, Table};

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Table {
        headings: bool,
    },
    /// One JSON array.
    Json,
    /// One JSON object per line.
    Lines,
}

/// A list being written.
pub(super) struct Listing<'a, W> {
    out: W,
    columns: &'a [Column],
    form: Form,
    width: Option<usize>,
    /// Made of the first items: nobody waits for the last one to see the first.
    table: Option<Table>,
    any: bool,
}

impl<'a, W: Write> Listing<'a, W> {
    pub(super) fn new(out: W, columns: &'a [Column], form: Form, width: Option<usize>) -> Self {
        Self { out, columns, form, width, table: None, any: false }
    }

    /// Writes more items; `cells` makes a row of one.
    ///
    /// # Errors
    /// What the output says.
    pub(super) fn add(
        &mut self,
        items: Vec<Map<String, Value>>,
        cells: impl Fn(&Map<String, Value>) -> Vec<String>,
    ) -> io::Result<()> {
        let Form::Table { headings } = self.form else {
            items.iter().try_for_each(|item| self.add_json(item))?;
            return self.out.flush();
        };
        let rows: Vec<Vec<String>> = items.iter().map(cells).collect();
        let table = match &self.table {
            Some(table) => table,
            None => {
                let table = Table::fit(self.columns, &rows, self.width);
                if headings {
                    table.write_head(&mut self.out)?;
                }
                self.table.insert(table)
            }
        };
        rows.iter().try_for_each(|row| table.write_row(&mut self.out, row))?;
        self.out.flush()
    }

    fn add_json(&mut self, item: &Map<String, Value>) -> io::Result<()> {
        let first = !std::mem::replace(&mut self.any, true);
        if self.form == Form::Json {
            self.out.write_all(if first { b"[" } else { b",\n" })?;
        }
        let json = escaped(Value::from(item.clone()).to_string());
        self.out.write_all(json.as_bytes())?;
        if self.form == Form::Lines { self.out.write_all(b"\n") } else { Ok(()) }
    }

    /// Writes what comes after the last item.
    ///
    /// # Errors
    /// What the output says.
    pub(super) fn end(mut self) -> io::Result<()> {
        match (self.form, self.any) {
            (Form::Json, false) => self.out.write_all(b"[]\n")?,
            (Form::Json, true) => self.out.write_all(b"]\n")?,
            _ => {}
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 2] = [
        Column { heading: "ID", right: false, shrinks: false },
        Column { heading: "CALL-ID", right: false, shrinks: true },
    ];

    fn written(form: Form, pages: &[&[(&str, &str)]]) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::new(&mut out, &COLUMNS, form, None);
        for page in pages {
            let items = page.iter().map(|(id, callid)| {
                json!({ "id": id, "callid": callid }).as_object().unwrap().clone()
            });
            let cells = |item: &Map<String, Value>| {
                item.values().map(|value| value.as_str().unwrap().to_owned()).collect()
            };
            listing.add(items.collect(), cells).unwrap();
        }
        listing.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    const PAGES: &[&[(&str, &str)]] = &[&[("1.23", "a@b")], &[("4", "c@d")]];

    #[test]
    fn the_first_page_makes_the_columns_of_all() {
        let table = written(Form::Table { headings: true }, PAGES);
        assert_eq!(table, "ID    CALL-ID\n1.23  a@b\n4     c@d\n");
        assert_eq!(written(Form::Table { headings: false }, PAGES), "1.23  a@b\n4     c@d\n");
    }

    #[test]
    fn json_is_an_array_or_lines() {
        let array = written(Form::Json, PAGES);
        assert_eq!(
            array,
            "[{\"id\":\"1.23\",\"callid\":\"a@b\"},\n{\"id\":\"4\",\"callid\":\"c@d\"}]\n"
        );
        let value: Value = serde_json::from_str(&array).unwrap();
        assert_eq!(value.as_array().unwrap().len(), 2);
        assert_eq!(written(Form::Lines, PAGES).lines().count(), 2);
    }

    #[test]
    fn a_list_of_nothing_is_one_all_the_same() {
        assert_eq!(written(Form::Json, &[]), "[]\n");
        assert_eq!(written(Form::Lines, &[]), "");
        assert_eq!(written(Form::Table { headings: true }, &[&[]]), "ID  CALL-ID\n");
    }
}
