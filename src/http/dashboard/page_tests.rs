//! Pages from made-up records: what they show, and that no text of a job becomes markup.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::http::dashboard::view::control::Declared;
use crate::http::dashboard::view::form::{Wrong, fields};
use crate::http::dashboard::view::job::{Beside, History};
use crate::http::dashboard::view::launch::{LaunchForm, Notice};
use crate::http::dashboard::view::list::Filters;
use crate::http::dashboard::view::texts::Texts;
use crate::job::{
    Cancellation, Conclusion, ContainerState, ContainerStatus, Event, Evidence, Fact, Fingerprint, Intent, Job,
    JobView, ObjectRef, Phase, PodStatus, Refusal, Report, Snapshot, Status,
};

/// What somebody might put into a name, a parameter or a status.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}gpj&amp;{{7*7}}";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_769_850_000 + second).unwrap()
}

/// A job under construction, with its history.
struct Sample {
    job: Job,
    events: Vec<Event>,
}

impl Sample {
    fn new(id: &str, name: Option<&str>) -> Self {
        let intent = Intent {
            id: id.parse().unwrap(),
            name: name.map(|name| name.parse().unwrap()),
            template: "nightly-report".to_owned(),
            parameters: json!({"day": "2026-01-31", "to": ["a@example.org"], "key": "***"}).as_object().cloned(),
            secrets: vec!["key".to_owned()],
            default_secrets: Vec::new(),
            fingerprint: Some(Fingerprint("f".to_owned())),
            object_name: "nightly-report-0123456789ab".to_owned(),
            namespace: "local".to_owned(),
            manifest: Value::Null,
            masked: None,
            digest: format!("sha256:{}", "0f".repeat(32)),
            commit: Some("3d92510".to_owned()),
            ttl_seconds: None,
            rerun_of: None,
            created: at(0),
            rebuilt: None,
        };
        let status = Status::default();
        Self { job: Job { intent, status }, events: Vec::new() }
    }

    fn learn(mut self, fact: Fact) -> Self {
        for event in self.job.status.learn(fact).events {
            self.events.push(Event {
                sequence: self.events.len() as u64 + 1,
                job: self.job.intent.id.clone(),
                at: event.at,
                source: event.source,
                kind: event.kind,
            });
        }
        self
    }

    fn object() -> ObjectRef {
        ObjectRef {
            name: "nightly-report-0123456789ab".to_owned(),
            namespace: "local".to_owned(),
            uid: "1f0c9a3e".to_owned(),
        }
    }

    fn seen(self, second: i64, state: ContainerState, conclusion: Option<Conclusion>) -> Self {
        let revision = u64::try_from(second).unwrap();
        let container = ContainerStatus::new(false, state);
        let containers = BTreeMap::from([("report".to_owned(), container)]);
        let pod = PodStatus { containers, ..PodStatus::new(revision, at(1)) };
        self.learn(Fact::Evidence(Evidence::Seen(Box::new(Snapshot {
            conclusion,
            pods: BTreeMap::from([("nightly-report-0123456789ab-1".to_owned(), pod)]),
            ..Snapshot::new(Self::object(), revision, at(second))
        }))))
    }

    fn running(self) -> Self {
        self.seen(3, ContainerState::Running { started: at(3) }, None)
    }

    fn reports(self, second: i64, status: &str, message: Option<&str>, progress: Option<u64>) -> Self {
        let sequence = u64::try_from(second).ok();
        let message = message.map(str::to_owned);
        let report = Report::new(at(second), sequence, status.to_owned(), message, progress);
        self.learn(Fact::Report(report.unwrap()))
    }

    fn ends(self, exit_code: i32) -> Self {
        let ended = ContainerState::Terminated {
            exit_code,
            signal: None,
            reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
            message: None,
            started: Some(at(3)),
            finished: at(20),
        };
        let conclusion = if exit_code == 0 {
            Conclusion::Complete { at: at(22) }
        } else {
            Conclusion::Failed {
                at: at(22),
                reason: "BackoffLimitExceeded".to_owned(),
                message: "Job has reached the specified backoff limit".to_owned(),
            }
        };
        self.seen(22, ended, Some(conclusion))
    }

    fn history(&self) -> History {
        let mut history = History::default();
        history.extend(self.events.clone());
        history
    }

    fn page(&self) -> String {
        let beside = Beside {
            manifest: Some("apiVersion: batch/v1\nkind: Job\n".to_owned()),
            log: vec!["reading 31 pages".to_owned(), HOSTILE.to_owned()],
            log_note: None,
            changes: None,
        };
        let page = JobHtml {
            chrome: Chrome { at: "jobs", menu: true, signed_in: None },
            job: JobPage::new(&self.job, &self.history(), beside, at(60)),
        };
        page.render().unwrap()
    }

    fn row(&self) -> Row {
        Row::new(&JobView::from(&self.job), at(60))
    }
}

fn list(rows: Vec<Row>, query: &[(&str, &str)], any_jobs: bool) -> String {
    let pairs: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (filters, faults) = Filters::read(&pairs);
    let counts = [(Phase::Running, 2), (Phase::Succeeded, 40), (Phase::Failed, 3)];
    let list = List {
        faults,
        tabs: filters.tabs(&counts),
        templates: filters.templates(["hello", "nightly-report"]),
        spans: filters.spans(),
        older: Some(filters.address_at("0123")).filter(|_| !rows.is_empty()),
        rows,
        any_jobs,
        token: "01890a5d".to_owned(),
        here: filters.address(),
        filters,
    };
    let chrome = Chrome { at: "jobs", menu: true, signed_in: Some("ada".to_owned()) };
    JobsHtml { chrome, list }.render().unwrap()
}

/// The samples of every kind of end.
fn samples() -> Vec<Sample> {
    let refused = Fact::Refused(Refusal {
        at: at(2),
        reason: "Unsupported".to_owned(),
        message: "spec.template.spec.volumes: this executor has no volumes".to_owned(),
    });
    let gone = Fact::Evidence(Evidence::Gone { object: Sample::object(), at: at(30), witnessed: false });
    let asked = Fact::CancelRequested(Cancellation { at: at(9), by: Some("ada".to_owned()) });
    vec![
        Sample::new("k1", Some("Nightly report of 31 January")).running().reports(
            5,
            "Processing...",
            Some("page 12 of 31"),
            Some(40),
        ),
        Sample::new("k2", None)
            .running()
            .reports(5, "Start Processing", None, None)
            .reports(19, "Done", None, Some(100))
            .ends(0),
        Sample::new("k3", Some("Nightly")).running().reports(19, "Done", None, None).ends(1),
        Sample::new("k4", Some(HOSTILE)).running().reports(6, HOSTILE, Some(HOSTILE), None),
        Sample::new("k5", None).learn(refused),
        Sample::new("k6", None).running().learn(gone),
        Sample::new("k7", None).running().learn(asked),
        Sample::new("k8", None),
    ]
}

fn schema() -> Value {
    json!({
        "required": ["day"],
        "properties": {
            "day": {"type": "string", "format": "date", "description": "The day to report on"},
            "copies": {"type": "integer", "minimum": 1, "maximum": 50, "default": 1},
            "format": {"enum": ["pdf", "html"], "default": "pdf"},
            "dry_run": {"type": "boolean", "default": false, "description": "Builds the report, but mails it to nobody"},
            "to": {"type": "array", "items": {"type": "string"}, "default": []},
            "limits": {"type": "object"},
            "key": {"type": "string", "writeOnly": true},
            "days": {"type": "array", "uniqueItems": true, "items": {"enum": ["mon", "<b>"]}},
            "db": {"type": "object", "properties": {"host": {"type": "string", "title": HOSTILE}}}
        }
    })
}

fn launch(texts: &[(&str, &str)], wrongs: &[Wrong], preview: Preview) -> String {
    let pairs: Vec<_> = texts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let page = LaunchPage {
        template: "nightly-report".to_owned(),
        title: "Nightly report".to_owned(),
        description: Some("Builds the report for one day and mails it.".to_owned()),
        href: "/templates/nightly-report".to_owned(),
        jobs_href: "/?template=nightly-report".to_owned(),
        launch_to: "/templates/nightly-report/launch".to_owned(),
        preview_to: "/templates/nightly-report/preview".to_owned(),
        can_ask: true,
        rerun_of: None,
        unknown: false,
        broken: None,
        form: Some(LaunchForm {
            token: "01890a5d".to_owned(),
            fields: fields(&Declared::all(&schema(), &|_| 0), &Texts::read(&pairs), wrongs),
            preview,
            notice: wrongs.is_empty().then(Notice::default).filter(|_| false),
            ..LaunchForm::default()
        }),
        about: None,
    };
    let chrome = Chrome { at: "templates", menu: true, signed_in: None };
    LaunchHtml { chrome, page }.render().unwrap()
}

/// No text of a job, worker or person becomes markup, and nothing needs what the content security policy forbids.
fn assert_harmless(html: &str) {
    for forbidden in ["<script>", "<img src=x", " onerror=alert(2)>", " style=", " onclick="] {
        assert!(!html.contains(forbidden), "{forbidden} in {html}");
    }
    let of_ours = html.matches("<script src=\"/assets/").count();
    assert_eq!(html.matches("<script").count(), of_ours, "no script but our files");
    assert!(!html.contains("<style") && !html.contains("javascript:"));
}

#[test]
fn a_page_of_any_job_is_harmless() {
    for sample in samples() {
        assert_harmless(&sample.page());
    }
    assert_harmless(&list(samples().iter().map(Sample::row).collect(), &[("q", HOSTILE)], true));
    let wrong = Wrong { path: "to[0]".to_owned(), message: HOSTILE.to_owned() };
    let texts = [("p.to", HOSTILE), ("p.limits", "</textarea><script>")];
    assert_harmless(&launch(
        &texts,
        &[wrong],
        Preview::Manifest { text: HOSTILE.to_owned(), approved: Some(vec![HOSTILE.to_owned()]) },
    ));
    assert_harmless(&login(Some(HOSTILE)));
}

fn login(error: Option<&str>) -> String {
    let page = LoginHtml { chrome: Chrome::default(), error: error.map(str::to_owned), next: HOSTILE.to_owned() };
    page.render().unwrap()
}

#[test]
fn both_sides_of_a_dispute_are_shown() {
    let html = samples()[2].page();
    assert!(html.contains("<h2>Disputed</h2>"));
    assert!(html.contains("last words were “Done”, but by all evidence the job failed (exit code 1)"));
}

#[test]
fn a_lost_job_is_explained() {
    let html = samples()[5].page();
    assert!(html.contains("It may have done all of its work"));
    assert!(html.contains("Last seen running") && !html.contains("ran for"));
}

#[test]
fn only_what_can_be_done_is_offered() {
    let (running, ended, cancelling) = (samples()[0].page(), samples()[1].page(), samples()[6].page());
    assert!(running.contains("/jobs/k1/cancel") && !running.contains("/jobs/k1/delete"));
    assert!(ended.contains("/jobs/k2/delete") && !ended.contains("/jobs/k2/cancel"));
    assert!(cancelling.contains("Cancellation was asked for") && !cancelling.contains("/jobs/k7/cancel"));
    for page in [running, ended] {
        assert!(page.contains("/rerun"));
    }
}

#[test]
fn a_list_tells_what_to_do_when_it_is_empty() {
    assert!(list(Vec::new(), &[], false).contains("Choose a template"));
    assert!(list(Vec::new(), &[("phase", "lost")], true).contains("No job matches"));
    assert!(list(Vec::new(), &[("cursor", "0123")], true).contains("Back to the newest"));
}

#[test]
fn faults_stand_beside_their_fields_and_link_to_them() {
    let wrong = Wrong { path: "copies".to_owned(), message: "51 is greater than 50".to_owned() };
    let html = launch(&[("p.copies", "51")], &[wrong], Preview::Nothing);
    assert!(html.contains("One thing needs your attention"));
    assert!(html.contains(r##"<a href="#p-copies">copies</a>: 51 is greater than 50"##));
    assert!(html.contains(r#"value="51""#) && html.contains(r#"aria-invalid="true""#));
    assert!(html.contains(r#"aria-describedby="p-copies-wrong p-copies-rule""#));
}

/// Every ID once, or a label, a link or the script would find the wrong element.
#[test]
fn ids_are_unique() {
    let mut pages: Vec<_> = samples().iter().map(Sample::page).collect();
    pages.push(list(samples().iter().map(Sample::row).collect(), &[], true));
    pages.push(launch(&[], &[], Preview::Nothing));
    for html in pages {
        let mut ids: Vec<_> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
