//! An optimiser: its rules, its state, and the update.

use super::clip::{self, Clip, Slices};
use super::document;
use super::layout::Layout;
use super::rules;
use super::run::{self, Group, Run};
use super::schedule::LrSetting;
use super::step::{DeviceSlice, Step};
use crate::arguments::Arguments;
use crate::engine::{Engine, Gradient, TouchedRows};
use crate::kernels::{SimdLevel, Workers};
use crate::network::Network;
use crate::parameter::Parameter;
use crate::resident::{self, Flat, FlatMut, Residence};
use candlewick_protocol::Failure;
use serde_json::Value;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Weights' updates and the state they need.
#[derive(Debug)]
pub struct Optimizer {
    pub(super) arguments: Arguments,
    /// The optimiser's own comes last.
    pub(super) groups: Vec<Group>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) layout: Layout,
    pub(super) slots: Vec<&'static str>,
    pub(super) state: Vec<Flat>,
    /// The last slot is there because of a schedule alone.
    cycled: bool,
    /// What stays on a device.
    residence: Residence,
    pub(super) steps: u64,
    pub(super) factor: f64,
    pub(super) momentum: Option<f64>,
    pub(super) level: SimdLevel,
    pub(super) workers: Option<Arc<Workers>>,
}

/// Memory that an optimiser needs beside weights and gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSize {
    /// Numbers for every weight that is updated.
    pub vectors: usize,
    /// Weights that are updated: neither frozen nor buffers.
    pub updated: usize,
}

impl StateSize {
    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.vectors * self.updated * size_of::<f32>()
    }
}

/// What an optimiser of this document will need for a network; nothing is allocated. `cycled`: a schedule moves its
/// momentum (see [`Schedule::moves_momentum`]), so that it has one even where its document says 0.
///
/// ```
/// use candlewick_model::{network::Network, optim::state_size};
/// use serde_json::json;
/// let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 2}]});
/// let network = Network::from_document(&document, &[3])?;
/// let frozen = json!({"type": "Adam", "groups": [{"params": "*.bias", "frozen": true}]});
/// let size = state_size(&frozen, &network, false)?;
/// assert_eq!((size.vectors, size.updated, size.bytes()), (2, 6, 48));
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `InvalidParameter` where the document is not legal for the network.
pub fn state_size(document: &Value, network: &Network, cycled: bool) -> Result<StateSize, Failure> {
    let arguments = document::read(document)?;
    let assignment = document::assign(&arguments, network.parameters())?;
    Ok(StateSize {
        vectors: rules::slots(&arguments, cycled || has_momentum(&assignment.groups)).len(),
        updated: Layout::new(network.parameters(), &assignment.of).updated,
    })
}

/// Reads an optimiser's document and checks it against the network that it is for.
pub(crate) fn read(document: &Value, network: &Network) -> Result<Arguments, Failure> {
    let arguments = document::read(document)?;
    document::assign(&arguments, network.parameters())?;
    Ok(arguments)
}

fn has_momentum(groups: &[Arguments]) -> bool {
    groups.iter().any(|arguments| arguments.real("momentum") != 0.0)
}

impl Optimizer {
    /// The optimiser of a document, with state for the network's parameters that are neither frozen nor buffers.
    ///
    /// ```
    /// use candlewick_model::{network::Network, optim::{Clip, Optimizer}};
    /// use serde_json::json;
    /// let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
    /// let network = Network::from_document(&document, &[1])?;
    /// let sgd = json!({"type": "SGD", "lr": 0.5, "groups": [{"params": "*.bias", "frozen": true}]});
    /// let mut sgd = Optimizer::from_document(&sgd, &network)?;
    /// let mut weights = [1.0, 1.0];
    /// // The gradient of the weighted sum and its denominator: the mean is 1.
    /// sgd.update(&mut weights, &mut [4.0, 4.0], 4.0, &Clip::default())?;
    /// assert_eq!(weights, [0.5, 1.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where the document is not legal, a group's pattern matches no parameter, or all parameters
    /// are frozen.
    pub fn from_document(document: &Value, network: &Network) -> Result<Self, Failure> {
        Self::for_parameters(document, network.parameters())
    }

    /// As [`Optimizer::from_document`], for parameters that stand in the order of their offsets.
    ///
    /// # Errors
    /// As there.
    pub fn for_parameters(document: &Value, parameters: &[Parameter]) -> Result<Self, Failure> {
        let arguments = document::read(document)?;
        let assignment = document::assign(&arguments, parameters)?;
        let slots = rules::slots(&arguments, has_momentum(&assignment.groups));
        let group = |arguments: &Arguments| Group {
            rule: rules::rule_of(arguments),
            lr: arguments.real("lr"),
            scalar_state: 1.0,
        };
        let mut optimizer = Optimizer {
            groups: assignment.groups.iter().map(group).collect(),
            arguments,
            parameters: parameters.to_vec(),
            layout: Layout::new(parameters, &assignment.of),
            slots: Vec::new(),
            state: Vec::new(),
            cycled: false,
            residence: Residence::default(),
            steps: 0,
            factor: 1.0,
            momentum: None,
            level: SimdLevel::detect(),
            workers: None,
        };
        for slot in slots {
            optimizer.add_slot(slot)?;
        }
        Ok(optimizer)
    }

    /// From now on the state of weights that stay on a device stays there too, and they are updated there.
    pub(super) fn move_to(&mut self, residence: &Residence) -> Result<(), Failure> {
        let Optimizer { layout, groups, .. } = self;
        layout.hold(residence.places(), |group| groups[group].rule.measures());
        self.residence = residence.clone();
        for values in &mut self.state {
            *values = Flat::held(values.all()?.into_owned(), residence, &self.layout.held_state)?;
        }
        Ok(())
    }

    /// Adds a vector to the state.
    pub(super) fn add_slot(&mut self, slot: &'static str) -> Result<(), Failure> {
        let mut values = vec![0.0; self.layout.updated];
        for tensor in &self.layout.tensors {
            if let (Some(slice), Some(group)) = (
                values.get_mut(tensor.state.clone()),
                self.groups.get(tensor.group),
            ) {
                slice.fill(group.rule.initial());
            }
        }
        self.state
            .push(Flat::held(values, &self.residence, &self.layout.held_state)?);
        self.slots.push(slot);
        Ok(())
    }

    /// Lets updates run on the threads of an engine. The bits do not change.
    pub fn use_threads_of(&mut self, engine: &Engine) {
        let workers = engine.workers();
        self.layout.cut(workers.threads());
        self.workers = Some(workers);
    }

    /// Lets updates use no more than an instruction set, for tests and comparisons. The bits do not change.
    pub fn use_level(&mut self, level: SimdLevel) {
        self.level = level;
    }

    /// Divides the gradient of the weighted sum by the denominator (in place, once, by its f32 reciprocal), clips it
    /// and updates the weights. A denominator of 0 means that no row counted: nothing changes and the answer is
    /// false. Frozen parameters and buffers keep their bits and do not count in norms. What the gradient holds
    /// afterwards is not specified.
    ///
    /// # Errors
    /// `Internal` where the lengths do not agree with the optimiser's.
    pub fn update(
        &mut self,
        weights: &mut [f32],
        gradient_sum: &mut [f32],
        denominator: f64,
        clip: &Clip,
    ) -> Result<bool, Failure> {
        self.update_touched(weights.into(), (gradient_sum, &[], &[]), denominator, clip)
    }

    /// As [`Optimizer::update`], with the same bits, but what a gradient of 0 does not change is left alone where the
    /// gradient knows its rows: clipping looks at those only, and SGD without momentum and Adagrad, both without
    /// weight decay, visit no others. All other rules move every weight, as PyTorch's do for dense gradients: momenta
    /// go on, weights decay. (A weight that is infinite or NaN stays as it is in a row that is not visited.)
    ///
    /// # Errors
    /// As there.
    pub fn update_from(
        &mut self,
        weights: &mut [f32],
        gradient_sum: &mut Gradient,
        denominator: f64,
        clip: &Clip,
    ) -> Result<bool, Failure> {
        self.update_flat(weights.into(), gradient_sum, denominator, clip)
    }

    /// As [`Optimizer::update_from`], of weights of which some may live on a device; so does their gradient then.
    pub(super) fn update_flat(
        &mut self,
        weights: FlatMut<'_>,
        gradient_sum: &mut Gradient,
        denominator: f64,
        clip: &Clip,
    ) -> Result<bool, Failure> {
        let (values, sparse, held) = gradient_sum.touched();
        let done = self.update_touched(weights, (values, &sparse, held), denominator, clip);
        if self.groups.iter().any(|group| group.rule.overwrites()) {
            gradient_sum.forget();
        }
        done
    }

    fn update_touched(
        &mut self,
        FlatMut { host: weights, runs }: FlatMut<'_>,
        (gradient_sum, sparse, held): (&mut [f32], &[TouchedRows<'_>], &[resident::Run]),
        denominator: f64,
        clip: &Clip,
    ) -> Result<bool, Failure> {
        let length = self.layout.length;
        if weights.len() != length || gradient_sum.len() != length {
            return Err(Failure::internal(format!(
                "update of {} weights with {} gradients by an optimiser for {length}",
                weights.len(),
                gradient_sum.len()
            )));
        }
        if denominator == 0.0 {
            return Ok(false);
        }
        let workers = self.workers.as_deref().filter(|_| self.layout.threads > 1);
        let run = Run {
            level: self.level,
            tensors: self.layout.tensors.len(),
            workers,
        };
        let mut device = self.device_slices(runs, held)?;
        let state = self
            .state
            .iter_mut()
            .map(|values| values.host_vec().as_mut_slice());
        let mut slices = self.layout.slices(weights, gradient_sum, state.collect(), sparse);
        #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
        let scale = (1.0 / denominator) as f32;
        let longest = Some(self.arguments.real("max_grad_norm")).filter(|norm| *norm > 0.0);
        let mut both = Slices {
            host: &mut slices,
            device: &mut device,
        };
        let scale = clip::scale(&run, &mut both, scale, clip, longest)?;
        self.steps += 1;
        let common = Step {
            level: self.level,
            count: self.steps,
            scale,
            lr: self.factor,
            momentum: self.momentum,
            scalar_state: 1.0,
        };
        let steps: Vec<Step> = self.groups.iter_mut().map(|group| group.step(common)).collect();
        run.apply(&self.groups, &steps, &mut slices);
        self.update_on_device(runs, &steps, device)?;
        Ok(true)
    }

    /// What is updated on a device, with the gradient that lies there.
    fn device_slices(
        &self,
        weights: &[resident::Run],
        gradient: &[resident::Run],
    ) -> Result<Vec<DeviceSlice>, Failure> {
        let places = self.residence.places();
        let same = |runs: &[resident::Run]| runs.iter().map(|run| &run.place).eq(places);
        if !same(weights) || !same(gradient) {
            return Err(Failure::internal(format!(
                "{} runs of weights with {} runs of gradients by an optimiser for {}",
                weights.len(),
                gradient.len(),
                places.len()
            )));
        }
        let slices = self.layout.spans.iter().map(|span| {
            let state = self.state.iter().map(|values| {
                let run = &values.runs()[span.state_run];
                run.values.part(&span.state)
            });
            let gradient = &gradient[span.run];
            Ok(DeviceSlice {
                weights: weights[span.run].values.part(&span.weights)?,
                gradient: match gradient.rows {
                    // A table is a run by itself.
                    Some(_) => gradient.values.clone(),
                    None => gradient.values.part(&span.weights)?,
                },
                rows: gradient.rows.clone(),
                state: state.collect::<Result<_, Failure>>()?,
                group: span.group,
                ratio: 1.0,
            })
        });
        slices.collect()
    }

    fn update_on_device(
        &mut self,
        weights: &mut [resident::Run],
        steps: &[Step],
        mut slices: Vec<DeviceSlice>,
    ) -> Result<(), Failure> {
        for slice in &mut slices {
            let kept = self.groups[slice.group]
                .rule
                .keeps_untouched(&steps[slice.group], slice.state.len());
            slice.settle(kept)?;
        }
        let before: Vec<Vec<_>> = slices.iter().map(|slice| slice.state.clone()).collect();
        run::apply_on_device(&self.groups, steps, &mut slices)?;
        for ((span, slice), before) in self.layout.spans.iter().zip(slices).zip(before) {
            slice.put(&mut weights[span.run].values, span.weights.start, &slice.weights)?;
            let state = self.state.iter_mut().zip(&slice.state).zip(before);
            for ((values, new), _) in state.filter(|((_, new), before)| **new != *before) {
                let FlatMut { runs, .. } = values.view_mut();
                slice.put(&mut runs[span.state_run].values, span.state.start, new)?;
            }
        }
        Ok(())
    }

    /// The learning rate of the next update, of parameters that are in no group.
    #[must_use]
    pub fn lr(&self) -> f64 {
        self.base_lr() * self.factor
    }

    /// The learning rate of the document.
    #[must_use]
    pub fn base_lr(&self) -> f64 {
        self.arguments.real("lr")
    }

    /// The complete document: defaults filled in.
    #[must_use]
    pub fn document(&self) -> Value {
        self.arguments.to_document()
    }

    /// Sets the learning rate of the next updates to `factor` times the document's, in every group.
    pub fn set_learning_rate(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// True where there is a momentum that a schedule can move: `momentum`, or the first of `betas`.
    #[must_use]
    pub fn takes_momentum(&self) -> bool {
        self.arguments.has("momentum") || self.arguments.has("betas")
    }

    /// Sets the momentum, or the first of `betas`, of the next updates in every group; `None`: the document's.
    ///
    /// # Errors
    /// `InvalidParameter` where the optimiser has neither.
    pub fn set_momentum(&mut self, momentum: Option<f64>) -> Result<(), Failure> {
        if momentum.is_some() && !self.takes_momentum() {
            return Err(no_momentum(self.arguments.name()));
        }
        if momentum.is_some() && self.arguments.has("momentum") {
            self.ensure_momentum_buffer()?;
        }
        self.momentum = momentum;
        Ok(())
    }

    /// A momentum of 0 has no memory; one that is moved later needs it.
    pub(super) fn ensure_momentum_buffer(&mut self) -> Result<(), Failure> {
        if self.slots.contains(&rules::MOMENTUM_BUFFER) {
            return Ok(());
        }
        self.add_slot(rules::MOMENTUM_BUFFER)?;
        self.cycled = true;
        Ok(())
    }

    /// Takes the memory of a momentum out that only a schedule has brought, for a state that is older than that.
    pub(super) fn drop_cycled(&mut self) -> Option<Flat> {
        if !std::mem::take(&mut self.cycled) {
            return None;
        }
        self.slots.pop();
        self.state.pop()
    }

    /// Puts back what [`Optimizer::drop_cycled`] took out.
    pub(super) fn put_cycled(&mut self, buffer: Flat) {
        self.slots.push(rules::MOMENTUM_BUFFER);
        self.state.push(buffer);
        self.cycled = true;
    }

    /// Sets what a schedule says: learning rate and, where it moves it, momentum.
    ///
    /// # Errors
    /// As [`Optimizer::set_momentum`].
    pub fn apply_schedule(&mut self, setting: &LrSetting) -> Result<(), Failure> {
        self.set_learning_rate(setting.factor);
        self.set_momentum(setting.momentum)
    }

    /// Values of all parameters and buffers together.
    pub(super) fn length(&self) -> usize {
        self.layout.length
    }

    /// Updates made so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Memory of the state.
    #[must_use]
    pub fn state_size(&self) -> StateSize {
        StateSize {
            vectors: self.state.len(),
            updated: self.layout.updated,
        }
    }

    /// XXH3-128, 32 hexadecimal digits, over the number of updates (u64), the weights, every vector of the state, the
    /// factor of the learning rate (f64), the momentum that was set, if any (f64), and what the groups carry, all
    /// little endian: equal on all trainers at all times (rule B11).
    ///
    /// # Errors
    /// `JobFailed` where a device does that some of it is on.
    pub fn state_hash(&self, weights: &[f32]) -> Result<String, Failure> {
        let mut hasher = Xxh3::new();
        hasher.update(&self.steps.to_le_bytes());
        crate::weights::update_with_values(&mut hasher, weights);
        for values in &self.state {
            crate::weights::update_with_values(&mut hasher, &values.all()?);
        }
        hasher.update(&self.factor.to_le_bytes());
        if let Some(momentum) = self.momentum {
            hasher.update(&momentum.to_le_bytes());
        }
        let carried: Vec<f32> = self.groups.iter().map(|group| group.scalar_state).collect();
        crate::weights::update_with_values(&mut hasher, &carried);
        Ok(format!("{:032x}", hasher.digest128()))
    }
}

pub(super) fn no_momentum(name: &str) -> Failure {
    Failure::parameter(format!(
        "scheduler: cycle_momentum = true moves the momentum or the first of the betas, but {name} has neither; set \
         cycle_momentum = false, or take an optimiser that has one, such as AdamW"
    ))
}
