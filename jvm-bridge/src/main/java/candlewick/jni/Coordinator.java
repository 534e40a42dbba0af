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
   * @return a safetensors file, to be closed
   */
  public Blob weights() {
    return new Blob(NativeMethods.coordinatorWeights(handle()));
  }

  /**
   * The flight record: where every trainer stood when the job failed, or stands now, and what was
   * said last.
   *
   * @return JSON
   */
  public String record() {
    return NativeMethods.coordinatorRecord(handle());
  }

  /**
   * Takes the youngest state of the training that nobody has taken, once the event "snapshot" came.
   *
   * @return the state, to be closed; null if there is none
   */
  public Snapshot takeSnapshot() {
    long snapshot = NativeMethods.coordinatorSnapshot(handle());
    return snapshot == 0 ? null : new Snapshot(snapshot);
  }

  /**
   * Gives a part of a saved state, in order; the command "train" with "resume" goes on from it.
   *
   * @param offset position of the part; 0 begins anew
   * @param part its bytes
   */
  public void resumeFrom(long offset, byte[] part) {
    NativeMethods.coordinatorResumeFrom(handle(), offset, part);
  }

  @Override
  void release(long released) {
    NativeMethods.coordinatorClose(released);
  }
}
