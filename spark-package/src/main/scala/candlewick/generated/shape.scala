// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Layers of shape. */
private[candlewick] trait ShapeBuilders {

  /** Merges dimensions into one. The batch dimension stays. */
  object Flatten {

    /** @param start_dim First dimension to flatten; 0 is the batch. (whole number from -64 to 64)
      * @param end_dim Last dimension to flatten; -1 is the last. (whole number from -64 to 64)
      */
    def apply(start_dim: Int = 1, end_dim: Int = -1): Module =
      new Module(Document.of("Flatten", Seq("start_dim" -> start_dim, "end_dim" -> end_dim)))
  }
}
