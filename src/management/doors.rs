//! The ways to the commands that the script opens.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use duologue_management::http::{Basic, Content, Feed, Page, Tls};
use duologue_management::{Access, Account, Error, Registry, Role, Warning, datagram, fifo, http};
use duologue_server::modules::mi::{
    self, DatagramAddress, FileAccess, HttpdSettings, MiDatagramSettings, MiFifoSettings,
    MiHttpSettings,
};
use duologue_server::modules::prometheus::{self, PrometheusSettings};
use duologue_server::{Plan, Server};

use super::{dialogs, metrics};

/// Where `dialog:watch` stands, beneath the commands.
const WATCH: &str = "dialogs/watch";

/// Tokens for the door of `httpd`. One that is given here stands for the script's.
#[derive(Clone, Default)]
pub struct Tokens {
    /// Of who may do everything.
    pub full: Option<String>,
    /// Of who may only read.
    pub read_only: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

/// The open doors of a server: that of `httpd` for `mi_http` and `prometheus`, those of `mi_fifo` and
/// `mi_datagram`, as far as the script loads them. Dropping them closes them and removes their files.
#[derive(Debug)]
pub struct Doors {
    http: Option<http::Door>,
    /// Where people find the commands at the one of `httpd`.
    url: Option<String>,
    fifo: Option<fifo::Door>,
    datagram: Option<datagram::Door>,
}

impl Doors {
    /// Opens them where the script says.
    pub(super) fn open(
        server: &Arc<Server>,
        registry: &Arc<Registry>,
        tokens: Tokens,
    ) -> Result<Self, Error> {
        let loads = |module: &str| server.node().script().program.has_module(module);
        let mut doors = Self { http: None, url: None, fifo: None, datagram: None };
        let (commands, metrics) = (loads(mi::MI_HTTP.name), loads(prometheus::MODULE.name));
        if commands || metrics {
            each_has_its_own(&roots(server))?;
            let config = http_config(server, commands, metrics, tokens);
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            let root = config.root.clone();
            let door = http::serve(config, Arc::clone(registry))?;
            doors.url = root.map(|root| format!("{scheme}://{}/{root}", door.address()));
            doors.http = Some(door);
        }
        if loads(mi::MI_FIFO.name) {
            doors.fifo = Some(fifo::serve(fifo_config(server), Arc::clone(registry))?);
        }
        if loads(mi::MI_DATAGRAM.name)
            && let Some(config) = datagram_config(server)
        {
            doors.datagram = Some(datagram::serve(config, Arc::clone(registry))?);
        }
        Ok(doors)
    }

    /// The one of `httpd`.
    pub fn http(&self) -> Option<&http::Door> {
        self.http.as_ref()
    }

    /// The one of `mi_fifo`.
    pub fn fifo(&self) -> Option<&fifo::Door> {
        self.fifo.as_ref()
    }

    /// The one of `mi_datagram`.
    pub fn datagram(&self) -> Option<&datagram::Door> {
        self.datagram.as_ref()
    }

    /// Where they are, for people.
    pub fn places(&self) -> Vec<String> {
        let fifo = self.fifo.as_ref().map(|door| door.path().display().to_string());
        let datagram = self.datagram.as_ref().map(|door| match door.address() {
            datagram::Address::Udp(address) => format!("udp:{address}"),
            datagram::Address::Unix(path, _) => path.display().to_string(),
        });
        self.url.iter().cloned().chain(fifo).chain(datagram).collect()
    }

    /// What the operator should be told.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        let http = self.http.as_ref().and_then(http::Door::warning);
        http.into_iter().chain(self.datagram.as_ref().and_then(datagram::Door::warning))
    }
}

/// What would keep the door of `httpd` from opening, as far as the script tells it.
///
/// # Errors
/// As [`Doors::open`].
pub(super) fn check(plan: &Plan) -> Result<(), Error> {
    if ![mi::MI_HTTP.name, prometheus::MODULE.name].iter().any(|module| plan.has_module(module)) {
        return Ok(());
    }
    if let (Some(mi_http), Some(metrics)) = (plan.settings(), plan.settings()) {
        each_has_its_own(&roots_of(|module| plan.has_module(module), mi_http, metrics))?;
    }
    // From another directory the same names lead to other files.
    let stays = plan.root().or(plan.directory()).is_none();
    let httpd = plan.settings::<HttpdSettings>().filter(|_| stays);
    tls(httpd.and_then(|httpd| httpd.tls.as_ref())).map_or(Ok(()), |tls| tls.check())
}

fn tls(files: Option<&(PathBuf, PathBuf)>) -> Option<Tls> {
    files.map(|(certificate, key)| Tls::new(certificate, key))
}

/// What stands where at the door of `httpd`, and whose it is.
pub(super) fn roots(server: &Server) -> Vec<(String, &'static str)> {
    let (node, script) = (server.node(), server.node().script());
    roots_of(|module| script.program.has_module(module), node.settings(), node.settings())
}

fn roots_of(
    loads: impl Fn(&str) -> bool,
    mi_http: &MiHttpSettings,
    metrics: &PrometheusSettings,
) -> Vec<(String, &'static str)> {
    let mut roots = Vec::new();
    if loads(mi::MI_HTTP.name) {
        roots.push((mi_http.root.clone(), mi::MI_HTTP.name));
        let watch = format!("{}/{WATCH}", mi_http.root);
        roots.push((watch.trim_matches('/').to_owned(), mi::MI_HTTP.name));
    }
    if loads(prometheus::MODULE.name) {
        roots.push((metrics.root.clone(), prometheus::MODULE.name));
    }
    roots.extend(["healthz", "readyz"].map(|page| (page.to_owned(), mi::HTTPD.name)));
    roots
}

/// Two at one path could not both be reached.
fn each_has_its_own(roots: &[(String, &'static str)]) -> Result<(), Error> {
    for (at, (path, owner)) in roots.iter().enumerate() {
        let before = roots[..at].iter().find(|(other, _)| other == path);
        if let Some((_, first)) = before {
            return Err(Error::SamePath { path: format!("/{path}"), owners: [first, owner] });
        }
    }
    Ok(())
}

fn http_config(
    server: &Arc<Server>,
    commands: bool,
    metrics: bool,
    tokens: Tokens,
) -> http::Config {
    let httpd: &HttpdSettings = server.node().settings();
    let mi_http: &MiHttpSettings = server.node().settings();
    let basic = httpd.credentials.clone().map(|(username, password)| Basic {
        username,
        password,
        realm: httpd.auth_realm.clone(),
    });
    http::Config {
        address: httpd.address,
        root: commands.then(|| mi_http.root.clone()),
        pages: pages(server, metrics),
        feeds: if commands { feeds(server, &mi_http.root) } else { Vec::new() },
        pretty_printing: mi_http.pretty_printing,
        connection_timeout: httpd.conn_timeout,
        hosts: httpd.hosts.clone(),
        tls: tls(httpd.tls.as_ref()),
        token: tokens.full.or_else(|| httpd.token.clone()),
        read_only_token: tokens.read_only.or_else(|| httpd.read_only_token.clone()),
        basic,
        ..http::Config::default()
    }
}

/// What can be followed: `dialog:watch` stands beside the commands.
fn feeds(server: &Server, root: &str) -> Vec<Feed> {
    vec![dialogs::feed(&format!("{root}/{WATCH}"), server.node())]
}

/// What can be read beside the commands.
fn pages(server: &Arc<Server>, metrics: bool) -> Vec<Page> {
    let ready = Arc::clone(server);
    let mut pages = vec![
        Page::new("healthz", || Content::plain(true, "alive\n")),
        Page::new("readyz", move || match metrics::readiness(ready.node()) {
            Ok(()) => Content::plain(true, "ready\n"),
            Err(reason) => Content::plain(false, format!("{reason}\n")),
        }),
    ];
    if metrics {
        let settings: &PrometheusSettings = server.node().settings();
        let server = Arc::clone(server);
        pages.push(Page::new(&settings.root, move || Content {
            well: true,
            media_type: metrics::MEDIA_TYPE,
            text: metrics::page(server.node(), server.now()),
        }));
    }
    pages
}

fn fifo_config(server: &Server) -> fifo::Config {
    let mi_fifo: &MiFifoSettings = server.node().settings();
    fifo::Config {
        path: mi_fifo.path.clone(),
        access: access(&mi_fifo.access),
        reply_dir: mi_fifo.reply_dir.clone(),
        pretty_printing: mi_fifo.pretty_printing,
        role: role(mi_fifo.read_only),
        ..fifo::Config::default()
    }
}

/// `None` without `socket_name`, with which the module would not have started.
fn datagram_config(server: &Server) -> Option<datagram::Config> {
    let mi_datagram: &MiDatagramSettings = server.node().settings();
    let address = match mi_datagram.address.as_ref()? {
        DatagramAddress::Udp(address) => datagram::Address::Udp(*address),
        DatagramAddress::Unix(path, rights) => {
            datagram::Address::Unix(path.clone(), access(rights))
        }
    };
    Some(datagram::Config {
        address,
        commands: mi_datagram.children.into(),
        timeout: mi_datagram.timeout,
        buffer_size: mi_datagram.buffer_size,
        pretty_printing: mi_datagram.pretty_printing,
        role: role(mi_datagram.read_only),
    })
}

const fn role(read_only: bool) -> Role {
    if read_only { Role::ReadOnly } else { Role::Full }
}

fn access(rights: &FileAccess) -> Access {
    let account = |account: &mi::Account| match account {
        mi::Account::Id(number) => Account::Id(*number),
        mi::Account::Name(name) => Account::Name(name.clone()),
    };
    Access {
        mode: rights.mode,
        user: rights.user.as_ref().map(account),
        group: rights.group.as_ref().map(account),
    }
}
