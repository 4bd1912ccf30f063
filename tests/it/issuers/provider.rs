//! An identity provider's key server: a real listener that says whatever a test wants, and counts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the server says to a request.
#[derive(Clone)]
pub(crate) enum Says {
    /// These bytes, head and body.
    Bytes(Vec<u8>),
    /// A body without end.
    Endless,
    /// Nothing, for ever.
    Nothing,
    /// A little now and then, for ever.
    Drops,
}

/// An answer with a JSON body.
pub(crate) fn set(keys: &[&Value]) -> Says {
    says(
        "200 OK\r\ncontent-type: application/json",
        &serde_json::json!({ "keys": keys }).to_string(),
    )
}

/// An answer with this status line and headers.
pub(crate) fn says(head: &str, body: &str) -> Says {
    let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    Says::Bytes(text.into_bytes())
}

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: watch::Receiver<usize>,
    left: watch::Receiver<usize>,
}

impl Provider {
    pub(crate) async fn open(first: Says) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, first)
    }

    /// Serves TLS for `name`, proven by a root of its own; gives the root as PEM.
    pub(crate) async fn open_tls(name: &str, first: Says) -> (Self, String) {
        let mut about_root = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        about_root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root_key = rcgen::KeyPair::generate().unwrap();
        let root = about_root.self_signed(&root_key).unwrap();
        let signer = rcgen::Issuer::new(about_root, root_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let about = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = about.signed_by(&key, &signer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let acceptor = Some(TlsAcceptor::from(Arc::new(config)));
        (Self::serve(listener, acceptor, first), root.pem())
    }

    pub(crate) fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, first: Says) -> Self {
        let address = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(first));
        let (asked, seen) = watch::channel(0);
        let (left, gone) = watch::channel(0);
        let (asked, left) = (Arc::new(asked), Arc::new(left));
        tokio::spawn({
            let says = Arc::clone(&says);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (says, asked, left) =
                        (Arc::clone(&says), Arc::clone(&asked), Arc::clone(&left));
                    let tls = tls.clone();
                    tokio::spawn(async move {
                        match tls {
                            None => answer(stream, &says, &asked).await,
                            Some(tls) => {
                                // A client that does not trust us leaves here.
                                if let Ok(stream) = tls.accept(stream).await {
                                    answer(stream, &says, &asked).await;
                                }
                            }
                        }
                        left.send_modify(|count| *count += 1);
                    });
                }
            }
        });
        Self { address, says, asked: seen, left: gone }
    }

    pub(crate) fn says(&self, what: Says) {
        *self.says.lock().unwrap() = what;
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn until_asked(&self, times: usize) {
        self.asked.clone().wait_for(|count| *count >= times).await.unwrap();
    }

    /// Waits until so many clients have left.
    pub(crate) async fn until_left(&self, times: usize) {
        self.left.clone().wait_for(|count| *count >= times).await.unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    says: &Mutex<Says>,
    asked: &watch::Sender<usize>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let says = says.lock().unwrap().clone();
    asked.send_modify(|count| *count += 1);
    match says {
        Says::Bytes(bytes) => {
            // The client may hang up in the middle: that is what some tests are about.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Says::Endless => {
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {}
        }
        Says::Drops => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
        Says::Nothing => while stream.read_u8().await.is_ok() {},
    }
}

/// A file with this text.
pub(crate) fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}
