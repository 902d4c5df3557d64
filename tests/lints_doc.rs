//! `docs/lints.md` is made from the table of lints, and each of its examples is tried.
//! `cargo xtask docs` rewrites it.
#![allow(clippy::unwrap_used)] // An error is a failed test.

use std::fmt::Write as _;
use std::path::Path;

use duologue::Plan;
use duologue::language::LINTS;
use duologue::script::{TEXT_NAME, Text};

const INTRODUCTION: &str = "\
# Lints: what works, but is hardly meant

`duologue check FILE` tells of mistakes, which keep a script from loading, and of what is listed here.
`--deny warnings` makes its exit code 1 when there is any, `--deny NAME` when there is one of that name;
`--format json` prints one JSON object per line.

A comment `# duologue: allow(NAME)` silences a lint on its own line or, if it stands alone, on the next
line with code. Several names are separated by commas.

This page is made from the table of lints; a test fails when the two differ. To renew it:
`cargo xtask docs`.
";

#[test]
fn the_page_says_what_the_table_says() {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n| Name | Finds |\n| --- | --- |\n");
    for lint in LINTS {
        writeln!(page, "| [`{0}`](#{0}) | {1} |", lint.code, lint.finds).unwrap();
    }
    for lint in LINTS {
        write!(
            page,
            "\n## {}\n\nFinds {}. {}\n\n```\n{}```\n\nInstead:\n\n```\n{}```\n",
            lint.code, lint.finds, lint.why, lint.wrong, lint.right
        )
        .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lints.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/lints.md is out of date: `cargo xtask docs` rewrites it");
}

/// The lints that find something in a script, each once.
fn found(script: &str) -> Vec<&'static str> {
    let plan = Plan::lint(TEXT_NAME, &Text(script.to_owned()), &[]);
    let plan = plan.unwrap_or_else(|error| panic!("{error}\n{script}"));
    let mut codes: Vec<_> = plan.warnings().list().iter().filter_map(|it| it.code).collect();
    codes.dedup();
    codes
}

#[test]
fn the_examples_are_as_they_are_called() {
    for lint in LINTS {
        assert_eq!(found(lint.wrong), [lint.code], "{}", lint.wrong);
        assert_eq!(found(lint.right), [""; 0], "{}", lint.right);
        for example in [lint.wrong, lint.right] {
            let laid_out = duologue::language::format(TEXT_NAME, example).unwrap();
            assert_eq!(laid_out, example);
        }
    }
}
