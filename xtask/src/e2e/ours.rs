//! What Duologue promises beyond relaying: the dialog list, ending a call from outside, good
//! errors for a bad script.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{call, subdirectory};
use crate::sipp::{self, Plan};
use crate::subject::Running;
use crate::tally::Tally;
use crate::{Result, paths};

/// How long a call may take to show in the list.
const SHOW_LIMIT: Duration = Duration::from_secs(10);

/// A dialog's state once its ACK has come (spec/dialog.md §2).
const CONFIRMED: u64 = 4;

/// Runs all checks.
pub(super) fn run(tally: &mut Tally, proxy: &Running, directory: &Path) {
    if proxy.subject().has_dialogs() {
        tally.check("a call stands in the dialog list and ends on command", || {
            listed_and_ended(proxy, directory)
        });
    }
    tally.check("which, uptime, version and ps answer", || {
        ["which", "uptime", "version", "ps"]
            .into_iter()
            .try_for_each(|method| proxy.ask(method, &json!({})).map(drop))
    });
    tally.check("five mistakes in a script are five errors", || five_mistakes(directory));
}

fn listed_and_ended(proxy: &Running, directory: &Path) -> Result<()> {
    let directory = subdirectory(directory, "listed")?;
    let callee = sipp::callee(&Plan::one("callee"), proxy.callee(), &directory)?;
    let caller = call(&Plan::one("caller_awaits_bye"), proxy, &directory)?;
    let dialog = confirmed(proxy)?;
    let id = dialog.get("ID").and_then(Value::as_str).ok_or("a dialog without ID")?;
    proxy.ask("dlg_end_dlg", &json!({"dialog_id": id}))?;
    let (caller, callee) = (caller.finish()?, callee.finish()?);
    if caller.successful == 1 && callee.successful == 1 {
        Ok(())
    } else {
        Err(format!("the BYEs did not reach both: caller {caller:?}, callee {callee:?}").into())
    }
}

/// The first confirmed dialog of the list, as soon as there is one.
fn confirmed(proxy: &Running) -> Result<Value> {
    let deadline = Instant::now() + SHOW_LIMIT;
    loop {
        let mut list = proxy.ask("dlg_list", &json!({}))?;
        let dialogs = list.get_mut("Dialogs").and_then(Value::as_array_mut);
        let dialogs = dialogs.ok_or("dlg_list has no Dialogs")?;
        let wanted = |dialog: &Value| dialog["state"].as_u64() == Some(CONFIRMED);
        if let Some(place) = dialogs.iter().position(wanted) {
            return Ok(dialogs.swap_remove(place));
        }
        if Instant::now() > deadline {
            return Err(format!("no confirmed dialog in the list: {dialogs:?}").into());
        }
        sleep(Duration::from_millis(20));
    }
}

fn five_mistakes(directory: &Path) -> Result<()> {
    let log = directory.join("five_mistakes.txt");
    let mut command = Command::new(paths::built("duologue"));
    command.args(["-C", "-f"]).arg(paths::sipp("five_mistakes.cfg"));
    let status = crate::process::Daemon::start("duologue -C", &mut command, &log)?
        .finish(Duration::from_secs(10))?;
    let said = std::fs::read_to_string(&log)?;
    if status.code() != Some(1) {
        return Err(format!("it ended with {status}, expected exit code 1").into());
    }
    for mistake in ["udp_wrokers", "no_such_module", "fr_timeuot", "t_relya", "nowhere"] {
        if !said.contains(mistake) {
            return Err(format!("{mistake} is not told; see {}", log.display()).into());
        }
    }
    Ok(())
}
