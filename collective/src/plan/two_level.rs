//! The trainers of each host, then the hosts. Within a host each trainer takes a part of the vector, so all of them talk to other hosts,
//! each about its part: what passes between two hosts is the host's sum once, whatever number of trainers it has.

use super::{Group, Shape, halving};

/// Two levels; one where each host has one trainer, or one host all.
pub(super) fn levels(shape: &Shape) -> Vec<Vec<Group>> {
    let all: Vec<Group> = std::iter::once(0..shape.ranks()).collect();
    if shape.hosts.len() == 1 || shape.hosts.len() == shape.ranks() {
        vec![all]
    } else {
        vec![shape.hosts.clone(), all]
    }
}

/// The trainers of each host, then the hosts as single trainers are halved: two neighbours, two pairs, and so on. Where the trainers of a
/// host are no aligned group of the tree, halving among trainers has groups of parts of hosts, which all send over the network.
pub(super) fn halved(shape: &Shape) -> Vec<Vec<Group>> {
    if shape.hosts.len() == 1 {
        return levels(shape);
    }
    let hosts = Shape {
        shards: shape
            .hosts
            .iter()
            .map(|host| (shape.shards[host.start].0, shape.shards[host.end - 1].1))
            .collect(),
        hosts: (0..shape.hosts.len()).map(|host| host..host + 1).collect(),
    };
    let trainers = |group: &Group| shape.hosts[group.start].start..shape.hosts[group.end - 1].end;
    let between = halving::levels(&hosts)
        .into_iter()
        .map(|groups| groups.iter().map(trainers).collect());
    let within = (shape.hosts.len() < shape.ranks()).then(|| shape.hosts.clone());
    within.into_iter().chain(between).collect()
}
