//! Who may come in at the management door of `httpd`: tokens from the command line, the environment or
//! files, which stand for those of the script.

use std::path::{Path, PathBuf};

use clap::Args;
use duologue::management;
use duologue::server::modules::mi::checked_token;

/// The tokens, as options of the proxy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Management over HTTP")]
pub(crate) struct Tokens {
    /// Ask for this token, which lets in to everything; wins over the script's.
    #[arg(long, value_name = "TOKEN", env = "DUOLOGUE_SERVER_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// A file that holds it, which no list of processes shows; wins over --token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Let who has this token read, and change nothing; wins over the script's.
    #[arg(long, value_name = "TOKEN", env = "DUOLOGUE_SERVER_READ_ONLY_TOKEN")]
    #[arg(hide_env_values = true)]
    read_only_token: Option<String>,

    /// A file that holds that one; wins over --read-only-token.
    #[arg(long, value_name = "FILE")]
    read_only_token_file: Option<PathBuf>,
}

impl Tokens {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or what is given can be no token.
    pub(crate) fn read(&self) -> Result<management::Tokens, String> {
        Ok(management::Tokens {
            full: token("--token", self.token.as_deref(), self.token_file.as_deref())?,
            read_only: token(
                "--read-only-token",
                self.read_only_token.as_deref(),
                self.read_only_token_file.as_deref(),
            )?,
        })
    }
}

fn token(name: &str, given: Option<&str>, file: Option<&Path>) -> Result<Option<String>, String> {
    let (text, from) = match (file, given) {
        (Some(file), _) => {
            let from = format!("{name}-file {}", file.display());
            let text = std::fs::read_to_string(file).map_err(|error| format!("{from}: {error}"))?;
            (text, from)
        }
        (None, Some(text)) => (text.to_owned(), name.to_owned()),
        (None, None) => return Ok(None),
    };
    let token = checked_token(text.trim()).map_err(|why| format!("{from}: the token {why}"))?;
    Ok(Some(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Tokens {
        Tokens { token: None, token_file: None, read_only_token: None, read_only_token_file: None }
    }

    #[test]
    fn a_file_wins_and_its_line_break_is_no_part_of_the_token() {
        let file = std::env::temp_dir().join(format!("duologue-tokens-{}", std::process::id()));
        std::fs::write(&file, "fr0m_file\n").unwrap();
        let given = Tokens {
            token: Some("given".into()),
            token_file: Some(file.clone()),
            read_only_token: Some("r3ader".into()),
            ..none()
        };
        let tokens = given.read().unwrap();
        assert_eq!(tokens.full.as_deref(), Some("fr0m_file"));
        assert_eq!(tokens.read_only.as_deref(), Some("r3ader"));
        std::fs::remove_file(&file).unwrap();
        let gone = given.read().unwrap_err();
        assert!(gone.starts_with(&format!("--token-file {}", file.display())), "{gone}");
    }

    #[test]
    fn what_no_header_carries_is_no_token() {
        for (text, why) in
            [("", "empty"), (" \n", "empty"), ("two words", "blanks"), ("é", "header")]
        {
            let given = Tokens { read_only_token: Some(text.into()), ..none() };
            let refused = given.read().unwrap_err();
            assert!(
                refused.starts_with("--read-only-token: ") && refused.contains(why),
                "{refused}"
            );
        }
        assert_eq!(none().read().unwrap().full, None);
    }
}
