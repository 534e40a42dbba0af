package candlewick.jni;

/** Native code panicked: a defect of Candlewick. The JVM goes on. */
public final class NativePanicException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public NativePanicException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "internal";
  }
}
