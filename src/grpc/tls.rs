//! The hub's own certificate, and whose client certificates are believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Files of a server certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate_file: PathBuf,
    /// Its private key, PEM; its owner's alone.
    pub key_file: PathBuf,
    /// Whose client certificates are believed, PEM; `None`: none is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// Whoever has no client certificate is turned away in the handshake.
    pub clients_need_certificate: bool,
}

/// What is wrong with the files; names the file and the fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl TlsFiles {
    /// Reads the files into an acceptor: TLS 1.3 and 1.2; HTTP/2, and HTTP/1.1 for pages only.
    ///
    /// # Errors
    /// When a file cannot be read or used, or others can read the key.
    pub fn acceptor(&self, pages: bool) -> Result<TlsAcceptor, TlsError> {
        private(&self.key_file)?;
        let chain = certificates(&self.certificate_file)?;
        let shown = self.key_file.display();
        let key = PrivateKeyDer::from_pem_file(&self.key_file)
            .map_err(|e| TlsError(format!("{shown}: no private key can be read: {e}")))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError(format!("TLS cannot be used: {e}")))?;
        let builder = match &self.client_ca_file {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(file)? {
                    roots.add(root).map_err(|e| {
                        TlsError(format!("{}: a certificate cannot be used: {e}", file.display()))
                    })?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if !self.clients_need_certificate {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier
                    .build()
                    .map_err(|e| TlsError(format!("{}: cannot be used: {e}", file.display())))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|e| {
            let certificate = self.certificate_file.display();
            TlsError(format!("{certificate} and {shown} do not belong together: {e}"))
        })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        if pages {
            config.alpn_protocols.push(b"http/1.1".to_vec());
        }
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let shown = file.display();
    let wrong = |e: &dyn std::fmt::Display| TlsError(format!("{shown}: {e}"));
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))?.collect();
    let all = all.map_err(|e| wrong(&e))?;
    if all.is_empty() {
        return Err(TlsError(format!("{shown}: holds no certificate in PEM")));
    }
    Ok(all)
}

/// The key is its owner's alone.
fn private(file: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt;
    let shown = file.display();
    let about = std::fs::metadata(file).map_err(|e| TlsError(format!("{shown}: {e}")))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let text = format!("{shown} is open to others (mode {mode:o}); run: chmod 600 {shown}");
        return Err(TlsError(text));
    }
    Ok(())
}
