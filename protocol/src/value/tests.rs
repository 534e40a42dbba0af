//! Which values are legal, type by type, and what is said of the others.

use super::*;
use serde_json::json;

fn admits(ty: ValueType, range: Range, value: &Value) -> bool {
    let domain = Domain {
        ty,
        range,
        nullable: false,
    };
    assert_eq!(domain.admits(value), domain.check("x", value).is_ok());
    domain.admits(value)
}

#[test]
fn bounds_are_those_of_the_range() {
    let real = |range, number: f64| admits(ValueType::Real, range, &json!(number));
    assert!(!real(Range::Above(0.0), 0.0) && real(Range::Above(0.0), 1e-300));
    assert!(real(Range::AtLeast(0.0), 0.0) && !real(Range::AtLeast(0.0), -1e-300));
    let half = Range::HalfOpen { min: 0.0, below: 1.0 };
    assert!(real(half, 0.0) && !real(half, 1.0));
    let ints = Range::Ints { min: 1, max: 3 };
    for (number, legal) in [(0, false), (1, true), (3, true), (4, false)] {
        assert_eq!(admits(ValueType::Int, ints, &json!(number)), legal);
        assert_eq!(admits(ValueType::IntList, ints, &json!([1, number])), legal);
    }
    assert!(!admits(ValueType::Int, ints, &json!(1.5)));
    assert!(!admits(ValueType::IntList, ints, &json!([])));
}

const WORDS: Range = Range::OneOf(&["mean", "sum"]);
const CLOSED: Range = Range::Closed { min: 0.0, max: 1.0 };
const POSITIVE: Range = Range::Ints { min: 1, max: 9 };

/// Of a type and a range, JSON of values that are legal and of some that are not.
const LEGAL: [(ValueType, Range, &[&str], &[&str]); 23] = [
    (
        ValueType::Long,
        Range::Any,
        &["9223372036854775807", "-1"],
        &["1.5", "\"1\""],
    ),
    (
        ValueType::Real,
        CLOSED,
        &["0", "1.0"],
        &["-0.001", "1.001", "true", "\"1\"", "[0.5]"],
    ),
    (
        ValueType::Bool,
        Range::Any,
        &["true", "false"],
        &["1", "\"true\"", "null"],
    ),
    (
        ValueType::Bool,
        Range::OneOf(&["true"]),
        &["true"],
        &["false", "\"true\"", "1"],
    ),
    (ValueType::Text, WORDS, &["\"mean\""], &["\"Mean\"", "\"\"", "1"]),
    (
        ValueType::TextList,
        WORDS,
        &["[\"mean\", \"sum\"]"],
        &["[\"mean\", \"x\"]", "[]", "\"mean\""],
    ),
    (
        ValueType::RealPair,
        CLOSED,
        &["[0, 1]"],
        &["[0]", "[0, 1, 1]", "[0, 2]", "0.5"],
    ),
    (
        ValueType::RealList,
        CLOSED,
        &["[0.5]", "[0, 1, 1]"],
        &["[]", "[0, 2]", "[null]", "0.5"],
    ),
    (
        ValueType::Thresholds,
        Range::Any,
        &["[0.5]", "[0, 7.5]"],
        &["[]", "[0.5, -0.5]", "[0, 1, 0.0]", "[null]", "0.5"],
    ),
    (
        ValueType::ClassWeights,
        Range::AtLeast(0.0),
        &["\"balanced\"", "{\"0\": 1, \"12\": 0.5}", "{\"1\": 0}"],
        &[
            "\"Balanced\"",
            "{}",
            "[1, 2]",
            "{\"0\": -1}",
            "{\"a\": 1}",
            "{\"-1\": 1}",
            "{\"01\": 1}",
            "{\"0\": \"1\"}",
        ],
    ),
    (
        ValueType::Size(2),
        POSITIVE,
        &["3", "[3, 1]"],
        &["0", "[3]", "[3, 0]", "[3, null]", "\"same\""],
    ),
    (ValueType::Size(0), POSITIVE, &["3", "[3, 1, 2]"], &["[]", "[0]"]),
    (
        ValueType::OpenSize(2),
        POSITIVE,
        &["3", "[3, null]"],
        &["[3]", "[0, null]", "null", "\"same\""],
    ),
    (
        ValueType::Padding(2),
        POSITIVE,
        &["\"same\"", "\"valid\"", "3", "[3, 1]"],
        &["\"full\"", "[3]", "0"],
    ),
    (
        ValueType::Duration,
        Range::Any,
        &["\"15s\""],
        &["15", "\"0s\"", "\"soon\""],
    ),
    (ValueType::Bytes, Range::Any, &["\"64m\""], &["64", "\"15s\""]),
    (
        ValueType::Folders,
        Range::Any,
        &["\"/data\"", "\"/data/1, /data/2\""],
        &["1", "\"\"", "\",\"", "\"data\"", "\"/data,\"", "\"file:///data\""],
    ),
    (
        ValueType::TextMap,
        Range::Any,
        &["{\"0\": \"embedding\"}"],
        &[
            "{}",
            "{\"\": \"x\"}",
            "{\"0\": \"\"}",
            "{\"0\": 1}",
            "[\"0\"]",
            "\"0\"",
        ],
    ),
    (ValueType::Weights, Range::Any, &["\"/a/file\""], &["1", "[]"]),
    (
        ValueType::Document(Kind::Loss),
        Range::Any,
        &["{}"],
        &["[]", "\"MSELoss\""],
    ),
    (
        ValueType::Documents(Kind::Loss),
        Range::Any,
        &["[{}, {}]"],
        &["[]", "[{}, 1]", "{}"],
    ),
    (ValueType::Groups, Range::Any, &["[{}]"], &["[]", "{}"]),
    (
        ValueType::IntList,
        POSITIVE,
        &["[1, 9]"],
        &["[1, 10]", "[1.5]", "5"],
    ),
];

#[test]
fn every_type_has_its_values_and_no_others() {
    for (ty, range, yes, no) in LEGAL {
        for (values, expected) in [(yes, true), (no, false)] {
            for text in values {
                let value: Value = serde_json::from_str(text).unwrap();
                assert_eq!(admits(ty, range, &value), expected, "{ty:?} {range:?} {text}");
            }
        }
    }
}

#[test]
fn what_is_legal_is_told_in_words() {
    for (ty, range, words) in [
        (
            ValueType::Int,
            Range::Ints { min: 1, max: 3 },
            "a whole number from 1 to 3",
        ),
        (
            ValueType::Int,
            Range::Ints {
                min: 1,
                max: MAX_SIZE,
            },
            "a whole number of at least 1",
        ),
        (
            ValueType::Real,
            Range::AtLeast(0.5),
            "a finite number of at least 0.5",
        ),
        (ValueType::Real, Range::Above(0.0), "a finite number above 0"),
        (
            ValueType::RealList,
            Range::Closed { min: 0.0, max: 1.0 },
            "a list of at least one number, each from 0 to 1",
        ),
        (
            ValueType::Real,
            Range::HalfOpen { min: 0.0, below: 1.0 },
            "a finite number of at least 0 and below 1",
        ),
        (
            ValueType::Text,
            Range::OneOf(&["mean", "sum"]),
            "\"mean\" or \"sum\"",
        ),
        (ValueType::RealPair, Range::Any, "a list of two numbers"),
        (ValueType::Bool, Range::OneOf(&["true"]), "true (or leave it out)"),
    ] {
        let domain = Domain {
            ty,
            range,
            nullable: false,
        };
        assert_eq!(domain.expected(), words);
    }
    let domain = Domain {
        ty: ValueType::Bool,
        range: Range::Any,
        nullable: false,
    };
    let long = domain.check("x", &json!("é".repeat(100))).unwrap_err();
    assert_eq!(
        long,
        format!("x = \"{}... is not legal: expected true or false", "é".repeat(76))
    );
}

#[test]
fn null_is_legal_where_it_is_said() {
    let mut domain = Domain {
        ty: ValueType::Real,
        range: Range::Any,
        nullable: true,
    };
    assert!(domain.check("x", &Value::Null).is_ok());
    assert_eq!(domain.expected(), "a finite number, or null");
    domain.nullable = false;
    assert!(domain.check("x", &Value::Null).is_err());
}

#[test]
fn durations_and_sizes() {
    for (text, ms) in [
        ("15s", Some(15_000)),
        ("15S", Some(15_000)),
        (" 500 ms ", Some(500)),
        ("2min", Some(120_000)),
        ("1h", Some(3_600_000)),
        ("7", Some(7_000)),
        ("0s", None),
        ("soon", None),
        ("1.5s", None),
        ("-1s", None),
        ("1234567890s", None),
    ] {
        assert_eq!(duration_ms(text), ms, "{text}");
    }
    for (text, size) in [
        ("64m", Some(64 << 20)),
        ("1G", Some(1 << 30)),
        ("12", Some(12)),
        ("000012kb", Some(12 << 10)),
        ("0m", None),
        ("x", None),
    ] {
        assert_eq!(bytes(text), size, "{text}");
    }
    assert_eq!(
        pattern(&DURATION_UNITS),
        "\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"
    );
}
