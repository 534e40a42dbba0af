//! How the slices of an update are worked on by threads.

use super::norms;
use super::rules::Rule;
use super::step::{Part, Step};
use crate::kernels::{Level, Workers};

/// How the parts of an update are worked on.
pub(super) struct Run<'a> {
    pub level: Level,
    pub tensors: usize,
    pub workers: Option<&'a Workers>,
}

impl Run<'_> {
    /// Calls `body` with every part.
    pub(super) fn each(&self, parts: &mut [Part<'_>], body: impl Fn(&mut Part<'_>) + Send + Sync) {
        match self.workers {
            Some(workers) => workers.each(parts, |_, part| body(part)),
            None => parts.iter_mut().for_each(body),
        }
    }

    pub(super) fn apply(&self, groups: &[Group], steps: &[Step], parts: &mut [Part<'_>]) {
        let own = |part: &Part<'_>| groups.get(part.group).zip(steps.get(part.group));
        if groups.iter().any(|group| group.rule.measures()) {
            self.each(parts, |part| {
                part.sums.clear();
                if let Some((group, step)) = own(part)
                    && group.rule.measures()
                {
                    group.rule.measure(step, part);
                }
            });
            let sums = norms::by_tensor(parts, self.tensors);
            for part in &mut *parts {
                if let (Some((group, step)), Some(sums)) = (own(part), sums.get(part.tensor)) {
                    part.ratio = group.rule.ratio(step, sums.map(libm::sqrt));
                }
            }
        }
        self.each(parts, |part| {
            if let Some((group, step)) = own(part) {
                group.rule.apply(step, part);
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
    pub carry: f32,
}
