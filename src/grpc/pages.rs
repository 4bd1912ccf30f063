//! Page tokens: where a list goes on, proven to be given out by this hub to this caller, for this question,
//! under this policy, and not long ago. To the caller they are opaque.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;

use crate::auth::Caller;
use crate::limits;

const MAC_LEN: usize = 32;
const TIME_LEN: usize = 8;

/// The key that page tokens are proven with.
#[derive(Clone)]
pub struct PageKey(hmac::Key);

/// For whom and what a token is.
pub struct Page<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The call.
    pub rpc: &'a str,
    /// The policy in force.
    pub policy: [u8; 32],
    /// Now.
    pub now: Timestamp,
}

impl PageKey {
    /// From a secret that survives a restart.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A token for `position`; nothing for the end of a list.
    #[must_use]
    pub fn seal(&self, page: &Page<'_>, position: &str) -> String {
        if position.is_empty() {
            return String::new();
        }
        let ends = (page.now + limits::PAGE_TOKEN_LIFE).as_second().to_be_bytes();
        let mac = hmac::sign(&self.0, &message(page, ends, position));
        BASE64.encode([mac.as_ref(), &ends, position.as_bytes()].concat())
    }

    /// The position of a token; `None` where it is none of this hub's, is somebody else's, is of another
    /// call or policy, or is too old.
    #[must_use]
    pub fn open(&self, page: &Page<'_>, token: &str) -> Option<String> {
        if token.len() > limits::PAGE_TOKEN_LEN_MAX {
            return None;
        }
        let bytes = BASE64.decode(token).ok()?;
        let (mac, rest) = bytes.split_at_checked(MAC_LEN)?;
        let (ends, position) = rest.split_at_checked(TIME_LEN)?;
        let (ends, position) = (ends.try_into().ok()?, std::str::from_utf8(position).ok()?);
        hmac::verify(&self.0, &message(page, ends, position), mac).ok()?;
        (page.now.as_second() < i64::from_be_bytes(ends)).then(|| position.to_owned())
    }
}

fn message(page: &Page<'_>, ends: [u8; TIME_LEN], position: &str) -> Vec<u8> {
    let agency = page.caller.agency().as_str().as_bytes();
    let parts: [&[u8]; 6] = [
        b"weir/page/1",
        &page.caller.principal(),
        agency,
        &page.policy,
        page.rpc.as_bytes(),
        position.as_bytes(),
    ];
    let mut out = ends.to_vec();
    for part in parts {
        out.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend(part);
    }
    out
}
