//! The arguments of one call of a command, and their conversions (spec/script.md §15.2).

use serde_json::Value;

use crate::CommandError;

/// Arguments, bound to the names of the signature that fits.
#[derive(Debug, Default)]
pub struct Params {
    bound: Vec<(&'static str, Value)>,
    pub(crate) may_wait: bool,
}

/// What came with the request, not yet bound to names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    Positional(Vec<Value>),
    Named(serde_json::Map<String, Value>),
}

impl Given {
    fn len(&self) -> usize {
        match self {
            Self::Positional(values) => values.len(),
            Self::Named(values) => values.len(),
        }
    }

    /// Puts the names of the signatures in the place of others.
    pub(crate) fn rename(&mut self, names: &[(&str, &str)]) {
        let Self::Named(values) = self else { return };
        for (other, name) in names {
            if !values.contains_key(*name)
                && let Some(value) = values.remove(*other)
            {
                values.insert((*name).to_owned(), value);
            }
        }
    }
}

impl Params {
    /// Chooses the signature that fits `given`: by count alone for positional arguments, by count
    /// and names for named ones.
    pub(crate) fn bind(
        given: Given,
        signatures: &'static [&'static [&'static str]],
        named_only: bool,
    ) -> Result<Self, CommandError> {
        let count = given.len();
        // No arguments are neither positional nor named.
        if named_only && count > 0 && matches!(given, Given::Positional(_)) {
            return Err(CommandError::invalid_params("Command only supports named parameters"));
        }
        let mut fitting = signatures.iter().filter(|names| names.len() == count).peekable();
        if fitting.peek().is_none() {
            return Err(CommandError::invalid_params("Too few or too many parameters"));
        }
        let bound = match given {
            Given::Positional(values) => {
                let names = fitting.next().copied().unwrap_or_default();
                if fitting.next().is_some() {
                    return Err(CommandError::invalid_params(
                        "Ambiguous call, use named parameters instead",
                    ));
                }
                names.iter().copied().zip(values).collect()
            }
            Given::Named(mut values) => {
                let names = fitting
                    .find(|names| names.iter().all(|name| values.contains_key(*name)))
                    .ok_or(CommandError::invalid_params("Named parameters do not match"))?;
                names.iter().map(|name| (*name, values.remove(*name).unwrap_or_default())).collect()
            }
        };
        Ok(Self { bound, may_wait: false })
    }

    /// Takes any of the named parameters that the command knows.
    pub(crate) fn bind_options(
        given: Given,
        options: &'static [&'static str],
    ) -> Result<Self, CommandError> {
        let values = match given {
            Given::Named(values) => values,
            Given::Positional(values) if values.is_empty() => return Ok(Self::default()),
            Given::Positional(_) => {
                let why = "Command only supports named parameters";
                return Err(CommandError::invalid_params(why));
            }
        };
        let bind = |(given, value): (String, Value)| {
            let known = options.iter().find(|name| **name == given);
            known
                .map(|name| (*name, value))
                .ok_or_else(|| CommandError::invalid_params(format!("Unknown parameter '{given}'")))
        };
        let bound = values.into_iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Self { bound, may_wait: false })
    }

    /// Whether the handler may wait for what others do. Where not, it sets things going and answers
    /// without their outcome.
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// All arguments, in the order of the signature.
    pub(crate) fn bound(&self) -> &[(&'static str, Value)] {
        &self.bound
    }

    /// The argument `name` as it was sent, if the chosen signature has it.
    pub fn raw(&self, name: &str) -> Option<&Value> {
        self.bound.iter().find(|(bound, _)| *bound == name).map(|(_, value)| value)
    }

    /// Whether the chosen signature has `name`.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The scalar `name` as text; a number is written out.
    ///
    /// # Errors
    /// −32602 `Bad type for parameter`; −32000 if the signature has no `name`.
    pub fn text(&self, name: &str) -> Result<String, CommandError> {
        scalar_text(self.required(name)?).ok_or_else(|| CommandError::bad_type(name))
    }

    /// As [`Params::text`], `None` if the signature has no `name`.
    ///
    /// # Errors
    /// −32602 `Bad type for parameter`.
    pub fn optional_text(&self, name: &str) -> Result<Option<String>, CommandError> {
        self.has(name).then(|| self.text(name)).transpose()
    }

    /// The scalar `name` as an integer; text is read as decimal, a fraction is cut off.
    ///
    /// # Errors
    /// −32602 `Bad type for parameter`; −32000 if the signature has no `name`.
    pub fn integer(&self, name: &str) -> Result<i64, CommandError> {
        scalar_integer(self.required(name)?).ok_or_else(|| CommandError::bad_type(name))
    }

    /// As [`Params::integer`], `None` if the signature has no `name`.
    ///
    /// # Errors
    /// −32602 `Bad type for parameter`.
    pub fn optional_integer(&self, name: &str) -> Result<Option<i64>, CommandError> {
        self.has(name).then(|| self.integer(name)).transpose()
    }

    /// The flag `name`: `0`, `1`, `n` or `y`.
    ///
    /// # Errors
    /// −32602 `Bad type for parameter`; −32000 if the signature has no `name`.
    pub fn flag(&self, name: &str) -> Result<bool, CommandError> {
        match self.text(name)?.as_str() {
            "1" | "y" | "Y" => Ok(true),
            "0" | "n" | "N" => Ok(false),
            _ => Err(CommandError::bad_type(name)),
        }
    }

    /// The array `name`; never empty.
    ///
    /// # Errors
    /// −32602 `Bad type for parameter` or `Empty array in parameter`; −32000 if the signature has
    /// no `name`.
    pub fn array(&self, name: &str) -> Result<&[Value], CommandError> {
        match self.required(name)? {
            Value::Array(items) if items.is_empty() => {
                Err(CommandError::invalid_params(format!("Empty array in parameter '{name}'")))
            }
            Value::Array(items) => Ok(items),
            _ => Err(CommandError::bad_type(name)),
        }
    }

    /// The array `name` of scalars, as texts.
    ///
    /// # Errors
    /// As [`Params::array`], and −32602 `Bad type for array item in parameter`.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, CommandError> {
        self.array(name)?
            .iter()
            .map(|item| scalar_text(item).ok_or_else(|| bad_item(name)))
            .collect()
    }

    fn required(&self, name: &str) -> Result<&Value, CommandError> {
        self.raw(name).ok_or(CommandError::server("Failed to handle parameter"))
    }
}

fn bad_item(name: &str) -> CommandError {
    CommandError::invalid_params(format!("Bad type for array item in parameter '{name}'"))
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) => integral(value).map(|number| number.to_string()),
        _ => None,
    }
}

fn scalar_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(_) => integral(value)?.try_into().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number without its fraction; wide enough for both of JSON's integer kinds.
fn integral(value: &Value) -> Option<i128> {
    (value.as_i64().map(i128::from))
        .or_else(|| value.as_u64().map(i128::from))
        .or_else(|| value.as_f64().map(|number| number as i128))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(params: Value) -> Given {
        match params {
            Value::Array(values) => Given::Positional(values),
            Value::Object(values) => Given::Named(values),
            _ => panic!("params are an array or an object"),
        }
    }

    const LIST: &[&[&str]] = &[&[], &["callid"], &["callid", "from_tag"], &["index", "counter"]];

    #[test]
    fn a_signature_is_chosen_by_count_and_names() {
        let data =
            |params: Value, named_only: bool| match Params::bind(given(params), LIST, named_only) {
                Ok(params) => {
                    params.bound.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
                }
                Err(error) => format!("{error}"),
            };
        let table = [
            (json!([]), false, ""),
            (json!({}), false, ""),
            (json!([]), true, ""),
            (json!(["a"]), false, "callid"),
            (json!(["a"]), true, "-32602 Invalid params: Command only supports named parameters"),
            (
                json!(["a", "b"]),
                false,
                "-32602 Invalid params: Ambiguous call, use named parameters instead",
            ),
            (
                json!(["a", "b", "c"]),
                false,
                "-32602 Invalid params: Too few or too many parameters",
            ),
            (json!({"callid": "a"}), true, "callid"),
            (json!({"from_tag": "t", "callid": "a"}), true, "callid from_tag"),
            (json!({"counter": 1, "index": 2}), true, "index counter"),
            (
                json!({"callid": "a", "counter": 1}),
                true,
                "-32602 Invalid params: Named parameters do not match",
            ),
            (
                json!({"a": 1, "b": 1, "c": 1}),
                true,
                "-32602 Invalid params: Too few or too many parameters",
            ),
        ];
        for (params, named_only, expected) in table {
            assert_eq!(data(params.clone(), named_only), expected, "{params}");
        }
    }

    fn one(value: Value) -> Params {
        Params { bound: vec![("x", value)], may_wait: true }
    }

    #[test]
    fn numbers_and_texts_stand_for_each_other() {
        assert_eq!(one(json!("5")).integer("x"), Ok(5));
        assert_eq!(one(json!(-5)).text("x").as_deref(), Ok("-5"));
        assert_eq!(one(json!(5.9)).integer("x"), Ok(5));
        assert_eq!(one(json!(-5.9)).text("x").as_deref(), Ok("-5"));
        assert_eq!(one(json!(u64::MAX)).text("x").as_deref(), Ok("18446744073709551615"));
        let bad = Err(CommandError::bad_type("x"));
        for value in [json!(true), json!(null), json!([1]), json!({}), json!("five"), json!(1e40)] {
            assert_eq!(one(value.clone()).integer("x"), bad, "{value}");
        }
        assert_eq!(one(json!(true)).text("x"), Err(CommandError::bad_type("x")));
    }

    #[test]
    fn flags_are_zero_one_n_y() {
        for (value, flag) in
            [(json!(1), true), (json!("y"), true), (json!("0"), false), (json!("n"), false)]
        {
            assert_eq!(one(value).flag("x"), Ok(flag));
        }
        for value in [json!(true), json!("yes"), json!(2)] {
            assert_eq!(one(value).flag("x"), Err(CommandError::bad_type("x")));
        }
    }

    #[test]
    fn arrays_are_arrays_of_scalars_and_not_empty() {
        assert_eq!(one(json!(["core:", 1])).texts("x"), Ok(vec!["core:".into(), "1".into()]));
        assert_eq!(one(json!("core:")).texts("x"), Err(CommandError::bad_type("x")));
        assert_eq!(
            one(json!([])).texts("x"),
            Err(CommandError::invalid_params("Empty array in parameter 'x'"))
        );
        assert_eq!(
            one(json!([[]])).texts("x"),
            Err(CommandError::invalid_params("Bad type for array item in parameter 'x'"))
        );
    }

    #[test]
    fn what_the_signature_lacks_is_optional_or_our_fault() {
        assert_eq!(one(json!(1)).optional_text("y"), Ok(None));
        assert_eq!(one(json!(1)).text("y").unwrap_err().code, -32000);
    }
}
