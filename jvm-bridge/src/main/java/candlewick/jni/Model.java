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

  @Override
  void release(long released) {
    NativeMethods.modelClose(released);
  }
}
