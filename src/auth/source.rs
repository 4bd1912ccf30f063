//! Where an issuer's keys are read: a file, or a URL over HTTPS. The place is the operator's choice
//! and never a token's; nothing that answers can lead elsewhere or make the hub hold much.

use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, StatusCode, Url};

use crate::limits::KEY_SET_LEN_MAX;

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A JWKS file.
    File(PathBuf),
    /// A JWKS that the issuer publishes.
    Url {
        /// Where.
        url: JwksUrl,
        /// The only root certificates that its server may be proven with, as PEM; without it, those
        /// of the machine.
        ca_file: Option<PathBuf>,
    },
}

/// The address of a key set: HTTPS, without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksUrl(Url);

/// Why an address is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksUrlError {
    /// Not an address.
    #[error("is not an absolute URL")]
    Malformed,
    /// Not HTTPS: whoever sits between could enter a key of their own.
    #[error("must begin with https://; plain http is only for this machine, in development")]
    NotHttps,
    /// Has a user or password; secrets do not belong in a configuration.
    #[error("must not carry a user, a password or a fragment")]
    Credentials,
}

impl JwksUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is not HTTPS.
    pub fn parse(text: &str) -> Result<Self, JwksUrlError> {
        let url = Self::plain(text)?;
        if url.scheme() == "https" { Ok(Self(url)) } else { Err(JwksUrlError::NotHttps) }
    }

    /// Reads an address that may also be plain HTTP to this machine.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse_for_development(text: &str) -> Result<Self, JwksUrlError> {
        let url = Self::plain(text)?;
        let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() == "https" || (url.scheme() == "http" && here) {
            Ok(Self(url))
        } else {
            Err(JwksUrlError::NotHttps)
        }
    }

    fn plain(text: &str) -> Result<Url, JwksUrlError> {
        let url = Url::parse(text).map_err(|_| JwksUrlError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(JwksUrlError::Credentials);
        }
        Ok(url)
    }
}

/// Reads a key set again and again.
pub(super) enum Reader {
    File(PathBuf),
    Url { url: Url, client: Client },
}

impl Reader {
    pub(super) fn open(source: &KeySource, timeout: Duration) -> Result<Self, String> {
        match source {
            KeySource::File(path) => Ok(Self::File(path.clone())),
            KeySource::Url { url: JwksUrl(url), ca_file } => {
                let client = client(url, ca_file.as_deref(), timeout)?;
                Ok(Self::Url { url: url.clone(), client })
            }
        }
    }

    /// The text of the set, of at most [`KEY_SET_LEN_MAX`] bytes.
    pub(super) async fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
                read.map_err(|e| e.to_string())?
            }
            Self::Url { url, client } => fetch(client, url.clone()).await,
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    if !std::fs::metadata(path).map_err(said)?.is_file() {
        return Err(format!("{}: is not a file", path.display()));
    }
    let mut text = Vec::new();
    let most = u64::try_from(KEY_SET_LEN_MAX).unwrap_or(u64::MAX);
    std::fs::File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut text))
        .map_err(said)?;
    if text.len() > KEY_SET_LEN_MAX {
        return Err(format!("{}: is larger than {KEY_SET_LEN_MAX} bytes", path.display()));
    }
    Ok(text)
}

/// A client for one server: no redirect, no proxy of the environment, no repeated request, no
/// connection kept.
fn client(url: &Url, ca_file: Option<&Path>, timeout: Duration) -> Result<Client, String> {
    let mut builder = Client::builder()
        .https_only(url.scheme() == "https")
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(0)
        .timeout(timeout);
    if url.scheme() == "http" {
        // Development only; a machine without root certificates can do without them here.
        builder = builder.tls_certs_only(Vec::new());
    }
    if let Some(path) = ca_file {
        let said = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let pem = std::fs::read(path).map_err(|e| said(&e))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|e| said(&e))?;
        if roots.is_empty() {
            return Err(said(&"holds no certificate in PEM"));
        }
        builder = builder.tls_certs_only(roots);
    }
    builder.build().map_err(|e| causes(&e))
}

async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, String> {
    let failed = |e: reqwest::Error| causes(&e.without_url());
    let request =
        client.get(url).header("accept", "application/jwk-set+json, application/json;q=0.9");
    let mut response = request.send().await.map_err(failed)?;
    // Only a plain answer counts; a redirect would be another's word.
    if response.status() != StatusCode::OK {
        return Err(format!("the server answers {}", response.status().as_u16()));
    }
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if text.len().saturating_add(chunk.len()) > KEY_SET_LEN_MAX {
            return Err(format!("the answer is larger than {KEY_SET_LEN_MAX} bytes"));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

/// An error with what is behind it: the outermost says only that a request failed.
fn causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        behind = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        use JwksUrlError::*;
        for (text, production, development) in [
            ("https://idp.example/jwks", Ok(()), Ok(())),
            ("https://10.0.0.7:8443/jwks?tenant=a", Ok(()), Ok(())),
            ("http://idp.example/jwks", Err(NotHttps), Err(NotHttps)),
            ("http://127.0.0.1:80/jwks", Err(NotHttps), Ok(())),
            ("http://localhost/jwks", Err(NotHttps), Ok(())),
            ("http://[::1]:9/jwks", Err(NotHttps), Ok(())),
            ("http://127.0.0.1.evil.example/jwks", Err(NotHttps), Err(NotHttps)),
            ("http://localhost.evil.example/", Err(NotHttps), Err(NotHttps)),
            ("http://127.0.0.1@evil.example/", Err(Credentials), Err(Credentials)),
            ("https://user:secret@idp.example/", Err(Credentials), Err(Credentials)),
            ("https://idp.example/#keys", Err(Credentials), Err(Credentials)),
            ("file:///etc/passwd", Err(NotHttps), Err(NotHttps)),
            ("ftp://127.0.0.1/", Err(NotHttps), Err(NotHttps)),
            ("idp.example/jwks", Err(Malformed), Err(Malformed)),
            ("", Err(Malformed), Err(Malformed)),
        ] {
            assert_eq!(JwksUrl::parse(text).map(drop), production, "{text}");
            assert_eq!(JwksUrl::parse_for_development(text).map(drop), development, "{text}");
        }
    }
}
