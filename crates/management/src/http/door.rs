//! Opening and closing: the listener, the thread and its runtime.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::Registry;
use crate::http::connections::{Busy, Connections};
use crate::http::service::{self, Service};
use crate::http::{Config, Error, REQUESTS_MAX, Warning};

/// How long [`Door::stop`] waits for replies that are under way.
pub const STOP_WAIT: Duration = Duration::from_secs(2);

/// An open door. Dropping it closes it.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    warning: Option<Warning>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Opens the door: listens when this returns, answers on a thread of its own.
///
/// # Errors
/// The address is taken or not ours, or the system has no thread to give.
pub fn serve(config: Config, registry: Arc<Registry>) -> Result<Door, Error> {
    let listen = || {
        let listener = std::net::TcpListener::bind(config.address)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = listen().map_err(|error| Error::Listen(config.address, error))?;
    let unprotected = config.token.is_none() && config.basic.is_none();
    let warning =
        (unprotected && !address.ip().is_loopback()).then_some(Warning::Unprotected(address));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(REQUESTS_MAX)
        .thread_name("mi-command")
        .build()
        .map_err(Error::Runtime)?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(Error::Runtime)?
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let run = move || {
        runtime.block_on(open_until(config, registry, listener, stopped));
        // A command that hangs must not keep the program from ending.
        runtime.shutdown_background();
    };
    let thread =
        std::thread::Builder::new().name("mi-door".into()).spawn(run).map_err(Error::Runtime)?;
    Ok(Door { address, warning, stop: Some(stop), thread: Some(thread) })
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

    /// Closes the door; replies under way get [`STOP_WAIT`] to leave.
    ///
    /// Do not call it from a command: it would wait for itself.
    pub fn stop(mut self) {
        self.close();
    }

    fn close(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the management door ended by a panic");
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

async fn open_until(
    config: Config,
    registry: Arc<Registry>,
    listener: tokio::net::TcpListener,
    stopped: oneshot::Receiver<()>,
) {
    let connections = Connections::new(listener, config.connection_timeout);
    let router = service::router(Service::new(config, registry));
    let (draining, drain) = oneshot::channel::<()>();
    let service = router.into_make_service_with_connect_info::<Busy>();
    let server = axum::serve(connections, service).with_graceful_shutdown(async move {
        // Either word or silence: the sender is gone.
        let _ = stopped.await;
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
