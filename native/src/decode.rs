//! Rows of a DataFrame to features (f32), label and weight (f64).

use crate::convert::first_not_finite;
use crate::nested::{Nested, NestedType};
use crate::number::Number;
use crate::plain::PlainColumn;
use crate::row::{Array, Corrupt, Row};
use crate::row_error::{self, RowError};
use crate::values::{Values, vector};
use candlewick_model::kernels::Csr;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{Column, Columns, FeatureDomain, FeatureLimit};
use candlewick_protocol::job::LabelKind;

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// VectorUDT, dense or sparse.
    Vector,
    /// An array of numbers.
    Array(Number),
    /// Arrays of numbers within arrays.
    Nested(NestedType),
    /// One number.
    Scalar(Number),
    /// Unsigned bytes.
    Binary,
}

impl Shape {
    fn parse(name: &str) -> Option<Shape> {
        match name {
            "vector" => Some(Shape::Vector),
            "binary" => Some(Shape::Binary),
            _ => match name
                .strip_prefix("array<")
                .and_then(|rest| rest.strip_suffix('>'))
            {
                Some(element) => Number::parse(element)
                    .map(Shape::Array)
                    .or_else(|| NestedType::parse(name).map(Shape::Nested)),
                None => Number::parse(name).map(Shape::Scalar),
            },
        }
    }
}

#[derive(Debug, Clone)]
struct Source {
    ordinal: usize,
    name: String,
    shape: Shape,
    /// Values it must have, where it is known.
    width: Option<usize>,
    /// Sizes of its nested arrays, where they are known.
    sizes: Option<Vec<usize>>,
}

impl Source {
    /// The values of the column, which is not null.
    fn values<'a>(&self, row: &Row<'a>) -> Result<Values<'a>, Corrupt> {
        Ok(match self.shape {
            Shape::Scalar(number) => Values::One(number.field(row, self.ordinal)?),
            Shape::Binary => Values::Bytes(row.variable(self.ordinal)?),
            Shape::Array(number) => Values::Array(number, Array::new(row.variable(self.ordinal)?)?),
            Shape::Nested(kind) => Values::Nested(Nested::new(kind, row.variable(self.ordinal)?)?),
            Shape::Vector => vector(row.variable(self.ordinal)?)?,
        })
    }
}

/// Reads rows as [`Columns`] says.
#[derive(Debug, Clone)]
pub struct Decoder {
    fields: usize,
    width: usize,
    /// The first row of the DataFrame said it.
    of_first_row: bool,
    scale: f64,
    features: Vec<Source>,
    limits: Vec<FeatureLimit>,
    label: Option<(Vec<Source>, LabelKind)>,
    weight: Option<(Source, Number)>,
    mark: Option<(Source, Number)>,
    /// The features, where they are one column that is read in one go and nothing else is.
    plain: Option<PlainColumn>,
}

impl Decoder {
    /// A decoder for rows of these columns.
    ///
    /// # Errors
    /// `InvalidParameter` where a column has a type that cannot be read as what it is meant for.
    pub fn new(columns: &Columns) -> Result<Decoder, Failure> {
        let features: Vec<Source> = columns
            .features
            .iter()
            .map(feature_source)
            .collect::<Result<_, _>>()?;
        if features.is_empty() {
            return Err(Failure::parameter("no feature column is given"));
        }
        let label = match (&columns.labels[..], &columns.label_kind) {
            ([], None) => None,
            ([], _) | (_, None) => {
                return Err(Failure::internal("a label column and a label kind go together"));
            }
            (columns, Some(kind)) => Some((label_sources(columns, kind)?, kind.clone())),
        };
        let weight = columns
            .weight
            .as_ref()
            .map(|column| number_source(column, "weight"))
            .transpose()?;
        let mark = columns
            .validation
            .as_ref()
            .map(|column| number_source(column, "validation"))
            .transpose()?;
        let fields = columns.num_fields as usize;
        let all = features
            .iter()
            .chain(label.iter().flat_map(|(sources, _)| sources))
            .chain(weight.iter().chain(&mark).map(|(source, _)| source));
        if let Some(outside) = all.into_iter().find(|source| source.ordinal >= fields) {
            let Source { name, ordinal, .. } = outside;
            return Err(Failure::internal(format!(
                "column '{name}' has position {ordinal} in rows of {fields} fields"
            )));
        }
        let scale = columns.scale.unwrap_or(1.0);
        Ok(Decoder {
            fields,
            width: columns.feature_width as usize,
            of_first_row: columns.width_of_first_row,
            scale,
            features,
            plain: PlainColumn::of(columns),
            limits: columns.limits.clone(),
            label,
            weight,
            mark,
        })
    }

    /// f32 values of a row's features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// f64 values of a row's label; 0 without a label column.
    #[must_use]
    pub fn label_width(&self) -> usize {
        self.label.as_ref().map_or(0, |(_, kind)| kind.width())
    }

    /// Decodes one row into `features` ([`Decoder::width`] values) and `labels` ([`Decoder::label_width`] values) and
    /// returns its weight, 1 without a weight column. After an error both hold anything.
    ///
    /// # Errors
    /// [`RowError`] with what is wrong in which column.
    pub fn decode(&self, bytes: &[u8], features: &mut [f32], labels: &mut [f64]) -> Result<f64, RowError> {
        if let Some(plain) = self.plain
            && features.len() == self.width
            && plain.read(bytes, features, self.scale)
        {
            return Ok(1.0);
        }
        let row = Row::new(bytes, self.fields)?;
        let mut at = 0;
        for source in &self.features {
            at += self.feature(&row, source, features, at)?;
        }
        if at != self.width {
            return Err(self.wrong_width(&row));
        }
        self.check_limits(&row, features)?;
        self.label_and_weight(&row, labels)
    }

    /// Decodes the label, and returns the weight.
    fn label_and_weight(&self, row: &Row<'_>, labels: &mut [f64]) -> Result<f64, RowError> {
        if let Some((sources, kind)) = &self.label {
            let mut at = 0;
            for source in sources {
                at += label(row, source, kind, at, labels)?;
            }
        }
        match &self.weight {
            Some((source, number)) => weight(row, source, *number),
            None => Ok(1.0),
        }
    }

    /// As [`Decoder::decode`], but keeps only features that are not zero: the row is the last one of `into`. After an error
    /// it has no such row.
    ///
    /// # Errors
    /// As there.
    pub fn decode_sparse_row(
        &self,
        bytes: &[u8],
        into: &mut Csr,
        labels: &mut [f64],
    ) -> Result<f64, RowError> {
        self.decode_sparse(bytes, into)?;
        self.label_and_weight(&Row::new(bytes, self.fields)?, labels)
    }

    /// Calls `see` with the values of every feature column of a row that was decoded before.
    pub(crate) fn each_feature(
        &self,
        bytes: &[u8],
        see: &mut dyn FnMut(&Values<'_>) -> Result<(), Corrupt>,
    ) -> Result<(), Corrupt> {
        let row = Row::new(bytes, self.fields)?;
        self.features
            .iter()
            .try_for_each(|source| see(&source.values(&row)?))
    }

    /// How many values of a row's features are given, where a sparse vector is among them; `None` where none is.
    #[must_use]
    pub fn given_of_sparse(&self, bytes: &[u8]) -> Option<usize> {
        // Whether nested arrays are tensors is found where they are written one after another.
        if self
            .features
            .iter()
            .any(|source| matches!(source.shape, Shape::Nested(_)))
        {
            return None;
        }
        let row = Row::new(bytes, self.fields).ok()?;
        let (mut given, mut is_sparse) = (0, false);
        for source in self.features.iter().filter(|source| !row.is_null(source.ordinal)) {
            match source.values(&row) {
                Ok(Values::Sparse { indices, .. }) => {
                    given += indices.len();
                    is_sparse = true;
                }
                Ok(values) => given += values.len(),
                Err(_) => {}
            }
        }
        is_sparse.then_some(given)
    }

    /// Decodes the features of one row, those that are not zero; ends the row in `into`. After an error it has no such row.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode_sparse(&self, bytes: &[u8], into: &mut Csr) -> Result<(), RowError> {
        let decoded = self.nonzeros(bytes, into);
        match decoded {
            Ok(()) => into.end_row(),
            Err(_) => into.drop_row(),
        }
        decoded
    }

    fn nonzeros(&self, bytes: &[u8], into: &mut Csr) -> Result<(), RowError> {
        let row = Row::new(bytes, self.fields)?;
        let mut at = 0;
        for source in &self.features {
            let values = self.checked(&row, source, at)?;
            let first = u32::try_from(at).map_err(|_| Corrupt(format!("{at} features")))?;
            if let Some(odd) = values.write_nonzeros(first, self.scale, into)? {
                return Err(RowError::not_finite(&source.name, odd, &values, self.scale));
            }
            at += values.len();
        }
        if at != self.width {
            return Err(self.wrong_width(&row));
        }
        self.check_sparse_limits(&row, into.open_row())
    }

    /// Whether the validation column marks the row; `None` without such a column.
    ///
    /// # Errors
    /// [`RowError`] where the mark is null.
    pub fn mark(&self, bytes: &[u8]) -> Result<Option<bool>, RowError> {
        let Some((source, number)) = &self.mark else {
            return Ok(None);
        };
        let row = Row::new(bytes, self.fields)?;
        if row.is_null(source.ordinal) {
            return Err(RowError::null(&source.name));
        }
        Ok(Some(number.field(&row, source.ordinal)? != 0.0))
    }

    /// Decodes one feature column to `features[at..]`; returns the number of values.
    fn feature(
        &self,
        row: &Row<'_>,
        source: &Source,
        features: &mut [f32],
        at: usize,
    ) -> Result<usize, RowError> {
        let values = self.checked(row, source, at)?;
        let count = values.len();
        let Some(out) = at.checked_add(count).and_then(|end| features.get_mut(at..end)) else {
            return Err(self.wrong_width(row));
        };
        let finite = match &values {
            Values::Nested(nested) => nested
                .write(out, self.scale)?
                .map_err(|what| RowError::irregular(&source.name, &what))?,
            values => values.write(out, self.scale)?,
        };
        if !finite {
            let index = first_not_finite(out).unwrap_or(0);
            return Err(RowError::not_finite(&source.name, index, &values, self.scale));
        }
        Ok(count)
    }

    /// The values of a feature column whose first one is feature `at`: there, and as many as they have to be.
    fn checked<'a>(&self, row: &Row<'a>, source: &Source, at: usize) -> Result<Values<'a>, RowError> {
        let name = &source.name;
        if row.is_null(source.ordinal) {
            return Err(RowError::null(name));
        }
        let values = source.values(row)?;
        if let Values::Nested(nested) = &values
            && let Err(what) = nested.check(source.sizes.as_deref())?
        {
            return Err(RowError::irregular(name, &what));
        }
        if let Some(what) = values.wrong_indices() {
            return Err(RowError::irregular(name, &what));
        }
        let count = values.len();
        if let Some(wanted) = source.width.filter(|wanted| *wanted != count) {
            return Err(RowError::wrong_input(name, count, wanted));
        }
        if at.checked_add(count).is_none_or(|end| end > self.width) {
            return Err(self.wrong_width(row));
        }
        if let Values::Array(_, array) = &values
            && let Some(index) = array.first_null()
        {
            return Err(RowError::null_element(name, index, &values));
        }
        Ok(values)
    }

    /// Values that are not what a layer takes: no index of the table that they are looked up in, a count below 0.
    fn check_limits(&self, row: &Row<'_>, features: &[f32]) -> Result<(), RowError> {
        for limit in &self.limits {
            let part = limit.first..(limit.first + limit.count).min(features.len());
            let values = features.get(part).unwrap_or_default();
            if let Some(at) = values.iter().position(|value| !limit.domain.contains(*value)) {
                return Err(self.not_taken(row, limit.first + at, values[at], limit.domain));
            }
        }
        Ok(())
    }

    /// The same of a sparse row: zero is an index of every table, and a count.
    fn check_sparse_limits(
        &self,
        row: &Row<'_>,
        (indices, values): (&[u32], &[f32]),
    ) -> Result<(), RowError> {
        for limit in &self.limits {
            let place = |wanted: usize| indices.partition_point(|index| (*index as usize) < wanted);
            let part = place(limit.first)..place(limit.first + limit.count);
            let mut pairs = indices[part.clone()].iter().zip(&values[part]);
            if let Some((index, value)) = pairs.find(|(_, value)| !limit.domain.contains(**value)) {
                return Err(self.not_taken(row, *index as usize, *value, limit.domain));
            }
        }
        Ok(())
    }

    /// Value `at` of the features is none that its layer takes: says in which column it stands.
    fn not_taken(&self, row: &Row<'_>, at: usize, value: f32, domain: FeatureDomain) -> RowError {
        let mut first = 0;
        for source in &self.features {
            match source.values(row) {
                Ok(values) if at < first + values.len() => {
                    return RowError::not_taken(&source.name, at - first, &values, (value, domain));
                }
                Ok(values) => first += values.len(),
                Err(corrupt) => return corrupt.into(),
            }
        }
        Corrupt(format!("there is no value {at} in the features")).into()
    }

    /// The features have another number of values than the network: says how many each column has.
    fn wrong_width(&self, row: &Row<'_>) -> RowError {
        let mut parts = Vec::new();
        let mut total = 0;
        let mut first = None;
        for source in &self.features {
            if row.is_null(source.ordinal) {
                return RowError::null(&source.name);
            }
            match source.values(row) {
                Ok(values) => {
                    total += values.len();
                    parts.push((source.name.as_str(), values.len()));
                    first.get_or_insert(values);
                }
                Err(corrupt) => return corrupt.into(),
            }
        }
        let error = RowError::wrong_width(&parts, total, self.width, first.as_ref());
        if self.of_first_row {
            error.unlike_first_row(self.width)
        } else {
            error
        }
    }
}

fn feature_source(column: &Column) -> Result<Source, Failure> {
    let shape = Shape::parse(&column.data_type).ok_or_else(|| {
        let Column { name, data_type, .. } = column;
        Failure::parameter(format!(
            "column '{name}' has type {data_type}: features are a Vector, an array of numbers (or of such arrays), numeric columns or binary; \
             turn it into numbers first (for example with StringIndexer or cast)"
        ))
    })?;
    Ok(Source {
        ordinal: column.ordinal as usize,
        name: column.name.clone(),
        shape,
        width: column.width.map(|width| width as usize),
        sizes: column.sizes.clone(),
    })
}

/// The columns of a label, which together have as many values as it has.
fn label_sources(columns: &[Column], kind: &LabelKind) -> Result<Vec<Source>, Failure> {
    // Only a single column takes its width from the label.
    let widths: Vec<u32> = columns.iter().filter_map(|column| column.width).collect();
    let sum: usize = widths.iter().map(|width| *width as usize).sum();
    if columns.len() > 1 && (widths.len() < columns.len() || sum != kind.width()) {
        return Err(Failure::internal(format!(
            "{} label columns with {sum} values in all for a label of {}",
            columns.len(),
            kind.width()
        )));
    }
    columns.iter().map(|column| label_source(column, kind)).collect()
}

fn label_source(column: &Column, kind: &LabelKind) -> Result<Source, Failure> {
    let shape = Shape::parse(&column.data_type);
    let Column { name, data_type, .. } = column;
    let width = column.width.map_or(kind.width(), |width| width as usize);
    let source = |shape| {
        Ok(Source {
            ordinal: column.ordinal as usize,
            name: name.clone(),
            shape,
            width: column.width.map(|width| width as usize),
            sizes: None,
        })
    };
    match (shape, kind) {
        (Some(shape @ Shape::Scalar(_)), _) if width == 1 => source(shape),
        (
            Some(shape @ (Shape::Array(_) | Shape::Nested(_) | Shape::Vector)),
            LabelKind::Real { .. } | LabelKind::Targets { .. },
        ) => source(shape),
        // One value as it stands in the first row: a network of the user's own reads labels of any type.
        (Some(shape @ (Shape::Array(_) | Shape::Nested(_) | Shape::Vector)), LabelKind::Class { .. })
            if column.width == Some(1) =>
        {
            source(shape)
        }
        (_, LabelKind::Class { .. }) => Err(Failure::parameter(format!(
            "label column '{name}' has type {data_type}: the label of a classifier is a number; use StringIndexer for text"
        ))),
        (_, LabelKind::Targets { .. }) => Err(Failure::parameter(format!(
            "label column '{name}' has type {data_type}: a label is a number, an array of numbers (or of such arrays) or a Vector; use \
             StringIndexer for text"
        ))),
        (_, LabelKind::Real { width }) => Err(Failure::parameter(format!(
            "label column '{name}' has type {data_type}: the label of a regressor with {width} output(s) is {}",
            if *width == 1 {
                "a number"
            } else {
                "an array of numbers or a Vector"
            }
        ))),
    }
}

fn number_source(column: &Column, what: &str) -> Result<(Source, Number), Failure> {
    match Shape::parse(&column.data_type) {
        Some(shape @ Shape::Scalar(number)) => Ok((
            Source {
                ordinal: column.ordinal as usize,
                name: column.name.clone(),
                shape,
                width: None,
                sizes: None,
            },
            number,
        )),
        _ => {
            let Column { name, data_type, .. } = column;
            Err(Failure::parameter(format!(
                "{what} column '{name}' has type {data_type}: expected a number"
            )))
        }
    }
}

/// Decodes a column of the label to `out[at..]`; returns the number of values.
fn label(
    row: &Row<'_>,
    source: &Source,
    kind: &LabelKind,
    at: usize,
    out: &mut [f64],
) -> Result<usize, RowError> {
    if row.is_null(source.ordinal) {
        return Err(RowError::null(&source.name));
    }
    let values = match source.shape {
        Shape::Scalar(number) => Values::One(number.field(row, source.ordinal)?),
        Shape::Array(number) => Values::Array(number, Array::new(row.variable(source.ordinal)?)?),
        Shape::Vector => vector(row.variable(source.ordinal)?)?,
        Shape::Nested(kind) => Values::Nested(Nested::new(kind, row.variable(source.ordinal)?)?),
        Shape::Binary => return Err(Corrupt("a label of another type".to_owned()).into()),
    };
    if let Some(what) = values.wrong_indices() {
        return Err(RowError::irregular(&source.name, &what));
    }
    let wanted = source.width.unwrap_or(kind.width());
    let Some(out) = out
        .get_mut(at..at + wanted)
        .filter(|out| out.len() == values.len())
    else {
        return Err(row_error::label_width(
            &source.name,
            values.len(),
            wanted,
            source.width.is_some(),
        ));
    };
    if let Values::Array(_, array) = &values
        && let Some(index) = array.first_null()
    {
        return Err(RowError::null_element(&source.name, index, &values));
    }
    if let Values::Nested(nested) = &values {
        nested
            .write_exact(out)?
            .map_err(|what| RowError::irregular(&source.name, &what))?;
    } else if let Values::Sparse {
        indices,
        values: given,
        ..
    } = &values
    {
        out.fill(0.0);
        for (at, index) in indices.iter().enumerate() {
            if let Some(out) = out.get_mut(u32::from_le_bytes(*index) as usize) {
                *out = Number::Double.element(given, at)?;
            }
        }
    } else {
        for (index, out) in out.iter_mut().enumerate() {
            *out = values.get(index)?;
        }
    }
    row_error::check_label(&source.name, kind, at, out)?;
    Ok(wanted)
}

fn weight(row: &Row<'_>, source: &Source, number: Number) -> Result<f64, RowError> {
    if row.is_null(source.ordinal) {
        return Err(RowError::null(&source.name));
    }
    let value = number.field(row, source.ordinal)?;
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(row_error::weight(&source.name, value))
    }
}
