//! How the hub calls a witness: one address, bounded answers, no redirect, no waiting without an end.

use reqwest::{Client, Response, Url};

use super::{ADD_CHECKPOINT, LATEST, log_id};
use crate::audit::witness::{AddCheckpoint, size_answered};
use crate::limits;

/// What a witness said to a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Signature lines; nothing has verified them.
    Signed(String),
    /// The latest head that it signed has another size, or this size and another root.
    Conflict(u64),
    /// The head did not grow out of the one that it signed last.
    Inconsistent,
    /// Anything else: a witness that does not know this log, a proxy, an error.
    Else(String),
}

/// The address of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessUrl(String);

impl WitnessUrl {
    /// Reads an address; what is asked for is put behind it. Plain http is taken: everything that goes there
    /// and comes back is public and signed.
    ///
    /// # Errors
    /// When it is none, or carries what does not belong into a configuration.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err("must begin with https:// or http://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user or a password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end with its path");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One witness, to be called.
pub struct Caller {
    url: WitnessUrl,
    client: Client,
}

impl Caller {
    /// Prepares to call; does not call yet.
    ///
    /// # Errors
    /// When there are no means of calling anybody.
    pub fn new(url: &WitnessUrl) -> Result<Self, String> {
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(1)
            .timeout(limits::WITNESS_CALL);
        if url.as_str().starts_with("http:") {
            builder = builder.tls_certs_only(Vec::new());
        }
        let client = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { url: url.clone(), client })
    }

    /// Submits a head.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub async fn add(&self, request: &AddCheckpoint) -> Result<Said, String> {
        let url = format!("{}{ADD_CHECKPOINT}", self.url.0);
        let sent = self.client.post(url).body(request.text()).send().await;
        let response = sent.map_err(|e| e.without_url().to_string())?;
        let status = response.status().as_u16();
        let body = text(response).await?;
        Ok(match (status, size_answered(&body)) {
            (200, _) => Said::Signed(body),
            (409, Some(size)) => Said::Conflict(size),
            (422, _) => Said::Inconsistent,
            (status, _) => Said::Else(format!("it answers {status}")),
        })
    }

    /// The latest head of a log that the witness says it has signed; nothing has verified it.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub async fn latest(&self, origin: &str) -> Result<Option<String>, String> {
        let url = format!("{}{LATEST}{}", self.url.0, log_id(origin));
        let sent = self.client.get(url).send().await;
        let response = sent.map_err(|e| e.without_url().to_string())?;
        if response.status().as_u16() != 200 {
            return Ok(None);
        }
        text(response).await.map(Some)
    }
}

async fn text(mut response: Response) -> Result<String, String> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| e.without_url().to_string())? {
        if text.len().saturating_add(chunk.len()) > limits::WITNESS_ANSWER_LEN_MAX {
            return Err("the answer is too long".to_owned());
        }
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).map_err(|_| "the answer is no text".to_owned())
}
