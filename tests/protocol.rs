//! The committed schema is the one of the types, and real messages obey it.

use std::path::Path;

use serde_json::{Value, json};
use wanbench::protocol::{Protocol, VERSION};

const SCHEMA: &str = "docs/protocol.schema.json";

/// `UPDATE_GOLDEN=1 cargo test` writes the schema anew.
#[test]
fn the_committed_schema_is_todays() {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Protocol)).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(SCHEMA, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(Path::new(SCHEMA)).unwrap();
    assert!(committed == schema, "{SCHEMA} is not of today's types: run UPDATE_GOLDEN=1 cargo test --test protocol");
}

fn validator(side: &str) -> jsonschema::Validator {
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let side = schema["properties"][side].clone();
    schema.as_object_mut().unwrap().retain(|key, _| key == "$defs");
    schema["allOf"] = json!([side]);
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn requests_and_events_obey_the_schema_and_strangers_do_not() {
    let request = json!({"type": "probe", "protocol": VERSION, "device": "auto"});
    assert!(validator("request").is_valid(&request));
    let step = json!({"type": "step", "index": 0, "seconds": 0.5});
    let events = validator("event");
    assert!(events.is_valid(&step));
    for (key, value) in [("seconds", json!("0.5")), ("type", json!("stap")), ("more", json!(1))] {
        let mut wrong = step.clone();
        wrong[key] = value;
        assert!(!events.is_valid(&wrong), "{wrong}");
        assert!(serde_json::from_value::<wanbench::protocol::Event>(wrong).is_err());
    }
}
