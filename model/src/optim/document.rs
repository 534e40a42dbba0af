//! An optimiser's document: its arguments, and the groups of parameters that have settings of their own.

use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::network::Parameter;
use candlewick_protocol::Failure;
use serde_json::Value;

/// Parameter names that a message lists at most.
const LISTED: usize = 60;

/// What an optimiser does to the parameters of a network.
#[derive(Debug)]
pub(super) struct Assignment {
    /// The arguments of every group; those of the optimiser itself come last.
    pub groups: Vec<Arguments>,
    /// The group of every parameter, `None` where it is not updated.
    pub of: Vec<Option<usize>>,
}

/// A group as the document has it.
struct Group {
    patterns: Vec<String>,
    frozen: bool,
}

/// Reads and checks an optimiser's document, as far as it can be without a network.
pub(super) fn read(document: &Value) -> Result<Arguments, Failure> {
    let arguments = Arguments::read(Kind::Optimizer, document, "optimizer")?;
    check_nesterov(&arguments, &format!("optimizer ({})", arguments.name()))?;
    for (index, group) in own_arguments(&arguments).iter().enumerate() {
        check_nesterov(group, &place(&arguments, index))?;
    }
    Ok(arguments)
}

/// Gives every parameter its group.
///
/// # Errors
/// `InvalidParameter` where a pattern matches no parameter, or all parameters are frozen.
pub(super) fn assign(arguments: &Arguments, parameters: &[Parameter]) -> Result<Assignment, Failure> {
    let groups = listed(arguments);
    let trained = || parameters.iter().filter(|parameter| parameter.trained);
    for (index, group) in groups.iter().enumerate() {
        for pattern in &group.patterns {
            if !trained().any(|parameter| matches(pattern, &parameter.name)) {
                return Err(Failure::parameter(format!(
                    "{}: the pattern {pattern:?} matches no parameter; change it so that it does (* stands for any \
                     characters, ? for one). The parameters are {}",
                    place(arguments, index),
                    names(parameters)
                )));
            }
        }
    }
    let group_of = |parameter: &Parameter| {
        if !parameter.trained {
            return None;
        }
        let fits = |group: &Group| {
            group
                .patterns
                .iter()
                .any(|pattern| matches(pattern, &parameter.name))
        };
        match groups.iter().position(fits) {
            Some(index) if groups.get(index).is_some_and(|group| group.frozen) => None,
            Some(index) => Some(index),
            None => Some(groups.len()),
        }
    };
    let of: Vec<Option<usize>> = parameters.iter().map(group_of).collect();
    if of.iter().all(Option::is_none) {
        return Err(Failure::parameter(format!(
            "optimizer ({}): the groups freeze every parameter, so there is nothing to train; leave \"frozen\" out of one",
            arguments.name()
        )));
    }
    let mut all = own_arguments(arguments);
    all.push(arguments.clone());
    Ok(Assignment { groups: all, of })
}

fn place(arguments: &Arguments, index: usize) -> String {
    format!("optimizer ({}): groups[{index}]", arguments.name())
}

fn items(arguments: &Arguments) -> &[Value] {
    arguments.value("groups").as_array().map_or(&[], Vec::as_slice)
}

fn listed(arguments: &Arguments) -> Vec<Group> {
    let texts = |value: &Value| match value {
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        other => other.as_str().map(str::to_owned).into_iter().collect(),
    };
    items(arguments)
        .iter()
        .map(|group| Group {
            patterns: group.get("params").map(texts).unwrap_or_default(),
            frozen: group.get("frozen").and_then(Value::as_bool).unwrap_or(false),
        })
        .collect()
}

/// The complete arguments of the listed groups.
fn own_arguments(arguments: &Arguments) -> Vec<Arguments> {
    let objects = items(arguments).iter().filter_map(Value::as_object);
    objects.map(|group| arguments.with(group)).collect()
}

fn check_nesterov(arguments: &Arguments, place: &str) -> Result<(), Failure> {
    let (momentum, dampening) = (arguments.real("momentum"), arguments.real("dampening"));
    if arguments.flag("nesterov") && (momentum <= 0.0 || dampening != 0.0) {
        return Err(Failure::parameter(format!(
            "{place}: nesterov = true needs a momentum above 0 and dampening = 0, got momentum = {momentum} and \
             dampening = {dampening}; set momentum (for example to 0.9), or leave nesterov out"
        )));
    }
    Ok(())
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
fn matches(pattern: &str, name: &str) -> bool {
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
