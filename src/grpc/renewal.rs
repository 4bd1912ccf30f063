//! A certificate that is renewed while the hub runs: its files are looked at again, and what is broken
//! leaves the one before in use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;

use super::tls::{TlsError, TlsFiles};
use crate::limits;

/// The acceptor in use, for every connection that begins from now on.
#[derive(Clone)]
pub struct LiveTls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    pages: bool,
    current: ArcSwap<TlsAcceptor>,
    /// How the files looked when they were last read.
    seen: Mutex<Vec<Look>>,
}

/// When a file was changed, and its length; `None`: it is not there.
type Look = Option<(SystemTime, u64)>;

/// What a look at the files came to.
#[derive(Debug)]
pub enum Renewal {
    /// They are as they were.
    Same,
    /// Another certificate is in use.
    Renewed,
    /// They cannot be used: the one before stays.
    Refused(TlsError),
}

impl LiveTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn open(files: TlsFiles, pages: bool) -> Result<Self, TlsError> {
        let seen = Mutex::new(looks(&files));
        let current = ArcSwap::from_pointee(files.acceptor(pages)?);
        Ok(Self(Arc::new(Inner { files, pages, current, seen })))
    }

    /// The acceptor in use.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::clone(&self.0.current.load())
    }

    /// Looks at the files again. A broken one is tried again only once it changes.
    #[must_use]
    pub fn look(&self) -> Renewal {
        let Inner { files, pages, current, seen } = &*self.0;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = looks(files);
        if *seen == now {
            return Renewal::Same;
        }
        *seen = now;
        match files.acceptor(*pages) {
            Ok(acceptor) => {
                current.store(Arc::new(acceptor));
                Renewal::Renewed
            }
            Err(error) => Renewal::Refused(error),
        }
    }
}

fn looks(files: &TlsFiles) -> Vec<Look> {
    let TlsFiles { certificate_file, key_file, client_ca_file, clients_need_certificate: _ } =
        files;
    let all = [Some(certificate_file), Some(key_file), client_ca_file.as_ref()];
    all.into_iter()
        .flatten()
        .map(|file| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
        .collect()
}

/// Looks every [`limits::CERTIFICATE_LOOK_EVERY`], until dropped.
pub(super) async fn follow(tls: Option<LiveTls>) {
    let Some(tls) = tls else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(limits::CERTIFICATE_LOOK_EVERY).await;
        let looking = tls.clone();
        match tokio::task::spawn_blocking(move || looking.look()).await {
            Ok(Renewal::Renewed) => tracing::info!("The certificate was renewed"),
            Ok(Renewal::Refused(error)) => {
                tracing::error!(%error, "The certificate cannot be used: the one before stays");
            }
            Ok(Renewal::Same) | Err(_) => {}
        }
    }
}
