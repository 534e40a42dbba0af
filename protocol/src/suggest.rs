//! What a mistyped name was probably meant to be.

/// The candidate that is most like `name`, if one is like it at all.
///
/// ```
/// use candlewick_protocol::suggest::nearest;
/// assert_eq!(nearest("epoch", ["epochs", "batchSize"]), Some("epochs"));
/// assert_eq!(nearest("batch_size", ["epochs", "batchSize"]), Some("batchSize"));
/// assert_eq!(nearest("colour", ["epochs", "batchSize"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "");
    let wanted = plain(name);
    let scored = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &plain(candidate)), candidate));
    scored
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// Likeness (Jaro and Winkler) above which a name is worth a question.
const LIKE: f64 = 0.85;

/// `; did you mean 'epochs'?`, or nothing.
#[must_use]
pub fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |candidate| format!("; did you mean '{candidate}'?"))
}
