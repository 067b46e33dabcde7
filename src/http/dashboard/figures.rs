//! What the list of templates knows of their newest jobs, kept from one look to the next.
//!
//! A page that is open is asked for anew at every change of any job. Nothing changes any more in what is told of a job
//! that has ended, so its record is read once; which jobs are the newest, and in which phase, the index says each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::view::outcomes::{Brief, WINDOW};
use crate::store::{Store, StoreError};

/// The newest jobs of each template, as they were when somebody looked last.
#[derive(Debug, Default)]
pub struct Figures(Mutex<HashMap<String, Vec<Brief>>>);

impl Figures {
    /// The newest jobs of a template as they are now, newest first.
    pub(super) fn of(&self, store: &Store, template: &str) -> Result<Vec<Brief>, StoreError> {
        let kept = self.kept().get(template).cloned().unwrap_or_default();
        let mut jobs = Vec::with_capacity(WINDOW);
        for job in store.newest(template, WINDOW)? {
            let same = |it: &&Brief| it.id == job.id && it.created == job.created && it.phase == job.phase;
            match kept.iter().find(same).filter(|it| it.phase.is_terminal()) {
                Some(known) => jobs.push(known.clone()),
                // A job that was deleted just now is left out.
                None => jobs.extend(store.view(&job.id)?.as_ref().map(Brief::from)),
            }
        }
        self.kept().insert(template.to_owned(), jobs.clone());
        Ok(jobs)
    }

    /// Every entry is whole at any moment, whatever becomes of a thread that held it.
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Vec<Brief>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the templates that are no more.
    pub(super) fn forget_all_but(&self, is_there: impl Fn(&str) -> bool) {
        self.kept().retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Site;
    use super::*;

    #[tokio::test]
    async fn a_job_that_has_ended_is_read_once_and_all_others_each_time() {
        let site = Site::new().await;
        let store = site.service.store();
        let figures = Figures::default();
        assert_eq!(figures.of(store, "task").unwrap(), []);
        let ended = site.launch("k1").await;
        site.executor.exit(&ended, 0, &[]);
        site.until_log_kept(&ended).await;
        let open = site.launch("k2").await;
        let now = |figures: &Figures| figures.of(store, "task").unwrap();
        let truth = |id: &crate::job::JobId| Brief::from(&store.view(id).unwrap().unwrap());
        assert_eq!(now(&figures), [truth(&open), truth(&ended)]);

        // What is kept is what is told, so a mark in it shows what was read again.
        for it in figures.kept().get_mut("task").unwrap() {
            it.started = None;
            it.ended = Some(jiff::Timestamp::UNIX_EPOCH);
        }
        let seen = now(&figures);
        assert_eq!(seen[0], truth(&open), "it was still open");
        assert_eq!(seen[1].ended, Some(jiff::Timestamp::UNIX_EPOCH), "it had ended");

        site.executor.exit(&open, 1, &[]);
        site.until_log_kept(&open).await;
        assert_eq!(now(&figures)[0], truth(&open), "it has ended meanwhile");
        figures.forget_all_but(|_| false);
        assert_eq!(now(&figures), [truth(&open), truth(&ended)]);
    }
}
