//! Layers that put elements around their input: a number, a reflection, the edge, or the other end.

use super::convolution::{planes, shape};
use super::limits::check_table;
use super::shape::Moved;
use super::{BuiltLayer, Family, check_output};
use crate::arguments::Arguments;
use crate::layers::error::LayerError;

/// Where an element outside comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// Nowhere: it is a number.
    Constant,
    /// The element as far inside of the edge.
    Reflection,
    /// The edge.
    Replication,
    /// The other end.
    Circular,
}

impl Around {
    /// What the name of a layer says.
    pub(crate) fn of(name: &str) -> Self {
        match name.get(..4) {
            Some("Refl") => Around::Reflection,
            Some("Repl") => Around::Replication,
            Some("Circ") => Around::Circular,
            _ => Around::Constant,
        }
    }

    /// The largest padding of a dimension of this size.
    fn most(self, size: usize) -> usize {
        match self {
            Around::Reflection => size.saturating_sub(1),
            Around::Circular => size,
            Around::Constant | Around::Replication => usize::MAX,
        }
    }

    /// The element that stands at `at` of a dimension of `size` elements with `before` ones around it; none where it
    /// is a number.
    pub(crate) fn source(self, at: usize, before: usize, size: usize) -> Option<usize> {
        let inside = at.checked_sub(before).filter(|at| *at < size);
        inside.or_else(|| {
            // How far before the first, or after the last.
            let (left, right) = (before.saturating_sub(at), (at + 1).saturating_sub(before + size));
            match self {
                Around::Constant => None,
                Around::Reflection if left > 0 => Some(left),
                Around::Reflection => (size - 1).checked_sub(right),
                Around::Replication => Some(if left > 0 { 0 } else { size - 1 }),
                Around::Circular if left > 0 => size.checked_sub(left),
                Around::Circular => right.checked_sub(1),
            }
        })
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("ZeroPad1d", line),
    ("ZeroPad2d", plane),
    ("ConstantPad1d", line),
    ("ConstantPad2d", plane),
    ("ReflectionPad1d", line),
    ("ReflectionPad2d", plane),
    ("ReplicationPad1d", line),
    ("ReplicationPad2d", plane),
    ("CircularPad1d", line),
    ("CircularPad2d", plane),
];

fn line(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    make(arguments, input, 1)
}

fn plane(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    make(arguments, input, 2)
}

/// Elements before and after every dimension, height before width; the height of a single dimension has none.
pub(crate) fn sides(arguments: &Arguments, dimensions: usize) -> [(usize, usize); 2] {
    let padding = arguments.sizes("padding", 2 * dimensions).unwrap_or_default();
    match padding[..] {
        [left, right] => [(0, 0), (left, right)],
        [left, right, top, bottom] => [(top, bottom), (left, right)],
        _ => [(0, 0); 2],
    }
}

fn make(arguments: &Arguments, input: &[usize], dimensions: usize) -> Result<BuiltLayer, LayerError> {
    let (channels, size) = planes(input, dimensions)?;
    let (around, sides) = (Around::of(arguments.name()), sides(arguments, dimensions));
    let mut padded = size;
    for ((padded, size), (before, after)) in padded.iter_mut().zip(size).zip(sides) {
        let most = around.most(size);
        if before.max(after) > most {
            return Err(format!(
                "has a padding of {}, but the input {input:?} has {size} elements there, around which it can put at \
                 most {most}; make padding smaller",
                before.max(after)
            ).into());
        }
        *padded = size + before + after;
    }
    let output = shape(channels, padded, dimensions);
    check_output(&output)?;
    let places = channels * padded[0] * padded[1];
    check_table::<u32>(places, "padding", arguments.value("padding"))?;
    let source = move |d: usize, at: usize| around.source(at, sides[d].0, size[d]);
    let lines = (0..channels).flat_map(move |channel| (0..padded[0]).map(move |y| (channel, source(0, y))));
    let from = lines.flat_map(move |(channel, y)| {
        let element = move |x: usize| Some((channel * size[0] + y?) * size[1] + source(1, x)?);
        (0..padded[1]).map(element)
    });
    #[expect(clippy::cast_possible_truncation, reason = "elements are f32")]
    let filling = arguments.real("value") as f32;
    Ok(Moved::filled(from, filling, input, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_outside_come_from_where_they_should() {
        let along =
            |around: Around| -> Vec<Option<usize>> { (0..7).map(|at| around.source(at, 2, 3)).collect() };
        let some = |from: [usize; 7]| from.map(Some).to_vec();
        let constant = vec![None, None, Some(0), Some(1), Some(2), None, None];
        assert_eq!(along(Around::Constant), constant);
        assert_eq!(along(Around::Reflection), some([2, 1, 0, 1, 2, 1, 0]));
        assert_eq!(along(Around::Replication), some([0, 0, 0, 1, 2, 2, 2]));
        assert_eq!(along(Around::Circular), some([1, 2, 0, 1, 2, 0, 1]));
    }
}
