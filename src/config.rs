//! `weir.toml`: parsed once, strictly. Unknown keys are errors; secrets are files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::auth::issuer::DEVELOPMENT;
use crate::auth::{HubFunction, Issuer, JwksUrl, KeySource};
use crate::domain::{AgencyId, RoleId};

/// In earnest, or to try things out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In earnest.
    Production,
    /// To try things out.
    Development,
}

/// What an operator configures.
#[derive(Debug, Clone)]
pub struct Config {
    /// In earnest, or to try things out.
    pub mode: Mode,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The file of the hub key; `None`: beside the data folder, in development only.
    pub hub_key_file: Option<PathBuf>,
    /// The policy folder.
    pub policies_dir: PathBuf,
    /// The log's name, such as `council.example/weir/audit`.
    pub audit_origin: String,
    /// Tell anybody the contract over reflection.
    pub reflection: bool,
    /// Whose tokens are accepted.
    pub issuers: Vec<Issuer>,
}

/// What is wrong with a configuration; names file and line or key, and the fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    mode: Mode,
    listen: SocketAddr,
    data_dir: PathBuf,
    hub_key_file: Option<PathBuf>,
    policies_dir: PathBuf,
    audit_origin: String,
    reflection: Option<bool>,
    #[serde(default)]
    issuer: Vec<IssuerFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerFile {
    issuer: String,
    agency: AgencyId,
    audience: String,
    algorithm: AlgorithmName,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    jwks_ca_file: Option<PathBuf>,
    role_claim: String,
    #[serde(default)]
    roles: BTreeMap<String, RoleId>,
    #[serde(default)]
    functions: BTreeMap<String, HubFunction>,
}

#[derive(Clone, Copy, Deserialize)]
enum AlgorithmName {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "RS256")]
    Rs256,
}

impl Config {
    /// Reads and checks a file. Relative paths are relative to it.
    ///
    /// # Errors
    /// When a key is unknown, missing or malformed, or the mode refuses what is configured.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError(format!("{shown}: cannot be read: {e}")))?;
        let file: ConfigFile = toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError(format!("{shown} line {line}: {}", e.message()))
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        let issuers = file
            .issuer
            .into_iter()
            .map(|issuer| issuer.read(base, file.mode))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| ConfigError(format!("{shown}: {why}")))?;
        let config = Self {
            mode: file.mode,
            listen: file.listen,
            data_dir: base.join(file.data_dir),
            hub_key_file: file.hub_key_file.map(|file| base.join(file)),
            policies_dir: base.join(file.policies_dir),
            audit_origin: file.audit_origin,
            reflection: file.reflection.unwrap_or(file.mode == Mode::Development),
            issuers,
        };
        config.check().map_err(|why| ConfigError(format!("{shown}: {why}")))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.issuers.is_empty() {
            return Err("no [[issuer]]: nobody could call".to_owned());
        }
        if self.mode == Mode::Production && self.hub_key_file.is_none() {
            return Err(
                "hub_key_file is missing: make one outside data_dir with `weir keys new FILE`"
                    .to_owned(),
            );
        }
        if self.audit_origin.is_empty() || self.audit_origin.contains([' ', '+', '\n']) {
            return Err("audit_origin must be a name without spaces and plus signs".to_owned());
        }
        let development = self.issuers.iter().find(|i| i.issuer.starts_with(DEVELOPMENT));
        match (self.mode, development) {
            (Mode::Production, Some(issuer)) => Err(format!(
                "issuer {}: a development issuer is refused in production. Enter the agency's own.",
                issuer.issuer
            )),
            (Mode::Production | Mode::Development, _) => Ok(()),
        }
    }

    /// A production hub does not run on a sample place.
    ///
    /// # Errors
    /// When it would.
    pub fn check_place(&self, has_sample_clock: bool) -> Result<(), ConfigError> {
        if self.mode == Mode::Production && has_sample_clock {
            return Err(ConfigError(format!(
                "{}: place.toml has a sample_clock: this is a sample place, refused in production. \
                 Take the line out when the rule book is your own.",
                self.policies_dir.display()
            )));
        }
        Ok(())
    }
}

impl IssuerFile {
    fn read(self, base: &Path, mode: Mode) -> Result<Issuer, String> {
        let keys = self.keys(base, mode).map_err(|why| format!("issuer {}: {why}", self.issuer))?;
        Ok(Issuer {
            issuer: self.issuer,
            agency: self.agency,
            audience: self.audience,
            algorithm: match self.algorithm {
                AlgorithmName::Es256 => jsonwebtoken::Algorithm::ES256,
                AlgorithmName::EdDsa => jsonwebtoken::Algorithm::EdDSA,
                AlgorithmName::Rs256 => jsonwebtoken::Algorithm::RS256,
            },
            keys,
            role_claim: self.role_claim,
            roles: self.roles,
            functions: self.functions,
        })
    }

    fn keys(&self, base: &Path, mode: Mode) -> Result<KeySource, String> {
        match (&self.jwks_file, &self.jwks_url, &self.jwks_ca_file) {
            (Some(file), None, None) => Ok(KeySource::File(base.join(file))),
            (None, Some(text), ca_file) => {
                let url = match mode {
                    Mode::Production => JwksUrl::parse(text),
                    Mode::Development => JwksUrl::parse_for_development(text),
                };
                let url = url.map_err(|why| format!("jwks_url {why}"))?;
                Ok(KeySource::Url { url, ca_file: ca_file.as_ref().map(|file| base.join(file)) })
            }
            (Some(_), None, Some(_)) => {
                Err("jwks_ca_file goes with jwks_url; a file needs no certificate".to_owned())
            }
            (None, None, _) => Err("enter jwks_url or jwks_file: where its keys are".to_owned()),
            (Some(_), Some(_), _) => Err("enter jwks_url or jwks_file, not both".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../config/weir.example.toml");

    fn load(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn the_example_loads() {
        let config = load(EXAMPLE).unwrap();
        assert_eq!(config.mode, Mode::Production);
        assert!(!config.reflection);
        assert_eq!(config.issuers.len(), 1);
        let url = JwksUrl::parse("https://login.oakdale.example/oauth2/jwks").unwrap();
        assert!(matches!(
            &config.issuers[0].keys,
            KeySource::Url { url: found, ca_file: None } if *found == url
        ));
        assert!(config.check_place(true).is_err());
        assert!(config.check_place(false).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, says) in [
            ("listen =", "lisen =", "line 6: unknown field `lisen`"),
            ("\"production\"", "\"prod\"", "unknown variant `prod`"),
            ("\"ES256\"", "\"HS256\"", "unknown variant `HS256`"),
            (
                "https://login.oakdale.example",
                "urn:weir:development:oakdale-gp",
                "refused in production",
            ),
            ("hub_key_file =", "# hub_key_file =", "hub_key_file is missing"),
            ("[[issuer]]", "[[isuer]]", "unknown field `isuer`"),
            ("council.example/", "council example/", "audit_origin"),
            ("jwks_url =", "jwks_uri =", "unknown field `jwks_uri`"),
            ("jwks_url =", "jwks_file = \"a\"\njwks_url =", "jwks_url or jwks_file, not both"),
            ("jwks_url =", "# jwks_url =", "issuer https://login.oakdale.example: enter jwks_url"),
            ("jwks_url =", "jwks_ca_file = \"a\"\njwks_file =", "jwks_ca_file goes with jwks_url"),
            ("\"https://login.oakdale.example/", "\"http://login.oakdale.example/", "https://"),
            ("\"https://login.oakdale.example/", "\"http://127.0.0.1/", "https://"),
            (
                "\"https://login.oakdale.example/",
                "\"https://a:b@login.oakdale.example/",
                "password",
            ),
            ("\"https://login.oakdale.example/", "\"login.oakdale.example/", "absolute URL"),
        ] {
            assert!(EXAMPLE.contains(from), "{from}");
            let error = load(&EXAMPLE.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(says), "{from}: {error}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_in_development() {
        let at = "https://login.oakdale.example/oauth2/";
        let development = EXAMPLE.replace("\"production\"", "\"development\"");
        for (url, loads) in [
            ("http://127.0.0.1:9000/", true),
            ("http://localhost/", true),
            ("http://login.oakdale.example/", false),
        ] {
            assert_eq!(load(&development.replace(at, url)).is_ok(), loads, "{url}");
            assert!(load(&EXAMPLE.replace(at, url)).is_err(), "{url} in production");
        }
        let file = |text: &str| text.replace("jwks_url = \"https://", "jwks_file = \"");
        let config = load(&file(EXAMPLE)).unwrap();
        assert!(matches!(config.issuers[0].keys, KeySource::File(_)));
    }
}
