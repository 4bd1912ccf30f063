//! Each algorithm that may be agreed, with a real key and signature of it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use jsonwebtoken::Algorithm;

use super::*;

/// A public key, and a token that its secret key has signed.
fn ed25519(at: Timestamp) -> (Value, String) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x });
    (key, token("EdDSA", "one", A, at, |text| pair.sign(text).as_ref().to_vec()))
}

fn rsa(at: Timestamp) -> (Value, String) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let (n, e) = (URL_SAFE_NO_PAD.encode(parts.n), URL_SAFE_NO_PAD.encode(parts.e));
    let key = json!({ "kty": "RSA", "kid": "one", "n": n, "e": e });
    let sign = |text: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
        signature
    };
    (key, token("RS256", "one", A, at, sign))
}

fn p256(at: Timestamp) -> (Value, String) {
    let signer = Signer::new("one");
    (signer.jwk(), signer.token(A, at))
}

#[tokio::test]
async fn a_token_counts_under_the_algorithm_agreed_and_under_no_other() {
    let now: Timestamp = NOW.parse().unwrap();
    for (signed, (key, token)) in [
        (Algorithm::ES256, p256(now)),
        (Algorithm::EdDSA, ed25519(now)),
        (Algorithm::RS256, rsa(now)),
    ] {
        let idp = Provider::open(set(&[&key])).await;
        for agreed in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
            let issuer = Issuer { algorithm: agreed, ..issuer(A, url(&idp.url(), None)) };
            let auth = Authenticator::new(vec![issuer], Arc::new(FixedClock::at(now))).unwrap();
            let expected = (agreed != signed).then_some(AuthError::AlgorithmWrong);
            assert_eq!(
                auth.authenticate(&token, None).await.err(),
                expected,
                "{signed:?} {agreed:?}"
            );
        }
        assert_eq!(idp.asked(), 1, "a token of another algorithm has nothing read");
    }
}
