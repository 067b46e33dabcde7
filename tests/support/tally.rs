//! What a campaign of faults has tried, counted as it goes.
//!
//! `docs/reliability.md` shows these figures. A run with `JOBWRIGHT_TEST_TALLY=docs/reliability` writes them there, one
//! file a campaign, and `cargo test --test offline reliability` says whether the page is up to date with the files.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

/// The counts of one campaign.
#[derive(Debug)]
pub struct Tally {
    campaign: &'static str,
    began: Instant,
    counts: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Written<'a> {
    campaign: &'a str,
    /// When it ended.
    at: Timestamp,
    /// How long it took, in seconds.
    seconds: u64,
    counts: &'a BTreeMap<String, u64>,
}

impl Tally {
    /// Begins to count. The campaign's name is that of its file: `crashes-process`.
    pub fn of(campaign: &'static str) -> Self {
        Self { campaign, began: Instant::now(), counts: BTreeMap::new() }
    }

    /// Adds to a count. Names are a few plain words, as the page shows them: `kills at a named point`.
    pub fn add(&mut self, what: &str, count: u64) {
        *self.counts.entry(what.to_owned()).or_default() += count;
    }

    /// Keeps the largest value: `resident memory at most, MiB`.
    pub fn most(&mut self, what: &str, value: u64) {
        let kept = self.counts.entry(what.to_owned()).or_default();
        *kept = value.max(*kept);
    }

    /// A count so far.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Prints the counts, and writes them where `JOBWRIGHT_TEST_TALLY` says. To be called when all checks have passed.
    pub fn finish(self) {
        let seconds = self.began.elapsed().as_secs();
        eprintln!("{} in {seconds} s:", self.campaign);
        for (what, count) in &self.counts {
            eprintln!("  {count:>9} {what}");
        }
        if let Some(folder) = std::env::var_os("JOBWRIGHT_TEST_TALLY") {
            let written = Written { campaign: self.campaign, at: Timestamp::now(), seconds, counts: &self.counts };
            let path = PathBuf::from(folder).join(format!("{}.json", self.campaign));
            let text = serde_json::to_string_pretty(&written).unwrap() + "\n";
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
