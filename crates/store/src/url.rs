//! Database URLs as OpenSIPS writes them (spec modules.md §31).

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a database is and who we are there.
///
/// ```
/// use duologue_store::{DatabaseUrl, Dialect};
///
/// let url: DatabaseUrl = "postgres://sip:secret@db.example:5433/calls".parse()?;
/// assert_eq!(url.dialect(), Dialect::Postgres);
/// assert_eq!(url.driver_module(), "db_postgres");
/// assert_eq!(url.to_string(), "postgres://sip:***@db.example:5433/calls");
///
/// let url: DatabaseUrl = "sqlite:///var/lib/duologue/calls.db".parse()?;
/// assert_eq!(url.to_string(), "sqlite:///var/lib/duologue/calls.db");
/// # Ok::<(), duologue_store::UrlError>(())
/// ```
///
/// Nothing but a host that begins with `%2F` is percent-decoded: OpenSIPS takes users and passwords
/// as they stand, so a password may have any character, `@` and `/` too.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(SqliteFile),
    /// A PostgreSQL server.
    Postgres(Server),
    /// A MySQL or MariaDB server.
    MySql(Server),
}

/// The file of an SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqliteFile {
    /// This one, made if it is missing.
    Path(PathBuf),
    /// None: gone with the connection. For tests.
    Memory,
}

/// A server, a database there, and a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub host: Host,
    /// The user's name; none leaves the choice to the driver.
    pub user: Option<String>,
    /// The user's password; empty and none are the same to a server that asks for none.
    pub password: Option<String>,
    /// The name of the database.
    pub database: String,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an address, and a port.
    Tcp {
        /// Name or address, without the brackets of IPv6.
        name: String,
        /// The port; the dialect's own if the URL had none.
        port: u16,
    },
    /// A socket of this machine: a file, for PostgreSQL the directory that it stands in.
    Unix(PathBuf),
}

/// The kinds of SQL that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.24 and later.
    Sqlite,
    /// PostgreSQL 10 and later.
    Postgres,
    /// MySQL 5.7, MariaDB 10.2 and later.
    MySql,
}

/// Why a text is no database URL: what is wrong, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// There is no `scheme:` in front.
    NoScheme,
    /// No driver of ours has this scheme.
    UnknownScheme(String),
    /// `sqlite:` is followed by no file.
    NoFile,
    /// There is no host, and no `socket` option either.
    NoHost,
    /// The text after the host's `:` is no port.
    BadPort(String),
    /// There is no `/name` of a database behind the host.
    NoDatabase,
    /// An option behind `?` that we do not know.
    UnknownOption(String),
    /// The driver that the scheme names is not loaded.
    DriverNotLoaded {
        /// The scheme.
        scheme: &'static str,
        /// The module that the script has to load.
        module: &'static str,
    },
}

impl DatabaseUrl {
    /// A database that lives as long as its connection. For tests.
    pub const fn memory() -> Self {
        Self::Sqlite(SqliteFile::Memory)
    }

    /// A database in this file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::Sqlite(SqliteFile::Path(path.as_ref().into()))
    }

    /// Which SQL is spoken there.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
        }
    }

    /// The module that a script has to load before it may use the URL: `db_` and the scheme.
    pub const fn driver_module(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "db_sqlite",
            Self::Postgres(_) => "db_postgres",
            Self::MySql(_) => "db_mysql",
        }
    }

    /// Checks that the script loaded the driver.
    ///
    /// # Errors
    /// [`UrlError::DriverNotLoaded`] names the module to load.
    pub fn require_driver(&self, is_loaded: impl Fn(&str) -> bool) -> Result<(), UrlError> {
        let module = self.driver_module();
        if is_loaded(module) {
            return Ok(());
        }
        Err(UrlError::DriverNotLoaded { scheme: self.scheme(), module })
    }

    const fn scheme(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::MySql(_) => "mysql",
        }
    }
}

impl std::str::FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::NoScheme)?;
        match scheme {
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" => server(rest, 5432).map(Self::Postgres),
            "mysql" | "mariadb" => server(rest, 3306).map(Self::MySql),
            _ => Err(UrlError::UnknownScheme(scheme.to_owned())),
        }
    }
}

/// OpenSIPS takes what follows `sqlite:/` for the path, so any number of slashes means the root.
fn sqlite(rest: &str) -> Result<DatabaseUrl, UrlError> {
    let path = rest.trim_start_matches('/');
    if path.is_empty() {
        return Err(UrlError::NoFile);
    }
    // OpenSIPS knows no relative paths; ours have no slash in front.
    Ok(DatabaseUrl::file(if rest.starts_with('/') { format!("/{path}") } else { path.to_owned() }))
}

/// `//[user[:password]@][host[:port]]/database[?socket=path]`
fn server(rest: &str, default_port: u16) -> Result<Server, UrlError> {
    let rest = rest.strip_prefix("//").ok_or(UrlError::NoHost)?;
    // The last `@`: neither hosts nor names of databases have one, but passwords do.
    let (credentials, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, rest),
    };
    let (place, options) = place.split_once('?').unwrap_or((place, ""));
    let (authority, database) = place.split_once('/').ok_or(UrlError::NoDatabase)?;
    if database.is_empty() {
        return Err(UrlError::NoDatabase);
    }
    let host = match socket_option(options)? {
        Some(path) => Host::Unix(path),
        None => host(authority, default_port)?,
    };
    let (user, password) = match credentials.map(|text| text.split_once(':').ok_or(text)) {
        None => (None, None),
        Some(Ok((user, password))) => (Some(user.to_owned()), Some(password.to_owned())),
        Some(Err(user)) => (Some(user.to_owned()), None),
    };
    Ok(Server { host, user, password, database: database.to_owned() })
}

fn socket_option(options: &str) -> Result<Option<PathBuf>, UrlError> {
    let mut socket = None;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("socket", path)) if !path.is_empty() => socket = Some(path.into()),
            _ => return Err(UrlError::UnknownOption(option.to_owned())),
        }
    }
    Ok(socket)
}

fn host(authority: &str, default_port: u16) -> Result<Host, UrlError> {
    if authority.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2f")) {
        return Ok(Host::Unix(authority.replace("%2F", "/").replace("%2f", "/").into()));
    }
    let (name, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, rest)) => {
            (name, Some(rest.strip_prefix(':').ok_or_else(|| UrlError::BadPort(rest.to_owned()))?))
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        },
    };
    if name.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = match port {
        None => default_port,
        Some(text) => match text.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(UrlError::BadPort(text.to_owned())),
        },
    };
    Ok(Host::Tcp { name: name.to_owned(), port })
}

impl fmt::Display for DatabaseUrl {
    /// The URL with `***` in place of the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(SqliteFile::Path(path)) => {
                let slashes = if path.is_absolute() { "//" } else { "" };
                write!(f, "sqlite:{slashes}{}", path.display())
            }
            Self::Sqlite(SqliteFile::Memory) => f.write_str("sqlite (in memory)"),
            Self::Postgres(server) | Self::MySql(server) => {
                write!(f, "{}://{server}", self.scheme())
            }
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            let secret = if self.password.is_some() { ":***" } else { "" };
            write!(f, "{user}{secret}@")?;
        }
        match &self.host {
            Host::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}")?,
            Host::Tcp { name, port } => write!(f, "{name}:{port}")?,
            Host::Unix(_) => {}
        }
        write!(f, "/{}", self.database)?;
        match &self.host {
            Host::Unix(path) => write!(f, "?socket={}", path.display()),
            Host::Tcp { .. } => Ok(()),
        }
    }
}

/// The same as its display: a password gets into no log.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str(
                "a database URL begins with sqlite:, postgres: or mysql:, \
                 like sqlite:///var/lib/duologue/calls.db",
            ),
            Self::UnknownScheme(scheme) => write!(
                f,
                "no driver for `{scheme}:`; there are sqlite:, postgres: and mysql: (for MariaDB too)"
            ),
            Self::NoFile => f.write_str("no file: write sqlite:///path/to/file"),
            Self::NoHost => f.write_str("no host: write scheme://user:password@host/database"),
            Self::BadPort(text) => write!(f, "`{text}` is no port"),
            Self::NoDatabase => {
                f.write_str("no database: write scheme://user:password@host/database")
            }
            // An option may be the rest of a password that was cut by a `?`: only its name is told.
            Self::UnknownOption(option) => {
                let name = option.split('=').next().unwrap_or_default();
                write!(f, "unknown option `{name}`; there is `socket=/path`")
            }
            Self::DriverNotLoaded { scheme, module } => {
                write!(f, "`{scheme}:` needs loadmodule \"{module}.so\"")
            }
        }
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<DatabaseUrl, UrlError> {
        text.parse()
    }

    fn tcp(name: &str, port: u16) -> Host {
        Host::Tcp { name: name.to_owned(), port }
    }

    fn server_of(text: &str) -> Server {
        match parse(text) {
            Ok(DatabaseUrl::Postgres(server) | DatabaseUrl::MySql(server)) => server,
            other => panic!("{text}: {other:?}"),
        }
    }

    // modules.md §31: the forms of URLs
    #[test]
    fn the_forms_of_opensips_are_read() {
        let full = server_of("mysql://opensips:opensipsrw@localhost:3307/opensips");
        assert_eq!(full.host, tcp("localhost", 3307));
        assert_eq!(full.user.as_deref(), Some("opensips"));
        assert_eq!(full.password.as_deref(), Some("opensipsrw"));
        assert_eq!(full.database, "opensips");
        assert_eq!(server_of("mysql://root@h/d").host, tcp("h", 3306));
        assert_eq!(server_of("postgres://u:p@h/d").host, tcp("h", 5432));
        assert_eq!(server_of("mysql://root:@h/d").password.as_deref(), Some(""));
        assert_eq!(server_of("mysql://root@h/d").password, None);
        assert_eq!(server_of("postgres://h/d").user, None);
        assert_eq!(server_of("postgres://u:p@[::1]:6000/d").host, tcp("::1", 6000));
        assert_eq!(server_of("postgres://u@[::1]/d").host, tcp("::1", 5432));
    }

    #[test]
    fn any_number_of_slashes_means_the_root() {
        for text in ["sqlite:///a/b.db", "sqlite:/a/b.db", "sqlite:////a/b.db"] {
            assert_eq!(parse(text), Ok(DatabaseUrl::file("/a/b.db")), "{text}");
        }
    }

    // OpenSIPS has no such form: a program that keeps its calls beside itself
    #[test]
    fn a_path_without_a_slash_is_relative() {
        assert_eq!(parse("sqlite:calls.db"), Ok(DatabaseUrl::file("calls.db")));
        assert_eq!(DatabaseUrl::file("calls.db").to_string(), "sqlite:calls.db");
    }

    #[test]
    fn a_password_may_have_any_character() {
        let odd = server_of("mysql://u:p@ss/w:rd%2F@h/d");
        assert_eq!(odd.password.as_deref(), Some("p@ss/w:rd%2F"));
        assert_eq!(odd.host, tcp("h", 3306));
    }

    #[test]
    fn sockets_of_the_machine_are_options_or_encoded_hosts() {
        let socket = Host::Unix("/run/mysqld/mysqld.sock".into());
        assert_eq!(server_of("mysql://u:p@/d?socket=/run/mysqld/mysqld.sock").host, socket);
        let directory = Host::Unix("/var/run/postgresql".into());
        assert_eq!(server_of("postgres://u@%2Fvar%2frun%2Fpostgresql/d").host, directory);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse("calls.db"), Err(UrlError::NoScheme));
        assert_eq!(parse("oracle://u@h/d"), Err(UrlError::UnknownScheme("oracle".into())));
        assert_eq!(parse("sqlite://"), Err(UrlError::NoFile));
        assert_eq!(parse("sqlite:"), Err(UrlError::NoFile));
        assert_eq!(parse("mysql:u@h/d"), Err(UrlError::NoHost));
        assert_eq!(parse("mysql://u:p@/d"), Err(UrlError::NoHost));
        assert_eq!(parse("mysql://u:p@h"), Err(UrlError::NoDatabase));
        assert_eq!(parse("mysql://u:p@h/"), Err(UrlError::NoDatabase));
        assert_eq!(parse("mysql://u:p@h:0/d"), Err(UrlError::BadPort("0".into())));
        assert_eq!(parse("mysql://u:p@h:x/d"), Err(UrlError::BadPort("x".into())));
        let option = UrlError::UnknownOption("tls_domain=a".into());
        assert_eq!(parse("mysql://u:p@h/d?tls_domain=a"), Err(option.clone()));
        assert_eq!(option.to_string(), "unknown option `tls_domain`; there is `socket=/path`");
    }

    #[test]
    fn the_driver_has_to_be_loaded() {
        let url = DatabaseUrl::memory();
        assert_eq!(url.require_driver(|name| name == "db_sqlite"), Ok(()));
        let error = url.require_driver(|name| name == "db_mysql").unwrap_err();
        assert_eq!(error.to_string(), "`sqlite:` needs loadmodule \"db_sqlite.so\"");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_password_is_shown(
            text in ".{0,40}",
            password in "[a-z0-9@/:?]{0,9}Q[a-z@/:]{0,9}",
        ) {
            let _ = parse(&text);
            let shown = match parse(&format!("mysql://u:{password}@h/d")) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => error.to_string(),
            };
            prop_assert!(!shown.contains('Q'), "{}", shown);
        }
    }
}
