//! Where databases are: a folder, or a server.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::time::Duration;

use duologue_store::{Database, DatabaseUrl, Options, connect};

use crate::server::{Server, connected, folder_of, free_port, postgres_programs, run_as};

/// Quick to give up: the tests wait for some of these.
pub(crate) const OPTIONS: Options = Options {
    durable: true,
    create: true,
    connect_timeout: Duration::from_secs(5),
    answer_timeout: Duration::from_secs(5),
    busy_timeout: Duration::from_millis(100),
};

/// Makes databases, and things happen to them.
pub(crate) trait Place {
    /// For the log.
    fn name(&self) -> &'static str;

    /// An empty database.
    fn fresh(&self) -> DatabaseUrl;

    /// A connection that holds a lock on all of this table until it is dropped.
    fn lock(&self, url: &DatabaseUrl, table: &str) -> Box<dyn Any>;

    /// The server, if there is one.
    fn server(&self) -> Option<&RefCell<Server>>;

    /// The statements that make the table `dialog` as OpenSIPS does, without its line in `version`.
    fn opensips_dialog(&self, version: u32) -> String;

    /// A connection.
    fn open(&self, url: &DatabaseUrl) -> Box<dyn Database> {
        connect(url, &OPTIONS).unwrap()
    }
}

/// The columns of OpenSIPS's table with its types for MySQL (spec dialog.md §11.1).
fn dialog_columns(version: u32) -> Vec<(&'static str, &'static str)> {
    let (mangled, flags) = match version {
        11 => ("CHAR(64) DEFAULT NULL", "INT(10) UNSIGNED DEFAULT 0 NOT NULL"),
        _ => ("CHAR(255) DEFAULT NULL", "CHAR(255) DEFAULT NULL"),
    };
    vec![
        ("dlg_id", "BIGINT(10) UNSIGNED PRIMARY KEY NOT NULL"),
        ("callid", "CHAR(255) NOT NULL"),
        ("from_uri", "CHAR(255) NOT NULL"),
        ("from_tag", "CHAR(64) NOT NULL"),
        ("to_uri", "CHAR(255) NOT NULL"),
        ("to_tag", "CHAR(64) NOT NULL"),
        ("mangled_from_uri", mangled),
        ("mangled_to_uri", mangled),
        ("caller_cseq", "CHAR(11) NOT NULL"),
        ("callee_cseq", "CHAR(11) NOT NULL"),
        ("caller_ping_cseq", "INT(11) UNSIGNED NOT NULL"),
        ("callee_ping_cseq", "INT(11) UNSIGNED NOT NULL"),
        ("caller_route_set", "TEXT(512)"),
        ("callee_route_set", "TEXT(512)"),
        ("caller_contact", "CHAR(255)"),
        ("callee_contact", "CHAR(255)"),
        ("caller_sock", "CHAR(64) NOT NULL"),
        ("callee_sock", "CHAR(64) NOT NULL"),
        ("state", "INT(10) UNSIGNED NOT NULL"),
        ("start_time", "INT(10) UNSIGNED NOT NULL"),
        ("timeout", "INT(10) UNSIGNED NOT NULL"),
        ("vars", "BLOB(4096) DEFAULT NULL"),
        ("profiles", "TEXT(512) DEFAULT NULL"),
        ("script_flags", flags),
        ("module_flags", "INT(10) UNSIGNED DEFAULT 0 NOT NULL"),
        ("flags", "INT(10) UNSIGNED DEFAULT 0 NOT NULL"),
        ("rt_on_answer", "CHAR(64) DEFAULT NULL"),
        ("rt_on_timeout", "CHAR(64) DEFAULT NULL"),
        ("rt_on_hangup", "CHAR(64) DEFAULT NULL"),
    ]
}

/// The same with the types of another flavour.
fn dialog_table(version: u32, flavour: &[(&str, &str)]) -> String {
    let column = |(name, kind): (&str, &str)| {
        let other = |kind: String, (from, to): &(&str, &str)| kind.replace(from, to);
        format!("{name} {}", flavour.iter().fold(kind.to_owned(), other))
    };
    let columns: Vec<_> = dialog_columns(version).into_iter().map(column).collect();
    format!("CREATE TABLE dialog ({})", columns.join(", "))
}

/// Files in a folder.
pub(crate) struct SqliteFiles {
    directory: tempfile::TempDir,
    made: Cell<u32>,
}

impl SqliteFiles {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), made: Cell::new(0) }
    }
}

impl Place for SqliteFiles {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn fresh(&self) -> DatabaseUrl {
        self.made.set(self.made.get() + 1);
        DatabaseUrl::file(self.directory.path().join(format!("{}.db", self.made.get())))
    }

    fn lock(&self, url: &DatabaseUrl, _: &str) -> Box<dyn Any> {
        let text = url.to_string();
        let connection = rusqlite::Connection::open(text.trim_start_matches("sqlite://")).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Box::new(connection)
    }

    fn server(&self) -> Option<&RefCell<Server>> {
        None
    }

    fn opensips_dialog(&self, version: u32) -> String {
        let numbers = [
            ("BIGINT(10) UNSIGNED", "INTEGER"),
            ("INT(11) UNSIGNED", "INTEGER"),
            ("INT(10) UNSIGNED", "INTEGER"),
        ];
        dialog_table(version, &numbers)
    }
}

/// A PostgreSQL server.
pub(crate) struct PostgresServer {
    server: RefCell<Server>,
    port: u16,
    made: Cell<u32>,
}

const PASSWORD: &str = "p@ss:w/rd";

impl PostgresServer {
    pub(crate) fn start() -> Self {
        let directory = folder_of("postgres");
        let path = directory.path().display();
        let (data, secret) = (format!("{path}/data"), format!("{path}/secret"));
        std::fs::write(&secret, PASSWORD).unwrap();
        let programs = postgres_programs();
        let program = |name: &str| programs.join(name).display().to_string();
        let options = ["-U", "sip", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        let mut initdb = vec![program("initdb"), "-D".into(), data.clone()];
        initdb.extend(options.map(Into::into));
        initdb.extend(["--auth=scram-sha-256".into(), format!("--pwfile={secret}")]);
        run_as("postgres", &initdb);
        let port = free_port();
        let settings =
            ["listen_addresses=127.0.0.1".into(), format!("unix_socket_directories={path}")];
        let mut command =
            vec![program("postgres"), "-D".into(), data, "-p".into(), port.to_string()];
        command.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
        let server = RefCell::new(Server::start("postgres", directory, command));
        let place = Self { server, port, made: Cell::new(0) };
        connected(&place.url("postgres"));
        place
    }

    fn url(&self, database: &str) -> DatabaseUrl {
        format!("postgres://sip:{PASSWORD}@127.0.0.1:{}/{database}", self.port).parse().unwrap()
    }
}

impl Place for PostgresServer {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn fresh(&self) -> DatabaseUrl {
        self.made.set(self.made.get() + 1);
        let name = format!("calls_{}", self.made.get());
        self.open(&self.url("postgres")).define(&[format!("CREATE DATABASE {name}")]).unwrap();
        self.url(&name)
    }

    fn lock(&self, url: &DatabaseUrl, table: &str) -> Box<dyn Any> {
        let DatabaseUrl::Postgres(server) = url else { panic!("{url}") };
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("sip").password(PASSWORD);
        config.dbname(&server.database);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&format!("BEGIN; LOCK TABLE {table}")).await.unwrap();
            client
        });
        Box::new((client, runtime))
    }

    fn server(&self) -> Option<&RefCell<Server>> {
        Some(&self.server)
    }

    fn opensips_dialog(&self, version: u32) -> String {
        let flavour = [
            ("BIGINT(10) UNSIGNED", "BIGINT"),
            ("INT(11) UNSIGNED", "INTEGER"),
            ("INT(10) UNSIGNED", "INTEGER"),
            ("TEXT(512)", "TEXT"),
            ("BLOB(4096)", "BYTEA"),
            ("CHAR(", "VARCHAR("),
        ];
        dialog_table(version, &flavour)
    }
}

/// A MariaDB server.
pub(crate) struct MariaDbServer {
    server: RefCell<Server>,
    port: u16,
    made: Cell<u32>,
}

impl MariaDbServer {
    pub(crate) fn start() -> Self {
        let directory = folder_of("mysql");
        let path = directory.path().display();
        let data = format!("--datadir={path}/data");
        let socket = format!("{path}/socket");
        let install = ["mariadb-install-db", "--no-defaults", &data, "--skip-test-db"];
        let root = "--auth-root-authentication-method=normal";
        run_as(
            "mysql",
            &install.iter().chain([&root]).map(ToString::to_string).collect::<Vec<_>>(),
        );
        let port = free_port();
        let command = [
            "mariadbd".to_owned(),
            "--no-defaults".to_owned(),
            data,
            format!("--socket={socket}"),
            format!("--pid-file={path}/pid"),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
        ];
        let server = RefCell::new(Server::start("mysql", directory, command.into()));
        let root: DatabaseUrl = format!("mysql://root@/mysql?socket={socket}").parse().unwrap();
        connected(&root)
            .define(&[
                format!("CREATE USER sip@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"),
                "GRANT ALL ON *.* TO sip@'127.0.0.1'".to_owned(),
            ])
            .unwrap();
        Self { server, port, made: Cell::new(0) }
    }

    fn url(&self, database: &str) -> DatabaseUrl {
        format!("mysql://sip:{PASSWORD}@127.0.0.1:{}/{database}", self.port).parse().unwrap()
    }
}

impl Place for MariaDbServer {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn fresh(&self) -> DatabaseUrl {
        self.made.set(self.made.get() + 1);
        let name = format!("calls_{}", self.made.get());
        let create = format!("CREATE DATABASE {name} CHARACTER SET latin1");
        self.open(&self.url("mysql")).define(&[create]).unwrap();
        self.url(&name)
    }

    fn lock(&self, url: &DatabaseUrl, table: &str) -> Box<dyn Any> {
        use mysql::prelude::Queryable as _;
        let DatabaseUrl::MySql(server) = url else { panic!("{url}") };
        let opts = mysql::OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(self.port);
        let opts = opts.user(Some("sip")).pass(Some(PASSWORD)).db_name(Some(&server.database));
        let mut connection = mysql::Conn::new(opts).unwrap();
        connection.query_drop(format!("LOCK TABLES {table} WRITE")).unwrap();
        Box::new(connection)
    }

    fn server(&self) -> Option<&RefCell<Server>> {
        Some(&self.server)
    }

    fn opensips_dialog(&self, version: u32) -> String {
        dialog_table(version, &[]) + " ENGINE=InnoDB"
    }
}
