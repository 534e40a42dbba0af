//! Flatten: a change of shape.

use super::{Family, Made, Operation};
use crate::arguments::Arguments;

/// The layers of this family.
pub(super) const LAYERS: Family = &[("Flatten", make)];

fn make(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<Made, String> {
    let rank = i64::try_from(input.len() + 1).unwrap_or(i64::MAX);
    let dimension = |name: &str| {
        let given = arguments.int(name);
        let at = if given < 0 { given + rank } else { given };
        match usize::try_from(at) {
            Ok(0) => Err(format!(
                "{name}={given} is the batch dimension, which stays; the first dimension of the input {input:?} is 1"
            )),
            Ok(at) if at <= input.len() => Ok(at - 1),
            _ => Err(format!(
                "{name}={given} is no dimension of the input {input:?}, whose dimensions are 1 to {}",
                rank - 1
            )),
        }
    };
    let (start, end) = (dimension("start_dim")?, dimension("end_dim")?);
    if start > end {
        return Err(format!(
            "start_dim={} comes after end_dim={} for the input {input:?}; exchange them",
            arguments.int("start_dim"),
            arguments.int("end_dim")
        ));
    }
    let mut output = input[..start].to_vec();
    output.push(input[start..=end].iter().product());
    output.extend_from_slice(&input[end + 1..]);
    Ok(Made {
        operation: Operation::View,
        output,
    })
}
