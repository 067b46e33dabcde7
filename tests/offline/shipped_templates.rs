//! The templates in `job-templates/`, which ship with the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jobwright::template::{Catalog, Context, Settings, State, TemplateSource, yaml};
use serde_json::json;

use crate::program::jobwright;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("job-templates")
}

fn catalog(source: &TemplateSource) -> Catalog {
    Catalog::load(source, &Settings::new()).unwrap()
}

/// Every example as `TEMPLATE/EXAMPLE` with its manifest.
fn rendered(catalog: &Catalog) -> Vec<(String, String)> {
    let mut manifests = Vec::new();
    for entry in catalog.entries() {
        let template = match &entry.state {
            State::Loaded(template) => template,
            State::Broken { error, .. } => panic!("{}: {error}", entry.name),
        };
        assert!(!template.examples().is_empty(), "{} has no example", entry.name);
        for (example, parameters) in template.examples() {
            let name = format!("{}/{example}", entry.name);
            let checked = template.check(parameters);
            let checked = checked.unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
            let manifest = template.render(&checked, &Context::example());
            let manifest = manifest.unwrap_or_else(|error| panic!("{name}: {error}"));
            manifests.push((name, manifest.to_yaml()));
        }
    }
    manifests
}

#[test]
fn every_example_gives_its_golden_manifest() {
    for (name, manifest) in rendered(&catalog(&TemplateSource::Folder(folder()))) {
        let path = folder().join("golden").join(format!("{name}.yaml"));
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(golden == manifest, "{name} differs; see: cargo run -- templates test");
    }
}

#[test]
fn those_inside_the_program_are_those_in_the_folder() {
    let inside = rendered(&catalog(&TemplateSource::Embedded));
    assert_eq!(inside, rendered(&catalog(&TemplateSource::Folder(folder()))));
}

#[test]
fn the_kustomization_lists_every_template_and_every_partial() {
    let yaml_files = |under: &str| -> BTreeSet<String> {
        std::fs::read_dir(folder().join(under))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml")
            .map(|name| format!("{under}{name}"))
            .collect()
    };
    let text = std::fs::read_to_string(folder().join("kustomization.yaml")).unwrap();
    let kustomization = yaml::read_object(&text).unwrap();
    let listed = |map: &str| -> BTreeSet<String> {
        let maps = kustomization["configMapGenerator"].as_array().unwrap();
        let map = maps.iter().find(|it| it["name"] == map).unwrap();
        let files = map["files"].as_array().unwrap();
        files.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("job-templates"), yaml_files(""));
    assert_eq!(listed("job-template-partials"), yaml_files("partials/"));
}

#[test]
fn the_dummy_job_is_the_one_that_workers_know() {
    let mut settings = Settings::new();
    settings.insert("dummy_image".to_owned(), json!("gcr.io/project/dummyjob"));
    let source = TemplateSource::Folder(folder());
    let template = Catalog::load_one(&source, &settings, "dummy-job").unwrap().unwrap();
    let checked = template.check(&serde_json::Map::new()).unwrap();
    let context = Context {
        job_id: "k1".to_owned(),
        job_name: String::new(),
        callback_url: "http://jobs.example/callback/t".to_owned(),
    };
    let manifest = template.render(&checked, &context).unwrap().into_manifest();
    assert_eq!(manifest["metadata"], json!({"generateName": "dummy-job-"}));
    assert_eq!(manifest["spec"]["backoffLimit"], 0);
    assert_eq!(manifest["spec"]["ttlSecondsAfterFinished"], 300);
    let pod = &manifest["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    let container = &pod["containers"][0];
    assert_eq!(container["name"], "dummy-job-container");
    assert_eq!(container["image"], "gcr.io/project/dummyjob");
    assert_eq!(container["command"], json!(["/app/dummyjob"]));
    assert_eq!(container["args"], json!(["--api-end-point", "http://jobs.example/callback/t", "--job-id", "k1"]));
}

#[test]
fn lint_has_nothing_to_say_about_them() {
    let folder = folder();
    let output = jobwright(&["lint", "--deny-warnings", folder.to_str().unwrap()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(output.status.code(), Some(0));
}
