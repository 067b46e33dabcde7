//! One name, one object; and its deletion.

use jobwright::executor::{CreateOutcome, Executor, ExecutorError, LogOptions};
use jobwright::job::Evidence;
use serde_json::json;

use crate::house::{House, conclusion, intent, job, script};

#[test]
fn creating_twice_gives_one_object_that_runs_once() {
    let house = House::new();
    let marker = house.root().join("marker");
    let text = format!("echo ran >> {}", marker.display());
    let wanted = intent("k1", "it", job(script(&text)));
    let first = house.create(&wanted);
    assert_eq!(house.create(&wanted), first);
    house.ended(&first);
    assert_eq!(house.create(&wanted), first);
    let house = house.restarted();
    assert_eq!(house.create(&wanted), first);
    assert_eq!(house.listed().len(), 1);
    assert_eq!(std::fs::read_to_string(marker).unwrap(), "ran\n");
}

#[test]
fn creating_at_once_gives_one_object() {
    let house = House::new();
    let wanted = intent("k1", "it", job(script("true")));
    let outcomes = house.wait(futures_util::future::join_all((0..16).map(|_| house.executor.create(&wanted))));
    assert!(outcomes.iter().all(|it| *it == outcomes[0]), "{outcomes:?}");
}

#[test]
fn a_name_that_another_job_has_is_refused() {
    let house = House::new();
    house.create(&intent("k1", "it", job(script("true"))));
    let outcome = house.wait(house.executor.create(&intent("k2", "it", job(script("true")))));
    let CreateOutcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.reason, "NameTaken");
    assert!(refusal.message.contains("k1"), "{}", refusal.message);
}

#[test]
fn a_name_that_another_installation_has_is_refused_and_not_listed() {
    let house = House::new();
    let wanted = intent("k1", "it", job(script("true")));
    let object = house.create(&wanted);
    house.ended(&object);
    let house = house.restarted_with(|config| config.installation = "other".parse().unwrap());
    assert_eq!(house.listed(), []);
    let outcome = house.wait(house.executor.create(&wanted));
    assert!(matches!(outcome, CreateOutcome::Refused(it) if it.reason == "NameTaken"));
}

#[test]
fn what_cannot_be_honoured_is_refused_before_anything_is_made() {
    let house = House::new();
    let mut manifest = job(script("true"));
    manifest["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = json!("r/report:1");
    let faults = house.executor.check(&manifest).unwrap_err().to_string();
    assert!(faults.contains("spec.template.spec.volumes: "), "{faults}");
    assert!(faults.contains("--image report=PATH"), "{faults}");
    let outcome = house.wait(house.executor.create(&intent("k1", "it", manifest)));
    assert!(matches!(outcome, CreateOutcome::Refused(it) if it.reason == "Unsupported"));
    assert_eq!(std::fs::read_dir(house.root().join("objects")).unwrap().count(), 0);
}

#[test]
fn names_cannot_lead_out_of_the_folder() {
    let house = House::new();
    for name in ["../it", ".it", "a/b", "", "a\0b"] {
        let outcome = house.wait(house.executor.create(&intent("k1", name, job(script("true")))));
        assert!(matches!(outcome, CreateOutcome::Refused(it) if it.reason == "Invalid"), "{name}");
    }
}

#[test]
fn a_deleted_object_is_gone_with_all_that_belongs_to_it() {
    let house = House::new();
    let wanted = intent("k1", "it", job(script("echo some output; sleep 1000")));
    let object = house.create(&wanted);
    house.running(&object);
    // Deleting what runs stops it first.
    house.wait(house.executor.delete(&object)).unwrap();
    house.wait(house.executor.delete(&object)).unwrap();
    assert_eq!(house.wait(house.executor.find("it")).unwrap(), None);
    assert_eq!(house.listed(), []);
    let logs = house.wait(house.executor.logs(&object, LogOptions::default()));
    assert!(matches!(logs.err(), Some(ExecutorError::NotFound(_))));
    for folder in ["objects", "staging"] {
        assert_eq!(std::fs::read_dir(house.root().join(folder)).unwrap().count(), 0, "{folder}");
    }
    // The name is free again, and what is made under it is another object.
    let next = house.create(&intent("k1", "it", job(script("true"))));
    assert_ne!(next.uid, object.uid);
    assert_eq!(conclusion(&house.ended(&next)), "Complete");
    house.wait(house.executor.delete(&object)).unwrap();
    let found = house.wait(house.executor.find("it")).unwrap().unwrap();
    assert!(matches!(found.evidence, Evidence::Seen(it) if it.object == next));
    assert_eq!(found.job.unwrap().as_str(), "k1");
}

#[test]
fn creating_while_deleting_leaves_a_whole_object_or_none() {
    let house = House::new();
    for round in 0..50 {
        let wanted = intent("k1", "it", job(script("true")));
        let object = house.create(&wanted);
        house.ended(&object);
        let (deleted, created) =
            house.wait(async { tokio::join!(house.executor.delete(&object), house.executor.create(&wanted)) });
        deleted.unwrap();
        let CreateOutcome::Created { object: created, .. } = created else { panic!("{created:?}") };
        if created != object {
            assert_eq!(conclusion(&house.ended(&created)), "Complete", "round {round}");
        }
        house.wait(house.executor.delete(&created)).unwrap();
    }
}
