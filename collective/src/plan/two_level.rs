//! The trainers of each host, then the hosts. Within a host each trainer takes a part of the vector, so all of them talk to other hosts,
//! each about its part: what passes between two hosts is the host's sum once, whatever number of trainers it has.

use super::{Group, Shape};

/// Two levels; one where each host has one trainer, or one host all.
pub(super) fn levels(shape: &Shape) -> Vec<Vec<Group>> {
    let all: Vec<Group> = std::iter::once(0..shape.ranks()).collect();
    if shape.hosts.len() == 1 || shape.hosts.len() == shape.ranks() {
        vec![all]
    } else {
        vec![shape.hosts.clone(), all]
    }
}
