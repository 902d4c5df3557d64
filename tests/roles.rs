//! Roles and the audit: what who may only read can do over each door, and the line that tells of
//! each command that changes something.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use duologue::management::rpc::datagram::Address;
use duologue::management::rpc::{Warning, audit};
use duologue::management::{Doors, Tokens};
use duologue::{Builder, Server, management};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt as _;

/// Nothing takes longer.
const LIMIT: Duration = Duration::from_secs(20);

const HTTP: &str = r#"
    loadmodule "httpd.so"
    loadmodule "mi_http.so"
    loadmodule "prometheus.so"
    modparam("httpd", "port", 0)
"#;

/// A running server and its doors.
struct House {
    doors: Doors,
    directory: PathBuf,
    server: Arc<Server>,
}

impl House {
    fn open(name: &str, settings: &str, tokens: Tokens) -> Self {
        let directory =
            std::env::temp_dir().join(format!("duologue-roles-{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let settings = settings.replace("HERE", &directory.display().to_string());
        let script = format!(
            "loadmodule \"proto_udp.so\"\nloadmodule \"cfgutils.so\"\n\
             loadmodule \"cachedb_local.so\"\n{settings}\nroute {{ exit; }}"
        );
        let sockets = ["127.0.0.1:0".to_owned()];
        let server = Arc::new(Builder::text(script).sockets(sockets).start().unwrap());
        let registry = management::commands(&server, || {}).unwrap();
        let doors = management::open_with(&server, &Arc::new(registry), tokens).unwrap();
        Self { doors, directory, server }
    }

    /// What nobody but the server says: the shared variable that commands of these tests set.
    fn is_set(&self, name: &str) -> bool {
        let settings: &duologue::server::modules::cfgutils::CfgutilsSettings =
            self.server.node().settings();
        settings.shared.get(name.as_bytes()).is_some()
    }

    /// Head and body of the response to a command over HTTP.
    fn posted(&self, authorization: &str, document: &Value) -> (String, Value) {
        posted(self.doors.http().unwrap().address(), authorization, document)
    }

    fn exchanged(&self, line: &str, body: &str) -> (String, String) {
        exchanged(self.doors.http().unwrap().address(), line, body)
    }
}

fn posted(address: SocketAddr, authorization: &str, document: &Value) -> (String, Value) {
    let body = document.to_string();
    let line = format!(
        "POST /mi HTTP/1.1\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {}",
        body.len()
    );
    let (head, body) = exchanged(address, &line, &body);
    (head, serde_json::from_str(&body).unwrap_or_default())
}

fn exchanged(address: SocketAddr, line: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "{line}\r\nHost: {address}\r\nConnection: close\r\n\r\n{body}").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params, "id": 1 })
}

/// Sets a shared variable, which tests find again in the audit by its name.
fn sets(name: &str) -> Value {
    request("shv_set", json!({ "name": name, "type": "int", "value": 1 }))
}

/// The lines of the audit in this process, as `command name=value …`.
fn audited() -> &'static Mutex<Vec<String>> {
    struct Keep;
    #[derive(Default)]
    struct Text(String, String);
    impl Visit for Text {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            match field.name() {
                "message" => self.0 = format!("{value:?}"),
                name => self.1 += &format!(" {name}={value:?}"),
            }
        }
    }
    impl<S: tracing::Subscriber> Layer<S> for Keep {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            if event.metadata().target() == audit::TARGET {
                assert_eq!(*event.metadata().level(), tracing::Level::INFO);
                let mut text = Text::default();
                event.record(&mut text);
                audited().lock().unwrap().push(text.0 + &text.1);
            }
        }
    }
    static LINES: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    let mut first = false;
    let lines = LINES.get_or_init(|| {
        first = true;
        Mutex::default()
    });
    if first {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Keep)).unwrap();
    }
    lines
}

/// The lines that have a word in them, once there are as many as there should be.
fn lines_with(word: &str, count: usize) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let lines = audited().lock().unwrap();
        let found: Vec<_> = lines.iter().filter(|line| line.contains(word)).cloned().collect();
        if found.len() >= count || Instant::now() > deadline {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        drop(lines);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn tokens_of_the_script_have_roles() {
    audited();
    let house = House::open(
        "script",
        &format!(
            "{HTTP}\nmodparam(\"httpd\", \"token\", \"f4ll\")\n\
             modparam(\"httpd\", \"read_only_token\", \"r3ader\")"
        ),
        Tokens::default(),
    );
    let (full, reader) = ("Authorization: Bearer f4ll\r\n", "Authorization: Bearer r3ader\r\n");
    for stranger in ["", "Authorization: Bearer f4lL\r\n"] {
        let (head, _) = house.posted(stranger, &sets("of_nobody"));
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    }
    let (head, refused) = house.posted(reader, &sets("of_a_reader"));
    assert!(head.starts_with("HTTP/1.1 200 "), "every JSON-RPC answer has status 200: {head}");
    let why = "cfgutils:shv_set changes something, and this caller may only read";
    let error = json!({ "code": 403, "message": "Forbidden", "data": why });
    assert_eq!(refused, json!({ "jsonrpc": "2.0", "error": error, "id": 1 }));
    // Silence does not help either.
    let mut silent = sets("of_a_reader");
    silent.as_object_mut().unwrap().remove("id");
    assert!(house.posted(reader, &silent).0.starts_with("HTTP/1.1 202 "));
    assert!(!house.is_set("of_a_reader") && !house.is_set("of_nobody"));
    // What only reads runs for both: lists, statistics, metrics, the stream of changes.
    for authorization in [full, reader] {
        for (method, params) in [
            ("dlg_list", json!([])),
            ("get_statistics", json!([["all"]])),
            ("shv_get", json!([])),
            ("log_level", json!([])),
        ] {
            let (_, answer) = house.posted(authorization, &request(method, params));
            assert!(answer.get("result").is_some(), "{method}: {answer}");
        }
        for path in ["/metrics", "/healthz"] {
            let (head, _) = house
                .exchanged(&format!("GET {path} HTTP/1.1\r\n{}", authorization.trim_end()), "");
            assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        }
        let address = house.doors.http().unwrap().address();
        let mut watch = TcpStream::connect(address).unwrap();
        watch.set_read_timeout(Some(LIMIT)).unwrap();
        write!(watch, "GET /mi/dialogs/watch HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n")
            .unwrap();
        let mut beginning = [0; 15];
        watch.read_exact(&mut beginning).unwrap();
        assert_eq!(&beginning, b"HTTP/1.1 200 OK");
    }
    let level = request("log_level", json!([3]));
    assert_eq!(house.posted(reader, &level).1["error"]["code"], 403);
    let (_, done) = house.posted(full, &sets("of_the_owner"));
    assert_eq!(done["result"], "OK");
    assert!(house.is_set("of_the_owner"));
    assert_eq!(house.doors.warnings().count(), 0);
    let refused = lines_with("of_a_reader", 2);
    assert!(refused.iter().all(|line| line.contains("role=read-only")), "{refused:?}");
    assert!(refused.iter().all(|line| line.ends_with("result=403")), "{refused:?}");
    assert!(lines_with("of_the_owner", 1)[0].contains("role=full"));
    // Who is not let in at all does nothing that could be told.
    lines_with("of_nobody", 0);
}

#[test]
fn tokens_of_the_program_stand_for_those_of_the_script() {
    let tokens = Tokens { full: None, read_only: Some("mine".into()) };
    let house = House::open(
        "program",
        &format!("{HTTP}\nmodparam(\"httpd\", \"read_only_token\", \"script\")"),
        tokens,
    );
    let status = |token: &str, document: &Value| {
        let (head, answer) = house.posted(&format!("Authorization: Bearer {token}\r\n"), document);
        (head.split(' ').nth(1).unwrap().to_owned(), answer)
    };
    assert_eq!(status("script", &request("ps", json!([]))).0, "401");
    assert_eq!(status("mine", &request("ps", json!([]))).0, "200");
    // There is a token for readers alone, so nobody may change anything.
    assert_eq!(status("mine", &sets("of_mine")).1["error"]["code"], 403);
    assert!(house.posted("", &request("ps", json!([]))).0.starts_with("HTTP/1.1 401 "));
}

// The command line may hold what a reader must not know.
#[test]
fn a_reader_learns_no_token_from_the_command_line() {
    struct Program(Child);
    impl Drop for Program {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let script = std::env::temp_dir().join(format!("duologue-arg-{}.cfg", std::process::id()));
    fs::write(&script, format!("loadmodule \"proto_udp.so\"\n{HTTP}\nroute {{ exit; }}")).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_duologue"))
        .args(["--token", "S3CRET", "--read-only-token=r3ader", "-l", "127.0.0.1:0", "-f"])
        .arg(&script)
        .args(["--database", "mysql://me:passw0rd@127.0.0.1/calls"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut program = Program(program.unwrap());
    let said = BufReader::new(program.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let place = said.filter_map(|line| line.strip_prefix("management: http://").map(str::to_owned));
    let place = place.take(1).last().unwrap();
    let address = place.split_once('/').unwrap().0.parse().unwrap();
    let reader = "Authorization: Bearer r3ader\r\n";
    let (_, answer) = posted(address, reader, &request("arg", json!([])));
    fs::remove_file(&script).unwrap();
    let told: Vec<_> = answer["result"].as_array().unwrap().iter().skip(1).collect();
    let url = "mysql://me:***@127.0.0.1:3306/calls";
    let script = script.to_str().unwrap();
    assert_eq!(
        json!(told),
        json!([
            "--token",
            "***",
            "--read-only-token=***",
            "-l",
            "127.0.0.1:0",
            "-f",
            script,
            "--database",
            url
        ])
    );
}

#[test]
fn tokens_that_make_no_sense_are_refused() {
    let script = |settings: &str| {
        let script = format!("loadmodule \"proto_udp.so\"\n{HTTP}\n{settings}\nroute {{ exit; }}");
        Builder::text(script).sockets(["127.0.0.1:0".to_owned()])
    };
    let basic = |user: &str, password: &str| {
        format!(
            "modparam(\"httpd\", \"auth_username\", \"{user}\")\n\
             modparam(\"httpd\", \"auth_password\", \"{password}\")"
        )
    };
    for (line, says) in [
        (r#"modparam("httpd", "token", "")"#, "token is empty"),
        (r#"modparam("httpd", "read_only_token", "two words")"#, "read_only_token has characters"),
        (r#"modparam("httpd", "token", 7)"#, "token"),
        // Nor does a user without a name, or a password that everybody has.
        (&*basic("", "secret"), "auth_username is empty"),
        (&*basic("ada", ""), "auth_password is empty"),
    ] {
        let refused = script(line).plan().unwrap_err().to_string();
        assert!(refused.contains(says), "{line}: {refused}");
    }
    let one = r#"modparam("httpd", "token", "one")"#;
    let server = Arc::new(script(one).start().unwrap());
    let registry = Arc::new(management::commands(&server, || {}).unwrap());
    let tokens = Tokens { full: None, read_only: Some("one".into()) };
    let refused = management::open_with(&server, &registry, tokens).unwrap_err();
    assert!(refused.is_configuration(), "{refused}");
    assert_eq!(refused.to_string(), "token and read_only_token are the same");
}

#[test]
fn a_fifo_may_be_for_readers() {
    audited();
    let house = House::open(
        "fifo",
        r#"
        loadmodule "mi_fifo.so"
        modparam("mi_fifo", "fifo_name", "HERE/fifo")
        modparam("mi_fifo", "reply_dir", "HERE")
        modparam("mi_fifo", "read_only", 1)
        "#,
        Tokens::default(),
    );
    let ask = |name: &str, document: Value| -> Value {
        let reply = house.directory.join(name);
        assert!(Command::new("mkfifo").arg(&reply).status().unwrap().success());
        let fifo = house.directory.join("fifo");
        write!(OpenOptions::new().write(true).open(fifo).unwrap(), ":{name}:{document}").unwrap();
        let mut answer = String::new();
        File::open(reply).unwrap().read_to_string(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    assert!(ask("a", request("shv_get", json!([]))).get("result").is_some());
    assert_eq!(ask("b", sets("by_fifo"))["error"]["code"], 403);
    assert!(!house.is_set("by_fifo"));
    let line = &lines_with("by_fifo", 1)[0];
    let user = fs::metadata(&house.directory).unwrap().uid();
    let peer =
        format!("door=mi_fifo peer={}/b uid={user} role=read-only", house.directory.display());
    assert!(line.contains(&peer), "{line}");
}

#[test]
fn a_socket_tells_who_sent_a_command() {
    audited();
    let unix = |name, more: &str| {
        let settings = format!(
            "loadmodule \"mi_datagram.so\"\n\
             modparam(\"mi_datagram\", \"socket_name\", \"HERE/mi\")\n{more}"
        );
        House::open(name, &settings, Tokens::default())
    };
    let ask = |house: &House, document: Value| -> Value {
        let own = house.directory.join("client");
        let _ = fs::remove_file(&own);
        let client = UnixDatagram::bind(&own).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.send_to(document.to_string().as_bytes(), house.directory.join("mi")).unwrap();
        let mut buffer = [0; 4096];
        let length = client.recv(&mut buffer).unwrap();
        serde_json::from_slice(&buffer[..length]).unwrap()
    };
    let house = unix("unix", "");
    let user = fs::metadata(&house.directory).unwrap().uid();
    assert_eq!(ask(&house, sets("by_socket"))["result"], "OK");
    assert_eq!(
        lines_with("by_socket", 1),
        [format!(
            "cfgutils:shv_set door=mi_datagram peer=uid={user} \"{}/client\" role=full \
             params={{\"name\":\"by_socket\",\"type\":\"int\",\"value\":1}} result=ok",
            house.directory.display()
        )]
    );
    // One that waits for no reply and has no name is known by its user all the same.
    let client = UnixDatagram::unbound().unwrap();
    let document = sets("by_nameless").to_string();
    client.send_to(document.as_bytes(), house.directory.join("mi")).unwrap();
    let line = &lines_with("by_nameless", 1)[0];
    assert!(line.contains(&format!("peer=uid={user} nameless role=full ")), "{line}");
    // A path that looks like more of the line is a path.
    let forging = house.directory.join("x\" uid=0 role=read-only result=403");
    let client = UnixDatagram::bind(&forging).unwrap();
    let document = sets("by_forger").to_string();
    client.send_to(document.as_bytes(), house.directory.join("mi")).unwrap();
    let line = &lines_with("by_forger", 1)[0];
    let shown = format!("peer=uid={user} \"{}/x\\\" uid=0 ", house.directory.display());
    assert!(line.contains(&shown) && line.contains("result=403\" role=full "), "{line}");
    let readers = unix("readers", "modparam(\"mi_datagram\", \"read_only\", 1)");
    assert_eq!(ask(&readers, sets("by_reader"))["error"]["code"], 403);
    assert!(lines_with("by_reader", 1)[0].ends_with("result=403"));
}

#[test]
fn the_audit_tells_what_was_done_and_keeps_secrets() {
    audited();
    let house = House::open(
        "audit",
        r#"
        loadmodule "mi_datagram.so"
        modparam("mi_datagram", "socket_name", "udp:127.0.0.1:0")
        "#,
        Tokens::default(),
    );
    let Address::Udp(address) = house.doors.datagram().unwrap().address() else {
        panic!("it is a UDP socket");
    };
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let ask = |document: &Value| {
        client.send_to(document.to_string().as_bytes(), address).unwrap();
        client.recv(&mut [0; 4096]).unwrap();
    };
    let own = client.local_addr().unwrap();
    ask(&request("cache_store", json!(["local", "audit-key", "s3cret"])));
    assert_eq!(
        lines_with("audit-key", 1),
        [format!(
            "cache:store door=mi_datagram peer={own} role=full \
             params={{\"system\":\"local\",\"attr\":\"audit-key\",\"value\":\"***\"}} result=ok"
        )]
    );
    // A line stays one line, whatever is in it.
    ask(&request("dlg_end_dlg", json!(["audit-nobody\nNOTICE:core:audit: forged\u{1b}[2J"])));
    let line = &lines_with("audit-nobody", 1)[0];
    assert!(!line.contains(['\n', '\u{1b}']) && line.ends_with("result=404"), "{line}");
    // Parameters that do not fit are not told, but that somebody tried is.
    ask(&request("dlg_end_dlg", json!([])));
    let tried =
        format!("dialog:end_dlg door=mi_datagram peer={own} role=full params=- result=-32602");
    assert_eq!(lines_with(&tried, 1), [tried]);
    // Nothing is told of what changes nothing, nor of what is not there.
    ask(&request("get_statistics", json!([["audit-silence"]])));
    ask(&request("no_such_command", json!(["audit-silence"])));
    ask(&request("cache_fetch", json!(["local", "audit-key"])));
    lines_with("audit-silence", 0);
    lines_with("audit-key", 1);
}

#[test]
fn a_door_that_everybody_reaches_says_so() {
    let everywhere = r#"modparam("httpd", "ip", "0.0.0.0")"#;
    let open = House::open("everywhere", &format!("{HTTP}\n{everywhere}"), Tokens::default());
    let address = open.doors.http().unwrap().address();
    assert_eq!(open.doors.warnings().collect::<Vec<_>>(), [Warning::Unprotected(address)]);
    assert!(Warning::Unprotected(address).to_string().contains("without a token"));
}
