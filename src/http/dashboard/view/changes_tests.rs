//! Two records beside each other.

use serde_json::json;

use super::*;
use crate::job::Status;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A job with one argument and one secret.
fn job(id: &str, day: &str, digest: &str) -> Job {
    let object_name = format!("report-{id}00000000");
    let manifest = json!({
        "metadata": {"name": object_name, "annotations": {labels::JOB_ID: id, labels::CREATED: at(1).to_string()}},
        "spec": {"template": {"spec": {"containers": [{"args": ["--day", day, "--job", id], "image": digest}]}}},
    });
    let intent = Intent {
        id: id.parse().unwrap(),
        name: None,
        template: "report".to_owned(),
        parameters: json!({"day": day, "key": MASK, "copies": 1}).as_object().cloned(),
        secrets: vec!["key".to_owned()],
        default_secrets: Vec::new(),
        fingerprint: None,
        object_name,
        namespace: "local".to_owned(),
        manifest,
        masked: None,
        digest: digest.to_owned(),
        commit: Some("3d92510".to_owned()),
        ttl_seconds: None,
        rerun_of: None,
        created: at(1),
        rebuilt: None,
    };
    Job { intent, status: Status::default() }
}

fn comparison(before: &Job, job: &Job) -> Comparison {
    match Changes::new(job, &LastSuccess::Found(Box::new(before.clone())), at(9)) {
        Changes::Since(comparison) => *comparison,
        Changes::Incomparable(why) => panic!("{why}"),
    }
}

fn change(name: &str, before: Option<&str>, now: Option<&str>) -> Change {
    Change { name: name.to_owned(), before: before.map(str::to_owned), now: now.map(str::to_owned) }
}

#[test]
fn what_names_each_of_two_jobs_is_no_change() {
    let (a, b) = (job("k1", "2026-01-30", "d1"), job("k2", "2026-01-30", "d1"));
    let same = comparison(&a, &b);
    assert!(same.is_empty(), "{same:?}");
    assert_eq!(same.with, ("k1".to_owned(), "/jobs/k1".to_owned()));
    assert_eq!(same.secrets, ["key"], "whether it changed is not on record");
}

#[test]
fn parameters_template_and_manifest_are_told_apart() {
    let mut before = job("k1", "2026-01-30", "d1");
    before.intent.parameters.as_mut().unwrap().remove("copies");
    let changed = comparison(&before, &job("k2", "2026-01-31", "d2"));
    let expected = [change("copies", None, Some("1")), change("day", Some("2026-01-30"), Some("2026-01-31"))];
    assert_eq!(changed.parameters.as_deref(), Some(&expected[..]));
    assert_eq!(changed.template, [change("Digest", Some("d1"), Some("d2"))]);
    let manifest = changed.manifest.unwrap();
    let of = |class: &str| {
        manifest.iter().filter(|line| line.class == class).map(|line| line.text.trim()).collect::<Vec<_>>()
    };
    assert!(of("del").iter().any(|line| line.ends_with("\"2026-01-30\"")), "{manifest:?}");
    assert!(of("ins").iter().any(|line| line.ends_with("\"2026-01-31\"")), "{manifest:?}");
    assert_eq!(of("at").len(), 1);
}

/// A template may have made a parameter secret since: what it was before is not shown beside it either.
#[test]
fn what_is_secret_on_one_side_is_masked_on_both() {
    let mut before = job("k1", "2026-01-30", "d1");
    before.intent.secrets.clear();
    before.intent.parameters.as_mut().unwrap().insert("key".to_owned(), json!("hunter2"));
    before.intent.manifest["spec"]["token"] = json!("Bearer hunter2");
    let compared = comparison(&before, &job("k2", "2026-01-30", "d1"));
    assert_eq!(compared.parameters, Some(Vec::new()));
    assert_eq!(compared.secrets, ["key"]);
    let lines = format!("{:?}", compared.manifest.unwrap());
    assert!(lines.contains("Bearer") && !lines.contains("hunter2"), "{lines}");
}

#[test]
fn where_nothing_can_be_compared_it_is_said_why() {
    let mut rebuilt = job("k2", "2026-01-30", "d1");
    rebuilt.intent.rebuilt = Some(at(5));
    let plain = job("k3", "2026-01-30", "d1");
    for (job, last, words) in [
        (&rebuilt, LastSuccess::Found(Box::new(plain.clone())), "rebuilt from its object"),
        (&plain, LastSuccess::Nothing, "No job of this template had succeeded before"),
        (&plain, LastSuccess::NotAmong(5000), "among the last 5000 jobs before this one"),
    ] {
        match Changes::new(job, &last, at(9)) {
            Changes::Incomparable(why) => assert!(why.contains(words), "{why}"),
            Changes::Since(_) => panic!("{words}"),
        }
    }
}

#[test]
fn a_rebuilt_success_leaves_out_what_it_does_not_know() {
    let mut before = job("k1", "2026-01-30", "d1");
    (before.intent.parameters, before.intent.manifest) = (None, Value::Null);
    Intent::UNKNOWN_DIGEST.clone_into(&mut before.intent.digest);
    let compared = comparison(&before, &job("k2", "2026-01-30", "d1"));
    assert_eq!((compared.parameters, compared.manifest.is_none()), (None, true));
    assert_eq!(compared.template, [change("Digest", None, Some("d1"))]);
}
