//! Patterns of parameter names, as groups of an optimiser and rules of initialisation have them.

use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use serde_json::Value;

/// Parameter names that a message lists at most.
const LISTED: usize = 60;

/// One pattern or a list of them; `None` where it is neither, or holds none.
pub(crate) fn list(value: &Value) -> Option<Vec<String>> {
    let patterns: Option<Vec<String>> = match value {
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        other => other.as_str().map(|text| vec![text.to_owned()]),
    };
    patterns.filter(|patterns| !patterns.is_empty())
}

/// Checks that every pattern fits a parameter that is trained; `place` names them in the error.
///
/// # Errors
/// `InvalidParameter` with the names there are.
pub(crate) fn check(place: &str, patterns: &[String], parameters: &[Parameter]) -> Result<(), Failure> {
    let trained = || parameters.iter().filter(|parameter| parameter.trained);
    let lost = |pattern: &&String| !trained().any(|parameter| matches(pattern, &parameter.name));
    match patterns.iter().find(lost) {
        None => Ok(()),
        Some(pattern) => Err(Failure::parameter(format!(
            "{place}: the pattern {pattern:?} matches no parameter; change it so that it does (* stands for any \
             characters, ? for one). The parameters are {}",
            names(parameters)
        ))),
    }
}

fn names(parameters: &[Parameter]) -> String {
    let trained: Vec<&str> = parameters
        .iter()
        .filter(|parameter| parameter.trained)
        .map(|parameter| parameter.name.as_str())
        .collect();
    let shown = trained.get(..LISTED.min(trained.len())).unwrap_or(&trained);
    match trained.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// True where a name is what a pattern stands for: `*` for any characters, also none, `?` for one.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not fit: after that star, one character further.
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), again) {
            (Some('*'), _) => {
                again = Some((p + 1, n + 1));
                p += 1;
            }
            (Some(wanted), _) if *wanted == '?' || name.get(n) == Some(wanted) => {
                p += 1;
                n += 1;
            }
            (_, Some((after, next))) => {
                (p, n) = (after, next);
                again = Some((after, next + 1));
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_those_of_shells() {
        for (pattern, name) in [
            ("*", "0.weight"),
            ("0.weight", "0.weight"),
            ("*.weight", "10.0.weight"),
            ("?.bias", "2.bias"),
            ("0.*.b*s", "0.1.bias"),
            ("**a*", "ba"),
            ("*ab", "aab"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("?.weight", "10.weight"),
            ("*.weight", "0.weights"),
            ("0", "0.weight"),
            ("", "a"),
            ("a?", "a"),
            ("0.weight", "0xweight"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
