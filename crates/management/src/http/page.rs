//! What can be read at the door beside the commands: metrics, for example.

use std::fmt;
use std::sync::Arc;

/// A page: made anew for each who asks.
#[derive(Clone)]
pub struct Page {
    path: String,
    make: Arc<dyn Fn() -> Content + Send + Sync>,
}

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Whether all is well: status 200, else 503.
    pub well: bool,
    /// The type of the text.
    pub media_type: &'static str,
    /// The text.
    pub text: String,
}

impl Page {
    /// The page at `path`, whose slashes at its ends do not matter. `make` runs on a thread of its own
    /// and may block; several may run at once.
    pub fn new(path: &str, make: impl Fn() -> Content + Send + Sync + 'static) -> Self {
        Self { path: format!("/{}", path.trim_matches('/')), make: Arc::new(make) }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn make(&self) -> Content {
        (self.make)()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.path).finish()
    }
}

impl Content {
    /// Plain text.
    pub fn plain(well: bool, text: impl Into<String>) -> Self {
        Self { well, media_type: "text/plain; charset=utf-8", text: text.into() }
    }
}
