//! The page of somebody else, served from a port of its own.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use super::{LEVEL, tap};
use crate::{Result, paths, ports};

/// A server with one page; it ends with the program.
pub(super) struct Page {
    port: u16,
}

impl Page {
    /// A page that sends its commands to a URL.
    pub(super) fn aiming_at(target: &str) -> Result<Self> {
        let text = text(target)?;
        let listener = TcpListener::bind(ports::local(0))?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A browser that has gone away needs no page.
                let _ = serve(stream, &text);
            }
        });
        Ok(Self { port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// `tests/browser/page.html`, aimed at a URL.
pub(super) fn text(target: &str) -> Result<String> {
    let text = fs::read_to_string(paths::root().join("tests/browser/page.html"))?;
    let command = json!({"jsonrpc": "2.0", "id": 1, "method": "xlog_level", "params": [LEVEL]});
    // The command is a text of the page's script.
    let command = json!(command.to_string()).to_string();
    Ok(text
        .replace("\"TARGET\"", &json!(target).to_string())
        .replace("COMMAND;", &format!("{command};")))
}

fn serve(mut stream: TcpStream, text: &str) -> Result<()> {
    tap::read(&mut stream)?;
    stream.write_all(response(text).as_bytes())?;
    Ok(())
}

/// The page as an HTTP response.
pub(super) fn response(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    )
}
