//! State as named tensors and counters, to be saved and restored with equal bits.

use super::optimizer::Optimizer;
use super::rules::{self, MOMENTUM_BUFFER, MU_PRODUCT};
use crate::resident::Flat;
use candlewick_protocol::Failure;
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A tensor of a saved state.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedTensor {
    /// Name; of an optimiser's state that of the parameter and PyTorch's, as in `0.weight.exp_avg`.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

/// A saved state: what a checkpoint or a trainer that joins needs (rule B10).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Saved {
    /// Counters by name. Real numbers stand in them by their bits (`f64::to_bits`).
    pub counters: Vec<(String, u64)>,
    /// Tensors.
    pub tensors: Vec<SavedTensor>,
    /// What is neither, as JSON; empty where there is nothing.
    pub notes: Map<String, Value>,
}

/// Keys in a file's metadata.
pub(super) const COUNTERS: &str = "counters";
pub(super) const NOTES: &str = "notes";

impl Saved {
    /// Reads what [`Saved::into_file`] wrote. Tensors come in the order of the file's data.
    ///
    /// # Errors
    /// `InvalidParameter` where it is no such file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::parameter(format!("the saved state cannot be read: {what}"));
        let (_, header) = SafeTensors::read_metadata(bytes)
            .map_err(|error| wrong(format!("it is not a safetensors file: {error}")))?;
        let object = |key: &str| {
            header
                .metadata()
                .as_ref()
                .and_then(|metadata| metadata.get(key))
                .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok())
                .ok_or_else(|| wrong(format!("its metadata holds no {key}")))
        };
        let mut saved = Saved {
            notes: object(NOTES)?,
            ..Saved::default()
        };
        for (name, value) in object(COUNTERS)? {
            let value = value
                .as_u64()
                .ok_or_else(|| wrong(format!("its counter {name:?} is not a whole number")))?;
            saved.counters.push((name, value));
        }
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| wrong(format!("it is not a safetensors file: {error}")))?;
        for name in header.offset_keys() {
            let view = file.tensor(&name).map_err(|error| wrong(error.to_string()))?;
            if view.dtype() != Dtype::F32 {
                return Err(wrong(format!(
                    "tensor {name:?} is {:?}, expected F32",
                    view.dtype()
                )));
            }
            let values = view.data().as_chunks::<4>().0;
            saved.tensors.push(SavedTensor {
                name,
                shape: view.shape().to_vec(),
                values: values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            });
        }
        Ok(saved)
    }

    /// Takes in another state, under names that begin with `prefix`.
    pub fn put(&mut self, prefix: &str, part: Saved) {
        let counters = part.counters.into_iter();
        self.counters
            .extend(counters.map(|(name, value)| (format!("{prefix}{name}"), value)));
        self.tensors
            .extend(part.tensors.into_iter().map(|tensor| SavedTensor {
                name: format!("{prefix}{}", tensor.name),
                ..tensor
            }));
        let notes = part.notes.into_iter();
        self.notes
            .extend(notes.map(|(name, value)| (format!("{prefix}{name}"), value)));
    }

    /// Takes out what [`Saved::put`] put in under that prefix. What it takes is no longer here.
    ///
    /// ```
    /// use candlewick_model::optim::Saved;
    /// let part = Saved { counters: vec![("step".into(), 3)], ..Saved::default() };
    /// let mut whole = Saved::default();
    /// whole.put("optimizer.", part.clone());
    /// assert_eq!(whole.take("ema."), Saved::default());
    /// assert_eq!(whole.take("optimizer."), part);
    /// assert_eq!(whole, Saved::default());
    /// ```
    #[must_use]
    pub fn take(&mut self, prefix: &str) -> Saved {
        let of = |name: &str| name.strip_prefix(prefix).map(str::to_owned);
        let mut part = Saved::default();
        self.counters.retain(|(name, value)| match of(name) {
            Some(name) => {
                part.counters.push((name, *value));
                false
            }
            None => true,
        });
        let (own, rest) = std::mem::take(&mut self.tensors)
            .into_iter()
            .partition(|tensor| tensor.name.starts_with(prefix));
        self.tensors = rest;
        part.tensors = own;
        for tensor in &mut part.tensors {
            tensor.name.drain(..prefix.len());
        }
        for (name, value) in std::mem::take(&mut self.notes) {
            match of(&name) {
                Some(name) => part.notes.insert(name, value),
                None => self.notes.insert(name, value),
            };
        }
        part
    }

    /// The counter of that name; `what` starts the message of a failure.
    ///
    /// # Errors
    /// `InvalidParameter` where there is none.
    pub fn counter(&self, what: &str, name: &str) -> Result<u64, Failure> {
        let found = self.counters.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| Failure::parameter(format!("{what} lacks the counter {name:?}")))
    }

    /// The tensor of that name; `what` starts the message of a failure.
    ///
    /// # Errors
    /// `InvalidParameter` where there is none.
    pub fn tensor(&self, what: &str, name: &str) -> Result<&SavedTensor, Failure> {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| Failure::parameter(format!("{what} lacks the tensor {name:?}")))
    }

    /// Refuses counters of other names, and missing ones.
    ///
    /// # Errors
    /// `InvalidParameter` with the name.
    pub fn expect_counters(&self, what: &str, names: &[&str]) -> Result<(), Failure> {
        if let Some((name, _)) = self
            .counters
            .iter()
            .find(|(name, _)| !names.contains(&name.as_str()))
        {
            return Err(Failure::parameter(format!(
                "{what} holds a counter {name:?}; expected {}",
                names.join(", ")
            )));
        }
        names
            .iter()
            .try_for_each(|name| self.counter(what, name).map(|_| ()))
    }

    /// Refuses tensors of other names or shapes, and missing ones.
    ///
    /// # Errors
    /// `InvalidParameter` with the name, and what was expected.
    pub fn expect_tensors(&self, what: &str, wanted: &[(String, Vec<usize>)]) -> Result<(), Failure> {
        for tensor in &self.tensors {
            let known = wanted.iter().find(|(name, _)| *name == tensor.name);
            let Some((name, shape)) = known else {
                return Err(Failure::parameter(format!(
                    "{what} holds a tensor {:?}, which is not expected: it was saved with another network, optimiser or \
                     groups",
                    tensor.name
                )));
            };
            let elements: usize = shape.iter().product();
            if tensor.shape != *shape || tensor.values.len() != elements {
                return Err(Failure::parameter(format!(
                    "tensor {name:?} of {what} has shape {:?} and {} values; expected shape {shape:?} and {elements} \
                     values",
                    tensor.shape,
                    tensor.values.len()
                )));
            }
        }
        wanted
            .iter()
            .try_for_each(|(name, _)| self.tensor(what, name).map(|_| ()))
    }
}

const WHAT: &str = "the saved state of the optimiser";
const STEP: &str = "step";
const FACTOR: &str = "lr_factor";
const MOMENTUM: &str = "momentum";

impl Optimizer {
    /// Everything that the next updates depend on, beside the weights: tensors by the parameter's name and PyTorch's
    /// (`0.weight.exp_avg`), for NAdam also `mu_product` with a number for each group, the counter `step`, and bits of
    /// the learning rate's factor and of the momentum where a schedule has set it.
    ///
    /// # Errors
    /// `JobFailed` where a device does that some of it is on.
    pub fn state(&self) -> Result<Saved, Failure> {
        let mut counters = vec![
            (STEP.to_owned(), self.steps),
            (FACTOR.to_owned(), self.factor.to_bits()),
        ];
        counters.extend(
            self.momentum
                .map(|momentum| (MOMENTUM.to_owned(), momentum.to_bits())),
        );
        let mut tensors = Vec::new();
        let state: Vec<Cow<'_, [f32]>> = self.state.iter().map(Flat::all).collect::<Result<_, _>>()?;
        for ((name, shape), (slot, range)) in self.shapes().into_iter().zip(self.places()) {
            let values = state.get(slot).and_then(|values| values.get(range));
            tensors.push(SavedTensor {
                name,
                shape,
                values: values.unwrap_or_default().to_vec(),
            });
        }
        if self.has_scalar_state() {
            tensors.push(SavedTensor {
                name: MU_PRODUCT.to_owned(),
                shape: vec![self.groups.len()],
                values: self.groups.iter().map(|group| group.scalar_state).collect(),
            });
        }
        Ok(Saved {
            counters,
            tensors,
            ..Saved::default()
        })
    }

    /// Goes back to a state that [`Optimizer::state`] gave for the same document and network; afterwards all bits are
    /// equal. Where it fails nothing has changed.
    ///
    /// # Errors
    /// `InvalidParameter` where a counter or tensor is missing, unknown or of another shape; the message names it.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        let known = [STEP, FACTOR, MOMENTUM];
        let momentum = saved.counter(WHAT, MOMENTUM).ok().map(f64::from_bits);
        let names = if momentum.is_some() {
            &known[..]
        } else {
            &known[..2]
        };
        saved.expect_counters(WHAT, names)?;
        let added =
            momentum.is_some() && self.arguments.has("momentum") && !self.slots.contains(&MOMENTUM_BUFFER);
        if added {
            self.ensure_momentum_buffer()?;
        }
        // Saved before a schedule brought the momentum.
        let dropped = if momentum.is_none() {
            self.drop_cycled()
        } else {
            None
        };
        let mut wanted = self.shapes();
        if self.has_scalar_state() {
            wanted.push((MU_PRODUCT.to_owned(), vec![self.groups.len()]));
        }
        if let Err(failure) = saved.expect_tensors(WHAT, &wanted) {
            if added {
                drop(self.drop_cycled());
            }
            if let Some(buffer) = dropped {
                self.put_cycled(buffer);
            }
            return Err(failure);
        }
        let mut state = vec![vec![0.0; self.layout.updated]; self.state.len()];
        for ((name, _), (slot, range)) in self.shapes().into_iter().zip(self.places()) {
            let tensor = saved.tensor(WHAT, &name)?;
            if let Some(target) = state.get_mut(slot).and_then(|values| values.get_mut(range)) {
                target.copy_from_slice(&tensor.values);
            }
        }
        for (own, values) in self.state.iter_mut().zip(&state) {
            own.set(values)?;
        }
        if self.has_scalar_state() {
            let carried = &saved.tensor(WHAT, MU_PRODUCT)?.values;
            for (group, scalar_state) in self.groups.iter_mut().zip(carried) {
                group.scalar_state = *scalar_state;
            }
        }
        self.steps = saved.counter(WHAT, STEP)?;
        self.factor = f64::from_bits(saved.counter(WHAT, FACTOR)?);
        self.momentum = momentum;
        Ok(())
    }

    /// Whether the groups carry a number.
    pub(super) fn has_scalar_state(&self) -> bool {
        rules::has_scalar_state(&self.arguments)
    }

    /// Names and shapes of the state's tensors.
    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        for tensor in &self.layout.tensors {
            if let Some(parameter) = self.parameters.get(tensor.parameter) {
                for slot in &self.slots {
                    shapes.push((format!("{}.{slot}", parameter.name), parameter.shape.clone()));
                }
            }
        }
        shapes
    }

    /// The vector and range of each of [`Optimizer::shapes`].
    fn places(&self) -> Vec<(usize, std::ops::Range<usize>)> {
        let slots = self.slots.len();
        let tensors = self.layout.tensors.iter();
        tensors
            .flat_map(|tensor| (0..slots).map(|slot| (slot, tensor.state.clone())))
            .collect()
    }
}
