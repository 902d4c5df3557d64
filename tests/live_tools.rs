//! The commands that ask a running server, where there is none or nothing to ask: what they say, and
//! their exit codes. With a server they are tried by `cargo xtask terminal`.
#![allow(clippy::unwrap_used)] // An error is a failed test.

use std::net::TcpListener;
use std::process::{Command, Stdio};

/// The exit code and what is said on standard error.
fn run(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    // Bound and dropped: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command.args(arguments).env("DUOLOGUE_URL", format!("http://{nobody}/mi"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{arguments:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_server_that_is_not_there_is_two() {
    for arguments in [&["mi"][..], &["mi", "ps"], &["dialogs", "--count"], &["stats"]] {
        let (code, said) = run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.starts_with("duologue: no server answers at http://127.0.0.1:"), "{said}");
    }
}

#[test]
fn a_wrong_command_line_is_sixty_four() {
    for (arguments, wanted) in [
        (&["dialogs", "--state", "asleep"][..], "confirmed_na"),
        (&["dialogs", "--older-than", "soon"], "90s"),
        (&["dialogs", "--columns", "id,colour"], "caller_contact"),
        (&["dialogs", "--yes"], "--end"),
        (&["dialogs", "--end"], "--all"),
        (&["mi", "dlg_list", "5", "counter=3"], "--positional"),
        (&["mi", "ps", "--url", "ftp://127.0.0.1/mi"], "https"),
        (&["mi", "ps", "--ca", "/no/such/file"], "--ca /no/such/file"),
        (&["stats", "--watch", "0"], "a second"),
        (&["top"], "needs a terminal"),
    ] {
        let (code, said) = run(arguments);
        assert_eq!(code, 64, "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

#[test]
fn other_wrong_command_lines_are_two() {
    assert_eq!(run(&["no-such-command"]).0, 2);
    assert_eq!(run(&["check"]).0, 2);
}
