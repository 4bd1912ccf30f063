//! Every bound of the hub, in one place: queues, pages, messages, loops and waits.

use std::time::Duration;

/// Largest request message of a unary call, in bytes.
pub const MESSAGE_LEN_MAX: usize = 64 * 1024;
/// Largest message of the publishing stream, in bytes.
pub const PUBLISH_MESSAGE_LEN_MAX: usize = 4 * 1024 * 1024;
/// Most residents in one call.
pub const RESIDENTS_MAX: usize = 100;
/// Most holders in one call.
pub const HOLDERS_MAX: usize = 19;
/// Most questions (resident by holder) in one call.
pub const QUESTIONS_MAX: usize = 200;
/// Most items in a field list.
pub const FIELDS_MAX: usize = 200;
/// Longest free text, in bytes.
pub const TEXT_LEN_MAX: usize = 2000;
/// Default and largest page.
pub const PAGE_DEFAULT: usize = 50;
/// Largest page; a larger wish is cut down to it.
pub const PAGE_MAX: usize = 500;
/// Reads that may wait for a reading thread.
pub const READ_QUEUE_MAX: usize = 4096;
/// Residents' keys kept open in memory.
pub const KEYS_CACHED_MAX: u64 = 200_000;
/// Entries that may wait for the audit writer.
pub const AUDIT_QUEUE_MAX: usize = 4096;
/// Threads that look at the rows of a log that is verified.
pub const VERIFY_THREADS_MAX: usize = 8;
/// Places whose rows one of them looks at before it hands them over.
pub const VERIFY_ROWS: i64 = 1024;
/// Entries in one commit.
pub const AUDIT_BATCH_MAX: usize = 1024;
/// Streams on one connection.
pub const STREAMS_MAX: u32 = 128;
/// Time for a call whose caller sets no deadline, and for each message of a publishing stream.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Time for a publishing stream.
pub const PUBLISH_DEADLINE: Duration = Duration::from_secs(300);
/// Time between two looks at whether the hub is ready.
pub const READY_EVERY: Duration = Duration::from_secs(2);
/// Time to finish running calls at shutdown.
pub const DRAIN: Duration = Duration::from_secs(25);
/// Largest token, in bytes.
pub const TOKEN_LEN_MAX: usize = 8 * 1024;
/// Verified tokens remembered.
pub const TOKEN_CACHE_MAX: u64 = 100_000;
/// Largest policy file, in bytes.
pub const POLICY_FILE_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Most files in a policy folder.
pub const POLICY_FILES_MAX: usize = 2_000;
/// Callers whose recent residents are remembered for the bulk rule.
pub const BULK_CALLERS_MAX: u64 = 100_000;
/// Residents remembered for one caller and purpose; a larger window of a policy counts as this.
pub const BULK_RESIDENTS_MAX: usize = 1_000;
/// Released values in one reply, in bytes; a request for more is turned down whole.
pub const REPLY_VALUES_LEN_MAX: usize = 2 * 1024 * 1024;
/// Largest reply, in bytes.
pub const REPLY_LEN_MAX: usize = 4 * 1024 * 1024;
/// Rows in one publishing stream.
pub const PUBLISH_ROWS_MAX: usize = 10_000;
/// Values in one publishing stream, in bytes.
pub const PUBLISH_LEN_MAX: usize = 32 * 1024 * 1024;
/// Answers to the test questions of an override.
pub const OVERRIDE_ANSWERS_MAX: usize = 32;
/// Facts in one call.
pub const FACTS_MAX: usize = 100;
/// FHIR resources of one import of consents.
pub const CONSENTS_IMPORTED_MAX: usize = 30;
/// Consents that one withdrawal ends.
pub const WITHDRAWN_MAX: usize = 200;
/// Purposes or recipients of a consent.
pub const CONSENT_WORDS_MAX: usize = 64;
/// Longest name of a resident, in bytes.
pub const NAME_LEN_MAX: usize = 200;
/// Longest local id of an agency, in bytes.
pub const LOCAL_ID_LEN_MAX: usize = 120;
/// Violations named in one refusal of a malformed request.
pub const VIOLATIONS_MAX: usize = 20;
/// For how long a page token is good.
pub const PAGE_TOKEN_LIFE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Longest page token, in bytes.
pub const PAGE_TOKEN_LEN_MAX: usize = 1024;
/// Largest list of request headers, in bytes.
pub const HEADERS_LEN_MAX: u32 = 16 * 1024;
/// Calls that run at once on one connection; more are shed.
pub const CALLS_PER_CONNECTION_MAX: usize = 64;
/// Connections at once.
pub const CONNECTIONS_MAX: usize = 4096;
/// Connections at once with one client certificate.
pub const CONNECTIONS_PER_CERTIFICATE_MAX: usize = 64;
/// Time for a TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// Time from the first bytes of a connection to its first request.
pub const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// After so long a connection is asked to end, give or take; and the time for its calls then.
pub const CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// Time for the calls of a connection that was asked to end.
pub const CONNECTION_GRACE: Duration = Duration::from_secs(30);
/// Time in which a new connection must send its first bytes.
pub const FIRST_BYTES: Duration = Duration::from_secs(5);
/// Time between pings on an idle connection, and to wait for the answer.
pub const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Largest key set of an issuer, in bytes.
pub const KEY_SET_LEN_MAX: usize = 256 * 1024;
/// Most keys in a key set of an issuer.
pub const KEY_SET_KEYS_MAX: usize = 64;
/// Longest name of a key (`kid`), in bytes.
pub const KEY_NAME_LEN_MAX: usize = 200;
/// Time between two readings of an issuer's keys, give or take a tenth.
pub const KEY_SET_REFRESH: Duration = Duration::from_secs(5 * 60);
/// The same, after a reading that failed.
pub const KEY_SET_RETRY: Duration = Duration::from_secs(30);
/// A token with an unknown key has the issuer's keys read at once, but not more often than this.
pub const KEY_SET_ON_DEMAND: Duration = Duration::from_secs(30);
/// Time for one reading of an issuer's keys, from connecting to the last byte.
pub const KEY_SET_FETCH: Duration = Duration::from_secs(5);
/// Keys that could not be read again for so long are no longer believed.
pub const KEY_SET_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest time that a published record is kept and released. A newer extract replaces it long before.
pub const RECORD_LIFE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(400 * 24);
/// NHS numbers in one check of opt-outs over a call.
pub const CHECK_NUMBERS_MAX: usize = 200_000;
/// Longest message with such a check.
pub const CHECK_MESSAGE_LEN_MAX: usize = 4 * 1024 * 1024;
/// Time between two looks for records that have expired. None is released meanwhile.
pub const PURGE_EVERY: Duration = Duration::from_secs(60);
/// Records purged in one transaction.
pub const PURGE_MAX: usize = 1_000;
/// Duties that the sweep keeps in mind; it reads on when some of them are late or done.
pub const DUTIES_WAITING_MAX: usize = 500_000;
/// Most uses of overrides of one agency that one list of reviews reads.
pub const REVIEWS_MAX: usize = 20_000;
/// Longest time that a reviewer may say they have, in minutes: a week.
pub const REVIEW_MINUTES_MAX: u32 = 10_080;
/// Time between two sweeps for duties that are late.
pub const SWEEP: Duration = Duration::from_secs(60);

/// Time between two looks at the certificate's files.
pub const CERTIFICATE_LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a browser may remember which pages may call.
pub const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// Most withheld values of one resident that are looked for in what is released.
pub const HIDDEN_VALUES_MAX: usize = 2_000;

/// Largest message with a policy folder, in bytes.
pub const POLICY_MESSAGE_LEN_MAX: usize = 4 * 1024 * 1024;
/// Longest name of a file in a policy folder, in bytes.
pub const POLICY_FILE_NAME_LEN_MAX: usize = 200;
/// Replays that are remembered, with the one that runs.
pub const REPLAYS_MAX: usize = 8;
/// For how long the result of a replay is kept.
pub const REPLAY_LIFE: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// Most legal holds that are looked at when entries are past their time; with more, nothing is destroyed.
pub const HOLDS_MAX: usize = 10_000;
/// Longest reference or reason of an erasure, in bytes.
pub const AUTHORITY_LEN_MAX: usize = 2_000;
/// So far a clock goes back before the audit log says so.
pub const CLOCK_BACK_LEAST: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Time between two writings of the audit log's lock.
pub const AUDIT_LOCK_EVERY: Duration = Duration::from_secs(1);
/// How long a backup waits before it looks again whether nobody is changing anything.
pub const BACKUP_LOCK_RETRY: Duration = Duration::from_millis(1);
/// How often it looks before it gives up: half a minute at least.
pub const BACKUP_LOCK_TRIES: u32 = 30_000;

/// Time between two looks at the policy folder.
pub const POLICY_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks after which the policy folder is read though it seems unchanged.
pub const POLICY_READ_TURNS: u32 = 60;
/// Reasons kept for which a policy was refused.
pub const POLICY_REASONS_MAX: usize = 50;
/// Longest of these, in bytes.
pub const POLICY_REASON_LEN_MAX: usize = 1_000;

/// Entries that the index takes up in one transaction.
pub const INDEX_BATCH: u64 = 4096;
/// Time for more entries to come before the index takes up those that are there.
pub const INDEX_LINGER: Duration = Duration::from_millis(200);
/// As many entries in that time say that the log is busy: the index waits, and leaves it the processor.
pub const INDEX_BUSY: u64 = 500;
/// So far the index may be behind a busy log; a search reads what is left from the log.
pub const INDEX_BEHIND_MAX: u64 = 65_536;
/// Sets of open files that searches leave for the next one: each has 8 MiB of memory at most for every file.
pub const DESKS_KEPT: usize = 4;
/// Places that are read ahead in a list of the index.
pub const INDEX_AHEAD_MAX: usize = 256;
/// Steps in the index for one page of a search.
pub const INDEX_STEPS_MAX: u64 = 20_000;
/// Words, and chains of entries about somebody, that the index keeps in mind between batches.
pub const INDEX_REMEMBERED_MAX: usize = 200_000;
/// For how long a second sign-off lets an auditor see every agency's entries.
pub const AUDIT_ACCESS_LIFE: jiff::SignedDuration = jiff::SignedDuration::from_hours(8);
/// Entries read for one question.
pub const QUESTION_READS_MAX: usize = 200_000;
/// Rows of one answer, and their length in bytes; what is more is counted.
pub const QUESTION_ROWS_MAX: usize = 5_000;
/// Length of the rows of one answer, in bytes.
pub const QUESTION_ROWS_LEN_MAX: usize = 2 * 1024 * 1024;
/// Most hours that a question may be told.
pub const QUESTION_HOURS_MAX: u32 = 10 * 366 * 24;
/// Entries of an export that are read at once.
pub const EXPORT_PAGE: usize = 100;
/// Exports over the wire at once.
pub const EXPORTS_MAX: usize = 4;
/// After so long an export over the wire ends unfinished.
pub const EXPORT_TIME: Duration = Duration::from_secs(60 * 60);
/// Longest piece of a file in a message of an export, in bytes.
pub const EXPORT_PIECE_LEN_MAX: usize = 256 * 1024;
/// Largest age in days that the register of non-disclosures is asked for.
pub const REGISTER_DAYS_MAX: u32 = 10 * 366;

/// Connections to a witness at once.
pub const WITNESS_CONNECTIONS_MAX: usize = 64;
/// Time for the head of a request to a witness, and for the next one on a connection.
pub const WITNESS_HEADERS: Duration = Duration::from_secs(15);
/// Time for the body of a request to a witness.
pub const WITNESS_BODY: Duration = Duration::from_secs(10);
/// After so long a connection to a witness is closed.
pub const WITNESS_CONNECTION: Duration = Duration::from_secs(30 * 60);
/// Longest head of a request to a witness, in bytes.
pub const WITNESS_BUFFER: usize = 16 * 1024;
/// Time for a call of the hub to a witness, from connecting to the last byte.
pub const WITNESS_CALL: Duration = Duration::from_secs(5);
/// Longest answer of a witness, in bytes.
pub const WITNESS_ANSWER_LEN_MAX: usize = 64 * 1024;
/// Published heads kept with what witnesses signed; older ones go.
pub const HEADS_KEPT: u64 = 10_000;
/// Time between two looks whether there is a new head to publish.
pub const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// After so long a head is published that is not new, so that witnesses sign when it was the newest.
pub const PUBLISH_AGAIN: Duration = Duration::from_secs(60);
/// Longest time until a witness that failed is asked again.
pub const WITNESS_BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// Times that a witness is asked about one head, from the size that it names.
pub const WITNESS_TRIES: u32 = 3;
/// Who watches heads at once.
pub const HEAD_WATCHERS_MAX: usize = 64;
/// After so long a watch of heads ends; who watches goes on from the last one.
pub const HEAD_WATCH: Duration = Duration::from_secs(15 * 60);
/// Time between two looks whether the anchor of the day is there.
pub const ANCHOR_LOOK_EVERY: Duration = Duration::from_secs(10);
/// Who watches what becomes of data at once.
pub const NOTICE_WATCHERS_MAX: usize = 128;
/// After so long a watch of what becomes of data ends; who watches goes on from the last cursor.
pub const NOTICE_WATCH: Duration = Duration::from_secs(15 * 60);
/// Events in one watch.
pub const NOTICE_EVENTS_MAX: usize = 10_000;
/// Entries that a watch reads at once.
pub const NOTICE_PAGE: usize = 50;
/// Time until a watch looks for more though nobody told it that there is.
pub const NOTICE_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time for more to come before a watch reads what it was told of.
pub const NOTICE_LINGER: Duration = Duration::from_millis(20);
/// Releases that one notice tells of; more come in further notices.
pub const NOTICE_DISCLOSURES_MAX: usize = 200;
/// Notices that follow from one change.
pub const NOTICES_MAX: usize = 500;
/// An agency's own ids of one resident that it is told.
pub const NOTICE_LOCAL_IDS_MAX: usize = 20;
/// Longest cursor, in bytes.
pub const CURSOR_LEN_MAX: usize = 64;
/// Releases, or entries about requests, that are read for one answer to a resident or a rights officer; above that
/// the answer is that it is too much.
pub const RELEASES_MAX: usize = 20_000;
/// Requests that one resident may file in thirty days.
pub const FILINGS_MAX: usize = 50;
/// Bytes of values in one copy for a resident; above that the answer is that it is too much.
pub const SUBJECT_COPY_LEN_MAX: usize = 16 * 1024 * 1024;
