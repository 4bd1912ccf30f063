//! The load: so many callers at once, each asking the next question as soon as it has its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::grpc::pb;
use crate::grpc::pb::sharing_service_client::SharingServiceClient;

/// Callers that share one connection; the hub lets no more than 64 calls run on one.
const CALLERS_PER_CONNECTION: usize = 16;

/// A question that can be asked again and again.
#[derive(Clone)]
pub(super) struct Question {
    /// The message.
    pub message: pb::RequestRecordsRequest,
    /// The caller's token; `None` for the echo, which asks nobody who they are.
    pub token: Option<MetadataValue<Ascii>>,
}

impl Question {
    fn request(&self) -> Request<pb::RequestRecordsRequest> {
        let mut request = Request::new(self.message.clone());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }
}

/// Against whom, how hard, how long.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Callers at once.
    pub in_flight: usize,
    /// How long.
    pub time: Duration,
}

/// What was measured.
#[derive(Default)]
pub(super) struct Measured {
    /// Microseconds of each answered call, sorted.
    micros: Vec<u32>,
    /// Answers that released at least one value.
    released: u64,
    /// Calls that ended in an error.
    pub failed: u64,
    /// How long it took.
    elapsed: Duration,
    /// Processor time of this whole process meanwhile, both ends of the wire.
    processor: Duration,
}

impl Measured {
    /// Answered calls.
    pub(super) fn calls(&self) -> u64 {
        u64::try_from(self.micros.len()).unwrap_or(u64::MAX)
    }

    /// Answered calls a second.
    pub(super) fn throughput(&self) -> f64 {
        float(self.calls()) / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Which share of the answers released values.
    pub(super) fn share_released(&self) -> f64 {
        float(self.released) / float(self.calls().max(1))
    }

    /// Processor time of one call in microseconds, caller and server together; on a busy machine this
    /// says more than the clock. 0 where the system does not tell.
    pub(super) fn processor_us(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / float(self.calls().max(1))
    }

    /// The time within which so many percent of the calls were answered.
    pub(super) fn percentile_us(&self, percent: usize) -> u32 {
        let last = self.micros.len().saturating_sub(1);
        self.micros.get(last * percent / 100).copied().unwrap_or_default()
    }

    /// Two measurements as one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.micros.extend(other.micros);
        self.micros.sort_unstable();
        self.released += other.released;
        self.failed += other.failed;
        self.elapsed += other.elapsed;
        self.processor += other.processor;
        self
    }
}

/// Counts here stay far below 2^52.
fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

impl Load {
    /// Asks questions chosen at random, every question as likely as any other.
    pub(super) async fn drive(self, questions: &Arc<[Question]>) -> Result<Measured, String> {
        let mut channels = Vec::new();
        for _ in 0..self.in_flight.div_ceil(CALLERS_PER_CONNECTION) {
            channels.push(connect(self.address).await?);
        }
        let (start, processor) = (Instant::now(), processor_time());
        let callers: Vec<_> = (0_u64..)
            .zip(channels.iter().cycle().take(self.in_flight))
            .map(|(seed, channel)| {
                let client = SharingServiceClient::new(channel.clone());
                tokio::spawn(one(client, Arc::clone(questions), seed, start + self.time))
            })
            .collect();
        let mut all = Measured::default();
        for caller in callers {
            let one = caller.await.map_err(|e| e.to_string())?;
            all = Measured {
                micros: [all.micros, one.micros].concat(),
                released: all.released + one.released,
                failed: all.failed + one.failed,
                ..Measured::default()
            };
        }
        all.processor = processor_time().saturating_sub(processor);
        all.elapsed = start.elapsed();
        all.micros.sort_unstable();
        Ok(all)
    }
}

/// Processor time of this process so far; zero where `/proc` is not there.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the command's name, fields 12 and 13 are user and system time in ticks of 10 ms (proc(5)).
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

async fn connect(address: SocketAddr) -> Result<Channel, String> {
    Channel::from_shared(format!("http://{address}"))
        .map_err(|e| e.to_string())?
        .tcp_nodelay(true)
        .connect()
        .await
        .map_err(|e| format!("cannot reach {address}: {e}"))
}

/// One caller, until `end`.
async fn one(
    mut client: SharingServiceClient<Channel>,
    questions: Arc<[Question]>,
    seed: u64,
    end: Instant,
) -> Measured {
    let mut measured = Measured::default();
    let mut dice = Dice(seed);
    while Instant::now() < end {
        let Some(question) = questions.get(dice.below(questions.len())) else {
            break;
        };
        let asked = Instant::now();
        match client.request_records(question.request()).await {
            Ok(reply) => {
                let micros = u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX);
                measured.micros.push(micros);
                let answers = reply.into_inner().answers;
                let released = answers.iter().any(|answer| !answer.values.is_empty());
                measured.released += u64::from(released);
            }
            Err(_) => measured.failed += 1,
        }
    }
    measured
}

/// A reply of middling length among those with released values.
pub(super) async fn typical(
    address: SocketAddr,
    questions: &Arc<[Question]>,
) -> Result<pb::RequestRecordsResponse, String> {
    use prost::Message;
    let mut client = SharingServiceClient::new(connect(address).await?);
    let mut dice = Dice(7);
    let mut replies = Vec::new();
    for _ in 0..200 {
        let question = questions.get(dice.below(questions.len())).ok_or("no question")?;
        let reply = client.request_records(question.request()).await;
        let reply = reply.map_err(|e| format!("the hub said {:?}: {}", e.code(), e.message()))?;
        let reply = reply.into_inner();
        if reply.answers.iter().any(|answer| !answer.values.is_empty()) {
            replies.push(reply);
        }
    }
    replies.sort_by_key(Message::encoded_len);
    let middle = replies.len() / 2;
    replies.into_iter().nth(middle).ok_or_else(|| "no answer released anything".to_owned())
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same throws in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from((z ^ (z >> 31)) % bound).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_off_the_sorted_calls() {
        let measured = Measured {
            micros: (1..=100).collect(),
            released: 70,
            failed: 0,
            elapsed: Duration::from_secs(2),
            processor: Duration::from_millis(1),
        };
        assert_eq!(measured.percentile_us(50), 50);
        assert_eq!(measured.percentile_us(99), 99);
        assert_eq!(measured.calls(), 100);
        assert!((measured.throughput() - 50.0).abs() < 1e-9);
        assert!((measured.processor_us() - 10.0).abs() < 1e-9);
        assert!((measured.share_released() - 0.7).abs() < 1e-9);
        assert_eq!(Measured::default().percentile_us(99), 0);
    }

    #[test]
    fn dice_reach_every_question_about_equally() {
        let (mut dice, mut counts) = (Dice(1), [0_u32; 10]);
        for _ in 0..10_000 {
            counts[dice.below(10)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
