//! Decisions of a log that no hub has open, as they were recorded.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::app::DataFolder;
use crate::audit::entry::{Facet, Kind};
use crate::cli::import::{Trouble, entry, failed, open};
use crate::store::sqlite::SqliteStore;
use crate::store::{Search, Store, StoredEntry};

/// Whose log.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Folder {
    /// The data folder; no hub must have it open.
    #[arg(long, default_value = "weir-data")]
    pub data: std::path::PathBuf,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long)]
    pub hub_key_file: Option<std::path::PathBuf>,
}

/// Which part of a log.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Span {
    #[command(flatten)]
    pub folder: Folder,
    /// The last so many days, such as 90d.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub last: Option<String>,
    /// From this day on.
    #[arg(long)]
    pub from: Option<String>,
    /// Up to this day.
    #[arg(long)]
    pub to: Option<String>,
}

impl Span {
    fn times(&self, zone: &TimeZone) -> Result<(Option<Timestamp>, Option<Timestamp>), Trouble> {
        let start = |flag: &str, day: &str| -> Result<Timestamp, Trouble> {
            let day: Date = day
                .parse()
                .map_err(|_| failed(format!("{flag}: \"{day}\" must be a day like 2026-07-15")))?;
            Ok(day.to_zoned(zone.clone()).map_err(failed)?.timestamp())
        };
        let since = match (&self.last, &self.from) {
            (Some(last), _) => {
                let days = last.strip_suffix('d').and_then(|days| days.parse::<i32>().ok());
                let days = days.filter(|days| (1..=36_500).contains(days)).ok_or_else(|| {
                    failed(format!("--last: \"{last}\" must be a number of days like 90d"))
                })?;
                let now = crate::cli::clock_in(&self.folder.data).now().to_zoned(zone.clone());
                Some(now.checked_sub(days.days()).map_err(failed)?.timestamp())
            }
            (None, Some(day)) => Some(start("--from", day)?),
            (None, None) => None,
        };
        let until = match &self.to {
            Some(day) => {
                let start = start("--to", day)?.to_zoned(zone.clone());
                Some(start.checked_add(1.day()).map_err(failed)?.timestamp())
            }
            None => None,
        };
        if let (Some(since), Some(until)) = (since, until)
            && until <= since
        {
            return Err(failed("--to is before --from: nothing lies between"));
        }
        Ok((since, until))
    }
}

/// A log that is open, and the times that are looked at.
pub struct Log {
    pub store: SqliteStore,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    size: u64,
}

impl Log {
    /// Opens it; that it is read, for `rpc`, is an entry of its own, made first.
    pub async fn open(folder: &Folder, rpc: &str, what: String) -> Result<Self, Trouble> {
        let folder = DataFolder::with_key(&folder.data, folder.hub_key_file.as_deref());
        let store = open(&folder).await?;
        let reading = entry(Kind::AuditRead, rpc, &[(Facet::What, what)]);
        store.append(vec![reading]).await.map_err(failed)?;
        let size = store.head().await.map_err(failed)?.size;
        Ok(Self { store, since: None, until: None, size })
    }

    /// The same, for the times of `span`, whose days are days in `zone`.
    pub async fn within(
        span: &Span,
        zone: &TimeZone,
        rpc: &str,
        what: String,
    ) -> Result<Self, Trouble> {
        let (since, until) = span.times(zone)?;
        let log = Self::open(&span.folder, rpc, what).await?;
        Ok(Self { since, until, ..log })
    }

    /// Hands all entries of `kinds` on, page by page, with a bar on a terminal.
    pub async fn each(
        &self,
        kinds: &[Kind],
        mut take: impl FnMut(Vec<StoredEntry>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let bar = ProgressBar::with_draw_target(Some(self.size), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} entries {eta}") {
            bar.set_style(style);
        }
        let mut next = Some(0);
        while let Some(from_index) = next {
            let search = Search {
                from_index,
                limit: crate::limits::PAGE_MAX,
                kinds: kinds.to_vec(),
                since: self.since,
                until: self.until,
                ..Search::default()
            };
            let page = self.store.search(search).await.map_err(failed)?;
            take(page.entries)?;
            next = page.next_index;
            bar.set_position(next.unwrap_or(self.size));
        }
        bar.finish_and_clear();
        Ok(())
    }
}
