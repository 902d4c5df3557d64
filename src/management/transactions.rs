//! The commands of `tm` (spec/modules.md §1.7).

use std::sync::Arc;
use std::sync::mpsc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry};
use duologue_server::Node;
use duologue_server::call::{ReplyTo, Which};
use duologue_server::new_requests::{self, NewRequest};
use duologue_sip::Message;
use duologue_transaction::TransactionId;
use serde_json::json;

use super::patience::{REPLY_WAIT_MAX, TURN_WAIT_MAX, accepted};

/// Adds the commands of `tm` to a registry.
///
/// # Errors
/// One of their names is taken.
pub fn register(registry: &mut Registry, node: &Arc<Node>) -> Result<(), Duplicate> {
    let command = |name, help, handler: fn(&Arc<Node>, &Params) -> _| {
        let node = Arc::clone(node);
        Command::new(name, "tm", move |params| handler(&node, params)).help(help)
    };
    registry.add(
        command("tm:uac_dlg", "sends a request and waits for its final reply", send)
            .alias("t_uac_dlg")
            .named_only()
            .waits()
            .signatures(&[
                &["method", "ruri", "headers"],
                &["method", "ruri", "headers", "next_hop"],
                &["method", "ruri", "headers", "socket"],
                &["method", "ruri", "headers", "body"],
                &["method", "ruri", "headers", "next_hop", "socket"],
                &["method", "ruri", "headers", "next_hop", "body"],
                &["method", "ruri", "headers", "socket", "body"],
                &["method", "ruri", "headers", "next_hop", "socket", "body"],
            ]),
    )?;
    registry.add(
        command("tm:uac_cancel", "gives up a request that tm:uac_dlg sent", cancel)
            .alias("t_uac_cancel")
            .waits()
            .signatures(&[&["callid", "cseq"]]),
    )?;
    registry.add(
        command("tm:reply", "answers a request that waits for its reply", reply)
            .alias("t_reply")
            .named_only()
            .waits()
            .signatures(&[
                &["code", "reason", "trans_id", "to_tag"],
                &["code", "reason", "trans_id", "to_tag", "new_headers"],
                &["code", "reason", "trans_id", "to_tag", "body"],
                &["code", "reason", "trans_id", "to_tag", "new_headers", "body"],
            ]),
    )
}

fn send(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let (method, uri) = (params.text("method")?, params.text("ruri")?);
    let headers = params.text("headers")?;
    let body = params.optional_text("body")?;
    let (asker, heard) = mpsc::channel();
    let socket = match params.optional_text("socket")? {
        None => None,
        Some(text) => Some(
            node.sockets
                .find_text(text.as_bytes())
                .ok_or_else(|| CommandError::new(404, "Socket not found"))?,
        ),
    };
    let described = NewRequest::described(&method, &uri, &headers, body.as_deref());
    let request = NewRequest {
        next_hop: params.optional_text("next_hop")?.map(String::into_bytes),
        socket,
        asker: Some(asker),
        ..described.map_err(|reason| CommandError::new(400, reason))?
    };
    if !new_requests::send(node, request) {
        return Err(CommandError::new(500, "No room for another call"));
    }
    if !params.may_wait() {
        return Ok(accepted());
    }
    // Without a reply the request could not be sent, and its asker was dropped.
    let heard = heard
        .recv_timeout(REPLY_WAIT_MAX)
        .map_err(|_| CommandError::new(500, "The request could not be sent"))?;
    let reply = Message::parse(&heard.reply).ok();
    let reason = match &reply {
        Some(reply) => String::from_utf8_lossy(reply.reason()).into_owned(),
        None => {
            String::from_utf8_lossy(duologue_server::effects::phrase(heard.status)).into_owned()
        }
    };
    let status = format!("{} {reason}", heard.status);
    Ok(json!({ "Status": status, "Message": String::from_utf8_lossy(&heard.reply) }).into())
}

fn cancel(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let call_id = params.text("callid")?;
    let cseq = params.text("cseq")?;
    let number = cseq.split(' ').next().and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| CommandError::bad_type("cseq"))?;
    let (done, told) = mpsc::channel();
    new_requests::cancel(node, call_id.as_bytes(), number, done);
    if !params.may_wait() {
        return Ok(accepted());
    }
    match told.recv_timeout(TURN_WAIT_MAX) {
        Ok(true) => Ok(Answer::ok()),
        _ => Err(CommandError::new(404, "No such transaction")),
    }
}

fn reply(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let status =
        u16::try_from(params.integer("code")?).ok().filter(|code| (100..700).contains(code));
    let status = status.ok_or_else(|| CommandError::bad_type("code"))?;
    let id = params.text("trans_id")?;
    let parts =
        id.split_once(':').and_then(|(call, id)| Some((call.parse().ok()?, id.parse().ok()?)));
    let (shown, id) = parts.ok_or_else(|| CommandError::bad_type("trans_id"))?;
    let lines = params.optional_text("new_headers")?.unwrap_or_default();
    let (done, told) = mpsc::channel();
    let reply = ReplyTo {
        which: Which::Transaction(TransactionId(id)),
        status,
        reason: params.text("reason")?.into_bytes(),
        lines: super::dialogs::header_lines(&lines)?,
        body: params.optional_text("body")?.unwrap_or_default().into_bytes(),
        to_tag: params.text("to_tag")?.into_bytes(),
        done: Some(done),
    };
    let there = new_requests::answer(node, shown, &reply);
    // Only the call's copy may keep the channel open.
    drop(reply);
    if there && !params.may_wait() {
        return Ok(accepted());
    }
    if there && told.recv_timeout(TURN_WAIT_MAX) == Ok(true) {
        Ok(Answer::ok())
    } else {
        Err(CommandError::new(404, "Transaction not found"))
    }
}
