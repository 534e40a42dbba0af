package candlewick.jni;

import java.nio.ByteBuffer;

/**
 * The functions of the native library, as they are. A handle is a number that the library's
 * registry knows: a stale or foreign one is an exception, never undefined behaviour. Only the
 * classes of this package call these, after {@link NativeLibrary#load()}.
 */
final class NativeMethods {
  private NativeMethods() {}

  static native String version();

  static native String resolve(String requestJson);

  static native String trainingPlan(String requestJson);

  static native String networkSummary(String json);

  static native long weightsBegin(String json);

  static native void weightsAdd(long handle, byte[] piece);

  static native void weightsClose(long handle);

  static native byte[] exportOnnx(long weights);

  static native String networkOutputs(String json);

  static native String initialWeights(long weights);

  static native String canary(long address, int bytes);

  static native String newSecret();

  static native String deriveKeys(String secretHex, String job, String purposes, boolean tls);

  static native void panic(String message);

  static native void reportExit(String trainerConfigJson, int code, String stderrTail);

  static native long bufferAllocate(long capacity);

  static native void bufferFree(long address, long capacity);

  static native ByteBuffer bufferView(long address, long capacity);

  static native long coordinatorStart(String configJson, String keysJson);

  static native String coordinatorAddress(long handle);

  static native String coordinatorCommand(long handle, String json);

  static native String coordinatorPoll(long handle, int timeoutMs);

  static native long coordinatorWeights(long handle);

  static native long blobBytes(long handle);

  static native byte[] blobRead(long handle, long offset, int most);

  static native void blobClose(long handle);

  static native String coordinatorRecord(long handle);

  static native long coordinatorSnapshot(long handle);

  static native void coordinatorResumeFrom(long handle, long offset, byte[] part);

  static native void coordinatorClose(long handle);

  static native String snapshotInfo(long handle);

  static native byte[] snapshotRead(long handle, long offset, int most);

  static native void snapshotClose(long handle);

  static native long feederOpen(String feedJson, String keysJson);

  static native boolean feederPush(
      long handle, long address, long bytes, int rows, boolean interrupted);

  static native String feederFinish(long handle, long rowsRead);

  static native void feederClose(long handle);

  static native long modelLoad(String modelJson, long weights);

  static native String modelInfo(long handle);

  static native byte[] modelGolden(long handle);

  static native void modelCheckGolden(long handle, byte[] file);

  static native void modelClose(long handle);

  static native long scorerOpen(long model, String scoreJson);

  static native long scorerRun(long handle, long address, long bytes, int rows);

  static native long scorerResultBytes(long handle);

  static native long scorerKept(long handle);

  static native long scorerRowBytes(long handle);

  static native int scorerPlaced(long handle);

  static native void scorerClose(long handle);

  /**
   * Called by the library while it waits for the network, so that a killed task ends at once.
   *
   * @return true if the calling thread is interrupted
   */
  static boolean threadInterrupted() {
    return Thread.currentThread().isInterrupted();
  }
}
