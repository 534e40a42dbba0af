//! How the slices of an update are worked on by threads.

use super::norms;
use super::rules::Rule;
use super::step::{ParamSlice, Step};
use crate::kernels::{SimdLevel, Workers};

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
                if let (Some((group, step)), Some(sums)) = (own(slice), sums.get(slice.tensor)) {
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

/// Parameters with settings of their own.
#[derive(Debug)]
pub(super) struct Group {
    pub rule: Box<dyn Rule>,
    /// Learning rate before the schedule.
    pub lr: f64,
    /// What the rule carries from update to update.
    pub scalar_state: f32,
}
