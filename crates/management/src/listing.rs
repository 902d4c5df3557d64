//! A long answer, made as it is read: an object with one array, or an array alone.

use serde_json::{Map, Value, json};

/// About how many bytes are gathered before a slice is handed out.
pub const SLICE_BYTES: usize = 32 * 1024;

type Items = Box<dyn Iterator<Item = Value> + Send>;
type Ending = Box<dyn FnOnce() -> Map<String, Value> + Send>;

/// Its items are pulled only as far as the next slice needs, on a thread that may block.
pub struct Listing {
    /// What stands before the array.
    members: Map<String, Value>,
    /// `None` for an array alone.
    name: Option<String>,
    items: Items,
    /// What stands behind the array, asked for when all items were told.
    ending: Option<Ending>,
}

impl Listing {
    /// An object with `members`, then `name` as an array of `items`.
    pub fn new<I>(members: Map<String, Value>, name: &str, items: I) -> Self
    where
        I: Iterator<Item = Value> + Send + 'static,
    {
        Self { members, name: Some(name.to_owned()), items: Box::new(items), ending: None }
    }

    /// An array.
    pub fn array<I>(items: I) -> Self
    where
        I: Iterator<Item = Value> + Send + 'static,
    {
        Self { members: Map::new(), name: None, items: Box::new(items), ending: None }
    }

    /// With members behind the array that are known only once it was made. An array alone has none.
    #[must_use]
    pub fn ending(mut self, ending: impl FnOnce() -> Map<String, Value> + Send + 'static) -> Self {
        self.ending = Some(Box::new(ending));
        self
    }

    /// As pieces of compact JSON text, which together are exactly one value.
    pub fn slices(self) -> impl Iterator<Item = String> + Send {
        let opening = match &self.name {
            None => "[".to_owned(),
            Some(name) => {
                let mut members = Value::Object(self.members.clone()).to_string();
                members.pop();
                let comma = if self.members.is_empty() { "" } else { "," };
                format!("{members}{comma}{}:[", Value::from(name.as_str()))
            }
        };
        let closing = move |ending: Option<Ending>| match self.name {
            None => "]".to_owned(),
            Some(_) => {
                let members = Value::Object(ending.map(|told| told()).unwrap_or_default());
                match &members.to_string()[1..] {
                    "}" => "]}".to_owned(),
                    members => format!("],{members}"),
                }
            }
        };
        Slices {
            items: self.items,
            pending: Some(opening),
            between: ",",
            after: "",
            first: true,
            closing: Some(Box::new(move || closing(self.ending))),
        }
    }

    /// As lines, a value on each. The last one is the reply to the request `id` with what is left of
    /// the object; without it the list is not complete.
    pub fn lines(self, id: Value) -> impl Iterator<Item = String> + Send {
        let Self { mut members, name, ending, .. } = self;
        let closing = move || {
            members.extend(ending.map(|told| told()).unwrap_or_default());
            let result = if name.is_some() { Value::Object(members) } else { json!([]) };
            format!("{}\n", json!({ "jsonrpc": "2.0", "result": result, "id": id }))
        };
        Slices {
            items: self.items,
            pending: Some(String::new()),
            between: "",
            after: "\n",
            first: true,
            closing: Some(Box::new(closing)),
        }
    }
}

/// Items on their way into text.
struct Slices {
    items: Items,
    /// What the next slice begins with; `None` once the end was handed out.
    pending: Option<String>,
    between: &'static str,
    after: &'static str,
    first: bool,
    closing: Option<Box<dyn FnOnce() -> String + Send>>,
}

impl Iterator for Slices {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut slice = self.pending.take()?;
        while slice.len() < SLICE_BYTES {
            let Some(item) = self.items.next() else {
                slice.extend(self.closing.take().map(|closing| closing()));
                return Some(slice);
            };
            if !std::mem::take(&mut self.first) {
                slice.push_str(self.between);
            }
            slice.push_str(&item.to_string());
            slice.push_str(self.after);
        }
        self.pending = Some(String::new());
        Some(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(name: &str, value: Value) -> Map<String, Value> {
        Map::from_iter([(name.to_owned(), value)])
    }

    #[test]
    fn a_listing_is_one_json_object_in_several_slices() {
        let items = (0..3000).map(|n| json!({ "ID": n, "callid": "0123456789abcdef" }));
        let listing = Listing::new(members("count", json!(3000)), "Dialogs", items);
        let slices: Vec<_> = listing.slices().collect();
        assert!(slices.len() > 2);
        assert!(slices.iter().all(|slice| slice.len() < 2 * SLICE_BYTES));
        let whole: Value = serde_json::from_str(&slices.concat()).unwrap();
        assert_eq!(whole["count"], 3000);
        assert_eq!(whole["Dialogs"].as_array().unwrap().len(), 3000);
    }

    #[test]
    fn an_empty_listing_is_an_empty_array() {
        let empty = Listing::new(Map::new(), "Dialogs", std::iter::empty());
        assert_eq!(empty.slices().collect::<Vec<_>>(), [r#"{"Dialogs":[]}"#]);
    }

    #[test]
    fn what_is_known_at_the_end_stands_there() {
        let head = members("a", json!({ "b": {} }));
        let listing = Listing::new(head, "Dialogs", [json!(1)].into_iter());
        let text: String = listing.ending(|| members("cursor", Value::Null)).slices().collect();
        assert_eq!(text, r#"{"a":{"b":{}},"Dialogs":[1],"cursor":null}"#);
    }

    #[test]
    fn an_array_is_made_in_slices_too() {
        let slices: Vec<_> = Listing::array((0..20_000).map(Value::from)).slices().collect();
        assert!(slices.len() > 2);
        let whole: Vec<u32> = serde_json::from_str(&slices.concat()).unwrap();
        assert!(whole.into_iter().eq(0..20_000));
    }

    #[test]
    fn lines_end_with_the_reply() {
        let listing = Listing::new(members("count", json!(2)), "Dialogs", (1..=2).map(Value::from));
        let listing = listing.ending(|| members("cursor", json!("0.7")));
        let text: String = listing.lines(json!(9)).collect();
        let reply = r#"{"jsonrpc":"2.0","result":{"count":2,"cursor":"0.7"},"id":9}"#;
        assert_eq!(text, format!("1\n2\n{reply}\n"));
        let array: String = Listing::array([json!("x")].into_iter()).lines(json!("i")).collect();
        assert_eq!(array, "\"x\"\n{\"jsonrpc\":\"2.0\",\"result\":[],\"id\":\"i\"}\n");
    }
}
