package candlewick.jni;

/**
 * Weights of a network in native memory, read from the pieces of a safetensors file: the file is
 * never whole there, and may be larger than an array of the JVM.
 */
final class Weights extends NativeHandle {
  private Weights(long handle) {
    super(handle);
  }

  /**
   * Reads a file.
   *
   * @param json {@code {"network", "inputShape"}}, and {@code "strict"} for a file to start from
   * @param pieces the file
   * @return the weights, to be closed; one native call takes them
   */
  static Weights read(String json, Iterable<byte[]> pieces) {
    NativeLibrary.load();
    Weights weights = new Weights(NativeMethods.weightsBegin(json));
    boolean done = false;
    try {
      for (byte[] piece : pieces) {
        NativeMethods.weightsAdd(weights.handle(), piece);
      }
      done = true;
      return weights;
    } finally {
      if (!done) {
        weights.close();
      }
    }
  }

  @Override
  void release(long released) {
    NativeMethods.weightsClose(released);
  }
}
