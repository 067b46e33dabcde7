use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::super::hostile_tests::json_value;
use super::*;

fn schema(root: Value) -> Arc<Schema> {
    Schema::parameters(root).unwrap()
}

/// What the only parameter `p` becomes.
fn one(of: Value, given: Value) -> Result<Option<Value>, Vec<String>> {
    let schema = schema(json!({"properties": {"p": of}}));
    let given = Map::from_iter([("p".to_owned(), given)]);
    check(&schema, &given, "parameter")
        .map(|checked| checked.values.get("p").cloned())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn strings_become_what_the_schema_names() {
    for (of, given, value) in [
        (json!({"type": "integer"}), "+5", json!(5)),
        (json!({"type": "integer"}), "18446744073709551615", json!(u64::MAX)),
        (json!({"type": "number"}), "2.50", json!(2.5)),
        (json!({"type": "number"}), "-1e3", json!(-1000.0)),
        (json!({"type": "boolean"}), "true", json!(true)),
        (json!({"type": ["integer", "null"]}), "null", json!(null)),
        (json!({"type": ["integer", "string"]}), "5", json!("5")),
        (json!({"enum": [1, "a"]}), "1", json!(1)),
        (json!({"enum": [1, "1"]}), "1", json!("1")),
        (json!({"type": "array"}), "a\n\nb", json!(["a", "b"])),
        (json!({"type": "array", "items": {"type": "integer"}}), "1\n2", json!([1, 2])),
        (json!({"type": "array", "items": {"type": "integer"}}), "[\"1\", 2]", json!([1, 2])),
        (json!({"type": "object", "properties": {"n": {"type": "integer"}}}), "{\"n\": \"3\"}", json!({"n": 3})),
        (json!({"type": "string"}), "true", json!("true")),
    ] {
        assert_eq!(one(of.clone(), json!(given)), Ok(Some(value)), "{of} from {given:?}");
    }
}

#[test]
fn a_string_that_is_not_of_the_type_is_refused_as_it_is() {
    for (of, given) in [
        ("integer", "5.0"),
        ("integer", "0x10"),
        ("integer", " 5"),
        ("integer", "99999999999999999999"),
        ("number", "1e400"),
        ("number", "1e-400"),
        ("number", "nan"),
        ("number", "0.1234567890123456789"),
        ("boolean", "True"),
        ("boolean", "1"),
        ("object", "[]"),
    ] {
        let faults = one(json!({"type": of}), json!(given)).unwrap_err();
        assert!(faults[0].contains("must be") && faults[0].contains(given), "{of}: {faults:?}");
    }
}

#[test]
fn a_whole_fraction_is_an_integer_and_null_is_not_given() {
    assert_eq!(one(json!({"type": "integer"}), json!(5.0)), Ok(Some(json!(5))));
    assert_eq!(one(json!({"type": "string"}), json!(null)), Ok(None));
    assert_eq!(one(json!({"type": "string", "default": "d"}), json!(null)), Ok(Some(json!("d"))));
}

#[test]
fn defaults_reach_into_objects_that_are_given() {
    let of = json!({"type": "object", "properties": {"a": {"default": 1}, "b": {"default": 2}}});
    assert_eq!(one(of, json!({"b": 3})), Ok(Some(json!({"a": 1, "b": 3}))));
}

#[test]
fn what_no_limit_lets_through_is_refused_by_its_name() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (given, limit) in [
        (json!("x".repeat(Limit::ParameterSize.max() + 1)), "parameter-size"),
        (json!(vec![0; 1_000_000]), "list-items"),
        (deep, "nesting-depth"),
        (json!(1e300), "number-range"),
    ] {
        let faults = one(json!({}), given).unwrap_err();
        assert!(faults[0].contains(&format!("limit `{limit}`")), "{faults:?}");
    }
    assert!(one(json!({}), json!({"a": "\0"})).unwrap_err()[0].contains("NUL"));
}

#[test]
fn a_secret_is_in_no_fault_and_masked_wherever_it_is() {
    let schema = schema(json!({"properties": {
        "token": {"type": "string", "writeOnly": true, "maxLength": 3},
        "login": {"type": "object", "properties": {"password": {"writeOnly": true}, "user": {}}},
    }}));
    let given = json!({"token": "hunter2"}).as_object().unwrap().clone();
    let faults = check(&schema, &given, "parameter").unwrap_err();
    assert!(!format!("{faults:?}").contains("hunter2"), "{faults:?}");

    let given = json!({"login": {"password": "hunter2", "user": "ada"}, "token": "abc"});
    let checked = check(&schema, given.as_object().unwrap(), "parameter").unwrap();
    assert_eq!(
        Value::Object(checked.masked().clone()),
        json!({"login": {"password": super::super::MASK, "user": "ada"}, "token": super::super::MASK})
    );
    assert_eq!(Value::Object(checked.values().clone()), given);
}

proptest! {
    #[test]
    fn no_value_is_too_odd_for_any_type(
        value in json_value(),
        kind in proptest::sample::select(vec!["integer", "number", "boolean", "null", "array", "object", "string"]),
    ) {
        if let Ok(Some(checked)) = one(json!({"type": kind, "items": {"type": kind}}), value.clone()) {
            // What the schema accepts as it is stays as it is.
            if let Value::String(_) = value {
                prop_assert_eq!(checked.is_string(), kind == "string");
            }
        }
    }
}
