//! An optimiser's document: its arguments, and the groups of parameters that have settings of their own.

use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::parameter::Parameter;
use crate::pattern;
use candlewick_protocol::Failure;
use serde_json::Value;

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
    for (index, group) in groups.iter().enumerate() {
        pattern::check(&place(arguments, index), &group.patterns, parameters)?;
    }
    let group_of = |parameter: &Parameter| {
        if !parameter.trained {
            return None;
        }
        let fits = |group: &Group| {
            group
                .patterns
                .iter()
                .any(|pattern| pattern::matches(pattern, &parameter.name))
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
    items(arguments)
        .iter()
        .map(|group| Group {
            patterns: group.get("params").and_then(pattern::list).unwrap_or_default(),
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
