//! Every management command of the running program, asked while a real call stands, and its whole
//! answer compared: what is asked stands in `tests/commands/requests.txt`, what must come back in
//! `answers.txt` beside it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::sipp::{self, Plan};
use crate::subject::Subject;
use crate::tally::{Tally, heading};
use crate::{Result, management, packages, paths, ports};

/// How long a call may take to be set up, and the program to end.
const LIMIT: Duration = Duration::from_secs(15);

/// Members whose values are different every time.
const VARYING: [&str; 28] = [
    "Now",
    "Up since",
    "Up time",
    "PID",
    "ID",
    "WD",
    "Server",
    "Revision",
    "id",
    "callid",
    "from_tag",
    "to_tag",
    "caller_tag",
    "callee_tag",
    "timestart",
    "datestart",
    "timeout",
    "dateout",
    "created",
    "Callid",
    "ContactID",
    "Expires",
    "Last-modified",
    "db_id",
    "ttl",
    "Log level",
    "Timestamp",
    "Date",
];

/// Asks all commands and prints how they went; true if all went well.
///
/// # Errors
/// SIPp is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Every command while a call stands");
    run(&mut tally, false)?;
    Ok(tally.conclude())
}

/// Asks all commands and counts into `tally`; the program is taken as it is if it is `built`.
pub(crate) fn run(tally: &mut Tally, built: bool) -> Result<()> {
    let ready = tally.check("SIPp is installed", || packages::require(&[packages::SIPP]))
        && (built || tally.check("the program is built", || Subject::DuologueDialog.prepare()));
    if ready {
        let directory = &paths::fresh("commands")?;
        tally.check("each answers as it should", || every_command(directory));
    }
    Ok(())
}

fn every_command(directory: &Path) -> Result<()> {
    let place = paths::root().join("tests/commands");
    let program = Deployment::start(&place.join("commands.cfg"), directory)?;
    let plan = |scenario| Plan { limit: LIMIT * 8, ..Plan::one(scenario) };
    let (sip, to) = (ports::local(program.sip), ports::local(program.callee));
    let callee = sipp::callee(&plan("callee"), program.callee, directory)?;
    let caller = sipp::caller(&plan("caller_awaits_bye"), program.caller, sip, to, directory)?;
    let server = ports::local(program.management);
    let names = Names::of(&program, &established(&program)?, directory)?;
    let requests = fs::read_to_string(place.join("requests.txt"))?;
    let known = management::call(server, "which", &json!([]))?;
    let mut told = String::new();
    let mut asked = BTreeSet::from(["which".to_owned()]);
    for line in requests.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (method, params) = line.split_once(' ').ok_or_else(|| format!("no request: {line}"))?;
        asked.insert(method.to_owned());
        let params: Value = serde_json::from_str(&names.put_into(params))?;
        let mut answer: Value = serde_json::from_str(&management::text(server, method, &params)?)?;
        let member = if answer.get("error").is_some() { "error" } else { "result" };
        let answer = names.hide(answer[member].take());
        writeln!(told, "{line}\n  {member} {answer}\n")?;
    }
    // Both sides heard the end that one of the commands asked for.
    for (side, report) in [("caller", caller.finish()?), ("callee", callee.finish()?)] {
        report.expect_flawless(side, 1)?;
    }
    program.ended(LIMIT)?;
    all_are_asked(&known, &asked)?;
    compare(&told, &place.join("answers.txt"), directory)
}

/// The one call there is, once it is answered.
fn established(program: &Deployment) -> Result<Value> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let list = management::call(ports::local(program.management), "dlg_list", &json!([]))?;
        if list["Dialogs"][0]["state"] == 4 {
            return Ok(list["Dialogs"][0].clone());
        }
        if Instant::now() > deadline {
            return Err(format!("no call is established: {list}").into());
        }
        sleep(Duration::from_millis(50));
    }
}

/// Under one of its names each command of the registry was asked.
fn all_are_asked(known: &Value, asked: &BTreeSet<String>) -> Result<()> {
    let known: Vec<&str> =
        known.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // A full name stands before the others of its command.
    let mut left = Vec::new();
    let mut at = 0;
    while at < known.len() {
        let others = known[at + 1..].iter().take_while(|name| !name.contains(':')).count();
        let names = &known[at..=at + others];
        if !names.iter().any(|name| asked.contains(*name)) {
            left.push(names[0]);
        }
        at += others + 1;
    }
    if left.is_empty() { Ok(()) } else { Err(format!("nobody asks {}", left.join(", ")).into()) }
}

fn compare(told: &str, file: &Path, directory: &Path) -> Result<()> {
    let wanted = fs::read_to_string(file).unwrap_or_default();
    if told == wanted {
        return Ok(());
    }
    let seen = directory.join("answers.txt");
    fs::write(&seen, told)?;
    let differs = told.lines().zip(wanted.lines()).position(|(is, was)| is != was);
    let line = differs.unwrap_or_else(|| wanted.lines().count().min(told.lines().count()));
    let of = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
    Err(format!(
        "line {} of {} should be\n  {}\nbut is\n  {}\nall answers stand in {}",
        line + 1,
        file.display(),
        of(&wanted),
        of(told),
        seen.display()
    )
    .into())
}

/// What is different every time, and its names in the files.
struct Names(Vec<(String, &'static str)>);

impl Names {
    fn of(program: &Deployment, dialog: &Value, directory: &Path) -> Result<Self> {
        let text = |name: &str| -> Result<String> {
            Ok(dialog[name].as_str().ok_or_else(|| format!("a dialog without {name}"))?.to_owned())
        };
        let port = |port| ports::local(port).to_string();
        Ok(Self(vec![
            (text("callid")?, "CALLID"),
            (text("ID")?, "DID"),
            (text("caller_tag")?, "FROM_TAG"),
            (port(program.sip), "SIP"),
            (port(program.caller), "CALLER"),
            (port(program.callee), "CALLEE"),
            (port(program.listener), "NOBODY"),
            (paths::built("duologue").display().to_string(), "PROGRAM"),
            (directory.display().to_string(), "HERE"),
        ]))
    }

    fn put_into(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (value, name)| text.replace(name, value))
    }

    /// The names in the place of the values, and `…` where members vary.
    fn hide(&self, value: Value) -> Value {
        match value {
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(_) | Value::Number(_) if VARYING.contains(&&*name) => {
                        (name, "…".into())
                    }
                    value => (name, self.hide(value)),
                })
                .collect(),
            // One for each core: the first stands for all.
            Value::Array(items) if items.iter().all(|item| item["PID"].is_number()) => {
                items.into_iter().take(1).map(|item| self.hide(item)).collect()
            }
            Value::Array(items) => items.into_iter().map(|item| self.hide(item)).collect(),
            Value::String(text) => {
                self.0.iter().fold(text, |text, (value, name)| text.replace(value, name)).into()
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_hidden_and_the_rest_is_not() {
        let names = Names(vec![("a@b".to_owned(), "CALLID")]);
        let value = json!({"ID": "1.2", "list": [{"callid": "a@b", "x": "to a@b"}], "PID": null});
        let hidden = json!({"ID": "…", "list": [{"callid": "…", "x": "to CALLID"}], "PID": null});
        assert_eq!(names.hide(value), hidden);
        assert_eq!(names.hide(json!([{"PID": 1}, {"PID": 2}])), json!([{"PID": "…"}]));
        assert_eq!(names.put_into("[\"CALLID\"]"), "[\"a@b\"]");
    }

    #[test]
    fn a_command_that_nobody_asks_is_found() {
        let known = json!(["core:which", "which", "m:a", "a", "also_a", "m:b", "m:c", "c"]);
        let asked = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert!(all_are_asked(&known, &asked(&["which", "also_a", "m:b", "c"])).is_ok());
        let error = all_are_asked(&known, &asked(&["which", "c"])).unwrap_err().to_string();
        assert_eq!(error, "nobody asks m:a, m:b");
    }
}
