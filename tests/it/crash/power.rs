//! The power fails while callers ask and register. Crash states are made from what a hub wrote and
//! flushed: of what was not flushed, some is lost, some torn, some there. `WEIR_CUTS` says how many.

mod states;

use self::states::{Disk, copied};
use super::load::Callers;
use super::shim::{Record, Shim};
use super::*;

#[derive(PartialEq)]
enum Flushes {
    Succeed,
    Swallowed,
    FailOnce,
}

/// A run with everything that was written, flushed and told in it, in order.
struct Run {
    site: Site,
    before: tempfile::TempDir,
    journal: Vec<Record>,
    receipts: Vec<pb::Receipt>,
    registered: Vec<String>,
}

impl Run {
    /// Of a hub on a disk that is as it should be, or not.
    fn of(disk: Flushes) -> Self {
        let (site, shim) = (Site::new(), Shim::new());
        let callers = Callers::of(&site);
        let before = tempfile::tempdir().unwrap();
        copied(site.dir.path(), before.path());
        let told = Told { journal: Some(shim.marks()), ..Told::default() };
        let told = Arc::new(told);
        if disk == Flushes::Swallowed {
            shim.begin("swallow", 0);
        }
        let (mut hub, port) = site.serve_with(&shim.over(site.dir.path()));
        let mut busy = callers.call(&mut hub, port, 3, &told);
        if disk == Flushes::FailOnce {
            busy.hear(30);
            shim.begin("eio", 1);
            callers.gone(busy);
            shim.end("eio");
            let asker = callers.one(&mut hub, port);
            let answered = || callers.runtime.block_on(asker.clone().ask("RequestRecords")).is_ok();
            assert!((0..600).any(|_| answered()), "the hub does not recover");
            busy = callers.call(&mut hub, port, 3, &told);
        }
        // Until pages went from the log's journal of writes into the file itself.
        let name = Path::new("data").join(log_name(&site.data()));
        let brought_over = |r: &Record| r.what == b'W' && r.path.ends_with(&name);
        let mut heard = 0;
        while heard < 300 || !shim.journal().iter().any(brought_over) {
            busy.hear(100);
            heard += 100;
            assert!(heard < 20_000, "nothing is brought over");
        }
        busy.hear(50);
        hub.kill();
        callers.gone(busy);
        let receipts = std::mem::take(&mut *told.receipts.lock().unwrap());
        let registered = std::mem::take(&mut *told.registered.lock().unwrap());
        Self { site, before, journal: shim.journal(), receipts, registered }
    }

    /// The folder after a cut behind so many records.
    fn cut(&self, at: usize, dice: Option<&mut Dice>) -> tempfile::TempDir {
        let root = self.site.dir.path().canonicalize().unwrap();
        let mut disk = Disk::of(&root, self.before.path());
        self.journal[..at].iter().for_each(|record| disk.take(record));
        let dir = tempfile::tempdir().unwrap();
        disk.cut(dir.path(), dice);
        dir
    }

    /// What is wrong with the folder after a cut.
    fn wrong(&self, at: usize, dir: &Path) -> Result<(), String> {
        let data = dir.join("data");
        let shown = data.to_str().unwrap();
        for (command, most) in [("audit verify", 0), ("due", 1), ("audit verify", 0)] {
            let mut line: Vec<&str> = command.split(' ').collect();
            line.extend(["--data", shown]);
            let (exit, text) = weir(&line);
            if exit > most {
                return Err(format!("{command}: {exit}: {text}"));
            }
        }
        let mark = self.journal[..at].iter().rev().find(|r| r.what == b'A');
        let (receipts, registered) = mark.map_or((0, 0), |mark| (mark.offset, mark.number));
        let clock: weir::clock::SharedClock = Arc::new(weir::clock::SystemClock);
        let keys = weir::app::DataFolder::with_key(&data, None).keys(&clock);
        let keys = keys.map_err(|error| error.to_string())?;
        let log = Log::read(&log_file(&data), &keys);
        let there = registered_in(&data);
        if log.registered != there {
            return Err("a change and its entry are not together".to_owned());
        }
        let receipts = &self.receipts[..usize::try_from(receipts).unwrap()];
        let registered = &self.registered[..usize::try_from(registered).unwrap()];
        if let Some(wrong) = receipts.iter().find_map(|receipt| log.wrong(receipt)) {
            return Err(wrong);
        }
        let lost = |name: &&String| {
            let id = name.strip_prefix("residents/").unwrap().replace('-', "");
            !log.registered.contains_key(&id)
        };
        match registered.iter().find(lost) {
            Some(name) => Err(format!("{name} is registered no more")),
            None => Ok(()),
        }
    }

    /// Behind a word to a caller in every second state; in the others anywhere.
    fn moment(&self, n: u64, dice: &mut Dice) -> usize {
        let marks: Vec<usize> =
            (0..self.journal.len()).filter(|at| self.journal[*at].what == b'A').collect();
        let any = |dice: &mut Dice, len: usize| usize::try_from(dice.below(len as u64)).unwrap();
        match n % 2 {
            0 => marks[any(dice, marks.len())] + 1,
            _ => any(dice, self.journal.len()),
        }
    }
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    let seed = number("WEIR_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let cuts = number("WEIR_CUTS").unwrap_or(25);
    let (mut dice, run) = (Dice(seed), Run::of(Flushes::Succeed));
    assert!(!run.registered.is_empty(), "nobody was registered");
    let mut lost = 0;
    for n in 0..cuts {
        let at = run.moment(n, &mut dice);
        let dir = run.cut(at, Some(&mut dice));
        if let Err(wrong) = run.wrong(at, dir.path()) {
            panic!("seed {seed}: state {n}, behind record {at}: {wrong}");
        }
        lost += usize::from(held(dir.path()) < held(run.site.dir.path()));
    }
    let [records, told] = [run.journal.len(), run.receipts.len()];
    assert!(lost > 0, "no state differs from the end of the run");
    tell(&format!("seed {seed}: {cuts} states of {records} records, {told} receipts"));
}

#[test]
fn what_was_acknowledged_after_a_failed_flush_survives_a_power_cut() {
    let seed = number("WEIR_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let (mut dice, run) = (Dice(seed), Run::of(Flushes::FailOnce));
    let failed = run.journal.iter().rposition(|r| r.is_of_log(b'F')).unwrap();
    let later: Vec<usize> =
        (failed..run.journal.len()).filter(|at| run.journal[*at].what == b'A').collect();
    for n in 0..10 {
        let at = later[usize::try_from(dice.below(later.len() as u64)).unwrap()] + 1;
        let wrong = run.wrong(at, run.cut(at, Some(&mut dice)).path());
        assert_eq!(wrong, Ok(()), "seed {seed}: state {n}, behind record {at}, failed {failed}");
    }
}

/// The first test finds a hub that does not flush: `synchronous = OFF` is no more than that.
#[test]
fn a_hub_that_does_not_flush_is_found_by_power_cuts() {
    let seed = number("WEIR_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let (mut dice, run) = (Dice(seed), Run::of(Flushes::Swallowed));
    let end = run.journal.len();
    assert_eq!(run.wrong(end, run.cut(end, None).path()), Ok(()), "nothing was lost");
    let found: Vec<String> = (0..25)
        .filter_map(|n| {
            let at = run.moment(2 * n, &mut dice);
            run.wrong(at, run.cut(at, Some(&mut dice)).path()).err()
        })
        .collect();
    assert!(!found.is_empty(), "seed {seed}: no state shows that nothing was flushed");
    tell(&format!("seed {seed}: {} of 25 states: {}", found.len(), found[0]));
}

/// How many entries the log of a folder holds.
fn held(dir: &Path) -> i64 {
    let file = log_file(&dir.join("data"));
    file.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}

/// Whom the folder's own database knows as registered by callers.
fn registered_in(data: &Path) -> BTreeMap<String, usize> {
    let sql = "SELECT lower(hex(resident)) FROM identity WHERE agency = ?1 AND local_id LIKE 'K-%'";
    let hub = Connection::open(data.join("hub.db")).unwrap();
    let mut rows = hub.prepare(sql).unwrap();
    rows.query_map([AGENCY], |row| Ok((row.get(0)?, 1))).unwrap().map(Result::unwrap).collect()
}
