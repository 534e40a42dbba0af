package candlewick.jni;

import java.nio.ByteBuffer;

/**
 * Memory outside the JVM's heap, aligned to 8 bytes, into which rows are copied before one call to
 * native code.
 *
 * <p>Rows follow each other as {@code [u32 size, little endian][u32 0][size bytes of the row][zeros
 * up to a multiple of 8]}.
 */
public final class NativeBuffer implements AutoCloseable {
  private final long capacity;
  private long address;

  private NativeBuffer(long address, long capacity) {
    this.address = address;
    this.capacity = capacity;
  }

  /**
   * Allocates memory.
   *
   * @param capacity bytes, at least 1
   * @return the buffer, to be closed
   */
  public static NativeBuffer allocate(long capacity) {
    NativeLibrary.load();
    return new NativeBuffer(NativeMethods.bufferAllocate(capacity), capacity);
  }

  /**
   * Where the memory begins.
   *
   * @return the address; valid until close
   */
  public synchronized long address() {
    if (address == 0) {
      throw new IllegalStateException("NativeBuffer is closed");
    }
    return address;
  }

  /**
   * The size.
   *
   * @return bytes
   */
  public long capacity() {
    return capacity;
  }

  /**
   * A view of the memory as a direct buffer, big endian as every new one.
   *
   * @return the view; it must not be used after close
   */
  public ByteBuffer view() {
    return NativeMethods.bufferView(address(), capacity);
  }

  /** The address, after a check that the first {@code bytes} bytes are inside. */
  long addressOf(long bytes) {
    if (bytes < 0 || bytes > capacity) {
      throw new IllegalArgumentException(bytes + " bytes are not inside a buffer of " + capacity);
    }
    return address();
  }

  /** Frees the memory. Closing again has no effect. */
  @Override
  public synchronized void close() {
    long freed = address;
    address = 0;
    if (freed != 0) {
      NativeMethods.bufferFree(freed, capacity);
    }
  }
}
