//! Management over TLS as the script sets it up, and the tools that ask there.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use duologue::management::Doors;
use duologue::{Builder, Server, management};
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A directory with a certificate in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("duologue-https-{name}-{}", std::process::id());
        let scratch = Self(std::env::temp_dir().join(name));
        fs::create_dir(&scratch.0).unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        fs::write(scratch.0.join("cert.pem"), cert.pem()).unwrap();
        fs::write(scratch.0.join("key.pem"), signing_key.serialize_pem()).unwrap();
        scratch
    }

    /// A script, with this directory in the place of `HERE`.
    fn script(&self, settings: &str) -> Builder {
        let settings = settings.replace("HERE", &self.0.display().to_string());
        let script = format!(
            "loadmodule \"proto_udp.so\"\nloadmodule \"httpd.so\"\nloadmodule \"mi_http.so\"\n\
             modparam(\"httpd\", \"port\", 0)\n{settings}\nroute {{ exit; }}"
        );
        Builder::text(script).sockets(["127.0.0.1:0".to_owned()])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(script: Builder) -> Result<(Arc<Server>, Doors), management::rpc::Error> {
    let server = Arc::new(script.start().unwrap());
    let registry = management::commands(&server, || {}).unwrap();
    let doors = management::open(&server, &Arc::new(registry))?;
    Ok((server, doors))
}

const FILES: &str = r#"
    modparam("httpd", "tls_cert_file", "HERE/cert.pem")
    modparam("httpd", "tls_key_file", "HERE/key.pem")
"#;

/// Exit code, standard output and standard error of a tool.
fn tool(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    for name in ["DUOLOGUE_URL", "DUOLOGUE_TOKEN", "DUOLOGUE_CA"] {
        command.env_remove(name);
    }
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_tools_ask_over_tls() {
    let scratch = Scratch::new("tools");
    let (_server, doors) = open(scratch.script(FILES)).unwrap();
    let url = &doors.places()[0];
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let ca = scratch.0.join("cert.pem").display().to_string();
    let (code, out, said) =
        tool(&["mi", "get_statistics", "core:calls", "--url", url, "--ca", &ca]);
    assert_eq!((code, &*out), (0, "{\"core:calls\":0}\n"), "{said}");
    // The web knows nothing of this certificate.
    let (code, _, said) = tool(&["mi", "ps", "--url", url]);
    assert!(code == 2 && said.contains("--ca names whom to trust"), "{code} {said}");
    let key = scratch.0.join("key.pem").display().to_string();
    let (code, _, said) = tool(&["mi", "ps", "--url", url, "--ca", &key]);
    assert!(code == 64 && said.contains("no certificate in it"), "{code} {said}");
    // Plain HTTP is not spoken there.
    let (code, _, said) = tool(&["mi", "ps", "--url", &url.replace("https", "http")]);
    assert!(code == 2 && said.contains("no server answers"), "{code} {said}");
}

#[test]
fn bad_files_refuse_the_start() {
    let scratch = Scratch::new("bad");
    let mixed = r#"
        modparam("httpd", "tls_cert_file", "HERE/cert.pem")
        modparam("httpd", "tls_key_file", "HERE/nothing.pem")
    "#;
    let error = open(scratch.script(mixed)).unwrap_err().to_string();
    assert!(error.contains("/nothing.pem for TLS: No such file"), "{error}");
    for one in ["tls_cert_file", "tls_key_file"] {
        let alone = format!("modparam(\"httpd\", \"{one}\", \"HERE/cert.pem\")");
        let error = scratch.script(&alone).plan().unwrap_err().to_string();
        assert!(error.contains("belong together"), "{error}");
    }
}

// What is wrong with the door is told by `-C`, not by the next restart.
#[test]
fn the_check_sees_what_would_refuse_the_start() {
    let scratch = Scratch::new("checked");
    let check = |settings: &str| {
        let file = scratch.0.join("checked.cfg");
        let settings = settings.replace("HERE", &scratch.0.display().to_string());
        let script = format!(
            "socket = udp:127.0.0.1:5060\nloadmodule \"proto_udp.so\"\nloadmodule \"httpd.so\"\n\
             loadmodule \"mi_http.so\"\nloadmodule \"prometheus.so\"\n{settings}\nroute {{ exit; }}"
        );
        fs::write(&file, script).unwrap();
        let (code, _, said) = tool(&["-C", "-f", &file.display().to_string()]);
        (code, said)
    };
    assert_eq!(check(FILES), (0, String::new()));
    let (code, said) = check(&FILES.replace("key.pem", "nothing.pem"));
    assert!(code == 1 && said.contains("/nothing.pem for TLS: No such file"), "{code} {said}");
    let (code, said) = check("modparam(\"prometheus\", \"root\", \"mi\")");
    assert!(code == 1 && said.contains("/mi is the path of mi_http and of prometheus"), "{said}");
    // In another root the names lead elsewhere.
    let elsewhere = FILES.replace("HERE", "/in/the/root");
    assert_eq!(check(&format!("chroot = \"HERE\"\n{elsewhere}")).0, 0);
}

#[test]
fn a_list_of_ciphers_is_taken_with_a_notice() {
    let scratch = Scratch::new("ciphers");
    let ciphers = format!("{FILES}\nmodparam(\"httpd\", \"tls_ciphers\", \"SECURE256\")");
    let plan = scratch.script(&ciphers).plan().unwrap();
    let warnings: Vec<_> = plan.warnings().list().iter().map(|it| it.message.clone()).collect();
    assert!(
        matches!(&warnings[..], [one] if one.contains("tls_ciphers") && one.contains("strong")),
        "{warnings:?}"
    );
}
