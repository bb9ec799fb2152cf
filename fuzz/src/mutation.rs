//! Mutation of JSON by its values: changed bytes are seldom JSON, and never reach what is behind the parser.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Number, Value, json};

/// Numbers at which something may change.
const EDGES: [f64; 12] = [0.0, 1.0, -1.0, 0.5, 1e-9, 1e-10, 1e15, 1e18, 1e100, f64::MAX, f64::MIN_POSITIVE, 432_000.0];

/// Strings that mean something somewhere.
const WORDS: [&str; 10] = [
    "",
    "\u{1b}[31m",
    "\u{202e}",
    "a|b`c`",
    "<!-- -->",
    "@octocat #1",
    "::error::x",
    "\n\n# t",
    "torch/5f/none",
    "speed",
];

/// For `fuzz_mutator!`: changes a value of the JSON in `data`, or the bytes where they are none and now and then otherwise.
pub fn mutate_json(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    let value = serde_json::from_slice::<Value>(&data[..size]);
    let (Ok(mut value), true) = (value, random.below(8) > 0) else { return fuzzer_mutate(data, size, max_size) };
    for _ in 0..=random.below(3) {
        let mut left = random.below(nodes(&value));
        change_nth(&mut value, &mut left, &mut random);
    }
    match serde_json::to_vec(&value) {
        Ok(text) if text.len() <= max_size => {
            data[..text.len()].copy_from_slice(&text);
            text.len()
        }
        _ => size,
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(entries) => entries.iter().map(nodes).sum(),
        Value::Object(entries) => entries.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Changes the node that `left` counts down to; whether it was found.
fn change_nth(value: &mut Value, left: &mut usize, random: &mut Random) -> bool {
    if *left == 0 {
        change(value, random);
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(entries) => entries.iter_mut().any(|entry| change_nth(entry, left, random)),
        Value::Object(entries) => entries.values_mut().any(|entry| change_nth(entry, left, random)),
        _ => false,
    }
}

fn change(value: &mut Value, random: &mut Random) {
    if random.below(12) == 0 {
        *value = Value::Null;
        return;
    }
    match value {
        Value::Null => *value = json!(random.edge()),
        Value::Bool(is) => *is = !*is,
        Value::Number(number) => *value = changed(number, random),
        Value::String(text) => match random.below(3) {
            0 => *text = WORDS[random.below(WORDS.len())].to_owned(),
            1 => text.push_str(WORDS[random.below(WORDS.len())]),
            _ => *text = text.repeat(2),
        },
        Value::Array(entries) if entries.is_empty() => entries.push(json!(random.edge())),
        Value::Array(entries) => {
            let index = random.below(entries.len());
            match random.below(3) {
                0 => drop(entries.remove(index)),
                1 => entries.insert(index, entries[index].clone()),
                _ => entries.truncate(index),
            }
        }
        Value::Object(entries) => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            if let Some(key) = keys.get(random.below(keys.len().max(1))) {
                entries.remove(key);
            }
        }
    }
}

fn changed(number: &Number, random: &mut Random) -> Value {
    match (number.as_u64(), random.below(4)) {
        (Some(_), 0) => json!(random.below(20)),
        (Some(integer), 1) => json!(integer.saturating_add(1)),
        (Some(integer), 2) => json!(integer.saturating_mul(1 << random.below(40))),
        (Some(_), _) => json!(u64::MAX >> random.below(64)),
        (None, 0) => json!(random.edge()),
        (None, 1) => json!(number.as_f64().unwrap_or_default() * random.edge()),
        (None, _) => json!(number.as_f64().unwrap_or_default() * (1.0 + random.below(100) as f64 / 50.0)),
    }
}

/// A small generator of its own: what a seed gives must be the same in every build.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn edge(&mut self) -> f64 {
        EDGES[self.below(EDGES.len())]
    }
}
