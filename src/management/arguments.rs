//! The command line as the command `arg` may show it: to everybody who may read.

use std::ffi::OsString;

use duologue_store::DatabaseUrl;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// The arguments of a program, without tokens and the password of a database.
pub(super) fn shown(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut hide: Option<fn(&str) -> String> = None;
    let shown = arguments.map(|argument| {
        let argument = argument.to_string_lossy();
        if let Some(hide) = hide.take() {
            return hide(&argument);
        }
        match argument.split_once('=') {
            Some((option, value)) => match hides(option) {
                Some(hide) => format!("{option}={}", hide(value)),
                None => argument.into_owned(),
            },
            None => {
                hide = hides(&argument);
                argument.into_owned()
            }
        }
    });
    shown.collect()
}

/// How the value of an option is shown, if it is a secret.
fn hides(option: &str) -> Option<fn(&str) -> String> {
    match option {
        "--token" | "--read-only-token" => Some(|_| HIDDEN.to_owned()),
        // As a URL is shown it has no password; what is none may be one with a mistake in it.
        "--database" => Some(|url| match url.parse::<DatabaseUrl>() {
            Ok(url) => url.to_string(),
            Err(_) if url == "none" => url.to_owned(),
            Err(_) => HIDDEN.to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (given, wanted) in [
            ("duologue --token s3cret -f a.cfg", "duologue --token *** -f a.cfg"),
            ("duologue --token=s3cret -d", "duologue --token=*** -d"),
            (
                "duologue --read-only-token --token --token x",
                "duologue --read-only-token *** --token ***",
            ),
            ("duologue --read-only-token=a=b", "duologue --read-only-token=***"),
            (
                "duologue --database mysql://me:s3cret@db/calls",
                "duologue --database mysql://me:***@db:3306/calls",
            ),
            ("duologue --database=none -o token=1", "duologue --database=none -o token=1"),
            ("duologue --database=mysql//me:s3cret@db", "duologue --database=***"),
            ("duologue --token-file /run/token", "duologue --token-file /run/token"),
            ("duologue --token", "duologue --token"),
        ] {
            assert_eq!(shown(given.split(' ').map(OsString::from)).join(" "), wanted);
        }
    }
}
