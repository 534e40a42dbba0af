package candlewick.jni;

/** A state of the training, in native memory: what a checkpoint is made of. Thread safe. */
public final class Snapshot extends NativeHandle {
  Snapshot(long handle) {
    super(handle);
  }

  /**
   * What it is.
   *
   * @return {@code {"counter": {"epoch", "step", "phase"}, "last", "bytes"}}
   */
  public String info() {
    return NativeMethods.snapshotInfo(handle());
  }

  /**
   * A part of the file.
   *
   * @param offset position of its first byte
   * @param most longest part
   * @return the bytes; fewer than asked for at the end of the file, none after it
   */
  public byte[] read(long offset, int most) {
    return NativeMethods.snapshotRead(handle(), offset, most);
  }

  @Override
  void release(long released) {
    NativeMethods.snapshotClose(released);
  }
}
