//! Kamailio 5.6 of Debian, doing the same work: tm, rr, and dialog where wanted.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use super::Held;
use crate::Result;

/// Processes that receive SIP.
const CHILDREN: u32 = 2;

/// Shared memory in megabytes: room for every benchmark, so that it never gets scarce.
const SHARED_MEGABYTES: &str = "2048";

/// Private memory of each process in megabytes.
const PRIVATE_MEGABYTES: &str = "16";

/// Where its package keeps its tables.
const TABLES: &str = "/usr/share/kamailio/db_sqlite";

/// Makes the tables that its dialogs need.
pub(super) fn make_tables(file: &Path) -> Result<()> {
    for tables in ["standard-create.sql", "dialog-create.sql"] {
        let sql = File::open(Path::new(TABLES).join(tables))?;
        let status = Command::new("sqlite3").arg(file).stdin(sql).status()?;
        if !status.success() {
            return Err(format!("sqlite3 {tables}: {status}").into());
        }
    }
    Ok(())
}

/// The routing script; dialogs are written to `database` as they change, if there is one.
pub(super) fn script(sip: u16, control: &Path, dialogs: bool, database: Option<&Path>) -> String {
    let keeping = database.map_or_else(String::new, |file| {
        format!(
            "loadmodule \"db_sqlite.so\"\n\
             modparam(\"dialog\", \"db_url\", \"sqlite:///{}\")\n\
             modparam(\"dialog\", \"db_mode\", 1)\n",
            file.display()
        )
    });
    let (load, create) = if dialogs {
        ("loadmodule \"dialog.so\"\n", "    if (is_method(\"INVITE\")) dlg_manage();\n")
    } else {
        ("", "")
    };
    format!(
        r#"#!KAMAILIO
children={CHILDREN}
disable_tcp=yes
auto_aliases=no
log_stderror=yes
listen=udp:127.0.0.1:{sip}

loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "ctl.so"
{load}{keeping}
modparam("ctl", "binrpc", "unix:{control}")

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        if (!t_relay()) sl_reply_error();
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    t_check_trans();
{create}    record_route();
    if (!t_relay()) sl_reply_error();
}}
"#,
        control = control.display(),
    )
}

/// The command that runs `script`.
///
/// The default allocator of this build checks itself on every call and is several times slower:
/// `-x tlsf` makes a fair peer.
pub(super) fn command(script: &Path, directory: &Path) -> Command {
    let mut command = Command::new("/usr/sbin/kamailio");
    command
        .arg("-f")
        .arg(script)
        .args(["-DD", "-E", "-x", "tlsf", "-m", SHARED_MEGABYTES, "-M", PRIVATE_MEGABYTES])
        .arg("-w")
        .arg(directory)
        .arg("-Y")
        .arg(directory);
    command
}

/// What it holds now.
pub(super) fn held(control: &Path, dialogs: bool) -> Result<Held> {
    let tm = ask(control, "tm.stats")?;
    let mut held = Held { transactions: field(&tm, "current")?, ..Held::default() };
    if dialogs {
        let stats = ask(control, "dlg.stats_active")?;
        held.early = field(&stats, "starting")? + field(&stats, "connecting")?;
        held.active = field(&stats, "answering")? + field(&stats, "ongoing")?;
        held.listed = field(&stats, "all")?;
    }
    Ok(held)
}

/// Bytes of shared memory handed out, without the allocator's own.
pub(super) fn allocated(control: &Path) -> Result<u64> {
    field(&ask(control, "core.shmmem")?, "used")
}

fn ask(control: &Path, command: &str) -> Result<String> {
    let socket = format!("unix:{}", control.display());
    let output = Command::new("/usr/sbin/kamcmd").args(["-s", &socket, command]).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("kamcmd {command}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}

/// The number in the line `name: number`.
fn field(answer: &str, name: &str) -> Result<u64> {
    let line = answer.lines().filter_map(|line| line.trim().split_once(": "));
    let (_, number) =
        line.into_iter().find(|(key, _)| *key == name).ok_or_else(|| format!("no {name}"))?;
    Ok(number.parse()?)
}
