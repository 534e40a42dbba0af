// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Recurrent layers. */
private[candlewick] trait RecurrentBuilders {

  /** Recurrent network over a sequence [time, features] (Elman 1990,
    * doi:10.1207/s15516709cog1402_1): h = tanh(W_ih x + b_ih + W_hh h + b_hh), from h = 0 on.
    * Weights start uniform in ±1/√hidden_size.
    */
  object RNN {

    /** @param hidden_size Features of the hidden state. (whole number of at least 1)
      * @param full In the full form, where the first arguments are by position input_size,
      *   hidden_size: hidden_size.
      * @param num_layers Layers on top of each other: each reads the hidden states of the one
      *   below. (whole number from 1 to 1024)
      * @param nonlinearity The function of the sum. ("tanh" or "relu")
      * @param bias Add learned biases. (true or false)
      * @param batch_first Only true: a row of the data is a sequence, so the batch is always the
      *   first dimension. PyTorch's default is false. (true or false)
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
        full: Opt[Int] = None,
        num_layers: Int = 1,
        nonlinearity: String = "tanh",
        bias: Boolean = true,
        batch_first: Boolean = true,
        dropout: Double = 0.0,
        bidirectional: Boolean = false,
        output: String = "all"
    ): Module = {
      val arguments =
        Document.forms("RNN", Seq("input_size", "hidden_size"), Seq("hidden_size"), Seq(hidden_size, full)) ++
          Seq("num_layers" -> num_layers, "nonlinearity" -> nonlinearity, "bias" -> bias, "batch_first" -> batch_first, "dropout" -> dropout, "bidirectional" -> bidirectional, "output" -> output)
      new Module(Document.of("RNN", arguments))
    }

    /** @param input_size Features of a step: size of the last dimension of the input. (whole number of at
      *   least 1; may be left out)
      * @param hidden_size Features of the hidden state. (whole number of at least 1)
      */
    def apply(input_size: Int, hidden_size: Int): Module =
      new Module(Document.of("RNN", Seq("input_size" -> input_size, "hidden_size" -> hidden_size)))
  }

  /** Long short-term memory over a sequence [time, features] (Hochreiter and Schmidhuber 1997,
    * doi:10.1162/neco.1997.9.8.1735), with forget gates: states start at 0, gates are in PyTorch's
    * order i, f, g, o, c = f c + i g, h = o tanh(c). Weights start uniform in ±1/√hidden_size.
    */
  object LSTM {

    /** @param hidden_size Features of the hidden state. (whole number of at least 1)
      * @param full In the full form, where the first arguments are by position input_size,
      *   hidden_size: hidden_size.
      * @param num_layers Layers on top of each other: each reads the hidden states of the one
      *   below. (whole number from 1 to 1024)
      * @param bias Add learned biases. (true or false)
      * @param batch_first Only true: a row of the data is a sequence, so the batch is always the
      *   first dimension. PyTorch's default is false. (true or false)
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
        full: Opt[Int] = None,
        num_layers: Int = 1,
        bias: Boolean = true,
        batch_first: Boolean = true,
        dropout: Double = 0.0,
        bidirectional: Boolean = false,
        proj_size: Int = 0,
        output: String = "all"
    ): Module = {
      val arguments =
        Document.forms("LSTM", Seq("input_size", "hidden_size"), Seq("hidden_size"), Seq(hidden_size, full)) ++
          Seq("num_layers" -> num_layers, "bias" -> bias, "batch_first" -> batch_first, "dropout" -> dropout, "bidirectional" -> bidirectional, "proj_size" -> proj_size, "output" -> output)
      new Module(Document.of("LSTM", arguments))
    }

    /** @param input_size Features of a step: size of the last dimension of the input. (whole number of at
      *   least 1; may be left out)
      * @param hidden_size Features of the hidden state. (whole number of at least 1)
      */
    def apply(input_size: Int, hidden_size: Int): Module =
      new Module(Document.of("LSTM", Seq("input_size" -> input_size, "hidden_size" -> hidden_size)))
  }

  /** Gated recurrent unit over a sequence [time, features] (Cho et al. 2014, arXiv:1406.1078): the
    * state starts at 0, gates are in PyTorch's order r, z, n, and r scales the hidden state's
    * product: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h. Weights start
    * uniform in ±1/√hidden_size.
    */
  object GRU {

    /** @param hidden_size Features of the hidden state. (whole number of at least 1)
      * @param full In the full form, where the first arguments are by position input_size,
      *   hidden_size: hidden_size.
      * @param num_layers Layers on top of each other: each reads the hidden states of the one
      *   below. (whole number from 1 to 1024)
      * @param bias Add learned biases. (true or false)
      * @param batch_first Only true: a row of the data is a sequence, so the batch is always the
      *   first dimension. PyTorch's default is false. (true or false)
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
        full: Opt[Int] = None,
        num_layers: Int = 1,
        bias: Boolean = true,
        batch_first: Boolean = true,
        dropout: Double = 0.0,
        bidirectional: Boolean = false,
        output: String = "all"
    ): Module = {
      val arguments =
        Document.forms("GRU", Seq("input_size", "hidden_size"), Seq("hidden_size"), Seq(hidden_size, full)) ++
          Seq("num_layers" -> num_layers, "bias" -> bias, "batch_first" -> batch_first, "dropout" -> dropout, "bidirectional" -> bidirectional, "output" -> output)
      new Module(Document.of("GRU", arguments))
    }

    /** @param input_size Features of a step: size of the last dimension of the input. (whole number of at
      *   least 1; may be left out)
      * @param hidden_size Features of the hidden state. (whole number of at least 1)
      */
    def apply(input_size: Int, hidden_size: Int): Module =
      new Module(Document.of("GRU", Seq("input_size" -> input_size, "hidden_size" -> hidden_size)))
  }
}
