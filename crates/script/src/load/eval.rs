//! `{s.eval}`: a format string that is known only when the script runs (spec §9.1).

use super::Loader;
use crate::catalog::Catalog;
use crate::catalog::RouteKind;
use crate::diagnostic::Report;
use crate::lint::Notes;
use crate::program::{Fragment, Program};
use crate::script::Setup;
use crate::source::{Files, Span};

impl Program {
    /// Compiles a format string that may name whatever the script may name. Its variables are the
    /// script's own; a `$var` that the script does not mention is NULL.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn fragment(&self, catalog: &dyn Catalog, text: &[u8]) -> Result<Fragment, String> {
        let mut loader = Loader {
            catalog,
            files: Files::default(),
            report: Report::default(),
            tokens: Vec::new(),
            at: 0,
            setup: Setup { modules: self.modules.clone(), ..Setup::default() },
            in_force: None,
            program: Self {
                vars: self.vars.clone(),
                flags: self.flags.clone(),
                routes: self.routes.clone(),
                settings: self.settings,
                ..Self::default()
            },
            kind: RouteKind::Request,
            route: 0,
            depth: 0,
            breaks: Vec::new(),
            route_uses: Vec::new(),
            function_uses: Vec::new(),
            references: Vec::new(),
            notes: Notes::default(),
        };
        match loader.pieces(text, Span::default()) {
            Ok(pieces) => Ok(Fragment { program: loader.program, pieces }),
            Err(_) => Err(loader.report.first_error()),
        }
    }
}
