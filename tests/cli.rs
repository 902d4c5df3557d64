//! The commands around scripts, as somebody at a prompt sees them: the built program, its whole
//! output, its exit code.
#![allow(clippy::unwrap_used)] // An error is a failed test.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory of one test, with files in it.
struct Desk(PathBuf);

impl Desk {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            fs::write(path.join(file), text).unwrap();
        }
        Self(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
        command.current_dir(&self.0).args(arguments).env("COLUMNS", "100").env_remove("NO_COLOR");
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().unwrap())
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    /// The names of what lies there.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// All that a run leaves behind.
fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "exit code {}\n--- standard output\n{}--- standard error\n{}",
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    )
}

const HARDLY_MEANT: &str = r#"listen = udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
include_file "more.cfg"

route {
	$var(unread) = 1;
	if ($ru == "sip:$si" || $si == "192.0.2.1" && 1) {
		exit;
		sl_send_reply(200, "OK");
	}
	# duologue: allow(unassigned-variable)
	xlog("$var(unset)\n");
}
"#;

const MORE: &str = "route[more] {\n\trewritehost(\"192.0.2.1\");\n}\n";

const MISTAKEN: &str = r#"socket = udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"

route {
	sl_send_reply("200", "OK");
	route(nowhere);
	xlgo("x");
}
"#;

#[test]
fn check_tells_what_is_hardly_meant() {
    let desk = Desk::with("hardly_meant", &[("a.cfg", HARDLY_MEANT), ("more.cfg", MORE)]);
    insta::assert_snapshot!("check_human", desk.run(&["check", "a.cfg"]));
    insta::assert_snapshot!("check_json", desk.run(&["check", "--format", "json", "a.cfg"]));
}

#[test]
fn check_tells_mistakes() {
    let desk = Desk::with("mistaken", &[("a.cfg", MISTAKEN)]);
    insta::assert_snapshot!("mistakes_human", desk.run(&["check", "a.cfg"]));
    insta::assert_snapshot!("mistakes_json", desk.run(&["check", "--format=json", "a.cfg"]));
    assert!(desk.run(&["check", "gone.cfg"]).starts_with("exit code 1\n"));
}

#[test]
fn warnings_can_be_denied() {
    let desk = Desk::with("denied", &[("a.cfg", "route {\n\t$var(a) = 1;\n}\n")]);
    let code = |deny: &[&str]| {
        let arguments = [&["check", "a.cfg"], deny].concat();
        desk.command(&arguments).output().unwrap().status.code().unwrap()
    };
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&["--deny", "warnings"]), 1);
    assert_eq!(code(&["--deny", "unused-variable"]), 1);
    assert_eq!(code(&["--deny", "unused-route"]), 0);
    assert_eq!(code(&["--deny", "unused-root"]), 2);
}

#[test]
fn check_reads_standard_input() {
    let desk = Desk::with("standard_input", &[]);
    let mut command = desk.command(&["check", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"route {\n}\n").unwrap();
    insta::assert_snapshot!(shown(&child.wait_with_output().unwrap()));
}

const CROOKED: &str = "route{ # in\n  if($rm==\"ACK\")exit;\n}\n";
const STRAIGHT: &str = "route {  # in\n\tif ($rm == \"ACK\")\n\t\texit;\n}\n";

#[test]
fn fmt_writes_in_place_and_keeps_permissions() {
    let desk = Desk::with("in_place", &[("a.cfg", CROOKED), ("b.cfg", STRAIGHT)]);
    fs::set_permissions(desk.0.join("a.cfg"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.cfg", desk.0.join("link.cfg")).unwrap();
    insta::assert_snapshot!(desk.run(&["fmt", "link.cfg", "b.cfg"]));
    assert_eq!(desk.read("a.cfg"), STRAIGHT);
    assert_eq!(fs::metadata(desk.0.join("a.cfg")).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(desk.0.join("link.cfg")).unwrap().is_symlink());
    assert_eq!(desk.files(), ["a.cfg", "b.cfg", "link.cfg"]);
}

#[test]
fn fmt_can_show_instead_of_writing() {
    let desk = Desk::with("shown", &[("a.cfg", CROOKED), ("b.cfg", STRAIGHT)]);
    insta::assert_snapshot!("fmt_check", desk.run(&["fmt", "--check", "a.cfg", "b.cfg"]));
    insta::assert_snapshot!("fmt_stdout", desk.run(&["fmt", "--stdout", "a.cfg"]));
    assert_eq!(desk.read("a.cfg"), CROOKED);
    assert!(desk.run(&["fmt", "--check", "b.cfg"]).starts_with("exit code 0\n"));
}

#[test]
fn fmt_leaves_a_script_with_mistakes_alone() {
    let wrong = "route {\n\texit\n}\n";
    let desk = Desk::with("left_alone", &[("a.cfg", wrong)]);
    insta::assert_snapshot!(desk.run(&["fmt", "a.cfg"]));
    assert_eq!(desk.read("a.cfg"), wrong);
    assert_eq!(desk.files(), ["a.cfg"]);
}

#[test]
fn help_tells_options_and_exit_codes() {
    let desk = Desk::with("help", &[]);
    insta::assert_snapshot!("help", desk.run(&["--help"]));
    insta::assert_snapshot!("help_check", desk.run(&["check", "--help"]));
    insta::assert_snapshot!("help_fmt", desk.run(&["fmt", "--help"]));
    insta::assert_snapshot!("help_db_migrate", desk.run(&["db", "migrate", "--help"]));
}

// The token with which the tools come in is not the one that a proxy started beside them asks for.
#[test]
fn the_proxy_and_the_tools_read_tokens_of_different_names() {
    let script = "socket = udp:127.0.0.1:5060\nloadmodule \"proto_udp.so\"\nroute { exit; }\n";
    let desk = Desk::with("tokens", &[("a.cfg", script)]);
    // No header field carries this one, so whoever reads it refuses it.
    let with = |name: &str| {
        let mut command = desk.command(&["-C", "-f", "a.cfg"]);
        shown(&command.env(name, "two words").output().unwrap())
    };
    assert!(with("DUOLOGUE_TOKEN").starts_with("exit code 0\n"), "{}", with("DUOLOGUE_TOKEN"));
    for name in ["DUOLOGUE_SERVER_TOKEN", "DUOLOGUE_SERVER_READ_ONLY_TOKEN"] {
        assert!(with(name).contains("has characters that no header field carries"), "{name}");
    }
}

#[test]
fn tables_are_checked_and_made() {
    // An empty file is an empty database.
    let desk = Desk::with("tables", &[("calls.db", "")]);
    let url = format!("sqlite://{}", desk.0.join("calls.db").display());
    insta::assert_snapshot!("db_check", desk.run(&["db", "check", &url]));
    let done = |arguments: &[&str]| {
        let output = desk.command(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let create = ["db", "create", &*url];
    assert_eq!(done(&create), "made version, dialog, location, dialog_rejected\n");
    assert_eq!(done(&create), "all tables are there\n");
    assert_eq!(done(&["db", "migrate", &url]), "all tables are up to date\n");
    assert_eq!(done(&["db", "check", &url]), "all is well\n");
    let other = ["db", "check", &*url, "--dialog-table", "calls"];
    assert!(desk.run(&other).starts_with("exit code 1\n"));
    assert!(desk.run(&["db", "check", &url.replace("calls", "none")]).starts_with("exit code 2\n"));
    assert_eq!(desk.files(), ["calls.db"], "a check makes no file");
}

#[test]
fn a_database_that_cannot_be_used_is_told_without_its_password() {
    let desk = Desk::with("databases", &[]);
    // Port 1 of this machine: nobody listens.
    for url in ["postgres://u:secret@127.0.0.1:1/d", "mysql://u:secret@127.0.0.1:1/d", "oracle:x"] {
        let shown = desk.run(&["db", "check", url]);
        assert!(shown.starts_with("exit code 2\n"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
    // From the environment, where nobody sees it.
    let output = desk
        .command(&["db", "check"])
        .env("DUOLOGUE_DB_URL", "mysql://u:secret@127.0.0.1:1/d")
        .output();
    let shown = shown(&output.unwrap());
    assert!(shown.contains("mysql://u:***@127.0.0.1:1/d: connection lost"), "{shown}");
}

#[test]
fn options_and_commands_do_not_mix() {
    let desk = Desk::with("mixed", &[("a.cfg", STRAIGHT)]);
    assert!(desk.run(&["-f", "a.cfg", "check", "a.cfg"]).starts_with("exit code 2\n"));
}

#[test]
fn completions_and_manual_pages_are_made_from_the_options() {
    let desk = Desk::with("made", &[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = desk.run(&["completions", shell]);
        assert!(completions.starts_with("exit code 0\n"), "{completions}");
        assert!(
            completions.contains("unused-variable") || shell == "elvish" || shell == "powershell"
        );
    }
    let page = desk.run(&["man"]);
    assert!(page.contains(".TH duologue 1") && page.contains("OpenSIPS"), "{page}");
    let page = desk.run(&["man", "check"]);
    assert!(
        page.contains(".TH duologue-check 1")
            && page.contains("--deny".replace('-', "\\-").as_str())
    );
    assert!(desk.run(&["man", "nothing"]).starts_with("exit code 2\n"));
}

/// The scripts that people start from, and those that stand for what operators run.
#[test]
fn our_own_scripts_are_laid_out_and_without_warnings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scripts = vec!["src/default.cfg".to_owned(), "tests/sipp/proxy.cfg".to_owned()];
    for entry in fs::read_dir(root.join("tests/deployments")).unwrap() {
        scripts.push(format!("tests/deployments/{}", entry.unwrap().file_name().display()));
    }
    let run = |arguments: &[&str], scripts: &[String]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
        let output = command.current_dir(root).args(arguments).args(scripts).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
    };
    run(&["check", "--deny", "warnings"], &scripts);
    // This one needs the module of its example, which the program does not have.
    scripts.push("examples/call_limiter.cfg".to_owned());
    run(&["fmt", "--check"], &scripts);
}
