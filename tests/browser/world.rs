//! What the pictures show: the jobs of a small shop, of a fortnight, and its templates. Every job has really run, and
//! said what it says; only the times of those that have ended are told differently, since nobody waits a fortnight for a
//! picture.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fixtures::{retimed, store};
use crate::page::Device;
use crate::support::{Setup, TestApp};

/// The templates, in files of their own. `newsletter` does not load.
const TEMPLATES: [(&str, &str); 8] = [
    ("clean-up", include_str!("world/clean-up.yaml")),
    ("customer-export", include_str!("world/customer-export.yaml")),
    ("database-backup", include_str!("world/database-backup.yaml")),
    ("media-sync", include_str!("world/media-sync.yaml")),
    ("newsletter", include_str!("world/newsletter.yaml")),
    ("nightly-report", include_str!("world/nightly-report.yaml")),
    ("order-import", include_str!("world/order-import.yaml")),
    ("search-index", include_str!("world/search-index.yaml")),
];
const PARTIAL: &str = include_str!("world/partials/reports.yaml");

/// What was wrong with the report until it was mended, and where it stood.
const MISTAKE: &str = "[ \"$FORMAT\" != csv ] || csv-totals \"$table\"\n                ";
const PLACE: &str = "printf '%-12s";

/// What stands for the address of the service while its records are under way to another one.
const ADDRESS: &str = "http://ADDRESS";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A service whose jobs are as many a team's: some run, some wait, most have ended, in all the ways there are.
pub(crate) struct World {
    pub(crate) app: TestApp,
}

impl World {
    /// Brings it about, for the pictures that one device takes.
    pub(crate) fn start(device: Device) -> Self {
        // An address that is the same in every picture; each device has its own, so that both can be at work.
        let listen = match device {
            Device::Desktop => "127.8.0.1:8080",
            Device::Phone => "127.8.0.2:8080",
        };
        let setup = mended(setup()).with(&["--listen", listen]);
        let file = setup.path().join("fortnight.jsonl");
        fs::write(&file, fortnight().replace(ADDRESS, &format!("http://{listen}"))).unwrap();
        store(&setup, &["import", file.to_str().unwrap()]);
        let app = setup.start();

        launch(&app, "search-index", "index-de", "German index", &json!({"language": "de"}));
        app.wait_for_phase("index-de", "Suspended");
        launch(&app, "database-backup", "backup-search", "", &json!({"database": "search", "pause": 600}));
        wait_for_progress(&app, "backup-search", 60);
        let day = Timestamp::now().strftime("%Y-%m-%d").to_string();
        let parameters = json!({"day": day, "format": "html", "to": ["ada@example.org"], "pause": 600});
        launch(&app, "nightly-report", "report-early", "Early figures for today", &parameters);
        wait_for_progress(&app, "report-early", 40);
        Self { app }
    }
}

/// A service with these templates alone, in a git repository, the report not yet mended.
fn setup() -> Setup {
    let setup = Setup::new().with(&["--image", "order-import=/bin/sh"]);
    let folder = setup.path().join("templates");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir_all(folder.join("partials")).unwrap();
    fs::write(folder.join("partials/reports.yaml"), PARTIAL).unwrap();
    let setup = TEMPLATES.iter().fold(setup, |setup, (name, text)| setup.template(name, text));
    let report = TEMPLATES.iter().find(|(name, _)| *name == "nightly-report").unwrap().1;
    assert_eq!(report.matches(PLACE).count(), 1);
    let setup = setup.template("nightly-report", &report.replace(PLACE, &format!("{MISTAKE}{PLACE}")));
    git(&folder, &["init", "--quiet"]);
    commit(&setup, "Jobs of the shop");
    setup
}

/// The same with the report mended.
fn mended(setup: Setup) -> Setup {
    let report = TEMPLATES.iter().find(|(name, _)| *name == "nightly-report").unwrap().1;
    let setup = setup.template("nightly-report", report);
    commit(&setup, "Take the totals from the tables themselves");
    setup
}

fn commit(setup: &Setup, message: &str) {
    let folder = setup.path().join("templates");
    git(&folder, &["add", "--all"]);
    git(&folder, &["commit", "--quiet", "--message", message]);
}

fn git(folder: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(args)
        .current_dir(folder)
        // The same commits each time.
        .env("GIT_AUTHOR_DATE", "2026-01-31T09:00:00Z")
        .env("GIT_COMMITTER_DATE", "2026-01-31T09:00:00Z")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A job that has ended, and when that is said to have been.
struct Story {
    id: String,
    /// How many seconds ago it was launched.
    ago: i64,
    /// How many seconds it ran.
    lasted: i64,
}

/// Launches jobs, and writes down when they are to have been.
struct Teller<'a> {
    app: &'a TestApp,
    stories: &'a mut Vec<Story>,
}

impl Teller<'_> {
    fn tell(&mut self, (ago, lasted): (i64, i64), template: &str, id: &str, name: &str, parameters: &Value) {
        launch(self.app, template, id, name, parameters);
        self.stories.push(Story { id: id.to_owned(), ago, lasted });
    }

    /// The report of a day, in the night after it.
    fn report(&mut self, days: i64, format: &str) {
        let ago = days * DAY - 17 * HOUR;
        let day = Timestamp::now() - SignedDuration::from_secs(days * DAY);
        let parameters = json!({"day": day.strftime("%Y-%m-%d").to_string(), "format": format, "to": ["ada@example.org", "grace@example.org"]});
        let id = format!("report-{}", day.strftime("%m%d"));
        let lasted = 240 + days * 7919 % 130;
        self.tell((ago, lasted), "nightly-report", &id, &day.strftime("Report for %-d %B").to_string(), &parameters);
    }
}

/// What has been: an export of jobs that have ended, made once.
fn fortnight() -> &'static str {
    static FORTNIGHT: OnceLock<String> = OnceLock::new();
    FORTNIGHT.get_or_init(|| {
        let mut stories = Vec::new();
        let app = setup().start();
        first_days(&mut Teller { app: &app, stories: &mut stories });
        let first = app.url.clone();
        // The process that runs the backup dies with the service.
        let app = mended(app.stop().setup).start();
        app.wait_for_phase("backup-shop-0", "Lost");
        last_days(&mut Teller { app: &app, stories: &mut stories });
        let second = app.url.clone();
        let setup = app.stop().setup;
        let export =
            store(&setup, &["export", "--with-secrets", "-"]).replace(&first, ADDRESS).replace(&second, ADDRESS);
        let now = Timestamp::now();
        let mut lines = export.lines();
        let header = lines.next().unwrap().to_owned();
        let jobs = lines.map(|record| retold(record, &stories, now));
        std::iter::once(header).chain(jobs).map(|line| line + "\n").collect()
    })
}

fn first_days(teller: &mut Teller<'_>) {
    for days in (5..=13).rev() {
        teller.report(days, if days == 5 { "csv" } else { "pdf" });
    }
    for (days, lasted) in [(6, 780), (5, 802), (4, 795), (3, 811), (2, 840)] {
        let times = (days * DAY - 19 * HOUR, lasted);
        teller.tell(times, "database-backup", &format!("backup-shop-{}", days - 1), "", &json!({"database": "shop"}));
    }
    for (year, ago) in [("2022", 9 * DAY), ("2023", 8 * DAY), ("2024", 7 * DAY)] {
        let parameters = json!({"library": format!("photos-{year}")});
        teller.tell((ago, 371), "media-sync", &format!("media-{year}"), &format!("Photos of {year}"), &parameters);
    }
    let stuck = json!({"database": "shop", "pause": 600});
    teller.tell((5 * HOUR, 460), "database-backup", "backup-shop-0", "", &stuck);
    teller.stories.iter().filter(|it| it.id != "backup-shop-0").for_each(|it| until_kept(teller.app, &it.id));
    wait_for_progress(teller.app, "backup-shop-0", 60);
}

fn last_days(teller: &mut Teller<'_>) {
    for days in (1..=4).rev() {
        teller.report(days, "pdf");
    }
    let partner = |name: &str| json!({"partner": name});
    teller.tell((2 * DAY, 41), "order-import", "orders-hopper", "Orders of Hopper & Sons", &partner("hopper-and-sons"));
    let quarter = json!({"title": "Fourth quarter", "since": "2026-10-01", "format": "csv", "tags": ["finance"]});
    teller.tell((3 * HOUR, 94), "customer-export", "customers-q4", "Customers of Q4", &quarter);
    teller.tell((2 * HOUR, 402), "media-sync", "media-2025", "Photos of 2025", &json!({"library": "photos-2025"}));
    until_kept(teller.app, "customers-q4");
    let changed =
        json!({"id": "customers-q4-all", "parameters": {"limit": 1_000_000, "deleted": true, "format": "parquet"}});
    let answer = teller.app.post("/api/v1/jobs/customers-q4/rerun", &changed);
    assert_eq!(answer.status, 201, "{answer:?}");
    teller.stories.push(Story { id: "customers-q4-all".to_owned(), ago: 80 * MINUTE, lasted: 131 });
    until_kept(teller.app, "media-2025");
    teller.tell((42 * MINUTE, 364), "media-sync", "media-2026", "Photos of 2026", &json!({"library": "photos-2026"}));
    teller.tell(
        (25 * MINUTE, 48),
        "order-import",
        "orders-lovelace",
        "Orders of Lovelace Books",
        &partner("lovelace-books"),
    );
    teller.tell((9 * MINUTE, 72), "clean-up", "clean-up", "Old previews", &json!({"days": 120, "pause": 600}));
    teller.app.wait_for_phase("clean-up", "Running");
    let answer = teller.app.post("/api/v1/jobs/clean-up/cancel", &json!({}));
    assert!(answer.status < 300, "{answer:?}");
    teller.stories.iter().for_each(|it| until_kept(teller.app, &it.id));
    let words = json!({"job-id": "orders-lovelace", "status": "ERROR", "message": "3 of 1204 rows were refused"});
    let answer = teller.app.post("/updatejobstatus", &words);
    assert_eq!(answer.status, 200, "{answer:?}");
    teller.app.wait("orders-lovelace", |job| job["disputed"] == true);
}

/// The record of a job, at the times of its story.
fn retold(record: &str, stories: &[Story], now: Timestamp) -> String {
    let mut known: Value = serde_json::from_str(record).unwrap();
    let story = stories.iter().find(|it| known["intent"]["id"] == it.id.as_str()).unwrap();
    let time = |value: &Value| -> Timestamp { value.as_str().unwrap().parse().unwrap() };
    let created = time(&known["intent"]["created"]);
    let ended = time(&known["status"]["ended"][1]);
    let events = known["events"].as_array_mut().unwrap();
    let started = time(&events.iter().find(|it| it["type"] == "containerStarted").unwrap()["at"]);
    // A short run may be over when it is first seen to run.
    if let Some(event) = events.iter_mut().find(|it| it["to"] == "Running") {
        event["at"] = json!(started.to_string());
    }
    // The run was the longest part of the job, however short it really was.
    let finished = events.iter().find(|it| it["type"] == "containerEnded").map_or(ended, |it| time(&it["at"]));
    let launched = now - SignedDuration::from_secs(story.ago);
    let running = launched + SignedDuration::from_millis(1200 + story.ago % 1700);
    let over = running + SignedDuration::from_secs(story.lasted);
    let done = if finished < ended { over - SignedDuration::from_secs(2) } else { over };
    // What is between two moments stays between them, in proportion.
    let between = |time: Timestamp, (from, to): (Timestamp, Timestamp), (new_from, new_to): (Timestamp, Timestamp)| {
        let share = time.duration_since(from).as_secs_f64() / to.duration_since(from).as_secs_f64();
        new_from + SignedDuration::from_secs_f64(new_to.duration_since(new_from).as_secs_f64() * share)
    };
    let when = |time: Timestamp| match time {
        time if time <= started => between(time, (created, started), (launched, running)),
        time if time <= finished => between(time, (started, finished), (running, done)),
        time if time <= ended => between(time, (finished, ended), (done, over)),
        time => over + time.duration_since(ended),
    };
    retimed(&known.to_string(), &when).to_string()
}

fn launch(app: &TestApp, template: &str, id: &str, name: &str, parameters: &Value) {
    let name = (!name.is_empty()).then_some(name);
    let body = json!({"template": template, "id": id, "name": name, "parameters": parameters});
    let answer = app.post("/api/v1/jobs", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn wait_for_progress(app: &TestApp, id: &str, percent: u64) {
    app.wait(id, |job| job["report"]["progress"] == percent);
}

/// Waits until nothing more will happen to a job.
fn until_kept(app: &TestApp, id: &str) {
    let path = format!("/api/v1/events?after=0&job={id}");
    let mut events = crate::support::server_events(app.request("GET", &path).lines());
    assert!(events.any(|event| event.event == "logKept"), "the stream of {id} ended");
}
