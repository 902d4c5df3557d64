//! A message as callbacks of dialogs see it.

use duologue_dialog::{EventMessage, NotMutable};
use duologue_sip::{Edits, HeaderRef, Message};

/// A message as callbacks of dialogs see it.
pub struct Shown<'s, 'm> {
    message: &'s Message<'m>,
    edits: Option<&'s mut Edits>,
}

impl<'s, 'm> Shown<'s, 'm> {
    /// A message that callbacks may change.
    pub fn mutable(message: &'s Message<'m>, edits: &'s mut Edits) -> Self {
        Self { message, edits: Some(edits) }
    }

    /// A message that is on its way already.
    pub fn fixed(message: &'s Message<'m>) -> Self {
        Self { message, edits: None }
    }
}

impl EventMessage for Shown<'_, '_> {
    fn status(&self) -> Option<u16> {
        self.message.status().map(|status| status.code())
    }

    fn reason(&self) -> &[u8] {
        self.message.reason()
    }

    fn method(&self) -> &[u8] {
        match self.message.method() {
            Some(method) => method.as_bytes(),
            None => self.message.cseq().map(|cseq| cseq.method.as_bytes()).unwrap_or_default(),
        }
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.message.value(HeaderRef::from(name.as_bytes()))
    }

    fn body(&self) -> &[u8] {
        self.message.body()
    }

    fn append_header(&mut self, name: &str, value: &[u8]) -> Result<(), NotMutable> {
        let edits = self.edits.as_deref_mut().ok_or(NotMutable)?;
        edits.draft(self.message).append_header(name.as_bytes(), &[value]);
        Ok(())
    }

    fn remove_header(&mut self, name: &str) -> Result<usize, NotMutable> {
        let edits = self.edits.as_deref_mut().ok_or(NotMutable)?;
        Ok(edits.draft(self.message).remove_all(name.as_bytes()))
    }
}
