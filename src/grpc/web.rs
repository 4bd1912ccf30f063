//! gRPC-Web: calls of pages in a browser, on the same port, from origins that the operator names.

use std::time::Duration;

use tonic::codegen::http::{HeaderName, HeaderValue, Method, header};
use tonic_web::GrpcWebLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::limits;

/// Origins whose pages may call, such as `https://portal.example`; none: no page may, and HTTP/1.1 is not
/// spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Takes origins as an operator writes them.
    ///
    /// # Errors
    /// Says which one is none.
    pub fn new(origins: &[String]) -> Result<Self, String> {
        let one = |origin: &String| {
            let (scheme, rest) = origin.split_once("://").unwrap_or_default();
            let local =
                scheme == "http" && matches!(host(rest), "localhost" | "127.0.0.1" | "[::1]");
            let plain = !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
            let value = HeaderValue::from_str(origin).ok();
            value.filter(|_| plain && (scheme == "https" || local)).ok_or_else(|| {
                format!(
                    "web_origins: \"{origin}\" must be https:// and a host, without a path (http:// for \
                     localhost only)"
                )
            })
        };
        Ok(Self(origins.iter().map(one).collect::<Result<_, _>>()?))
    }

    /// No page may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A call that says where its page is from may come only from here; one that does not say so is no
    /// page's.
    #[must_use]
    pub fn may_call(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_none_or(|origin| self.0.contains(origin))
    }

    /// What answers a browser's question whether its page may call.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        let ours = |name: &'static str| HeaderName::from_static(name);
        (!self.is_empty()).then(|| {
            CorsLayer::new()
                .allow_origin(AllowOrigin::list(self.0.clone()))
                .allow_methods([Method::POST])
                .allow_headers([
                    header::AUTHORIZATION,
                    header::CONTENT_TYPE,
                    ours("grpc-timeout"),
                    ours("x-grpc-web"),
                    ours("x-user-agent"),
                ])
                .expose_headers(
                    ["grpc-status", "grpc-message", "grpc-status-details-bin"].map(ours),
                )
                .max_age(PREFLIGHT)
        })
    }

    /// What turns a page's calls into calls.
    pub(super) fn translation(&self) -> Option<GrpcWebLayer> {
        (!self.is_empty()).then(GrpcWebLayer::new)
    }
}

impl std::fmt::Display for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<&str> = self.0.iter().filter_map(|origin| origin.to_str().ok()).collect();
        f.write_str(if all.is_empty() { "none".to_owned() } else { all.join(" ") }.as_str())
    }
}

/// A browser may remember the answer so long.
const PREFLIGHT: Duration = limits::PREFLIGHT_AGE;

/// The host without its port.
fn host(rest: &str) -> &str {
    match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) | None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in
            ["https://portal.example", "https://portal.example:8443", "http://localhost:5173"]
        {
            assert!(Origins::new(&[good.to_owned()]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "portal.example",
            "http://portal.example",
            "https://",
            "https://a/b",
            "https://a b",
            "https://é.example",
            "https://*.example",
        ] {
            assert!(Origins::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
