//! Substitutions as arguments: the variables of the replacement are read once per call.

use super::Machine;
use crate::host::Host;
use crate::limits::SUBSTITUTION_VARIABLES_MAX;
use crate::program::{Argument, Compiled, Program, Slot};
use crate::value::Level;

impl Machine {
    /// One that was compiled when the script was loaded.
    pub(super) fn substitution<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        at: u32,
        vars: &[u32],
    ) -> Argument {
        let mut values = [Slot::Null; SUBSTITUTION_VARIABLES_MAX];
        for (value, var) in values.iter_mut().zip(vars) {
            let slot = self.read(program, host, *var);
            *value = self.or_null_text(slot);
        }
        Argument::Substitution { compiled: Compiled::Program(at), values }
    }

    /// One whose text is the value of a variable. `None`: there is no text, or it is no
    /// substitution.
    pub(super) fn substitution_of_variable<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        var: u32,
    ) -> Option<Argument> {
        let slot = self.read(program, host, var);
        let slot = self.as_text(slot);
        let text = slot.bytes(program, self.scratch.as_bytes())?;
        let at = match self.cells.cached_substitution(text) {
            Ok(at) => at,
            Err(reason) => {
                self.complain(program, host, Level::Error, &reason);
                return None;
            }
        };
        let mut values = [Slot::Null; SUBSTITUTION_VARIABLES_MAX];
        for (index, value) in values.iter_mut().enumerate() {
            let (_, variables) = self.cells.substitution(at)?;
            let Some(text) = variables.get(index) else { break };
            let start = self.scratch.len();
            self.scratch.push(text);
            let name = Slot::Scratch(start as u32, (self.scratch.len() - start) as u32);
            *value = self.eval(program, host, name);
        }
        Some(Argument::Substitution { compiled: Compiled::Cache(at), values })
    }

    /// NULL as format strings show it.
    fn or_null_text(&mut self, slot: Slot) -> Slot {
        match slot {
            Slot::Null | Slot::Nothing => {
                let start = self.scratch.len();
                self.scratch.push(b"<null>");
                Slot::Scratch(start as u32, (self.scratch.len() - start) as u32)
            }
            slot => slot,
        }
    }
}
