//! Arrays of arrays of numbers: a tensor's values, one dimension within another.

use crate::number::Number;
use crate::row::{Array, Corrupt};

/// Most dimensions of a column.
const MAX_DEPTH: usize = 8;

/// The type of a column of nested arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NestedType {
    depth: usize,
    number: Number,
}

impl NestedType {
    /// The type that a catalogString names, such as `array<array<float>>`; `None` where it is none, or has more than
    /// eight dimensions.
    #[must_use]
    pub fn parse(name: &str) -> Option<NestedType> {
        let (mut depth, mut rest) = (0, name);
        while let Some(inner) = rest
            .strip_prefix("array<")
            .and_then(|rest| rest.strip_suffix('>'))
        {
            (depth, rest) = (depth + 1, inner);
        }
        let number = Number::parse(rest).filter(|_| (2..=MAX_DEPTH).contains(&depth))?;
        Some(NestedType { depth, number })
    }
}

/// What is wrong with a column of nested arrays, to follow its name.
pub(crate) type Irregular = String;

/// A column of nested arrays in one row. What is inside is looked at where it is written.
#[derive(Debug, Clone)]
pub struct Nested<'a> {
    kind: NestedType,
    array: Array<'a>,
    /// Sizes along the first elements; those beyond the depth are 1.
    sizes: [usize; MAX_DEPTH],
}

impl<'a> Nested<'a> {
    /// Views the bytes of a column.
    ///
    /// # Errors
    /// Where they are no arrays.
    pub fn new(kind: NestedType, bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let array = Array::new(bytes)?;
        let mut sizes = [1; MAX_DEPTH];
        let mut first = Some(array);
        for (level, size) in sizes.iter_mut().take(kind.depth).enumerate() {
            *size = first.map_or(0, |array| array.len());
            first = match first {
                Some(array) if level + 1 < kind.depth => inner(&array, 0)?,
                _ => None,
            };
        }
        Ok(Nested { kind, array, sizes })
    }

    /// Sizes, outermost first.
    fn sizes(&self) -> &[usize] {
        &self.sizes[..self.kind.depth]
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sizes().iter().fold(1, |all, size| all.saturating_mul(*size))
    }

    /// True without values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Compares the shape with the one that is wanted. Arrays that are missing or of another length than the first are the
    /// better reason, where there are any.
    pub(crate) fn check(&self, wanted: Option<&[usize]>) -> Result<Result<(), Irregular>, Corrupt> {
        match wanted {
            Some(wanted) if wanted != self.sizes() => Ok(self
                .each_row(|_, _| Ok(()))?
                .and_then(|()| Err(format!("has the shape {:?}, expected {wanted:?}", self.sizes())))),
            _ => Ok(Ok(())),
        }
    }

    /// Goes through the innermost arrays, each with the number of its first value. All arrays have to be there, and those of
    /// one dimension to be of one length.
    fn each_row(
        &self,
        mut each: impl FnMut(&Array<'a>, usize) -> Result<(), Corrupt>,
    ) -> Result<Result<(), Irregular>, Corrupt> {
        let (mut path, mut first) = ([0; MAX_DEPTH], 0);
        let mut counted = |row: &Array<'a>| {
            each(row, first)?;
            first += row.len();
            Ok(())
        };
        self.below(&self.array, 0, &mut path, &mut counted)
    }

    fn below(
        &self,
        array: &Array<'a>,
        level: usize,
        path: &mut [usize; MAX_DEPTH],
        each: &mut dyn FnMut(&Array<'a>) -> Result<(), Corrupt>,
    ) -> Result<Result<(), Irregular>, Corrupt> {
        if array.len() != self.sizes[level] {
            let (at, first) = (&path[..level], &[0; MAX_DEPTH][..level]);
            return Ok(Err(format!(
                "is ragged: it has {} values at {at:?} and {} at {first:?}; a tensor has equally many everywhere, pad it",
                array.len(),
                self.sizes[level]
            )));
        }
        if let Some(index) = array.first_null() {
            path[level] = index;
            return Ok(Err(format!("is null at {:?}", &path[..=level])));
        }
        if level + 1 == self.kind.depth {
            return each(array).map(Ok);
        }
        for index in 0..array.len() {
            path[level] = index;
            let inner =
                inner(array, index)?.ok_or_else(|| Corrupt("an array that is not there".to_owned()))?;
            if let Err(what) = self.below(&inner, level + 1, path, each)? {
                return Ok(Err(what));
            }
        }
        Ok(Ok(()))
    }

    /// The type of the numbers.
    pub(crate) fn number(&self) -> Number {
        self.kind.number
    }

    /// Goes through the innermost arrays of a tensor that was written before.
    pub(crate) fn each_array(
        &self,
        each: &mut dyn FnMut(&Array<'a>) -> Result<(), Corrupt>,
    ) -> Result<(), Corrupt> {
        self.each_row(|row, _| each(row))?.map_err(Corrupt)
    }

    /// Where value `index` stands, dimension by dimension.
    fn place(&self, index: usize) -> [usize; MAX_DEPTH] {
        let (mut rest, mut place) = (index, [0; MAX_DEPTH]);
        for (at, size) in self.sizes().iter().enumerate().rev() {
            (place[at], rest) = (rest % size.max(&1), rest / size.max(&1));
        }
        place
    }

    /// Value `index`; `None` where it is null or not there.
    pub(crate) fn get(&self, index: usize) -> Result<Option<f64>, Corrupt> {
        let place = self.place(index);
        let (last, above) = (self.kind.depth - 1, &place[..self.kind.depth - 1]);
        let mut array = self.array;
        for at in above {
            match inner(&array, *at)? {
                Some(below) => array = below,
                None => return Ok(None),
            }
        }
        if array.is_null(place[last]) {
            return Ok(None);
        }
        self.kind.number.element(&array, place[last]).map(Some)
    }

    /// The place of value `index` for a message: `[3, 2]`.
    pub(crate) fn place_text(&self, index: usize) -> String {
        format!("{:?}", &self.place(index)[..self.kind.depth])
    }

    /// Writes the values times `scale`; true where all are finite.
    pub(crate) fn write(&self, out: &mut [f32], scale: f64) -> Result<Result<bool, Irregular>, Corrupt> {
        let mut finite = true;
        let done = self.each_row(|row, first| {
            let out = out.get_mut(first..first + row.len()).unwrap_or_default();
            finite &= self.kind.number.elements(row, out, scale)?;
            Ok(())
        })?;
        Ok(done.map(|()| finite))
    }

    /// Writes the values as they are.
    pub(crate) fn write_exact(&self, out: &mut [f64]) -> Result<Result<(), Irregular>, Corrupt> {
        self.each_row(|row, first| {
            let out = out.get_mut(first..first + row.len()).unwrap_or_default();
            for (index, out) in out.iter_mut().enumerate() {
                *out = self.kind.number.element(row, index)?;
            }
            Ok(())
        })
    }
}

/// Element `index`, an array; `None` where it is null or not there.
fn inner<'a>(array: &Array<'a>, index: usize) -> Result<Option<Array<'a>>, Corrupt> {
    if array.is_null(index) {
        return Ok(None);
    }
    let slots = array.elements::<8>()?;
    let Some(slot) = slots.get(index) else {
        return Ok(None);
    };
    Array::new(array.variable(*slot)?).map(Some)
}
