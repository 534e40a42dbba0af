//! The canary row, as the JVM is told to write it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_native::canary;
use common::{Field, doubles, floats, row};

#[test]
fn the_canary_is_read_as_java_expects() {
    let ints = [7i32, -7, 70_000]
        .map(|value| Some(value.to_le_bytes().to_vec()))
        .to_vec();
    let bytes = row(&[
        Field::Boolean(true),
        Field::Tiny(-5),
        Field::Short(300),
        Field::Int(-70_000),
        Field::Long(5_000_000_000),
        Field::Float(2.5),
        Field::Double(-1.25),
        Field::Decimal(1234),
        Field::WideDecimal(vec![0xfb, 0x2e]),
        Field::Binary(vec![1, 2, 255]),
        floats(&[1.5, -2.5, 3.5]),
        doubles(&[0.25, -8.0]),
        Field::Array(ints),
        Field::Dense(vec![1.0, 2.0]),
        Field::Sparse(5, vec![1, 3], vec![1.5, -2.5]),
        Field::Null,
    ]);
    let java = include_str!("../../jvm-bridge/src/main/java/candlewick/jni/Canary.java");
    let expected: String = java
        .split("EXPECTED =")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2)
        .collect();
    assert_eq!(canary::read(&bytes).unwrap(), expected);
    assert!(canary::read(&bytes[..100]).is_err());
}
