//! The JSON-RPC envelope, request by request (spec/script.md §15.1).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use duologue_management::{Answer, Command, CommandError, Registry, jsonrpc};
use proptest::prelude::*;
use serde_json::Map;

fn registry() -> Registry {
    let mut registry = Registry::new();
    let commands = [
        Command::new("test:ok", "test", |_| Ok(Answer::ok())),
        Command::new("test:echo", "test", |params| Ok(params.text("word")?.into()))
            .alias("echo_old")
            .signatures(&[&["word"]]),
        Command::new("test:number", "test", |params| Ok(params.integer("n")?.into()))
            .signatures(&[&["n"]]),
        Command::new("test:words", "test", |params| Ok(params.texts("words")?.into()))
            .signatures(&[&["words"]]),
        Command::new("test:two", "test", |_| Ok(Answer::ok()))
            .signatures(&[&["a", "b"], &["c", "d"]]),
        Command::new("test:named", "test", |_| Ok(Answer::ok())).signatures(&[&["a"]]).named_only(),
        Command::new("test:fails", "test", |_| Err(CommandError::new(404, "No such dialog"))),
        Command::new("test:panics", "test", |_| panic!("a bug in a module")),
        Command::new("test:lists", "test", |_| {
            Ok(Answer::listing(Map::new(), "Dialogs", (1..=2).map(Into::into)))
        }),
        Command::new("other:ok", "other", |_| Ok(Answer::ok())),
    ];
    commands.into_iter().for_each(|command| registry.add(command).unwrap());
    registry
}

#[test]
fn every_request_gets_the_reply_of_the_table() {
    let parse_error =
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"},"id":null}"#;
    let invalid =
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}"#;
    let invalid_1 =
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":1}"#;
    let error = |code: i32, message: &str, data: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"{message}","data":"{data}"}},"id":1}}"#
        )
    };
    let call = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":1}}"#)
    };
    let params_error = |data: &str| error(-32602, "Invalid params", data);
    let result = |value: &str| format!(r#"{{"jsonrpc":"2.0","result":{value},"id":1}}"#);
    let table: Vec<(String, String)> = vec![
        // Not JSON.
        ("".into(), parse_error.into()),
        ("{".into(), parse_error.into()),
        ("{} {}".into(), parse_error.into()),
        ("[".repeat(100_000), parse_error.into()),
        // Not a request. Batches are not supported.
        ("{}".into(), invalid.into()),
        ("[]".into(), invalid.into()),
        (format!("[{}]", call("test:ok", "[]")), invalid.into()),
        ("7".into(), invalid.into()),
        (r#"{"method":"test:ok","id":1}"#.into(), invalid_1.into()),
        (r#"{"jsonrpc":"1.0","method":"test:ok","id":1}"#.into(), invalid_1.into()),
        (r#"{"jsonrpc":2.0,"method":"test:ok","id":1}"#.into(), invalid_1.into()),
        (r#"{"jsonrpc":"2.0","id":1}"#.into(), invalid_1.into()),
        (r#"{"jsonrpc":"2.0","method":7,"id":1}"#.into(), invalid_1.into()),
        (r#"{"jsonrpc":"2.0","method":7}"#.into(), invalid.into()),
        (call("test:ok", "null"), invalid_1.into()),
        (call("test:ok", "\"x\""), invalid_1.into()),
        (r#"{"jsonrpc":"2.0","method":"test:ok","id":true}"#.into(), invalid.into()),
        (r#"{"jsonrpc":"2.0","method":"test:ok","id":[1]}"#.into(), invalid.into()),
        // Ids come back.
        (
            r#"{"jsonrpc":"2.0","method":"test:ok","id":"a\"b"}"#.into(),
            r#"{"jsonrpc":"2.0","result":"OK","id":"a\"b"}"#.into(),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"test:ok","id":null}"#.into(),
            r#"{"jsonrpc":"2.0","result":"OK","id":null}"#.into(),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"test:ok","id":7.9}"#.into(),
            r#"{"jsonrpc":"2.0","result":"OK","id":7}"#.into(),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"test:ok","id":18446744073709551615}"#.into(),
            r#"{"jsonrpc":"2.0","result":"OK","id":18446744073709551615}"#.into(),
        ),
        // Notifications are silent, whether they work or not.
        (r#"{"jsonrpc":"2.0","method":"test:ok"}"#.into(), "".into()),
        (r#"{"jsonrpc":"2.0","method":"nothing"}"#.into(), "".into()),
        (r#"{"jsonrpc":"2.0","method":"test:panics"}"#.into(), "".into()),
        (r#"{"jsonrpc":"2.0","method":"test:lists"}"#.into(), "".into()),
        // Names.
        (
            call("nothing", "[]"),
            r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}"#
                .into(),
        ),
        (call("ok", "[]"), error(-32001, "Method ambiguous", "supported names: test:ok, other:ok")),
        (call("echo", r#"["hi"]"#), result(r#""hi""#)),
        (call("echo_old", r#"{"word":5}"#), result(r#""5""#)),
        // Parameters.
        (call("test:number", r#"["5"]"#), result("5")),
        (call("test:number", r#"[true]"#), params_error("Bad type for parameter 'n'")),
        (call("test:number", "[]"), params_error("Too few or too many parameters")),
        (call("test:number", r#"{"m":1}"#), params_error("Named parameters do not match")),
        (call("test:two", "[1,2]"), params_error("Ambiguous call, use named parameters instead")),
        (call("test:two", r#"{"c":1,"d":2}"#), result(r#""OK""#)),
        (call("test:named", "[1]"), params_error("Command only supports named parameters")),
        (call("test:words", r#"[["a","b"]]"#), result(r#"["a","b"]"#)),
        (call("test:words", r#"["a"]"#), params_error("Bad type for parameter 'words'")),
        (call("test:words", "[[]]"), params_error("Empty array in parameter 'words'")),
        (
            call("test:words", "[[null]]"),
            params_error("Bad type for array item in parameter 'words'"),
        ),
        // Handlers.
        (
            call("test:fails", "[]"),
            r#"{"jsonrpc":"2.0","error":{"code":404,"message":"No such dialog"},"id":1}"#.into(),
        ),
        (call("test:panics", "[]"), error(-32000, "Server error", "Command handler returned null")),
        (call("test:lists", "[]"), result(r#"{"Dialogs":[1,2]}"#)),
    ];
    let registry = registry();
    for (request, expected) in table {
        let reply = jsonrpc::answer(&registry, request.as_bytes()).into_text(false);
        let shown = &request[..request.len().min(200)];
        assert_eq!(reply.unwrap_or_default(), expected, "{shown}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_a_parse_error() {
    let reply = jsonrpc::answer(&registry(), b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\",\"id\":1}");
    assert!(reply.into_text(false).unwrap().contains("-32700"));
}

proptest! {
    #[test]
    fn any_bytes_get_json_or_silence(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(text) = jsonrpc::answer(&registry(), &bytes).into_text(false) {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }

    #[test]
    fn almost_requests_get_json_or_silence(
        method in "(test:(ok|echo|number|words|two|named)|which|help|[a-z:]{0,6})",
        params in r#"(\[("a"|1|1e400|null|\[\]|,){0,4}\]|\{("(a|n|word)":(1|"x"),?){0,3}\}|[a-z]{0,4})"#,
        id in r#"("x"|1|-0.0|1e30|null|\{\}|)"#,
    ) {
        let request =
            format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":{id}}}"#);
        let text = jsonrpc::answer(&registry(), request.as_bytes()).into_text(false).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
}
