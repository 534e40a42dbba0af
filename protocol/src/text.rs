//! Numbers as messages show them.

/// A number for a message: in plain digits where few say it, else with an exponent. `{}` alone prints 301 digits for
/// 1e300.
///
/// ```
/// use candlewick_protocol::text::number;
/// assert_eq!(number(3.5), "3.5");
/// assert_eq!(number(-1e300), "-1e300");
/// assert_eq!(number(1e-30), "1e-30");
/// assert_eq!(number(f64::NAN), "NaN");
/// ```
#[must_use]
pub fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-6..1e16).contains(&value.abs());
    if plain {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}
