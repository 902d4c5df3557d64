//! Fuzzing: finds the crate that has a target and hands over to cargo-fuzz.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use crate::{Result, packages, paths, process};

/// What is added to the time asked for: building with a sanitizer takes a while.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// An input that takes longer hangs.
const SECONDS_PER_INPUT: u32 = 5;

/// How to fuzz.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The target; without it, all are listed.
    target: Option<String>,
    /// Seconds to run.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs a target for a while; false if it found something.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let targets = targets()?;
    let Some(name) = &options.target else {
        for (target, package) in &targets {
            println!("{target}  (in {})", package.display());
        }
        return Ok(true);
    };
    let Some(package) = targets.get(name) else {
        let known: Vec<_> = targets.keys().map(String::as_str).collect();
        return Err(format!("no fuzz target {name}; there are: {}", known.join(", ")).into());
    };
    if !packages::is_installed("cargo-fuzz") && !in_cargo_home("cargo-fuzz") {
        return Err("cargo-fuzz is missing; please run: cargo install cargo-fuzz \
                    (it needs a nightly toolchain: rustup toolchain install nightly)"
            .into());
    }
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(package)
        .args(["+nightly", "fuzz", "run", name, "--"])
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-timeout={SECONDS_PER_INPUT}"));
    let words = package.join("fuzz/words.dict");
    if words.is_file() {
        cargo.arg(format!("-dict={}", words.display()));
    }
    let limit = BUILD_LIMIT + Duration::from_secs(options.seconds);
    Ok(process::run(&mut cargo, limit)?.success())
}

/// Target → crate, from the files `crates/CRATE/fuzz/fuzz_targets/TARGET.rs`.
fn targets() -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for package in fs::read_dir(paths::root().join("crates"))? {
        let package = package?.path();
        let files = match fs::read_dir(package.join("fuzz/fuzz_targets")) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for file in files {
            let file = file?.path();
            if let Some(name) = file.file_stem() {
                found.insert(name.to_string_lossy().into_owned(), package.clone());
            }
        }
    }
    Ok(found)
}

fn in_cargo_home(program: &str) -> bool {
    PathBuf::from(env!("CARGO")).with_file_name(program).is_file()
        || std::env::var_os("CARGO_HOME")
            .is_some_and(|home| PathBuf::from(home).join("bin").join(program).is_file())
}
