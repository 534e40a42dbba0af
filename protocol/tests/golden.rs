//! The plan of a step and the reduction tree against cases made from their executable rules (golden/make_golden.py).

#![expect(
    clippy::unwrap_used,
    reason = "a golden file of another form must fail the test"
)]

use candlewick_protocol::plan::{StepPlan, taken};
use candlewick_protocol::tree::{NodeValue, assemble, cover, split};
use serde_json::Value;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_u64().unwrap())
        .collect()
}

fn float(value: &Value) -> Option<f32> {
    value
        .as_u64()
        .map(|bits| f32::from_bits(u32::try_from(bits).unwrap()))
}

fn shard(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn shares_are_those_of_the_rule() {
    let cases = golden(include_str!("golden/apportion.json"));
    for case in cases["taken"].as_array().unwrap() {
        let rows = numbers(&case["rows"]);
        for point in case["taken"].as_array().unwrap() {
            let t = point[0].as_u64().unwrap();
            assert_eq!(taken(&rows, t), numbers(&point[1]), "rows {rows:?}, t {t}");
        }
    }
}

#[test]
fn steps_follow_the_sorted_sequence() {
    let cases = golden(include_str!("golden/apportion.json"));
    for case in cases["sequences"].as_array().unwrap() {
        let rows = numbers(&case["rows"]);
        let batch = shard(&case["batch"]);
        let sequence = numbers(&case["shards"]);
        let plan = StepPlan::new(rows.clone(), batch, false);
        let steps: Vec<&[u64]> = sequence.chunks(batch as usize).collect();
        assert_eq!(plan.steps_per_epoch(), steps.len() as u64);
        for (s, step) in steps.iter().enumerate() {
            let shares: Vec<u64> = plan
                .step(s as u64)
                .iter()
                .map(|(start, end)| end - start)
                .collect();
            let expected: Vec<u64> = (0..rows.len() as u64)
                .map(|v| step.iter().filter(|shard| **shard == v).count() as u64)
                .collect();
            assert_eq!(shares, expected, "rows {rows:?}, step {s}");
        }
    }
}

#[test]
fn trees_are_those_of_the_rule() {
    let cases = golden(include_str!("golden/tree.json"));
    for case in cases["cases"].as_array().unwrap() {
        let leaves: Vec<Option<f32>> = case["leaves"].as_array().unwrap().iter().map(float).collect();
        let v = u32::try_from(leaves.len()).unwrap();
        let mut leaf = |lo: u32, hi: u32| match hi - lo {
            1 => NodeValue::Known(leaves[lo as usize]),
            _ => NodeValue::Split,
        };
        let mut known = Vec::new();
        for owner in case["owners"].as_array().unwrap() {
            let nodes = cover(shard(&owner["lo"]), shard(&owner["hi"]), v);
            let golden = owner["nodes"].as_array().unwrap();
            assert_eq!(nodes.len(), golden.len());
            for ((lo, hi), golden) in nodes.into_iter().zip(golden) {
                assert_eq!((lo, hi), (shard(&golden[0]), shard(&golden[1])));
                let value = assemble(lo, hi, &mut leaf, &mut |left, right| left + right);
                assert_eq!(value.map(f32::to_bits), float(&golden[2]).map(f32::to_bits));
                known.push(((lo, hi), value));
            }
        }
        let mut node = |lo: u32, hi: u32| match known.iter().find(|(of, _)| *of == (lo, hi)) {
            Some((_, value)) => NodeValue::Known(*value),
            None => NodeValue::Split,
        };
        let root = assemble(0, v, &mut node, &mut |left, right| left + right);
        assert_eq!(root.map(f32::to_bits), float(&case["root"]).map(f32::to_bits));
    }
    for case in cases["splits"].as_array().unwrap() {
        assert_eq!(split(shard(&case[0]), shard(&case[1])), shard(&case[2]));
    }
}
