//! Children: bounded in time, and none outlives us.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// How often we look whether a child has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a child may take to obey a signal before it is killed.
const OBEY: Duration = Duration::from_secs(10);

/// A child in the background; dropping it ends it.
pub(crate) struct Daemon {
    name: String,
    child: Child,
}

impl Daemon {
    /// Starts `command`; what it prints goes to `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end; it is killed when `limit` has passed.
    pub(crate) fn finish(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait(&mut self.child, limit)
            .map_err(|error| format!("{} did not stop by itself: {error}", self.name).into())
    }

    /// Sends a signal (`TERM`, `USR1`, …) and waits for its end.
    pub(crate) fn stop(&mut self, signal: &str) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.finish(OBEY)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        // Std cannot send signals, and this house keeps `unsafe` out of its tools.
        let arguments = [format!("-{signal}"), self.id().to_string()];
        Command::new("kill").args(arguments).stderr(Stdio::null()).status()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_running() {
            // TERM first: a proxy of many processes ends its children itself.
            let asked = self.signal("TERM").is_ok();
            if !asked || wait(&mut self.child, OBEY).is_err() {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end, at most `limit`; our own output is its output.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    wait(&mut command.stdin(Stdio::null()).spawn()?, limit)
}

/// Runs `command` to its end, at most `limit`, shows each line and hands it to `see`.
pub(crate) fn run_seeing(
    command: &mut Command,
    limit: Duration,
    mut see: impl FnMut(&str),
) -> Result<ExitStatus> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("a piped child has an output")?;
    let late = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let deadline = Instant::now() + limit;
            loop {
                match child.try_wait() {
                    Ok(Some(status)) => return Ok(status),
                    Ok(None) if Instant::now() > deadline => {
                        late.store(true, Relaxed);
                        let _ = child.kill();
                        return child.wait();
                    }
                    Ok(None) => thread::sleep(LOOK_EVERY),
                    Err(error) => return Err(error),
                }
            }
        });
        for line in BufReader::new(output).split(b'\n').map_while(std::result::Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let _ = writeln!(std::io::stdout(), "{line}");
            see(&line);
        }
        let status = watch.join().map_err(|_| "the watching thread panicked")??;
        if late.load(Relaxed) { Err(format!("stopped after {limit:?}").into()) } else { Ok(status) }
    })
}

fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(format!("stopped after {limit:?}").into());
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let started = Instant::now();
        let outcome = run(Command::new("sleep").arg("60"), Duration::from_millis(50));
        assert!(outcome.is_err());
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn lines_are_seen_while_they_come() {
        let mut seen = Vec::new();
        let status = run_seeing(
            Command::new("printf").arg("one\\ntwo\\n"),
            Duration::from_secs(10),
            |line| seen.push(line.to_owned()),
        );
        assert!(status.unwrap().success());
        assert_eq!(seen, ["one", "two"]);
    }
}
