//! What the numbers of this process stand for in rows of contacts.

use duologue_script::FlagKind;
use duologue_store::ContactWords;

use crate::modules::usrloc::{Usrloc, branch_flag_names};
use crate::storage::words::Words;

impl ContactWords for Words<'_> {
    fn use_domain(&self) -> bool {
        self.0.settings::<Usrloc>().use_domain
    }

    fn branch_flags(&self, mask: u32) -> String {
        branch_flag_names(self.0, mask)
    }

    fn branch_flags_named(&self, names: &str) -> u32 {
        let script = self.0.script();
        let bit = |name| script.program.flag(FlagKind::Branch, name).map_or(0, |bit| 1 << bit);
        let names = names.split([' ', ',']).filter(|name| !name.is_empty());
        names.fold(0, |mask, name| mask | bit(name))
    }
}
