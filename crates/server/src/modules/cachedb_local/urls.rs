//! How collections are declared and named: `cache_collections` and `cachedb_url`.

use super::{COLLECTIONS_MAX, DEFAULT_COLLECTION, EXPONENT_DEFAULT, EXPONENT_MAX};

/// A name that scripts use, `local` or `local:group`, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) group: Option<String>,
    pub(super) collection: String,
}

/// `c1; c2=5; default=4`: the collections and their sizes as powers of two.
pub(super) fn collections(text: &str) -> Result<Vec<(String, u32)>, String> {
    let mut found: Vec<(String, u32)> = Vec::new();
    for item in text.split(';').map(str::trim).filter(|item| !item.is_empty()) {
        let wrong = |why: &str| format!("cache_collections: {item}: {why}");
        let (item_name, size) = match item.split_once('=') {
            Some((name, size)) => (name.trim(), Some(size.trim())),
            None => (item, None),
        };
        if item_name.ends_with("/r") || size.is_some_and(|size| size.ends_with("/r")) {
            return Err(wrong("replicated collections are known, but not built yet"));
        }
        let exponent = match size {
            None => EXPONENT_DEFAULT,
            Some(size) => size
                .parse()
                .ok()
                .filter(|exponent| (1..=EXPONENT_MAX).contains(exponent))
                .ok_or_else(|| wrong(&format!("the size is 1 to {EXPONENT_MAX}")))?,
        };
        if item_name.is_empty() || item_name.contains('/') {
            return Err(wrong("a collection needs a name"));
        }
        if found.iter().any(|(name, _)| name == item_name) {
            return Err(wrong("it was declared before"));
        }
        if found.len() == COLLECTIONS_MAX {
            return Err(wrong(&format!("more than {COLLECTIONS_MAX} collections")));
        }
        found.push((item_name.to_owned(), exponent));
    }
    Ok(found)
}

/// `local://` or `local:group:///collection`.
pub(super) fn name(url: &str) -> Result<Name, String> {
    let wrong = || format!("cachedb_url: {url} is not local://, local:group:///collection");
    let (engine, rest) = url.trim().split_once(':').ok_or_else(wrong)?;
    if engine != super::ENGINE {
        return Err(wrong());
    }
    let (group, path) = match rest.strip_prefix("//") {
        Some(path) => (None, path),
        None => {
            let (group, path) = rest.split_once("://").ok_or_else(wrong)?;
            (Some(group.to_owned()).filter(|group| !group.is_empty()), path)
        }
    };
    // What stands before the slash would be a host.
    let collection = match path.split_once('/') {
        Some(("", collection)) => collection,
        None if path.is_empty() => "",
        _ => return Err(wrong()),
    };
    let collection = if collection.is_empty() { DEFAULT_COLLECTION } else { collection };
    Ok(Name { group, collection: collection.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §26, `cache_collections`.
    #[test]
    fn collections_have_names_and_sizes() {
        let list = |text| collections(text).unwrap();
        assert_eq!(list(""), []);
        assert_eq!(
            list("c1; c2=5; default = 4;"),
            [("c1".to_owned(), 9), ("c2".to_owned(), 5), ("default".to_owned(), 4)]
        );
        for bad in ["c=0", "c=17", "c=x", "=5", "a/b", "c;c=5", "c/r", "c=5/r"] {
            assert!(collections(bad).is_err(), "{bad}");
        }
    }

    /// spec/modules.md §26, `cachedb_url`.
    #[test]
    fn urls_give_names() {
        let read = |url| name(url).unwrap();
        let expected = |group: Option<&str>, collection: &str| Name {
            group: group.map(str::to_owned),
            collection: collection.to_owned(),
        };
        assert_eq!(read("local://"), expected(None, "default"));
        assert_eq!(read("local:///c1"), expected(None, "c1"));
        assert_eq!(read("local:g1:///c1"), expected(Some("g1"), "c1"));
        assert_eq!(read("local:g1://"), expected(Some("g1"), "default"));
        for bad in ["", "local", "local:", "redis://", "local:g1", "local://host/c"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
