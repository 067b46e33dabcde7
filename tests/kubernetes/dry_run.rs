//! Dry runs: the server is asked, and nothing is left behind.

use jobwright::executor::{Cause, DryRunError, Executor};

use crate::api_server::Fault;
use crate::house::{House, intent, name};

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_goes_all_the_way_but_for_storing() {
    let house = House::new();
    house.server.script("POST dryRun=All", Fault::Warn(vec!["would violate PodSecurity"]));
    let dry = house.executor.dry_run(&intent("k1").manifest).await.unwrap();
    assert_eq!(dry.warnings, ["would violate PodSecurity"]);
    let asked = house.server.arrived("POST");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].line.contains("fieldValidation=Strict&dryRun=All"), "{}", asked[0].line);
    assert!(house.server.created().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_no_obstacle_to_a_dry_run() {
    let house = House::new();
    house.launch("k1").await;
    house.executor.dry_run(&intent("k1").manifest).await.unwrap();
    let asked = house.server.arrived("POST dryRun=All");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].body["metadata"]["generateName"], "hello-k1-");
    assert_eq!(house.server.created(), [name("k1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_a_silence_are_told_apart() {
    let house = House::new();
    house.server.script("dryRun=All", Fault::Refuse(422, "Invalid", "spec: Invalid value"));
    let refused = house.executor.dry_run(&intent("k1").manifest).await.unwrap_err();
    let (reason, message) = ("Invalid".to_owned(), "spec: Invalid value".to_owned());
    assert_eq!(refused, DryRunError::Refused { reason, message, causes: Vec::<Cause>::new() });
    house.server.script("dryRun=All", Fault::Cut);
    let silent = house.executor.dry_run(&intent("k1").manifest).await.unwrap_err();
    assert!(matches!(silent, DryRunError::Executor(_)), "{silent:?}");
}
