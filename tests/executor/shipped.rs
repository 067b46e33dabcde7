//! The templates that ship with Jobwright run as processes.

use jobwright::executor::Executor;
use jobwright::template::{Catalog, Context, Settings, TemplateSource};
use serde_json::Value;

use crate::house::{House, conclusion, intent};

fn manifests() -> Vec<(String, Value)> {
    let catalog = Catalog::load(&TemplateSource::or_default(None), &Settings::default()).unwrap();
    let mut manifests = Vec::new();
    for entry in catalog.entries() {
        let template = entry.template().unwrap();
        for (example, parameters) in template.examples() {
            let context = Context {
                job_id: "k1".to_owned(),
                job_name: String::new(),
                // Nobody listens there: that a report does not arrive must not change how a job ends.
                callback_url: "http://127.0.0.1:9/callback/none".to_owned(),
            };
            let checked = template.check(parameters).unwrap();
            let rendered = template.render(&checked, &context).unwrap();
            let name = format!("{}-{example}", template.name());
            manifests.push((name, rendered.manifest().clone()));
        }
    }
    manifests
}

#[test]
fn every_example_is_one_that_this_executor_can_honour() {
    let house = House::new();
    let manifests = manifests();
    assert!(manifests.len() >= 6);
    for (name, manifest) in manifests {
        house.executor.check(&manifest).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn shell_task_and_fan_out_run() {
    let house = House::new();
    let run = |wanted: &str| {
        let (_, mut manifest) = manifests().into_iter().find(|it| it.0 == wanted).unwrap();
        // A worker without an endpoint says so and does its work.
        let env = manifest.pointer_mut("/spec/template/spec/containers/0/env").unwrap();
        env.as_array_mut().unwrap().retain(|it| it["name"] != "JOBWRIGHT_CALLBACK_URL");
        let object = house.create(&intent(wanted, wanted, manifest));
        let seen = house.ended(&object);
        assert_eq!(conclusion(&seen), "Complete", "{:?}", house.text(&object));
        house.text(&object)
    };
    let hostile = run("shell-task-hostile");
    assert_eq!(hostile[0], "1 of 2: $(reboot); `id` \" ' \\ # {{");
    assert_eq!(hostile[2], "a token of 4 characters was given");
    let mut shards = run("fan-out-default");
    shards.retain(|line| line.starts_with("Shard"));
    shards.sort();
    assert_eq!(shards, (0..4).map(|it| format!("Shard {it} of 4")).collect::<Vec<_>>());
}
