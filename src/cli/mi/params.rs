//! Parameters of management commands as people type them.

use serde_json::{Map, Value};

/// A command that takes an array: its names, the array's, and how many parameters come before it.
struct TakesArray {
    commands: &'static [&'static str],
    parameter: &'static str,
    before: usize,
}

/// Where arrays are taken (spec/script.md §15.4, spec/dialog.md §13).
const ARRAYS: &[TakesArray] = &[
    TakesArray {
        commands: &[
            "get_statistics",
            "statistics:get",
            "list_statistics",
            "statistics:list",
            "reset_statistics",
            "statistics:reset",
        ],
        parameter: "statistics",
        before: 0,
    },
    TakesArray { commands: &["raise_event", "evi:raise"], parameter: "params", before: 1 },
    TakesArray { commands: &["dlg_push_var", "dialog:push_var"], parameter: "DID", before: 2 },
];

/// The parameters of a call of `command`.
///
/// # Errors
/// Positional and named ones are mixed, or what is to be JSON is none.
pub(super) fn read(command: &str, typed: &[String], positional: bool) -> Result<Value, String> {
    let array = ARRAYS.iter().find(|taking| taking.commands.contains(&command));
    if positional {
        return Ok(in_order(typed.iter().map(|text| text.as_str().into()).collect(), array));
    }
    let mut values = Vec::new();
    let mut named = Map::new();
    for text in typed {
        match parse(text)? {
            (None, value) => values.push(value),
            (Some(name), value) => add(&mut named, name, value),
        }
    }
    if named.is_empty() {
        return Ok(in_order(values, array));
    }
    if !values.is_empty() {
        return Err("parameters are all positional or all NAME=VALUE; --positional takes each as \
                    it stands"
            .to_owned());
    }
    if let Some(array) = array
        && let Some(value) = named.get_mut(array.parameter)
        && !value.is_array()
    {
        *value = Value::Array(vec![value.take()]);
    }
    Ok(named.into())
}

/// Positional parameters; what belongs into an array goes there, unless it is one already.
fn in_order(mut values: Vec<Value>, array: Option<&TakesArray>) -> Value {
    if let Some(array) = array
        && values.len() > array.before
        && !values[array.before].is_array()
    {
        let items = values.split_off(array.before);
        values.push(items.into());
    }
    values.into()
}

/// A name that is given again makes an array of its values.
fn add(named: &mut Map<String, Value>, name: &str, value: Value) {
    match named.get_mut(name) {
        None => {
            named.insert(name.to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// `NAME=TEXT`, `NAME:=JSON`, `:=JSON`, or a text.
fn parse(text: &str) -> Result<(Option<&str>, Value), String> {
    let json = |json: &str| {
        serde_json::from_str(json).map_err(|error| format!("`{text}`: no JSON after := ({error})"))
    };
    if let Some((name, value)) = text.split_once(":=")
        && (name.is_empty() || is_name(name))
    {
        return Ok(((!name.is_empty()).then_some(name), json(value)?));
    }
    match text.split_once('=') {
        Some((name, value)) if is_name(name) => Ok((Some(name), value.into())),
        // A URI with parameters, for one.
        _ => Ok((None, text.into())),
    }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|next| next.is_ascii_alphanumeric() || next == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(command: &str, typed: &[&str]) -> Result<Value, String> {
        read(command, &typed.iter().map(|text| text.to_string()).collect::<Vec<_>>(), false)
    }

    #[test]
    fn texts_are_positional_or_named() {
        assert_eq!(params("x", &[]), Ok(json!([])));
        assert_eq!(params("x", &["a", "5", "-1"]), Ok(json!(["a", "5", "-1"])));
        assert_eq!(params("x", &["a=b=c", "_n1="]), Ok(json!({ "a": "b=c", "_n1": "" })));
        assert_eq!(params("x", &["sip:a@b;user=phone"]), Ok(json!(["sip:a@b;user=phone"])));
        assert!(params("x", &["a", "b=c"]).unwrap_err().contains("--positional"));
        assert_eq!(read("x", &["a".into(), "b=c".into()], true), Ok(json!(["a", "b=c"])));
    }

    #[test]
    fn json_is_sent_as_json() {
        let named = params("x", &["a:=[1,\"b\"]", "c:=5", "d=5"]);
        assert_eq!(named, Ok(json!({ "a": [1, "b"], "c": 5, "d": "5" })));
        assert_eq!(params("x", &[":={\"a\":1}", "b"]), Ok(json!([{ "a": 1 }, "b"])));
        assert!(params("x", &["a:=b"]).unwrap_err().starts_with("`a:=b`: no JSON"));
    }

    #[test]
    fn what_is_given_several_times_is_an_array() {
        let named = params("x", &["a=1", "a=2", "a=3", "b=4"]);
        assert_eq!(named, Ok(json!({ "a": ["1", "2", "3"], "b": "4" })));
    }

    #[test]
    fn commands_that_take_arrays_get_them() {
        let get = |typed: &[&str]| params("get_statistics", typed);
        assert_eq!(get(&["dialog:", "tm:"]), Ok(json!([["dialog:", "tm:"]])));
        assert_eq!(get(&["statistics=dialog:"]), Ok(json!({ "statistics": ["dialog:"] })));
        assert_eq!(get(&[":=[\"all\"]"]), Ok(json!([["all"]])));
        assert_eq!(get(&[]), Ok(json!([])));
        let push = params("dialog:push_var", &["name", "value", "1.2", "3.4"]);
        assert_eq!(push, Ok(json!(["name", "value", ["1.2", "3.4"]])));
        assert_eq!(params("raise_event", &["E_X"]), Ok(json!(["E_X"])));
        assert_eq!(params("raise_event", &["E_X", "1"]), Ok(json!(["E_X", ["1"]])));
    }
}
