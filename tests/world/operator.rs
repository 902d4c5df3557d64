//! An operator who asks a proxy in virtual time for something.

use std::sync::Arc;

use duologue::Node;
use duologue::management::rpc::Registry;
use duologue::management::rpc::jsonrpc::answer;
use duologue::management::{dialogs, transactions};
use duologue::sip::{Moment, Tick};
use duologue_testkit::{Served, UNIX_AT_START, World};
use serde_json::{Value, json};

use super::Proxy;

/// The commands that need no threads of a server, for whom the world has just begun.
pub(crate) fn commands(node: &Arc<Node>) -> Registry {
    commands_at(node, Tick::ZERO)
}

/// The same at this time of the world.
fn commands_at(node: &Arc<Node>, tick: Tick) -> Registry {
    let now = Moment { tick, unix: UNIX_AT_START + tick.as_millis() / 1000 };
    let clock: dialogs::Clock = Arc::new(move || now);
    let mut registry = Registry::new();
    dialogs::register(&mut registry, node, &clock).unwrap();
    transactions::register(&mut registry, node).unwrap();
    registry
}

/// The whole reply to a command, which is asked for on a thread of its own while the world goes on.
pub(crate) fn asked(world: &World, proxy: &Served<Proxy>, method: &str, params: Value) -> Value {
    let node = Arc::clone(&proxy.borrow().node);
    let (queue, now) = (Arc::clone(&node.queue), world.now());
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let operator = std::thread::spawn(move || {
        answer(&commands_at(&node, now), request.to_string().as_bytes()).into_text(false).unwrap()
    });
    while !operator.is_finished() {
        // The clock stands still until the command has reached its call.
        if !queue.is_empty() {
            world.settle();
        }
        std::thread::yield_now();
    }
    serde_json::from_str(&operator.join().unwrap()).unwrap()
}

/// The result of a command that succeeds.
pub(crate) fn result(world: &World, proxy: &Served<Proxy>, method: &str, params: Value) -> Value {
    let mut reply = asked(world, proxy, method, params);
    assert_eq!(reply.get("error"), None, "{method}");
    reply["result"].take()
}

/// Code and message of a command that fails.
pub(crate) fn error(
    world: &World,
    proxy: &Served<Proxy>,
    method: &str,
    params: Value,
) -> (i64, String) {
    let reply = asked(world, proxy, method, params);
    let error = &reply["error"];
    let told = (error["code"].as_i64(), error["message"].as_str());
    let (Some(code), Some(message)) = told else { panic!("{method}: {reply}") };
    (code, message.to_owned())
}
