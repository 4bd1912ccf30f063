//! The only place that asks what time it is. Everything else is told.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A clock that can be shared.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the place")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that starts at a given time and ticks. For a sample place.
#[derive(Debug, Clone, Copy)]
pub struct SampleClock {
    start: Timestamp,
    since: Instant,
}

impl SampleClock {
    /// Starts ticking at `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, since: Instant::now() }
    }
}

impl Clock for SampleClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// A clock that is set by hand. For tests.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<std::sync::Mutex<Timestamp>>);

impl FixedClock {
    /// Stands at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(Arc::new(std::sync::Mutex::new(at)))
    }

    /// Moves to `at`.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = at;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
