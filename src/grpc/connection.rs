//! Connections: how many, for how long silent, with which certificate. Nothing waits without a bound.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::renewal::LiveTls;
use crate::limits;

/// What is known of a connection beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// SHA-256 of the client certificate that was proven in the handshake.
    pub certificate: Option<[u8; 32]>,
    /// A request has come.
    seen: Arc<AtomicBool>,
}

impl Peer {
    /// Notes that a request has come: the connection is in use.
    pub fn asks(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }
}

/// Connections, at most [`limits::CONNECTIONS_MAX`] at once; more wait in the listener's backlog. With
/// TLS, one comes here once its handshake is done.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Option<LiveTls>,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let certificates = Certificates::default();
    let (ready, mut coming) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // Nobody serves any more: the listener closes.
                () = ready.closed() => return,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file handles, or a peer that left: neither is a reason to end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Without it, small replies only wait longer.
            let _ = stream.set_nodelay(true);
            let tls = tls.as_ref().map(LiveTls::acceptor);
            let (ready, certificates) = (ready.clone(), certificates.clone());
            // As many at once as there are places.
            tokio::spawn(async move {
                if let Some(connection) = opened(stream, tls, place, &certificates).await {
                    // Nobody serves any more: it is closed.
                    let _ = ready.send(connection).await;
                }
            });
        }
    });
    async_stream::stream! {
        while let Some(connection) = coming.recv().await {
            yield Ok(connection);
        }
    }
}

/// A connection after its handshake; `None` where that failed or took too long.
async fn opened(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    place: OwnedSemaphorePermit,
    certificates: &Certificates,
) -> Option<Connection> {
    let Some(tls) = tls else {
        return Some(Connection::new(Box::new(stream), Peer::default(), place, None));
    };
    let shaken = tokio::time::timeout(limits::HANDSHAKE, tls.accept(stream)).await;
    let stream = shaken.ok()?.ok()?;
    // A client that speaks nothing that was offered has no business here.
    stream.get_ref().1.alpn_protocol()?;
    let chain = stream.get_ref().1.peer_certificates();
    let certificate = chain.and_then(|chain| chain.first()).map(|leaf| thumbprint(leaf));
    let share = match certificate {
        Some(certificate) => Some(certificates.share(certificate)?),
        None => None,
    };
    let peer = Peer { certificate, ..Peer::default() };
    Some(Connection::new(Box::new(stream), peer, place, share))
}

/// SHA-256 of a certificate (RFC 8705 section 3.1).
fn thumbprint(certificate: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    out
}

/// How many connections each client certificate has.
#[derive(Clone, Default)]
struct Certificates(Arc<Mutex<HashMap<[u8; 32], usize>>>);

/// One of the connections that a certificate may have; given back when it ends.
struct Share(Certificates, [u8; 32]);

impl Certificates {
    fn share(&self, certificate: [u8; 32]) -> Option<Share> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(certificate).or_default();
        if *count >= limits::CONNECTIONS_PER_CERTIFICATE_MAX {
            return None;
        }
        *count += 1;
        Some(Share(self.clone(), certificate))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection that must send its first bytes, and then its first request, in time.
pub(super) struct Connection {
    stream: Box<dyn Bytes>,
    peer: Peer,
    silent: Option<Pin<Box<Sleep>>>,
    spoke: bool,
    _place: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl Connection {
    fn new(
        stream: Box<dyn Bytes>,
        peer: Peer,
        place: OwnedSemaphorePermit,
        share: Option<Share>,
    ) -> Self {
        Self {
            stream,
            peer,
            silent: Some(Box::pin(tokio::time::sleep(limits::FIRST_BYTES))),
            spoke: false,
            _place: place,
            _share: share,
        }
    }

    /// True when it has been silent for too long.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        if self.peer.seen.load(Ordering::Relaxed) {
            self.silent = None;
        }
        let late = self.silent.as_mut().map(|late| late.as_mut().poll(context));
        late.is_some_and(|late| late.is_ready())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() && !self.spoke {
            self.spoke = true;
            self.silent = Some(Box::pin(tokio::time::sleep(limits::FIRST_REQUEST)));
        }
        if polled.is_pending() && self.is_late(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
