//! The `duologue` program: a proxy, and the tools around its scripts.

mod cli;
mod logging;
mod options;
mod ready;
mod restoring;
mod run;
mod terminal;
mod tokens;

use std::process::ExitCode;

use clap::Parser;
use options::Options;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return cli::refuse(&error),
    };
    if let Some(command) = options.command.take() {
        return cli::run(command);
    }
    if options.version {
        println!(
            "duologue {} ({}/{})",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            std::env::consts::OS
        );
        return ExitCode::SUCCESS;
    }
    run::run(options)
}
