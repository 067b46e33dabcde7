//! The pages over HTTP, as a browser without scripts uses them: the whole router, a real store, and an executor that
//! does as it is told.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::Map;
use tempfile::TempDir;
use tower::ServiceExt;

use super::view::url;
use crate::executor::SharedExecutor;
use crate::executor::fake::{Create, FakeExecutor};
use crate::http::auth::{Auth, Hosts, Mode, Sessions};
use crate::http::{AppState, Settings, router};
use crate::job::{JobId, Status};
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

mod checks;
mod forms;
mod jobs;
mod selected;

/// A running service, without a network.
pub(super) struct Site {
    pub(super) service: Service,
    pub(super) executor: FakeExecutor,
    router: axum::Router,
    folder: TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    location: String,
    html: String,
}

impl Site {
    pub(super) async fn new() -> Self {
        Self::scripted([]).await
    }

    /// One whose creates come out like this.
    async fn scripted(script: impl IntoIterator<Item = Create>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("job-templates");
        std::fs::create_dir(&templates).unwrap();
        for (name, text) in [("task", TASK), ("plain", PLAIN), ("broken", "---\ntitle: [")] {
            std::fs::write(templates.join(format!("{name}.yaml")), text).unwrap();
        }
        let catalog = LiveCatalog::start(TemplateSource::Folder(templates), Map::new()).unwrap();
        let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
        let (executor, _) = FakeExecutor::new(script);
        let shared: SharedExecutor = Arc::new(executor.clone());
        let config = Config::new("http://127.0.0.1:8080");
        let service = Service::start(config, store, catalog, shared).await.unwrap();
        let auth = Auth::new(Mode::None, Hosts::new([]), Sessions::new(&[7; 32], false));
        let settings = Settings { default_template: "plain".to_owned(), ..Settings::default() };
        Self { router: router(AppState::new(service.clone(), auth, settings)), service, executor, folder }
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
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, location, html: String::from_utf8(body.to_vec()).unwrap() }
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
        self.send(request, body.trim_start_matches('?').to_owned()).await
    }

    /// Launches a job by its form and gives its ID.
    pub(super) async fn launch(&self, id: &str) -> JobId {
        let form = [("id", id), ("p.who", "Ada"), ("p.times", "2")];
        let answer = self.post("/templates/task/launch", &form).await;
        assert_eq!((answer.status, answer.location), (StatusCode::SEE_OTHER, format!("/jobs/{id}")));
        id.parse().unwrap()
    }

    /// Waits until a job has ended and all that belongs to its end is on record.
    pub(super) async fn until_log_kept(&self, id: &JobId) {
        self.until(id, |status| status.log_kept).await;
    }

    /// Waits until a job is as wanted on record, which is what pages show.
    async fn until(&self, id: &JobId, wanted: impl Fn(&Status) -> bool) {
        let mut changes = self.service.store().subscribe();
        while !wanted(&self.service.store().job(id).unwrap().unwrap().status) {
            changes.recv().await.unwrap();
        }
    }
}

/// The value of a form's field.
fn value_of(html: &str, name: &str) -> String {
    let field = html.split(&format!("name=\"{name}\"")).nth(1).unwrap();
    let field = field.split('>').next().unwrap();
    field.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}
