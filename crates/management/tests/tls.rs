//! The HTTP door with TLS, spoken to by a TLS client (`tls_cert_file` and `tls_key_file`,
//! spec/modules.md §30).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use duologue_management::http::{CONNECTIONS_MAX, Config, Door, Tls, serve};
use duologue_management::{Answer, Command, Error, Registry, Warning};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Nothing takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// A directory of this test alone, with a certificate in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("duologue-tls-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let scratch = Self(path);
        scratch.certify();
        scratch
    }

    /// A new certificate in the place of the one before.
    fn certify(&self) {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        fs::write(self.path("certificate"), cert.pem()).unwrap();
        fs::write(self.path("key"), signing_key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn tls(&self) -> Tls {
        Tls::new(self.path("certificate"), self.path("key"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(tls: Tls, change: impl FnOnce(&mut Config)) -> Result<Door, Error> {
    let mut registry = Registry::new();
    let lists = |_: &_| {
        let items = (0..20_000).map(|n| serde_json::json!({ "ID": n, "callid": "0123456789" }));
        Ok(Answer::listing(serde_json::Map::new(), "Dialogs", items))
    };
    registry.add(Command::new("test:lists", "test", lists)).unwrap();
    let address = ([127, 0, 0, 1], 0).into();
    let mut config = Config { address, tls: Some(tls), ..Config::default() };
    change(&mut config);
    serve(config, Arc::new(registry))
}

/// A client that trusts this certificate and speaks through this connection.
fn client(socket: TcpStream, trusted: &Path) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

/// The whole response to a POST over TLS by a client that trusts this certificate.
fn posted(door: &Door, trusted: &Path, headers: &str, body: &str) -> io::Result<String> {
    let socket = TcpStream::connect(door.address())?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut stream = client(socket, trusted);
    write!(
        stream,
        "POST /mi HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        door.address(),
        body.len()
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

const WHICH: &str = r#"{"jsonrpc":"2.0","id":1,"method":"which"}"#;

#[test]
fn commands_come_over_tls() {
    let scratch = Scratch::new("commands");
    let door = open(scratch.tls(), |config| config.token = Some("t0ken".into())).unwrap();
    let trusted = scratch.path("certificate");
    let refused = posted(&door, &trusted, "", WHICH).unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let token = "Authorization: Bearer t0ken\r\n";
    let answer = posted(&door, &trusted, token, WHICH).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("core:which"), "{answer}");
    // A long answer, in chunks.
    let lists = r#"{"jsonrpc":"2.0","id":1,"method":"test:lists"}"#;
    let answer = posted(&door, &trusted, token, lists).unwrap();
    assert!(answer.contains("\"ID\":19999") && answer.ends_with("0\r\n\r\n"));
    // A page of this origin, and one of another scheme, which is another origin.
    let from = |scheme: &str| format!("{token}Origin: {scheme}://{}\r\n", door.address());
    let own = posted(&door, &trusted, &from("https"), WHICH).unwrap();
    assert!(own.starts_with("HTTP/1.1 200 "), "{own}");
    let other = posted(&door, &trusted, &from("http"), WHICH).unwrap();
    assert!(other.starts_with("HTTP/1.1 403 "), "{other}");
}

#[test]
fn who_speaks_something_else_hears_nothing_and_keeps_nobody() {
    let scratch = Scratch::new("others");
    let short = |config: &mut Config| config.connection_timeout = Duration::from_millis(300);
    let door = open(scratch.tls(), short).unwrap();
    // Clients that say nothing, that stop in the middle of the handshake, and that speak plain HTTP.
    let silent = TcpStream::connect(door.address()).unwrap();
    let mut halting = TcpStream::connect(door.address()).unwrap();
    halting.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let mut plain = TcpStream::connect(door.address()).unwrap();
    plain.write_all(b"GET /mi HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let answer = posted(&door, &scratch.path("certificate"), "", WHICH).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for mut stream in [silent, halting, plain] {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut said = Vec::new();
        match stream.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        assert!(!said.starts_with(b"HTTP"), "{said:?}");
    }
}

/// Responses that TLS has taken and the network has not: they hold up neither the door nor its end.
#[test]
fn who_asks_much_and_reads_nothing_keeps_nobody() {
    /// More than the network takes for such a client, and less than that and the 64 KiB of TLS.
    const UNREAD: usize = 75_000;
    let scratch = Scratch::new("unread");
    let trusted = scratch.path("certificate");
    let door = open(scratch.tls(), |config| {
        config.connection_timeout = Duration::from_secs(1);
        config.token = Some("t0ken".into());
    });
    let door = door.unwrap();
    let one = posted(&door, &trusted, "", WHICH).unwrap();
    assert!(one.starts_with("HTTP/1.1 401 "), "{one}");
    let get = format!("GET /mi HTTP/1.1\r\nHost: {}\r\n", door.address());
    let last = format!("{get}Connection: close\r\n\r\n");
    let requests = format!("{get}\r\n").repeat(UNREAD / one.len()) + &last;
    let deaf = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        socket.set_tcp_mss(536).unwrap();
        socket.connect(&door.address().into()).unwrap();
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        let mut stream = client(socket.into(), &trusted);
        stream.write_all(requests.as_bytes()).unwrap();
        stream.flush().unwrap();
        stream
    };
    let _deaf: Vec<_> = (0..CONNECTIONS_MAX).map(|_| deaf()).collect();
    let answer = posted(&door, &trusted, "Authorization: Bearer t0ken\r\n", WHICH).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn who_does_not_trust_the_certificate_sends_nothing() {
    let (scratch, other) = (Scratch::new("trusted"), Scratch::new("other"));
    let door = open(scratch.tls(), |_| {}).unwrap();
    let error = posted(&door, &other.path("certificate"), "", WHICH).unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn a_new_certificate_needs_no_restart() {
    let scratch = Scratch::new("renewed");
    let tls = Tls { look_every: Duration::ZERO, ..scratch.tls() };
    let door = open(tls, |_| {}).unwrap();
    let before = scratch.path("before");
    fs::copy(scratch.path("certificate"), &before).unwrap();
    // Half of a renewal is of no use, so the old one stays.
    fs::write(scratch.path("key"), "not yet").unwrap();
    assert!(posted(&door, &before, "", WHICH).is_ok());
    scratch.certify();
    assert!(posted(&door, &scratch.path("certificate"), "", WHICH).is_ok());
    assert!(posted(&door, &before, "", WHICH).is_err());
}

#[test]
fn files_of_no_use_are_named() {
    let (scratch, other) = (Scratch::new("bad"), Scratch::new("foreign"));
    fs::write(scratch.path("empty"), "").unwrap();
    fs::write(scratch.path("broken"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    fs::write(
        scratch.path("nonsense"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let (certificate, key) = (scratch.path("certificate"), scratch.path("key"));
    for (certificate, key, named, why) in [
        (&scratch.path("gone"), &key, "/gone for TLS", "No such file"),
        (&certificate, &scratch.path("gone"), "/gone for TLS", "No such file"),
        (&scratch.path("empty"), &key, "/empty for TLS", "no certificate in it"),
        (&key, &key, "/key for TLS", "no certificate in it"),
        (&certificate, &certificate, "/certificate for TLS", "no private key in it"),
        (&scratch.path("broken"), &key, "/broken for TLS", ""),
        (&scratch.path("nonsense"), &key, "/nonsense", "key for TLS"),
        (&certificate, &other.path("key"), "/key for TLS", "does not go with"),
    ] {
        let error = open(Tls::new(certificate, key), |_| {}).unwrap_err();
        assert!(matches!(error, Error::Tls(..)) && error.is_configuration(), "{error}");
        let told = error.to_string();
        assert!(told.contains(named) && told.contains(why), "{named}, {why}: {told}");
    }
}

#[test]
fn who_listens_everywhere_without_tls_is_told_so() {
    let scratch = Scratch::new("everywhere");
    let everywhere = |config: &mut Config| {
        config.address = ([0, 0, 0, 0], 0).into();
        config.token = Some("t0ken".into());
    };
    assert_eq!(open(scratch.tls(), everywhere).unwrap().warning(), None);
    let plain = open(scratch.tls(), |config| {
        everywhere(config);
        config.tls = None;
    });
    let plain = plain.unwrap();
    assert_eq!(plain.warning(), Some(Warning::Readable(plain.address())));
}
