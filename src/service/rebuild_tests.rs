//! What an object comes to, by what it says.

use serde_json::json;

use super::*;
use crate::job::ObjectRef;
use crate::job::labels::{INSTALLATION, JOBWRIGHT, MANAGED_BY};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_769_850_000 + second).unwrap()
}

fn here() -> InstallationId {
    "here".parse().unwrap()
}

fn print() -> String {
    "ab".repeat(32)
}

/// The object of job `k1`, as it was stamped.
fn marked() -> Marked {
    let texts = |value: Value| serde_json::from_value(value).unwrap();
    Marked {
        object: ObjectRef {
            name: object_name("hello", &here(), &"k1".parse().unwrap()),
            namespace: "jobs".to_owned(),
            uid: "u1".to_owned(),
        },
        created: at(1),
        labels: texts(json!({MANAGED_BY: JOBWRIGHT, INSTALLATION: "here", TEMPLATE: "hello", "team": "a"})),
        annotations: texts(json!({
            JOB_ID: "k1", JOB_NAME: "Täglich ✓", DIGEST: format!("sha256:{}", "0f".repeat(32)), COMMIT: "3d92510-dirty",
            TTL: "300", RERUN_OF: "k0", CREATED: at(0).to_string(), FINGERPRINT: "key.print", "note": "x",
        })),
    }
}

fn find(marked: &Marked) -> Finding {
    judge(marked, &here(), |sealed| (sealed == "key.print").then(|| Fingerprint(print())), at(9))
}

fn rebuilt(marked: &Marked) -> Intent {
    match find(marked) {
        Finding::Ours(job) => job.intent,
        other => panic!("{other:?}"),
    }
}

fn label(key: &str, value: &str) -> Marked {
    let mut changed = marked();
    changed.labels.insert(key.to_owned(), value.to_owned());
    changed
}

fn annotation(key: &str, value: &str) -> Marked {
    let mut changed = marked();
    changed.annotations.insert(key.to_owned(), value.to_owned());
    changed
}

#[test]
fn all_that_an_object_tells_is_on_record_again() {
    let intent = rebuilt(&marked());
    let expected = Intent {
        id: "k1".parse().unwrap(),
        name: Some("Täglich ✓".parse().unwrap()),
        template: "hello".to_owned(),
        parameters: None,
        secrets: Vec::new(),
        default_secrets: Vec::new(),
        fingerprint: Some(Fingerprint(print())),
        object_name: marked().object.name,
        namespace: "jobs".to_owned(),
        manifest: Value::Null,
        masked: None,
        digest: format!("sha256:{}", "0f".repeat(32)),
        commit: Some("3d92510-dirty".to_owned()),
        ttl_seconds: Some(300),
        rerun_of: Some("k0".parse().unwrap()),
        created: at(0),
        rebuilt: Some(at(9)),
    };
    assert_eq!(intent, expected);
}

#[test]
fn an_object_that_was_stamped_by_an_older_version_tells_less() {
    let mut bare = marked();
    bare.annotations.retain(|key, _| key == JOB_ID);
    let intent = rebuilt(&bare);
    assert_eq!((intent.name, intent.commit, intent.ttl_seconds, intent.rerun_of), (None, None, None, None));
    assert_eq!((intent.digest.as_str(), intent.fingerprint, intent.created), (Intent::UNKNOWN_DIGEST, None, at(1)));
}

#[test]
fn what_describes_an_object_is_taken_only_where_it_can_be_read() {
    assert_eq!(rebuilt(&annotation(JOB_NAME, "two\nlines")).name, None);
    assert_eq!(rebuilt(&annotation(RERUN_OF, "-")).rerun_of, None);
    assert_eq!(rebuilt(&annotation(TTL, "soon")).ttl_seconds, None);
    assert_eq!(rebuilt(&annotation(TTL, "-1")).ttl_seconds, None);
    assert_eq!(rebuilt(&annotation(COMMIT, "a b")).commit, None);
    assert_eq!(rebuilt(&annotation(COMMIT, &"a".repeat(1000))).commit, None);
    assert_eq!(rebuilt(&annotation(DIGEST, "sha256:short")).digest, Intent::UNKNOWN_DIGEST);
    assert_eq!(rebuilt(&annotation(FINGERPRINT, "other.print")).fingerprint, None, "of a key that is lost");
    assert_eq!(rebuilt(&annotation(CREATED, "yesterday")).created, at(1));
    // A request is accepted before its object comes to be, however long that takes.
    assert_eq!(rebuilt(&annotation(CREATED, &at(-1_000_000).to_string())).created, at(-1_000_000));
    assert_eq!(rebuilt(&annotation(CREATED, &at(1_000_000).to_string())).created, at(1));
}

#[test]
fn whose_an_object_is_must_be_beyond_doubt() {
    let without = |key: &str| {
        let mut changed = marked();
        changed.labels.remove(key);
        changed.annotations.remove(key);
        changed
    };
    let mut renamed = marked();
    renamed.object.name.push('0');
    let cases = [
        (label(INSTALLATION, "there"), Err("there")),
        (without(MANAGED_BY), Ok("its labels name no installation")),
        (without(INSTALLATION), Ok("its labels name no installation")),
        (without(TEMPLATE), Ok("it has no label jobwright.dev/template")),
        (without(JOB_ID), Ok("it has no annotation jobwright.dev/job-id")),
        (annotation(JOB_ID, "../k1"), Ok("cannot be used: the job ID")),
        (annotation(JOB_ID, "k2"), Ok("job k2 of template hello would have an object hello-")),
        (label(TEMPLATE, "other"), Ok("job k1 of template other would have an object other-")),
        (renamed, Ok("job k1 of template hello would have an object hello-")),
    ];
    for (marked, expected) in cases {
        match (find(&marked), expected) {
            (Finding::Others(other), Err(installation)) => assert_eq!(other, installation),
            (Finding::Broken(why), Ok(words)) => assert!(why.contains(words), "{why}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn what_another_installation_stamped_is_never_taken_for_ours() {
    // Even if somebody puts our label on it: its name follows from the other one's ID.
    let mut stolen = marked();
    stolen.object.name = object_name("hello", &"there".parse().unwrap(), &"k1".parse().unwrap());
    assert!(matches!(find(&stolen), Finding::Broken(_)));
}
