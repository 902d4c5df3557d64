//! The running server, asked over its management door: JSON-RPC 2.0 in one HTTP request
//! (spec/script.md §15.1, §15.5).

mod address;
pub(super) mod dialogs;
mod envelope;
mod failure;
pub(super) mod print;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::progress::Progress;
use super::span::{self, Span};
use address::Address;
use envelope::{Envelope, Outcome};
pub(super) use failure::{EXIT_CODES, Failure, Refusal, WRONG_USAGE};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Where the running server is, and how it lets us in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Server {
    /// The management door of the server; `http://USER:PASSWORD@HOST…` where it asks for these.
    #[arg(
        long,
        value_name = "URL",
        env = "DUOLOGUE_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8888/mi"
    )]
    url: String,

    /// The token that the server asks for.
    #[arg(long, value_name = "TOKEN", env = "DUOLOGUE_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// A file that holds the token, which no list of processes shows; wins over --token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// A file with the certificates to trust over https, in PEM, instead of those of the web.
    #[arg(long, value_name = "FILE", env = "DUOLOGUE_CA", hide_env_values = true)]
    ca: Option<PathBuf>,

    /// How long the server may be silent.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span::parse)]
    timeout: Span,
}

/// A server to ask.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    address: Address,
    authorization: Option<String>,
    /// Whether a person hears that an answer takes its time.
    tells: bool,
}

impl Client {
    /// Nothing is sent before something is asked.
    ///
    /// # Errors
    /// The URL is none that can be asked, or a file cannot be read.
    pub(super) fn of(server: &Server) -> Result<Self, Failure> {
        let address = Address::parse(&server.url)?;
        let token = match &server.token_file {
            Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
                Failure::Usage(format!("cannot read the token in {}: {error}", file.display()))
            })?),
            None => server.token.clone(),
        };
        let authorization = match token {
            Some(token) => Some(format!("Bearer {}", token.trim())),
            None => address.basic(),
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Who manages a server speaks to it, whatever the environment says about the web.
            .proxy(None)
            .tls_config(tls(server.ca.as_deref())?)
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_per_read(Some(server.timeout.duration()))
            .timeout_per_write(Some(server.timeout.duration()))
            .user_agent(concat!("duologue/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { agent, address, authorization, tells: true })
    }

    /// Says nothing while it waits: who asks tells what goes on, or has the whole screen.
    pub(super) fn silent(self) -> Self {
        Self { tells: false, ..self }
    }

    /// Where the server is, without secrets.
    pub(super) fn url(&self) -> &str {
        self.address.url()
    }

    /// Runs a command and gives its whole result.
    ///
    /// # Errors
    /// The command's own, or no server answers.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        command: &str,
        params: Value,
    ) -> Result<T, Failure> {
        self.ask_into(command, params, PhantomData::<T>)
    }

    /// Runs a command and hands its result to `seed` while it arrives.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(super) fn ask_into<'de, S: DeserializeSeed<'de>>(
        &self,
        command: &str,
        params: Value,
        seed: S,
    ) -> Result<S::Value, Failure> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": command, "params": params });
        let mut post = self.agent.post(self.url()).header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            post = post.header("Authorization", authorization);
        }
        let waiting = self.tells.then(|| Progress::of(format!("waiting for {}", self.url())));
        let response = post
            .send(request.to_string())
            .map_err(|error| Failure::no_answer(self.url(), &error))?;
        drop(waiting);
        let status = response.status().as_u16();
        if status != 200 {
            return Err(Failure::status(self.url(), status));
        }
        let reader = std::io::BufReader::new(response.into_body().into_reader());
        let mut answer = serde_json::Deserializer::from_reader(reader);
        match Envelope(seed).deserialize(&mut answer) {
            Ok(Outcome::Result(result)) => Ok(result),
            Ok(Outcome::Error(refusal)) => Err(Failure::Refused(refusal)),
            Err(error) => Err(Failure::broken(self.url(), &error)),
        }
    }
}

/// Whom to trust.
fn tls(file: Option<&Path>) -> Result<TlsConfig, Failure> {
    let roots = match file {
        None => RootCerts::WebPki,
        Some(file) => {
            let wrong = |why: String| Failure::Usage(format!("--ca {}: {why}", file.display()));
            let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let mut certificates = Vec::new();
            for item in parse_pem(&text) {
                if let PemItem::Certificate(one) = item.map_err(|error| wrong(error.to_string()))? {
                    certificates.push(one);
                }
            }
            if certificates.is_empty() {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
            RootCerts::Specific(Arc::new(certificates))
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// A server that gives its answers, one per connection, and tells what it was asked.
    pub(in crate::cli) struct Fake {
        pub(in crate::cli) url: String,
        thread: JoinHandle<Vec<Asked>>,
    }

    /// A request as it came.
    pub(in crate::cli) struct Asked {
        pub(in crate::cli) head: String,
        pub(in crate::cli) body: Value,
    }

    impl Fake {
        /// Answers with documents of status 200.
        pub(in crate::cli) fn of<const N: usize>(answers: [Value; N]) -> Self {
            Self::http(answers.map(|answer| (200, answer.to_string())))
        }

        fn http<const N: usize>(answers: [(u16, String); N]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/mi", listener.local_addr().unwrap());
            let thread = std::thread::spawn(move || {
                answers.into_iter().map(|answer| serve(&listener, &answer)).collect()
            });
            Self { url, thread }
        }

        pub(in crate::cli) fn client(&self) -> Client {
            client(&self.url)
        }

        /// All that it was asked, once it has given all its answers.
        pub(in crate::cli) fn asked(self) -> Vec<Asked> {
            self.thread.join().unwrap()
        }
    }

    fn serve(listener: &TcpListener, (status, answer): &(u16, String)) -> Asked {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "a head that ends");
        }
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1).unwrap();
        let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
        .unwrap();
        Asked { head, body: serde_json::from_slice(&body).unwrap() }
    }

    fn server(url: &str) -> Server {
        Server {
            url: url.to_owned(),
            token: None,
            token_file: None,
            ca: None,
            timeout: span::parse("10s").unwrap(),
        }
    }

    fn client(url: &str) -> Client {
        Client::of(&server(url)).unwrap()
    }

    fn told(outcome: Result<Value, Failure>) -> (String, u8) {
        let failure = outcome.unwrap_err();
        (failure.to_string(), failure.exit_code())
    }

    #[test]
    fn a_command_is_one_post_and_its_result_comes_back() {
        let fake = Fake::of([json!({"jsonrpc": "2.0", "result": {"a": [1]}, "id": 1})]);
        let result: Value = fake.client().ask("dialog:list", json!({"limit": 3})).unwrap();
        assert_eq!(result, json!({"a": [1]}));
        let asked = &fake.asked()[0];
        assert!(asked.head.starts_with("POST /mi HTTP/1.1\r\n"), "{}", asked.head);
        assert!(asked.head.to_ascii_lowercase().contains("content-type: application/json\r\n"));
        assert!(!asked.head.to_ascii_lowercase().contains("authorization"));
        let sent =
            json!({"jsonrpc": "2.0", "id": 1, "method": "dialog:list", "params": {"limit": 3}});
        assert_eq!(asked.body, sent);
    }

    #[test]
    fn secrets_are_sent_as_the_door_wants_them() {
        let answer = || json!({"jsonrpc": "2.0", "result": "OK", "id": 1});
        let fake = Fake::of([answer(), answer()]);
        let with_password = fake.url.replace("http://", "http://ada:sec%72et@");
        let _: Value = client(&with_password).ask("ps", json!([])).unwrap();
        let token = Server { token: Some("t0ken".into()), ..server(&with_password) };
        let client = Client::of(&token).unwrap();
        assert_eq!(client.url(), fake.url);
        let _: Value = client.ask("ps", json!([])).unwrap();
        let asked = fake.asked();
        let sent = |at: usize| asked[at].head.to_ascii_lowercase();
        assert!(sent(0).contains("authorization: basic ywrhonnly3jlda==\r\n"), "{}", sent(0));
        assert!(sent(1).contains("authorization: bearer t0ken\r\n"), "{}", sent(1));
    }

    #[test]
    fn a_refused_command_ends_with_one() {
        let error = json!({"code": 404, "message": "Dialog not found", "data": "no such did"});
        let fake = Fake::of([json!({"jsonrpc": "2.0", "error": error, "id": 1})]);
        let (text, code) = told(fake.client().ask("dlg_end_dlg", json!(["x"])));
        assert_eq!(text, "404 Dialog not found: no such did");
        assert_eq!(code, 1);
    }

    #[test]
    fn whoever_cannot_be_reached_ends_with_two_and_what_to_do() {
        // Bound and dropped: nobody listens there.
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (text, code) = told(client(&format!("http://{nobody}")).ask("ps", json!([])));
        assert!(text.starts_with(&format!("no server answers at http://{nobody}/mi")), "{text}");
        assert!(text.contains("mi_http"), "{text}");
        assert_eq!(code, 2);

        let answers = [
            (401, String::new(), "--token"),
            (404, String::new(), "no management at this path"),
            (200, "<html>".to_owned(), "not JSON-RPC"),
            (200, r#"{"jsonrpc":"2.0","result":{"a":[1,"#.to_owned(), "not JSON-RPC"),
            (200, r#"{"jsonrpc":"2.0","id":1}"#.to_owned(), "not JSON-RPC"),
        ];
        let fake = Fake::http(answers.clone().map(|(status, body, _)| (status, body)));
        for (status, body, wanted) in answers {
            let (text, code) = told(fake.client().ask("ps", json!([])));
            assert!(text.contains(wanted), "{status} {body}: {text}");
            assert_eq!(code, 2);
        }
    }

    #[test]
    fn a_token_comes_from_a_file_too() {
        let file = std::env::temp_dir().join(format!("duologue-token-{}", std::process::id()));
        std::fs::write(&file, "t0ken\n").unwrap();
        let with_file = Server {
            token: Some("another".into()),
            token_file: Some(file.clone()),
            ..server("http://127.0.0.1:1")
        };
        let client = Client::of(&with_file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(client.authorization.as_deref(), Some("Bearer t0ken"));
        assert_eq!(Client::of(&with_file).unwrap_err().exit_code(), 64);
    }
}
