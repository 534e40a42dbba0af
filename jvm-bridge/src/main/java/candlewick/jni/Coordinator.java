package candlewick.jni;

/**
 * The coordinator of one job, in the driver's JVM. Its threads are native and never enter the JVM;
 * events are polled. Thread safe.
 */
public final class Coordinator extends NativeHandle {
  private Coordinator(long handle) {
    super(handle);
  }

  /**
   * Starts a coordinator.
   *
   * @param configJson {@code {"bindHost", "port", "job": JobSpec, ...}}
   * @param keysJson a key ring with the key for control, see {@link Native#deriveKeys}
   * @return the coordinator, to be closed; closing tells all trainers to end
   */
  public static Coordinator start(String configJson, String keysJson) {
    NativeLibrary.load();
    return new Coordinator(NativeMethods.coordinatorStart(configJson, keysJson));
  }

  /**
   * Where it listens.
   *
   * @return {@code {"host": ..., "port": ...}}
   */
  public String address() {
    return NativeMethods.coordinatorAddress(handle());
  }

  /**
   * Executes a command.
   *
   * @param json for example {@code {"cmd": "tick"}}
   * @return the answer, JSON
   */
  public String command(String json) {
    return NativeMethods.coordinatorCommand(handle(), json);
  }

  /**
   * Waits for the next event.
   *
   * @param timeoutMs longest wait
   * @return JSON, or null if nothing happened
   */
  public String poll(int timeoutMs) {
    return NativeMethods.coordinatorPoll(handle(), timeoutMs);
  }

  /**
   * The trained weights, once the event "done" came.
   *
   * @return a safetensors file
   */
  public byte[] weights() {
    return NativeMethods.coordinatorWeights(handle());
  }

  @Override
  void release(long released) {
    NativeMethods.coordinatorClose(released);
  }
}
