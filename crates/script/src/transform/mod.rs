//! Transformations that need nothing but text (spec §9).

/// A transformation of the language itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    Len,
}

/// `{re.subst,/regex/replacement/flags}`, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Substitution {}
