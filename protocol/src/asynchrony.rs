//! `asynchrony`: whether trainers compute while they exchange, and how far they may be apart.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When a gradient is applied. It is part of the arithmetic. One trainer alone computes the same with `Delayed` as several do; with
/// `Stale` it computes what it does with `None`.
///
/// ```
/// use candlewick_protocol::asynchrony::Asynchrony;
/// assert_eq!(Asynchrony::read("delayed", 4), Some(Asynchrony::Delayed));
/// assert_eq!(Asynchrony::read("stale", 4), Some(Asynchrony::Stale(4)));
/// assert_eq!(Asynchrony::read("late", 4), None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asynchrony {
    /// Before the next step is computed.
    #[default]
    None,
    /// While the next step is computed: that one has the weights from before it.
    Delayed,
    /// By each trainer at once, and by the others when it comes to them: a step has all updates of all trainers but for those of
    /// the last so many steps (the parameter `staleness`).
    Stale(u32),
}

/// Steps of an epoch from one point to the next on which all trainers agree, where they do not after every step.
pub const AGREE_EVERY: u64 = 64;

/// What a value may be, for the parameter.
pub const NAMES: &[&str] = &["none", "delayed", "stale"];

impl Asynchrony {
    /// What a text names, with that `staleness`; none where it names none.
    #[must_use]
    pub fn read(text: &str, staleness: u32) -> Option<Self> {
        match text {
            "none" => Some(Asynchrony::None),
            "delayed" => Some(Asynchrony::Delayed),
            "stale" => Some(Asynchrony::Stale(staleness)),
            _ => None,
        }
    }

    /// What parameters that were checked say.
    #[must_use]
    pub fn of(value: &Value, staleness: u32) -> Self {
        let named = value.as_str().and_then(|text| Asynchrony::read(text, staleness));
        named.unwrap_or_default()
    }

    /// True for [`Asynchrony::None`].
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Asynchrony::None
    }

    /// True where a gradient is under way while the next one is computed.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        *self == Asynchrony::Delayed
    }

    /// How many steps trainers may be apart, where they may be.
    #[must_use]
    pub fn staleness(&self) -> Option<u32> {
        match self {
            Asynchrony::Stale(staleness) => Some(*staleness),
            Asynchrony::None | Asynchrony::Delayed => None,
        }
    }
}

/// Steps of which a trainer's weights lack the updates of the one that is furthest behind: it has made `made` steps of its own, and
/// has those updates of the others that `seen` counts.
#[must_use]
pub fn lag(made: u64, seen: impl IntoIterator<Item = u64>) -> u64 {
    let least = seen.into_iter().min().unwrap_or(made);
    made.saturating_sub(least)
}

/// Whether a trainer may begin its next step: its weights have the updates of all others but for those of the last `staleness`
/// steps (the condition of a stale synchronous parallel table, Ho et al. 2013).
///
/// ```
/// use candlewick_protocol::asynchrony::may_begin;
/// assert!(may_begin(6, [4, 9], 2));
/// assert!(!may_begin(7, [4, 9], 2));
/// // Alone nobody is waited for.
/// assert!(may_begin(7, [], 0));
/// ```
#[must_use]
pub fn may_begin(made: u64, seen: impl IntoIterator<Item = u64>, staleness: u32) -> bool {
    lag(made, seen) <= u64::from(staleness)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_are_read() {
        let read: Vec<_> = NAMES
            .iter()
            .filter_map(|name| Asynchrony::read(name, 3))
            .collect();
        assert_eq!(
            read,
            [Asynchrony::None, Asynchrony::Delayed, Asynchrony::Stale(3)]
        );
        assert_eq!(Asynchrony::read("Delayed", 3), None);
        assert_eq!(Asynchrony::read("late", 3), None);
        let stale = serde_json::to_string(&Asynchrony::Stale(3)).unwrap();
        assert_eq!(stale, r#"{"stale":3}"#);
        assert_eq!(
            serde_json::from_str::<Asynchrony>(&stale).unwrap(),
            Asynchrony::Stale(3)
        );
    }

    #[test]
    fn nobody_waits_for_who_is_ahead() {
        assert_eq!((lag(3, [9, 7]), lag(9, [7, 8])), (0, 2));
        assert!(may_begin(3, [9, 7], 0) && !may_begin(9, [7, 8], 1) && may_begin(9, [7, 8], 2));
    }

    /// Trainers of any speed, whose updates come to the others in any order: none ever gets further than the bound, somebody always
    /// can go on, and all come to the end.
    #[test]
    fn trainers_of_any_speed_stay_within_the_bound_and_all_come_to_the_end() {
        const STEPS: u64 = 40;
        let mut random = 7u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % below
        };
        for round in 0..300 {
            let (trainers, staleness) = (2 + round % 4, u32::try_from(round % 7).unwrap());
            let slow = next(trainers);
            let mut made = vec![0; trainers];
            let mut seen = vec![vec![0; trainers]; trainers];
            let mut furthest = 0;
            for _ in 0..1_000_000 {
                if made.iter().all(|made| *made == STEPS) {
                    break;
                }
                let who = next(trainers);
                // The slow one moves in one of eight turns.
                if who == slow && next(8) > 0 {
                    continue;
                }
                let whose = next(trainers);
                seen[who][whose] = made[whose];
                let others = (0..trainers).filter(|one| *one != who).map(|one| seen[who][one]);
                if made[who] < STEPS && may_begin(made[who], others, staleness) {
                    let behind = made.iter().min().unwrap();
                    furthest = furthest.max(made[who] - behind);
                    made[who] += 1;
                }
            }
            assert!(made.iter().all(|made| *made == STEPS), "{made:?}");
            assert!(
                furthest <= u64::from(staleness),
                "{furthest} steps with a bound of {staleness}"
            );
            assert!(staleness == 0 || furthest > 0, "nobody was ever ahead");
        }
    }
}
