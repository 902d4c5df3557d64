//! `$shv(name)`: variables that all workers share.

use std::collections::HashMap;

use duologue_script::{Setting, Value};
use parking_lot::RwLock;

/// How many shared variables there may be.
pub const SHARED_MAX: usize = 10_000;
/// The longest name in bytes.
pub const SHARED_NAME_MAX: usize = 256;
/// The longest value in bytes.
pub const SHARED_BYTES_MAX: usize = 65_536;

/// The shared variables of a proxy.
#[derive(Debug, Default)]
pub struct SharedVars(RwLock<HashMap<Box<[u8]>, SharedValue>>);

/// What a shared variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedValue {
    /// A number.
    Int(i32),
    /// A text.
    Str(Box<[u8]>),
}

impl SharedValue {
    /// The value that a script assigns; `None` for NULL.
    pub(super) fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Int(number) => Some(Self::Int(number)),
            Value::Str(text) | Value::StrInt(text, _) => Some(Self::Str(text.into())),
        }
    }
}

impl From<&Setting> for SharedValue {
    fn from(setting: &Setting) -> Self {
        match setting {
            Setting::Int(number) => Self::Int(*number),
            Setting::Str(text) => Self::Str(text.as_bytes().into()),
        }
    }
}

impl SharedVars {
    /// What a variable holds; `None` if it was never set.
    pub fn get(&self, name: &[u8]) -> Option<SharedValue> {
        self.0.read().get(name).cloned()
    }

    /// Sets a variable; false if name or value is too long, or there are too many.
    pub fn set(&self, name: &[u8], value: SharedValue) -> bool {
        let long = matches!(&value, SharedValue::Str(text) if text.len() > SHARED_BYTES_MAX);
        if long || name.is_empty() || name.len() > SHARED_NAME_MAX {
            return false;
        }
        let mut variables = self.0.write();
        if let Some(known) = variables.get_mut(name) {
            *known = value;
            return true;
        }
        let room = variables.len() < SHARED_MAX;
        if room {
            variables.insert(name.into(), value);
        }
        room
    }

    /// Forgets a variable.
    pub fn unset(&self, name: &[u8]) {
        self.0.write().remove(name);
    }

    /// All variables, by name.
    pub fn all(&self) -> Vec<(Box<[u8]>, SharedValue)> {
        let variables = self.0.read();
        let mut all: Vec<_> =
            variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        drop(variables);
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

/// `name=i:5` or `name=s:text`: the parameters `shvset` and `varset`.
pub(super) fn assignment(text: &str) -> Result<(String, Setting), String> {
    let wrong = || format!("\"{text}\" is not name=i:NUMBER or name=s:TEXT");
    let (name, typed) = text.split_once('=').ok_or_else(wrong)?;
    let (kind, value) = typed.split_once(':').ok_or_else(wrong)?;
    let name = name.trim();
    if name.is_empty() || name.len() > SHARED_NAME_MAX || value.len() > SHARED_BYTES_MAX {
        return Err(wrong());
    }
    let value = match kind.trim() {
        "i" => Setting::Int(value.trim().parse().map_err(|_| wrong())?),
        "s" => Setting::Str(value.to_owned()),
        _ => return Err(wrong()),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_replaced_and_forgotten() {
        let shared = SharedVars::default();
        assert_eq!(shared.get(b"a"), None);
        assert!(shared.set(b"b", SharedValue::Int(1)));
        assert!(shared.set(b"a", SharedValue::Int(1)));
        assert!(shared.set(b"a", SharedValue::Str(b"x"[..].into())));
        assert_eq!(shared.get(b"a"), Some(SharedValue::Str(b"x"[..].into())));
        let names: Vec<_> = shared.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Box::from(&b"a"[..]), Box::from(&b"b"[..])]);
        shared.unset(b"a");
        assert_eq!(shared.get(b"a"), None);
    }

    #[test]
    fn names_values_and_numbers_are_bounded() {
        let shared = SharedVars::default();
        let long = vec![b'x'; SHARED_BYTES_MAX + 1].into_boxed_slice();
        assert!(!shared.set(b"a", SharedValue::Str(long)));
        assert!(!shared.set(b"", SharedValue::Int(1)));
        assert!(!shared.set(&[b'n'; SHARED_NAME_MAX + 1], SharedValue::Int(1)));
        for n in 0..SHARED_MAX {
            assert!(shared.set(n.to_string().as_bytes(), SharedValue::Int(1)));
        }
        assert!(!shared.set(b"more", SharedValue::Int(1)));
        assert!(shared.set(b"0", SharedValue::Int(2)));
    }

    /// spec/modules.md §25, `shvset`, `varset`.
    #[test]
    fn parameters_assign() {
        let int = |name: &str, number| Ok((name.to_owned(), Setting::Int(number)));
        let str = |name: &str, text: &str| Ok((name.to_owned(), Setting::Str(text.to_owned())));
        assert_eq!(assignment("a=i:5"), int("a", 5));
        assert_eq!(assignment("a = i:-5"), int("a", -5));
        assert_eq!(assignment("a=s:x=y:z"), str("a", "x=y:z"));
        assert_eq!(assignment("a=s:"), str("a", ""));
        for bad in ["", "a", "a=5", "a=i:", "a=i:x", "a=x:5", "=i:5"] {
            assert!(assignment(bad).is_err(), "{bad}");
        }
    }
}
