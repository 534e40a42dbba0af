// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

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
      val arguments =
        Seq("num_embeddings" -> num_embeddings, "embedding_dim" -> embedding_dim, "padding_idx" -> padding_idx)
      new Module(Document.of("Embedding", arguments))
    }
  }

  /** Replaces the indices along the last dimension, a bag, by the sum, mean or largest values of
    * their rows of a learned table; a bag of nothing but padding_idx becomes 0. The table starts
    * normal around 0 with deviation 1.
    */
  object EmbeddingBag {

    /** @param num_embeddings Rows of the table: indices are whole numbers from 0 to num_embeddings - 1.
      *   (whole number from 1 to 16777216)
      * @param embedding_dim Size of a row of the table. (whole number of at least 1)
      * @param mode How the rows of a bag become one. ("sum" or "mean" or "max")
      * @param padding_idx Index that counts as absent: bags leave it out; its row starts at 0;
      *   negative counts from the end. (whole number of at least -16777216; or none)
      */
    def apply(
        num_embeddings: Int,
        embedding_dim: Int,
        mode: String = "mean",
        padding_idx: Opt[Int] = None
    ): Module = {
      val arguments =
        Seq("num_embeddings" -> num_embeddings, "embedding_dim" -> embedding_dim, "mode" -> mode, "padding_idx" -> padding_idx)
      new Module(Document.of("EmbeddingBag", arguments))
    }
  }
}
