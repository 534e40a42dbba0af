package candlewick.jni;

/** The functions of the native library that need no handle. Each loads the library first. */
public final class Native {
  private Native() {}

  /**
   * The version of the native library.
   *
   * @return for example {@code 0.1.0}
   */
  public static String version() {
    NativeLibrary.load();
    return NativeMethods.version();
  }

  /**
   * Validates the parameters of a job and completes them: defaults, inferred sizes.
   *
   * @param requestJson {@code {"job": id, "params": {...}, "task": "classifier" or "regressor",
   *     "featureWidth": n, "labelWidth": n, "numTrainers": n}}; the numbers may be absent where
   *     inputShape, one value and the parameter numTrainers say the same
   * @return {@code {"job": JobSpec, "launch": LaunchSpec, "outputWidth": n, "parameters": n,
   *     "summary": text}}
   * @throws InvalidParameterException if something is wrong, with what to change
   */
  public static String resolve(String requestJson) {
    NativeLibrary.load();
    return NativeMethods.resolve(requestJson);
  }

  /**
   * What a job will need of each trainer, and how long a step will take.
   *
   * @param requestJson {@code {"job": JobSpec, "trainers": n, "threads": n, "probeMs": n}}; steps
   *     are tried for about so many milliseconds, 0: not at all
   * @return {@code {"memory": {account: bytes}, "rowBytes": n, "exchangeBytes": n, "stepSeconds":
   *     x, "stepSecondsAlone": x, "loopbackBytesPerSecond": x}}; null for what was not tried
   */
  public static String trainingPlan(String requestJson) {
    NativeLibrary.load();
    return NativeMethods.trainingPlan(requestJson);
  }

  /**
   * A table of a network's layers.
   *
   * @param json {@code {"network": document, "inputShape": [...]}}; optional {@code "batchSize"}
   *     and {@code "optimizer"} (its document) for the memory of a step
   * @return the table
   */
  public static String networkSummary(String json) {
    NativeLibrary.load();
    return NativeMethods.networkSummary(json);
  }

  /**
   * A network with its weights as an ONNX model file (operator set 17).
   *
   * @param json {@code {"network": document, "inputShape": [...], "scale": 0.5}}; without a scale
   *     features go into the network as they are
   * @param safetensors the weights, a file in pieces
   * @return the file
   * @throws InvalidParameterException if they do not fit, or a layer has no counterpart in ONNX, or
   *     the file would be larger than one may be
   */
  public static byte[] exportOnnx(String json, Iterable<byte[]> safetensors) {
    try (Weights weights = Weights.read(json, safetensors)) {
      return NativeMethods.exportOnnx(weights.handle());
    }
  }

  /**
   * The outputs of a network.
   *
   * @param json {@code {"network": document, "inputShape": [...]}}; the shape may be null where it
   *     is not known yet; {@code "inner": [names]} asks for what these layers or nodes put out
   *     instead, with the shape known
   * @return {@code [{"name": name, "width": n}, ...]}; the name of the one output of a chain is
   *     empty; {@code null} where they depend on the shape that is not known
   */
  public static String networkOutputs(String json) {
    NativeLibrary.load();
    return NativeMethods.networkOutputs(json);
  }

  /**
   * Checks a file of weights that training shall start from.
   *
   * @param json {@code {"network": document, "inputShape": [...], "strict": true or false}}
   * @param safetensors the file in pieces
   * @return {@code {"loaded": n, "missing": [...], "unexpected": [...], "mismatched": [...]}}
   * @throws InvalidParameterException if the file is damaged, or strict and not the network's
   */
  public static String initialWeights(String json, Iterable<byte[]> safetensors) {
    try (Weights weights = Weights.read(json, safetensors)) {
      return NativeMethods.initialWeights(weights.handle());
    }
  }

  /**
   * Decodes one row of {@link Canary#TYPES} and returns what was read. Prefer {@link Canary#check}.
   *
   * @param address of the row's bytes
   * @param bytes size of the row
   * @return JSON, one list of numbers per field
   */
  public static String canary(long address, int bytes) {
    NativeLibrary.load();
    return NativeMethods.canary(address, bytes);
  }

  /**
   * A new job secret from the operating system's random source. It stays in the driver; other
   * processes get keys that are derived from it.
   *
   * @return 64 hexadecimal digits
   */
  public static String newSecret() {
    NativeLibrary.load();
    return NativeMethods.newSecret();
  }

  /**
   * Derives keys of a job from its secret, one for each purpose. A key for one purpose is of no use
   * for another.
   *
   * @param secretHex the job's secret
   * @param job id of the job
   * @param purposes a list with commas of feed (rows to trainers), peer (between trainers) and
   *     control (to the coordinator)
   * @param tls whether the connections that are proven by them are encrypted; the keys are others
   *     then
   * @return the key ring, JSON
   * @throws InvalidParameterException if a purpose is not known
   */
  public static String deriveKeys(String secretHex, String job, String purposes, boolean tls) {
    NativeLibrary.load();
    return NativeMethods.deriveKeys(secretHex, job, purposes, tls);
  }

  /**
   * Panics in native code, to test that a panic becomes an exception.
   *
   * @param message of the panic
   * @throws NativePanicException always
   */
  public static void panic(String message) {
    NativeLibrary.load();
    NativeMethods.panic(message);
  }
}
