//! `json`: documents that a script reads, builds and changes (spec/script.md §7.3).
//!
//! A document belongs to the run that made it, as a `$var` does, and is gone when the run ends.

mod documents;
mod merge;
mod path;
mod print;
mod tree;

use duologue_script::limits::JOINED_BYTES_MAX;
use duologue_script::{
    Args, Assign, Called, Index, Param, ParamKind, Reading, RouteKinds, Subname, Text, Value,
    VarAccess, WriteError,
};
use indexmap::IndexMap;
use serde_json::{Number, Value as Json};

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings, Variable};

pub use documents::{DOCUMENT_BYTES_MAX, DOCUMENTS_MAX, Documents};
use path::Path;
use print::{Style, print};
use tree::{Tree, place};

const STR: Param = Param::new(ParamKind::Str);
const VAR: Param = Param::new(ParamKind::Var);

/// The declaration.
pub static MODULE: Module = Module {
    name: "json",
    functions: &[
        Function::new("json_link", &[VAR, VAR], RouteKinds::all(), link),
        Function::new("json_merge", &[STR, STR, VAR], RouteKinds::all(), merge::merge),
    ],
    variables: &[
        Variable::new(&["json"], spaced)
            .writable(write)
            .named(Subname::Path)
            .indexed()
            .resolved(check),
        Variable::new(&["json_pretty"], pretty).named(Subname::Path).indexed().resolved(check),
        Variable::new(&["json_compact", "json_compact_noescape"], compact)
            .named(Subname::Path)
            .indexed()
            .resolved(check),
    ],
    parameters: &[Parameter::int("enable_long_quoting")],
    configure,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Clone, Copy, Debug)]
pub struct JsonSettings {
    /// Whether numbers beyond 32 bits are texts and nothing else. Without it they have an integer
    /// form too, the nearest that there is.
    pub enable_long_quoting: bool,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let enable_long_quoting = parameters.switch("enable_long_quoting", false);
    Ok(Box::new(JsonSettings { enable_long_quoting }))
}

fn check(text: &str) -> Result<Option<u32>, String> {
    Path::parse(text.as_bytes()).map(|_| None).map_err(str::to_owned)
}

fn spaced(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    read(ctx, access, Style::Spaced, out)
}

fn pretty(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    read(ctx, access, Style::Pretty, out)
}

fn compact(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    read(ctx, access, Style::Compact, out)
}

fn read(ctx: &Context<'_>, access: &VarAccess<'_>, style: Style, out: &mut Text) -> Reading {
    let Some(name) = access.name else { return Reading::Null };
    let quoting = ctx.turn.node.settings::<JsonSettings>().enable_long_quoting;
    let reader = Reader { documents: &ctx.draft.json, style, quoting };
    match access.index {
        Index::None => reader.value(name, out),
        Index::At(n) => reader.element(name, n, out),
        Index::All => reader.joined(name, out),
        Index::Append | Index::AtActive(_) | Index::AllActive => Reading::Null,
    }
}

/// Texts, numbers and NULL as they are; with `:=`, texts are read as JSON.
fn write(
    ctx: &mut Context<'_>,
    access: &VarAccess<'_>,
    how: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    if access.index != Index::None {
        return Err(WriteError::ReadOnly);
    }
    let path = access.name.and_then(|name| Path::parse(name).ok()).ok_or(WriteError::BadValue)?;
    ctx.draft.json.set(&path, how, value)
}

/// `json_link($json(there), $json(here))`: `there` becomes the same value as `here`.
fn link(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(dest), Some(source)) = (place_of(ctx, args, 0), place_of(ctx, args, 1)) else {
        return Called::Value(-1);
    };
    let linked = ctx.draft.json.link(&dest, &source);
    if let Err(why) = linked {
        let why = match why {
            WriteError::Missing => "there is no such place",
            _ => "the value would hold itself, or there is no room",
        };
        tracing::warn!(target: "script", call_id = %ctx.turn.call_id(), "json_link(): {why}");
    }
    Called::Value(if linked.is_ok() { 1 } else { -1 })
}

/// The path of an argument that is a `$json`.
fn place_of<'a>(ctx: &Context<'_>, args: &Args<'a>, position: usize) -> Option<Path<'a>> {
    let access = args.variable(position)?;
    let is_json = ctx.turn.node.catalog.variable(access.id).names == ["json"];
    Path::parse(access.name.filter(|_| is_json)?).ok()
}

struct Reader<'a> {
    documents: &'a Documents,
    style: Style,
    quoting: bool,
}

/// What `[index]` counts.
enum Listed<'a> {
    Keys(&'a IndexMap<String, Tree>),
    Values(&'a IndexMap<String, Tree>),
    Elements(&'a [Tree]),
}

impl<'a> Reader<'a> {
    fn value(&self, name: &[u8], out: &mut Text) -> Reading {
        let value = Path::parse(name).ok().and_then(|path| self.documents.get(&path));
        value.map_or(Reading::Null, |value| self.show(value, out))
    }

    fn show(&self, value: &Tree, out: &mut Text) -> Reading {
        match value {
            Tree::Scalar(Json::Bool(yes)) => Reading::Int((*yes).into()),
            Tree::Scalar(Json::Number(number)) => self.number(number, out),
            Tree::Scalar(Json::String(text)) => {
                out.push(text.as_bytes());
                Reading::Str
            }
            Tree::Scalar(_) => Reading::Null,
            Tree::Array(_) | Tree::Object(_) | Tree::Shared(_) => {
                let Some(whole) = self.documents.whole(value) else { return Reading::Null };
                print(&whole, self.style, out);
                Reading::Str
            }
        }
    }

    /// What has 32 bits is a number; the rest is its text.
    fn number(&self, number: &Number, out: &mut Text) -> Reading {
        let whole = number.as_i64().or_else(|| number.as_u64().map(|_| i64::MAX));
        let Some(whole) = whole else {
            out.push(number.to_string().as_bytes());
            return Reading::Str;
        };
        let near = whole.clamp(i32::MIN.into(), i32::MAX.into());
        let near = i32::try_from(near).expect("it was brought into the range of 32 bits");
        if i64::from(near) == whole {
            return Reading::Int(near);
        }
        out.push(number.to_string().as_bytes());
        if self.quoting { Reading::Str } else { Reading::StrInt(near) }
    }

    /// `$(json(x)[n])`, `$(json(x.keys)[n])`, `$(json(x.values)[n])`.
    fn element(&self, name: &[u8], n: i32, out: &mut Text) -> Reading {
        let Some(listed) = self.listed(name) else { return Reading::Null };
        let Some(at) = place(listed.len(), n) else { return Reading::Null };
        match listed {
            Listed::Keys(object) => object.keys().nth(at).map_or(Reading::Null, |key| {
                out.push(key.as_bytes());
                Reading::Str
            }),
            Listed::Values(object) => self.listed_value(object.values().nth(at), out),
            Listed::Elements(array) => self.listed_value(array.get(at), out),
        }
    }

    /// A `null` among others is its text: NULL would end the loop that asks.
    fn listed_value(&self, value: Option<&Tree>, out: &mut Text) -> Reading {
        match value.map(|value| self.documents.meant(value)) {
            None => Reading::Null,
            Some(Tree::Scalar(Json::Null)) => {
                out.push(b"null");
                Reading::Str
            }
            Some(value) => self.show(value, out),
        }
    }

    /// `[*]`: all of them, separated by commas.
    fn joined(&self, name: &[u8], out: &mut Text) -> Reading {
        let Some(listed) = self.listed(name) else { return Reading::Null };
        let start = out.len();
        for at in 0..listed.len() {
            if at > 0 {
                out.push(b", ");
            }
            if let Reading::Int(number) = self.element(name, at as i32, out) {
                out.push_int(number.into());
            }
            if out.len() - start > JOINED_BYTES_MAX {
                return Reading::Null;
            }
        }
        if listed.len() == 0 { Reading::Null } else { Reading::Str }
    }

    fn listed(&self, name: &[u8]) -> Option<Listed<'a>> {
        let at = |name: &[u8]| self.documents.get(&Path::parse(name).ok()?);
        if let Some(name) = name.strip_suffix(b".keys") {
            return match at(name)? {
                Tree::Object(object) => Some(Listed::Keys(object)),
                _ => None,
            };
        }
        let (name, values) = match name.strip_suffix(b".values") {
            Some(name) => (name, true),
            None => (name, false),
        };
        match at(name)? {
            Tree::Array(array) => Some(Listed::Elements(array)),
            Tree::Object(object) if values => Some(Listed::Values(object)),
            _ => None,
        }
    }
}

impl Listed<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Keys(object) | Self::Values(object) => object.len(),
            Self::Elements(array) => array.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"n":5,"big":5000000000,"huge":18446744073709551615,"pi":3.5,"t":true,
        "nil":null,"s":"text","list":[1,null,"b",{"k":2}],"o":{"a":1,"b/c":"x"}}"#;

    fn documents() -> Documents {
        let mut documents = Documents::default();
        let path = Path::parse(b"x").unwrap();
        documents.set(&path, Assign::SetAll, Value::Str(TEXT.as_bytes())).unwrap();
        documents
    }

    fn shown(ask: impl FnOnce(&Reader<'_>, &mut Text) -> Reading) -> String {
        let mut text = Text::new(10_000);
        let documents = documents();
        let reader = Reader { documents: &documents, style: Style::Spaced, quoting: false };
        let reading = ask(&reader, &mut text);
        let text = String::from_utf8(text.as_bytes().to_vec()).unwrap();
        match reading {
            Reading::Null => "NULL".to_owned(),
            Reading::Int(number) => format!("int {number}"),
            Reading::Str => text,
            Reading::StrInt(number) => format!("{text} int {number}"),
        }
    }

    /// spec/script.md §7.3: scalars are int or string, the rest is JSON text, unknown is NULL.
    #[test]
    fn values_have_the_forms_that_scripts_expect() {
        let value = |path: &str| shown(|reader, out| reader.value(path.as_bytes(), out));
        for (path, expected) in [
            ("x/n", "int 5"),
            ("x/big", "5000000000 int 2147483647"),
            ("x/huge", "18446744073709551615 int 2147483647"),
            ("x/pi", "3.5"),
            ("x/t", "int 1"),
            ("x/nil", "NULL"),
            ("x/s", "text"),
            ("x/list[2]", "b"),
            ("x/list[-1]/k", "int 2"),
            ("x/list[-1]", r#"{ "k": 2 }"#),
            (r"x/o/b\/c", "x"),
            ("x/list[9]", "NULL"),
            ("x/list[]", "NULL"),
            ("x/s/a", "NULL"),
            ("y", "NULL"),
        ] {
            assert_eq!(value(path), expected, "{path}");
        }
        let documents = documents();
        let reader = Reader { documents: &documents, style: Style::Spaced, quoting: true };
        assert_eq!(reader.value(b"x/big", &mut Text::new(100)), Reading::Str);
    }

    /// spec/script.md §7.3: `.keys` and `.values` enumerate.
    #[test]
    fn indexes_enumerate_keys_values_and_elements() {
        let at = |path: &str, n| shown(|reader, out| reader.element(path.as_bytes(), n, out));
        assert_eq!(at("x/o.keys", 0), "a");
        assert_eq!(at("x/o.keys", 1), "b/c");
        assert_eq!(at("x/o.keys", -1), "b/c");
        assert_eq!(at("x/o.keys", 2), "NULL");
        assert_eq!(at("x/o.values", 0), "int 1");
        assert_eq!(at("x/list", 1), "null");
        assert_eq!(at("x/list.values", 2), "b");
        assert_eq!(at("x/list", 4), "NULL");
        assert_eq!(at("x/s", 0), "NULL");
        let all = |path: &str| shown(|reader, out| reader.joined(path.as_bytes(), out));
        assert_eq!(all("x/list"), r#"1, null, b, { "k": 2 }"#);
        assert_eq!(all("x/o.keys"), "a, b/c");
        assert_eq!(all("y"), "NULL");
    }

    #[test]
    fn paths_are_checked_at_load() {
        assert_eq!(check("x/a[0]"), Ok(None));
        assert!(check("x[").is_err());
    }
}
