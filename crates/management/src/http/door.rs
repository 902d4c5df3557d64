//! Opening and closing: the listener, the thread and its runtime.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::http::connections::{Connections, Link};
use crate::http::service::{self, Service};
use crate::http::tls::Certificate;
use crate::http::{Config, REQUESTS_MAX};
use crate::keeper::{Closing, Keeper, STOP_WAIT};
use crate::{Error, Registry, Warning};

/// An open door. Dropping it closes it.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    warning: Option<Warning>,
    keeper: Keeper,
}

/// Opens the door: listens when this returns, answers on a thread of its own.
///
/// # Errors
/// The address is taken or not ours, both tokens are the same, the certificate is of no use, or the
/// system has no thread to give.
pub fn serve(config: Config, registry: Arc<Registry>) -> Result<Door, Error> {
    if config.token.is_some() && config.token == config.read_only_token {
        return Err(Error::SameTokens);
    }
    let listen = || {
        let listener = std::net::TcpListener::bind(config.address)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = listen().map_err(|error| Error::Listen(config.address, error))?;
    let warning = match &config {
        _ if address.ip().is_loopback() => None,
        config if config.is_open() => Some(Warning::Unprotected(address)),
        Config { tls: None, .. } => Some(Warning::Readable(address)),
        Config { tls: Some(_), .. } => None,
    };
    let keeper = Keeper::start("mi-http", REQUESTS_MAX, Error::Runtime, |closing| {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::Runtime)?;
        let certificate = config.tls.clone().map(Certificate::read).transpose()?;
        Ok(open_until(config, registry, (listener, certificate), closing))
    })?;
    Ok(Door { address, warning, keeper })
}

impl Door {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the operator should be told, if anything.
    pub fn warning(&self) -> Option<Warning> {
        self.warning
    }

    /// Closes the door; replies under way get some seconds to leave.
    ///
    /// Do not call it from a command: it would wait for itself.
    pub fn stop(self) {
        drop(self.keeper);
    }
}

async fn open_until(
    config: Config,
    registry: Arc<Registry>,
    (listener, certificate): (tokio::net::TcpListener, Option<Certificate>),
    closing: Closing,
) {
    let connections = Connections::new(listener, certificate, config.connection_timeout);
    let (open, feeds) = watch::channel(());
    let router = service::router(Service::new(config, registry, feeds));
    let (draining, drain) = oneshot::channel::<()>();
    let service = router.into_make_service_with_connect_info::<Link>();
    let server = axum::serve(connections, service).with_graceful_shutdown(async move {
        // Either word or silence: the sender is gone.
        let _ = closing.await;
        drop(open);
        drop(draining);
    });
    tokio::select! {
        result = async { server.await } => if let Err(error) = result {
            tracing::error!(%error, "the management door failed");
        },
        () = async {
            let _ = drain.await;
            tokio::time::sleep(STOP_WAIT).await;
        } => {}
    }
}
