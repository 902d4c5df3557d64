//! The commands of the usrloc module (spec/modules.md §13).

use std::sync::Arc;
use std::time::Duration;

use duologue_management::{
    Answer, Command, CommandError, Duplicate, Params, Registry, SLICE_BYTES, json_text,
};
use duologue_script::FlagKind;
use duologue_server::Server;
use duologue_server::modules::registrar::q_text;
use duologue_server::modules::usrloc::{Usrloc, branch_flag_names, key_of};
use duologue_sip::{Moment, Uri};
use duologue_usrloc::{
    Change, Contact, Cursor, Expires, Listed, Location, Methods, Refused, RowState, Table, Update,
};
use serde_json::{Map, Value, json};

/// How many users are copied out of the table at a time.
const SLICE: usize = 64;

/// The longest texts that an operator may store, in octets.
const TEXT_OCTETS_MAX: usize = 512;

/// Adds the usrloc module's commands, if the script loads it.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    if server.node().settings::<Usrloc>().location().is_none() {
        return Ok(());
    }
    let command = |name, help, handler: fn(&Arc<Server>, &Params) -> _| {
        let server = Arc::clone(server);
        Command::new(name, "usrloc", move |params| handler(&server, params)).help(help)
    };
    let mut add = |command: Command| registry.add(command);
    add(command("usrloc:dump", "lists all users, with their contacts or without", dump)
        .alias("ul_dump")
        .reads()
        .signatures(&[&[], &["brief"]]))?;
    add(command("usrloc:show_contact", "shows the contacts of a user", show)
        .alias("ul_show_contact")
        .reads()
        .signatures(&[&["table_name", "aor"]]))?;
    add(command(
        "usrloc:add",
        "binds a contact to a user, for a time or (expires 0) for ever",
        bind,
    )
    .alias("ul_add")
    .signatures(&[&[
        "table_name",
        "aor",
        "contact",
        "expires",
        "q",
        "flags",
        "cflags",
        "methods",
    ]]))?;
    add(command("usrloc:rm", "removes a user with all contacts", remove)
        .alias("ul_rm")
        .signatures(&[&["table_name", "aor"]]))?;
    add(command("usrloc:rm_contact", "removes a contact of a user", remove_contact)
        .alias("ul_rm_contact")
        .signatures(&[&["table_name", "aor", "contact"]]))?;
    add(command("usrloc:flush", "writes to the database what differs from it", flush)
        .alias("ul_flush"))?;
    add(command("usrloc:sync", "makes users, or one of them, what the database says", sync)
        .alias("ul_sync")
        .signatures(&[&["table_name"], &["table_name", "aor"]]))
}

// --- The commands -----------------------------------------------------------------------------

fn dump(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let brief = params.optional_integer("brief")?.unwrap_or_default() == 1;
    Ok(Answer::Stream(Box::new(Dump::new(Arc::clone(server), brief))))
}

fn show(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (table, aor) = (table(server, params)?, aor(server, params)?);
    let user = table.user(&aor).ok_or_else(no_aor)?;
    Ok(listing(server, server.now(), &user, false).into())
}

fn bind(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (table, aor) = (table(server, params)?, aor(server, params)?);
    let uri = params.text("contact")?;
    if uri.len() > TEXT_OCTETS_MAX || Uri::parse(uri.as_bytes()).is_err() {
        return Err(CommandError::new(400, "Bad contact"));
    }
    let now = server.now().tick;
    let seconds = u32::try_from(params.integer("expires")?);
    let expires = match seconds.map_err(|_| CommandError::bad_type("expires"))? {
        0 => Expires::Never,
        seconds => Expires::At(now + Duration::from_secs(seconds.into())),
    };
    let mask =
        |name| u32::try_from(params.integer(name)?).map_err(|_| CommandError::bad_type(name));
    let contact = Contact {
        expires,
        q: q(params)?,
        flags: mask("flags")?,
        branch_flags: branch_flags(server, params)?,
        methods: Methods(mask("methods")?),
        user_agent: COMMAND_USER_AGENT.into(),
        ..Contact::new(uri.as_bytes(), COMMAND_CALL_ID, 1)
    };
    let update = Update::of(COMMAND_CALL_ID, 1, vec![Change::Set(contact)]).unordered();
    match table.update(&aor, now, update) {
        Ok(_) => Ok(Answer::ok()),
        Err(refused @ (Refused::TooManyContacts | Refused::Full | Refused::OldRequest)) => {
            Err(CommandError::new(500, "Failed to add contact").with_data(refused.to_string()))
        }
    }
}

fn remove(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (table, aor) = (table(server, params)?, aor(server, params)?);
    if table.remove_user(&aor) { Ok(Answer::ok()) } else { Err(no_aor()) }
}

fn remove_contact(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (table, aor) = (table(server, params)?, aor(server, params)?);
    let uri = params.text("contact")?;
    let uri = Uri::parse(uri.as_bytes()).map_err(|_| CommandError::new(400, "Bad contact"))?;
    let now = server.now().tick;
    if table.contacts(&aor, now).is_empty() {
        return Err(no_aor());
    }
    let same = |contact: &Contact| Uri::parse(&contact.uri).is_ok_and(|known| known == uri);
    match table.remove(&aor, now, same) {
        0 => Err(CommandError::new(404, "Contact not found")),
        _ => Ok(Answer::ok()),
    }
}

/// In memory alone nothing waits to be written.
fn flush(server: &Arc<Server>, _: &Params) -> Result<Answer, CommandError> {
    match &server.node().user_storage {
        None => Ok(Answer::ok()),
        Some(storage) => done(storage.flush()),
    }
}

fn sync(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let table = table(server, params)?;
    let aor = if params.has("aor") { Some(aor(server, params)?) } else { None };
    match &server.node().user_storage {
        // Better refused than forgotten: they are nowhere else.
        None => Err(CommandError::new(
            400,
            "Users are kept in memory only: there is no database to read",
        )),
        Some(storage) => done(storage.sync(table.name(), aor.as_deref())),
    }
}

/// The writer has done it, while this thread waited.
fn done(outcome: Result<u64, String>) -> Result<Answer, CommandError> {
    match outcome {
        Ok(_) => Ok(Answer::ok()),
        Err(reason) => Err(CommandError::new(500, "Database error").with_data(reason)),
    }
}

/// What stands where a registration would have left its own.
const COMMAND_CALL_ID: &[u8] = b"ul_add@duologue.invalid";
const COMMAND_USER_AGENT: &[u8] = b"Duologue MI";

// --- Parameters -------------------------------------------------------------------------------

fn location(server: &Server) -> Result<&Location, CommandError> {
    let location = server.node().settings::<Usrloc>().location();
    location.ok_or_else(|| CommandError::server("usrloc is not loaded"))
}

fn table<'s>(server: &'s Server, params: &Params) -> Result<&'s Table, CommandError> {
    let name = params.text("table_name")?;
    let table = location(server)?.table(&name);
    table.ok_or_else(|| CommandError::new(404, "Table not found"))
}

/// The user's name: without a domain unless users have one, and then not without.
fn aor(server: &Server, params: &Params) -> Result<Vec<u8>, CommandError> {
    let text = params.text("aor")?;
    let use_domain = server.node().settings::<Usrloc>().use_domain;
    let aor = key_of(text.as_bytes(), use_domain);
    if use_domain && !aor.contains(&b'@') {
        return Err(CommandError::new(400, "Domain missing in AOR"));
    }
    if aor.is_empty() || aor.len() > TEXT_OCTETS_MAX {
        return Err(CommandError::new(400, "Bad AOR"));
    }
    Ok(aor)
}

fn no_aor() -> CommandError {
    CommandError::new(404, "AOR not found")
}

/// A q value as a text or a number from 0 to 1; −1 and nothing are none.
fn q(params: &Params) -> Result<i16, CommandError> {
    let bad = || CommandError::bad_type("q");
    let q = match params.raw("q") {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) if text.trim().is_empty() => Some(-1.0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    match q {
        Some(-1.0) => Ok(-1),
        // From 0 to 1000: it fits.
        Some(q) if (0.0..=1.0).contains(&q) => Ok((q * 1000.0).round() as i16),
        _ => Err(bad()),
    }
}

/// The branch flags: a mask, or names with blanks or commas between.
fn branch_flags(server: &Server, params: &Params) -> Result<u32, CommandError> {
    let text = params.text("cflags")?;
    if let Ok(mask) = text.trim().parse() {
        return Ok(mask);
    }
    let names = text.split([' ', ',']).filter(|name| !name.is_empty());
    let script = server.node().script();
    let bit = |name| script.program.flag(FlagKind::Branch, name).map(|bit| 1u32 << bit);
    let mask = names.map(bit).try_fold(0, |mask, bit| bit.map(|bit| mask | bit));
    mask.ok_or_else(|| CommandError::invalid_params("cflags names a flag that the script has not"))
}

// --- Listings ---------------------------------------------------------------------------------

/// All tables, made slice by slice, so that no registration waits and no memory is held.
struct Dump {
    server: Arc<Server>,
    now: Moment,
    brief: bool,
    table: usize,
    /// Where the table at hand goes on; `None` before it has begun.
    cursor: Option<Cursor>,
    first_user: bool,
    state: DumpState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DumpState {
    Begins,
    Goes,
    Over,
}

impl Dump {
    fn new(server: Arc<Server>, brief: bool) -> Self {
        let now = server.now();
        Self {
            server,
            now,
            brief,
            table: 0,
            cursor: None,
            first_user: true,
            state: DumpState::Begins,
        }
    }

    /// Appends the next few users of a table, with what stands before and behind them.
    fn slice(&mut self, table: &Table, out: &mut String) {
        let usrloc: &Usrloc = self.server.node().settings();
        let cursor = self.cursor.take().unwrap_or_else(|| {
            if self.table > 0 {
                out.push(',');
            }
            let name = Value::from(&**table.name());
            let size = usrloc.hash_size();
            out.push_str(&format!("{{\"name\":{name},\"hash_size\":{size},\"AORs\":["));
            self.first_user = true;
            Cursor::default()
        });
        let mut users = Vec::with_capacity(SLICE);
        self.cursor = table.list(cursor, SLICE, &mut users);
        for user in &users {
            if !std::mem::take(&mut self.first_user) {
                out.push(',');
            }
            out.push_str(&listing(&self.server, self.now, user, self.brief).to_string());
        }
        if self.cursor.is_none() {
            out.push_str("]}");
            self.table += 1;
        }
    }
}

impl Iterator for Dump {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut out = match self.state {
            DumpState::Begins => "{\"Domains\":[".to_owned(),
            DumpState::Goes => String::new(),
            DumpState::Over => return None,
        };
        self.state = DumpState::Goes;
        let server = Arc::clone(&self.server);
        while out.len() < SLICE_BYTES {
            let table = location(&server).ok().and_then(|all| all.tables().nth(self.table));
            let Some(table) = table else {
                out.push_str("]}");
                self.state = DumpState::Over;
                break;
            };
            self.slice(table, &mut out);
        }
        Some(out)
    }
}

fn listing(server: &Server, now: Moment, user: &Listed, brief: bool) -> Value {
    let mut fields = Map::new();
    fields.insert("AOR".to_owned(), json_text(&user.aor));
    if !brief {
        let contacts = user.contacts.iter().zip(&user.states);
        let contacts = contacts.map(|(contact, state)| self::contact(server, now, contact, *state));
        fields.insert("Contacts".to_owned(), contacts.collect());
        if !user.keys.is_empty() {
            let keys = user.keys.iter();
            let keys: Map<String, Value> = keys
                .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), json_text(value)))
                .collect();
            fields.insert("KV-Store".to_owned(), keys.into());
        }
    }
    fields.into()
}

/// A contact, its fields in the order that tools expect.
fn contact(server: &Server, now: Moment, contact: &Contact, state: RowState) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let text = |text: &[u8]| (!text.is_empty()).then(|| json_text(text));
    put("Contact", json_text(&contact.uri));
    put("ContactID", contact.id.0.to_string().into());
    put(
        "Expires",
        match contact.seconds_left(now.tick) {
            None => "permanent".into(),
            Some(0) => "expired".into(),
            Some(seconds) => seconds.into(),
        },
    );
    put("Q", if contact.q < 0 { "".into() } else { q_text(contact.q).into() });
    put("Callid", json_text(&contact.call_id));
    put("Cseq", contact.cseq.into());
    put("User-agent", json_text(&contact.user_agent));
    text(&contact.received).map(|received| put("Received", received));
    text(&contact.path).map(|path| put("Path", path));
    put("State", state_name(state).into());
    put("Flags", contact.flags.into());
    put("Cflags", branch_flag_names(server.node(), contact.branch_flags).into());
    let socket = contact.socket.and_then(|socket| server.node().sockets.get(socket));
    socket.map(|socket| put("Socket", socket.text().into()));
    put("Methods", contact.methods.0.into());
    text(&contact.attributes).map(|attributes| put("Attr", attributes));
    text(&contact.instance).map(|instance| put("SIP_instance", instance));
    if contact.latency_us > 0 {
        put("Ping-Latency", json!(contact.latency_us));
    }
    fields.into()
}

/// How a contact stands to its row; without a database nothing waits to be written anywhere.
const fn state_name(state: RowState) -> &'static str {
    match state {
        RowState::New => "CS_NEW",
        RowState::Dirty => "CS_DIRTY",
        RowState::Synced => "CS_SYNC",
    }
}
