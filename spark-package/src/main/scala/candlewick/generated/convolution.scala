// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators
import scala.annotation.unused

/** Convolutions. */
private[candlewick] trait ConvolutionBuilders {

  /** Convolution (cross-correlation) of inputs of shape [channels, length]. Weights and bias start
    * uniform in ±1/√(in_channels / groups · kernel_size).
    */
  object Conv1d {

    /** @param out_channels Channels of the output. (whole number of at least 1)
      * @param kernel_size Size of the kernel. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param stride Step of the kernel. (whole number of at least 1)
      * @param padding Zeros on each side of the input; "valid" is 0, "same" keeps the size and
      *   needs a stride of 1. ("same", "valid", a whole number, or a list with one for every
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
        @unused named: ByName = ByName,
        stride: Int = 1,
        padding: Padding = 0,
        dilation: Int = 1,
        groups: Int = 1,
        bias: Boolean = true,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Conv1d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("Conv1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("Conv1d", "stride", stride, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("Conv1d", "padding", padding, "\"same\", \"valid\", a whole number, or a list with one for every dimension, of at least 0")(Argument.padding(1, Legal.whole(0L, 2147483648L), Array("same", "valid"))),
        Argument("Conv1d", "dilation", dilation, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("Conv1d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "bias" -> bias,
        Argument("Conv1d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
      )
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
      * @param named Nothing: what comes after it goes by name.
      * @param stride Step of the kernel. (whole number, or a list with one for every dimension, of
      *   at least 1)
      * @param padding Zeros on each side of the input; "valid" is 0, "same" keeps the size and
      *   needs a stride of 1. ("same", "valid", a whole number, or a list with one for every
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
        @unused named: ByName = ByName,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: Int = 1,
        bias: Boolean = true,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Conv2d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("Conv2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("Conv2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("Conv2d", "padding", padding, "\"same\", \"valid\", a whole number, or a list with one for every dimension, of at least 0")(Argument.padding(2, Legal.whole(0L, 2147483648L), Array("same", "valid"))),
        Argument("Conv2d", "dilation", dilation, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("Conv2d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "bias" -> bias,
        Argument("Conv2d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
      )
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
      * @param named Nothing: what comes after it goes by name.
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
        @unused named: ByName = ByName,
        stride: Int = 1,
        padding: Int = 0,
        output_padding: Int = 0,
        groups: Int = 1,
        bias: Boolean = true,
        dilation: Int = 1,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ConvTranspose1d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("ConvTranspose1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("ConvTranspose1d", "stride", stride, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("ConvTranspose1d", "padding", padding, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ConvTranspose1d", "output_padding", output_padding, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ConvTranspose1d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "bias" -> bias,
        Argument("ConvTranspose1d", "dilation", dilation, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("ConvTranspose1d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
      )
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
      * @param named Nothing: what comes after it goes by name.
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
        @unused named: ByName = ByName,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: Int = 1,
        bias: Boolean = true,
        dilation: Size = 1,
        padding_mode: String = "zeros"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ConvTranspose2d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("ConvTranspose2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("ConvTranspose2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("ConvTranspose2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
        Argument("ConvTranspose2d", "output_padding", output_padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
        Argument("ConvTranspose2d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "bias" -> bias,
        Argument("ConvTranspose2d", "dilation", dilation, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("ConvTranspose2d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
      )
      new Module(Document.of("ConvTranspose2d", arguments))
    }
  }
}

/** Convolutions: the forms with the sizes of the input. */
private[candlewick] trait FullConvolutionBuilders {

  /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
    *   least 1; may be left out)
    * @param out_channels Channels of the output. (whole number of at least 1)
    * @param kernel_size Size of the kernel. (whole number of at least 1)
    * @param stride Step of the kernel. (whole number of at least 1)
    * @param padding Zeros on each side of the input; "valid" is 0, "same" keeps the size and needs
    *   a stride of 1. ("same", "valid", a whole number, or a list with one for every dimension, of
    *   at least 0)
    * @param dilation Distance of the elements of the kernel. (whole number of at least 1)
    * @param groups Groups of channels that do not see each other; divides both numbers of channels.
    *   (whole number of at least 1)
    * @param bias Add a learned bias to every channel. (true or false)
    * @param padding_mode What lies around the input. ("zeros")
    */
  def Conv1d(
      in_channels: Int,
      out_channels: Int,
      kernel_size: Int,
      stride: Int = 1,
      padding: Padding = 0,
      dilation: Int = 1,
      groups: Int = 1,
      bias: Boolean = true,
      padding_mode: String = "zeros"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("Conv1d", "in_channels", in_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv1d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv1d", "stride", stride, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv1d", "padding", padding, "\"same\", \"valid\", a whole number, or a list with one for every dimension, of at least 0")(Argument.padding(1, Legal.whole(0L, 2147483648L), Array("same", "valid"))),
      Argument("Conv1d", "dilation", dilation, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv1d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      "bias" -> bias,
      Argument("Conv1d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
    )
    new Module(Document.of("Conv1d", arguments))
  }

  /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
    *   least 1; may be left out)
    * @param out_channels Channels of the output. (whole number of at least 1)
    * @param kernel_size Size of the kernel. (whole number, or a list with one for every dimension,
    *   of at least 1)
    * @param stride Step of the kernel. (whole number, or a list with one for every dimension, of at
    *   least 1)
    * @param padding Zeros on each side of the input; "valid" is 0, "same" keeps the size and needs
    *   a stride of 1. ("same", "valid", a whole number, or a list with one for every dimension, of
    *   at least 0)
    * @param dilation Distance of the elements of the kernel. (whole number, or a list with one for
    *   every dimension, of at least 1)
    * @param groups Groups of channels that do not see each other; divides both numbers of channels.
    *   (whole number of at least 1)
    * @param bias Add a learned bias to every channel. (true or false)
    * @param padding_mode What lies around the input. ("zeros")
    */
  def Conv2d(
      in_channels: Int,
      out_channels: Int,
      kernel_size: Size,
      stride: Size = 1,
      padding: Padding = 0,
      dilation: Size = 1,
      groups: Int = 1,
      bias: Boolean = true,
      padding_mode: String = "zeros"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("Conv2d", "in_channels", in_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv2d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Conv2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
      Argument("Conv2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
      Argument("Conv2d", "padding", padding, "\"same\", \"valid\", a whole number, or a list with one for every dimension, of at least 0")(Argument.padding(2, Legal.whole(0L, 2147483648L), Array("same", "valid"))),
      Argument("Conv2d", "dilation", dilation, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
      Argument("Conv2d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      "bias" -> bias,
      Argument("Conv2d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
    )
    new Module(Document.of("Conv2d", arguments))
  }

  /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
    *   least 1; may be left out)
    * @param out_channels Channels of the output. (whole number of at least 1)
    * @param kernel_size Size of the kernel. (whole number of at least 1)
    * @param stride Step of the kernel. (whole number of at least 1)
    * @param padding Elements cut off each side of the output: the padding of the convolution that
    *   this one turns round. (whole number of at least 0)
    * @param output_padding Elements added to the lower and right side of the output; less than the
    *   stride or the dilation. (whole number of at least 0)
    * @param groups Groups of channels that do not see each other; divides both numbers of channels.
    *   (whole number of at least 1)
    * @param bias Add a learned bias to every channel. (true or false)
    * @param dilation Distance of the elements of the kernel. (whole number of at least 1)
    * @param padding_mode What lies around the input. ("zeros")
    */
  def ConvTranspose1d(
      in_channels: Int,
      out_channels: Int,
      kernel_size: Int,
      stride: Int = 1,
      padding: Int = 0,
      output_padding: Int = 0,
      groups: Int = 1,
      bias: Boolean = true,
      dilation: Int = 1,
      padding_mode: String = "zeros"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("ConvTranspose1d", "in_channels", in_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose1d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose1d", "stride", stride, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose1d", "padding", padding, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
      Argument("ConvTranspose1d", "output_padding", output_padding, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
      Argument("ConvTranspose1d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      "bias" -> bias,
      Argument("ConvTranspose1d", "dilation", dilation, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose1d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
    )
    new Module(Document.of("ConvTranspose1d", arguments))
  }

  /** @param in_channels Channels of the input: its first dimension after the batch. (whole number of at
    *   least 1; may be left out)
    * @param out_channels Channels of the output. (whole number of at least 1)
    * @param kernel_size Size of the kernel. (whole number, or a list with one for every dimension,
    *   of at least 1)
    * @param stride Step of the kernel. (whole number, or a list with one for every dimension, of at
    *   least 1)
    * @param padding Elements cut off each side of the output: the padding of the convolution that
    *   this one turns round. (whole number, or a list with one for every dimension, of at least 0)
    * @param output_padding Elements added to the lower and right side of the output; less than the
    *   stride or the dilation. (whole number, or a list with one for every dimension, of at least
    *   0)
    * @param groups Groups of channels that do not see each other; divides both numbers of channels.
    *   (whole number of at least 1)
    * @param bias Add a learned bias to every channel. (true or false)
    * @param dilation Distance of the elements of the kernel. (whole number, or a list with one for
    *   every dimension, of at least 1)
    * @param padding_mode What lies around the input. ("zeros")
    */
  def ConvTranspose2d(
      in_channels: Int,
      out_channels: Int,
      kernel_size: Size,
      stride: Size = 1,
      padding: Size = 0,
      output_padding: Size = 0,
      groups: Int = 1,
      bias: Boolean = true,
      dilation: Size = 1,
      padding_mode: String = "zeros"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("ConvTranspose2d", "in_channels", in_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose2d", "out_channels", out_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("ConvTranspose2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
      Argument("ConvTranspose2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
      Argument("ConvTranspose2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
      Argument("ConvTranspose2d", "output_padding", output_padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
      Argument("ConvTranspose2d", "groups", groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      "bias" -> bias,
      Argument("ConvTranspose2d", "dilation", dilation, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
      Argument("ConvTranspose2d", "padding_mode", padding_mode, "\"zeros\"")(ParamValidators.inArray(Array("zeros")))
    )
    new Module(Document.of("ConvTranspose2d", arguments))
  }
}
