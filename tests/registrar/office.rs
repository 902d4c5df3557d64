//! The cast of these tests: an office with a registrar, alice who calls, and bob's phones.

use std::cell::Cell;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use duologue::server::modules::usrloc::Usrloc;
use duologue::server::statistics::Counter;
use duologue_testkit::{Agent, Message, Served, World};

use crate::world::{Proxy, forgotten, script_to};

pub(crate) const MODULES: &str = r#"
    loadmodule "usrloc.so"
    loadmodule "registrar.so"
"#;

pub(crate) const SAVE: &str = r#"save("location");"#;
pub(crate) const LOOKUP: &str =
    r#"if (!lookup("location")) { send_reply(404, "Not Found"); exit; }"#;

/// Where bob is called.
pub(crate) const BOB: &str = "sip:bob@10.0.0.1:5060";

const OURS: &str = "sip:10.0.0.1:5060";

/// A script in which `save` answers REGISTERs, and `lookup` finds who is called.
pub(crate) fn script(settings: &str, save: &str, lookup: &str) -> String {
    let targets = format!(
        r#"
        if (is_method("REGISTER")) {{
            {save}
            exit;
        }}
        {lookup}
        "#
    );
    script_to(&format!("{MODULES}{settings}"), &targets, "")
}

pub(crate) fn plain() -> String {
    script("", SAVE, LOOKUP)
}

/// The office: the world, for which it stands, with its people.
pub(crate) struct Office {
    world: World,
    pub(crate) proxy: Served<Proxy>,
    pub(crate) alice: Phone,
    pub(crate) bob: Phone,
}

impl Office {
    pub(crate) fn of(seed: u64, script: &str) -> Self {
        Self::at(seed, &[1], script)
    }

    /// With these addresses of 10.0.0.0/24.
    pub(crate) fn at(seed: u64, hosts: &[u8], script: &str) -> Self {
        Self::with(World::seeded(seed), hosts, Proxy::new(script))
    }

    /// In this world, with this proxy.
    pub(crate) fn with(world: World, hosts: &[u8], proxy: Proxy) -> Self {
        let places: Vec<SocketAddr> =
            hosts.iter().map(|&host| ([10, 0, 0, host], 5060).into()).collect();
        let proxy = world.serve_at(&places, proxy);
        let phone = |name, user| Phone::new(&world, name, user);
        let (alice, bob) = (phone("alice", "alice"), phone("bob", "bob"));
        Self { world, proxy, alice, bob }
    }

    /// One more phone of bob's.
    pub(crate) fn phone(&self, name: &str) -> Phone {
        Phone::new(&self.world, name, "bob")
    }

    /// Alice calls, and the one whom the call finds is busy.
    pub(crate) fn calls(&self, uri: &str, callee: &Agent) {
        self.alice.invite_uri(uri);
        callee.rejects(486);
        self.settle();
    }

    /// Alice calls in vain.
    pub(crate) fn finds_nobody(&self, uri: &str) {
        self.alice.invite_uri(uri);
        self.settle();
        assert_eq!(self.alice.final_status(), Some(404), "{uri}");
    }

    /// How many users are in the table.
    pub(crate) fn users(&self) -> usize {
        self.usrloc(|usrloc| usrloc.location().expect("usrloc is loaded").users())
    }

    pub(crate) fn usrloc<T>(&self, look: impl FnOnce(&Usrloc) -> T) -> T {
        look(self.proxy.borrow().node.settings())
    }

    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.proxy.borrow().node.statistics.total(counter)
    }

    /// Lets all registrations end, and looks whether nothing is left.
    pub(crate) fn over(&self) {
        self.settle();
        self.run_for(Duration::from_secs(2 * 3600));
        assert_eq!(self.users(), 0);
        let audit = self.usrloc(|usrloc| usrloc.location().map(|location| location.audit()));
        assert_eq!(audit, Some(Ok(())));
        forgotten(&self.world, &self.proxy);
    }
}

impl Deref for Office {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// A phone of a user: an agent that counts its REGISTERs. Its Call-ID and its Contact are its own.
pub(crate) struct Phone {
    world: World,
    agent: Agent,
    user: &'static str,
    cseq: Cell<u32>,
}

impl Phone {
    fn new(world: &World, name: &str, user: &'static str) -> Self {
        Self { world: world.clone(), agent: world.agent(name), user, cseq: Cell::new(1) }
    }

    /// The CSeq of the next REGISTER.
    pub(crate) fn counts_from(&self, cseq: u32) {
        self.cseq.set(cseq);
    }

    /// Registers for its user and must succeed.
    pub(crate) fn registers(&self) {
        self.registers_as(self.user);
    }

    /// Registers for another user and must succeed.
    pub(crate) fn registers_as(&self, user: &str) {
        self.tries_as(user, |register| register);
        assert_eq!(self.status(), 200, "{}", self.answer());
    }

    /// Sends a REGISTER for its user and waits for what comes.
    pub(crate) fn tries(&self) {
        self.tries_with(|register| register);
    }

    /// Sends an edited REGISTER for its user and waits for what comes.
    pub(crate) fn tries_with(&self, edit: impl FnOnce(Message) -> Message) {
        self.tries_as(self.user, edit);
    }

    /// Sends an edited REGISTER for a user and waits for what comes.
    pub(crate) fn tries_as(&self, user: &str, edit: impl FnOnce(Message) -> Message) {
        self.sends_register(user, edit);
        self.settle();
    }

    /// Sends an edited REGISTER for a user.
    pub(crate) fn sends_register(&self, user: &str, edit: impl FnOnce(Message) -> Message) {
        let call_id = format!("registration-of-{}", self.name());
        let cseq = self.cseq.replace(self.cseq.get() + 1);
        self.sends_with("REGISTER", OURS, |message| {
            let message = replaced(message, "To", &format!("<sip:{user}@10.0.0.1>"));
            let message = replaced(message, "Call-ID", &call_id);
            edit(replaced(message, "CSeq", &format!("{cseq} REGISTER")))
        });
    }

    /// Lets the world come to rest.
    pub(crate) fn settle(&self) {
        self.world.settle();
    }

    /// The answer to its last REGISTER.
    pub(crate) fn answer(&self) -> Message {
        let all = self.received("").into_iter().map(|received| received.message);
        let mut all: Vec<Message> =
            all.filter(|message| message.is_response() && message.cseq().1 == "REGISTER").collect();
        all.pop().expect("a REGISTER was answered")
    }

    /// The status of it.
    pub(crate) fn status(&self) -> u16 {
        self.answer().status().unwrap_or_default()
    }

    /// The Contacts of it, each as it is written.
    pub(crate) fn listed(&self) -> Vec<String> {
        self.answer().list("Contact").into_iter().map(str::to_owned).collect()
    }

    /// What it says is wrong.
    pub(crate) fn error(&self) -> String {
        self.answer().header("P-Registrar-Error").unwrap_or("(none)").to_owned()
    }
}

impl Deref for Phone {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}

pub(crate) fn replaced(mut message: Message, name: &str, value: &str) -> Message {
    let header = message.headers.iter_mut().find(|(other, _)| other == name);
    header.expect("the agent wrote it").1 = value.to_owned();
    message
}

pub(crate) fn without(mut message: Message, name: &str) -> Message {
    message.headers.retain(|(other, _)| other != name);
    message
}

/// A header of the last message of a kind that an agent got.
pub(crate) fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}
