//! Faults that the simulation plants to see that it would find them: each is one deviation where a real mistake would be.
//!
//! Without the feature `planted-faults`, which only builds of tests have, [`planted`] is `false` and nothing can plant one.

/// A mistake in the rules of membership (docs/protocol/membership.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The coordinator counts an answer to an earlier HALT for this one.
    LateAck,
    /// The coordinator says HALT once.
    HaltSaidOnce,
    /// A trainer answers HALT, but what it is doing goes on.
    LostHalt,
    /// An epoch that is told again is in the history twice.
    DoubleCommit,
    /// A trainer that is one step behind does not take the donor's state.
    ResumeOffByOne,
    /// The sums of the epoch at hand are not taken from a saved state.
    ForgottenAccumulator,
    /// A trainer forgets the record of an epoch before the coordinator has it.
    ForgottenRecord,
    /// A trainer obeys an order of a generation that is over.
    StaleGeneration,
    /// The lease runs from the arrival of an answer, not from the sending of the beat.
    LeaseFromArrival,
    /// Rows count as dealt though one that was to deal some is lost.
    DealtInPart,
    /// Shards that are fed again count as dealt.
    FedAgainAsDealt,
    /// Homes that were dealt before do not deal to shards that are fed again.
    DealtByNewHomes,
    /// A trainer gives up the copies that it is to keep of the shards of others.
    CopiesGivenUp,
    /// Where partitions went in the first round is not said for later ones.
    HomesForgotten,
    /// A trainer begins an epoch before the driver has decided that there is one.
    Unlimited,
}

impl Fault {
    /// Every one.
    pub const ALL: [Fault; 15] = [
        Fault::LateAck,
        Fault::HaltSaidOnce,
        Fault::LostHalt,
        Fault::DoubleCommit,
        Fault::ResumeOffByOne,
        Fault::ForgottenAccumulator,
        Fault::ForgottenRecord,
        Fault::StaleGeneration,
        Fault::LeaseFromArrival,
        Fault::DealtInPart,
        Fault::FedAgainAsDealt,
        Fault::DealtByNewHomes,
        Fault::CopiesGivenUp,
        Fault::HomesForgotten,
        Fault::Unlimited,
    ];
}

#[cfg(feature = "planted-faults")]
mod here {
    use super::Fault;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// From now on this thread runs with the fault, or without any.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }

    pub(super) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }
}

#[cfg(feature = "planted-faults")]
pub use here::plant;

/// True where this thread runs with the fault; never without the feature `planted-faults`.
#[inline]
#[must_use]
pub fn planted(fault: Fault) -> bool {
    #[cfg(feature = "planted-faults")]
    return here::planted(fault);
    #[cfg(not(feature = "planted-faults"))]
    {
        let _ = fault;
        false
    }
}
