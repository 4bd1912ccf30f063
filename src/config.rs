//! `weir.toml`: parsed once, strictly. Unknown keys are errors; secrets are files.

mod witnessing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::app::publishing::Publishing;
use crate::auth::issuer::DEVELOPMENT;
use crate::auth::{HubFunction, Issuer, JwksUrl, KeySource};
use crate::domain::{AgencyId, RoleId};
use crate::grpc::tls::TlsFiles;
use crate::grpc::web::Origins;
use crate::policy::approval::{Trust, TrustedKey};

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
    /// Origins whose pages may call over gRPC-Web; none where it is not said.
    pub web_origins: Origins,
    /// The hub's own certificate; `None`: no TLS.
    pub tls: Option<TlsFiles>,
    /// A proxy before the hub ends TLS.
    pub behind_proxy: bool,
    /// Who approves what comes into force, and whether anybody must.
    pub trust: Trust,
    /// Whose tokens are accepted.
    pub issuers: Vec<Issuer>,
    /// The lock of the audit log; `None`: beside the data folder.
    pub audit_lock: Option<PathBuf>,
    /// The witnesses of the audit log; `None`: there are none.
    pub publishing: Option<Publishing>,
    /// Where the daily anchor files go; `None`: nowhere.
    pub anchor_dir: Option<PathBuf>,
    /// Where each value is from.
    origins: BTreeMap<String, Origin>,
}

/// Where a value is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This line of the file.
    File(usize),
    /// A variable of the environment.
    Environment,
    /// Neither.
    Default,
}

/// Keys that a variable of the environment replaces.
const VARIABLES: [(&str, &str); 3] = [
    ("listen", "WEIR_LISTEN"),
    ("data_dir", "WEIR_DATA_DIR"),
    ("policies_dir", "WEIR_POLICIES_DIR"),
];

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
    web_origins: Vec<String>,
    plaintext: Option<Plaintext>,
    tls: Option<TlsFile>,
    policy: Option<PolicyTable>,
    audit: Option<AuditTable>,
    #[serde(default)]
    issuer: Vec<IssuerFile>,
}

/// How the audit log is kept.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditTable {
    lock: Option<PathBuf>,
    anchor_dir: Option<PathBuf>,
    quorum: Option<usize>,
    stale_seconds: Option<u32>,
    strict_witness_hours: Option<u32>,
    #[serde(default)]
    witness: Vec<witnessing::WitnessTable>,
}

/// Who approves a policy.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyTable {
    require_approval: Option<bool>,
    #[serde(default)]
    key: Vec<KeyTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    name: String,
    public: String,
    #[serde(default)]
    roles: BTreeSet<String>,
}

impl PolicyTable {
    fn read(self, mode: Mode) -> Result<Trust, String> {
        let required = self.require_approval.unwrap_or(mode == Mode::Production);
        let keys = self.key.into_iter().map(KeyTable::read).collect::<Result<Vec<_>, _>>()?;
        for (n, key) in keys.iter().enumerate() {
            if keys.iter().take(n).any(|other| other.public == key.public) {
                return Err(format!("[[policy.key]] {}: the key stands twice", key.name));
            }
        }
        if required && keys.is_empty() {
            return Err(
                "[[policy.key]] is missing: nobody could approve a policy. Each approver makes \
                        a key with `weir policy keygen FILE`; enter what it prints, or \
                        require_approval = false in [policy]"
                    .to_owned(),
            );
        }
        Ok(Trust { required, keys })
    }
}

impl KeyTable {
    fn read(self) -> Result<TrustedKey, String> {
        let Self { name, public, roles } = self;
        if name.trim().is_empty() {
            return Err("[[policy.key]] name is empty: it is the person's".to_owned());
        }
        let public = hex::decode(&public).ok().and_then(|bytes| bytes.try_into().ok());
        let public = public.ok_or_else(|| {
            format!("[[policy.key]] {name}: public must be 64 hexadecimal digits")
        })?;
        Ok(TrustedKey { name, public, roles })
    }
}

/// Why there is no TLS.
#[derive(Clone, Copy, Deserialize)]
enum Plaintext {
    #[serde(rename = "behind-proxy")]
    BehindProxy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    certificate_file: PathBuf,
    key_file: PathBuf,
    client_ca_file: Option<PathBuf>,
    client_certificates: Option<Clients>,
}

/// Whether clients have certificates.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Clients {
    Off,
    Optional,
    Required,
}

impl TlsFile {
    fn read(self, base: &Path) -> Result<TlsFiles, String> {
        let clients = self.client_certificates.unwrap_or(Clients::Off);
        if (clients == Clients::Off) != self.client_ca_file.is_none() {
            return Err("[tls] client_ca_file goes with client_certificates = \"optional\" or \
                        \"required\", and neither without the other"
                .to_owned());
        }
        Ok(TlsFiles {
            certificate_file: base.join(self.certificate_file),
            key_file: base.join(self.key_file),
            client_ca_file: self.client_ca_file.map(|file| base.join(file)),
            clients_need_certificate: clients == Clients::Required,
        })
    }
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
    #[serde(default)]
    client_certificates_sha256: Vec<String>,
    client_certificate: Option<Clients>,
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
        Self::load_with(path, |name| std::env::var(name).ok())
    }

    /// As [`Config::load`], with what `variable` says in place of the environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(
        path: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError(format!("{shown}: cannot be read: {e}")))?;
        let mut origins = lines(&text);
        let mut file: ConfigFile = toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError(format!("{shown} line {line}: {}", e.message()))
        })?;
        for (key, name) in VARIABLES {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
            match key {
                "listen" => {
                    let wrong = format!("{name}: must be an address such as 127.0.0.1:50061");
                    file.listen = value.parse().map_err(|_| ConfigError(wrong))?;
                }
                "data_dir" => file.data_dir = absolute(&value),
                _ => file.policies_dir = absolute(&value),
            }
            origins.insert(key.to_owned(), Origin::Environment);
        }
        let base = path.parent().unwrap_or(Path::new("."));
        let issuers = file
            .issuer
            .into_iter()
            .map(|issuer| issuer.read(base, file.mode))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| ConfigError(format!("{shown}: {why}")))?;
        let mut audit = file.audit.unwrap_or_default();
        let (audit_lock, anchor_dir) = (audit.lock.take(), audit.anchor_dir.take());
        let publishing =
            audit.publishing().map_err(|why| ConfigError(format!("{shown}: {why}")))?;
        let config = Self {
            mode: file.mode,
            listen: file.listen,
            data_dir: base.join(file.data_dir),
            hub_key_file: file.hub_key_file.map(|file| base.join(file)),
            policies_dir: base.join(file.policies_dir),
            audit_origin: file.audit_origin,
            reflection: file.reflection.unwrap_or(file.mode == Mode::Development),
            web_origins: Origins::new(&file.web_origins)
                .map_err(|why| ConfigError(format!("{shown}: {why}")))?,
            tls: file
                .tls
                .map(|tls| tls.read(base))
                .transpose()
                .map_err(|why| ConfigError(format!("{shown}: {why}")))?,
            trust: file
                .policy
                .unwrap_or_default()
                .read(file.mode)
                .map_err(|why| ConfigError(format!("{shown}: {why}")))?,
            audit_lock: audit_lock.map(|lock| base.join(lock)),
            anchor_dir: anchor_dir.map(|dir| base.join(dir)),
            publishing,
            behind_proxy: matches!(file.plaintext, Some(Plaintext::BehindProxy)),
            issuers,
            origins,
        };
        config.check().map_err(|why| ConfigError(format!("{shown}: {why}")))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.issuers.is_empty() {
            return Err("no [[issuer]]: nobody could call".to_owned());
        }
        self.check_transport()?;
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

    /// Where the value of `key` is from; a key of a table is written `table.key`.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or(Origin::Default)
    }

    /// The variable of the environment that replaces `key`, or nothing.
    #[must_use]
    pub fn variable(key: &str) -> &'static str {
        VARIABLES.iter().find(|(of, _)| *of == key).map_or("", |(_, name)| *name)
    }

    fn check_transport(&self) -> Result<(), String> {
        if self.behind_proxy && self.tls.is_some() {
            return Err(
                "plaintext and [tls] stand beside each other: enter one of the two".to_owned()
            );
        }
        if self.behind_proxy && !self.listen.ip().is_loopback() {
            return Err("plaintext = \"behind-proxy\" goes with a loopback address in listen: \
                        nobody but the proxy may reach the hub"
                .to_owned());
        }
        if self.mode == Mode::Production && self.tls.is_none() && !self.behind_proxy {
            return Err("[tls] is missing: enter certificate_file and key_file, or plaintext = \
                        \"behind-proxy\" where a proxy on this machine ends TLS"
                .to_owned());
        }
        let asks = self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        let needs = |i: &&Issuer| i.needs_certificate || !i.client_certificates.is_empty();
        if let Some(issuer) = self.issuers.iter().find(needs).filter(|_| !asks) {
            return Err(format!(
                "issuer {}: client certificates are entered, but [tls] client_ca_file is not: no \
                 client would be asked for one",
                issuer.issuer
            ));
        }
        Ok(())
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

/// A path of the environment is relative to where the program was started, not to the file.
fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// On which line each key stands; of several tables with one name, the first.
fn lines(text: &str) -> BTreeMap<String, Origin> {
    let mut table = String::new();
    let mut origins = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_start_matches('[').split(']').next().unwrap_or_default();
            table = format!("{}.", name.trim());
        } else if let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let key = format!("{table}{}", key.trim());
            origins.entry(key).or_insert(Origin::File(at + 1));
        }
    }
    origins
}

impl IssuerFile {
    fn read(self, base: &Path, mode: Mode) -> Result<Issuer, String> {
        let keys = self.keys(base, mode).map_err(|why| format!("issuer {}: {why}", self.issuer))?;
        let client_certificates = self
            .client_certificates_sha256
            .iter()
            .map(|text| {
                let text = text.replace(':', "");
                let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.ok_or_else(|| {
                    let key = "client_certificates_sha256";
                    format!("issuer {}: {key} must be 64 hexadecimal digits each", self.issuer)
                })
            })
            .collect::<Result<_, String>>()?;
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
            client_certificates,
            needs_certificate: self.client_certificate == Some(Clients::Required),
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
            ("[[policy.key]]", "[[policy.kee]]", "unknown field `kee`"),
            ("public = \"", "public = \"0", "64 hexadecimal digits"),
            ("name = \"Ade Bakare\"", "name = \" \"", "name is empty"),
            ("[policy]\n", "[policy]\nrequire_aproval = true\n", "unknown field `require_aproval`"),
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
    fn production_wants_tls_or_a_proxy_on_this_machine() {
        let proxied = |text: &str| {
            let tls = text.find("[tls]").unwrap();
            let end = text.find("# One entry for each agency").unwrap();
            let without = format!("{}{}", &text[..tls], &text[end..]);
            without.replacen("mode =", "plaintext = \"behind-proxy\"\nmode =", 1)
        };
        assert!(load(&proxied(EXAMPLE)).unwrap().behind_proxy);
        let pin = "client_certificates_sha256 = [\"00\"]\nrole_claim =";
        let far = proxied(EXAMPLE).replace("127.0.0.1", "0.0.0.0");
        let bare = proxied(EXAMPLE).replace("plaintext = \"behind-proxy\"\n", "");
        let both = EXAMPLE.replacen("mode =", "plaintext = \"behind-proxy\"\nmode =", 1);
        let ca = "key_file = \"tls/hub.key\"\nclient_ca_file = \"ca.pem\"";
        for (text, says) in [
            (far, "loopback address"),
            (bare.clone(), "[tls] is missing"),
            (both, "enter one of the two"),
            (EXAMPLE.replace("key_file = \"tls/hub.key\"", ca), "client_ca_file goes with"),
            (EXAMPLE.replacen("role_claim =", pin, 1), "64 hexadecimal digits"),
            (
                EXAMPLE.replacen("role_claim =", &pin.replace("00", &"ab".repeat(32)), 1),
                "no client would be asked",
            ),
            (EXAMPLE.replacen("certificate_file", "certificat_file", 1), "unknown field"),
        ] {
            let error = load(&text).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
        assert!(load(&bare.replace("\"production\"", "\"development\"")).unwrap().tls.is_none());
    }

    #[test]
    fn the_environment_comes_before_the_file_and_each_value_knows_where_it_is_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        std::fs::write(&path, EXAMPLE).unwrap();
        let none = Config::load_with(&path, |_| None).unwrap();
        let line = EXAMPLE.lines().position(|l| l.starts_with("listen =")).unwrap() + 1;
        assert_eq!(none.origin("listen"), Origin::File(line));
        let set = |name: &str| (name == "WEIR_LISTEN").then(|| "127.0.0.1:9".to_owned());
        let set = Config::load_with(&path, set).unwrap();
        assert_eq!((set.listen.port(), set.origin("listen")), (9, Origin::Environment));
        assert_eq!(set.origin("data_dir"), none.origin("data_dir"));
        assert_eq!(set.origin("plaintext"), Origin::Default);
        let wrong = |name: &str| (name == "WEIR_LISTEN").then(|| "here".to_owned());
        let error = Config::load_with(&path, wrong).unwrap_err().to_string();
        assert!(error.contains("WEIR_LISTEN"), "{error}");
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
