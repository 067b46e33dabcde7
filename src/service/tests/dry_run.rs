//! What the executor would say of a launch.

use super::*;
use crate::executor::{Cause, DryRunError};

fn asked() -> RenderRequest {
    RenderRequest {
        template: "task".into(),
        id: Some(id("k1")),
        name: Some("Daily".parse().unwrap()),
        parameters: parameters(json!({"who": "Ada", "password": "hush hush"})),
    }
}

#[tokio::test]
async fn a_dry_run_shows_the_executor_the_very_object_of_a_launch_and_makes_nothing() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let asked = asked();
    let approved = service.dry_run(&asked).await.unwrap();
    assert_eq!(approved.warnings, [WARNING]);
    assert_eq!(approved.rendered, service.render(&asked).unwrap());
    assert!(fixture.executor.creations().is_empty());

    let RenderRequest { template, id: key, name, parameters } = asked;
    service.launch(LaunchRequest { template, id: key, name, parameters, by: None }).await.unwrap();
    let mut intent = service.store().intent(&id("k1")).unwrap().unwrap();
    let mut shown = fixture.executor.shown().remove(0);
    for manifest in [&mut shown, &mut intent.manifest] {
        // One was asked for later than the other.
        let annotations = manifest.pointer_mut("/metadata/annotations").unwrap().as_object_mut().unwrap();
        assert!(annotations.remove(crate::job::labels::CREATED).is_some());
    }
    let secret = "/spec/template/spec/containers/0/env/1/value";
    assert_eq!(shown.pointer(secret), Some(&json!("hush hush")), "it is checked as it would be launched");
    for part in ["/metadata", "/spec/template/metadata", "/spec/ttlSecondsAfterFinished"] {
        assert_eq!(shown.pointer(part), intent.manifest.pointer(part), "{part}");
    }
}

#[tokio::test]
async fn an_objection_is_told_with_its_line_and_without_secrets() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let asked = asked();
    let token = service.callback_token(&id("k1"));
    let cause = |field: &str, message: String| Cause { field: field.to_owned(), message };
    let password = cause("spec.template.spec.containers[0].env[1].value", "Invalid value: \"hush hush\"".to_owned());
    fixture.executor.object(DryRunError::Refused {
        reason: "Invalid".to_owned(),
        message: format!("Job is invalid: hush hush and {token}"),
        causes: vec![password.clone(), password, cause("spec.suspend", format!("not {token}"))],
    });
    let error = service.dry_run(&asked).await.unwrap_err();
    let ServiceError::Refused { template, objection } = error else { panic!("{error}") };
    assert_eq!((template.as_str(), objection.reason.as_str()), ("task", "Invalid"));
    assert_eq!(objection.message, format!("Job is invalid: {MASK} and {MASK}"));
    let line = 1 + TEMPLATE.lines().position(|line| line.contains("name: PASSWORD")).unwrap();
    assert_eq!(
        objection.lines(),
        [
            format!("task.yaml:{line}:32: spec.template.spec.containers[0].env[1].value: Invalid value: \"{MASK}\""),
            format!("task.yaml:16:1: spec.suspend: not {MASK}"),
        ]
    );
}
