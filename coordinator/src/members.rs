//! Who is a member, in which order, and which shards each one owns.

use candlewick_protocol::feed::Owner;
use candlewick_protocol::message::{Member, TrainerInfo};
use candlewick_protocol::plan;
use candlewick_protocol::{ErrorKind, Failure};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is known of a trainer when shards are dealt.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// What it takes for a shard of a step, seconds.
    pub(crate) cost: Option<f64>,
    /// Shards that it has memory for, where that is not all but one.
    pub(crate) most_shards: Option<u32>,
}

/// Ranks the trainers (those of one host and executor adjacent) and gives each its contiguous range of shards: as many as the
/// others, or where it is `known` what some take for a shard, as many as let them end at the same time.
pub(crate) fn rank(
    mut trainers: Vec<TrainerInfo>,
    logical_shards: u32,
    known: &dyn Fn(&TrainerInfo) -> Known,
) -> Result<Vec<Member>, Failure> {
    if trainers.is_empty() {
        return Err(Failure::parameter("a gang needs at least one trainer"));
    }
    if trainers.len() > logical_shards as usize {
        return Err(Failure::new(
            ErrorKind::InvalidParameter,
            format!(
                "{} trainers are more than logicalShards = {logical_shards}: raise logicalShards or lower \
                 numTrainers",
                trainers.len()
            ),
        ));
    }
    one_device(&trainers)?;
    // Executor ids are numbers where Spark gives them; "driver" in local mode.
    trainers.sort_by(|a, b| order_key(a).cmp(&order_key(b)));
    let known: Vec<Known> = trainers.iter().map(known).collect();
    let costs: Vec<f64> = known.iter().filter_map(|one| one.cost).collect();
    let bounded = known.iter().any(|one| one.most_shards.is_some());
    let ranges = if costs.is_empty() && !bounded {
        plan::ownership(logical_shards, trainers.len())
    } else {
        // One of which nothing is known is taken for one like the others.
        let usual = if costs.is_empty() { 1.0 } else { mean(&costs) };
        let each = |one: &Known| (one.cost.unwrap_or(usual), one.most_shards.unwrap_or(u32::MAX));
        plan::shares(logical_shards, &known.iter().map(each).collect::<Vec<_>>())
    };
    Ok(trainers
        .into_iter()
        .zip(ranges)
        .map(|(trainer, (lo, hi))| Member { trainer, lo, hi })
        .collect())
}

/// Trainers of one gang compute on one kind of device: their bits differ otherwise, and the slowest would set the pace.
pub(crate) fn one_device(trainers: &[TrainerInfo]) -> Result<(), Failure> {
    let Some((first, others)) = trainers.split_first() else {
        return Ok(());
    };
    others
        .iter()
        .find(|other| other.device != first.device)
        .map_or(Ok(()), |other| Err(mixed(first, other)))
}

fn mixed(first: &TrainerInfo, other: &TrainerInfo) -> Failure {
    let of = |one: &TrainerInfo| {
        format!(
            "the trainer of executor {} ({}) computes on {}",
            one.executor, one.host, one.device
        )
    };
    Failure::parameter(format!(
        "{} and {}: trainers of one fit must compute on the same kind of device, since their weights have other bits \
         otherwise; set device to \"cpu\", or to \"cuda\" with GPUs on every executor",
        of(first),
        of(other)
    ))
}

/// Of at least one value.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let count: f64 = values.iter().map(|_| 1.0).sum();
    values.iter().sum::<f64>() / count
}

fn order_key(trainer: &TrainerInfo) -> (&str, Option<u64>, &str, u32, &str) {
    (
        &trainer.host,
        trainer.executor.parse().ok(),
        &trainer.executor,
        trainer.index,
        &trainer.id,
    )
}

/// The members as the feed's tasks need them.
pub(crate) fn owners(members: &[Member]) -> Vec<Owner> {
    members
        .iter()
        .map(|member| Owner {
            trainer: member.trainer.id.clone(),
            host: member.trainer.host.clone(),
            executor: member.trainer.executor.clone(),
            port: member.trainer.flight_port,
            lo: member.lo,
            hi: member.hi,
        })
        .collect()
}

/// What each member keeps a copy of, by rank: the shards of the one so many ranks before it as members are on the host that has
/// most. Members of a host are adjacent, so it is one on another host, unless most of them are on one host. Where all are on one,
/// the same goes for its executors.
pub(crate) fn copies(members: &[Member]) -> Vec<Range<u32>> {
    let all = members.len();
    let most = |of: fn(&TrainerInfo) -> &str| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for member in members {
            *counts.entry(of(&member.trainer)).or_default() += 1;
        }
        let most = counts.into_values().max();
        most.filter(|most| *most < all)
    };
    let of_host = most(|trainer| &trainer.host);
    let of_executor = || most(|trainer| &trainer.executor);
    let distance = of_host.or_else(of_executor).unwrap_or(1);
    let kept = |rank: usize| {
        let other = members.get((rank + all - distance) % all);
        let other = other.filter(|_| all > 1);
        other.map_or(0..0, |other| other.lo..other.hi)
    };
    (0..all).map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gang_of_processors_and_gpus_is_refused_with_both_named() {
        let trainer = |executor: &str, device: &str| TrainerInfo {
            id: executor.to_owned(),
            host: "h".into(),
            executor: executor.into(),
            index: 0,
            flight_port: 1,
            collective_port: 2,
            pid: 3,
            threads: 1,
            cpu_level: "generic".into(),
            device: device.into(),
        };
        let ranked = |devices: [&str; 2]| {
            let trainers = vec![trainer("1", devices[0]), trainer("2", devices[1])];
            rank(trainers, 2, &|_| Known::default()).map(|members| members.len())
        };
        assert_eq!(ranked(["cuda", "cuda"]), Ok(2));
        assert_eq!(ranked(["cpu", "cpu"]), Ok(2));
        let told = ranked(["cuda", "cpu"]).unwrap_err();
        assert_eq!(told.kind, ErrorKind::InvalidParameter);
        assert!(
            told.message.contains("executor 1 (h) computes on cuda")
                && told.message.contains("executor 2 (h) computes on cpu"),
            "{told}"
        );
    }

    #[test]
    fn trainers_of_a_host_are_adjacent_and_executors_in_the_order_of_their_numbers() {
        let trainer = |host: &str, executor: &str, index| TrainerInfo {
            id: format!("{host}-{executor}-{index}"),
            host: host.into(),
            executor: executor.into(),
            index,
            flight_port: 1,
            collective_port: 2,
            pid: 3,
            threads: 1,
            cpu_level: "generic".into(),
            device: "cpu".into(),
        };
        let trainers = vec![
            trainer("y", "1", 0),
            trainer("x", "10", 0),
            trainer("x", "9", 1),
            trainer("x", "9", 0),
            trainer("x", "driver", 0),
        ];
        let members = rank(trainers.clone(), 8, &|_| Known::default()).unwrap();
        let ids: Vec<&str> = members.iter().map(|member| member.trainer.id.as_str()).collect();
        assert_eq!(ids, ["x-driver-0", "x-9-0", "x-9-1", "x-10-0", "y-1-0"]);
        let ranges: Vec<(u32, u32)> = owners(&members)
            .iter()
            .map(|owner| (owner.lo, owner.hi))
            .collect();
        assert_eq!(ranges, [(0, 1), (1, 3), (3, 4), (4, 6), (6, 8)]);
        let slow = |one: &TrainerInfo| {
            (one.host == "y")
                .then_some(3.0)
                .or((one.executor == "10").then_some(1.0))
        };
        let sizes = |most: Option<u32>| -> Vec<u32> {
            let known = |one: &TrainerInfo| Known {
                cost: slow(one),
                most_shards: most.filter(|_| one.executor == "10"),
            };
            let members = rank(trainers.clone(), 16, &known).unwrap();
            members.iter().map(|member| member.hi - member.lo).collect()
        };
        assert_eq!(sizes(None), [3, 3, 3, 6, 1]);
        assert_eq!(sizes(Some(4)), [4, 3, 3, 4, 2]);
        // Equal shares of those of which one has memory for fewer.
        let first = |one: &TrainerInfo| Known {
            cost: None,
            most_shards: Some(2).filter(|_| one.executor == "9"),
        };
        let members = rank(trainers.clone(), 16, &first).unwrap();
        let sizes: Vec<u32> = members.iter().map(|member| member.hi - member.lo).collect();
        assert_eq!(sizes, [4, 2, 2, 4, 4]);
        assert!(rank(Vec::new(), 8, &|_| Known::default()).is_err());
    }

    /// Members with a shard each, on hosts that are told by a character each; the ranks whose shards they keep.
    fn kept(hosts: &str) -> Vec<u32> {
        kept_among(
            (0u32..)
                .zip(hosts.chars())
                .map(|(at, host)| (host.to_string(), at.to_string())),
        )
    }

    /// The same, by host and executor.
    fn kept_among(places: impl Iterator<Item = (String, String)>) -> Vec<u32> {
        let member = |(shard, (host, executor)): (u32, (String, String))| Member {
            trainer: TrainerInfo {
                id: shard.to_string(),
                host,
                executor,
                index: 0,
                flight_port: 1,
                collective_port: 2,
                pid: 3,
                threads: 1,
                cpu_level: "generic".into(),
                device: "cpu".into(),
            },
            lo: shard,
            hi: shard + 1,
        };
        let members: Vec<Member> = (0..).zip(places).map(member).collect();
        copies(&members).into_iter().flatten().collect()
    }

    #[test]
    fn copies_on_one_host_are_on_another_executor_as_far_as_there_are_others() {
        let kept =
            |executors: &str| kept_among(executors.chars().map(|one| ("a".to_owned(), one.to_string())));
        assert_eq!(kept("11"), [1, 0]);
        assert_eq!(kept("112"), [1, 2, 0], "one of three cannot be elsewhere");
        assert_eq!(kept("1122"), [2, 3, 0, 1]);
        assert_eq!(kept("123"), [2, 0, 1]);
    }

    #[test]
    fn copies_are_on_another_host_as_far_as_there_are_others() {
        assert!(
            kept("").is_empty() && kept("a").is_empty(),
            "nobody else is there"
        );
        assert_eq!(kept("aa"), [1, 0]);
        assert_eq!(kept("aaa"), [2, 0, 1]);
        assert_eq!(kept("ab"), [1, 0]);
        for hosts in [
            "ab", "abc", "aabb", "aabbc", "abbccd", "aaabbb", "abbb", "abbbc", "aaaab",
        ] {
            let names: Vec<char> = hosts.chars().collect();
            let (all, kept) = (names.len(), kept(hosts));
            let mut each = kept.clone();
            each.sort_unstable();
            let ranks: Vec<u32> = (0..).take(all).collect();
            assert_eq!(each, ranks, "{hosts}: one copy of each");
            let most = names
                .iter()
                .map(|one| names.iter().filter(|name| *name == one).count())
                .max();
            // Those for which there is no room elsewhere.
            let beside = (2 * most.unwrap()).saturating_sub(all);
            let same = kept
                .iter()
                .zip(&names)
                .filter(|(of, host)| names[**of as usize] == **host);
            assert_eq!(same.count(), beside, "{hosts}: {kept:?}");
            assert!(kept.iter().zip(&ranks).all(|(of, rank)| of != rank), "{hosts}");
        }
    }
}
