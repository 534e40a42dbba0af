// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

/** Embeddings. */
private[candlewick] trait EmbeddingBuilders {

  /** Replaces every index by its row of a learned table: an input of whole numbers gains a last
    * dimension of embedding_dim values. The table starts normal around 0 with deviation 1.
    */
  object Embedding {

    /** @param num_embeddings Rows of the table: indices are whole numbers from 0 to num_embeddings - 1.
      *   (whole number from 1 to 16777216)
      * @param embedding_dim Size of a row of the table. (whole number of at least 1)
      * @param padding_idx Index whose row starts at 0 and gets no gradient, so that it stays there;
      *   negative counts from the end. (whole number of at least -16777216; or none)
      */
    def apply(num_embeddings: Int, embedding_dim: Int, padding_idx: Opt[Int] = None): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Embedding", "num_embeddings", num_embeddings, "a whole number from 1 to 16777216")(Legal.whole(1L, 16777216L)),
        Argument("Embedding", "embedding_dim", embedding_dim, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("Embedding", "padding_idx", padding_idx, "a whole number of at least -16777216, or null")(Argument.opt(Legal.whole(-16777216L, 2147483648L)))
      )
      new Module(Document.of("Embedding", arguments))
    }
  }

  /** Replaces the indices along the last dimension, a bag, by the sum, mean or largest values of
    * their rows of a learned table; a bag of nothing but padding_idx becomes 0. The table starts
    * normal around 0 with deviation 1. With input = "counts" the input is a vector of
    * num_embeddings values, as HashingTF, CountVectorizer or IDF make it, dense or sparse: an index
    * is in the bag where its value is not zero. sum adds up the rows of the table, each times its
    * value (PyTorch's per_sample_weights), mean divides that by the sum of the values, which must
    * be at least 0, and max does not look at how large a value is. Only what is not zero is
    * computed, and of the table only rows that a step touches are exchanged.
    */
  object EmbeddingBag {

    /** @param num_embeddings Rows of the table: indices are whole numbers from 0 to num_embeddings - 1.
      *   (whole number from 1 to 16777216)
      * @param embedding_dim Size of a row of the table. (whole number of at least 1)
      * @param mode How the rows of a bag become one. ("sum" or "mean" or "max")
      * @param padding_idx Index that counts as absent: bags leave it out; its row starts at 0;
      *   negative counts from the end. (whole number of at least -16777216; or none)
      * @param input What the input is: bags of indices, or a vector of num_embeddings values, each
      *   the count or weight of its index. PyTorch knows indices alone. ("indices" or "counts")
      */
    def apply(
        num_embeddings: Int,
        embedding_dim: Int,
        mode: String = "mean",
        padding_idx: Opt[Int] = None,
        input: String = "indices"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("EmbeddingBag", "num_embeddings", num_embeddings, "a whole number from 1 to 16777216")(Legal.whole(1L, 16777216L)),
        Argument("EmbeddingBag", "embedding_dim", embedding_dim, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("EmbeddingBag", "mode", mode, "\"sum\" or \"mean\" or \"max\"")(ParamValidators.inArray(Array("sum", "mean", "max"))),
        Argument("EmbeddingBag", "padding_idx", padding_idx, "a whole number of at least -16777216, or null")(Argument.opt(Legal.whole(-16777216L, 2147483648L))),
        Argument("EmbeddingBag", "input", input, "\"indices\" or \"counts\"")(ParamValidators.inArray(Array("indices", "counts")))
      )
      new Module(Document.of("EmbeddingBag", arguments))
    }
  }
}
