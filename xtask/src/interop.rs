//! Real telephones: two baresip register with the default script, call each other, and hang up
//! from either side, while the dialog list is read.

mod phone;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Daemon;
use crate::subject::Subject;
use crate::tally::{Tally, heading};
use crate::{Result, management, packages, paths, ports};
use phone::Phone;

/// How long the proxy may take to listen, or to forget a call.
const LIMIT: Duration = Duration::from_secs(15);

/// Runs the calls and prints how they went; true if all went well.
///
/// # Errors
/// baresip is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Telephones");
    run(&mut tally)?;
    Ok(tally.conclude())
}

/// Runs the calls and counts into `tally`.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let ready = tally.check("baresip is installed", || packages::require(&[packages::BARESIP]))
        && tally.check("the program is built", || Subject::DuologueDialog.prepare());
    let directory = &paths::fresh("interop")?;
    let mut opened = None;
    if ready {
        tally.check("two telephones register with the default script", || {
            opened = Some(House::open(directory)?);
            Ok(())
        });
    }
    let Some(house) = opened else { return Ok(()) };
    let House { alice, bob, .. } = &house;
    tally.check("alice calls bob, bob hangs up", || house.call(alice, bob, bob));
    tally.check("bob calls alice, bob hangs up", || house.call(bob, alice, bob));
    tally.check("alice calls bob and gives up while it rings", || house.given_up(alice, bob));
    tally.check("bob does not want to be called", || house.refused(alice, bob));
    tally.check("nobody is called who has not registered", || house.unknown(alice));
    tally.check("who leaves is not reached any more", || house.left(alice, bob));
    Ok(())
}

/// The proxy and its telephones.
struct House {
    alice: Phone,
    bob: Phone,
    sip: SocketAddr,
    management: SocketAddr,
    /// Last, so that the telephones go first.
    _proxy: Daemon,
}

impl House {
    /// Starts everything on free ports; both telephones are registered when this returns.
    fn open(directory: &Path) -> Result<Self> {
        let [sip] = ports::free_udp()?;
        let management = ports::free_tcp()?;
        let script = fs::read_to_string(paths::root().join("src/default.cfg"))?
            .replace("udp:127.0.0.1:5060", &format!("udp:127.0.0.1:{sip}"))
            .replace("\"port\", 8888", &format!("\"port\", {management}"))
            .replace("sqlite:duologue.sqlite", &paths::database(directory));
        let file = directory.join("default.cfg");
        fs::write(&file, script)?;
        let mut command = Command::new(paths::built("duologue"));
        command.arg("-f").arg(&file);
        let proxy = Daemon::start("duologue", &mut command, &directory.join("duologue.log"))?;
        ports::await_udp(sip, LIMIT)?;
        let (sip, management) = (ports::local(sip), ports::local(management));
        let alice = Phone::start("alice", sip, directory)?;
        let bob = Phone::start("bob", sip, directory)?;
        let house = Self { alice, bob, sip, management, _proxy: proxy };
        let deadline = Instant::now() + LIMIT;
        while ![&house.alice, &house.bob].into_iter().all(|phone| house.knows(phone)) {
            if Instant::now() > deadline {
                return Err("they did not register".into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(house)
    }

    /// Whether a telephone is registered, at the address that it has.
    fn knows(&self, phone: &Phone) -> bool {
        let asked = json!({"table_name": "location", "aor": phone.name()});
        let shown = management::call(self.management, "ul_show_contact", &asked);
        shown.is_ok_and(|contacts| contacts.to_string().contains(&phone.address().to_string()))
    }

    /// A call from ringing to its end.
    fn call(&self, caller: &Phone, callee: &Phone, hangs_up: &Phone) -> Result<()> {
        self.rings(caller, callee)?;
        let ringing = self.one_dialog()?;
        expect(&ringing, "/state", &json!(2))?;
        callee.accepts()?;
        for phone in [caller, callee] {
            phone.hears("CALL_ESTABLISHED")?;
        }
        // The media run beside us, but the descriptions that agreed on them came through us.
        caller.hears("CALL_RTPESTAB")?;
        self.shows(caller, callee)?;
        hangs_up.hangs_up()?;
        for phone in [caller, callee] {
            phone.hears("CALL_CLOSED")?;
        }
        self.is_empty()
    }

    /// The list tells the URIs, tags and contacts that the telephones have.
    fn shows(&self, caller: &Phone, callee: &Phone) -> Result<()> {
        let dialog = self.until(|dialog| dialog["state"] == 4)?;
        let of = |phone: &Phone| format!("sip:{}@{}", phone.name(), self.sip);
        expect(&dialog, "/from_uri", &json!(of(caller)))?;
        // A telephone says which transport it wants.
        expect(&dialog, "/to_uri", &json!(format!("{};transport=udp", of(callee))))?;
        let text = |path: &str| dialog.pointer(path).and_then(Value::as_str).unwrap_or_default();
        for (path, phone) in [("/caller_contact", caller), ("/CALLEES/0/callee_contact", callee)] {
            if !text(path).contains(&phone.address().to_string()) {
                return Err(format!("{path} of {dialog} is not {}'s", phone.name()).into());
            }
        }
        let tags = [text("/caller_tag"), text("/CALLEES/0/callee_tag")];
        let distinct = tags[0] != tags[1] && tags.iter().all(|tag| !tag.is_empty());
        if distinct { Ok(()) } else { Err(format!("the tags of {dialog}").into()) }
    }

    /// What happened before is over and forgotten, and a call rings.
    fn rings(&self, caller: &Phone, callee: &Phone) -> Result<()> {
        for phone in [caller, callee] {
            if !self.dialogs()?.is_empty() {
                phone.hangs_up()?;
            }
            phone.forgets()?;
        }
        self.is_empty()?;
        caller.dials(&self.uri(callee.name()))?;
        callee.hears("CALL_INCOMING")?;
        caller.hears("CALL_RINGING").map(drop)
    }

    fn given_up(&self, caller: &Phone, callee: &Phone) -> Result<()> {
        self.rings(caller, callee)?;
        caller.hangs_up()?;
        for phone in [caller, callee] {
            phone.hears("CALL_CLOSED")?;
        }
        self.is_empty()
    }

    fn refused(&self, caller: &Phone, callee: &Phone) -> Result<()> {
        self.rings(caller, callee)?;
        callee.hangs_up()?;
        let closed = caller.hears("CALL_CLOSED")?;
        self.is_empty()?;
        if closed.contains("486") { Ok(()) } else { Err(format!("no 486: {closed}").into()) }
    }

    fn unknown(&self, caller: &Phone) -> Result<()> {
        caller.forgets()?;
        caller.dials(&self.uri("nobody"))?;
        let closed = caller.hears("CALL_CLOSED")?;
        self.is_empty()?;
        let told = closed.contains("404") || closed.contains("480");
        if told { Ok(()) } else { Err(format!("neither 404 nor 480: {closed}").into()) }
    }

    fn left(&self, caller: &Phone, callee: &Phone) -> Result<()> {
        callee.leaves()?;
        let deadline = Instant::now() + LIMIT;
        loop {
            caller.forgets()?;
            caller.dials(&self.uri(callee.name()))?;
            let closed = caller.hears("CALL_CLOSED")?;
            if closed.contains("404") || closed.contains("480") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("still: {closed}").into());
            }
        }
    }

    fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    fn dialogs(&self) -> Result<Vec<Value>> {
        let list = management::call(self.management, "dlg_list", &json!([]))?;
        Ok(list["Dialogs"].as_array().cloned().unwrap_or_default())
    }

    fn one_dialog(&self) -> Result<Value> {
        match &self.dialogs()?[..] {
            [one] => Ok(one.clone()),
            others => Err(format!("{} dialogs instead of one", others.len()).into()),
        }
    }

    /// The dialog, once it is as it should be.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let dialog = self.one_dialog()?;
            if wanted(&dialog) {
                return Ok(dialog);
            }
            if Instant::now() > deadline {
                return Err(format!("it stays {dialog}").into());
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn is_empty(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.dialogs()?.is_empty() {
            if Instant::now() > deadline {
                return Err(format!("left in the list: {:?}", self.dialogs()?).into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn expect(dialog: &Value, path: &str, wanted: &Value) -> Result<()> {
    match dialog.pointer(path) {
        Some(found) if found == wanted => Ok(()),
        found => Err(format!("{path} is {found:?}, not {wanted}").into()),
    }
}
