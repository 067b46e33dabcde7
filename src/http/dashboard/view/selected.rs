//! What is done to several jobs at once: what was asked for, what would be done, and what became of each job.

use crate::job::{JobId, JobView, Phase};

use super::row::title;
use super::url;

/// How many jobs one request takes at most: no more are on a page.
pub(crate) const MOST: usize = 500;

/// The form that was sent from the list of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The jobs, each once, as they were chosen.
    pub(crate) ids: Vec<JobId>,
    /// Makes a repeated request the same request.
    pub(crate) token: String,
    /// The view that they were chosen in.
    pub(crate) back: String,
    /// Whether it was asked and answered that this is meant.
    pub(crate) confirmed: bool,
}

impl Selection {
    /// Reads the pairs of the form. What is no job ID was put there by nobody who uses the page, and is left out.
    pub(crate) fn read(pairs: &[(String, String)]) -> Self {
        let mut selection = Self { back: "/".to_owned(), ..Self::default() };
        for (name, value) in pairs {
            match name.as_str() {
                "id" => {
                    let id = value.parse().ok().filter(|id| !selection.ids.contains(id));
                    selection.ids.extend(id.filter(|_| selection.ids.len() < MOST));
                }
                "token" => value.clone_into(&mut selection.token),
                "back" if value.starts_with("/?") => value.clone_into(&mut selection.back),
                "confirmed" => selection.confirmed = value == "true",
                _ => {}
            }
        }
        selection
    }
}

/// What became of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was asked to stop.
    Cancelling,
    /// It would be asked to stop.
    Cancellable,
    /// It was launched again.
    Launched(JobId),
    /// It had ended already.
    Ended(Phase),
    /// It cannot be done from here; what is missing, and whether its own page can ask for it.
    Refused { why: String, form: bool },
}

/// One job, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) title: String,
    /// The class of the tag.
    pub(crate) colour: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) words: String,
    /// Where to go from here.
    pub(crate) next: Option<(String, String)>,
    /// Whether it is among those to confirm.
    pub(crate) open: bool,
}

impl Done {
    pub(crate) fn new(id: &JobId, job: Option<&JobView>, outcome: Outcome) -> Self {
        let blank = Self {
            id: id.to_string(),
            href: url::job(id),
            title: job.map_or_else(|| id.to_string(), title),
            colour: "green",
            tag: "done",
            words: String::new(),
            next: None,
            open: false,
        };
        match outcome {
            Outcome::Cancelling => {
                Self { words: "Asked to stop; its page shows when the executor has confirmed it.".to_owned(), ..blank }
            }
            Outcome::Cancellable => {
                let phase = job.map_or("", |job| job.phase.as_str());
                Self { colour: "amber", tag: "to be cancelled", words: phase.to_owned(), open: true, ..blank }
            }
            Outcome::Launched(new) => Self {
                words: "Launched again.".to_owned(),
                next: Some((url::job(&new), format!("Show {new}"))),
                ..blank
            },
            Outcome::Ended(phase) => {
                Self { colour: "grey", tag: "left alone", words: format!("It has ended already: {phase}."), ..blank }
            }
            Outcome::Refused { why, form } => Self {
                colour: "red",
                tag: "not done",
                words: why,
                next: form.then(|| (format!("{}/rerun", url::job(id)), "Fill in its form".to_owned())),
                ..blank
            },
        }
    }
}

/// The page that asks, or that says what was done.
#[derive(Debug, Clone)]
pub(crate) struct DonePage {
    pub(crate) heading: String,
    /// A sentence below the heading.
    pub(crate) lead: &'static str,
    pub(crate) jobs: Vec<Done>,
    /// Whether it asks before anything is done.
    pub(crate) asks: bool,
    pub(crate) back: String,
}

impl DonePage {
    /// Asks whether the jobs that can be cancelled are to be.
    pub(crate) fn asking(jobs: Vec<Done>, back: String) -> Self {
        let open = jobs.iter().filter(|job| job.open).count();
        let (heading, lead) = match (jobs.len(), open) {
            (0, _) => nothing_selected(),
            (_, 0) => ("Nothing to cancel".to_owned(), "All of the selected jobs have ended."),
            _ => (format!("Cancel {}?", jobs_in_words(open)), "What they have done so far is not undone."),
        };
        Self { heading, lead, asks: open > 0, jobs, back }
    }

    /// Says what was done.
    pub(crate) fn said(verb: &str, jobs: Vec<Done>, back: String) -> Self {
        let done = jobs.iter().filter(|job| job.tag == "done").count();
        let (heading, lead) = match jobs.len() {
            0 => nothing_selected(),
            all if all == done => (format!("{verb}: {}", jobs_in_words(all)), ""),
            all => {
                (format!("{verb}: {done} of {}", jobs_in_words(all)), "What became of the others is said beside each.")
            }
        };
        Self { heading, lead, jobs, asks: false, back }
    }

    /// How many jobs are to be confirmed, in words.
    pub(crate) fn open(&self) -> String {
        jobs_in_words(self.jobs.iter().filter(|job| job.open).count())
    }
}

fn nothing_selected() -> (String, &'static str) {
    ("No job is selected".to_owned(), "Tick the boxes beside the jobs that you mean, and choose what to do with them.")
}

fn jobs_in_words(number: usize) -> String {
    if number == 1 { "1 job".to_owned() } else { format!("{number} jobs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Selection {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Selection::read(&pairs)
    }

    #[test]
    fn a_selection_has_each_job_once_and_leads_back_to_its_own_view_only() {
        let selection = read(&[("id", "k1"), ("id", "k2"), ("id", "k1"), ("id", "a b"), ("back", "/?phase=Running")]);
        let ids: Vec<_> = selection.ids.iter().map(JobId::as_str).collect();
        assert_eq!((ids, selection.back.as_str(), selection.confirmed), (vec!["k1", "k2"], "/?phase=Running", false));
        for elsewhere in ["//evil.example", "https://evil.example", "/login"] {
            assert_eq!(read(&[("back", elsewhere)]).back, "/");
        }
    }

    #[test]
    fn a_heading_counts_what_was_done() {
        let id: JobId = "k1".parse().unwrap();
        let done = |outcome| Done::new(&id, None, outcome);
        let heading = |jobs| DonePage::said("Cancelled", jobs, "/".to_owned()).heading;
        assert_eq!(heading(vec![done(Outcome::Cancelling)]), "Cancelled: 1 job");
        let mixed = vec![done(Outcome::Cancelling), done(Outcome::Ended(Phase::Failed))];
        assert_eq!(heading(mixed), "Cancelled: 1 of 2 jobs");
        assert_eq!(heading(Vec::new()), "No job is selected");
        let asking = DonePage::asking(vec![done(Outcome::Ended(Phase::Failed))], "/".to_owned());
        assert!(!asking.asks && asking.heading == "Nothing to cancel");
    }
}
