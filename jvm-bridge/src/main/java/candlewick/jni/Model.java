package candlewick.jni;

/** A network with its weights, loaded once and shared by all scorers. Thread safe. */
public final class Model extends NativeHandle {
  private Model(long handle) {
    super(handle);
  }

  /**
   * Loads a model.
   *
   * @param modelJson {@code {"network": document, "inputShape": [...], "label": LabelKind}}
   * @param safetensors the weights, a file in pieces
   * @return the model, to be closed; scorers opened from it stay usable
   */
  public static Model load(String modelJson, Iterable<byte[]> safetensors) {
    try (Weights weights = Weights.read(modelJson, safetensors)) {
      return new Model(NativeMethods.modelLoad(modelJson, weights.handle()));
    }
  }

  /**
   * What the model is.
   *
   * @return {@code {"weightsHash", "parameters", "inputWidth", "outputWidth", "bytes"}}
   */
  public String info() {
    return NativeMethods.modelInfo(handle());
  }

  /**
   * Golden vectors: seeded rows of input, and what the model gives for them.
   *
   * @return a safetensors file
   */
  public byte[] golden() {
    return NativeMethods.modelGolden(handle());
  }

  /**
   * Computes golden vectors again.
   *
   * @param file what {@link #golden} gave
   * @throws InvalidParameterException if the model gives something else, with the first output that
   *     differs, or if the file is damaged
   */
  public void checkGolden(byte[] file) {
    NativeMethods.modelCheckGolden(handle(), file);
  }

  @Override
  void release(long released) {
    NativeMethods.modelClose(released);
  }
}
