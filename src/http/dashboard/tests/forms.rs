//! Launching by a form: once, with every fault beside its field, and with a preview before.

use axum::http::{StatusCode, header};

use super::{Site, value_of};
use crate::executor::{DryRunError, ExecutorError};

#[tokio::test]
async fn a_form_launches_once_however_often_it_is_sent() {
    let site = Site::new().await;
    let page = site.get("/templates/task").await;
    let token = value_of(&page.html, "token");
    let form = [("token", token.as_str()), ("p.who", "Ada"), ("p.times", "1")];
    for _ in 0..2 {
        let answer = site.post("/templates/task/launch", &form).await;
        assert_eq!((answer.status, answer.location), (StatusCode::SEE_OTHER, format!("/jobs/{token}")));
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
    site.post("/templates/task/launch", &form(&token, "Ada")).await;
    let asked = site.post("/templates/task/launch", &form(&token, "Grace")).await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    assert!(asked.html.contains("This form has launched a job before, with other values"));
    assert!(asked.html.contains(&format!("href=\"/jobs/{token}\"")));
    assert_eq!(value_of(&asked.html, "p.who"), "Grace");
    let fresh = value_of(&asked.html, "token");
    assert_ne!(fresh, token);
    let answer = site.post("/templates/task/launch", &form(&fresh, "Grace")).await;
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
    assert!(answer.html.contains("<a href=\"#id\">Job ID</a>"), "{}", answer.html);
    let form = form.map(|(name, value)| (name, if name == "id" { "" } else { value }));
    let answer = site.post("/templates/task/launch", &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for expected in [
        "2 things need your attention",
        "<a href=\"#p-who\">who</a>: is required",
        "id=\"p-times-wrong\"",
        "value=\"T&#228;glich",
        "checked",
        "x\ny</textarea>",
    ] {
        let expected = expected.replace("&#228;", "ä");
        assert!(answer.html.contains(&expected), "{expected} in {}", answer.html);
    }
    assert_eq!(value_of(&answer.html, "p.times"), "10");
    assert!(site.executor.creations().is_empty());
}

#[tokio::test]
async fn a_preview_shows_the_manifest_masks_secrets_and_launches_nothing() {
    let site = Site::new().await;
    let form = [("token", "t1"), ("p.who", "Ada <&>"), ("p.password", "hunter2")];
    let answer = site.post("/templates/task/preview", &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.html.contains("kind: Job") && answer.html.contains("Ada &#60;&#38;&#62;"));
    assert!(!answer.html.contains("hunter2"));
    let incomplete = site.post("/templates/task/preview", &[("token", "t1")]).await;
    assert!(incomplete.html.contains("There is no manifest yet"));
    assert!(site.executor.creations().is_empty());
}

#[tokio::test]
async fn the_cluster_is_asked_about_a_manifest_by_a_button_and_nothing_is_launched() {
    let site = Site::new().await;
    assert!(site.get("/templates/task").await.html.contains("Check with the cluster"));
    let form = [("token", "t1"), ("p.who", "Ada"), ("p.password", "hunter2"), ("server", "true")];
    let taken = site.post("/templates/task/preview", &form).await.html;
    for expected in ["The cluster would take this manifest, and warns:", "would violate PodSecurity", "kind: Job"] {
        assert!(taken.contains(expected), "{expected} in {taken}");
    }
    site.executor.object(DryRunError::Refused {
        reason: "Forbidden".to_owned(),
        message: "exceeded quota: none, not hunter2".to_owned(),
        causes: Vec::new(),
    });
    let refused = site.post("/templates/task/preview", &form).await.html;
    assert!(refused.contains("The executor would not take this manifest."), "{refused}");
    assert!(refused.contains("exceeded quota: none") && !refused.contains("not hunter2"));
    site.executor.object(ExecutorError::Unreachable("no answer".to_owned()).into());
    let silent = site.post("/templates/task/preview", &form).await;
    assert_eq!(silent.status, StatusCode::OK);
    assert!(silent.html.contains("the executor cannot be reached: no answer"), "{}", silent.html);
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
async fn an_address_fills_the_form_but_never_a_secret() {
    let site = Site::new().await;
    let page = site.get("/templates/task?example=ada&p.times=3&p.loud=true&p.password=hunter2").await.html;
    assert_eq!((value_of(&page, "p.who"), value_of(&page, "p.times")), ("Ada".to_owned(), "3".to_owned()));
    assert!(page.contains("checked") && !page.contains("hunter2"));
}

#[tokio::test]
async fn who_goes_back_finds_the_form_that_was_sent() {
    let site = Site::new().await;
    let form = site.get("/templates/task").await;
    assert_eq!(form.headers[header::CACHE_CONTROL], "private, no-cache", "or a fresh token would launch once more");
    assert_eq!(site.get("/").await.headers[header::CACHE_CONTROL], "no-store");
    for address in ["/templates/task/launch", "/templates/task/preview"] {
        assert_eq!(site.get(address).await.location, "/templates/task");
    }
}

#[tokio::test]
async fn a_secret_does_not_come_back_with_the_form() {
    let site = Site::new().await;
    let form = [("token", "t1"), ("p.who", ""), ("p.password", "hunter2")];
    for path in ["/templates/task/launch", "/templates/task/preview"] {
        let page = site.post(path, &form).await.html;
        assert!(page.contains("Type it again") && !page.contains("hunter2"), "{path}");
    }
}

#[tokio::test]
async fn the_first_fault_has_the_focus_without_scripts() {
    let site = Site::new().await;
    let page = site.post("/templates/task/launch", &[("token", "t1"), ("p.times", "10")]).await.html;
    assert_eq!(page.matches("autofocus").count(), 1);
    let first = page.split("autofocus").next().unwrap().rsplit("id=\"").next().unwrap();
    assert!(first.starts_with("p-who\""), "{first}");
}

#[tokio::test]
async fn the_script_gets_the_form_and_the_manifest_alone() {
    let site = Site::new().await;
    let form = [("token", "t1"), ("p.who", "Ada"), ("part", "preview")];
    let part = site.post("/templates/task/preview", &form).await.html;
    assert!(part.contains("kind: Job") && !part.contains("id=\"versions\""));
    assert!(site.post("/templates/task/preview", &form[..2]).await.html.contains("id=\"versions\""));
}

#[tokio::test]
async fn the_page_of_a_template_tells_what_there_is_to_know() {
    let site = Site::new().await;
    let id = site.launch("k1").await;
    site.executor.exit(&id, 0, &[]);
    site.until_log_kept(&id).await;
    let page = site.get("/templates/task").await.html;
    for expected in [
        "<dt><code>who</code> <span class=\"tag blue\">required</span>",
        "whole number · From 1 to 9.",
        "1 of 1 job succeeded",
        "href=\"/jobs/k1\"",
        "<span class=\"tag blue\">current</span>",
        "no memory limit",
        "<mark>",
        "id=\"L2\" data-at=\"2\">title: Greeting",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let shown = "aria-labelledby=\"h-preview\">apiVersion: batch/v1";
    assert!(!page.contains(shown), "no manifest as long as something required is missing: {page}");
    let filled = site.get("/templates/task?p.who=Ada").await.html;
    assert!(filled.contains(shown), "the manifest, without any script: {filled}");
    let list = site.get("/templates").await.html;
    for expected in ["aria-label=\"One job: Succeeded\"", ">100 %<", "id=\"template-broken\"", "No jobs yet"] {
        assert!(list.contains(expected), "{expected} in {list}");
    }
}

#[tokio::test]
async fn a_broken_template_is_listed_with_its_error() {
    let site = Site::new().await;
    let list = site.get("/templates").await.html;
    assert!(list.contains("Greeting") && list.contains("broken.yaml"));
    let page = site.get("/templates/broken").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("The file of this template is broken") && !page.html.contains("<form class=\"form\""));
    assert!(
        page.html.contains("<mark>") && page.html.contains("data-at=\"2\">title: ["),
        "its text, and where it breaks"
    );
    assert_ne!(site.post("/templates/broken/launch", &[]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_job_runs_again_with_its_parameters_changed() {
    let site = Site::new().await;
    site.launch("k1").await;
    let page = site.get("/jobs/k1/rerun").await.html;
    assert_eq!((value_of(&page, "p.who"), value_of(&page, "p.times")), ("Ada".to_owned(), "2".to_owned()));
    assert!(page.contains("action=\"/jobs/k1/rerun\""));
    let token = value_of(&page, "token");
    let form = [("token", token.as_str()), ("p.who", "Grace"), ("p.times", ""), ("p.password", "new")];
    let answer = site.post("/jobs/k1/rerun", &form).await;
    assert_eq!(answer.location, format!("/jobs/{token}"), "{}", answer.html);
    let job = site.service.store().job(&token.parse().unwrap()).unwrap().unwrap();
    assert_eq!(job.intent.rerun_of.unwrap().as_str(), "k1");
    let parameters = job.intent.parameters.unwrap();
    assert_eq!(parameters["who"], "Grace");
    assert_eq!(parameters["times"], 1, "what was deleted from the form is the default again");
}
