// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators
import scala.annotation.unused

/** Recurrent layers. */
private[candlewick] trait RecurrentBuilders {

  /** Recurrent network over a sequence [time, features] (Elman 1990,
    * doi:10.1207/s15516709cog1402_1): h = tanh(W_ih x + b_ih + W_hh h + b_hh), from h = 0 on.
    * Weights start uniform in ±1/√hidden_size. A second input in a graph, of shape [time], is not 0
    * where a step is padding: such steps leave the state as it is and put out 0, as packed
    * sequences do in PyTorch.
    */
  object RNN {

    /** @param hidden_size Features of the hidden state. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param num_layers Layers on top of each other: each reads the hidden states of the one
      *   below. (whole number from 1 to 1024)
      * @param nonlinearity The function of the sum. ("tanh" or "relu")
      * @param bias Add learned biases. (true or false)
      * @param batch_first A row of the data is a sequence, so the batch is always the first
      *   dimension. PyTorch's default is false. (true (or leave it out))
      * @param dropout Probability that an element between two layers is set to zero while training.
      *   (number from 0 to 1)
      * @param bidirectional Read the sequence a second time from its end, with weights of its own;
      *   the hidden states of both directions are put one after another. (true or false)
      * @param output What comes out: "all" for the top layer's hidden state of every step, [time,
      *   hidden_size], twice as wide where bidirectional; "last" for the hidden state after the
      *   last step, [hidden_size], where bidirectional followed by the hidden state of the other
      *   direction after it has read the first step. PyTorch returns both, as output and h_n.
      *   ("all" or "last")
      */
    def apply(
        hidden_size: Int,
        @unused named: ByName = ByName,
        num_layers: Int = 1,
        nonlinearity: String = "tanh",
        bias: Boolean = true,
        batch_first: Boolean = true,
        dropout: Double = 0.0,
        bidirectional: Boolean = false,
        output: String = "all"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("RNN", "hidden_size", hidden_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("RNN", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
        Argument("RNN", "nonlinearity", nonlinearity, "\"tanh\" or \"relu\"")(ParamValidators.inArray(Array("tanh", "relu"))),
        "bias" -> bias,
        Argument("RNN", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
        Argument("RNN", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        "bidirectional" -> bidirectional,
        Argument("RNN", "output", output, "\"all\" or \"last\"")(ParamValidators.inArray(Array("all", "last")))
      )
      new Module(Document.of("RNN", arguments))
    }
  }

  /** Long short-term memory over a sequence [time, features] (Hochreiter and Schmidhuber 1997,
    * doi:10.1162/neco.1997.9.8.1735), with forget gates: states start at 0, gates are in PyTorch's
    * order i, f, g, o, c = f c + i g, h = o tanh(c). Weights start uniform in ±1/√hidden_size. A
    * second input in a graph, of shape [time], is not 0 where a step is padding: such steps leave
    * the state as it is and put out 0, as packed sequences do in PyTorch.
    */
  object LSTM {

    /** @param hidden_size Features of the hidden state. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param num_layers Layers on top of each other: each reads the hidden states of the one
      *   below. (whole number from 1 to 1024)
      * @param bias Add learned biases. (true or false)
      * @param batch_first A row of the data is a sequence, so the batch is always the first
      *   dimension. PyTorch's default is false. (true (or leave it out))
      * @param dropout Probability that an element between two layers is set to zero while training.
      *   (number from 0 to 1)
      * @param bidirectional Read the sequence a second time from its end, with weights of its own;
      *   the hidden states of both directions are put one after another. (true or false)
      * @param proj_size Features of the hidden state after a learned projection (Sak et al. 2014,
      *   arXiv:1402.1128), less than hidden_size; 0 for none. (whole number of at least 0)
      * @param output What comes out: "all" for the top layer's hidden state of every step, [time,
      *   hidden_size], twice as wide where bidirectional; "last" for the hidden state after the
      *   last step, [hidden_size], where bidirectional followed by the hidden state of the other
      *   direction after it has read the first step. PyTorch returns both, as output and h_n.
      *   ("all" or "last")
      */
    def apply(
        hidden_size: Int,
        @unused named: ByName = ByName,
        num_layers: Int = 1,
        bias: Boolean = true,
        batch_first: Boolean = true,
        dropout: Double = 0.0,
        bidirectional: Boolean = false,
        proj_size: Int = 0,
        output: String = "all"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LSTM", "hidden_size", hidden_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("LSTM", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
        "bias" -> bias,
        Argument("LSTM", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
        Argument("LSTM", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        "bidirectional" -> bidirectional,
        Argument("LSTM", "proj_size", proj_size, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("LSTM", "output", output, "\"all\" or \"last\"")(ParamValidators.inArray(Array("all", "last")))
      )
      new Module(Document.of("LSTM", arguments))
    }
  }

  /** Gated recurrent unit over a sequence [time, features] (Cho et al. 2014, arXiv:1406.1078): the
    * state starts at 0, gates are in PyTorch's order r, z, n, and r scales the hidden state's
    * product: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h. Weights start
    * uniform in ±1/√hidden_size. A second input in a graph, of shape [time], is not 0 where a step
    * is padding: such steps leave the state as it is and put out 0, as packed sequences do in
    * PyTorch.
    */
  object GRU {

    /** @param hidden_size Features of the hidden state. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param num_layers Layers on top of each other: each reads the hidden states of the one
      *   below. (whole number from 1 to 1024)
      * @param bias Add learned biases. (true or false)
      * @param batch_first A row of the data is a sequence, so the batch is always the first
      *   dimension. PyTorch's default is false. (true (or leave it out))
      * @param dropout Probability that an element between two layers is set to zero while training.
      *   (number from 0 to 1)
      * @param bidirectional Read the sequence a second time from its end, with weights of its own;
      *   the hidden states of both directions are put one after another. (true or false)
      * @param output What comes out: "all" for the top layer's hidden state of every step, [time,
      *   hidden_size], twice as wide where bidirectional; "last" for the hidden state after the
      *   last step, [hidden_size], where bidirectional followed by the hidden state of the other
      *   direction after it has read the first step. PyTorch returns both, as output and h_n.
      *   ("all" or "last")
      */
    def apply(
        hidden_size: Int,
        @unused named: ByName = ByName,
        num_layers: Int = 1,
        bias: Boolean = true,
        batch_first: Boolean = true,
        dropout: Double = 0.0,
        bidirectional: Boolean = false,
        output: String = "all"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("GRU", "hidden_size", hidden_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("GRU", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
        "bias" -> bias,
        Argument("GRU", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
        Argument("GRU", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        "bidirectional" -> bidirectional,
        Argument("GRU", "output", output, "\"all\" or \"last\"")(ParamValidators.inArray(Array("all", "last")))
      )
      new Module(Document.of("GRU", arguments))
    }
  }
}

/** Recurrent layers: the forms with the sizes of the input. */
private[candlewick] trait FullRecurrentBuilders {

  /** @param input_size Features of a step: size of the last dimension of the input. (whole number of at
    *   least 1; may be left out)
    * @param hidden_size Features of the hidden state. (whole number of at least 1)
    * @param num_layers Layers on top of each other: each reads the hidden states of the one below.
    *   (whole number from 1 to 1024)
    * @param nonlinearity The function of the sum. ("tanh" or "relu")
    * @param bias Add learned biases. (true or false)
    * @param batch_first A row of the data is a sequence, so the batch is always the first
    *   dimension. PyTorch's default is false. (true (or leave it out))
    * @param dropout Probability that an element between two layers is set to zero while training.
    *   (number from 0 to 1)
    * @param bidirectional Read the sequence a second time from its end, with weights of its own;
    *   the hidden states of both directions are put one after another. (true or false)
    * @param output What comes out: "all" for the top layer's hidden state of every step, [time,
    *   hidden_size], twice as wide where bidirectional; "last" for the hidden state after the last
    *   step, [hidden_size], where bidirectional followed by the hidden state of the other direction
    *   after it has read the first step. PyTorch returns both, as output and h_n. ("all" or "last")
    */
  def RNN(
      input_size: Int,
      hidden_size: Int,
      num_layers: Int = 1,
      nonlinearity: String = "tanh",
      bias: Boolean = true,
      batch_first: Boolean = true,
      dropout: Double = 0.0,
      bidirectional: Boolean = false,
      output: String = "all"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("RNN", "input_size", input_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("RNN", "hidden_size", hidden_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("RNN", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
      Argument("RNN", "nonlinearity", nonlinearity, "\"tanh\" or \"relu\"")(ParamValidators.inArray(Array("tanh", "relu"))),
      "bias" -> bias,
      Argument("RNN", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
      Argument("RNN", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
      "bidirectional" -> bidirectional,
      Argument("RNN", "output", output, "\"all\" or \"last\"")(ParamValidators.inArray(Array("all", "last")))
    )
    new Module(Document.of("RNN", arguments))
  }

  /** @param input_size Features of a step: size of the last dimension of the input. (whole number of at
    *   least 1; may be left out)
    * @param hidden_size Features of the hidden state. (whole number of at least 1)
    * @param num_layers Layers on top of each other: each reads the hidden states of the one below.
    *   (whole number from 1 to 1024)
    * @param bias Add learned biases. (true or false)
    * @param batch_first A row of the data is a sequence, so the batch is always the first
    *   dimension. PyTorch's default is false. (true (or leave it out))
    * @param dropout Probability that an element between two layers is set to zero while training.
    *   (number from 0 to 1)
    * @param bidirectional Read the sequence a second time from its end, with weights of its own;
    *   the hidden states of both directions are put one after another. (true or false)
    * @param proj_size Features of the hidden state after a learned projection (Sak et al. 2014,
    *   arXiv:1402.1128), less than hidden_size; 0 for none. (whole number of at least 0)
    * @param output What comes out: "all" for the top layer's hidden state of every step, [time,
    *   hidden_size], twice as wide where bidirectional; "last" for the hidden state after the last
    *   step, [hidden_size], where bidirectional followed by the hidden state of the other direction
    *   after it has read the first step. PyTorch returns both, as output and h_n. ("all" or "last")
    */
  def LSTM(
      input_size: Int,
      hidden_size: Int,
      num_layers: Int = 1,
      bias: Boolean = true,
      batch_first: Boolean = true,
      dropout: Double = 0.0,
      bidirectional: Boolean = false,
      proj_size: Int = 0,
      output: String = "all"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("LSTM", "input_size", input_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("LSTM", "hidden_size", hidden_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("LSTM", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
      "bias" -> bias,
      Argument("LSTM", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
      Argument("LSTM", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
      "bidirectional" -> bidirectional,
      Argument("LSTM", "proj_size", proj_size, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
      Argument("LSTM", "output", output, "\"all\" or \"last\"")(ParamValidators.inArray(Array("all", "last")))
    )
    new Module(Document.of("LSTM", arguments))
  }

  /** @param input_size Features of a step: size of the last dimension of the input. (whole number of at
    *   least 1; may be left out)
    * @param hidden_size Features of the hidden state. (whole number of at least 1)
    * @param num_layers Layers on top of each other: each reads the hidden states of the one below.
    *   (whole number from 1 to 1024)
    * @param bias Add learned biases. (true or false)
    * @param batch_first A row of the data is a sequence, so the batch is always the first
    *   dimension. PyTorch's default is false. (true (or leave it out))
    * @param dropout Probability that an element between two layers is set to zero while training.
    *   (number from 0 to 1)
    * @param bidirectional Read the sequence a second time from its end, with weights of its own;
    *   the hidden states of both directions are put one after another. (true or false)
    * @param output What comes out: "all" for the top layer's hidden state of every step, [time,
    *   hidden_size], twice as wide where bidirectional; "last" for the hidden state after the last
    *   step, [hidden_size], where bidirectional followed by the hidden state of the other direction
    *   after it has read the first step. PyTorch returns both, as output and h_n. ("all" or "last")
    */
  def GRU(
      input_size: Int,
      hidden_size: Int,
      num_layers: Int = 1,
      bias: Boolean = true,
      batch_first: Boolean = true,
      dropout: Double = 0.0,
      bidirectional: Boolean = false,
      output: String = "all"
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("GRU", "input_size", input_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("GRU", "hidden_size", hidden_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("GRU", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
      "bias" -> bias,
      Argument("GRU", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
      Argument("GRU", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
      "bidirectional" -> bidirectional,
      Argument("GRU", "output", output, "\"all\" or \"last\"")(ParamValidators.inArray(Array("all", "last")))
    )
    new Module(Document.of("GRU", arguments))
  }
}
