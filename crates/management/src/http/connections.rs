//! Accepted connections, counted and with a deadline.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::http::CONNECTIONS_MAX;
use crate::http::tls::{Certificate, Stream};

/// A pause after a failed accept (no file descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts at most [`CONNECTIONS_MAX`] connections at once.
pub(crate) struct Connections {
    listener: TcpListener,
    /// Of those who speak TLS.
    certificate: Option<Certificate>,
    free: Arc<Semaphore>,
    timeout: Duration,
}

impl Connections {
    pub(crate) fn new(
        listener: TcpListener,
        certificate: Option<Certificate>,
        timeout: Duration,
    ) -> Self {
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { listener, certificate, free, timeout }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .expect("the semaphore of connections is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let stream = match &mut self.certificate {
                        None => Stream::Plain(stream),
                        Some(certificate) => Stream::greeting(certificate.acceptor(), stream),
                    };
                    let deadline = Box::pin(tokio::time::sleep(self.timeout));
                    let timeout = self.timeout;
                    let busy = Busy::default();
                    return (Connection { stream, deadline, timeout, busy, _place: place }, peer);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Says that a command runs for this connection, which is then not idle.
#[derive(Clone, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Marks the connection as busy until the guard goes.
    pub(crate) fn begin(&self) -> impl Drop + use<> {
        struct Running(Busy);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.0.store(false, Relaxed);
            }
        }
        self.0.store(true, Relaxed);
        Running(self.clone())
    }
}

/// What a request should know of its connection.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) peer: SocketAddr,
    pub(crate) busy: Busy,
}

impl Connected<IncomingStream<'_, Connections>> for Link {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        Self { peer: *stream.remote_addr(), busy: stream.io().busy.clone() }
    }
}

/// A connection that fails once nothing was sent on it for the time-out and no command runs for
/// it. What is received does not count, so a request that comes a byte at a time does not keep its
/// place.
pub(crate) struct Connection {
    stream: Stream,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    busy: Busy,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn check_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.deadline.as_mut().poll(cx).is_ready() {
            if !self.busy.0.load(Relaxed) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.deadline.as_mut().reset(Instant::now() + self.timeout);
        }
        Ok(())
    }

    fn sent(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(_)) = result {
            self.deadline.as_mut().reset(Instant::now() + self.timeout);
        }
        result
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// With TLS what was written may still be here: a client that does not read must not hold up this
    /// either, nor the end.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
