//! The digest of a file, so that operators can tell whether what runs is what is on the disk.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use md5::{Digest, Md5};

/// A file, and its digest when the proxy started.
#[derive(Debug)]
pub struct ConfigHash {
    path: PathBuf,
    at_start: OnceLock<String>,
}

impl ConfigHash {
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.into(), at_start: OnceLock::new() }
    }

    /// Takes the digest at the start.
    pub(super) fn read(&self) -> Result<(), String> {
        let hash = self.now()?;
        self.at_start.get_or_init(|| hash);
        Ok(())
    }

    /// The digest at the start, in lower-case hexadecimal.
    pub fn at_start(&self) -> &str {
        self.at_start.get().map_or("", String::as_str)
    }

    /// The digest of the file as it is now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn now(&self) -> Result<String, String> {
        let bytes = std::fs::read(&self.path)
            .map_err(|error| format!("hash_file: {}: {error}", self.path.display()))?;
        let mut hash = String::with_capacity(32);
        for byte in Md5::digest(bytes) {
            // Writing to a string cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_has_another_digest() {
        let path = std::env::temp_dir().join(format!("duologue-hash-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        let hash = ConfigHash::new(path.to_str().unwrap());
        hash.read().unwrap();
        // RFC 1321, appendix A.5.
        assert_eq!(hash.at_start(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hash.now().as_deref(), Ok(hash.at_start()));
        std::fs::write(&path, "abd").unwrap();
        assert_ne!(hash.now().as_deref(), Ok(hash.at_start()));
        std::fs::remove_file(&path).unwrap();
        assert!(hash.now().is_err());
        assert!(ConfigHash::new("/nowhere/at/all").read().is_err());
    }
}
