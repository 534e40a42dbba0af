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
   * @param safetensors the weights
   * @return the model, to be closed; scorers opened from it stay usable
   */
  public static Model load(String modelJson, byte[] safetensors) {
    NativeLibrary.load();
    return new Model(NativeMethods.modelLoad(modelJson, safetensors));
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
