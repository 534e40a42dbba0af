//! How the slices of an update are worked on by threads.

use super::norms;
use super::rules::Rule;
use super::step::{DeviceSlice, ParamSlice, Step};
use crate::kernels::{SimdLevel, Workers};
use crate::resident::DeviceVec;
use candlewick_protocol::Failure;

/// How the slices of an update are worked on.
pub(super) struct Run<'a> {
    pub level: SimdLevel,
    pub tensors: usize,
    pub workers: Option<&'a Workers>,
}

impl Run<'_> {
    /// Calls `body` with every slice.
    pub(super) fn each(
        &self,
        slices: &mut [ParamSlice<'_>],
        body: impl Fn(&mut ParamSlice<'_>) + Send + Sync,
    ) {
        match self.workers {
            Some(workers) => workers.each(slices, |_, slice| body(slice)),
            None => slices.iter_mut().for_each(body),
        }
    }

    pub(super) fn apply(&self, groups: &[Group], steps: &[Step], slices: &mut [ParamSlice<'_>]) {
        let own = |slice: &ParamSlice<'_>| groups.get(slice.group).zip(steps.get(slice.group));
        if groups.iter().any(|group| group.rule.measures()) {
            self.each(slices, |slice| {
                slice.sums.clear();
                if let Some((group, step)) = own(slice)
                    && group.rule.measures()
                {
                    group.rule.measure(step, slice);
                }
            });
            let sums = norms::by_tensor(slices, self.tensors);
            for slice in &mut *slices {
                if let (Some((group, step)), Some(sums)) = (own(slice), sums.get(slice.tensor))
                    && group.rule.measures()
                {
                    slice.ratio = group.rule.ratio(step, sums.map(libm::sqrt));
                }
            }
        }
        self.each(slices, |slice| {
            if let Some((group, step)) = own(slice) {
                group.rule.apply(step, slice);
            }
        });
    }
}

/// As [`Run::apply`], of what lies on a device. Norms of tensors come to the host, where ratios are computed.
pub(super) fn apply_on_device(
    groups: &[Group],
    steps: &[Step],
    slices: &mut [DeviceSlice],
) -> Result<(), Failure> {
    let mut sums: Vec<DeviceVec> = Vec::new();
    let mut measured = Vec::new();
    for slice in &mut *slices {
        let (rule, step) = (&groups[slice.group].rule, &steps[slice.group]);
        let own = if rule.measures() {
            rule.measure_on_device(step, slice)?
        } else {
            None
        };
        measured.push(own.is_some());
        sums.extend(own.into_iter().flatten());
    }
    let sums = DeviceVec::sums(&sums)?;
    let mut pairs = sums.as_chunks::<2>().0.iter();
    for (slice, measured) in slices.iter_mut().zip(measured) {
        let (rule, step) = (&groups[slice.group].rule, &steps[slice.group]);
        let own = if measured { pairs.next() } else { None };
        if rule.measures() {
            slice.ratio = rule.ratio(step, own.copied().unwrap_or_default().map(libm::sqrt));
        }
        rule.apply_on_device(step, slice)?;
    }
    Ok(())
}

/// Parameters with settings of their own.
#[derive(Debug)]
pub(super) struct Group {
    pub rule: Box<dyn Rule>,
    /// Learning rate before the schedule.
    pub lr: f64,
    /// What the rule carries from update to update.
    pub scalar_state: f32,
}

impl Group {
    /// Its own of an update, whose learning rate is the schedule's factor so far.
    pub(super) fn step(&mut self, common: Step) -> Step {
        let mut step = Step {
            lr: self.lr * common.lr,
            scalar_state: self.scalar_state,
            ..common
        };
        step.scalar_state = self.rule.scalar_state(&step);
        self.scalar_state = step.scalar_state;
        step
    }
}
