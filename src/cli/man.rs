//! `duologue man`: manual pages, made from the help.

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::{Outcome, print};

/// Print the manual page of the program or of one of its commands.
#[derive(Debug, Args)]
#[command(after_help = "Example: duologue man > duologue.1; duologue man check > duologue-check.1")]
pub(crate) struct Options {
    /// The command; without it the program itself.
    command: Option<String>,
}

pub(super) fn run(options: &Options) -> Outcome {
    let mut program = crate::options::Options::command();
    program.build();
    let page = match &options.command {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                eprintln!("duologue: there is no command `{name}`");
                return Outcome::Machine;
            }
        },
    };
    let mut text = Vec::new();
    match Man::new(page).render(&mut text) {
        Ok(()) => print(&text),
        Err(error) => {
            eprintln!("duologue: {error}");
            Outcome::Machine
        }
    }
}
