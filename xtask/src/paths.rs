//! Where things are, seen from the workspace's root.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A file of the end-to-end tests.
pub(crate) fn sipp(file: &str) -> PathBuf {
    root().join("tests/sipp").join(file)
}

/// A scenario: of the end-to-end tests, else of the examples; `None` for those of SIPp itself.
pub(crate) fn scenario(name: &str) -> Option<PathBuf> {
    let file = format!("{name}.xml");
    let ours = [sipp(&file), root().join("examples/sipp").join(file)];
    ours.into_iter().find(|path| path.is_file())
}

/// What a plain build makes of a program in `examples/`.
pub(crate) fn built_example(name: &str) -> PathBuf {
    build_directory().join("debug/examples").join(name)
}

/// What a release build makes: programs at the top, examples in `examples/`.
pub(crate) fn built(program: &str) -> PathBuf {
    build_directory().join("release").join(program)
}

/// An empty folder under the build directory; what an earlier run left there is removed.
pub(crate) fn fresh(name: &str) -> Result<PathBuf> {
    let directory = build_directory().join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    kept(name)
}

/// The same, but what is there stays.
pub(crate) fn kept(name: &str) -> Result<PathBuf> {
    let directory = build_directory().join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// The URL of a database in a directory: the built-in script keeps its own beside whoever starts it.
pub(crate) fn database(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("duologue.sqlite").display())
}

fn build_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
