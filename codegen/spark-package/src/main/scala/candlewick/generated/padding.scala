// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal

/** Padding. */
private[candlewick] trait PaddingBuilders {

  /** Puts zeros around inputs of shape [channels, length]. */
  object ZeroPad1d {

    /** @param padding Elements on both sides, or a list: left, right. (whole number, or a list with one for
      *   every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ZeroPad1d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("ZeroPad1d", arguments))
    }
  }

  /** Puts zeros around inputs of shape [channels, height, width]. */
  object ZeroPad2d {

    /** @param padding Elements on all sides, or a list: left, right, top, bottom. (whole number, or a list
      *   with one for every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ZeroPad2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(4, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("ZeroPad2d", arguments))
    }
  }

  /** Puts a number around inputs of shape [channels, length]. */
  object ConstantPad1d {

    /** @param padding Elements on both sides, or a list: left, right. (whole number, or a list with one for
      *   every dimension, of at least 0)
      * @param value What is put around the input. (number)
      */
    def apply(padding: Size, value: Double): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ConstantPad1d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
        Argument("ConstantPad1d", "value", value, "a finite number")(Legal.finite)
      )
      new Module(Document.of("ConstantPad1d", arguments))
    }
  }

  /** Puts a number around inputs of shape [channels, height, width]. */
  object ConstantPad2d {

    /** @param padding Elements on all sides, or a list: left, right, top, bottom. (whole number, or a list
      *   with one for every dimension, of at least 0)
      * @param value What is put around the input. (number)
      */
    def apply(padding: Size, value: Double): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ConstantPad2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(4, Legal.whole(0L, 2147483648L))),
        Argument("ConstantPad2d", "value", value, "a finite number")(Legal.finite)
      )
      new Module(Document.of("ConstantPad2d", arguments))
    }
  }

  /** Puts around inputs of shape [channels, length] their reflection in the first and the last
    * element.
    */
  object ReflectionPad1d {

    /** @param padding Elements on both sides, or a list: left, right; each less than the length of the
      *   input. (whole number, or a list with one for every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ReflectionPad1d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("ReflectionPad1d", arguments))
    }
  }

  /** Puts around inputs of shape [channels, height, width] their reflection in the elements at the
    * edge.
    */
  object ReflectionPad2d {

    /** @param padding Elements on all sides, or a list: left, right, top, bottom; each less than the size
      *   of the input there. (whole number, or a list with one for every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ReflectionPad2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(4, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("ReflectionPad2d", arguments))
    }
  }

  /** Puts around inputs of shape [channels, length] their first and last element again and again. */
  object ReplicationPad1d {

    /** @param padding Elements on both sides, or a list: left, right. (whole number, or a list with one for
      *   every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ReplicationPad1d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("ReplicationPad1d", arguments))
    }
  }

  /** Puts around inputs of shape [channels, height, width] the elements at the edge again and
    * again.
    */
  object ReplicationPad2d {

    /** @param padding Elements on all sides, or a list: left, right, top, bottom. (whole number, or a list
      *   with one for every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ReplicationPad2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(4, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("ReplicationPad2d", arguments))
    }
  }

  /** Puts around inputs of shape [channels, length] what the other end has, as if they were a
    * circle.
    */
  object CircularPad1d {

    /** @param padding Elements on both sides, or a list: left, right; each at most the length of the input.
      *   (whole number, or a list with one for every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("CircularPad1d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("CircularPad1d", arguments))
    }
  }

  /** Puts around inputs of shape [channels, height, width] what the other end has, as if they were
    * a torus.
    */
  object CircularPad2d {

    /** @param padding Elements on all sides, or a list: left, right, top, bottom; each at most the size of
      *   the input there. (whole number, or a list with one for every dimension, of at least 0)
      */
    def apply(padding: Size): Module = {
      val arguments = Seq[(String, Any)](
        Argument("CircularPad2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(4, Legal.whole(0L, 2147483648L)))
      )
      new Module(Document.of("CircularPad2d", arguments))
    }
  }
}
