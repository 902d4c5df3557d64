//! Where scripts come from: files, and the one that the program carries.

use std::path::Path;

pub use duologue_script::Sources;

/// The script that runs when none is given.
pub const DEFAULT: &str = include_str!("default.cfg");

/// The name of the built-in script in messages.
pub const DEFAULT_NAME: &str = "default.cfg";

/// The built-in script alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Embedded;

impl Sources for Embedded {
    fn read(&self, path: &str, _: Option<&str>) -> Result<String, String> {
        if path == DEFAULT_NAME {
            Ok(DEFAULT.to_owned())
        } else {
            Err("the built-in script includes nothing".to_owned())
        }
    }
}

/// A script that a program carries or makes; it includes nothing.
#[derive(Clone, Debug)]
pub struct Text(pub String);

/// The name of a [`Text`] in messages.
pub const TEXT_NAME: &str = "inline.cfg";

impl Sources for Text {
    fn read(&self, path: &str, _: Option<&str>) -> Result<String, String> {
        if path == TEXT_NAME {
            Ok(self.0.clone())
        } else {
            Err("a script given as text includes nothing".to_owned())
        }
    }
}

/// Scripts from the file system; `-` is standard input. A relative include is looked for beside
/// the process first, then beside the file that includes it (spec/script.md §1.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Sources for Files {
    fn read(&self, path: &str, from: Option<&str>) -> Result<String, String> {
        if path == "-" && from.is_none() {
            return std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string());
        }
        let here = Path::new(path);
        let beside = from.and_then(|from| Path::new(from).parent()).map(|folder| folder.join(path));
        let found = match beside {
            Some(beside) if !here.exists() => beside,
            _ => here.to_path_buf(),
        };
        let bytes = std::fs::read(&found).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
    }
}
