//! The same door at a hub that serves: the header as it comes over the wire, a hub whose issuer is
//! down, and staff records that beat a remembered token.

use tokio::sync::oneshot;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;
use weir::app::App;
use weir::audit::entry::{Entry, Kind};
use weir::domain::DecisionId;
use weir::grpc::pb;
use weir::grpc::pb::resident_service_client::ResidentServiceClient;
use weir::store::{Fact, Store};

use super::*;

/// A hub that serves [`A`] from `source`, and [`B`] from a server that is up.
struct Hub {
    app: Arc<App>,
    clock: FixedClock,
    client: ResidentServiceClient<Channel>,
    _dir: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

async fn serving(sources: [KeySource; 2]) -> Hub {
    let dir = tempfile::tempdir().unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = weir::cli::policy::open(&root.join("policies")).unwrap();
    let clock = FixedClock::at(NOW.parse().unwrap());
    let shared: SharedClock = Arc::new(clock.clone());
    let issuers = [A, B].into_iter().zip(sources).map(|(name, keys)| issuer(name, keys)).collect();
    let app =
        App::open(dir.path().join("data"), "northfield.example/it", policy, issuers, shared).await;
    let app = Arc::new(app.unwrap());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn({
        let app = Arc::clone(&app);
        async move {
            app.serve(listener, weir::grpc::server::Options::plain(false), async {
                stopped.await.unwrap_or_default()
            })
            .await
        }
    });
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let client = ResidentServiceClient::new(channel.connect().await.unwrap());
    Hub { app, clock, client, _dir: dir, _stop: stop }
}

impl Hub {
    /// Asks for a resident whom nobody has registered, with these authorization headers.
    async fn find(&mut self, headers: &[&[u8]]) -> Option<Status> {
        let mut request = Request::new(pb::FindResidentRequest {
            nhs_number: "943 476 5919".to_owned(),
            name: "Nobody".to_owned(),
            birth_date: "1980-02-03".to_owned(),
            purpose: "direct_care".to_owned(),
            reason: "On the ward".to_owned(),
        });
        for header in headers {
            let value = MetadataValue::<Ascii>::try_from(*header).unwrap();
            request.metadata_mut().append("authorization", value);
        }
        soon(self.client.find_resident(request)).await.err()
    }

    async fn staff(&self, account_ends: Option<Timestamp>) {
        let fact = Fact::Staff {
            agency: "oakdale-gp".parse().unwrap(),
            person: "gp-1".parse().unwrap(),
            account_ends,
            training_until: Some(jiff::civil::date(2026, 12, 31)),
            interests_declared: None,
        };
        let active = Fact::Agency { agency: "oakdale-gp".parse().unwrap(), active: true };
        let at = self.clock.now();
        let facts =
            [fact, active].map(|fact| weir::domain::RecordedFact { fact, by: None, at }).into();
        let entry = Entry {
            event: DecisionId::from_uuid(Uuid::new_v4()),
            kind: Kind::Fact,
            rpc: "set-up".to_owned(),
            call: DecisionId::from_uuid(Uuid::new_v4()),
            part: 1,
            parts: 1,
            agency: None,
            principal: [0; 16],
            policy: [0; 32],
            facets: std::collections::BTreeMap::new(),
            slots: std::collections::BTreeMap::new(),
        };
        self.app.store.record_facts(facts, vec![entry]).await.unwrap();
    }
}

/// Code and reason; `Ok` and nothing where the call succeeded.
fn reason(status: &Option<Status>) -> (Code, String) {
    match status {
        None => (Code::Ok, String::new()),
        Some(status) => {
            let details = status.get_error_details();
            (status.code(), details.error_info().unwrap().reason.clone())
        }
    }
}

fn bearer(token: &str) -> Vec<u8> {
    format!("Bearer {token}").into_bytes()
}

#[tokio::test]
async fn the_authorization_header_is_read_strictly_and_repeated_to_nobody() {
    let b = Signer::new("b");
    let idp = Provider::open(set(&[&b.jwk()])).await;
    let mut hub = serving([url("http://127.0.0.1:1/", None), url(&idp.url(), None)]).await;
    hub.staff(None).await;
    let token = b.token(B, hub.clock.now());
    let stranger = Signer::new("b").token(B, hub.clock.now());
    let with = |before: &[u8], after: &[u8]| [before, token.as_bytes(), after].concat();
    let unproven = Code::Unauthenticated;
    let table: Vec<(&str, Vec<Vec<u8>>, Code, &str)> = vec![
        ("bearer", vec![with(b"bearer ", b"")], Code::Ok, ""),
        ("BEARER", vec![with(b"BEARER ", b"")], Code::Ok, ""),
        ("Bearer", vec![with(b"Bearer ", b"")], Code::Ok, ""),
        ("none", vec![], unproven, "TOKEN_MISSING"),
        ("empty", vec![vec![]], unproven, "TOKEN_MALFORMED"),
        ("no token", vec![b"Bearer".to_vec()], unproven, "TOKEN_MALFORMED"),
        ("no scheme", vec![with(b"", b"")], unproven, "TOKEN_MALFORMED"),
        ("Basic", vec![with(b"Basic ", b"")], unproven, "TOKEN_MALFORMED"),
        ("DPoP", vec![with(b"DPoP ", b"")], unproven, "TOKEN_MALFORMED"),
        ("two spaces", vec![with(b"Bearer  ", b"")], unproven, "TOKEN_MALFORMED"),
        ("tab", vec![with(b"Bearer\t", b"")], unproven, "TOKEN_MALFORMED"),
        ("two in one", vec![with(b"Bearer ", b", Bearer x")], unproven, "TOKEN_MALFORMED"),
        ("not ASCII", vec![with(b"Bearer ", b"\xe9")], unproven, "TOKEN_MALFORMED"),
        ("not UTF-8", vec![with(b"Bearer \xff\xfe", b"")], unproven, "TOKEN_MALFORMED"),
        ("stranger", vec![bearer(&stranger)], unproven, "SIGNATURE_WRONG"),
        ("two", vec![bearer(&token), bearer(&token)], Code::InvalidArgument, "CALL_MALFORMED"),
        ("long", vec![with(b"Bearer ", &[b'a'; 9000])], unproven, "TOKEN_MALFORMED"),
    ];
    for (what, headers, code, why) in table {
        let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        let status = hub.find(&headers).await;
        assert_eq!(reason(&status), (code, why.to_owned()), "{what}");
        let Some(status) = status else { continue };
        let said = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
        for secret in [token.split('.').nth(1).unwrap(), "gp-1", "a.example", "b.example"] {
            assert!(!said.contains(secret), "{what}: {said}");
        }
    }
}

#[tokio::test]
async fn a_hub_starts_while_an_issuer_is_down() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let idp = Provider::open(set(&[&b.jwk()])).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let down = format!("http://{}/", socket.local_addr().unwrap());
    let mut hub = serving([url(&down, None), url(&idp.url(), None)]).await;
    hub.staff(None).await;
    let status = hub.find(&[&bearer(&b.token(B, hub.clock.now()))]).await;
    assert_eq!(reason(&status), (Code::Ok, String::new()));
    let status = hub.find(&[&bearer(&a.token(A, hub.clock.now()))]).await;
    assert_eq!(reason(&status), (Code::Unavailable, "KEYS_UNAVAILABLE".to_owned()));
    assert!(status.unwrap().get_error_details().retry_info().is_some());
}

#[tokio::test]
async fn somebody_who_left_is_turned_away_with_a_token_that_is_remembered() {
    let b = Signer::new("b");
    let idp = Provider::open(set(&[&b.jwk()])).await;
    let mut hub = serving([url("http://127.0.0.1:1/", None), url(&idp.url(), None)]).await;
    let token = bearer(&b.token(B, hub.clock.now()));
    let status = hub.find(&[&token]).await;
    assert_eq!(reason(&status), (Code::PermissionDenied, "AGENCY_INACTIVE".to_owned()));
    hub.staff(None).await;
    let status = hub.find(&[&token]).await;
    assert_eq!(reason(&status), (Code::Ok, String::new()));
    hub.staff(Some(hub.clock.now())).await;
    let status = hub.find(&[&token]).await;
    assert_eq!(reason(&status), (Code::PermissionDenied, "ACCOUNT_INACTIVE".to_owned()));
}
