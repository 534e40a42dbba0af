//! Weights on their way in.

use super::import::{self, Report};
use super::incoming::Incoming;
use super::load;
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use safetensors::tensor::Metadata;
use std::fmt;

/// Gives parameter number n the values that it starts with.
type Fresh = Box<dyn Fn(usize, &mut [f32]) + Send>;

/// What a file has to hold.
pub(crate) enum Rule {
    /// Exactly the parameters.
    Exact,
    /// What it lacks starts fresh: the function fills the parameter at that position. Strict: it must lack nothing.
    Initial { strict: bool, fresh: Fresh },
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Exact => formatter.write_str("Exact"),
            Rule::Initial { strict, .. } => write!(formatter, "Initial {{ strict: {strict} }}"),
        }
    }
}

/// Weights of a network on their way in: the pieces of a safetensors file, of any length, in order. See
/// `Network::begin_load` and `Network::begin_initial`.
#[derive(Debug)]
pub struct Loading {
    parameters: Vec<Parameter>,
    total: usize,
    rule: Rule,
    incoming: Incoming,
    report: Report,
}

impl Loading {
    pub(crate) fn new(parameters: Vec<Parameter>, total: usize, rule: Rule) -> Self {
        let what = match rule {
            Rule::Exact => load::WHAT,
            Rule::Initial { .. } => import::WHAT,
        };
        Loading {
            parameters,
            total,
            rule,
            incoming: Incoming::new(what),
            report: Report::default(),
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// `InvalidParameter` where the file turns out to be damaged, or not what the network needs.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let Loading {
            parameters,
            total,
            rule,
            incoming,
            report,
        } = self;
        incoming.push(piece, |file: &Metadata| match rule {
            Rule::Exact => load::plan(parameters, *total, file),
            Rule::Initial { fresh, .. } => {
                let (plan, found) = import::plan(parameters, *total, file, &**fresh)?;
                *report = found;
                Ok(plan)
            }
        })
    }

    /// The weights, and what of the file fits.
    ///
    /// # Errors
    /// `InvalidParameter` where the file has not come to its end, holds a number that is not finite where training would
    /// start from it, or does not hold the network's parameters: exactly those where the rule is strict, else
    /// one at least.
    pub fn finish(self) -> Result<(Vec<f32>, Report), Failure> {
        let weights = self.incoming.finish()?;
        if let Rule::Initial { strict, .. } = self.rule {
            import::check_finite(&self.parameters, &weights)?;
            self.report.check(strict)?;
        }
        Ok((weights, self.report))
    }
}
