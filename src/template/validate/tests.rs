//! The corpus of `tests/corpus`, whose answers are the API server's own, and hostile input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Quantity, validate};
use crate::template::manifest::decode;

#[path = "../../../tests/corpus/mod.rs"]
mod corpus;

use corpus::{accepted, base, refused, undecoded, without_indexes};

#[test]
fn what_the_api_server_refuses_is_refused_at_the_same_fields_in_the_same_words() {
    let mut wrong = Vec::new();
    let cases = refused();
    assert!(cases.len() >= 150, "the corpus holds only {} manifests", cases.len());
    for case in &cases {
        let findings = validate(&case.manifest());
        if case.decode.is_some() {
            let refused = findings.iter().any(|f| f.message.contains("quantities must match"));
            if !refused {
                wrong.push(format!("{}: {findings:?} instead of a refused quantity", case.name));
            }
            continue;
        }
        for cause in &case.causes {
            if !findings.iter().any(|f| cause.is(&f.path, &f.message)) {
                wrong.push(format!("{}: no {cause:?} among {findings:?}", case.name));
            }
        }
        for finding in &findings {
            if !case.causes.iter().any(|c| c.is(&finding.path, &finding.message)) {
                wrong.push(format!("{}: {finding} is not what the server says", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_the_api_server_accepts_is_accepted() {
    let wrong: Vec<String> = accepted()
        .iter()
        .flat_map(|case| {
            let manifest = case.manifest();
            let undecoded = decode(&manifest).err().unwrap_or_default().into_iter().map(|it| it.to_string());
            let invalid = validate(&manifest).into_iter().map(|it| it.to_string());
            undecoded.chain(invalid).map(|it| format!("{}: {it}", case.name)).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_api_server_cannot_decode_is_refused_at_the_same_field() {
    let mut wrong = Vec::new();
    for case in undecoded() {
        let Err(problems) = decode(&case.manifest()) else {
            // Quantities and times are texts to a decoder, and the server names no field either.
            if !case.undecoded().is_empty() || validate(&case.manifest()).is_empty() {
                wrong.push(format!("{}: decoded", case.name));
            }
            continue;
        };
        let paths: Vec<String> = problems.iter().filter_map(|it| it.path.as_deref()).map(without_indexes).collect();
        for field in case.undecoded() {
            let field = without_indexes(&field);
            let below = |path: &String| {
                path.strip_prefix(&field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            if case.differs.is_none() && !paths.iter().any(below) {
                wrong.push(format!("{}: not at {field}: {problems:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_difference_in_words_that_the_corpus_knows_is_documented() {
    let page = include_str!("../../../docs/validation.md");
    let table = page.split("## Where the words differ").nth(1).unwrap().split("\n## ").next().unwrap();
    for case in refused().into_iter().chain(undecoded()) {
        let lets_words_differ = case.decode.is_some_and(|it| it.contains("quantities"))
            || case.causes.iter().any(|cause| cause.detail.is_some());
        assert!(case.differs.is_some() || !lets_words_differ, "{} names no row of the table", case.name);
        if let Some(row) = case.differs {
            assert!(table.contains(&format!("\n| {row} |")), "{}: there is no row {row:?}", case.name);
        }
    }
}

#[test]
fn every_case_of_the_corpus_has_a_name_of_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for case in refused().into_iter().chain(accepted()).chain(undecoded()) {
        assert!(seen.insert(case.name.clone()), "{} is there twice", case.name);
    }
}

#[test]
fn annotations_may_not_exceed_256_kib() {
    let mut manifest = base();
    manifest["metadata"]["annotations"] = json!({"a": "x".repeat(256 * 1024 - 1)});
    assert_eq!(validate(&manifest), []);
    manifest["metadata"]["annotations"] = json!({"a": "x".repeat(256 * 1024)});
    let found = validate(&manifest);
    assert_eq!(found[0].to_string(), "metadata.annotations: Too long: may not be more than 262144 bytes");
}

#[test]
fn quantities_are_read_and_written_as_kubernetes_does() {
    for (text, canonical) in [
        ("0", "0"),
        ("1", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("+1.", "1"),
        ("1500m", "1500m"),
        ("2000m", "2"),
        ("1.5Gi", "1536Mi"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("12e6", "12e6"),
        ("1000", "1k"),
        ("128974848", "128974848"),
        ("0.1n", "1n"),
        ("-1Mi", "-1Mi"),
        ("-0.5", "-500m"),
        ("1E", "1E"),
        ("007", "7"),
    ] {
        let quantity: Quantity = text.parse().unwrap();
        assert_eq!(quantity.to_string(), canonical, "{text}");
    }
    for text in ["", "a", "1GB", "1 Gi", " 1", "1.2.3", "--1", "1e", "1eX", ".", "+", "1mi", "1K", "٣"] {
        assert!(text.parse::<Quantity>().is_err(), "{text:?} was taken");
    }
}

#[test]
fn quantities_compare_by_amount_and_are_capped() {
    let of = |text: &str| text.parse::<Quantity>().unwrap();
    assert!(of("1Gi") > of("1G"));
    assert_eq!(of("1000m"), of("1"));
    assert_eq!(of("1e9"), of("1G"));
    assert_eq!(of("1e400"), of("9223372036854775807"));
    assert_eq!(of("99999999999999999999Ei"), of("9223372036854775807"));
    assert!(of("1e-400") > of("0"));
    assert!(!of("1500m").is_whole() && of("2000m").is_whole());
}

/// Any JSON, with the field names of a Job so that the checks are reached.
fn hostile_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[-a-zA-Z0-9./']{0,70}".prop_map(Value::from),
        prop::sample::select(&["Indexed", "Never", "In", "Exists", "1e999999999999", "-1Ei", "é'].'['", "0-1,3"][..])
            .prop_map(Value::from),
    ];
    let names: &[&str] = &[
        "metadata",
        "spec",
        "template",
        "containers",
        "initContainers",
        "volumes",
        "env",
        "valueFrom",
        "fieldRef",
        "fieldPath",
        "resources",
        "limits",
        "requests",
        "cpu",
        "hugepages-2Mi",
        "hugepages-",
        "example.com/x",
        "livenessProbe",
        "httpGet",
        "port",
        "securityContext",
        "name",
        "generateName",
        "labels",
        "annotations",
        "completions",
        "parallelism",
        "completionMode",
        "podFailurePolicy",
        "successPolicy",
        "rules",
        "succeededIndexes",
        "succeededCount",
        "onExitCodes",
        "values",
        "affinity",
        "nodeAffinity",
        "tolerations",
        "topologySpreadConstraints",
        "minDomains",
        "projected",
        "sources",
        "downwardAPI",
        "items",
        "path",
        "image",
        "volumeMounts",
        "mountPath",
        "dnsConfig",
        "searches",
        "nameservers",
        "hostAliases",
        "selector",
        "matchLabels",
        "matchExpressions",
        "operator",
        "key",
        "overhead",
        "emptyDir",
        "sizeLimit",
    ];
    leaf.prop_recursive(7, 160, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(names), inner, 0..8)
                .prop_map(|map| { map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>() }),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(value in hostile_json()) {
        let _ = validate(&value);
    }

    #[test]
    fn no_value_in_any_place_of_a_job_makes_it_panic(value in hostile_json(), place in any::<prop::sample::Index>()) {
        for case in [place.get(&refused()), place.get(&accepted())] {
            let mut manifest = case.manifest();
            for pointer in case.set.keys() {
                if let Some(at) = manifest.pointer_mut(pointer) {
                    *at = value.clone();
                }
            }
            let _ = validate(&manifest);
        }
    }

    #[test]
    fn no_text_makes_a_quantity_panic(text in ".{0,40}", number in "[-+]?[0-9]{0,40}\\.?[0-9]{0,40}([eE][-+]?[0-9]{0,12}|[numkMGTPEi]{0,2})") {
        let _ = text.parse::<Quantity>().map(|q| q.to_string());
        let _ = number.parse::<Quantity>().map(|q| (q.to_string(), q.whole(), q.plus(q)));
    }

    #[test]
    fn a_quantity_written_and_read_again_is_the_same(digits in 1i64..10_000_000, suffix in prop::sample::select(&["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-3"][..])) {
        let quantity: Quantity = format!("{digits}{suffix}").parse().unwrap();
        let again: Quantity = quantity.to_string().parse().unwrap();
        prop_assert_eq!(quantity.nanos(), again.nanos());
    }
}
