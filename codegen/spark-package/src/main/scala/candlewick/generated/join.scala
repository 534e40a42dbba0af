// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal

/** Joins and residual connections. */
private[candlewick] trait JoinBuilders {

  /** Adds its input to the output of its layers (He et al. 2016, arXiv:1512.03385). */
  object Residual {

    /** @param layers The layers, one after another; their output has the shape of the input. (list of
      *   objects)
      */
    def apply(layers: Module*): Module =
      new Module(Document.container("Residual", layers, Nil))
  }

  /** Sum of inputs of one shape, element by element. */
  object Add {

    /** @param layers The branches, each of which reads the layer's input. Without them the layer joins the
      *   inputs it has in a graph. (list of objects; or none)
      */
    def apply(layers: Module*): Module =
      new Module(Document.container("Add", layers, Nil))
  }

  /** Product of inputs of one shape, element by element. */
  object Multiply {

    /** @param layers The branches, each of which reads the layer's input. Without them the layer joins the
      *   inputs it has in a graph. (list of objects; or none)
      */
    def apply(layers: Module*): Module =
      new Module(Document.container("Multiply", layers, Nil))
  }

  /** Puts its inputs one after another. */
  object Concat {

    /** @param layers The branches, each of which reads the layer's input. Without them the layer joins the
      *   inputs it has in a graph. (list of objects; or none)
      */
    def apply(layers: Module*): Module =
      new Module(Document.container("Concat", layers, Nil))

    /** @param dim Dimension along which the inputs are put one after another; 0 is the batch, -1 the last.
      *   (whole number from -64 to 64)
      * @param layers The branches, each of which reads the layer's input. Without them the layer
      *   joins the inputs it has in a graph. (list of objects; or none)
      */
    def apply(dim: Int, layers: Module*): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Concat", "dim", dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L))
      )
      new Module(Document.container("Concat", layers, arguments))
    }
  }
}
