//! Several jobs at once.

use axum::http::StatusCode;

use super::{Site, value_of};

fn ids<'a>(ids: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    ids.iter().map(|id| ("id", *id)).collect()
}

#[tokio::test]
async fn several_jobs_are_cancelled_after_one_question() {
    let site = Site::new().await;
    let ended = site.launch("k1").await;
    let running = site.launch("k2").await;
    site.executor.exit(&ended, 3, &[]);
    site.until_log_kept(&ended).await;
    let mut form = ids(&["k1", "k2", "k2", "k9"]);
    form.push(("back", "/?phase=Running"));
    let asked = site.post("/selected/cancel", &form).await;
    assert_eq!(asked.status, StatusCode::OK);
    for expected in
        ["Cancel 1 job?", "It has ended already: Failed.", "There is no job k9.", "href=\"/?phase=Running\""]
    {
        assert!(asked.html.contains(expected), "{expected} in {}", asked.html);
    }
    let status = |id| site.service.store().job(id).unwrap().unwrap().status;
    assert!(status(&running).cancellation.is_none(), "nothing is done before the answer");
    let answer = [("confirmed", "true"), ("id", "k2"), ("id", "k1")];
    let done = site.post("/selected/cancel", &answer).await.html;
    assert!(done.contains("Cancelled: 1 of 2 jobs") && done.contains("Asked to stop"), "{done}");
    assert!(done.find("done-k2") < done.find("done-k1"), "in the order of the request");
    assert!(status(&running).cancellation.is_some() && status(&ended).cancellation.is_none());
}

#[tokio::test]
async fn several_jobs_run_again_once_however_often_the_form_is_sent() {
    let site = Site::new().await;
    site.launch("k1").await;
    site.launch("k2").await;
    let secret = [("id", "k3"), ("p.who", "Ada"), ("p.password", "hunter2")];
    site.post("/templates/task/launch", &secret).await;
    let token = value_of(&site.get("/").await.html, "token");
    let mut form = ids(&["k1", "k2", "k3"]);
    form.push(("token", &token));
    for _ in 0..2 {
        let done = site.post("/selected/rerun", &form).await.html;
        assert!(done.contains("Run again: 2 of 3 jobs"), "{done}");
        assert!(done.contains("Secret parameters are not kept") && done.contains("href=\"/jobs/k3/rerun\""), "{done}");
        assert_eq!(done.matches(&format!("href=\"/jobs/{token}-")).count(), 2);
    }
    let jobs = site.get("/").await.html;
    assert_eq!(jobs.matches("<tr role=\"row\" id=").count(), 5);
    assert_eq!(jobs.matches("form=\"selected\"").count(), 5, "each of them can be selected");
}

#[tokio::test]
async fn a_selection_of_nothing_says_what_to_do() {
    let site = Site::new().await;
    for path in ["/selected/cancel", "/selected/rerun"] {
        let page = site.post(path, &[("id", "not an id")]).await.html;
        assert!(page.contains("No job is selected") && page.contains("Back to the jobs"), "{page}");
        let forged = site.post_from("https://evil.example", path, &[("id", "k1")]).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
    }
}
