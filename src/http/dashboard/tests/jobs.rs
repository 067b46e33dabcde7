//! The lists, the page of a job, and what is done from there.

use axum::http::{Request, StatusCode};

use super::{Site, value_of};
use crate::job::Report;

#[tokio::test]
async fn the_page_of_a_job_shows_words_beside_evidence_to_its_end() {
    let site = Site::new().await;
    let id = site.launch("k1").await;
    let report = Report::new(jiff::Timestamp::now(), Some(1), "Greeting <all>".to_owned(), None, Some(40));
    site.service.report(&id, report.unwrap()).await.unwrap();
    let page = site.get("/jobs/k1").await.html;
    assert!(page.contains("Greeting &#60;all&#62;") && page.contains("value=\"40\""));
    assert!(page.contains("/jobs/k1/cancel") && !page.contains("data-terminal"));
    site.executor.exit(&id, 3, &["hello, \u{1b}[1mAda\u{1b}[0m", "<b>"]);
    site.until_log_kept(&id).await;
    let page = site.get("/jobs/k1").await.html;
    for expected in [
        "data-terminal",
        "Failed",
        "exit code 3",
        "hello, Ada\n&#60;b&#62;\n",
        ">kind</span>: <span class=\"ys\">Job<",
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
    assert_eq!((asked.status, asked.location.as_str()), (StatusCode::SEE_OTHER, "/jobs/k1"));
    assert!(site.service.store().job(&id).unwrap().unwrap().status.cancellation.is_some());
    site.executor.exit(&id, 0, &[]);
    site.until_log_kept(&id).await;
    let deleted = site.post("/jobs/k1/delete", &[]).await;
    assert_eq!((deleted.status, deleted.location.as_str()), (StatusCode::SEE_OTHER, "/"));
    let gone = site.get("/jobs/k1").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.html.contains("There is no job k1. Its ID") && gone.html.contains("Show the jobs"));
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_act() {
    let site = Site::new().await;
    site.launch("k1").await;
    let paths = ["/jobs/k1/cancel", "/jobs/k1/delete", "/jobs/k1/rerun", "/templates/task/launch", "/runajob"];
    for path in paths {
        let answer = site.post_from("https://evil.example", path, &[("p.who", "Eve")]).await;
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
    let older = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = site.get(&older.replace("&#38;", "&")).await.html;
    assert!(second.contains("id=\"job-job-01\"") && !second.contains("id=\"job-job-02\""));
    assert!(second.contains(">Newest</a>"));
    let found = site.get("/?q=job-07&template=task").await.html;
    assert_eq!(found.matches("<tr role=\"row\" id=").count(), 1);
    let guessed = site.get("/jobs?q=job-07").await;
    assert_eq!(guessed.location, "/?q=job-07");
    let none = site.get("/?phase=lost").await.html;
    assert!(none.contains("No job matches"));
    let odd = site.get("/?phase=ended&cursor=x").await;
    assert_eq!(odd.status, StatusCode::OK);
    assert!(
        odd.html.contains("was left out")
            && odd.html.contains("is no phase")
            && odd.html.contains("this is the start of the list")
    );
}

#[tokio::test]
async fn the_page_of_the_replaced_system_runs_jobs_and_shows_their_words() {
    let site = Site::new().await;
    let answer = site.post("/runajob", &[("job-id", "k1"), ("job-name", "Täglich #1")]).await;
    assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/index"));
    let page = site.get("/index").await.html;
    for expected in
        ["name=\"job-id\"", "name=\"job-name\"", "action=\"/runajob\"", ">k1</a>", "Täglich #1", "<bdi>-</bdi>"]
    {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let report = Report::new(jiff::Timestamp::now(), None, "Processing...".to_owned(), None, None);
    site.service.report(&"k1".parse().unwrap(), report.unwrap()).await.unwrap();
    assert!(site.get("/index").await.html.contains("<bdi>Processing...</bdi>"));
    let wrong = site.post("/runajob", &[("job-id", "k 1"), ("job-name", "kept")]).await;
    assert!(wrong.status.is_client_error() && wrong.html.contains("role=\"alert\""));
    assert_eq!(
        (value_of(&wrong.html, "job-id"), value_of(&wrong.html, "job-name")),
        ("k 1".to_owned(), "kept".to_owned())
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_page_with_a_next_step() {
    let site = Site::new().await;
    let template = site.get("/templates/taks").await;
    assert_eq!(template.status, StatusCode::NOT_FOUND);
    assert!(template.html.contains("href=\"/templates/task\"") && template.html.contains("Go to task"));
    let route = site.get("/template").await;
    assert_eq!(route.status, StatusCode::NOT_FOUND);
    assert!(route.html.contains("href=\"/templates\""));
    assert!(site.folder.path().exists());
}

/// The script fetches a page after every change: what it looks after itself, or never changes, is not made again.
#[tokio::test]
async fn a_page_that_is_brought_up_to_date_comes_without_log_and_manifest() {
    let site = Site::new().await;
    let id = site.launch("k1").await;
    site.executor.exit(&id, 0, &["a line"]);
    site.until_log_kept(&id).await;
    let request = Request::get("/jobs/k1").header("jobwright-live", "1");
    let live = site.send(request, String::new()).await.html;
    assert!(live.contains("Succeeded") && live.contains("id=\"history\""));
    assert!(!live.contains("a line") && !live.contains(">kind</span>") && !live.contains("id=\"changes\""));
}

#[tokio::test]
async fn a_job_is_compared_with_the_last_success_before_it() {
    let site = Site::new().await;
    let first = site.launch("k1").await;
    assert!(site.get("/jobs/k1").await.html.contains("No job of this template had succeeded before"));
    site.executor.exit(&first, 0, &[]);
    site.until_log_kept(&first).await;
    let failed = site.launch("k2").await;
    site.executor.exit(&failed, 1, &[]);
    site.until_log_kept(&failed).await;
    let form = [("id", "k3"), ("p.who", "Grace <1>"), ("p.times", "2"), ("p.password", "hunter2")];
    site.post("/templates/task/launch", &form).await;
    let page = site.get("/jobs/k3").await.html;
    for expected in [
        "Compared with <a href=\"/jobs/k1\">",
        "<bdi>Ada</bdi></del>",
        "<bdi>Grace &#60;1&#62;</bdi></ins>",
        "class=\"del\">-        - Ada\n",
        "whether <code>password</code> changed",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert!(!page.contains("hunter2"));
    assert!(site.get("/jobs/k2").await.html.contains("<strong>Nothing changed</strong>"));
}
