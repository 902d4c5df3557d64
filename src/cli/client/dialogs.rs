//! What the dialog commands take and give (spec/dialog.md §13): the one place of the tools that
//! knows their names.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Client, Failure};
use crate::cli::span::{self, Span};

/// Lists dialogs, as much of each as is asked for.
const BRIEFING: &str = "dialog:briefing";
/// Ends the dialogs that filters choose.
const END: &str = "dialog:end";
/// Ends the dialog of an id.
const END_ONE: &str = "dialog:end_dlg";

/// How many dialogs are asked for at a time: their answer fits into a few hundred kilobytes.
pub(in crate::cli) const PAGE: u64 = 1000;

/// The states, in the order of a call's life.
pub(in crate::cli) const STATES: [&str; 5] =
    ["unconfirmed", "early", "confirmed_na", "confirmed", "deleted"];

/// Which dialogs: those for which all that is given holds.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which dialogs")]
pub(in crate::cli) struct Filter {
    /// Those in one of these states.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(STATES))]
    pub(in crate::cli) state: Vec<String>,

    /// Those in a profile, of any value or of this one.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(in crate::cli) profile: Option<String>,

    /// Those with a value of this name, whatever it is or this one.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(in crate::cli) value: Option<String>,

    /// Those of a Call-ID.
    #[arg(long, value_name = "CALL-ID")]
    pub(in crate::cli) callid: Option<String>,

    /// Those that began at least so long ago: 90s, 5m, 2h, 1d.
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    pub(in crate::cli) older_than: Option<Span>,

    /// Those that began at most so long ago.
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    pub(in crate::cli) younger_than: Option<Span>,
}

impl Filter {
    /// Whether it lets all dialogs through.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.params().is_empty()
    }

    fn params(&self) -> Map<String, Value> {
        let mut params = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                params.insert(name.to_owned(), value);
            }
        };
        put("state", (!self.state.is_empty()).then(|| self.state.clone().into()));
        if let Some(profile) = &self.profile {
            let (name, value) = match profile.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (profile.as_str(), None),
            };
            put("profile", Some(name.into()));
            put("profile_value", value.map(Value::from));
        }
        put("value", self.value.as_deref().map(Value::from));
        put("callid", self.callid.as_deref().map(Value::from));
        put("min_age", self.older_than.map(|span| span.seconds().into()));
        put("max_age", self.younger_than.map(|span| span.seconds().into()));
        params
    }
}

/// A dialog with the columns that were asked for.
pub(in crate::cli) type Dialog = Map<String, Value>;

/// Dialogs, and where the next ones begin.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(rename = "Dialogs")]
    dialogs: Vec<Dialog>,
    #[serde(default)]
    cursor: Value,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

/// What became of a dialog that was to end.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Ended {
    pub(in crate::cli) id: Value,
    pub(in crate::cli) callid: Value,
    /// `ending`, `cancelling` or `gone`.
    pub(in crate::cli) result: Value,
}

#[derive(Deserialize)]
struct AllEnded {
    #[serde(rename = "Dialogs")]
    dialogs: Vec<Ended>,
}

/// How many dialogs a filter lets through.
///
/// # Errors
/// As [`Client::ask`].
pub(in crate::cli) fn count(client: &Client, filter: &Filter) -> Result<u64, Failure> {
    let mut params = filter.params();
    params.insert("count".into(), 1.into());
    client.ask(BRIEFING, params.into()).map(|Count { count }| count)
}

/// The dialogs that a filter lets through, page after page, at most `limit`.
pub(in crate::cli) fn pages<'a>(
    client: &'a Client,
    filter: &Filter,
    columns: &[&str],
    limit: u64,
) -> Pages<'a> {
    let mut params = filter.params();
    params.insert("columns".into(), columns.into());
    Pages { client, params, left: limit }
}

/// An iterator over pages of dialogs.
pub(in crate::cli) struct Pages<'a> {
    client: &'a Client,
    params: Map<String, Value>,
    /// How many dialogs may still come.
    left: u64,
}

impl Iterator for Pages<'_> {
    type Item = Result<Vec<Dialog>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.params.insert("limit".into(), self.left.min(PAGE).into());
        let page: Page = match self.client.ask(BRIEFING, self.params.clone().into()) {
            Ok(page) => page,
            Err(failure) => {
                self.left = 0;
                return Some(Err(failure));
            }
        };
        let Page { mut dialogs, cursor } = page;
        dialogs.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= dialogs.len() as u64;
        // A cursor that stands still would have us ask for ever.
        if cursor.is_null() || self.params.get("cursor") == Some(&cursor) {
            self.left = 0;
        } else {
            self.params.insert("cursor".into(), cursor);
        }
        Some(Ok(dialogs))
    }
}

/// Ends the dialogs that a filter lets through, and all of them if it is empty.
///
/// # Errors
/// As [`Client::ask`].
pub(in crate::cli) fn end(
    client: &Client,
    filter: &Filter,
    mode: &str,
) -> Result<Vec<Ended>, Failure> {
    let mut params = filter.params();
    if params.is_empty() {
        params.insert("all".into(), 1.into());
    }
    params.insert("mode".into(), mode.into());
    client.ask(END, params.into()).map(|AllEnded { dialogs }| dialogs)
}

/// Ends the dialog with this id.
///
/// # Errors
/// As [`Client::ask`].
pub(in crate::cli) fn end_one(client: &Client, id: &str) -> Result<(), Failure> {
    client.ask::<Value>(END_ONE, json!({ "dialog_id": id })).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use super::*;

    fn result(result: Value) -> Value {
        json!({ "jsonrpc": "2.0", "result": result, "id": 1 })
    }

    #[test]
    fn a_filter_is_what_the_commands_take() {
        let filter = Filter {
            state: vec!["early".into(), "confirmed".into()],
            profile: Some("caller=alice=x".into()),
            value: Some("customer".into()),
            callid: Some("a@b".into()),
            older_than: Some(span::parse("2h").unwrap()),
            younger_than: Some(span::parse("1d").unwrap()),
        };
        let expected = json!({
            "state": ["early", "confirmed"], "profile": "caller", "profile_value": "alice=x",
            "value": "customer", "callid": "a@b", "min_age": 7200, "max_age": 86400,
        });
        assert_eq!(Value::from(filter.params()), expected);
        assert!(Filter::default().is_empty());
    }

    #[test]
    fn pages_are_asked_for_until_there_is_no_more() {
        let page = |ids: &[u32], cursor: Value| {
            let dialogs: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
            result(json!({ "Dialogs": dialogs, "cursor": cursor }))
        };
        let fake =
            Fake::of([page(&[1, 2], json!("x")), page(&[3], json!("y")), page(&[4], json!(null))]);
        let client = fake.client();
        let pages: Vec<_> =
            pages(&client, &Filter::default(), &["id"], 1500).map(Result::unwrap).collect();
        assert_eq!(pages.concat().len(), 4);
        let asked: Vec<_> =
            fake.asked().into_iter().map(|asked| asked.body["params"].clone()).collect();
        assert_eq!(asked[0], json!({ "columns": ["id"], "limit": 1000 }));
        assert_eq!(asked[1], json!({ "columns": ["id"], "limit": 1000, "cursor": "x" }));
        assert_eq!(asked[2]["cursor"], "y");
    }

    #[test]
    fn no_more_pages_are_asked_for_than_are_wanted() {
        let one = || result(json!({ "Dialogs": [{ "id": 1 }, { "id": 2 }], "cursor": "x" }));
        let fake = Fake::of([one(), one()]);
        let client = fake.client();
        assert_eq!(pages(&client, &Filter::default(), &["id"], 2).count(), 1);
        // Neither for ever, by a cursor that stands still.
        let mut stuck = pages(&client, &Filter::default(), &["id"], 100);
        stuck.params.insert("cursor".into(), "x".into());
        assert_eq!(stuck.count(), 1);
        assert_eq!(fake.asked()[0].body["params"]["limit"], 2);
    }

    #[test]
    fn all_dialogs_end_only_by_a_word_of_their_own() {
        let ended = json!({ "id": "1.2", "callid": "a@b", "result": "ending" });
        let answer = || result(json!({ "Dialogs": [ended], "count": 1 }));
        let fake = Fake::of([answer(), answer()]);
        let client = fake.client();
        let some = Filter { callid: Some("a@b".into()), ..Filter::default() };
        assert_eq!(end(&client, &some, "both").unwrap()[0].result, "ending");
        end(&client, &Filter::default(), "silent").unwrap();
        let asked = fake.asked();
        assert_eq!(asked[0].body["params"], json!({ "callid": "a@b", "mode": "both" }));
        assert_eq!(asked[1].body["params"], json!({ "all": 1, "mode": "silent" }));
    }
}
