//! Errors that the error route hears of (spec/script.md §3.4), and what `$err.*` tells of them.

use std::fmt;

use duologue_sip::{StatusCode, Uri};

use crate::context::Context;
use crate::target::URI_MAX;

/// An error that the error route hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// 1 for a message that breaks a rule of SIP, 2 for a failed `assert()`.
    pub class: i32,
    /// How bad it is; 1 is worst.
    pub level: i32,
    /// What is wrong, in words.
    pub info: String,
    /// The status to answer with.
    pub status: u16,
    /// Its phrase.
    pub reason: &'static str,
}

impl Raised {
    /// A message that breaks a rule.
    pub fn parse(status: StatusCode, info: String) -> Self {
        Self { class: 1, level: 3, info, status: status.code(), reason: status.reason() }
    }

    /// A failed `assert()`.
    pub fn assertion(text: &[u8]) -> Self {
        let info = String::from_utf8_lossy(text).into_owned();
        Self { class: 2, level: 1, info, status: 500, reason: "server error" }
    }
}

impl Context<'_> {
    /// A header or a URI turns out to be unreadable. What the script asked for goes on as well as it
    /// can; behind the statement the error route runs, if there is one. The first error of a
    /// statement counts.
    pub fn malformed(&mut self, error: impl fmt::Display) {
        let draft = &mut self.draft;
        if !std::mem::replace(&mut draft.untold, true) {
            draft.raised = Some(Raised::parse(StatusCode::BAD_REQUEST, error.to_string()));
        }
    }

    /// `uri`, if a request can carry it; if not, the error route hears why.
    pub fn sound_uri(&mut self, uri: &[u8]) -> Option<Vec<u8>> {
        if uri.len() > URI_MAX {
            self.malformed(format_args!("a URI has at most {URI_MAX} bytes"));
            return None;
        }
        match Uri::parse(uri) {
            Ok(_) => Some(uri.to_vec()),
            Err(error) => {
                self.malformed(error);
                None
            }
        }
    }
}
