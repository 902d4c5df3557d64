//! `docs/compatibility.md` is rendered from the declarations that scripts are checked against, so that
//! the page cannot promise what is not there. `cargo xtask docs` rewrites it.
#![allow(clippy::unwrap_used)] // An error is a failed test.

mod proofs;

use std::fmt::Write as _;
use std::path::Path;

use duologue_script::{
    FlagKind, Param, ParamKind, ParameterKind, RouteKind, RouteKinds, Standing, Subname,
    own_transformations,
};
use duologue_server::core::{
    FUNCTIONS, PLANNED_FUNCTIONS, PLANNED_MODULES, PLANNED_VARIABLES, TRANSFORMATIONS, VARIABLES,
};
use duologue_server::module::{Function, Module, Parameter, Variable};
use duologue_server::modules;
use proofs::Proofs;

/// The kinds of blocks, in the order of the page.
const KINDS: [RouteKind; 9] = [
    RouteKind::Request,
    RouteKind::Branch,
    RouteKind::Failure,
    RouteKind::Reply,
    RouteKind::Error,
    RouteKind::Local,
    RouteKind::Startup,
    RouteKind::Timer,
    RouteKind::Event,
];

const INTRODUCTION: &str = "\
# Compatibility: what scripts can use

This page is made from the declarations against which scripts are checked when they load; a test
fails when the two differ. To renew it: `cargo xtask docs`.

How to read it:

- A parameter of a function in *[brackets]* may be left out.
- *Blocks* are those from which a function may be called, directly or through `route()`.
- A name that is *planned* is known to Duologue and not built yet. A script that uses one does not
  load, and is told so. Other names are unknown: the error names the nearest one that exists.
- *Test* names a test that uses it; where nothing stands there, none does.
- What belongs to the language itself is not listed: statements, `route()`, `xlog()`, `$var`,
  `$param`, `$retcode`, `$return`, `$route`, `$cfg_line`, `$cfg_file`.
";

#[test]
fn the_page_says_what_the_declarations_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).position(|(was, is)| was != is);
    let line = differs.unwrap_or(written.lines().count().min(page.lines().count())) + 1;
    assert!(
        written == page,
        "docs/compatibility.md is out of date from line {line}: `cargo xtask docs` rewrites it"
    );
}

#[test]
fn what_is_built_is_not_planned() {
    let all = modules::ALL;
    let functions = all.iter().flat_map(|module| module.functions).chain(FUNCTIONS);
    let variables = all.iter().flat_map(|module| module.variables).chain(VARIABLES);
    let built_and_planned: Vec<&str> = functions
        .map(|function| function.name)
        .filter(|name| PLANNED_FUNCTIONS.contains(name))
        .chain(
            variables
                .flat_map(|variable| variable.names.iter().copied())
                .filter(|name| PLANNED_VARIABLES.contains(name)),
        )
        .chain(all.iter().map(|module| module.name).filter(|name| PLANNED_MODULES.contains(name)))
        .collect();
    assert_eq!(built_and_planned, [""; 0]);
}

fn page() -> String {
    let proofs = &Proofs::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Modules\n\n| Module | Functions | Variables | Parameters |\n");
    page.push_str("| --- | --- | --- | --- |\n");
    let built = |parameters: &[Parameter]| parameters.iter().filter(|each| each.built).count();
    row(&mut page, "[core](#core)", FUNCTIONS.len(), VARIABLES.len(), 0);
    for Module { name, functions, variables, parameters, .. } in modules::ALL {
        let link = format!("[{name}](#{name})");
        row(&mut page, &link, functions.len(), variables.len(), built(parameters));
    }
    page.push_str("\nPlanned:\n\n");
    names(&mut page, PLANNED_MODULES.iter().copied());

    page.push_str("\n## core\n\nNeeds no `loadmodule`.\n");
    functions(&mut page, FUNCTIONS, proofs);
    variables(&mut page, VARIABLES, proofs);
    transformations(&mut page, proofs);
    for module in modules::ALL {
        let Module { name, functions: declared, .. } = module;
        write!(page, "\n## {name}\n\n`loadmodule \"{name}.so\"`\n").unwrap();
        functions(&mut page, declared, proofs);
        if !module.asynchronous.is_empty() {
            page.push_str("\nIn `async()` and `launch()`:\n\n");
            names(&mut page, module.asynchronous.iter().map(|function| function.name));
        }
        variables(&mut page, module.variables, proofs);
        parameters(&mut page, module, proofs);
    }

    page.push_str("\n## Planned functions\n\nOf the core and of the modules above.\n\n");
    names(&mut page, PLANNED_FUNCTIONS.iter().copied());
    page.push_str("\n## Planned variables\n\nOf the core and of the modules above.\n\n");
    let dollars: Vec<String> = PLANNED_VARIABLES.iter().map(|name| format!("${name}")).collect();
    names(&mut page, dollars.iter().map(String::as_str));
    page
}

fn row(page: &mut String, name: &str, functions: usize, variables: usize, parameters: usize) {
    writeln!(page, "| {name} | {functions} | {variables} | {parameters} |").unwrap();
}

fn functions(page: &mut String, functions: &[Function], proofs: &Proofs) {
    if functions.is_empty() {
        return;
    }
    page.push_str("\n| Function | Parameters | Blocks | Test |\n| --- | --- | --- | --- |\n");
    for Function { name, params, routes, .. } in functions {
        let params: Vec<String> = params.iter().map(parameter).collect();
        let params = params.join(", ");
        let test = test(proofs.function(name));
        writeln!(page, "| `{name}()` | {params} | {} | {test} |", blocks(*routes)).unwrap();
    }
}

fn parameter(param: &Param) -> String {
    let kind = match param.kind {
        ParamKind::Int => "number".to_owned(),
        ParamKind::Str => "text".to_owned(),
        ParamKind::Verbatim => "text, expanded later".to_owned(),
        ParamKind::Static => "constant text".to_owned(),
        ParamKind::Var => "variable".to_owned(),
        ParamKind::AnyVar => "any variable".to_owned(),
        ParamKind::Regex => "regular expression".to_owned(),
        ParamKind::TextRegex => "regular expression over lines".to_owned(),
        ParamKind::Substitution => "substitution `/regex/replacement/flags`".to_owned(),
        ParamKind::Route(kind) => format!("name of a `{}`", kind.keyword()),
        ParamKind::Flag(FlagKind::Message) => "message flag".to_owned(),
        ParamKind::Flag(FlagKind::Branch) => "branch flag".to_owned(),
        ParamKind::Flag(FlagKind::Dialog) => "dialog flag".to_owned(),
    };
    if param.optional { format!("[{kind}]") } else { kind }
}

fn blocks(routes: RouteKinds) -> String {
    if routes == RouteKinds::all() {
        return "all".to_owned();
    }
    let named = KINDS.iter().filter(|kind| routes.contains(kind.set()));
    named.map(|kind| format!("`{}`", kind.keyword())).collect::<Vec<_>>().join(", ")
}

/// A link to the test's file; nothing without one.
fn test(file: Option<&str>) -> String {
    file.map(|file| format!("[{}](../{file})", file.trim_start_matches("crates/")))
        .unwrap_or_default()
}

/// Those of the language, then those of the host.
fn transformations(page: &mut String, proofs: &Proofs) {
    page.push_str("\n| Transformation | State | Test |\n| --- | --- | --- |\n");
    let own = own_transformations().map(|name| (name.to_owned(), true));
    let of_host = TRANSFORMATIONS
        .iter()
        .map(|it| (format!("{}.{}", it.class, it.op), it.standing == Standing::Built));
    for (name, built) in own.chain(of_host) {
        let state = if built { "built" } else { "planned" };
        let test = test(proofs.transformation(&name));
        writeln!(page, "| `{{{name}}}` | {state} | {test} |").unwrap();
    }
}

fn variables(page: &mut String, variables: &[Variable], proofs: &Proofs) {
    if variables.is_empty() {
        return;
    }
    page.push_str("\n| Variable | Also | Can be written | Test |\n| --- | --- | --- | --- |\n");
    for Variable { names, subname, indexed, write, .. } in variables {
        let (first, others) = names.split_first().expect("a variable has a name");
        let inner = match subname {
            Subname::None => "",
            Subname::Optional => "[(name)]",
            Subname::Required => "(name)",
            Subname::Path => "(path)",
            Subname::Flag(_) => "(flag)",
        };
        let index = if *indexed { "[index]" } else { "" };
        // As it is written: with an index, the name stands in parentheses.
        let shown = if index.is_empty() {
            format!("${first}{inner}")
        } else {
            format!("$({first}{inner}{index})")
        };
        let others: Vec<String> = others.iter().map(|name| format!("`${name}`")).collect();
        let written = if write.is_some() { "yes" } else { "" };
        let test = test(proofs.variable(names));
        writeln!(page, "| `{shown}` | {} | {written} | {test} |", others.join(", ")).unwrap();
    }
}

fn parameters(page: &mut String, module: &Module, proofs: &Proofs) {
    let parameters = module.parameters;
    if parameters.iter().any(|each| each.built) {
        page.push_str("\n| Parameter | Takes | Test |\n| --- | --- | --- |\n");
    }
    for Parameter { name, kind, .. } in parameters.iter().filter(|each| each.built) {
        let kind = match kind {
            ParameterKind::Int => "number",
            ParameterKind::Str => "text",
            ParameterKind::Any => "number or text",
        };
        let test = test(proofs.parameter(module.name, name));
        writeln!(page, "| `{name}` | {kind} | {test} |").unwrap();
    }
    let planned = || parameters.iter().filter(|each| !each.built).map(|each| each.name);
    if planned().next().is_some() {
        page.push_str("\nPlanned parameters:\n\n");
        names(page, planned());
    }
}

/// Names in code style, as a paragraph of short lines.
fn names<'a>(page: &mut String, names: impl Iterator<Item = &'a str>) {
    const WIDTH: usize = 96;
    let mut width = 0;
    let mut first = true;
    for name in names {
        let word = name.len() + 4;
        if !first {
            page.push(',');
            if width + word > WIDTH {
                page.push('\n');
                width = 0;
            } else {
                page.push(' ');
            }
        }
        write!(page, "`{name}`").unwrap();
        width += word;
        first = false;
    }
    page.push_str(".\n");
}
