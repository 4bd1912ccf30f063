//! TLS on the hub's own socket: who gets a handshake, and whose token goes with whose certificate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::service_fn;
use weir::app::App;
use weir::auth::issuer::{DevelopmentIssuer, Person, issuers};
use weir::clock::{Clock, FixedClock, SharedClock};
use weir::grpc::pb::sharing_service_client::SharingServiceClient;
use weir::grpc::renewal::{LiveTls, Renewal};
use weir::grpc::server::Options;
use weir::grpc::tls::TlsFiles;

use crate::support::{AISHA, NURSE, OPENED, bearing, treatment};

const NAME: &str = "hub.northfield.example";
const GP: Person<'_> = Person { agency: "oakdale-gp", person: "gp-1", roles: &["gp"] };

/// An authority, and what it has signed, as PEM files.
struct Authority {
    signer: rcgen::Issuer<'static, rcgen::KeyPair>,
    dir: PathBuf,
    name: String,
}

/// A certificate and its key, as PEM files.
#[derive(Clone)]
struct Identity {
    chain: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// SHA-256 of the leaf.
    fn thumbprint(&self) -> [u8; 32] {
        use sha2::Digest;
        let leaf = CertificateDer::from_pem_file(&self.chain).unwrap();
        sha2::Sha256::digest(&leaf).into()
    }
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut about = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        about.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        let root = about.self_signed(&key).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), root.pem()).unwrap();
        let signer = rcgen::Issuer::new(about, key);
        Self { signer, dir: dir.to_owned(), name: name.to_owned() }
    }

    fn file(&self) -> PathBuf {
        self.dir.join(format!("{}.pem", self.name))
    }

    fn sign(&self, name: &str, edit: impl FnOnce(&mut rcgen::CertificateParams)) -> Identity {
        let mut about = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        edit(&mut about);
        let key = rcgen::KeyPair::generate().unwrap();
        let signed = about.signed_by(&key, &self.signer).unwrap();
        self.write(name, &signed.pem(), &key)
    }

    fn write(&self, name: &str, pem: &str, key: &rcgen::KeyPair) -> Identity {
        use std::os::unix::fs::PermissionsExt;
        let chain = self.dir.join(format!("{name}-{}.pem", self.name));
        let key_file = self.dir.join(format!("{name}-{}.key", self.name));
        std::fs::write(&chain, pem).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        Identity { chain, key: key_file }
    }
}

/// A hub behind TLS.
struct Site {
    address: std::net::SocketAddr,
    app: Arc<App>,
    clock: FixedClock,
    issuer: DevelopmentIssuer,
    partners: Authority,
    roots: RootCertStore,
    dir: tempfile::TempDir,
}

/// What the operator has entered of certificates.
#[derive(Default)]
struct Entered {
    clients_need_certificate: bool,
    nurse_needs_certificate: bool,
}

impl Site {
    async fn open(entered: Entered) -> (Self, Identity, Identity) {
        let dir = tempfile::tempdir().unwrap();
        let own = Authority::new(dir.path(), "council");
        let partners = Authority::new(dir.path(), "partners");
        let hub = own.sign(NAME, |_| {});
        let (hospital, practice) =
            (partners.sign("hospital.example", |_| {}), partners.sign("practice.example", |_| {}));
        let files = TlsFiles {
            certificate_file: hub.chain,
            key_file: hub.key,
            client_ca_file: Some(partners.file()),
            clients_need_certificate: entered.clients_need_certificate,
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let policy = weir::cli::policy::open(&root.join("policies")).unwrap();
        let clock = FixedClock::at(OPENED.parse().unwrap());
        let issuer = DevelopmentIssuer::open(&dir.path().join("issuer")).unwrap();
        let book = policy.book();
        let keys = dir.path().join("issuer");
        let mut issuers = issuers(book.agencies.keys(), book.roles.keys(), &keys);
        for issuer in &mut issuers {
            match issuer.agency.as_str() {
                "northfield-hospital" => {
                    issuer.client_certificates = BTreeSet::from([hospital.thumbprint()]);
                    issuer.needs_certificate = entered.nurse_needs_certificate;
                }
                "oakdale-gp" => {
                    issuer.client_certificates = BTreeSet::from([practice.thumbprint()]);
                }
                _ => {}
            }
        }
        let shared: SharedClock = Arc::new(clock.clone());
        let data = dir.path().join("data");
        let app = App::open(&data, "northfield.example/it", policy, issuers, shared).await.unwrap();
        let app = Arc::new(app);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = Options {
            reflection: false,
            tls: Some(LiveTls::open(files, false).unwrap()),
            ..Options::default()
        };
        tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.serve(listener, options, std::future::pending()).await }
        });
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(own.file()).unwrap()).unwrap();
        let site = Self { address, app, clock, issuer, partners, roots, dir };
        (site, hospital, practice)
    }

    fn connector(&self, who: Option<&Identity>, alpn: &[&[u8]]) -> TlsConnector {
        let builder = ClientConfig::builder().with_root_certificates(self.roots.clone());
        let mut config = match who {
            Some(identity) => {
                let chain = CertificateDer::pem_file_iter(&identity.chain).unwrap();
                let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
                builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|one| one.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    async fn shake(
        &self,
        who: Option<&Identity>,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        self.connector(who, alpn).connect(ServerName::try_from(NAME).unwrap(), stream).await
    }

    async fn channel(&self, who: Option<&Identity>) -> Result<Channel, tonic::transport::Error> {
        let (connector, address) = (self.connector(who, &[b"h2"]), self.address);
        let connect = service_fn(move |_: Uri| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                let name = ServerName::try_from(NAME).unwrap();
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        Endpoint::from_static("http://hub.northfield.example").connect_with_connector(connect).await
    }

    /// Asks with a token; tells the reason of a refusal, or nothing.
    async fn ask(&self, token: &str, over: Option<&Identity>) -> String {
        let message = bearing(token, treatment(AISHA));
        let Ok(channel) = self.channel(over).await else { return "no connection".to_owned() };
        let reply = SharingServiceClient::new(channel).can_share(message).await;
        match reply {
            Ok(_) => String::new(),
            Err(status) => reason(&status),
        }
    }

    fn token(&self, who: Person<'_>) -> String {
        self.issuer.token(who, self.clock.now(), 10).unwrap()
    }

    /// A token with a binding, as the issuer of the sample place signs it.
    fn bound(&self, who: Person<'_>, cnf: serde_json::Value) -> String {
        let pk8 = std::fs::read(self.dir.path().join("issuer/issuer.pk8")).unwrap();
        let key = jsonwebtoken::EncodingKey::from_ec_der(&pk8);
        let plain = self.token(who);
        let payload = plain.split('.').nth(1).unwrap();
        use base64::Engine;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        let mut claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        claims["cnf"] = cnf;
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some("development".to_owned());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    match details.error_info() {
        Some(info) => info.reason.clone(),
        None if status.code() == Code::Unavailable || status.code() == Code::Unknown => {
            "no connection".to_owned()
        }
        None => format!("{:?}", status.code()),
    }
}

fn x5t(thumbprint: [u8; 32]) -> serde_json::Value {
    use base64::Engine;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(thumbprint);
    serde_json::json!({ "x5t#S256": text })
}

#[tokio::test]
async fn a_token_goes_with_its_agency_s_certificate() {
    let (site, hospital, practice) = Site::open(Entered::default()).await;
    let stranger = site.partners.sign("stranger.example", |_| {});
    let (nurse, gp) = (site.token(NURSE), site.token(GP));
    let authority = {
        use sha2::Digest;
        let root = CertificateDer::from_pem_file(site.partners.file()).unwrap();
        sha2::Sha256::digest(&root).into()
    };
    let bound = |to: &Identity| site.bound(NURSE, x5t(to.thumbprint()));
    // Who is answered is then refused for having no role or no case: that is a decision.
    let rows: Vec<(&str, String, Option<&Identity>, &str)> = vec![
        ("no certificate, none needed", nurse.clone(), None, ""),
        ("its own agency's", nurse.clone(), Some(&hospital), ""),
        ("another agency's", nurse.clone(), Some(&practice), "CERTIFICATE_WRONG"),
        ("the other way about", gp.clone(), Some(&hospital), "CERTIFICATE_WRONG"),
        ("nobody's, but of the authority", nurse.clone(), Some(&stranger), ""),
        ("bound, over its certificate", bound(&hospital), Some(&hospital), ""),
        ("bound, over none", bound(&hospital), None, "BINDING_WRONG"),
        ("bound, over another", bound(&hospital), Some(&stranger), "BINDING_WRONG"),
        ("bound to another agency's", bound(&practice), Some(&practice), "CERTIFICATE_WRONG"),
        ("bound to nobody's", bound(&stranger), Some(&stranger), ""),
        ("bound to the authority", site.bound(NURSE, x5t(authority)), Some(&hospital), "BINDING_WRONG"),
        ("bound to nothing", site.bound(NURSE, serde_json::json!({})), Some(&hospital), "TOKEN_MALFORMED"),
        ("bound to null", site.bound(NURSE, serde_json::Value::Null), Some(&hospital), "TOKEN_MALFORMED"),
        ("bound in another way", site.bound(NURSE, serde_json::json!({"jkt": "x"})), Some(&hospital), "TOKEN_MALFORMED"),
        (
            "bound in two ways",
            site.bound(NURSE, serde_json::json!({"jkt": "x", "x5t#S256": x5t(hospital.thumbprint())["x5t#S256"]})),
            Some(&hospital),
            "TOKEN_MALFORMED",
        ),
        ("half a thumbprint", site.bound(NURSE, serde_json::json!({"x5t#S256": "AAAA"})), Some(&hospital), "TOKEN_MALFORMED"),
        ("a number", site.bound(NURSE, serde_json::json!({"x5t#S256": 7})), Some(&hospital), "TOKEN_MALFORMED"),
        ("padded", site.bound(NURSE, serde_json::json!({"x5t#S256": format!("{}=", x5t(hospital.thumbprint())["x5t#S256"].as_str().unwrap())})), Some(&hospital), "TOKEN_MALFORMED"),
    ];
    // Twice: what was verified over one certificate is remembered, and not for another.
    for _ in 0..2 {
        for (what, token, over, wanted) in &rows {
            assert_eq!(site.ask(token, *over).await, *wanted, "{what}");
        }
    }
    let entries = site.app.store.log().head().size;
    assert!(entries > 1, "who was answered is in the log");
}

#[tokio::test]
async fn where_a_certificate_is_needed_no_token_goes_without() {
    let entered = Entered { nurse_needs_certificate: true, ..Entered::default() };
    let (site, hospital, practice) = Site::open(entered).await;
    let stranger = site.partners.sign("stranger.example", |_| {});
    let nurse = site.token(NURSE);
    let bound = site.bound(NURSE, x5t(stranger.thumbprint()));
    for (what, token, over, wanted) in [
        ("none", &nurse, None, "CERTIFICATE_MISSING"),
        ("its own", &nurse, Some(&hospital), ""),
        ("another agency's", &nurse, Some(&practice), "CERTIFICATE_WRONG"),
        ("nobody's", &nurse, Some(&stranger), "CERTIFICATE_WRONG"),
        ("the one that it is bound to", &bound, Some(&stranger), ""),
        ("none, though bound", &bound, None, "BINDING_WRONG"),
    ] {
        assert_eq!(site.ask(token, over).await, wanted, "{what}");
    }
    // Another agency's callers need none.
    assert_eq!(site.ask(&site.token(GP), None).await, "");
}

#[tokio::test]
async fn whoever_has_no_good_certificate_gets_no_connection_where_all_need_one() {
    let entered = Entered { clients_need_certificate: true, ..Entered::default() };
    let (site, hospital, _) = Site::open(entered).await;
    let others = Authority::new(site.dir.path(), "others");
    let expired = site.partners.sign("expired.example", |about| {
        about.not_before = rcgen::date_time_ymd(2020, 1, 1);
        about.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let early = site.partners.sign("early.example", |about| {
        about.not_before = rcgen::date_time_ymd(2099, 1, 1);
        about.not_after = rcgen::date_time_ymd(2100, 1, 1);
    });
    let for_servers = site.partners.sign("server.example", |about| {
        about.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let foreign = others.sign("hospital.example", |_| {});
    let own_key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["hospital.example".to_owned()]).unwrap();
    let own = others.write("own", &own.self_signed(&own_key).unwrap().pem(), &own_key);
    let nurse = site.token(NURSE);
    for (what, over, wanted) in [
        ("none", None, "no connection"),
        ("of another authority", Some(&foreign), "no connection"),
        ("of nobody but itself", Some(&own), "no connection"),
        ("expired", Some(&expired), "no connection"),
        ("of the future", Some(&early), "no connection"),
        ("for servers", Some(&for_servers), "no connection"),
        ("good", Some(&hospital), ""),
    ] {
        assert_eq!(site.ask(&nurse, over).await, wanted, "{what}");
    }
}

#[tokio::test]
async fn what_speaks_no_http_2_over_tls_is_not_served() {
    let (site, hospital, _) = Site::open(Entered::default()).await;
    // Plain text to the port: closed without a word of HTTP.
    let mut plain = TcpStream::connect(site.address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), plain.read_to_end(&mut said)).await;
    let _ = read.expect("the connection stays open");
    assert!(!said.windows(4).any(|w| w == b"HTTP"), "{said:?}");
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        match site.shake(Some(&hospital), alpn).await {
            Err(_) => {}
            Ok(mut stream) => {
                let mut said = Vec::new();
                let read = stream.read_to_end(&mut said);
                let read = tokio::time::timeout(Duration::from_secs(20), read).await;
                let _ = read.expect("the connection stays open");
                assert!(said.is_empty(), "{alpn:?}");
            }
        }
    }
    // TLS 1.1, asked for by hand: an alert, no hello.
    let mut old = TcpStream::connect(site.address).await.unwrap();
    let hello = [
        0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 0, 0, 2, 0, 0x2f, 1, 0,
    ];
    old.write_all(&hello).await.unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), old.read_to_end(&mut said)).await;
    let _ = read.expect("the connection stays open");
    assert_ne!(said.first(), Some(&0x16), "a handshake was answered: {said:?}");
    // And a good client is served all the while.
    assert_eq!(site.ask(&site.token(NURSE), Some(&hospital)).await, "");
}

#[test]
fn a_key_that_others_can_read_and_files_that_do_not_match_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let own = Authority::new(dir.path(), "council");
    let (one, two) = (own.sign("one", |_| {}), own.sign("two", |_| {}));
    let files = |certificate: &Path, key: &Path| TlsFiles {
        certificate_file: certificate.to_owned(),
        key_file: key.to_owned(),
        client_ca_file: None,
        clients_need_certificate: false,
    };
    assert!(files(&one.chain, &one.key).acceptor(false).is_ok());
    std::fs::set_permissions(&two.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let gone = dir.path().join("gone.pem");
    for (what, files, says) in [
        ("open to others", files(&two.chain, &two.key), "chmod 600"),
        ("another's key", files(&two.chain, &one.key), "do not belong together"),
        ("no file", files(&gone, &one.key), "gone.pem"),
        ("a key for a certificate", files(&one.key, &one.key), "no certificate"),
    ] {
        let Err(error) = files.acceptor(false) else { unreachable!("{what}") };
        assert!(error.to_string().contains(says), "{what}: {error}");
    }
}

#[test]
fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let own = Authority::new(dir.path(), "council");
    let (one, two) = (own.sign(NAME, |_| {}), own.sign("renewed.example", |_| {}));
    let files = TlsFiles {
        certificate_file: one.chain.clone(),
        key_file: one.key.clone(),
        client_ca_file: None,
        clients_need_certificate: false,
    };
    let live = LiveTls::open(files, false).unwrap();
    assert!(matches!(live.look(), Renewal::Same));
    let before = Arc::as_ptr(live.acceptor().config());
    // A key that is not the certificate's, and half a file: the one before stays.
    std::fs::write(&one.chain, std::fs::read(&two.chain).unwrap()).unwrap();
    let Renewal::Refused(error) = live.look() else { unreachable!("another's key") };
    assert!(error.to_string().contains("do not belong together"), "{error}");
    assert!(matches!(live.look(), Renewal::Same), "tried again although nothing changed");
    std::fs::write(&one.chain, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    assert!(matches!(live.look(), Renewal::Refused(_)));
    assert_eq!(Arc::as_ptr(live.acceptor().config()), before);
    // Both together: new connections get the new one.
    std::fs::write(&one.chain, std::fs::read(&two.chain).unwrap()).unwrap();
    std::fs::write(&one.key, std::fs::read(&two.key).unwrap()).unwrap();
    assert!(matches!(live.look(), Renewal::Renewed));
    assert_ne!(Arc::as_ptr(live.acceptor().config()), before);
    std::fs::remove_file(&one.key).unwrap();
    assert!(matches!(live.look(), Renewal::Refused(_)));
}
