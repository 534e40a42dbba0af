// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick

/** Optimisers by PyTorch's names: `optim.AdamW(lr = 1e-3)`. */
object optim
    extends generated.OptimizerBuilders
    with generated.AdamBuilders {

  /** An optimiser. */
  type Optimizer = candlewick.Optimizer

  /** Schedules of the learning rate by PyTorch's names. */
  object lr_scheduler extends generated.LrSchedulerBuilders {

    /** A schedule. */
    type LRScheduler = candlewick.LRScheduler
  }
}
