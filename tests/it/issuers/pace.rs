//! When keys are read and for how long they are believed, and that nobody waits for another's.

use super::*;

#[tokio::test]
async fn a_server_that_hangs_holds_up_its_own_people_for_one_reading() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let (hangs, good) =
        (Provider::open(Says::Nothing).await, Provider::open(set(&[&b.jwk()])).await);
    let pace = KeyPace { fetch: Duration::from_millis(300), ..CALM };
    let door = Door::open(vec![url(&hangs.url(), None)], pace);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeysUnavailable));
    soon(hangs.until_left(1)).await;
    let drops = Provider::open(Says::Drops).await;
    let door = Door::open(vec![url(&drops.url(), None)], pace);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeysUnavailable));
    soon(drops.until_left(1)).await;
    // While one issuer hangs for good, another's people come in.
    let hangs = Provider::open(Says::Nothing).await;
    let door = Door::open(vec![url(&hangs.url(), None), url(&good.url(), None)], CALM);
    soon(hangs.until_asked(1)).await;
    assert_eq!(soon(door.says(&b.token(B, door.now()))).await, None);
    // The reading ends with the hub.
    drop(door);
    soon(hangs.until_left(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_unknown_keys_has_the_set_read_once() {
    let a = Signer::new("a");
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let door = Door::open(vec![url(&idp.url(), None)], CALM);
    let good = a.token(A, door.now());
    assert_eq!(soon(door.says(&good)).await, None);
    door.later(30);
    let rest = good.split_once('.').unwrap().1;
    let mut storm = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("k{n}") });
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let auth = Arc::clone(&door.auth);
        storm.spawn(async move { auth.authenticate(&token, None).await.err() });
    }
    let said = soon(storm.join_all()).await;
    assert_eq!(said.len(), 10_000);
    assert!(said.iter().all(|why| *why == Some(AuthError::KeyUnknown)));
    assert_eq!(idp.asked(), 2);
    assert_eq!(soon(door.says(&good)).await, None);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_the_reading() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let door = Door::open(vec![url(&idp.url(), None)], CALM);
    assert_eq!(soon(door.fresh(&a)).await, None);
    idp.says(set(&[&b.jwk()]));
    door.later(30);
    let mut leaves = Box::pin(door.fresh(&b));
    assert!(polled(leaves.as_mut()).await.is_pending());
    drop(leaves);
    assert_eq!(soon(door.fresh(&b)).await, None);
    assert_eq!(idp.asked(), 2);
}

async fn polled<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test]
async fn keys_are_stale_for_a_day_and_then_too_old() {
    let a = Signer::new("a");
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let door = Door::open(vec![url(&idp.url(), None)], CALM);
    assert_eq!(soon(door.fresh(&a)).await, None);
    idp.says(says("500 Internal Server Error", ""));
    door.later(24 * 3600 - 1);
    let late = a.token(A, door.now());
    assert_eq!((soon(door.says(&late)).await, idp.asked()), (None, 1));
    door.later(1);
    assert_eq!(soon(door.says(&late)).await, Some(AuthError::KeysTooOld), "from memory");
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeysTooOld));
    assert_eq!(idp.asked(), 2);
    idp.says(set(&[&a.jwk()]));
    door.later(30);
    assert_eq!((soon(door.says(&late)).await, idp.asked()), (None, 3));
    // A clock that is set back by a day does not make them young.
    idp.says(Says::Bytes(Vec::new()));
    door.later(-24 * 3600);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeysTooOld));
}

#[tokio::test]
async fn an_issuer_that_is_down_at_start_keeps_out_its_own_people_until_it_is_up() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let up = Provider::open(set(&[&b.jwk()])).await;
    // Bound and not listened to: nobody else gets the port, and connecting is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = format!("http://{}/", socket.local_addr().unwrap());
    let door = Door::open(vec![url(&at, None), url(&up.url(), None)], CALM);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeysUnavailable));
    assert_eq!(soon(door.says(&b.token(B, door.now()))).await, None);
    let late = Provider::serve(socket.listen(8).unwrap(), None, set(&[&a.jwk()]));
    door.later(30);
    assert_eq!(soon(door.fresh(&a)).await, None);
    assert_eq!(late.asked(), 1);
}

#[tokio::test]
async fn a_withdrawn_key_is_noticed_without_any_token() {
    let (a, b, dir) = (Signer::new("a"), Signer::new("b"), tempfile::tempdir().unwrap());
    let pace = KeyPace { refresh: Duration::from_millis(20), ..CALM };
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let text = |signer: &Signer| json!({ "keys": [signer.jwk()] }).to_string();
    let path = file(&dir, "jwks.json", &text(&a));
    let door = Door::open(vec![url(&idp.url(), None), KeySource::File(path.clone())], pace);
    let (by_url, by_file) = (a.token(A, door.now()), a.token(B, door.now()));
    assert_eq!((soon(door.says(&by_url)).await, soon(door.says(&by_file)).await), (None, None));
    idp.says(set(&[&b.jwk()]));
    // Replaced as an operator should: whole.
    std::fs::rename(file(&dir, "new.json", &text(&b)), path).unwrap();
    for token in [&by_url, &by_file] {
        let until_refused = async {
            while door.says(token).await.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(until_refused).await;
        assert_eq!(soon(door.says(token)).await, Some(AuthError::KeyUnknown));
    }
    // After a failure the pace is another one, and it is kept.
    let pace = KeyPace { retry: Duration::from_millis(20), ..CALM };
    let failing = Provider::open(says("503 Busy", "")).await;
    let door = Door::open(vec![url(&failing.url(), None)], pace);
    soon(failing.until_asked(3)).await;
    failing.says(set(&[&a.jwk()]));
    let until_known = async {
        while door.fresh(&a).await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(until_known).await;
}

#[tokio::test]
async fn a_token_that_comes_before_the_first_reading_shares_it() {
    let a = Signer::new("a");
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let doors: Vec<Door> = (0..16).map(|_| Door::open(vec![url(&idp.url(), None)], CALM)).collect();
    for door in &doors {
        assert_eq!(soon(door.fresh(&a)).await, None);
    }
    // Time for readings that must not be; none makes this test fail on a slow machine.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(idp.asked(), doors.len());
}

#[tokio::test]
async fn the_program_reads_keys_and_not_through_a_proxy_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let idp = Provider::open(set(&[&Signer::new("a").jwk()])).await;
    let proxy = Provider::open(says("503 Busy", "")).await;
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let config = format!(
        r#"
        mode = "development"
        listen = "127.0.0.1:0"
        data_dir = "data"
        policies_dir = "{policies}"
        audit_origin = "northfield.example/it"
        [[issuer]]
        issuer = "{A}"
        agency = "oakdale-gp"
        audience = "urn:weir:hub"
        algorithm = "ES256"
        jwks_url = "{}"
        role_claim = "roles"
        "#,
        idp.url()
    );
    let mut hub = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
    hub.args(["serve", "--config"]).arg(file(&dir, "weir.toml", &config));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        hub.env(name, proxy.url());
    }
    let mut hub = hub.stdout(std::process::Stdio::null()).spawn().unwrap();
    let until_either = async {
        tokio::select! {
            () = idp.until_asked(1) => {}
            () = proxy.until_asked(1) => {}
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), until_either).await;
    hub.kill().unwrap();
    hub.wait().unwrap();
    waited.unwrap();
    assert_eq!((idp.asked(), proxy.asked()), (1, 0));
}
