//! Why a tool that asks the running server did not do what it should.

use std::fmt;
use std::io;
use std::process::ExitCode;

use serde::Deserialize;

/// The exit codes, at the end of a tool's help.
pub(in crate::cli) const EXIT_CODES: &str = "Exit codes: 0 fine, 1 the command answered an error, \
    2 the server could not be reached, 64 the command line is wrong, 74 the output could not be \
    written.";

/// EX_USAGE of sysexits.h.
pub(in crate::cli) const WRONG_USAGE: u8 = 64;

/// EX_IOERR.
const OUTPUT_FAILED: u8 = 74;

/// JSON-RPC's "Method not found".
const NO_SUCH_COMMAND: i64 = -32601;

/// Why it did not go well.
#[derive(Debug)]
pub(in crate::cli) enum Failure {
    /// The command answered an error.
    Refused(Refusal),
    /// No server answered, or not as one of ours does.
    Unreachable(String),
    /// What was asked of us makes no sense.
    Usage(String),
    /// Standard output does not take what we have to say.
    Output(io::Error),
}

/// The `error` of an answer (spec/script.md §15.1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(in crate::cli) struct Refusal {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<serde_json::Value>,
}

impl Refusal {
    /// Whether the server has no such command: the script does not load its module.
    pub(in crate::cli) fn is_unknown_command(&self) -> bool {
        self.code == NO_SUCH_COMMAND
    }
}

impl Failure {
    pub(super) fn no_answer(url: &str, error: &ureq::Error) -> Self {
        let why = match error {
            ureq::Error::Timeout(_) => "it is silent; --timeout makes us wait longer".to_owned(),
            ureq::Error::Io(error) if error.to_string().contains("certificate") => {
                format!("{error}; --ca names whom to trust")
            }
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        Self::Unreachable(format!(
            "no server answers at {url} ({why}): does it run, and does its script load mi_http? \
             --url or DUOLOGUE_URL tells of another place"
        ))
    }

    pub(super) fn status(url: &str, status: u16) -> Self {
        let what = match status {
            401 => "wants a secret: http://USER:PASSWORD@HOST in --url, or --token".into(),
            403 => "takes no host names that it does not know: name it by its IP address, or add \
                    the name to its script (host_name of httpd)"
                .into(),
            404 => "has no management at this path: the script says which (root of mi_http)".into(),
            503 => "runs as many commands as it may: try again".into(),
            504 => "has not finished the command in time; it may go on".into(),
            status => format!("answers with HTTP status {status}: is it a Duologue?"),
        };
        Self::Unreachable(format!("the server at {url} {what}"))
    }

    pub(super) fn broken(url: &str, error: &serde_json::Error) -> Self {
        Self::Unreachable(match error.classify() {
            serde_json::error::Category::Io => format!("the answer of {url} broke off: {error}"),
            _ => format!("what {url} answers is not JSON-RPC ({error}): is it a Duologue?"),
        })
    }

    /// What the program ends with.
    pub(in crate::cli) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Unreachable(_) => 2,
            Self::Usage(_) => WRONG_USAGE,
            Self::Output(_) => OUTPUT_FAILED,
        }
    }

    /// Tells a person, and the program's exit code. Whoever reads our output may have seen enough:
    /// that is fine.
    pub(in crate::cli) fn tell(&self) -> ExitCode {
        if matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("duologue: {self}");
        ExitCode::from(self.exit_code())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Unreachable(text) | Self::Usage(text) => f.write_str(text),
            Self::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        match &self.data {
            Some(serde_json::Value::String(text)) => write!(f, ": {text}")?,
            Some(data) if !data.is_null() => write!(f, ": {data}")?,
            _ => {}
        }
        match self.is_unknown_command() {
            true => f.write_str(" (`duologue mi` lists what the server knows)"),
            false => Ok(()),
        }
    }
}
