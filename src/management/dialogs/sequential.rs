//! `dialog:send_sequential`: a request within a call, or the offer of one side brought to the other
//! (spec/dialog.md §13.2).

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};

use duologue_dialog::{Answer as Heard, AskError, Body, Dialog, Direction, NewRequest};
use duologue_management::{Answer, Command, CommandError, Params};
use duologue_server::{Node, effects};
use serde_json::json;

use super::{Maker, find, header_lines};
use crate::management::patience::{REPLY_WAIT_MAX, accepted};

pub(super) fn commands(command: Maker<'_>) -> Vec<Command> {
    vec![
        command("dialog:send_sequential", "sends a request within a dialog", send)
            .alias("dlg_send_sequential")
            .named_only()
            .waits()
            .signatures(&[
                &["callid"],
                &["callid", "mode"],
                &["callid", "method"],
                &["callid", "body"],
                &["callid", "headers"],
                &["callid", "mode", "method"],
                &["callid", "mode", "body"],
                &["callid", "mode", "headers"],
                &["callid", "method", "body"],
                &["callid", "method", "headers"],
                &["callid", "body", "headers"],
                &["callid", "mode", "method", "body"],
                &["callid", "mode", "method", "headers"],
                &["callid", "mode", "body", "headers"],
                &["callid", "method", "body", "headers"],
                &["callid", "mode", "method", "body", "headers"],
            ]),
    ]
}

fn send(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let mode = params.optional_text("mode")?;
    let mode = Mode::named(mode.as_deref().unwrap_or("caller"))
        .ok_or_else(|| CommandError::new(400, "Invalid mode"))?;
    let method = params.optional_text("method")?.unwrap_or_else(|| "INVITE".to_owned());
    if mode.challenges && method != "INVITE" && method != "UPDATE" {
        return Err(CommandError::new(406, "Not Acceptable"));
    }
    let headers = header_lines(&params.optional_text("headers")?.unwrap_or_default())?;
    let body = params.optional_text("body")?;
    let body = Wanted::named(body.as_deref().unwrap_or("none"))
        .ok_or_else(|| CommandError::new(400, "Invalid body mode"))?;
    let dialog = find(node, &params.text("callid")?)
        .ok_or_else(|| CommandError::new(404, "Dialog Not Found"))?;
    let body = body.of(&dialog, mode.side)?;
    let (asker, heard) = mpsc::channel();
    let request = Sequential { method, headers };
    let sent = if mode.challenges {
        challenge(&dialog, mode.side, request, body, asker)
    } else {
        let tell = move |answer: Heard<'_>| tell(&asker, &answer);
        dialog.send_request(request.to(mode.side, body), tell)
    };
    sent.map_err(refused)?;
    if !params.may_wait() {
        return Ok(accepted());
    }
    match heard.recv_timeout(REPLY_WAIT_MAX) {
        Ok((code, reason)) => Ok(json!({ "Code": code, "Reason": reason }).into()),
        Err(RecvTimeoutError::Timeout) => Err(CommandError::new(500, "Internal Error")),
        // The dialog ended, or the leg, before the request had its turn.
        Err(RecvTimeoutError::Disconnected) => Err(CommandError::new(500, "Operation failed")),
    }
}

fn refused(why: AskError) -> CommandError {
    let (code, message) = match why {
        AskError::NotActive => (403, "Dialog Error"),
        AskError::BadMethod | AskError::BadHeaders => (400, "Bad param"),
        AskError::Busy | AskError::NotNext => (500, "Operation failed"),
    };
    CommandError::new(code, message).with_data(why.to_string())
}

/// What the request is, but for its body.
#[derive(Clone, Debug)]
struct Sequential {
    method: String,
    headers: Vec<u8>,
}

impl Sequential {
    fn to(&self, side: Side, body: Option<Body>) -> NewRequest {
        let request = match side {
            Side::Caller => NewRequest::to_caller(&self.method),
            Side::Callee => NewRequest::to_callee(&self.method),
        };
        let request = request.headers(&self.headers);
        match body {
            Some(body) => request.body(body),
            None => request,
        }
    }
}

/// One side says what it can do, the other hears of it in the same kind of request. Both are
/// acknowledged; where the first made an offer, its ACK brings the answer of the second.
fn challenge(
    dialog: &Dialog,
    first: Side,
    request: Sequential,
    body: Option<Body>,
    asker: Sender<(u16, String)>,
) -> Result<(), AskError> {
    let offers = request.method == "INVITE" && body.is_none();
    let to_first = request.to(first, body);
    let to_first = if offers { to_first.holding_ack() } else { to_first };
    dialog.send_request(to_first, move |mut answer| {
        let ack = answer.ack.take();
        if !accepts(&answer) {
            return tell(&asker, &answer);
        }
        let said = body_of(&answer);
        if offers && said.is_none() {
            // It offered nothing, so there is nothing to bring to the other side.
            return tell(&asker, &answer);
        }
        let to_second = request.to(first.other(), said);
        // Where it cannot be sent, asker and ACK are dropped with the closure.
        let _ = answer.dialog.send_request(to_second, move |answer| {
            if let (Some(ack), true, Some(body)) = (ack, accepts(&answer), body_of(&answer)) {
                ack.send(body);
            }
            tell(&asker, &answer);
        });
    })
}

fn accepts(answer: &Heard<'_>) -> bool {
    (200..300).contains(&answer.outcome.status())
}

fn body_of(answer: &Heard<'_>) -> Option<Body> {
    let message = answer.message.as_deref()?;
    let content_type = message.header("Content-Type")?;
    (!message.body().is_empty()).then(|| Body::new(content_type, message.body()))
}

/// Code and reason of the reply, or of what stands for none.
fn tell(asker: &Sender<(u16, String)>, answer: &Heard<'_>) {
    let code = answer.outcome.status();
    let reason = match answer.message.as_deref() {
        Some(reply) => reply.reason(),
        None => effects::phrase(code),
    };
    // Nobody listens where the command could not wait.
    let _ = asker.send((code, String::from_utf8_lossy(reason).into_owned()));
}

/// Who gets the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// Who gets it first, and whether the other side hears of what comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode {
    side: Side,
    challenges: bool,
}

impl Mode {
    fn named(name: &str) -> Option<Self> {
        let (side, challenges) = match name {
            "caller" => (Side::Caller, false),
            "callee" => (Side::Callee, false),
            "challenge" | "challenge-caller" => (Side::Caller, true),
            "challenge-callee" => (Side::Callee, true),
            _ => return None,
        };
        Some(Self { side, challenges })
    }
}

/// Which body the request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    None,
    Inbound,
    Outbound,
    Custom(Body),
}

impl Wanted {
    fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "inbound" => Some(Self::Inbound),
            "outbound" => Some(Self::Outbound),
            _ => {
                let (content_type, body) = name.strip_prefix("custom:")?.split_once(':')?;
                let known = content_type.split_once('/').is_some_and(|(kind, of)| {
                    !kind.is_empty() && !of.is_empty() && !content_type.contains(['\r', '\n'])
                });
                let body = Body::new(content_type.as_bytes(), body.as_bytes());
                known.then_some(Self::Custom(body))
            }
        }
    }

    /// The body for a side. To ask for one that nobody kept is an error: without it the request
    /// would be another.
    fn of(self, dialog: &Dialog, side: Side) -> Result<Option<Body>, CommandError> {
        // What goes to a side travels as what its peer sends.
        let direction = match side {
            Side::Caller => Direction::Upstream,
            Side::Callee => Direction::Downstream,
        };
        let inbound = || dialog.body_last_received(direction).ok().flatten();
        let kept = match self {
            Self::None => return Ok(None),
            Self::Custom(body) => Some(body),
            Self::Inbound => inbound(),
            Self::Outbound => dialog.body_last_sent(direction).ok().flatten().or_else(inbound),
        };
        let missing = || {
            let why = "no body of this call was kept: see keep_sdp of the dialog module";
            CommandError::new(500, "Operation failed").with_data(why)
        };
        kept.map(Some).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // §13.2: `custom:<content-type>:<body>`; a body may have colons of its own
    #[test]
    fn custom_bodies_have_a_type() {
        let body = Body::new(b"text/plain", b"a: b");
        assert_eq!(Wanted::named("custom:text/plain:a: b"), Some(Wanted::Custom(body)));
        for bad in ["custom", "custom:", "custom:text/plain", "custom:text:x", "None", ""] {
            assert_eq!(Wanted::named(bad), None, "{bad}");
        }
    }
}
