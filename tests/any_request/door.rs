//! Any bytes at the door of a running server, as requests that are nearly right or as they are:
//! whatever comes, the answer is one JSON document, or silence for who wants none, and it is there
//! soon. Shared by the test beside this file and the fuzz target `door`.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use duologue::management::rpc::jsonrpc::{self, Form, Reply};
use duologue::management::rpc::{Answer, Caller, Registry, Role};
use duologue::{Builder, Server, management};
use serde_json::{Value, json};

/// The longest that an answer may take, on a machine that has other things to do as well.
const LIMIT: Duration = Duration::from_secs(20);

/// How many requests a server gets before a new one takes its place: what they store is gone then.
const REQUESTS_MAX: u32 = 20_000;

/// A server with a call and with all modules that have commands.
const SCRIPT: &str = r#"
    loadmodule "proto_udp.so"
    loadmodule "signaling.so"
    loadmodule "sl.so"
    loadmodule "tm.so"
    loadmodule "rr.so"
    loadmodule "dialog.so"
    loadmodule "usrloc.so"
    loadmodule "cfgutils.so"
    loadmodule "statistics.so"
    loadmodule "cachedb_local.so"
    loadmodule "httpd.so"
    loadmodule "mi_http.so"
    modparam("dialog", "profiles_with_value", "caller")
    modparam("cfgutils", "shvset", "v=i:1")
    route {
        create_dialog();
        set_dlg_profile("caller", "alice");
        $dlg_val(v) = "x";
        t_newtran();
        t_reply(200, "OK");
    }
"#;

/// Texts that commands know something to do with.
const TEXTS: [&str; 32] = [
    "",
    "0",
    "1",
    "-1",
    "2",
    "5",
    "4294967296",
    "9223372036854775807",
    "1.5",
    "y",
    "n",
    "all",
    "dialog:",
    "core:rcv_requests",
    "any-request@127.0.0.1",
    "caller",
    "alice",
    "confirmed_na",
    "early,confirmed",
    "id,state,age",
    "both",
    "local",
    "local:default",
    "key",
    "*",
    "location",
    "alice@127.0.0.1",
    "sip:alice@127.0.0.1:5070",
    "E_UL_AOR_INSERT",
    "udp:127.0.0.1:9",
    "X-A: 1\r\nX-B: 2",
    "stderror",
];

/// A command, and the lists of parameters that it takes.
type Known = (String, Vec<Vec<String>>);

struct House {
    registry: Registry,
    commands: Vec<Known>,
    asked: u32,
    _server: Arc<Server>,
}

/// Hands bytes to the door. The first one says how.
pub(crate) fn walk(bytes: &[u8]) {
    static HOUSE: Mutex<Option<House>> = Mutex::new(None);
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let mut house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    if house.as_ref().is_none_or(|house| house.asked >= REQUESTS_MAX) {
        *house = Some(House::open());
    }
    let Some(house) = &mut *house else { return };
    house.asked += 1;
    let document = if choice & 1 == 0 { rest.to_vec() } else { house.composed(rest) };
    let form = if choice & 2 == 0 { Form::Document } else { Form::Lines };
    let may_change = choice & 4 == 0 && !house.waits(&document);
    let role = if may_change { Role::Full } else { Role::ReadOnly };
    let caller = Caller { door: "any", peer: "nobody".to_owned(), role };
    let begun = Instant::now();
    let reply = jsonrpc::answer_to(&caller, &house.registry, &document, form);
    check(reply, &document);
    let took = begun.elapsed();
    assert!(took < LIMIT, "{took:?} for {}", String::from_utf8_lossy(&document));
}

impl House {
    fn open() -> Self {
        let script = Builder::text(SCRIPT).sockets(["127.0.0.1:0".to_owned()]);
        let server = Arc::new(script.start().expect("the script is right"));
        call(&server);
        let registry = management::commands(&server, || {}).expect("each name is used once");
        let lists = |name: &str| match registry.call("which", json!([name]), false) {
            Ok(Answer::Value(lists)) => serde_json::from_value(lists).expect("lists of names"),
            other => panic!("which {name}: {other:?}"),
        };
        let names = registry.commands().flat_map(|command| command.names());
        let commands = names.map(|name| (name.to_owned(), lists(name))).collect();
        Self { registry, commands, asked: 0, _server: server }
    }

    /// Whether it would wait for what others do: nobody does anything here.
    fn waits(&self, document: &[u8]) -> bool {
        let document: Value = serde_json::from_slice(document).unwrap_or_default();
        let method = document["method"].as_str().unwrap_or_default();
        self.registry.find(method).is_ok_and(|command| command.is_waiting())
    }

    /// A request whose parts the bytes choose.
    fn composed(&self, bytes: &[u8]) -> Vec<u8> {
        let mut draw = Draw(bytes);
        let (name, lists) = &self.commands[draw.below(self.commands.len())];
        let list = &lists[draw.below(lists.len().max(1)).min(lists.len() - 1)];
        let left_out = draw.below(8);
        let wanted =
            list.iter().enumerate().filter(|(at, _)| list.len() < 4 || *at % 8 != left_out);
        let params: Value = match draw.below(2) {
            0 => wanted.map(|(_, name)| (name.clone(), draw.value(3))).collect(),
            _ => wanted.map(|_| draw.value(3)).collect(),
        };
        let mut request = json!({ "jsonrpc": "2.0", "method": name, "params": params });
        if draw.below(16) != 0 {
            request["id"] = draw.value(1);
        }
        request.to_string().into_bytes()
    }
}

/// Choices out of bytes.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(first) % bound.max(1)
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(8) {
            0..=3 => TEXTS[self.below(TEXTS.len())].into(),
            4 => {
                let length = self.below(64).min(self.0.len());
                let (text, rest) = self.0.split_at(length);
                self.0 = rest;
                String::from_utf8_lossy(text).into_owned().into()
            }
            5 => [json!(0), json!(-1), json!(1.5), json!(1e300), json!(u64::MAX), json!(7)]
                [self.below(6)]
            .clone(),
            6 => [json!(null), json!(true), json!([]), json!({})][self.below(4)].clone(),
            _ if depth == 0 => Value::Null,
            _ => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
        }
    }
}

/// One call, which stands for as long as the server.
fn call(server: &Server) {
    let done = || -> std::io::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(LIMIT))?;
        let own = socket.local_addr()?;
        let invite = format!(
            "INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-any\r\n\
             From: <sip:alice@127.0.0.1>;tag=a\r\nTo: <sip:bob@127.0.0.1>\r\n\
             Call-ID: any-request@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@{own}>\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let proxy = server.node().sockets.iter().next().map(|(_, socket)| socket.address());
        socket.send_to(invite.as_bytes(), proxy.ok_or(std::io::ErrorKind::NotFound)?)?;
        let mut reply = [0; 2048];
        while !reply.starts_with(b"SIP/2.0 200 ") {
            socket.recv(&mut reply)?;
        }
        Ok(true)
    };
    assert!(done().expect("the server answers"));
}

/// What every answer has (spec/script.md §15.1), and nothing else.
fn check(reply: Reply, document: &[u8]) {
    let shown = || String::from_utf8_lossy(document).into_owned();
    let lines = matches!(reply, Reply::Lines(_));
    let Some(text) = reply.into_text(false) else {
        let request: Value = serde_json::from_slice(document).expect("what is no JSON is told so");
        return assert!(request.get("id").is_none(), "no answer to {}", shown());
    };
    let last = if lines { text.trim_end().rsplit('\n').next().unwrap_or_default() } else { &text };
    let answer: Value = serde_json::from_str(last).expect("the answer is JSON");
    assert_eq!(answer["jsonrpc"], "2.0", "{}", shown());
    let (result, error) = (answer.get("result"), answer.get("error"));
    assert!(result.is_some() != error.is_some(), "{answer} to {}", shown());
    if let Some(error) = error {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
    }
    assert!(answer.get("id").is_some(), "{answer}");
    if lines {
        let all = text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
        assert!(all, "lines that are no JSON: {}", shown());
    }
}
