//! Trainers of one machine, tried in the driver: as threads, over the links that trainers of one host have.

use candlewick_collective::{Collective, Config, Credentials, Halts, Listener, Node, Speeds};
use candlewick_model::engine::{Gradient, NodeGradient};
use candlewick_model::probe::{Course, Nobody, Peers, Tried};
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::keys::{JobSecret, Key, Purpose};
use candlewick_protocol::message::{Member, TrainerInfo};
use candlewick_protocol::tree::cover;
use std::ops::Range;
use std::time::Duration;

/// Where they are.
const HOST: &str = "127.0.0.1";
/// Longest wait for another one: far more than a step that can be tried takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is tried.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) job: &'a JobSpec,
    pub(crate) threads: usize,
    /// Rows of the job; 0 where they are not known.
    pub(crate) rows: u64,
    pub(crate) patience: Duration,
}

impl Trial<'_> {
    /// Trainers that own these shards, which follow each other from 0, all at the same time: the mean of what they take. Of what
    /// one trainer beside others waits for the others is a part of it.
    ///
    /// With it, what the links between them take.
    pub(crate) fn run(&self, shards: &[Range<u32>]) -> Result<(Tried, Option<Speeds>), Failure> {
        let all = shards.last().map_or(1, |last| last.end);
        let course = Course::new(
            self.job,
            (shards.len(), self.threads),
            all,
            self.rows,
            self.patience,
        );
        if let [only] = shards {
            let tried = course.run(only.clone(), &mut Nobody)?;
            // What it copies is no exchange.
            let tried = Tried {
                exchange: 0.0,
                ..tried
            };
            return Ok((tried, None));
        }
        let gang = Gang::new(shards)?;
        let all = shards.last().map_or(0, |shards| shards.end);
        let tried: Result<Vec<(Tried, Option<Speeds>)>, Failure> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..shards.len())
                .map(|rank| {
                    let (gang, course, own) = (&gang, &course, shards[rank].clone());
                    scope.spawn(move || {
                        let nodes = cover(own.start, own.end, all);
                        let mut linked = Linked(gang.connect(rank)?, nodes);
                        Ok((course.run(own, &mut linked)?, linked.0.speeds()))
                    })
                })
                .collect();
            let lost = || Failure::internal("a probe has panicked");
            let ended = started
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|_| Err(lost())));
            ended.collect()
        });
        let (tried, speeds): (Vec<Tried>, Vec<Option<Speeds>>) = tried?.into_iter().unzip();
        // They are the same on all.
        Ok((mean(&tried), speeds.into_iter().flatten().next()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn mean(all: &[Tried]) -> Tried {
    let of = |part: fn(&Tried) -> f64| all.iter().map(part).sum::<f64>() / all.len().max(1) as f64;
    Tried {
        step: of(|one| one.step),
        exchange: of(|one| one.exchange),
        begin: of(|one| one.begin),
        epoch: of(|one| one.epoch),
        judged: of(|one| one.judged),
        parts: all.first().map(|one| one.parts.clone()).unwrap_or_default(),
    }
}

/// Listeners and members of a gang of threads.
struct Gang {
    listeners: Vec<Listener>,
    members: Vec<Member>,
    halts: Halts,
}

impl Gang {
    fn new(shards: &[Range<u32>]) -> Result<Self, Failure> {
        let job = "probe".to_owned();
        let key: Key = JobSecret::random()?.derive(&job, Purpose::Peer, false);
        let bind = |rank: usize| {
            let credentials = Credentials {
                job: job.clone(),
                trainer: name(rank),
                key: key.clone(),
            };
            Listener::bind(HOST, "0", credentials)
        };
        let listeners: Vec<Listener> = (0..shards.len()).map(bind).collect::<Result<_, _>>()?;
        let member = |(rank, shards): (usize, &Range<u32>)| Member {
            trainer: TrainerInfo {
                id: name(rank),
                host: HOST.to_owned(),
                executor: "driver".to_owned(),
                index: 0,
                flight_port: 0,
                collective_port: listeners[rank].port(),
                pid: std::process::id(),
                threads: 1,
                cpu_level: String::new(),
                device: String::new(),
            },
            lo: shards.start,
            hi: shards.end,
        };
        Ok(Gang {
            members: shards.iter().enumerate().map(member).collect(),
            listeners,
            halts: Halts::default(),
        })
    }

    fn connect(&self, rank: usize) -> Result<Collective, Failure> {
        let config = Config {
            generation: 1,
            rank,
            members: self.members.clone(),
            timeout: TIMEOUT,
            patience: TIMEOUT,
            shared_memory: true,
            algorithm: None,
            any_order: false,
        };
        Ok(Collective::connect(&self.listeners[rank], config, &self.halts)?)
    }
}

fn name(rank: usize) -> String {
    format!("probe-{rank}")
}

/// The others, by links, and the nodes that a trainer sends.
struct Linked(Collective, Vec<(u32, u32)>);

impl Peers for Linked {
    fn sum(
        &mut self,
        step: u64,
        sums: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut Gradient,
    ) -> Result<(), Failure> {
        // Of leaves, which are compressed before they are sent, there are more than of what is added up.
        let nodes: Vec<Node<'_>> = nodes
            .iter()
            .zip(&self.1)
            .map(|(node, (lo, hi))| Node {
                lo: *lo,
                hi: *hi,
                values: node.present.then_some(node.values.as_slice()),
                tables: &node.sparse_rows,
            })
            .collect();
        out.assign(|values, tables| self.0.all_reduce(step, sums, &nodes, values, tables))?;
        Ok(())
    }

    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        Ok(self.0.all_gather_shards(step, sequence, &own)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_model::job::complete;
    use serde_json::{Value, json};

    fn trial(layers: &Value, compression: &str, test: impl FnOnce(&Trial<'_>)) {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 6, "params": {"batchSize": 40,
            "gradientCompression": compression, "network": {"format": "candlewick.network/1", "layers": layers}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        test(&Trial {
            job: &job,
            threads: 1,
            rows: 500,
            patience: Duration::from_millis(5),
        });
    }

    #[test]
    fn trainers_of_one_machine_wait_for_each_other() {
        let linear = |size: usize| json!({"type": "Linear", "out_features": size});
        let table = json!({"type": "EmbeddingBag", "num_embeddings": 100, "embedding_dim": 3});
        for (layers, compression) in [
            (json!([linear(9), {"type": "BatchNorm1d"}, linear(3)]), "none"),
            (json!([table, linear(2)]), "none"),
            // The shards 2..5 are two nodes of the tree, and three leaves.
            (json!([linear(9), linear(3)]), "1bit"),
        ] {
            trial(&layers, compression, |trial| {
                let (tried, speeds) = trial.run(&[0..2, 2..5, 5..8]).unwrap();
                assert!(speeds.unwrap().near.is_some_and(|near| near.latency > 0.0));
                assert!(tried.exchange > 0.0 && tried.step > tried.exchange, "{tried:?}");
                let (alone, none) = trial.run(std::slice::from_ref(&(0..8))).unwrap();
                assert!(none.is_none());
                assert!(alone.step > alone.exchange && alone.begin > 0.0, "{alone:?}");
            });
        }
    }
}
