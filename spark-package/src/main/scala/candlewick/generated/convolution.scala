// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Convolutions. */
private[candlewick] trait ConvolutionBuilders {

  /** Convolution (cross-correlation) of inputs of shape [channels, length]. Weights and bias start
    * uniform in ±1/√(in_channels / groups · kernel_size).
    */
  object Conv1d {

    /** @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number of at least 1)
      * @param full In the full form, where the first arguments are by position in_channels,
      *   out_channels, kernel_size: kernel_size.
      * @param stride Step of the kernel. (whole number of at least 1)
      * @param padding Zeros on each side of the input; "valid" is 0, "same" keeps the size and
      *   wants a stride of 1. ("same", "valid", a whole number, or a list with one for every
      *   dimension, of at least 0)
      * @param dilation Distance of the elements of the kernel. (whole number of at least 1)
      * @param groups Groups of channels that do not see each other; divides both numbers of
      *   channels. (whole number of at least 1)
      * @param bias Add a learned bias to every channel. (true or false)
      * @param padding_mode What lies around the input. ("zeros")
      */
    def apply(
        out_channels: Int,
        kernel_size: Int,
        full: Opt[Int] = None,
        stride: Int = 1,
        padding: Padding = 0,
        dilation: Int = 1,
        groups: Int = 1,
        bias: Boolean = true,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments =
        Document.forms("Conv1d", Seq("in_channels", "out_channels", "kernel_size"), Seq("out_channels", "kernel_size"), Seq(out_channels, kernel_size, full)) ++
          Seq("stride" -> stride, "padding" -> padding, "dilation" -> dilation, "groups" -> groups, "bias" -> bias, "padding_mode" -> padding_mode)
      new Module(Document.of("Conv1d", arguments))
    }

    /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number of at least 1)
      */
    def apply(in_channels: Int, out_channels: Int, kernel_size: Int): Module = {
      val arguments =
        Seq("in_channels" -> in_channels, "out_channels" -> out_channels, "kernel_size" -> kernel_size)
      new Module(Document.of("Conv1d", arguments))
    }
  }

  /** Convolution (cross-correlation) of inputs of shape [channels, height, width]. Weights and bias
    * start uniform in ±1/√(in_channels / groups · kernel height · kernel width).
    */
  object Conv2d {

    /** @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number, or a list with one for every
      *   dimension, of at least 1)
      * @param full In the full form, where the first arguments are by position in_channels,
      *   out_channels, kernel_size: kernel_size.
      * @param stride Step of the kernel. (whole number, or a list with one for every dimension, of
      *   at least 1)
      * @param padding Zeros on each side of the input; "valid" is 0, "same" keeps the size and
      *   wants a stride of 1. ("same", "valid", a whole number, or a list with one for every
      *   dimension, of at least 0)
      * @param dilation Distance of the elements of the kernel. (whole number, or a list with one
      *   for every dimension, of at least 1)
      * @param groups Groups of channels that do not see each other; divides both numbers of
      *   channels. (whole number of at least 1)
      * @param bias Add a learned bias to every channel. (true or false)
      * @param padding_mode What lies around the input. ("zeros")
      */
    def apply(
        out_channels: Int,
        kernel_size: Size,
        full: Opt[Size] = None,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: Int = 1,
        bias: Boolean = true,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments =
        Document.forms("Conv2d", Seq("in_channels", "out_channels", "kernel_size"), Seq("out_channels", "kernel_size"), Seq(out_channels, kernel_size, full)) ++
          Seq("stride" -> stride, "padding" -> padding, "dilation" -> dilation, "groups" -> groups, "bias" -> bias, "padding_mode" -> padding_mode)
      new Module(Document.of("Conv2d", arguments))
    }

    /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number, or a list with one for every
      *   dimension, of at least 1)
      */
    def apply(in_channels: Int, out_channels: Int, kernel_size: Size): Module = {
      val arguments =
        Seq("in_channels" -> in_channels, "out_channels" -> out_channels, "kernel_size" -> kernel_size)
      new Module(Document.of("Conv2d", arguments))
    }
  }

  /** Transposed convolution of inputs of shape [channels, length]: the gradient of Conv1d as a
    * layer, which enlarges its input by the stride. Weights and bias start uniform in
    * ±1/√(out_channels / groups · kernel_size).
    */
  object ConvTranspose1d {

    /** @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number of at least 1)
      * @param full In the full form, where the first arguments are by position in_channels,
      *   out_channels, kernel_size: kernel_size.
      * @param stride Step of the kernel. (whole number of at least 1)
      * @param padding Elements cut off each side of the output: the padding of the convolution that
      *   this one turns round. (whole number of at least 0)
      * @param output_padding Elements added to the lower and right side of the output; less than
      *   the stride or the dilation. (whole number of at least 0)
      * @param groups Groups of channels that do not see each other; divides both numbers of
      *   channels. (whole number of at least 1)
      * @param bias Add a learned bias to every channel. (true or false)
      * @param dilation Distance of the elements of the kernel. (whole number of at least 1)
      * @param padding_mode What lies around the input. ("zeros")
      */
    def apply(
        out_channels: Int,
        kernel_size: Int,
        full: Opt[Int] = None,
        stride: Int = 1,
        padding: Int = 0,
        output_padding: Int = 0,
        groups: Int = 1,
        bias: Boolean = true,
        dilation: Int = 1,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments =
        Document.forms("ConvTranspose1d", Seq("in_channels", "out_channels", "kernel_size"), Seq("out_channels", "kernel_size"), Seq(out_channels, kernel_size, full)) ++
          Seq("stride" -> stride, "padding" -> padding, "output_padding" -> output_padding, "groups" -> groups, "bias" -> bias, "dilation" -> dilation, "padding_mode" -> padding_mode)
      new Module(Document.of("ConvTranspose1d", arguments))
    }

    /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number of at least 1)
      */
    def apply(in_channels: Int, out_channels: Int, kernel_size: Int): Module = {
      val arguments =
        Seq("in_channels" -> in_channels, "out_channels" -> out_channels, "kernel_size" -> kernel_size)
      new Module(Document.of("ConvTranspose1d", arguments))
    }
  }

  /** Transposed convolution of inputs of shape [channels, height, width]: the gradient of Conv2d as
    * a layer, which enlarges its input by the stride. Weights and bias start uniform in
    * ±1/√(out_channels / groups · kernel height · kernel width).
    */
  object ConvTranspose2d {

    /** @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number, or a list with one for every
      *   dimension, of at least 1)
      * @param full In the full form, where the first arguments are by position in_channels,
      *   out_channels, kernel_size: kernel_size.
      * @param stride Step of the kernel. (whole number, or a list with one for every dimension, of
      *   at least 1)
      * @param padding Elements cut off each side of the output: the padding of the convolution that
      *   this one turns round. (whole number, or a list with one for every dimension, of at least
      *   0)
      * @param output_padding Elements added to the lower and right side of the output; less than
      *   the stride or the dilation. (whole number, or a list with one for every dimension, of at
      *   least 0)
      * @param groups Groups of channels that do not see each other; divides both numbers of
      *   channels. (whole number of at least 1)
      * @param bias Add a learned bias to every channel. (true or false)
      * @param dilation Distance of the elements of the kernel. (whole number, or a list with one
      *   for every dimension, of at least 1)
      * @param padding_mode What lies around the input. ("zeros")
      */
    def apply(
        out_channels: Int,
        kernel_size: Size,
        full: Opt[Size] = None,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: Int = 1,
        bias: Boolean = true,
        dilation: Size = 1,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments =
        Document.forms("ConvTranspose2d", Seq("in_channels", "out_channels", "kernel_size"), Seq("out_channels", "kernel_size"), Seq(out_channels, kernel_size, full)) ++
          Seq("stride" -> stride, "padding" -> padding, "output_padding" -> output_padding, "groups" -> groups, "bias" -> bias, "dilation" -> dilation, "padding_mode" -> padding_mode)
      new Module(Document.of("ConvTranspose2d", arguments))
    }

    /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number, or a list with one for every
      *   dimension, of at least 1)
      */
    def apply(in_channels: Int, out_channels: Int, kernel_size: Size): Module = {
      val arguments =
        Seq("in_channels" -> in_channels, "out_channels" -> out_channels, "kernel_size" -> kernel_size)
      new Module(Document.of("ConvTranspose2d", arguments))
    }
  }
}
