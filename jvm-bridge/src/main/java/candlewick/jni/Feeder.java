package candlewick.jni;

/**
 * Feeds the rows of one partition to the trainers that own their shards. For one task; close may
 * come from anywhere.
 */
public final class Feeder extends NativeHandle {
  private Feeder(long handle) {
    super(handle);
  }

  /**
   * Opens a feeder. Connections to the trainers are shared by all feeders of the JVM and opened
   * when a row needs them.
   *
   * @param feedJson {@code {"feed": FeedSpec, "partition": n, "attempt": taskAttemptId, "executor":
   *     id}}
   * @param keysJson a key ring with the key for feeding, see {@link Native#deriveKeys}
   * @return the feeder, to be closed; closing before {@link #finish} aborts its streams
   */
  public static Feeder open(String feedJson, String keysJson) {
    NativeLibrary.load();
    return new Feeder(NativeMethods.feederOpen(feedJson, keysJson));
  }

  /**
   * Decodes, hashes and routes rows. An invalid row does not throw: it becomes the failure in the
   * ledger that {@link #finish} returns.
   *
   * @param rows the rows, format of {@link NativeBuffer}
   * @param bytes bytes used in the buffer
   * @param count number of rows
   * @param interrupted whether the task was told to stop
   * @return false where no more rows are wanted, since one was invalid; {@link #finish} tells
   * @throws CancelledException if interrupted, or if the calling thread is while it waits
   * @throws RetryableException if a trainer does not take the rows in time
   */
  public boolean push(NativeBuffer rows, long bytes, int count, boolean interrupted) {
    synchronized (rows) {
      return NativeMethods.feederPush(handle(), rows.addressOf(bytes), bytes, count, interrupted);
    }
  }

  /**
   * Ends all streams and waits until every trainer has sealed its part.
   *
   * @param rowsRead rows the iterator gave
   * @return the TaskLedger, JSON; "failure" in it stands for invalid data
   */
  public String finish(long rowsRead) {
    return NativeMethods.feederFinish(handle(), rowsRead);
  }

  @Override
  void release(long released) {
    NativeMethods.feederClose(released);
  }
}
