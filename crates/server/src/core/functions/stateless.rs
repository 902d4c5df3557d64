//! `forward()` and `send()`: relaying without a transaction (spec/script.md §11).

use duologue_script::{Args, Called};

use crate::context::Context;
use crate::relay::outbound_uri;
use crate::stateless;

/// How many bytes of headers `send()` may add.
const LINES_MAX: usize = 8_192;

pub(super) fn forward(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let to = args.str(0).filter(|to| !to.is_empty());
    Called::Value(stateless::forward(ctx, to))
}

pub(super) fn send(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(to) = args.str(0) else { return Called::Value(-1) };
    match header_lines(args.str(1).unwrap_or_default()) {
        Some(lines) => Called::Value(stateless::send(ctx, to, &lines)),
        None => Called::Value(-1),
    }
}

pub(super) fn check(index: usize, text: &str) -> Result<(), String> {
    let variable = text.contains('$');
    match index {
        0 if !variable && !text.is_empty() && outbound_uri(text.as_bytes()).is_none() => {
            Err(format!("a destination is [proto:]host[:port], not \"{text}\""))
        }
        1 if header_lines(text.as_bytes()).is_none() => {
            Err("a blank line would end the headers".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whole header lines, the last one ended. None if they are too long or would end the headers.
fn header_lines(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'))? + 1;
    let blank = text[..end].split(|&byte| byte == b'\n').any(|line| line.trim_ascii().is_empty());
    (!blank && end <= LINES_MAX).then(|| [&text[..end], b"\r\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §11.
    #[test]
    fn lines_that_are_added_stay_headers() {
        assert_eq!(header_lines(b""), Some(Vec::new()));
        assert_eq!(header_lines(b"X: 1").as_deref(), Some(&b"X: 1\r\n"[..]));
        assert_eq!(header_lines(b"X: 1\r\nY: 2\r\n").as_deref(), Some(&b"X: 1\r\nY: 2\r\n"[..]));
        for bad in [&b"\r\n"[..], b"X: 1\r\n\r\nbody", &[b'x'; LINES_MAX + 1]] {
            assert_eq!(header_lines(bad), None);
        }
        assert!(check(0, "udp:10.0.0.1:5060").is_ok() && check(0, "$du").is_ok());
        assert!(check(0, "10.0.0.1:x").is_err() && check(1, "\n").is_err());
    }
}
