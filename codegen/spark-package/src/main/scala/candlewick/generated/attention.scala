// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators
import scala.annotation.unused

/** Attention and transformers. */
private[candlewick] trait AttentionBuilders {

  /** Attention of several heads (Vaswani et al. 2017, arXiv:1706.03762): softmax(Q Kᵀ / √d) V for
    * each, between learned projections. One input of shape [length, embed_dim] attends to itself; a
    * node of a graph with three inputs takes query, key and value. A further input of shape
    * [length] is the key_padding_mask: what is not 0 there is padding, which nothing attends to;
    * where there is nothing else, 0 comes out before the last projection. The batch comes first.
    */
  object MultiheadAttention {

    /** @param num_heads Heads; each has embed_dim / num_heads values. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param dropout Probability that an attention weight is set to zero while training. (number
      *   from 0 to 1)
      * @param bias Add learned biases. (true or false)
      * @param kdim Size of the last dimension of the keys. (whole number of at least 1; may be left
      *   out)
      * @param vdim Size of the last dimension of the values. (whole number of at least 1; may be
      *   left out)
      * @param batch_first A row of the data is a sequence, so the batch is always the first
      *   dimension. PyTorch's default is false. (true (or leave it out))
      * @param is_causal Hide from every position those after it. (true or false)
      */
    def apply(
        num_heads: Int,
        @unused named: ByName = ByName,
        dropout: Double = 0.0,
        bias: Boolean = true,
        kdim: Opt[Int] = None,
        vdim: Opt[Int] = None,
        batch_first: Boolean = true,
        is_causal: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("MultiheadAttention", "num_heads", num_heads, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("MultiheadAttention", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        "bias" -> bias,
        Argument("MultiheadAttention", "kdim", kdim, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("MultiheadAttention", "vdim", vdim, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("MultiheadAttention", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
        "is_causal" -> is_causal
      )
      new Module(Document.of("MultiheadAttention", arguments))
    }
  }

  /** Self-attention and a feed-forward network, each with a residual connection and LayerNorm
    * (Vaswani et al. 2017, arXiv:1706.03762), over a sequence of shape [length, d_model]. A second
    * input in a graph, of shape [length], is the src_key_padding_mask of PyTorch: what is not 0
    * there is padding. The batch comes first.
    */
  object TransformerEncoderLayer {

    /** @param nhead Heads of the attention; each has d_model / nhead values. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param dim_feedforward Size between the two Linear layers. (whole number of at least 1)
      * @param dropout Probability of dropout: of attention weights, after the attention, and twice
      *   in the feed-forward part. (number from 0 to 1)
      * @param activation What comes between the two Linear layers. ("relu" or "gelu")
      * @param layer_norm_eps Added to the variances of both LayerNorms. (number of at least 0)
      * @param batch_first A row of the data is a sequence, so the batch is always the first
      *   dimension. PyTorch's default is false. (true (or leave it out))
      * @param norm_first Normalise before attention and feed-forward part, not after. (true or
      *   false)
      * @param bias Add learned biases. (true or false)
      * @param is_causal Hide from every position those after it. (true or false)
      */
    def apply(
        nhead: Int,
        @unused named: ByName = ByName,
        dim_feedforward: Int = 2048,
        dropout: Double = 0.1,
        activation: String = "relu",
        layer_norm_eps: Double = 1e-5,
        batch_first: Boolean = true,
        norm_first: Boolean = false,
        bias: Boolean = true,
        is_causal: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("TransformerEncoderLayer", "nhead", nhead, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("TransformerEncoderLayer", "dim_feedforward", dim_feedforward, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("TransformerEncoderLayer", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("TransformerEncoderLayer", "activation", activation, "\"relu\" or \"gelu\"")(ParamValidators.inArray(Array("relu", "gelu"))),
        Argument("TransformerEncoderLayer", "layer_norm_eps", layer_norm_eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("TransformerEncoderLayer", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
        "norm_first" -> norm_first,
        "bias" -> bias,
        "is_causal" -> is_causal
      )
      new Module(Document.of("TransformerEncoderLayer", arguments))
    }
  }

  /** Transformer encoder layers one after another (Vaswani et al. 2017, arXiv:1706.03762), over a
    * sequence of shape [length, d_model].
    */
  object TransformerEncoder {

    /** @param encoder_layer The TransformerEncoderLayer that is repeated. Every layer starts from numbers
      *   of its own; in PyTorch all start from the same. (object of its builder, or its JSON
      *   document)
      * @param num_layers How many of them there are. (whole number from 1 to 1024)
      * @param norm A layer after the last one, such as LayerNorm. (object of its builder, or its
      *   JSON document; or none)
      */
    def apply(encoder_layer: Module, num_layers: Int, norm: Opt[Module] = None): Module = {
      val arguments = Seq[(String, Any)](
        "encoder_layer" -> encoder_layer,
        Argument("TransformerEncoder", "num_layers", num_layers, "a whole number from 1 to 1024")(Legal.whole(1L, 1024L)),
        "norm" -> norm
      )
      new Module(Document.of("TransformerEncoder", arguments))
    }
  }

  /** Self-attention, attention to another sequence and a feed-forward network, each with a residual
    * connection and LayerNorm (Vaswani et al. 2017, arXiv:1706.03762). A node of a graph with two
    * inputs: the sequence of shape [length, d_model] and the one it attends to, of a length of its
    * own. A third input is the mask of padding of the other sequence (memory_key_padding_mask of
    * PyTorch); with four the third is the one of the sequence itself. is_causal is for the
    * self-attention.
    */
  object TransformerDecoderLayer {

    /** @param nhead Heads of the attention; each has d_model / nhead values. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param dim_feedforward Size between the two Linear layers. (whole number of at least 1)
      * @param dropout Probability of dropout: of attention weights, after the attention, and twice
      *   in the feed-forward part. (number from 0 to 1)
      * @param activation What comes between the two Linear layers. ("relu" or "gelu")
      * @param layer_norm_eps Added to the variances of both LayerNorms. (number of at least 0)
      * @param batch_first A row of the data is a sequence, so the batch is always the first
      *   dimension. PyTorch's default is false. (true (or leave it out))
      * @param norm_first Normalise before attention and feed-forward part, not after. (true or
      *   false)
      * @param bias Add learned biases. (true or false)
      * @param is_causal Hide from every position those after it. (true or false)
      */
    def apply(
        nhead: Int,
        @unused named: ByName = ByName,
        dim_feedforward: Int = 2048,
        dropout: Double = 0.1,
        activation: String = "relu",
        layer_norm_eps: Double = 1e-5,
        batch_first: Boolean = true,
        norm_first: Boolean = false,
        bias: Boolean = true,
        is_causal: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("TransformerDecoderLayer", "nhead", nhead, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("TransformerDecoderLayer", "dim_feedforward", dim_feedforward, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("TransformerDecoderLayer", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("TransformerDecoderLayer", "activation", activation, "\"relu\" or \"gelu\"")(ParamValidators.inArray(Array("relu", "gelu"))),
        Argument("TransformerDecoderLayer", "layer_norm_eps", layer_norm_eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("TransformerDecoderLayer", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
        "norm_first" -> norm_first,
        "bias" -> bias,
        "is_causal" -> is_causal
      )
      new Module(Document.of("TransformerDecoderLayer", arguments))
    }
  }

  /** Adds sines and cosines of every position to a sequence of shape [length, d_model] (Vaswani et
    * al. 2017, arXiv:1706.03762): sin(p / 10000^(2i / d_model)) to value 2i of position p, the
    * cosine to value 2i + 1.
    */
  object PositionalEncoding {

    /** @param d_model Size of the last dimension of the input. (whole number of at least 1; may be left
      *   out)
      * @param dropout Probability that an element of the sum is set to zero while training. (number
      *   from 0 to 1)
      * @param max_len Positions that a sequence has at most. (whole number of at least 1)
      */
    def apply(d_model: Opt[Int] = None, dropout: Double = 0.1, max_len: Int = 5000): Module = {
      val arguments = Seq[(String, Any)](
        Argument("PositionalEncoding", "d_model", d_model, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("PositionalEncoding", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("PositionalEncoding", "max_len", max_len, "a whole number of at least 1")(Legal.whole(1L, 2147483648L))
      )
      new Module(Document.of("PositionalEncoding", arguments))
    }
  }

  /** Adds a learned vector for every position to a sequence of shape [length, d_model]. The table
    * starts normal around 0 with deviation 0.02 (Devlin et al. 2019, arXiv:1810.04805).
    */
  object LearnedPositionalEncoding {

    /** @param d_model Size of the last dimension of the input. (whole number of at least 1; may be left
      *   out)
      * @param max_len Positions of the table; without it the length of the input. (whole number of
      *   at least 1; or none)
      */
    def apply(d_model: Opt[Int] = None, max_len: Opt[Int] = None): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LearnedPositionalEncoding", "d_model", d_model, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("LearnedPositionalEncoding", "max_len", max_len, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L)))
      )
      new Module(Document.of("LearnedPositionalEncoding", arguments))
    }
  }
}

/** Attention and transformers: the forms with the sizes of the input. */
private[candlewick] trait FullAttentionBuilders {

  /** @param embed_dim Size of the last dimension of the queries and of the output. (whole number of at
    *   least 1; may be left out)
    * @param num_heads Heads; each has embed_dim / num_heads values. (whole number of at least 1)
    * @param dropout Probability that an attention weight is set to zero while training. (number
    *   from 0 to 1)
    * @param bias Add learned biases. (true or false)
    * @param kdim Size of the last dimension of the keys. (whole number of at least 1; may be left
    *   out)
    * @param vdim Size of the last dimension of the values. (whole number of at least 1; may be left
    *   out)
    * @param batch_first A row of the data is a sequence, so the batch is always the first
    *   dimension. PyTorch's default is false. (true (or leave it out))
    * @param is_causal Hide from every position those after it. (true or false)
    */
  def MultiheadAttention(
      embed_dim: Int,
      num_heads: Int,
      dropout: Double = 0.0,
      bias: Boolean = true,
      kdim: Opt[Int] = None,
      vdim: Opt[Int] = None,
      batch_first: Boolean = true,
      is_causal: Boolean = false
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("MultiheadAttention", "embed_dim", embed_dim, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("MultiheadAttention", "num_heads", num_heads, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("MultiheadAttention", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
      "bias" -> bias,
      Argument("MultiheadAttention", "kdim", kdim, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
      Argument("MultiheadAttention", "vdim", vdim, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
      Argument("MultiheadAttention", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
      "is_causal" -> is_causal
    )
    new Module(Document.of("MultiheadAttention", arguments))
  }

  /** @param d_model Size of the last dimension of the input. (whole number of at least 1; may be left
    *   out)
    * @param nhead Heads of the attention; each has d_model / nhead values. (whole number of at
    *   least 1)
    * @param dim_feedforward Size between the two Linear layers. (whole number of at least 1)
    * @param dropout Probability of dropout: of attention weights, after the attention, and twice in
    *   the feed-forward part. (number from 0 to 1)
    * @param activation What comes between the two Linear layers. ("relu" or "gelu")
    * @param layer_norm_eps Added to the variances of both LayerNorms. (number of at least 0)
    * @param batch_first A row of the data is a sequence, so the batch is always the first
    *   dimension. PyTorch's default is false. (true (or leave it out))
    * @param norm_first Normalise before attention and feed-forward part, not after. (true or false)
    * @param bias Add learned biases. (true or false)
    * @param is_causal Hide from every position those after it. (true or false)
    */
  def TransformerEncoderLayer(
      d_model: Int,
      nhead: Int,
      dim_feedforward: Int = 2048,
      dropout: Double = 0.1,
      activation: String = "relu",
      layer_norm_eps: Double = 1e-5,
      batch_first: Boolean = true,
      norm_first: Boolean = false,
      bias: Boolean = true,
      is_causal: Boolean = false
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("TransformerEncoderLayer", "d_model", d_model, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("TransformerEncoderLayer", "nhead", nhead, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("TransformerEncoderLayer", "dim_feedforward", dim_feedforward, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("TransformerEncoderLayer", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
      Argument("TransformerEncoderLayer", "activation", activation, "\"relu\" or \"gelu\"")(ParamValidators.inArray(Array("relu", "gelu"))),
      Argument("TransformerEncoderLayer", "layer_norm_eps", layer_norm_eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
      Argument("TransformerEncoderLayer", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
      "norm_first" -> norm_first,
      "bias" -> bias,
      "is_causal" -> is_causal
    )
    new Module(Document.of("TransformerEncoderLayer", arguments))
  }

  /** @param d_model Size of the last dimension of the input. (whole number of at least 1; may be left
    *   out)
    * @param nhead Heads of the attention; each has d_model / nhead values. (whole number of at
    *   least 1)
    * @param dim_feedforward Size between the two Linear layers. (whole number of at least 1)
    * @param dropout Probability of dropout: of attention weights, after the attention, and twice in
    *   the feed-forward part. (number from 0 to 1)
    * @param activation What comes between the two Linear layers. ("relu" or "gelu")
    * @param layer_norm_eps Added to the variances of both LayerNorms. (number of at least 0)
    * @param batch_first A row of the data is a sequence, so the batch is always the first
    *   dimension. PyTorch's default is false. (true (or leave it out))
    * @param norm_first Normalise before attention and feed-forward part, not after. (true or false)
    * @param bias Add learned biases. (true or false)
    * @param is_causal Hide from every position those after it. (true or false)
    */
  def TransformerDecoderLayer(
      d_model: Int,
      nhead: Int,
      dim_feedforward: Int = 2048,
      dropout: Double = 0.1,
      activation: String = "relu",
      layer_norm_eps: Double = 1e-5,
      batch_first: Boolean = true,
      norm_first: Boolean = false,
      bias: Boolean = true,
      is_causal: Boolean = false
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("TransformerDecoderLayer", "d_model", d_model, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("TransformerDecoderLayer", "nhead", nhead, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("TransformerDecoderLayer", "dim_feedforward", dim_feedforward, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("TransformerDecoderLayer", "dropout", dropout, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
      Argument("TransformerDecoderLayer", "activation", activation, "\"relu\" or \"gelu\"")(ParamValidators.inArray(Array("relu", "gelu"))),
      Argument("TransformerDecoderLayer", "layer_norm_eps", layer_norm_eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
      Argument("TransformerDecoderLayer", "batch_first", batch_first, "true (or leave it out)")((value: Boolean) => value),
      "norm_first" -> norm_first,
      "bias" -> bias,
      "is_causal" -> is_causal
    )
    new Module(Document.of("TransformerDecoderLayer", arguments))
  }
}
