//! The commands of the blacklists (spec/script.md §15.4).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry, json_text};
use duologue_server::Server;
use duologue_server::blacklist::{Definition, Destination, Rule, transport, whole_rule};
use serde_json::{Map, Value, json};

/// Adds the commands.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    let command = |name, help, handler: fn(&Server, &Params) -> _| {
        let server = Arc::clone(server);
        Command::new(name, "core", move |params| handler(&server, params)).help(help)
    };
    let commands = [
        command("blacklists:list", "lists the blacklists with their rules", list)
            .alias("list_blacklists")
            .reads()
            .signatures(&[&[], &["name"]]),
        command("blacklists:check", "shows the first rule of a list that forbids a place", check)
            .alias("check_blacklist")
            .reads()
            .signatures(&[
                &["name", "ip"],
                &["name", "proto", "ip"],
                &["name", "proto", "ip", "port"],
                &["name", "proto", "ip", "port", "pattern"],
            ]),
        command("blacklists:check_all", "names the lists that forbid a place", check_all)
            .alias("check_blacklists")
            .reads()
            .signatures(&[
                &["ip"],
                &["proto", "ip"],
                &["proto", "ip", "port"],
                &["proto", "ip", "port", "pattern"],
            ]),
        command("blacklists:add_rule", "adds a rule, for some seconds or for ever", add_rule)
            .alias("add_blacklist_rule")
            .signatures(&[&["name", "rule"], &["name", "rule", "expire"]]),
        command("blacklists:del_rule", "deletes a rule", delete_rule)
            .alias("del_blacklist_rule")
            .signatures(&[&["name", "rule"]]),
    ];
    commands.into_iter().try_for_each(|command| registry.add(command))
}

fn list(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    let wanted = params.optional_text("name")?;
    let now = server.now().unix;
    let lists = server.node().blacklists.listed(now);
    let lists: Vec<Value> = lists
        .filter(|list| wanted.as_ref().is_none_or(|name| *name == list.name))
        .map(|list| shown(list, now))
        .collect();
    if wanted.is_some() && lists.is_empty() {
        return Err(unknown());
    }
    Ok(json!({ "Lists": lists }).into())
}

fn shown(Definition { name, flags, rules }: Definition, now: u64) -> Value {
    let flags: Vec<String> =
        flags.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let rules: Value = rules.iter().map(|rule| shown_rule(rule, now)).collect();
    json!({ "name": name, "owner": "core", "flags": flags.join(","), "Rules": rules })
}

fn shown_rule(rule: &Rule, now: u64) -> Value {
    let (ip, len) = rule.net;
    let negation = if rule.negated { "!" } else { "" };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("IP", format!("{negation}{ip}/{len}").into());
    put("Proto", rule.proto.map_or("any", |proto| proto.name()).into());
    put("Port", rule.port.into());
    put("Match", json_text(&rule.pattern));
    rule.expires.map(|end| put("Expires", end.saturating_sub(now).into()));
    fields.into()
}

fn check(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    let list = found(server, params)?;
    let place = Place::of(params)?;
    let now = server.now().unix;
    let rule = server.node().blacklists.rule_against(list, now, &place.destination());
    let rule = rule.ok_or_else(|| CommandError::new(404, "No rule matches"))?;
    Ok(shown_rule(&rule, now).into())
}

fn check_all(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    let place = Place::of(params)?;
    let (now, to) = (server.now().unix, place.destination());
    let lists = &server.node().blacklists;
    let all = (0u8..).zip(lists.listed(now));
    let forbidding = all.filter(|(number, _)| lists.rule_against(*number, now, &to).is_some());
    Ok(forbidding.map(|(_, list)| Value::from(list.name)).collect::<Value>().into())
}

fn add_rule(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    let (list, mut rule) = (found(server, params)?, rule(params)?);
    let now = server.now().unix;
    if let Some(seconds) = params.optional_integer("expire")? {
        let seconds = u64::try_from(seconds)
            .map_err(|_| CommandError::invalid_params("Negative expire value"))?;
        rule.expires = (seconds > 0).then(|| now.saturating_add(seconds));
    }
    done(server.node().blacklists.add(list, rule, now))
}

fn delete_rule(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    let (list, rule) = (found(server, params)?, rule(params)?);
    done(server.node().blacklists.delete(list, &rule))
}

fn done(outcome: Result<(), &'static str>) -> Result<Answer, CommandError> {
    outcome.map(|()| Answer::ok()).map_err(|why| CommandError::new(400, why))
}

fn unknown() -> CommandError {
    CommandError::new(404, "Blacklist not found")
}

fn found(server: &Server, params: &Params) -> Result<u8, CommandError> {
    server.node().blacklists.find(params.text("name")?.as_bytes()).ok_or_else(unknown)
}

fn rule(params: &Params) -> Result<Rule, CommandError> {
    whole_rule(&params.text("rule")?).map_err(CommandError::invalid_params)
}

/// Where an operator asks about.
struct Place {
    ip: IpAddr,
    proto: Option<String>,
    port: u16,
    pattern: String,
}

impl Place {
    fn of(params: &Params) -> Result<Self, CommandError> {
        let port = params.optional_integer("port")?.unwrap_or_default();
        let proto = params.optional_text("proto")?;
        if proto.as_deref().is_some_and(|proto| transport(proto).is_none()) {
            return Err(CommandError::bad_type("proto"));
        }
        Ok(Self {
            ip: params.text("ip")?.parse().map_err(|_| CommandError::bad_type("ip"))?,
            proto,
            port: u16::try_from(port).map_err(|_| CommandError::bad_type("port"))?,
            pattern: params.optional_text("pattern")?.unwrap_or_default(),
        })
    }

    fn destination(&self) -> Destination<'_> {
        Destination {
            proto: self.proto.as_deref().and_then(transport).flatten(),
            address: SocketAddr::new(self.ip, self.port),
            message: self.pattern.as_bytes(),
        }
    }
}
