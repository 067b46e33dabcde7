use jiff::ToSpan;

use super::*;
use crate::http::dashboard::view::about::tests::job;

fn now() -> Timestamp {
    Timestamp::from_second(1_769_850_000).unwrap()
}

/// Jobs, newest first: each with its phase and how many seconds it ran.
fn jobs(of: &[(Phase, i64)]) -> Vec<Brief> {
    let one = |(number, (phase, seconds)): (usize, &(Phase, i64))| {
        let mut job = job(&format!("k{number}"), *phase);
        job.created = now() - 1.hour();
        job.started = (*seconds > 0).then(|| now() - seconds.seconds());
        job.ended = phase.is_terminal().then(now);
        Brief::from(&job)
    };
    of.iter().enumerate().map(one).collect()
}

#[test]
fn there_is_a_mark_for_each_job_oldest_first_and_the_newest_at_the_end() {
    let all = Outcomes::new(&jobs(&[(Phase::Running, 5), (Phase::Failed, 20), (Phase::Succeeded, 10)]), now());
    let marks: Vec<_> = all.marks.iter().map(|mark| (mark.x, mark.colour, mark.words.as_str())).collect();
    assert_eq!(
        marks,
        [
            (0, "green", "Succeeded after 10 s, launched 1 h ago"),
            (8, "red", "Failed after 20 s, launched 1 h ago"),
            (16, "blue", "Running for 5.0 s, launched 1 h ago"),
        ]
    );
    assert_eq!(all.told, "The last 3 jobs: 1 Running, 1 Succeeded, 1 Failed; the newest is Running");
    assert_eq!(all.newest.unwrap().href, "/jobs/k0");
}

#[test]
fn a_mark_is_as_high_as_its_job_was_long_and_reaches_lower_where_it_went_wrong() {
    let all = Outcomes::new(&jobs(&[(Phase::Succeeded, 20), (Phase::Succeeded, 10), (Phase::Rejected, 0)]), now());
    let shapes: Vec<_> = all.marks.iter().map(|mark| (mark.y, mark.height)).collect();
    assert_eq!(shapes, [(16.0, 8.0), (10.0, 10.0), (4.0, 16.0)]);
}

#[test]
fn the_figures_are_of_what_ran_to_an_end() {
    let all = Outcomes::new(
        &jobs(&[
            (Phase::Running, 900),
            (Phase::Cancelled, 900),
            (Phase::Lost, 900),
            (Phase::Failed, 900),
            (Phase::Succeeded, 10),
            (Phase::Succeeded, 30),
        ]),
        now(),
    );
    assert_eq!(all.median.as_deref(), Some("20 s"));
    let rate = all.rate.unwrap();
    assert_eq!((rate.percent, rate.words.as_str(), rate.colour), (50, "2 of 4 jobs succeeded", "red"));
    let rate = |of: &[(Phase, i64)]| Outcomes::new(&jobs(of), now()).rate;
    assert_eq!(rate(&[(Phase::Running, 1)]), None);
    assert_eq!(rate(&[(Phase::Succeeded, 1)]).unwrap().words, "1 of 1 job succeeded");
}

#[test]
fn no_more_jobs_count_than_are_shown() {
    let mut many = vec![(Phase::Succeeded, 1); WINDOW];
    many.extend([(Phase::Failed, 1); 5]);
    let all = Outcomes::new(&jobs(&many), now());
    assert_eq!((all.count, all.marks.len(), all.marks[0].x), (WINDOW, WINDOW, 0));
    assert_eq!(all.rate.unwrap().percent, 100);
}

#[test]
fn a_template_without_jobs_has_no_figures() {
    let none = Outcomes::new(&[], now());
    assert_eq!((none.median, none.rate, none.newest), (None, None, None));
    assert_eq!(none.told, "No jobs yet");
}
