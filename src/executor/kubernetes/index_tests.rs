//! What the watches come to together: pods before their Job, Jobs before their pods, gaps, relists, refusals, and
//! every order of it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::super::samples::{
    at, exited, job, job_warning, pod, pod_in, pod_warning, running, waiting, with_conditions,
};
use super::*;
use crate::job::{Conclusion, Fact, Phase, Status};

/// An index with what it has shown so far.
#[derive(Default)]
struct Watching {
    index: Index,
    second: i64,
    shown: Vec<Observation>,
}

impl Watching {
    /// Both lists are complete, and show these.
    fn from(jobs: Vec<Job>, pods: Vec<Pod>) -> Self {
        let mut watching = Self::default();
        watching.list_jobs(jobs);
        watching.list_pods(pods);
        watching
    }

    fn take(&mut self, input: Input) -> Vec<Observation> {
        self.second += 1;
        let shown = self.index.take(input, at(self.second));
        self.shown.extend(shown.clone());
        shown
    }

    fn job(&mut self, job: Job) -> Vec<Observation> {
        self.take(Input::Jobs(Watched::Apply(job)))
    }

    fn job_gone(&mut self, job: Job) -> Vec<Observation> {
        self.take(Input::Jobs(Watched::Delete(job)))
    }

    fn pod(&mut self, pod: Pod) -> Vec<Observation> {
        self.take(Input::Pods(Watched::Apply(pod)))
    }

    fn pod_gone(&mut self, pod: Pod) -> Vec<Observation> {
        self.take(Input::Pods(Watched::Delete(pod)))
    }

    fn warning(&mut self, event: Event) -> Vec<Observation> {
        self.take(Input::Warnings(Watched::Apply(event)))
    }

    fn list_jobs(&mut self, jobs: Vec<Job>) -> Vec<Observation> {
        self.list(Input::Jobs, jobs)
    }

    fn list_pods(&mut self, pods: Vec<Pod>) -> Vec<Observation> {
        self.list(Input::Pods, pods)
    }

    fn list<K>(&mut self, input: fn(Watched<K>) -> Input, items: Vec<K>) -> Vec<Observation> {
        assert_eq!(self.take(input(Watched::Init)), []);
        for item in items {
            assert_eq!(self.take(input(Watched::InitApply(item))), [], "a list is shown when it is complete");
        }
        self.take(input(Watched::InitDone))
    }

    /// Whether nothing at all is remembered.
    fn is_empty(&self) -> bool {
        self.index.objects.is_empty() && self.index.owners.is_empty()
    }
}

fn plain(uid: &str) -> Job {
    job(uid, json!({}))
}

/// The one snapshot that is shown.
fn snapshot(shown: &[Observation]) -> &Snapshot {
    match shown {
        [Observation::Changed(_, Evidence::Seen(snapshot))] => snapshot,
        other => panic!("{other:?}"),
    }
}

/// The UIDs of a list.
fn listed(shown: &[Observation]) -> Vec<&str> {
    match shown {
        [Observation::Listed(objects)] => {
            let mut uids: Vec<_> = objects.iter().map(|(_, it)| it.object().uid.as_str()).collect();
            uids.sort_unstable();
            uids
        }
        other => panic!("{other:?}"),
    }
}

/// What the record of a job says after all that was shown of its object.
fn status(shown: &[Observation], uid: &str) -> Status {
    let mut status = Status::default();
    for observation in shown {
        let facts: Vec<&Evidence> = match observation {
            Observation::Changed(_, evidence) => vec![evidence],
            Observation::Listed(objects) => objects.iter().map(|(_, evidence)| evidence).collect(),
            Observation::Unreachable(_) => Vec::new(),
        };
        for evidence in facts.into_iter().filter(|it| it.object().uid == uid) {
            status.learn(Fact::Evidence(evidence.clone()));
        }
    }
    status
}

fn phase(shown: &[Observation], uid: &str) -> (Phase, Option<String>) {
    let verdict = status(shown, uid).verdict();
    (verdict.phase, verdict.reason)
}

fn says(reason: &str) -> Option<String> {
    Some(reason.to_owned())
}

// Lists

#[test]
fn the_first_list_comes_when_jobs_and_pods_are_both_complete() {
    for jobs_first in [true, false] {
        let mut watching = Watching::default();
        let last = if jobs_first {
            assert_eq!(watching.list_jobs(vec![plain("u1")]), []);
            watching.list_pods(vec![pod_in("p", "u1", running())])
        } else {
            assert_eq!(watching.list_pods(vec![pod_in("p", "u1", running())]), []);
            watching.list_jobs(vec![plain("u1")])
        };
        assert_eq!(listed(&last), ["u1"]);
        assert_eq!(phase(&last, "u1"), (Phase::Running, None), "with its pods");
    }
}

#[test]
fn nothing_is_shown_before_the_first_list() {
    let mut watching = Watching::default();
    watching.list_jobs(vec![plain("u1")]);
    assert_eq!(watching.job(plain("u2")), []);
    assert_eq!(watching.pod(pod_in("p", "u1", running())), []);
    assert_eq!(listed(&watching.list_pods(Vec::new())), ["u1", "u2"], "it has it all");
}

#[test]
fn a_list_that_broke_off_and_began_anew_shows_what_its_new_beginning_found() {
    let mut watching = Watching::from(vec![plain("u1"), plain("u2")], Vec::new());
    watching.take(Input::Jobs(Watched::Init));
    watching.take(Input::Jobs(Watched::InitApply(plain("u1"))));
    watching.take(Input::Failed("cut".to_owned()));
    assert_eq!(listed(&watching.list_jobs(vec![plain("u2")])), ["u2"], "u1 went meanwhile");
}

#[test]
fn what_was_deleted_in_a_gap_is_not_in_the_next_list() {
    let mut watching = Watching::from(vec![plain("u1"), plain("u2")], Vec::new());
    assert_eq!(listed(&watching.list_jobs(vec![plain("u2")])), ["u2"]);
    assert_eq!(watching.index.objects.len(), 1, "and is forgotten");
}

#[test]
fn what_was_deleted_while_pods_were_listed_is_not_in_the_list() {
    let mut watching = Watching::from(vec![plain("u1")], Vec::new());
    watching.take(Input::Pods(Watched::Init));
    watching.job_gone(plain("u1"));
    watching.job(plain("u2"));
    assert_eq!(listed(&watching.take(Input::Pods(Watched::InitDone))), ["u2"]);
}

#[test]
fn while_both_are_listed_anew_the_list_is_shown_once() {
    let mut watching = Watching::from(vec![plain("u1")], Vec::new());
    watching.take(Input::Pods(Watched::Init));
    assert_eq!(watching.list_jobs(Vec::new()), [], "pods are not complete yet");
    assert_eq!(listed(&watching.take(Input::Pods(Watched::InitDone))), [] as [&str; 0]);
}

#[test]
fn a_pod_that_went_in_a_gap_is_gone_and_its_job_waits_for_the_next_one() {
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    assert_eq!(phase(&watching.shown, "u1").0, Phase::Running);
    watching.list_pods(Vec::new());
    assert_eq!(phase(&watching.shown, "u1").0, Phase::Waiting);
}

#[test]
fn a_jobs_pods_tell_how_they_end_even_if_it_went_in_a_gap() {
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    assert_eq!(listed(&watching.list_jobs(Vec::new())), [] as [&str; 0]);
    let shown = watching.pod(pod_in("p", "u1", exited(143, "Error")));
    assert_eq!(snapshot(&shown).object.uid, "u1");
    watching.pod_gone(pod_in("p", "u1", exited(143, "Error")));
    assert!(watching.is_empty());
}

#[test]
fn that_the_server_cannot_be_reached_is_said_once_until_the_next_list() {
    let mut watching = Watching::from(Vec::new(), Vec::new());
    let failed = || Input::Failed("cut".to_owned());
    assert_eq!(watching.take(failed()), [Observation::Unreachable("cut".to_owned())]);
    assert_eq!(watching.take(failed()), []);
    watching.list_jobs(Vec::new());
    assert_eq!(watching.take(failed()), [Observation::Unreachable("cut".to_owned())]);
}

// Jobs and pods

#[test]
fn a_job_before_its_pods_waits() {
    let mut watching = Watching::from(Vec::new(), Vec::new());
    let shown = watching.job(plain("u1"));
    assert!(snapshot(&shown).pods.is_empty());
    assert_eq!(phase(&shown, "u1"), (Phase::Waiting, None));
    watching.pod(pod_in("p", "u1", running()));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Running, None));
}

#[test]
fn a_pod_before_its_job_is_kept_for_it() {
    let mut watching = Watching::from(Vec::new(), Vec::new());
    assert_eq!(watching.pod(pod_in("p", "u1", running())), [], "whose it is, nobody knows yet");
    assert_eq!(phase(&watching.job(plain("u1")), "u1"), (Phase::Running, None));
}

#[test]
fn pods_that_never_find_a_job_of_ours_are_forgotten_with_their_end() {
    let mut watching = Watching::from(Vec::new(), Vec::new());
    for number in 0..100 {
        watching.pod(pod_in(&format!("p{number}"), "nobody", running()));
    }
    for number in 0..50 {
        assert_eq!(watching.pod_gone(pod_in(&format!("p{number}"), "nobody", running())), []);
    }
    watching.list_pods(Vec::new());
    assert!(watching.is_empty());
}

#[test]
fn every_way_to_wait_shows_its_reason() {
    let unschedulable = json!({"status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}});
    let cases = [
        ("Unschedulable", pod("p", "u1", unschedulable)),
        ("ErrImagePull", pod_in("p", "u1", waiting("ErrImagePull", "not found"))),
        ("ImagePullBackOff", pod_in("p", "u1", waiting("ImagePullBackOff", "Back-off"))),
        ("InvalidImageName", pod_in("p", "u1", waiting("InvalidImageName", "invalid"))),
        ("CreateContainerConfigError", pod_in("p", "u1", waiting("CreateContainerConfigError", "no secret"))),
        ("CrashLoopBackOff", pod_in("p", "u1", waiting("CrashLoopBackOff", "back-off"))),
    ];
    for (reason, pod) in cases {
        let mut watching = Watching::from(vec![plain("u1")], Vec::new());
        assert_eq!(phase(&watching.pod(pod), "u1"), (Phase::Waiting, says(reason)));
    }
}

#[test]
fn a_run_ends_with_its_exit_code_before_the_job_does() {
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    watching.pod(pod_in("p", "u1", exited(137, "OOMKilled")));
    let verdict = status(&watching.shown, "u1").verdict();
    assert_eq!((verdict.phase, verdict.reason, verdict.exit_code), (Phase::Running, says("Finishing"), Some(137)));
    watching.job(with_conditions("u1", &[("Failed", 8, "BackoffLimitExceeded")]));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Failed, says("OOMKilled")));
}

#[test]
fn an_eviction_is_told_though_the_pod_is_deleted_with_it() {
    let evicted = || {
        pod(
            "p",
            "u1",
            json!({"metadata": {"deletionTimestamp": at(6)}, "status": {"phase": "Failed",
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting"}],
            "containerStatuses": [super::super::samples::main(exited(143, "Error"))]}}),
        )
    };
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    watching.pod_gone(evicted());
    watching.job(with_conditions("u1", &[("Failed", 8, "BackoffLimitExceeded")]));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Failed, says("Evicted")));
}

#[test]
fn the_last_state_of_a_pod_is_shown_before_it_is_gone() {
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    let shown = watching.pod_gone(pod_in("p", "u1", exited(3, "Error")));
    let [Observation::Changed(_, Evidence::Seen(last)), Observation::Changed(_, Evidence::Seen(without))] = &shown[..]
    else {
        panic!("{shown:?}");
    };
    assert!(matches!(last.pods["p"].containers["main"].state, ContainerState::Terminated { exit_code: 3, .. }));
    assert!(without.pods.is_empty());
    assert_eq!(status(&watching.shown, "u1").verdict().exit_code, Some(3));
}

// The end of objects

#[test]
fn a_deletion_shows_the_last_state_and_then_that_the_object_is_gone() {
    let mut watching = Watching::from(vec![plain("u1")], Vec::new());
    let shown = watching.job_gone(with_conditions("u1", &[("Complete", 8, "")]));
    let [Observation::Changed(_, Evidence::Seen(last)), Observation::Changed(_, gone)] = &shown[..] else {
        panic!("{shown:?}");
    };
    assert!(matches!(last.conclusion, Some(Conclusion::Complete { .. })), "the end came with the deletion");
    assert!(matches!(gone, Evidence::Gone { witnessed: true, .. }));
    assert!(watching.is_empty());
}

/// What becomes of a job whose object someone else deletes while its pod runs: the API server's own order of events.
fn deleted_by_someone_else(finalizers: &[&str], condition_on_the_way: bool) -> Status {
    let leaving = |finalizers: &[&str]| {
        let conditions: &[_] = if condition_on_the_way { &[("Failed", 8, "BackoffLimitExceeded")] } else { &[] };
        let mut leaving = with_conditions("u1", conditions);
        leaving.metadata.deletion_timestamp = serde_json::from_value(json!(at(7))).unwrap();
        leaving.metadata.finalizers = Some(finalizers.iter().map(|&it| it.to_owned()).collect());
        leaving
    };
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    if !finalizers.is_empty() {
        watching.job(leaving(finalizers));
        assert_eq!(phase(&watching.shown, "u1").0, Phase::Running, "its pods still run");
    }
    if finalizers == ["foregroundDeletion"] {
        watching.pod_gone(pod_in("p", "u1", exited(143, "Error")));
    }
    watching.job_gone(leaving(&[]));
    status(&watching.shown, "u1")
}

#[test]
fn a_deletion_by_someone_else_ends_the_job_whichever_way_it_is_done() {
    let running = "its object was deleted by someone else while a container ran";
    for (finalizers, condition, message) in [
        (&[][..], false, running.to_owned()),
        (&["orphan"], false, format!("{running}, and its pods were left running")),
        (
            &["foregroundDeletion"],
            false,
            "its object was deleted by someone else after its container had ended".to_owned(),
        ),
        (
            &["foregroundDeletion"],
            true,
            "its object was deleted by someone else after its container had ended".to_owned(),
        ),
    ] {
        let verdict = deleted_by_someone_else(finalizers, condition).verdict();
        assert_eq!((verdict.phase, verdict.reason), (Phase::Cancelled, says("Deleted")), "{finalizers:?}");
        assert_eq!(verdict.message, Some(message), "{finalizers:?}");
    }
}

#[test]
fn pods_that_were_left_behind_are_followed_to_their_end() {
    let mut watching = Watching::from(vec![plain("u1")], vec![pod_in("p", "u1", running())]);
    watching.job_gone(plain("u1"));
    watching.pod(pod_in("p", "u1", exited(0, "Completed")));
    let status = status(&watching.shown, "u1");
    assert_eq!(status.verdict().phase, Phase::Cancelled, "an end is an end");
    assert_eq!(status.verdict().exit_code, Some(0), "but what they came to is on record");
    watching.pod_gone(pod_in("p", "u1", exited(0, "Completed")));
    assert!(watching.is_empty());
}

// Refusals

#[test]
fn a_refusal_of_pods_is_why_a_job_waits() {
    let quota = r#"Error creating: pods "p" is forbidden: exceeded quota: none"#;
    let mut watching = Watching::from(vec![plain("u1")], Vec::new());
    watching.warning(job_warning("u1", 3, "FailedCreate", quota));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Waiting, says("QuotaExceeded")));
    watching.pod(pod("p", "u1", json!({"metadata": {"creationTimestamp": at(4)}})));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Waiting, None), "until there is a pod");
}

#[test]
fn a_refusal_from_before_a_pod_came_is_overcome_and_one_after_its_end_counts() {
    let refused = |second| job_warning("u1", second, "FailedCreate", "admission webhook \"x\" denied the request");
    let mut watching = Watching::from(vec![plain("u1")], Vec::new());
    watching.warning(refused(0));
    watching.pod(pod_in("p", "u1", exited(1, "Error")));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Running, says("Finishing")));
    watching.warning(refused(6));
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Waiting, says("Forbidden")), "its next pod is refused");
}

#[test]
fn a_refusal_that_comes_before_its_job_is_kept_for_it() {
    let violates = r#"Error creating: pods "p" is forbidden: violates PodSecurity "restricted:latest""#;
    let mut watching = Watching::from(Vec::new(), Vec::new());
    assert_eq!(watching.warning(job_warning("u1", 3, "FailedCreate", violates)), []);
    assert_eq!(phase(&watching.job(plain("u1")), "u1"), (Phase::Waiting, says("PodSecurity")));
}

#[test]
fn refusals_of_strangers_jobs_take_no_room() {
    let mut watching = Watching::from(Vec::new(), Vec::new());
    for number in 0..10 * MOST_EARLY {
        watching.warning(job_warning(&format!("stranger-{number}"), 3, "FailedCreate", "denied"));
    }
    assert_eq!(watching.index.early.len(), MOST_EARLY);
    assert!(watching.is_empty());
}

#[test]
fn what_keeps_a_pod_from_starting_is_told_only_while_it_does() {
    let mount = || pod_warning("p", 3, "FailedMount", "secret \"s\" not found");
    let creating = || pod_in("p", "u1", waiting("ContainerCreating", ""));
    let mut watching = Watching::from(vec![plain("u1")], vec![creating()]);
    watching.warning(mount());
    assert_eq!(phase(&watching.shown, "u1"), (Phase::Waiting, says("FailedMount")));
    watching.pod(pod_in("p", "u1", running()));
    assert_eq!(watching.warning(mount()), [], "warnings are listed anew for an hour");
    assert_eq!(status(&watching.shown, "u1").seen.unwrap().pods["p"].reason, None);
    let earlier = pod_warning("p", 0, "FailedMount", "about an earlier pod of that name");
    let mut watching = Watching::from(vec![plain("u1")], vec![creating()]);
    assert_eq!(watching.warning(earlier), []);
    assert_eq!(watching.warning(pod_warning("unknown", 3, "FailedMount", "whose")), []);
}

// Numbers

#[test]
fn revisions_rise_though_the_clock_is_set_back() {
    let revisions = Revisions::default();
    let first = revisions.next(at(1000));
    let second = revisions.next(at(0));
    assert!(second > first);
    assert!(revisions.next(at(2000)) > second);
}

/// Five thousand Jobs with a pod each, listed twice, with a warning about every pod: each step costs no more than one
/// Job's worth, or else this would not come to an end.
#[test]
fn thousands_of_jobs_cost_what_each_of_them_costs() {
    const JOBS: usize = 5_000;
    let uid = |number| format!("u{number}");
    let jobs = || (0..JOBS).map(|number| plain(&uid(number))).collect::<Vec<_>>();
    let pods = || {
        let creating = || waiting("ContainerCreating", "");
        (0..JOBS).map(|number| pod_in(&format!("p{number}"), &uid(number), creating())).collect::<Vec<_>>()
    };
    let mut index = Index::default();
    let mut steps = 0;
    let mut take = |input| {
        let shown = index.take(input, at(10));
        steps += shown.len();
        shown
    };
    for _ in 0..2 {
        take(Input::Jobs(Watched::Init));
        for job in jobs() {
            take(Input::Jobs(Watched::InitApply(job)));
        }
        take(Input::Jobs(Watched::InitDone));
        take(Input::Pods(Watched::Init));
        for pod in pods() {
            take(Input::Pods(Watched::InitApply(pod)));
        }
        take(Input::Pods(Watched::InitDone));
    }
    for number in 0..JOBS {
        let shown = take(Input::Warnings(Watched::Apply(pod_warning(&format!("p{number}"), 3, "FailedMount", "no"))));
        assert_eq!(snapshot(&shown).object.uid, uid(number));
    }
    for job in jobs() {
        take(Input::Jobs(Watched::Delete(job)));
    }
    for pod in pods() {
        take(Input::Pods(Watched::Delete(pod)));
    }
    assert!(index.objects.is_empty() && index.owners.is_empty());
    assert!(steps >= 5 * JOBS);
}

// Every order

/// One turn of the world, or of a watch.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// A Job comes, with a pod that runs.
    Start(usize),
    /// Its pod ends.
    End(usize),
    /// The Job controller says that it has failed.
    Conclude(usize),
    /// The Job is deleted, its pod stays for now.
    Delete(usize),
    /// The garbage collector takes the pod.
    Collect(usize),
    /// The watch of Jobs delivers what it has not yet.
    ShowJobs,
    /// The watch of pods does.
    ShowPods,
    /// The watch of Jobs breaks off: what it has not delivered is lost, and it lists.
    BreakJobs,
    /// The watch of pods does.
    BreakPods,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let which = 0..3usize;
    let turn = prop_oneof![
        3 => which.clone().prop_map(Turn::Start),
        3 => which.clone().prop_map(Turn::End),
        2 => which.clone().prop_map(Turn::Conclude),
        2 => which.clone().prop_map(Turn::Delete),
        2 => which.prop_map(Turn::Collect),
        3 => Just(Turn::ShowJobs),
        3 => Just(Turn::ShowPods),
        1 => Just(Turn::BreakJobs),
        1 => Just(Turn::BreakPods),
    ];
    prop::collection::vec(turn, 0..60)
}

/// A cluster with three possible Jobs, and what its watches still have to deliver.
#[derive(Default)]
struct World {
    jobs: BTreeMap<usize, Job>,
    pods: BTreeMap<usize, Pod>,
    job_events: Vec<Watched<Job>>,
    pod_events: Vec<Watched<Pod>>,
    ever: BTreeSet<usize>,
}

impl World {
    fn turn(&mut self, turn: Turn) {
        let (uid, name) = (|n: usize| format!("u{n}"), |n: usize| format!("p{n}"));
        match turn {
            Turn::Start(n) if self.ever.insert(n) => {
                self.put_job(n, plain(&uid(n)));
                self.put_pod(n, pod_in(&name(n), &uid(n), running()));
            }
            Turn::End(n) if self.pods.contains_key(&n) => {
                self.put_pod(n, pod_in(&name(n), &uid(n), exited(3, "Error")));
            }
            Turn::Conclude(n) if self.jobs.contains_key(&n) => {
                self.put_job(n, with_conditions(&uid(n), &[("Failed", 8, "BackoffLimitExceeded")]));
            }
            Turn::Delete(n) => self.job_events.extend(self.jobs.remove(&n).map(Watched::Delete)),
            Turn::Collect(n) if !self.jobs.contains_key(&n) => {
                self.pod_events.extend(self.pods.remove(&n).map(Watched::Delete));
            }
            _ => {}
        }
    }

    fn put_job(&mut self, n: usize, job: Job) {
        self.jobs.insert(n, job.clone());
        self.job_events.push(Watched::Apply(job));
    }

    fn put_pod(&mut self, n: usize, pod: Pod) {
        self.pods.insert(n, pod.clone());
        self.pod_events.push(Watched::Apply(pod));
    }

    fn show(&mut self, watching: &mut Watching, turn: Turn) {
        match turn {
            Turn::ShowJobs => self.job_events.drain(..).for_each(|it| drop(watching.take(Input::Jobs(it)))),
            Turn::ShowPods => self.pod_events.drain(..).for_each(|it| drop(watching.take(Input::Pods(it)))),
            Turn::BreakJobs => {
                self.job_events.clear();
                watching.take(Input::Failed("cut".to_owned()));
                watching.list_jobs(self.jobs.values().cloned().collect());
            }
            Turn::BreakPods => {
                self.pod_events.clear();
                watching.take(Input::Failed("cut".to_owned()));
                watching.list_pods(self.pods.values().cloned().collect());
            }
            _ => {}
        }
    }
}

proptest! {
    /// Whatever happens, in whatever order the two watches tell of it and wherever they break off: in the end every Job
    /// that exists is known with its pods, none is claimed that does not, each that went was told of or is missing in a
    /// list, and nothing else is remembered.
    #[test]
    fn what_is_known_in_the_end_is_what_there_is(turns in turns()) {
        let mut world = World::default();
        let mut watching = Watching::from(Vec::new(), Vec::new());
        for turn in turns {
            world.turn(turn);
            world.show(&mut watching, turn);
        }
        for turn in [Turn::ShowJobs, Turn::ShowPods] {
            world.show(&mut watching, turn);
        }
        let known: BTreeSet<_> = watching.index.objects.iter()
            .filter(|(_, object)| object.job.is_some() && !object.deleted)
            .map(|(uid, _)| uid.clone())
            .collect();
        let there: BTreeSet<_> = world.jobs.keys().map(|n| format!("u{n}")).collect();
        prop_assert_eq!(&known, &there);
        prop_assert_eq!(watching.index.owners.len(), world.pods.len());
        let remembered = watching.index.objects.values().map(|object| object.pods.len()).sum::<usize>();
        prop_assert_eq!(remembered, world.pods.len());
        prop_assert!(watching.index.objects.len() <= world.jobs.len() + world.pods.len());
        for n in 0..3 {
            let uid = format!("u{n}");
            let shown = shown_last(&watching.shown, &uid);
            match world.jobs.get(&n) {
                Some(job) => {
                    let status = status(&watching.shown, &uid);
                    let concluded = job.status.as_ref().is_some_and(|it| it.conditions.is_some());
                    prop_assert_eq!(status.verdict().phase == Phase::Failed, concluded);
                    prop_assert_eq!(shown, Last::There);
                }
                None => prop_assert_ne!(shown, Last::There),
            }
        }
    }

    /// A snapshot more or less, or one in another place, changes nothing in the end.
    #[test]
    fn repetition_and_order_change_nothing(
        turns in turns(),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut world = World::default();
        let mut watching = Watching::from(Vec::new(), Vec::new());
        for turn in turns {
            world.turn(turn);
            world.show(&mut watching, turn);
        }
        let shown: Vec<_> = watching.shown.iter()
            .filter(|it| matches!(it, Observation::Changed(_, Evidence::Seen(_))))
            .cloned()
            .collect();
        let mut disordered = shown.clone();
        for index in shuffle {
            if !disordered.is_empty() {
                let at = index.index(disordered.len());
                let one = disordered[at].clone();
                disordered.insert(0, one);
                disordered.rotate_left(at % 3);
            }
        }
        for n in 0..3 {
            let uid = format!("u{n}");
            prop_assert_eq!(status(&shown, &uid).seen, status(&disordered, &uid).seen);
        }
    }
}

/// What was shown of an object last.
#[derive(Debug, PartialEq, Eq)]
enum Last {
    Nothing,
    There,
    Gone,
}

fn shown_last(shown: &[Observation], uid: &str) -> Last {
    let mut last = Last::Nothing;
    for observation in shown {
        match observation {
            // What pods show after that is no sign of life.
            Observation::Changed(_, evidence) if evidence.object().uid == uid && last != Last::Gone => {
                last = if matches!(evidence, Evidence::Gone { .. }) { Last::Gone } else { Last::There };
            }
            Observation::Listed(objects) => {
                if objects.iter().any(|(_, it)| it.object().uid == uid) {
                    last = Last::There;
                } else if last == Last::There {
                    last = Last::Gone;
                }
            }
            _ => {}
        }
    }
    last
}
