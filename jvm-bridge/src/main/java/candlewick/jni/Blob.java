package candlewick.jni;

/** A file in native memory, of any size, read in parts. Thread safe. */
public final class Blob extends NativeHandle {
  Blob(long handle) {
    super(handle);
  }

  /**
   * Its size.
   *
   * @return bytes
   */
  public long bytes() {
    return NativeMethods.blobBytes(handle());
  }

  /**
   * A part of the file.
   *
   * @param offset position of its first byte
   * @param most longest part
   * @return the bytes; fewer than asked for at the end of the file, none after it
   */
  public byte[] read(long offset, int most) {
    return NativeMethods.blobRead(handle(), offset, most);
  }

  @Override
  void release(long released) {
    NativeMethods.blobClose(released);
  }
}
