//! The pages over HTTP, as a browser without scripts uses them: the whole router, a real store, and an executor that
//! does as it is told.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::Map;
use tempfile::TempDir;
use tower::ServiceExt;

use super::view::url;
use crate::executor::SharedExecutor;
use crate::executor::fake::FakeExecutor;
use crate::http::auth::{Auth, Hosts, Mode, Sessions};
use crate::http::{AppState, Settings, router};
use crate::job::{JobId, Report};
use crate::service::{Config, Service};
use crate::store::{Options, Store};
use crate::template::{LiveCatalog, TemplateSource};

const TASK: &str = r#"---
title: Greeting
description: Greets someone.
parameters:
  type: object
  required: [who]
  properties:
    who: {type: string, description: Whom to greet, minLength: 1}
    times: {type: integer, minimum: 1, maximum: 9, default: 1, description: How often}
    loud: {type: boolean, default: false, description: In capitals}
    names: {type: array, items: {type: string}, default: [], description: Others}
    password: {type: string, writeOnly: true, default: "", description: A secret}
examples:
  ada: {who: Ada, times: 2}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: task
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 3600
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: localhost/task:1
          args: ["{{params.who}}", "{{params.times}}", "{{params.loud}}", "{{json params.names}}"]
          env:
            - {name: PASSWORD, value: "{{params.password}}"}
"#;

const PLAIN: &str = "---
title: Plain
---
apiVersion: batch/v1
kind: Job
metadata: {name: plain}
spec:
  ttlSecondsAfterFinished: 3600
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: 'localhost/plain:1'}]
";

/// A running service, without a network.
struct Site {
    service: Service,
    executor: FakeExecutor,
    router: axum::Router,
    folder: TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    location: String,
    html: String,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("job-templates");
        std::fs::create_dir(&templates).unwrap();
        for (name, text) in [
            ("task", TASK),
            ("plain", PLAIN),
            ("broken", "---\ntitle: ["),
        ] {
            std::fs::write(templates.join(format!("{name}.yaml")), text).unwrap();
        }
        let catalog = LiveCatalog::start(TemplateSource::Folder(templates), Map::new()).unwrap();
        let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
        let (executor, _) = FakeExecutor::new([]);
        let shared: SharedExecutor = Arc::new(executor.clone());
        let config = Config::new("http://127.0.0.1:8080");
        let service = Service::start(config, store, catalog, shared)
            .await
            .unwrap();
        let auth = Auth::new(Mode::None, Hosts::new([]), Sessions::new(&[7; 32], false));
        let settings = Settings {
            default_template: "plain".to_owned(),
            ..Settings::default()
        };
        Self {
            router: router(AppState::new(service.clone(), auth, settings)),
            service,
            executor,
            folder,
        }
    }

    async fn send(&self, request: axum::http::request::Builder, body: String) -> Answer {
        let request: Request<Body> = request
            .header(header::HOST, "127.0.0.1:8080")
            .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .body(Body::from(body))
            .unwrap();
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        let location = location.map_or("", |it| it.to_str().unwrap()).to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            location,
            html: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_from("http://127.0.0.1:8080", path, form).await
    }

    async fn post_from(&self, origin: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::with_query("", form.iter().copied());
        let request = Request::post(path)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, body.trim_start_matches('?').to_owned())
            .await
    }

    /// Launches a job by its form and gives its ID.
    async fn launch(&self, id: &str) -> JobId {
        let form = [("id", id), ("p.who", "Ada"), ("p.times", "2")];
        let answer = self.post("/templates/task/launch", &form).await;
        assert_eq!(
            (answer.status, answer.location),
            (StatusCode::SEE_OTHER, format!("/jobs/{id}"))
        );
        id.parse().unwrap()
    }

    /// Waits until a job has ended and all that belongs to its end is on record.
    async fn until_log_kept(&self, id: &JobId) {
        let mut changes = self.service.store().subscribe();
        while !self
            .service
            .store()
            .job(id)
            .unwrap()
            .unwrap()
            .status
            .log_kept
        {
            changes.recv().await.unwrap();
        }
    }
}

/// The value of a form's field.
fn value_of(html: &str, name: &str) -> String {
    let field = html.split(&format!("name=\"{name}\"")).nth(1).unwrap();
    let field = field.split('>').next().unwrap();
    field
        .split("value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_form_launches_once_however_often_it_is_sent() {
    let site = Site::new().await;
    let page = site.get("/templates/task").await;
    let token = value_of(&page.html, "token");
    let form = [
        ("token", token.as_str()),
        ("p.who", "Ada"),
        ("p.times", "1"),
    ];
    for _ in 0..2 {
        let answer = site.post("/templates/task/launch", &form).await;
        assert_eq!(
            (answer.status, answer.location),
            (StatusCode::SEE_OTHER, format!("/jobs/{token}"))
        );
    }
    assert_eq!(site.executor.creations().len(), 1);
}

#[tokio::test]
async fn a_form_that_comes_back_with_other_values_asks_and_then_launches_another_job() {
    let site = Site::new().await;
    let token = value_of(&site.get("/templates/task").await.html, "token");
    fn form<'a>(token: &'a str, who: &'a str) -> [(&'a str, &'a str); 2] {
        [("token", token), ("p.who", who)]
    }
    site.post("/templates/task/launch", &form(&token, "Ada"))
        .await;
    let asked = site
        .post("/templates/task/launch", &form(&token, "Grace"))
        .await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    assert!(
        asked
            .html
            .contains("This form has launched a job before, with other values")
    );
    assert!(asked.html.contains(&format!("href=\"/jobs/{token}\"")));
    assert_eq!(value_of(&asked.html, "p.who"), "Grace");
    let fresh = value_of(&asked.html, "token");
    assert_ne!(fresh, token);
    let answer = site
        .post("/templates/task/launch", &form(&fresh, "Grace"))
        .await;
    assert_eq!(answer.location, format!("/jobs/{fresh}"));
    assert_eq!(site.executor.creations().len(), 2);
}

#[tokio::test]
async fn every_fault_stands_beside_its_field_and_nothing_that_was_typed_is_lost() {
    let site = Site::new().await;
    let form = [
        ("token", "t1"),
        ("id", "a b"),
        ("name", "Täglich <1>"),
        ("p.times", "10"),
        ("p.loud", "true"),
        ("p.names", "x\r\ny"),
    ];
    let answer = site.post("/templates/task/launch", &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.html.contains("<a href=\"#id\">Job ID</a>"),
        "{}",
        answer.html
    );
    let form = form.map(|(name, value)| (name, if name == "id" { "" } else { value }));
    let answer = site.post("/templates/task/launch", &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for expected in [
        "2 things need your attention",
        "<a href=\"#p-who\">who</a>: missing",
        "id=\"p-times-wrong\"",
        "value=\"T&#228;glich",
        "checked",
        "x\ny</textarea>",
    ] {
        let expected = expected.replace("&#228;", "ä");
        assert!(
            answer.html.contains(&expected),
            "{expected} in {}",
            answer.html
        );
    }
    assert_eq!(value_of(&answer.html, "p.times"), "10");
    assert!(site.executor.creations().is_empty());
}

#[tokio::test]
async fn a_preview_shows_the_manifest_masks_secrets_and_launches_nothing() {
    let site = Site::new().await;
    let form = [
        ("token", "t1"),
        ("p.who", "Ada <&>"),
        ("p.password", "hunter2"),
    ];
    let answer = site.post("/templates/task/preview", &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.html.contains("kind: Job") && answer.html.contains("Ada &#60;&#38;&#62;"));
    assert!(!answer.html.contains("hunter2"));
    let incomplete = site
        .post("/templates/task/preview", &[("token", "t1")])
        .await;
    assert!(incomplete.html.contains("There is no manifest yet"));
    assert!(site.executor.creations().is_empty());
}

#[tokio::test]
async fn an_example_fills_the_form() {
    let site = Site::new().await;
    let page = site.get("/templates/task").await;
    assert!(page.html.contains("/templates/task?example=ada"));
    let filled = site.get("/templates/task?example=ada").await;
    assert_eq!(value_of(&filled.html, "p.who"), "Ada");
    assert_eq!(value_of(&filled.html, "p.times"), "2");
}

#[tokio::test]
async fn a_broken_template_is_listed_with_its_error() {
    let site = Site::new().await;
    let list = site.get("/templates").await.html;
    assert!(list.contains("Greeting") && list.contains("broken.yaml"));
    let page = site.get("/templates/broken").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.html.contains("The file of this template is broken")
            && !page.html.contains("<form class=\"form\"")
    );
    assert_ne!(
        site.post("/templates/broken/launch", &[]).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn the_page_of_a_job_shows_words_beside_evidence_to_its_end() {
    let site = Site::new().await;
    let id = site.launch("k1").await;
    let report = Report::new(
        jiff::Timestamp::now(),
        Some(1),
        "Greeting <all>".to_owned(),
        None,
        Some(40),
    );
    site.service.report(&id, report.unwrap()).await.unwrap();
    let page = site.get("/jobs/k1").await.html;
    assert!(page.contains("Greeting &#60;all&#62;") && page.contains("value=\"40\""));
    assert!(page.contains("/jobs/k1/cancel") && !page.contains("data-terminal"));
    site.executor
        .exit(&id, 3, &["hello, \u{1b}[1mAda\u{1b}[0m", "<b>"]);
    site.until_log_kept(&id).await;
    let page = site.get("/jobs/k1").await.html;
    for expected in [
        "data-terminal",
        "Failed",
        "exit code 3",
        "hello, Ada\n&#60;b&#62;\n",
        "kind: Job",
        "/jobs/k1/delete",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
}

#[tokio::test]
async fn a_job_is_cancelled_and_a_record_deleted_by_a_form() {
    let site = Site::new().await;
    let id = site.launch("k1").await;
    let refused = site.post("/jobs/k1/delete", &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.html.contains("<h1>") && refused.html.contains("cancel it first"));
    let asked = site.post("/jobs/k1/cancel", &[]).await;
    assert_eq!(
        (asked.status, asked.location.as_str()),
        (StatusCode::SEE_OTHER, "/jobs/k1")
    );
    assert!(
        site.service
            .store()
            .job(&id)
            .unwrap()
            .unwrap()
            .status
            .cancellation
            .is_some()
    );
    site.executor.exit(&id, 0, &[]);
    site.until_log_kept(&id).await;
    let deleted = site.post("/jobs/k1/delete", &[]).await;
    assert_eq!(
        (deleted.status, deleted.location.as_str()),
        (StatusCode::SEE_OTHER, "/")
    );
    let gone = site.get("/jobs/k1").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.html.contains("There is no job k1") && gone.html.contains("Show the jobs"));
}

#[tokio::test]
async fn a_job_runs_again_with_its_parameters_changed() {
    let site = Site::new().await;
    site.launch("k1").await;
    let page = site.get("/jobs/k1/rerun").await.html;
    assert_eq!(
        (value_of(&page, "p.who"), value_of(&page, "p.times")),
        ("Ada".to_owned(), "2".to_owned())
    );
    assert!(page.contains("action=\"/jobs/k1/rerun\""));
    let token = value_of(&page, "token");
    let form = [
        ("token", token.as_str()),
        ("p.who", "Grace"),
        ("p.times", ""),
        ("p.password", "new"),
    ];
    let answer = site.post("/jobs/k1/rerun", &form).await;
    assert_eq!(answer.location, format!("/jobs/{token}"), "{}", answer.html);
    let job = site
        .service
        .store()
        .job(&token.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(job.intent.rerun_of.unwrap().as_str(), "k1");
    assert_eq!(job.intent.parameters["who"], "Grace");
    assert_eq!(
        job.intent.parameters["times"], 1,
        "what was deleted from the form is the default again"
    );
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_act() {
    let site = Site::new().await;
    site.launch("k1").await;
    let paths = [
        "/jobs/k1/cancel",
        "/jobs/k1/delete",
        "/jobs/k1/rerun",
        "/templates/task/launch",
        "/runajob",
    ];
    for path in paths {
        let answer = site
            .post_from("https://evil.example", path, &[("p.who", "Eve")])
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(site.executor.creations().len(), 1);
}

#[tokio::test]
async fn the_list_filters_counts_and_pages() {
    let site = Site::new().await;
    for number in 0..52 {
        site.launch(&format!("job-{number:02}")).await;
    }
    let first = site.get("/").await.html;
    assert!(first.contains("id=\"job-job-51\"") && !first.contains("id=\"job-job-01\""));
    assert!(first.contains("<span class=\"count\">52</span>"));
    let older = first
        .split("rel=\"next\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let second = site.get(&older.replace("&#38;", "&")).await.html;
    assert!(second.contains("id=\"job-job-01\"") && !second.contains("id=\"job-job-02\""));
    assert!(second.contains(">Newest</a>"));
    let found = site.get("/?q=job-07&template=task").await.html;
    assert_eq!(found.matches("<tr role=\"row\" id=").count(), 1);
    let none = site.get("/?phase=lost").await.html;
    assert!(none.contains("No job matches"));
    let odd = site.get("/?phase=ended&cursor=x").await;
    assert_eq!(odd.status, StatusCode::OK);
    assert!(
        odd.html.contains("is no phase") && odd.html.contains("place in the list cannot be read")
    );
}

#[tokio::test]
async fn the_page_of_the_replaced_system_runs_jobs_and_shows_their_words() {
    let site = Site::new().await;
    let answer = site
        .post("/runajob", &[("job-id", "k1"), ("job-name", "Täglich #1")])
        .await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (StatusCode::SEE_OTHER, "/index")
    );
    let page = site.get("/index").await.html;
    for expected in [
        "name=\"job-id\"",
        "name=\"job-name\"",
        "action=\"/runajob\"",
        ">k1</a>",
        "Täglich #1",
        "<bdi>-</bdi>",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let report = Report::new(
        jiff::Timestamp::now(),
        None,
        "Processing...".to_owned(),
        None,
        None,
    );
    site.service
        .report(&"k1".parse().unwrap(), report.unwrap())
        .await
        .unwrap();
    assert!(
        site.get("/index")
            .await
            .html
            .contains("<bdi>Processing...</bdi>")
    );
    let wrong = site
        .post("/runajob", &[("job-id", "k 1"), ("job-name", "kept")])
        .await;
    assert!(wrong.status.is_client_error() && wrong.html.contains("role=\"alert\""));
    assert_eq!(
        (
            value_of(&wrong.html, "job-id"),
            value_of(&wrong.html, "job-name")
        ),
        ("k 1".to_owned(), "kept".to_owned())
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_page_with_a_next_step() {
    let site = Site::new().await;
    let template = site.get("/templates/taks").await;
    assert_eq!(template.status, StatusCode::NOT_FOUND);
    assert!(
        template.html.contains("href=\"/templates/task\"") && template.html.contains("Go to task")
    );
    let route = site.get("/template").await;
    assert_eq!(route.status, StatusCode::NOT_FOUND);
    assert!(route.html.contains("href=\"/templates\""));
    assert!(site.folder.path().exists());
}
