//! A client of the management interface: JSON-RPC 2.0 in one HTTP request (spec/script.md §15).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The largest answer that we read, in bytes: a list of a hundred thousand dialogs.
const ANSWER_MAX: u64 = 256 << 20;

/// Calls `method` and gives its result.
pub(crate) fn call(server: SocketAddr, method: &str, params: &Value) -> Result<Value> {
    let mut answer: Value = serde_json::from_str(&text(server, method, params)?)?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(format!("{method}: {answer}").into()),
    }
}

/// Calls `method` and gives the whole reply as it came.
pub(crate) fn text(server: SocketAddr, method: &str, params: &Value) -> Result<String> {
    let (head, body) = post(method, params);
    exchange(server, &head, &body)
}

/// Calls `method` for a list in lines, of which nothing is kept: how many lines and bytes came.
pub(crate) fn lines(server: SocketAddr, method: &str, params: &Value) -> Result<(u64, u64)> {
    let (head, body) = post(method, params);
    let mut stream = ask(server, &format!("{head}\r\nAccept: application/x-ndjson"), &body)?;
    let (mut lines, mut bytes) = (0, 0);
    let mut last = [0; LAST_CHUNK.len()];
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        for &byte in &buffer[..length] {
            // Lines of HTTP end in CRLF, those of the list do not.
            lines += u64::from(byte == b'\n' && last[last.len() - 1] != b'\r');
            last.rotate_left(1);
            last[last.len() - 1] = byte;
        }
        bytes += length as u64;
    }
    if last == LAST_CHUNK { Ok((lines, bytes)) } else { Err("the list broke off".into()) }
}

/// RFC 9112 §7.1: without it a body in chunks is not complete.
const LAST_CHUNK: [u8; 5] = *b"0\r\n\r\n";

/// Reads a page.
pub(crate) fn read(server: SocketAddr, path: &str) -> Result<String> {
    exchange(server, &format!("GET {path} HTTP/1.1"), "")
}

/// Head and body of a request for a command.
fn post(method: &str, params: &Value) -> (String, String) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let length = body.len();
    let head =
        format!("POST /mi HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}");
    (head, body)
}

/// One request on a connection of its own; the body of the answer.
fn exchange(server: SocketAddr, head: &str, body: &str) -> Result<String> {
    let mut answer = Vec::new();
    ask(server, head, body)?.take(ANSWER_MAX).read_to_end(&mut answer)?;
    body_of(&answer)
}

/// Sends a request; the connection to read the answer from.
fn ask(server: SocketAddr, head: &str, body: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "{head}\r\nHost: {server}\r\nConnection: close\r\n\r\n{body}")?;
    Ok(stream)
}

/// The body of an HTTP/1.1 answer whose connection was closed after it.
fn body_of(answer: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(answer)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the HTTP answer has no body")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("HTTP answer: {status}").into());
    }
    let chunked = head.lines().filter_map(|line| line.split_once(':')).any(|(name, value)| {
        name.eq_ignore_ascii_case("transfer-encoding")
            && value.trim().eq_ignore_ascii_case("chunked")
    });
    if chunked { unchunk(body) } else { Ok(body.to_owned()) }
}

/// RFC 9112 §7.1: sizes in hexadecimal, each chunk followed by CRLF, the last one empty.
fn unchunk(mut rest: &str) -> Result<String> {
    let mut body = String::with_capacity(rest.len());
    loop {
        let (size, after) = rest.split_once("\r\n").ok_or("a chunk without its size")?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.push_str(after.get(..size).ok_or("a chunk was cut off")?);
        rest = after.get(size + 2..).ok_or("a chunk was cut off")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_chunked_bodies_are_read() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(body_of(plain).unwrap(), "{}");
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(body_of(chunked).unwrap(), "{\"a\":1}");
    }

    #[test]
    fn refusals_are_errors() {
        assert!(body_of(b"HTTP/1.1 403 Forbidden\r\n\r\n").is_err());
    }
}
