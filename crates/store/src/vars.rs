//! The stored form of values and profiles (spec dialog.md §10.3).
//!
//! Records without an outer delimiter, newest first: `name#T#value|` since OpenSIPS 3.4, T being `1`
//! for a text and `2` for a number; `name#value|` before. `|`, `#` and `\` have a `\` in front in
//! names and texts. All of it may be any bytes, NUL too.

/// A named value of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Var {
    /// Its name.
    pub name: Vec<u8>,
    /// What it holds.
    pub value: VarValue,
}

/// What a named value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VarValue {
    /// Any bytes.
    Text(Vec<u8>),
    /// A number.
    Int(i32),
}

/// A place of a dialog in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileLink {
    /// The profile's name.
    pub profile: Vec<u8>,
    /// The value; none for a profile without.
    pub value: Option<Vec<u8>>,
    /// How it is shared.
    pub sharing: Sharing,
}

/// How the members of a profile are counted (spec dialog.md §9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// By each node for itself.
    #[default]
    Local,
    /// In a key-value store, suffix `/s`.
    Store,
    /// Among the nodes of a cluster, suffix `/b`.
    Cluster,
}

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarFormat {
    /// `name#value|`, of OpenSIPS 3.1 to 3.3.
    Untyped,
    /// `name#T#value|`, since 3.4.
    Typed,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// The records, up to the first that is none.
    pub list: Vec<T>,
    /// How many bytes behind them were not understood.
    pub unread: usize,
}

/// The stored form of values, newest first.
///
/// ```
/// use duologue_store::{Var, VarFormat, VarValue, vars};
///
/// let var = Var { name: b"x#y".to_vec(), value: VarValue::Text(b"a|b".to_vec()) };
/// let stored = vars::write_vars([&var]);
/// assert_eq!(stored, br"x\#y#1#a\|b|");
/// assert_eq!(vars::read_vars(&stored, VarFormat::Typed).list, [var]);
/// ```
pub fn write_vars<'a>(vars: impl IntoIterator<Item = &'a Var>) -> Vec<u8> {
    let mut out = Vec::new();
    for var in vars {
        match &var.value {
            VarValue::Text(text) => record(&mut out, &var.name, &[], b'1', text),
            VarValue::Int(number) => {
                record(&mut out, &var.name, &[], b'2', number.to_string().as_bytes());
            }
        }
    }
    out
}

/// Reads values. A type that is not known ends it; what was read before is kept.
pub fn read_vars(stored: &[u8], format: VarFormat) -> Read<Var> {
    read(stored, format, |name, kind, value| {
        let value = match kind {
            b'1' => VarValue::Text(value),
            b'2' => VarValue::Int(std::str::from_utf8(&value).ok()?.parse().ok()?),
            _ => return None,
        };
        Some(Var { name, value })
    })
}

/// The stored form of places in profiles, newest first.
///
/// A value that is empty is stored as none, as OpenSIPS does.
pub fn write_profiles<'a>(links: impl IntoIterator<Item = &'a ProfileLink>) -> Vec<u8> {
    let mut out = Vec::new();
    for link in links {
        let suffix: &[u8] = match link.sharing {
            Sharing::Local => b"",
            Sharing::Store => b"/s",
            Sharing::Cluster => b"/b",
        };
        record(&mut out, &link.profile, suffix, b'1', link.value.as_deref().unwrap_or_default());
    }
    out
}

/// Reads places in profiles.
pub fn read_profiles(stored: &[u8], format: VarFormat) -> Read<ProfileLink> {
    read(stored, format, |mut profile, kind, value| {
        if kind != b'1' {
            return None;
        }
        let sharing = match profile.as_slice() {
            [.., b'/', b's'] => Sharing::Store,
            [.., b'/', b'b'] => Sharing::Cluster,
            _ => Sharing::Local,
        };
        if sharing != Sharing::Local {
            profile.truncate(profile.len() - 2);
        }
        Some(ProfileLink { profile, value: (!value.is_empty()).then_some(value), sharing })
    })
}

fn record(out: &mut Vec<u8>, name: &[u8], suffix: &[u8], kind: u8, value: &[u8]) {
    escape(out, name);
    out.extend_from_slice(suffix);
    out.extend_from_slice(&[b'#', kind, b'#']);
    escape(out, value);
    out.push(b'|');
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if matches!(byte, b'|' | b'#' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn read<T>(
    stored: &[u8],
    format: VarFormat,
    make: impl Fn(Vec<u8>, u8, Vec<u8>) -> Option<T>,
) -> Read<T> {
    let mut list = Vec::new();
    let mut rest = stored;
    while let Some((item, after)) = one(rest, format, &make) {
        list.push(item);
        rest = after;
    }
    Read { list, unread: rest.len() }
}

fn one<'a, T>(
    record: &'a [u8],
    format: VarFormat,
    make: &impl Fn(Vec<u8>, u8, Vec<u8>) -> Option<T>,
) -> Option<(T, &'a [u8])> {
    let (name, mut rest) = until(record, b'#')?;
    let mut kind = b'1';
    if format == VarFormat::Typed {
        let (&typed, after) = rest.split_first()?;
        kind = typed;
        rest = after.strip_prefix(b"#")?;
    }
    let (value, rest) = until(rest, b'|')?;
    Some((make(name, kind, value)?, rest))
}

/// The bytes up to a delimiter, without the `\` in front of some, and what follows it.
fn until(bytes: &[u8], delimiter: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut taken = Vec::new();
    let mut rest = bytes;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                taken.push(escaped);
            }
            byte if byte == delimiter => return Some((taken, rest)),
            byte => taken.push(byte),
        }
    }
}

#[cfg(test)]
pub(crate) use tests::{any_profile, any_var};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(name: &[u8], value: &[u8]) -> Var {
        Var { name: name.into(), value: VarValue::Text(value.into()) }
    }

    fn link(profile: &str, value: Option<&str>, sharing: Sharing) -> ProfileLink {
        ProfileLink { profile: profile.into(), value: value.map(Into::into), sharing }
    }

    // dialog.md §19: serialisation
    #[test]
    fn the_vectors_of_the_specification() {
        assert_eq!(write_vars([&text(b"x#y", b"a|b")]), br"x\#y#1#a\|b|");
        let number = Var { name: b"n".to_vec(), value: VarValue::Int(-7) };
        assert_eq!(write_vars([&number]), b"n#2#-7|");
        assert_eq!(write_profiles([&link("inbound", None, Sharing::Cluster)]), b"inbound/b#1#|");
    }

    // dialog.md §10.3: before 3.4 there was no type
    #[test]
    fn the_old_form_is_read() {
        let read = read_vars(br"new#1#x|a\#b#c\|d|", VarFormat::Untyped);
        assert_eq!(read.list, [text(b"new", b"1#x"), text(b"a#b", b"c|d")]);
        let read = read_profiles(b"caller/s#ann|inbound#|", VarFormat::Untyped);
        let caller = link("caller", Some("ann"), Sharing::Store);
        assert_eq!(read.list, [caller, link("inbound", None, Sharing::Local)]);
        assert_eq!(read_vars(b"a#x|", VarFormat::Typed), Read { list: vec![], unread: 4 });
    }

    // dialog.md §10.3: an unknown type ends the reading, what was read is kept
    #[test]
    fn what_is_not_understood_is_left_and_counted() {
        let typed = |stored: &[u8]| read_vars(stored, VarFormat::Typed);
        assert_eq!(typed(b"a#1#x|b#9#y|c#1#z|"), Read { list: vec![text(b"a", b"x")], unread: 12 });
        assert_eq!(typed(b"a#2#many|"), Read { list: vec![], unread: 9 });
        assert_eq!(typed(b"a#1#x"), Read { list: vec![], unread: 5 });
        assert_eq!(typed(b"a#1#x\\"), Read { list: vec![], unread: 6 });
        assert_eq!(typed(b"a#"), Read { list: vec![], unread: 2 });
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), Just(b'|'), Just(b'#'), Just(b'\\'), Just(0)];
        proptest::collection::vec(byte, 0..12)
    }

    pub(crate) fn any_var() -> impl Strategy<Value = Var> {
        let value =
            prop_oneof![bytes().prop_map(VarValue::Text), any::<i32>().prop_map(VarValue::Int),];
        (bytes(), value).prop_map(|(name, value)| Var { name, value })
    }

    pub(crate) fn any_profile() -> impl Strategy<Value = ProfileLink> {
        let sharing =
            prop_oneof![Just(Sharing::Local), Just(Sharing::Store), Just(Sharing::Cluster)];
        let value = bytes().prop_map(|value| (!value.is_empty()).then_some(value));
        ("[a-z0-9_-]{1,9}", value, sharing).prop_map(|(profile, value, sharing)| ProfileLink {
            profile: profile.into(),
            value,
            sharing,
        })
    }

    proptest! {
        #[test]
        fn values_written_and_read_are_the_same(list in proptest::collection::vec(any_var(), 0..6)) {
            let read = read_vars(&write_vars(&list), VarFormat::Typed);
            prop_assert_eq!(read, Read { list, unread: 0 });
        }

        #[test]
        fn profiles_written_and_read_are_the_same(
            list in proptest::collection::vec(any_profile(), 0..6),
        ) {
            let read = read_profiles(&write_profiles(&list), VarFormat::Typed);
            prop_assert_eq!(read, Read { list, unread: 0 });
        }

        #[test]
        fn any_bytes_can_be_read(stored in bytes(), typed: bool) {
            let format = if typed { VarFormat::Typed } else { VarFormat::Untyped };
            prop_assert!(read_vars(&stored, format).unread <= stored.len());
            prop_assert!(read_profiles(&stored, format).unread <= stored.len());
        }
    }
}
