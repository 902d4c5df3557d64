//! The commands of the events interface (spec/script.md §15.4, §16).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry};
use duologue_server::events::{EventParams, EventValue, SubscribeError, SubscriberInfo, Ttl};
use duologue_server::{Node, Server};
use duologue_sip::Moment;
use serde_json::{Map, Value, json};

/// How long a subscription lasts that names no expiry, in seconds.
const EXPIRE_DEFAULT: u32 = 3600;

/// Adds the commands of the events interface.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    let command = |name, help, handler: Handler| {
        let server = Arc::clone(server);
        let run = move |params: &Params| handler(server.node(), server.now(), params);
        Command::new(name, "evi", run).help(help)
    };
    registry.add(
        command("evi:subscribe", "subscribes a socket to an event, for 3600 s", subscribe)
            .alias("event_subscribe")
            .signatures(&[&["event", "socket"], &["event", "socket", "expire"]]),
    )?;
    registry.add(command("evi:list", "lists all events", list).alias("events_list").reads())?;
    registry.add(
        command("evi:subscribers", "lists subscribers: all, of an event, or one", subscribers)
            .alias("subscribers_list")
            .reads()
            .signatures(&[&[], &["event"], &["event", "socket"]]),
    )?;
    registry.add(
        command("evi:raise", "raises an event", raise)
            .alias("raise_event")
            .signatures(&[&["event"], &["event", "params"]]),
    )
}

type Handler = fn(&Node, Moment, &Params) -> Result<Answer, CommandError>;

fn subscribe(node: &Node, now: Moment, params: &Params) -> Result<Answer, CommandError> {
    let (event, socket) = (params.text("event")?, params.text("socket")?);
    let expire = match params.optional_integer("expire")? {
        None => EXPIRE_DEFAULT,
        Some(seconds) if seconds < 0 => {
            return Err(CommandError::invalid_params("Negative expire value"));
        }
        Some(seconds) => u32::try_from(seconds).map_err(|_| CommandError::bad_type("expire"))?,
    };
    match node.events.subscribe_socket(now, &event, &socket, Some(expire)) {
        Ok(()) => Ok(Answer::ok()),
        Err(SubscribeError::TooMany) => Err(CommandError::new(500, "Too many subscribers")),
        Err(error) => Err(bad_value(error.to_string())),
    }
}

fn bad_value(why: String) -> CommandError {
    CommandError::new(400, "Bad parameter value").with_data(why)
}

fn list(node: &Node, _: Moment, _: &Params) -> Result<Answer, CommandError> {
    let names = node.events.names();
    let events = names.iter().enumerate().map(|(id, name)| json!({ "name": name, "id": id }));
    Ok(json!({ "Events": events.collect::<Value>() }).into())
}

fn subscribers(node: &Node, now: Moment, params: &Params) -> Result<Answer, CommandError> {
    let Some(event) = params.optional_text("event")? else {
        let names = node.events.names();
        let heard = names.iter().filter_map(|name| {
            let (id, subscribers) = node.events.subscribers(now, name)?;
            (!subscribers.is_empty()).then(|| of_event(name, id, &subscribers))
        });
        return Ok(json!({ "Events": heard.collect::<Value>() }).into());
    };
    let unknown = || CommandError::new(404, "Event not published");
    let (id, subscribers) = node.events.subscribers(now, &event).ok_or_else(unknown)?;
    let Some(socket) = params.optional_text("socket")? else {
        return Ok(json!({ "Event": of_event(&event, id, &subscribers) }).into());
    };
    let found = subscribers.iter().find(|subscriber| *subscriber.socket == *socket);
    let found = found.ok_or_else(|| CommandError::new(404, "Subscriber does not exist"))?;
    Ok(json!({ "Event": { "name": event, "id": id, "Subscriber": one(found) } }).into())
}

fn of_event(name: &str, id: usize, subscribers: &[SubscriberInfo]) -> Value {
    let subscribers: Value = subscribers.iter().map(one).collect();
    json!({ "name": name, "id": id, "Subscribers": subscribers })
}

fn one(subscriber: &SubscriberInfo) -> Value {
    let mut fields = Map::new();
    fields.insert("socket".to_owned(), (*subscriber.socket).into());
    fields.insert("expire".to_owned(), subscriber.expire.map_or("never".into(), Value::from));
    match subscriber.ttl {
        Ttl::Never => None,
        Ttl::Seconds(left) => fields.insert("ttl".to_owned(), left.into()),
        Ttl::Expired => fields.insert("ttl".to_owned(), "expired".into()),
    };
    Value::Object(fields)
}

fn raise(node: &Node, now: Moment, params: &Params) -> Result<Answer, CommandError> {
    let event = params.text("event")?;
    let made = params.raw("params").map_or_else(|| Ok(EventParams::default()), parameters)?;
    if made.is_too_large() {
        return Err(bad_value("the parameters are too many or too large".to_owned()));
    }
    let raised = node.events.raise(now, &event, |params| *params = made);
    raised.map_err(|error| bad_value(error.to_string())).map(|()| Answer::ok())
}

/// An array of values, an object, or the text of an object.
fn parameters(given: &Value) -> Result<EventParams, CommandError> {
    let bad = || CommandError::bad_type("params");
    let mut params = EventParams::default();
    match given {
        Value::Array(values) => {
            for value in values {
                params.push(None, scalar(value)?);
            }
        }
        Value::Object(values) => {
            for (name, value) in values {
                params.push(Some(name.as_bytes()), scalar(value)?);
            }
        }
        Value::String(text) => {
            let object = serde_json::from_str(text).ok().filter(Value::is_object);
            return parameters(&object.ok_or_else(bad)?);
        }
        _ => return Err(bad()),
    }
    Ok(params)
}

/// A text or a number, whose fraction is cut off (spec/script.md §15.2).
fn scalar(value: &Value) -> Result<EventValue, CommandError> {
    let number = |value: &Value| match value.as_i64() {
        Some(number) => Some(number),
        None => value.as_f64().map(|number| number as i64),
    };
    match value {
        Value::String(text) => Ok(text.as_bytes().into()),
        Value::Number(_) => number(value).map(EventValue::Int).ok_or_else(bad_item),
        _ => Err(bad_item()),
    }
}

fn bad_item() -> CommandError {
    CommandError::invalid_params("Bad type for array item in parameter 'params'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(params: Value) -> Result<Vec<(Option<String>, EventValue)>, i64> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        parameters(&params)
            .map(|made| made.iter().map(|(name, value)| (name.map(text), value.clone())).collect())
            .map_err(|error| error.code)
    }

    // spec/script.md §15.4, raise_event: an array, an object, or an object as text.
    #[test]
    fn parameters_have_names_or_places() {
        let text = |text: &str| EventValue::from(text.as_bytes());
        assert_eq!(told(json!(["x", 2.9])), Ok(vec![(None, text("x")), (None, 2.into())]));
        let named = Ok(vec![(Some("b".to_owned()), 1.into()), (Some("a".to_owned()), text("x"))]);
        assert_eq!(told(json!({ "b": 1, "a": "x" })), named);
        assert_eq!(told(json!(r#"{"b":1,"a":"x"}"#)), named);
        assert_eq!(told(json!([])), Ok(Vec::new()));
        for bad in [json!("x"), json!("[1]"), json!(5), json!([true]), json!({ "a": [] })] {
            assert_eq!(told(bad.clone()), Err(-32602), "{bad}");
        }
    }
}
