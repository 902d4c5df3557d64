//! TLS for the door (RFC 8446, RFC 5246): its certificate, read again when its files change, and a
//! connection that shakes hands when it is first used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::Error;

/// Where the certificate is (`tls_cert_file`, `tls_key_file`), both in PEM (RFC 7468).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate of the server, then those between it and its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// How often to look whether the files have changed, so that a new certificate needs no restart.
    pub look_every: Duration,
}

impl Tls {
    /// A certificate and its key, looked at once a minute.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            look_every: Duration::from_secs(60),
        }
    }

    /// Looks whether the files are of use now.
    ///
    /// # Errors
    /// [`Error::Tls`]: which one is not, and why.
    pub fn check(&self) -> Result<(), Error> {
        self.load().map(drop)
    }

    fn load(&self) -> Result<TlsAcceptor, Error> {
        let unusable = |file: &Path, why: String| Error::Tls(file.to_owned(), why);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(|found| found.collect::<Result<Vec<_>, _>>())
            .map_err(|error| unusable(&self.certificate, told(&error, "certificate")))?;
        if chain.is_empty() {
            return Err(unusable(&self.certificate, "there is no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| unusable(&self.key, told(&error, "private key")))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for both versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| {
                let why = format!("it does not go with {}: {error}", self.certificate.display());
                unusable(&self.key, why)
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// When each file was last written.
    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|file| fs::metadata(file).and_then(|found| found.modified()).ok())
    }
}

/// What is wrong with a file of which `what` was wanted.
fn told(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        error => error.to_string(),
    }
}

/// The certificate as it is now.
pub(crate) struct Certificate {
    tls: Tls,
    acceptor: TlsAcceptor,
    written: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error::Tls`]: which one is of no use, and why.
    pub(crate) fn read(tls: Tls) -> Result<Self, Error> {
        let written = tls.written();
        let acceptor = tls.load()?;
        Ok(Self { tls, acceptor, written, looked: Instant::now() })
    }

    /// For the next connection. While new files are of no use, what was read before stays.
    pub(crate) fn acceptor(&mut self) -> &TlsAcceptor {
        if self.looked.elapsed() >= self.tls.look_every {
            self.looked = Instant::now();
            let written = self.tls.written();
            if written != self.written {
                self.written = written;
                match self.tls.load() {
                    Ok(acceptor) => {
                        self.acceptor = acceptor;
                        tracing::info!("{} was read again", self.tls.certificate.display());
                    }
                    Err(error) => tracing::error!("{error}; the certificate stays as it was"),
                }
            }
        }
        &self.acceptor
    }
}

/// A connection, with TLS or without.
pub(crate) enum Stream {
    Plain(TcpStream),
    /// It was accepted, and nobody has read from it yet.
    Greeting(Box<Accept<TcpStream>>),
    Secure(Box<TlsStream<TcpStream>>),
    /// They could not agree.
    Refused,
}

impl Stream {
    /// A connection that begins with a handshake, which takes place when it is first read from: whoever
    /// is slow at it keeps nobody else waiting.
    pub(crate) fn greeting(acceptor: &TlsAcceptor, stream: TcpStream) -> Self {
        Self::Greeting(Box::new(acceptor.accept(stream)))
    }

    /// Goes on with the handshake until there is something to read from and write to.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_>>> {
        if let Self::Greeting(accept) = self {
            *self = match ready!(Pin::new(&mut **accept).poll(cx)) {
                Ok(stream) => Self::Secure(Box::new(stream)),
                Err(error) => {
                    *self = Self::Refused;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match self {
            Self::Plain(stream) => Ok(Pin::new(stream)),
            Self::Secure(stream) => Ok(Pin::new(&mut **stream)),
            Self::Greeting(_) | Self::Refused => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

/// What can be read from and written to.
type Ready<'a> = Pin<&'a mut dyn Both>;

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_ready(cx))?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx))?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx))?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        !matches!(self, Self::Refused)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self {
            // Nothing was written.
            Self::Greeting(_) | Self::Refused => Poll::Ready(Ok(())),
            Self::Plain(_) | Self::Secure(_) => ready!(self.poll_ready(cx))?.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self {
            // Its drop closes it.
            Self::Greeting(_) | Self::Refused => Poll::Ready(Ok(())),
            Self::Plain(_) | Self::Secure(_) => ready!(self.poll_ready(cx))?.poll_shutdown(cx),
        }
    }
}
