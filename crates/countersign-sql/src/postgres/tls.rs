//! TLS to the database, by rustls: the certificate and the name in it are always checked.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::open_error::OpenError;

/// How a connection is encrypted, if it is.
#[derive(Clone)]
pub(super) struct Tls(Option<TlsConnector>);

impl Tls {
    pub(super) const fn off() -> Self {
        Self(None)
    }

    /// By certificates that one of these signed.
    pub(super) fn with(roots: RootCertStore) -> Result<Self, OpenError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|problem| OpenError::Database(problem.into()))?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(Some(TlsConnector::from(Arc::new(config)))))
    }

    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// The certificates in a file, in PEM.
///
/// # Errors
/// [`OpenError::Certificates`]: it cannot be read, or has none.
pub(super) fn roots_of(path: &Path) -> Result<RootCertStore, OpenError> {
    let refused = |source| OpenError::Certificates { place: path.display().to_string(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|problem| refused(problem.into()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|problem| refused(problem.into()))?;
        roots.add(certificate).map_err(|problem| refused(problem.into()))?;
    }
    if roots.is_empty() { Err(refused("there is no certificate in it".into())) } else { Ok(roots) }
}

/// Those that the operating system trusts.
///
/// # Errors
/// [`OpenError::Certificates`]: there are none.
pub(super) fn roots_of_system() -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let source = found.errors.into_iter().next().map_or_else(|| "there are none".into(), Into::into);
        return Err(OpenError::Certificates { place: "the operating system".to_owned(), source });
    }
    Ok(roots)
}

/// One handshake to come.
pub(super) struct Handshake {
    connector: Option<TlsConnector>,
    host: String,
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        // The driver asks also where there will be none.
        Ok(Handshake { connector: self.0.clone(), host: host.to_owned() })
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let connector = self.connector.ok_or_else(|| io::Error::other("TLS is off"))?;
            let host = ServerName::try_from(self.host).map_err(io::Error::other)?;
            let stream = connector.connect(host, socket).await?;
            Ok(Stream(Box::new(stream)))
        })
    }
}

/// An encrypted connection.
pub(super) struct Stream(Box<client::TlsStream<Socket>>);

impl TlsStream for Stream {
    /// None: the certificate is checked, so that there is nobody in between to be noticed.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
