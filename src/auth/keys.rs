//! An issuer's public keys, kept fresh by one task that does every reading: at a steady pace, and
//! when a token names a key that is not there. So readings never overlap, a caller that leaves
//! stops none, and a lock is held only to look or to replace.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::AuthError;
use super::jwks::{self, Keys};
use super::source::{KeySource, Reader, read_file};
use crate::clock::SharedClock;
use crate::limits;

/// How often keys are read, and for how long they are believed.
#[derive(Debug, Clone, Copy)]
pub struct KeyPace {
    /// Between two readings, give or take a tenth.
    pub refresh: Duration,
    /// The same, after one that failed.
    pub retry: Duration,
    /// Between two readings because of unknown keys.
    pub on_demand: Duration,
    /// For one reading, from connecting to the last byte.
    pub fetch: Duration,
    /// Until keys that could not be read again are too old.
    pub age_max: Duration,
}

impl Default for KeyPace {
    fn default() -> Self {
        Self {
            refresh: limits::KEY_SET_REFRESH,
            retry: limits::KEY_SET_RETRY,
            on_demand: limits::KEY_SET_ON_DEMAND,
            fetch: limits::KEY_SET_FETCH,
            age_max: limits::KEY_SET_AGE_MAX,
        }
    }
}

struct Held {
    keys: Keys,
    /// Counts changes: a token is remembered for one generation.
    generation: u64,
    /// When the reading began that last succeeded.
    read_at: Option<Timestamp>,
    /// When a token last had the keys read.
    asked_at: Option<Timestamp>,
    /// A reading runs or is about to.
    busy: bool,
    /// The last reading failed.
    failed: bool,
}

pub(super) struct KeySet {
    issuer: String,
    algorithm: Algorithm,
    reader: Reader,
    pace: KeyPace,
    clock: SharedClock,
    held: RwLock<Held>,
    wanted: Notify,
    /// Counts readings that ended.
    ended: watch::Sender<u64>,
}

impl KeySet {
    /// A file is read here, and must hold a key; a URL is read by [`KeySet::keep`], so that an
    /// identity provider that is down stops nobody else.
    pub(super) fn open(
        issuer: &str,
        source: &KeySource,
        algorithm: Algorithm,
        pace: KeyPace,
        clock: SharedClock,
    ) -> Result<Self, String> {
        let reader = Reader::open(source, pace.fetch)?;
        let (keys, read_at) = match source {
            KeySource::File(path) => {
                let keys = jwks::parse(&read_file(path)?, algorithm)?;
                if keys.is_empty() {
                    return Err("the key set holds no key to use".to_owned());
                }
                (keys, Some(clock.now()))
            }
            KeySource::Url { .. } => (Keys::new(), None),
        };
        let held =
            Held { keys, generation: 0, read_at, asked_at: None, busy: false, failed: false };
        Ok(Self {
            issuer: issuer.to_owned(),
            algorithm,
            reader,
            pace,
            clock,
            held: RwLock::new(held),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        })
    }

    /// Whether what was verified in `generation` still stands.
    pub(super) fn stands(&self, generation: u64, now: Timestamp) -> bool {
        let held = self.read();
        held.generation == generation && self.believed(&held, now).is_ok()
    }

    /// The key that a token names, of the algorithm that is pinned, and its generation.
    pub(super) async fn find(&self, header: &Header) -> Result<(Arc<DecodingKey>, u64), AuthError> {
        if header.alg != self.algorithm {
            return Err(AuthError::AlgorithmWrong);
        }
        let kid = header.kid.as_deref().ok_or(AuthError::Malformed)?;
        let now = self.clock.now();
        let found = self.look(kid, now);
        if found.is_ok() {
            return found;
        }
        let Some(mut ended) = self.ask(now) else {
            return found;
        };
        // The reading has its own bound; this one holds even if its task is gone.
        let _ended = timeout(self.pace.fetch.saturating_mul(2), ended.changed()).await;
        self.look(kid, self.clock.now())
    }

    fn look(&self, kid: &str, now: Timestamp) -> Result<(Arc<DecodingKey>, u64), AuthError> {
        let held = self.read();
        self.believed(&held, now)?;
        match held.keys.get(kid) {
            Some(key) => Ok((Arc::clone(&key.decoding), held.generation)),
            // Nobody can say whether the issuer has the key by now.
            None if held.failed => Err(AuthError::KeysUnavailable),
            None => Err(AuthError::KeyUnknown),
        }
    }

    /// A clock that was set back must not make old keys young: the distance counts.
    fn believed(&self, held: &Held, now: Timestamp) -> Result<(), AuthError> {
        let read_at = held.read_at.ok_or(AuthError::KeysUnavailable)?;
        if within(self.pace.age_max, read_at, now) { Ok(()) } else { Err(AuthError::KeysTooOld) }
    }

    /// Something to wait for, if a reading runs or may be had.
    fn ask(&self, now: Timestamp) -> Option<watch::Receiver<u64>> {
        let mut held = self.write();
        if !held.busy {
            if held.asked_at.is_some_and(|at| within(self.pace.on_demand, at, now)) {
                return None;
            }
            held.asked_at = Some(now);
            held.busy = true;
            self.wanted.notify_one();
        }
        // Subscribed under the lock: the end of this reading cannot be missed.
        Some(self.ended.subscribe())
    }

    /// Reads the keys for ever. The one task of this set.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut next = Instant::now();
        if self.read().read_at.is_some() {
            next += jittered(self.pace.refresh);
        }
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.wanted.notified() => {
                    // The wish may have been met by a reading that its time had come for.
                    if !self.read().busy {
                        continue;
                    }
                }
            }
            let succeeded = self.renew().await;
            let pause = if succeeded { self.pace.refresh } else { self.pace.retry };
            next = Instant::now() + jittered(pause);
        }
    }

    /// Reads the keys once; those that are known go on when it fails.
    async fn renew(&self) -> bool {
        self.write().busy = true;
        let began = self.clock.now();
        let read = match timeout(self.pace.fetch, self.reader.read()).await {
            Ok(text) => text.and_then(|text| jwks::parse(&text, self.algorithm)),
            Err(_) => Err("it takes too long".to_owned()),
        };
        let mut held = self.write();
        held.busy = false;
        held.failed = read.is_err();
        match read {
            Ok(keys) => {
                if keys.is_empty() {
                    // Obeyed: an issuer that withdraws all its keys has a reason.
                    tracing::error!(issuer = self.issuer, "The issuer has no key to use");
                }
                if held.keys != keys {
                    held.keys = keys;
                    held.generation = held.generation.wrapping_add(1);
                    tracing::info!(issuer = self.issuer, "The issuer's keys have changed");
                }
                held.read_at = Some(began);
            }
            Err(why) => {
                tracing::error!(issuer = self.issuer, why, "The issuer's keys cannot be read");
            }
        }
        let succeeded = !held.failed;
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
        succeeded
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two times are less than `span` apart, in either direction.
fn within(span: Duration, one: Timestamp, other: Timestamp) -> bool {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    other.duration_since(one).abs() < span
}

/// `pause`, give or take a tenth, so that hubs do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let [byte, ..] = *uuid::Uuid::new_v4().as_bytes();
    // From nine tenths to eleven, in 255 steps.
    pause.mul_f64(0.9 + 0.2 * f64::from(byte) / 255.0)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::super::issuer::DevelopmentIssuer;
    use super::*;
    use crate::clock::FixedClock;

    /// The keys of a fresh development issuer in `dir`, read at the usual pace.
    fn key_set(dir: &tempfile::TempDir) -> Arc<KeySet> {
        DevelopmentIssuer::open(dir.path()).unwrap();
        let source = KeySource::File(dir.path().join("jwks.json"));
        let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
        let pace = KeyPace::default();
        Arc::new(KeySet::open("issuer", &source, Algorithm::ES256, pace, clock).unwrap())
    }

    #[tokio::test]
    async fn only_a_change_of_the_keys_forgets_what_they_verified() {
        let dir = tempfile::tempdir().unwrap();
        let set = key_set(&dir);
        assert!(set.renew().await);
        assert_eq!(set.read().generation, 0);
        let other = tempfile::tempdir().unwrap();
        let _other = key_set(&other);
        std::fs::rename(other.path().join("jwks.json"), dir.path().join("jwks.json")).unwrap();
        assert!(set.renew().await);
        assert_eq!(set.read().generation, 1);
        std::fs::remove_file(dir.path().join("jwks.json")).unwrap();
        assert!(!set.renew().await);
        assert_eq!((set.read().generation, set.read().keys.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_wish_that_was_met_is_not_met_again() {
        let dir = tempfile::tempdir().unwrap();
        let set = key_set(&dir);
        let mut keeping = Box::pin(Arc::clone(&set).keep());
        let mut run = async || {
            std::future::poll_fn(|c| Poll::Ready(keeping.as_mut().poll(c).is_pending())).await
        };
        set.wanted.notify_one();
        assert!(run().await);
        assert!(!set.read().busy, "a reading that nobody waits for");
        assert!(set.ask(Timestamp::UNIX_EPOCH).is_some());
        assert!(run().await);
        assert!(set.read().busy);
    }

    #[test]
    fn a_pause_varies_by_a_tenth() {
        let pauses: std::collections::BTreeSet<Duration> =
            (0..64).map(|_| jittered(Duration::from_secs(300))).collect();
        assert!(pauses.len() > 8, "{pauses:?}");
        assert!(*pauses.first().unwrap() >= Duration::from_secs(270));
        assert!(*pauses.last().unwrap() <= Duration::from_secs(331));
    }

    #[test]
    fn distance_counts_in_both_directions() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let span = Duration::from_secs(30);
        for (one, other, expected) in
            [(0, 0, true), (0, 29, true), (29, 0, true), (0, 30, false), (30, 0, false)]
        {
            assert_eq!(within(span, at(one), at(other)), expected, "{one} {other}");
        }
    }
}
