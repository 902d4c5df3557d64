//! A page of metrics: whether Prometheus would take it, and what it says.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use crate::Result;

/// Asks `promtool` about a page.
///
/// # Errors
/// What it does not like.
pub(crate) fn check(page: &str, directory: &Path) -> Result<()> {
    let file = directory.join("metrics.txt");
    fs::write(&file, page)?;
    let output =
        Command::new("promtool").args(["check", "metrics"]).stdin(File::open(&file)?).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() && said.trim().is_empty() { Ok(()) } else { Err(said.into()) }
}

/// The value of a sample is as it should be.
pub(crate) fn expect(page: &str, sample: &str, expected: f64) -> Result<()> {
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let found: f64 = line.ok_or_else(|| format!("no {sample}"))?.parse()?;
    if found == expected {
        Ok(())
    } else {
        Err(format!("{sample} is {found}, not {expected}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_its_whole_name() {
        let page = "# HELP a_total A.\na_total_2 7\na_total 3\n";
        assert!(expect(page, "a_total", 3.0).is_ok());
        assert!(expect(page, "a_total", 7.0).is_err());
        assert!(expect(page, "a", 3.0).is_err());
    }
}
