//! Lists of jobs, newest first, page by page.
//!
//! A page is read from the index that promises the fewest rows, and its rows hold what the filters ask for, so that no
//! record is read but those on the page. One request looks at a bounded number of rows: a search for rare words gives
//! short, even empty, pages with a cursor to go on from.

use std::iter::Peekable;

use jiff::Timestamp;
use sled::Tree;

use super::keys::{self, Age};
use super::rows::{Counters, Entry};
use super::{StoreError, read};
use crate::job::{JobId, JobView, Phase};

/// Which jobs are asked for. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// In one of these phases; in any, if there are none.
    pub phases: Vec<Phase>,
    /// Of this template.
    pub template: Option<String>,
    /// With this text in its ID or name, in any case. The job whose ID is this very text comes first of all.
    pub text: Option<String>,
    /// Created at this moment or later.
    pub since: Option<Timestamp>,
    /// Created before this moment.
    pub until: Option<Timestamp>,
    /// How many at most; more than [`Query::MAX_LIMIT`] are never given. None of them stands for
    /// [`Query::DEFAULT_LIMIT`].
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

impl Query {
    /// The most jobs on one page.
    pub const MAX_LIMIT: usize = 500;
    /// The jobs on one page, where a query does not say.
    pub const DEFAULT_LIMIT: usize = 50;
    /// How many index rows one request looks at, at most.
    pub const MAX_VISITS: usize = 5_000;
    /// The same, where the job whose ID was searched for is on the page already: whoever knows an ID wants that job.
    pub const MAX_VISITS_BESIDE: usize = 500;
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The jobs, newest first.
    pub items: Vec<JobView>,
    /// Where the next page starts, if there may be one. A page may be short, or empty, and still have a next one.
    pub next: Option<Cursor>,
}

/// A place in the order of all jobs: it stays put while jobs come and go. Opaque text that is safe in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor; take `next` of the page before as it is, or leave the cursor out")]
pub struct InvalidCursor;

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (age, id) = keys::parse_place(&self.0).unwrap_or((Age::OLDEST, ""));
        write!(f, "{:016x}{id}", age.0)
    }
}

impl std::str::FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (age, id) = text.split_at_checked(16).ok_or(InvalidCursor)?;
        let id: JobId = id.parse().map_err(|_| InvalidCursor)?;
        if !age.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidCursor);
        }
        let age = u64::from_str_radix(age, 16).map_err(|_| InvalidCursor)?;
        Ok(Self(keys::place(Age(age), id.as_str())))
    }
}

/// Reads one page.
pub(super) fn page(tree: &Tree, counters: &Counters, query: &Query) -> Result<Page, StoreError> {
    let limit = query.limit.unwrap_or(Query::DEFAULT_LIMIT).clamp(1, Query::MAX_LIMIT);
    let filter = Filter::of(query);
    let exact = exact_match(tree, &filter, query)?;
    let mut ids: Vec<JobId> = Vec::new();
    if query.cursor.is_none() {
        ids.extend(exact.clone());
    }
    let most_visits = if ids.is_empty() { Query::MAX_VISITS } else { Query::MAX_VISITS_BESIDE };
    let first = match (&query.cursor, query.until) {
        // What follows a place: the same bytes and one more.
        (Some(cursor), _) => [&cursor.0[..], &[0]].concat(),
        (None, Some(until)) => Age::of(until).0.saturating_add(1).to_be_bytes().to_vec(),
        (None, None) => Age::NEWEST.0.to_be_bytes().to_vec(),
    };
    let mut rows = Merged::new(tree, &sources(query, counters), &first);
    let (mut visits, mut last, mut more) = (0, None, false);
    while let Some((place, value)) = rows.next()? {
        let (age, id) = keys::parse_place(&place).ok_or_else(damaged)?;
        if age > filter.oldest {
            break;
        }
        if ids.len() >= limit || visits >= most_visits {
            more = true;
            break;
        }
        visits += 1;
        let entry = Entry::parse(&value).ok_or_else(damaged)?;
        let is_exact = exact.as_ref().is_some_and(|exact| exact.as_str() == id);
        if !is_exact && filter.admits(age, id, &entry) {
            ids.push(id.parse().map_err(|_| damaged())?);
        }
        last = Some(place);
    }
    let mut items = Vec::with_capacity(ids.len());
    for id in &ids {
        // A job that was deleted just now is left out.
        items.extend(read::view(tree, id)?);
    }
    let next = match (more, last, &query.cursor) {
        (false, ..) => None,
        (true, Some(place), _) => Some(Cursor(place)),
        (true, None, Some(cursor)) => Some(cursor.clone()),
        // The page was filled by the exact match alone: the next one starts before everything.
        (true, None, None) => Some(Cursor(before(&first))),
    };
    Ok(Page { items, next })
}

/// A job as an index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ID.
    pub id: JobId,
    /// When it was recorded.
    pub created: Timestamp,
    /// The phase it is in.
    pub phase: Phase,
}

/// The newest jobs of a template, newest first.
pub(super) fn newest(tree: &Tree, template: &str, limit: usize) -> Result<Vec<Listed>, StoreError> {
    let prefix = keys::template_index(template);
    let rows = tree.scan_prefix(&prefix).take(limit).map(|row| {
        let (key, value) = row?;
        let (age, id) = keys::parse_place(&key[prefix.len()..]).ok_or_else(damaged)?;
        let phase = Entry::parse(&value).ok_or_else(damaged)?.phase;
        Ok(Listed { id: id.parse().map_err(|_| damaged())?, created: age.moment(), phase })
    });
    rows.collect()
}

/// A place that comes before all jobs of an age and after all newer ones.
fn before(first: &[u8]) -> Vec<u8> {
    let age = first.first_chunk::<8>().map_or(0, |age| u64::from_be_bytes(*age));
    match age.checked_sub(1) {
        None => keys::place(Age::NEWEST, "0"),
        Some(newer) => keys::place(Age(newer), &"z".repeat(JobId::MAX_LEN)),
    }
}

fn damaged() -> StoreError {
    StoreError::corrupt("a row of an index cannot be read")
}

/// The job whose ID is the text that is searched for.
fn exact_match(tree: &Tree, filter: &Filter, query: &Query) -> Result<Option<JobId>, StoreError> {
    let Some(id) = query.text.as_ref().and_then(|text| text.parse::<JobId>().ok()) else {
        return Ok(None);
    };
    let head = read::head(tree, &id)?;
    Ok(head.filter(|head| filter.admits(head.age, id.as_str(), &head.entry())).map(|_| id))
}

/// What has to hold of an index row.
struct Filter {
    phases: Vec<Phase>,
    template: Option<String>,
    text: Option<String>,
    newest: Age,
    oldest: Age,
}

impl Filter {
    fn of(query: &Query) -> Self {
        Self {
            phases: query.phases.clone(),
            template: query.template.clone(),
            text: query.text.as_ref().filter(|text| !text.is_empty()).map(|text| text.to_lowercase()),
            newest: query.until.map_or(Age::NEWEST, |until| Age(Age::of(until).0.saturating_add(1))),
            oldest: query.since.map_or(Age::OLDEST, Age::of),
        }
    }

    fn admits(&self, age: Age, id: &str, entry: &Entry<'_>) -> bool {
        let has = |text: &str| contains(id, text) || contains(entry.name, text);
        (self.newest..=self.oldest).contains(&age)
            && (self.phases.is_empty() || self.phases.contains(&entry.phase))
            && self.template.as_ref().is_none_or(|it| it == entry.template)
            && self.text.as_ref().is_none_or(|text| has(text))
    }
}

/// Whether a text holds another one that is in lower case already.
fn contains(text: &str, lower: &str) -> bool {
    if text.is_ascii() {
        let (text, lower) = (text.as_bytes(), lower.as_bytes());
        text.windows(lower.len()).any(|window| window.eq_ignore_ascii_case(lower))
    } else {
        text.to_lowercase().contains(lower)
    }
}

/// The prefixes of the indexes that together hold every job that is asked for.
fn sources(query: &Query, counters: &Counters) -> Vec<Vec<u8>> {
    let mut phases = query.phases.clone();
    phases.sort();
    phases.dedup();
    let in_phases: u64 = phases.iter().map(|it| counters.in_phase(*it)).sum();
    let few = !phases.is_empty() && in_phases <= counters.jobs() / 10;
    match &query.template {
        Some(template) if !few => vec![keys::template_index(template)],
        _ if phases.is_empty() => vec![vec![keys::BY_CREATED]],
        _ => phases.into_iter().map(keys::phase_index).collect(),
    }
}

/// Several indexes read as one, in the order of their places.
struct Merged {
    sources: Vec<(usize, Peekable<sled::Iter>)>,
}

impl Merged {
    fn new(tree: &Tree, prefixes: &[Vec<u8>], first: &[u8]) -> Self {
        let sources = prefixes
            .iter()
            .map(|prefix| {
                let start = [&prefix[..], first].concat();
                let end = [&prefix[..], &[0xff; 9]].concat();
                (prefix.len(), tree.range(start..end).peekable())
            })
            .collect();
        Self { sources }
    }

    /// The next place and its row.
    fn next(&mut self) -> Result<Option<(Vec<u8>, sled::IVec)>, StoreError> {
        let mut least: Option<(usize, Vec<u8>)> = None;
        for (index, (prefix, rows)) in self.sources.iter_mut().enumerate() {
            match rows.peek() {
                None => {}
                Some(Err(error)) => return Err(error.clone().into()),
                Some(Ok((key, _))) => {
                    let place = &key[*prefix..];
                    if least.as_ref().is_none_or(|(_, known)| place < &known[..]) {
                        least = Some((index, place.to_vec()));
                    }
                }
            }
        }
        let Some((index, place)) = least else {
            return Ok(None);
        };
        match self.sources[index].1.next() {
            Some(row) => Ok(Some((place, row?.1))),
            None => Ok(None),
        }
    }
}

/// How many jobs are given up in one step, and how many rows are looked at for them.
const STEP: usize = 100;

/// Ended jobs that may be forgotten, oldest first: those of this age or older, and as many more as there are too many.
pub(super) fn expired(tree: &Tree, oldest: Option<Age>, surplus: u64) -> Result<Vec<JobId>, StoreError> {
    let mut found = Vec::new();
    let rows = tree.scan_prefix([keys::BY_CREATED]).rev();
    for row in rows.take(Query::MAX_VISITS) {
        let (key, value) = row?;
        let (age, id) = keys::parse_place(&key[1..]).ok_or_else(damaged)?;
        let surplus_left = (found.len() as u64) < surplus;
        if found.len() == STEP || !(surplus_left || oldest.is_some_and(|oldest| age >= oldest)) {
            break;
        }
        let entry = Entry::parse(&value).ok_or_else(damaged)?;
        let id: JobId = id.parse().map_err(|_| damaged())?;
        if entry.phase.is_terminal() && !tree.contains_key(keys::of_job(keys::OPEN, &id))? {
            found.push(id);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_safe_in_a_url_and_comes_back() {
        let cursor = Cursor(keys::place(Age(42), "k1.x_y-z"));
        assert_eq!(cursor.to_string(), "000000000000002ak1.x_y-z");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "zz", "+00000000000002ak1", "000000000000002a", "000000000000002a/"] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor), "{bad}");
        }
    }

    #[test]
    fn text_is_found_in_any_case() {
        assert!(contains("Nightly Report", "report"));
        assert!(contains("TÄGLICH", "täg"));
        assert!(!contains("ab", "abc"));
    }
}
