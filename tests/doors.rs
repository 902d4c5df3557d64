//! The doors that a script opens, on a running server: `mi_fifo`, `mi_datagram` (spec/script.md
//! §15.5, spec/modules.md §30) and `prometheus`. What each door does with its clients is tested beside it.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use duologue::management::Doors;
use duologue::management::rpc::datagram::Address;
use duologue::{Builder, Server, management};

const REQUEST: &str =
    r#"{"jsonrpc":"2.0","method":"get_statistics","params":[["core:calls"]],"id":"x"}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","result":{"core:calls":0},"id":"x"}"#;

/// A running server and its doors.
struct House {
    doors: Doors,
    directory: PathBuf,
    server: Arc<Server>,
}

impl House {
    fn open(name: &str, settings: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let settings = settings.replace("HERE", &directory.display().to_string());
        let script = format!("loadmodule \"proto_udp.so\"\n{settings}\nroute {{ exit; }}");
        let sockets = ["127.0.0.1:0".to_owned()];
        let server = Arc::new(Builder::text(script).sockets(sockets).start().unwrap());
        let registry = management::commands(&server, || {}).unwrap();
        let doors = management::open(&server, &Arc::new(registry)).unwrap();
        Self { doors, directory, server }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What a script is refused for.
fn refused(settings: &str) -> String {
    let script = format!("loadmodule \"proto_udp.so\"\n{settings}\nroute {{ exit; }}");
    let sockets = ["127.0.0.1:0".to_owned()];
    Builder::text(script).sockets(sockets).start().unwrap_err().to_string()
}

#[test]
fn commands_come_through_the_fifo_of_the_script() {
    let house = House::open(
        "duologue-doors-fifo",
        r#"
        loadmodule "mi_fifo.so"
        modparam("mi_fifo", "fifo_name", "HERE/fifo")
        modparam("mi_fifo", "fifo_mode", 0640)
        modparam("mi_fifo", "reply_dir", "HERE")
        modparam("mi_fifo", "pretty_printing", 0)
        "#,
    );
    let (fifo, reply) = (house.directory.join("fifo"), house.directory.join("reply"));
    assert_eq!(house.doors.fifo().unwrap().path(), fifo);
    assert!(house.doors.http().is_none() && house.doors.datagram().is_none());
    assert_eq!(house.doors.places(), [fifo.display().to_string()]);
    assert_eq!(fs::metadata(&fifo).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(Command::new("mkfifo").arg(&reply).status().unwrap().success());
    let mut pipe = OpenOptions::new().write(true).open(&fifo).unwrap();
    write!(pipe, ":reply:{REQUEST}").unwrap();
    let mut answer = String::new();
    File::open(reply).unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, ANSWER);
}

#[test]
fn commands_come_through_the_socket_of_the_script() {
    let house = House::open(
        "duologue-doors-datagram",
        r#"
        loadmodule "mi_datagram.so"
        modparam("mi_datagram", "socket_name", "udp:127.0.0.1:0")
        modparam("mi_datagram", "children_count", 2)
        modparam("mi_datagram", "socket_timeout", 100)
        modparam("mi_datagram", "socket_buf_size", 1024)
        modparam("mi_datagram", "pretty_printing", 1)
        "#,
    );
    let Address::Udp(address) = house.doors.datagram().unwrap().address() else {
        panic!("it is a UDP socket");
    };
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut buffer = [0; 4096];
    let mut ask = |request: &str| {
        client.send_to(request.as_bytes(), address).unwrap();
        let length = client.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert!(ask(REQUEST).contains("\n    \"core:calls\": 0\n"));
    let all = r#"{"jsonrpc":"2.0","method":"get_statistics","params":[["all"]],"id":1}"#;
    assert!(ask(all).contains("socket_buf_size (1024 bytes)"));
}

#[test]
fn a_unix_socket_has_the_permissions_that_the_script_gives_it() {
    let house = House::open(
        "duologue-doors-unix",
        r#"
        loadmodule "mi_datagram.so"
        modparam("mi_datagram", "socket_name", "HERE/mi")
        modparam("mi_datagram", "unix_socket_mode", 0600)
        "#,
    );
    let socket = house.directory.join("mi");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(house.doors.places(), [socket.display().to_string()]);
}

/// spec/modules.md §30.
#[test]
fn what_makes_no_sense_is_refused() {
    let fifo = |parameter: &str| refused(&format!("loadmodule \"mi_fifo.so\"\n{parameter}"));
    assert!(fifo(r#"modparam("mi_fifo", "fifo_mode", 01777)"#).contains("at most"));
    assert!(fifo(r#"modparam("mi_fifo", "fifo_user", -1)"#).contains("fifo_user"));
    assert!(fifo(r#"modparam("mi_fifo", "fifo_group", -1)"#).contains("fifo_group"));
    assert!(fifo(r#"modparam("mi_fifo", "fifo_name", "")"#).contains("empty"));
    let datagram =
        |parameter: &str| refused(&format!("loadmodule \"mi_datagram.so\"\n{parameter}"));
    assert!(datagram("").contains("socket_name is missing"));
    for name in ["udp:127.0.0.1", "udp:here:5060", "tcp:127.0.0.1:8080", "relative", ""] {
        let parameter = format!(r#"modparam("mi_datagram", "socket_name", "{name}")"#);
        assert!(datagram(&parameter).contains("socket_name"), "{name}");
    }
    for (parameter, value) in [
        ("children_count", 0),
        ("socket_timeout", 0),
        ("socket_buf_size", 100),
        ("unix_socket_mode", -1),
        ("unix_socket_user", -1),
        ("unix_socket_group", -1),
    ] {
        let set = format!(r#"modparam("mi_datagram", "{parameter}", {value})"#);
        assert!(datagram(&set).contains(parameter), "{parameter}");
    }
}

#[test]
fn tracing_of_commands_is_accepted_with_a_notice() {
    let modules = ["mi_fifo", "mi_datagram", "mi_http", "mi_script"];
    let script: String = modules
        .iter()
        .map(|module| {
            format!(
                "loadmodule \"{module}.so\"\n\
                 modparam(\"{module}\", \"trace_destination\", \"hep_dst\")\n\
                 modparam(\"{module}\", \"trace_bwlist\", \"b: ps\")\n"
            )
        })
        .collect();
    let plan = Builder::text(format!("{script}\nroute {{ exit; }}")).plan().unwrap();
    let warnings: Vec<_> = plan.warnings().list().iter().map(|it| it.message.clone()).collect();
    assert_eq!(warnings.len(), 8, "{warnings:?}");
    assert!(warnings.iter().all(|it| it.contains("trace_") && it.contains("changes nothing")));
}

/// A GET over a plain socket: status and body.
fn read(house: &House, path: &str) -> (u16, String) {
    let address = house.doors.http().unwrap().address();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn metrics_and_health_stand_at_the_door_of_httpd() {
    let house = House::open(
        "duologue-doors-metrics",
        r#"
        loadmodule "httpd.so"
        loadmodule "prometheus.so"
        modparam("httpd", "port", 0)
        modparam("prometheus", "root", "/numbers")
        "#,
    );
    assert_eq!(read(&house, "/healthz"), (200, "alive\n".to_owned()));
    assert_eq!(read(&house, "/readyz"), (200, "ready\n".to_owned()));
    let (status, page) = read(&house, "/numbers");
    assert_eq!(status, 200);
    assert!(page.contains("\nduologue_core_rcv_requests_total 0\n"), "{page}");
    assert_eq!(read(&house, "/metrics").0, 404);
    // Commands are another module's.
    assert_eq!(read(&house, "/mi").0, 404);
    house.server.node().drain();
    let (status, reason) = read(&house, "/readyz");
    assert!(status == 503 && reason.contains("going down"), "{status} {reason}");
    assert_eq!(read(&house, "/healthz").0, 200);
}

/// Two at one path: the second could not be reached, so there is no start.
#[test]
fn paths_that_collide_refuse_the_start() {
    let collision = |mi: &str, metrics: &str| {
        let script = format!(
            "loadmodule \"proto_udp.so\"\nloadmodule \"httpd.so\"\nloadmodule \"mi_http.so\"\n\
             loadmodule \"prometheus.so\"\nmodparam(\"httpd\", \"port\", 0)\n\
             modparam(\"mi_http\", \"root\", \"{mi}\")\n\
             modparam(\"prometheus\", \"root\", \"{metrics}\")\nroute {{ exit; }}"
        );
        let server = Builder::text(script).sockets(["127.0.0.1:0".to_owned()]).start().unwrap();
        let server = Arc::new(server);
        let registry = Arc::new(management::commands(&server, || {}).unwrap());
        let error = management::open(&server, &registry).err()?;
        assert!(error.is_configuration(), "{error}");
        Some(error.to_string())
    };
    for (mi, metrics, path, owners) in [
        ("/same/", "same", "/same", "mi_http and of prometheus"),
        ("mi", "mi/dialogs/watch", "/mi/dialogs/watch", "mi_http and of prometheus"),
        ("", "dialogs/watch", "/dialogs/watch", "mi_http and of prometheus"),
        ("healthz", "metrics", "/healthz", "mi_http and of httpd"),
        ("mi", "readyz", "/readyz", "prometheus and of httpd"),
    ] {
        let told = collision(mi, metrics);
        let wanted = format!("{path} is the path of {owners}: one of them has to move");
        assert_eq!(told, Some(wanted), "{mi}, {metrics}");
    }
    assert_eq!(collision("mi", "mi/metrics"), None);
    assert_eq!(collision("", "metrics"), None);
}

#[test]
fn a_root_is_a_path() {
    for module in ["mi_http", "prometheus"] {
        for root in ["two words", "mi?x=1", "mi#x", "m%69", "mí"] {
            let settings = format!(
                "loadmodule \"httpd.so\"\nloadmodule \"{module}.so\"\n\
                 modparam(\"{module}\", \"root\", \"{root}\")"
            );
            assert!(refused(&settings).contains("is no path"), "{module}: {root}");
        }
    }
}

#[test]
fn metrics_need_a_door() {
    assert!(refused("loadmodule \"prometheus.so\"").contains("httpd"));
}
