//! Where the text of a script comes from, and how a place in it is named.

/// The files of a script. They belong to the caller: this crate opens nothing.
pub trait Sources {
    /// The text of a file. `from` is the including file, `None` for the script itself. A relative
    /// path is looked up from the start-up directory first, then beside `from` (spec §1.4).
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &str, from: Option<&str>) -> Result<String, String>;
}

/// A script that is one string, for tests and for what is built in. It has no includes.
impl Sources for str {
    fn read(&self, _: &str, from: Option<&str>) -> Result<String, String> {
        match from {
            None => Ok(self.to_owned()),
            Some(_) => Err("a script without files cannot include any".to_owned()),
        }
    }
}

/// A part of one file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) file: u16,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// From the beginning of this to the end of `last`, if both are in one file.
    pub(crate) fn to(self, last: Self) -> Self {
        if self.file == last.file && last.end >= self.start {
            Self { end: last.end.max(self.end), ..self }
        } else {
            self
        }
    }

    /// A part of it: `from` and `len` in bytes from its start.
    pub(crate) fn part(self, from: usize, len: usize) -> Self {
        let start = self.start + from as u32;
        Self { start, end: start + len as u32, ..self }
    }
}

/// The files read so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    files: Vec<File>,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The first byte of each line.
    lines: Vec<u32>,
    /// Which file includes it, at which line.
    pub(crate) included: Option<(u16, u32)>,
}

impl Files {
    pub(crate) fn add(&mut self, path: &str, text: String, included: Option<(u16, u32)>) -> u16 {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at as u32 + 1)).collect();
        self.files.push(File { path: path.to_owned(), text, lines, included });
        (self.files.len() - 1) as u16
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn get(&self, file: u16) -> Option<&File> {
        self.files.get(usize::from(file))
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        let file = self.get(span.file);
        file.and_then(|f| f.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
    }

    /// The line of a place, from 1.
    pub(crate) fn line(&self, span: Span) -> u32 {
        let Some(file) = self.get(span.file) else { return 0 };
        file.lines.partition_point(|&start| start <= span.start) as u32
    }

    /// The column of a place in characters, from 1; a tab counts as one.
    pub(crate) fn column(&self, span: Span) -> u32 {
        let Some(file) = self.get(span.file) else { return 0 };
        let line = self.line(span).max(1) as usize - 1;
        let start = file.lines.get(line).map_or(0, |&s| s as usize);
        let before = file.text.get(start..span.start as usize).unwrap_or_default();
        before.chars().count() as u32 + 1
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.files.iter().map(|f| f.path.clone()).collect()
    }
}
