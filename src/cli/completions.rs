//! `duologue completions`: what the shell needs to complete our command lines.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Outcome, print};

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example: duologue completions bash > /etc/bash_completion.d/duologue")]
pub(crate) struct Options {
    /// Which one.
    shell: Shell,
}

pub(super) fn run(options: &Options) -> Outcome {
    let mut script = Vec::new();
    let mut command = crate::options::Options::command();
    clap_complete::generate(options.shell, &mut command, "duologue", &mut script);
    print(&script)
}
