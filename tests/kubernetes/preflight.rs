//! Preflight: a clear line for each thing that launches need.

use std::fmt::Write;

use jobwright::executor::kubernetes::preflight::Grade;
use jobwright::executor::{Executor, ExecutorError};

use crate::api_server::Fault;
use crate::house::House;

async fn findings(house: &House) -> String {
    let mut text = String::new();
    for finding in house.executor.preflight().await {
        writeln!(text, "{:?}: {finding}", finding.grade).unwrap();
    }
    text
}

async fn bad(house: &House) -> Vec<String> {
    let findings = house.executor.preflight().await;
    findings.into_iter().filter(|it| it.grade != Grade::Good).map(|it| it.text).collect()
}

async fn problem(house: &House) -> String {
    match house.executor.ready().await {
        Err(error) => error.to_string(),
        Ok(()) => "none".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_every_line_says_so() {
    let house = House::new();
    let lines = "\
Good: the API server is Kubernetes v1.34.1
Good: the namespace jobs exists
Good: may create, get, list, watch, delete jobs in namespace jobs
Good: may list, watch pods in namespace jobs
Good: may get pods/log in namespace jobs
Good: may list, watch events in namespace jobs
";
    assert_eq!(findings(&house).await, lines);
    assert_eq!(problem(&house).await, "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing() {
    let house = House::new();
    house.server.deny("create jobs");
    let line = "may not create jobs in namespace jobs, which is needed to launch, watch and end jobs";
    assert_eq!(bad(&house).await, [line]);
    assert_eq!(problem(&house).await, line);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_may_not_be_seen_are_no_obstacle() {
    let house = House::new();
    house.server.deny("list events");
    let line = "may not list events in namespace jobs, which is needed to tell why no pod comes for a job";
    assert_eq!(bad(&house).await, [line]);
    assert_eq!(problem(&house).await, "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_missing_or_on_its_way_out() {
    let house = House::new();
    house.server.namespace("jobs", None);
    let line = "there is no namespace jobs: create it, or name another one with --namespace";
    assert_eq!(problem(&house).await, line);
    house.server.namespace("jobs", Some("Terminating"));
    assert_eq!(problem(&house).await, "the namespace jobs is being deleted");
    house.server.namespace("jobs", Some("Active"));
    assert_eq!(problem(&house).await, "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_known_is_no_obstacle() {
    let house = House::new();
    house.server.kubernetes("1", "99", "v1.99.0");
    let line = "the API server is Kubernetes v1.99.0; Jobwright knows 1.31 to 1.34, and others may differ";
    assert_eq!(bad(&house).await, [line]);
    assert_eq!(problem(&house).await, "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_that_does_not_answer_and_that_is_back() {
    let mut house = House::new();
    assert_eq!(problem(&house).await, "none");
    house.server.go_away();
    // The first requests may go out on connections from before, which are cut.
    for attempt in 1.. {
        let line = problem(&house).await;
        assert!(line.starts_with("the API server cannot be reached: ") && attempt < 50, "{line}");
        if line.contains("Connection refused") {
            break;
        }
    }
    assert_eq!(bad(&house).await.len(), 1, "nothing else could be asked");
    house.server.come_back();
    assert_eq!(problem(&house).await, "none");
    house.server.script("/version", Fault::Hang);
    assert_eq!(problem(&house).await, "the API server cannot be reached: no answer within 1 s");
    house.server.script("/version", Fault::Refuse(503, "ServiceUnavailable", "starting"));
    assert_eq!(problem(&house).await, "the API server refuses to answer: starting");
    assert_eq!(house.executor.ready().await, Ok::<(), ExecutorError>(()));
}
