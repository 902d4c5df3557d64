//! The command line: OpenSIPS's letters, with their meaning where they have one here.

use std::path::PathBuf;

use clap::Parser;
use duologue::DatabaseChoice;

use crate::cli::Command;
use crate::tokens::Tokens;

/// Where help ends: what to try first.
const AFTER_HELP: &str = "\
Examples:
  duologue                          run the built-in script on UDP 127.0.0.1:5060
  duologue -f opensips.cfg          run a script
  duologue -C -f opensips.cfg       check a script, routes included, and exit
  duologue -f opensips.cfg -d -d    run it and log two levels more
  duologue check opensips.cfg       check a script and tell what is hardly meant
  duologue fmt opensips.cfg         lay out a script
  duologue db check URL             check the tables of a database
  duologue top                      watch the calls of a running proxy

Exit codes: 0 fine, 1 the script or the options are wrong, 2 a socket could not be opened. Commands
have their own, see `duologue COMMAND --help`.

Memory, worker-process and user switches of OpenSIPS are accepted so that existing start scripts
work: one process with threads needs none of -m, -M and -w does what it always did.";

/// A dialog-stateful SIP proxy that runs OpenSIPS routing scripts.
#[derive(Debug, Parser)]
#[command(name = "duologue", disable_version_flag = true, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    /// A tool instead of the proxy.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Run this routing script ("-" reads standard input); without it the built-in one.
    #[arg(short = 'f', value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Check the script, its routes included, print every error and exit.
    #[arg(short = 'C')]
    pub(crate) check_routes: bool,

    /// Check the script and exit (the same check as -C: routes are never left out).
    #[arg(short = 'c')]
    pub(crate) check: bool,

    /// Stay in the foreground (always so; accepted for existing start scripts).
    #[arg(short = 'F')]
    pub(crate) foreground: bool,

    /// Debug mode: log level 4 on standard error and two workers.
    #[arg(short = 'D')]
    pub(crate) debug_mode: bool,

    /// Log to standard error (always so; accepted for existing start scripts).
    #[arg(short = 'E')]
    pub(crate) log_stderr: bool,

    /// Log one level more; may be repeated.
    #[arg(short = 'd', action = clap::ArgAction::Count)]
    pub(crate) debug: u8,

    /// Listen on this socket too: [proto:]address[:port].
    #[arg(short = 'l', value_name = "SOCKET")]
    pub(crate) listen: Vec<String>,

    /// UDP workers per socket; overrides udp_workers.
    #[arg(short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) udp_workers: Option<u16>,

    /// TCP workers (accepted; TCP is served by the runtime's own threads).
    #[arg(short = 'N', value_name = "COUNT")]
    pub(crate) tcp_workers: Option<u16>,

    /// Shared memory in MB (accepted and ignored: memory is one heap with named bounds).
    #[arg(short = 'm', value_name = "MB")]
    pub(crate) shared_memory: Option<u32>,

    /// Private memory in MB (accepted and ignored, as -m).
    #[arg(short = 'M', value_name = "MB")]
    pub(crate) private_memory: Option<u32>,

    /// Change to this directory first.
    #[arg(short = 'w', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Write the process id to this file.
    #[arg(short = 'P', value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,

    /// User to run as (accepted and ignored: let the service manager drop privileges).
    #[arg(short = 'u', value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Group to run as (accepted and ignored, as -u).
    #[arg(short = 'g', value_name = "GROUP")]
    pub(crate) group: Option<String>,

    /// Define a name for $argv(name): name=value; may be repeated.
    #[arg(short = 'o', value_name = "NAME=VALUE")]
    pub(crate) define: Vec<String>,

    /// Drop replies whose top Via is not ours (as check_via=yes in the script).
    #[arg(short = 'v')]
    pub(crate) check_via: bool,

    /// Print the version and exit.
    #[arg(short = 'V', long = "version")]
    pub(crate) version: bool,

    /// Advertise this address in Via, Record-Route and friends.
    #[arg(short = 'A', value_name = "ADDRESS")]
    pub(crate) advertised_address: Option<String>,

    /// Keep dialogs and users in this database instead of the script's db_default_url, or in none.
    #[arg(long, value_name = "URL|none", env = "DUOLOGUE_DATABASE", hide_env_values = true)]
    #[arg(value_parser = database)]
    pub(crate) database: Option<DatabaseChoice>,

    #[command(flatten)]
    pub(crate) tokens: Tokens,
}

fn database(text: &str) -> Result<DatabaseChoice, String> {
    match text {
        "none" => Ok(DatabaseChoice::Nowhere),
        url => url.parse().map(DatabaseChoice::At).map_err(|error| format!("{error}")),
    }
}
