//! How many trainers a job has: at first, at least and at most, and how many logical shards that takes.

use candlewick_protocol::Failure;
use candlewick_protocol::job::DeviceKind;
use candlewick_protocol::params::Complete;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GangSize {
    /// Trainers at first; 0: one for each executor.
    pub(crate) trainers: u32,
    /// Fewest that training goes on with; 0: not set.
    pub(crate) least: u32,
    /// Most; 0: not set.
    pub(crate) most: u32,
    /// V.
    pub(crate) logical_shards: u32,
    /// V is what the number of trainers will be, which is not known yet.
    pub(crate) shards_follow: bool,
}

impl GangSize {
    /// What the parameters say. `found` is the number of trainers that the driver found where it knows better, and `chosen`
    /// is true where the user chose logicalShards.
    ///
    /// # Errors
    /// `InvalidParameter` where they contradict each other.
    pub(crate) fn of(
        found: Option<u32>,
        device: DeviceKind,
        chosen: bool,
        params: &Complete,
    ) -> Result<Self, Failure> {
        let trainers = match found {
            Some(trainers) => trainers,
            None => params.whole("numTrainers")?,
        };
        let optional = |name: &str| match params.is_null(name) {
            true => Ok(0),
            false => params.whole(name),
        };
        let (least, most) = (optional("minTrainers")?, optional("maxTrainers")?);
        let beyond = |limit: u32, value: u32| limit > 0 && value > limit;
        let contradiction = |(name, value): (&str, u32), (other, limit): (&str, u32)| {
            Err(Failure::parameter(format!(
                "{name} = {value} is more than {other} = {limit}: lower {name} or raise {other}"
            )))
        };
        if beyond(most, least) {
            return contradiction(("minTrainers", least), ("maxTrainers", most));
        }
        if beyond(trainers, least) {
            return contradiction(("minTrainers", least), ("numTrainers", trainers));
        }
        if beyond(most, trainers) {
            return contradiction(("numTrainers", trainers), ("maxTrainers", most));
        }
        let replicas = params.whole("dataReplicas")?;
        let possible = trainers.max(most).max(params.whole("numTrainers")?);
        if replicas > 1 && possible == 1 {
            return Err(Failure::parameter(format!(
                "dataReplicas = {replicas} keeps the rows of each trainer on a second one, but there is only one trainer: set \
                 numTrainers to at least 2 (with numTrainers = 0 give the application a second executor), or dataReplicas to 1"
            )));
        }
        let follows = device == DeviceKind::Cuda && !chosen;
        let logical_shards = if follows {
            // A slice of a step is a kernel of its own: more of them than trainers leave a GPU idle.
            trainers.max(least).max(most).max(1)
        } else {
            logical_shards(chosen, params, (trainers, least, most))?
        };
        Ok(GangSize {
            trainers,
            least,
            most,
            logical_shards,
            shards_follow: follows && trainers == 0,
        })
    }
}

/// V. More trainers than the default earn a larger one, a power of two; a number that the user chose stays, and is an
/// error where it is too small.
fn logical_shards(
    chosen: bool,
    params: &Complete,
    (trainers, least, most): (u32, u32, u32),
) -> Result<u32, Failure> {
    let shards = params.whole("logicalShards")?;
    let named = [
        ("numTrainers", trainers),
        ("maxTrainers", most),
        ("minTrainers", least),
    ];
    let (name, wanted) = named.into_iter().fold(("numTrainers", trainers), |best, next| {
        if next.1 > best.1 { next } else { best }
    });
    let enough = wanted.checked_next_power_of_two().unwrap_or(u32::MAX);
    if wanted <= shards {
        Ok(shards)
    } else if !chosen {
        Ok(enough)
    } else {
        Err(Failure::parameter(format!(
            "{wanted} trainers need at least as many logical shards, but logicalShards is {shards}: set logicalShards to \
             {enough} or {name} to at most {shards}"
        )))
    }
}
