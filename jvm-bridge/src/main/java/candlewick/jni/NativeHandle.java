package candlewick.jni;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Owner of one native object: closing twice has no effect, use after closing is an
 * IllegalStateException.
 */
abstract class NativeHandle implements AutoCloseable {
  private final AtomicLong handle;

  NativeHandle(long handle) {
    this.handle = new AtomicLong(handle);
  }

  /**
   * The handle, as long as this is open. A close by another thread meanwhile makes the native call
   * fail cleanly.
   */
  final long handle() {
    long current = handle.get();
    if (current == 0) {
      throw new IllegalStateException(getClass().getSimpleName() + " is closed");
    }
    return current;
  }

  /** Releases the native object. */
  abstract void release(long released);

  /** Releases the native object. Closing again has no effect. */
  @Override
  public final void close() {
    long released = handle.getAndSet(0);
    if (released != 0) {
      release(released);
    }
  }
}
